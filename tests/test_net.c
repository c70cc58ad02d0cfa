/* test_net.c - the net thread against a server that plays recorded answers and fails in every
 * way: each request ends exactly once. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/request.h"

#include "router/endpoint.h"
#include "router/net.h"
#include "router/secret.h"

#include "tests/helper_fixture.h"
#include "tests/helper_server.h"

static struct request *make_request(int port, struct endpoint_conf e)
{
    struct request *r = request_new(1);
    e.name = "x";
    e.kind = e.kind ? e.kind : PROVIDER_OPENAI; /* 0 is local */
    e.model = "m";
    e.url = arena_printf(&r->arena, "http://127.0.0.1:%d/v1/", port);
    request_add_message(r, MSG_USER, SLICE("hi"));
    r->endpoint = endpoint_conf_copy(&r->arena, &e);
    return r;
}

static void run(struct collected *c, int port, struct endpoint_conf e, const char *key,
        int cancel_after_ms)
{
    struct net *net = net_open(-1);
    struct secret secret = {key ? mem_strdup(key) : NULL, key ? strlen(key) : 0};
    uint64_t start = clock_now_ns();
    bool was_cancelled = false;
    assert_non_null(net);
    assert_true(net_send(net, make_request(port, e), &secret));
    while (!c->is_done && clock_now_ns() - start < 20000000000u) {
        struct event event;
        if (cancel_after_ms && !was_cancelled &&
                clock_now_ns() - start > (uint64_t)cancel_after_ms * 1000000u) {
            assert_true(net_cancel(net, 1));
            was_cancelled = true;
        }
        if (net_poll_event(net, &event))
            collected_take(c, &event);
        else
            poll(NULL, 0, 1);
    }
    assert_true(c->is_done);
    net_close(net);
}

static void every_fixture_over_http(void **state)
{
    (void)state;
    struct fixture *list;
    size_t n = fixtures_list(&list);
    for (size_t i = 0; i < n; i++) {
        struct buf file;
        struct err err;
        struct collected c;
        assert_int_equal(file_read(&file, list[i].file, 64 << 20, &err), OK);
        struct server_script script = {file.ptr, file.n, i % 3 == 0 ? 913 : 0, 0, false};
        struct server *server = server_open(&script, 1);
        collected_init(&c);
        bool is_anthropic = strcmp(list[i].provider, "anthropic") == 0;
        run(&c, server_port(server),
                (struct endpoint_conf){.stream = list[i].is_stream,
                        .kind = is_anthropic ? PROVIDER_ANTHROPIC : PROVIDER_OPENAI},
                "sk-test-key", 0);
        collected_compare(&c, list[i].expected, list[i].name);
        assert_non_null(strstr(server_request(server, 0),
                is_anthropic ? "anthropic-version: 2023-06-01"
                             : "POST /v1/chat/completions HTTP/1.1"));
        assert_non_null(strstr(server_request(server, 0),
                is_anthropic ? "x-api-key: sk-test-key" : "Authorization: Bearer sk-test-key"));
        collected_release(&c);
        server_close(server);
        buf_release(&file);
    }
    mem_free(list);
}

#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define TEXT(t) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"

static void expect_end(struct server_script script, struct endpoint_conf e, int cancel_after_ms,
        enum status status, const char *text, const char *said)
{
    struct server *server = server_open(&script, 1);
    struct collected c;
    collected_init(&c);
    e.stream = true;
    run(&c, server_port(server), e, NULL, cancel_after_ms);
    assert_int_equal(c.outcome.err.status, status);
    assert_string_equal(buf_text(&c.text), text);
    if (!strstr(c.outcome.err.text, said))
        fail_msg("\"%s\" does not say \"%s\"", c.outcome.err.text, said);
    collected_release(&c);
    server_close(server);
}

static void what_is_late_is_ended(void **state)
{
    (void)state;
    const char *one = HEAD TEXT("one");
    expect_end((struct server_script){"", 0, 0, 0, true},
            (struct endpoint_conf){.first_token_timeout_ms = 200}, 0, ERR_TIMEOUT, "",
            "the first token");
    expect_end((struct server_script){one, strlen(one), 0, 0, true},
            (struct endpoint_conf){.idle_timeout_ms = 200}, 0, ERR_TIMEOUT, "one",
            "the next part");
    expect_end((struct server_script){one, strlen(one), 0, 0, true},
            (struct endpoint_conf){.total_timeout_ms = 300}, 0, ERR_TIMEOUT, "one",
            "the whole answer");
}

static void cancelling_keeps_what_came(void **state)
{
    (void)state;
    const char *one = HEAD TEXT("one");
    expect_end((struct server_script){one, strlen(one), 0, 0, true}, (struct endpoint_conf){0},
            150, ERR_CANCELLED, "one", "");
}

