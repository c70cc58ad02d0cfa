/*
 * app.c - see app.h. The loop sleeps in poll; what is dirty is drawn at most thirty times a
 * second, a key at once. It has no timer of its own: deadlines come from the core, the input
 * parser, an armed quit and views that asked to be drawn again.
 */
#include "tui/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/model.h"

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/hub.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/editor.h"
#include "tui/endpoint_mark.h"
#include "tui/external_editor.h"
#include "tui/hint_bar.h"
#include "tui/keys.h"
#include "tui/look.h"
#include "tui/palette.h"
#include "tui/status_line.h"
#include "tui/surface.h"
#include "tui/tab_bar.h"
#include "tui/term.h"
#include "tui/text.h"
#include "tui/view.h"
#include "tui/view_chat.h"
#include "tui/view_help.h"

#define FRAME_NS   33000000ull
#define DRAW_SHARE 4 /* drawing takes at most one part in so many, whatever it draws */
#define QUIT_NS    1500000000ull
#define SESSION_WAIT_NS                                                                        \
    500000000ull /* for the session of the last time: a slow disk holds nobody up longer */
#define LOOK_WAIT_NS                                                                           \
    15000000ull /* for what decides the theme: a first frame in the wrong one would flash */
#define WHEEL_ROWS  3
#define STEP_NS     2000000ull
#define INPUT_BYTES 65536

struct app {
    struct hub *hub;
    struct term *term;
    struct vtin *in;
    struct keymap *keymap;
    struct config *config;
    struct look look;
    struct screen screen;
    void *states[VIEW_COUNT];
    enum view_id view;
    struct external_editor editor; /* has the terminal while it runs */
    struct help help;
    bool help_is_open;
    struct palette palette; /* over all of it */
    struct key pending;     /* first key of a sequence */
    uint64_t now_ns, frame_ns, draw_ns, version_shown, quit_armed_ns, unsaved_told_ns, wake_ns;
    uint64_t started_ns;
    int body_row; /* of the screen, where the view begins */
    bool is_dirty, must_quit, has_session, has_theme, has_look, has_mouse;
    int signal_pipe[2];
    struct status_line status;
    int exit_code;
};

static int signal_fd = -1; /* the handlers' end */

static void on_signal(int signum)
{
    int e = errno;
    unsigned char byte = (unsigned char)signum;
    ssize_t n = write(signal_fd, &byte, 1);
    (void)n;
    errno = e;
}

/* ---- what views are offered ------------------------------------------------------------- */

const struct core *app_core(const struct app *app)
{
    return hub_core(app->hub);
}

void app_act(struct app *app, struct action *action)
{
    hub_act(app->hub, action);
    app->is_dirty = true;
}

uint64_t app_now_ns(const struct app *app)
{
    return app->now_ns;
}

