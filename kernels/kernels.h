/*
 * kernels.h - the contract between an engine and a backend: the steps of a transformer layer,
 * fused as far as one pass over the weights allows.
 *
 * A model is a plan: kernels_plan, one call per step in order, kernels_ready. Steps say what
 * never changes (weights, shapes); kernels_run runs the plan over a batch, which holds all that
 * does. So a backend can put the weights where it wants them, own every buffer, and record a
 * whole token once (CUDA graphs). On the CPU every worker runs the whole list with (ith, nth)
 * and meets the others at barriers.
 *
 * Shapes are row-major, last index contiguous. What a step points to belongs to the caller and
 * must stay until kernels_close; a backend may read it then or keep its own copy.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>

#include "kernels/quant.h"

/* A matrix of weights as stored: n_slabs matrices of n_out rows of n_in values. NULL data:
 * absent. */
struct weight {
    enum quant quant;
    const void *data;
    uint32_t n_in, n_out, n_slabs;
    size_t row_bytes;
};

/* ---- a backend --------------------------------------------------------------------------- */

struct kernel_ops;

/* The head of a backend's instance; the rest is its own. */
struct kernels {
    const struct kernel_ops *ops;
};

/* Names of CPU kernels that this processor can run, the best first; NULL: no more. */
const char *kernels_name_at(int i);
/* kernel: one of these, or NULL for the best. NULL if it is none of them or its threads cannot
 * be started. is_exact: activations stay float32; otherwise they are quantised to 8 bits per
 * 32 values before products with block-quantised weights. */
struct kernels *kernels_open_cpu(const char *kernel, int n_threads, bool is_exact);

/* ---- steps: what never changes ----------------------------------------------------------- */

/* x[t] = table[tokens[t]] */
struct embed_step {
    struct weight table; /* [n_vocab][d] */
};

enum rope_kind { ROPE_NORM, ROPE_NEOX }; /* pairs (2j, 2j+1), or (j, j + n_rot/2) */

/* h = rms(x) * norm; q, k, v = products; optional norms of q and k; RoPE; k and v go to
 * cells[t] of the layer's cache. */
struct attn_in_step {
    uint32_t layer; /* of the KV cache */
    uint32_t d, n_heads, n_kv_heads, head_dim, n_rot;
    float eps;
    const float *norm; /* [d] */
    struct weight wq, wk, wv;
    const float *bq, *bk, *bv;    /* or NULL */
    const float *q_norm, *k_norm; /* or NULL; [head_dim], or whole rows when is_norm_whole */
    bool is_norm_whole;
    enum rope_kind rope;
};

/* x += Wo attention(q) + bo. Token t sees visible[first[t]..first[t] + count[t]) of cells. */
struct attend_step {
    uint32_t layer;
    uint32_t d, n_heads, n_kv_heads, head_dim;
    float scale;
    struct weight wo;
    const float *bo; /* or NULL */
};

/* x += Wdown(silu(Wgate h) * Wup h), h = rms(x) * norm. */
struct ffn_step {
    uint32_t d, n_ff;
    float eps;
    const float *norm;
    struct weight gate, up, down;
};

/* h = rms(x) * norm; logits = W h; the k largest (lowest index first among equals, NaN last)
 * with their probabilities of softmax(logits), normalised if asked; then scaled. They are the
 * batch's picks of MoE layer i_moe. */
struct gate_step {
    uint32_t i_moe;
    uint32_t d, n_experts, n_used;
    float eps;
    const float *norm;
    struct weight gate; /* [n_experts][d] */
    bool is_normalised;
    float scale; /* of the weights; 1: none */
};

/* x += sum over chosen experts e of weight_e * Wdown,e(silu(Wgate,e h) * Wup,e h); h and the
 * choice are those of the gate step just before. */
struct experts_step {
    uint32_t i_moe;
    uint32_t d, n_ff, n_experts, n_used;
    struct weight gate, up, down; /* n_slabs = n_experts */
};

