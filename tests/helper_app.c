/* helper_app.c - see helper_app.h. */
#include "tests/helper_app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/model.h"

#include "router/conf.h"
#include "router/endpoint.h"

#include "tui/surface.h"

const struct core *app_core(const struct app *app)
{
    return &app->core;
}

void app_act(struct app *app, struct action *action)
{
    action->now_ms = action->now_ms ? action->now_ms : APP_NOW_MS;
    app->last_action = action->kind;
    app->last_id = action->id;
    app->n_actions++;
    app->n_loads += action->kind == ACTION_LOAD_TOKENS;
    snprintf(app->last_text, sizeof app->last_text, "%s", action->text ? action->text : "");
    core_apply(&app->core,
            &(struct event){.kind = EV_ACTION, .t_ns = app->now_ns, .u.action = action});
}

void app_open_view(struct app *app, enum view_id id)
{
    app->view = id;
    if (app->states[id] && views[id].ops->open)
        views[id].ops->open(app->states[id], app);
}

void app_open_palette(struct app *app)
{
    (void)app;
}

void app_open_help(struct app *app)
{
    (void)app;
}

void app_notice(struct app *app, enum status status, const char *fmt, ...)
{
    va_list va;
    (void)status;
    va_start(va, fmt);
    vsnprintf(app->notice, sizeof app->notice, fmt, va);
    va_end(va);
}

void app_toggle_mouse(struct app *app)
{
    (void)app;
}

void app_edit(struct app *app, struct slice text)
{
    app_notice(app, OK, "editor: %.*s", (int)text.n, text.ptr);
}

void app_run_command(struct app *app, enum command command)
{
    if (!views[app->view].ops->run(app->states[app->view], command, app))
        command_run(app, command, "");
}

void app_redraw(struct app *app)
{
    (void)app;
}

void app_wake_at(struct app *app, uint64_t t_ns)
{
    if (!app->wake_ns || t_ns < app->wake_ns)
        app->wake_ns = t_ns;
}

void app_suspend(struct app *app)
{
    (void)app;
}

void app_interrupt(struct app *app)
{
    (void)app;
}

void app_quit(struct app *app)
{
    app->must_quit = true;
}

const struct keymap *app_keymap(const struct app *app)
{
    return app->keymap;
}

const char *app_models_dir(const struct app *app)
{
    (void)app;
    return "~/.local/share/shunt/models";
}

bool app_side_pane(const struct app *app)
{
    return !app->has_no_side_pane;
}

void app_copy(struct app *app, struct slice text, const char *what)
{
    buf_clear(&app->copied);
    buf_add_slice(&app->copied, text);
    snprintf(app->copied_what, sizeof app->copied_what, "%s", what);
}

enum reasoning_mode app_reasoning(const struct app *app)
{
    return app->reasoning;
}

bool app_is_mono(const struct app *app)
{
    return app->is_mono;
}

bool app_has_heat(const struct app *app)
{
    return !app->is_mono;
}

size_t app_theme_names(const struct app *app, const char *const **out)
{
    static const char *const names[] = {"dark", "light", "mono"};
    (void)app;
    *out = names;
    return ARRAY_LEN(names);
}

void app_use_theme(struct app *app, const char *name)
{
    app_notice(app, OK, "theme %s", name);
}

uint64_t app_now_ns(const struct app *app)
{
    return app->now_ns;
}

int64_t app_now_ms(const struct app *app)
{
    (void)app;
    return APP_NOW_MS;
}

enum view_id app_view(const struct app *app)
{
    return app->view;
}

void *app_view_state(const struct app *app, enum view_id id)
{
    return app->states[id];
}

enum status app_read_conf(const struct app *app, struct conf **out, struct err *err)
{
    (void)err;
    *out = conf_parse(buf_slice(&app->conf_text), "shunt.conf");
    return OK;
}

