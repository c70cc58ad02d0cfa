/*
 * test_secrets.c - a key comes from the environment, a file or a command, goes to its server,
 * and never comes out anywhere else: messages, objects, database, exports, core files. Servers
 * echo it here in every way they do.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/cmd.h"

#include "tests/helper_cli.h"

static void expect_no_key_in(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *entry; (entry = readdir(d));) {
        char path[600];
        struct buf text;
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (file_read(&text, path, 64 << 20, NULL) == OK && text.n &&
                memmem(text.ptr, text.n, KEY, strlen(KEY)))
            fail_msg("the key is in %s", path);
        buf_release(&text);
    }
    closedir(d);
}

static void a_key_never_comes_out(void **state)
{
    (void)state;
    static const char *const responses[] = {
            HEAD("401 Unauthorized",
                    "application/json") "{\"error\":{\"message\":\"Incorrect API key: " KEY
                                        "\"}}",
            HEAD("401 Unauthorized", "text/plain") "bad key " KEY,
            HEAD("400 Bad", "application/json") "{\"detail\":\"" KEY "\"}",
            HEAD("500 " KEY, "text/html") "<p>Bearer " KEY "</p>",
            HEAD("200 OK", "text/event-stream") "data: {\"error\":{\"message\":\"key " KEY
                                                " expired\"}}\n\n"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(responses); i++) {
        serve(responses[i / 2], false);
        if (i % 2)
            expect_exit(RUN("ask", CONFIG, "-n", "--stats", "--json", "hello"), EXIT_FAILED);
        else
            expect_exit(RUN("ask", CONFIG, "-n", "--stats", "hello"), EXIT_FAILED);
        assert_non_null(strstr(server_request(server, 0), "Bearer " KEY)); /* it was sent */
        if (strstr(buf_text(&result.out), KEY) || strstr(buf_text(&result.err), KEY))
            fail_msg("response %d: the key is in: %s%s", (int)i / 2, buf_text(&result.out),
                    buf_text(&result.err));
        stop_serving();
    }
    RUN("doctor", CONFIG);
    assert_null(strstr(buf_text(&result.out), KEY));
    RUN("route", CONFIG, "--json", "hello");
    assert_null(strstr(buf_text(&result.out), KEY));
    expect_no_key_in(path_of("data"));
}

/* Long messages are cut, perhaps in the middle of the key. */
static void no_part_of_a_key_comes_out(void **state)
{
    (void)state;
    for (int n_before = 376; n_before < 400; n_before += 6) {
        char response[1000];
        char filler[400];
        memset(filler, 'x', sizeof filler);
        snprintf(response, sizeof response,
                HEAD("401 Unauthorized",
                        "application/json") "{\"error\":{\"message\":\"%.*s" KEY "\"}}",
                n_before, filler);
        serve(response, false);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
        expect_in(&result.err, "SHUNT_TEST_KEY"); /* where the key comes from is said */
        assert_null(strstr(buf_text(&result.err), "sk-a1b"));
        stop_serving();
    }
}

static void expect_no_key_out(void)
{
    if (strstr(buf_text(&result.out), KEY) || strstr(buf_text(&result.err), KEY))
        fail_msg("the key is in: %s%s", buf_text(&result.out), buf_text(&result.err));
}

/* The same from wherever a key can come. */
static void a_key_from_a_file_or_command_never_comes_out(void **state)
{
    (void)state;
    static char *const commands[][3] = {{"doctor"}, {"route", "--json", "hello"},
            {"fleet", "list", "--json"}, {"fleet", "probe"}, {"fleet", "costs"}, {"top", "-b"},
            {"model", "list"}};
    char sources[2][200];
    write_text("key", KEY "\n");
    snprintf(sources[0], sizeof sources[0], "key_file = %s\n", path_of("key"));
    snprintf(sources[1], sizeof sources[1], "key_command = cat %s\n", path_of("key"));
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        static const char echo[] =
                HEAD("401 No", "application/json") "{\"error\":{\"message\":\"authorization: "
                                                   "Bearer " KEY "\"}}";
        serve_script(&(struct server_script){.bytes = echo, .n = sizeof echo - 1}, sources[i]);
        expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_FAILED);
        assert_non_null(strstr(server_request(server, 0), "Bearer " KEY));
        expect_no_key_out();
        for (size_t k = 0; k < ARRAY_LEN(commands); k++) {
            RUN(CONFIG, commands[k][0], commands[k][1], commands[k][2]);
            assert_true(result.out.n + result.err.n > 0);
            expect_no_key_out();
        }
        stop_serving();
        expect_no_key_in(path_of("data"));
    }
}

/* What a crash leaves behind would hold everything the program knew. */
/* What stands in a url, too, is nobody's business. */
static void a_password_in_a_url_never_comes_out(void **state)
{
    (void)state;
    static char *const commands[][3] = {{"doctor"}, {"route", "hello"}, {"ask", "-n", "hello"},
            {"fleet", "list", "--json"}, {"fleet", "probe"}};
    write_text("shunt.conf", "[endpoint \"e\"]\nkind = vllm\nretries = 0\nmodel = m\n"
                             "url = http://me:s3cret@127.0.0.1:1/v1\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN(CONFIG, commands[i][0], commands[i][1], commands[i][2]);
        if (strstr(buf_text(&result.out), "s3cret") || strstr(buf_text(&result.err), "s3cret"))
            fail_msg("%s: %s%s", commands[i][0], buf_text(&result.out), buf_text(&result.err));
    }
    RUN("doctor", CONFIG);
    expect_in(&result.out, "http://\xE2\x80\xA6@127.0.0.1:1/v1");
}

static void a_crash_leaves_no_core_file(void **state)
{
    (void)state;
    struct rlimit old, unlimited;
    assert_int_equal(getrlimit(RLIMIT_CORE, &old), 0);
    if (old.rlim_max == 0)
        skip(); /* nobody gets core files here */
    unlimited = (struct rlimit){old.rlim_max, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &unlimited), 0);
    serve(HEAD("200 OK", "text/event-stream") DELTA("so far"), true);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), "/dev/null", NULL);
    char path[64];
    struct buf limits;
    struct err err;
    for (int i = 0; i < 3000 && server_n_requests(server) == 0; i++)
        usleep(10000);
    snprintf(path, sizeof path, "/proc/%d/limits", (int)child.pid);
    assert_int_equal(file_read(&limits, path, 1 << 16, &err), OK);
    assert_non_null(strstr(buf_text(&limits), "Max core file size        1 "));
    buf_release(&limits);
    kill(child.pid, SIGABRT);
    finish(&child);
    close(child.in);
    assert_true(WIFSIGNALED(result.status) && !WCOREDUMP(result.status));
    stop_serving();
    assert_int_equal(setrlimit(RLIMIT_CORE, &old), 0);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_key_never_comes_out),
            TEST(no_part_of_a_key_comes_out),
            TEST(a_key_from_a_file_or_command_never_comes_out),
            TEST(a_password_in_a_url_never_comes_out),
            TEST(a_crash_leaves_no_core_file),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
