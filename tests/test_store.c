/*
 * test_store.c - the database: what was acknowledged is there after a kill, running answers of
 * dead processes become interrupted ones, a full disk loses nothing, and a newer or damaged
 * file is not touched.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/session.h"
#include "router/store.h"
#include "router/store_sql.h"

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/shunt-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct store *open_store(void)
{
    struct store *store;
    struct err err;
    if (store_open(&store, dir, -1, &err) != OK)
        fail_msg("%s", err.text);
    return store;
}

/* Sends and waits; the answer is the caller's. */
static struct stored *ask(struct store *store, struct stored *command)
{
    struct event event;
    assert_true(store_send(store, command));
    for (int i = 0; i < 10000; i++) {
        if (store_poll_event(store, &event))
            return event.u.stored;
        poll(NULL, 0, 1);
    }
    fail_msg("the store does not answer");
    return NULL;
}

static struct stored *put(int64_t session_id, int64_t id, int64_t parent,
        enum message_role role, enum message_state state, const char *text)
{
    struct stored *c = stored_new(STORE_PUT_MESSAGE);
    c->session = (struct session_row){.id = session_id,
            .created_ms = 1,
            .used_ms = id,
            .leaf_id = id,
            .title = SLICE("title")};
    c->messages = arena_alloc(&c->arena, sizeof *c->messages);
    c->messages[0] = (struct message_row){.id = id,
            .session_id = session_id,
            .parent_id = parent,
            .role = role,
            .state = state,
            .created_ms = id,
            .text = slice_of(arena_strdup(&c->arena, text)),
            .cost_nusd = -1,
            .usage = {1, 2, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN}};
    c->n_messages = 1;
    return c;
}

static void expect_ok(struct stored *answer)
{
    if (answer->err.status != OK)
        fail_msg("%s", answer->err.text);
    stored_free(answer);
}

static struct stored *load(struct store *store, int64_t id)
{
    struct stored *c = stored_new(STORE_LOAD);
    c->session.id = id;
    return ask(store, c);
}

/* A thousand in one command; every hundredth was made while the clock was an hour back. */
static struct stored *put_long_session(void)
{
    enum { N = 1000 };
    struct stored *c = put(7, N, 0, MSG_USER, MESSAGE_DONE, "x");
    struct message_row one = c->messages[0];
    c->messages = arena_alloc(&c->arena, N * sizeof *c->messages);
    c->n_messages = N;
    for (int64_t i = 0; i < N; i++) {
        c->messages[i] = one;
        c->messages[i].id = i + 1;
        c->messages[i].parent_id = i;
        c->messages[i].created_ms = 4000000 + i - (i % 100 == 0 ? 3600000 : 0);
        c->messages[i].reasoning_ms = (uint32_t)i;
    }
    return c;
}

static void a_long_session_comes_back_in_the_order_of_ids(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put_long_session()));
    struct stored *s = load(store, 7);
    assert_int_equal(s->n_messages, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(s->messages[i].id, i + 1);
        assert_int_equal(s->messages[i].reasoning_ms, i);
    }
    stored_free(s);
    store_close(store);
}

