/*
 * helper_server.h - a small HTTP server on the loopback in a thread of the test: it answers the
 * n-th connection with the n-th script, byte for byte, and keeps what it was asked.
 */
#ifndef TESTS_HELPER_SERVER_H
#define TESTS_HELPER_SERVER_H

#include "engine/base.h"

struct server_script {
    const void *bytes; /* the whole response, head included */
    size_t n;
    size_t chunk; /* bytes per write; 0: all at once */
    int delay_ms; /* before the first byte */
    bool hangs;   /* nothing more after the bytes, the connection stays open */
    int gap_ms;   /* between chunks */
    bool resets;  /* the connection ends with a reset, as of a program that was killed */
};

struct server;
/* scripts are borrowed; the last one answers all further connections. */
struct server *server_open(const struct server_script *scripts, size_t n_scripts);
void server_close(struct server *server);
int server_port(const struct server *server);
size_t server_n_requests(const struct server *server);
/* Bytes of the newest response that have been sent. */
size_t server_n_sent(const struct server *server);
/* Head and body of request i, terminated; valid until server_close. */
const char *server_request(struct server *server, size_t i);

#endif
