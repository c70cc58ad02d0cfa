/*
 * test_faults.c - what goes wrong around the program: servers that die in every way, disks and
 * databases that refuse, configurations that are none. Each time: the right class and exit
 * status, a sentence that leads on, nothing hangs, nothing is lost.
 */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tui/cmd.h"

#include "tests/helper_cli.h"

/* ---- servers ---------------------------------------------------------------------------- */

#define TIMEOUTS                                                                               \
    "connect_timeout = 2s\nfirst_token_timeout = 700ms\nidle_timeout = 700ms\n"                \
    "total_timeout = 3s\n"
#define EVENTS             HEAD("200 OK", "text/event-stream")
#define BYTES(text)        .bytes = (text), .n = sizeof(text) - 1
#define ERROR_HEAD(status) HEAD(status, "application/json")

static const struct {
    const char *name;
    struct server_script script;
    int exit;
    const char *class, *text; /* of the object; class "": no error */
} deaths[] = {
        /* before the head is whole */
        {"closed at once", {BYTES("")}, EXIT_FAILED, "network", ""},
        {"reset at once", {BYTES(""), .resets = true}, EXIT_FAILED, "network", ""},
        {"silent", {BYTES(""), .hangs = true}, EXIT_FAILED, "timeout", ""},
        {"head cut", {BYTES("HTTP/1.1 200 OK\r\nContent-Ty")}, EXIT_FAILED, "network", ""},
        {"head that never ends", {BYTES("HTTP/1.1 200 OK\r\nX: "), .hangs = true}, EXIT_FAILED,
                "timeout", ""},
        {"head one byte at a time",
                {BYTES("HTTP/1.1 200 OK\r\nX-Long: 0123456789012345678901234567890\r\n"),
                        .chunk = 1, .gap_ms = 50, .hangs = true},
                EXIT_FAILED, "timeout", ""},
        {"no HTTP", {BYTES("SSH-2.0-OpenSSH_9.2\r\n")}, EXIT_FAILED, "config", ""},
        /* in the answer */
        {"nothing in it", {BYTES(EVENTS)}, EXIT_FAILED, "network", ""},
        {"silent behind the head", {BYTES(EVENTS), .hangs = true}, EXIT_FAILED, "timeout", ""},
        {"cut", {BYTES(EVENTS DELTA("half"))}, EXIT_INCOMPLETE, "network", "half"},
        {"reset", {BYTES(EVENTS DELTA("half")), .resets = true}, EXIT_INCOMPLETE, "network",
                "half"},
        {"stalled", {BYTES(EVENTS DELTA("half")), .hangs = true}, EXIT_INCOMPLETE, "timeout",
                "half"},
        {"garbage in the stream",
                {BYTES(EVENTS DELTA("half") "data: {\"choices\":[\xFF\xFE\n\n")},
                EXIT_INCOMPLETE, "protocol", "half"},
        {"an error in the stream",
                {BYTES(EVENTS DELTA("half") "data: {\"error\":{\"message\":\"out of memory\","
                                            "\"code\":500}}\n\n")},
                EXIT_INCOMPLETE, "server_error", "half"},
        {"a wrong length",
                {BYTES("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
                       "9999\r\n\r\n" DELTA("half"))},
                EXIT_INCOMPLETE, "network", "half"},
        {"broken chunks",
                {BYTES("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")},
                EXIT_FAILED, "network", ""},
        {"no gzip",
                {BYTES("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Content-Encoding: gzip\r\n\r\nhello")},
                EXIT_FAILED, "protocol", ""},
        {"a page", {BYTES(HEAD("200 OK", "text/html") "<h1>Welcome to the wifi</h1>")},
                EXIT_FAILED, "protocol", ""},
        {"an empty body", {BYTES("HTTP/1.1 204 No Content\r\n\r\n")}, EXIT_FAILED, "network",
                ""},
        /* what says what it is */
        {"400", {BYTES(ERROR_HEAD("400 Bad") "{\"error\":{\"message\":\"no\"}}")}, EXIT_FAILED,
                "invalid_request", ""},
        {"401", {BYTES(ERROR_HEAD("401 No") "{}")}, EXIT_FAILED, "auth", ""},
        {"403", {BYTES(ERROR_HEAD("403 No") "{}")}, EXIT_FAILED, "permission", ""},
        {"404", {BYTES(ERROR_HEAD("404 No") "{}")}, EXIT_FAILED, "not_found", ""},
        {"429", {BYTES(ERROR_HEAD("429 Slow") "{}")}, EXIT_FAILED, "rate_limit", ""},
        {"500", {BYTES(ERROR_HEAD("500 Oops") "")}, EXIT_FAILED, "server_error", ""},
        {"502", {BYTES(HEAD("502 Bad", "text/html") "<html>nginx</html>")}, EXIT_FAILED,
                "server_error", ""},
        {"503", {BYTES(ERROR_HEAD("503 Busy") "")}, EXIT_FAILED, "overloaded", ""},
        {"529", {BYTES(ERROR_HEAD("529 Busy") "{}")}, EXIT_FAILED, "overloaded", ""},
        {"elsewhere", {BYTES("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")},
                EXIT_FAILED, "config", ""},
        /* what only looks like dying */
        {"a byte order mark", {BYTES(EVENTS "\xEF\xBB\xBF" DELTA("all") STREAM_END)}, EXIT_DONE,
                "", "all"},
        {"a word before it", {BYTES("HTTP/1.1 103 Early Hints\r\n\r\n" STREAM("all"))},
                EXIT_DONE, "", "all"},
        {"one byte at a time", {BYTES(STREAM("all")), .chunk = 1}, EXIT_DONE, "", "all"},
};

