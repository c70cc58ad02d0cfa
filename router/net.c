/*
 * net.c - see net.h. The thread sleeps in curl_multi_poll until a socket, a command or the
 * nearest deadline; what it does with one request is net_transfer.c.
 */
#include "router/net.h"

#include "engine/event.h"
#include "engine/request.h"

#include "router/net_transfer.h"

#define N_EVENTS          4096
#define N_COMMANDS        64
#define FULL_RING_WAIT_MS 5
#define FOREVER_MS        (1 << 30)

/* ---- the thread ------------------------------------------------------------------------- */

static void take_commands(struct net *net)
{
    struct net_command command;
    while (queue_pop(&net->commands, &command)) {
        if (command.request) {
            transfer_begin(net, &command);
            continue;
        }
        for (struct transfer *t = net->transfers; t; t = t->next)
            if (t->request->id == command.request_id && !t->is_over && !t->is_probe)
                transfer_end(t, ERR_CANCELLED, "stopped");
    }
}

static void take_finished(struct net *net)
{
    int n_left;
    for (CURLMsg *m; (m = curl_multi_info_read(net->multi, &n_left));) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        transfer_finish(t, code);
    }
}

/* Ends what is late; returns how long the thread may sleep. */
static int check_deadlines(struct net *net)
{
    uint64_t now = clock_now_ns(), nearest = UINT64_MAX;
    bool is_full = false;
    for (struct transfer *t = net->transfers; t; t = t->next) {
        uint64_t end = transfer_check(t, now);
        is_full |= t->n_unsent > 0;
        nearest = end < nearest ? end : nearest;
    }
    if (is_full)
        return FULL_RING_WAIT_MS;
    if (nearest == UINT64_MAX)
        return FOREVER_MS;
    uint64_t ms = (nearest - now) / 1000000u + 1;
    return ms > FOREVER_MS ? FOREVER_MS : (int)ms;
}

static void flush_all(struct net *net)
{
    for (struct transfer **at = &net->transfers; *at;) {
        struct transfer *t = *at;
        transfer_flush(t);
        if (t->is_over && t->n_unsent == 0) {
            *at = t->next;
            transfer_free(t);
            continue;
        }
        transfer_resume(t);
        at = &t->next;
    }
}

static void *run(void *arg)
{
    struct net *net = arg;
    while (!atomic_load(&net->is_closing)) {
        int n_running;
        take_commands(net);
        curl_multi_perform(net->multi, &n_running);
        take_finished(net);
        flush_all(net);
        int timeout_ms = check_deadlines(net);
        flush_all(net);
        curl_multi_poll(net->multi, NULL, 0, timeout_ms, NULL);
    }
    return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------- */

struct net *net_open(int wake_fd)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct net *net = mem_alloc(sizeof *net);
    net->wake_fd = wake_fd;
    net->multi = curl_multi_init();
    queue_init(&net->commands, N_COMMANDS, sizeof(struct net_command));
    queue_init(&net->events, N_EVENTS, sizeof(struct event));
    if (!net->multi || !thread_start(&net->thread, run, net)) {
        if (net->multi)
            curl_multi_cleanup(net->multi);
        queue_release(&net->commands);
        queue_release(&net->events);
        mem_free(net);
        return NULL;
    }
    return net;
}

void net_close(struct net *net)
{
    if (!net)
        return;
    atomic_store(&net->is_closing, true);
    curl_multi_wakeup(net->multi);
    pthread_join(net->thread, NULL);
    while (net->transfers) {
        struct transfer *next = net->transfers->next;
        transfer_free(net->transfers);
        net->transfers = next;
    }
    struct net_command command;
    while (queue_pop(&net->commands, &command)) {
        request_free(command.request);
        secret_release(&command.key);
    }
    struct event event;
    while (queue_pop(&net->events, &event))
        transfer_free_event(&event);
    curl_multi_cleanup(net->multi);
    queue_release(&net->commands);
    queue_release(&net->events);
    mem_free(net);
}

static bool send_command(
        struct net *net, struct request *request, struct secret *key, bool is_probe)
{
    struct net_command command = {request, *key, request->id, is_probe};
    if (!queue_push(&net->commands, &command))
        return false;
    *key = (struct secret){0};
    curl_multi_wakeup(net->multi);
    return true;
}

bool net_send(struct net *net, struct request *request, struct secret *key)
{
    return send_command(net, request, key, false);
}

bool net_probe(struct net *net, struct request *request, struct secret *key)
{
    return send_command(net, request, key, true);
}

bool net_cancel(struct net *net, uint32_t request_id)
{
    struct net_command command = {.request_id = request_id};
    if (!queue_push(&net->commands, &command))
        return false;
    curl_multi_wakeup(net->multi);
    return true;
}

bool net_poll_event(struct net *net, struct event *out)
{
    return queue_pop(&net->events, out);
}
