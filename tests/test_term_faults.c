/*
 * test_term_faults.c - the program in a terminal when things go wrong: a database that cannot
 * be used, servers that die, a terminal that vanishes while an answer runs, and answers, names
 * and errors that want to steer the terminal. Bytes are checked as the terminal gets them.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tests/helper_cli.h"
#include "tests/helper_hostile.h"
#include "tests/helper_pty.h"

#define CTRL_D "\x04"

static struct pty *pty;
static char data[64];

static int set_up(void **state)
{
    static int n;
    (void)state;
    snprintf(data, sizeof data, "data%d", n++);
    setenv("LC_ALL", "C.UTF-8", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (pty)
        pty_close(pty);
    pty = NULL;
    if (server)
        stop_serving();
    return 0;
}

static void start(int n_rows, int n_cols)
{
    char *argv[] = {(char[]){SHUNT_BINARY}, (char[]){"--config"}, path_of("shunt.conf"),
            (char[]){"--data"}, path_of(data), NULL};
    pty = pty_open(&(struct pty_config){n_rows, n_cols, "xterm-256color", argv});
    pty_wait_text(pty, "Chat");
    pty_wait_quiet(pty);
}

static void restart(void)
{
    pty_close(pty);
    start(24, 80);
}

static void quit(void)
{
    pty_type(pty, CTRL_D);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
}

/* ---- the database ----------------------------------------------------------------------- */

static void without_a_database_one_can_chat_and_is_told(void **state)
{
    (void)state;
    static const char letter[] = "this is no database, and it stays what it is";
    char name[80];
    struct buf after;
    struct err err;
    assert_int_equal(dir_make(path_of(data), &err), OK);
    snprintf(name, sizeof name, "%s/shunt.db", data);
    write_text(name, letter);
    serve(STREAM("an answer"), false);
    start(24, 80);
    pty_wait_text(pty, "nothing of this run will be saved");
    pty_type(pty, "hello\r");
    pty_wait_text(pty, "an answer");
    pty_wait_text(pty, "not saved"); /* for as long as it runs */
    quit();
    pty_wait_text(pty, "shunt.db is damaged"); /* also behind it, where one can read it again */
    assert_int_equal(file_read(&after, path_of(name), 1 << 20, &err), OK);
    assert_string_equal(buf_text(&after), letter);
    buf_release(&after);
}

/* ---- servers ---------------------------------------------------------------------------- */

static void a_dead_server_leaves_what_came_and_the_next_question(void **state)
{
    (void)state;
    static const struct {
        const char *response, *shown;
        bool hangs;
    } cases[] = {
            {HEAD("200 OK", "text/event-stream") DELTA("half an answer"), "half an answer",
                    false},
            {HEAD("200 OK", "text/event-stream") DELTA("half an answer"), "half an answer",
                    true},
            {HEAD("500 Oops", "text/plain") "the server broke", "the server broke", false},
            {"", "\"e\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set_up(NULL);
        serve_script(&(struct server_script){.bytes = cases[i].response,
                             .n = strlen(cases[i].response),
                             .hangs = cases[i].hangs},
                "idle_timeout = 500ms\nfirst_token_timeout = 2s\n");
        start(24, 100);
        pty_type(pty, "hello\r");
        pty_wait_text(pty, cases[i].shown);
        pty_wait_text(pty, "\"e\""); /* the sentence says who */
        pty_type(pty, "again");
        pty_wait_text(pty, "> again");
        tear_down(NULL);
    }
}

/* ---- the terminal ----------------------------------------------------------------------- */

static void a_vanished_terminal_keeps_what_came(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("so far so good"), true);
    start(24, 80);
    pty_type(pty, "hello\r");
    pty_wait_text(pty, "so far so good");
    pty_signal(pty, SIGHUP);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    restart();
    pty_wait_text(pty, "so far so good");
    pty_wait_text(pty, "hello");
}

static void close_the_window(bool tells)
{
    uint64_t begin_ns = clock_now_ns();
    pty_hang_up(pty);
    if (tells) /* as the shell does */
        pty_signal(pty, SIGHUP);
    int status = pty_wait_status(pty, false);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(clock_now_ns() - begin_ns < 5000000000ull);
}

