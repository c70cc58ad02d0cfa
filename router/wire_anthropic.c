/*
 * wire_anthropic.c - Anthropic Messages (API version 2023-06-01): content blocks that start,
 * grow and stop, usage that accumulates, a system prompt beside the messages. Unknown events,
 * blocks and deltas are ignored, as the documentation asks.
 */
#include <string.h>

#include "engine/json.h"
#include "engine/request.h"

#include "router/endpoint.h"
#include "router/http_error.h"
#include "router/wire_parser.h"

#define ANSWER_MAX_TOK 8192 /* the protocol wants a limit with every request */

static void add_system(const struct request *request, struct buf *body)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    for (int i = 0; i < request->n_messages; i++)
        if (request->messages[i].role == MSG_SYSTEM) {
            buf_add_text(&text, text.n ? "\n\n" : "");
            buf_add_slice(&text, request->messages[i].text);
        }
    if (text.n) {
        buf_add_text(body, ",\"system\":");
        json_add_string(body, buf_slice(&text));
    }
    buf_release(&text);
}

/* White space at the end of an answer that is to go on is refused. */
static struct slice without_end(struct slice text)
{
    while (text.n && strchr(" \t\r\n", text.ptr[text.n - 1]))
        text.n--;
    return text;
}

static void add_messages(const struct request *request, struct buf *body)
{
    bool is_first = true;
    buf_add_text(body, ",\"messages\":[");
    for (int i = 0; i < request->n_messages; i++) {
        const struct chat_message *m = &request->messages[i];
        bool is_open = m->role == MSG_ASSISTANT && i + 1 == request->n_messages;
        struct slice text = is_open ? without_end(m->text) : m->text;
        if (m->role == MSG_SYSTEM || text.n == 0)
            continue;
        buf_printf(body, "%s{\"role\":\"%s\",\"content\":", is_first ? "" : ",",
                m->role == MSG_ASSISTANT ? "assistant" : "user");
        json_add_string(body, text);
        buf_add_text(body, "}");
        is_first = false;
    }
    buf_add_text(body, "]");
}

/* Its temperature ends at 1; of temperature and top_p newer models take one only. */
static void add_params(const struct request *request, struct buf *body)
{
    const struct gen_params *p = &request->params;
    if (p->given & GIVEN_TEMPERATURE) {
        buf_add_text(body, ",\"temperature\":");
        json_add_float(body, p->temperature < 1 ? p->temperature : 1);
    } else if (p->given & GIVEN_TOP_P) {
        buf_add_text(body, ",\"top_p\":");
        json_add_float(body, p->top_p);
    }
    if (p->given & GIVEN_TOP_K)
        buf_printf(body, ",\"top_k\":%u", p->top_k);
    wire_add_stops(body, "stop_sequences", p);
}

static void build(const struct request *request, struct buf *body)
{
    const struct endpoint_conf *e = request->endpoint;
    buf_add_text(body, "{\"model\":");
    json_add_string(body, slice_of(e->model));
    buf_printf(body, ",\"max_tokens\":%u,\"stream\":%s",
            request->params.max_tokens ? request->params.max_tokens : ANSWER_MAX_TOK,
            e->stream ? "true" : "false");
    add_system(request, body);
    add_messages(request, body);
    add_params(request, body);
    buf_add_text(body, "}");
}

static const struct finish_row finishes[] = {{"end_turn", FINISH_STOP},
        {"stop_sequence", FINISH_STOP}, {"pause_turn", FINISH_STOP},
        {"max_tokens", FINISH_LENGTH}, {"model_context_window_exceeded", FINISH_LENGTH},
        {"tool_use", FINISH_TOOL_CALLS}, {"refusal", FINISH_CONTENT_FILTER}};

