/* app_input.c - who gets a key: the mouse, the palette, the view, or a command bound to it. */
#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/app_internal.h"
#include "tui/keys.h"
#include "tui/tab_bar.h"
#include "tui/term.h"

#define SESSION_WAIT_NS                                                                        \
    500000000ull /* for the session of the last time: a slow disk holds nobody up longer */
#define WHEEL_ROWS  3
#define INPUT_BYTES 65536
#define READS_MAX   16 /* in one turn of the loop: what comes without end does not hold it */
#define KEYS_NS     20000000ull /* … nor what is read: the rest is for the next turn */

void app_run_command(struct app *app, enum command command)
{
    app->is_dirty = true;
    if (command != CMD_INTERRUPT && command != CMD_QUIT && command != CMD_QUIT_EMPTY)
        app->quit_armed_ns = 0;
    if (app->help_is_open) {
        if (help_run(&app->help, command))
            return;
        if (command == CMD_BACK || command == CMD_HELP) {
            app->help_is_open = false;
            return;
        }
    } else if (views[app->view].ops->run(app->states[app->view], command, app)) {
        return;
    }
    command_run(app, command, "");
}

/* Where bindings are looked for next; those of CTX_GLOBAL hold in all. */
static const enum context behind[CTX_COUNT] = {
        [CTX_TRANSCRIPT] = CTX_CHAT, [CTX_CHAT] = CTX_INPUT};

static bool find_command(struct app *app, enum context context, const struct key *key)
{
    enum command command;
    struct key pending = app->pending;
    enum keymap_result result = keymap_find(app->keymap, context, &pending, key, &command);
    if (result == KEYMAP_UNBOUND)
        return false;
    app->pending = pending;
    if (result == KEYMAP_BOUND)
        app_run_command(app, command);
    return true;
}

static void scroll_by_wheel(struct app *app, int n_rows)
{
    const struct view_ops *ops = views[app->view].ops;
    const struct key step = {.code = n_rows < 0 ? KEY_UP : KEY_DOWN};
    for (int i = 0; i < WHEEL_ROWS && app->palette.is_open; i++)
        palette_key(&app->palette, &step, app);
    if (app->palette.is_open)
        return;
    if (!app->help_is_open && ops->wheel) {
        ops->wheel(app->states[app->view], n_rows, app);
        return;
    }
    for (int i = 0; i < WHEEL_ROWS; i++)
        app_run_command(app, n_rows < 0 ? CMD_UP : CMD_DOWN);
}

static void click(struct app *app, const struct key *key)
{
    const struct view_ops *ops = views[app->view].ops;
    bool has_tabs = app->body_row > 0;
    enum view_id tab = tab_bar_find(app, app->help_is_open, app->screen.n_cols, key->col);
    if (app->palette.is_open)
        return; /* what is below it is not what was meant */
    if (has_tabs && key->row == 0 && tab < VIEW_COUNT)
        app_open_view(app, tab);
    else if (key->row >= app->body_row && !app->help_is_open && ops->click)
        ops->click(app->states[app->view], key->row - app->body_row, app);
}

/* True: it was one of the mouse. */
static bool take_mouse(struct app *app, const struct key *key)
{
    if (key->code < KEY_CLICK || key->code > KEY_WHEEL_DOWN)
        return false;
    if (app->has_mouse && key->code == KEY_CLICK)
        click(app, key);
    else if (app->has_mouse)
        scroll_by_wheel(app, key->code == KEY_WHEEL_UP ? -WHEEL_ROWS : WHEEL_ROWS);
    return true;
}

/* Somebody can answer now who was missing: with what the words wait for. */
static void tell_found(struct app *app)
{
    const struct core *core = app_core(app);
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    bool has_draft = core->session->draft.n > 0,
         can_go_on = leaf && leaf->state == MESSAGE_FAILED;
    const char *keys =
            keymap_keys_of(app->keymap, CTX_CHAT, has_draft ? CMD_SEND : CMD_CONTINUE);
    int i = 0;
    while (core->fleet.endpoints[i].fault[0] || !core->fleet.endpoints[i].conf->enabled ||
            endpoint_is_pilot(core->fleet.endpoints[i].conf))
        i++;
    if (keys && (has_draft || can_go_on))
        app_notice(app, OK, "%s was found: %s %s", core->fleet.endpoints[i].conf->name, keys,
                has_draft ? "sends the message" : "asks again");
    else
        app_notice(app, OK, "%s was found", core->fleet.endpoints[i].conf->name);
}

/* A model may have been put there or mended since. */
static void look_for_somebody(struct app *app, const struct key *key)
{
    bool has_nobody = fleet_has_nobody(&app_core(app)->fleet);
    if (key->code == KEY_FOCUS_IN || has_nobody)
        app_look_for_models(app);
    if (has_nobody && !fleet_has_nobody(&app_core(app)->fleet))
        tell_found(app);
    if (has_nobody)
        app_scan_models(app);
}

static void take_key(struct app *app, const struct key *key)
{
    const struct view_ops *ops = views[app->view].ops;
    enum context context = app_context(app);
    bool is_typing = !app->help_is_open && !app->palette.is_open;
    if (key->code == KEY_BACKGROUND) {
        app_take_background(app, key->text);
        return;
    }
    app->is_dirty = true;
    status_line_read(&app->status, app->now_ns);
    look_for_somebody(app, key);
    if (key->code == KEY_FOCUS_IN || key->code == KEY_FOCUS_OUT || take_mouse(app, key))
        return;
    if (app->palette.is_open && !app->pending.code && palette_key(&app->palette, key, app))
        return;
    if (app->help_is_open && !app->pending.code && help_key(&app->help, key))
        return;
    if (is_typing && ops->key_first && !app->pending.code &&
            ops->key_first(app->states[app->view], key, app))
        return;
    do {
        if (find_command(app, context, key))
            return;
        context = behind[context];
    } while (context != CTX_GLOBAL);
    bool was_sequence = app->pending.code != 0;
    app->pending = (struct key){0};
    app->quit_armed_ns = 0;
    if (is_typing && !was_sequence && ops->key)
        ops->key(app->states[app->view], key, app);
}

void app_read_input(struct app *app)
{
    static char bytes[INPUT_BYTES];
    ssize_t n = 0;
    for (int i = 0; i < READS_MAX && (n = term_read(app->term, bytes, sizeof bytes)) > 0; i++)
        vtin_feed(app->in, bytes, (size_t)n, app->now_ns);
    if (n < 0)
        app->must_quit = true;
}

/* What is typed ahead belongs to the session that is about to come: its draft would replace it.
 */
static bool waits_for_session(struct app *app)
{
    if (app->has_session)
        return false;
    app->has_session =
            !app_core(app)->is_loading || app->now_ns > app->started_ns + SESSION_WAIT_NS;
    if (!app->has_session)
        app_wake_at(app, app->started_ns + SESSION_WAIT_NS);
    return !app->has_session;
}

void app_take_keys(struct app *app)
{
    struct key key;
    if (waits_for_session(app)) {
        if (vtin_take_background(app->in, &key))
            app_take_background(app, key.text);
        return;
    }
    uint64_t end_ns = clock_now_ns() + KEYS_NS;
    while (!app->must_quit && !app->editor.pid && vtin_next(app->in, &key, app->now_ns)) {
        take_key(app, &key);
        if (clock_now_ns() >= end_ns)
            return;
    }
}
