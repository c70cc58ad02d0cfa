/*
 * cuda.h - inside of the CUDA backend: how weights and the varying data of a batch lie in
 * device memory, and one launcher per kernel. nvcc and, for the emulator in tests/, the host
 * compiler see this file. Launchers only enqueue: they allocate nothing, wait for nothing and
 * read nothing from the device, so that a whole token can be captured as a graph and replayed.
 * What changes from token to token is read by the kernels from `struct cuda_step`; n, the
 * number of tokens, is part of a graph's shape.
 */
#ifndef KERNELS_CUDA_H
#define KERNELS_CUDA_H

#include "kernels/gk.h"

extern "C" { /* what these declare is C, what this file declares is C++ */
#include "kernels/kernels.h"
#include "kernels/repack.h"
}

#define CUDA_DECODE_TOK 8 /* batches up to here go through the matvec kernels */

/* A weight in planes (repack.h), slab by slab. slabs is a device table of device or mapped host
 * addresses: an expert that is not in device memory needs no other code. */
struct cuda_matrix {
    enum quant quant;
    uint32_t n_in, n_out, n_slabs;
    struct plane_layout layout;
    const unsigned char *const *slabs; /* NULL: an absent weight */
    bool is_far;                       /* some slabs are in host memory */
};

/* How a row's token is drawn, as the device sees it. */
struct cuda_sample_params {
    float temperature, top_p, min_p, presence_penalty, frequency_penalty;
    uint32_t top_k, n_recent;
    float uniform;
    const int32_t *recent; /* device */
};

/* What varies, at the same addresses for the life of the plan. */
struct cuda_step {
    uint32_t n_tokens, n_rows;
    uint32_t seq;    /* counts runs, from 1: stamps what is published */
    int32_t *tokens; /* [batch_tok] */
    float *rope_table;
    uint32_t *cells, *visible, *first, *count, *rows;
    struct cuda_sample_params *params; /* [batch_tok] */
};

/* Keys and values of one layer: [n_cells][n_kv_heads][head_dim] float or gk_half. */
struct cuda_kv {
    void *keys, *values;
    bool is_half;
};

/* Picks of all MoE layers, [n_tokens][n_moe_layers][n_used] and [n_tokens][n_moe_layers]: for
 * the experts kernels in device memory and, `told`, for the host in mapped memory. told_seq is
 * published last: the host takes a record whose seq is the run's. counts: how often each expert
 * was chosen, [n_moe_layers][n_experts], since the plan was made. */
struct cuda_routes {
    uint16_t *ids, *told_ids;
    float *weights, *told_weights, *told_margins;
    uint32_t *told_seq;
    uint32_t *counts;
    uint32_t n_moe_layers, n_used, n_experts;
};

/* ---- decode: n <= CUDA_DECODE_TOK --------------------------------------------------- */

/* embed_cuda.cu: x[t] = table[tokens[t]]; for any n. */
struct cuda_embed {
    struct cuda_matrix table;
    float *x; /* [n][d] */
};
void gk_embed(
        const struct cuda_step *step, uint32_t n, struct cuda_embed e, cudaStream_t stream);

/* matvec_cuda.cu: norm, three products, norms of q and k, RoPE, append to the cache. One
 * launch: the last block of a head (of all heads when is_norm_whole) to arrive finishes it. */
struct cuda_attn_in {
    uint32_t d, n_heads, n_kv_heads, head_dim, n_rot;
    float eps;
    bool is_exact, is_norm_whole;
    enum rope_kind rope;
    const float *x, *norm;
    struct cuda_matrix wq, wk, wv;
    const float *bq, *bk, *bv, *q_norm, *k_norm; /* or NULL */
    struct cuda_kv kv;
    float *q, *k, *v;  /* q: result; k, v: scratch [n][n_kv_heads][head_dim] */
    uint32_t *tickets; /* zero before and after; [n_heads + 2 * n_kv_heads] */
};
void gk_attn_in(
        const struct cuda_step *step, uint32_t n, struct cuda_attn_in a, cudaStream_t stream);

/* attend_cuda.cu: flash decoding. out[n][n_heads][head_dim]; the last block of a (token, key
 * head) to arrive merges the parts. head_dim is even and at most 256, n_kv_heads divides
 * n_heads. */
#define CUDA_PART_CELLS 128 /* that one part takes at least: 32 for each of its warps */
struct cuda_attend {
    uint32_t n_heads, n_kv_heads, head_dim;
    uint32_t n_split_max; /* parts of a token's cells at most: the grid */
    float scale;
    struct cuda_kv kv;
    const float *q;
    float *out, *parts; /* parts: [n][n_heads][n_split_max][head_dim + 2] */
    uint32_t *tickets;  /* zero before and after; [n * n_kv_heads] */
};
void gk_attend(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream);

