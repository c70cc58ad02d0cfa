/* http_error.h - what the error of a provider means and how long to wait. */
#ifndef ROUTER_HTTP_ERROR_H
#define ROUTER_HTTP_ERROR_H

#include "router/limits.h"

struct json;
struct outcome;

/* What of a response's head decides about errors, and what it says about rate limits. */
struct http_head {
    int status;
    char retry_after[64], retry_after_ms[32], date[64];
    struct limit_headers limits;
};
/* The class, text and waiting time of an HTTP error, from status, headers and body. */
void http_error_read(const struct http_head *head, struct slice body, struct outcome *out);
/* The same for an error object inside a 200 answer. */
void stream_error_read(const struct json *error, struct outcome *out);

#endif
