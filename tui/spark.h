/*
 * spark.h - the newest samples as a row of bars. The highest of them is full height; zero and
 * nothing are blank.
 */
#ifndef TUI_SPARK_H
#define TUI_SPARK_H

#include "tui/role.h"

struct samples;
struct surface;

/* The newest at the right end of n_cols columns. */
void spark_draw(struct surface *out, int row, int col, int n_cols, enum role role,
        const struct samples *samples);

#endif
