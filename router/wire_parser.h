/*
 * wire_parser.h - what the parsers of all protocols share: a stream of JSON events or one JSON
 * body, tool calls that come in pieces, the last usage, the way it ended. A protocol adds how
 * one object is read. Of a request they spell alike the list of stop strings.
 */
#ifndef ROUTER_WIRE_PARSER_H
#define ROUTER_WIRE_PARSER_H

#include "engine/event.h"

#include "router/sse.h"
#include "router/wire.h"

struct gen_params;
struct json;

#define WIRE_CALLS_MAX 128

struct wire_call {
    struct buf id, name, arguments;
    bool is_used;
};

struct finish_row { /* a protocol's word for why the answer ended */
    const char *name;
    enum finish_reason reason;
};

struct wire_protocol {
    /* One event of the stream, or the whole body. Sets finish, usage (has_usage), error
     * (has_failed), is_done. */
    void (*read)(struct wire_parser *parser, const struct json *root);
    const char *end_mark;      /* data of the last event that is no JSON, or NULL */
    bool input_excludes_cache; /* its count of prompt tokens leaves out what was cached */
};

struct wire_parser {
    struct wire_protocol protocol;
    bool is_stream;
    emit_fn *emit;
    void *arg;
    struct sse sse;
    struct buf body; /* without a stream, or as long as the stream has shown no event */
    struct wire_call calls[WIRE_CALLS_MAX];
    int n_calls;
    size_t n_call_bytes; /* in all of them */
    enum finish_reason finish;
    struct usage usage;
    bool has_usage, has_event, is_done;
    bool has_failed; /* error says how */
    struct outcome error;
};

struct wire_parser *wire_parser_open(
        const struct wire_protocol *protocol, bool is_stream, emit_fn *emit, void *arg);
void wire_parser_feed(struct wire_parser *parser, const char *bytes, size_t n);
void wire_parser_finish(struct wire_parser *parser, bool is_cut, struct outcome *out);
void wire_parser_close(struct wire_parser *parser);
/* Splits text into events of whole characters. */
void wire_emit_text(emit_fn *emit, void *arg, enum event_kind kind, struct slice text);
/* The tool call number i < WIRE_CALLS_MAX, made when it is new. */
struct wire_call *wire_call_at(struct wire_parser *parser, int i);
/* More of one of its texts; NULL adds nothing. */
void wire_call_add(struct wire_parser *parser, struct buf *to, const char *text);
void wire_call_add_object(
        struct wire_parser *parser, struct wire_call *call, const struct json *object);

/* ,"NAME":[…], or nothing where there are none. */
void wire_add_stops(struct buf *body, const char *name, const struct gen_params *params);
/* Keeps the reason when the text is one; a word that no row knows is a normal stop, NULL and ""
 * say nothing. */
void wire_read_finish(
        struct wire_parser *parser, const char *text, const struct finish_row *rows, size_t n);

#endif
