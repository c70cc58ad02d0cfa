/*
 * view_experts.c - which experts of the local mixture model fire: a map of layers x experts
 * that follows the answer token by token, a cursor with details, and the balance of the window
 * beside what chance would give. Levels move with hysteresis and at most ten times a second, so
 * a long answer costs few bytes. Frozen, everything is drawn from a copy. What does not fit is
 * left out as a whole, never cut inside a word; notes.c explains the words.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/model_info.h"

#include "router/balance.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/expert_map.h"
#include "tui/flow.h"
#include "tui/heat.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"
#include "tui/view_tokens.h"

#define UPDATE_NS   100000000ull
#define LABEL_COLS  EXPERT_MAP_LABEL_COLS
#define SIDE_MIN    100 /* columns from which each row gets its own figures */
#define SIDE_COLS   20
#define STRIP_BYTES 4096
#define MORE_COLS   6    /* of " … +99" */
#define CHOSEN_MIN  0.7f /* the lowest level that differs from "not chosen" */

enum map_mode { MODE_DECAYED, MODE_LAST };

/* What the newest answer is doing. */
enum activity { IDLE, WAITING, READING, LIVE };

/* Everything that is drawn and not the view's own. */
struct shown {
    const struct balance *balance;
    struct slice strip; /* the end of the answer */
    enum activity activity;
};

struct experts {
    enum map_mode mode;
    int layer, expert;      /* cursor */
    struct balance *frozen; /* what was shown when the user froze the view; NULL: it is live */
    struct buf frozen_strip;
    enum activity frozen_activity;
    uint64_t t_shown_ns, version_shown;
    struct heat_map map;
    uint8_t *levels; /* [map.n_rows][map.n_cols] */
    enum map_mode levels_mode;
    const struct balance *levels_of;
};

static struct slice end_of(struct slice text, size_t n_bytes)
{
    size_t from = text.n > n_bytes ? text.n - n_bytes : 0;
    while (from < text.n && ((unsigned char)text.ptr[from] & 0xC0) == 0x80)
        from++;
    return (struct slice){text.ptr + from, text.n - from};
}

static struct shown look(const struct experts *v, const struct core *core)
{
    const struct message *answer = session_newest_answer(core->session);
    struct shown shown = {.balance = core->balance};
    if (v->frozen)
        return (struct shown){v->frozen, buf_slice(&v->frozen_strip), v->frozen_activity};
    if (!answer || !core->balance)
        return shown;
    shown.strip =
            end_of(buf_slice(answer->text.n ? &answer->text : &answer->reasoning), STRIP_BYTES);
    if (answer->state == MESSAGE_RUNNING && !fleet_is_remote(&core->fleet, answer->endpoint))
        shown.activity = !core->balance->was_decode ? READING : shown.strip.n ? LIVE : WAITING;
    return shown;
}

static void thaw(struct experts *v)
{
    balance_free(v->frozen);
    v->frozen = NULL;
    buf_release(&v->frozen_strip);
    v->t_shown_ns = 0;
}

static void freeze(struct experts *v, const struct core *core)
{
    struct shown shown = look(v, core);
    v->frozen = balance_copy(shown.balance);
    buf_init(&v->frozen_strip, STRIP_BYTES);
    buf_add(&v->frozen_strip, shown.strip.ptr, shown.strip.n);
    v->frozen_activity = shown.activity;
    v->levels_of = v->frozen; /* the same figures: the levels go on from those shown */
    v->t_shown_ns = 0;
}

static void fit_map(
        struct experts *v, const struct balance *b, int n_rows, int n_cols, bool is_mono)
{
    struct heat_map map =
            heat_map_fit(b->shape.n_moe_layers, b->shape.n_experts, n_rows, n_cols, is_mono);
    if (v->levels && v->levels_of == b && memcmp(&map, &v->map, sizeof map) == 0)
        return;
    v->map = map;
    v->levels_of = b;
    v->t_shown_ns = 0;
    mem_free(v->levels);
    v->levels = mem_alloc((size_t)map.n_rows * (size_t)map.n_cols);
}

