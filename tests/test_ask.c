/*
 * test_ask.c - `shunt ask` as a script runs it: what is read and sent, the exit status, the
 * object of --json, an answer that is cut, interrupted or goes nowhere.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tui/cmd.h"

#include "tests/helper_cli.h"

static void stdin_is_read_behind_the_prompt(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(run_with("from the pipe\n", ARGS("ask", CONFIG, "two", "words")), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "ok\n");
    assert_int_equal(result.err.n, 0);
    expect_sent("[user: two words\n\nfrom the pipe\n]");
    stop_serving();
    serve(STREAM("ok"), false);
    expect_exit(
            run_with("from the pipe\n", ARGS("ask", CONFIG, "-n", "-s", "be brief", "words")),
            EXIT_DONE);
    expect_sent("[system: be brief][user: words]");
    stop_serving();
}

/* With -n a pipe that never ends is no reason to wait. */
static void an_open_pipe_is_not_waited_for(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), NULL, NULL);
    finish(&child);
    close(child.in);
    expect_exit(WEXITSTATUS(result.status), EXIT_DONE);
    stop_serving();
}

static void a_request_file_is_sent_as_it_stands(void **state)
{
    (void)state;
    write_text("request.json",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
            "\"content\":\"u\"},"
            "{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"v\"}],"
            "\"temperature\":0.5,\"logit_bias\":{\"5\":1}}");
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--request", path_of("request.json")), EXIT_DONE);
    expect_sent("[system: s][user: u][assistant: a][user: v]");
    assert_non_null(strstr(server_request(server, 0), "\"temperature\":0.5"));
    assert_non_null(strstr(server_request(server, 0), "\"logit_bias\":{\"5\":1}"));
    stop_serving();
    write_text("request.json", "[1]");
    expect_exit(RUN("ask", CONFIG, "-n", "--request", path_of("request.json")), EXIT_FAILED);
    expect_sentence("request.json");
}

static void an_answer_that_is_cut_is_incomplete(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("half an ans"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_INCOMPLETE);
    assert_string_equal(buf_text(&result.out), "half an ans\n");
    expect_sentence("\"e\"");
    stop_serving();
}

static void an_answer_at_its_limit_is_incomplete(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA(
                  "one two") "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                             "\"length\"}]}\n\ndata: [DONE]\n\n",
            false);
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "2", "hello"), EXIT_INCOMPLETE);
    assert_string_equal(buf_text(&result.out), "one two\n");
    expect_sentence("limit of tokens");
    stop_serving();
}

static void interrupting_keeps_what_came(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("so far"), true);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), "/dev/null", NULL);
    struct pollfd p = {child.out, POLLIN, 0};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    kill(child.pid, SIGINT);
    finish(&child);
    close(child.in);
    assert_true(WIFEXITED(result.status));
    expect_exit(WEXITSTATUS(result.status), EXIT_INTERRUPTED);
    assert_string_equal(buf_text(&result.out), "so far\n");
    stop_serving();
}

/* One object with every member that is promised; its error class, "" for none. */
static const char *expect_object(void)
{
    static const char *const names[] = {"text", "reasoning", "tool_calls", "finish_reason",
            "usage", "error", "route", "timing", "cost_usd", "session", "model"};
    static char class_name[64];
    struct json *root = json_parse(buf_slice(&result.out));
    if (!json_is_object(root))
        fail_msg("no object: \"%s\" (%s)", buf_text(&result.out), buf_text(&result.err));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!json_get(root, names[i]))
            fail_msg("\"%s\" is missing in %s", names[i], buf_text(&result.out));
    assert_non_null(json_get_text(root, "text"));
    assert_non_null(json_get_text(root, "reasoning"));
    const char *name = json_get_text(json_get(root, "error"), "class");
    snprintf(class_name, sizeof class_name, "%s", name ? name : "");
    json_free(root);
    return class_name;
}

static void the_object_is_printed_when_all_is_well(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_DONE);
    assert_string_equal(expect_object(), "");
    expect_in(&result.out, "{\"text\":\"ok\",");
    expect_in(&result.out, "\"usage\":{\"input\":7,\"output\":2,");
    stop_serving();
}

