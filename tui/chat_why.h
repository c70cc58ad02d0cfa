/*
 * chat_why.h - the popup under the transcript that says why an answer came from where it came
 * from. It is about the answer that is being looked at, the newest once it comes, and steps to
 * the others.
 */
#ifndef TUI_CHAT_WHY_H
#define TUI_CHAT_WHY_H

#include "tui/commands.h"
#include "tui/pane_why.h"

struct app;
struct core;
struct transcript;

struct chat_why {
    bool is_open;
    int64_t session_id, message_id; /* what it is about */
    int64_t leaf_id, selected_id;   /* of the conversation when that was chosen */
    int top, n_lines, n_rows;       /* scrolled lines; all lines and visible ones when drawn */
    struct why why;
};

bool chat_why_is_open(const struct chat_why *w, const struct core *core);
/* Opens on the answer that is looked at, or closes. */
void chat_why_toggle(struct chat_why *w, struct transcript *t, struct app *app);
/* A command while the popup is open. False: closed, or not one of its own. */
bool chat_why_run(
        struct chat_why *w, struct transcript *t, enum command command, struct app *app);
/* In the lower part of the surface of the transcript; returns the rows it takes. */
int chat_why_draw(
        struct chat_why *w, struct transcript *t, struct app *app, struct surface *out);
void chat_why_release(struct chat_why *w);

#endif
