/*
 * cmd_ask.c - `shunt ask`: a front end without a screen. The same hub, core and store as the
 * TUI: the conversation is saved, the route is decided, and the answer's text goes to stdout
 * while it comes. Ctrl-C stops the answer, what came so far is kept.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/model_info.h"

#include "router/core.h"
#include "router/hub.h"
#include "router/session.h"

#include "tui/args.h"
#include "tui/ask_input.h"
#include "tui/ask_output.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/pilot_help.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

struct ask {
    struct ask_input in;
    struct config config;
    struct keymap *keymap;
    struct pilot_help help;
    struct hub *hub;
    int64_t answer_id;
    size_t n_printed; /* bytes of the answer that are on stdout */
    size_t n_notices_seen;
    bool was_stopped;
};

static struct action *new_action(enum action_kind kind, const char *text)
{
    struct action *action = action_new(kind);
    action->now_ms = clock_unix_ms();
    if (text)
        action->text = mem_strdup(text);
    return action;
}

/* Warnings and failed attempts, as they happen; the end of the answer has its own line. */
static void print_notices(struct ask *ask)
{
    const struct core *core = hub_core(ask->hub);
    for (; ask->n_notices_seen < core->n_notices; ask->n_notices_seen++) {
        const struct notice *notice = &core->notices[ask->n_notices_seen % NOTICE_MAX];
        if (notice->status != OK)
            fprintf(stderr, "shunt: %s\n", notice->text);
    }
}

/* One turn of the loop: sleeps until something happens, then lets the core work. */
static void step(struct ask *ask)
{
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigprocmask(SIG_BLOCK, &block, &old);
    int timeout_ms = hub_timeout_ms(ask->hub);
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    struct pollfd fd = {hub_fd(ask->hub), POLLIN, 0};
    if (!interrupted)
        ppoll(&fd, 1, timeout_ms < 0 ? NULL : &timeout, &old);
    sigprocmask(SIG_SETMASK, &old, NULL);
    hub_step(ask->hub, 2000000);
    print_notices(ask);
}

static const struct message *answer_of(const struct ask *ask)
{
    return session_find(hub_core(ask->hub)->session, ask->answer_id);
}

/* Waits until the answer and everything about it is saved. */
static void wait_for_answer(struct ask *ask)
{
    bool was_unsaved = false;
    for (;;) {
        const struct core *core = hub_core(ask->hub);
        const struct message *answer = answer_of(ask);
        if (!ask->in.is_json)
            ask->n_printed = ask_print_text(buf_slice(&answer->text), ask->n_printed);
        if (answer->state != MESSAGE_RUNNING && (!core_is_busy(core) || core->disk_failed_ns))
            return;
        if (interrupted && !ask->was_stopped) {
            ask->was_stopped = true;
            hub_act(ask->hub, new_action(ACTION_STOP, NULL));
        }
        const struct run *run = core_run_of(core, ask->answer_id);
        if (run && core_is_refused(core, run) && !was_unsaved) {
            was_unsaved = true; /* an answer is worth more here than its record: the warning was
                                   printed */
            hub_act(ask->hub, new_action(ACTION_SEND_UNSAVED, NULL));
        }
        step(ask);
    }
}

