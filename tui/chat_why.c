/* chat_why.c - see chat_why.h. */
#include "tui/chat_why.h"

#include <stdio.h>

#include "router/core.h"
#include "router/prices.h"
#include "router/session.h"

#include "tui/chat_transcript.h"
#include "tui/figures.h"
#include "tui/surface.h"
#include "tui/view.h"

static bool is_answer(const struct message *m)
{
    return m->role == MSG_ASSISTANT;
}

/* The decision is in the log, or the store is asked for it. */
static void show(struct chat_why *w, const struct transcript *t, const struct message *m,
        struct app *app)
{
    w->message_id = m->id;
    w->leaf_id = app_core(app)->session->leaf_id;
    w->selected_id = t->selected_id;
    w->top = 0;
    if (core_decision_of(app_core(app), m->id))
        return;
    struct action *a = action_new(ACTION_WHY);
    a->id = m->id;
    app_act(app, a);
}

bool chat_why_is_open(const struct chat_why *w, const struct core *core)
{
    return w->is_open && w->session_id == core->session->id;
}

void chat_why_toggle(struct chat_why *w, struct transcript *t, struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (chat_why_is_open(w, app_core(app))) {
        w->is_open = false;
        return;
    }
    transcript_refresh(t, app);
    const struct message *m = session_find(s, transcript_answer(t));
    w->is_open = m != NULL;
    w->session_id = s->id;
    if (m)
        show(w, t, m, app);
    else
        app_notice(app, ERR_USAGE, "there is no answer yet to explain");
}

/* To the answer before (-1) or behind (1) on the shown branch, if there is one; it is
 * brought into view. */
static void step(struct chat_why *w, struct transcript *t, int by, struct app *app)
{
    struct message **path;
    const struct message *last = NULL, *to = NULL;
    size_t n = session_path(app_core(app)->session, &path);
    bool is_behind = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_answer(path[i]))
            continue;
        if (path[i]->id == w->message_id) {
            is_behind = true;
            to = by < 0 ? last : NULL;
        } else if (is_behind && by > 0 && !to) {
            to = path[i];
        }
        last = path[i];
    }
    mem_free(path);
    if (!to)
        return;
    transcript_to_message(t, to->id);
    show(w, t, to, app);
}

/* Another answer came or was selected: it is about that one. */
static void follow(struct chat_why *w, struct transcript *t, struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (w->leaf_id == s->leaf_id && w->selected_id == t->selected_id)
        return;
    transcript_refresh(t, app);
    const struct message *m = session_find(s, transcript_answer(t));
    if (m)
        show(w, t, m, app);
}

/* False: that was its end, or all of it is seen. */
static bool scroll(struct chat_why *w, int by)
{
    int last = w->n_lines - w->n_rows, before = w->top;
    w->top += by;
    w->top = w->top > last ? last : w->top;
    w->top = w->top < 0 ? 0 : w->top;
    return w->top != before;
}

bool chat_why_run(
        struct chat_why *w, struct transcript *t, enum command command, struct app *app)
{
    if (!chat_why_is_open(w, app_core(app)))
        return false;
    switch (command) {
    case CMD_STOP: /* Esc closes what is open before it stops what runs */
    case CMD_BACK:
        w->is_open = false;
        return true;
    case CMD_LINE_UP:
        step(w, t, -1, app);
        return true;
    case CMD_LINE_DOWN:
        step(w, t, 1, app);
        return true;
    case CMD_SCROLL_UP: /* the transcript scrolls where this does not */
        return scroll(w, -w->n_rows);
    case CMD_SCROLL_DOWN:
        return scroll(w, w->n_rows);
    default:
        return false;
    }
}