int64_t app_now_ms(const struct app *app)
{
    (void)app;
    return clock_unix_ms();
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

/* ---- the theme -------------------------------------------------------------------------- */

static void ask_background(struct app *app)
{
    vtin_expect_background(app->in, clock_now_ns());
    term_ask_background(app->term);
}

static void use_look(struct app *app)
{
    struct slice rest = buf_slice(&app->look.problems), first = slice_cut(&rest, '\n');
    term_set_theme(app->term, &app->look.theme);
    app->is_dirty = true;
    if (first.n)
        app_notice(app, ERR_CONFIG, "%.*s%s", (int)first.n, first.ptr,
                rest.n ? " (`shunt doctor` shows all)" : "");
}

size_t app_theme_names(const struct app *app, const char *const **out)
{
    *out = app->look.names;
    return app->look.n_names;
}

void app_use_theme(struct app *app, const char *name)
{
    if (!name[0]) {
        app_notice(app, OK,
                "the theme is %s; /theme NAME takes another, `shunt themes` lists them",
                look_name(&app->look));
        return;
    }
    if (!look_pick(&app->look, name)) {
        app_notice(app, ERR_USAGE, "there is no theme \"%s\"; `shunt themes` lists them", name);
        return;
    }
    struct action *a = action_new(ACTION_PICK_THEME);
    char kept[LOOK_PICK_BYTES];
    look_print_pick(&app->look, kept, sizeof kept);
    a->text = mem_strdup(kept);
    app_act(app, a);
    app_notice(app, OK, "the theme is %s", name);
    use_look(app);
    if (look_is_auto(&app->look))
        ask_background(app);
}

static void take_background(struct app *app, struct slice answer)
{
    term_background_came(app->term);
    if (look_take_background(&app->look, answer))
        use_look(app);
}

static void restore_theme(struct app *app)
{
    if (app->has_theme || !app_core(app)->is_theme_known)
        return;
    app->has_theme = true;
    if (look_restore_pick(&app->look, app_core(app)->theme))
        use_look(app);
}

/* The first frame waits for the theme that was picked last time and for the terminal's
 * background; what comes later changes the theme then. */
static bool waits_for_look(struct app *app)
{
    uint64_t until_ns = app->started_ns + LOOK_WAIT_NS;
    bool is_known = app->has_theme && (!look_is_auto(&app->look) || app->look.background);
    app->has_look |= is_known || app->now_ns >= until_ns;
    if (!app->has_look)
        app_wake_at(app, until_ns);
    return !app->has_look;
}

void app_open_view(struct app *app, enum view_id id)
{
    app->help_is_open = app->palette.is_open = false;
    app->view = id;
    app->is_dirty = true;
    if (views[id].ops->open)
        views[id].ops->open(app->states[id], app);
}

void app_open_help(struct app *app)
{
    app->help = (struct help){.context = views[app->view].ops->context};
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
    status_line_say(&app->status, status, app->now_ns, STATUS_NOTICE_NS, fmt, va);
    va_end(va);
    app->is_dirty = true;
}

void app_toggle_mouse(struct app *app)
{
    const char *keys = keymap_keys_of(app->keymap, CTX_GLOBAL, CMD_MOUSE);
    app->has_mouse = !app->has_mouse;
    term_set_mouse(app->term, app->has_mouse);
    app_notice(app, OK,
            app->has_mouse
                    ? "the mouse scrolls, opens and selects here; %s gives it back to the "
                      "terminal"
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
                "not everything is saved: /export FILE writes it elsewhere; quit again to lose "
                "it");
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

enum status app_save_endpoints(struct app *app, struct conf *conf, struct err *err)
{
    enum status status = config_save_endpoints(app->config, conf, err);
    conf_free(conf);
    if (status != OK)
        return status;
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = app->config->endpoints;
    a->n_endpoints = app->config->n_endpoints;
    a->now_ms = app_now_ms(app);
    app_act(app, a);
    return OK;
}

static bool is_of(const struct engine *engine, const char *path, const struct message *answer)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return engine && engine_state(engine) == ENGINE_READY &&
           memcmp(engine_shape(engine), &answer->tokens.shape, sizeof answer->tokens.shape) ==
                   0 &&
           (!path || strcmp(slash ? slash + 1 : path, answer->model) == 0);
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

/* ---- drawing ---------------------------------------------------------------------------- */

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

static enum context context_of(const struct app *app)
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
    const struct view_ops *ops = views[app->view].ops;
    const struct view_hint *own = app->palette.is_open ? palette_hints
                                  : app->help_is_open || !ops->hints
                                          ? NULL
                                          : ops->hints(app->states[app->view], app);
    hint_bar_draw(app, context_of(app), own, &all, bottom);
}

/* A line of ten megabytes takes long to draw: then frames are rarer, so that what comes is
 * taken in between. Keys do not wait for it. */
static uint64_t next_frame_ns(const struct app *app)
{
    uint64_t wait_ns = app->draw_ns * DRAW_SHARE;
    return app->frame_ns + (wait_ns > FRAME_NS ? wait_ns : FRAME_NS);
}

static void show(struct app *app)
{
    bool must_wake = app->wake_ns && app->now_ns >= app->wake_ns;
    bool has_news = must_wake || app_core(app)->version != app->version_shown;
    bool is_due = app->is_dirty || (has_news && app->now_ns >= next_frame_ns(app));
    if (!is_due || term_wants_write(app->term) || waits_for_look(app))
        return;
    uint64_t version = app_core(app)->version;
    app->wake_ns = must_wake ? 0 : app->wake_ns;
    draw(app);
    if (!term_show(app->term, &app->screen))
        return;
    app->version_shown = version;
    app->frame_ns = app->now_ns;
    app->draw_ns = clock_now_ns() - app->now_ns;
    app->is_dirty = false;
}

/* ---- input ------------------------------------------------------------------------------ */

static void run_command(struct app *app, enum command command)
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
        run_command(app, command);
    return true;
}

static void scroll_by_wheel(struct app *app, int n_rows)
{
    const struct view_ops *ops = views[app->view].ops;
    if (!app->help_is_open && ops->wheel) {
        ops->wheel(app->states[app->view], n_rows, app);
        return;
    }
    for (int i = 0; i < WHEEL_ROWS; i++)
        run_command(app, n_rows < 0 ? CMD_UP : CMD_DOWN);
}

