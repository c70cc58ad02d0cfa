/*
 * cmd_doctor.c - `shunt doctor`: what this program finds on this machine, one line each, with
 * what to do where something is wrong. Keys are looked for, never shown; nothing is sent, so
 * whether a server answers is not known.
 */
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/model.h"

#include "router/conf.h"
#include "router/endpoint.h"
#include "router/store.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/look.h"

#define GPU_RESERVE_BYTES ((uint64_t)512 << 20) /* that the backend leaves to the desktop */

struct report {
    int n_bad;
};

enum finding { FINE, NOTE, BAD };

static void say(struct report *report, enum finding finding, const char *what, const char *fmt,
        ...) PRINTF(4, 5);

static void say(
        struct report *report, enum finding finding, const char *what, const char *fmt, ...)
{
    static const char *const marks[] = {"ok  ", "note", "BAD "};
    char text[4096];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    cmd_print_line(stdout, "%s %-14s %s", marks[finding], what, text);
    report->n_bad += finding == BAD;
}

static void check_terminal(struct report *report, const struct config *config)
{
    static const char *const depths[] = {"no colours", "16 colours",
            "256 colours (color = rgb in [shunt] takes 24 bits)", "RGB"};
    struct winsize size = {0};
    if (strcmp(config->term, "") == 0 || strcmp(config->term, "dumb") == 0)
        say(report, BAD, "terminal",
                "TERM is \"%s\": set it to your terminal's name; `shunt ask` works without",
                config->term);
    else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        say(report, FINE, "terminal", "%s, %d x %d, %s", config->term, size.ws_col, size.ws_row,
                depths[config->color]);
    else
        say(report, NOTE, "terminal", "%s; standard output is no terminal", config->term);
    const char *charset = nl_langinfo(CODESET);
    if (strcmp(charset, "UTF-8") == 0)
        say(report, FINE, "characters", "UTF-8");
    else
        say(report, NOTE, "characters", "%s: set LANG to a UTF-8 locale such as C.UTF-8",
                charset);
}

static void check_config(struct report *report, const struct config *config)
{
    if (conf_n_warnings(config->conf) == 0 && access(config->path, R_OK) != 0)
        say(report, NOTE, "configuration", "%s is not there yet; defaults are used",
                config->path);
    else if (conf_n_warnings(config->conf) == 0)
        say(report, FINE, "configuration", "%s", config->path);
    for (size_t i = 0; i < conf_n_warnings(config->conf); i++)
        say(report, BAD, "configuration", "%s", conf_warning_at(config->conf, i));
}

static void check_theme(struct report *report, const struct config *config)
{
    struct look look;
    char source[4200];
    look_init(&look, config);
    cmd_restore_pick(&look);
    look_print_source(&look, source, sizeof source);
    struct slice rest = buf_slice(&look.problems), line;
    if (rest.n == 0)
        say(report, FINE, "theme", "%s, %s", look_name(&look), source);
    while (rest.n && (line = slice_cut(&rest, '\n')).n)
        say(report, BAD, "theme", "%.*s", (int)line.n, line.ptr);
    look_release(&look);
}

/* Whether a folder is there or can be made: only looks. */
static bool check_folder(struct report *report, const char *dir)
{
    char there[4096];
    snprintf(there, sizeof there, "%s", dir);
    for (char *slash; access(there, F_OK) != 0 && (slash = strrchr(there, '/'));)
        slash[slash == there] = '\0';
    if (access(there, W_OK | X_OK) == 0)
        return true;
    say(report, BAD, "sessions", "cannot create %s: %s may not be written", dir, there);
    return false;
}

static void check_data(struct report *report, const struct config *config)
{
    if (!cmd_has_store(config)) {
        if (check_folder(report, config->data_dir))
            say(report, NOTE, "sessions", "%s/shunt.db is not there yet", config->data_dir);
        return;
    }
    struct store *store;
    struct err err;
    if (store_open(&store, config->data_dir, -1, &err) != OK) {
        say(report, BAD, "sessions", "%s", err.text);
        return;
    }
    store_close(store);
    say(report, FINE, "sessions", "%s/shunt.db", config->data_dir);
}

/* What the backend takes of it at most, as kernels/memory_cuda.cu counts. */
static uint64_t gpu_room(const struct config *config, const struct backend_gpu *gpu)
{
    uint64_t wanted = (uint64_t)config->gpu_memory_mb << 20;
    if (wanted && wanted < gpu->free_bytes)
        return wanted;
    return gpu->free_bytes > GPU_RESERVE_BYTES ? gpu->free_bytes - GPU_RESERVE_BYTES : 0;
}

static void check_gpu(
        struct report *report, const struct config *config, struct backend_gpu *gpu)
{
    struct backend_choice choice = config_backend(config);
    char why[BACKEND_WHY_BYTES], total[SIZE_TEXT_BYTES], free_text[SIZE_TEXT_BYTES],
            room[SIZE_TEXT_BYTES];
    bool is_found = backend_find_gpu(&choice, gpu, why);
    if (gpu->library[0])
        say(report, FINE, "gpu library", "%s", gpu->library);
    if (!is_found) {
        say(report, backend_wants_gpu(&choice) ? BAD : NOTE, "gpu", "not used: %s", why);
        return;
    }
    say(report, FINE, "gpu",
            "%s, compute %s, driver for CUDA %s, %s, %s free, of which %s may be used%s%s%s",
            gpu->name, gpu->compute, gpu->driver, size_text(gpu->total_bytes, total),
            size_text(gpu->free_bytes, free_text), size_text(gpu_room(config, gpu), room),
            gpu->why_no_cublas[0] ? "; prompts are read more slowly (" : "", gpu->why_no_cublas,
            gpu->why_no_cublas[0] ? ")" : "");
}

