/*
 * chat_focus.h - the transcript with the focus: a message is selected, and letters are commands
 * about it. What it changed can be taken back, newest first.
 */
#ifndef TUI_CHAT_FOCUS_H
#define TUI_CHAT_FOCUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/commands.h"

struct app;
struct transcript;

#define STEPS_MAX 32

/* What is done to take a change back. */
struct step_back {
    enum { BACK_TO_BRANCH, BACK_TO_FOLD, BACK_TO_DRAFT } kind;
    int64_t id; /* the leaf that was shown; the message that was turned; 0 */
};

struct chat_focus {
    int64_t session_id; /* of the steps */
    struct step_back steps[STEPS_MAX];
    size_t n_steps;
    int64_t copy_id;  /* the session that the last fork made */
    bool wants_draft; /* the last undo was of an edit: whoever has the input gives it up */
};

bool chat_focus_is_on(const struct transcript *t);
/* The newest message in view is selected. False: there is none. */
bool chat_focus_take(struct transcript *t, const struct app *app);
void chat_focus_leave(struct transcript *t);
void chat_focus_remember(struct chat_focus *f, const struct app *app, struct step_back step);
/* The edit is over: it cannot be taken back any more. */
void chat_focus_forget_edit(struct chat_focus *f);
/* Shows the branch of a message and selects it. */
void chat_focus_show(struct chat_focus *f, struct transcript *t, int64_t id, struct app *app);
/* False: not a command of the transcript, or one that needs the focus, which it has not. */
bool chat_focus_run(
        struct chat_focus *f, struct transcript *t, enum command command, struct app *app);

#endif