static void a_cut_stream_is_a_network_error(void **state)
{
    (void)state;
    const char *cut = "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nContent-Type: "
                      "text/event-stream\r\n\r\n" TEXT("one") "data: {\"cho";
    expect_end((struct server_script){cut, strlen(cut)}, (struct endpoint_conf){0}, 0,
            ERR_NETWORK, "one", "cut");
}

static void a_key_that_is_missing_is_asked_for(void **state)
{
    (void)state;
    const char *no = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
    expect_end((struct server_script){no, strlen(no)}, (struct endpoint_conf){0}, 0, ERR_AUTH,
            "", "HTTP 401 (no key is configured: add key_env = VARIABLE)");
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    const char *moved =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    expect_end((struct server_script){moved, strlen(moved)}, (struct endpoint_conf){0}, 0,
            ERR_CONFIG, "", "redirect");
}

static void nobody_there_says_what_to_do(void **state)
{
    (void)state;
    struct collected c;
    collected_init(&c);
    run(&c, 1, (struct endpoint_conf){.stream = true}, NULL, 0);
    assert_int_equal(c.outcome.err.status, ERR_NETWORK);
    assert_non_null(strstr(c.outcome.err.text, "check that the server is running"));
    assert_non_null(strstr(c.outcome.err.text, "\"x\""));
    assert_null(strstr(c.outcome.err.text, " ms"));
    assert_null(strchr(c.outcome.err.text, '?')); /* "; trying again in …" follows */
    collected_release(&c);
}

static void a_key_that_is_echoed_is_not_shown(void **state)
{
    (void)state;
    const char *echo =
            "HTTP/1.1 401 No\r\nContent-Length: 62\r\n\r\n{\"error\":{\"message\":\"bad key "
            "sk-secret-0123456789 \\u001b[31m!!\"}}";
    struct server_script script = {echo, strlen(echo)};
    struct server *server = server_open(&script, 1);
    struct collected c;
    collected_init(&c);
    run(&c, server_port(server), (struct endpoint_conf){.stream = true}, "sk-secret-0123456789",
            0);
    assert_int_equal(c.outcome.err.status, ERR_AUTH);
    assert_null(strstr(c.outcome.err.text, "secret"));
    assert_null(strchr(c.outcome.err.text, 0x1B));
    collected_release(&c);
    server_close(server);
}

/* The first event of this kind; all others are freed. */
static struct event wait_for(struct net *net, enum event_kind kind)
{
    struct event event;
    uint64_t end = clock_now_ns() + 20000000000u;
    while (clock_now_ns() < end) {
        if (!net_poll_event(net, &event)) {
            poll(NULL, 0, 1);
            continue;
        }
        if (event.kind == kind)
            return event;
        if (event.kind == EV_DONE)
            mem_free(event.u.outcome);
    }
    fail_msg("event %d does not come", (int)kind);
    return event;
}

static struct rate_limits limits_of(const char *answer)
{
    struct server_script script = {answer, strlen(answer)};
    struct server *server = server_open(&script, 1);
    struct net *net = net_open(-1);
    struct secret none = {0};
    assert_true(net_send(net,
            make_request(server_port(server), (struct endpoint_conf){.stream = true}), &none));
    struct rate_limits limits = wait_for(net, EV_LIMITS).u.limits;
    net_close(net);
    server_close(server);
    return limits;
}

