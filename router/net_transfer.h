/*
 * net_transfer.h - one HTTP exchange, between the net thread and libcurl. All calls are the net
 * thread's.
 */
#ifndef ROUTER_NET_TRANSFER_H
#define ROUTER_NET_TRANSFER_H

#include <curl/curl.h>

#include "engine/queue.h"
#include "engine/thread.h"

#include "router/http_error.h"
#include "router/secret.h"

struct event;
struct request;

struct net_command {
    struct request *request; /* NULL: cancel request_id */
    struct secret key;
    uint32_t request_id;
    bool is_probe;
};

struct transfer {
    struct transfer *next;
    struct net *net;
    struct request *request;
    struct secret key;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body, error_body;
    char curl_error[CURL_ERROR_SIZE];
    const struct wire_ops *wire;
    struct wire_parser *parser; /* NULL: a probe, whose answer nobody reads */
    bool is_probe;
    struct http_head head;
    uint64_t t_start_ns, t_last_ns;
    bool has_content, is_paused, is_over; /* over: only unsent events are left */
    struct event *unsent;
    size_t n_unsent, cap_unsent;
};

struct net {
    pthread_t thread;
    CURLM *multi;
    struct queue commands, events;
    atomic_bool is_closing;
    int wake_fd;
    struct transfer *transfers;
};

/* Takes what the command holds; the transfer is in the list, also when it has ended at once. */
void transfer_begin(struct net *net, struct net_command *command);
void transfer_free(struct transfer *t);        /* it is out of the list */
void transfer_flush(struct transfer *t);       /* what the ring has room for */
void transfer_resume(struct transfer *t);      /* when all that it was paused for is sent */
void transfer_free_event(struct event *event); /* what it carries */
/* Its last event, with a sentence; what came whole before is kept. */
void transfer_end(struct transfer *t, enum status status, const char *fmt, ...) PRINTF(3, 4);
void transfer_finish(struct transfer *t, CURLcode code); /* libcurl is through with it */
/* Ends it when it is late; until when it may take, UINT64_MAX: for ever. */
uint64_t transfer_check(struct transfer *t, uint64_t now_ns);

#endif
