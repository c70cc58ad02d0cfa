/*
 * fuzz_wire.c - what a server sends, as the body of an answer of each protocol, with and
 * without a stream: whole and in small pieces it must be read as the same events.
 */
#include <string.h>

#include "engine/base.h"
#include "engine/event.h"

#include "router/http_error.h"
#include "router/wire.h"

#include "tests/fuzz.h"

struct answer {
    struct buf events; /* as text */
    uint8_t kind;      /* of the newest piece of text, which the next one may continue */
};

static void add_text(struct answer *a, const struct event *event)
{
    FUZZ_CHECK(event->n_bytes <= sizeof event->u.text);
    if (a->kind != event->kind)
        buf_printf(&a->events, "\n%d: ", event->kind);
    buf_add(&a->events, event->u.text, event->n_bytes);
}

static void take(void *arg, struct event *event)
{
    struct answer *a = arg;
    if (event->kind == EV_TEXT || event->kind == EV_REASONING)
        add_text(a, event);
    if (event->kind == EV_TOOL) {
        buf_printf(&a->events, "\ncall %s %s %s", event->u.tool->id, event->u.tool->name,
                event->u.tool->arguments);
        tool_call_free(event->u.tool);
    }
    if (event->kind == EV_USAGE)
        buf_printf(&a->events, "\nusage %u %u", event->u.usage.input, event->u.usage.output);
    a->kind = event->kind;
}

static void read_answer(const struct wire_ops *ops, bool is_stream, struct slice body,
        size_t piece, struct answer *out)
{
    struct outcome outcome = {0};
    *out = (struct answer){0};
    buf_init(&out->events, 64u << 20);
    struct wire_parser *parser = ops->open(is_stream, take, out);
    for (size_t at = 0; at < body.n; at += piece)
        ops->feed(parser, body.ptr + at, body.n - at < piece ? body.n - at : piece);
    ops->finish(parser, false, &outcome);
    ops->close(parser);
    FUZZ_CHECK(strlen(outcome.err.text) < ERR_TEXT_BYTES);
    buf_printf(&out->events, "\n%d %s", outcome.err.status, outcome.err.text);
}

static void compare_pieces(const struct wire_ops *ops, bool is_stream, struct slice body)
{
    struct answer whole, pieces;
    read_answer(ops, is_stream, body, body.n + 1, &whole);
    read_answer(ops, is_stream, body, 3, &pieces);
    FUZZ_CHECK(strcmp(buf_text(&whole.events), buf_text(&pieces.events)) == 0);
    buf_release(&whole.events);
    buf_release(&pieces.events);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct wire_ops *const wires[] = {&wire_openai_ops, &wire_anthropic_ops};
    static const int statuses[] = {400, 401, 404, 429, 500};
    struct slice body = {(const char *)bytes, n};
    for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
        compare_pieces(wires[i], true, body);
        compare_pieces(wires[i], false, body);
    }
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct http_head head = {.status = statuses[i]};
        struct outcome outcome = {0};
        memcpy(head.retry_after, bytes, n < sizeof head.retry_after - 1 ? n : 20);
        http_error_read(&head, body, &outcome);
        FUZZ_CHECK(outcome.err.status != OK && outcome.err.text[0]);
    }
    return 0;
}