/* logits[i] = W (rms(x[rows[i]]) * norm); then a token from each row, if asked. */
struct logits_step {
    uint32_t d, n_vocab;
    float eps;
    const float *norm;
    struct weight output; /* [n_vocab][d] */
};

/* ---- a plan ------------------------------------------------------------------------------ */

struct plan_size {
    uint32_t batch_tok; /* tokens of one batch at most */
    uint32_t n_cells;   /* of the KV cache: [layer][cell][n_kv_heads][head_dim] twice, float32
                           when exact, else binary16 */
    uint32_t n_layers, d, n_heads, n_kv_heads, head_dim, n_rot;
    uint32_t n_vocab;
    uint32_t n_moe_layers, n_experts, n_used; /* 0: none */
};

/* ---- a batch: what changes --------------------------------------------------------------- */

#define SAMPLE_TOP_N 5

/* How a row's token is drawn: penalties, top-k, temperature, top-p, min-p, draw. */
struct sample_params {
    float temperature; /* <= 0: the largest */
    float top_p, min_p;
    uint32_t top_k; /* 0: all */
    float presence_penalty, frequency_penalty;
    const int32_t *recent; /* tokens that are penalised, with repetitions */
    uint32_t n_recent;
    double uniform; /* the random number in [0, 1) that decides: the caller's, so that the same
                       seed gives the same text on every backend */
};

/* Of the distribution before penalties and cuts; natural logarithms. NaN and +infinite logits
 * count as -inf; all -inf choose token 0. */
struct sample {
    int32_t token;
    float logprob, entropy;
    uint32_t n_top;
    struct {
        int32_t token;
        float logprob;
    } top[SAMPLE_TOP_N];
};

struct kernels_batch {
    uint32_t n_tokens;
    const int32_t *tokens;   /* [n_tokens] */
    const float *rope_table; /* [n_tokens][n_rot/2][2]: cos, sin, magnitude included */
    const uint32_t *cells;   /* [n_tokens] where keys and values go */
    const uint32_t *visible; /* [n_visible] cell numbers */
    uint32_t n_visible;
    const uint32_t *first, *count; /* [n_tokens] */
    uint32_t n_rows;
    const uint32_t *rows;               /* [n_rows] tokens whose logits are computed */
    const struct sample_params *params; /* [n_rows], or NULL: no sampling */
    /* out, the caller's memory */
    uint16_t *ids;  /* [n_tokens][n_moe_layers][n_used], descending by weight */
    float *weights; /* the same shape */
    float *margins; /* [n_tokens][n_moe_layers] probability of the last chosen minus that of
                       the first rejected */
    float *logits;  /* [n_rows][n_vocab], or NULL: they stay where they are */
    struct sample *samples; /* [n_rows] when params */
};

enum kernels_result { KERNELS_OK, KERNELS_CANCELLED, KERNELS_FAILED /* kernels_why */ };

/* Buffers that tests read and write: x [batch_tok][d], q [batch_tok][n_heads][head_dim],
 * attention's result of the same shape, keys and values of a layer as float32
 * [n_cells][n_kv_heads][head_dim]. */
enum kernels_buffer { BUFFER_X, BUFFER_Q, BUFFER_ATTENTION, BUFFER_KEYS, BUFFER_VALUES };

/* Called while weights are placed, with the done fraction; false: stop. */
typedef bool kernels_progress(void *user, float fraction);

