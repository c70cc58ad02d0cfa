/*
 * wire.h - the protocols: how a request becomes a body, and how the bytes of an answer become
 * events. One wire_*.c per protocol, each a row of functions; net.c knows no protocol.
 */
#ifndef ROUTER_WIRE_H
#define ROUTER_WIRE_H

#include "engine/base.h"

struct event;
struct outcome;
struct request;

/* Takes one event of the answer; request_id, attempt and t_ns are filled by the receiver. */
typedef void emit_fn(void *arg, struct event *event);

struct wire_parser; /* of one answer; the protocol's own */

struct wire_ops {
    bool takes_extra; /* build adds extra_json of the request */
    void (*build)(const struct request *request, struct buf *body);
    struct wire_parser *(*open)(bool is_stream, emit_fn *emit, void *arg);
    void (*feed)(struct wire_parser *parser, const char *bytes, size_t n);
    /* The end of a body with a status of 2xx: the last events but EV_DONE, and how it ended.
     * `is_cut`: the connection broke. err of *out is OK or a sentence without the endpoint's
     * name. */
    void (*finish)(struct wire_parser *parser, bool is_cut, struct outcome *out);
    void (*close)(struct wire_parser *parser);
};

extern const struct wire_ops wire_openai_ops, wire_anthropic_ops;

#endif
