/* app_offer.c - what the app offers to views and command handlers: view.h. */
#include <string.h>

#include "engine/engine.h"

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/hub.h"
#include "router/session.h"

#include "tui/app_internal.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/term.h"
#include "tui/view.h"
#include "tui/view_chat.h"

#define QUIT_NS 1500000000ull

const struct core *app_core(const struct app *app)
{
    return hub_core(app->hub);
}

void app_act(struct app *app, struct action *action)
{
    action->now_ms = app->now_ms;
    hub_act(app->hub, action);
    app->is_dirty = true;
}

uint64_t app_now_ns(const struct app *app)
{
    return app->now_ns;
}

int64_t app_now_ms(const struct app *app)
{
    return app->now_ms;
}

enum view_id app_view(const struct app *app)
{
    return app->view;
}

void *app_view_state(const struct app *app, enum view_id id)
{
    return app->states[id];
}

const struct keymap *app_keymap(const struct app *app)
{
    return app->keymap;
}

const char *app_models_dir(const struct app *app)
{
    return app->config->models_dir;
}

bool app_side_pane(const struct app *app)
{
    return app->config->side_pane;
}

enum reasoning_mode app_reasoning(const struct app *app)
{
    return app->config->reasoning;
}

void app_copy(struct app *app, struct slice text, const char *what)
{
    struct buf escape;
    struct err told;
    buf_init(&escape, 8 * OSC52_MAX_BYTES);
    clipboard_copy(&app->config->clipboard, text, what, &escape, &told);
    term_send(app->term, buf_slice(&escape));
    app_notice(app, told.status, "%s", told.text);
    buf_release(&escape);
}

bool app_is_mono(const struct app *app)
{
    return term_is_mono(app->term);
}

bool app_has_heat(const struct app *app)
{
    return term_has_heat(app->term) && app->screen.charset == CHARSET_UTF8;
}

void app_open_view(struct app *app, enum view_id id)
{
    app->help_is_open = app->palette.is_open = false;
    if (app->view != id)
        status_line_pass(&app->status, app->now_ns);
    app->view = id;
    app->is_dirty = true;
    if (views[id].ops->open)
        views[id].ops->open(app->states[id], app);
}

void app_open_help(struct app *app)
{
    app->help = (struct help){.context = views[app->view].ops->context, .at = app_context(app)};
    app->help_is_open = !app->help_is_open;
    app->is_dirty = true;
}

void app_open_palette(struct app *app)
{
    palette_toggle(&app->palette, app);
    app->is_dirty = true;
}

void app_notice(struct app *app, enum status status, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    status_line_say(&app->status, status, app->now_ns, fmt, va);
    va_end(va);
    app->is_dirty = true;
}

void app_toggle_mouse(struct app *app)
{
    const char *keys = keymap_keys_of(app->keymap, CTX_GLOBAL, CMD_MOUSE);
    app->has_mouse = !app->has_mouse;
    term_set_mouse(app->term, app->has_mouse);
    app_notice(app, OK,
            app->has_mouse ? "the mouse scrolls, opens and selects here; %s gives it back to "
                             "the terminal"
                           : "the mouse is the terminal's again; %s takes it",
            keys ? keys : "/mouse");
}

void app_edit(struct app *app, struct slice text)
{
    struct err err;
    term_give(app->term);
    if (external_editor_start(
                &app->editor, app->config->editor, app->config->temp_dir, text, &err) == OK)
        return;
    term_take(app->term);
    app_notice(app, err.status, "%s", err.text);
}

void app_redraw(struct app *app)
{
    term_repaint(app->term);
    app->is_dirty = true;
}

void app_wake_at(struct app *app, uint64_t t_ns)
{
    if (!app->wake_ns || t_ns < app->wake_ns)
        app->wake_ns = t_ns;
}

void app_suspend(struct app *app)
{
    term_suspend(app->term);
    app->is_dirty = true;
}

/* What is only in memory is not thrown away by one key. */
void app_quit(struct app *app)
{
    bool was_told =
            app->unsaved_told_ns && app->now_ns < app->unsaved_told_ns + STATUS_NOTICE_NS;
    if (app_core(app)->n_unsaved && !was_told) {
        app->unsaved_told_ns = app->now_ns;
        app_notice(app, ERR_FULL,
                "not everything is saved: /export FILE writes it elsewhere; quit again to "
                "lose it");
        return;
    }
    app->must_quit = true;
}

void app_interrupt(struct app *app)
{
    const struct core *core = app_core(app);
    if (core_run_of(core, core->session->leaf_id)) {
        command_run(app, CMD_STOP, "");
        return;
    }
    if (app->view == VIEW_CHAT && view_chat_clear_input(app->states[VIEW_CHAT], app))
        return;
    if (app->quit_armed_ns && app->now_ns < app->quit_armed_ns + QUIT_NS) {
        app_quit(app);
        return;
    }
    app->quit_armed_ns = app->now_ns;
    const char *keys = keymap_keys_of(app->keymap, CTX_GLOBAL, CMD_INTERRUPT);
    app_notice(app, OK, "%s again quits", keys ? keys : "The same key");
    app->status.own_until_ns = app->now_ns + QUIT_NS;
}

const struct model_info *app_model_info(const struct app *app)
{
    const struct core *core = app_core(app);
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        const struct engine *engine = hub_engine(app->hub, i);
        if (engine && engine_state(engine) == ENGINE_READY)
            return engine_info(engine);
    }
    return NULL;
}

enum status app_read_conf(const struct app *app, struct conf **out, struct err *err)
{
    return config_read_file(app->config, out, err);
}

static void configure(struct app *app)
{
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = app->config->endpoints;
    a->n_endpoints = app->config->n_endpoints;
    app_act(app, a);
}

enum status app_save_endpoints(struct app *app, struct conf *conf, struct err *err)
{
    enum status status = config_save_endpoints(app->config, conf, err);
    conf_free(conf);
    if (status == OK)
        configure(app);
    return status;
}

void app_scan_models(struct app *app)
{
    struct action *a = action_new(ACTION_LIST_MODELS);
    app_act(app, a);
}

void app_look_for_models(struct app *app)
{
    if (config_look_for_models(app->config))
        configure(app);
}

static bool is_of(const struct engine *engine, const char *path, const struct message *answer)
{
    return engine && engine_state(engine) == ENGINE_READY &&
           memcmp(engine_shape(engine), &answer->tokens.shape, sizeof answer->tokens.shape) ==
                   0 &&
           (!path || strcmp(path_name(path), answer->model) == 0);
}

bool app_token_text(
        const struct app *app, const struct message *answer, int32_t token, struct buf *out)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    int i = fleet_find(fleet, answer->endpoint);
    const struct engine *engine = i >= 0 ? hub_engine(app->hub, i) : NULL;
    return engine && is_of(engine, fleet->endpoints[i].conf->model, answer) &&
           engine_token_text(engine, token, out);
}
