/*
 * cpu.h - inside of the CPU backend: the instance, the list of steps, and what the step files
 * share.
 */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

#include <stdatomic.h>

#include "kernels/dot.h"
#include "kernels/kernels.h"
#include "kernels/pool.h"

/* A function of the list: every worker calls it with its own ith. It ends with a barrier, so
 * that later steps read what it wrote and no worker runs ahead of the decision to stop. */
typedef void step_fn(struct kernels *k, const void *step, int ith, int nth);

struct list_item {
    step_fn *fn;
    union {
        struct embed_step embed;
        struct attn_in_step attn_in;
        struct attend_step attend;
        struct ffn_step ffn;
        struct gate_step gate;
        struct experts_step experts;
        struct logits_step logits;
    } u;
};

/* Memory that grows to what the largest step needs, got before the list runs. Contents live
 * within one step, but for `normed` and `quants`: the gate's are still the experts' input. */
struct scratch {
    void *ptr;
    size_t n_bytes;
};

struct kernels {
    const struct dot_ops *dot;
    struct pool *pool;
    bool is_exact;
    atomic_bool is_cancelled;
    atomic_bool stops; /* is_cancelled as all workers see it for this step */
    struct list_item *list;
    size_t n_items, cap_items;
    struct scratch normed, inner, quants, scores, pairs;
};

void *scratch_get(struct scratch *scratch, size_t n_bytes);
struct list_item *kernels_add(struct kernels *k, step_fn *fn);

/* The range of n that worker ith of nth does, cut at multiples of `grain`. */
struct range {
    uint32_t begin, end;
};
struct range split_range(uint32_t n, uint32_t grain, int ith, int nth);

/* An activation matrix and room for its 8-bit form: made from scratch before the list runs. */
struct act_buf {
    float *f32;
    int8_t *q8;
    float *d, *sum;
};
size_t act_quant_bytes(uint32_t n_rows, uint32_t n);
struct act_buf act_buf_at(float *f32, void *quants, uint32_t n_rows, uint32_t n);
/* Does a product with w use the 8-bit form? */
bool uses_q8(const struct kernels *k, const struct weight *w);
/* The view of `buf` for a product with w. */
struct act act_for(
        const struct kernels *k, const struct act_buf *buf, const struct weight *w, uint32_t n);
/* Quantises worker ith's share of [n_rows][n]; the caller puts a barrier behind. */
void quantise_share(const struct kernels *k, const struct act_buf *buf, uint32_t n_rows,
        uint32_t n, int ith, int nth);

struct norm_in {
    const float *x, *norm; /* [n_rows][d], [d] */
    float eps;
    uint32_t n_rows, d;
};
/* out[r] = rms(x[r]) * norm of worker ith's share of rows. */
void norm_share(const struct norm_in *in, float *out, int ith, int nth);
/* One row; out may be x. */
void norm_row(const float *x, const float *norm, float eps, uint32_t n, float *out);
void softmax(float *values, uint32_t n);

/* What is multiplied: a slab of w with n activation rows. */
struct matmul_in {
    const struct weight *w;
    const struct act *act;
    uint32_t n;
    const uint32_t *rows; /* of act; NULL: i itself */
    uint32_t slab;        /* of w */
};
/* Where products go: out[targets[i] * stride + row] = or += scales[i] * value + bias[row]. */
struct matmul_out {
    float *out;
    size_t stride;
    const uint32_t *targets; /* NULL: i itself */
    const float *scales;     /* NULL: 1 */
    const float *bias;       /* NULL: 0 */
    bool is_added;
};
/* The products of the weight rows in `range`. */
void matmul(const struct kernels *k, struct range range, const struct matmul_in *in,
        const struct matmul_out *to);

/* u = silu(g) * u; its one expression for dense layers and experts. */
float silu_mul(float gate, float up);

#endif