/* Nobody ends a program that nobody sees. */
static void a_closed_window_ends_it_wherever_one_is_and_keeps_the_draft(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *shown;
        bool tells; /* in the editor the terminal is not looked at */
    } places[] = {
            {"", "> half a thought", false},
            {"\x18p", "palette", false},
            {"\x18"
             "3a",
                    "new endpoint", false},
            {"\x18\x05", "in the editor", true},
            {"", "> half a thought", true},
    };
    setenv("VISUAL", "sh -c 'echo in the editor; sleep 20'", 1);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        set_up(NULL);
        serve(HEAD("200 OK", "text/event-stream") DELTA("so far so good"), true);
        start(30, 100);
        pty_type(pty, "hello\r");
        pty_wait_text(pty, "so far so good"); /* and it goes on */
        pty_type(pty, "half a thought");
        pty_wait_text(pty, "> half a thought");
        pty_type(pty, places[i].keys);
        pty_wait_text(pty, places[i].shown);
        close_the_window(places[i].tells);
        restart();
        pty_wait_text(pty, "so far so good");
        pty_wait_text(pty, "> half a thought");
        tear_down(NULL);
    }
    unsetenv("VISUAL");
}

static void a_huge_terminal_is_filled(void **state)
{
    (void)state;
    write_text("shunt.conf", "");
    start(200, 500);
    pty_type(pty, "\x18"
                  "2\x18"
                  "3\x18"
                  "4\x18"
                  "6\x18"
                  "1");
    pty_wait_quiet(pty);
    assert_null(find_harm(pty_bytes(pty)));
    quit();
}

/* ---- text that wants to steer the terminal ---------------------------------------------- */

static void add_event(struct buf *stream, const char *member, struct slice text)
{
    buf_printf(stream, "data: {\"choices\":[{\"index\":0,\"delta\":{\"%s\":", member);
    json_add_string(stream, text);
    buf_add_text(stream, "}}]}\n\n");
}

static void make_hostile_stream(struct buf *stream, uint64_t *rng)
{
    buf_add_text(stream, HEAD("200 OK", "text/event-stream"));
    for (int i = 0; i < 60; i++) {
        struct buf text;
        buf_init(&text, 1 << 16);
        hostile_add(&text, rng, 10);
        add_event(stream, i < 10 ? "reasoning_content" : "content", buf_slice(&text));
        buf_release(&text);
    }
    add_event(stream, "content", SLICE("\n\nthe end of it"));
    buf_add_text(stream, STREAM_END);
}

static void look_everywhere(void)
{
    static const char *const keys[] = {"\x18"
                                       "2",
            "\x18"
            "3",
            "\r", "\x1B",
            "\x18"
            "4",
            "\r", "\x1B",
            "\x18"
            "6",
            "\x18"
            "7",
            "\x18"
            "1",
            "\x1Bw", "\x1B", "\x1B<", "\x1BOP"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        pty_type(pty, keys[i]);
        pty_read(pty, 150);
        const char *harm = find_harm(pty_bytes(pty));
        if (harm)
            fail_msg("after key %d: %s", (int)i, harm);
    }
}

static void hostile_answers_never_steer_the_terminal(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t rng = seed;
        struct buf stream;
        set_up(NULL);
        buf_init(&stream, 1 << 22);
        make_hostile_stream(&stream, &rng);
        serve_script(&(struct server_script){.bytes = stream.ptr, .n = stream.n, .chunk = 700},
                "[endpoint \"\x1B[31m\xE2\x80\xAE\xC2\x9B"
                "6n\"]\nkind = vllm\nurl = http://127.0.0.1:1/\x1B]0;x\x07\nmodel = "
                "\xF3\xA0\x81\x81\xE2\x81\xA6\x1B]52;c;eA==\x07\n[shunt]\ntheme = \x1B[6n\n");
        start(30, 100);
        pty_type(pty, "hello \xE2\x80\xAE\xC2\x9B"
                      "6n\r");
        pty_wait_text(pty, "the end of it");
        look_everywhere();
        tear_down(NULL);
        buf_release(&stream);
    }
}

static void hostile_errors_never_steer_the_terminal(void **state)
{
    (void)state;
    uint64_t rng = 9;
    struct buf response, words;
    buf_init(&response, 1 << 20);
    buf_init(&words, 1 << 16);
    hostile_add(&words, &rng, 30);
    buf_add_text(&response, HEAD("400 Bad", "application/json") "{\"error\":{\"message\":");
    json_add_string(&response, buf_slice(&words));
    buf_add_text(&response, "}}");
    serve_script(&(struct server_script){.bytes = response.ptr, .n = response.n}, "");
    start(30, 100);
    pty_type(pty, "hello\r");
    pty_wait_text(pty, "\"e\"");
    look_everywhere();
    buf_release(&words);
    buf_release(&response);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(without_a_database_one_can_chat_and_is_told),
            TEST(a_dead_server_leaves_what_came_and_the_next_question),
            TEST(a_vanished_terminal_keeps_what_came),
            TEST(a_closed_window_ends_it_wherever_one_is_and_keeps_the_draft),
            TEST(a_huge_terminal_is_filled),
            TEST(hostile_answers_never_steer_the_terminal),
            TEST(hostile_errors_never_steer_the_terminal),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
