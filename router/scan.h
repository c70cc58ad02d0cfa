/*
 * scan.h - the thread that reads the heads of model files: the core's may not touch a disk, and
 * a folder of hundreds takes a while. One owner thread.
 */
#ifndef ROUTER_SCAN_H
#define ROUTER_SCAN_H

#include "engine/base.h"

struct event;
struct scan;

/* What to look at: the files of endpoints, and a folder. */
struct scan_request {
    struct arena arena; /* all texts, and itself */
    const char *dir;    /* NULL: none */
    struct scan_endpoint {
        int endpoint;
        const char *path;
        uint32_t context_tok;
        int n_slots;
    } * endpoints;
    size_t n_endpoints;
};
/* Freed by scan_request_free, or moved by scan_send. */
struct scan_request *scan_request_new(size_t n_endpoints_max);
void scan_request_free(struct scan_request *request);

/* wake_fd: eventfd written when events are ready. NULL: no thread could be started. */
struct scan *scan_open(int wake_fd) MUST_USE;
void scan_close(struct scan *scan); /* within one file */
/* Moves the request; false: one is running already and the caller keeps it. Each file comes as
 * EV_MODEL_FILE, behind the last EV_SCAN_END. */
bool scan_send(struct scan *scan, struct scan_request *request) MUST_USE;
bool scan_poll_event(struct scan *scan, struct event *out);

#endif
