/* listing.h - a table as plain text: columns as wide as their widest cell. */
#ifndef TUI_LISTING_H
#define TUI_LISTING_H

#include "engine/base.h"

struct listing_column {
    const char *title;
    bool is_right; /* figures end in one line */
};

struct listing {
    const struct listing_column *columns;
    size_t n_columns, n_cells, cap_cells;
    char **cells; /* row by row, in the arena */
    struct arena arena;
};

void listing_init(struct listing *l, const struct listing_column *columns, size_t n_columns);
void listing_release(struct listing *l);
/* The next cell, left to right, row by row; what a terminal must not see becomes spaces. */
void listing_add(struct listing *l, const char *fmt, ...) PRINTF(2, 3);
/* Titles and rows to stdout. */
void listing_print(const struct listing *l);

#endif
