/*
 * view_chat.c - the conversation: what keys and commands do in it. The draft is told to the
 * core with every change.
 */
#include "tui/view_chat.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/file_word.h"
#include "tui/keys.h"
#include "tui/token_color.h"
#include "tui/view.h"
#include "tui/view_chat_internal.h"
#include "tui/view_tokens.h"

void chat_prepare(struct chat *c, const struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (!c->is_ready) {
        editor_init(&c->editor);
        c->is_ready = true;
    }
    transcript_refresh(&c->transcript, app);
    if (!chat_focus_is_on(&c->transcript))
        c->search.is_typing = false;
    if (c->session_id == s->id)
        return;
    c->session_id = s->id;
    c->branches.is_open = false;
    chat_edit_forget(&c->edit);
    for (size_t i = 0; i < s->n_messages; i++)
        if (s->messages[i]->role == MSG_USER)
            editor_remember(&c->editor, message_typed(s->messages[i]));
    editor_set(&c->editor, buf_slice(&s->draft), s->draft_cursor);
    chat_next_change(&c->next);
}

void chat_clear_editor(struct chat *c)
{
    editor_set(&c->editor, SLICE(""), 0);
    file_choices_close(&c->files);
}

void chat_tell_draft(struct chat *c, struct app *app)
{
    if (c->editor.has_refused)
        app_notice(app, ERR_USAGE,
                "a message holds at most %u MB: it was not inserted; attach a file to `shunt "
                "ask` with -f",
                EDITOR_MAX_BYTES >> 20);
    c->editor.has_refused = false;
    c->ignores_missing = false;
    chat_next_change(&c->next);
    struct action *a = action_new(ACTION_DRAFT);
    a->text = mem_strdup(buf_text(&c->editor.text));
    a->cursor = (uint32_t)c->editor.cursor;
    app_act(app, a);
}

static void tell_scroll(struct chat *c, struct app *app)
{
    struct action *a = action_new(ACTION_SCROLL);
    a->id = c->transcript.follows ? 0 : c->transcript.top_id;
    a->line = (uint32_t)(c->transcript.follows ? 0 : c->transcript.top_line);
    app_act(app, a);
}

static void toggle_side(struct chat *c, struct app *app)
{
    if (c->n_cols < SIDE_MIN_COLS)
        app_notice(app, OK, "the side pane needs %d columns", SIDE_MIN_COLS);
    else
        c->side_is_toggled = !c->side_is_toggled;
}

const struct run *chat_current_run(const struct core *core)
{
    return core_run_of(core, core->session->leaf_id);
}

/* A model without experts has no gates. */
static bool has_margins(const struct core *core, int64_t answer_id)
{
    const struct message *m = session_find(core->session, answer_id);
    return m && m->tokens.record_bytes ? m->tokens.shape.n_moe_layers > 0 : !core->is_dense;
}

static void cycle_color(struct chat *c, struct app *app)
{
    enum token_color color = (enum token_color)((c->transcript.color + 1) % TOKEN_COLOR_COUNT);
    if (color == TOKEN_COLOR_MARGIN &&
            !has_margins(app_core(app), transcript_answer(&c->transcript)))
        color = TOKEN_COLOR_ENTROPY;
    c->transcript.color = color;
    app_notice(app, OK, "text colour: %s%s%s", token_color_name(color),
            color ? " (local answers only)" : "",
            color && app_is_mono(app) ? "; without colours: underlined, then bold" : "");
}

static void begin_edit(struct chat *c, struct app *app)
{
    c->was_refused = !chat_edit_begin(&c->edit, &c->editor, c->transcript.selected_id, app);
    if (c->was_refused)
        return;
    chat_focus_remember(&c->focus, app, (struct step_back){BACK_TO_DRAFT, 0});
    chat_focus_leave(&c->transcript);
    chat_tell_draft(c, app);
}

void chat_end_edit(struct chat *c, struct app *app)
{
    chat_edit_end(&c->edit, &c->editor);
    chat_focus_forget_edit(&c->focus);
    chat_tell_draft(c, app);
}

bool chat_run_own(struct chat *c, enum command command, struct app *app)
{
    switch (command) {
    case CMD_SIDE_PANE:
        toggle_side(c, app);
        return true;
    case CMD_WHY:
        chat_why_toggle(&c->why, &c->transcript, app);
        return true;
    case CMD_STEP:
        view_tokens_open(app, transcript_answer(&c->transcript));
        return true;
    case CMD_TEXT_COLOR:
        cycle_color(c, app);
        return true;
    case CMD_EDIT:
        begin_edit(c, app);
        return true;
    case CMD_BRANCHES:
        chat_branches_toggle(&c->branches, app);
        return true;
    default:
        return chat_copy_run(&c->copy, &c->transcript, command, app);
    }
}

