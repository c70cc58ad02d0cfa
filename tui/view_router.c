/*
 * view_router.c - the decision log, newest first, and why the selected one fell as it did. New
 * decisions appear on top while it is open; what the database has from before and from other
 * processes is asked for each time it opens.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/figures.h"
#include "tui/pane_why.h"
#include "tui/search_line.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define LIST_ROWS_MIN 3
#define WIDE_COLS     100 /* seconds of the time of day, difficulty and domain have room */

struct shown {
    const struct decision_entry *entry;
    bool has_failed; /* the request was sent there and went elsewhere afterwards */
};

struct router {
    struct shown shown[DECISIONS_KEPT]; /* those the filter lets through */
    int n_shown;
    int cursor, top, n_rows, list_row; /* list_row: where the first one stands */
    uint64_t selected;                 /* serial; 0: whatever is newest */
    bool is_why_only;                  /* the table has the whole view and scrolls */
    int why_top, n_why_lines, n_why_rows;
    bool is_of_session; /* those of other sessions are left out */
    struct search_line search;
    struct why why;
};

static void open_view(void *state, struct app *app)
{
    struct router *v = state;
    v->selected = 0;
    v->cursor = v->top = 0;
    v->is_why_only = false;
    v->search = (struct search_line){0};
    struct action *a = action_new(ACTION_LIST_DECISIONS);
    app_act(app, a);
}

/* ---- which decisions -------------------------------------------------------------------- */

/* The decision that followed for the same message was a fallback. */
static bool has_failed(const struct decision_log *log, size_t i)
{
    const struct decision_entry *e = log->entries[i];
    size_t later = i;
    while (later-- > 0)
        if (log->entries[later]->message_id == e->message_id)
            return e->verdict == VERDICT_SEND && log->entries[later]->is_fallback;
    return false;
}

static const char *verdict_word(const struct shown *s)
{
    const struct decision_entry *e = s->entry;
    return s->has_failed                                  ? "failed"
           : e->is_fallback && e->verdict == VERDICT_SEND ? "fallback"
                                                          : verdict_name(e->verdict);
}

static bool contains(const char *text, const char *query)
{
    size_t n = strlen(query);
    for (; *text; text++)
        if (strncasecmp(text, query, n) == 0)
            return true;
    return n == 0;
}

static bool is_wanted(const struct shown *s, const char *query)
{
    return contains(s->entry->endpoint, query) || contains(s->entry->question, query) ||
           contains(verdict_word(s), query);
}

/* The cursor stays on its decision while new ones come in above it; on the newest it stays on
 * the newest. */
static void gather(struct router *v, const struct core *core)
{
    const struct decision_log *log = &core->log;
    v->n_shown = 0;
    int found = -1;
    for (size_t i = 0; i < log->n; i++) {
        const struct shown s = {log->entries[i], has_failed(log, i)};
        bool is_here = !v->is_of_session || session_find(core->session, s.entry->message_id);
        if (!is_here || !is_wanted(&s, v->search.text))
            continue;
        if (s.entry->serial == v->selected)
            found = v->n_shown;
        v->shown[v->n_shown++] = s;
    }
    if (v->selected && found >= 0)
        v->cursor = found;
    v->cursor = v->cursor >= v->n_shown ? v->n_shown - 1 : v->cursor;
    v->cursor = v->cursor < 0 || !v->selected ? 0 : v->cursor;
}

static void move(struct router *v, const struct core *core, int by)
{
    gather(v, core);
    v->cursor += by;
    v->cursor = v->cursor >= v->n_shown ? v->n_shown - 1 : v->cursor;
    v->cursor = v->cursor < 0 ? 0 : v->cursor;
    v->selected = v->cursor > 0 ? v->shown[v->cursor].entry->serial : 0;
    v->why_top = 0;
}

static void scroll_why(struct router *v, int by)
{
    int last = v->n_why_lines - v->n_why_rows;
    v->why_top += by;
    v->why_top = v->why_top > last ? last : v->why_top;
    v->why_top = v->why_top < 0 ? 0 : v->why_top;
}

/* ---- keys ------------------------------------------------------------------------------- */

static const struct {
    enum command command;
    int rows, pages;
} moves[] = {{CMD_UP, -1, 0}, {CMD_DOWN, 1, 0}, {CMD_PAGE_UP, 0, -1}, {CMD_PAGE_DOWN, 0, 1},
        {CMD_FIRST, -DECISIONS_KEPT, 0}, {CMD_LAST, DECISIONS_KEPT, 0}};

static bool run_move(struct router *v, const struct core *core, enum command command)
{
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        if (moves[i].command == command) {
            if (v->is_why_only)
                scroll_why(v, moves[i].rows + moves[i].pages * v->n_why_rows);
            else
                move(v, core, moves[i].rows + moves[i].pages * v->n_rows);
            return true;
        }
    return false;
}

