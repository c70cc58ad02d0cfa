/*
 * core_actions.c - what the user can do to the core, one function per action. Who asks for what
 * is not possible now (a session of another process, an answer that runs) gets a notice and
 * nothing is changed.
 */
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#define FILES_BEGIN "\n\n" /* between what was typed and the files that go along */

static const char *text_of(const struct action *a)
{
    return a->text ? a->text : "";
}

static struct message *leaf_of(const struct core *core)
{
    return session_find(core->session, core->session->leaf_id);
}

/* The first line of the first message, cut at a word. */
static void set_title(struct session *s, const char *text)
{
    struct slice rest = slice_trim(slice_of(text)), line = slice_trim(slice_cut(&rest, '\n'));
    size_t most = 60;
    if (line.n > most)
        for (line.n = most; line.n > most / 2 && line.ptr[line.n] != ' '; line.n--)
            continue;
    line = slice_trim((struct slice){line.ptr, utf8_whole(line.ptr, line.n)});
    snprintf(s->title, sizeof s->title, "%.*s", (int)line.n, line.ptr);
}

static void take_params(struct run *run, struct action *a)
{
    uint64_t seed = run->params.seed;
    run->params = a->params;
    if (!(a->params.given & GIVEN_SEED)) /* a new draw each time */
        run->params.seed = seed;
    run->extra_json = a->extra_json;
    a->extra_json = NULL;
}

static struct message *add_answer(struct core *core, uint64_t t_ns)
{
    struct message *answer = session_add(
            core->session, core_new_id(core, t_ns), MSG_ASSISTANT, core_unix_ms(core, t_ns));
    answer->state = MESSAGE_RUNNING;
    return answer;
}

static struct message *add_question(struct core *core, const struct action *a, uint64_t t_ns)
{
    struct message *user = session_add(
            core->session, core_new_id(core, t_ns), MSG_USER, core_unix_ms(core, t_ns));
    buf_add_text(&user->text, text_of(a));
    size_t n_typed = user->text.n;
    if (a->text2) {
        buf_add_text(&user->text, FILES_BEGIN);
        buf_add_text(&user->text, a->text2);
    }
    user->n_attached = user->text.n - n_typed;
    return user;
}

static bool refuse_large(struct core *core, const struct action *a, uint64_t t_ns)
{
    size_t n_files = a->text2 ? strlen(FILES_BEGIN) + strlen(a->text2) : 0;
    bool is_large = strlen(text_of(a)) + n_files > MESSAGE_MAX_BYTES;
    if (is_large)
        core_notice(core, t_ns, ERR_USAGE, "the message is larger than %u MB",
                MESSAGE_MAX_BYTES >> 20);
    return is_large;
}

/* The user's message is in the store before anything is sent: the run waits for that answer. */
static void send(struct core *core, struct action *a, uint64_t t_ns)
{
    struct session *s = core->session;
    const char *text = text_of(a);
    struct message *beside = a->id ? session_find(s, a->id) : NULL;
    if (slice_trim(slice_of(text)).n == 0 || core_refuse_while_running(core, t_ns) ||
            core_refuse_foreign(core, t_ns) || refuse_large(core, a, t_ns))
        return;
    core->is_loading = false; /* the user goes on here */
    if (beside)
        branches_leave(core, beside);
    struct message *user = add_question(core, a, t_ns);
    if (!s->title[0])
        set_title(s, text);
    buf_clear(&s->draft);
    s->draft_cursor = 0;
    s->scroll_id = 0;
    core->draft_dirty_ns = 0;
    struct message *answer = add_answer(core, t_ns);
    struct run *run = runs_begin(core, answer);
    take_params(run, a);
    run->asks_help = a->asks_help;
    s->leaf_id = user->id; /* what is saved now has no answer yet */
    disk_put_messages(core, s, &user, 1, run->request_id);
    disk_remember_shown(core);
    s->leaf_id = answer->id;
}

static void add_message(struct core *core, const struct action *a, uint64_t t_ns)
{
    struct session *s = core->session;
    struct message *m = session_add(s, core_new_id(core, t_ns),
            a->id == MSG_ASSISTANT ? MSG_ASSISTANT : MSG_USER, core_unix_ms(core, t_ns));
    buf_add_text(&m->text, text_of(a));
    if (!s->title[0])
        set_title(s, text_of(a));
    disk_put_messages(core, s, &m, 1, 0);
}

