/*
 * sse.h - splits a byte stream into server-sent events (WHATWG HTML, section 9.2). Pure: bytes
 * in, events out. Lines end with LF, CRLF or CR; a byte order mark, comments and unknown fields
 * are dropped; data lines are joined with LF.
 */
#ifndef ROUTER_SSE_H
#define ROUTER_SSE_H

#include "engine/base.h"

#define SSE_MAX_BYTES (32u << 20) /* of one event */

struct sse {
    struct buf line, data;
    bool has_data, was_cr, is_started;
    size_t n_bom; /* bytes of the mark seen */
};

typedef void sse_event_fn(void *arg, struct slice data);

void sse_init(struct sse *sse);
void sse_release(struct sse *sse);
/* Calls fn for every finished event. False: an event is larger than SSE_MAX_BYTES. */
bool sse_feed(struct sse *sse, const char *bytes, size_t n, sse_event_fn *fn, void *arg);
/* The end of the body: the event that was not closed by an empty line, or an empty slice. */
struct slice sse_rest(struct sse *sse);

#endif
