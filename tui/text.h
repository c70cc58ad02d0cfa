/*
 * text.h - grapheme clusters, display width and wrapping (utf8proc). Width follows wcwidth where ncurses
 * and a cluster's own width disagree about more than one cell, so the terminal and the grid never drift.
 */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include "engine/base.h"

struct cluster {
    struct slice bytes;
    int width;        /* 0 (lone control), 1 or 2 */
    bool is_printable; /* false: show `·` instead */
};
/* Takes the next grapheme cluster off the front of *s. False at the end. */
bool text_next_cluster(struct slice *s, struct cluster *out);
int text_width(struct slice s);
/* Longest prefix of s that takes at most n_cols columns; *cols gets its width. */
struct slice text_fit(struct slice s, int n_cols, int *cols);
/* Takes the next screen line off *s: breaks at '\n', else at the last white space that fits, else inside a
 * word (a cluster always fits). The separating white space is dropped. False at the end. */
bool text_wrap(struct slice *s, int n_cols, struct slice *line);

#endif
