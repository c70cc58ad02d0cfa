/* chat_branches.c - see chat_branches.h. */
#include "tui/chat_branches.h"

#include <stdio.h>

#include "router/core.h"
#include "router/session.h"
#include "router/session_tree.h"

#include "tui/chat_focus.h"
#include "tui/chat_transcript.h"
#include "tui/figures.h"
#include "tui/keys.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define INDENT_COLS 2
#define INDENT_MAX  20 /* deeper forks stand below each other */

bool chat_branches_is_open(const struct chat_branches *b, const struct core *core)
{
    return b->is_open && b->session_id == core->session->id;
}

void chat_branches_release(struct chat_branches *b)
{
    mem_free(b->list);
    *b = (struct chat_branches){0};
}

static void read_list(struct chat_branches *b, const struct session *s)
{
    if (b->list && b->session_id == s->id && b->load == s->load &&
            b->n_messages == s->n_messages)
        return;
    mem_free(b->list);
    b->n = session_branches(s, &b->list);
    b->session_id = s->id;
    b->load = s->load;
    b->n_messages = s->n_messages;
    b->selected = b->selected < b->n ? b->selected : b->n - (b->n > 0);
}

void chat_branches_toggle(struct chat_branches *b, struct app *app)
{
    const struct session *s = app_core(app)->session;
    b->is_open = !chat_branches_is_open(b, app_core(app)) && s->n_messages > 0;
    if (!b->is_open) {
        if (s->n_messages == 0)
            app_notice(app, ERR_USAGE, "there is no message yet");
        return;
    }
    read_list(b, s);
    for (size_t i = 0; i < b->n; i++)
        b->selected = b->list[i].is_shown ? i : b->selected;
}

static void go(struct chat_branches *b, struct chat_focus *focus, struct transcript *t,
        struct app *app)
{
    const struct message *first = b->list[b->selected].first;
    b->is_open = false;
    chat_focus_show(focus, t, first->id, app);
    transcript_to_message(t, first->id);
}

bool chat_branches_run(struct chat_branches *b, struct chat_focus *focus, struct transcript *t,
        enum command command, struct app *app)
{
    if (!chat_branches_is_open(b, app_core(app)))
        return false;
    read_list(b, app_core(app)->session);
    switch (command) {
    case CMD_UP:
        b->selected -= b->selected > 0;
        return true;
    case CMD_DOWN:
        b->selected += b->selected + 1 < b->n;
        return true;
    case CMD_FIRST:
        b->selected = 0;
        return true;
    case CMD_LAST:
        b->selected = b->n - 1;
        return true;
    case CMD_FOLD:
        go(b, focus, t, app);
        return true;
    case CMD_BACK:
    case CMD_STOP:
        b->is_open = false;
        return true;
    default:
        return false;
    }
}

/* How its last message ended, where that was not by itself. */
static const char *const ends[] = {[MESSAGE_RUNNING] = ", running",
        [MESSAGE_INTERRUPTED] = ", interrupted",
        [MESSAGE_STOPPED] = ", stopped",
        [MESSAGE_FAILED] = ", failed",
        [MESSAGE_DONE] = ""};

/* ● you: first words … 12 messages, stopped  14:02 */
static void draw_row(
        const struct branch *b, int64_t leaf_id, bool is_selected, struct surface *out, int row)
{
    char words[ENDPOINT_NAME_BYTES + 170], end[64], clock[FIGURE_BYTES];
    const struct message *m = b->first;
    int indent = b->depth * INDENT_COLS < INDENT_MAX ? b->depth * INDENT_COLS : INDENT_MAX;
    struct slice text = slice_trim(m->text.n ? message_typed(m) : buf_slice(&m->reasoning));
    size_t n = utf8_whole(text.ptr, text.n < 160 ? text.n : 160);
    const char *who = m->role == MSG_USER ? "you" : m->endpoint[0] ? m->endpoint : "answer";
    snprintf(words, sizeof words, "%s: %.*s", who, (int)n, n ? text.ptr : "");
    utf8_make_printable(words);
    snprintf(end, sizeof end, "%zu message%s%s  %s", b->n_messages,
            b->n_messages == 1 ? "" : "s", ends[b->last->state],
            figure_clock(clock, b->last->created_ms));
    int end_cols = text_width(slice_of(end)), col = 3 + indent;
    const char *mark = b->last->id == leaf_id ? "\xE2\x97\x8F" : "\xE2\x97\x8B";
    surface_puts(out, row, 1 + indent, ROLE_OK, b->is_shown ? mark : "");
    surface_cut(
            out, row, col, out->rect.n_cols - col - end_cols - 3, ROLE_TEXT, slice_of(words));
    surface_puts_right(out, row, out->rect.n_cols - 1, ROLE_DIM, end);
    if (is_selected)
        surface_mark(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_SELECTED, 0);
}

/* How another one begins. */
static void draw_beginning(const struct app *app, struct surface *out, int row)
{
    const char *focus = keymap_keys_of(app_keymap(app), CTX_TRANSCRIPT, CMD_FOCUS_NEXT);
    const char *edit = keymap_keys_of(app_keymap(app), CTX_TRANSCRIPT, CMD_EDIT);
    const char *retry = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_RETRY);
    char text[160];
    snprintf(text, sizeof text,
            "Another begins when you edit a message (%s, %s) or repeat an answer (%s).",
            focus ? focus : "-", edit ? edit : "/edit", retry ? retry : "/retry");
    surface_cut(out, row, 3, out->rect.n_cols - 4, ROLE_DIM, slice_of(text));
}

static const char legend[] = "branches: \xE2\x97\x8F is shown, \xE2\x97\x8B leads there; "
                             "messages up to the next fork";

/* At most half of the transcript: what is chosen is seen above it. */
int chat_branches_draw(struct chat_branches *b, const struct app *app, struct surface *out)
{
    const struct session *s = app_core(app)->session;
    int most = out->rect.n_rows / 2 - 1;
    if (!chat_branches_is_open(b, app_core(app)) || most < 1)
        return 0;
    read_list(b, s);
    size_t n_rows = b->n < (size_t)most ? b->n : (size_t)most;
    int n_hint = b->n == 1 && most > 1;
    b->top = b->selected < b->top ? b->selected : b->top;
    b->top = b->selected >= b->top + n_rows ? b->selected - n_rows + 1 : b->top;
    int n_shown = (int)n_rows + n_hint + 1;
    struct surface popup = surface_part(
            out, (struct rect){out->rect.n_rows - n_shown, 0, n_shown, out->rect.n_cols});
    surface_rule(&popup, 0, ROLE_RULE, b->n == 1 ? "the only branch" : legend);
    for (size_t i = 0; i < n_rows; i++)
        draw_row(&b->list[b->top + i], s->leaf_id, b->top + i == b->selected, &popup,
                (int)i + 1);
    if (n_hint)
        draw_beginning(app, &popup, n_shown - 1);
    return n_shown;
}
