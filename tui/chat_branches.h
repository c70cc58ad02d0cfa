/*
 * chat_branches.h - the popup under the transcript that lists all branches of the session, so
 * that no answer is lost from sight; Enter goes to one.
 */
#ifndef TUI_CHAT_BRANCHES_H
#define TUI_CHAT_BRANCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/commands.h"

struct app;
struct branch;
struct chat_focus;
struct core;
struct surface;
struct transcript;

struct chat_branches {
    bool is_open;
    int64_t session_id;
    uint64_t load;     /* of the session the list was made of, … */
    size_t n_messages; /* … and how many it had */
    struct branch *list;
    size_t n;
    size_t selected, top;
};

bool chat_branches_is_open(const struct chat_branches *b, const struct core *core);
/* Opens on the branch that is shown, or closes. */
void chat_branches_toggle(struct chat_branches *b, struct app *app);
/* A command while the popup is open. False: closed, or not one of its own. */
bool chat_branches_run(struct chat_branches *b, struct chat_focus *focus, struct transcript *t,
        enum command command, struct app *app);
/* In the lower part of the transcript's surface; returns the rows it takes. */
int chat_branches_draw(struct chat_branches *b, const struct app *app, struct surface *out);
void chat_branches_release(struct chat_branches *b);

#endif
