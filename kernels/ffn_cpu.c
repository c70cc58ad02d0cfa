/* ffn_cpu.c - the dense SwiGLU feed-forward of a layer. */
#include "kernels/cpu.h"

static void run(struct kernels *k, const void *arg, int ith, int nth)
{
    const struct ffn_step *s = arg;
    uint32_t n = s->n_tokens;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    float *gate = k->inner.ptr, *up = gate + (size_t)n * s->n_ff;
    norm_share(&(struct norm_in){s->x, s->norm, s->eps, n, s->d}, buf.f32, ith, nth);
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
            &(struct matmul_out){.out = s->x, .stride = s->d, .is_added = true});
    pool_barrier(k->pool);
}

void kernels_ffn(struct kernels *k, const struct ffn_step *step)
{
    size_t n = step->n_tokens;
    uint32_t widest = step->n_ff > step->d ? step->n_ff : step->d;
    scratch_get(&k->normed, n * step->d * sizeof(float));
    scratch_get(&k->inner, 2 * n * step->n_ff * sizeof(float));
    scratch_get(&k->quants, act_quant_bytes(step->n_tokens, widest));
    kernels_add(k, run)->u.ffn = *step;
}
