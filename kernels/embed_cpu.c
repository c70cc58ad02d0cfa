/* embed_cpu.c - rows of the token table. */
#include "kernels/cpu.h"

static void run(struct kernels *k, const void *arg, int ith, int nth)
{
    const struct embed_step *s = arg;
    uint32_t d = s->table.n_in;
    struct range r = split_range(s->n_tokens, 1, ith, nth);
    for (uint32_t t = r.begin; t < r.end; t++) {
        float *x = s->x + (size_t)t * d;
        const char *row =
                (const char *)s->table.data + (size_t)s->tokens[t] * s->table.row_bytes;
        quant_traits[s->table.quant].decode(row, x, d);
    }
    pool_barrier(k->pool);
}

void kernels_embed(struct kernels *k, const struct embed_step *step)
{
    kernels_add(k, run)->u.embed = *step;
}
