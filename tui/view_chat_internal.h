/* view_chat_internal.h - the state of the chat view, for the files of view_chat.c only. */
#ifndef TUI_VIEW_CHAT_INTERNAL_H
#define TUI_VIEW_CHAT_INTERNAL_H

#include "tui/chat_branches.h"
#include "tui/chat_copy.h"
#include "tui/chat_edit.h"
#include "tui/chat_focus.h"
#include "tui/chat_next.h"
#include "tui/chat_search.h"
#include "tui/chat_transcript.h"
#include "tui/chat_why.h"
#include "tui/editor.h"
#include "tui/file_choices.h"
#include "tui/pane_views.h"
#include "tui/slash.h"

#define SIDE_MIN_COLS 120

struct chat {
    struct transcript transcript;
    struct chat_focus focus;
    struct chat_branches branches;
    struct search_line search;
    struct editor editor;
    struct chat_edit edit;
    struct chat_next next;
    struct chat_why why;
    struct pane_views beside;
    bool is_ready;
    int64_t session_id; /* the session whose draft the editor shows */
    bool side_is_toggled;
    struct slash slash;
    struct file_choices files;
    bool was_refused;     /* the last command was to edit what cannot be */
    bool ignores_missing; /* Enter was pressed on a text with an `@path` that is no file */
    struct chat_copy copy;
    int64_t sought_id; /* session; 0: nothing is sought */
    char sought[128];
    int input_cols, n_cols; /* of the last drawing */
};

/* view_chat.c */
/* For the session that is shown now. */
void chat_prepare(struct chat *c, const struct app *app);
void chat_clear_editor(struct chat *c);
void chat_tell_draft(struct chat *c, struct app *app); /* after every change of it */
/* Sent, or given up: what was being written before is in the input again. */
void chat_end_edit(struct chat *c, struct app *app);
/* Commands that only this view knows, by key or by name. */
bool chat_run_own(struct chat *c, enum command command, struct app *app);
const struct run *chat_current_run(const struct core *core); /* NULL: nothing runs here */

/* view_chat_send.c */
void chat_send(struct chat *c, struct app *app); /* the input, as a message or as a command */

/* view_chat_draw.c */
void chat_draw(void *state, struct app *app, struct surface *out);
const struct view_hint *chat_hints(const void *state, const struct app *app);

#endif
