/* spark.c - see spark.h. */
#include "tui/spark.h"

#include <math.h>

#include "router/fleet.h"

#include "tui/surface.h"

#define LEVELS 8

static float newest(const struct samples *samples, uint32_t i_back)
{
    return samples->values[(samples->n - 1 - i_back) % SAMPLES_MAX];
}

void spark_draw(struct surface *out, int row, int col, int n_cols, enum role role,
        const struct samples *samples)
{
    uint32_t n = samples->n < SAMPLES_MAX ? samples->n : SAMPLES_MAX;
    float most = 0;
    n = n < (uint32_t)n_cols ? n : (uint32_t)n_cols;
    for (uint32_t i = 0; i < n; i++)
        most = newest(samples, i) > most ? newest(samples, i) : most;
    for (uint32_t i = 0; i < n; i++) {
        int level = most > 0 ? (int)ceilf(newest(samples, i) / most * LEVELS) : 0;
        char bar[4] = {'\xE2', '\x96', (char)(0x80 + level)}; /* U+2581 .. U+2588 */
        if (level > 0)
            surface_puts(out, row, col + n_cols - 1 - (int)i, role, bar);
    }
}
