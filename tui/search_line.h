/* search_line.h - the line above a list that is typed after "/": its keys and its picture. */
#ifndef TUI_SEARCH_LINE_H
#define TUI_SEARCH_LINE_H

#include "engine/base.h"

struct key;
struct surface;

struct search_line {
    bool is_typing; /* keys are text before they are commands */
    char text[128];
    size_t cursor; /* byte offset in text */
};

enum search_took { SEARCH_NONE, SEARCH_KEY, SEARCH_TEXT };

/* SEARCH_NONE: the key is not the line's; SEARCH_TEXT: it was, and the text may be another. */
enum search_took search_line_take(struct search_line *s, const struct key *key);
/* As much of it as there is room for, with the cursor behind it. */
void search_line_set(struct search_line *s, struct slice text);
/* Whether there is something to see. */
bool search_line_is_shown(const struct search_line *s);
/* Draws the text alone, with the cursor while it is typed; returns the column behind it. */
int search_line_draw_text(const struct search_line *s, struct surface *out, int row, int col);
/* Draws it from column 1 of row 0; returns the column behind it. */
int search_line_draw(const struct search_line *s, struct surface *out);

#endif