static void what_is_left_is_told_with_the_head(void **state)
{
    (void)state;
    struct rate_limits l = limits_of("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                     "x-ratelimit-limit-requests: 60\r\n"
                                     "X-RateLimit-Remaining-Requests: 7\r\n"
                                     "x-ratelimit-reset-requests: 1m0s\r\n\r\n" TEXT("one"));
    assert_int_equal(l.request_limit, 60);
    assert_int_equal(l.requests_left, 7);
    assert_int_equal(l.requests_reset_ms, 60000);
    assert_int_equal(l.tokens_left, TOKENS_UNKNOWN);
    /* an error tells it too; its date counts, not the clock of this machine */
    l = limits_of("HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n"
                  "anthropic-ratelimit-tokens-remaining: 0\r\n"
                  "anthropic-ratelimit-tokens-reset: 1994-11-06T08:49:47Z\r\n"
                  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    assert_int_equal(l.tokens_left, 0);
    assert_int_equal(l.tokens_reset_ms, 10000);
}

static void expect_probe(struct server_script script, struct endpoint_conf e,
        enum status status, const char *said, const char *asked)
{
    struct server *server = server_open(&script, 1);
    struct net *net = net_open(-1);
    struct secret key = {mem_strdup("sk-test-key"), 11};
    struct request *request = make_request(server_port(server), e);
    request->id = 5;
    assert_true(net_probe(net, request, &key));
    struct event event = wait_for(net, EV_PROBE);
    assert_int_equal(event.u.probe.endpoint, 5);
    assert_int_equal(event.u.probe.outcome->err.status, status);
    if (!strstr(event.u.probe.outcome->err.text, said))
        fail_msg("\"%s\" does not say \"%s\"", event.u.probe.outcome->err.text, said);
    mem_free(event.u.probe.outcome);
    assert_true(strncmp(server_request(server, 0), asked, strlen(asked)) == 0);
    assert_non_null(strstr(server_request(server, 0), "sk-test-key"));
    net_close(net);
    server_close(server);
}

static void a_probe_asks_for_the_models_and_sends_nothing(void **state)
{
    (void)state;
    const char *models =
            "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"data\":[{\"id\":\"m\"}]}";
    const char *refused = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
    expect_probe((struct server_script){models, strlen(models)}, (struct endpoint_conf){0}, OK,
            "", "GET /v1/models HTTP/1.1\r\n");
    expect_probe((struct server_script){models, strlen(models)},
            (struct endpoint_conf){.kind = PROVIDER_ANTHROPIC}, OK, "",
            "GET /v1/v1/models HTTP/1.1\r\n");
    expect_probe((struct server_script){refused, strlen(refused)}, (struct endpoint_conf){0},
            ERR_AUTH, "endpoint \"x\"", "GET ");
    expect_probe((struct server_script){"", 0, 0, 0, true},
            (struct endpoint_conf){.total_timeout_ms = 200}, ERR_TIMEOUT, "0.2 s", "GET ");
}

/* More text than the ring holds: nothing is lost while the reader sleeps. */
static void a_slow_reader_loses_nothing(void **state)
{
    (void)state;
    struct buf answer;
    buf_init(&answer, 64 << 20);
    buf_add_text(&answer, HEAD);
    for (int i = 0; i < 20000; i++)
        buf_printf(&answer,
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%06d\"}}]}\n\n", i);
    buf_add_text(&answer, "data: "
                          "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"
                          "}\n\ndata: [DONE]\n\n");
    struct server_script script = {answer.ptr, answer.n};
    struct server *server = server_open(&script, 1);
    struct net *net = net_open(-1);
    struct secret none = {0};
    struct collected c;
    collected_init(&c);
    assert_true(net_send(net,
            make_request(server_port(server), (struct endpoint_conf){.stream = true}), &none));
    poll(NULL, 0, 300);
    for (struct event event; !c.is_done;)
        if (net_poll_event(net, &event))
            collected_take(&c, &event);
    assert_int_equal(c.text.n, 20000 * 6);
    for (int i = 0; i < 20000; i++) {
        char want[12];
        snprintf(want, sizeof want, "%06d", i);
        assert_memory_equal(c.text.ptr + 6 * i, want, 6);
    }
    assert_int_equal(c.outcome.finish_reason, FINISH_STOP);
    net_close(net);
    collected_release(&c);
    server_close(server);
    buf_release(&answer);
}
/* A placeholder left in a variable: what redacts it puts the same bytes there. */
static void a_key_of_stars_ends_like_any_other(void **state)
{
    (void)state;
    static const char answer[] =
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 58\r\n\r\n"
            "{\"error\":{\"message\":\"Incorrect API key: ********, sorry\"}}";
    struct server_script script = {answer, sizeof answer - 1};
    struct server *server = server_open(&script, 1);
    struct collected c;
    collected_init(&c);
    run(&c, server_port(server), (struct endpoint_conf){.stream = true}, "********", 0);
    assert_int_equal(c.outcome.err.status, ERR_AUTH);
    assert_non_null(strstr(c.outcome.err.text, "Incorrect API key"));
    collected_release(&c);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_fixture_over_http),
            cmocka_unit_test(what_is_late_is_ended),
            cmocka_unit_test(cancelling_keeps_what_came),
            cmocka_unit_test(a_cut_stream_is_a_network_error),
            cmocka_unit_test(a_key_that_is_missing_is_asked_for),
            cmocka_unit_test(a_redirect_is_not_followed),
            cmocka_unit_test(nobody_there_says_what_to_do),
            cmocka_unit_test(a_key_that_is_echoed_is_not_shown),
            cmocka_unit_test(what_is_left_is_told_with_the_head),
            cmocka_unit_test(a_probe_asks_for_the_models_and_sends_nothing),
            cmocka_unit_test(a_slow_reader_loses_nothing),
            cmocka_unit_test(a_key_of_stars_ends_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
