/*
 * view_chat.c - the conversation: transcript, the rule that says where the next message goes,
 * and the input; between them the popup of chat_why.h. The draft is told to the core with every
 * change; what is sent, run as a command or completed is decided here.
 */
#include "tui/view_chat.h"

#include <stdio.h>
#include <string.h>

#include "router/conf.h"
#include "router/core.h"
#include "router/session.h"

#include "tui/attachment.h"
#include "tui/chat_branches.h"
#include "tui/chat_copy.h"
#include "tui/chat_edit.h"
#include "tui/chat_focus.h"
#include "tui/chat_greeting.h"
#include "tui/chat_next.h"
#include "tui/chat_rule.h"
#include "tui/chat_search.h"
#include "tui/chat_transcript.h"
#include "tui/chat_why.h"
#include "tui/file_choices.h"
#include "tui/file_word.h"
#include "tui/keys.h"
#include "tui/mission.h"
#include "tui/pane_side.h"
#include "tui/slash.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view_stepper.h"

#define SIDE_MIN_COLS 120
#define SIDE_COLS     38
#define PROMPT_COLS   3 /* " > " */

struct chat {
    struct transcript transcript;
    struct chat_focus focus;
    struct chat_branches branches;
    struct chat_search search;
    struct editor editor;
    struct chat_edit edit;
    struct chat_next next;
    struct chat_why why;
    struct mission mission;
    bool is_ready;
    int64_t session_id; /* the session whose draft the editor shows */
    bool side_is_toggled;
    struct slash slash;
    struct file_choices files;
    bool ignores_missing; /* Enter was pressed on a text with an `@path` that is no file */
    struct chat_copy copy;
    int64_t sought_id; /* session; 0: nothing is sought */
    char sought[128];
    int input_cols, n_cols; /* of the last drawing */
};

static void prepare(struct chat *c, const struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (!c->is_ready) {
        editor_init(&c->editor);
        c->is_ready = true;
    }
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

static void clear_editor(struct chat *c)
{
    editor_set(&c->editor, SLICE(""), 0);
    file_choices_close(&c->files);
}

static void tell_draft(struct chat *c, struct app *app)
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
    a->now_ms = app_now_ms(app);
    app_act(app, a);
}

static void tell_scroll(struct chat *c, struct app *app)
{
    struct action *a = action_new(ACTION_SCROLL);
    a->id = c->transcript.follows ? 0 : c->transcript.top_id;
    a->line = (uint32_t)(c->transcript.follows ? 0 : c->transcript.top_line);
    a->now_ms = app_now_ms(app);
    app_act(app, a);
}

static void toggle_side(struct chat *c, struct app *app)
{
    if (c->n_cols < SIDE_MIN_COLS)
        app_notice(app, OK, "the side pane needs %d columns", SIDE_MIN_COLS);
    else
        c->side_is_toggled = !c->side_is_toggled;
}

static const struct run *current_run(const struct core *core)
{
    return core_run_of(core, core->session->leaf_id);
}

/* ---- commands --------------------------------------------------------------------------- */

/* A model without experts has no gates. */
static bool has_margins(const struct core *core, int64_t answer_id)
{
    const struct message *m = session_find(core->session, answer_id);
    return m && m->tokens.record_bytes ? m->tokens.shape.n_moe_layers > 0 : !core->is_dense;
}

static void cycle_color(struct chat *c, struct app *app)
{
    enum token_color *color = &c->transcript.color;
    *color = (enum token_color)((*color + 1) % TOKEN_COLOR_COUNT);
    if (*color == TOKEN_COLOR_MARGIN &&
            !has_margins(app_core(app), transcript_answer(&c->transcript)))
        *color = TOKEN_COLOR_ENTROPY;
    app_notice(app, OK, "text colour: %s%s%s", token_color_name(*color),
            *color ? " (local answers only)" : "",
            *color && app_is_mono(app) ? "; without colours: underlined, then bold" : "");
}

static void begin_edit(struct chat *c, struct app *app)
{
    if (!chat_edit_begin(&c->edit, &c->editor, c->transcript.selected_id, app))
        return;
    chat_focus_remember(&c->focus, app, (struct step_back){BACK_TO_DRAFT, 0});
    chat_focus_leave(&c->transcript);
    tell_draft(c, app);
}

/* Sent, or given up: what was being written before is in the input again. */
static void end_edit(struct chat *c, struct app *app)
{
    chat_edit_end(&c->edit, &c->editor);
    chat_focus_forget_edit(&c->focus);
    tell_draft(c, app);
}

