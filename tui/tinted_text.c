/* tinted_text.c - see tinted_text.h. */
#include "tui/tinted_text.h"

#include "tui/surface.h"
#include "tui/text.h"

static void add_line(struct tinted_text *t, size_t start, size_t n)
{
    if (t->n_lines == t->cap_lines)
        t->lines = mem_resize(t->lines,
                (t->cap_lines = t->cap_lines ? t->cap_lines * 2 : 64) * sizeof *t->lines);
    t->lines[t->n_lines++] = (struct tinted_line){start, n};
}

void tinted_text_wrap(struct tinted_text *t, struct slice text, int n_cols)
{
    struct slice rest = text, line;
    t->n_lines = 0;
    mem_free(t->tints);
    t->tints = mem_alloc(text.n + 1);
    while (text_wrap(&rest, n_cols > 0 ? n_cols : 1, &line))
        add_line(t, (size_t)(line.ptr - text.ptr), line.n);
}

void tinted_text_release(struct tinted_text *t)
{
    mem_free(t->lines);
    mem_free(t->tints);
    *t = (struct tinted_text){0};
}

void tinted_text_draw_line(const struct tinted_text *t, struct slice text, size_t i_line,
        struct surface *out, enum role role)
{
    int col = 0;
    const struct tinted_line *line = &t->lines[i_line];
    struct slice rest = {text.ptr + line->start, line->n};
    struct surface content = surface_content(out);
    struct cluster c;
    while (text_next_cluster(&rest, &c)) { /* a cluster has the colour of its first byte */
        uint8_t tint = t->tints[c.bytes.ptr - text.ptr];
        int n_cols = surface_text(&content, 0, col, role, 0, c.bytes);
        if (tint)
            surface_tint(out, (struct rect){0, col, 1, n_cols}, tint - 1);
        col += n_cols;
    }
}

size_t tinted_text_line_of(const struct tinted_text *t, size_t at)
{
    size_t i = 0;
    while (i + 1 < t->n_lines && t->lines[i + 1].start <= at)
        i++;
    return i;
}

void tinted_text_mark(const struct tinted_text *t, struct slice text, size_t i_line,
        size_t start, size_t n, struct surface *out)
{
    int col = 0;
    const struct tinted_line *line = &t->lines[i_line];
    size_t end_of_line = line->start + line->n, end = start + n;
    size_t next = i_line + 1 < t->n_lines ? t->lines[i_line + 1].start : text.n;
    struct slice rest = {text.ptr + line->start, line->n};
    struct cluster c;
    while (text_next_cluster(&rest, &c)) {
        size_t from = (size_t)(c.bytes.ptr - text.ptr);
        if (from < end && from + c.bytes.n > start)
            surface_mark(out, (struct rect){0, col, 1, c.width}, ROLE_SELECTED, ATTR_REVERSE);
        col += c.width;
    }
    if (start < next && end > end_of_line && next > end_of_line)
        surface_mark(out, (struct rect){0, col, 1, 1}, ROLE_SELECTED, ATTR_REVERSE);
}