static void a_tree_comes_back_as_it_was(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct stored *first = put(7, 1, 0, MSG_USER, MESSAGE_DONE, "one and a file");
    first->messages[0].n_attached = 11;
    expect_ok(ask(store, first));
    expect_ok(ask(store, put(7, 2, 1, MSG_ASSISTANT, MESSAGE_DONE, "left")));
    expect_ok(ask(store,
            put(7, 3, 1, MSG_ASSISTANT, MESSAGE_STOPPED, "right \xC3\xA9 \xF0\x9F\x98\x80")));
    store_close(store);
    store = open_store();
    struct stored *s = load(store, 0);
    assert_int_equal(s->err.status, OK);
    assert_int_equal(s->session.id, 7);
    assert_int_equal(s->n_messages, 3);
    assert_int_equal(s->messages[2].parent_id, 1);
    assert_int_equal(s->messages[2].state, MESSAGE_STOPPED);
    assert_true(slice_eq(s->messages[2].text, "right \xC3\xA9 \xF0\x9F\x98\x80"));
    assert_int_equal(s->messages[2].usage.output, 2);
    assert_int_equal(s->messages[2].usage.cached_input, TOKENS_UNKNOWN);
    assert_int_equal(s->messages[2].cost_nusd, -1);
    struct session *session = session_from_rows(&s->session, s->messages, s->n_messages);
    struct message **path;
    assert_int_equal(session_path(session, &path), 2);
    assert_int_equal(path[1]->id, 3);
    assert_true(slice_eq(message_typed(path[0]), "one"));
    mem_free(path);
    session_free(session);
    stored_free(s);
    s = load(store, 99);
    assert_int_equal(s->err.status, ERR_NOT_FOUND);
    stored_free(s);
    store_close(store);
}

/* A child writes and is killed at a random moment; it tells through a pipe what was
 * acknowledged. */
static void what_was_acknowledged_survives_a_kill(void **state)
{
    (void)state;
    uint64_t rng = 5;
    for (int round = 0; round < 8; round++) {
        int fds[2], n_acknowledged = 0;
        char byte;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct store *store = open_store();
            for (int64_t i = 1; i < 100000; i++) {
                struct stored *answer = ask(store, put(100 + round, 1000 * (100 + round) + i, 0,
                                                           MSG_USER, MESSAGE_DONE, "text"));
                if (answer->err.status == OK && write(fds[1], "x", 1) != 1)
                    _exit(1);
                stored_free(answer);
            }
            _exit(0);
        }
        close(fds[1]);
        for (uint64_t left = 3 + rng_next(&rng) % 20; left > 0 && read(fds[0], &byte, 1) == 1;
                left--)
            n_acknowledged++;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &byte, 1) == 1)
            n_acknowledged++;
        close(fds[0]);
        struct store *store = open_store();
        struct stored *s = load(store, 100 + round);
        assert_true((int)s->n_messages >= n_acknowledged && n_acknowledged > 0);
        stored_free(s);
        store_close(store);
    }
}

static void a_running_answer_of_a_dead_process_is_interrupted(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct store *store = open_store();
        stored_free(ask(store, put(7, 1, 0, MSG_USER, MESSAGE_DONE, "ask")));
        stored_free(ask(store, put(7, 2, 1, MSG_ASSISTANT, MESSAGE_RUNNING, "partial")));
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    struct store *store = open_store();
    expect_ok(ask(store, put(8, 3, 0, MSG_ASSISTANT, MESSAGE_RUNNING, "mine")));
    struct stored *s = load(store, 7);
    assert_int_equal(s->messages[1].state, MESSAGE_INTERRUPTED);
    assert_true(slice_eq(s->messages[1].text, "partial"));
    stored_free(s);
    s = load(store, 8); /* of a living process: it is still running */
    assert_int_equal(s->messages[0].state, MESSAGE_RUNNING);
    stored_free(s);
    store_close(store);
}

static struct stored *reserve(struct store *store, int64_t amount_nusd, int64_t limit_nusd)
{
    struct stored *c = stored_new(STORE_RESERVE);
    c->key = SLICE("mini");
    c->amount_nusd = amount_nusd;
    c->limit_nusd = limit_nusd;
    return ask(store, c);
}

