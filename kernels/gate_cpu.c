/* gate_cpu.c - the choice of experts: the k largest logits, weighted by the softmax of all. */
#include <math.h>

#include "kernels/cpu.h"

/* The order of choice: the larger logit, the lower index among equals, NaN last. Not by
 * probability: logits that round to equal ones would depend on who computes exp. */
static bool comes_before(const float *logits, uint32_t a, uint32_t b)
{
    if (isnan(logits[a]) != isnan(logits[b]))
        return isnan(logits[b]);
    if (logits[a] < logits[b] || logits[a] > logits[b])
        return logits[a] > logits[b];
    return a < b;
}

/* The first of n that comes after `last`; last >= n: of all. */
static uint32_t choose_next(const float *logits, uint32_t n, uint32_t last)
{
    uint32_t best = n;
    for (uint32_t e = 0; e < n; e++)
        if ((last >= n || comes_before(logits, last, e)) &&
                (best == n || comes_before(logits, e, best)))
            best = e;
    return best;
}

/* p: the token's logits, then probabilities */
static void choose(const struct cpu *k, const struct gate_step *s, uint32_t t, float *p)
{
    size_t layer = (size_t)t * k->size.n_moe_layers + s->i_moe;
    uint16_t *ids = k->batch->ids + layer * s->n_used;
    float *weights = k->batch->weights + layer * s->n_used, sum = 0;
    uint32_t n = s->n_experts, chosen = n;
    for (uint32_t i = 0; i < s->n_used; i++)
        ids[i] = (uint16_t)(chosen = choose_next(p, n, chosen));
    uint32_t rejected = choose_next(p, n, chosen);
    softmax(p, n);
    for (uint32_t i = 0; i < s->n_used; i++)
        sum += weights[i] = p[ids[i]];
    k->batch->margins[layer] = p[chosen] - (rejected < n ? p[rejected] : 0);
    float factor = s->scale / (s->is_normalised ? fmaxf(sum, 6.1e-5f) : 1);
    for (uint32_t i = 0; i < s->n_used; i++)
        weights[i] *= factor;
}

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct gate_step *s = arg;
    uint32_t n = k->batch->n_tokens;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    float *logits = k->inner.ptr;
    norm_share(&(struct norm_in){k->x.ptr, s->norm, s->eps, n, s->d}, buf.f32, ith, nth);
    pool_barrier(k->pool);
    /* The 8-bit form is for the experts that follow; the gate itself always sees float32: a
     * flipped choice costs more than these few products. */
    quantise_share(k, &buf, n, s->d / 32 * 32 == s->d ? s->d : 0, ith, nth);
    struct act act = {buf.f32, NULL, NULL, NULL, s->d};
    matmul(k, split_range(s->n_experts, 1, ith, nth), &(struct matmul_in){&s->gate, &act, n},
            &(struct matmul_out){logits, s->n_experts});
    pool_barrier(k->pool);
    struct range r = split_range(n, 1, ith, nth);
    for (uint32_t t = r.begin; t < r.end; t++)
        choose(k, s, t, logits + (size_t)t * s->n_experts);
    pool_barrier(k->pool);
}

void cpu_gate(struct kernels *kernels, const struct gate_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = k->size.batch_tok;
    room_want(&k->normed, n * step->d * sizeof(float));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, step->d));
    room_want(&k->inner, n * step->n_experts * sizeof(float));
    cpu_add(k, run)->u.gate = *step;
}
