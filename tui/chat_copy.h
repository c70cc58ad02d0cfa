/* chat_copy.h - what the Chat view copies: a message as it was sent, or its code blocks one by
 * one. */
#ifndef TUI_CHAT_COPY_H
#define TUI_CHAT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/commands.h"

struct app;
struct transcript;

struct chat_copy {
    int64_t message_id; /* whose code was copied last, and … */
    size_t i_block;     /* … which block of it */
};

/* False: not a command that copies. */
bool chat_copy_run(
        struct chat_copy *c, struct transcript *t, enum command command, struct app *app);

#endif
