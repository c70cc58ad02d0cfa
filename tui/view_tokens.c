/*
 * view_tokens.c - the Tokens view: one answer of a local model token by token, running or from
 * the disk. The text with the token in it; its probability and what else was likely; the
 * experts that each layer chose. The cursor stays where it is while tokens come, unless it is
 * at the end.
 */
#include "tui/view_tokens.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/expert_map.h"
#include "tui/flow.h"
#include "tui/heat.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/tinted_text.h"
#include "tui/token_map.h"
#include "tui/view.h"

#define DETAIL_COLS  33
#define DETAIL_ROWS  12
#define PIECE_COL    13 /* where figures and texts begin */
#define MAP_MIN_COLS 24
#define MORE_COLS    6    /* " … +12" */
#define CHOSEN_MIN   0.7f /* the lowest level that differs from "not chosen" */

struct tokens_view {
    enum view_id from;
    int64_t message_id;
    size_t i_token;
    bool is_behind; /* else the cursor is at the end and follows */
    int layer;
    struct token_map map;
    struct tinted_text text;
    bool must_wrap;
    enum answer_part part; /* that text is of */
    /* what map and text were made of */
    int64_t made_of;
    uint32_t version;
    size_t n_records_bytes;
    int n_cols;
};

/* ---- which answer ----------------------------------------------------------------------- */

/* The answer `by` places further on the shown path, as far as there are any; id 0: the newest.
 */
static const struct message *find_answer(
        const struct core *core, int64_t id, int by, int *number, int *n_answers)
{
    struct message **path;
    size_t n = session_path(core->session, &path);
    int n_found = 0, at = -1;
    const struct message *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (path[i]->role == MSG_ASSISTANT) {
            at = path[i]->id == id ? n_found : at;
            path[n_found++] = path[i];
        }
    at = (at < 0 ? n_found - 1 : at) + by;
    at = at < 0 ? 0 : at >= n_found ? n_found - 1 : at;
    if (n_found)
        found = path[at];
    *number = at + 1;
    *n_answers = n_found;
    mem_free(path);
    return found;
}

/* Only models that run inside this program tell about their tokens. */
void view_tokens_load(struct app *app, const struct message *m)
{
    if (m->tokens.record_bytes || m->tokens.disk != TOKENS_NOT_ASKED ||
            m->state == MESSAGE_RUNNING || fleet_is_remote(&app_core(app)->fleet, m->endpoint))
        return;
    struct action *a = action_new(ACTION_LOAD_TOKENS);
    a->id = m->id;
    app_act(app, a);
}

static void show(struct tokens_view *v, struct app *app, int64_t message_id)
{
    const struct message *m = session_find(app_core(app)->session, message_id);
    if (v->message_id != message_id) {
        v->message_id = message_id;
        v->i_token = 0;
        v->is_behind = !m || m->state != MESSAGE_RUNNING;
    }
    if (m)
        view_tokens_load(app, m);
}

/* At the first token of a finished answer, at the newest of one that runs. */
static void enter(struct tokens_view *v, struct app *app, const struct message *m)
{
    v->message_id = 0;
    v->made_of = 0;
    show(v, app, m ? m->id : 0);
}

void view_tokens_open(struct app *app, int64_t message_id)
{
    struct tokens_view *v = app_view_state(app, VIEW_TOKENS);
    enum view_id from = app_view(app);
    int number, n_answers;
    const struct message *m = find_answer(app_core(app), message_id, 0, &number, &n_answers);
    app_open_view(app, VIEW_TOKENS);
    v->from = from;
    enter(v, app, m);
}

static void open_view(void *state, struct app *app)
{
    int number, n_answers;
    const struct message *m = find_answer(app_core(app), 0, 0, &number, &n_answers);
    struct tokens_view *v = state;
    v->from = VIEW_CHAT;
    enter(v, app, m);
}

/* ---- the token under the cursor --------------------------------------------------------- */

static struct slice part_of(const struct message *m, enum answer_part part)
{
    return buf_slice(part == PART_TEXT ? &m->text : &m->reasoning);
}

/* The span of the cursor's token; of one without any, the end of what came before. */
static struct token_span find_span(const struct tokens_view *v, enum answer_part *part)
{
    for (size_t i = v->i_token + 1; i-- > 0;)
        for (int p = PART_COUNT - 1; p >= 0; p--) {
            struct token_span span = v->map.tokens[i].at[p];
            if (span.n == 0)
                continue;
            *part = (enum answer_part)p;
            return i == v->i_token ? span : (struct token_span){span.start + span.n, 0};
        }
    *part = v->map.n && v->map.tokens[v->map.n - 1].at[PART_REASONING].n ? PART_REASONING
                                                                         : PART_TEXT;
    return (struct token_span){0, 0};
}

