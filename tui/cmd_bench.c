/* cmd_bench.c - `shunt bench`: chooses the model, says how far it is on stderr, prints the
 * figures. Ctrl-C ends the process as it ends any other: nothing is left behind. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base.h"
#include "engine/bench.h"
#include "engine/json.h"
#include "engine/synthetic.h"

#include "router/endpoint.h"

#include "tui/cmd.h"
#include "tui/config.h"

struct bench_args {
    struct bench_config config;
    const char *file; /* as typed: a path or an endpoint's name */
    bool is_json;
};

static bool read_number(const struct args *args, uint32_t max, uint32_t *out, const char *flag)
{
    if (args_parse_u32(args->value, 1, max, out))
        return true;
    cmd_usage("bench", "-%s %s is not a number from 1 to %u", flag, args->value, max);
    return false;
}

/* Returns -1 when all was read, else the exit status. */
static int read_args(struct args *args, struct bench_args *b)
{
    uint32_t n_threads = 0; /* as many as there are cores */
    for (int id; (id = args_next(args)) != ARG_END;) {
        bool ok = true;
        switch (id) {
        case FLAG_BENCH_PROMPT:
            ok = read_number(args, 1 << 20, &b->config.n_prompt, "p");
            break;
        case FLAG_BENCH_GEN:
            ok = read_number(args, 1 << 20, &b->config.n_gen, "n");
            break;
        case FLAG_BENCH_THREADS:
            ok = read_number(args, 1024, &n_threads, "t");
            break;
        case FLAG_BENCH_SYNTHETIC:
            b->config.shape = args->value;
            break;
        case FLAG_BENCH_JSON:
            b->is_json = true;
            break;
        case FLAG_BENCH_KERNEL:
            b->config.backend.kernel = args->value;
            break;
        case ARG_WORD:
            if (b->file)
                return cmd_usage("bench", "one file at a time: %s", args->value);
            b->file = args->value;
            break;
        default:
            return cmd_stop(args, id);
        }
        if (!ok)
            return EXIT_USAGE;
    }
    b->config.n_threads = (int)n_threads;
    return -1;
}

static int unknown_shape(const char *name)
{
    struct buf known;
    buf_init(&known, 1024);
    for (size_t i = 0; i < n_synthetic_shapes; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", synthetic_shapes[i].name);
    int code = cmd_usage("bench", "no shape \"%s\"; there are %s", name, buf_text(&known));
    buf_release(&known);
    return code;
}

/* The first local model that a chat could use, when none is named. */
static const char *first_model(const struct config *config, struct arena *arena)
{
    char **paths;
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (config->endpoints[i].kind == PROVIDER_LOCAL && config->endpoints[i].model)
            return config->endpoints[i].model;
    return config_find_models(config->models_dir, arena, &paths) ? paths[0] : NULL;
}

static void print_progress(void *user, const char *what)
{
    (void)user;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "shunt bench: %s\n", what);
}

static void print_result(const struct bench_config *cfg, const struct bench_result *r)
{
    printf("model    %s (%s, %s)\n", r->model.name, r->model.arch, r->model.quant);
    if (r->is_gpu)
        printf("kernel   %s\n", r->model.kernel);
    else
        printf("kernel   %s, %d threads\n", r->model.kernel, r->n_threads);
    printf("memory   %.1f GB/s read by %s\n", r->read_bytes_per_s / 1e9,
            r->is_gpu ? "the GPU" : "these threads");
    printf("prefill  %.1f tok/s, %u tokens\n", r->prefill_tok_per_s, cfg->n_prompt);
    printf("decode   %.1f tok/s, %u tokens\n", r->decode_tok_per_s, cfg->n_gen);
    printf("reads    %.1f MB per token: weights %.1f, cache %.1f\n", r->bytes / 1e6,
            (double)r->model.active_bytes / 1e6, r->kv_bytes / 1e6);
    printf("share    %.0f %% of the memory's speed while decoding\n", 100 * r->share);
    if (r->nominal_bytes_per_s > 0)
        printf("card     %.1f GB/s while decoding, %.0f %% of the nominal %.1f\n",
                r->bytes * r->decode_tok_per_s / 1e9,
                100 * r->bytes * r->decode_tok_per_s / r->nominal_bytes_per_s,
                r->nominal_bytes_per_s / 1e9);
}

