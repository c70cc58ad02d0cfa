/*
 * view_experts.c - which experts of the local mixture model fire: a map of layers x experts
 * that follows the answer token by token, a cursor with details, and the balance of the window
 * beside what chance would give. Levels move with hysteresis and at most ten times a second, so
 * a long answer costs few bytes.
 */
#include <stdio.h>
#include <string.h>

#include "engine/model.h"

#include "tui/expert_map.h"
#include "tui/text.h"
#include "tui/view.h"
#include "tui/view_stepper.h"

#define UPDATE_NS    100000000ull
#define LABEL_COLS   EXPERT_MAP_LABEL_COLS
#define SIDE_MIN     100 /* columns from which each row gets its own figures */
#define SIDE_COLS    20
#define BALANCE_ROWS 4

enum map_mode { MODE_DECAYED, MODE_LAST };

struct experts {
    enum map_mode mode;
    int layer, expert; /* cursor */
    bool is_frozen;
    uint64_t t_shown_ns, version_shown;
    struct heat_map map;
    uint8_t *levels; /* [map.n_rows][map.n_cols] */
    enum map_mode levels_mode;
    const struct balance *levels_of;
};

static void fit_map(struct experts *v, const struct balance *b, int n_rows, int n_cols)
{
    struct heat_map map =
            heat_map_fit(b->shape.n_moe_layers, b->shape.n_experts, n_rows, n_cols);
    if (v->levels && v->levels_of == b && memcmp(&map, &v->map, sizeof map) == 0)
        return;
    v->map = map;
    v->levels_of = b;
    v->t_shown_ns = 0;
    mem_free(v->levels);
    v->levels = mem_alloc((size_t)map.n_rows * (size_t)map.n_cols);
}

/* The value of one (layer, expert) as a multiple of chance. */
static float value_of(const struct experts *v, const struct balance *b, int layer, int expert)
{
    if (v->mode == MODE_DECAYED)
        return balance_heat(b, layer, expert);
    uint32_t k = b->shape.k;
    for (uint32_t i = 0; i < k; i++)
        if (b->last[(uint32_t)layer * k + i] ==
                expert) /* 1/k, an even share, is in the middle of the ramp */
            return 2 * b->last_weight[(uint32_t)layer * k + i] * (float)k;
    return 0;
}

static float hottest(const struct experts *v, const struct balance *b, int row, int col)
{
    const struct heat_map *m = &v->map;
    float best = 0;
    for (int l = row * m->layers_per_row; l < (row + 1) * m->layers_per_row && l < m->n_layers;
            l++)
        for (int e = col * m->experts_per_col;
                e < (col + 1) * m->experts_per_col && e < m->n_experts; e++) {
            float x = value_of(v, b, l, e);
            best = x > best ? x : best;
        }
    return best;
}