static bool scroll(struct chat *c, enum command command, struct app *app)
{
    int page = c->transcript.n_rows > 2 ? c->transcript.n_rows - 2 : 1;
    switch (command) {
    case CMD_SCROLL_UP:
        transcript_scroll(&c->transcript, app, -page);
        break;
    case CMD_SCROLL_DOWN:
        transcript_scroll(&c->transcript, app, page);
        break;
    case CMD_SCROLL_TOP:
        transcript_to_top(&c->transcript);
        break;
    case CMD_SCROLL_END:
        transcript_to_end(&c->transcript);
        break;
    default:
        return false;
    }
    tell_scroll(c, app);
    return true;
}

static void wheel(void *state, int n_rows, struct app *app)
{
    struct chat *c = state;
    transcript_scroll(&c->transcript, app, n_rows);
    tell_scroll(c, app);
}

static void return_to_input(struct chat *c)
{
    chat_focus_leave(&c->transcript);
    c->branches.is_open = false;
}

/* Esc stops what runs, else gives up an edit, else begins one when pressed twice. */
static bool take_esc(struct chat *c, struct app *app)
{
    if (chat_current_run(app_core(app)))
        return false;
    if (chat_edit_is_on(&c->edit, app_core(app))) {
        chat_end_edit(c, app);
        return true;
    }
    if (c->editor.text.n || !chat_edit_take_esc(&c->edit, app))
        return false;
    begin_edit(c, app);
    return true;
}

/* The popup of branches, or the transcript when it has the focus. */
static bool run_reading(struct chat *c, enum command command, struct app *app)
{
    if (!chat_branches_run(&c->branches, &c->focus, &c->transcript, command, app) &&
            !chat_search_run(&c->search, &c->transcript, command, app) &&
            !chat_focus_run(&c->focus, &c->transcript, command, app))
        return false;
    if (c->focus.wants_draft && chat_edit_is_on(&c->edit, app_core(app)))
        chat_end_edit(c, app);
    c->focus.wants_draft = false;
    tell_scroll(c, app);
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct chat *c = state;
    struct file_word word;
    chat_prepare(c, app);
    c->was_refused = false;
    if (file_choices_run(&c->files, &c->editor, command) ||
            slash_run(&c->slash, app, &c->editor, command)) {
        chat_tell_draft(c, app);
        return true;
    }
    if (chat_why_run(&c->why, &c->transcript, command, app) || run_reading(c, command, app) ||
            chat_run_own(c, command, app) || scroll(c, command, app))
        return true;
    switch (command) {
    case CMD_SEND:
        chat_send(c, app);
        return true;
    case CMD_COMPLETE:
    case CMD_COMPLETE_BACK:
        if (slash_is_word(&c->editor) ||
                file_word_at(buf_slice(&c->editor.text), c->editor.cursor, &word))
            return true; /* nothing begins like it */
        return chat_focus_take(&c->transcript, app);
    case CMD_FOCUS_NEXT:
    case CMD_FOCUS_BACK:
        return chat_focus_take(&c->transcript, app);
    case CMD_STOP:
        return take_esc(c, app);
    case CMD_EDITOR:
        app_edit(app, buf_slice(&c->editor.text));
        return true;
    case CMD_QUIT_EMPTY:
        if (c->editor.text.n == 0) {
            app_quit(app);
            return true;
        }
        command = CMD_DELETE_RIGHT;
        break;
    default:
        break;
    }
    size_t shown = c->editor.i_history;
    if (!editor_run(&c->editor, command, c->input_cols))
        return false;
    bool is_history = c->editor.i_history != shown; /* Up and Down go on through it */
    return_to_input(c);
    slash_restart(&c->slash);
    c->slash.is_closed = is_history;
    if (is_history)
        file_choices_close(&c->files);
    else
        file_choices_restart(&c->files, &c->editor);
    chat_tell_draft(c, app);
    return true;
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct chat *c = state;
    chat_prepare(c, app);
    if (c->was_refused && chat_focus_is_on(&c->transcript))
        return true; /* was typed for the message that cannot be edited */
    if (!editor_key(&c->editor, key))
        return false;
    return_to_input(c);
    slash_restart(&c->slash);
    if (key->code != KEY_PASTE)
        file_choices_restart(&c->files, &c->editor);
    chat_tell_draft(c, app);
    return true;
}

static bool take_key_first(void *state, const struct key *key, struct app *app)
{
    struct chat *c = state;
    chat_prepare(c, app);
    return chat_focus_is_on(&c->transcript) &&
           chat_search_key(&c->search, &c->transcript, key, app);
}