/* What of a model fits into the GPU's free memory; "" without a GPU. Counted from sizes: which
 * parts a plan needs beside them is known when it is loaded. */
static void print_fit(const struct model_info *m, const struct config *config,
        const struct backend_gpu *gpu, char *out, size_t n)
{
    uint64_t room = gpu_room(config, gpu), needed = m->file_bytes + m->kv_bytes;
    char size[SIZE_TEXT_BYTES], has[SIZE_TEXT_BYTES];
    out[0] = '\0';
    if (gpu->total_bytes == 0)
        return;
    if (needed <= room)
        snprintf(out, n, ", fits into the GPU");
    else if (m->n_experts && m->active_bytes + m->kv_bytes <= room)
        snprintf(out, n, ", %s more than the GPU has: experts stay in main memory",
                size_text(needed - room, size));
    else
        snprintf(out, n, ", does not fit into the GPU: needs %s of which it has %s",
                size_text(needed, size), size_text(room, has));
}

static void check_model(struct report *report, const struct config *config,
        const struct backend_gpu *gpu, const struct endpoint_conf *e)
{
    struct model *model;
    struct err err;
    struct model_config cfg = {.path = e->model,
            .n_threads = 1,
            .n_seqs = (int)e->slots,
            .context_tok = e->context_tok,
            .backend = {.name = "cpu"}}; /* nothing is computed */
    char fit[128];
    if (endpoint_check(e, &err) != OK || model_open(&model, &cfg, &err) != OK) {
        say(report, BAD, e->name, "%s", err.text);
        return;
    }
    const struct model_info *m = model_info(model);
    print_fit(m, config, gpu, fit, sizeof fit);
    say(report, FINE, e->name, "%s, %s, %s%s%s%s", m->name, m->arch, m->quant,
            gpu->total_bytes ? "" : ", kernel ", gpu->total_bytes ? "" : m->kernel, fit);
    model_close(model);
}

static void check_remote(struct report *report, const struct endpoint_conf *e)
{
    static const char *const keys[] = {[KEY_FROM_NONE] = "no key",
            [KEY_FROM_ENV] = "key found",
            [KEY_FROM_FILE] = "key found",
            [KEY_FROM_COMMAND] = "key from a command, not run"};
    char url[1024];
    struct err err;
    endpoint_print_url(e, url, sizeof url);
    if (endpoint_check(e, &err) != OK)
        say(report, BAD, e->name, "%s", err.text);
    else
        say(report, NOTE, e->name, "%s, %s; not contacted", url, keys[e->key_source]);
}

static void check_endpoints(
        struct report *report, const struct config *config, const struct backend_gpu *gpu)
{
    bool has_others = false, has_pilot = false;
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (endpoint_is_pilot(&config->endpoints[i]))
            has_pilot = config->endpoints[i].enabled;
        else
            has_others = true;
    if (!has_others && config->models_folder)
        say(report, has_pilot ? NOTE : BAD, "endpoints",
                "%s: put a .gguf file into %s (a first start of shunt makes it), or add an [endpoint \"NAME\"] section to %s "
                "(README shows one)",
                has_pilot ? "only the pilot, which knows only shunt" : "none",
                config->models_dir, config->path);
    else if (!has_others)
        say(report, has_pilot ? NOTE : BAD, "endpoints",
                "%s: add an [endpoint \"NAME\"] section to %s (README shows one), or take "
                "models_folder = no out of it",
                has_pilot ? "only the pilot, which knows only shunt" : "none", config->path);
    for (size_t i = 0; i < config->n_endpoints; i++) {
        const struct endpoint_conf *e = &config->endpoints[i];
        if (!e->enabled)
            say(report, NOTE, e->name, "disabled");
        else if (e->kind == PROVIDER_LOCAL)
            check_model(report, config, gpu, e);
        else
            check_remote(report, e);
    }
}

static void check_models_folder(struct report *report, const struct config *config)
{
    struct arena arena = {0};
    char **paths;
    size_t n = config_find_models(config->models_dir, &arena, &paths);
    if (!config->models_folder && n)
        say(report, NOTE, "models folder", "%s is not looked at: models_folder = no",
                config->models_dir);
    else
        say(report, FINE, "models folder", "%s, %zu file%s", config->models_dir, n,
                n == 1 ? "" : "s");
    arena_release(&arena);
}

int cmd_doctor(struct args *args)
{
    int code = cmd_take_nothing(args);
    if (code >= 0)
        return code;
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    struct report report = {0};
    char size[SIZE_TEXT_BYTES];
    say(&report, FINE, "version", "%s", SHUNT_VERSION);
    keymap_free(config_keymap(&config)); /* collects the warnings of [bind] */
    check_terminal(&report, &config);
    check_config(&report, &config);
    check_theme(&report, &config);
    check_data(&report, &config);
    check_models_folder(&report, &config);
    struct backend_gpu gpu;
    check_gpu(&report, &config, &gpu);
    check_endpoints(&report, &config, &gpu);
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    say(&report, FINE, "processor", "%ld cores, %s of memory", sysconf(_SC_NPROCESSORS_ONLN),
            size_text(bytes, size));
    config_release(&config);
    return report.n_bad ? EXIT_FAILED : EXIT_DONE;
}
