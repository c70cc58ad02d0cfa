/*
 * kernels.h - the contract between an engine and a backend: the steps of a transformer layer,
 * fused as far as one pass over the weights allows. A forward pass is a list of steps:
 * kernels_begin, one call per step in order, kernels_end runs the list. On the CPU every worker
 * runs the whole list with (ith, nth) and meets the others at barriers; nothing is computed
 * before kernels_end.
 *
 * Shapes are row-major, last index contiguous. Buffers belong to the caller. Float buffers of
 * activations are written by one step and read by later ones of the same list.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>

#include "kernels/quant.h"

struct kernels; /* a backend instance: worker pool, scratch memory, the list */

/* A matrix of weights as stored: n_slabs matrices of n_out rows of n_in values. NULL data:
 * absent. */
struct weight {
    enum quant quant;
    const void *data;
    uint32_t n_in, n_out, n_slabs;
    size_t row_bytes;
};

/* Names of kernels that this CPU can run, the best first; NULL: no more. */
const char *kernels_name_at(int i);
/* kernel: one of these, or NULL for the best. NULL if it is none of them or its threads cannot
 * be started. is_exact: activations stay float32; otherwise they are quantised to 8 bits per
 * 32 values before products with block-quantised weights. */
struct kernels *kernels_open(const char *kernel, int n_threads, bool is_exact);
void kernels_close(struct kernels *k);
const char *kernels_name(const struct kernels *k);
int kernels_n_threads(const struct kernels *k);
/* Makes a running kernels_end return after the current step. From any thread. */
void kernels_cancel(struct kernels *k);
void kernels_cancel_clear(struct kernels *k);

/* Reads n_bytes once, a share per worker: what memory can deliver to them. Outside of a list.
 */
void kernels_stream(struct kernels *k, const void *ptr, size_t n_bytes);

void kernels_begin(struct kernels *k);
/* Runs the list. False: cancelled. */
bool kernels_end(struct kernels *k);

/* ---- steps ------------------------------------------------------------------------------ */

/* x[t] = table[tokens[t]] */
struct embed_step {
    struct weight table; /* [n_vocab][d] */
    const int32_t *tokens;
    uint32_t n_tokens;
    float *x; /* [n_tokens][d] */
};
void kernels_embed(struct kernels *k, const struct embed_step *step);

enum rope_kind { ROPE_NORM, ROPE_NEOX }; /* pairs (2j, 2j+1), or (j, j + n_rot/2) */

/* One layer's share of the cache. Keys and values are [n_cells][n_kv_heads][head_dim] in
 * float32 or binary16. */
struct kv_layer {
    void *keys, *values;
    bool is_half;
};

/* h = rms(x) * norm; q, k, v = products; optional norms of q and k; RoPE; k and v go to
 * cells[t]. */
struct attn_in_step {
    const float *x; /* [n_tokens][d] */
    uint32_t n_tokens, d, n_heads, n_kv_heads, head_dim, n_rot;
    float eps;
    const float *norm; /* [d] */
    struct weight wq, wk, wv;
    const float *bq, *bk, *bv;    /* or NULL */
    const float *q_norm, *k_norm; /* or NULL; [head_dim], or whole rows when is_norm_whole */
    bool is_norm_whole;
    enum rope_kind rope;
    const float *rope_table; /* [n_tokens][n_rot/2][2]: cos, sin, magnitude included */
    const uint32_t *cells;   /* [n_tokens] */
    struct kv_layer kv;
    float *q; /* out: [n_tokens][n_heads][head_dim] */
};
void kernels_attn_in(struct kernels *k, const struct attn_in_step *step);

/* x += Wo attention(q). Token t sees visible[first[t]..first[t] + count[t]) of cells. */
struct attend_step {
    float *x; /* [n_tokens][d] */
    uint32_t n_tokens, d, n_heads, n_kv_heads, head_dim;
    float scale;
    const float *q;
    struct kv_layer kv;
    const uint32_t *visible;       /* cell numbers */
    const uint32_t *first, *count; /* [n_tokens] */
    struct weight wo;
    const float *bo; /* or NULL */
    float *out;      /* scratch: [n_tokens][n_heads][head_dim] */
};
void kernels_attend(struct kernels *k, const struct attend_step *step);

/* x += Wdown(silu(Wgate h) * Wup h), h = rms(x) * norm. */
struct ffn_step {
    float *x; /* [n_tokens][d] */
    uint32_t n_tokens, d, n_ff;
    float eps;
    const float *norm;
    struct weight gate, up, down;
};
void kernels_ffn(struct kernels *k, const struct ffn_step *step);

/* h = rms(x) * norm; probabilities = softmax(W h); the k largest (lowest index first among
 * equals), normalised if asked. */
struct gate_step {
    const float *x; /* [n_tokens][d] */
    uint32_t n_tokens, d, n_experts, n_used;
    float eps;
    const float *norm;
    struct weight gate; /* [n_experts][d] */
    bool is_normalised;
    float scale;    /* of the weights; 1: none */
    uint16_t *ids;  /* out: [n_tokens][n_used], descending */
    float *weights; /* out: [n_tokens][n_used] */
    float *margins; /* out: [n_tokens] probability of the last chosen minus the first rejected;
                       stride margin_stride */
    size_t id_stride, margin_stride; /* elements from one token to the next */
};
void kernels_gate(struct kernels *k, const struct gate_step *step);

/* x += sum over chosen experts e of weight_e * Wdown,e(silu(Wgate,e h) * Wup,e h); h is that of
 * the gate step just before. Tokens are grouped by expert, so each expert's weights are read
 * once. */
struct experts_step {
    float *x;
    uint32_t n_tokens, d, n_ff, n_experts, n_used;
    const uint16_t *ids; /* as the gate step wrote them */
    const float *weights;
    size_t id_stride;
    struct weight gate, up, down; /* n_slabs = n_experts */
};
void kernels_experts(struct kernels *k, const struct experts_step *step);

/* logits[i] = W (rms(x[rows[i]]) * norm) */
struct logits_step {
    const float *x;
    uint32_t n_rows, d, n_vocab;
    const uint32_t *rows; /* [n_rows] */
    float eps;
    const float *norm;
    struct weight output; /* [n_vocab][d] */
    float *logits;        /* [n_rows][n_vocab] */
};
void kernels_logits(struct kernels *k, const struct logits_step *step);

#endif
