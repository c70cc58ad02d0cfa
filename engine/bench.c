/*
 * bench.c - see bench.h. Prefill and decode begin with an empty cache, as other engines'
 * benchmarks do, so that figures compare. Tokens are random: experts are chosen as widely as
 * they can be.
 */
#include "engine/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/kernels.h"

#include "engine/synthetic.h"

#define RUNS        3
#define STREAM_RUNS 3
#define BATCH_TOK   512

struct bench {
    const struct bench_config *cfg;
    struct model *model;
    int32_t *tokens;
    uint32_t *pos;
    uint16_t *seq;
    uint8_t *want;
    uint32_t n; /* the longer of the two runs */
    int fd;     /* of a synthetic model; -1: none */
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return values[n / 2];
}

static void report(const struct bench_config *cfg, const char *what, int i, int n)
{
    char text[64];
    snprintf(text, sizeof text, "%s %d of %d", what, i + 1, n);
    cfg->progress(cfg->user, text);
}

/* Far beyond the caches. Those of GPUs hold 128 MB at most, and what is free beside a model may
 * not be much more than this. */
static size_t choose_stream_bytes(bool is_gpu)
{
    const size_t of_gpu = (size_t)256 << 20, least = (size_t)128 << 20, most = (size_t)4 << 30;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE); /* 0 or -1: not known */
    size_t wanted = cache > 0 ? 4 * (size_t)cache : 0;
    if (is_gpu)
        return of_gpu;
    return wanted < least ? least : wanted < most ? wanted : most;
}

/* Figures of the CPU are not what was asked for. */
static enum status refuse_cpu(const struct bench *b, struct err *err)
{
    const struct model_info *m = model_info(b->model);
    if (!m->why_cpu[0] || !backend_wants_gpu(&b->cfg->backend))
        return OK;
    return err_set(err, ERR_UNSUPPORTED, "the GPU cannot run %s: %s", m->name, m->why_cpu);
}

/* Where the model runs. */
static enum status open_backend(struct kernels **out, const struct bench *b,
        struct bench_result *result, struct err *err)
{
    struct backend_choice choice = b->cfg->backend;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    if (model_info(b->model)->why_cpu[0])
        choice.name = "cpu";
    result->is_gpu = backend_find_gpu(&choice, &gpu, why);
    result->nominal_bytes_per_s = result->is_gpu ? gpu.bytes_per_s : 0;
    return backend_open(out, &choice, b->cfg->n_threads, false, why, err);
}

static enum status measure_stream(
        const struct bench *b, struct bench_result *out, struct err *err)
{
    struct kernels *k;
    enum status status = open_backend(&k, b, out, err);
    if (status != OK)
        return status;
    const size_t n_bytes = choose_stream_bytes(out->is_gpu);
    const int n_runs = out->is_gpu ? 1 : STREAM_RUNS; /* a GPU's is the best of several */
    double rates[STREAM_RUNS];
    for (int i = 0; i < n_runs && status == OK; i++) {
        report(b->cfg, "reading memory", i, n_runs);
        double seconds = kernels_stream(k, n_bytes);
        if (seconds <= 0)
            status = err_set(err, ERR_NOMEM, "no memory for a buffer of %zu MB", n_bytes >> 20);
        else
            rates[i] = (double)n_bytes / seconds;
    }
    if (status == OK)
        out->read_bytes_per_s = median(rates, n_runs);
    out->n_threads = kernels_n_threads(k);
    kernels_close(k);
    return status;
}

/* From an empty cache, n tokens in batches of n_batch; *seconds is their time. */
static enum status run_tokens(
        struct bench *b, uint32_t n, uint32_t n_batch, double *seconds, struct err *err)
{
    enum status status = OK;
    model_kv_remove(b->model, 0, 0, UINT32_MAX);
    uint64_t begin = clock_now_ns();
    for (uint32_t at = 0; at < n && status == OK; at += n_batch) {
        uint32_t n_now = n - at < n_batch ? n - at : n_batch;
        memset(b->want, 0, n_now);
        b->want[n_now - 1] = at + n_now == n || n_batch == 1;
        struct batch batch = {n_now, b->tokens + at, b->seq, b->pos + at, b->want};
        status = model_forward(b->model, &batch, err);
    }
    *seconds = (double)(clock_now_ns() - begin) / 1e9;
    return status;
}