bool view_chat_clear_input(void *state, struct app *app)
{
    struct chat *c = state;
    if (!c->is_ready || c->editor.text.n == 0)
        return false;
    editor_remember(&c->editor, buf_slice(&c->editor.text));    /* Up brings it back, … */
    editor_replace(&c->editor, 0, c->editor.text.n, SLICE("")); /* … as undo does */
    file_choices_close(&c->files);
    if (chat_edit_is_on(&c->edit, app_core(app)))
        chat_end_edit(c, app);
    chat_tell_draft(c, app);
    return true;
}

void view_chat_set_input(void *state, struct slice text, struct app *app)
{
    struct chat *c = state;
    struct buf clean;
    buf_init(&clean, EDITOR_MAX_BYTES);
    editor_clean(&clean, text);
    editor_replace(&c->editor, 0, c->editor.text.n, buf_slice(&clean));
    buf_release(&clean);
    slash_restart(&c->slash);
    chat_tell_draft(c, app);
}

void view_chat_write_command(void *state, enum command command, struct app *app)
{
    char line[64];
    struct chat *c = state;
    chat_prepare(c, app);
    view_chat_clear_input(c, app);
    snprintf(line, sizeof line, "/%s ", command_defs[command].name);
    view_chat_set_input(c, slice_of(line), app);
}

void view_chat_seek(void *state, int64_t session_id, const char *words)
{
    struct chat *c = state;
    c->sought_id = words[0] ? session_id : 0;
    snprintf(c->sought, sizeof c->sought, "%s", words);
}

static enum context context_of(const void *state, const struct app *app)
{
    const struct chat *c = state;
    bool is_reading = chat_focus_is_on(&c->transcript) ||
                      chat_branches_is_open(&c->branches, app_core(app));
    return is_reading ? CTX_TRANSCRIPT : CTX_CHAT;
}

/* An answer that ended before its end, or a question that got none. */
static bool can_go_on(const struct core *core)
{
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    if (!leaf || chat_current_run(core) || core->session->writer_pid)
        return false;
    return leaf->role == MSG_USER ||
           (leaf->role == MSG_ASSISTANT && leaf->state != MESSAGE_DONE);
}

/* Its tokens are recorded, or were when it was answered here. */
static bool has_tokens(const struct core *core, int64_t answer_id)
{
    const struct message *m = session_find(core->session, answer_id);
    int i = m ? fleet_find(&core->fleet, m->endpoint) : -1;
    return m && (m->tokens.record_bytes ||
                        (i >= 0 && core->fleet.endpoints[i].conf->kind == PROVIDER_LOCAL));
}

static bool has_any_branches(const struct transcript *t)
{
    size_t i = 0;
    while (i < t->n_path && !transcript_has_branches(t, i))
        i++;
    return i < t->n_path;
}

static size_t count_answers(const struct transcript *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_path; i++)
        n += t->path[i]->role == MSG_ASSISTANT;
    return n;
}

/* In what was written: the code of attached files is not copied. */
static bool has_code(const struct message *m)
{
    struct slice text = message_typed(m);
    return text.n && memmem(text.ptr, text.n, "```", 3);
}

static bool is_idle(const void *state, const struct app *app, enum command command)
{
    const struct chat *c = state;
    const struct transcript *t = &c->transcript;
    size_t i = transcript_find(t, t->selected_id);
    switch (command) {
    case CMD_CONTINUE:
        return !can_go_on(app_core(app));
    case CMD_LINE_UP:
    case CMD_UP:
        return chat_why_is_open(&c->why, app_core(app)) && count_answers(t) < 2;
    case CMD_SCROLL_DOWN:
        return chat_why_is_open(&c->why, app_core(app)) && c->why.n_lines <= c->why.n_rows;
    case CMD_RETRY:
        return !chat_focus_is_on(t);
    case CMD_EDIT:
        return i < t->n_path && t->path[i]->role != MSG_USER;
    case CMD_BRANCH_BEFORE:
        return !transcript_has_branches(t, i);
    case CMD_BRANCHES:
        return !has_any_branches(t);
    case CMD_COPY_CODE:
        return i < t->n_path && !has_code(t->path[i]);
    case CMD_STEP:
        return !has_tokens(app_core(app), transcript_answer(t));
    default:
        return false;
    }
}

static void release(void *state)
{
    struct chat *c = state;
    transcript_release(&c->transcript);
    chat_why_release(&c->why);
    chat_next_release(&c->next);
    pane_views_release(&c->beside);
    file_choices_close(&c->files);
    chat_branches_release(&c->branches);
    chat_edit_forget(&c->edit);
    if (c->is_ready)
        editor_release(&c->editor);
}

const struct view_ops view_chat_ops = {
        .context = CTX_CHAT,
        .context_of = context_of,
        .state_bytes = sizeof(struct chat),
        .draw = chat_draw,
        .run = run,
        .key = take_key,
        .wheel = wheel,
        .key_first = take_key_first,
        .hints = chat_hints,
        .is_idle = is_idle,
        .release = release,
};
