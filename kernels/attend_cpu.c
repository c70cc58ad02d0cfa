/*
 * attend_cpu.c - attention over the visible cells and the output projection, added to the
 * residual. Work is one (token, key head): its keys and values are read once for all query
 * heads that share them. Softmax keeps all scores of a head, so each key is touched once.
 */
#include <string.h>

#include "kernels/cpu.h"

static float key_score(
        const struct kernels *k, const struct attend_step *s, size_t at, const float *q)
{
    return s->scale *
           (s->kv.is_half ? k->dot->dot_half((const uint16_t *)s->kv.keys + at, q, s->head_dim)
                          : k->dot->dot((const float *)s->kv.keys + at, q, s->head_dim));
}

static void attend_group(const struct kernels *k, const struct attend_step *s, uint32_t t,
        uint32_t kv_head, float *scores)
{
    uint32_t group = s->n_heads / s->n_kv_heads, dim = s->head_dim, n = s->count[t];
    const uint32_t *cells = s->visible + s->first[t];
    size_t at = ((size_t)t * s->n_heads + (size_t)kv_head * group) * dim;
    const float *q = s->q + at;
    float *out = s->out + at;
    size_t width = (size_t)s->n_kv_heads * dim, offset = (size_t)kv_head * dim;
    for (uint32_t c = 0; c < n; c++)
        for (uint32_t h = 0; h < group; h++)
            scores[h * n + c] = key_score(k, s, cells[c] * width + offset, q + h * dim);
    memset(out, 0, (size_t)group * dim * sizeof *out);
    for (uint32_t h = 0; h < group; h++)
        softmax(scores + h * n, n);
    for (uint32_t c = 0; c < n; c++)
        for (uint32_t h = 0; h < group; h++) {
            size_t v = cells[c] * width + offset;
            if (s->kv.is_half)
                k->dot->add_scaled_half(out + h * dim, (const uint16_t *)s->kv.values + v,
                        scores[h * n + c], dim);
            else
                k->dot->add_scaled(
                        out + h * dim, (const float *)s->kv.values + v, scores[h * n + c], dim);
        }
}

static void run(struct kernels *k, const void *arg, int ith, int nth)
{
    const struct attend_step *s = arg;
    uint32_t width = s->n_heads * s->head_dim;
    float *scores = (float *)((char *)k->scores.ptr +
                              k->scores.n_bytes / 64 / (size_t)nth * 64 * (size_t)ith);
    struct range r = split_range(s->n_tokens * s->n_kv_heads, 1, ith, nth);
    for (uint32_t i = r.begin; i < r.end; i++)
        attend_group(k, s, i / s->n_kv_heads, i % s->n_kv_heads, scores);
    pool_barrier(k->pool);
    struct act_buf buf = act_buf_at(s->out, k->quants.ptr, s->n_tokens, width);
    if (uses_q8(k, &s->wo)) {
        quantise_share(k, &buf, s->n_tokens, width, ith, nth);
        pool_barrier(k->pool);
    }
    struct act act = act_for(k, &buf, &s->wo, width);
    struct matmul_out to = {s->x, s->d, NULL, NULL, s->bo, true};
    matmul(k, split_range(s->d, 1, ith, nth), &(struct matmul_in){&s->wo, &act, s->n_tokens},
            &to);
    pool_barrier(k->pool);
}

void kernels_attend(struct kernels *k, const struct attend_step *step)
{
    uint32_t most = 1;
    for (uint32_t t = 0; t < step->n_tokens; t++)
        most = step->count[t] > most ? step->count[t] : most;
    size_t per_thread =
            ((size_t)most * (step->n_heads / step->n_kv_heads) * sizeof(float) + 63) / 64 * 64;
    scratch_get(&k->scores, per_thread * (size_t)pool_n_threads(k->pool));
    scratch_get(&k->quants, act_quant_bytes(step->n_tokens, step->n_heads * step->head_dim));
    kernels_add(k, run)->u.attend = *step;
}
