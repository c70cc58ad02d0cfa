/* markdown_table.c - see markdown_table.h. */
#include "tui/markdown_table.h"

#include <string.h>

#include "tui/markdown.h"
#include "tui/markdown_text.h"
#include "tui/table.h"
#include "tui/text.h"

#define COLUMN_MIN 3
#define GAP_COLS   3 /* " │ " */

void md_table_begin_cell(
        struct md_table *table, const struct md_text *text, enum md_align align)
{
    if (table->n_cells == table->cap_cells) {
        table->cap_cells = table->cap_cells ? table->cap_cells * 2 : 32;
        table->cells = mem_resize(table->cells, table->cap_cells * sizeof *table->cells);
    }
    table->cells[table->n_cells++] =
            (struct md_cell){(uint32_t)text->text.n, 0, text->n_runs, align};
}

void md_table_end_cell(struct md_table *table, const struct md_text *text)
{
    struct md_cell *cell = &table->cells[table->n_cells - 1];
    cell->n = (uint32_t)text->text.n - cell->start;
}

void md_table_release(struct md_table *table)
{
    mem_free(table->cells);
    *table = (struct md_table){0};
}

/* The widest column gives first: what is narrow stays whole. */
static void shrink(struct md_table *table, int total, int room)
{
    for (; total > room; total--) {
        int widest = 0;
        for (int i = 1; i < table->n_columns; i++)
            if (table->widths[i] > table->widths[widest])
                widest = i;
        table->widths[widest]--;
    }
}

/* False: there are too many columns. */
static bool fit(struct md_table *table, const char *text, int n_cols)
{
    int room = n_cols - GAP_COLS * (table->n_columns - 1), total = 0;
    if (table->n_columns < 1 || table->n_columns > MD_COLUMNS_MAX ||
            room < COLUMN_MIN * table->n_columns)
        return false;
    for (int i = 0; i < table->n_columns; i++)
        table->widths[i] = 1;
    for (size_t i = 0; i < table->n_cells; i++) {
        int *width = &table->widths[i % (size_t)table->n_columns];
        int wanted =
                text_width((struct slice){text + table->cells[i].start, table->cells[i].n});
        wanted = wanted < room ? wanted : room;
        *width = wanted > *width ? wanted : *width;
    }
    for (int i = 0; i < table->n_columns; i++)
        total += table->widths[i];
    shrink(table, total, room);
    return true;
}

static void add_blanks(struct markdown *md, int n)
{
    uint32_t at = (uint32_t)md->text.n;
    for (int i = 0; i < n; i++)
        buf_add(&md->text, " ", 1);
    if (n > 0)
        md_add_span(md, at, (uint32_t)n, ROLE_TEXT, 0);
}

static void add_rule(struct markdown *md, const char *text)
{
    md_add_span(md, (uint32_t)md->text.n, (uint32_t)strlen(text), ROLE_RULE, 0);
    buf_add_text(&md->text, text);
}

static void show_cell_line(struct md_text *text, const struct md_cell *cell, struct slice line,
        int width, bool is_last)
{
    int left = width - text_width(line);
    int before = cell->align == MD_RIGHT ? left : cell->align == MD_CENTRE ? left / 2 : 0;
    add_blanks(text->md, before);
    md_text_show(text, cell->i_run, line);
    if (is_last)
        return;
    add_blanks(text->md, left - before);
    add_rule(text->md, " \xE2\x94\x82 ");
}

static struct slice cell_text(const struct md_text *text, const struct md_cell *cell)
{
    return (struct slice){buf_text(&text->text) + cell->start, cell->n};
}

/* As many lines as the cell that wraps most. */
static void show_row(const struct md_table *table, const struct md_cell *cells,
        struct md_text *text, int indent)
{
    struct slice rest[MD_COLUMNS_MAX];
    bool has_more = true;
    for (int i = 0; i < table->n_columns; i++)
        rest[i] = cell_text(text, &cells[i]);
    while (has_more) {
        has_more = false;
        md_begin_line(text->md, indent);
        for (int i = 0; i < table->n_columns; i++) {
            struct slice line = {rest[i].ptr, 0};
            if (text_wrap(&rest[i], table->widths[i], &line))
                has_more |= rest[i].n > 0;
            show_cell_line(text, &cells[i], line, table->widths[i], i + 1 == table->n_columns);
        }
        md_text_mark(text, indent);
    }
}

static void show_rule(const struct md_table *table, struct markdown *md, int indent)
{
    md_begin_line(md, indent);
    for (int i = 0; i < table->n_columns; i++) {
        if (i)
            add_rule(md, "\xE2\x94\x80\xE2\x94\xBC\xE2\x94\x80");
        for (int k = 0; k < table->widths[i]; k++)
            add_rule(md, "\xE2\x94\x80");
    }
}

/* Too many columns for the screen: one cell below the other. */
static void show_stacked(
        const struct md_table *table, struct md_text *text, int indent, int n_cols)
{
    for (size_t i = 0; i < table->n_cells; i++) {
        struct slice rest = cell_text(text, &table->cells[i]), line;
        while (text_wrap(&rest, n_cols, &line)) {
            md_begin_line(text->md, indent);
            md_text_show(text, table->cells[i].i_run, line);
            md_text_mark(text, indent);
        }
    }
}

void md_table_flush(struct md_table *table, struct md_text *text, int indent)
{
    int n_cols = text->md->n_cols - indent;
    size_t n_columns = table->n_columns > 0 ? (size_t)table->n_columns : 1;
    bool fits = fit(table, buf_text(&text->text), n_cols);
    if (!fits)
        show_stacked(table, text, indent, n_cols);
    for (size_t i = 0; fits && i + n_columns <= table->n_cells; i += n_columns) {
        show_row(table, table->cells + i, text, indent);
        if (i == 0)
            show_rule(table, text->md, indent);
    }
    md_table_release(table);
    md_text_clear(text);
}
