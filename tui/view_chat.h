/* view_chat.h - the one thing of the Chat view that the app asks for. */
#ifndef TUI_VIEW_CHAT_H
#define TUI_VIEW_CHAT_H

#include "tui/view.h"

/* Empties the input line; the text becomes the newest history entry. False: it was empty. */
bool view_chat_clear_input(void *state, struct app *app);

#endif