/* Brings the map to the records of now. */
static void refresh_map(struct tokens_view *v, const struct message *m)
{
    if (v->made_of == m->id && v->version == m->version &&
            v->n_records_bytes == m->tokens.records.n)
        return;
    token_map_build(&v->map, &m->tokens, buf_slice(&m->reasoning), buf_slice(&m->text));
    if (!v->is_behind || v->i_token >= v->map.n)
        v->i_token = v->map.n ? v->map.n - 1 : 0;
    v->layer = v->layer < m->tokens.shape.n_moe_layers ? v->layer : 0;
    v->made_of = m->id;
    v->version = m->version;
    v->n_records_bytes = m->tokens.records.n;
    v->must_wrap = true;
}

static void refresh_text(struct tokens_view *v, const struct message *m, int n_cols)
{
    enum answer_part part;
    find_span(v, &part);
    if (v->must_wrap || part != v->part || n_cols != v->n_cols)
        tinted_text_wrap(&v->text, part_of(m, part), n_cols);
    v->must_wrap = false;
    v->part = part;
    v->n_cols = n_cols;
}

/* Everything in it can be seen: a blank is ␣, a line end \n, what has no glyph \x0B. */
static void add_visible(struct buf *out, struct slice text)
{
    static const struct {
        uint32_t cp;
        const char *shown;
    } escapes[] = {{' ', "\xE2\x90\xA3"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
    uint32_t cp;
    for (size_t at = 0, n; at < text.n; at += n) {
        n = utf8_decode(text.ptr + at, text.n - at, &cp);
        bool is_broken = cp == 0xFFFD && n == 1;
        size_t k = 0;
        while (k < ARRAY_LEN(escapes) && escapes[k].cp != cp)
            k++;
        if (k < ARRAY_LEN(escapes))
            buf_add_text(out, escapes[k].shown);
        else if (is_broken || cp < 0x20 || cp == 0x7F)
            buf_printf(out, "\\x%02X", (unsigned char)text.ptr[at]);
        else
            buf_add(out, text.ptr + at, n);
    }
}

/* Of any vocabulary id: its text, or its number while the model is not loaded. False: that. */
static bool add_text_of(
        const struct app *app, const struct message *m, int32_t token, struct buf *out)
{
    struct buf piece;
    buf_init(&piece, 4096);
    bool is_known = app_token_text(app, m, token, &piece);
    if (is_known && piece.n)
        add_visible(out, buf_slice(&piece));
    else
        buf_printf(out, "#%d", token);
    buf_release(&piece);
    return is_known;
}

static void add_own_text(const struct app *app, const struct message *m,
        const struct token_record *r, struct buf *out)
{
    if (r->n_text == 0) /* half a character, which the record does not hold */
        add_text_of(app, m, r->token, out);
    add_visible(out, (struct slice){r->text, r->n_text});
    if (r->n_text && r->n_piece > r->n_text)
        buf_add_text(out, "\xE2\x80\xA6");
}

/* ---- drawing ---------------------------------------------------------------------------- */

/* What does not fit is left out as a whole. Returns the columns it took. */
static int draw_part(struct surface *out, int col, enum role role, const char *text)
{
    bool fits = col + text_width(slice_of(text)) < out->rect.n_cols - 5; /* "live" */
    return fits ? surface_puts(out, 0, col, role, text) : 0;
}

static void draw_head(const struct tokens_view *v, const struct core *core,
        const struct message *m, struct surface *out)
{
    int number, n_answers, col = 1;
    char answer[48], model[160];
    find_answer(core, m->id, 0, &number, &n_answers);
    snprintf(answer, sizeof answer, "  answer %d of %d", number, n_answers);
    snprintf(model, sizeof model, "  %s", m->model);
    col += surface_printf(
            out, 0, col, ROLE_TITLE, "token %zu of %zu", v->i_token + 1, v->map.n);
    if (v->part == PART_REASONING)
        col += draw_part(out, col, ROLE_REASONING, "  reasoning");
    col += draw_part(out, col, ROLE_DIM, answer);
    draw_part(out, col, ROLE_DIM, model);
    if (m->state == MESSAGE_RUNNING)
        surface_puts_right(out, 0, out->rect.n_cols - 1, ROLE_OK, "live");
}

static void draw_text(const struct tokens_view *v, const struct message *m, struct surface *out)
{
    enum answer_part part;
    struct token_span span = find_span(v, &part);
    struct slice text = part_of(m, part);
    size_t n_rows = (size_t)out->rect.n_rows, n = v->text.n_lines;
    size_t line = tinted_text_line_of(&v->text, span.start), top = line;
    top -= top < n_rows / 2 ? top : n_rows / 2;
    if (top + n_rows > n)
        top = n > n_rows ? n - n_rows : 0;
    for (size_t i = top; i < n && i < top + n_rows; i++) {
        struct surface row =
                surface_part(out, (struct rect){(int)(i - top), 1, 1, out->rect.n_cols - 1});
        tinted_text_draw_line(
                &v->text, text, i, &row, part == PART_TEXT ? ROLE_TEXT : ROLE_REASONING);
        if (span.n)
            tinted_text_mark(&v->text, text, i, span.start, span.n, &row);
    }
}

static int draw_figure(struct surface *out, int row, const char *name, const char *text)
{
    surface_puts(out, row, 1, ROLE_DIM, name);
    surface_puts(out, row, PIECE_COL, ROLE_NUMBER, text);
    return row + 1;
}

/* A token's text, which may be longer than the room. */
static void draw_piece(struct surface *out, int row, enum role role, struct slice text)
{
    int cols, room = out->rect.n_cols - PIECE_COL - 1;
    struct slice fit = text_fit(text, room, &cols);
    if (fit.n < text.n)
        fit = text_fit(text, room - 1, &cols);
    surface_text(out, row, PIECE_COL, role, 0, fit);
    if (fit.n < text.n)
        surface_puts(out, row, PIECE_COL + cols, role, "\xE2\x80\xA6");
}

static void draw_likely(const struct app *app, const struct message *m,
        const struct token_record *r, struct surface *out, int row)
{
    struct buf text;
    bool are_known = true;
    buf_init(&text, 4096);
    if (r->n_top)
        surface_puts(out, row++, 1, ROLE_DIM, "most likely here");
    for (int i = 0; i < r->n_top && i < TOKEN_TOP_N; i++, row++) {
        bool is_chosen = r->top[i].token == r->token;
        buf_clear(&text);
        if (is_chosen)
            add_own_text(app, m, r, &text);
        else
            are_known &= add_text_of(app, m, r->top[i].token, &text);
        if (is_chosen)
            surface_puts(out, row, 1, ROLE_MATCH, "\xE2\x96\xB8");
        surface_printf(
                out, row, 2, ROLE_NUMBER, "%6.2f %%", 100 * exp((double)r->top[i].logprob));
        draw_piece(out, row, is_chosen ? ROLE_MATCH : ROLE_TEXT, buf_slice(&text));
    }
    buf_release(&text);
    struct slice rest = SLICE("load the model (send a message) to see their texts"), line;
    while (!are_known && text_wrap(&rest, out->rect.n_cols - 2, &line))
        surface_text(out, row++, 1, ROLE_DIM, 0, line);
}

static void draw_details(const struct tokens_view *v, const struct app *app,
        const struct message *m, struct surface *out)
{
    size_t i_record = v->map.tokens[v->i_token].i_record;
    const struct token_record *r = token_log_at(&m->tokens, i_record);
    double ms = v->i_token ? token_log_ms(&m->tokens, i_record) : -1; /* not of the prompt */
    double margin = token_log_margin(&m->tokens, i_record);
    char text[64];
    struct buf own;
    buf_init(&own, 4096);
    add_own_text(app, m, r, &own);
    surface_printf(out, 0, 1, ROLE_DIM, "#%d", r->token);
    draw_piece(out, 0, ROLE_MATCH, buf_slice(&own));
    buf_release(&own);
    int row = 1;
    snprintf(text, sizeof text, "%.2f %%", 100 * exp((double)r->logprob));
    row = draw_figure(out, row, "probability", text);
    snprintf(text, sizeof text, "%.2f nats", (double)r->entropy);
    row = draw_figure(out, row, "entropy", text);
    snprintf(text, sizeof text, "%.1f ms", ms);
    row = ms >= 0 ? draw_figure(out, row, "after", text) : row;
    snprintf(text, sizeof text, "%.4f (mean)", margin);
    row = margin >= 0 ? draw_figure(out, row, "gate margin", text) : row;
    draw_likely(app, m, r, out, row + (out->rect.n_rows >= DETAIL_ROWS));
}

/* The levels of a map that shows which experts this token went to. */
static uint8_t *make_levels(const struct heat_map *map, const struct token_log *log, size_t i)
{
    const struct expert_pick *picks =
            token_record_picks((struct token_record *)(uintptr_t)token_log_at(log, i));
    uint8_t *levels = mem_alloc((size_t)map->n_rows * (size_t)map->n_cols);
    int k = log->shape.k;
    for (int n = 0; n < log->shape.n_moe_layers * k; n++) {
        if (picks[n].expert >= log->shape.n_experts)
            continue; /* a damaged record */
        /* An even share, 1/k, is in the middle of the ramp. */
        float share = 2 * (float)picks[n].weight_q16 / 65535.0f * (float)k;
        int level = heat_level(heat_scale(fmaxf(share, CHOSEN_MIN)), 0);
        uint8_t *cell = &levels[heat_map_row(map, n / k) * map->n_cols +
                                heat_map_col(map, picks[n].expert)];
        *cell = level > *cell ? (uint8_t)level : *cell;
    }
    return levels;
}

static void draw_experts(
        const struct tokens_view *v, const struct message *m, struct surface *out, bool is_mono)
{
    const struct token_log *log = &m->tokens;
    struct heat_map map = heat_map_fit(log->shape.n_moe_layers, log->shape.n_experts,
            out->rect.n_rows - 1, out->rect.n_cols - EXPERT_MAP_LABEL_COLS - 1, is_mono);
    uint8_t *levels = make_levels(&map, log, v->map.tokens[v->i_token].i_record);
    expert_map_draw(&map, levels, log->shape.layers, out, 0);
    surface_puts(out, expert_map_row(&map, 0, v->layer), EXPERT_MAP_LABEL_COLS - 1, ROLE_MATCH,
            "\xE2\x96\xB8");
    mem_free(levels);
}

/* The choice of the layer under the cursor. */
static void draw_layer(
        const struct tokens_view *v, const struct message *m, struct surface *out, int row)
{
    const struct telemetry_shape *shape = &m->tokens.shape;
    struct token_record *r = (struct token_record *)(uintptr_t)token_log_at(
            &m->tokens, v->map.tokens[v->i_token].i_record);
    const struct expert_pick *picks = token_record_picks(r) + v->layer * shape->k;
    struct flow f = {.out = out, .row = row, .last_row = row, .col = 1, .gap = 1};
    flow_put(&f, ROLE_DIM, "layer %d, margin %.2g, chose", shape->layers[v->layer],
            (double)token_record_margins(r, shape)[v->layer]);
    for (int i = 0; i < shape->k; i++) {
        f.reserve = i + 1 < shape->k ? MORE_COLS : 0;
        if (flow_put(&f, ROLE_TEXT, "%u:%.2f", picks[i].expert, picks[i].weight_q16 / 65535.0))
            continue;
        f.reserve = 0;
        flow_put(&f, ROLE_DIM, "\xE2\x80\xA6 +%d", shape->k - i);
        return;
    }
}

static void draw_token(struct tokens_view *v, const struct app *app, const struct message *m,
        struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    int n_text = n_rows - 2 - DETAIL_ROWS;
    n_text = n_text > n_rows / 3 ? n_rows / 3 : n_text;
    n_text = n_text < (n_rows + 1) / 4 ? (n_rows + 1) / 4 : n_text;
    bool has_layers = m->tokens.shape.n_moe_layers > 0 && n_rows >= 10;
    bool has_map = has_layers && n_cols >= DETAIL_COLS + MAP_MIN_COLS;
    int top = 1 + n_text, n_below = n_rows - top - 1 - has_layers;
    draw_head(v, app_core(app), m, out);
    struct surface text = surface_part(out, (struct rect){1, 0, n_text, n_cols});
    draw_text(v, m, &text);
    surface_rule(out, top, ROLE_RULE, "");
    struct surface details = surface_part(
            out, (struct rect){top + 1, 0, n_below, has_map ? DETAIL_COLS : n_cols});
    draw_details(v, app, m, &details);
    struct surface map = surface_part(
            out, (struct rect){top + 1, DETAIL_COLS, n_below, n_cols - DETAIL_COLS});
    if (has_map && n_below >= 2)
        draw_experts(v, m, &map, !app_has_heat(app));
    if (has_layers)
        draw_layer(v, m, out, n_rows - 1);
}

/* Why there is nothing to step through. */
static void draw_nothing(const struct core *core, const struct message *m, struct surface *out)
{
    char text[ENDPOINT_NAME_BYTES + 100];
    if (!m)
        snprintf(text, sizeof text, "There is no answer yet.");
    else if (fleet_is_remote(&core->fleet, m->endpoint))
        snprintf(text, sizeof text,
                "%s is a remote endpoint: only a model that runs inside this program shows "
                "its tokens.",
                m->endpoint);
    else if (m->state == MESSAGE_RUNNING)
        snprintf(text, sizeof text, "No token has been generated yet.");
    else if (m->tokens.disk == TOKENS_ASKED)
        snprintf(text, sizeof text, "Reading the tokens from the disk \xE2\x80\xA6");
    else
        snprintf(text, sizeof text, "No tokens are stored with this answer.");
    struct slice rest = slice_of(text), line;
    for (int row = out->rect.n_rows > 10 ? 2 : 0; text_wrap(&rest, out->rect.n_cols - 6, &line);
            row++)
        surface_text(out, row, 3, ROLE_TEXT, 0, line);
}

static const struct message *shown_message(const struct tokens_view *v, const struct core *core)
{
    return session_find(core->session, v->message_id);
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct tokens_view *v = state;
    const struct message *m = shown_message(v, app_core(app));
    if (m)
        refresh_map(v, m);
    if (!m || v->map.n == 0) {
        draw_nothing(app_core(app), m, out);
        return;
    }
    refresh_text(v, m, out->rect.n_cols - 2);
    draw_token(v, app, m, out);
}

/* ---- moving ----------------------------------------------------------------------------- */

static void move(struct tokens_view *v, const struct message *m, long by)
{
    if (!m)
        return;
    refresh_map(v, m);
    long last = v->map.n ? (long)v->map.n - 1 : 0, at = (long)v->i_token + by;
    at = at < 0 ? 0 : at > last ? last : at;
    v->i_token = (size_t)at;
    v->is_behind = at < last;
}

static void move_layer(struct tokens_view *v, const struct message *m, int by)
{
    int n = m ? m->tokens.shape.n_moe_layers : 0, at = v->layer + by;
    v->layer = at >= n ? n - 1 : at;
    v->layer = v->layer < 0 ? 0 : v->layer;
}

static void move_answer(struct tokens_view *v, struct app *app, int by)
{
    int number, n_answers;
    const struct message *m =
            find_answer(app_core(app), v->message_id, by, &number, &n_answers);
    if (m)
        show(v, app, m->id);
}

static bool run(void *state, enum command command, struct app *app)
{
    static const struct {
        enum command command;
        long by;
    } steps[] = {{CMD_TOKEN_BEFORE, -1}, {CMD_TOKEN_AFTER, 1}, {CMD_TEN_BACK, -10},
            {CMD_TEN_ON, 10}, {CMD_TOKEN_FIRST, -(1l << 30)}, {CMD_TOKEN_LAST, 1l << 30}};
    struct tokens_view *v = state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i].command == command) {
            move(v, shown_message(v, app_core(app)), steps[i].by);
            return true;
        }
    switch (command) {
    case CMD_LAYER_UP:
    case CMD_LAYER_DOWN:
        move_layer(v, shown_message(v, app_core(app)), command == CMD_LAYER_UP ? -1 : 1);
        return true;
    case CMD_ANSWER_BEFORE:
    case CMD_ANSWER_AFTER:
        move_answer(v, app, command == CMD_ANSWER_BEFORE ? -1 : 1);
        return true;
    case CMD_BACK:
        app_open_view(app, v->from);
        return true;
    default:
        return false;
    }
}

static bool is_idle(const void *state, const struct app *app, enum command command)
{
    const struct tokens_view *v = state;
    const struct message *m = shown_message(v, app_core(app));
    switch (command) {
    case CMD_TOKEN_BEFORE:
        return !m || !m->tokens.record_bytes;
    case CMD_LAYER_UP:
        return !m || !m->tokens.shape.n_moe_layers;
    default:
        return false;
    }
}

static void release(void *state)
{
    struct tokens_view *v = state;
    token_map_release(&v->map);
    tinted_text_release(&v->text);
}

const struct view_ops view_tokens_ops = {
        .context = CTX_TOKENS,
        .state_bytes = sizeof(struct tokens_view),
        .draw = draw,
        .run = run,
        .is_idle = is_idle,
        .open = open_view,
        .release = release,
};