static enum status measure(struct bench *b, const char *what, uint32_t n, uint32_t n_batch,
        double *tok_per_s, struct err *err)
{
    double rates[RUNS], seconds;
    enum status status = OK;
    for (int i = 0; i < RUNS && status == OK; i++) {
        report(b->cfg, what, i, RUNS);
        status = run_tokens(b, n, n_batch, &seconds, err);
        rates[i] = n / seconds;
    }
    if (status == OK)
        *tok_per_s = median(rates, RUNS);
    return status;
}

static void make_tokens(struct bench *b)
{
    uint64_t rng = 1;
    uint32_t n_vocab = model_info(b->model)->n_vocab;
    b->tokens = mem_alloc(b->n * sizeof *b->tokens);
    b->pos = mem_alloc(b->n * sizeof *b->pos);
    b->seq = mem_alloc(BATCH_TOK * sizeof *b->seq);
    b->want = mem_alloc(BATCH_TOK);
    for (uint32_t i = 0; i < b->n; i++) {
        b->tokens[i] = (int32_t)(rng_next(&rng) % n_vocab);
        b->pos[i] = i;
    }
}

static enum status open_model(struct bench *b, struct err *err)
{
    const struct bench_config *cfg = b->cfg;
    char path[32];
    enum status status = OK;
    b->n = cfg->n_prompt > cfg->n_gen ? cfg->n_prompt : cfg->n_gen;
    struct model_config model_cfg = {.path = cfg->path ? cfg->path : path,
            .n_threads = cfg->n_threads,
            .context_tok = b->n,
            .batch_tok = BATCH_TOK,
            .backend = cfg->backend};
    if (!cfg->path) {
        cfg->progress(cfg->user, "making the model");
        status = synthetic_make(synthetic_find(cfg->shape), &b->fd, err);
        snprintf(path, sizeof path, "/proc/self/fd/%d", b->fd);
    }
    cfg->progress(cfg->user, "loading");
    if (status == OK)
        status = model_open(&b->model, &model_cfg, err);
    if (status == OK)
        status = refuse_cpu(b, err);
    if (status == OK)
        make_tokens(b);
    return status;
}

static enum status measure_model(struct bench *b, struct bench_result *out, struct err *err)
{
    const struct bench_config *cfg = b->cfg;
    double ignored;
    cfg->progress(cfg->user, "warming up");
    enum status status = run_tokens(b, b->n < 64 ? b->n : 64, BATCH_TOK, &ignored, err);
    if (status == OK)
        status = measure(b, "prefill", cfg->n_prompt, BATCH_TOK, &out->prefill_tok_per_s, err);
    if (status == OK)
        status = measure(b, "decode", cfg->n_gen, 1, &out->decode_tok_per_s, err);
    out->model = *model_info(b->model);
    out->n_runs = RUNS;
    out->kv_bytes = (double)out->model.kv_bytes / b->n * (cfg->n_gen + 1) / 2;
    out->bytes = (double)out->model.active_bytes + out->kv_bytes;
    out->share = out->bytes * out->decode_tok_per_s / out->read_bytes_per_s;
    return status;
}

enum status bench_run(const struct bench_config *cfg, struct bench_result *out, struct err *err)
{
    struct bench b = {.cfg = cfg, .fd = -1};
    *out = (struct bench_result){0};
    enum status status = open_model(&b, err);
    if (status == OK)
        status = measure_stream(&b, out, err);
    if (status == OK)
        status = measure_model(&b, out, err);
    model_close(b.model);
    mem_free(b.tokens);
    mem_free(b.pos);
    mem_free(b.seq);
    mem_free(b.want);
    if (b.fd >= 0)
        close(b.fd);
    return status;
}
