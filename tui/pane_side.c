/* pane_side.c - see pane_side.h. What is not known is not drawn. */
#include "tui/pane_side.h"

#include "router/balance.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/figures.h"
#include "tui/heat.h"
#include "tui/pane_why.h"
#include "tui/spark.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define FIGURE_END_COL 26 /* figures and amounts end here, their units follow */

static int draw_route(const struct core *core, struct surface *out, int row)
{
    const char *names[ENDPOINTS_MAX];
    surface_rule(out, row++, ROLE_RULE, "route");
    why_names(&core->last_decision, &core->fleet, names);
    return why_draw(&core->last_decision, names, out, row) + 1;
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

static void draw_dollars(struct surface *out, int row, const char *name, int64_t nusd)
{
    char dollars[FIGURE_BYTES];
    surface_puts(out, row, 1, ROLE_DIM, name);
    surface_puts_right(out, row, FIGURE_END_COL, ROLE_NUMBER, figure_dollars(dollars, nusd));
}

static void draw_unknown(struct surface *out, int row, const char *name)
{
    surface_puts(out, row, 1, ROLE_DIM, name);
    surface_puts_right(out, row, FIGURE_END_COL, ROLE_WARN, "unknown");
}

/* What is not known is counted beside the sum, never as nothing. */
static int draw_session_cost(const struct session *s, struct surface *out, int row)
{
    int64_t sum_nusd = 0;
    int n_unknown = 0, n_answers = 0;
    for (size_t i = 0; i < s->n_messages; i++) {
        const struct message *m = s->messages[i];
        if (m->role != MSG_ASSISTANT || m->is_copy || m->state == MESSAGE_RUNNING)
            continue;
        n_answers++;
        n_unknown += m->cost_nusd < 0;
        sum_nusd += m->cost_nusd > 0 ? m->cost_nusd : 0;
    }
    if (n_answers == 0 || n_unknown == n_answers)
        return row;
    draw_dollars(out, row, "session", sum_nusd);
    if (n_unknown)
        surface_printf(out, row, FIGURE_END_COL + 1, ROLE_WARN, "+ %d unknown", n_unknown);
    return row + 1;
}

static int draw_today(const struct budget *budget, struct surface *out, int row)
{
    char dollars[FIGURE_BYTES];
    bool is_near = (double)budget->spent_nusd >= BUDGET_WARN_SHARE * (double)budget->day_nusd;
    draw_dollars(out, row, "today", budget->spent_nusd);
    if (budget->day_nusd >= 0)
        surface_printf(out, row, FIGURE_END_COL + 1,
                budget->spent_nusd >= budget->day_nusd ? ROLE_ERROR
                : is_near                              ? ROLE_WARN
                                                       : ROLE_DIM,
                "of %s", figure_dollars(dollars, budget->day_nusd));
    return row + 1;
}

static int draw_cost(
        const struct core *core, const struct message *answer, struct surface *out, int row)
{
    bool is_over = answer && answer->state != MESSAGE_RUNNING;
    if (is_over && answer->cost_nusd >= 0)
        draw_dollars(out, row++, "answer", answer->cost_nusd);
    else if (is_over && answer->endpoint[0] && !answer->is_copy)
        draw_unknown(out, row++, "answer");
    row = draw_session_cost(core->session, out, row);
    return draw_today(&core->budget, out, row) + 1;
}

static float heat_of(const void *balance, int layer, int expert)
{
    return balance_heat(balance, layer, expert);
}

static int level_of(const struct balance *b, const struct heat_map *map, int row, int col)
{
    return heat_level(heat_scale(heat_map_hottest(map, row, col, heat_of, b)), 0);
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

/* Who answered lately: the median time to the first token with its trend, and the speed after
 * it. */
static int draw_latency(const struct fleet *fleet, struct surface *out, int row)
{
    bool has_title = false;
    int n_cols = out->rect.n_cols, spark_cols = n_cols - 27;
    for (int i = 0; i < fleet->n_endpoints && row + 1 < out->rect.n_rows; i++) {
        const struct endpoint_state *e = &fleet->endpoints[i];
        int cols;
        if (e->is_gone || e->ttft_samples_ms.n == 0)
            continue;
        if (!has_title)
            surface_rule(out, row++, ROLE_RULE, "first token, speed");
        has_title = true;
        surface_text(out, row, 1, ROLE_DIM, 0, text_fit(slice_of(e->conf->name), 9, &cols));
        surface_printf(out, row, 11, ROLE_NUMBER, "%6.2f s",
                (double)samples_quantile(&e->ttft_samples_ms, 0.5) / 1000);
        if (spark_cols > 0)
            spark_draw(out, row, 20, spark_cols, ROLE_DIM, &e->ttft_samples_ms);
        if (e->tok_per_s_samples.n)
            surface_printf(out, row, n_cols - 6, ROLE_NUMBER, "%4.0f/s",
                    (double)samples_quantile(&e->tok_per_s_samples, 0.5));
        row++;
    }
    return has_title ? row + 1 : row;
}

void pane_side_draw(const struct app *app, struct surface *out)
{
    const struct core *core = app_core(app);
    const struct message *answer = session_newest_answer(core->session);
    int row = 0;
    if (core->has_decision && core->last_decision.n_candidates)
        row = draw_route(core, out, row);
    if (answer && (answer->ttft_ms || answer->usage.input != TOKENS_UNKNOWN)) {
        surface_rule(out, row, ROLE_RULE, "answer");
        row = draw_figures(answer, out, row + 1);
    }
    if (answer || core->budget.spent_nusd || core->budget.day_nusd >= 0) {
        surface_rule(out, row, ROLE_RULE, "cost");
        row = draw_cost(core, answer, out, row + 1);
    }
    row = draw_latency(&core->fleet, out, row);
    if (core->balance)
        draw_experts(core->balance, out, row, !app_has_heat(app));
}

void pane_side_draw_session(const struct core *core, struct surface *out)
{
    const struct message *answer = session_newest_answer(core->session);
    int n_rows = out->rect.n_rows, half = out->rect.n_cols / 2;
    struct surface left = surface_part(out, (struct rect){0, 0, n_rows, half});
    struct surface right =
            surface_part(out, (struct rect){0, half, n_rows, out->rect.n_cols - half});
    if (answer)
        draw_figures(answer, &left, 0);
    draw_cost(core, answer, &right, 0);
}
