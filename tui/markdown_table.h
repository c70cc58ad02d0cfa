/*
 * markdown_table.h - a table of markdown as lines: columns as wide as they need, the widest
 * ones wrap when the screen is narrow.
 */
#ifndef TUI_MARKDOWN_TABLE_H
#define TUI_MARKDOWN_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct md_text;

#define MD_COLUMNS_MAX 32

enum md_align { MD_LEFT, MD_CENTRE, MD_RIGHT };

struct md_cell {
    uint32_t start, n; /* bytes of the text that all cells share */
    size_t i_run;      /* where its styles begin */
    enum md_align align;
};

struct md_table {          /* zero-initialised is empty */
    struct md_cell *cells; /* row by row, the head first */
    size_t n_cells, cap_cells;
    int n_columns, widths[MD_COLUMNS_MAX];
};

/* A cell begins or ends where the text ends now. */
void md_table_begin_cell(
        struct md_table *table, const struct md_text *text, enum md_align align);
void md_table_end_cell(struct md_table *table, const struct md_text *text);
/* Turns the cells into lines and forgets them and their text. */
void md_table_flush(struct md_table *table, struct md_text *text, int indent);
void md_table_release(struct md_table *table);

#endif
