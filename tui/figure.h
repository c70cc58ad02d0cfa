/* figure.h - numbers as the screen shows them: a few digits with their unit, nothing for what
 * is not known. */
#ifndef TUI_FIGURE_H
#define TUI_FIGURE_H

#include "engine/base.h"

enum unit { UNIT_COUNT, UNIT_SECONDS, UNIT_RATE, UNIT_USD, UNIT_PRICE };

#define FIGURE_BYTES 24

/* value NAN: "". Returns out. */
const char *figure_print(enum unit unit, double value, char out[FIGURE_BYTES]);

#endif
