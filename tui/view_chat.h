/* view_chat.h - what the app and other views ask of the Chat view. */
#ifndef TUI_VIEW_CHAT_H
#define TUI_VIEW_CHAT_H

#include "engine/base.h"

#include "tui/commands.h"

struct app;

/* Empties the input line; the text becomes the newest history entry. False: it was empty. */
bool view_chat_clear_input(void *state, struct app *app);
/* The input as it came back from the user's editor; can be undone. */
void view_chat_set_input(void *state, struct slice text, struct app *app);
/* Begins a line with the command's name, to be completed by words; a draft becomes the newest
 * history entry. */
void view_chat_write_command(void *state, enum command command, struct app *app);
/* As soon as that session is open, its newest message with all these words comes into view; ""
 * takes the wish back. */
void view_chat_seek(void *state, int64_t session_id, const char *words);

#endif
