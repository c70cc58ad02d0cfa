/* pane_views.c - see pane_views.h. */
#include "tui/pane_views.h"

#include "router/core.h"
#include "router/session.h"

#include "tui/pane_side.h"
#include "tui/surface.h"
#include "tui/view.h"

#define UPDATE_NS     100000000ull
#define DECISIONS_MAX 8
#define WHY_ROWS      12 /* the table that explains one, and the titles */

static int count_endpoints(const struct core *core)
{
    int n = 0;
    for (int i = 0; i < core->fleet.n_endpoints; i++)
        n += !core->fleet.endpoints[i].is_gone;
    return n;
}

static int count_decisions(const struct core *core)
{
    int n = 0;
    for (size_t i = 0; i < core->log.n; i++)
        n += session_find(core->session, core->log.entries[i]->message_id) != NULL;
    return n;
}

/* The rows a pane wants below its title, of n_rows for all; 0: there is nothing to show. */
static int experts_rows(const struct core *core, int n_rows)
{
    return core->balance ? n_rows : 0; /* what the others leave */
}

static int fleet_rows(const struct core *core, int n_rows)
{
    int n = count_endpoints(core), most = n_rows / 5;
    return n == 0 ? 0 : 1 + (n < most ? n : most);
}

static int router_rows(const struct core *core, int n_rows)
{
    int n = count_decisions(core);
    if (n == 0)
        return 0;
    return core->balance ? (n < DECISIONS_MAX ? n : DECISIONS_MAX) + WHY_ROWS
                         : n_rows - fleet_rows(core, n_rows) - SIDE_SESSION_ROWS - 3;
}

static int session_rows(const struct core *core, int n_rows)
{
    (void)n_rows;
    return core->session->n_messages ? SIDE_SESSION_ROWS : 0;
}

static const struct {
    enum view_id view; /* VIEW_COUNT: the session's figures */
    const char *title;
    int (*rows)(const struct core *core, int n_rows);
} panes[PANE_COUNT] = {
        [PANE_EXPERTS] = {VIEW_EXPERTS, "experts", experts_rows},
        [PANE_FLEET] = {VIEW_FLEET, "fleet", fleet_rows},
        [PANE_ROUTER] = {VIEW_ROUTER, "decisions", router_rows},
        [PANE_SESSION] = {VIEW_COUNT, "last answer, cost", session_rows},
};

int pane_views_cols(int n_cols)
{
    return n_cols * 52 / 100;
}

static void open_views(struct pane_views *m, struct app *app)
{
    for (int i = 0; i < PANE_VIEW_COUNT; i++) {
        const struct view_ops *ops = views[panes[i].view].ops;
        if (m->states[i])
            continue;
        m->states[i] = mem_alloc(ops->state_bytes);
        if (ops->open)
            ops->open(m->states[i], app);
    }
}

/* From the bottom up: the last ones want a certain height, the first takes what is left. */
static void draw_panes(struct pane_views *m, struct app *app, struct surface *out)
{
    int bottom = out->rect.n_rows, n_cols = out->rect.n_cols;
    for (int i = PANE_COUNT - 1; i >= 0; i--) {
        int n = panes[i].rows(app_core(app), out->rect.n_rows);
        n = n < bottom - 1 ? n : bottom - 1;
        if (n < 2)
            continue;
        bottom -= n + 1;
        struct surface pane = surface_part(out, (struct rect){bottom + 1, 0, n, n_cols});
        surface_rule(out, bottom, ROLE_RULE, panes[i].title);
        if (panes[i].view == VIEW_COUNT)
            pane_side_draw_session(app_core(app), &pane);
        else
            views[panes[i].view].ops->draw(m->states[i], app, &pane);
    }
}

static bool is_due(const struct pane_views *m, struct app *app, const struct surface *out)
{
    if (!m->shown || m->shown->n_rows != out->rect.n_rows ||
            m->shown->n_cols != out->rect.n_cols || m->shown->charset != out->charset)
        return true;
    uint64_t next_ns = m->t_shown_ns + UPDATE_NS;
    if (app_now_ns(app) < next_ns && m->version_shown != app_core(app)->version)
        app_wake_at(app, next_ns); /* the last state is shown too */
    return app_now_ns(app) >= next_ns;
}

void pane_views_draw(struct pane_views *m, struct app *app, struct surface *out)
{
    if (is_due(m, app, out)) {
        open_views(m, app);
        if (!m->shown)
            m->shown = mem_alloc(sizeof *m->shown);
        m->shown->charset = out->charset;
        screen_resize(m->shown, out->rect.n_rows, out->rect.n_cols);
        struct surface all = screen_surface(m->shown), passive = surface_passive(&all);
        draw_panes(m, app, &passive);
        m->t_shown_ns = app_now_ns(app);
        m->version_shown = app_core(app)->version;
    }
    surface_copy(out, m->shown);
}

void pane_views_release(struct pane_views *m)
{
    for (int i = 0; i < PANE_VIEW_COUNT; i++) {
        const struct view_ops *ops = views[panes[i].view].ops;
        if (m->states[i] && ops->release)
            ops->release(m->states[i]);
        mem_free(m->states[i]);
    }
    if (m->shown)
        screen_release(m->shown);
    mem_free(m->shown);
    *m = (struct pane_views){0};
}