/* The value of one (layer, expert) on the scale of the legend. */
static float value_of(const void *view, int layer, int expert)
{
    const struct experts *v = view;
    const struct balance *b = v->levels_of;
    if (v->mode == MODE_DECAYED)
        return balance_heat(b, layer, expert);
    uint32_t k = b->shape.k;
    for (uint32_t i = 0; i < k; i++)
        if (b->last[(uint32_t)layer * k + i] == expert)
            /* Twice the share, 1/k being even: few weights exceed 8 times it. */
            return fmaxf(2 * b->last_weight[(uint32_t)layer * k + i] * (float)k, CHOSEN_MIN);
    return 0;
}

static void update_levels(struct experts *v, struct app *app)
{
    uint64_t now = app_now_ns(app), version = app_core(app)->version;
    bool is_new_mode = v->levels_mode != v->mode;
    if (v->frozen && v->t_shown_ns && !is_new_mode)
        return;
    if (v->t_shown_ns && !is_new_mode && version == v->version_shown)
        return;
    if (v->t_shown_ns && !is_new_mode && now < v->t_shown_ns + UPDATE_NS) {
        app_wake_at(app, v->t_shown_ns + UPDATE_NS); /* the last state is never left out */
        return;
    }
    for (int r = 0; r < v->map.n_rows; r++)
        for (int c = 0; c < v->map.n_cols; c++) {
            uint8_t *level = &v->levels[r * v->map.n_cols + c];
            *level = (uint8_t)heat_level(
                    heat_scale(heat_map_hottest(&v->map, r, c, value_of, v)),
                    is_new_mode ? 0 : *level);
        }
    v->levels_mode = v->mode;
    v->t_shown_ns = now;
    v->version_shown = version;
}

static void clamp_cursor(struct experts *v, const struct balance *b)
{
    int layers = b->shape.n_moe_layers, n = b->shape.n_experts;
    v->layer = v->layer < 0 ? 0 : v->layer >= layers ? layers - 1 : v->layer;
    v->expert = v->expert < 0 ? 0 : v->expert >= n ? n - 1 : v->expert;
}

/* ---- drawing ---------------------------------------------------------------------------- */

static void draw_row_figures(const struct experts *v, const struct balance *b,
        struct surface *out, int row, int col, int map_row)
{
    struct balance_stats value, null_model;
    int layer = map_row * v->map.layers_per_row;
    if (b->n_tokens == 0 || layer >= v->map.n_layers)
        return;
    balance_layer(b, layer, &value, &null_model);
    surface_printf(out, row, col, ROLE_NUMBER, "%5.1f  %4.2f", value.effective, value.gini);
}

static void draw_map(const struct experts *v, const struct balance *b, struct surface *out,
        int top, bool has_side, bool is_mono)
{
    const struct heat_map *m = &v->map;
    int per_screen_row = m->is_tall ? 1 : 2, side = LABEL_COLS + m->n_cols * m->cell_cols + 2;
    expert_map_draw(m, v->levels, b->shape.layers, out, top);
    if (has_side)
        surface_puts(out, top, side, ROLE_DIM, "  eff  gini");
    for (int r = 0; has_side && r < m->n_rows; r += per_screen_row)
        draw_row_figures(v, b, out, top + 1 + r / per_screen_row, side, r);
    if (out->is_passive)
        return;
    int cursor_row = top + 1 + heat_map_row(m, v->layer) / per_screen_row;
    int cursor_col = LABEL_COLS + heat_map_col(m, v->expert) * m->cell_cols;
    struct rect cursor = {cursor_row, cursor_col, 1, m->cell_cols};
    if (!is_mono) /* two equal colours look the same when reversed */
        surface_puts(
                out, cursor_row, cursor_col, ROLE_SELECTED, m->cell_cols == 2 ? "[]" : "+");
    surface_mark(out, cursor, ROLE_SELECTED, ATTR_REVERSE);
    surface_puts(out, cursor_row, LABEL_COLS - 1, ROLE_MATCH, "\xE2\x96\xB8");
}

