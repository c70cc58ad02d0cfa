/*
 * cpu.h - inside of the CPU backend: the instance, its plan as a list of steps, and what the
 * step files share.
 */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

#include <stdatomic.h>

#include "kernels/dot.h"
#include "kernels/kernels.h"
#include "kernels/pool.h"

struct cpu;

/* A function of the list: every worker calls it with its own ith. It ends with a barrier, so
 * that later steps read what it wrote and no worker runs ahead of the decision to stop. */
typedef void step_fn(struct cpu *k, const void *step, int ith, int nth);

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

/* Memory for what the largest step needs: while the plan is made only n_bytes grows, ptr is set
 * when it is ready. */
struct room {
    void *ptr;
    size_t n_bytes;
    bool is_mapped; /* zeroed pages that cost nothing until they are written */
};

struct cpu {
    struct kernels kernels; /* first: what the engine holds */
    const struct dot_ops *dot;
    struct pool *pool;
    bool is_exact;
    atomic_bool is_cancelled;
    atomic_bool stops; /* is_cancelled as all workers see it for this step */
    struct plan_size size;
    struct list_item *list;
    size_t n_items, cap_items;
    const struct kernels_batch *batch; /* what the list runs over */
    /* Activations from step to step; see enum kernels_buffer. */
    struct room x, q, attention;
    struct room kv; /* per layer keys, then values */
    /* Contents live within one step, but for `normed` and `quants`: the gate's are still the
     * experts' input. */
    struct room normed, inner, quants, scores, pairs, logits, candidates;
    char why[128];
};

static inline struct cpu *cpu_of(struct kernels *k)
{
    return (struct cpu *)k;
}

/* ---- the plan (cpu_plan.c) ---------------------------------------------------------- */

void cpu_plan(struct kernels *k, const struct plan_size *size);
void cpu_embed(struct kernels *k, const struct embed_step *step);
void cpu_attn_in(struct kernels *k, const struct attn_in_step *step);
void cpu_attend(struct kernels *k, const struct attend_step *step);
void cpu_ffn(struct kernels *k, const struct ffn_step *step);
void cpu_gate(struct kernels *k, const struct gate_step *step);
void cpu_experts(struct kernels *k, const struct experts_step *step);
void cpu_logits(struct kernels *k, const struct logits_step *step);
enum kernels_result cpu_ready(struct kernels *k, kernels_progress *progress, void *user);
void cpu_read(
        struct kernels *k, enum kernels_buffer buffer, uint32_t layer, float *out, size_t n);
void cpu_write(struct kernels *k, enum kernels_buffer buffer, uint32_t layer,
        const float *values, size_t n);
void cpu_plan_release(struct cpu *k);

struct list_item *cpu_add(struct cpu *k, step_fn *fn);
/* The room will have n_bytes at least. */
void room_want(struct room *room, size_t n_bytes);

/* One layer's share of the cache: [n_cells][n_kv_heads][head_dim] in float32 or binary16. */
struct kv_layer {
    void *keys, *values;
    bool is_half;
};
struct kv_layer kv_layer_at(const struct cpu *k, uint32_t layer);

/* The sum of n words, so that they are read; a share of kernels_stream. */
uint64_t stream_sum(const uint64_t *words, size_t n);

/* ---- what steps share (matmul_cpu.c) ------------------------------------------------ */

/* The range of n that worker ith of nth does, cut at multiples of `grain`. */
struct range {
    uint32_t begin, end;
};
struct range split_range(uint32_t n, uint32_t grain, int ith, int nth);

/* An activation matrix and room for its 8-bit form. */
struct act_buf {
    float *f32;
    int8_t *q8;
    float *d, *sum;
};
size_t act_quant_bytes(uint32_t n_rows, uint32_t n);
struct act_buf act_buf_at(float *f32, void *quants, uint32_t n_rows, uint32_t n);
/* Does a product with w use the 8-bit form? */
bool uses_q8(const struct cpu *k, const struct weight *w);
/* The view of `buf` for a product with w. */
struct act act_for(
        const struct cpu *k, const struct act_buf *buf, const struct weight *w, uint32_t n);
/* Quantises worker ith's share of [n_rows][n]; the caller puts a barrier behind. */
void quantise_share(const struct cpu *k, const struct act_buf *buf, uint32_t n_rows, uint32_t n,
        int ith, int nth);

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
void matmul(const struct cpu *k, struct range range, const struct matmul_in *in,
        const struct matmul_out *to);

/* u = silu(g) * u; its one expression for dense layers and experts. */
float silu_mul(float gate, float up);

/* ---- sampling (sample_cpu.c) -------------------------------------------------------- */

struct candidate {
    int32_t token;
    float logit;
};
/* Draws from logits[n_vocab], which are changed. scratch: [2 * n_vocab]. */
void sample_row(const struct sample_params *p, float *logits, uint32_t n_vocab,
        struct candidate *scratch, struct sample *out);

#endif
