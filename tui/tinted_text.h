/*
 * tinted_text.h - a text wrapped into screen lines that remember where they stand in it, so
 * that any byte can be coloured or marked. Nothing of the text is kept: the caller passes the
 * same bytes again.
 */
#ifndef TUI_TINTED_TEXT_H
#define TUI_TINTED_TEXT_H

#include "engine/base.h"

#include "tui/role.h"

struct surface;

struct tinted_line {
    size_t start, n; /* bytes; the white space at a break is in no line */
};

struct tinted_text { /* zero-initialised is empty */
    struct tinted_line *lines;
    size_t n_lines, cap_lines;
    uint8_t *tints; /* [bytes of the text] 1 + level, 0: none; zero after wrapping */
};
void tinted_text_wrap(struct tinted_text *t, struct slice text, int n_cols);
void tinted_text_release(struct tinted_text *t);
/* `out` is the one row from the line's first column on. */
void tinted_text_draw_line(const struct tinted_text *t, struct slice text, size_t i_line,
        struct surface *out, enum role role);
/* The line that holds byte `at`, or the one before the break that it fell into. */
size_t tinted_text_line_of(const struct tinted_text *t, size_t at);
/* Marks what lies of [start, start + n) in a drawn line, a break as the cell behind its end. */
void tinted_text_mark(const struct tinted_text *t, struct slice text, size_t i_line,
        size_t start, size_t n, struct surface *out);

#endif
