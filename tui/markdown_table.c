/* markdown_table.c - see markdown_table.h. */
#include "tui/markdown_table.h"

#include "tui/text.h"

#define COLUMN_MIN 3

void table_add(struct table *table, struct table_cell cell)
{
    if (table->n_cells == table->cap_cells) {
        table->cap_cells = table->cap_cells ? table->cap_cells * 2 : 32;
        table->cells = mem_resize(table->cells, table->cap_cells * sizeof *table->cells);
    }
    table->cells[table->n_cells++] = cell;
}

/* The widest column gives first: what is narrow stays whole. */
static void shrink(struct table *table, int total, int room)
{
    for (; total > room; total--) {
        int widest = 0;
        for (int i = 1; i < table->n_columns; i++)
            if (table->widths[i] > table->widths[widest])
                widest = i;
        table->widths[widest]--;
    }
}

bool table_fit(struct table *table, const char *text, int n_cols, int gap_cols)
{
    int room = n_cols - gap_cols * (table->n_columns - 1), total = 0;
    if (table->n_columns < 1 || table->n_columns > TABLE_COLUMNS_MAX ||
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

void table_release(struct table *table)
{
    mem_free(table->cells);
    *table = (struct table){0};
}
