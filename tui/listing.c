/* listing.c - see listing.h. */
#include "tui/listing.h"

#include <stdio.h>
#include <string.h>

#include "tui/text.h"

#define GAP_COLS 2

void listing_init(struct listing *l, const struct listing_column *columns, size_t n_columns)
{
    *l = (struct listing){.columns = columns, .n_columns = n_columns};
}

void listing_release(struct listing *l)
{
    arena_release(&l->arena);
    mem_free(l->cells);
}

void listing_add(struct listing *l, const char *fmt, ...)
{
    va_list va;
    char bytes[1024];
    va_start(va, fmt);
    vsnprintf(bytes, sizeof bytes, fmt, va);
    va_end(va);
    bytes[utf8_whole(bytes, strlen(bytes))] = '\0';
    utf8_make_printable(bytes);
    if (l->n_cells == l->cap_cells)
        l->cells = mem_resize(l->cells,
                (l->cap_cells = l->cap_cells ? l->cap_cells * 2 : 64) * sizeof *l->cells);
    l->cells[l->n_cells++] = arena_strdup(&l->arena, bytes);
}

static int column_width(const struct listing *l, size_t column)
{
    int width = text_width(slice_of(l->columns[column].title));
    for (size_t i = column; i < l->n_cells; i += l->n_columns) {
        int n = text_width(slice_of(l->cells[i]));
        width = n > width ? n : width;
    }
    return width;
}

/* Blanks are held back until something stands behind them: no line ends in blanks. */
static void print_row(const struct listing *l, const int *widths, char *const *cells)
{
    int n_blanks = 0;
    for (size_t c = 0; c < l->n_columns; c++) {
        const char *cell = cells ? cells[c] : l->columns[c].title;
        int n_left = widths[c] - text_width(slice_of(cell));
        n_blanks += l->columns[c].is_right ? n_left : 0;
        if (cell[0]) {
            printf("%*s%s", n_blanks, "", cell);
            n_blanks = 0;
        }
        n_blanks += (l->columns[c].is_right ? 0 : n_left) + GAP_COLS;
    }
    puts("");
}

void listing_print(const struct listing *l)
{
    int *widths = mem_alloc(l->n_columns * sizeof *widths);
    for (size_t c = 0; c < l->n_columns; c++)
        widths[c] = column_width(l, c);
    print_row(l, widths, NULL);
    for (size_t i = 0; i + l->n_columns <= l->n_cells; i += l->n_columns)
        print_row(l, widths, l->cells + i);
    mem_free(widths);
}