/* Four processes at once want more than there is. */
static void a_shared_budget_is_never_overdrawn_and_no_cent_is_lost(void **state)
{
    (void)state;
    pid_t children[4];
    store_close(open_store()); /* the schema is there */
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct store *store = open_store();
        int n = 0;
        for (int k = 0; k < 50; k++) {
            struct stored *c = reserve(store, 10, 1000);
            n += c->err.status == OK && !c->is_over;
            stored_free(c);
        }
        store_close(store);
        _exit(n);
    }
    int n_granted = 0, status;
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        n_granted += WEXITSTATUS(status);
    }
    assert_int_equal(n_granted, 100);
    struct store *store = open_store();
    struct stored *c = reserve(store, -30, -1);
    assert_int_equal(c->total_nusd, 970);
    stored_free(c);
    c = reserve(store, 31, 1000);
    assert_true(c->is_over);
    assert_int_equal(c->total_nusd, 970);
    stored_free(c);
    store_close(store);
}

static void expect_put(struct store *store, enum status status)
{
    struct stored *c = ask(store, put(5, 50, 0, MSG_USER, MESSAGE_DONE, "parent"));
    assert_int_equal(c->err.status, status);
    stored_free(c);
}

static struct stored *trash(struct store *store, int64_t id, int64_t trashed_ms)
{
    struct stored *c = stored_new(STORE_TRASH);
    c->session.id = id;
    c->trashed_ms = trashed_ms;
    return ask(store, c);
}

static struct stored *put_title(struct store *store, int64_t id, struct slice title)
{
    struct stored *c = stored_new(STORE_PUT_TITLE);
    c->session.id = id;
    c->session.title = title;
    return ask(store, c);
}

static void one_process_writes_a_session_until_it_is_gone(void **state)
{
    (void)state;
    int to_child[2], to_parent[2];
    char byte;
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *store = open_store();
        stored_free(ask(store, put(5, 1, 0, MSG_USER, MESSAGE_DONE, "child")));
        if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1)
            _exit(1);
        _exit(0); /* without a word */
    }
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    struct store *store = open_store();
    struct stored *c = load(store, 5);
    assert_int_equal(c->writer_pid, pid);
    assert_int_equal(c->n_messages, 1); /* it can be read */
    stored_free(c);
    c = stored_new(STORE_LOAD);
    c->session.id = 5;
    c->only_if_free = true;
    c = ask(store, c);
    assert_int_equal(c->writer_pid, pid);
    assert_int_equal(c->n_messages, 0);
    stored_free(c);
    expect_put(store, ERR_DENIED);
    c = trash(store, 5, 1);
    assert_int_equal(c->err.status, ERR_DENIED);
    stored_free(c);
    c = put_title(store, 5, SLICE("mine"));
    assert_int_equal(c->err.status, ERR_DENIED);
    stored_free(c);
    assert_int_equal(write(to_child[1], "x", 1), 1);
    siginfo_t gone; /* dead is enough: a parent may be slow to fetch its child */
    assert_int_equal(waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOWAIT), 0);
    expect_put(store, OK);
    c = load(store, 5);
    assert_int_equal(c->writer_pid, 0);
    stored_free(c);
    waitpid(pid, NULL, 0);
    store_close(store);
}

static void search_takes_any_text(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        size_t n;
    } cases[] = {{"", 2}, {"needle", 1}, {"need", 1}, {"hay needle", 1}, {"nothing", 0},
            {"\"", 2}, {"a\" OR \"b", 0}, {"(x) AND NOT *", 0}, {"\xC3\xA9t\xC3\xA9", 1},
            {"\xF0\x9F\x98\x80", 0}};
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "a needle in the hay")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "l'\xC3\xA9t\xC3\xA9 dernier")));
    expect_ok(
            ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE,
                               "l'\xC3\xA9t\xC3\xA9 dernier"))); /* written twice, found once */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stored *c = stored_new(STORE_LIST);
        c->query = slice_of(arena_strdup(&c->arena, cases[i].query));
        c = ask(store, c);
        if (c->err.status != OK || c->n_sessions != cases[i].n)
            fail_msg("\"%s\" finds %zu: %s", cases[i].query, c->n_sessions, c->err.text);
        stored_free(c);
    }
    store_close(store);
}