/* A backend: its functions, all of which are there. */
struct kernel_ops {
    void (*close)(struct kernels *k);
    const char *(*name)(const struct kernels *k); /* "avx2", "cuda: NVIDIA …" */
    int (*n_threads)(const struct kernels *k);
    const char *(*why)(const struct kernels *k); /* the last failure, a sentence */
    void (*cancel)(struct kernels *k);
    void (*cancel_clear)(struct kernels *k);
    double (*stream)(struct kernels *k, size_t n_bytes);
    void (*plan)(struct kernels *k, const struct plan_size *size);
    void (*embed)(struct kernels *k, const struct embed_step *step);
    void (*attn_in)(struct kernels *k, const struct attn_in_step *step);
    void (*attend)(struct kernels *k, const struct attend_step *step);
    void (*ffn)(struct kernels *k, const struct ffn_step *step);
    void (*gate)(struct kernels *k, const struct gate_step *step);
    void (*experts)(struct kernels *k, const struct experts_step *step);
    void (*logits)(struct kernels *k, const struct logits_step *step);
    enum kernels_result (*ready)(struct kernels *k, kernels_progress *progress, void *user);
    enum kernels_result (*run)(struct kernels *k, const struct kernels_batch *batch);
    void (*read)(struct kernels *k, enum kernels_buffer buffer, uint32_t layer, float *out,
            size_t n);
    void (*write)(struct kernels *k, enum kernels_buffer buffer, uint32_t layer,
            const float *values, size_t n);
    bool is_in_place; /* it computes from the caller's weights: reading them ahead pays */
};

static inline void kernels_close(struct kernels *k)
{
    if (k)
        k->ops->close(k);
}

static inline const char *kernels_name(const struct kernels *k)
{
    return k->ops->name(k);
}

static inline int kernels_n_threads(const struct kernels *k)
{
    return k->ops->n_threads(k);
}

static inline const char *kernels_why(const struct kernels *k)
{
    return k->ops->why(k);
}

/* Makes a running kernels_run return after the current step. From any thread. */
static inline void kernels_cancel(struct kernels *k)
{
    k->ops->cancel(k);
}

static inline void kernels_cancel_clear(struct kernels *k)
{
    k->ops->cancel_clear(k);
}

/* Reads n_bytes of the memory where weights live, and returns how many seconds that took: what
 * bounds decode. 0: no memory for it. Outside of a run. */
static inline double kernels_stream(struct kernels *k, size_t n_bytes)
{
    return k->ops->stream(k, n_bytes);
}

/* Begins a plan; once per instance. */
static inline void kernels_plan(struct kernels *k, const struct plan_size *size)
{
    k->ops->plan(k, size);
}

static inline void kernels_embed(struct kernels *k, const struct embed_step *step)
{
    k->ops->embed(k, step);
}

static inline void kernels_attn_in(struct kernels *k, const struct attn_in_step *step)
{
    k->ops->attn_in(k, step);
}

static inline void kernels_attend(struct kernels *k, const struct attend_step *step)
{
    k->ops->attend(k, step);
}

static inline void kernels_ffn(struct kernels *k, const struct ffn_step *step)
{
    k->ops->ffn(k, step);
}

static inline void kernels_gate(struct kernels *k, const struct gate_step *step)
{
    k->ops->gate(k, step);
}

static inline void kernels_experts(struct kernels *k, const struct experts_step *step)
{
    k->ops->experts(k, step);
}

static inline void kernels_logits(struct kernels *k, const struct logits_step *step)
{
    k->ops->logits(k, step);
}

/* Ends the plan: buffers and KV cache (zeroed) are got, weights placed. KERNELS_FAILED: too
 * little memory; the instance can only be closed. progress: or NULL. */
static inline enum kernels_result kernels_ready(
        struct kernels *k, kernels_progress *progress, void *user)
{
    return k->ops->ready(k, progress, user);
}

/* KERNELS_FAILED: a device gave up; the instance can only be closed. */
static inline enum kernels_result kernels_run(
        struct kernels *k, const struct kernels_batch *batch)
{
    return k->ops->run(k, batch);
}

/* The first n values of a buffer, for tests, outside of a run. layer: of keys and values; a
 * cache of binary16 rounds what is written. */
static inline void kernels_read(
        struct kernels *k, enum kernels_buffer buffer, uint32_t layer, float *out, size_t n)
{
    k->ops->read(k, buffer, layer, out, n);
}

static inline void kernels_write(struct kernels *k, enum kernels_buffer buffer, uint32_t layer,
        const float *values, size_t n)
{
    k->ops->write(k, buffer, layer, values, n);
}

#endif
