/*
 * heads_cuda.cuh - the end of attn_in, by one warp a head: bias, norm, RoPE, append to the
 * cache. Decode (matvec_cuda.cu) and prefill (prefill_cuda.cu) share it. Heads of a token are
 * numbered q, k, v: n_heads + 2 * n_kv_heads of them.
 */
#ifndef KERNELS_HEADS_CUDA_CUH
#define KERNELS_HEADS_CUDA_CUH

#include "kernels/cuda.h"

/* A head's product, and what is added to and multiplied with it: [head_dim], or NULL. */
struct gk_head {
    float *values;
    const float *bias, *norm;
};

/* Head i of n in a token's row. */
GK_DEV gk_head gk_head_in(float *row, const float *bias, const float *norm, bool is_norm_whole,
        uint32_t i, uint32_t head_dim)
{
    uint32_t at = i * head_dim;
    return gk_head{row + at, bias ? bias + at : NULL, norm && is_norm_whole ? norm + at : norm};
}

GK_DEV gk_head gk_head_at(const cuda_attn_in &a, uint32_t t, uint32_t head)
{
    uint32_t d = a.head_dim, kv = a.n_kv_heads;
    if (head < a.n_heads)
        return gk_head_in(
                a.q + (size_t)t * a.n_heads * d, a.bq, a.q_norm, a.is_norm_whole, head, d);
    head -= a.n_heads;
    if (head < kv)
        return gk_head_in(a.k + (size_t)t * kv * d, a.bk, a.k_norm, a.is_norm_whole, head, d);
    return gk_head_in(a.v + (size_t)t * kv * d, a.bv, NULL, false, head - kv, d);
}

GK_DEV float gk_head_value(const gk_head &h, uint32_t i)
{
    return h.values[i] + (h.bias ? h.bias[i] : 0);
}

GK_DEV float gk_normed_value(const gk_head &h, uint32_t i, float scale)
{
    float value = gk_head_value(h, i);
    return h.norm ? value * scale * h.norm[i] : value;
}

/* By a warp: the factor of the norm of the n values that begin with this head. */
GK_DEV float gk_head_scale(const gk_head &h, uint32_t n, float eps)
{
    float sum = 0;
    for (uint32_t i = threadIdx.x % 32; i < n; i += 32) {
        float value = gk_head_value(h, i);
        sum += value * value;
    }
    return 1 / sqrtf(gk_warp_sum(sum) / (float)n + eps);
}

/* By a warp: that of the whole row of the head's kind, for is_norm_whole. Of all heads before
 * the first of them is finished: finished values are in the place of products. */
GK_DEV float gk_whole_scale(const cuda_attn_in &a, uint32_t t, bool is_key)
{
    uint32_t n = (is_key ? a.n_kv_heads : a.n_heads) * a.head_dim;
    return gk_head_scale(gk_head_at(a, t, is_key ? a.n_heads : 0), n, a.eps);
}

/* Puts value i of the head where it belongs: q stays, k and v go to the token's cell. */
GK_DEV void gk_head_put(const cuda_attn_in &a, uint32_t cell, uint32_t head, const gk_head &h,
        uint32_t i, float value)
{
    if (head < a.n_heads) {
        h.values[i] = value;
        return;
    }
    head -= a.n_heads;
    void *cache = head < a.n_kv_heads ? a.kv.keys : a.kv.values;
    size_t at = ((size_t)cell * a.n_kv_heads + head % a.n_kv_heads) * a.head_dim + i;
    if (a.kv.is_half)
        ((gk_half *)cache)[at] = gk_float_to_half(value);
    else
        ((float *)cache)[at] = value;
}

/* By a warp: finishes a head of token t. whole_scale: gk_whole_scale of its kind when
 * is_norm_whole. */
GK_DEV void gk_finish_head(const cuda_attn_in &a, const cuda_step *step, uint32_t t,
        uint32_t head, float whole_scale)
{
    uint32_t lane = threadIdx.x % 32, cell = step->cells[t];
    uint32_t n_rot = head < a.n_heads + a.n_kv_heads ? a.n_rot : 0, half = n_rot / 2;
    const float *table = step->rope_table + (size_t)t * a.n_rot;
    gk_head h = gk_head_at(a, t, head);
    float scale = 1;
    if (h.norm)
        scale = a.is_norm_whole ? whole_scale : gk_head_scale(h, a.head_dim, a.eps);
    __syncwarp(); /* the scale has been made of all values before the first is replaced */
    for (uint32_t j = lane; j < half; j += 32) {
        uint32_t i0 = a.rope == ROPE_NORM ? 2 * j : j;
        uint32_t i1 = a.rope == ROPE_NORM ? i0 + 1 : j + half;
        float v0 = gk_normed_value(h, i0, scale), v1 = gk_normed_value(h, i1, scale);
        float c = table[2 * j], s = table[2 * j + 1];
        gk_head_put(a, cell, head, h, i0, v0 * c - v1 * s);
        gk_head_put(a, cell, head, h, i1, v0 * s + v1 * c);
    }
    for (uint32_t i = 2 * half + lane; i < a.head_dim; i += 32)
        gk_head_put(a, cell, head, h, i, gk_normed_value(h, i, scale));
}

#endif