static void tokens_come_back_whole(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct telemetry_shape shape = {.n_moe_layers = 3, .n_experts = 8, .k = 2};
    size_t n = token_record_bytes(&shape);
    expect_ok(ask(store, put(1, 1, 0, MSG_ASSISTANT, MESSAGE_DONE, "x")));
    for (int chunk = 0; chunk < 3; chunk++) {
        struct stored *c = stored_new(STORE_PUT_TOKENS);
        c->message_id = 1;
        c->shape = &shape;
        c->n_records = 2;
        c->records = arena_alloc(&c->arena, 2 * n);
        memset(c->records, 10 + chunk, 2 * n);
        expect_ok(ask(store, c));
    }
    struct stored *c = stored_new(STORE_LOAD_TOKENS);
    c->message_id = 1;
    c = ask(store, c);
    assert_int_equal(c->n_records, 6);
    assert_int_equal(c->records[0], 10);
    assert_int_equal(c->records[6 * n - 1], 12);
    stored_free(c);
    store_close(store);
}

static void put_decision(
        struct store *store, int64_t t_ms, int64_t message_id, const char *json)
{
    struct stored *c = stored_new(STORE_PUT_DECISION);
    c->session.used_ms = t_ms;
    c->message_id = message_id;
    c->value = slice_of(json);
    expect_ok(ask(store, c));
}

static struct stored *list_decisions(struct store *store, int64_t message_id, uint32_t limit)
{
    struct stored *c = stored_new(STORE_LIST_DECISIONS);
    c->message_id = message_id;
    c->limit = limit;
    c = ask(store, c);
    assert_int_equal(c->err.status, OK);
    return c;
}

static void decisions_come_back_newest_first(void **state)
{
    (void)state;
    struct store *store = open_store();
    static const char files[] = "\n\n\xC3\xA9.md:\n```\n\xC3\xA9\n```";
    struct stored *asked = put(
            1, 1, 0, MSG_USER, MESSAGE_DONE, "wh\xC3\xA9?\n\n\xC3\xA9.md:\n```\n\xC3\xA9\n```");
    asked->messages[0].n_attached = sizeof files - 1; /* is no part of the question */
    expect_ok(ask(store, asked));
    expect_ok(ask(store, put(1, 2, 1, MSG_ASSISTANT, MESSAGE_DONE, "so")));
    put_decision(store, 10, 2, "first");
    put_decision(store, 20, 7, "of a message that is not there");
    put_decision(store, 30, 2, "last");
    struct stored *c = list_decisions(store, 0, 2);
    assert_int_equal(c->n_decisions, 2);
    assert_true(slice_eq(c->decisions[0].json, "last"));
    assert_int_equal(c->decisions[0].t_ms, 30);
    assert_true(slice_eq(c->decisions[0].question, "wh\xC3\xA9?"));
    assert_int_equal(c->decisions[1].message_id, 7);
    assert_int_equal(c->decisions[1].question.n, 0);
    stored_free(c);
    c = list_decisions(store, 2, 100);
    assert_int_equal(c->n_decisions, 2);
    assert_true(slice_eq(c->decisions[1].json, "first"));
    stored_free(c);
    c = list_decisions(store, 3, 100);
    assert_int_equal(c->n_decisions, 0);
    stored_free(c);
    store_close(store);
}

/* The limit of file sizes stands for a full disk: it needs no rights. */
static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct rlimit old, tight = {200000, RLIM_INFINITY};
    char *text = mem_alloc(100001);
    int n_ok = 0;
    memset(text, 'x', 100000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &tight);
    enum status status = OK;
    for (int64_t i = 1; i < 50 && status == OK; i++) {
        struct stored *answer = ask(store, put(1, i, 0, MSG_USER, MESSAGE_DONE, text));
        status = answer->err.status;
        n_ok += status == OK;
        stored_free(answer);
    }
    assert_true(status == ERR_FULL || status == ERR_IO);
    setrlimit(RLIMIT_FSIZE, &old);
    expect_ok(ask(store, put(1, 1000, 0, MSG_USER, MESSAGE_DONE, text)));
    struct stored *s = load(store, 1);
    assert_int_equal(s->n_messages, n_ok + 1); /* nothing half-written */
    stored_free(s);
    store_close(store);
    mem_free(text);
}