/* What the colours say, by map mode, short and long; `_` is a cell of the scale. */
static const char *const legends[][2] = {[MODE_DECAYED] = {"\xC3\x97"
                                                           "0.5 ____ \xC3\x97"
                                                           "16",
                                                 "\xC3\x97 even share 0.5 ____________ 16"},
        [MODE_LAST] = {"\xC3\x97"
                       "0.25 ____ \xC3\x97"
                       "8",
                "\xC3\x97 even share 0.25 ____________ 8"}};

static void draw_legend(struct surface *out, int col, const char *legend)
{
    size_t before = strcspn(legend, "_"), n = strspn(legend + before, "_");
    surface_puts(out, 0, col, ROLE_DIM, legend);
    col += text_width((struct slice){legend, before});
    for (size_t i = 0; i < n; i++) {
        int level = (int)(i * (RAMP_LEVELS - 1) / (n - 1));
        surface_heat(out, 0, col + (int)i, RAMP_ACTIVATION, level, level);
    }
}

static const char *state_text(const struct experts *v, const struct shown *shown, int n_cols)
{
    static const char *const names[] = {[IDLE] = "",
            [WAITING] = "waiting",
            [READING] = "reading the prompt",
            [LIVE] = "live"};
    return v->frozen                                   ? "frozen"
           : shown->activity == READING && n_cols < 60 ? "reading"
                                                       : names[shown->activity];
}

/* The parts in the order in which they find room; a later text of a part replaces its first. */
static void draw_head(const struct experts *v, const struct shown *shown, struct surface *out)
{
    enum { TITLE, SHAPE, CELL, LEGEND, N_PARTS };
    const struct telemetry_shape *s = &shown->balance->shape;
    const struct heat_map *m = &v->map;
    bool is_last = v->mode == MODE_LAST, is_folded = m->layers_per_row * m->experts_per_col > 1;
    char shape[64], cell[48], cell_long[64];
    snprintf(shape, sizeof shape, "%d x %d, top %d", s->n_moe_layers, s->n_experts, s->k);
    snprintf(cell, sizeof cell, "cell: %d x %d", m->layers_per_row, m->experts_per_col);
    snprintf(cell_long, sizeof cell_long, "%s, hottest", cell);
    const struct {
        int part;
        const char *text;
    } steps[] = {{TITLE, is_last ? "last token" : "decayed"}, {LEGEND, legends[v->mode][0]},
            {CELL, is_folded ? cell : ""}, {SHAPE, shape},
            {TITLE, is_last ? "last token" : "decayed, half-life 64 tok"},
            {CELL, is_folded ? cell_long : ""}, {LEGEND, legends[v->mode][1]}};
    const char *parts[N_PARTS] = {"", "", "", ""};
    const char *state = state_text(v, shown, out->rect.n_cols);
    int widths[N_PARTS] = {0}, n_state = text_width(slice_of(state)), col = 1;
    int room = out->rect.n_cols - 3 - (n_state > 6 ? n_state : 6);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int part = steps[i].part, n = text_width(slice_of(steps[i].text));
        n += n && part != TITLE ? 2 : 0;
        room -= n - widths[part];
        if (room < 0 && i > 0)
            break;
        widths[part] = n;
        parts[part] = steps[i].text;
    }
    for (int part = 0; part < N_PARTS; part++) {
        int gap = part == TITLE ? 0 : 2;
        if (part == LEGEND && parts[part][0])
            draw_legend(out, col + gap, parts[part]);
        else
            surface_puts(out, 0, col + gap, part == TITLE ? ROLE_TITLE : ROLE_DIM, parts[part]);
        col += widths[part];
    }
    surface_puts_right(out, 0, out->rect.n_cols - 1, v->frozen ? ROLE_WARN : ROLE_OK, state);
}