static void update_levels(struct experts *v, const struct app *app, const struct balance *b)
{
    uint64_t now = app_now_ns(app), version = app_core(app)->version;
    if (v->is_frozen && v->t_shown_ns)
        return;
    bool is_new_mode = v->levels_mode != v->mode;
    if (v->t_shown_ns && !is_new_mode && version == v->version_shown)
        return;
    if (v->t_shown_ns && !is_new_mode && now < v->t_shown_ns + UPDATE_NS) {
        app_wake_at((struct app *)(uintptr_t)app,
                v->t_shown_ns + UPDATE_NS); /* the last state is never left out */
        return;
    }
    for (int r = 0; r < v->map.n_rows; r++)
        for (int c = 0; c < v->map.n_cols; c++) {
            uint8_t *level = &v->levels[r * v->map.n_cols + c];
            *level = (uint8_t)heat_level(
                    heat_scale(hottest(v, b, r, c)), is_new_mode ? 0 : *level);
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
        int top, bool has_side)
{
    const struct heat_map *m = &v->map;
    int per_screen_row = m->is_tall ? 1 : 2, side = LABEL_COLS + m->n_cols * m->cell_cols + 2;
    expert_map_draw(m, v->levels, b->shape.layers, out, top);
    if (has_side)
        surface_puts(out, top, side, ROLE_DIM, "  eff  gini");
    for (int r = 0; has_side && r < m->n_rows; r += per_screen_row)
        draw_row_figures(v, b, out, top + 1 + r / per_screen_row, side, r);
    int cursor_row = top + 1 + heat_map_row(m, v->layer) / per_screen_row;
    int cursor_col = LABEL_COLS + heat_map_col(m, v->expert) * m->cell_cols;
    surface_mark(out, (struct rect){cursor_row, cursor_col, 1, m->cell_cols}, ROLE_SELECTED,
            ATTR_REVERSE);
    surface_puts(out, cursor_row, LABEL_COLS - 1, ROLE_MATCH, "\xE2\x96\xB8");
}

static const struct message *newest_answer(const struct core *core)
{
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    return leaf && leaf->role == MSG_ASSISTANT ? leaf : NULL;
}

/* What the colours say: multiples of an even share. */
static void draw_legend(struct surface *out, int col)
{
    if (col + RAMP_LEVELS + 28 > out->rect.n_cols)
        return;
    col += surface_puts(out, 0, col, ROLE_DIM, "even share \xC3\x97\xC2\xBD ");
    for (int level = 0; level < RAMP_LEVELS; level++)
        surface_heat(out, 0, col++, RAMP_ACTIVATION, level, level);
    surface_puts(out, 0, col, ROLE_DIM,
            " \xC3\x97"
            "16");
}

static void draw_head(const struct experts *v, const struct app *app, const struct balance *b,
        struct surface *out)
{
    const struct core *core = app_core(app);
    const struct message *answer = newest_answer(core);
    bool is_live = answer && answer->state == MESSAGE_RUNNING;
    int col = 1;
    col += surface_puts(out, 0, col, ROLE_TITLE,
            v->mode == MODE_LAST ? "last token" : "decayed, half-life 64 tok");
    col += surface_printf(out, 0, col, ROLE_DIM, "  %d x %d, top %d", b->shape.n_moe_layers,
            b->shape.n_experts, b->shape.k);
    if (v->map.layers_per_row > 1 || v->map.experts_per_col > 1)
        col += surface_printf(out, 0, col, ROLE_DIM, "  cell: %d x %d, hottest",
                v->map.layers_per_row, v->map.experts_per_col);
    draw_legend(out, col + 3);
    const char *state = v->is_frozen ? "frozen" : is_live ? "live" : "";
    surface_puts_right(out, 0, out->rect.n_cols - 1, v->is_frozen ? ROLE_WARN : ROLE_OK, state);
}

/* The end of the answer, so that the eye knows which token the map shows. */
static void draw_strip(const struct app *app, struct surface *out, int row)
{
    const struct message *answer = newest_answer(app_core(app));
    if (!answer)
        return;
    struct slice text = buf_slice(answer->text.n ? &answer->text : &answer->reasoning);
    int room = out->rect.n_cols - 4;
    size_t from = text.n > (size_t)room * 3 ? text.n - (size_t)room * 3 : 0;
    while (from < text.n && ((unsigned char)text.ptr[from] & 0xC0) == 0x80)
        from++;
    text = (struct slice){text.ptr + from, text.n - from};
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
        const struct experts *v, const struct balance *b, struct surface *out, int row)
{
    static const char *const flags[] = {"colder than chance", "", "hotter than chance"};
    uint32_t k = b->shape.k, layer = (uint32_t)v->layer;
    uint32_t count = b->counts[layer * b->shape.n_experts + (uint32_t)v->expert];
    uint32_t n = b->n_tokens < b->window_tok ? (uint32_t)b->n_tokens : b->window_tok;
    int flag = balance_flag(b, v->layer, v->expert), col = 1;
    col += surface_printf(
            out, row, col, ROLE_MATCH, "L%d E%d", b->shape.layers[layer], v->expert);
    col += surface_printf(out, row, col, ROLE_TEXT, "  %.1fx uniform",
            (double)balance_heat(b, v->layer, v->expert));
    if (n)
        col += surface_printf(out, row, col, ROLE_TEXT, "  %u of %u tok", count, n);
    for (uint32_t i = 0; i < k; i++)
        if (b->last[layer * k + i] == v->expert)
            col += surface_printf(out, row, col, ROLE_OK, "  weight %.2f now",
                    (double)b->last_weight[layer * k + i]);
    surface_printf(out, row, col, flag > 0 ? ROLE_WARN : ROLE_DIM, "  %s", flags[flag + 1]);
}

/* The experts that the layer under the cursor chose for the newest token. */
static void draw_choice(
        const struct experts *v, const struct balance *b, struct surface *out, int row)
{
    uint32_t k = b->shape.k, layer = (uint32_t)v->layer;
    int col = 1 +
              surface_printf(out, row, 1, ROLE_DIM, "layer %d chose ", b->shape.layers[layer]);
    for (uint32_t i = 0; i < k && col < out->rect.n_cols - 20; i++)
        col += surface_printf(out, row, col, ROLE_TEXT, "%u:%.2f ", b->last[layer * k + i],
                (double)b->last_weight[layer * k + i]);
    surface_printf(out, row, col, ROLE_DIM, " margin %.2g", (double)b->last_margin[layer]);
}

static void draw_balance(const struct balance *b, struct surface *out, int row)
{
    struct balance_stats v, null_model;
    char title[96];
    balance_layer(b, -1, &v, &null_model);
    snprintf(title, sizeof title, "balance of %u generated tokens, mean of layers (chance)",
            v.n_tokens);
    surface_rule(out, row, ROLE_RULE, title);
    if (v.n_tokens == 0) {
        surface_puts(out, row + 1, 1, ROLE_DIM, "No token has been generated yet.");
        return;
    }
    surface_printf(out, row + 1, 1, ROLE_TEXT,
            "effective experts %.1f of %d (%.1f)   gini %.2f (%.2f)", v.effective,
            b->shape.n_experts, null_model.effective, v.gini, null_model.gini);
    surface_printf(out, row + 2, 1, ROLE_TEXT,
            "never chosen %.1f (%.1f)   busiest 9 %% take %.0f %% (%.0f %%)", v.dead,
            null_model.dead, 100 * v.top_share, 100 * null_model.top_share);
    surface_printf(out, row + 3, 1, ROLE_TEXT, "shared with the token before %.2f of %d (%.2f)",
            v.overlap, b->shape.k, null_model.overlap);
}

static void draw_mixture(
        struct experts *v, const struct app *app, const struct balance *b, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    bool has_side = n_cols >= SIDE_MIN, is_small = n_rows < 12;
    int n_below = is_small ? 1 : n_rows < 18 ? 3 + BALANCE_ROWS : 4 + BALANCE_ROWS;
    int room_cols = n_cols - LABEL_COLS - (has_side ? SIDE_COLS : 1);
    int map_rows = n_rows - 2 - n_below;
    fit_map(v, b, map_rows < 1 ? 1 : map_rows, room_cols < 1 ? 1 : room_cols);
    clamp_cursor(v, b);
    update_levels(v, app, b);
    draw_head(v, app, b, out);
    draw_map(v, b, out, 1, has_side);
    int row = 2 + heat_map_screen_rows(&v->map);
    if (is_small) {
        draw_cursor(v, b, out, n_rows - 1);
        return;
    }
    surface_rule(out, row, ROLE_RULE, "cursor");
    draw_cursor(v, b, out, row + 1);
    draw_choice(v, b, out, row + 2);
    if (n_rows >= 18)
        draw_strip(app, out, row + 3);
    draw_balance(b, out, n_rows >= 18 ? row + 4 : row + 3);
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
            "Mixture models (qwen3moe, olmoe) show here which experts each token goes to."};
    draw_lines(out, lines, ARRAY_LEN(lines));
}