/* What it was in the end; the table below has what was expected. */
static int draw_actual(const struct message *m, struct surface *out, int row)
{
    char cost[FIGURE_BYTES], text[128];
    size_t n = 0;
    if (m->state == MESSAGE_RUNNING || !m->endpoint[0]) {
        surface_puts(out, row, 1, ROLE_DIM,
                m->state == MESSAGE_RUNNING ? "expected; the answer is still running"
                                            : "actual: nobody answered");
        return row + 1;
    }
    n += (size_t)snprintf(text, sizeof text, "actual: %s",
            m->cost_nusd < 0   ? "cost unknown"
            : m->cost_nusd > 0 ? prices_usd_text(m->cost_nusd, cost)
                               : "free");
    if (m->usage.input != TOKENS_UNKNOWN && m->usage.output != TOKENS_UNKNOWN)
        n += (size_t)snprintf(text + n, sizeof text - n, " for %u + %u tokens", m->usage.input,
                m->usage.output);
    if (m->total_ms)
        snprintf(text + n, sizeof text - n, " \xC2\xB7 %.2f s", m->total_ms / 1000.0);
    surface_puts(out, row, 1, ROLE_TEXT, text);
    return row + 1;
}

static int draw_body(struct chat_why *w, const struct core *core, const struct message *m,
        struct surface *out, int row)
{
    const struct decision_entry *entry = core_decision_of(core, w->message_id);
    row = draw_actual(m, out, row);
    if (entry)
        why_read(&w->why, entry);
    if (entry && w->why.is_readable)
        return why_draw(w->why.decision, w->why.names, out, row);
    bool is_known = entry || (core->log.why_id == w->message_id && core->log.is_why_known &&
                                     m->state != MESSAGE_RUNNING);
    surface_puts(out, row, 1, ROLE_DIM,
            is_known ? "No decision is stored for this answer."
                     : "Looking for the decision \xE2\x80\xA6");
    return row + 1;
}

/* Which answer it is about: from where, when, and the first words of its question. */
static void draw_title(const struct core *core, const struct message *m, struct surface *out)
{
    char words[512] = "", clock[FIGURE_BYTES];
    const struct message *asked = session_find(core->session, m->parent_id);
    struct slice begin = asked ? slice_trim(message_typed(asked)) : SLICE("");
    begin.n = utf8_whole(begin.ptr, begin.n < sizeof words ? begin.n : sizeof words - 1);
    snprintf(words, sizeof words, "%.*s", (int)begin.n, begin.n ? begin.ptr : "");
    utf8_make_printable(words);
    surface_rule(out, 0, ROLE_RULE, "");
    int col = 1 + surface_printf(out, 0, 1, ROLE_TITLE, " why %s  %s  ",
                          m->endpoint[0] ? m->endpoint : "no endpoint",
                          figure_clock(clock, m->created_ms));
    col += surface_cut(out, 0, col, out->rect.n_cols - col - 3, ROLE_TITLE, slice_of(words));
    surface_puts(out, 0, col, ROLE_RULE, " ");
}

int chat_why_draw(
        struct chat_why *w, struct transcript *t, struct app *app, struct surface *out)
{
    const struct core *core = app_core(app);
    if (!chat_why_is_open(w, core))
        return 0;
    follow(w, t, app);
    const struct message *m = session_find(core->session, w->message_id);
    if (!m)
        return 0;
    struct surface nowhere = surface_part(out, (struct rect){0, 0, 0, out->rect.n_cols});
    w->n_lines = draw_body(w, core, m, &nowhere, 0); /* the width decides */
    int n_rows = w->n_lines + 1 < out->rect.n_rows ? w->n_lines + 1 : out->rect.n_rows;
    struct rect rect = {out->rect.n_rows - n_rows, 0, n_rows, out->rect.n_cols};
    struct surface popup = surface_part(out, rect);
    w->n_rows = n_rows > 1 ? n_rows - 1 : 1;
    scroll(w, 0);
    draw_title(core, m, &popup);
    struct surface body =
            surface_part(&popup, (struct rect){1, 0, n_rows - 1, popup.rect.n_cols});
    draw_body(w, core, m, &body, -w->top);
    return n_rows;
}

void chat_why_release(struct chat_why *w)
{
    why_release(&w->why);
}
