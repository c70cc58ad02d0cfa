/* helper_fixture.c - see helper_fixture.h. */
#include "tests/helper_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/json.h"

#define FOLDER SOURCE_DIR "/tests/golden/providers/"

void collected_init(struct collected *c)
{
    *c = (struct collected){0};
    buf_init(&c->text, 64 << 20);
    buf_init(&c->reasoning, 64 << 20);
}

void collected_release(struct collected *c)
{
    buf_release(&c->text);
    buf_release(&c->reasoning);
    for (int i = 0; i < c->n_calls; i++)
        tool_call_free(c->calls[i]);
}

void collected_take(struct collected *c, const struct event *event)
{
    assert_false(c->is_done);
    switch (event->kind) {
    case EV_TEXT:
        assert_int_equal(utf8_whole(event->u.text, event->n_bytes), event->n_bytes);
        buf_add(&c->text, event->u.text, event->n_bytes);
        break;
    case EV_REASONING:
        buf_add(&c->reasoning, event->u.text, event->n_bytes);
        break;
    case EV_TOOL:
        assert_true(c->n_calls < 64);
        c->calls[c->n_calls++] = event->u.tool;
        break;
    case EV_USAGE:
        c->usage = event->u.usage;
        c->has_usage = true;
        break;
    case EV_DONE:
        c->outcome = *event->u.outcome;
        mem_free(event->u.outcome);
        c->is_done = true;
        break;
    default:
        break;
    }
}

static struct json *read_json(const char *path)
{
    struct buf text;
    struct err err;
    if (file_read(&text, path, 64 << 20, &err) != OK)
        fail_msg("%s", err.text);
    struct json *root = json_parse(buf_slice(&text));
    buf_release(&text);
    assert_non_null(root);
    return root;
}

static void compare_calls(const struct collected *c, const struct json *want, const char *name)
{
    int i = 0;
    if ((int)json_count(want) != c->n_calls)
        fail_msg("%s: %d tool calls, %zu expected", name, c->n_calls, json_count(want));
    for (const struct json *w = json_first(want); w; w = json_next(w), i++) {
        const char *id = json_get_text(w, "id"), *arguments = json_get_text(w, "arguments");
        struct json *got = json_parse(slice_of(c->calls[i]->arguments));
        struct json *expected =
                arguments ? json_parse(slice_of(arguments[0] ? arguments : "{}")) : NULL;
        struct buf a, b;
        buf_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        json_print(got, &a);
        json_print(expected, &b);
        if ((id && strcmp(id, c->calls[i]->id) != 0) ||
                strcmp(json_get_text(w, "name"), c->calls[i]->name) != 0)
            fail_msg("%s: tool call %d is %s %s", name, i, c->calls[i]->id, c->calls[i]->name);
        if (expected ? strcmp(buf_text(&a), buf_text(&b)) != 0
                     : strcmp(c->calls[i]->arguments, arguments) != 0)
            fail_msg("%s: arguments of call %d are %s", name, i, c->calls[i]->arguments);
        buf_release(&a);
        buf_release(&b);
        json_free(got);
        json_free(expected);
    }
}

static void compare_usage(const struct collected *c, const struct json *want, const char *name)
{
    const struct {
        const char *name;
        uint32_t got;
    } fields[] = {{"input", c->usage.input}, {"output", c->usage.output},
            {"cached_input", c->usage.cached_input}, {"cache_write", c->usage.cache_write},
            {"reasoning", c->usage.reasoning}};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        uint32_t expected;
        uint32_t got = c->has_usage ? fields[i].got : TOKENS_UNKNOWN;
        if (json_get_u32(want, fields[i].name, &expected) && got != expected &&
                !(expected == 0 && got == TOKENS_UNKNOWN))
            fail_msg("%s: usage.%s is %u, %u expected", name, fields[i].name, got, expected);
    }
}

static void compare_error(const struct collected *c, const struct json *want, const char *name)
{
    const struct err *err = &c->outcome.err;
    double wait_s;
    if (json_is_null(want) != (err->status == OK))
        fail_msg("%s: error is \"%s\"", name, err->text);
    if (json_is_null(want))
        return;
    const char *message = json_get_text(want, "message");
    if (strcmp(json_get_text(want, "class"), status_name(err->status)) != 0)
        fail_msg("%s: error class %s (%s)", name, status_name(err->status), err->text);
    if (json_is_true(json_get(want, "retryable")) != status_is_retryable(err->status))
        fail_msg("%s: retryable is wrong", name);
    if (message && !strstr(err->text, message))
        fail_msg("%s: \"%s\" does not contain \"%s\"", name, err->text, message);
    if (json_get_number(want, "retry_after_s", &wait_s) &&
            fabs((double)c->outcome.retry_after_ms - wait_s * 1000) > 1.5)
        fail_msg("%s: retry after %lld ms", name, (long long)c->outcome.retry_after_ms);
}

void collected_compare(const struct collected *c, const char *expected_path, const char *name)
{
    struct json *want = read_json(expected_path);
    const char *finish = finish_reason_name(c->outcome.finish_reason);
    const char *expected_finish = json_get_text(want, "finish_reason");
    if (strcmp(buf_text(&c->text), json_get_text(want, "text")) != 0)
        fail_msg("%s: text is \"%.60s\"", name, buf_text(&c->text));
    if (strcmp(buf_text(&c->reasoning), json_get_text(want, "reasoning")) != 0)
        fail_msg("%s: reasoning is \"%.60s\"", name, buf_text(&c->reasoning));
    if (strcmp(finish ? finish : "null", expected_finish ? expected_finish : "null") != 0)
        fail_msg("%s: finish is %s", name, finish ? finish : "null");
    compare_calls(c, json_get(want, "tool_calls"), name);
    compare_usage(c, json_get(want, "usage"), name);
    compare_error(c, json_get(want, "error"), name);
    json_free(want);
}

size_t fixtures_list(struct fixture **out)
{
    struct json *index = read_json(FOLDER "index.json");
    size_t n = json_count(index), i = 0;
    *out = mem_alloc((n + 1) * sizeof **out);
    for (const struct json *f = json_first(index); f; f = json_next(f), i++) {
        struct fixture *x = &(*out)[i];
        double status = 0;
        snprintf(x->provider, sizeof x->provider, "%s", json_get_text(f, "provider"));
        snprintf(x->name, sizeof x->name, "%s", json_get_text(f, "case"));
        snprintf(x->file, sizeof x->file, FOLDER "%s", json_get_text(f, "file"));
        snprintf(x->body, sizeof x->body, FOLDER "%s", json_get_text(f, "body"));
        snprintf(x->expected, sizeof x->expected, FOLDER "%s", json_get_text(f, "expected"));
        x->is_stream = json_is_true(json_get(f, "stream"));
        x->is_cut = json_is_true(json_get(f, "truncated"));
        x->status = json_get_number(f, "status", &status) ? (int)status : 0;
    }
    json_free(index);
    return n;
}
