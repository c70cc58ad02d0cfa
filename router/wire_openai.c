/*
 * wire_openai.c - OpenAI Chat Completions and its many relatives: a stream of chunks with
 * deltas, or one JSON body. Whatever is unknown is ignored; only choice 0 is read; the last
 * usage wins.
 */
#include <string.h>

#include "engine/json.h"
#include "engine/request.h"

#include "router/endpoint.h"
#include "router/http_error.h"
#include "router/wire_parser.h"

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

static void add_params(const struct request *request, struct buf *body)
{
    const struct gen_params *p = &request->params;
    const struct {
        unsigned given;
        const char *name;
        float value;
    } floats[] = {{GIVEN_TEMPERATURE, "temperature", p->temperature},
            {GIVEN_TOP_P, "top_p", p->top_p}, {GIVEN_MIN_P, "min_p", p->min_p},
            {GIVEN_PRESENCE_PENALTY, "presence_penalty", p->presence_penalty},
            {GIVEN_FREQUENCY_PENALTY, "frequency_penalty", p->frequency_penalty}};
    for (size_t i = 0; i < ARRAY_LEN(floats); i++)
        if (p->given & floats[i].given) {
            buf_printf(body, ",\"%s\":", floats[i].name);
            json_add_float(body, floats[i].value);
        }
    if (p->given & GIVEN_TOP_K)
        buf_printf(body, ",\"top_k\":%u", p->top_k);
    if (p->given & GIVEN_SEED)
        buf_printf(body, ",\"seed\":%llu", (unsigned long long)p->seed);
    wire_add_stops(body, "stop", p);
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

static const struct finish_row finishes[] = {{"stop", FINISH_STOP}, {"length", FINISH_LENGTH},
        {"tool_calls", FINISH_TOOL_CALLS}, {"function_call", FINISH_TOOL_CALLS},
        {"content_filter", FINISH_CONTENT_FILTER}, {"eos", FINISH_STOP},
        {"error", FINISH_ERROR}};

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

static void read_calls(struct wire_parser *p, const struct json *calls)
{
    int i_next = p->n_calls;
    for (const struct json *c = json_first(calls); c; c = json_next(c)) {
        uint32_t i = (uint32_t)i_next;
        if (!json_get_u32(c, "index", &i))
            i_next++; /* whole calls without numbers are in order */
        if (i >= WIRE_CALLS_MAX)
            continue;
        struct wire_call *call = wire_call_at(p, (int)i);
        const struct json *function = json_get(c, "function");
        const struct json *arguments = json_get(function, "arguments");
        const char *id = json_get_text(c, "id"), *name = json_get_text(function, "name");
        if (call->id.n == 0)
            wire_call_add(p, &call->id, id);
        if (call->name.n == 0)
            wire_call_add(p, &call->name, name);
        wire_call_add(p, &call->arguments, json_text(arguments));
        if (json_is_object(arguments))
            wire_call_add_object(p, call, arguments);
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
        p->has_failed = true;
        return;
    }
    read_usage(p, json_get(root, "usage"));
    for (const struct json *c = json_first(json_get(root, "choices")); c; c = json_next(c)) {
        uint32_t index = 0;
        if (json_get_u32(c, "index", &index) && index != 0)
            continue;
        const struct json *delta = json_get(c, "delta");
        read_delta(p, json_is_object(delta) ? delta : json_get(c, "message"));
        wire_read_finish(p, json_get_text(c, "finish_reason"), finishes, ARRAY_LEN(finishes));
    }
}

static struct wire_parser *open_parser(bool is_stream, emit_fn *emit, void *arg)
{
    return wire_parser_open(
            &(struct wire_protocol){read_object, "[DONE]", false}, is_stream, emit, arg);
}

const struct wire_ops wire_openai_ops = {
        true, build, open_parser, wire_parser_feed, wire_parser_finish, wire_parser_close};