/* The end of the answer, so that the eye knows which token the map shows. */
static void draw_strip(struct slice text, struct surface *out, int row)
{
    int room = out->rect.n_cols - 4;
    text = end_of(text, (size_t)(room > 0 ? room : 0) * 3);
    for (struct cluster c; text_width(text) > room && text_next_cluster(&text, &c);)
        continue;
    int col = 1;
    for (struct slice line; text.n;) { /* line breaks as spaces */
        line = slice_cut(&text, '\n');
        col += surface_text(out, row, col, ROLE_DIM, 0, line);
        if (text.ptr)
            col += surface_puts(out, row, col, ROLE_DIM, " ");
    }
}

static void draw_cursor(
        const struct experts *v, const struct shown *shown, struct surface *out, int row)
{
    static const char *const flags[] = {"colder than chance", "", "hotter than chance"};
    const struct balance *b = shown->balance;
    uint32_t k = b->shape.k, layer = (uint32_t)v->layer;
    uint32_t count = b->counts[layer * b->shape.n_experts + (uint32_t)v->expert];
    uint32_t n = b->n_tokens < b->window_tok ? (uint32_t)b->n_tokens : b->window_tok;
    int flag = balance_flag(b, v->layer, v->expert);
    bool is_answer = b->was_decode && shown->activity != WAITING;
    struct flow f = {.out = out, .row = row, .last_row = row, .col = 1, .gap = 2};
    flow_put(&f, ROLE_MATCH, "L%d E%d", b->shape.layers[layer], v->expert);
    flow_put(&f, ROLE_TEXT, "%.1f\xC3\x97", (double)balance_heat(b, v->layer, v->expert));
    f.gap = 1;
    flow_put(&f, ROLE_TEXT, "even share");
    f.gap = 2;
    if (n)
        flow_put(&f, ROLE_TEXT, "%u of %u tok", count, n);
    for (uint32_t i = 0; i < k && is_answer; i++)
        if (b->last[layer * k + i] == v->expert)
            flow_put(&f, ROLE_OK, "weight %.2f now", (double)b->last_weight[layer * k + i]);
    if (flag)
        flow_put(&f, flag > 0 ? ROLE_WARN : ROLE_DIM, "%s", flags[flag + 1]);
}

/* The experts that the layer under the cursor chose for the newest token. */
static void draw_choice(const struct experts *v, const struct shown *shown, struct surface *out,
        int row, int n_rows)
{
    const struct balance *b = shown->balance;
    uint32_t k = b->shape.k, layer = (uint32_t)v->layer;
    struct flow f = {.out = out, .row = row, .last_row = row + n_rows - 1, .col = 1, .gap = 1};
    flow_put(&f, ROLE_DIM, "layer %d%s, margin %.2g, chose", b->shape.layers[layer],
            b->was_decode ? "" : ", prompt", (double)b->last_margin[layer]);
    for (uint32_t i = 0; i < k; i++) {
        f.reserve = i + 1 < k ? MORE_COLS : 0;
        if (flow_put(&f, ROLE_TEXT, "%u:%.2f", b->last[layer * k + i],
                    (double)b->last_weight[layer * k + i]))
            continue;
        f.reserve = 0;
        flow_put(&f, ROLE_DIM, "\xE2\x80\xA6 +%u", k - i);
        return;
    }
}

/* Rows that the longest list of chosen experts takes, so that nothing jumps with each token. */
static int choice_rows(const struct balance *b, int n_cols)
{
    char widest[32];
    int n_item = snprintf(widest, sizeof widest, " %u:0.00", b->shape.n_experts - 1u);
    int n_head = (int)strlen(" layer 255, prompt, margin 0.0012, chose");
    return n_head + n_item * b->shape.k > n_cols ? 2 : 1;
}

static void draw_balance_title(const struct balance *b, struct surface *out, int row)
{
    static const char *const ends[] = {", mean of layers (chance)", " (chance)", ""};
    char title[128];
    uint32_t window = b->window_tok;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (b->n_tokens > window)
            snprintf(title, sizeof title, "balance of the newest %u of %llu generated tokens%s",
                    window, (unsigned long long)b->n_tokens, ends[i]);
        else
            snprintf(title, sizeof title, "balance of %llu generated tokens%s",
                    (unsigned long long)b->n_tokens, ends[i]);
        if (text_width(slice_of(title)) + 4 <= out->rect.n_cols)
            break;
    }
    surface_rule(out, row, ROLE_RULE, title);
}

