/*
 * slash.h - the list over the input while a command is typed with `/`: which commands (or words
 * behind a command) begin like the text, which one is selected, and what Tab, the arrows, Enter
 * and Esc do to it.
 */
#ifndef TUI_SLASH_H
#define TUI_SLASH_H

#include "engine/base.h"

#include "tui/commands.h"

struct editor;
struct surface;

struct slash {      /* zero-initialised is open, nothing walked */
    bool is_walked; /* else the selection is the natural one */
    int selected;
    int top; /* first row in view */
    bool is_closed;
};

/* Commands that are offered by name, those people need first, ended by CMD_NONE. */
extern const enum command slash_commands[];
bool slash_offers(enum command command);

/* The text was changed: the list opens again, the selection begins anew. */
void slash_restart(struct slash *slash);
bool slash_is_open(const struct slash *slash, const struct app *app, struct slice text);
/* Whether the cursor stands in a word that begins with `/` at the start of the text. */
bool slash_is_word(const struct editor *editor);
/* True: the key was for the list. Enter on a command that needs no more words only writes it
 * into the editor and returns false: it is the sender's turn. */
bool slash_run(struct slash *slash, const struct app *app, struct editor *editor,
        enum command command);
/* Rows that end above `bottom`. */
void slash_draw(struct slash *slash, const struct app *app, struct slice text,
        struct surface *out, int bottom);

#endif