static void the_object_is_printed_whatever_the_exit_status(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("half"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_INCOMPLETE);
    assert_string_not_equal(expect_object(), "");
    stop_serving();
    serve(HEAD("500 Oops", "text/plain") "broken", false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_FAILED);
    assert_string_equal(expect_object(), "server_error");
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "-e", "nobody", "hello"), EXIT_USAGE);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "-c", "123456789abc", "hello"), EXIT_FAILED);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "--continue=x", "hello"), EXIT_USAGE);
    expect_object();
    expect_exit(
            RUN("ask", CONFIG, "-n", "--json", "-f", "/no/such/file", "hello"), EXIT_FAILED);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json"), EXIT_USAGE);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "--nonsense", "--json", "hello"), EXIT_USAGE);
    expect_object();
    write_text("shunt.conf", NO_PILOT);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_REFUSED);
    expect_object();
}

static void max_tokens_are_sent_and_nothing_else(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "9", "hello"), EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "\"max_tokens\":9"));
    assert_null(strstr(server_request(server, 0), "\"temperature\""));
    stop_serving();
    write_text("request.json", "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],"
                               "\"max_tokens\":5}");
    serve(STREAM("ok"), false);
    expect_exit(
            RUN("ask", CONFIG, "-n", "--max-tokens", "7", "--request", path_of("request.json")),
            EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "\"max_tokens\":7"));
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "0", "hello"), EXIT_USAGE);
    expect_sentence("--max-tokens 0");
}

static void a_session_that_is_named_goes_on(void **state)
{
    (void)state;
    char id[32];
    serve(STREAM("one"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "first"), EXIT_DONE);
    struct json *root = json_parse(buf_slice(&result.out));
    assert_string_equal(json_get_text(root, "model"), "m");
    snprintf(id, sizeof id, "%s", json_get_text(root, "session"));
    assert_int_equal(strlen(id), 16);
    json_free(root);
    stop_serving();
    serve(STREAM("two"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--stats", "-c", id, "second"), EXIT_DONE);
    expect_sent("[user: first][assistant: one][user: second]");
    expect_in(&result.err, id);
    expect_in(&result.err, "price unknown");
    stop_serving();
    serve(STREAM("three"), false); /* any other word belongs to the prompt */
    expect_exit(RUN("ask", CONFIG, "-n", "-c", "third", "word"), EXIT_DONE);
    expect_sent(
            "[user: first][assistant: one][user: second][assistant: two][user: third word]");
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "-c=999", "hello"), EXIT_USAGE);
    expect_sentence("--continue: 999 is not a session id");
    expect_exit(RUN("ask", CONFIG, "-n", "-c", "18bcfe568", "hello"), EXIT_USAGE); /* cut */
    expect_sentence("--continue: 18bcfe568 is not a session id");
    serve(STREAM("four"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "-c", "--", "18bcfe568"), EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "18bcfe568"));
    stop_serving();
}

static void what_costs_nothing_is_free(void **state)
{
    (void)state;
    char text[512];
    serve(STREAM("ok"), false);
    snprintf(text, sizeof text,
            "[endpoint \"e\"]\nkind = vllm\nurl = http://127.0.0.1:%d/v1\nmodel = m\n"
            "price_in_usd = 0\nprice_out_usd = 0\n",
            server_port(server));
    write_text("shunt.conf", text);
    expect_exit(RUN("ask", CONFIG, "-n", "--stats", "hello"), EXIT_DONE);
    expect_in(&result.err, ", free\n");
    assert_null(strchr(buf_text(&result.err), '$'));
    stop_serving();
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(stdin_is_read_behind_the_prompt),
            TEST(an_open_pipe_is_not_waited_for),
            TEST(a_request_file_is_sent_as_it_stands),
            TEST(an_answer_that_is_cut_is_incomplete),
            TEST(an_answer_at_its_limit_is_incomplete),
            TEST(interrupting_keeps_what_came),
            TEST(the_object_is_printed_when_all_is_well),
            TEST(the_object_is_printed_whatever_the_exit_status),
            TEST(max_tokens_are_sent_and_nothing_else),
            TEST(a_session_that_is_named_goes_on),
            TEST(what_costs_nothing_is_free),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