static bool go_back(struct router *v)
{
    if (v->is_why_only)
        v->is_why_only = false;
    else if (v->search.text[0])
        v->search = (struct search_line){0};
    else
        return false;
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct router *v = state;
    if (run_move(v, app_core(app), command))
        return true;
    switch (command) {
    case CMD_WHY:
        v->is_why_only = !v->is_why_only;
        v->why_top = 0;
        return true;
    case CMD_SEARCH:
        v->search.is_typing = true;
        v->is_why_only = false;
        return true;
    case CMD_BACK:
        return go_back(v);
    default:
        return false;
    }
}

static void click(void *state, int row, struct app *app)
{
    struct router *v = state;
    if (!v->is_why_only && row >= v->list_row && row < v->list_row + v->n_rows)
        move(v, app_core(app), v->top + row - v->list_row - v->cursor);
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct router *v = state;
    (void)app;
    return search_line_take(&v->search, key) != SEARCH_NONE;
}

/* ---- drawing ---------------------------------------------------------------------------- */

static void print_time(int64_t t_ms, int64_t now_ms, bool is_wide, char out[24])
{
    time_t seconds = t_ms / 1000, today = now_ms / 1000;
    struct tm tm, now;
    localtime_r(&seconds, &tm);
    localtime_r(&today, &now);
    bool is_today = tm.tm_yday == now.tm_yday && tm.tm_year == now.tm_year;
    strftime(out, 24, !is_today ? "%m-%d" : is_wide ? "%H:%M:%S" : "%H:%M", &tm);
}

static enum role verdict_role(const struct shown *s)
{
    const struct decision_entry *e = s->entry;
    if (s->has_failed)
        return ROLE_ERROR;
    if (e->verdict == VERDICT_SEND)
        return e->is_fallback ? ROLE_WARN : ROLE_OK;
    return e->verdict == VERDICT_REFUSE ? ROLE_ERROR : ROLE_WARN;
}

/* Where the columns stand: time, verdict, endpoint, price, seconds, on a wide screen difficulty
 * and domain, then the question. */
struct columns {
    bool is_wide, is_narrow;
    int verdict, endpoint, endpoint_cols, price_end, seconds_end, difficulty, question;
};

static struct columns lay_out(int n_cols)
{
    struct columns c = {.is_wide = n_cols >= WIDE_COLS, .is_narrow = n_cols < 60};
    c.verdict = c.is_wide ? 11 : 8;
    c.endpoint = c.verdict + (c.is_narrow ? 0 : 10); /* either, where there is room for one */
    c.endpoint_cols = c.is_narrow ? 9 : 14;
    int col = c.endpoint + c.endpoint_cols + 1;
    c.price_end = col + 9;
    c.seconds_end = col + 16;
    c.difficulty = col + 18;
    c.question = c.difficulty + (c.is_wide ? 21 : 0);
    return c;
}

static void draw_titles(struct surface *out, int row)
{
    struct columns c = lay_out(out->rect.n_cols);
    surface_puts(out, row, 1, ROLE_DIM, "time");
    if (!c.is_narrow)
        surface_puts(out, row, c.verdict, ROLE_DIM, "verdict");
    surface_puts(out, row, c.endpoint, ROLE_DIM, "endpoint");
    surface_puts_right(out, row, c.price_end, ROLE_DIM, "price");
    surface_puts_right(out, row, c.seconds_end, ROLE_DIM, "takes");
    if (c.is_wide)
        surface_puts(out, row, c.difficulty, ROLE_DIM, "difficulty  domain");
    if (c.question + (int)strlen("question") < out->rect.n_cols)
        surface_puts(out, row, c.question, ROLE_DIM, "question");
}

/* As much of the question as there is room for. */
static void draw_entry(
        const struct shown *s, int64_t now_ms, struct surface *out, int row, bool is_selected)
{
    const struct decision_entry *e = s->entry;
    struct columns c = lay_out(out->rect.n_cols);
    char text[48], figure[FIGURE_BYTES];
    int n_cols = out->rect.n_cols, cols;
    print_time(e->t_ms, now_ms, c.is_wide, text);
    surface_puts(out, row, 1, ROLE_DIM, text);
    if (!c.is_narrow)
        surface_puts(out, row, c.verdict, verdict_role(s), verdict_word(s));
    const char *endpoint = e->endpoint[0] ? e->endpoint : c.is_narrow ? verdict_word(s) : "";
    surface_text(out, row, c.endpoint, c.is_narrow ? verdict_role(s) : ROLE_TEXT, 0,
            text_fit(slice_of(endpoint), c.endpoint_cols, &cols));
    if (e->endpoint[0]) {
        surface_puts_right(out, row, c.price_end, ROLE_NUMBER,
                e->price_nusd < 0 ? "?" : figure_dollars(figure, e->price_nusd));
        surface_puts_right(
                out, row, c.seconds_end, ROLE_NUMBER, figure_seconds(figure, e->expected_ms));
    }
    if (c.is_wide)
        surface_printf(out, row, c.difficulty, ROLE_DIM, "%10.2f  %s", (double)e->difficulty,
                domain_name(e->domain));
    if (n_cols - c.question > 3)
        surface_cut(out, row, c.question, n_cols - c.question - 1, ROLE_TEXT,
                slice_of(e->question));
    if (is_selected)
        surface_mark(out, (struct rect){row, 0, 1, n_cols}, ROLE_SELECTED, 0);
}

