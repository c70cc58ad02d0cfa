/* search_line.h - the line above a list that is typed after "/": its keys and its picture. */
#ifndef TUI_SEARCH_LINE_H
#define TUI_SEARCH_LINE_H

#include <stdbool.h>

struct key;
struct surface;

struct search_line {
    bool is_typing; /* keys are text before they are commands */
    char text[128];
};

enum search_took { SEARCH_NONE, SEARCH_KEY, SEARCH_TEXT };

/* SEARCH_NONE: the key is not the line's; SEARCH_TEXT: it was, and the text may be another. */
enum search_took search_line_take(struct search_line *s, const struct key *key);
/* Whether there is something to see. */
bool search_line_is_shown(const struct search_line *s);
/* Draws it from column 1 of row 0; returns the column behind it. */
int search_line_draw(const struct search_line *s, struct surface *out);

#endif