static struct flow balance_line(struct surface *out, int row)
{
    return (struct flow){.out = out, .row = row, .col = 1, .last_row = row + 1, .gap = 3};
}

static void draw_balance(const struct balance *b, struct surface *out, int row)
{
    struct balance_stats v, null_model;
    balance_layer(b, -1, &v, &null_model);
    draw_balance_title(b, out, row);
    if (v.n_tokens == 0) {
        surface_puts(out, row + 1, 1, ROLE_DIM, "No token has been generated yet.");
        return;
    }
    struct flow f = balance_line(out, row + 1);
    flow_put(&f, ROLE_TEXT, "effective experts %.1f of %d (%.1f)", v.effective,
            b->shape.n_experts, null_model.effective);
    flow_put(&f, ROLE_TEXT, "gini %.2f (%.2f)", v.gini, null_model.gini);
    f = balance_line(out, f.row + 1);
    flow_put(&f, ROLE_TEXT, "never chosen %.1f (%.1f)", v.dead, null_model.dead);
    flow_put(&f, ROLE_TEXT, "busiest 9 %% take %.0f %% (%.0f %%)", 100 * v.top_share,
            100 * null_model.top_share);
    f = balance_line(out, f.row + 1);
    f.gap = 1;
    flow_put(&f, ROLE_TEXT, "shared with the token before");
    flow_put(&f, ROLE_TEXT, "%.2f of %d (%.2f)", v.overlap, b->shape.k, null_model.overlap);
}

/* The title and its lines, which wrap on narrow screens. */
static int balance_rows(int n_cols)
{
    return n_cols < 47 ? 7 : n_cols < 62 ? 6 : 4;
}

/* The cursor's lines from `row` on, and the end of the answer; returns the row behind them. */
static int draw_details(const struct experts *v, const struct shown *shown, bool has_strip,
        int n_choice, struct surface *out, int row)
{
    surface_rule(out, row++, ROLE_RULE, "cursor");
    draw_cursor(v, shown, out, row++);
    draw_choice(v, shown, out, row, n_choice);
    row += n_choice;
    if (has_strip)
        draw_strip(shown->strip, out, row++);
    return row;
}

/* Beside the conversation nobody moves a cursor: what it would be about is left out. */
static void draw_mixture(
        struct experts *v, struct app *app, const struct shown *shown, struct surface *out)
{
    const struct balance *b = shown->balance;
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    bool has_side = n_cols >= SIDE_MIN, is_small = n_rows < 12, has_strip = n_rows >= 18;
    bool is_mono = !app_has_heat(app), has_cursor = !out->is_passive;
    int n_details = has_cursor ? 3 + has_strip : 0;
    int n_below = is_small ? has_cursor : n_details + balance_rows(n_cols);
    int room_cols = n_cols - LABEL_COLS - (has_side ? SIDE_COLS : 1);
    int map_rows = n_rows - 2 - n_below;
    fit_map(v, b, map_rows < 1 ? 1 : map_rows, room_cols < 1 ? 1 : room_cols, is_mono);
    clamp_cursor(v, b);
    update_levels(v, app);
    draw_head(v, shown, out);
    draw_map(v, b, out, 1, has_side, is_mono);
    int row = 2 + heat_map_screen_rows(&v->map);
    int n_choice = n_rows - row > n_below ? choice_rows(b, n_cols) : 1;
    if (is_small && has_cursor)
        draw_cursor(v, shown, out, n_rows - 1);
    else if (has_cursor)
        row = draw_details(v, shown, has_strip, n_choice, out, row);
    if (!is_small)
        draw_balance(b, out, row);
}

