/*
 * wire_parser.c - see wire_parser.h. Every event goes through cJSON by itself; halves of a
 * surrogate pair, which some gateways cut apart, become U+FFFD rather than the end of the
 * answer. On the net thread.
 */
#include "router/wire_parser.h"

#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/request.h"

#define BODY_MAX_BYTES (64u << 20)

static void fail(struct wire_parser *p, enum finish_reason finish, const char *fmt, ...)
        PRINTF(3, 4);

/* finish: FINISH_NONE where nothing of an answer came. */
static void fail(struct wire_parser *p, enum finish_reason finish, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    err_set(&p->error.err, ERR_PROTOCOL, "%s", text);
    p->error.finish_reason = finish;
    p->has_failed = true;
}

void wire_emit_text(emit_fn *emit, void *arg, enum event_kind kind, struct slice text)
{
    while (text.n) {
        struct event event = {.kind = (uint8_t)kind};
        size_t n = text.n < sizeof event.u.text ? text.n : sizeof event.u.text;
        if (n < text.n)
            n = utf8_whole(text.ptr, n);
        event.n_bytes = (uint8_t)n;
        memcpy(event.u.text, text.ptr, n);
        emit(arg, &event);
        text = (struct slice){text.ptr + n, text.n - n};
    }
}

void wire_add_stops(struct buf *body, const char *name, const struct gen_params *params)
{
    for (int i = 0; i < params->n_stop; i++) {
        if (i)
            buf_add_text(body, ",");
        else
            buf_printf(body, ",\"%s\":[", name);
        json_add_string(body, params->stop[i]);
    }
    if (params->n_stop)
        buf_add_text(body, "]");
}