static void a_head_without_end_is_a_fault_of_the_server(void **state)
{
    (void)state;
    struct buf answer;
    buf_init(&answer, 1 << 20);
    buf_add_text(&answer, "HTTP/1.1 200 OK\r\nX-Long: ");
    for (int i = 0; i < 200000; i++)
        buf_add(&answer, "x", 1);
    buf_add_text(&answer, "\r\n\r\n" DELTA("all") STREAM_END);
    serve_script(&(struct server_script){.bytes = answer.ptr, .n = answer.n}, TIMEOUTS);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_FAILED);
    expect_in(&result.out, "\"class\":\"protocol\",\"retryable\":true");
    expect_in(&result.out, "headers are too large");
    buf_release(&answer);
    stop_serving();
}

static void every_death_of_a_server_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(deaths); i++) {
        serve_script(&deaths[i].script, TIMEOUTS);
        uint64_t start_ns = clock_now_ns();
        int code = RUN("ask", CONFIG, "-n", "--json", "hello");
        struct json *root = json_parse(buf_slice(&result.out));
        const struct json *error = json_get(root, "error");
        const char *class = json_get_text(error, "class");
        if (code != deaths[i].exit || strcmp(class ? class : "", deaths[i].class) != 0 ||
                strcmp(json_get_text(root, "text"), deaths[i].text) != 0)
            fail_msg("%s: exit status %d, %s", deaths[i].name, code, buf_text(&result.out));
        if (class && !strstr(json_get_text(error, "message"), "\"e\""))
            fail_msg("%s: which endpoint? %s", deaths[i].name, buf_text(&result.out));
        if (clock_now_ns() - start_ns > 15000000000u)
            fail_msg("%s: it hangs", deaths[i].name);
        json_free(root);
        stop_serving();
    }
}

/* ---- databases and disks ---------------------------------------------------------------- */

/* One more answer, whatever the database is. */
static void expect_answer(void)
{
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "ok\n");
    stop_serving();
}

static void make_header_garbage(struct buf *db)
{
    memset(db->ptr, 0x5A, 100);
}

static void make_pages_garbage(struct buf *db)
{
    memset(db->ptr + 4096, 0x5A, db->n - 4096);
}

static void cut_it(struct buf *db)
{
    db->n = 5000;
}

static void make_it_newer(struct buf *db)
{
    memset(db->ptr + 60, 0x7F, 4); /* user_version, see sqlite.org/fileformat.html */
}

static void make_it_a_text(struct buf *db)
{
    buf_clear(db);
    buf_add_text(db, "a letter to a friend, called shunt.db by mistake\n");
}

static const struct {
    void (*damage)(struct buf *db);
    const char *sentence;
} damages[] = {
        {make_header_garbage, "is damaged or no database"},
        {make_pages_garbage, "damaged"},
        {cut_it, "is damaged or no database"},
        {make_it_newer, "newer version of shunt"},
        {make_it_a_text, "is damaged or no database"},
};