static void a_newer_database_is_not_touched(void **state)
{
    (void)state;
    char path[96];
    struct store *store = open_store();
    sqlite3 *db;
    struct err err;
    store_close(store);
    snprintf(path, sizeof path, "%s/shunt.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(&store, dir, -1, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "newer version"));
}

static void an_upgrade_makes_a_backup_first(void **state)
{
    (void)state;
    static const struct migration steps[] = {{"CREATE TABLE a (x); INSERT INTO a VALUES (42)"},
            {"ALTER TABLE a ADD y"}, {"nonsense"}};
    char path[96], backup[128];
    sqlite3 *db;
    struct err err;
    snprintf(path, sizeof path, "%s/up.db", dir);
    snprintf(backup, sizeof backup, "%s.bak-v1", path);
    assert_int_equal(db_open_with(&db, path, steps, 1, &err), OK);
    db_close(db);
    assert_int_not_equal(access(backup, F_OK), 0);
    assert_int_equal(db_open_with(&db, path, steps, 2, &err), OK);
    db_close(db);
    assert_int_equal(access(backup, F_OK), 0);
    assert_int_not_equal(
            db_open_with(&db, path, steps, 3, &err), OK); /* a failing step changes nothing */
    assert_int_equal(db_open_with(&db, path, steps, 2, &err), OK);
    db_close(db);
}

static void a_damaged_file_says_so(void **state)
{
    (void)state;
    char path[96];
    struct store *store;
    struct err err;
    snprintf(path, sizeof path, "%s/shunt.db", dir);
    assert_int_equal(file_write(path, "this is not a database, whatever its name says ...", 50,
                             0600, &err),
            OK);
    assert_int_equal(store_open(&store, dir, -1, &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, "shunt.db"));
}

static void expect_loaded(struct store *store, int64_t which, int64_t id)
{
    struct stored *c = load(store, which);
    assert_int_equal(c->err.status, OK);
    assert_int_equal(c->session.id, id);
    stored_free(c);
}

static void the_session_that_was_shown_is_shown_again(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "shown")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "asked from the shell")));
    expect_loaded(store, SESSION_SHOWN, 2); /* nothing was shown yet */
    struct stored *c = stored_new(STORE_PUT_SETTING);
    c->key = SLICE("shown");
    c->value = SLICE("1");
    expect_ok(ask(store, c));
    expect_loaded(store, SESSION_SHOWN, 1);
    expect_loaded(store, SESSION_NEWEST, 2);
    store_close(store);
}

static void an_export_never_overwrites(void **state)
{
    (void)state;
    char path[96];
    struct store *store = open_store();
    snprintf(path, sizeof path, "%s/out.md", dir);
    for (int i = 0; i < 2; i++) {
        struct stored *c = stored_new(STORE_EXPORT);
        c->key = slice_of(arena_strdup(&c->arena, path));
        c->value = SLICE("# text\n");
        c = ask(store, c);
        assert_int_equal(c->err.status, i == 0 ? OK : ERR_IO);
        stored_free(c);
    }
    store_close(store);
}

