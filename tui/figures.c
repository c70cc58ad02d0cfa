/* figures.c - see figures.h. */
#include "tui/figures.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "engine/base.h"

#define MOST_DECIMALS 7

static const char *print_clock(char out[FIGURE_BYTES], int64_t unix_ms, const char *format)
{
    time_t seconds = unix_ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(out, FIGURE_BYTES, format, &tm);
    return out;
}

const char *figure_clock(char out[FIGURE_BYTES], int64_t unix_ms)
{
    return print_clock(out, unix_ms, "%H:%M");
}

const char *figure_clock_s(char out[FIGURE_BYTES], int64_t unix_ms)
{
    return print_clock(out, unix_ms, "%H:%M:%S");
}

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

/* The first row of the unit whose limit the value is below. */
static const struct {
    enum unit unit;
    double below;
    double per;
    int n_decimals;
    const char *before, *behind;
} forms[] = {
        {UNIT_COUNT, 99999.5, 1, 0, "", ""},
        {UNIT_COUNT, 9999500, 1e3, 0, "", "k"},
        {UNIT_COUNT, INFINITY, 1e6, 0, "", "M"},
        {UNIT_SECONDS, 99.995, 1, 2, "", " s"},
        {UNIT_SECONDS, INFINITY, 1, 0, "", " s"},
        {UNIT_RATE, 9999.95, 1, 1, "", ""},
        {UNIT_RATE, INFINITY, 1e3, 0, "", "k"},
        {UNIT_USD, 0.0001, 1, 5, "$", ""},
        {UNIT_USD, 0.99995, 1, 4, "$", ""},
        {UNIT_USD, 9999.995, 1, 2, "$", ""},
        {UNIT_USD, INFINITY, 1e3, 0, "$", "k"},
        {UNIT_PRICE, INFINITY, 1, 2, "", ""},
        {UNIT_PARAMS, 999.5, 1, 0, "", ""},
        {UNIT_PARAMS, 999500, 1e3, 0, "", "k"},
        {UNIT_PARAMS, 9.995e6, 1e6, 2, "", "M"},
        {UNIT_PARAMS, 99.95e6, 1e6, 1, "", "M"},
        {UNIT_PARAMS, 999.5e6, 1e6, 0, "", "M"},
        {UNIT_PARAMS, 9.995e9, 1e9, 2, "", "B"},
        {UNIT_PARAMS, 99.95e9, 1e9, 1, "", "B"},
        {UNIT_PARAMS, INFINITY, 1e9, 0, "", "B"},
};

const char *figure_print(enum unit unit, double value, char out[FIGURE_BYTES])
{
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i].unit == unit && value < forms[i].below) {
            snprintf(out, FIGURE_BYTES, "%s%.*f%s", forms[i].before, forms[i].n_decimals,
                    value / forms[i].per, forms[i].behind);
            break;
        }
    return out;
}
