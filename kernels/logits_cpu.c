/* logits_cpu.c - the last norm and the product with the vocabulary, for the tokens that want
 * it. */

#include "kernels/cpu.h"

static void run(struct kernels *k, const void *arg, int ith, int nth)
{
    const struct logits_step *s = arg;
    uint32_t n = s->n_rows;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    struct range r = split_range(n, 1, ith, nth);
    for (uint32_t i = r.begin; i < r.end; i++)
        norm_share(
                &(struct norm_in){s->x + (size_t)s->rows[i] * s->d, s->norm, s->eps, 1, s->d},
                buf.f32 + (size_t)i * s->d, 0, 1);
    pool_barrier(k->pool);
    if (uses_q8(k, &s->output)) {
        quantise_share(k, &buf, n, s->d, ith, nth);
        pool_barrier(k->pool);
    }
    struct act act = act_for(k, &buf, &s->output, s->d);
    matmul(k, split_range(s->n_vocab, 1, ith, nth), &(struct matmul_in){&s->output, &act, n},
            &(struct matmul_out){s->logits, s->n_vocab});
    pool_barrier(k->pool);
}

void kernels_logits(struct kernels *k, const struct logits_step *step)
{
    if (step->n_rows == 0)
        return;
    scratch_get(&k->normed, (size_t)step->n_rows * step->d * sizeof(float));
    scratch_get(&k->quants, act_quant_bytes(step->n_rows, step->d));
    kernels_add(k, run)->u.logits = *step;
}