static void draw_nothing(const struct core *core, struct surface *out)
{
    const struct message *answer = newest_answer(core);
    int i = answer ? fleet_find(&core->fleet, answer->endpoint) : -1;
    bool is_remote = i >= 0 && core->fleet.endpoints[i].conf->kind != PROVIDER_LOCAL;
    const char *const lines[] = {
            is_remote ? "The answer came from a remote endpoint."
                      : "No token has gone through a mixture model yet.",
            is_remote ? "Only a model that runs inside this program shows its experts."
                      : "Send a message to a local mixture model (qwen3moe, olmoe) and watch "
                        "its experts here.",
    };
    draw_lines(out, lines, ARRAY_LEN(lines));
}

static void draw(void *state, const struct app *app, struct surface *out)
{
    struct experts *v = state;
    const struct core *core = app_core(app);
    if (core->balance)
        draw_mixture(v, app, core->balance, out);
    else if (core->is_dense)
        draw_dense(app, out);
    else
        draw_nothing(core, out);
}

static bool run(void *state, enum command command, struct app *app)
{
    struct experts *v = state;
    const struct balance *b = app_core(app)->balance;
    int per_row = v->map.layers_per_row ? v->map.layers_per_row : 1;
    int per_col = v->map.experts_per_col ? v->map.experts_per_col : 1;
    switch (command) {
    case CMD_LEFT:
        v->expert -= per_col;
        break;
    case CMD_RIGHT:
        v->expert += per_col;
        break;
    case CMD_UP:
        v->layer -= per_row;
        break;
    case CMD_DOWN:
        v->layer += per_row;
        break;
    case CMD_FAR_LEFT:
        v->expert -= 8 * per_col;
        break;
    case CMD_FAR_RIGHT:
        v->expert += 8 * per_col;
        break;
    case CMD_FIRST:
        v->layer = 0;
        break;
    case CMD_LAST:
        v->layer = b ? b->shape.n_moe_layers : 0;
        break;
    case CMD_MAP_MODE:
        v->mode = v->mode == MODE_DECAYED ? MODE_LAST : MODE_DECAYED;
        break;
    case CMD_STEP:
        view_stepper_open(app, app_core(app)->session->leaf_id);
        break;
    case CMD_FREEZE:
        v->is_frozen = !v->is_frozen;
        break;
    default:
        return false;
    }
    if (b)
        clamp_cursor(v, b);
    return true;
}

static void release(void *state)
{
    mem_free(((struct experts *)state)->levels);
}

const struct view_ops view_experts_ops = {
        .context = CTX_EXPERTS,
        .state_bytes = sizeof(struct experts),
        .draw = draw,
        .run = run,
        .release = release,
};