/* Commands that only this view knows, by key or by name. */
static bool run_own(struct chat *c, enum command command, struct app *app)
{
    switch (command) {
    case CMD_SIDE_PANE:
        toggle_side(c, app);
        return true;
    case CMD_WHY:
        chat_why_toggle(&c->why, &c->transcript, app);
        return true;
    case CMD_STEP:
        view_stepper_open(app, transcript_answer(&c->transcript));
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

/* A command that failed is worth getting back; one that did its work is no message. */
static void run_named(struct chat *c, struct app *app, enum command command, const char *text)
{
    const struct core *core = app_core(app);
    size_t n_before = core->n_notices;
    struct slice typed = buf_slice(&c->editor.text);
    char *line = mem_dup(typed.ptr, typed.n + 1);
    clear_editor(c);
    if (chat_edit_is_on(&c->edit, core))
        end_edit(c, app);
    tell_draft(c, app);
    if (!run_own(c, command, app))
        command_run(app, command, text);
    if (core->n_notices > n_before &&
            core->notices[(core->n_notices - 1) % NOTICE_MAX].status != OK)
        editor_remember(&c->editor, slice_of(line));
    mem_free(line);
}

static void run_slash(struct chat *c, struct app *app)
{
    char name[64];
    struct slice rest = slice_of(buf_text(&c->editor.text) + 1), word = slice_cut(&rest, ' ');
    const char *names[CMD_COUNT];
    size_t n = 0;
    snprintf(name, sizeof name, "%.*s", (int)slice_trim(word).n, slice_trim(word).ptr);
    enum command command = command_find(name);
    if (command == CMD_NONE || !slash_offers(command)) {
        for (const enum command *offered = slash_commands; *offered != CMD_NONE; offered++)
            names[n++] = command_defs[*offered].name;
        const char *nearest = conf_nearest(name, names, n);
        app_notice(app, ERR_USAGE, "no command /%s%s%s%s", name,
                nearest ? "; did you mean /" : "", nearest ? nearest : "",
                nearest ? "?" : " (// sends a text that begins with /)");
        return;
    }
    char *text = mem_alloc(rest.n + 1);
    struct slice trimmed = slice_trim(rest);
    if (trimmed.n)
        memcpy(text, trimmed.ptr, trimmed.n);
    run_named(c, app, command, text);
    mem_free(text);
}

/* The text stays in the input; the session is asked for again, because the other process may
 * have ended. */
static bool is_foreign(struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (!s->writer_pid)
        return false;
    app_notice(app, ERR_USAGE,
            "process %d writes this session; try again when it has ended, or /fork",
            s->writer_pid);
    struct action *a = action_new(ACTION_OPEN_SESSION);
    a->id = s->id;
    a->now_ms = app_now_ms(app);
    app_act(app, a);
    return true;
}

/* The files that the text names go along with it. False: one cannot, and nothing is sent. */
static bool attach_files(struct chat *c, struct app *app, struct action *a)
{
    struct attachments files;
    struct err err;
    enum status status =
            attachments_read(&files, buf_slice(&c->editor.text), c->ignores_missing, &err);
    c->ignores_missing = status == ERR_NOT_FOUND;
    if (status != OK) {
        app_notice(app, status, "%s%s", err.text,
                c->ignores_missing ? ": press the key again to send it as a word" : "");
        return false;
    }
    if (files.n_files) {
        char size[SIZE_TEXT_BYTES];
        a->text2 = mem_strdup(buf_text(&files.text));
        app_notice(app, OK, "attached %s: %s, about %.0f tokens", files.names,
                size_text(files.n_bytes, size), text_count_tok(buf_slice(&files.text)));
    }
    attachments_release(&files);
    return true;
}

static void send(struct chat *c, struct app *app)
{
    struct slice text = buf_slice(&c->editor.text);
    if (slice_trim(text).n == 0)
        return;
    bool is_escaped = slice_has_prefix(text, "//");
    if (text.ptr[0] == '/' && !is_escaped) {
        run_slash(c, app);
        return;
    }
    const struct run *run = current_run(app_core(app));
    if (run && run->phase == RUN_ASKS) {
        app_notice(app, ERR_USAGE,
                "the question above comes first: a key says yes or no, your text stays here");
        return;
    }
    if (run) {
        const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
        app_notice(app, ERR_USAGE, "an answer is running; %s stops it, your text stays here",
                keys ? keys : "/stop");
        return;
    }
    if (is_foreign(app))
        return;
    struct action *a = action_new(ACTION_SEND);
    if (!attach_files(c, app, a)) {
        action_free(a);
        return;
    }
    a->text = mem_strdup(buf_text(&c->editor.text) + is_escaped);
    a->id = chat_edit_is_on(&c->edit, app_core(app)) ? c->edit.message_id : 0;
    a->now_ms = app_now_ms(app);
    if (a->id)
        chat_focus_remember(&c->focus, app,
                (struct step_back){BACK_TO_BRANCH, app_core(app)->session->leaf_id});
    editor_remember(&c->editor, text);
    clear_editor(c);
    transcript_to_end(&c->transcript);
    app_act(app, a);
    if (chat_edit_is_on(&c->edit, app_core(app)))
        end_edit(c, app);
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
    if (current_run(app_core(app)))
        return false;
    if (chat_edit_is_on(&c->edit, app_core(app))) {
        end_edit(c, app);
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
        end_edit(c, app);
    c->focus.wants_draft = false;
    tell_scroll(c, app);
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct chat *c = state;
    struct file_word word;
    prepare(c, app);
    if (file_choices_run(&c->files, &c->editor, command) ||
            slash_run(&c->slash, app, &c->editor, command)) {
        tell_draft(c, app);
        return true;
    }
    if (chat_why_run(&c->why, &c->transcript, command, app) || run_reading(c, command, app) ||
            run_own(c, command, app) || scroll(c, command, app))
        return true;
    switch (command) {
    case CMD_SEND:
        send(c, app);
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
    tell_draft(c, app);
    return true;
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct chat *c = state;
    prepare(c, app);
    if (!editor_key(&c->editor, key))
        return false;
    return_to_input(c);
    slash_restart(&c->slash);
    if (key->code != KEY_PASTE)
        file_choices_restart(&c->files, &c->editor);
    tell_draft(c, app);
    return true;
}

static bool take_key_first(void *state, const struct key *key, struct app *app)
{
    struct chat *c = state;
    return chat_focus_is_on(&c->transcript) &&
           chat_search_key(&c->search, &c->transcript, key, app);
}

bool view_chat_clear_input(void *state, struct app *app)
{
    struct chat *c = state;
    if (!c->is_ready || c->editor.text.n == 0)
        return false;
    editor_remember(&c->editor, buf_slice(&c->editor.text)); /* Up brings it back */
    clear_editor(c);
    if (chat_edit_is_on(&c->edit, app_core(app)))
        end_edit(c, app);
    tell_draft(c, app);
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
    tell_draft(c, app);
}

void view_chat_write_command(void *state, enum command command, struct app *app)
{
    char line[64];
    struct chat *c = state;
    prepare(c, app);
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

/* ---- drawing ---------------------------------------------------------------------------- */

static int input_rows(struct chat *c, int n_rows, int n_cols)
{
    int wanted = editor_n_lines(&c->editor, n_cols), most = n_rows / 3;
    most = most < 1 ? 1 : most;
    return wanted < most ? wanted : most;
}

static void draw_transcript(struct chat *c, const struct app *app, struct surface *out)
{
    struct surface lines = *out;
    bool has_search = chat_focus_is_on(&c->transcript) &&
                      search_line_is_shown(&c->search.line) && out->rect.n_rows > 1;
    lines.rect.n_rows -= has_search;
    transcript_draw(&c->transcript, app, &lines);
    if (has_search)
        chat_search_draw(&c->search, out);
}

static void draw_main(struct chat *c, const struct app *app, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    bool is_tiny = n_rows < 6;
    c->input_cols = n_cols - PROMPT_COLS - 1;
    if (c->input_cols < 1)
        c->input_cols = 1;
    if (c->sought_id == app_core(app)->session->id) {
        transcript_seek(&c->transcript, app, c->sought);
        c->sought_id = 0;
    }
    int n_input = input_rows(c, n_rows, c->input_cols), rule = n_rows - n_input - 1;
    struct surface top =
            surface_part(out, (struct rect){0, 0, is_tiny ? n_rows - n_input : rule, n_cols});
    if (c->transcript.color && top.rect.n_rows > 3) {
        token_color_draw_legend(c->transcript.color, out, 0);
        top = surface_part(&top, (struct rect){1, 0, top.rect.n_rows - 1, n_cols});
    }
    top.rect.n_rows -= chat_why_draw(&c->why, app, &top);
    top.rect.n_rows -= chat_branches_draw(&c->branches, app, &top);
    if (top.rect.n_rows > 0 && app_core(app)->session->leaf_id == 0)
        chat_greeting_draw(app, &top);
    else if (top.rect.n_rows > 0)
        draw_transcript(c, app, &top);
    if (!is_tiny)
        chat_rule_draw(&(struct chat_rule){&c->transcript, &c->next, buf_slice(&c->editor.text),
                               chat_edit_is_on(&c->edit, app_core(app))},
                app, out, rule);
    slash_draw(
            &c->slash, app, buf_slice(&c->editor.text), out, is_tiny ? n_rows - n_input : rule);
    file_choices_draw(&c->files, out, is_tiny ? n_rows - n_input : rule);
    surface_puts(out, n_rows - n_input, 1, ROLE_HINT_KEY, ">");
    struct surface input = surface_part(
            out, (struct rect){n_rows - n_input, PROMPT_COLS, n_input, c->input_cols});
    editor_draw(&c->editor, &input);
    if (chat_focus_is_on(&c->transcript) && !c->search.line.is_typing)
        surface_cursor(&top, c->transcript.selected_row, 0);
}

/* What stands beside the conversation takes so many columns; 0: nothing does. */
static int side_cols(const struct chat *c, const struct app *app, const struct surface *out)
{
    int n_cols = out->rect.n_cols;
    if (n_cols < SIDE_MIN_COLS || app_side_pane(app) == c->side_is_toggled)
        return 0;
    bool is_large = n_cols >= MISSION_MIN_COLS && out->rect.n_rows >= MISSION_MIN_ROWS;
    return is_large ? mission_cols(n_cols) : SIDE_COLS;
}

static void draw(void *state, const struct app *app, struct surface *out)
{
    struct chat *c = state;
    prepare(c, app);
    if (file_choices_read(&c->files))
        app_wake_at((struct app *)(uintptr_t)app, app_now_ns(app) + 1);
    c->n_cols = out->rect.n_cols;
    int n_rows = out->rect.n_rows, n_side = side_cols(c, app, out);
    int n_main = n_side ? out->rect.n_cols - n_side - 1 : out->rect.n_cols;
    struct surface main = surface_part(out, (struct rect){0, 0, n_rows, n_main});
    draw_main(c, app, &main);
    if (!n_side)
        return;
    struct surface rule = surface_part(out, (struct rect){0, n_main, n_rows, 1});
    struct surface side = surface_part(out, (struct rect){0, n_main + 1, n_rows, n_side});
    surface_column_rule(&rule, 0, ROLE_RULE);
    if (n_side == SIDE_COLS)
        pane_side_draw(app, &side);
    else
        mission_draw(&c->mission, app, &side);
}

static enum context context_of(const void *state, const struct app *app)
{
    const struct chat *c = state;
    bool is_reading = chat_focus_is_on(&c->transcript) ||
                      chat_branches_is_open(&c->branches, app_core(app));
    return is_reading ? CTX_TRANSCRIPT : CTX_CHAT;
}

static const struct view_hint *hints(const void *state, const struct app *app)
{
    static const struct view_hint choosing[] = {{"Enter", "run"}, {"Up/Down", "choose"},
            {"Tab", "complete"}, {"Esc", "close"}, {NULL, NULL}};
    static const struct view_hint explaining[] = {
            {"Up/Down", "other answers"}, {"PageDown", "more"}, {"Esc", "close"}, {NULL, NULL}};
    static const struct view_hint listing[] = {
            {"Up/Down", "choose"}, {"Enter", "show"}, {"Esc", "close"}, {NULL, NULL}};
    static const struct view_hint editing[] = {{"Enter", "send as a new branch"},
            {"Esc", "give up"}, {"C-j", "newline"}, {NULL, NULL}};
    const struct chat *c = state;
    if (chat_why_is_open(&c->why, app_core(app)))
        return explaining;
    if (chat_branches_is_open(&c->branches, app_core(app)))
        return listing;
    bool is_choosing =
            file_choices_are_shown(&c->files) ||
            (c->is_ready && slash_is_open(&c->slash, app, buf_slice(&c->editor.text)));
    if (is_choosing)
        return choosing;
    bool is_editing =
            chat_edit_is_on(&c->edit, app_core(app)) && !chat_focus_is_on(&c->transcript);
    return is_editing ? editing : NULL;
}

/* An answer that ended before its end, or a question that got none. */
static bool can_go_on(const struct core *core)
{
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    if (!leaf || current_run(core) || core->session->writer_pid)
        return false;
    return leaf->role == MSG_USER ||
           (leaf->role == MSG_ASSISTANT && leaf->state != MESSAGE_DONE);
}

static bool is_idle(const void *state, const struct app *app, enum command command)
{
    (void)state;
    return command == CMD_CONTINUE && !can_go_on(app_core(app));
}

static void release(void *state)
{
    struct chat *c = state;
    transcript_release(&c->transcript);
    chat_why_release(&c->why);
    mission_release(&c->mission);
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
        .draw = draw,
        .run = run,
        .key = take_key,
        .wheel = wheel,
        .key_first = take_key_first,
        .hints = hints,
        .is_idle = is_idle,
        .release = release,
};
