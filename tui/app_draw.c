/*
 * app_draw.c - the screen around the views, and when it is drawn: what is dirty at most thirty
 * times a second, a key at once.
 */
#include "router/core.h"

#include "tui/app_internal.h"
#include "tui/endpoint_mark.h"
#include "tui/hint_bar.h"
#include "tui/tab_bar.h"
#include "tui/term.h"

#define FRAME_NS   33000000ull
#define DRAW_SHARE 4 /* drawing takes at most one part in so many, whatever it draws */

/* Time alone changes an endpoint's mark: one look then, and none before. */
static void wake_for_marks(struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        uint64_t until_ns = endpoint_mark_until_ns(&fleet->endpoints[i], app->now_ns);
        if (until_ns)
            app_wake_at(app, until_ns);
    }
}

static void draw_body(struct app *app, struct surface *out)
{
    if (app->help_is_open)
        help_draw(&app->help, app, out);
    else
        views[app->view].ops->draw(app->states[app->view], app, out);
    if (app->palette.is_open)
        palette_draw(&app->palette, app, out);
}

enum context app_context(const struct app *app)
{
    const struct view_ops *ops = views[app->view].ops;
    if (app->palette.is_open)
        return CTX_GLOBAL;
    if (app->help_is_open)
        return CTX_HELP;
    return ops->context_of ? ops->context_of(app->states[app->view], app) : ops->context;
}

/* Tabs, body, hints, status; on a very small screen only the body, and the status line if there
 * is something to say. */
static void draw(struct app *app)
{
    struct surface all = screen_surface(&app->screen);
    int n_rows = all.rect.n_rows, n_cols = all.rect.n_cols;
    bool is_small = n_rows < 8 || n_cols < 30;
    const struct core *core = app_core(app);
    int n_status =
            n_rows > 2 ? status_line_rows(&app->status, core, app->now_ns, n_rows, n_cols) : 0;
    int top = is_small ? 0 : 1, bottom = n_rows - n_status - (is_small ? 0 : 1);
    app->body_row = top;
    struct surface body = surface_part(&all, (struct rect){top, 0, bottom - top, n_cols});
    struct surface status =
            surface_part(&all, (struct rect){n_rows - n_status, 0, n_status, n_cols});
    draw_body(app, &body);
    uint64_t until_ns = status_line_draw(&app->status, core, app->now_ns, &status);
    if (until_ns)
        app_wake_at(app, until_ns);
    wake_for_marks(app);
    if (is_small)
        return;
    tab_bar_draw(app, app->help_is_open, &all);
    if (app->pending.code) {
        hint_bar_draw_sequence(app, app_context(app), &app->pending, &all, bottom);
        return;
    }
    const struct view_ops *ops = views[app->view].ops;
    const struct view_hint *own = app->palette.is_open ? palette_hints
                                  : app->help_is_open || !ops->hints
                                          ? NULL
                                          : ops->hints(app->states[app->view], app);
    hint_bar_draw(app, app_context(app), own, &all, bottom);
}

/* A line of ten megabytes takes long to draw: then frames are rarer, so that what comes is
 * taken in between. Keys do not wait for it. */
uint64_t app_next_frame_ns(const struct app *app)
{
    uint64_t wait_ns = app->draw_ns * DRAW_SHARE;
    return app->frame_ns + (wait_ns > FRAME_NS ? wait_ns : FRAME_NS);
}

void app_show(struct app *app)
{
    bool must_wake = app->wake_ns && app->now_ns >= app->wake_ns;
    bool has_news = must_wake || app_core(app)->version != app->version_shown;
    bool is_due = app->is_dirty || (has_news && app->now_ns >= app_next_frame_ns(app));
    if (!is_due || term_wants_write(app->term) || app_waits_for_look(app))
        return;
    uint64_t version = app_core(app)->version;
    app->wake_ns = must_wake ? 0 : app->wake_ns;
    draw(app);
    term_show(app->term, &app->screen);
    app->version_shown = version;
    app->frame_ns = app->now_ns;
    app->draw_ns = clock_now_ns() - app->now_ns;
    app->is_dirty = false;
}
