/* test_wire.c - every recorded body, whole and in pieces of 1, 7 and 1000 bytes, gives
 * the expected answer; and the request is what the API documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"
#include "engine/request.h"

#include "router/endpoint.h"
#include "router/http_error.h"
#include "router/wire.h"

#include "tests/helper_fixture.h"

static void take(void *arg, struct event *event)
{
    collected_take(arg, event);
}

static const struct wire_ops *wire_of(const struct fixture *f)
{
    return strcmp(f->provider, "anthropic") == 0 ? &wire_anthropic_ops : &wire_openai_ops;
}

static void run_body(const struct fixture *f, const struct buf *body, size_t chunk)
{
    const struct wire_ops *wire = wire_of(f);
    struct collected c;
    collected_init(&c);
    struct wire_parser *p = wire->open(f->is_stream, take, &c);
    for (size_t at = 0; at < body->n; at += chunk)
        wire->feed(p, body->ptr + at, body->n - at < chunk ? body->n - at : chunk);
    c.outcome.retry_after_ms = -1;
    wire->finish(p, f->is_cut, &c.outcome);
    wire->close(p);
    collected_compare(&c, f->expected, f->name);
    collected_release(&c);
}

static void every_body_gives_the_expected_answer(void **state)
{
    (void)state;
    static const size_t chunks[] = {1 << 30, 1, 7, 1000};
    struct fixture *list;
    size_t n = fixtures_list(&list), n_run = 0;
    for (size_t i = 0; i < n; i++) {
        struct buf body;
        struct err err;
        if (list[i].status != 200 || access(list[i].body, R_OK) != 0)
            continue; /* the largest is kept as a whole response only, for test_net */
        assert_int_equal(file_read(&body, list[i].body, 64 << 20, &err), OK);
        for (size_t k = 0; k < ARRAY_LEN(chunks); k++)
            if (k != 1 || body.n < 100000)
                run_body(&list[i], &body, chunks[k]);
        buf_release(&body);
        n_run++;
    }
    mem_free(list);
    assert_true(n_run > 40);
}

static void http_errors_are_classified(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum status want;
    } cases[] = {
            {400, "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}",
                    ERR_CONTEXT},
            {400, "{\"error\":{\"message\":\"bad role\"}}", ERR_INVALID},
            {401, "{\"error\":{\"message\":\"no\"}}", ERR_AUTH},
            {429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"pay\"}}",
                    ERR_QUOTA},
            {429, "<html>slow down</html>", ERR_RATE_LIMIT},
            {502, "", ERR_SERVER},
            {529, "{\"message\":\"busy\"}", ERR_OVERLOADED},
            {404, "{\"detail\":[{\"msg\":\"gone\"}]}", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome out = {0};
        struct http_head head = {.status = cases[i].status};
        http_error_read(&head, slice_of(cases[i].body), &out);
        assert_int_equal(out.err.status, cases[i].want);
        assert_true(out.err.text[0]);
        assert_int_equal(out.retry_after_ms, -1);
    }
    struct outcome out = {0};
    struct http_head head = {.status = 429,
            .retry_after = "Wed, 21 Oct 2015 07:28:10 GMT",
            .date = "Wed, 21 Oct 2015 07:28:00 GMT"};
    http_error_read(&head, SLICE(""), &out);
    assert_int_equal(out.retry_after_ms, 10000); /* by the server's clock, whatever ours says */
}

static void the_request_is_what_the_api_documents(void **state)
{
    (void)state;
    struct endpoint_conf e = {.model = "m\"1", .stream = true, .url = "http://h/v1"};
    struct request *r = request_new(1);
    struct buf body;
    buf_init(&body, 1 << 20);
    request_add_message(r, MSG_SYSTEM, SLICE("be\n\"kind\""));
    request_add_message(r, MSG_USER, SLICE("hi"));
    r->endpoint = &e;
    wire_openai_ops.build(r, &body);
    struct json *root = json_parse(buf_slice(&body));
    assert_non_null(root);
    assert_string_equal(json_get_text(root, "model"), "m\"1");
    assert_true(json_is_true(json_get(root, "stream")));
    assert_true(json_is_true(json_get(json_get(root, "stream_options"), "include_usage")));
    assert_null(json_get(root, "temperature")); /* the endpoint's own defaults */
    assert_string_equal(
            json_get_text(json_at(json_get(root, "messages"), 0), "role"), "system");
    assert_string_equal(
            json_get_text(json_at(json_get(root, "messages"), 0), "content"), "be\n\"kind\"");
    json_free(root);
    buf_clear(&body);
    r->params.given = GIVEN_TEMPERATURE;
    r->params.max_tokens = 9;
    r->params.temperature = 0.25f;
    r->params.stop[0] = SLICE("END");
    r->params.n_stop = 1;
    r->extra_json = SLICE("\"tools\":[]");
    wire_openai_ops.build(r, &body);
    root = json_parse(buf_slice(&body));
    double number;
    assert_true(json_get_number(root, "temperature", &number) && number == 0.25);
    assert_true(json_get_number(root, "max_tokens", &number) && number == 9);
    assert_string_equal(json_text(json_at(json_get(root, "stop"), 0)), "END");
    assert_true(json_is_array(json_get(root, "tools")));
    json_free(root);
    buf_release(&body);
    request_free(r);
}

