/*
 * markdown.h - a message's text as screen lines of role spans (md4c). The rendering of the
 * stable prefix of a growing text is kept; only the open tail is parsed again.
 */
#ifndef TUI_MARKDOWN_H
#define TUI_MARKDOWN_H

#include "engine/base.h"

struct surface;

struct md_span {
    uint32_t start, n; /* bytes in markdown.text */
    uint8_t role, attrs;
};
struct md_line {
    uint32_t i_span, n_spans;
    uint16_t indent;
};

struct markdown {           /* zero-initialised is empty */
    struct buf text;        /* what the spans point to */
    struct buf definitions; /* of links, in the whole text */
    struct md_span *spans;
    size_t n_spans, cap_spans;
    struct md_line *lines;
    size_t n_lines, cap_lines;
    int n_cols; /* it was wrapped for */
    size_t n_stable_bytes, n_stable_lines, n_stable_spans,
            n_stable_text; /* prefix that stays */
};
/* Renders source for n_cols columns; call again with a longer source while it streams. Model
 * text is untrusted: nothing in it reaches the screen but printable clusters. */
void markdown_render(struct markdown *md, struct slice source, int n_cols);
/* The same lines for text that is shown as it was typed. */
void markdown_render_plain(struct markdown *md, struct slice source, int n_cols);
void markdown_draw_line(
        const struct markdown *md, size_t i_line, struct surface *out, int row, int col);
void markdown_release(struct markdown *md);

#endif
