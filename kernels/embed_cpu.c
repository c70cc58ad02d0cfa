/* embed_cpu.c - rows of the token table. */
#include "kernels/cpu.h"

static void run(struct cpu *k, const void *arg, int ith, int nth)
{
    const struct embed_step *s = arg;
    uint32_t d = s->table.n_in;
    const int32_t *tokens = k->batch->tokens;
    struct range r = split_range(k->batch->n_tokens, 1, ith, nth);
    for (uint32_t t = r.begin; t < r.end; t++) {
        float *x = (float *)k->x.ptr + (size_t)t * d;
        const char *row = (const char *)s->table.data + (size_t)tokens[t] * s->table.row_bytes;
        quant_traits[s->table.quant].decode(row, x, d);
    }
    pool_barrier(k->pool);
}

void cpu_embed(struct kernels *k, const struct embed_step *step)
{
    cpu_add(cpu_of(k), run)->u.embed = *step;
}
