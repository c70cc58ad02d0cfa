/*
 * figures.h - money and time as people read them. Costs span from a millionth of a dollar to
 * dollars, so the number of digits follows the amount, or in a column its smallest amount.
 */
#ifndef TUI_FIGURES_H
#define TUI_FIGURES_H

#include <stdint.h>

#define FIGURE_BYTES 32

/* "$0", "$0.0021", "$1.25": two significant digits, at least cents; returns out. */
const char *figure_dollars(char out[FIGURE_BYTES], int64_t nusd);
/* "0.4 s", "9 s", "12 s": a tenth only below two seconds; returns out. */
const char *figure_seconds(char out[FIGURE_BYTES], uint32_t ms);
/* "14:02", "14:02:07", local time; both return out. */
const char *figure_clock(char out[FIGURE_BYTES], int64_t unix_ms);
const char *figure_clock_s(char out[FIGURE_BYTES], int64_t unix_ms);
/* Digits behind the point that show two significant ones of the smallest amount that is not
 * zero: 2 to 7. */
int figure_decimals(const int64_t *nusd, int n);

/* For columns, where units are the same in all rows: a few digits with their unit. */
enum unit { UNIT_COUNT, UNIT_SECONDS, UNIT_RATE, UNIT_USD, UNIT_PRICE, UNIT_PARAMS };
/* value NAN: "". Returns out. */
const char *figure_print(enum unit unit, double value, char out[FIGURE_BYTES]);

#endif
