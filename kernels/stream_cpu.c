/* stream_cpu.c - a plain read of memory by all workers: the limit that decoding is measured
 * against. */
#include "kernels/cpu.h"

#define LANES 8 /* independent sums: the loads, not the additions, set the pace */

/* Sanitizers would be what is measured. */
__attribute__((no_sanitize("address", "undefined"))) static uint64_t sum_words(
        const uint64_t *words, size_t n)
{
    uint64_t sums[LANES] = {0}, total = 0;
    for (size_t i = 0; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[k] += words[i + k];
    for (size_t k = 0; k < LANES; k++)
        total += sums[k];
    return total;
}

struct stream {
    const uint64_t *words;
    size_t n;
    _Atomic uint64_t sum; /* keeps the reads from being dropped */
};

static void run(void *arg, int ith, int nth)
{
    struct stream *s = arg;
    size_t begin = s->n / (size_t)nth * (size_t)ith, n = s->n / (size_t)nth;
    atomic_fetch_add(&s->sum, sum_words(s->words + begin, n));
}

void kernels_stream(struct kernels *k, const void *ptr, size_t n_bytes)
{
    struct stream s = {ptr, n_bytes / sizeof *s.words, 0};
    pool_run(k->pool, run, &s);
}
