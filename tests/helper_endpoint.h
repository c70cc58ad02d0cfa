/* helper_endpoint.h - endpoints as a configuration file's text gives them. */
#ifndef TESTS_HELPER_ENDPOINT_H
#define TESTS_HELPER_ENDPOINT_H

#include "router/conf.h"
#include "router/endpoint.h"

struct endpoints_text {
    struct conf *conf; /* its warnings name x.conf */
    struct arena arena;
    struct endpoint_conf *list;
    size_t n;
};
struct endpoints_text endpoints_of_text(const char *text);
void endpoints_release(struct endpoints_text *r);

#endif
