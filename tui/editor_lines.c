/* editor_lines.c - see editor_lines.h. */
#include "tui/editor_lines.h"

#include <string.h>

#include "tui/text.h"

static void add(struct editor_lines *l, size_t begin, size_t end)
{
    if (l->n == l->cap)
        l->rows = mem_resize(l->rows, (l->cap = l->cap ? l->cap * 2 : 16) * sizeof *l->rows);
    l->rows[l->n++] = (struct editor_line){begin, end};
}

/* Wraps one more line off *at. False: the text has ended. */
static bool wrap_line(struct editor_lines *l, struct slice text, size_t *at)
{
    struct slice rest = {text.ptr + *at, text.n - *at}, line;
    if (!text_wrap(&rest, l->n_cols, &line))
        return false;
    size_t begin = (size_t)(line.ptr - text.ptr);
    add(l, begin, begin + line.n);
    *at = text.n - rest.n;
    if (rest.n == 0 && begin + line.n < text.n) /* it ends with a line break */
        add(l, text.n, text.n);
    return rest.n > 0;
}

void editor_lines_lay_out(struct editor_lines *l, struct slice text, int n_cols)
{
    size_t at = 0;
    if (l->is_known && l->n_cols == n_cols)
        return;
    l->n = 0;
    l->n_cols = n_cols;
    l->is_known = true;
    while (wrap_line(l, text, &at))
        continue;
    if (l->n == 0)
        add(l, 0, 0);
}

size_t editor_lines_find(const struct editor_lines *l, size_t at)
{
    size_t low = 0, high = l->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (l->rows[middle].begin <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool begins_paragraph(struct slice text, size_t at)
{
    return at == 0 || text.ptr[at - 1] == '\n';
}

/* Rows from `first` on up to the old row i_kept are replaced by `with`; what is kept moves. */
static void splice(struct editor_lines *l, size_t first, size_t i_kept,
        const struct editor_lines *with, size_t n_removed, size_t n_added)
{
    size_t n_kept = l->n - i_kept, n = first + with->n + n_kept;
    if (n > l->cap)
        l->rows = mem_resize(l->rows, (l->cap = n + n / 2) * sizeof *l->rows);
    memmove(l->rows + first + with->n, l->rows + i_kept, n_kept * sizeof *l->rows);
    memcpy(l->rows + first, with->rows, with->n * sizeof *l->rows);
    for (size_t i = first + with->n; i < n; i++) {
        l->rows[i].begin = l->rows[i].begin + n_added - n_removed;
        l->rows[i].end = l->rows[i].end + n_added - n_removed;
    }
    l->n = n;
}

/* From the start of the paragraph to where the next one begins that was not touched. */
void editor_lines_change(struct editor_lines *l, struct slice text, size_t begin,
        size_t n_removed, size_t n_added)
{
    struct editor_lines with = {.n_cols = l->n_cols};
    if (!l->is_known)
        return;
    size_t first = editor_lines_find(l, begin), i_kept = l->n;
    while (first > 0 && !begins_paragraph(text, l->rows[first].begin))
        first--;
    size_t at = l->rows[first].begin;
    bool goes_on = text.n > at;
    while (goes_on) {
        goes_on = wrap_line(&with, text, &at);
        if (goes_on && at > begin + n_added && begins_paragraph(text, at)) {
            i_kept = editor_lines_find(l, at + n_removed - n_added);
            goes_on = false;
        }
    }
    if (with.n == 0)
        add(&with, text.n, text.n);
    splice(l, first, i_kept, &with, n_removed, n_added);
    mem_free(with.rows);
}

void editor_lines_forget(struct editor_lines *l)
{
    l->is_known = false;
}

void editor_lines_release(struct editor_lines *l)
{
    mem_free(l->rows);
    *l = (struct editor_lines){0};
}
