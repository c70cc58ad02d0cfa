/*
 * wire_openai.c - OpenAI Chat Completions and its many relatives: a stream of chunks with
 * deltas, or one JSON body. Whatever is unknown is ignored; only choice 0 is read; the last
 * usage wins.
 */
#include <string.h>

#include "engine/json.h"

#include "router/sse.h"
#include "router/wire.h"

#define BODY_MAX_BYTES (64u << 20)
#define N_CALLS_MAX    128

struct call {
    struct buf id, name, arguments;
    bool is_used;
};

struct wire_parser {
    bool is_stream;
    emit_fn *emit;
    void *arg;
    struct sse sse;
    struct buf body; /* without a stream, or as long as the stream has shown no event */
    struct call calls[N_CALLS_MAX];
    int n_calls;
    enum finish_reason finish;
    struct usage usage;
    bool has_usage, has_event, is_done, is_over; /* over: an error ended it */
    struct outcome error;
};

static void add_messages(const struct request *request, struct buf *body)
{
    buf_add_text(body, "\"messages\":[");
    for (int i = 0; i < request->n_messages; i++) {
        buf_printf(body, "%s{\"role\":\"%s\",\"content\":", i ? "," : "",
                message_role_name(request->messages[i].role));
        json_add_string(body, request->messages[i].text);
        buf_add_text(body, "}");
    }
    buf_add_text(body, "]");
}

static void add_float(struct buf *body, const char *name, float value)
{
    buf_printf(body, ",\"%s\":", name);
    json_add_float(body, value);
}

static void add_params(const struct request *request, struct buf *body)
{
    const struct gen_params *p = &request->params;
    if (!request->has_params)
        return;
    add_float(body, "temperature", p->temperature);
    add_float(body, "top_p", p->top_p);
    if (p->presence_penalty != 0)
        add_float(body, "presence_penalty", p->presence_penalty);
    if (p->frequency_penalty != 0)
        add_float(body, "frequency_penalty", p->frequency_penalty);
    if (p->seed)
        buf_printf(body, ",\"seed\":%llu", (unsigned long long)p->seed);
    for (int i = 0; i < p->n_stop; i++) {
        buf_add_text(body, i ? "," : ",\"stop\":[");
        json_add_string(body, p->stop[i]);
    }
    if (p->n_stop)
        buf_add_text(body, "]");
}

static void build(const struct request *request, struct buf *body)
{
    const struct endpoint_conf *e = request->endpoint;
    buf_add_text(body, "{\"model\":");
    json_add_string(body, slice_of(e->model));
    buf_add_text(body, ",");
    add_messages(request, body);
    buf_printf(body, ",\"stream\":%s", e->stream ? "true" : "false");
    if (e->stream)
        buf_add_text(body, ",\"stream_options\":{\"include_usage\":true}");
    if (request->params.max_tokens) /* the old name is refused by OpenAI's newer models, the new
                                       one unknown elsewhere */
        buf_printf(body, ",\"%s\":%u", e->url ? "max_tokens" : "max_completion_tokens",
                request->params.max_tokens);
    add_params(request, body);
    if (request->extra_json.n)
        buf_printf(body, ",%.*s", (int)request->extra_json.n, request->extra_json.ptr);
    buf_add_text(body, "}");
}

