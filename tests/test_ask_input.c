/*
 * test_ask_input.c - what `shunt ask` is given: nothing of it is dropped, cut or added without
 * a word.
 */
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

#define USER "{\"role\":\"user\",\"content\":\"u\"}"

static int ask_request(const char *members)
{
    char text[512];
    snprintf(text, sizeof text, "{\"messages\":[" USER "]%s}", members);
    write_text("request.json", text);
    return RUN("ask", CONFIG, "-n", "--request", path_of("request.json"));
}

static int ask_messages(const char *messages)
{
    char text[512];
    snprintf(text, sizeof text, "{\"messages\":[%s]}", messages);
    write_text("request.json", text);
    return RUN("ask", CONFIG, "-n", "--request", path_of("request.json"));
}

static void only_what_was_given_is_sent(void **state)
{
    (void)state;
    static const char *const names[] = {"temperature", "top_p", "top_k", "min_p",
            "presence_penalty", "frequency_penalty", "seed", "stop", "max_tokens"};
    for (size_t given = 0; given < ARRAY_LEN(names); given++) {
        char member[64];
        snprintf(member, sizeof member, ",\"%s\":%s", names[given],
                strcmp(names[given], "stop") == 0 ? "[\"END\"]" : "1");
        serve(STREAM("ok"), false);
        expect_exit(ask_request(member), EXIT_DONE);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char name[64];
            snprintf(name, sizeof name, "\"%s\":", names[i]);
            if (!strstr(server_request(server, 0), name) != (i != given))
                fail_msg("given %s: %s", member, server_request(server, 0));
        }
        stop_serving();
    }
    serve(STREAM("ok"), false); /* null: as if it were not there */
    expect_exit(
            ask_request(",\"temperature\":null,\"max_tokens\":null,\"stop\":null"), EXIT_DONE);
    assert_null(strstr(server_request(server, 0), "null"));
    stop_serving();
}

static void a_member_that_cannot_be_meant_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *members, *name;
    } cases[] = {{",\"max_tokens\":\"100\"", "max_tokens"},
            {",\"max_tokens\":-1", "max_tokens"}, {",\"max_tokens\":0", "max_tokens"},
            {",\"max_completion_tokens\":1.5", "max_com"},
            {",\"temperature\":\"hot\"", "temperature"}, {",\"seed\":-3", "seed"},
            {",\"top_k\":[]", "top_k"}, {",\"stop\":[1]", "stop"}, {",\"stop\":{}", "stop"},
            {",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "stop"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        serve(STREAM("ok"), false);
        expect_exit(ask_request(cases[i].members), EXIT_FAILED);
        expect_sentence(cases[i].name);
        expect_sentence("request.json");
        assert_int_equal(server_n_requests(server), 0);
        stop_serving();
    }
}

static void a_seed_beyond_32_bits_is_sent_as_it_is(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(ask_request(",\"seed\":1234567890123"), EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "\"seed\":1234567890123"));
    stop_serving();
}

static void only_the_first_message_may_be_a_system_message(void **state)
{
    (void)state;
    static const char *const later[] = {
            "{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"developer\",\"content\":\"b\"}"
            "," USER,
            USER ",{\"role\":\"system\",\"content\":\"a\"}," USER};
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        serve(STREAM("ok"), false);
        expect_exit(ask_messages(later[i]), EXIT_FAILED);
        expect_sentence("messages[1]");
        assert_int_equal(server_n_requests(server), 0);
        stop_serving();
    }
    serve(STREAM("ok"), false);
    expect_exit(ask_messages("{\"role\":\"developer\",\"content\":\"a\"}," USER), EXIT_DONE);
    expect_sent("[system: a][user: u]");
    stop_serving();
}

/* Runs it with this file as standard input. */
static int ask_from(const char *path)
{
    struct child child = spawn(ARGS("ask", CONFIG, "words"), path, NULL);
    finish(&child);
    close(child.in);
    assert_true(WIFEXITED(result.status));
    return WEXITSTATUS(result.status);
}

static void standard_input_that_is_no_text_is_refused(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    write_file("utf16", "a\0b\0", 4);
    expect_exit(ask_from(path_of("utf16")), EXIT_FAILED);
    expect_sentence("standard input");
    assert_int_equal(server_n_requests(server), 0);
    stop_serving();
}

/* Both fit alone. */
static void a_prompt_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    size_t n = (32u << 20) - 4;
    char *text = mem_alloc(n);
    memset(text, 'a', n);
    serve(STREAM("ok"), false);
    write_file("long", text, n);
    mem_free(text);
    expect_exit(ask_from(path_of("long")), EXIT_USAGE);
    expect_sentence("32 MB");
    assert_int_equal(server_n_requests(server), 0);
    stop_serving();
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(only_what_was_given_is_sent),
            TEST(a_member_that_cannot_be_meant_is_refused_by_name),
            TEST(a_seed_beyond_32_bits_is_sent_as_it_is),
            TEST(only_the_first_message_may_be_a_system_message),
            TEST(standard_input_that_is_no_text_is_refused),
            TEST(a_prompt_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
