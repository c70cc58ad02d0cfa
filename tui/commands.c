/* commands.c - the command table, and the handlers of commands that belong to no view. */
#include "tui/commands.h"

#include <string.h>

#include "router/core.h"

#include "tui/config.h"
#include "tui/view.h"

const struct command_def command_defs[CMD_COUNT] = {
        [CMD_NONE] = {"none", "Nothing", NULL, NULL, false},
#define CMD(id, name, argument, hint, help)  [CMD_##id] = {name, help, argument, hint, false},
#define PAID(id, name, argument, hint, help) [CMD_##id] = {name, help, argument, hint, true},
#include "tui/commands.def"
#undef CMD
};

const struct context_def context_defs[CTX_COUNT] = {
#define CONTEXT(id, ...) [CTX_##id] = {__VA_ARGS__},
#include "tui/contexts.def"
#undef CONTEXT
};

enum command command_find(const char *name)
{
    for (int i = CMD_NONE + 1; i < CMD_COUNT; i++)
        if (strcmp(command_defs[i].name, name) == 0)
            return (enum command)i;
    return CMD_NONE;
}

/* Commands that are one action of the core. */
static const struct {
    enum command command;
    enum action_kind action;
} actions[] = {
        {CMD_STOP, ACTION_STOP},
        {CMD_CONTINUE, ACTION_CONTINUE},
        {CMD_RETRY, ACTION_RETRY},
        {CMD_CONFIRM, ACTION_CONFIRM},
        {CMD_FORK, ACTION_FORK},
        {CMD_SEND_UNSAVED, ACTION_SEND_UNSAVED},
        {CMD_NEW_SESSION, ACTION_NEW_SESSION},
        {CMD_RENAME, ACTION_RENAME},
        {CMD_SYSTEM, ACTION_SYSTEM},
        {CMD_ENDPOINT, ACTION_USE_ENDPOINT},
        {CMD_EXPORT, ACTION_EXPORT},
};

static bool run_action(struct app *app, enum command command, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].command == command) {
            struct action *action = action_new(actions[i].action);
            action->text = command == CMD_EXPORT ? config_expand_home(text) : mem_strdup(text);
            app_act(app, action);
            return true;
        }
    return false;
}

void command_run(struct app *app, enum command command, const char *text)
{
    if (run_action(app, command, text)) {
        if (command == CMD_NEW_SESSION)
            app_open_view(app, VIEW_CHAT);
        return;
    }
    switch (command) {
    case CMD_HELP:
        app_open_help(app);
        break;
    case CMD_PALETTE:
        app_open_palette(app);
        break;
    case CMD_OPEN_CHAT:
        app_open_view(app, VIEW_CHAT);
        break;
    case CMD_OPEN_EXPERTS:
        app_open_view(app, VIEW_EXPERTS);
        break;
    case CMD_OPEN_FLEET:
        app_open_view(app, VIEW_FLEET);
        break;
    case CMD_OPEN_ROUTER:
        app_open_view(app, VIEW_ROUTER);
        break;
    case CMD_OPEN_MODELS:
        app_open_view(app, VIEW_MODELS);
        break;
    case CMD_OPEN_SESSIONS:
        app_open_view(app, VIEW_SESSIONS);
        break;
    case CMD_OPEN_TOKENS:
        app_open_view(app, VIEW_TOKENS);
        break;
    case CMD_BACK:
        app_open_view(app, VIEW_CHAT);
        break;
    case CMD_THEME:
        app_use_theme(app, text);
        break;
    case CMD_MOUSE:
        app_toggle_mouse(app);
        break;
    case CMD_REDRAW:
        app_redraw(app);
        break;
    case CMD_SUSPEND:
        app_suspend(app);
        break;
    case CMD_INTERRUPT:
        app_interrupt(app);
        break;
    case CMD_QUIT:
        app_quit(app);
        break;
    default:
        break;
    }
}
