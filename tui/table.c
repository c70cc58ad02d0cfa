/* table.c - see table.h. */
#include "tui/table.h"

#include <math.h>
#include <string.h>

#include "tui/surface.h"
#include "tui/text.h"

#define GAP 2

#define PRIORITY_MAX 99

void table_fit(const struct table_column *columns, int n_columns, int n_cols, int starts[])
{
    int n_free = n_cols, col = 1;
    for (int i = 0; i < n_columns; i++)
        starts[i] = -1;
    for (int priority = 0; priority <= PRIORITY_MAX; priority++)
        for (int i = 0; i < n_columns; i++)
            if (columns[i].priority == priority &&
                    (priority == 0 || columns[i].n_cols + GAP <= n_free)) {
                starts[i] = 0;
                n_free -= columns[i].n_cols + GAP;
            }
    for (int i = 0; i < n_columns; i++)
        if (starts[i] == 0) {
            starts[i] = col;
            col += columns[i].n_cols + GAP;
        }
}

void table_draw_titles(const struct table_column *columns, const int starts[], int n_columns,
        int i_sorted, bool is_reverse, struct surface *out)
{
    for (int i = 0; i < n_columns; i++) {
        enum role role = i == i_sorted ? ROLE_TITLE : ROLE_DIM;
        if (starts[i] < 0)
            continue;
        table_draw_cell(&columns[i], starts[i], out, 0, role, columns[i].title);
        if (i == i_sorted)
            surface_puts(out, 0,
                    starts[i] + (columns[i].is_right ? columns[i].n_cols
                                                     : text_width(slice_of(columns[i].title))),
                    role, is_reverse ? "\xE2\x86\x91" : "\xE2\x86\x93");
    }
}

void table_draw_cell(const struct table_column *column, int start, struct surface *out, int row,
        enum role role, const char *text)
{
    int cols;
    struct slice fit = text_fit(slice_of(text), column->n_cols, &cols);
    if (column->is_right && fit.n < strlen(text))
        return; /* a figure that is cut is another figure */
    if (fit.n < strlen(text)) {
        fit = text_fit(fit, column->n_cols - 1, &cols);
        surface_puts(out, row, start + cols, role, "\xE2\x80\xA6");
    }
    surface_text(
            out, row, column->is_right ? start + column->n_cols - cols : start, role, 0, fit);
}

/* Whether b stands before a. */
static bool is_before(const struct table_key *b, const struct table_key *a, bool is_reverse)
{
    if (a->text)
        return is_reverse ? strcmp(b->text, a->text) > 0 : strcmp(b->text, a->text) < 0;
    if (isnan(a->number) || isnan(b->number))
        return !isnan(b->number);
    return is_reverse ? b->number > a->number : b->number < a->number;
}

void table_sort(const struct table_key *keys, int n, bool is_reverse, int order[])
{
    for (int i = 0; i < n; i++) { /* by insertion: few, and stable */
        int k = i;
        for (; k > 0 && is_before(&keys[i], &keys[order[k - 1]], is_reverse); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}
