/*
 * secret.h - keys: where each comes from, and the key itself, which no format function prints.
 */
#ifndef ROUTER_SECRET_H
#define ROUTER_SECRET_H

#include "engine/base.h"

struct endpoint_conf;

/* secret_release overwrites it. */
struct secret {
    char *bytes;
    size_t n;
};
void secret_release(struct secret *secret);
/* Fetches the key. ERR_AUTH with a sentence that names the endpoint, the source and what to do
 * (a key file readable by others is refused). May run a command, which may talk to the
 * terminal. */
enum status secret_fetch(
        const struct endpoint_conf *conf, struct secret *out, struct err *err) MUST_USE;
/* The same with another limit for the command than two minutes, for tests. */
enum status secret_fetch_within(const struct endpoint_conf *conf, uint32_t limit_ms,
        struct secret *out, struct err *err) MUST_USE;
/* The same without running a command, whose key is left empty; the sentence does not name the
 * endpoint. */
enum status secret_check(const struct endpoint_conf *conf, struct err *err) MUST_USE;

#endif