static void click(struct app *app, const struct key *key)
{
    const struct view_ops *ops = views[app->view].ops;
    bool has_tabs = app->body_row > 0;
    enum view_id tab = tab_bar_find(app->screen.n_cols, key->col);
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

static void take_key(struct app *app, const struct key *key)
{
    const struct view_ops *ops = views[app->view].ops;
    enum context context = context_of(app);
    bool is_typing = !app->help_is_open && !app->palette.is_open;
    if (key->code == KEY_BACKGROUND) {
        take_background(app, key->text);
        return;
    }
    app->is_dirty = true;
    status_line_read(&app->status, app->now_ns);
    if (key->code == KEY_FOCUS_IN || key->code == KEY_FOCUS_OUT || take_mouse(app, key))
        return;
    if (app->palette.is_open && !app->pending.code && palette_key(&app->palette, key, app))
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

static void read_input(struct app *app)
{
    static char bytes[INPUT_BYTES];
    ssize_t n;
    while ((n = term_read(app->term, bytes, sizeof bytes)) > 0)
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

static void take_keys(struct app *app)
{
    struct key key;
    if (waits_for_session(app)) {
        if (vtin_take_background(app->in, &key))
            take_background(app, key.text);
        return;
    }
    while (!app->must_quit && !app->editor.pid && vtin_next(app->in, &key, app->now_ns))
        take_key(app, &key);
}

static void resize(struct app *app)
{
    int n_rows, n_cols;
    term_check_size(app->term, &n_rows, &n_cols);
    screen_resize(&app->screen, n_rows, n_cols);
    term_repaint(app->term);
    app->is_dirty = true;
}

/* The terminal comes back, whatever became of the editor. */
static void look_at_editor(struct app *app)
{
    struct buf text;
    struct err err;
    enum status status;
    if (!external_editor_has_ended(&app->editor, EDITOR_MAX_BYTES, &text, &status, &err))
        return;
    term_take(app->term);
    resize(app);
    if (status != OK) {
        app_notice(app, status, "%s", err.text);
        return;
    }
    view_chat_set_input(app->states[VIEW_CHAT], buf_slice(&text), app);
    buf_release(&text);
}

/* Keys that signal are the editor's: only Ctrl-Z stops this program with it. */
static bool is_editors(const struct app *app, int signum)
{
    if (!app->editor.pid)
        return false;
    if (signum == SIGTSTP)
        raise(SIGSTOP);
    return signum == SIGTSTP || signum == SIGINT || signum == SIGQUIT || signum == SIGCONT ||
           signum == SIGWINCH;
}

static void take_signals(struct app *app)
{
    unsigned char bytes[64];
    ssize_t n = read(app->signal_pipe[0], bytes, sizeof bytes);
    bool has_resized = false;
    for (ssize_t i = 0; i < n; i++) {
        if (is_editors(app, bytes[i])) {
            continue;
        } else if (bytes[i] == SIGCHLD) {
            look_at_editor(app);
        } else if (bytes[i] == SIGWINCH) {
            has_resized = true; /* a storm of them is one */
        } else if (bytes[i] == SIGTSTP) {
            app_suspend(app);
            has_resized = true;
        } else if (bytes[i] ==
                   SIGCONT) { /* whoever stopped us from outside used the terminal meanwhile */
            term_take(app->term);
            has_resized = true;
        } else {
            app->exit_code = bytes[i] == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE;
            app->must_quit = true;
        }
    }
    if (has_resized)
        resize(app);
}

/* ---- the loop --------------------------------------------------------------------------- */

static uint64_t nearer(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

static int timeout_ms(const struct app *app)
{
    if (app->editor.pid)
        return hub_timeout_ms(app->hub);
    uint64_t at = vtin_deadline(app->in), frame_ns = next_frame_ns(app);
    if (app->wake_ns)
        at = nearer(at, app->wake_ns > frame_ns ? app->wake_ns : frame_ns);
    if (app->has_look && app_core(app)->version != app->version_shown)
        at = nearer(at, frame_ns);
    int own = at == 0 ? -1 : at <= app->now_ns ? 0 : (int)((at - app->now_ns) / 1000000u) + 1;
    int hub = hub_timeout_ms(app->hub);
    if (term_wants_write(app->term))
        own = -1; /* the terminal is slow: the next frame waits for it */
    return own < 0 ? hub : hub < 0 ? own : own < hub ? own : hub;
}

static void loop(struct app *app)
{
    bool has_more = false;
    while (!app->must_quit) {
        int terminal = app->editor.pid ? -1 : term_fd(app->term);
        struct pollfd fds[] = {{terminal, POLLIN, 0}, {hub_fd(app->hub), POLLIN, 0},
                {app->signal_pipe[0], POLLIN, 0}};
        if (terminal >= 0 && term_wants_write(app->term))
            fds[0].events |= POLLOUT;
        poll(fds, ARRAY_LEN(fds), has_more ? 0 : timeout_ms(app));
        app->now_ns = clock_now_ns();
        if (fds[2].revents)
            take_signals(app);
        if (fds[0].revents & POLLOUT)
            term_flush(app->term);
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            app->must_quit = true;
        else if (fds[0].revents & POLLIN)
            read_input(app);
        take_keys(app);
        has_more = hub_step(app->hub, STEP_NS);
        restore_theme(app);
        if (!app->has_session)
            take_keys(app);
        app->now_ns = clock_now_ns();
        if (!app->must_quit && !app->editor.pid)
            show(app);
    }
}

static void install_signals(struct app *app)
{
    static const int signals[] = {
            SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGCHLD};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    signal_fd = app->signal_pipe[1];
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void give_terminal(void *user, bool give)
{
    struct app *app = user;
    if (!app->term || app->editor.pid)
        return;
    if (give)
        term_give(app->term);
    else
        term_take(app->term);
    app->is_dirty = true;
}

/* A database that cannot be used is left as it is: one can chat, but nothing is kept. It is
 * said now, for whom the screen is gone again, and the status line goes on saying it. */
static enum status open_hub(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    struct hub_config cfg = {
            .core = &(struct core_config){.endpoints = config->endpoints,
                    .n_endpoints = config->n_endpoints,
                    .max_zone = config->zone,
                    .seed = (uint64_t)clock_unix_ms() ^ (uint64_t)getpid() << 40,
                    .now_ms = clock_unix_ms(),
                    .remembers_session = true,
                    .budget_day_nusd = config->budget_day_nusd,
                    .can_ask = true},
            .data_dir = config->data_dir,
            .models_dir = config->models_dir,
            .n_threads = (int)config->n_threads,
            .kernel = config->kernel[0] ? config->kernel : NULL,
            .terminal = give_terminal,
            .user = app,
    };
    if (hub_open(&app->hub, &cfg, err) == OK)
        return OK;
    app->status.keeps_nothing = true;
    app_notice(app, err->status, "%s; nothing of this run will be saved", err->text);
    fprintf(stderr, "shunt: %s\n", app->status.own.text);
    cfg.data_dir = NULL;
    return hub_open(&app->hub, &cfg, err);
}

static void open_newest_session(struct app *app)
{
    struct action *a = action_new(ACTION_OPEN_SESSION);
    a->id = SESSION_SHOWN;
    a->now_ms = clock_unix_ms();
    hub_act(app->hub, a);
}

static void attach(struct app *app, struct slice text)
{
    struct key paste = {.code = KEY_PASTE, .text = text};
    if (text.n)
        views[VIEW_CHAT].ops->key(app->states[VIEW_CHAT], &paste, app);
}

static void close_all(struct app *app)
{
    external_editor_release(&app->editor);
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app->states[i]);
        mem_free(app->states[i]);
    }
    vtin_close(app->in);
    look_release(&app->look);
    keymap_free(app->keymap);
    screen_release(&app->screen);
    close(app->signal_pipe[0]);
    close(app->signal_pipe[1]);
}

int app_run(struct config *config, struct slice attached)
{
    struct app app = {.config = config,
            .screen.charset = config->charset,
            .is_dirty = true,
            .now_ns = clock_now_ns()};
    struct err err;
    if (open_hub(&app, &err) != OK)
        return cmd_fail(&err);
    look_init(&app.look, config);
    if (pipe(app.signal_pipe) != 0 ||
            term_open(&app.term, config->term, &app.look.theme, config->color, &err) != OK) {
        look_release(&app.look);
        hub_close(app.hub);
        return cmd_fail(&err);
    }
    install_signals(&app);
    app.in = vtin_open();
    if (look_is_auto(&app.look))
        ask_background(&app);
    app.keymap = config_keymap(config);
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    app.started_ns = app.now_ns;
    resize(&app);
    open_newest_session(&app);
    if (conf_n_warnings(config->conf) && !app.status.keeps_nothing)
        app_notice(&app, ERR_CONFIG, "%s%s", conf_warning_at(config->conf, 0),
                conf_n_warnings(config->conf) > 1 ? " (`shunt doctor` shows all)" : "");
    if (app.look.problems.n)
        use_look(&app);
    app.has_mouse = config->mouse;
    if (app.has_mouse)
        term_set_mouse(app.term, true);
    attach(&app, attached);
    loop(&app);
    term_close(app.term);
    app.term = NULL;
    if (hub_save(app.hub, &err) != OK)
        app.exit_code = cmd_fail(&err);
    hub_close(app.hub);
    close_all(&app);
    return app.exit_code;
}