static void run_sql(const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/shunt.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Which errors may pass decides whether the core tries again for ever. */
/* Those that the words find; the caller frees it. */
static struct stored *list(struct store *store, const char *words)
{
    struct stored *c = stored_new(STORE_LIST);
    c->query = slice_of(words);
    return ask(store, c);
}

static void expect_listed(struct store *store, size_t n)
{
    struct stored *all = list(store, ""), *found = list(store, "word");
    assert_int_equal(all->n_sessions, n);
    assert_int_equal(found->n_sessions, n);
    stored_free(all);
    stored_free(found);
}

static void trash_is_kept_but_neither_listed_nor_shown(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(trash(store, 2, 1700000000000));
    expect_listed(store, 1);
    expect_loaded(store, SESSION_NEWEST, 1);
    store_close(store);
    store = open_store();
    expect_listed(store, 1);
    expect_loaded(store, 2, 2); /* whoever knows its id can read it */
    expect_ok(trash(store, 2, 0));
    expect_listed(store, 2);
    expect_ok(trash(store, 1, 1700000000000));
    expect_ok(ask(store, put(1, 3, 1, MSG_USER, MESSAGE_DONE, "word"))); /* and go on with it */
    expect_listed(store, 2);
    store_close(store);
}

static void a_database_without_a_trash_gets_one(void **state)
{
    (void)state;
    struct store *store = open_store();
    char backup[96];
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    store_close(store);
    run_sql("ALTER TABLE session DROP COLUMN trashed_ms; "
            "ALTER TABLE session DROP COLUMN endpoint; PRAGMA user_version = 5");
    store = open_store();
    expect_listed(store, 1);
    expect_ok(trash(store, 1, 1700000000000));
    expect_listed(store, 0);
    store_close(store);
    snprintf(backup, sizeof backup, "%s/shunt.db.bak-v5", dir);
    assert_int_equal(access(backup, F_OK), 0);
}

static void a_title_can_change_alone(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(put_title(store, 1, SLICE("rivers")));
    struct stored *c = load(store, 1);
    assert_true(slice_eq(c->session.title, "rivers"));
    assert_int_equal(c->session.used_ms, 1); /* its place in the list too */
    stored_free(c);
    store_close(store);
}

static void an_error_tells_whether_it_may_pass(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct stored *c = put(1, 1, 0, MSG_USER, MESSAGE_DONE, "of no session");
    c->messages[0].session_id = 99;
    c = ask(store, c);
    assert_int_equal(c->err.status, ERR_FORMAT);
    assert_non_null(strstr(c->err.text, "FOREIGN KEY"));
    stored_free(c);
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "x")));
    run_sql("ALTER TABLE message ADD later TEXT; PRAGMA user_version = 99");
    c = ask(store, put(1, 2, 1, MSG_USER, MESSAGE_DONE, "x"));
    assert_int_equal(c->err.status, ERR_DENIED);
    assert_non_null(strstr(c->err.text, "newer version"));
    stored_free(c);
    store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* The n-th answer of today so far, as the core numbers them. */
static void put_answer(struct store *store, int64_t now_ms, int n, struct message_row row)
{
    struct stored *c = put(7, (now_ms << 20) + n, 0, MSG_ASSISTANT, row.state, "text");
    row.id = c->messages[0].id;
    row.session_id = 7;
    row.role = MSG_ASSISTANT;
    row.created_ms = row.created_ms ? row.created_ms : now_ms;
    row.text = c->messages[0].text;
    c->messages[0] = row;
    expect_ok(ask(store, c));
}

static const struct usage known = {10, 20, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN},
                          unknown = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN,
                                  TOKENS_UNKNOWN, TOKENS_UNKNOWN};