static void draw_lines(struct surface *out, const char *const *lines, size_t n)
{
    int row = out->rect.n_rows > 10 ? 2 : 0;
    for (size_t i = 0; i < n; i++) {
        struct slice rest = slice_of(lines[i]), line;
        while (row < out->rect.n_rows && text_wrap(&rest, out->rect.n_cols - 6, &line))
            surface_text(out, row++, 3, i == 0 ? ROLE_TITLE : ROLE_TEXT, 0, line);
    }
}

static void draw_dense(const struct app *app, struct surface *out)
{
    const struct model_info *m = app_model_info(app);
    char shape[256] = "";
    if (m)
        snprintf(shape, sizeof shape,
                "%.100s: %s, %u layers of width %u, feed-forward %u, %.1f M parameters, all of "
                "them used for every token.",
                m->name, m->arch, m->n_layers, m->n_embd, m->n_ff, (double)m->n_params / 1e6);
    const char *const lines[] = {"This model is dense: it has no experts to choose from.",
            shape,
            "Mixture models (qwen3moe, olmoe, Mixtral) show here which experts each token goes to."};
    draw_lines(out, lines, ARRAY_LEN(lines));
}

static void draw_nothing(const struct core *core, struct surface *out)
{
    const struct message *answer = session_newest_answer(core->session);
    bool was_remote = answer && fleet_is_remote(&core->fleet, answer->endpoint);
    const char *const lines[] = {
            was_remote ? "The answer came from a remote endpoint."
                       : "No token has gone through a mixture model yet.",
            was_remote
                    ? "Only a model that runs inside this program shows its experts."
                    : "Send a message to a local mixture model (qwen3moe, olmoe, Mixtral) and watch "
                      "its experts here.",
    };
    draw_lines(out, lines, ARRAY_LEN(lines));
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct experts *v = state;
    const struct core *core = app_core(app);
    struct shown shown = look(v, core);
    if (shown.balance)
        draw_mixture(v, app, &shown, out);
    else if (core->is_dense)
        draw_dense(app, out);
    else
        draw_nothing(core, out);
}

static bool run(void *state, enum command command, struct app *app)
{
    struct experts at_start = *(struct experts *)state, *v = state;
    const struct core *core = app_core(app);
    const struct balance *b = look(v, core).balance;
    switch (command) {
    case CMD_LEFT:
        v->expert--;
        break;
    case CMD_RIGHT:
        v->expert++;
        break;
    case CMD_UP:
        v->layer--;
        break;
    case CMD_DOWN:
        v->layer++;
        break;
    case CMD_FAR_LEFT:
        v->expert -= 8;
        break;
    case CMD_FAR_RIGHT:
        v->expert += 8;
        break;
    case CMD_FIRST:
        v->layer = 0;
        break;
    case CMD_LAST:
        v->layer = MOE_LAYERS_MAX;
        break;
    case CMD_MAP_MODE:
        v->mode = v->mode == MODE_LAST ? MODE_DECAYED : MODE_LAST;
        break;
    case CMD_STEP:
        view_tokens_open(app, app_core(app)->session->leaf_id);
        break;
    case CMD_FREEZE:
        if (v->frozen)
            thaw(v);
        else if (b)
            freeze(v, core);
        return true;
    default:
        return false;
    }
    if (b)
        clamp_cursor(v, b);
    else
        *v = at_start; /* there is no map: nothing changes unseen */
    return true;
}

/* Without a map there is nothing to switch; tokens are only there of a local answer. */
static bool is_idle(const void *state, const struct app *app, enum command command)
{
    const struct core *core = app_core(app);
    const struct message *answer = session_newest_answer(core->session);
    switch (command) {
    case CMD_MAP_MODE:
    case CMD_FREEZE:
        return !look(state, core).balance;
    case CMD_STEP:
        return !answer || fleet_is_remote(&core->fleet, answer->endpoint);
    default:
        return false;
    }
}

static void release(void *state)
{
    struct experts *v = state;
    thaw(v);
    mem_free(v->levels);
}

const struct view_ops view_experts_ops = {
        .context = CTX_EXPERTS,
        .state_bytes = sizeof(struct experts),
        .draw = draw,
        .run = run,
        .is_idle = is_idle,
        .release = release,
};
