/*
 * chat_edit.h - an own message in the input, to be sent again in other words: what was being
 * written waits meanwhile and comes back when the edited one is sent or given up. Two Esc on an
 * empty input begin it, unless they may have been meant for an answer that has just stopped.
 */
#ifndef TUI_CHAT_EDIT_H
#define TUI_CHAT_EDIT_H

#include "engine/base.h"

struct app;
struct core;
struct editor;

struct chat_edit {
    int64_t session_id, message_id; /* 0: nothing is edited */
    char *draft;                    /* that waits */
    size_t cursor;
    uint64_t esc_ns; /* of an Esc that had nothing to do; 0: none lately */
};

bool chat_edit_is_on(const struct chat_edit *e, const struct core *core);
/* id: of an own message; 0: the newest of the shown branch. Its text replaces that
 * of the input, which waits as the draft. False, with a notice: it is none. */
bool chat_edit_begin(struct chat_edit *e, struct editor *editor, int64_t id, struct app *app);
/* The waiting draft goes back into the input; what was typed over the message is remembered. */
void chat_edit_end(struct chat_edit *e, struct editor *editor);
/* Esc with nothing to stop or close and an empty input. True: it was the second, edit the
 * newest own message. */
bool chat_edit_take_esc(struct chat_edit *e, struct app *app);
/* Another session is shown: what waited is that session's, in the history of the input. */
void chat_edit_forget(struct chat_edit *e);

#endif
