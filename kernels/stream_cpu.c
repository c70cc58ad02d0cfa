/* stream_cpu.c - a plain read of memory: the limit that decoding is measured against. */
#include "kernels/cpu.h"

#define LANES 8 /* independent sums: the loads, not the additions, set the pace */

/* Sanitizers would be what is measured. */
__attribute__((no_sanitize("address", "undefined"))) uint64_t stream_sum(
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
