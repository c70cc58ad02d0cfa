/* logits_cpu.c - the last norm and the product with the vocabulary, for the tokens that want
 * it. */

#include "kernels/cpu.h"

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct logits_step *s = arg;
    const struct kernels_batch *b = k->batch;
    uint32_t n = b->n_rows;
    if (n == 0)
        return;
    struct act_buf buf = act_buf_at(k->normed.ptr, k->quants.ptr, n, s->d);
    struct range r = split_range(n, 1, ith, nth);
    for (uint32_t i = r.begin; i < r.end; i++)
        norm_row((const float *)k->x.ptr + (size_t)b->rows[i] * s->d, s->norm, s->eps, s->d,
                buf.f32 + (size_t)i * s->d);
    pool_barrier(k->pool);
    if (uses_q8(k, &s->output)) {
        quantise_share(k, &buf, n, s->d, ith, nth);
        pool_barrier(k->pool);
    }
    struct act act = act_for(k, &buf, &s->output, s->d);
    matmul(k, split_range(s->n_vocab, 1, ith, nth), &(struct matmul_in){&s->output, &act, n},
            &(struct matmul_out){b->logits ? b->logits : k->logits.ptr, s->n_vocab});
    pool_barrier(k->pool);
}

void cpu_logits(struct kernels *kernels, const struct logits_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = k->size.batch_tok;
    room_want(&k->normed, n * step->d * sizeof(float));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, step->d));
    k->logits.is_mapped = true; /* of a prompt one row is wanted: the others cost nothing */
    room_want(&k->logits, n * step->n_vocab * sizeof(float));
    cpu_add(k, run)->u.logits = *step;
}
