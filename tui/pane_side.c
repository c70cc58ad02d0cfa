/* pane_side.c - see pane_side.h. What is not known is not drawn. */
#include "tui/pane_side.h"

#include "tui/heat.h"
#include "tui/text.h"

static const struct message *newest_answer(const struct core *core)
{
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    return leaf && leaf->role == MSG_ASSISTANT ? leaf : NULL;
}

static int draw_wrapped(struct surface *out, int row, int col, enum role role, const char *text)
{
    struct slice rest = slice_of(text), line;
    while (row < out->rect.n_rows && text_wrap(&rest, out->rect.n_cols - col, &line))
        surface_text(out, row++, col, role, 0, line);
    return row;
}

static int draw_route(const struct core *core, struct surface *out, int row)
{
    const struct decision *d = &core->last_decision;
    surface_rule(out, row++, ROLE_RULE, "route");
    row = draw_wrapped(out, row, 1, ROLE_TEXT, d->reason);
    for (int i = 0; i < d->n_candidates && row + 1 < out->rect.n_rows; i++) {
        const struct candidate *c = &d->candidates[i];
        enum role role = i == d->chosen ? ROLE_OK : c->filter ? ROLE_DIM : ROLE_TEXT;
        surface_puts(out, row, 1, role,
                i == d->chosen ? "\xE2\x96\xB6"
                : c->filter    ? "\xE2\x9C\x97"
                               : "\xC2\xB7");
        surface_puts(out, row++, 3, role, core->fleet.endpoints[c->endpoint].conf->name);
        row = draw_wrapped(out, row, 3, ROLE_DIM, c->reason);
    }
    return row + 1;
}

static int draw_count(struct surface *out, int row, const char *name, uint32_t n)
{
    if (n == TOKENS_UNKNOWN)
        return row;
    surface_puts(out, row, 1, ROLE_DIM, name);
    surface_printf(out, row, 18, ROLE_NUMBER, "%8u tok", n);
    return row + 1;
}

static int draw_figures(const struct message *m, struct surface *out, int row)
{
    surface_rule(out, row++, ROLE_RULE, "answer");
    row = draw_count(out, row, "prompt", m->usage.input);
    row = draw_count(out, row, "of it from cache", m->usage.cached_input);
    row = draw_count(out, row, "answer", m->usage.output);
    row = draw_count(out, row, "of it reasoning", m->usage.reasoning);
    if (m->ttft_ms) {
        surface_puts(out, row, 1, ROLE_DIM, "first token");
        surface_printf(out, row++, 18, ROLE_NUMBER, "%8.2f s", m->ttft_ms / 1000.0);
    }
    if (m->state != MESSAGE_RUNNING && m->total_ms) {
        surface_puts(out, row, 1, ROLE_DIM, "in all");
        surface_printf(out, row++, 18, ROLE_NUMBER, "%8.2f s", m->total_ms / 1000.0);
    }
    return row + 1;
}

/* Of the hottest in a cell; 0 below the last row. */
static int level_of(const struct balance *b, const struct heat_map *map, int row, int col)
{
    float best = 0;
    for (int l = row * map->layers_per_row;
            l < (row + 1) * map->layers_per_row && l < map->n_layers; l++)
        for (int e = col * map->experts_per_col;
                e < (col + 1) * map->experts_per_col && e < map->n_experts; e++) {
            float heat = balance_heat(b, l, e);
            best = heat > best ? heat : best;
        }
    return heat_level(heat_scale(best), 0);
}

static void draw_experts(const struct balance *b, struct surface *out, int row, bool is_mono)
{
    int n_rows = out->rect.n_rows - row - 1;
    if (n_rows < 2)
        return;
    surface_rule(out, row++, ROLE_RULE, "experts");
    struct heat_map map = heat_map_fit(
            b->shape.n_moe_layers, b->shape.n_experts, n_rows, out->rect.n_cols - 2, is_mono);
    int per_screen_row = is_mono ? 1 : 2;
    for (int r = 0; r < map.n_rows; r += per_screen_row)
        for (int c = 0; c < map.n_cols; c++) {
            int top = level_of(b, &map, r, c);
            int bottom = is_mono ? top : level_of(b, &map, r + 1, c);
            surface_heat(out, row + r / per_screen_row, 1 + c, RAMP_ACTIVATION, top, bottom);
        }
}

void pane_side_draw(const struct app *app, struct surface *out)
{
    const struct core *core = app_core(app);
    const struct message *answer = newest_answer(core);
    int row = 0;
    if (core->has_decision && core->last_decision.n_candidates)
        row = draw_route(core, out, row);
    if (answer && (answer->ttft_ms || answer->usage.input != TOKENS_UNKNOWN))
        row = draw_figures(answer, out, row);
    if (core->balance)
        draw_experts(core->balance, out, row, app_is_mono(app));
}
