/*
 * attend_cpu.c - attention over the visible cells and the output projection, added to the
 * residual. Work is one (token, key head): its keys and values are read once for all query
 * heads that share them. Softmax keeps all scores of a head, so each key is touched once.
 */
#include <string.h>

#include "kernels/cpu.h"

static float key_score(
        const struct cpu *k, const struct kv_layer *kv, size_t at, const float *q, uint32_t dim)
{
    return kv->is_half ? k->dot->dot_half((const uint16_t *)kv->keys + at, q, dim)
                       : k->dot->dot((const float *)kv->keys + at, q, dim);
}

static void attend_group(const struct cpu *k, const struct attend_step *s, uint32_t t,
        uint32_t kv_head, float *scores)
{
    uint32_t group = s->n_heads / s->n_kv_heads, dim = s->head_dim, n = k->batch->count[t];
    const uint32_t *cells = k->batch->visible + k->batch->first[t];
    struct kv_layer kv = kv_layer_at(k, s->layer);
    size_t at = ((size_t)t * s->n_heads + (size_t)kv_head * group) * dim;
    const float *q = (const float *)k->q.ptr + at;
    float *out = (float *)k->attention.ptr + at;
    size_t width = (size_t)s->n_kv_heads * dim, offset = (size_t)kv_head * dim;
    for (uint32_t c = 0; c < n; c++)
        for (uint32_t h = 0; h < group; h++)
            scores[h * n + c] =
                    s->scale * key_score(k, &kv, cells[c] * width + offset, q + h * dim, dim);
    memset(out, 0, (size_t)group * dim * sizeof *out);
    for (uint32_t h = 0; h < group; h++)
        softmax(scores + h * n, n);
    for (uint32_t c = 0; c < n; c++)
        for (uint32_t h = 0; h < group; h++) {
            size_t v = cells[c] * width + offset;
            if (kv.is_half)
                k->dot->add_scaled_half(
                        out + h * dim, (const uint16_t *)kv.values + v, scores[h * n + c], dim);
            else
                k->dot->add_scaled(
                        out + h * dim, (const float *)kv.values + v, scores[h * n + c], dim);
        }
}

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct attend_step *s = arg;
    uint32_t n = k->batch->n_tokens, width = s->n_heads * s->head_dim;
    float *scores = (float *)((char *)k->scores.ptr +
                              k->scores.n_bytes / 64 / (size_t)nth * 64 * (size_t)ith);
    struct range r = split_range(n * s->n_kv_heads, 1, ith, nth);
    for (uint32_t i = r.begin; i < r.end; i++)
        attend_group(k, s, i / s->n_kv_heads, i % s->n_kv_heads, scores);
    pool_barrier(k->pool);
    struct act_buf buf = act_buf_at(k->attention.ptr, k->quants.ptr, n, width);
    if (uses_q8(k, &s->wo)) {
        quantise_share(k, &buf, n, width, ith, nth);
        pool_barrier(k->pool);
    }
    struct act act = act_for(k, &buf, &s->wo, width);
    struct matmul_out to = {k->x.ptr, s->d, NULL, NULL, s->bo, true};
    matmul(k, split_range(s->d, 1, ith, nth), &(struct matmul_in){&s->wo, &act, n}, &to);
    pool_barrier(k->pool);
}

void cpu_attend(struct kernels *kernels, const struct attend_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t group = step->n_heads / step->n_kv_heads,
           per_thread = (k->size.n_cells * group * sizeof(float) + 63) / 64 * 64;
    room_want(&k->scores, per_thread * (size_t)pool_n_threads(k->pool));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, step->n_heads * step->head_dim));
    cpu_add(k, run)->u.attend = *step;
}
