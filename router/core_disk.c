/*
 * core_disk.c - what is sent to the store when, and what happens when the disk refuses:
 * everything is kept in order and tried again, one command at a time, so that an old state
 * never overwrites a newer one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/session.h"
#include "router/store.h"

#define DRAFT_NS      1000000000ull
#define WRITER_ASK_NS 3000000000ull /* a session of another process: is it free by now? */

static void add_store_effect(struct core *core, struct store_command *command)
{
    core_add_effect(core, &(struct effect){.kind = EFFECT_STORE, .command = command});
    core->n_store_pending++;
}

static void keep(struct core *core, struct store_command *command)
{
    core->unsaved = mem_resize(core->unsaved, (core->n_unsaved + 1) * sizeof *core->unsaved);
    core->unsaved[core->n_unsaved++] = command;
}

void disk_ask(struct core *core, struct store_command *command)
{
    add_store_effect(core, command);
}

/* Somebody looks at the screen: what earlier runs taught comes behind it. */
void disk_ask_first(struct core *core, struct store_command *command)
{
    add_store_effect(core, command);
    for (size_t i = 0; i + 1 < core->n_effects; i++) {
        struct effect *other = &core->effects[i];
        if (other->kind != EFFECT_STORE || other->command->op != STORE_LOAD_FLEET)
            continue;
        core->effects[core->n_effects - 1].command = other->command;
        other->command = command;
    }
}

static void send_put(struct core *core, struct store_command *command)
{
    core->n_puts_pending++;
    add_store_effect(core, command);
}

void disk_put(struct core *core, struct store_command *command)
{
    if (core->disk_failed_ns)
        keep(core, command);
    else
        send_put(core, command);
}

void disk_put_messages(struct core *core, struct session *session,
        struct message *const *messages, size_t n, uint32_t request_id)
{
    struct store_command *c = store_command_new(STORE_PUT_MESSAGE);
    c->tag = request_id;
    session->is_stored = true;
    session_fill_row(session, &c->arena, &c->session);
    c->messages = arena_alloc(&c->arena, (n + 1) * sizeof *c->messages);
    c->n_messages = n;
    for (size_t i = 0; i < n; i++)
        message_fill_row(session, messages[i], &c->arena, &c->messages[i]);
    disk_put(core, c);
}

void disk_put_tokens(struct core *core, struct message *m)
{
    struct token_log *log = &m->tokens;
    size_t n = log->record_bytes ? log->records.n / log->record_bytes - log->n_stored : 0;
    if (n == 0)
        return;
    struct store_command *c = store_command_new(STORE_PUT_TOKENS);
    c->message_id = m->id;
    c->shape = arena_alloc(&c->arena, sizeof *c->shape);
    *c->shape = log->shape;
    c->n_records = n;
    c->records = arena_alloc(&c->arena, n * log->record_bytes);
    memcpy(c->records, log->records.ptr + log->n_stored * log->record_bytes,
            n * log->record_bytes);
    log->n_stored += n;
    disk_put(core, c);
}

void disk_remember_shown(struct core *core)
{
    if (!core->remembers_session || core->shown_id == core->session->id)
        return;
    core->shown_id = core->session->id;
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    c->key = SLICE("shown");
    c->value = slice_of(arena_printf(&c->arena, "%" PRId64, core->shown_id));
    disk_put(core, c);
}

void disk_ask_theme(struct core *core)
{
    struct store_command *c = store_command_new(STORE_GET_SETTING);
    c->key = SLICE("theme");
    disk_ask(core, c);
}

void disk_put_theme(struct core *core)
{
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    c->key = SLICE("theme");
    c->value = slice_of(arena_printf(&c->arena, "%s", core->theme));
    disk_put(core, c);
}

void disk_put_breaker(struct core *core, int endpoint)
{
    const struct endpoint_state *e = &core->fleet.endpoints[endpoint];
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    int64_t until_ms = e->open_until_ns ? core_unix_ms(core, e->open_until_ns) : 0;
    c->key = slice_of(arena_printf(&c->arena, "breaker %s", e->conf->name));
    c->value = slice_of(arena_printf(&c->arena, "%" PRId64, until_ms));
    disk_put(core, c);
}

void disk_put_draft(struct core *core)
{
    struct session *s = core->session;
    if (!core->draft_dirty_ns)
        return;
    core->draft_dirty_ns = 0;
    if (s->writer_pid)
        return; /* its owner has its own draft */
    if (s->n_messages == 0 && s->draft.n == 0 && !s->is_stored)
        return; /* a draft alone makes a session, and this one is taken back */
    s->is_stored = true;
    struct store_command *c = store_command_new(STORE_PUT_DRAFT);
    session_fill_row(s, &c->arena, &c->session);
    disk_put(core, c);
    disk_remember_shown(core);
}

