/* ffn_cpu.c - the dense SwiGLU feed-forward of a layer. */
#include "kernels/cpu.h"

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct ffn_step *s = arg;
    uint32_t n = k->batch->n_tokens;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    float *gate = k->inner.ptr, *up = gate + (size_t)n * s->n_ff;
    norm_share(&(struct norm_in){k->x.ptr, s->norm, s->eps, n, s->d}, buf.f32, ith, nth);
    pool_barrier(k->pool);
    if (uses_q8(k, &s->gate) || uses_q8(k, &s->up)) {
        quantise_share(k, &buf, n, s->d, ith, nth);
        pool_barrier(k->pool);
    }
    struct range r = split_range(s->n_ff, 32, ith, nth);
    struct act act_gate = act_for(k, &buf, &s->gate, s->d),
               act_up = act_for(k, &buf, &s->up, s->d);
    matmul(k, r, &(struct matmul_in){&s->gate, &act_gate, n},
            &(struct matmul_out){gate, s->n_ff});
    matmul(k, r, &(struct matmul_in){&s->up, &act_up, n}, &(struct matmul_out){up, s->n_ff});
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t i = r.begin; i < r.end; i++)
            gate[(size_t)t * s->n_ff + i] =
                    silu_mul(gate[(size_t)t * s->n_ff + i], up[(size_t)t * s->n_ff + i]);
    pool_barrier(k->pool);
    struct act_buf inner = act_buf_at(gate, k->quants.ptr, n, s->n_ff);
    if (uses_q8(k, &s->down)) {
        quantise_share(k, &inner, n, s->n_ff, ith, nth);
        pool_barrier(k->pool);
    }
    struct act act = act_for(k, &inner, &s->down, s->n_ff);
    matmul(k, split_range(s->d, 1, ith, nth), &(struct matmul_in){&s->down, &act, n},
            &(struct matmul_out){.out = k->x.ptr, .stride = s->d, .is_added = true});
    pool_barrier(k->pool);
}

void cpu_ffn(struct kernels *kernels, const struct ffn_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = k->size.batch_tok;
    uint32_t widest = step->n_ff > step->d ? step->n_ff : step->d;
    room_want(&k->normed, n * step->d * sizeof(float));
    room_want(&k->inner, 2 * n * step->n_ff * sizeof(float));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, widest));
    cpu_add(k, run)->u.ffn = *step;
}