/* Nobody can say what is still in it: it is left for the user to rescue. */
static void a_database_that_cannot_be_used_is_said_and_left_alone(void **state)
{
    (void)state;
    struct buf whole, after;
    struct err err;
    expect_answer();
    assert_int_equal(file_read(&whole, path_of("data/shunt.db"), 64 << 20, &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct buf damaged;
        buf_init(&damaged, 64 << 20);
        buf_add_slice(&damaged, buf_slice(&whole));
        damages[i].damage(&damaged);
        unlink(path_of("data/shunt.db-wal"));
        unlink(path_of("data/shunt.db-shm"));
        write_file("data/shunt.db", damaged.ptr, damaged.n);
        expect_answer();
        expect_sentence(damages[i].sentence);
        assert_int_equal(file_read(&after, path_of("data/shunt.db"), 64 << 20, &err), OK);
        if (after.n != damaged.n || memcmp(after.ptr, damaged.ptr, after.n) != 0)
            fail_msg("\"%s\": the file was written to", damages[i].sentence);
        buf_release(&after);
        buf_release(&damaged);
    }
    unlink(path_of("data/shunt.db"));
    buf_release(&whole);
}

static void a_locked_database_is_said(void **state)
{
    (void)state;
    sqlite3 *db;
    expect_answer();
    assert_int_equal(sqlite3_open(path_of("data/shunt.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                             "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; "
                             "CREATE TABLE other (x)",
                             NULL, NULL, NULL),
            SQLITE_OK);
    expect_answer();
    expect_sentence("locked by another program");
    sqlite3_close(db);
}

static void a_folder_that_cannot_be_written_is_said(void **state)
{
    (void)state;
    static const char *const folders[] = {"/proc/shunt", "/dev/null/shunt"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        serve(STREAM("ok"), false);
        expect_exit(RUN("ask", "--config", path_of("shunt.conf"), "--data",
                            (char *)(uintptr_t)folders[i], "-n", "hello"),
                EXIT_DONE);
        assert_string_equal(buf_text(&result.out), "ok\n");
        expect_sentence(folders[i]);
        expect_sentence("will not be saved");
        stop_serving();
    }
}

static void with_limit(int resource, rlim_t value, void (*run)(void))
{
    struct rlimit old, limit;
    assert_int_equal(getrlimit(resource, &old), 0);
    limit = (struct rlimit){value, old.rlim_max};
    assert_int_equal(setrlimit(resource, &limit), 0);
    run();
    assert_int_equal(setrlimit(resource, &old), 0);
}

/* As a full disk does; without care the kernel ends the program. */
static void a_file_that_may_not_grow_is_said(void **state)
{
    (void)state;
    expect_answer();
    with_limit(RLIMIT_FSIZE, 8192, expect_answer);
    assert_true(result.err.n > 0);
    expect_in(&result.err, "shunt");
    expect_answer();
    assert_int_equal(result.err.n, 0);
}

static void few_files_are_enough_to_answer(void **state)
{
    (void)state;
    with_limit(RLIMIT_NOFILE, 24, expect_answer);
}

/* ---- surroundings ----------------------------------------------------------------------- */

static void surroundings_that_say_nothing_are_survived(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } cases[] = {{"HOME", NULL}, {"HOME", "not/absolute"}, {"XDG_CONFIG_HOME", "relative"},
            {"XDG_CONFIG_HOME", ""}, {"XDG_CONFIG_HOME", "/dev/null"},
            {"XDG_DATA_HOME", "/dev/null"}, {"LANG", "\x1B[31m"}, {"TERM", "\x1B[31m"},
            {"TERM", NULL}, {"TZ", "Nowhere/At/All"}, {"PATH", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *before = getenv(cases[i].name);
        char *old = before ? mem_strdup(before) : NULL;
        if (cases[i].value)
            setenv(cases[i].name, cases[i].value, 1);
        else
            unsetenv(cases[i].name);
        expect_exit(RUN("--data", path_of("data"), "keys"), EXIT_DONE);
        expect_no_escapes();
        expect_answer();
        RUN("doctor");
        assert_true(result.out.n > 0);
        expect_no_escapes();
        if (old)
            setenv(cases[i].name, old, 1);
        else
            unsetenv(cases[i].name);
        mem_free(old);
    }
}

static void without_a_terminal_it_says_what_works(void **state)
{
    (void)state;
    write_text("shunt.conf", "");
    expect_exit(RUN(CONFIG), EXIT_FAILED);
    expect_sentence("there is no terminal");
    expect_sentence("`shunt ask` works without one");
    assert_int_equal(result.out.n, 0);
}

/* ---- configurations --------------------------------------------------------------------- */

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
            {"[shunt]\nthem = dark\n", ":2: unknown key \"them\" in [shunt]: did you mean "
                                       "\"theme\"?"},
            {"[shunt]\ntheme dark\n", ":2: \"theme dark\" is neither"},
            {"[shunt]\nzone = mars\n", ":2: zone \"mars\" is none of local, lab"},
            {"[shunt]\nbudget_day_usd = much\n", ":2: budget_day_usd = much"},
            {"[endpont \"x\"]\nkind = vllm\n", ":2: unknown section [endpont]: did you mean"},
            {"[endpoint \"x]\nkind = vllm\n", ":1: \"[endpoint \"x]\" is no [section]"},
            {"[endpoint x]\nkind = vllm\n", ":1: the name needs quotes: [endpoint \"x\"]"},
            {"[endpoint \"x\"]\nkind = vlm\n", ":2: no kind \"vlm\""},
            {"[endpoint \"x\"]\nkind = vllm\nurl = http://h/v1\nmodel = \"m\n",
                    ":4: a quote is opened and never closed"},
            {"[endpoint \"x\"]\nkind = vllm\nretries = many\n", ":3: retries = many"},
            {"[endpoint \"x\"]\nkind = vllm\nidle_timeout = 5\n",
                    ":3: idle_timeout = 5 in [endpoint \"x\"]: a duration such as"},
            {"[bind \"chatt\"]\nsend = x\n", ":2: no context \"chatt\""},
            {"\xEF\xBB\xBF[shunt]\r\nthem = x\r\n", ":2: unknown key \"them\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_text("shunt.conf", cases[i].text);
        expect_exit(RUN("keys", CONFIG), EXIT_DONE); /* the program goes on */
        expect_sentence(cases[i].sentence);
        expect_sentence("shunt.conf:");
    }
}

/* What holds unread might be a zone or a budget: the program does not guess. */
static void a_configuration_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    char *big = mem_alloc(5 << 20);
    memset(big, '#', 5 << 20);
    write_file("shunt.conf", big, 5 << 20);
    mem_free(big);
    expect_exit(RUN("keys", CONFIG), EXIT_FAILED);
    expect_sentence("is larger than");
    unlink(path_of("shunt.conf"));
    assert_int_equal(mkdir(path_of("shunt.conf"), 0700), 0);
    expect_exit(RUN("keys", CONFIG), EXIT_FAILED);
    expect_sentence("is a directory");
    rmdir(path_of("shunt.conf"));
    assert_int_equal(symlink(path_of("shunt.conf"), path_of("shunt.conf")), 0);
    expect_exit(RUN("keys", CONFIG), EXIT_FAILED);
    expect_sentence("symbolic links");
    unlink(path_of("shunt.conf"));
}