static enum status open_session(struct ask *ask, struct err *err)
{
    uint64_t id = 0;
    for (const char *c = ask->in.session; c && *c; c++)
        id = id << 4 | (uint64_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
    struct action *action = new_action(ACTION_OPEN_SESSION, NULL);
    action->id = (int64_t)id;
    hub_act(ask->hub, action);
    while (core_is_busy(hub_core(ask->hub)) && !interrupted)
        step(ask);
    if (interrupted)
        return err_set(err, ERR_CANCELLED, "interrupted");
    const struct session *session = hub_core(ask->hub)->session;
    if (session->writer_pid)
        return err_set(err, ERR_DENIED,
                "the session that -c continues is open in another shunt (process %d), which "
                "alone may write it; -c SESSION names another",
                session->writer_pid);
    if (id == 0 || session->id == (int64_t)id)
        return OK;
    return err_set(err, ERR_NOT_FOUND, "there is no session %s", ask->in.session);
}

static enum status choose_endpoint(struct ask *ask, struct err *err)
{
    int i;
    if (cmd_find_endpoint(&hub_core(ask->hub)->fleet, ask->in.endpoint, &i, err) != OK)
        return err->status;
    struct action *action = new_action(ACTION_USE_ENDPOINT, ask->in.endpoint);
    action->id = 1;
    hub_act(ask->hub, action);
    return OK;
}

/* Where nobody else can answer, it is read while the help is searched for the question. */
static void load_pilot(struct ask *ask)
{
    const struct fleet *fleet = &hub_core(ask->hub)->fleet;
    int pilot = fleet_pilot(fleet);
    if (pilot < 0 || !fleet_has_nobody(fleet))
        return;
    struct action *action = new_action(ACTION_LOAD_MODEL, NULL);
    action->id = pilot;
    hub_act(ask->hub, action);
}

static void send_prompt(struct ask *ask)
{
    for (size_t i = 0; i < ask->in.n_earlier; i++) {
        struct action *earlier = new_action(ACTION_ADD_MESSAGE, NULL);
        struct slice text = ask->in.earlier[i].text;
        earlier->text = mem_alloc(text.n + 1);
        memcpy(earlier->text, text.ptr, text.n);
        earlier->id = ask->in.earlier[i].role;
        hub_act(ask->hub, earlier);
    }
    if (ask->in.system)
        hub_act(ask->hub, new_action(ACTION_SYSTEM, ask->in.system));
    struct action *action = new_action(ACTION_SEND, buf_text(&ask->in.prompt));
    action->params = ask->in.params;
    if (ask->in.extra_json.n)
        action->extra_json = mem_strdup(buf_text(&ask->in.extra_json));
    hub_act(ask->hub, action);
    ask->answer_id = hub_core(ask->hub)->session->leaf_id;
}

static bool is_empty(const struct message *answer)
{
    return answer->state == MESSAGE_DONE && answer->text.n == 0 && answer->tool_calls.n == 0;
}

/* Whoever set the limit: the last sentence is missing. */
static bool is_cut(const struct message *answer)
{
    return answer->state == MESSAGE_DONE && answer->finish == FINISH_LENGTH;
}

static int exit_code(const struct ask *ask)
{
    const struct core *core = hub_core(ask->hub);
    const struct message *answer = answer_of(ask);
    switch (answer->state) {
    case MESSAGE_DONE:
        return is_empty(answer) || is_cut(answer) ? EXIT_INCOMPLETE : EXIT_DONE;
    case MESSAGE_STOPPED:
        return EXIT_INTERRUPTED;
    default:
        if (core->has_decision && core->last_decision.verdict != VERDICT_SEND &&
                answer->text.n == 0)
            return EXIT_REFUSED;
        return answer->text.n ? EXIT_INCOMPLETE : EXIT_FAILED;
    }
}

/* Ends before there is an answer. */
static int fail(const struct ask *ask, const struct err *err)
{
    if (ask->in.is_json)
        ask_print_json_failure(err);
    return cmd_fail(err);
}

/* Where the answer was computed, if that is not where it was asked for. */
static void note_cpu(const struct ask *ask)
{
    const struct core *core = hub_core(ask->hub);
    const struct backend_choice choice = config_backend(&ask->config);
    for (int i = 0; i < core->fleet.n_endpoints && backend_wants_gpu(&choice); i++) {
        const struct engine *engine = hub_engine(ask->hub, i);
        if (engine && engine_state(engine) == ENGINE_READY && engine_info(engine)->why_cpu[0])
            cmd_note_cpu(engine_info(engine)->why_cpu);
    }
}

static int run(struct ask *ask)
{
    struct err err;
    if ((ask->in.endpoint && choose_endpoint(ask, &err) != OK) ||
            (ask->in.is_continue && open_session(ask, &err) != OK))
        return fail(ask, &err);
    load_pilot(ask);
    send_prompt(ask);
    wait_for_answer(ask);
    const struct core *core = hub_core(ask->hub);
    const struct message *answer = answer_of(ask);
    if (ask->in.is_json)
        ask_print_json(core, answer);
    else
        ask_print_end(answer, ask->n_printed);
    if (answer->state == MESSAGE_FAILED && !ask->in.is_json)
        fprintf(stderr, "shunt: %s\n", buf_text(&answer->error));
    if (is_empty(answer))
        fprintf(stderr, "shunt: the answer is empty\n");
    else if (is_cut(answer))
        fprintf(stderr, "shunt: the answer is cut: its limit of tokens is reached\n");
    note_cpu(ask);
    if (ask->in.has_stats)
        ask_print_stats(core, answer);
    return exit_code(ask);
}

/* A database that cannot be used is no reason to refuse an answer: it is said, and nothing is
 * stored. */
static enum status open_hub(struct ask *ask, struct err *err)
{
    struct hub_config cfg = {
            .core = &(struct core_config){.endpoints = ask->config.endpoints,
                    .n_endpoints = ask->config.n_endpoints,
                    .max_zone = ask->config.zone,
                    .seed = (uint64_t)clock_unix_ms() ^ (uint64_t)getpid() << 40,
                    .now_ms = clock_unix_ms(),
                    .budget_day_nusd = ask->config.budget_day_nusd,
                    .help = &ask->help.source},
            .data_dir = ask->config.data_dir,
            .n_threads = (int)ask->config.n_threads,
            .backend = config_backend(&ask->config),
    };
    if (hub_open(&ask->hub, &cfg, err) == OK)
        return OK;
    if (ask->in.is_continue)
        return err->status;
    fprintf(stderr, "shunt: %s; this answer will not be saved\n", err->text);
    cfg.data_dir = NULL;
    return hub_open(&ask->hub, &cfg, err);
}

/* Parsing stopped early: is the object wanted all the same? */
static bool asks_for_json(const struct args *args)
{
    for (int i = args->i; i < args->argc && strcmp(args->argv[i], "--") != 0; i++)
        if (strcmp(args->argv[i], "--json") == 0)
            return true;
    return false;
}

static int run_with_config(struct ask *ask, const struct global_flags *globals)
{
    struct err err;
    if (ask_input_complete(&ask->in, &err) != OK ||
            config_load(&ask->config, globals, &err) != OK)
        return fail(ask, &err);
    config_print_warnings(&ask->config);
    ask->keymap = config_keymap(&ask->config);
    pilot_help_init(&ask->help, ask->keymap);
    int code = open_hub(ask, &err) == OK ? run(ask) : fail(ask, &err);
    if (ask->hub && hub_save(ask->hub, &err) != OK)
        cmd_fail(&err); /* the answer was printed: that is what the exit status tells */
    if (ask->hub)
        hub_close(ask->hub);
    pilot_help_release(&ask->help);
    keymap_free(ask->keymap);
    config_release(&ask->config);
    return code;
}

int cmd_ask(struct args *args)
{
    struct ask ask = {0};
    struct sigaction action = {.sa_handler = on_interrupt};
    int code = ask_input_read_args(&ask.in, args);
    sigaction(SIGINT, &action, NULL);
    if (code < 0)
        code = run_with_config(&ask, &args->globals);
    else if (code == EXIT_USAGE && (ask.in.is_json || asks_for_json(args)))
        ask_print_json_failure(&args->err);
    ask_input_release(&ask.in);
    return code;
}