/* matvec_cuda.cu: out[t] (+)= W in[t] + bias; in: norm NULL: as is, else rms(in) * norm. Output
 * projection and logits. by_rows: token t's input is in[step->rows[t]]; n is then the number
 * of rows. */
struct cuda_matvec {
    struct cuda_matrix w;
    const float *in, *norm, *bias;
    float eps;
    bool is_exact, is_added, by_rows;
    float *out;
};
void gk_matvec(
        const struct cuda_step *step, uint32_t n, struct cuda_matvec m, cudaStream_t stream);

/* matvec_cuda.cu: inner[t] = silu(Wgate h) * (Wup h), h = rms(x[t]) * norm. Then gk_matvec. */
struct cuda_ffn_in {
    struct cuda_matrix gate, up;
    const float *x, *norm;
    float eps;
    bool is_exact;
    float *inner; /* [n][n_ff] */
};
void gk_ffn_in(
        const struct cuda_step *step, uint32_t n, struct cuda_ffn_in f, cudaStream_t stream);

/* gate_cuda.cu: see gate_step; the last block of a token to arrive chooses. Any n. */
struct cuda_gate {
    uint32_t i_moe, d, n_experts, n_used;
    float eps, scale;
    bool is_normalised;
    const float *x, *norm;
    struct cuda_matrix gate;
    float *logits;     /* scratch [n][n_experts] */
    uint32_t *tickets; /* zero before and after; [n] */
    struct cuda_routes routes;
};
void gk_gate(const struct cuda_step *step, uint32_t n, struct cuda_gate g, cudaStream_t stream);

/* matvec_cuda.cu: gate and up rows of the chosen experts, inner[t][slot][n_ff]; then the rows
 * of down, slot by slot in order, added to x. Two launches. */
struct cuda_experts {
    uint32_t i_moe, d, n_ff, n_used;
    float eps;
    bool is_exact;
    const float *norm; /* of the gate step */
    struct cuda_matrix gate, up, down;
    float *x, *inner;
    struct cuda_routes routes;
};
void gk_experts(
        const struct cuda_step *step, uint32_t n, struct cuda_experts e, cudaStream_t stream);

/* sample_cuda.cu: one block a row; logits[n_rows][n_vocab] -> told (mapped memory), told_seq
 * last. */
struct cuda_sample {
    uint32_t n_vocab;
    const float *logits;
    float *scratch; /* [n][n_vocab] */
    struct sample *told;
    uint32_t *told_seq; /* [n] */
};
void gk_sample(
        const struct cuda_step *step, uint32_t n, struct cuda_sample s, cudaStream_t stream);

/* ---- prefill: any n; products are cuBLAS's (gemm_cuda.cu) --------------------------- */

/* Values below are binary16 or, exact, float; see value_cuda.cuh. */
/* dequant_cuda.cu: n_slabs slabs from `first` on, [n_out][n_in], as values. pair_first: of
 * cuda_pairs, so that experts without pairs are left out; NULL: all are wanted. */
void gk_dequant(struct cuda_matrix w, uint32_t first, uint32_t n_slabs,
        const uint32_t *pair_first, void *out, bool is_exact, cudaStream_t stream);

/* prefill_cuda.cu */
/* out[r] = rms(x[rows ? rows[r] : r]) * norm (NULL: x as is), as values. */
void gk_norm_rows(uint32_t n, uint32_t d, const float *x, const uint32_t *rows,
        const float *norm, float eps, void *out, bool is_exact, cudaStream_t stream);
/* The end of attn_in from q, k, v as products without bias. */
void gk_heads(
        const struct cuda_step *step, uint32_t n, struct cuda_attn_in a, cudaStream_t stream);
/* out = silu(gate) * up, n values. */
void gk_silu(size_t n, const void *gate, const void *up, void *out, bool is_exact,
        cudaStream_t stream);
/* x[t][i] += bias[i] */
void gk_add_bias(uint32_t n, uint32_t d, const float *bias, float *x, cudaStream_t stream);

/* attend_prefill_cuda.cu: attention by blocks of tokens and cells; out[n][n_heads][head_dim].
 */
void gk_attend_prefill(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream);

/* sort_cuda.cu: the (token, slot) pairs of MoE layer i_moe sorted by expert, stable. first[e]:
 * where expert e's pairs begin, [n_experts + 1]; token[p]: of pair p; place[t][slot]: the pair
 * of that slot. */
struct cuda_pairs {
    uint32_t *first, *token, *place;
};
void gk_sort_pairs(uint32_t n, uint32_t i_moe, struct cuda_routes routes,
        struct cuda_pairs pairs, cudaStream_t stream);
/* x[t] += sum over slots in order of weight * rows[place[t][slot]], rows of values */
void gk_unsort_add(uint32_t n, uint32_t d, uint32_t i_moe, struct cuda_routes routes,
        struct cuda_pairs pairs, const void *rows, float *x, bool is_exact,
        cudaStream_t stream);

#endif
