/*
 * test_output.c - what the commands write: nothing that steers a terminal, no escapes into a
 * pipe, an end where nobody reads or the disk is full.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tui/cmd.h"

#include "tests/helper_cli.h"
#include "tests/helper_tiny_model.h"

static void what_a_server_says_never_steers_the_terminal(void **state)
{
    (void)state;
    static const char *const responses[] = {
            HEAD("400 Bad", "application/json") "{\"error\":{\"message\":\"\\u001b["
                                                "31mred\\u0007\\n\\u001b]0;x\"}}",
            HEAD("400 Bad",
                    "application/json") "{\"error\":{\"message\":\"\\u009b31mred \\u202e\"}}",
            HEAD("502 Bad", "text/html") "<h1>\x1B[31mred</h1>\x9B"
                                         "31m",
            HEAD("200 OK", "text/plain") "\x1B[31mred\x9B"
                                         "31m"};
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        serve(responses[i], false);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
        expect_in(&result.err, "31m");
        expect_no_escapes();
        stop_serving();
    }
}

/* A model file is somebody else's, its name and what it says about itself included. */
static void names_from_files_never_steer_the_terminal(void **state)
{
    (void)state;
    static const char plain[] = "tiny", hostile[] = "\x1B[6n";
    static const struct tiny_model dense = {"llama", 1, 0, 0, 64, 32, 1};
    static char *const commands[][4] = {{"model", "list"}, {"doctor"}, {"route", "hello"},
            {"fleet", "list"}, {"fleet", "costs"}, {"top", "-b", "--view", "fleet"},
            {"top", "-b", "--view", "router"}};
    struct buf text;
    struct err err;
    char path[200];
    snprintf(path, sizeof path, "%s/models", path_of("data"));
    assert_int_equal(dir_make(path, &err), OK);
    snprintf(path, sizeof path, "%s/models/\x1B[31m\xE2\x80\xAE.gguf", path_of("data"));
    assert_true(tiny_model_write(path, &dense));
    assert_int_equal(file_read(&text, path, 64 << 20, &err), OK);
    for (char *at = text.ptr; (at = memmem(at, (size_t)(text.ptr + text.n - at), plain, 4));)
        memcpy(at, hostile, 4);
    assert_int_equal(file_write(path, text.ptr, text.n, 0600, &err), OK);
    buf_release(&text);
    write_text("shunt.conf", "[endpoint \"\xC2\x9B"
                             "6n\"]\nkind = vllm\nurl = http://127.0.0.1:1/\x1B[6n\nmodel = "
                             "\x1B]0;x\x07\nkey_file = /nowhere/\x1B[6n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN(CONFIG, commands[i][0], commands[i][1], commands[i][2], commands[i][3]);
        assert_true(result.out.n + result.err.n > 0);
        expect_no_escapes();
    }
    RUN("model", CONFIG, "info", path);
    expect_no_escapes();
    unlink(path);
}

static void output_that_is_no_terminal_has_no_escapes(void **state)
{
    (void)state;
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://127.0.0.1:1/v1\nmodel = m\nretries = 0\n");
    static char *const commands[][3] = {{"keys"}, {"doctor"}, {"route", "hello"}};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN(CONFIG, commands[i][0], commands[i][1]);
        assert_true(result.out.n > 0);
        expect_no_escapes();
        RUN(CONFIG, "--color", "rgb", commands[i][0], commands[i][1]);
        assert_true(result.out.n > 0);
        expect_no_escapes();
    }
}

/* Standard output is a terminal: control characters of the model become dots. */
static void a_terminal_gets_clean_text(void **state)
{
    (void)state;
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64], bytes[1000] = "";
    assert_true(grantpt(fd) == 0 && unlockpt(fd) == 0 && ptsname_r(fd, name, sizeof name) == 0);
    int slave = open(
            name, O_RDWR | O_NOCTTY | O_CLOEXEC); /* keeps what was written until it is read */
    serve(STREAM("a\\u001b[31mb\\u202ec"), false);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), "/dev/null", name);
    finish(&child);
    close(child.in);
    expect_exit(WEXITSTATUS(result.status), EXIT_DONE);
    assert_true(read(fd, bytes, sizeof bytes - 1) > 0);
    assert_string_equal(bytes, "a\xC2\xB7[31mb\xC2\xB7"
                               "c\r\n");
    close(slave);
    close(fd);
    stop_serving();
}

/* The object goes to a terminal as often as into a program: the same text, in escapes. */
static void the_object_never_steers_the_terminal(void **state)
{
    (void)state;
    serve(STREAM("a\\u009b31m\\u202e\\udb40\\udc41\\u00e9"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_DONE);
    expect_no_escapes();
    expect_in(&result.out, "\"text\":\"a\\u009b31m\\u202e\\udb40\\udc41\xC3\xA9\"");
    stop_serving();
}

static void a_closed_pipe_ends_it_quietly(void **state)
{
    (void)state;
    struct child child = spawn(ARGS("keys"), "/dev/null", NULL);
    close(child.out);
    child.out = open("/dev/null", O_RDONLY);
    signal(SIGPIPE, SIG_DFL);
    finish(&child);
    close(child.in);
    assert_true(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGPIPE);
    assert_int_equal(result.err.n, 0);
}

static void a_full_disk_is_a_failure(void **state)
{
    (void)state;
    static char *const commands[] = {"keys", "--help", "--version"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        struct child child = spawn(ARGS(commands[i]), "/dev/null", "/dev/full");
        finish(&child);
        close(child.in);
        expect_exit(WEXITSTATUS(result.status), EXIT_FAILED);
        expect_sentence("standard output");
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(what_a_server_says_never_steers_the_terminal),
            TEST(names_from_files_never_steer_the_terminal),
            TEST(output_that_is_no_terminal_has_no_escapes),
            TEST(a_terminal_gets_clean_text),
            TEST(the_object_never_steers_the_terminal),
            TEST(a_closed_pipe_ends_it_quietly),
            TEST(a_full_disk_is_a_failure),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
