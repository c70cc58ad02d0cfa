/*
 * commands.h - everything a key, the `/` line and (later) the palette can do: the rows of
 * commands.def.
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

enum context { /* where a binding holds; lookup goes from the view's own to GLOBAL */
    CTX_GLOBAL,
    CTX_INPUT,
    CTX_CHAT,
    CTX_TRANSCRIPT, /* the conversation has the focus; CTX_CHAT holds behind it */
    CTX_EXPERTS,
    CTX_FLEET,
    CTX_ROUTER,
    CTX_SESSIONS,
    CTX_TOKENS,
    CTX_HELP,
    CTX_COUNT
};

struct command_def {
    const char *name;     /* "open-chat": config `bind`, `/` line, man page */
    const char *help;     /* at most 60 characters, no full stop */
    const char *argument; /* `/name TEXT`: the word for TEXT; NULL: takes none */
    const char *hint;     /* short word for the hint bar, or NULL */
    bool is_paid;         /* can cost money */
};
extern const struct command_def command_defs[CMD_COUNT];
extern const char *const context_names[CTX_COUNT];

struct app;
/* Runs a command that no view claimed; text is "" unless it came from the `/` line. */
void command_run(struct app *app, enum command command, const char *text);
enum command command_find(const char *name); /* CMD_NONE: no such */

#endif
