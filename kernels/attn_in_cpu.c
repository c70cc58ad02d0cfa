/*
 * attn_in_cpu.c - everything before attention: norm, the three projections, norms of q and k,
 * RoPE, and the append to the cache.
 */
#include <string.h>

#include "kernels/cpu.h"

/* table: n_rot/2 pairs of cos and sin. */
static void rotate(float *head, const float *table, uint32_t n_rot, enum rope_kind kind)
{
    uint32_t half = n_rot / 2;
    for (uint32_t j = 0; j < half; j++) {
        float *a = kind == ROPE_NORM ? head + 2 * j : head + j;
        float *b = kind == ROPE_NORM ? a + 1 : a + half;
        float c = table[2 * j], s = table[2 * j + 1], a0 = *a, b0 = *b;
        *a = a0 * c - b0 * s;
        *b = a0 * s + b0 * c;
    }
}

static void finish_heads(const struct cpu *k, const struct attn_in_step *s, float *rows,
        uint32_t n_heads, uint32_t t, const float *norm)
{
    float *row = rows + (size_t)t * n_heads * s->head_dim;
    const float *table = k->batch->rope_table + (size_t)t * s->n_rot;
    if (norm && s->is_norm_whole)
        norm_row(row, norm, s->eps, n_heads * s->head_dim, row);
    for (uint32_t h = 0; h < n_heads; h++) {
        float *head = row + h * s->head_dim;
        if (norm && !s->is_norm_whole)
            norm_row(head, norm, s->eps, s->head_dim, head);
        rotate(head, table, s->n_rot, s->rope);
    }
}

static void append(const struct cpu *k, const struct kv_layer *kv, const float *key,
        const float *value, uint32_t cell, uint32_t width)
{
    size_t at = (size_t)cell * width;
    if (kv->is_half) {
        k->dot->to_half(key, (uint16_t *)kv->keys + at, width);
        k->dot->to_half(value, (uint16_t *)kv->values + at, width);
    } else {
        memcpy((float *)kv->keys + at, key, width * sizeof *key);
        memcpy((float *)kv->values + at, value, width * sizeof *value);
    }
}

static void project(const struct cpu *k, const struct attn_in_step *s,
        const struct act_buf *buf, const struct weight *w, struct range r,
        const struct matmul_out *to)
{
    struct act act = act_for(k, buf, w, s->d);
    matmul(k, r, &(struct matmul_in){w, &act, k->batch->n_tokens}, to);
}

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct attn_in_step *s = arg;
    struct kv_layer kv = kv_layer_at(k, s->layer);
    uint32_t n = k->batch->n_tokens, kv_width = s->n_kv_heads * s->head_dim;
    float *q = k->q.ptr, *keys = k->inner.ptr, *values = keys + (size_t)n * kv_width;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    norm_share(&(struct norm_in){k->x.ptr, s->norm, s->eps, n, s->d}, buf.f32, ith, nth);
    pool_barrier(k->pool);
    if (uses_q8(k, &s->wq) || uses_q8(k, &s->wk) || uses_q8(k, &s->wv)) {
        quantise_share(k, &buf, n, s->d, ith, nth);
        pool_barrier(k->pool);
    }
    project(k, s, &buf, &s->wq, split_range(s->wq.n_out, 1, ith, nth),
            &(struct matmul_out){.out = q, .stride = s->wq.n_out, .bias = s->bq});
    project(k, s, &buf, &s->wk, split_range(s->wk.n_out, 1, ith, nth),
            &(struct matmul_out){.out = keys, .stride = s->wk.n_out, .bias = s->bk});
    project(k, s, &buf, &s->wv, split_range(s->wv.n_out, 1, ith, nth),
            &(struct matmul_out){.out = values, .stride = s->wv.n_out, .bias = s->bv});
    pool_barrier(k->pool);
    struct range r = split_range(n, 1, ith, nth);
    for (uint32_t t = r.begin; t < r.end; t++) {
        finish_heads(k, s, q, s->n_heads, t, s->q_norm);
        finish_heads(k, s, keys, s->n_kv_heads, t, s->k_norm);
        append(k, &kv, keys + (size_t)t * kv_width, values + (size_t)t * kv_width,
                k->batch->cells[t], kv_width);
    }
    pool_barrier(k->pool);
}

void cpu_attn_in(struct kernels *kernels, const struct attn_in_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = k->size.batch_tok, kv_width = (size_t)step->n_kv_heads * step->head_dim;
    room_want(&k->normed, n * step->d * sizeof(float));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, step->d));
    room_want(&k->inner, 2 * n * kv_width * sizeof(float));
    cpu_add(k, run)->u.attn_in = *step;
}
