/*
 * line_input.h - the keys of a text of one line, as readline has them, and the part of it that
 * is seen. The editor of the conversation has its own: several lines, undo, history.
 */
#ifndef TUI_LINE_INPUT_H
#define TUI_LINE_INPUT_H

#include "engine/base.h"

#include "tui/role.h"

struct key;
struct surface;

struct line_input { /* both borrowed from whoever keeps the text */
    char *text;
    size_t n_bytes; /* room for text with its NUL */
    size_t *cursor; /* byte offset on a cluster border */
};

/* LINE_NONE: the key is not the line's. LINE_FULL: it is text for which there is no room, and
 * nothing is inserted. */
enum line_took { LINE_NONE, LINE_MOVED, LINE_CHANGED, LINE_FULL };

/* A paste becomes one line, without blanks at its ends. */
enum line_took line_input_key(struct line_input line, const struct key *key);
/* Draws from col to the last column but one, the cursor always in it; returns the column behind
 * the text. */
int line_input_draw(struct line_input line, struct surface *out, int row, int col,
        enum role role, bool has_cursor);

#endif
