/*
 * markdown_text.h - the text of one block on its way to the screen: styled runs that are
 * wrapped into lines of spans.
 */
#ifndef TUI_MARKDOWN_TEXT_H
#define TUI_MARKDOWN_TEXT_H

#include "engine/base.h"

struct markdown;

struct md_run { /* a piece with one style */
    uint32_t start, n;
    uint8_t role, attrs;
};

struct md_text {
    struct markdown *md; /* where the lines go */
    struct buf text;
    struct md_run *runs;
    size_t n_runs, cap_runs, i_run; /* i_run: the first one that reaches into the next line */
    char mark[16];                  /* list mark that goes before the next line */
};

void md_begin_line(struct markdown *md, int indent);
/* Bytes of md->text, at the end of the last line. */
void md_add_span(struct markdown *md, uint32_t start, uint32_t n, uint8_t role, uint8_t attrs);
void md_text_add(struct md_text *t, struct slice text, uint8_t role, uint8_t attrs);
/* The parts of the runs from i_run on that lie inside `part` of the text become spans of the
 * last line. Returns the first run that reaches into it. */
size_t md_text_show(struct md_text *t, size_t i_run, struct slice part);
/* The list mark, if there is one, goes in front of the last line. */
void md_text_mark(struct md_text *t, int indent);
/* Ends the block: wraps the text, with the list mark before the first line, and forgets it. */
void md_text_flush(struct md_text *t, int indent, bool is_preformatted);
void md_text_clear(struct md_text *t);
void md_text_release(struct md_text *t);

#endif
