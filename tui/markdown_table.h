/*
 * markdown_table.h - a table of markdown as lines: columns as wide as they need, the widest
 * ones wrap when the screen is narrow.
 */
#ifndef TUI_MARKDOWN_TABLE_H
#define TUI_MARKDOWN_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct md_text;

#define TABLE_COLUMNS_MAX 32

enum table_align { TABLE_LEFT, TABLE_CENTRE, TABLE_RIGHT };

struct table_cell {
    uint32_t start, n; /* bytes of the text that all cells share */
    size_t i_run;      /* where its styles begin */
    enum table_align align;
};

struct table {                /* zero-initialised is empty */
    struct table_cell *cells; /* row by row, the head first */
    size_t n_cells, cap_cells;
    int n_columns, widths[TABLE_COLUMNS_MAX];
};

/* A cell begins or ends where the text ends now. */
void table_begin_cell(struct table *table, const struct md_text *text, enum table_align align);
void table_end_cell(struct table *table, const struct md_text *text);
/* Turns the cells into lines and forgets them and their text. */
void table_flush(struct table *table, struct md_text *text, int indent);
void table_release(struct table *table);

#endif