static void print_json(const struct bench_config *cfg, const struct bench_result *r)
{
    const struct {
        const char *name;
        double value;
    } figures[] = {{"n_threads", r->n_threads}, {"n_prompt", cfg->n_prompt},
            {"n_gen", cfg->n_gen}, {"n_runs", r->n_runs},
            {"read_bytes_per_s", r->read_bytes_per_s},
            {"prefill_tok_per_s", r->prefill_tok_per_s},
            {"decode_tok_per_s", r->decode_tok_per_s},
            {"weight_bytes_per_tok", (double)r->model.active_bytes},
            {"kv_bytes_per_tok", r->kv_bytes}, {"bytes_per_tok", r->bytes},
            {"bandwidth_share", r->share}, {"nominal_bytes_per_s", r->nominal_bytes_per_s}};
    const char *const texts[][2] = {{"model", r->model.name}, {"architecture", r->model.arch},
            {"quantisation", r->model.quant}, {"kernel", r->model.kernel},
            {"backend", r->is_gpu ? "cuda" : "cpu"}};
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buf_printf(&out, "%s\"%s\":", i ? "," : "{", texts[i][0]);
        json_add_string(&out, slice_of(texts[i][1]));
    }
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        buf_printf(&out, ",\"%s\":", figures[i].name);
        json_add_double(&out, figures[i].value);
    }
    puts(buf_add_text(&out, "}") ? buf_text(&out) : "");
    buf_release(&out);
}

/* Before a model is made or read. */
static enum status refuse_missing_gpu(const struct backend_choice *choice, struct err *err)
{
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    return !backend_wants_gpu(choice) || backend_find_gpu(choice, &gpu, why)
                   ? OK
                   : err_set(err, ERR_UNSUPPORTED, "no GPU to measure: %s", why);
}

static int run(const struct bench_args *b)
{
    struct bench_result result;
    struct err err;
    if (refuse_missing_gpu(&b->config.backend, &err) != OK)
        return cmd_fail(&err);
    if (bench_run(&b->config, &result, &err) != OK)
        return cmd_fail(&err);
    if (b->is_json)
        print_json(&b->config, &result);
    else
        print_result(&b->config, &result);
    return EXIT_DONE;
}

/* All but the kernel, which this command is told itself. */
static void take_backend(struct backend_choice *out, struct backend_choice from)
{
    from.kernel = out->kernel ? out->kernel : from.kernel;
    *out = from;
}

static int run_file(struct bench_args *b, const struct config *config)
{
    struct arena arena = {0};
    b->config.path = b->file ? cmd_model_path(config, b->file) : first_model(config, &arena);
    int code = b->config.path ? run(b)
                              : cmd_usage("bench",
                                        "there is no local model; name a file, or measure a "
                                        "made-up one: --synthetic small");
    arena_release(&arena);
    return code;
}

int cmd_bench(struct args *args)
{
    struct bench_args b = {
            .config = {.n_prompt = 512, .n_gen = 64, .progress = print_progress}};
    struct config config;
    struct err err;
    int code = read_args(args, &b);
    if (code >= 0)
        return code;
    if (b.file && b.config.shape)
        return cmd_usage("bench", "either a file or --synthetic, not both");
    if (b.config.shape && !synthetic_find(b.config.shape))
        return unknown_shape(b.config.shape);
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    take_backend(&b.config.backend, config_backend(&config));
    if (b.config.n_threads == 0)
        b.config.n_threads = (int)config.n_threads;
    code = b.config.shape ? run(&b) : run_file(&b, &config);
    config_release(&config);
    return code;
}