static void the_newest_answers_of_each_endpoint_come_back(void **state)
{
    (void)state;
    struct store *store = open_store();
    int64_t now = clock_unix_ms();
    for (int i = 0; i < ANSWERS_MAX + 3; i++)
        put_answer(store, now, i,
                (struct message_row){.endpoint = SLICE("a"),
                        .usage = known,
                        .cost_nusd = 5,
                        .ttft_ms = 100 + (uint32_t)i,
                        .total_ms = 900});
    put_answer(store, now, 200,
            (struct message_row){.endpoint = SLICE("b"),
                    .state = MESSAGE_FAILED,
                    .error = SLICE("no"),
                    .usage = unknown,
                    .cost_nusd = -1});
    put_answer(store, now, 201,
            (struct message_row){.endpoint = SLICE("b"), .state = MESSAGE_RUNNING});
    put_answer(store, now, 202,
            (struct message_row){
                    .endpoint = SLICE("b"), .created_ms = now - 5000, .ttft_ms = 1});
    struct stored *c = stored_new(STORE_PUT_SETTING);
    c->key = SLICE("breaker a b");
    c->value = SLICE("1700000000001");
    expect_ok(ask(store, c));
    c = stored_new(STORE_PUT_SETTING);
    c->key = SLICE("breakers");
    c->value = SLICE("1");
    expect_ok(ask(store, c));
    c = stored_new(STORE_LOAD_FLEET);
    c->since_ms = c->day_ms = now - 1000;
    c = ask(store, c);
    assert_int_equal(c->err.status, OK);
    assert_int_equal(c->n_answers, ANSWERS_MAX + 1); /* not the old, not the running one */
    assert_int_equal(c->answers[0].ttft_ms, 103);
    assert_int_equal(c->answers[ANSWERS_MAX - 1].ttft_ms, 100 + ANSWERS_MAX + 2);
    assert_int_equal(c->answers[0].n_output_tok, 20);
    assert_true(slice_eq(c->answers[ANSWERS_MAX].endpoint, "b"));
    assert_true(slice_eq(c->answers[ANSWERS_MAX].error, "no"));
    assert_int_equal(c->answers[ANSWERS_MAX].state, MESSAGE_FAILED);
    assert_int_equal(c->answers[ANSWERS_MAX].n_output_tok, TOKENS_UNKNOWN);
    assert_int_equal(c->n_breakers, 1);
    assert_true(slice_eq(c->breakers[0].endpoint, "a b"));
    assert_int_equal(c->breakers[0].until_ms, 1700000000001);
    assert_int_equal(c->n_costs, 2);
    assert_int_equal(c->costs[0].n_requests, ANSWERS_MAX + 3); /* sums are over all */
    assert_int_equal(c->costs[0].cost_nusd, 5 * (ANSWERS_MAX + 3));
    stored_free(c);
    store_close(store);
}

static void costs_are_summed_by_local_day(void **state)
{
    (void)state;
    setenv("TZ", "<+10>-10", 1); /* ten hours east */
    tzset();
    struct store *store = open_store();
    int64_t late = 1767189600000; /* 2025-12-31T14:00:00Z: midnight there */
    struct message_row row = {.endpoint = SLICE("a"), .usage = known, .cost_nusd = 7};
    put_answer(store, late - 1, 1, row);
    put_answer(store, late, 2, row);
    row.cost_nusd = -1;
    put_answer(store, late, 3, row);
    row.state = MESSAGE_FAILED;
    row.usage = unknown;
    put_answer(store, late, 4, row);
    row.endpoint = SLICE("b");
    put_answer(store, late, 5, row);
    struct stored *c = stored_new(STORE_LOAD_COSTS);
    c->since_ms = late - 1;
    c = ask(store, c);
    assert_int_equal(c->n_costs, 3);
    assert_true(slice_eq(c->costs[0].day, "2025-12-31"));
    assert_int_equal(c->costs[0].n_requests, 1);
    assert_true(slice_eq(c->costs[1].day, "2026-01-01"));
    assert_int_equal(c->costs[1].n_requests, 3);
    assert_int_equal(c->costs[1].n_errors, 1);
    assert_int_equal(c->costs[1].n_unpriced, 1); /* one that gave nothing is no debt */
    assert_int_equal(c->costs[1].n_input_tok, 20);
    assert_int_equal(c->costs[1].n_output_tok, 40);
    assert_int_equal(c->costs[1].cost_nusd, 7);
    assert_true(slice_eq(c->costs[2].endpoint, "b"));
    assert_int_equal(c->costs[2].cost_nusd, -1);
    assert_int_equal(c->costs[2].n_input_tok, -1);
    stored_free(c);
    c = stored_new(STORE_LOAD_COSTS);
    c->since_ms = late;
    c = ask(store, c);
    assert_int_equal(c->n_costs, 2);
    stored_free(c);
    store_close(store);
    unsetenv("TZ");
    tzset();
}