static void stop(struct core *core, uint64_t t_ns)
{
    struct run *run = core_run_in(core, core->session);
    if (!run)
        return;
    core->stopped_ns = t_ns;
    runs_stop(core, run, t_ns);
}

/* Goes on with the leaf's text, or answers again when there is none. */
static void continue_answer(struct core *core, uint64_t t_ns)
{
    struct message *leaf = leaf_of(core);
    if (core_refuse_while_running(core, t_ns) || core_refuse_foreign(core, t_ns))
        return;
    bool can = leaf && leaf->role == MSG_ASSISTANT && leaf->state != MESSAGE_DONE;
    if (leaf && leaf->role ==
                        MSG_USER) { /* it was saved, and the program ended before it was sent */
        leaf = add_answer(core, t_ns);
        can = true;
    }
    if (!can) {
        core_notice(core, t_ns, ERR_USAGE, "there is no interrupted answer to go on with");
        return;
    }
    leaf->state = MESSAGE_RUNNING;
    buf_clear(&leaf->error);
    leaf->error_status = OK;
    struct run *run = runs_begin(core, leaf);
    runs_dispatch(core, run, t_ns);
}

/* Answers once more beside an answer, or below a question; the branch that was shown comes back
 * when nothing comes of it. */
static void retry(struct core *core, int64_t id, uint64_t t_ns)
{
    struct session *s = core->session;
    struct message *leaf = leaf_of(core), *m = id ? session_find(s, id) : leaf;
    if (core_refuse_while_running(core, t_ns) || core_refuse_foreign(core, t_ns))
        return;
    if (!m) {
        core_notice(core, t_ns, ERR_USAGE, "there is nothing to answer yet");
        return;
    }
    bool is_worth_keeping = m != leaf || (m->role == MSG_ASSISTANT && m->text.n);
    int64_t old_answer_id = is_worth_keeping ? s->leaf_id : 0;
    if (m->role == MSG_ASSISTANT)
        branches_leave(core, m);
    else
        s->leaf_id = m->id;
    struct run *run = runs_begin(core, add_answer(core, t_ns));
    run->old_answer_id = old_answer_id;
    runs_dispatch(core, run, t_ns);
}

static void confirm(struct core *core, uint64_t t_ns)
{
    struct run *run = core_run_in(core, core->session);
    if (run && run->phase == RUN_ASKS)
        runs_confirm(core, run, t_ns);
    else
        core_notice(core, t_ns, ERR_USAGE, "nothing waits for a yes");
}

static void send_unsaved(struct core *core, uint64_t t_ns)
{
    struct run *run = core_run_in(core, core->session);
    if (run && run->phase == RUN_WAITS_FOR_STORE)
        runs_dispatch(core, run, t_ns);
    else
        core_notice(core, t_ns, ERR_USAGE, "nothing waits to be saved");
}

static void set_draft(struct core *core, const struct action *a, uint64_t t_ns)
{
    struct session *s = core->session;
    struct slice text = slice_of(text_of(a));
    if (text.n == s->draft.n && (text.n == 0 || memcmp(text.ptr, s->draft.ptr, text.n) == 0) &&
            a->cursor == s->draft_cursor)
        return;
    buf_clear(&s->draft);
    buf_add_slice(&s->draft, text);
    s->draft_cursor = a->cursor;
    core->draft_dirty_ns = core->draft_dirty_ns ? core->draft_dirty_ns : t_ns;
}

static void set_scroll(struct core *core, const struct action *a, uint64_t t_ns)
{
    struct session *s = core->session;
    if (s->scroll_id == a->id && s->scroll_line == a->line)
        return;
    s->scroll_id = a->id;
    s->scroll_line = a->line;
    core->draft_dirty_ns = core->draft_dirty_ns ? core->draft_dirty_ns : t_ns;
}

static void open_session(struct core *core, int64_t id, uint64_t t_ns)
{
    core->is_loading = !core_show_session(core, id, t_ns);
    if (!core->is_loading)
        return;
    struct store_command *load = store_command_new(STORE_LOAD);
    load->session.id = id;
    load->tag = ++core->newest_load;
    disk_ask_first(core, load);
}

static void load_tokens(struct core *core, int64_t id)
{
    struct message *m = session_find(core->session, id);
    if (m && m->tokens.record_bytes == 0)
        disk_ask_tokens(core, m);
}

