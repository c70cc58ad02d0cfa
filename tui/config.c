/*
 * config.c - see config.h. The only file of this layer that looks at the environment. Rows of
 * options.def bind a field by offset; the compiler checks that the field has the row's type.
 */
#include "tui/config.h"

#include <langinfo.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/conf.h"
#include "router/endpoint.h"

#include "tui/args.h"
#include "tui/embedded.h"

enum option_kind {
    KIND_TEXT,
    KIND_FILE,
    KIND_COUNT,
    KIND_ZONE,
    KIND_COLOR,
    KIND_BOOL,
    KIND_MONEY,
    KIND_REASONING
};

#define TYPE_TEXT      const char *
#define TYPE_FILE      const char *
#define TYPE_COUNT     uint32_t
#define TYPE_ZONE      enum zone
#define TYPE_COLOR     enum color_depth
#define TYPE_BOOL      bool
#define TYPE_MONEY     int64_t
#define TYPE_REASONING enum reasoning_mode

/* A row whose field has another type does not compile. */
#define OPT(field, kind, ...)                                                                  \
    _Static_assert(_Generic(((struct config *)0)->field, TYPE_##kind : 1, default : 0), #field);
#include "tui/options.def"
#undef OPT

const struct option_def option_defs[] = {
#define OPT(field, kind, key, fallback, min, max, unit, flag, argument, help)                  \
    {key, fallback, unit, flag, argument, help},
#include "tui/options.def"
#undef OPT
};
const size_t n_option_defs = ARRAY_LEN(option_defs);

static const struct {
    enum option_kind kind;
    size_t offset;
    uint32_t min, max;
} bindings[] = {
#define OPT(field, kind, key, fallback, min, max, ...)                                         \
    {KIND_##kind, offsetof(struct config, field), min, max},
#include "tui/options.def"
#undef OPT
};

/* The place of text among the names; -1: it is none of them. */
static int find_name(const char *const *names, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0)
            return (int)i;
    return -1;
}

static bool parse_color(const char *text, enum color_depth *out)
{
    static const char *const names[] = {"never", "16", "256", "rgb"};
    int i = find_name(names, ARRAY_LEN(names), text);
    *out = i < 0 ? *out : (enum color_depth)i;
    return i >= 0;
}

static bool parse_reasoning(const char *text, enum reasoning_mode *out)
{
    static const char *const names[] = {"fold", "show", "hide"};
    int i = find_name(names, ARRAY_LEN(names), text);
    *out = i < 0 ? *out : (enum reasoning_mode)i;
    return i >= 0;
}

/* The user's word, over the configuration. */
static bool wants_no_color(void)
{
    const char *no_color = getenv("NO_COLOR"), *cli = getenv("CLICOLOR");
    return (no_color && *no_color) || (cli && strcmp(cli, "0") == 0);
}

static enum color_depth detect_color(const char *term)
{
    const char *colorterm = getenv("COLORTERM");
    if (wants_no_color() || strcmp(term, "dumb") == 0)
        return COLOR_NEVER;
    if (strstr(term, "256color") || strstr(term, "direct") || strstr(term, "kitty") ||
            strstr(term, "alacritty") || strstr(term, "foot") || (colorterm && *colorterm))
        return COLOR_256;
    return COLOR_16;
}

/* COLORFGBG, which some terminals set: "15;0", "0;default;15"; the last is the background. */
static enum theme_variant detect_background(void)
{
    const char *value = getenv("COLORFGBG"), *last = value ? strrchr(value, ';') : NULL;
    uint64_t number;
    if (!last || !slice_to_u64(slice_of(last + 1), &number) || number > 15)
        return VARIANT_ANY;
    return number == 7 || number > 8 ? VARIANT_LIGHT : VARIANT_DARK;
}

/* Nano-dollars; empty: none at all, which 0 says. No money is as good as the smallest coin. */
static bool parse_money(const char *text, int64_t *out)
{
    double usd;
    if (!text[0]) {
        *out = 0;
        return true;
    }
    if (!slice_to_double(slice_of(text), &usd) || !(usd >= 0 && usd < 1e6))
        return false;
    *out = usd * 1e9 >= 1 ? (int64_t)(usd * 1e9) : 1;
    return true;
}

/* With ~/ expanded; lives as long as the configuration. */
static const char *take_path(struct config *config, const char *text)
{
    char *path = config_expand_home(text);
    const char *kept = arena_strdup(&config->arena, path);
    mem_free(path);
    return kept;
}

/* False: the text is not a value of this kind; the field is unchanged. */
static bool option_set(struct config *config, size_t i, const char *text)
{
    void *field = (char *)config + bindings[i].offset;
    uint64_t count;
    switch (bindings[i].kind) {
    case KIND_TEXT:
        *(const char **)field = text;
        return true;
    case KIND_FILE:
        *(const char **)field = take_path(config, text);
        return true;
    case KIND_COUNT:
        if (!slice_to_u64(slice_of(text), &count) || count < bindings[i].min ||
                count > bindings[i].max)
            return false;
        *(uint32_t *)field = (uint32_t)count;
        return true;
    case KIND_ZONE:
        return zone_parse(text, field);
    case KIND_BOOL:
        return conf_parse_bool(text, field);
    case KIND_MONEY:
        return parse_money(text, field);
    case KIND_REASONING:
        return parse_reasoning(text, field);
    case KIND_COLOR:
        if (strcmp(text, "auto") == 0) {
            *(enum color_depth *)field = detect_color(config->term);
            return true;
        }
        return parse_color(text, field);
    }
    return false;
}

static size_t option_find(const char *key)
{
    size_t i = 0;
    while (i < n_option_defs && strcmp(option_defs[i].key, key) != 0)
        i++;
    return i;
}

static void warn_unknown_key(struct config *config, const struct conf_entry *entry)
{
    const char *names[ARRAY_LEN(option_defs)];
    for (size_t i = 0; i < n_option_defs; i++)
        names[i] = option_defs[i].key;
    const char *nearest = conf_nearest(entry->key, names, n_option_defs);
    conf_warn(config->conf, entry->line, "unknown key \"%s\" in [shunt]%s%s%s", entry->key,
            nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

/* A zone that cannot be read must not open what the user wanted closed: the narrowest holds. */
static void read_shunt_section(struct config *config)
{
    for (size_t n = 0; n < conf_n_entries(config->conf); n++) {
        const struct conf_entry *entry = conf_entry_at(config->conf, n);
        if (strcmp(entry->section, "shunt") != 0)
            continue;
        size_t i = option_find(entry->key);
        if (i < n_option_defs && option_set(config, i, entry->value))
            continue;
        if (i == n_option_defs) {
            warn_unknown_key(config, entry);
        } else if (bindings[i].kind == KIND_ZONE) {
            config->zone = ZONE_LOCAL;
            conf_warn(config->conf, entry->line,
                    "zone \"%s\" is none of local, lab, region, external; until this is mended "
                    "nothing leaves this machine",
                    entry->value);
        } else if (bindings[i].kind == KIND_MONEY) {
            config->budget_day_nusd = 1;
            conf_warn(config->conf, entry->line,
                    "%s = %s is no amount of dollars such as 2.00; until this is mended "
                    "nothing is spent",
                    entry->key, entry->value);
        } else if (bindings[i].kind == KIND_COUNT) {
            conf_warn(config->conf, entry->line,
                    "%s = %s is not a whole number from %u to %u; %s is used", entry->key,
                    entry->value, bindings[i].min, bindings[i].max, option_defs[i].fallback);
        } else {
            conf_warn(config->conf, entry->line, "%s = %s is not valid (%s); %s is used",
                    entry->key, entry->value, option_defs[i].help, option_defs[i].fallback);
        }
    }
}

static void warn_unknown_sections(struct config *config)
{
    static const char *const known[] = {"shunt", "endpoint", "bind"};
    const char *last = "";
    for (size_t n = 0; n < conf_n_entries(config->conf); n++) {
        const struct conf_entry *entry = conf_entry_at(config->conf, n);
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            is_known |= strcmp(entry->section, known[i]) == 0;
        if (is_known || strcmp(entry->section, last) == 0)
            continue;
        last = entry->section;
        const char *nearest = conf_nearest(entry->section, known, ARRAY_LEN(known));
        conf_warn(config->conf, entry->line, "unknown section [%s]%s%s%s", entry->section,
                nearest ? ": did you mean [" : "", nearest ? nearest : "", nearest ? "]?" : "");
    }
}

static char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

char *config_expand_home(const char *path)
{
    const char *home = getenv("HOME");
    return path[0] == '~' && path[1] == '/' && home ? path_join(home, path + 2)
                                                    : mem_strdup(path);
}

/* $VARIABLE/shunt, or ~/FALLBACK/shunt (XDG base directories 0.8: relative values are ignored).
 */
static char *xdg_dir(const char *variable, const char *fallback)
{
    const char *base = getenv(variable);
    if (base && base[0] == '/')
        return path_join(base, "shunt");
    const char *home = getenv("HOME");
    if (!home || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : "/";
    }
    char *dir = path_join(home, fallback), *path = path_join(dir, "shunt");
    mem_free(dir);
    return path;
}

/* What the login keeps in memory is the better place for what may be a secret. */
static void set_clipboard(struct config *config)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmux = getenv("TMUX"),
               *sty = getenv("STY");
    char *dir = runtime && runtime[0] == '/' ? path_join(runtime, "shunt")
                                             : mem_strdup(config->data_dir);
    config->clipboard.path = path_join(dir, "clip");
    config->clipboard.multiplexer = tmux && *tmux ? MULTIPLEXER_TMUX
                                    : sty && *sty ? MULTIPLEXER_SCREEN
                                                  : MULTIPLEXER_NONE;
    mem_free(dir);
}

static void set_paths(struct config *config, const struct global_flags *flags)
{
    char *dir = xdg_dir("XDG_CONFIG_HOME", ".config");
    config->path = flags->config ? mem_strdup(flags->config) : path_join(dir, "shunt.conf");
    config->themes_dir = path_join(dir, "themes");
    mem_free(dir);
    config->data_dir =
            flags->data ? mem_strdup(flags->data) : xdg_dir("XDG_DATA_HOME", ".local/share");
    config->models_dir = path_join(config->data_dir, "models");
    const char *term = getenv("TERM"), *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
    const char *temp_dir = getenv("TMPDIR");
    config->term = term ? term : "";
    config->editor = visual && *visual ? visual : editor && *editor ? editor : "vi";
    config->temp_dir = temp_dir && temp_dir[0] == '/' ? temp_dir : "/tmp";
    config->background = detect_background();
    set_clipboard(config);
}

size_t config_find_themes(const char *dir, struct arena *arena, char ***out)
{
    return dir_list(dir, ".theme", arena, out);
}

/* Where [shunt] sets this key last; 0: nowhere. */
static int key_line(const struct config *config, const char *key)
{
    int line = 0;
    for (size_t i = 0; i < conf_n_entries(config->conf); i++) {
        const struct conf_entry *e = conf_entry_at(config->conf, i);
        if (strcmp(e->section, "shunt") == 0 && strcmp(e->key, key) == 0)
            line = e->line;
    }
    return line;
}

/* A name that is neither built in nor a file would silently be the default. */
static void check_theme(struct config *config)
{
    struct arena arena = {0};
    struct buf there;
    const char **names;
    bool is_there = strcmp(config->theme, "auto") == 0;
    buf_init(&there, ERR_TEXT_BYTES / 2);
    size_t n = theme_list(config->themes_dir, &arena, &names);
    for (size_t i = 0; i < n; i++) {
        is_there |= strcmp(names[i], config->theme) == 0;
        buf_printf(&there, ", %s", names[i]);
    }
    if (!is_there)
        conf_warn(config->conf, key_line(config, "theme"),
                "no theme \"%s\": there is auto%s; dark is used", config->theme,
                buf_text(&there));
    buf_release(&there);
    arena_release(&arena);
}

static void read_endpoints(struct config *config, struct conf *conf)
{
    config->n_endpoints = config->n_sections =
            endpoints_read(conf, &config->arena, &config->endpoints);
    config->models_ns = 0;
    config_look_for_models(config);
}

enum status config_read_file(const struct config *config, struct conf **out, struct err *err)
{
    return conf_load(out, config->path, err);
}

enum status config_save_endpoints(struct config *config, struct conf *conf, struct err *err)
{
    char *dir = mem_strdup(config->path), *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    enum status status = slash && dir[0] ? dir_make(dir, err) : OK;
    mem_free(dir);
    if (status == OK)
        status = conf_save(conf, err);
    if (status == OK)
        read_endpoints(config, conf);
    return status;
}

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

struct backend_choice config_backend(const struct config *config)
{
    return (struct backend_choice){.name = or_null(config->backend),
            .library = or_null(config->cuda_lib),
            .kernel = or_null(config->kernel),
            .gpu_bytes = (uint64_t)config->gpu_memory_mb << 20};
}

struct backend_choice config_backend_of_flags(const struct global_flags *flags)
{
    return (struct backend_choice){.name = flags->backend,
            .library = flags->cuda_lib ? flags->cuda_lib : or_null(getenv("SHUNT_CUDA_LIB"))};
}

static void apply_backend_flags(struct config *config, const struct global_flags *flags)
{
    struct backend_choice by_flags = config_backend_of_flags(flags);
    if (by_flags.name)
        config->backend = by_flags.name;
    if (by_flags.library)
        config->cuda_lib = by_flags.library;
}

/* A wrong name in the file is a warning there and then as if there was none. */
static enum status check_backend(
        struct config *config, const struct global_flags *flags, struct err *err)
{
    struct err wrong;
    struct backend_choice choice = config_backend(config);
    if (flags->backend)
        return backend_check(&(struct backend_choice){.name = flags->backend}, err);
    if (backend_check(&choice, &wrong) == OK)
        return OK;
    conf_warn(config->conf, key_line(config, "backend"),
            "%s; until this is mended a GPU that can be used is taken", wrong.text);
    config->backend = "";
    return OK;
}

enum status config_load(struct config *out, const struct global_flags *flags, struct err *err)
{
    *out = (struct config){0};
    set_paths(out, flags);
    for (size_t i = 0; i < n_option_defs; i++)
        option_set(out, i, option_defs[i].fallback);
    enum status status = conf_load(&out->conf, out->path, err);
    if (status != OK) {
        config_release(out);
        return status;
    }
    if (flags->config && access(flags->config, F_OK) != 0)
        conf_warn(out->conf, 0, "this file does not exist; defaults are used");
    read_shunt_section(out);
    check_theme(out);
    warn_unknown_sections(out);
    read_endpoints(out, out->conf);
    bool is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    out->charset = !is_utf8                     ? CHARSET_ASCII
                   : out->ascii || flags->ascii ? CHARSET_ASCII_CHROME
                                                : CHARSET_UTF8;
    apply_backend_flags(out, flags);
    status = check_backend(out, flags, err);
    if (status != OK) {
        config_release(out);
        return status;
    }
    size_t color = option_find("color");
    if (wants_no_color())
        out->color = COLOR_NEVER;
    if (flags->color && !option_set(out, color, flags->color)) {
        config_release(out);
        return err_set(
                err, ERR_USAGE, "--color %s: use auto, never, 16, 256 or rgb", flags->color);
    }
    return OK;
}

void config_release(struct config *config)
{
    conf_free(config->conf);
    arena_release(&config->arena);
    mem_free(config->path);
    mem_free(config->data_dir);
    mem_free(config->models_dir);
    mem_free(config->clipboard.path);
    mem_free(config->themes_dir);
    *config = (struct config){0};
}

#define WARNINGS_PRINTED 20

void config_print_warnings(const struct config *config)
{
    size_t n = conf_n_warnings(config->conf);
    for (size_t i = 0; i < n && i < WARNINGS_PRINTED; i++)
        fprintf(stderr, "shunt: %s\n", conf_warning_at(config->conf, i));
    if (n > WARNINGS_PRINTED)
        fprintf(stderr,
                "shunt: %zu more mistakes in the configuration; `shunt doctor` lists them\n",
                n - WARNINGS_PRINTED);
}