static void the_newest_decisions_come_first(void **state)
{
    (void)state;
    struct store *store = open_store();
    for (int i = 1; i <= 3; i++) {
        struct stored *c = stored_new(STORE_PUT_DECISION);
        c->session.used_ms = i;
        c->value = slice_of(arena_printf(&c->arena, "{\"n\":%d}", i));
        expect_ok(ask(store, c));
    }
    struct stored *c = stored_new(STORE_LIST_DECISIONS);
    c->limit = 2;
    c = ask(store, c);
    assert_int_equal(c->n_decisions, 2);
    assert_int_equal(c->decisions[0].t_ms, 3);
    assert_true(slice_eq(c->decisions[1].json, "{\"n\":2}"));
    stored_free(c);
    store_close(store);
}

static void put_one_record(struct store *store, int64_t session_id, int64_t id)
{
    struct telemetry_shape shape = {0};
    struct stored *c = put(session_id, id, 0, MSG_ASSISTANT, MESSAGE_DONE, "x");
    c->messages[0].endpoint = SLICE("moe");
    expect_ok(ask(store, c));
    c = stored_new(STORE_PUT_TOKENS);
    c->message_id = id;
    c->shape = arena_alloc(&c->arena, sizeof shape);
    c->n_records = 1;
    c->records = arena_alloc(&c->arena, token_record_bytes(&shape));
    expect_ok(ask(store, c));
}

static void the_newest_answer_with_records_is_found(void **state)
{
    (void)state;
    static const struct {
        int64_t session_id, message_id;
    } wanted[] = {{0, 22}, {7, 11}, {8, 22}, {9, 0}};
    struct store *store = open_store();
    put_one_record(store, 7, 11);
    put_one_record(store, 8, 22);
    expect_ok(ask(store, put(7, 33, 0, MSG_ASSISTANT, MESSAGE_DONE, "remote")));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct stored *c = stored_new(STORE_LOAD_TOKENS);
        c->session.id = wanted[i].session_id;
        c = ask(store, c);
        assert_int_equal(c->err.status, OK);
        assert_int_equal(c->message_id, wanted[i].message_id);
        assert_int_equal(c->n_records, wanted[i].message_id ? 1 : 0);
        if (wanted[i].message_id)
            assert_true(slice_eq(c->messages[0].endpoint, "moe"));
        stored_free(c);
    }
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_long_session_comes_back_in_the_order_of_ids),
            TEST(a_tree_comes_back_as_it_was),
            TEST(what_was_acknowledged_survives_a_kill),
            TEST(a_running_answer_of_a_dead_process_is_interrupted),
            TEST(a_shared_budget_is_never_overdrawn_and_no_cent_is_lost),
            TEST(one_process_writes_a_session_until_it_is_gone),
            TEST(search_takes_any_text),
            TEST(tokens_come_back_whole),
            TEST(decisions_come_back_newest_first),
            TEST(a_full_disk_refuses_and_recovers),
            TEST(a_newer_database_is_not_touched),
            TEST(an_upgrade_makes_a_backup_first),
            TEST(a_damaged_file_says_so),
            TEST(the_session_that_was_shown_is_shown_again),
            TEST(an_export_never_overwrites),
            TEST(trash_is_kept_but_neither_listed_nor_shown),
            TEST(a_database_without_a_trash_gets_one),
            TEST(a_title_can_change_alone),
            TEST(an_error_tells_whether_it_may_pass),
            TEST(the_newest_answers_of_each_endpoint_come_back),
            TEST(costs_are_summed_by_local_day),
            TEST(the_newest_decisions_come_first),
            TEST(the_newest_answer_with_records_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
