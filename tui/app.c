/*
 * app.c - see app.h. The loop sleeps in poll. It has no timer of its own: deadlines come from
 * the core, the input parser, an armed quit and views that asked to be drawn again.
 */
#include "tui/app.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/hub.h"
#include "router/store.h"

#include "tui/app_internal.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/look.h"
#include "tui/term.h"

#define STEP_NS 2000000ull

static uint64_t nearer(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

/* Keys wait that have been read; more is read behind them. */
static bool is_behind(const struct app *app)
{
    return app->has_session && vtin_has_more(app->in);
}

static int timeout_ms(const struct app *app)
{
    if (app->editor.pid)
        return hub_timeout_ms(app->hub);
    if (is_behind(app))
        return 0;
    uint64_t at = vtin_deadline(app->in), frame_ns = app_next_frame_ns(app);
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

static void read_clocks(struct app *app)
{
    app->now_ns = clock_now_ns();
    app->now_ms = clock_unix_ms();
}

static void loop(struct app *app)
{
    bool is_first = true; /* turn, which waits for nobody: there may be nobody to wait for */
    while (!app->must_quit) {
        int terminal = app->editor.pid ? -1 : term_fd(app->term);
        short events = is_behind(app) ? 0 : POLLIN;
        struct pollfd fds[] = {{terminal, events, 0}, {hub_fd(app->hub), POLLIN, 0},
                {app->signal_pipe[0], POLLIN, 0}};
        if (terminal >= 0 && term_wants_write(app->term))
            fds[0].events |= POLLOUT;
        poll(fds, ARRAY_LEN(fds), is_first ? 0 : timeout_ms(app));
        is_first = false;
        read_clocks(app);
        if (fds[2].revents)
            app_take_signals(app);
        if (fds[0].revents & POLLOUT)
            term_flush(app->term);
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            app->must_quit = true;
        else if (fds[0].revents & POLLIN)
            app_read_input(app);
        app_take_keys(app);
        hub_step(app->hub, STEP_NS);
        app_restore_theme(app);
        if (!app->has_session)
            app_take_keys(app);
        read_clocks(app);
        if (!app->must_quit && !app->editor.pid)
            app_show(app);
    }
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
/* Chat names the folder when there is nobody to talk to: what is named is there. */
static void make_models_folder(struct app *app)
{
    const struct config *config = app->config;
    struct err err;
    bool has_nobody = true;
    for (size_t i = 0; i < config->n_endpoints; i++)
        has_nobody &= endpoint_is_pilot(&config->endpoints[i]);
    if (config->models_folder && has_nobody && dir_make(config->models_dir, &err) != OK)
        app_notice(app, err.status, "%s", err.text);
}

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
                    .can_ask = true,
                    .help = &app->pilot_help.source},
            .data_dir = config->data_dir,
            .models_dir = config->models_dir,
            .n_threads = (int)config->n_threads,
            .backend = config_backend(config),
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
    a->now_ms = app->now_ms;
    hub_act(app->hub, a);
}

/* Into the new session that the core begins with; what is typed goes on below it. */
static void attach(struct app *app, struct slice text)
{
    static const struct key line_end = {.code = KEY_PASTE, .text = {"\n", 1}};
    const struct view_ops *chat = views[VIEW_CHAT].ops;
    struct key paste = {.code = KEY_PASTE, .text = text};
    char size[SIZE_TEXT_BYTES];
    chat->key(app->states[VIEW_CHAT], &paste, app);
    chat->key(app->states[VIEW_CHAT], &line_end, app);
    app_notice(app, OK, "%s of standard input are in the message: say what to do with them",
            size_text(text.n, size));
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
    look_release(app->look);
    pilot_help_release(&app->pilot_help);
    keymap_free(app->keymap);
    screen_release(&app->screen);
    close(app->signal_pipe[0]);
    close(app->signal_pipe[1]);
}

static enum status open_signal_pipe(struct app *app, struct err *err)
{
    return pipe2(app->signal_pipe, O_CLOEXEC) == 0
                   ? OK
                   : err_set(err, ERR_IO, "cannot make a pipe: %s", strerror(errno));
}

/* Of several the one that may cost something: what is not saved, then what is not read. */
static void say_what_is_wrong(struct app *app, const char *why_cpu)
{
    const struct conf *conf = app->config->conf;
    if (app->status.keeps_nothing)
        return;
    if (conf_n_warnings(conf))
        app_notice(app, ERR_CONFIG, "%s%s", conf_warning_at(conf, 0),
                conf_n_warnings(conf) > 1 ? " (`shunt doctor` shows all)" : "");
    else if (why_cpu[0])
        app_notice(app, ERR_UNSUPPORTED, "running on the CPU: %s", why_cpu);
}

int app_run(struct config *config, struct slice attached, const char *why_cpu)
{
    struct app app = {.config = config, .screen.charset = config->charset, .is_dirty = true};
    struct look look;
    struct err err;
    read_clocks(&app);
    make_models_folder(&app);
    if (open_hub(&app, &err) != OK)
        return cmd_fail(&err);
    look_init(&look, config);
    app.look = &look;
    if (open_signal_pipe(&app, &err) != OK ||
            term_open(&app.term, config->term, &look.theme, config->color, &err) != OK) {
        look_release(&look);
        hub_close(app.hub);
        return cmd_fail(&err);
    }
    app_install_signals(&app);
    app.in = vtin_open();
    if (look_is_auto(&look))
        app_ask_background(&app);
    app.keymap = config_keymap(config);
    pilot_help_init(&app.pilot_help, app.keymap);
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    app.started_ns = app.now_ns;
    app_resize(&app);
    if (attached.n)
        attach(&app, attached);
    else
        open_newest_session(&app);
    app_scan_models(&app); /* what cannot be loaded is known before a message goes there */
    say_what_is_wrong(&app, why_cpu);
    if (look.problems.n)
        app_use_look(&app);
    app.has_mouse = config->mouse;
    if (app.has_mouse)
        term_set_mouse(app.term, true);
    loop(&app);
    term_close(app.term);
    app.term = NULL;
    if (hub_save(app.hub, &err) != OK)
        app.exit_code = cmd_fail(&err);
    hub_close(app.hub);
    close_all(&app);
    return app.exit_code;
}
