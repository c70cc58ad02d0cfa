/* markdown_text.c - see markdown_text.h. */
#include "tui/markdown_text.h"

#include <string.h>

#include "tui/markdown.h"
#include "tui/role.h"
#include "tui/text.h"

void md_add_span(struct markdown *md, uint32_t start, uint32_t n, uint8_t role, uint8_t attrs)
{
    if (md->n_spans == md->cap_spans)
        md->spans = mem_resize(md->spans,
                (md->cap_spans = md->cap_spans ? md->cap_spans * 2 : 64) * sizeof *md->spans);
    md->spans[md->n_spans++] = (struct md_span){start, n, role, attrs};
    md->lines[md->n_lines - 1].n_spans++;
}

void md_begin_line(struct markdown *md, int indent)
{
    if (md->n_lines == md->cap_lines)
        md->lines = mem_resize(md->lines,
                (md->cap_lines = md->cap_lines ? md->cap_lines * 2 : 64) * sizeof *md->lines);
    md->lines[md->n_lines++] = (struct md_line){(uint32_t)md->n_spans, 0, (uint16_t)indent};
}

void md_text_add(struct md_text *t, struct slice text, uint8_t role, uint8_t attrs)
{
    if (t->n_runs == t->cap_runs)
        t->runs = mem_resize(
                t->runs, (t->cap_runs = t->cap_runs ? t->cap_runs * 2 : 64) * sizeof *t->runs);
    t->runs[t->n_runs++] = (struct md_run){(uint32_t)t->text.n, (uint32_t)text.n, role, attrs};
    buf_add_slice(&t->text, text);
}

/* Tabs become blanks up to the next stop, counted from the start of the part. */
static void add_expanded(struct buf *out, int *col, struct slice run)
{
    struct slice piece;
    for (int n_blanks; text_next_piece(&run, col, &piece, &n_blanks);) {
        buf_add_slice(out, piece);
        buf_add(out, "    ", (size_t)n_blanks);
    }
}

/* The parts of the runs from i_run on that lie inside the slice become spans of the last line.
 * Returns the first run that reaches into it. */
size_t md_text_show(struct md_text *t, size_t i_run, struct slice part)
{
    struct markdown *md = t->md;
    uint32_t begin = (uint32_t)(part.ptr - buf_text(&t->text)), end = begin + (uint32_t)part.n;
    bool has_tab = part.n && memchr(part.ptr, '\t', part.n);
    int col = 0;
    while (i_run < t->n_runs && t->runs[i_run].start + t->runs[i_run].n <= begin)
        i_run++;
    for (size_t i = i_run; i < t->n_runs && t->runs[i].start < end; i++) {
        const struct md_run *run = &t->runs[i];
        uint32_t from = run->start > begin ? run->start : begin;
        uint32_t to = run->start + run->n < end ? run->start + run->n : end;
        if (from >= to)
            continue; /* an empty run */
        uint32_t at = (uint32_t)md->text.n;
        struct slice shown = {buf_text(&t->text) + from, to - from};
        if (has_tab)
            add_expanded(&md->text, &col, shown);
        else
            buf_add_slice(&md->text, shown);
        md_add_span(md, at, (uint32_t)md->text.n - at, run->role, run->attrs);
    }
    return i_run;
}

static void emit_line(struct md_text *t, struct slice line, int indent)
{
    md_begin_line(t->md, indent);
    t->i_run = md_text_show(t, t->i_run, line);
}

/* The list mark goes in front of the line that was begun last. */
void md_text_mark(struct md_text *t, int indent)
{
    struct markdown *md = t->md;
    struct md_line *line = &md->lines[md->n_lines - 1];
    uint32_t at = (uint32_t)md->text.n, n = (uint32_t)strlen(t->mark);
    int width = text_width(slice_of(t->mark));
    if (n == 0)
        return;
    buf_add_text(&md->text, t->mark);
    t->mark[0] = '\0';
    line->indent = (uint16_t)(indent > width ? indent - width : 0);
    md_add_span(md, at, n, ROLE_MD_QUOTE, 0);
    struct md_span mark = md->spans[md->n_spans - 1];
    memmove(md->spans + line->i_span + 1, md->spans + line->i_span,
            (line->n_spans - 1) * sizeof mark);
    md->spans[line->i_span] = mark;
}

void md_text_clear(struct md_text *t)
{
    buf_clear(&t->text);
    t->n_runs = t->i_run = 0;
}

/* Ends the block's text: wraps it, with the list mark before the first line. */
void md_text_flush(struct md_text *t, int indent, bool is_preformatted)
{
    struct slice rest = buf_slice(&t->text), line;
    int n_cols = t->md->n_cols - indent, cols;
    while (text_wrap(&rest, is_preformatted ? 1 << 20 : n_cols, &line)) {
        struct slice part = line;
        do { /* code keeps its lines; what is too wide goes on below */
            struct slice fit = is_preformatted ? text_fit(part, n_cols, &cols) : part;
            if (is_preformatted && fit.n == 0 && part.n)
                fit = part;
            emit_line(t, fit, indent);
            md_text_mark(t, indent);
            part = (struct slice){part.ptr + fit.n, part.n - fit.n};
        } while (part.n);
    }
    t->mark[0] = '\0';
    md_text_clear(t);
}

void md_text_release(struct md_text *t)
{
    buf_release(&t->text);
    mem_free(t->runs);
    *t = (struct md_text){0};
}
