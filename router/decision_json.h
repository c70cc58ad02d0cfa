/* decision_json.h - a decision as it is stored and shown to programs. */
#ifndef ROUTER_DECISION_JSON_H
#define ROUTER_DECISION_JSON_H

#include "engine/base.h"

struct decision;
struct fleet;

/* The decision as one JSON object {"endpoint","reason","candidates":[…],"features":{…},…}. */
void decision_print_json(const struct decision *d, const struct fleet *fleet, struct buf *out);
/* Reads that back. names: [ENDPOINTS_MAX], in the arena: a candidate may be gone from the
 * fleet, so its `endpoint` is -1. Times of waiting are not kept. False: not a decision. */
bool decision_read_json(struct slice json, struct arena *arena, struct decision *out,
        const char **names) MUST_USE;

#endif
