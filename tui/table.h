/*
 * table.h - rows and columns: which columns fit, their titles and cells, and the order of rows.
 * Pure.
 */
#ifndef TUI_TABLE_H
#define TUI_TABLE_H

#include <stdbool.h>

#include "tui/role.h"

struct surface;

#define TABLE_COLUMNS_MAX 32

struct table_column {
    const char *title;
    int n_cols;
    int priority; /* 0: always shown; else the lowest get room first, up to 99 */
    bool is_right;
};

/* starts[i] gets the screen column of columns[i], or -1 when it has no room. The column behind
 * each is free: for the mark of the sorted one, and so that figures never touch. */
void table_fit(const struct table_column *columns, int n_columns, int n_cols, int starts[]);
/* i_sorted -1: none. */
void table_draw_titles(const struct table_column *columns, const int starts[], int n_columns,
        int i_sorted, bool is_reverse, struct surface *out);
/* start: column of the surface; negative: this one is not shown. */
void table_draw_cell(const struct table_column *column, int start, struct surface *out, int row,
        enum role role, const char *text);

struct table_key {
    const char *text; /* NULL: the number counts */
    double number;    /* NAN: not known */
};
/* order[] gets 0 .. n - 1 by their keys. Equal ones stay as they are, what is not known comes
 * last whichever way. */
void table_sort(const struct table_key *keys, int n, bool is_reverse, int order[]);

#endif
