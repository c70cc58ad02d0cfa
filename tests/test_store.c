/*
 * test_store.c - the file itself: what was acknowledged is there after a kill, running answers
 * of dead processes become interrupted ones, a full disk loses nothing, an upgrade makes a
 * backup, and a newer or damaged file is not touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "router/store_sql.h"

#include "tests/helper_store.h"

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
                struct store_command *answer =
                        ask(store, put(100 + round, 1000 * (100 + round) + i, 0, MSG_USER,
                                           MESSAGE_DONE, "text"));
                if (answer->err.status == OK && write(fds[1], "x", 1) != 1)
                    _exit(1);
                store_command_free(answer);
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
        struct store_command *s = load(store, 100 + round);
        assert_true((int)s->n_messages >= n_acknowledged && n_acknowledged > 0);
        store_command_free(s);
        store_close(store);
    }
}

static void a_running_answer_of_a_dead_process_is_interrupted(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct store *store = open_store();
        store_command_free(ask(store, put(7, 1, 0, MSG_USER, MESSAGE_DONE, "ask")));
        store_command_free(ask(store, put(7, 2, 1, MSG_ASSISTANT, MESSAGE_RUNNING, "partial")));
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    struct store *store = open_store();
    expect_ok(ask(store, put(8, 3, 0, MSG_ASSISTANT, MESSAGE_RUNNING, "mine")));
    struct store_command *s = load(store, 7);
    assert_int_equal(s->messages[1].state, MESSAGE_INTERRUPTED);
    assert_true(slice_eq(s->messages[1].text, "partial"));
    store_command_free(s);
    s = load(store, 8); /* of a living process: it is still running */
    assert_int_equal(s->messages[0].state, MESSAGE_RUNNING);
    store_command_free(s);
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
        struct store_command *answer = ask(store, put(1, i, 0, MSG_USER, MESSAGE_DONE, text));
        status = answer->err.status;
        n_ok += status == OK;
        store_command_free(answer);
    }
    assert_true(status == ERR_FULL || status == ERR_IO);
    setrlimit(RLIMIT_FSIZE, &old);
    expect_ok(ask(store, put(1, 1000, 0, MSG_USER, MESSAGE_DONE, text)));
    struct store_command *s = load(store, 1);
    assert_int_equal(s->n_messages, n_ok + 1); /* nothing half-written */
    store_command_free(s);
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

static void run_sql(const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/shunt.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_database_without_a_trash_gets_one(void **state)
{
    (void)state;
    struct store *store = open_store();
    char backup[96];
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    store_close(store);
    run_sql("ALTER TABLE session DROP COLUMN trashed_ms; "
            "ALTER TABLE session DROP COLUMN endpoint; "
            "ALTER TABLE message DROP COLUMN tool_calls; "
            "ALTER TABLE message DROP COLUMN is_copy; PRAGMA user_version = 5");
    store = open_store();
    expect_listed(store, 1);
    expect_ok(trash(store, 1, 1700000000000));
    expect_listed(store, 0);
    store_close(store);
    snprintf(backup, sizeof backup, "%s/shunt.db.bak-v5", dir);
    assert_int_equal(access(backup, F_OK), 0);
}

/* It decides whether the core tries again for ever. */
static void an_error_tells_whether_it_may_pass(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct store_command *c = put(1, 1, 0, MSG_USER, MESSAGE_DONE, "of no session");
    c->messages[0].session_id = 99;
    c = ask(store, c);
    assert_int_equal(c->err.status, ERR_FORMAT);
    assert_non_null(strstr(c->err.text, "FOREIGN KEY"));
    store_command_free(c);
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "x")));
    run_sql("ALTER TABLE message ADD later TEXT; PRAGMA user_version = 99");
    c = ask(store, put(1, 2, 1, MSG_USER, MESSAGE_DONE, "x"));
    assert_int_equal(c->err.status, ERR_DENIED);
    assert_non_null(strstr(c->err.text, "newer version"));
    store_command_free(c);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(what_was_acknowledged_survives_a_kill),
            TEST(a_running_answer_of_a_dead_process_is_interrupted),
            TEST(a_full_disk_refuses_and_recovers),
            TEST(a_newer_database_is_not_touched),
            TEST(an_upgrade_makes_a_backup_first),
            TEST(a_damaged_file_says_so),
            TEST(a_database_without_a_trash_gets_one),
            TEST(an_error_tells_whether_it_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
