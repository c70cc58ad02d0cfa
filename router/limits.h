/*
 * limits.h - what the headers of a response say is left of a rate limit, in the two spellings
 * that there are: x-ratelimit-FIELD-WINDOW with a duration until the reset, and
 * anthropic-ratelimit-WINDOW-FIELD with a date. A value that makes no sense counts as not told.
 */
#ifndef ROUTER_LIMITS_H
#define ROUTER_LIMITS_H

#include "engine/base.h"

struct rate_limits;

enum limit_window {
    WINDOW_REQUESTS,
    WINDOW_TOKENS,
    WINDOW_INPUT_TOKENS,
    WINDOW_OUTPUT_TOKENS,
    WINDOW_COUNT
};
enum limit_field { FIELD_LIMIT, FIELD_REMAINING, FIELD_RESET, FIELD_COUNT };

/* As they came: a date can be read only when the head is complete. */
struct limit_headers {
    char values[WINDOW_COUNT][FIELD_COUNT][40];
    bool is_any;
};

/* Takes "6m" off "6m0s": a number and its unit; a number alone is seconds. False: it begins
 * with none. */
bool limits_take_duration(struct slice *text, double *ms);
/* True when it is one of these headers. */
bool limits_take_header(struct limit_headers *headers, struct slice name, struct slice value);
/* now_ms: Unix time by the server's clock. Of several windows of tokens the one with the fewest
 * left counts. False: nothing is told. */
bool limits_read(const struct limit_headers *headers, int64_t now_ms, struct rate_limits *out);

#endif
