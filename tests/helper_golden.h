/*
 * helper_golden.h - whole models against values of another implementation
 * (tests/golden/README.md): a prompt, its logits and its choices of experts.
 */
#ifndef TESTS_HELPER_GOLDEN_H
#define TESTS_HELPER_GOLDEN_H

#include "engine/base.h"

struct backend_choice;
struct json;
struct model;

#define GOLDEN          SOURCE_DIR "/tests/golden/"
#define SHARED          SOURCE_DIR "/../shared/golden/" /* more of them, where it is there */
#define GOLDEN_MAX_TOK  1024
#define EXACT_TOLERANCE 1e-3

/* A prompt with the reference's logits of its last n_known positions. */
struct golden {
    struct json *json;
    struct buf text, logits;
    int32_t tokens[GOLDEN_MAX_TOK];
    uint32_t n_tokens, n_known, n_vocab, pos0, n_ctx;
    char model_path[512];
};

struct difference {
    double largest, sum_squares;
    size_t n, n_flipped;
};

/* False: there is no such file. */
bool golden_open(struct golden *g, const char *folder, const char *name);
void golden_close(struct golden *g);
/* With two threads and batches of GOLDEN_MAX_TOK tokens. */
struct model *golden_open_model(
        const struct golden *g, const struct backend_choice *backend, bool is_exact);
/* Token i of the last batch is token `at` of the prompt. */
void golden_compare(const struct golden *g, struct model *m, uint32_t i, uint32_t at,
        struct difference *diff);
/* Runs tokens [begin, end) as a sequence in batches of n_batch and compares. */
struct difference golden_run(const struct golden *g, struct model *m, uint16_t seq_id,
        uint32_t begin, uint32_t end, uint32_t n_batch);
/* Fails, with `what`, unless all is within the tolerance and no choice differs. */
void golden_expect(const char *what, const struct difference *diff, double tolerance);

/* Exact, in batches of 1, 7 and all; the backend that was asked for must be the one that runs.
 * A long prompt, of which the file knows only the end, is run as its reference was. Nothing
 * happens without the file. */
void golden_check(const char *folder, const char *name, const struct backend_choice *backend);

#endif
