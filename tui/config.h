/*
 * config.h - the program's settings: the configuration file, the environment and the command
 * line, read once by the main thread. Precedence: flag, then environment, then file, then
 * default.
 */
#ifndef TUI_CONFIG_H
#define TUI_CONFIG_H

#include "engine/backend.h"

#include "router/zone.h"

#include "tui/clipboard.h"
#include "tui/settings.h"
#include "tui/theme.h"

struct conf;
struct endpoint_conf;
struct global_flags;
struct keymap;

struct config {
    char *path;       /* of shunt.conf */
    char *data_dir;   /* sessions and models */
    char *models_dir; /* data_dir/models */
    char *themes_dir; /* beside shunt.conf */
    struct conf *conf;
    struct endpoint_conf *endpoints;
    size_t n_endpoints;
    size_t n_sections;  /* of the endpoints: the others are files of models_dir */
    int64_t models_ns;  /* when models_dir was changed, as far as it is known here */
    struct arena arena; /* the endpoints' strings */
    /* fields of options.def */
    const char *theme, *kernel, *backend, *cuda_lib;
    enum color_depth color;
    enum zone zone;
    uint32_t n_threads, gpu_memory_mb;
    enum reasoning_mode reasoning;
    bool side_pane, models_folder, ascii, mouse;
    int64_t budget_day_nusd; /* 0: no limit */
    /* the environment */
    const char *term;     /* $TERM or "" */
    const char *editor;   /* $VISUAL, $EDITOR or vi */
    const char *temp_dir; /* $TMPDIR or /tmp */
    struct clipboard clipboard;
    enum charset charset;          /* of the locale, and `ascii` */
    enum theme_variant background; /* by $COLORFGBG; VARIANT_ANY: it says nothing */
};

/* Reads everything. A missing file is an empty one; mistakes in it become warnings
 * (conf_warning_at). Every .gguf file in models_dir is an endpoint, named after the file,
 * unless an [endpoint] names it or models_folder = no. */
enum status config_load(
        struct config *out, const struct global_flags *flags, struct err *err) MUST_USE;
void config_release(struct config *config);
/* Where local models run. Its strings are the configuration's. */
struct backend_choice config_backend(const struct config *config);
/* The same by flags and environment alone. */
struct backend_choice config_backend_of_flags(const struct global_flags *flags);
/* The file as it is now, for an edit; the caller frees it. */
enum status config_read_file(
        const struct config *config, struct conf **out, struct err *err) MUST_USE;
/* Writes an edited file. The endpoints of `config` are its endpoints from now on; the old ones
 * live as long. */
enum status config_save_endpoints(
        struct config *config, struct conf *conf, struct err *err) MUST_USE;
/* Takes what lies in models_dir now. False: nothing there has changed. The endpoints of before
 * live as long as `config`. */
bool config_look_for_models(struct config *config);
/* The default keys with the user's over them: [bind "CONTEXT"] COMMAND = KEYS, or `none` to
 * take its keys away. Mistakes become warnings. The caller frees the map. */
struct keymap *config_keymap(struct config *config);
/* Prints the first warnings to stderr. */
void config_print_warnings(const struct config *config);
/* ~/x as a path in the user's folder; any other text as it is. The caller frees it. */
char *config_expand_home(const char *path);
/* Files NAME.gguf, NAME.theme in dir, sorted; paths in the arena. */
size_t config_find_themes(const char *dir, struct arena *arena, char ***out);
size_t config_find_models(const char *dir, struct arena *arena, char ***out);

struct option_def {
    const char *key, *fallback, *unit, *flag, *argument, *help;
};
extern const struct option_def option_defs[];
extern const size_t n_option_defs;

#endif