static void put_session(struct core *core)
{
    if (core->session->n_messages || core->session->draft.n)
        disk_put_messages(core, core->session, NULL, 0, 0);
}

static void set_system(struct core *core, const char *text, uint64_t t_ns)
{
    struct buf *system = &core->session->system;
    if (!text[0]) {
        core_notice(core, t_ns, OK,
                system->n ? "system prompt (/system off removes it): %.300s"
                          : "no system prompt is set: /system TEXT",
                buf_text(system));
        return;
    }
    if (core_refuse_foreign(core, t_ns))
        return;
    bool is_off = strcmp(text, "off") == 0;
    buf_clear(system);
    if (!is_off)
        buf_add_text(system, text);
    put_session(core);
    core_notice(core, t_ns, OK,
            is_off ? "the system prompt is removed"
                   : "the system prompt goes before the next message of this session");
}

static void tell_endpoints(struct core *core, const char *name, uint64_t t_ns)
{
    struct buf names;
    int n = 0;
    buf_init(&names, 400);
    for (int i = 0; i < core->fleet.n_endpoints; i++)
        if (!core->fleet.endpoints[i].is_gone)
            buf_printf(&names, "%s%s", n++ ? ", " : "", core->fleet.endpoints[i].conf->name);
    const char *list = n ? buf_text(&names) : "none", *are = n > 1 ? "are" : "is";
    const char *in_use = core->use_endpoint < 0
                                 ? "auto"
                                 : core->fleet.endpoints[core->use_endpoint].conf->name;
    if (!name[0])
        core_notice(core, t_ns, OK, "endpoints: %s; in use: %s", list, in_use);
    else
        core_notice(core, t_ns, ERR_USAGE, "no endpoint \"%s\"; there %s: %s", name, are, list);
    buf_release(&names);
}

static void use_endpoint(struct core *core, const struct action *a, uint64_t t_ns)
{
    const char *name = text_of(a);
    struct session *s = core->session;
    bool is_auto = strcmp(name, "auto") == 0, is_kept = a->id == 0;
    int i = fleet_find_present(&core->fleet, name);
    if (i < 0 && !is_auto) {
        tell_endpoints(core, name, t_ns);
        return;
    }
    if (is_kept && core_refuse_foreign(core, t_ns))
        return;
    core->use_endpoint = is_auto ? -1 : i;
    if (is_kept) {
        snprintf(s->endpoint, sizeof s->endpoint, "%s", is_auto ? "" : name);
        put_session(core);
    }
    if (is_auto)
        core_notice(core, t_ns, OK, "the router chooses the endpoint");
    else
        core_notice(core, t_ns, OK,
                "every message of this session goes to %s until /endpoint auto", name);
}

static void export(struct core *core, const char *path, uint64_t t_ns)
{
    if (!path[0]) {
        core_notice(core, t_ns, ERR_USAGE, "say where: /export FILE");
        return;
    }
    struct buf text;
    struct message **messages;
    buf_init(&text, 1u << 30);
    buf_printf(
            &text, "# %s\n", core->session->title[0] ? core->session->title : "Conversation");
    size_t n = session_path(core->session, &messages);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "\n**%s**\n\n%s\n",
                messages[i]->role == MSG_USER ? "you"
                : messages[i]->endpoint[0]    ? messages[i]->endpoint
                                              : message_role_name(messages[i]->role),
                buf_text(&messages[i]->text));
    mem_free(messages);
    struct store_command *c = store_command_new(STORE_EXPORT);
    c->key = (struct slice){arena_strdup(&c->arena, path), strlen(path)};
    c->value = (struct slice){arena_strndup(&c->arena, buf_text(&text), text.n), text.n};
    disk_ask(core, c);
    buf_release(&text);
}

/* What only waits to be tried there again is decided anew; what runs there is stopped or goes
 * on to its end. */
static void leave_endpoint(struct core *core, int endpoint, bool stops, uint64_t t_ns)
{
    for (size_t i = core->n_runs; i-- > 0;) {
        struct run *run = &core->runs[i];
        bool is_forced = run->only_endpoint == endpoint && !stops;
        if (run->endpoint != endpoint || is_forced)
            continue;
        if (run->phase == RUN_WAITS_FOR_RETRY)
            runs_dispatch(core, run, t_ns);
        else if (stops && run->phase == RUN_SENT)
            runs_stop(core, run, t_ns);
    }
}