static void clock_text(int64_t unix_ms, char out[16])
{
    time_t seconds = unix_ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    snprintf(out, 16, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* What was in flight comes back one after the other: behind the refused, before what was held
 * back meanwhile. */
static void keep_refused(struct core *core, struct store_command *c)
{
    keep(core, c);
    memmove(core->unsaved + core->n_refused + 1, core->unsaved + core->n_refused,
            (core->n_unsaved - core->n_refused - 1) * sizeof *core->unsaved);
    core->unsaved[core->n_refused++] = c;
}

static void take_refusal(
        struct core *core, struct store_command *c, bool was_retry, uint64_t t_ns)
{
    static const uint32_t waits_s[] = {1, 2, 5, 10, 30};
    uint32_t n = core->n_disk_retries < ARRAY_LEN(waits_s) ? core->n_disk_retries
                                                           : ARRAY_LEN(waits_s) - 1;
    bool is_first = core->disk_failed_ns == 0;
    keep_refused(core, c);
    core->version++;
    if (!is_first && !was_retry)
        return; /* it was on its way already */
    core->disk_failed_ns = is_first ? t_ns : core->disk_failed_ns;
    core->disk_retry_ns = t_ns + waits_s[n] * 1000000000ull;
    core->n_disk_retries++;
    if (core->is_shutting_down) {
        core->disk_retry_ns = core->has_last_try ? t_ns : 0;
    } else if (is_first || core->n_disk_retries == ARRAY_LEN(waits_s)) {
        char when[16];
        clock_text(core_unix_ms(core, core->disk_retry_ns), when);
        core_notice(core, t_ns, c->err.status,
                "%s: everything is kept in memory and tried again at %s; /send-unsaved sends "
                "without saving, /export FILE writes to another place",
                c->err.text, when);
        core->disk_notice = core->notices[(core->n_notices - 1) % NOTICE_MAX];
    }
}

/* The disk took something again: the next of what waits goes on. */
static void pump(struct core *core)
{
    core->disk_retry_ns = 0;
    if (core->n_unsaved == 0) {
        core->disk_failed_ns = 0;
        core->n_disk_retries = 0;
        return;
    }
    struct store_command *c = core->unsaved[0];
    memmove(core->unsaved, core->unsaved + 1, --core->n_unsaved * sizeof *core->unsaved);
    core->n_refused -= core->n_refused > 0;
    core->is_retrying = true;
    send_put(core, c);
}

static void mark_saved(struct core *core, const struct store_command *c)
{
    for (size_t i = 0; i < c->n_messages; i++) {
        struct message *m;
        if (core_find_message(core, c->messages[i].id, &m) &&
                m->state == c->messages[i].state && m->text.n == c->messages[i].text.n) {
            m->is_saved = true;
            m->version++;
            core->version++;
        }
    }
}

static void take_saved(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    mark_saved(core, c);
    if (c->op == STORE_TRASH || c->op == STORE_PUT_TITLE)
        sessions_take_change(core, c, t_ns);
    struct run *run = c->tag ? core_find_run(core, (uint32_t)c->tag) : NULL;
    if (run && run->phase == RUN_WAITS_FOR_STORE)
        runs_dispatch(core, run, t_ns);
}

/* What went wrong, if something did and it was not just said. */
static void tell_once(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    const struct notice *newest =
            &core->notices[(core->n_notices + NOTICE_MAX - 1) % NOTICE_MAX];
    bool is_newest = core->n_notices && strcmp(newest->text, c->err.text) == 0;
    if (c->err.status != OK && !is_newest)
        core_notice(core, t_ns, c->err.status, "%s", c->err.text);
}

/* Rows are written whole: once more does no harm. Records and decisions are appended. */
static bool can_be_repeated(enum store_op op)
{
    return op == STORE_PUT_MESSAGE || op == STORE_PUT_DRAFT || op == STORE_PUT_TITLE;
}

static void take_put(struct core *core, struct store_command *c, uint64_t t_ns)
{
    bool was_retry = core->is_retrying;
    core->is_retrying = false;
    core->n_puts_pending--;
    if (c->err.status == ERR_FULL || c->err.status == ERR_IO) {
        take_refusal(core, c, was_retry, t_ns);
        return;
    }
    /* Another attempt would be refused the same way and hold up what waits behind it. A request
     * that waits for it waits for the user: as with a full disk, nothing unsaved is sent
     * unasked. */
    tell_once(core, c, t_ns);
    if (c->err.status == OK)
        take_saved(core, c, t_ns);
    if (was_retry && core->n_unsaved == 0 && c->err.status == OK)
        core_notice(core, t_ns, OK, "the disk takes data again; everything is saved");
    if (was_retry)
        pump(core);
    else if (core->disk_failed_ns)
        core->disk_retry_ns =
                t_ns; /* it was sent behind what was refused: the disk works again */
    if (core->disk_failed_ns && !was_retry && c->err.status == OK && can_be_repeated(c->op))
        keep_refused(
                core, c); /* the older state is written later, and this one again behind it */
    else
        store_command_free(c);
    core_forget_saved(core);
}

void disk_ask_tokens(struct core *core, struct message *m)
{
    if (m->role != MSG_ASSISTANT || m->tokens.disk != TOKENS_NOT_ASKED)
        return;
    struct store_command *c = store_command_new(STORE_LOAD_TOKENS);
    c->message_id = m->id;
    m->tokens.disk = TOKENS_ASKED;
    disk_ask(core, c);
}

/* What was loaded is shown in place of the open session. */
static void show_loaded(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    bool was_foreign = core->session->id == c->session.id;
    core_leave_session(core);
    core->session = session_from_rows(&c->session, c->messages, c->n_messages);
    core->session->writer_pid = c->writer_pid;
    core->session->load = c->tag;
    core->writer_ask_ns = t_ns + WRITER_ASK_NS;
    if (was_foreign && !c->writer_pid)
        core_notice(core, t_ns, OK,
                "the other shunt has let go of this session: it can be written here now");
    if (c->writer_pid)
        core_notice(core, t_ns, OK,
                "this session is open in another shunt (process %d): here it can be read; "
                "/fork goes on in a copy",
                c->writer_pid);
    for (size_t i = 0; i < c->n_messages; i++)
        core_saw_id(core, c->messages[i].id);
    struct message *leaf = session_find(core->session, core->session->leaf_id);
    if (leaf && leaf->state == MESSAGE_INTERRUPTED)
        core_notice(core, t_ns, OK,
                "the last answer was interrupted; what came is kept, and it can go on");
    if (leaf)
        disk_ask_tokens(core, leaf);
    core_take_choice(core, t_ns);
    disk_remember_shown(core);
}

/* The open session was asked for again because another process wrote it. What the user has
 * typed meanwhile stays. */
static void take_freed(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    struct session *s = core->session;
    bool is_open = c->session.id == s->id && s->writer_pid && c->tag == core->newest_load;
    if (!is_open || c->writer_pid || c->err.status != OK)
        return;
    struct buf typed = s->draft;
    s->draft = (struct buf){0};
    uint32_t cursor = s->draft_cursor;
    show_loaded(core, c, t_ns);
    if (typed.n) {
        buf_release(&core->session->draft);
        core->session->draft = typed;
        core->session->draft_cursor = cursor;
        core->draft_dirty_ns = t_ns;
    } else {
        buf_release(&typed);
    }
}

static void take_session(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    if (!core->is_loading || c->tag != core->newest_load)
        return; /* the user went elsewhere meanwhile */
    core->is_loading = false;
    if (c->err.status == ERR_NOT_FOUND && c->session.id <= 0)
        return; /* no session yet: the fresh one stays */
    if (c->err.status != OK)
        core_notice(core, t_ns, c->err.status, "%s", c->err.text);
    else if (!core_show_session(core, c->session.id, t_ns))
        show_loaded(core, c, t_ns);
}

static void take_tokens(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    struct message *m;
    if (!core_find_message(core, c->message_id, &m))
        return; /* the user went elsewhere meanwhile */
    m->tokens.disk = TOKENS_CAME;
    if (c->err.status != OK)
        core_notice(core, t_ns, c->err.status, "%s", c->err.text);
    if (c->err.status != OK || m->tokens.record_bytes || !c->shape || c->n_records == 0)
        return;
    m->tokens.shape = *c->shape;
    m->tokens.record_bytes = token_record_bytes(c->shape);
    buf_add(&m->tokens.records, c->records, c->n_records * m->tokens.record_bytes);
    m->tokens.n_stored = c->n_records;
    if (m->id == core->session->leaf_id)
        core_show_tokens(core, m);
}

/* A theme that was picked before the answer came is newer. */
static void take_theme(struct core *core, const struct store_command *c)
{
    if (!core->is_theme_known)
        snprintf(core->theme, sizeof core->theme, "%.*s", (int)c->value.n, c->value.ptr);
    core->is_theme_known = true;
}

static bool runs_in(const struct core *core, int64_t session_id)
{
    struct message *m;
    for (size_t i = 0; i < core->n_runs; i++)
        if (core_find_message(core, core->runs[i].message_id, &m)->id == session_id)
            return true;
    return false;
}

static void take_list(struct core *core, struct store_command *c)
{
    store_command_free(core->found_owner);
    core->found_owner = c;
    for (size_t i = 0; i < c->n_sessions; i++) /* what runs here is not interrupted */
        c->sessions[i].has_interrupted &= !runs_in(core, c->sessions[i].id);
    core->found = c->sessions;
    core->n_found = c->n_sessions;
    core->found_is_trash = c->is_trash;
    snprintf(
            core->found_query, sizeof core->found_query, "%.*s", (int)c->query.n, c->query.ptr);
}

void disk_apply(struct core *core, struct store_command *c, uint64_t t_ns)
{
    core->n_store_pending -= core->n_store_pending > 0;
    core->version++;
    switch (c->op) {
    case STORE_LIST:
        if (c->err.status == OK) {
            take_list(core, c);
            return;
        }
        tell_once(core, c, t_ns);
        break;
    case STORE_LOAD:
        if (c->only_if_free)
            take_freed(core, c, t_ns);
        else
            take_session(core, c, t_ns);
        break;
    case STORE_LOAD_FLEET:
        history_replay(&core->fleet, c);
        budget_take_history(core, c);
        break;
    case STORE_LOAD_TOKENS:
        take_tokens(core, c, t_ns);
        break;
    case STORE_LIST_DECISIONS:
        tell_once(core, c, t_ns);
        decisions_take(core, c);
        break;
    case STORE_EXPORT:
        core_notice(core, t_ns, c->err.status, "%s%.*s",
                c->err.status == OK ? "written: " : c->err.text,
                c->err.status == OK ? (int)c->key.n : 0, c->key.ptr);
        break;
    case STORE_RESERVE:
        runs_reserved(core, c, t_ns);
        break;
    case STORE_GET_SETTING:
        take_theme(core, c);
        break;
    case STORE_RELEASE:
        break;
    default:
        take_put(core, c, t_ns);
        return;
    }
    store_command_free(c);
}

static bool can_retry(const struct core *core)
{
    return core->disk_retry_ns && core->n_unsaved && core->n_puts_pending == 0;
}

static bool waits_for_writer(const struct core *core)
{
    return core->session->writer_pid && !core->is_loading && !core->is_shutting_down;
}

static void ask_whether_free(struct core *core, uint64_t t_ns)
{
    struct store_command *load = store_command_new(STORE_LOAD);
    load->session.id = core->session->id;
    load->tag = ++core->newest_load;
    load->only_if_free = true;
    core->writer_ask_ns = t_ns + WRITER_ASK_NS;
    disk_ask(core, load);
}

void disk_timer(struct core *core, uint64_t t_ns)
{
    if (can_retry(core) && t_ns >= core->disk_retry_ns) {
        core->has_last_try = false;
        pump(core);
    }
    if (core->draft_dirty_ns && t_ns >= core->draft_dirty_ns + DRAFT_NS)
        disk_put_draft(core);
    if (waits_for_writer(core) && t_ns >= core->writer_ask_ns)
        ask_whether_free(core, t_ns);
}

uint64_t disk_deadline(const struct core *core)
{
    uint64_t draft = core->draft_dirty_ns ? core->draft_dirty_ns + DRAFT_NS : 0,
             retry = can_retry(core) ? core->disk_retry_ns : 0,
             writer = waits_for_writer(core) ? core->writer_ask_ns : 0;
    return core_earlier(core_earlier(draft, retry), writer);
}

void disk_shut_down(struct core *core, uint64_t t_ns)
{
    core->is_shutting_down = core->has_last_try = true;
    if (core->disk_retry_ns)
        core->disk_retry_ns = t_ns;
}

static size_t count_unsaved(const struct session *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_messages; i++)
        n += !s->messages[i]->is_saved;
    return n;
}

enum status core_unsaved(const struct core *core, struct err *err)
{
    if (core->n_unsaved == 0)
        return OK;
    const struct store_command *first = core->unsaved[0];
    size_t n = count_unsaved(core->session);
    for (size_t i = 0; i < core->n_others; i++)
        n += count_unsaved(core->others[i]);
    char what[64] = "details of answers";
    for (size_t i = 0; i < core->n_unsaved && !n; i++)
        if (core->unsaved[i]->op == STORE_PUT_DRAFT)
            snprintf(what, sizeof what, "a draft");
    if (n)
        snprintf(what, sizeof what, "%zu message%s", n, n == 1 ? "" : "s");
    return err_set(err, first->err.status, "%s%s%.*s%s could not be saved: %s", what,
            first->session.title.n ? " of \"" : "", (int)first->session.title.n,
            first->session.title.ptr ? first->session.title.ptr : "",
            first->session.title.n ? "\"" : "", first->err.text);
}
