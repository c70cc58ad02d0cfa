/* bench.h - what `shunt bench` runs: how fast this machine reads, and how much of that a model
 * gets. */
#ifndef ENGINE_BENCH_H
#define ENGINE_BENCH_H

#include "engine/model.h"

struct bench_config {
    const char *path;  /* a model file; NULL: `shape` */
    const char *shape; /* a row of synthetic_shapes */
    struct backend_choice backend;
    int n_threads;            /* 0: one per core */
    uint32_t n_prompt, n_gen; /* tokens of one prefill and of one decode run, at least 1 */
    void (*progress)(void *user, const char *what); /* not NULL; before each part */
    void *user;
};

struct bench_result {
    struct model_info model;
    int n_threads, n_runs;
    double read_bytes_per_s; /* a plain stream by the same threads, far beyond the caches */
    double prefill_tok_per_s, decode_tok_per_s; /* medians of n_runs behind a warm-up */
    double kv_bytes; /* read per token, mean over a decode run from an empty cache */
    double bytes;    /* the same with the active weights */
    double share;    /* of read_bytes_per_s that decoding takes */
    bool is_gpu;
    double nominal_bytes_per_s; /* what its memory is made for; 0: not told */
};

/* Opens the model, reads memory, runs the model. ERR_UNSUPPORTED: a GPU was asked for, which
 * does not run this model. */
enum status bench_run(
        const struct bench_config *cfg, struct bench_result *out, struct err *err) MUST_USE;

#endif