static void a_file_of_garbage_is_not_recited(void **state)
{
    (void)state;
    struct buf garbage;
    uint64_t rng = 7;
    buf_init(&garbage, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_add(&garbage, &(char){(char)rng_next(&rng)}, 1);
    write_file("shunt.conf", garbage.ptr, garbage.n);
    buf_release(&garbage);
    expect_exit(RUN("keys", CONFIG), EXIT_DONE);
    expect_in(&result.err, "NUL bytes");
    expect_in(&result.err, "more mistakes in the configuration");
    assert_true(result.err.n < 10000);
    expect_no_escapes();
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(every_death_of_a_server_has_its_class),
            TEST(a_head_without_end_is_a_fault_of_the_server),
            TEST(a_database_that_cannot_be_used_is_said_and_left_alone),
            TEST(a_locked_database_is_said),
            TEST(a_folder_that_cannot_be_written_is_said),
            TEST(a_file_that_may_not_grow_is_said),
            TEST(few_files_are_enough_to_answer),
            TEST(surroundings_that_say_nothing_are_survived),
            TEST(without_a_terminal_it_says_what_works),
            TEST(every_mistake_is_named_with_its_line),
            TEST(a_configuration_that_cannot_be_read_is_refused),
            TEST(a_file_of_garbage_is_not_recited),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
