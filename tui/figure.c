/* figure.c - see figure.h. */
#include "tui/figure.h"

#include <math.h>
#include <stdio.h>

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
        {UNIT_RATE, INFINITY, 1, 1, "", ""},
        {UNIT_USD, 0.99995, 1, 4, "$", ""},
        {UNIT_USD, INFINITY, 1, 2, "$", ""},
        {UNIT_PRICE, INFINITY, 1, 2, "", ""},
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
