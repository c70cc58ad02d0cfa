/*
 * net.h - the net thread: libcurl multi, one easy handle per running request. It turns a
 * request into HTTP by its endpoint's provider row and wire, and what comes back into events.
 * It knows no policy: one request is one HTTP exchange; whether to try again is the core's
 * decision.
 */
#ifndef ROUTER_NET_H
#define ROUTER_NET_H

#include "engine/base.h"

struct event;
struct request;
struct secret;

struct net;

/* wake_fd: eventfd written when events are ready; -1: none. */
struct net *net_open(int wake_fd); /* NULL: no memory or no thread */
void net_close(struct net *net);   /* cancels all, joins */
/* Moves request and key (key may be empty). False: the ring is full and the caller keeps both.
 */
bool net_send(struct net *net, struct request *request, struct secret *key) MUST_USE;
/* Asks whether the request's endpoint lives, by its list of models. request->id is the
 * endpoint's index; the answer is EV_PROBE. Moves like net_send. */
bool net_probe(struct net *net, struct request *request, struct secret *key) MUST_USE;
bool net_cancel(struct net *net, uint32_t request_id) MUST_USE; /* false: the ring is full */
bool net_poll_event(struct net *net, struct event *out);

#endif
