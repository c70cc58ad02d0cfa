/* chat_greeting.h - what an empty conversation says. */
#ifndef TUI_CHAT_GREETING_H
#define TUI_CHAT_GREETING_H

#include "tui/view.h"

void chat_greeting_draw(const struct app *app, struct surface *out);

#endif
