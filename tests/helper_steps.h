/*
 * helper_steps.h - the steps of the contract, one by one, on every backend that this machine
 * has: made-up weights of any type, a plan of some steps, a run over made-up batches, and the
 * comparison of what comes out. Nothing here knows a backend's inside.
 */
#ifndef TESTS_HELPER_STEPS_H
#define TESTS_HELPER_STEPS_H

#include "kernels/kernels.h"

/* The first row is the specification, the scalar CPU; the others are compared with it. A
 * difference is allowed up to tolerance * (the value's size + the root mean square of all). */
struct step_backend {
    const char *name;
    struct kernels *(*open)(bool is_exact); /* returns NULL: not on this machine */
    unsigned batches; /* bit i: batch i of steps_compare; an emulated device is slow */
    float exact_tolerance, fast_tolerance;
    float wide_tolerance; /* of STEPS_MOST_TOK, fast, to the exact CPU; 0: as other batches */
};
extern const struct step_backend step_backends[];
extern const size_t n_step_backends;

/* Made-up numbers, the same for the same seed; each array is a piece of memory of its own, so
 * that a sanitizer sees who reads behind it. All are freed by random_release. */
struct random_source {
    uint64_t rng;
    size_t n_made;
    void *made[64];
};
/* Uniform in middle ± spread. */
float *random_values(struct random_source *r, size_t n, float middle, float spread);
/* Finite, mean about 0, products with values about 1 are about 1; n_in is a multiple of the
 * type's block. */
struct weight random_weight(struct random_source *r, enum quant quant, uint32_t n_in,
        uint32_t n_out, uint32_t n_slabs);
void random_release(struct random_source *r);

#define STEPS_MOST_TOK 33 /* of a batch */

/* Which steps, in this order; NULL: not in the plan. */
struct step_plan {
    struct plan_size size; /* batch_tok STEPS_MOST_TOK, n_cells at least as many */
    const struct embed_step *embed;
    const struct attn_in_step *attn_in;
    const struct attend_step *attend;
    const struct ffn_step *ffn;
    const struct gate_step *gate;
    const struct experts_step *experts;
    const struct logits_step *logits;
};

/* Runs the plan in batches of 1, 2, 7, 8, 33 and again 2 tokens on every backend, from the same
 * made-up buffers, and fails where a backend's results differ from the first one's: x, and what
 * the steps of the plan write beside it. */
void steps_compare(const char *what, const struct step_plan *plan, bool is_exact);

#endif
