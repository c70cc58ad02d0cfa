/*
 * core_sessions.c - the list of sessions, and what is done there to one that need not be open:
 * it goes to the trash and comes back, or gets another title. Nothing in the trash is removed
 * from the database.
 */
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/session.h"
#include "router/store.h"

#define LISTED_MAX 500

void sessions_list(struct core *core, const char *query, bool is_trash)
{
    struct store_command *list = store_command_new(STORE_LIST);
    list->query = slice_of(arena_strdup(&list->arena, query));
    list->is_trash = is_trash;
    list->limit = LISTED_MAX;
    disk_ask(core, list);
}

void sessions_begin(struct core *core, uint64_t t_ns)
{
    core_leave_session(core);
    core->session = session_new(core_new_id(core, t_ns), core_unix_ms(core, t_ns));
    core->use_endpoint = -1;
    core->is_loading = false;
}

/* NULL: only the disk has it. */
static struct session *in_memory(const struct core *core, int64_t id)
{
    if (core->session->id == id)
        return core->session;
    for (size_t i = 0; i < core->n_others; i++)
        if (core->others[i]->id == id)
            return core->others[i];
    return NULL;
}

static void put_title(struct core *core, int64_t id, const char *title)
{
    struct store_command *c = store_command_new(STORE_PUT_TITLE);
    c->session.id = id;
    c->session.title = slice_of(arena_strdup(&c->arena, title));
    disk_put(core, c);
}

static void say_title(struct core *core, struct slice title, uint64_t t_ns)
{
    core_notice(core, t_ns, OK, "the session is now called %.*s", (int)title.n, title.ptr);
}

void sessions_rename(struct core *core, int64_t id, const char *text, uint64_t t_ns)
{
    struct session *s = id ? in_memory(core, id) : core->session;
    char title[sizeof s->title];
    bool is_open = s == core->session;
    if (is_open && core_refuse_foreign(core, t_ns))
        return;
    struct slice words = slice_trim(slice_of(text));
    if (words.n == 0) {
        core_notice(core, t_ns, ERR_USAGE, "say what: /rename TITLE");
        return;
    }
    snprintf(title, sizeof title, "%.*s", (int)words.n, words.ptr);
    title[utf8_whole(title, strlen(title))] = '\0';
    if (s)
        memcpy(s->title, title, sizeof title);
    if (is_open)
        say_title(core, slice_of(title), t_ns);
    if (!is_open || s->n_messages || s->draft.n) /* an empty one is not stored yet */
        put_title(core, is_open ? s->id : id, title);
}

static void put_trashed(struct core *core, int64_t id, int64_t unix_ms)
{
    struct store_command *c = store_command_new(STORE_TRASH);
    c->session.id = id;
    c->trashed_ms = unix_ms;
    disk_put(core, c);
}

void sessions_trash(struct core *core, int64_t id, uint64_t t_ns)
{
    struct session *s = in_memory(core, id);
    if (s && core_run_in(core, s)) {
        core_notice(core, t_ns, ERR_USAGE, "an answer is running in it: stop it first");
        return;
    }
    if (s == core->session) {
        if (core_refuse_foreign(core, t_ns))
            return;
        sessions_begin(core, t_ns);
    }
    put_trashed(core, id, core_unix_ms(core, t_ns));
}

static void forget_trashed(struct core *core, int64_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < core->n_trashed; i++)
        if (core->trashed[i] != id)
            core->trashed[n++] = core->trashed[i];
    core->n_trashed = n;
}

void sessions_untrash(struct core *core, int64_t id, uint64_t t_ns)
{
    if (id == 0 && core->n_trashed)
        id = core->trashed[core->n_trashed - 1];
    if (id == 0) {
        core_notice(core, t_ns, ERR_USAGE,
                "no session went to the trash since the start: what went before is in its list");
        return;
    }
    forget_trashed(core, id);
    put_trashed(core, id, 0);
}

static void remember_trashed(struct core *core, int64_t id)
{
    core->trashed = mem_resize(core->trashed, (core->n_trashed + 1) * sizeof *core->trashed);
    core->trashed[core->n_trashed++] = id;
}

void sessions_take_change(struct core *core, const struct store_command *c, uint64_t t_ns)
{
    if (c->op == STORE_PUT_TITLE) {
        if (c->session.id != core->session->id)
            say_title(core, c->session.title, t_ns);
    } else if (c->trashed_ms) {
        remember_trashed(core, c->session.id);
        core_notice(core, t_ns, OK, "the session is in the trash; u takes it back");
    } else {
        core_notice(core, t_ns, OK, "the session is back");
    }
    if (core->found_owner) /* somebody looks at the list */
        sessions_list(core, core->found_query, core->found_is_trash);
}