static void draw_head(
        const struct router *v, const struct decision_log *log, struct surface *out)
{
    if (search_line_is_shown(&v->search)) {
        int col = search_line_draw(&v->search, out);
        surface_printf(out, 0, col + 3, ROLE_DIM, "%d of %zu", v->n_shown, log->n);
    } else if (v->n_shown) {
        surface_printf(out, 0, 1, ROLE_DIM, "%d decision%s%s, newest first", v->n_shown,
                v->n_shown == 1 ? "" : "s", v->is_of_session ? " of this session" : "");
    }
}

/* Titles only where decisions keep as many rows as they need at least. */
static void draw_list(struct router *v, const struct app *app, struct surface *out)
{
    int first = v->n_shown && out->rect.n_rows > LIST_ROWS_MIN;
    if (first)
        draw_titles(out, 0);
    v->list_row = 1 + first;
    v->n_rows = out->rect.n_rows > first ? out->rect.n_rows - first : 1;
    if (v->cursor < v->top)
        v->top = v->cursor;
    if (v->cursor >= v->top + v->n_rows)
        v->top = v->cursor - v->n_rows + 1;
    if (v->n_shown == 0)
        surface_puts(out, 0, 3, ROLE_DIM,
                v->search.text[0] ? "No decision contains that."
                                  : "Nothing was decided yet: write a message in Chat.");
    for (int i = 0; i < v->n_rows && v->top + i < v->n_shown; i++)
        draw_entry(&v->shown[v->top + i], app_now_ms(app), out, first + i,
                v->top + i == v->cursor);
}

/* Where the list ends and the table begins: the table gets what it needs as long as the list
 * keeps a few rows. */
static int why_rows(struct router *v, const struct surface *out)
{
    int n_rows = out->rect.n_rows;
    struct surface nowhere = surface_part(out, (struct rect){0, 0, 0, out->rect.n_cols});
    v->n_why_lines = why_draw(v->why.decision, v->why.names, &nowhere, 0);
    if (v->is_why_only)
        return n_rows;
    int n_least = 1 + LIST_ROWS_MIN, n_list = v->n_shown < n_rows / 2 ? v->n_shown : n_rows / 2;
    n_list = 2 + (n_list > LIST_ROWS_MIN ? n_list : LIST_ROWS_MIN);
    int n = n_rows - n_list;
    n = n < v->n_why_lines + 1 ? n : v->n_why_lines + 1;
    return n_rows < n_least + 3 ? 0 : n;
}

static void draw_why(struct router *v, const struct app *app, struct surface *out)
{
    const struct shown *s = &v->shown[v->cursor];
    const struct decision_entry *e = s->entry;
    char time[24], title[320];
    if (out->rect.n_rows < 2)
        return;
    print_time(e->t_ms, app_now_ms(app), true, time);
    snprintf(title, sizeof title, "why %s  %s%s%s", time, verdict_word(s),
            e->endpoint[0] ? " " : "", e->endpoint);
    surface_rule(out, 0, ROLE_RULE, title);
    struct surface body =
            surface_part(out, (struct rect){1, 0, out->rect.n_rows - 1, out->rect.n_cols});
    v->n_why_rows = body.rect.n_rows;
    if (!v->is_why_only)
        v->why_top = 0;
    scroll_why(v, 0);
    why_draw(v->why.decision, v->why.names, &body, -v->why_top);
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct router *v = state;
    const struct core *core = app_core(app);
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols, n_why = 0;
    v->is_of_session = out->is_passive; /* beside a conversation: its own */
    gather(v, core);
    if (v->n_shown)
        why_read(&v->why, v->shown[v->cursor].entry);
    if (v->n_shown && v->why.is_readable)
        n_why = why_rows(v, out);
    if (n_why < n_rows) {
        draw_head(v, &core->log, out);
        struct surface list =
                surface_part(out, (struct rect){1, 0, n_rows - 1 - n_why, n_cols});
        draw_list(v, app, &list);
    }
    struct surface why = surface_part(out, (struct rect){n_rows - n_why, 0, n_why, n_cols});
    if (n_why)
        draw_why(v, app, &why);
}

static const struct view_hint *hints(const void *state, const struct app *app)
{
    static const struct view_hint typing[] = {
            {"Enter", "to the list"}, {"Esc", "end the search"}, {NULL, NULL}};
    const struct router *v = state;
    (void)app;
    return v->search.is_typing ? typing : NULL;
}

static void release(void *state)
{
    struct router *v = state;
    why_release(&v->why);
}

const struct view_ops view_router_ops = {
        .context = CTX_ROUTER,
        .state_bytes = sizeof(struct router),
        .draw = draw,
        .run = run,
        .click = click,
        .hints = hints,
        .key_first = take_key,
        .open = open_view,
        .release = release,
};