struct wire_parser *wire_parser_open(
        const struct wire_protocol *protocol, bool is_stream, emit_fn *emit, void *arg)
{
    struct wire_parser *p = mem_alloc(sizeof *p);
    p->protocol = *protocol;
    p->is_stream = is_stream;
    p->emit = emit;
    p->arg = arg;
    p->usage = (struct usage){
            TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    p->error.retry_after_ms = -1;
    sse_init(&p->sse);
    buf_init(&p->body, BODY_MAX_BYTES);
    return p;
}

void wire_parser_close(struct wire_parser *p)
{
    sse_release(&p->sse);
    buf_release(&p->body);
    for (int i = 0; i < WIRE_CALLS_MAX; i++) {
        buf_release(&p->calls[i].id);
        buf_release(&p->calls[i].name);
        buf_release(&p->calls[i].arguments);
    }
    mem_free(p);
}

struct wire_call *wire_call_at(struct wire_parser *p, int i)
{
    struct wire_call *call = &p->calls[i];
    if (!call->is_used) {
        call->is_used = true;
        buf_init(&call->id, BODY_MAX_BYTES);
        buf_init(&call->name, BODY_MAX_BYTES);
        buf_init(&call->arguments, BODY_MAX_BYTES);
        if (i >= p->n_calls)
            p->n_calls = i + 1;
    }
    return call;
}

static void count_call(struct wire_parser *p, size_t n)
{
    p->n_call_bytes += n;
    if (p->n_call_bytes > BODY_MAX_BYTES)
        fail(p, FINISH_ERROR, "its tool calls are larger than %u MB", BODY_MAX_BYTES >> 20);
}

void wire_call_add(struct wire_parser *p, struct buf *to, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    buf_add(to, text, n);
    count_call(p, n);
}

void wire_call_add_object(
        struct wire_parser *p, struct wire_call *call, const struct json *object)
{
    size_t n_before = call->arguments.n;
    json_print(object, &call->arguments);
    count_call(p, call->arguments.n - n_before);
}

/* Some gateways split a surrogate pair over two events; cJSON refuses the halves. They become
 * U+FFFD. */
static struct json *parse_tolerant(struct slice data)
{
    struct json *root = json_parse(data);
    if (root || !memmem(data.ptr, data.n, "\\ud", 3))
        return root;
    char *copy = mem_dup(data.ptr, data.n);
    for (size_t i = 0; i + 6 <= data.n; i++) {
        if (memcmp(copy + i, "\\ud", 3) != 0 || !strchr("89abAB", copy[i + 3]))
            continue;
        bool is_pair = i + 12 <= data.n && memcmp(copy + i + 6, "\\ud", 3) == 0 &&
                       strchr("cdefCDEF", copy[i + 9]);
        if (is_pair)
            i += 11;
        else
            memcpy(copy + i, "\\ufffd", 6);
    }
    for (size_t i = 0; i + 6 <= data.n; i++)
        if (memcmp(copy + i, "\\ud", 3) == 0 && strchr("cdefCDEF", copy[i + 3]) &&
                !(i >= 6 && memcmp(copy + i - 6, "\\ud", 3) == 0))
            memcpy(copy + i, "\\ufffd", 6);
    root = json_parse((struct slice){copy, data.n});
    mem_free(copy);
    return root;
}

static bool is_end_mark(const struct wire_parser *p, struct slice data)
{
    return p->protocol.end_mark && slice_eq(slice_trim(data), p->protocol.end_mark);
}

static void take_event(void *arg, struct slice data)
{
    struct wire_parser *p = arg;
    if (p->is_done || p->has_failed)
        return;
    if (is_end_mark(p, data)) {
        p->is_done = p->has_event = true;
        return;
    }
    struct json *root = parse_tolerant(data);
    if (!root) {
        fail(p, FINISH_ERROR, "the server sent an event that is not JSON: %.80s", data.ptr);
        return;
    }
    p->has_event = true;
    p->protocol.read(p, root);
    json_free(root);
}

void wire_parser_feed(struct wire_parser *p, const char *bytes, size_t n)
{
    if (p->has_failed)
        return;
    if (!p->has_event && !buf_add(&p->body, bytes, n) && !p->is_stream)
        fail(p, FINISH_ERROR, "the answer is larger than %u MB", BODY_MAX_BYTES >> 20);
    if (p->is_stream && !sse_feed(&p->sse, bytes, n, take_event, p))
        fail(p, FINISH_ERROR, "the server sent an event larger than %u MB",
                SSE_MAX_BYTES >> 20);
}

static void emit_calls(struct wire_parser *p)
{
    for (int i = 0; i < p->n_calls; i++) {
        struct wire_call *c = &p->calls[i];
        if (!c->is_used)
            continue;
        struct tool_call *call = mem_alloc(sizeof *call);
        call->id = mem_strdup(buf_text(&c->id));
        call->name = mem_strdup(buf_text(&c->name));
        call->arguments = mem_strdup(c->arguments.n ? buf_text(&c->arguments) : "{}");
        struct event event = {.kind = EV_TOOL};
        event.u.tool = call;
        p->emit(p->arg, &event);
    }
}

/* An unterminated last event counts when it is whole. */
static void take_rest(struct wire_parser *p, bool is_cut)
{
    struct slice rest = sse_rest(&p->sse);
    struct json *root = rest.n && !p->has_failed ? json_parse(rest) : NULL;
    if (root || is_end_mark(p, rest))
        take_event(p, rest);
    json_free(root);
    if (p->has_event || p->has_failed || is_cut)
        return;
    /* Asked for a stream, answered with one JSON body or with something else. */
    root = json_parse(buf_slice(&p->body));
    if (json_is_object(root)) {
        p->has_event = true;
        p->protocol.read(p, root);
    } else if (slice_trim(buf_slice(&p->body)).n) {
        fail(p, FINISH_NONE,
                "the server answered with something that is no chat stream; is the url right? "
                "It "
                "begins: %.60s",
                slice_trim(buf_slice(&p->body)).ptr);
    }
    json_free(root);
}

static void take_body(struct wire_parser *p, bool is_cut)
{
    struct json *root = p->has_failed ? NULL : json_parse(slice_trim(buf_slice(&p->body)));
    if (json_is_object(root)) {
        p->has_event = true;
        p->protocol.read(p, root);
    } else if (!p->has_failed && !is_cut && slice_trim(buf_slice(&p->body)).n) {
        fail(p, FINISH_NONE,
                "the server answered with something that is no JSON object; is the url right? "
                "It "
                "begins: %.60s",
                slice_trim(buf_slice(&p->body)).ptr);
    }
    json_free(root);
}

/* usage.input is all prompt tokens. */
static void add_cached(struct usage *u)
{
    if (u->input == TOKENS_UNKNOWN)
        return;
    u->input += u->cached_input == TOKENS_UNKNOWN ? 0 : u->cached_input;
    u->input += u->cache_write == TOKENS_UNKNOWN ? 0 : u->cache_write;
}

void wire_parser_finish(struct wire_parser *p, bool is_cut, struct outcome *out)
{
    if (p->is_stream)
        take_rest(p, is_cut);
    else
        take_body(p, is_cut);
    emit_calls(p);
    if (p->protocol.input_excludes_cache)
        add_cached(&p->usage);
    if (p->has_usage) {
        struct event event = {.kind = EV_USAGE};
        event.u.usage = p->usage;
        p->emit(p->arg, &event);
    }
    if (p->has_failed) {
        *out = p->error;
        return;
    }
    out->finish_reason = p->finish;
    /* A stream may end without [DONE] behind a finish reason; before one it was cut, whatever
     * the connection says. */
    if (p->finish == FINISH_NONE)
        err_set(&out->err, ERR_NETWORK, "%s",
                p->has_event ? "the connection was cut in the middle of the answer"
                             : "the server closed the connection without an answer");
}

void wire_read_finish(
        struct wire_parser *p, const char *text, const struct finish_row *rows, size_t n)
{
    size_t i = 0;
    if (!text || !*text)
        return;
    while (i < n && strcmp(text, rows[i].name) != 0)
        i++;
    p->finish = i < n ? rows[i].reason : FINISH_STOP;
}