/* Later objects replace single fields. */
static void read_usage(struct wire_parser *p, const struct json *usage)
{
    if (!json_is_object(usage))
        return;
    struct usage *u = &p->usage;
    bool has_any = json_get_u32(usage, "input_tokens", &u->input);
    has_any |= json_get_u32(usage, "output_tokens", &u->output);
    (void)!json_get_u32(usage, "cache_read_input_tokens", &u->cached_input);
    (void)!json_get_u32(usage, "cache_creation_input_tokens", &u->cache_write);
    (void)!json_get_u32(
            json_get(usage, "output_tokens_details"), "thinking_tokens", &u->reasoning);
    p->has_usage |= has_any;
}

static void read_finish_of(struct wire_parser *p, const struct json *holder)
{
    wire_read_finish(p, json_get_text(holder, "stop_reason"), finishes, ARRAY_LEN(finishes));
}

static void emit(struct wire_parser *p, enum event_kind kind, const char *text)
{
    if (text && *text)
        wire_emit_text(p->emit, p->arg, kind, slice_of(text));
}

/* A block as it starts in a stream (mostly empty), or whole in a body. */
static void read_block(struct wire_parser *p, uint32_t index, const struct json *block)
{
    const char *type = json_get_text(block, "type");
    emit(p, EV_TEXT, type && strcmp(type, "text") == 0 ? json_get_text(block, "text") : NULL);
    emit(p, EV_REASONING,
            type && strcmp(type, "thinking") == 0 ? json_get_text(block, "thinking") : NULL);
    if (!type || strcmp(type, "tool_use") != 0 || index >= WIRE_CALLS_MAX)
        return;
    struct wire_call *call = wire_call_at(p, (int)index);
    const struct json *input = json_get(block, "input");
    wire_call_add(p, &call->id, json_get_text(block, "id"));
    wire_call_add(p, &call->name, json_get_text(block, "name"));
    if (json_first(input))
        wire_call_add_object(p, call, input);
}

static void read_delta(struct wire_parser *p, uint32_t index, const struct json *delta)
{
    emit(p, EV_TEXT, json_get_text(delta, "text"));
    emit(p, EV_REASONING, json_get_text(delta, "thinking"));
    const char *arguments = json_get_text(delta, "partial_json");
    if (index < WIRE_CALLS_MAX && p->calls[index].is_used)
        wire_call_add(p, &p->calls[index].arguments, arguments);
}

static void read_error(struct wire_parser *p, const struct json *root)
{
    stream_error_read(json_get(root, "error"), &p->error);
    p->has_failed = true;
}

static void read_body(struct wire_parser *p, const struct json *root)
{
    uint32_t index = 0;
    for (const struct json *b = json_first(json_get(root, "content")); b; b = json_next(b))
        read_block(p, index++, b);
    read_usage(p, json_get(root, "usage"));
    read_finish_of(p, root);
}

static void read_object(struct wire_parser *p, const struct json *root)
{
    const char *type = json_get_text(root, "type");
    uint32_t index = 0;
    (void)!json_get_u32(root, "index", &index);
    if (!type)
        return;
    if (strcmp(type, "message_start") == 0)
        read_usage(p, json_get(json_get(root, "message"), "usage"));
    else if (strcmp(type, "content_block_start") == 0)
        read_block(p, index, json_get(root, "content_block"));
    else if (strcmp(type, "content_block_delta") == 0)
        read_delta(p, index, json_get(root, "delta"));
    else if (strcmp(type, "message_delta") == 0)
        read_finish_of(p, json_get(root, "delta")), read_usage(p, json_get(root, "usage"));
    else if (strcmp(type, "message_stop") == 0)
        p->is_done = true;
    else if (strcmp(type, "error") == 0)
        read_error(p, root);
    else if (strcmp(type, "message") == 0)
        read_body(p, root);
}

static struct wire_parser *open_parser(bool is_stream, emit_fn *emit_event, void *arg)
{
    return wire_parser_open(
            &(struct wire_protocol){read_object, NULL, true}, is_stream, emit_event, arg);
}

const struct wire_ops wire_anthropic_ops = {
        false, build, open_parser, wire_parser_feed, wire_parser_finish, wire_parser_close};