enum status app_save_endpoints(struct app *app, struct conf *conf, struct err *err)
{
    struct endpoint_conf *endpoints;
    if (app->is_disk_full) {
        conf_free(conf);
        return err_set(err, ERR_FULL, "no space left");
    }
    buf_clear(&app->conf_text);
    conf_print(conf, &app->conf_text);
    struct action *a = action_new(ACTION_CONFIGURE);
    a->n_endpoints = endpoints_read(conf, &app->arena, &endpoints);
    a->endpoints = endpoints;
    app_act(app, a);
    conf_free(conf);
    return OK;
}

void app_look_for_models(struct app *app)
{
    app->n_looks_for_models++;
}

const struct model_info *app_model_info(const struct app *app)
{
    (void)app;
    return NULL;
}

bool app_token_text(
        const struct app *app, const struct message *answer, int32_t token, struct buf *out)
{
    (void)answer;
    return app->knows_texts && buf_printf(out, " t%d\n", token);
}

void app_fake_init(struct app *app, struct endpoint_conf *endpoints, size_t n_endpoints)
{
    const struct core_config cfg = {endpoints, n_endpoints, ZONE_EXTERNAL, 1, APP_NOW_MS};
    memset(app, 0, sizeof *app);
    setenv("TZ", "UTC", 1);
    tzset();
    core_init(&app->core, &cfg);
    app->keymap = keymap_new();
    app->now_ns = 1000000000;
    buf_init(&app->conf_text, 1 << 20);
    buf_init(&app->copied, 1 << 20);
}

void app_fake_release(struct app *app)
{
    keymap_free(app->keymap);
    core_release(&app->core);
    buf_release(&app->conf_text);
    buf_release(&app->copied);
    arena_release(&app->arena);
}

bool app_fake_key(struct app *app, enum view_id id, void *state, const struct key *key)
{
    const struct view_ops *ops = views[id].ops;
    return (ops->key_first && ops->key_first(state, key, app)) ||
           (ops->key && ops->key(state, key, app));
}

/* A cell of a screen whose border is not the view's. */
static void expect_cell(const struct screen *screen, int row, int col, const char *view)
{
    const struct cell *cell = &screen->cells[row * screen->n_cols + col];
    bool is_border =
            row == 0 || col == 0 || row == screen->n_rows - 1 || col == screen->n_cols - 1;
    const char *fault = is_border && cell->text[0] != '#' ? "drawn outside" : NULL;
    for (int k = 0; k < cell->n_bytes; k++)
        fault = cell->text[k] & 0x80 ? "not ASCII" : fault;
    if (!fault)
        return;
    fprintf(stderr, "%s: row %d, column %d is %s\n", view, row - 1, col - 1, fault);
    abort();
}

/* Every screen that any test looks at also exists in ASCII, and its view keeps to its part. */
static void expect_ascii_within(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows)
{
    struct screen screen = {.charset = CHARSET_ASCII};
    screen_resize(&screen, n_rows + 2, n_cols + 2);
    struct surface all = screen_surface(&screen);
    struct surface part = surface_part(&all, (struct rect){1, 1, n_rows, n_cols});
    surface_fill(&all, (struct rect){0, 0, n_rows + 2, n_cols + 2}, ROLE_TEXT, '#');
    surface_fill(&part, (struct rect){0, 0, n_rows, n_cols}, ROLE_TEXT, ' ');
    views[id].ops->draw(state, app, &part);
    for (int row = 0; row < screen.n_rows; row++)
        for (int col = 0; col < screen.n_cols; col++)
            expect_cell(&screen, row, col, views[id].name);
    screen_release(&screen);
}

struct screen app_fake_draw(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows)
{
    struct screen screen = {.charset = CHARSET_UTF8};
    screen_resize(&screen, n_rows, n_cols);
    struct surface all = screen_surface(&screen);
    views[id].ops->draw(state, app, &all);
    expect_ascii_within(app, id, state, n_cols, n_rows);
    return screen;
}
