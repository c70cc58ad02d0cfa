/* gate_cpu.c - the choice of experts: softmax over all, the k largest. */
#include <math.h>

#include "kernels/cpu.h"

/* The largest of p that is not taken yet (taken: -1); lowest index first. NaN is never larger.
 */
static uint32_t take_largest(const float *p, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t e = 1; e < n; e++)
        if (p[e] > p[best] || !(p[best] >= -1))
            best = e;
    return best;
}

static void choose(const struct cpu *k, const struct gate_step *s, uint32_t t, float *p)
{
    size_t layer = (size_t)t * k->size.n_moe_layers + s->i_moe;
    uint16_t *ids = k->batch->ids + layer * s->n_used;
    float *weights = k->batch->weights + layer * s->n_used, sum = 0;
    softmax(p, s->n_experts);
    for (uint32_t i = 0; i < s->n_used; i++) {
        uint32_t best = take_largest(p, s->n_experts);
        ids[i] = (uint16_t)best;
        weights[i] = p[best];
        sum += p[best];
        p[best] = -1;
    }
    float last = weights[s->n_used - 1];
    float next = s->n_used < s->n_experts ? p[take_largest(p, s->n_experts)] : 0;
    k->batch->margins[layer] = last - next;
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
