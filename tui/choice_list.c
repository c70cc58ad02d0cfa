/* choice_list.c - see choice_list.h. */
#include "tui/choice_list.h"

#include "tui/text.h"

#define ROWS_MAX 12
#define GAP_COLS 6

static int name_cols(const struct choice *c)
{
    return text_width(slice_of(c->name)) +
           (c->argument ? 1 + text_width(slice_of(c->argument)) : 0);
}

static void draw_row(const struct choice *c, const char *mark, bool is_selected, int help_col,
        struct surface *out, int row)
{
    int n_cols = out->rect.n_cols;
    int col = 2 + surface_puts(out, row, 2, ROLE_TEXT, mark);
    col += surface_puts(out, row, col, ROLE_TEXT, c->name);
    if (c->argument)
        surface_puts(out, row, col + 1, ROLE_DIM, c->argument);
    surface_cut(out, row, help_col, n_cols - help_col - 1, ROLE_DIM, slice_of(c->help));
    if (is_selected)
        surface_mark(out, (struct rect){row, 0, 1, n_cols}, ROLE_SELECTED, 0);
}

static int top_of(int top, int selected, int n, int n_shown)
{
    if (selected >= top + n_shown)
        top = selected - n_shown + 1;
    top = selected < top && selected >= 0 ? selected : top;
    return top > n - n_shown ? n - n_shown : top;
}

void choice_list_draw(const struct choice_list *list, int *top, struct surface *out, int bottom)
{
    const struct choice *rows = list->rows;
    int n = list->n;
    int most = bottom < ROWS_MAX ? bottom : ROWS_MAX, help_col = 0;
    if (n == 0 || most < 1)
        return;
    int n_rows = n <= most ? n : most;
    int n_shown = n_rows < n && n_rows > 1 ? n_rows - 1 : n_rows;
    *top = top_of(*top, list->selected, n, n_shown);
    for (int i = 0; i < n; i++)
        help_col = name_cols(&rows[i]) > help_col ? name_cols(&rows[i]) : help_col;
    surface_fill(
            out, (struct rect){bottom - n_rows, 0, n_rows, out->rect.n_cols}, ROLE_TEXT, ' ');
    for (int i = 0; i < n_shown; i++)
        draw_row(&rows[*top + i], list->mark, *top + i == list->selected, help_col + GAP_COLS,
                out, bottom - n_rows + i);
    int n_more = n - *top - n_shown;
    if (n_shown < n_rows && n_more > 0)
        surface_printf(out, bottom - 1, 2, ROLE_DIM, "\xE2\x80\xA6 %d more", n_more);
    else if (n_shown < n_rows)
        surface_printf(out, bottom - 1, 2, ROLE_DIM, "\xE2\x80\xA6 %d more above", *top);
}
