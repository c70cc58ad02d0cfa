/* figures.c - see figures.h. */
#include "tui/figures.h"

#include <stdio.h>

#define MOST_DECIMALS 7

int figure_decimals(const int64_t *nusd, int n)
{
    int decimals = 2;
    for (int i = 0; i < n; i++) {
        int64_t amount = nusd[i] < 0 ? -nusd[i] : nusd[i], at_least = 100000000; /* $0.10 */
        int needed = 2;
        for (; amount && amount < at_least && needed < MOST_DECIMALS; needed++)
            at_least /= 10;
        decimals = needed > decimals ? needed : decimals;
    }
    return decimals;
}

const char *figure_dollars(char out[FIGURE_BYTES], int64_t nusd)
{
    if (nusd == 0)
        snprintf(out, FIGURE_BYTES, "$0");
    else
        snprintf(out, FIGURE_BYTES, "%s$%.*f", nusd < 0 ? "-" : "", figure_decimals(&nusd, 1),
                (double)(nusd < 0 ? -nusd : nusd) / 1e9);
    return out;
}

const char *figure_seconds(char out[FIGURE_BYTES], uint32_t ms)
{
    snprintf(out, FIGURE_BYTES, ms < 1950 ? "%.1f s" : "%.0f s", ms / 1000.0);
    return out;
}
