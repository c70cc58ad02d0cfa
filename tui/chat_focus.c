/* chat_focus.c - see chat_focus.h. */
#include "tui/chat_focus.h"

#include <string.h>

#include "router/core.h"
#include "router/session.h"
#include "router/session_tree.h"

#include "tui/chat_transcript.h"
#include "tui/keys.h"
#include "tui/view.h"

bool chat_focus_is_on(const struct transcript *t)
{
    return t->selected_id != 0;
}

void chat_focus_leave(struct transcript *t)
{
    t->selected_id = 0;
}

static void select_at(struct transcript *t, const struct app *app, size_t i)
{
    t->selected_id = t->path[i]->id;
    transcript_reveal(t, app, i);
}

bool chat_focus_take(struct transcript *t, const struct app *app)
{
    transcript_refresh(t, app);
    if (t->n_path)
        t->selected_id = t->follows ? t->path[t->n_path - 1]->id : t->top_id;
    return t->n_path > 0;
}

void chat_focus_remember(struct chat_focus *f, const struct app *app, struct step_back step)
{
    int64_t session_id = app_core(app)->session->id;
    if (f->session_id != session_id)
        f->n_steps = 0;
    f->session_id = session_id;
    if (f->n_steps == STEPS_MAX)
        memmove(f->steps, f->steps + 1, --f->n_steps * sizeof *f->steps);
    f->steps[f->n_steps++] = step;
}

void chat_focus_forget_edit(struct chat_focus *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_steps; i++)
        if (f->steps[i].kind != BACK_TO_DRAFT)
            f->steps[n++] = f->steps[i];
    f->n_steps = n;
}

/* The core may refuse, and says why. */
static bool show_branch(struct app *app, int64_t id)
{
    int64_t leaf_id = app_core(app)->session->leaf_id;
    struct action *a = action_new(ACTION_SHOW_BRANCH);
    a->id = id;
    app_act(app, a);
    return app_core(app)->session->leaf_id != leaf_id;
}

void chat_focus_show(struct chat_focus *f, struct transcript *t, int64_t id, struct app *app)
{
    int64_t leaf_id = app_core(app)->session->leaf_id;
    if (show_branch(app, id))
        chat_focus_remember(f, app, (struct step_back){BACK_TO_BRANCH, leaf_id});
    transcript_refresh(t, app);
    size_t i = transcript_find(t, id);
    if (i < t->n_path)
        select_at(t, app, i);
}

/* The nearest message that has some, above before below; n_path: none has. */
static size_t find_branching(const struct transcript *t, size_t i)
{
    for (size_t by = 1; by < t->n_path; by++) {
        if (by <= i && transcript_has_branches(t, i - by))
            return i - by;
        if (transcript_has_branches(t, i + by))
            return i + by;
    }
    return t->n_path;
}

/* To a message where the same key walks. */
static void select_branching(struct transcript *t, size_t i, struct app *app)
{
    size_t near = find_branching(t, i);
    if (near < t->n_path)
        select_at(t, app, near);
    app_notice(app, OK, "there is no other branch of %s",
            near < t->n_path ? "that message, but of this one" : "this message");
}

/* What stands above stays where it is on the screen. */
static void walk_branches(
        struct chat_focus *f, struct transcript *t, size_t i, int by, struct app *app)
{
    const struct siblings *s = &t->siblings[i];
    int64_t old_id = t->path[i]->id, id = by < 0 ? s->before_id : s->after_id;
    if (s->n < 2)
        select_branching(t, i, app);
    if (!id)
        return;
    if (t->top_id == old_id)
        t->top_id = id;
    t->follows = false;
    chat_focus_show(f, t, id, app);
}

/* The reasoning of the selected message; without the focus, of the answer that is looked at, or
 * of the newest that has some. */
static void turn(struct chat_focus *f, struct transcript *t, struct app *app)
{
    int64_t id = chat_focus_is_on(t) ? t->selected_id : transcript_answer(t);
    const struct message *m = session_find(app_core(app)->session, id);
    for (size_t i = t->n_path; i > 0 && !chat_focus_is_on(t) && !(m && m->reasoning.n); i--)
        m = t->path[i - 1];
    if (!m || m->reasoning.n == 0) {
        app_notice(app, OK, "%s",
                chat_focus_is_on(t) ? "this message has no reasoning to show or fold"
                                    : "no message here has reasoning to show or fold");
        return;
    }
    transcript_turn(t, m->id);
    chat_focus_remember(f, app, (struct step_back){BACK_TO_FOLD, m->id});
}

