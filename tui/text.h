/*
 * text.h - grapheme clusters, display width and wrapping (utf8proc). Width follows wcwidth,
 * which is what ncurses counts, so the terminal and the grid never drift.
 */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include "engine/base.h"

struct cluster {
    struct slice bytes;
    int width;         /* of all its parts; 0: a line end */
    bool is_printable; /* false: show `·` instead */
};
/* Takes the next grapheme cluster off the front of *s. False at the end. */
bool text_next_cluster(struct slice *s, struct cluster *out);
/* The parts of a printable cluster that stand in cells of their own: a code point with its
 * marks, at most most_bytes, the first as wide as the cluster has left over, the others one
 * column. *rest begins as c->bytes. False at the end. */
bool text_next_part(
        const struct cluster *c, struct slice *rest, size_t most_bytes, struct slice *part);
/* A tab goes to the next multiple of this many columns, counted from where the text begins. */
#define TEXT_TAB_COLS 4
int text_width(struct slice s);
/* For drawing text with tabs: takes what stands before the next tab off *s, and the tab, as
 * n_blanks columns (0: the end). *col is where the piece ends, blanks included; it begins as 0.
 * False at the end. */
bool text_next_piece(struct slice *s, int *col, struct slice *piece, int *n_blanks);
/* Longest prefix of s that takes at most n_cols columns; *cols gets its width. */
struct slice text_fit(struct slice s, int n_cols, int *cols);
/* Takes the next screen line off *s: breaks at '\n', else at the last white space that fits,
 * else inside a word (a cluster always fits). The separating white space is dropped. False at
 * the end. */
bool text_wrap(struct slice *s, int n_cols, struct slice *line);

#endif
