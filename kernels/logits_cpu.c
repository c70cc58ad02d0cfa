/* logits_cpu.c - the last norm and the product with the vocabulary, for the tokens that want
 * it, and the draw from it. */
#include <string.h>

#include "kernels/cpu.h"

/* Rows are shared out whole: the sums of one stay in order. What the caller reads stays as it
 * was computed. */
static void sample_share(struct cpu *k, const float *logits, uint32_t n_vocab, int ith, int nth)
{
    const struct kernels_batch *b = k->batch;
    struct range r = split_range(b->n_rows, 1, ith, nth);
    struct candidate *scratch =
            (struct candidate *)k->candidates.ptr + 2 * (size_t)ith * n_vocab;
    for (uint32_t i = r.begin; i < r.end; i++) {
        float *mine = (float *)k->logits.ptr + (size_t)i * n_vocab;
        if (b->logits)
            memcpy(mine, logits + (size_t)i * n_vocab, n_vocab * sizeof *mine);
        sample_row(&b->params[i], mine, n_vocab, scratch, &b->samples[i]);
    }
}

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct logits_step *s = arg;
    const struct kernels_batch *b = k->batch;
    uint32_t n = b->n_rows;
    float *logits = b->logits ? b->logits : k->logits.ptr;
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
            &(struct matmul_out){logits, s->n_vocab});
    pool_barrier(k->pool);
    if (b->params) {
        sample_share(k, logits, s->n_vocab, ith, nth);
        pool_barrier(k->pool);
    }
}

void cpu_logits(struct kernels *kernels, const struct logits_step *step)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = k->size.batch_tok;
    room_want(&k->normed, n * step->d * sizeof(float));
    room_want(&k->quants, act_quant_bytes(k->size.batch_tok, step->d));
    k->logits.is_mapped = true; /* of a prompt one row is wanted: the others cost nothing */
    room_want(&k->logits, n * step->n_vocab * sizeof(float));
    k->candidates.is_mapped = true;
    room_want(&k->candidates,
            2 * (size_t)pool_n_threads(k->pool) * step->n_vocab * sizeof(struct candidate));
    cpu_add(k, run)->u.logits = *step;
}
