/*
 * editor_lines.h - where the screen lines of a text begin and end. Kept between drawings, so
 * that a key in a pasted megabyte costs the paragraph it stands in and not all of it.
 */
#ifndef TUI_EDITOR_LINES_H
#define TUI_EDITOR_LINES_H

#include "engine/base.h"

struct editor_line {
    size_t begin, end; /* what separates it from the next lies between */
};

struct editor_lines { /* zero-initialised: nothing is known */
    struct editor_line *rows;
    size_t n, cap;
    int n_cols;
    bool is_known;
};

/* Afterwards there is a row at least: the last one may be empty. */
void editor_lines_lay_out(struct editor_lines *l, struct slice text, int n_cols);
/* In `text` n_added bytes at `begin` have taken the place of n_removed. */
void editor_lines_change(struct editor_lines *l, struct slice text, size_t begin,
        size_t n_removed, size_t n_added);
void editor_lines_forget(struct editor_lines *l);
/* The row that a place is in. */
size_t editor_lines_find(const struct editor_lines *l, size_t at);
void editor_lines_release(struct editor_lines *l);

#endif
