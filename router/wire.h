/*
 * wire.h - the protocols: how a request becomes a body, and how the bytes of an answer become
 * events. One wire_*.c per protocol, each a row of functions; net.c knows no protocol.
 */
#ifndef ROUTER_WIRE_H
#define ROUTER_WIRE_H

#include "engine/event.h"
#include "engine/request.h"

#include "router/endpoint.h"
#include "router/limits.h"

/* Takes one event of the answer; request_id, attempt and t_ns are filled by the receiver. */
typedef void emit_fn(void *arg, struct event *event);

struct wire_parser; /* of one answer; the protocol's own */

struct wire_ops {
    void (*build)(const struct request *request, struct buf *body);
    struct wire_parser *(*open)(bool is_stream, emit_fn *emit, void *arg);
    void (*feed)(struct wire_parser *parser, const char *bytes, size_t n);
    /* The end of a body with a status of 2xx: the last events but EV_DONE, and how it ended.
     * `is_cut`: the connection broke. err of *out is OK or a sentence without the endpoint's
     * name. */
    void (*finish)(struct wire_parser *parser, bool is_cut, struct outcome *out);
    void (*close)(struct wire_parser *parser);
};

const struct wire_ops *wire_ops_of(enum wire wire); /* NULL: local */

/* Splits text into events of whole characters. */
void wire_emit_text(emit_fn *emit, void *arg, enum event_kind kind, struct slice text);

/* What of a response's head decides about errors, and what it says about rate limits. */
struct http_head {
    int status;
    char retry_after[64], retry_after_ms[32], date[64], should_retry[8], content_type[64];
    struct limit_headers limits;
};
/* The class, text and waiting time of an HTTP error, from status, headers and body. */
void http_error_read(const struct http_head *head, struct slice body, struct outcome *out);
/* The same for an error object inside a 200 answer. */
struct json;
void stream_error_read(const struct json *error, struct outcome *out);

#endif
