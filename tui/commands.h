/*
 * commands.h - everything a key or the `/` line can do: the rows of commands.def.
 */
#ifndef TUI_COMMANDS_H
#define TUI_COMMANDS_H

#include <stdbool.h>

enum command {
    CMD_NONE,
#define CMD(id, ...) CMD_##id,
#include "tui/commands.def"
#undef CMD
    CMD_COUNT
};

enum context { /* rows of contexts.def */
#define CONTEXT(id, ...) CTX_##id,
#include "tui/contexts.def"
#undef CONTEXT
    CTX_COUNT
};

struct context_def {
    const char *name; /* of [bind "name"] */
    const char *title;
};
extern const struct context_def context_defs[CTX_COUNT];

struct command_def {
    const char *name;     /* "open-chat": config `bind`, `/` line, man page */
    const char *help;     /* at most 60 characters, no full stop */
    const char *argument; /* `/name TEXT`: the word for TEXT; NULL: takes none */
    const char *hint;     /* short word for the hint bar, or NULL */
    bool is_paid;         /* can cost money */
};
extern const struct command_def command_defs[CMD_COUNT];

struct app;
/* Runs a command that no view claimed; text is "" unless it came from the `/` line. */
void command_run(struct app *app, enum command command, const char *text);
enum command command_find(const char *name); /* CMD_NONE: no such */

#endif