/* The branch that comes back has the selection where the one that goes had it. */
static void undo(struct chat_focus *f, struct transcript *t, size_t i, struct app *app)
{
    if (f->session_id != app_core(app)->session->id || f->n_steps == 0) {
        app_notice(app, OK, "%s",
                f->copy_id == app_core(app)->session->id
                        ? "this session is the copy that was made: D in Sessions removes it"
                        : "there is nothing to take back");
        return;
    }
    struct step_back step = f->steps[--f->n_steps];
    f->wants_draft = step.kind == BACK_TO_DRAFT;
    if (step.kind == BACK_TO_FOLD)
        transcript_turn(t, step.id);
    if (step.kind != BACK_TO_BRANCH || !show_branch(app, step.id))
        return;
    int64_t old_id = t->selected_id;
    transcript_refresh(t, app);
    i = i < t->n_path ? i : t->n_path - 1;
    if (t->top_id == old_id)
        t->top_id = t->path[i]->id;
    t->follows = false;
    select_at(t, app, i);
}

/* To the next own message in that direction, if there is one. */
static void walk_own(struct transcript *t, size_t i, int by, const struct app *app)
{
    for (size_t k = i + (size_t)by; k < t->n_path; k += (size_t)by)
        if (t->path[k]->role == MSG_USER) {
            select_at(t, app, k);
            return;
        }
}

static void fork_at(struct chat_focus *f, struct app *app, int64_t id)
{
    int64_t session_id = app_core(app)->session->id;
    struct action *a = action_new(ACTION_FORK);
    a->id = id;
    app_act(app, a);
    if (app_core(app)->session->id != session_id)
        f->copy_id = app_core(app)->session->id;
}

static void select_last(struct transcript *t, const struct app *app)
{
    select_at(t, app, t->n_path - 1);
    transcript_to_end(t);
}

/* What followed the message is out of sight now. */
static void tell_hidden(struct app *app, size_t n_hidden)
{
    const char *back = keymap_keys_of(app_keymap(app), CTX_TRANSCRIPT, CMD_BRANCH_BEFORE);
    const char *list = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_BRANCHES);
    app_notice(app, OK,
            "a new branch: the %zu later message%s on the other one; %s goes back, %s "
            "lists them",
            n_hidden, n_hidden == 1 ? " is" : "s are", back ? back : "/branches",
            list ? list : "/branches");
}

/* Answers an own message, or gives an answer once more; the new one is selected. */
static void answer_again(struct chat_focus *f, struct transcript *t, size_t i, struct app *app)
{
    const struct session *s = app_core(app)->session;
    size_t i_answer = t->path[i]->role == MSG_ASSISTANT ? i : i + 1;
    size_t n_hidden = i_answer < t->n_path ? t->n_path - i_answer - 1 : 0;
    int64_t leaf_id = s->leaf_id;
    struct action *a = action_new(ACTION_RETRY);
    a->id = t->selected_id;
    app_act(app, a);
    if (s->leaf_id == leaf_id)
        return;
    chat_focus_remember(f, app, (struct step_back){BACK_TO_BRANCH, leaf_id});
    transcript_refresh(t, app);
    select_last(t, app);
    if (n_hidden)
        tell_hidden(app, n_hidden);
}

bool chat_focus_run(
        struct chat_focus *f, struct transcript *t, enum command command, struct app *app)
{
    transcript_refresh(t, app);
    if (command == CMD_FOLD) {
        turn(f, t, app);
        return true;
    }
    size_t i = transcript_find(t, t->selected_id);
    if (!chat_focus_is_on(t) || i == t->n_path)
        return false;
    switch (command) {
    case CMD_UP:
        select_at(t, app, i > 0 ? i - 1 : 0);
        return true;
    case CMD_DOWN:
        select_at(t, app, i + 1 < t->n_path ? i + 1 : i);
        return true;
    case CMD_FIRST:
        select_at(t, app, 0);
        return true;
    case CMD_LAST:
        select_last(t, app);
        return true;
    case CMD_OWN_BEFORE:
        walk_own(t, i, -1, app);
        return true;
    case CMD_OWN_AFTER:
        walk_own(t, i, 1, app);
        return true;
    case CMD_BRANCH_BEFORE:
        walk_branches(f, t, i, -1, app);
        return true;
    case CMD_BRANCH_AFTER:
        walk_branches(f, t, i, 1, app);
        return true;
    case CMD_UNDO:
        undo(f, t, i, app);
        return true;
    case CMD_FORK:
        fork_at(f, app, t->selected_id);
        return true;
    case CMD_RETRY:
        answer_again(f, t, i, app);
        return true;
    case CMD_BACK:
    case CMD_FOCUS_NEXT:
    case CMD_FOCUS_BACK:
        chat_focus_leave(t);
        return true;
    default:
        return false;
    }
}