static void switch_endpoint(struct core *core, const struct action *a, uint64_t t_ns)
{
    static const char *const said[] = {
            [SWITCH_ON] = "%s is on",
            [SWITCH_OFF] = "%s is off until it is switched on or the program ends",
            [SWITCH_DRAIN] = "%s gets nothing new until it is switched on or the program ends",
    };
    if (a->id < 0 || a->id >= core->fleet.n_endpoints)
        return;
    const struct endpoint_state *e = &core->fleet.endpoints[a->id];
    const char *name = e->conf->name;
    if (a->switch_to == SWITCH_DRAIN && !e->conf->enabled) {
        core_notice(core, t_ns, ERR_USAGE, "%s is off: there is nothing to drain", name);
        return;
    }
    if (!fleet_switch(&core->fleet, (int)a->id, a->switch_to)) {
        core_notice(core, t_ns, ERR_CONFIG,
                "%s cannot be switched on: its section (line %d) has a mistake; `shunt doctor` "
                "says which",
                name, e->conf->line);
        return;
    }
    if (a->switch_to != SWITCH_ON)
        leave_endpoint(core, (int)a->id, a->switch_to == SWITCH_OFF, t_ns);
    core_notice(core, t_ns, OK, said[a->switch_to], name);
}

static void pick_theme(struct core *core, const char *text)
{
    snprintf(core->theme, sizeof core->theme, "%s", text);
    core->is_theme_known = true;
    disk_put_theme(core);
}

void actions_apply(struct core *core, struct action *a, uint64_t t_ns)
{
    core->version++;
    switch (a->kind) {
    case ACTION_SEND:
        send(core, a, t_ns);
        break;
    case ACTION_STOP:
        stop(core, t_ns);
        break;
    case ACTION_CONTINUE:
        continue_answer(core, t_ns);
        break;
    case ACTION_RETRY:
        retry(core, a->id, t_ns);
        break;
    case ACTION_SEND_UNSAVED:
        send_unsaved(core, t_ns);
        break;
    case ACTION_DRAFT:
        set_draft(core, a, t_ns);
        break;
    case ACTION_SCROLL:
        set_scroll(core, a, t_ns);
        break;
    case ACTION_NEW_SESSION:
        sessions_begin(core, t_ns);
        break;
    case ACTION_OPEN_SESSION:
        open_session(core, a->id, t_ns);
        break;
    case ACTION_LIST_SESSIONS:
        sessions_list(core, text_of(a), a->id == 1);
        break;
    case ACTION_RENAME:
        sessions_rename(core, a->id, text_of(a), t_ns);
        break;
    case ACTION_TRASH:
        sessions_trash(core, a->id, t_ns);
        break;
    case ACTION_UNTRASH:
        sessions_untrash(core, a->id, t_ns);
        break;
    case ACTION_SYSTEM:
        set_system(core, text_of(a), t_ns);
        break;
    case ACTION_USE_ENDPOINT:
        use_endpoint(core, a, t_ns);
        break;
    case ACTION_EXPORT:
        export(core, text_of(a), t_ns);
        break;
    case ACTION_LOAD_TOKENS:
        load_tokens(core, a->id);
        break;
    case ACTION_CONFIRM:
        confirm(core, t_ns);
        break;
    case ACTION_FORK:
        branches_fork(core, a->id, t_ns);
        break;
    case ACTION_SHOW_BRANCH:
        branches_show(core, a->id, t_ns);
        break;
    case ACTION_PROBE:
        probe_begin(core, a->id, t_ns);
        break;
    case ACTION_ADD_MESSAGE:
        add_message(core, a, t_ns);
        break;
    case ACTION_SWITCH:
        switch_endpoint(core, a, t_ns);
        break;
    case ACTION_CONFIGURE:
        fleet_configure(&core->fleet, a->endpoints, a->n_endpoints);
        models_match(core);
        core_take_choice(core, t_ns);
        break;
    case ACTION_LIST_DECISIONS:
        decisions_ask(core, 0);
        break;
    case ACTION_WHY:
        decisions_ask(core, a->id);
        break;
    case ACTION_LIST_MODELS:
        models_scan(core);
        break;
    case ACTION_LOAD_MODEL:
        models_load(core, a->id, t_ns);
        break;
    case ACTION_UNLOAD_MODEL:
        models_unload(core, a->id, t_ns);
        break;
    case ACTION_PICK_THEME:
        pick_theme(core, text_of(a));
        break;
    case ACTION_COUNT:
        break;
    }
}