static struct json *build_anthropic(const struct request *r)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    wire_anthropic_ops.build(r, &body);
    struct json *root = json_parse(buf_slice(&body));
    assert_non_null(root);
    buf_release(&body);
    return root;
}

/* Messages API, version 2023-06-01: system beside the messages, a limit always, no white space
 * behind a prefill. */
static void the_anthropic_request_is_what_the_api_documents(void **state)
{
    (void)state;
    struct endpoint_conf e = {.model = "claude", .stream = true};
    struct request *r = request_new(1);
    double number;
    r->endpoint = &e;
    request_add_message(r, MSG_SYSTEM, SLICE("be kind"));
    request_add_message(r, MSG_USER, SLICE("hi"));
    request_add_message(r, MSG_ASSISTANT, SLICE("so far \n"));
    struct json *root = build_anthropic(r);
    const struct json *messages = json_get(root, "messages");
    assert_string_equal(json_get_text(root, "system"), "be kind");
    assert_int_equal(json_count(messages), 2);
    assert_string_equal(json_get_text(json_at(messages, 0), "role"), "user");
    assert_string_equal(json_get_text(json_at(messages, 1), "content"), "so far");
    assert_true(json_get_number(root, "max_tokens", &number) && number > 0);
    assert_null(json_get(root, "temperature"));
    json_free(root);
    r->params.given = GIVEN_TEMPERATURE;
    r->params.temperature = 1.5f;
    r->params.max_tokens = 9;
    r->params.stop[0] = SLICE("END");
    r->params.n_stop = 1;
    root = build_anthropic(r);
    assert_true(json_get_number(root, "temperature", &number) && number == 1);
    assert_true(json_get_number(root, "max_tokens", &number) && number == 9);
    assert_string_equal(json_text(json_at(json_get(root, "stop_sequences"), 0)), "END");
    assert_null(json_get(root, "top_p"));
    json_free(root);
    request_free(r);
}

static void an_http_error_keeps_its_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body, *text;
    } cases[] = {
            {404, "Not Found\n", "HTTP 404: Not Found"},
            {400, "{\"error\":{\"message\":\" bad role \"}}", "HTTP 400: bad role"},
            {500, "", "HTTP 500"},
            {502, "<html>\n</html>\n", "HTTP 502"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome out = {0};
        struct http_head head = {.status = cases[i].status};
        http_error_read(&head, slice_of(cases[i].body), &out);
        assert_string_equal(out.err.text, cases[i].text);
    }
    struct outcome out = {.http_status = 200}; /* an error inside a stream has none */
    struct json *error = json_parse(SLICE("{\"message\":\"busy\"}"));
    stream_error_read(error, &out);
    assert_string_equal(out.err.text, "busy");
    json_free(error);
}
static void drop_event(void *arg, struct event *event)
{
    size_t *n_bytes = arg;
    if (event->kind == EV_TOOL) {
        *n_bytes += strlen(event->u.tool->arguments);
        tool_call_free(event->u.tool);
    }
}

static void tool_calls_have_one_limit_together(void **state)
{
    (void)state;
    enum { EACH = 8 << 20 };
    size_t n_bytes = 0;
    struct outcome out = {0};
    struct wire_parser *p = wire_openai_ops.open(true, drop_event, &n_bytes);
    char *filler = mem_alloc(EACH + 1);
    memset(filler, 'x', EACH);
    struct buf event;
    buf_init(&event, 2 * EACH);
    for (int i = 0; i < 12; i++) {
        buf_clear(&event);
        buf_printf(&event,
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,"
                "\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}]}}]}\n\n",
                i, filler);
        wire_openai_ops.feed(p, buf_text(&event), event.n);
    }
    wire_openai_ops.finish(p, false, &out);
    assert_int_equal(out.err.status, ERR_PROTOCOL);
    assert_int_equal(out.finish_reason, FINISH_ERROR);
    assert_true(n_bytes <= (64 << 20) + EACH);
    wire_openai_ops.close(p);
    buf_release(&event);
    mem_free(filler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_body_gives_the_expected_answer),
            cmocka_unit_test(http_errors_are_classified),
            cmocka_unit_test(the_request_is_what_the_api_documents),
            cmocka_unit_test(the_anthropic_request_is_what_the_api_documents),
            cmocka_unit_test(an_http_error_keeps_its_status),
            cmocka_unit_test(tool_calls_have_one_limit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
