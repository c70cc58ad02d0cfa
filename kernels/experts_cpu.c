/*
 * experts_cpu.c - the chosen experts of a layer and their weighted sum. The (token, expert)
 * pairs of the batch are sorted by expert; every worker takes the same share of rows of every
 * expert, so the load is even whatever was chosen and the sum of a token's experts has a fixed
 * order.
 */
#include <string.h>

#include "kernels/cpu.h"

/* Pairs sorted by expert: pair p is token[p]'s choice with weight[p]; expert e has [first[e],
 * first[e + 1]). */
struct pairs {
    uint32_t *first;  /* [n_experts + 1] */
    uint32_t *token;  /* [n_pairs] */
    float *weight;    /* [n_pairs] */
    float *gate, *up; /* [n_pairs][n_ff] */
    void *quants;     /* of gate */
};

static size_t align64(size_t n_bytes)
{
    return (n_bytes + 63) / 64 * 64;
}

static size_t pairs_bytes(const struct experts_step *s, uint32_t n_tokens)
{
    size_t n = (size_t)n_tokens * s->n_used;
    return align64((s->n_experts + 1) * sizeof(uint32_t)) + 2 * align64(n * sizeof(uint32_t)) +
           2 * align64(n * s->n_ff * sizeof(float)) + act_quant_bytes((uint32_t)n, s->n_ff);
}

static struct pairs pairs_at(const struct experts_step *s, uint32_t n_tokens, char *memory)
{
    size_t n = (size_t)n_tokens * s->n_used;
    struct pairs p;
    p.first = (uint32_t *)memory;
    memory += align64((s->n_experts + 1) * sizeof(uint32_t));
    p.token = (uint32_t *)memory;
    memory += align64(n * sizeof(uint32_t));
    p.weight = (float *)memory;
    memory += align64(n * sizeof(float));
    p.gate = (float *)memory;
    memory += align64(n * s->n_ff * sizeof(float));
    p.up = (float *)memory;
    memory += align64(n * s->n_ff * sizeof(float));
    p.quants = memory;
    return p;
}

static void sort_pairs(const struct cpu *k, const struct experts_step *s, const struct pairs *p)
{
    uint32_t n_tokens = k->batch->n_tokens;
    size_t stride = (size_t)k->size.n_moe_layers * s->n_used;
    const uint16_t *ids = k->batch->ids + (size_t)s->i_moe * s->n_used;
    const float *weights = k->batch->weights + (size_t)s->i_moe * s->n_used;
    memset(p->first, 0, (s->n_experts + 1) * sizeof *p->first);
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t i = 0; i < s->n_used; i++)
            p->first[ids[t * stride + i] + 1]++;
    for (uint32_t e = 0; e < s->n_experts; e++)
        p->first[e + 1] += p->first[e];
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t i = 0; i < s->n_used; i++) {
            uint32_t at = p->first[ids[t * stride + i]]++;
            p->token[at] = t;
            p->weight[at] = weights[t * stride + i];
        }
    memmove(p->first + 1, p->first, s->n_experts * sizeof *p->first);
    p->first[0] = 0;
}

static void run_inner(const struct cpu *k, const struct experts_step *s, const struct pairs *p,
        struct range r)
{
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, k->batch->n_tokens, s->d);
    struct act act_gate = act_for(k, &buf, &s->gate, s->d),
               act_up = act_for(k, &buf, &s->up, s->d);
    for (uint32_t e = 0; e < s->n_experts; e++) {
        uint32_t begin = p->first[e], n = p->first[e + 1] - begin;
        float *gate = p->gate + (size_t)begin * s->n_ff, *up = p->up + (size_t)begin * s->n_ff;
        if (n == 0)
            continue;
        const uint32_t *rows = p->token + begin;
        matmul(k, r, &(struct matmul_in){&s->gate, &act_gate, n, rows, e},
                &(struct matmul_out){gate, s->n_ff});
        matmul(k, r, &(struct matmul_in){&s->up, &act_up, n, rows, e},
                &(struct matmul_out){up, s->n_ff});
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = r.begin; j < r.end; j++)
                gate[(size_t)i * s->n_ff + j] =
                        silu_mul(gate[(size_t)i * s->n_ff + j], up[(size_t)i * s->n_ff + j]);
    }
}

static void run_outer(const struct cpu *k, const struct experts_step *s, const struct pairs *p,
        struct range r)
{
    uint32_t n_pairs = k->batch->n_tokens * s->n_used;
    struct act_buf whole = act_buf_at(p->gate, p->quants, n_pairs, s->n_ff);
    for (uint32_t e = 0; e < s->n_experts; e++) {
        uint32_t begin = p->first[e], n = p->first[e + 1] - begin;
        size_t at = (size_t)begin * s->n_ff;
        struct act_buf part = {
                whole.f32 + at, whole.q8 + at, whole.d + at / 32, whole.sum + at / 32};
        struct act act = act_for(k, &part, &s->down, s->n_ff);
        if (n)
            matmul(k, r, &(struct matmul_in){&s->down, &act, n, NULL, e},
                    &(struct matmul_out){
                            k->x.ptr, s->d, p->token + begin, p->weight + begin, NULL, true});
    }
}

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct experts_step *s = arg;
    struct pairs p = pairs_at(s, k->batch->n_tokens, k->pairs.ptr);
    uint32_t n_pairs = k->batch->n_tokens * s->n_used;
    if (ith == 0)
        sort_pairs(k, s, &p);
    pool_barrier(k->pool);
    run_inner(k, s, &p, split_range(s->n_ff, 32, ith, nth));
    pool_barrier(k->pool);
    if (uses_q8(k, &s->down)) {
        struct act_buf inner = act_buf_at(p.gate, p.quants, n_pairs, s->n_ff);
        quantise_share(k, &inner, n_pairs, s->n_ff, ith, nth);
        pool_barrier(k->pool);
    }
    run_outer(k, s, &p, split_range(s->d, 1, ith, nth));
    pool_barrier(k->pool);
}

void cpu_experts(struct kernels *kernels, const struct experts_step *step)
{
    struct cpu *k = cpu_of(kernels);
    room_want(&k->pairs, pairs_bytes(step, k->size.batch_tok));
    cpu_add(k, run)->u.experts = *step;
}
