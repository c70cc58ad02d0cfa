/* facts.c - see facts.h. */
#include "tui/facts.h"

#include <stdio.h>

#include "tui/text.h"

#define FACT_COLS   40
#define LABEL_COLS  15
#define MOST_BESIDE 4

int facts_line(
        struct surface *out, int row, const char *label, enum role role, const char *text)
{
    struct slice rest = slice_of(text), line;
    if (text[0])
        surface_puts(out, row, 1, ROLE_DIM, label);
    while (row < out->rect.n_rows && text_wrap(&rest, out->rect.n_cols - LABEL_COLS - 2, &line))
        surface_text(out, row++, LABEL_COLS + 1, role, 0, line);
    return row;
}

struct facts facts_begin(struct surface *out, int row)
{
    int n = out->rect.n_cols / FACT_COLS;
    return (struct facts){out, row, n < 1 ? 1 : n > MOST_BESIDE ? MOST_BESIDE : n, 0};
}

void facts_add(struct facts *f, const char *label, const char *fmt, ...)
{
    char text[64];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    int row = f->row + f->i_next / f->n_per_row, col = 1 + f->i_next % f->n_per_row * FACT_COLS;
    f->i_next++;
    surface_puts(f->out, row, col, ROLE_DIM, label);
    surface_puts(f->out, row, col + LABEL_COLS, ROLE_NUMBER, text);
}
