/* markdown_table.h - how wide the columns of a table are. Pure. */
#ifndef TUI_MARKDOWN_TABLE_H
#define TUI_MARKDOWN_TABLE_H

#include "engine/base.h"

#define TABLE_COLUMNS_MAX 32

enum table_align { TABLE_LEFT, TABLE_CENTRE, TABLE_RIGHT };

struct table_cell {
    uint32_t start, n; /* bytes of the text that all cells share */
    size_t i_run;      /* where its styles begin */
    enum table_align align;
};

struct table {                /* zero-initialised is empty */
    struct table_cell *cells; /* row by row */
    size_t n_cells, cap_cells;
    int n_columns, widths[TABLE_COLUMNS_MAX];
};

void table_add(struct table *table, struct table_cell cell);
/* Fills widths so that all columns, gap_cols between them, take at most n_cols; long cells wrap
 * then. False: there are too many columns for that. */
bool table_fit(struct table *table, const char *text, int n_cols, int gap_cols);
void table_release(struct table *table);

#endif