static struct wire_parser *open_parser(bool is_stream, emit_fn *emit, void *arg)
{
    struct wire_parser *p = mem_alloc(sizeof *p);
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

static void close_parser(struct wire_parser *p)
{
    sse_release(&p->sse);
    buf_release(&p->body);
    for (int i = 0; i < N_CALLS_MAX; i++) {
        buf_release(&p->calls[i].id);
        buf_release(&p->calls[i].name);
        buf_release(&p->calls[i].arguments);
    }
    mem_free(p);
}

static enum finish_reason read_finish(const char *text)
{
    static const struct {
        const char *name;
        enum finish_reason reason;
    } names[] = {{"stop", FINISH_STOP}, {"length", FINISH_LENGTH},
            {"tool_calls", FINISH_TOOL_CALLS}, {"function_call", FINISH_TOOL_CALLS},
            {"content_filter", FINISH_CONTENT_FILTER}, {"eos", FINISH_STOP},
            {"error", FINISH_ERROR}};
    for (size_t i = 0; text && i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].reason;
    return text && *text ? FINISH_STOP : FINISH_NONE;
}

static void read_usage(struct wire_parser *p, const struct json *usage)
{
    if (!json_is_object(usage))
        return;
    const struct json *in = json_get(usage, "prompt_tokens_details");
    const struct json *out = json_get(usage, "completion_tokens_details");
    struct usage *u = &p->usage;
    bool has_any = json_get_u32(usage, "prompt_tokens", &u->input);
    has_any |= json_get_u32(usage, "completion_tokens", &u->output);
    if (!json_get_u32(in, "cached_tokens", &u->cached_input) &&
            !json_get_u32(usage, "prompt_cache_hit_tokens", &u->cached_input))
        (void)!json_get_u32(usage, "cached_tokens", &u->cached_input);
    (void)!json_get_u32(in, "cache_write_tokens", &u->cache_write);
    if (!json_get_u32(out, "reasoning_tokens", &u->reasoning))
        (void)!json_get_u32(usage, "reasoning_tokens", &u->reasoning);
    p->has_usage |= has_any;
}

static struct call *call_at(struct wire_parser *p, int i)
{
    struct call *call = &p->calls[i];
    if (!call->is_used) {
        call->is_used = true;
        buf_init(&call->id, 4096);
        buf_init(&call->name, 4096);
        buf_init(&call->arguments, BODY_MAX_BYTES);
        if (i >= p->n_calls)
            p->n_calls = i + 1;
    }
    return call;
}

static void read_calls(struct wire_parser *p, const struct json *calls)
{
    int i_next = p->n_calls;
    for (const struct json *c = json_first(calls); c; c = json_next(c)) {
        uint32_t i = (uint32_t)i_next;
        if (!json_get_u32(c, "index", &i))
            i_next++; /* whole calls without numbers are in order */
        if (i >= N_CALLS_MAX)
            continue;
        struct call *call = call_at(p, (int)i);
        const struct json *function = json_get(c, "function");
        const struct json *arguments = json_get(function, "arguments");
        const char *id = json_get_text(c, "id"), *name = json_get_text(function, "name");
        if (id && *id && call->id.n == 0)
            buf_add_text(&call->id, id);
        if (name && call->name.n == 0)
            buf_add_text(&call->name, name);
        if (json_text(arguments))
            buf_add_text(&call->arguments, json_text(arguments));
        else if (json_is_object(arguments))
            json_print(arguments, &call->arguments);
    }
}

static void read_delta(struct wire_parser *p, const struct json *delta)
{
    static const char *const reasoning[] = {"reasoning_content", "reasoning", "reasoning_text"};
    static const char *const answer[] = {"content", "refusal"};
    for (size_t i = 0; i < ARRAY_LEN(reasoning); i++) {
        const char *text = json_get_text(delta, reasoning[i]);
        if (text && *text) { /* servers in transition send the same text under two names */
            wire_emit_text(p->emit, p->arg, EV_REASONING, slice_of(text));
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(answer); i++)
        if (json_get_text(delta, answer[i]))
            wire_emit_text(p->emit, p->arg, EV_TEXT, slice_of(json_get_text(delta, answer[i])));
    for (const struct json *part = json_first(
                 json_is_array(json_get(delta, "content")) ? json_get(delta, "content") : NULL);
            part; part = json_next(part))
        if (json_get_text(part, "text"))
            wire_emit_text(p->emit, p->arg, EV_TEXT, slice_of(json_get_text(part, "text")));
    read_calls(p, json_get(delta, "tool_calls"));
}

/* A chunk of a stream, or a whole body: they differ in where the message stands. */
static void read_object(struct wire_parser *p, const struct json *root)
{
    const struct json *error = json_get(root, "error");
    if (!json_is_null(error)) {
        stream_error_read(error, &p->error);
        p->is_over = true;
        return;
    }
    read_usage(p, json_get(root, "usage"));
    for (const struct json *c = json_first(json_get(root, "choices")); c; c = json_next(c)) {
        uint32_t index = 0;
        if (json_get_u32(c, "index", &index) && index != 0)
            continue;
        const struct json *delta = json_get(c, "delta");
        read_delta(p, json_is_object(delta) ? delta : json_get(c, "message"));
        enum finish_reason finish = read_finish(json_get_text(c, "finish_reason"));
        if (finish != FINISH_NONE)
            p->finish = finish;
    }
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

static void take_event(void *arg, struct slice data)
{
    struct wire_parser *p = arg;
    if (p->is_done || p->is_over)
        return;
    if (slice_eq(slice_trim(data), "[DONE]")) {
        p->is_done = p->has_event = true;
        return;
    }
    struct json *root = parse_tolerant(data);
    if (!root) {
        err_set(&p->error.err, ERR_PROTOCOL, "the server sent an event that is not JSON: %.80s",
                data.ptr);
        p->error.finish_reason = FINISH_ERROR;
        p->is_over = true;
        return;
    }
    p->has_event = true;
    read_object(p, root);
    json_free(root);
}

static void feed(struct wire_parser *p, const char *bytes, size_t n)
{
    if (p->is_over)
        return;
    if (!p->has_event && !buf_add(&p->body, bytes, n) && !p->is_stream) {
        err_set(&p->error.err, ERR_PROTOCOL, "the answer is larger than %u MB",
                BODY_MAX_BYTES >> 20);
        p->is_over = true;
    }
    if (p->is_stream && !sse_feed(&p->sse, bytes, n, take_event, p)) {
        err_set(&p->error.err, ERR_PROTOCOL, "the server sent an event larger than %u MB",
                SSE_MAX_BYTES >> 20);
        p->error.finish_reason = FINISH_ERROR;
        p->is_over = true;
    }
}

static void emit_calls(struct wire_parser *p)
{
    for (int i = 0; i < p->n_calls; i++) {
        struct call *c = &p->calls[i];
        if (!c->is_used)
            continue;
        struct tool_call *call = mem_alloc(sizeof *call);
        call->id = mem_strdup(buf_text(&c->id));
        call->name = mem_strdup(buf_text(&c->name));
        call->arguments = mem_strdup(c->arguments.n ? buf_text(&c->arguments) : "{}");
        struct event event = {.kind = EV_TOOL, .i_part = (uint16_t)i};
        event.u.tool = call;
        p->emit(p->arg, &event);
    }
}

/* An unterminated last event counts when it is whole. */
static void take_rest(struct wire_parser *p, bool is_cut)
{
    struct slice rest = sse_rest(&p->sse);
    struct json *root = rest.n && !p->is_over ? json_parse(rest) : NULL;
    if (root || slice_eq(slice_trim(rest), "[DONE]"))
        take_event(p, rest);
    json_free(root);
    if (p->has_event || p->is_over || is_cut)
        return;
    /* Asked for a stream, answered with one JSON body or with something else. */
    root = json_parse(buf_slice(&p->body));
    if (json_is_object(root)) {
        p->has_event = true;
        read_object(p, root);
    } else if (slice_trim(buf_slice(&p->body)).n) {
        err_set(&p->error.err, ERR_PROTOCOL,
                "the server answered with something that is no chat stream; is the url right? "
                "It begins: %.60s",
                slice_trim(buf_slice(&p->body)).ptr);
        p->is_over = true;
    }
    json_free(root);
}

static void take_body(struct wire_parser *p, bool is_cut)
{
    struct json *root = p->is_over ? NULL : json_parse(slice_trim(buf_slice(&p->body)));
    if (json_is_object(root)) {
        p->has_event = true;
        read_object(p, root);
    } else if (!p->is_over && !is_cut && slice_trim(buf_slice(&p->body)).n) {
        err_set(&p->error.err, ERR_PROTOCOL,
                "the server answered with something that is no JSON object; is the url right? "
                "It begins: %.60s",
                slice_trim(buf_slice(&p->body)).ptr);
        p->is_over = true;
    }
    json_free(root);
}

static void finish(struct wire_parser *p, bool is_cut, struct outcome *out)
{
    if (p->is_stream)
        take_rest(p, is_cut);
    else
        take_body(p, is_cut);
    emit_calls(p);
    if (p->has_usage) {
        struct event event = {.kind = EV_USAGE};
        event.u.usage = p->usage;
        p->emit(p->arg, &event);
    }
    if (p->is_over) {
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

static const struct wire_ops openai_ops = {build, open_parser, feed, finish, close_parser};

const struct wire_ops *wire_ops_of(enum wire wire)
{
    return wire == WIRE_OPENAI_CHAT ? &openai_ops : NULL;
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
