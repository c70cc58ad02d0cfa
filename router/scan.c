/*
 * scan.c - see scan.h. Files of endpoints come first, and those of the folder that are the same
 * file (device and inode, not path) are left out. A ring that is full holds this thread up:
 * nobody else waits for it.
 */
#include "router/scan.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/event.h"
#include "engine/queue.h"
#include "engine/thread.h"

#include "router/model_file.h"

#define N_EVENTS          256
#define FULL_RING_WAIT_MS 5

struct scan {
    pthread_t thread;
    int wake_fd, command_fd;
    struct queue commands, events;
    atomic_bool is_closing;
};

struct scan_request *scan_request_new(size_t n_endpoints_max)
{
    struct arena arena = {0};
    struct scan_request *r = arena_alloc(&arena, sizeof *r);
    r->endpoints = arena_alloc(&arena, (n_endpoints_max + 1) * sizeof *r->endpoints);
    r->arena = arena;
    return r;
}

void scan_request_free(struct scan_request *request)
{
    if (!request)
        return;
    struct arena arena = request->arena;
    arena_release(&arena);
}

/* False: closing, nothing was taken. */
static bool push(struct scan *s, const struct event *event)
{
    while (!queue_push(&s->events, event)) {
        if (atomic_load(&s->is_closing))
            return false;
        poll(NULL, 0, FULL_RING_WAIT_MS);
    }
    queue_poke(s->wake_fd);
    return true;
}

static void look_at(struct scan *s, const struct scan_endpoint *e)
{
    struct event event = {.kind = EV_MODEL_FILE};
    struct model_file *file = model_file_new(e->endpoint, e->path);
    model_facts_read(&file->facts, e->path, e->context_tok, e->n_slots);
    event.t_ns = clock_now_ns();
    event.u.file = file;
    if (!push(s, &event))
        model_file_free(file);
}

static void scan_all(struct scan *s, struct scan_request *r)
{
    char **paths = NULL;
    size_t n = r->dir ? dir_list(r->dir, ".gguf", &r->arena, &paths) : 0;
    struct file_id *ids = arena_alloc(&r->arena, (r->n_endpoints + 1) * sizeof *ids);
    for (size_t i = 0; i < r->n_endpoints && !atomic_load(&s->is_closing); i++) {
        ids[i] = file_id_of(r->endpoints[i].path);
        look_at(s, &r->endpoints[i]);
    }
    for (size_t i = 0; i < n && !atomic_load(&s->is_closing); i++)
        if (!file_id_is_among(ids, r->n_endpoints, file_id_of(paths[i])))
            look_at(s, &(struct scan_endpoint){.endpoint = -1, .path = paths[i]});
    struct event end = {.kind = EV_SCAN_END, .t_ns = clock_now_ns(), .u.memory = memory_read()};
    push(s, &end);
}

static void *run(void *arg)
{
    struct scan *s = arg;
    struct scan_request *request;
    while (!atomic_load(&s->is_closing)) {
        struct pollfd fd = {s->command_fd, POLLIN, 0};
        poll(&fd, 1, -1);
        queue_unpoke(s->command_fd);
        while (queue_pop(&s->commands, &request)) {
            scan_all(s, request);
            scan_request_free(request);
        }
    }
    return NULL;
}

static void release(struct scan *s)
{
    struct scan_request *request;
    struct event event;
    while (queue_pop(&s->commands, &request))
        scan_request_free(request);
    while (queue_pop(&s->events, &event))
        if (event.kind == EV_MODEL_FILE)
            model_file_free(event.u.file);
    queue_release(&s->commands);
    queue_release(&s->events);
    close(s->command_fd);
    mem_free(s);
}

struct scan *scan_open(int wake_fd)
{
    struct scan *s = mem_alloc(sizeof *s);
    s->wake_fd = wake_fd;
    s->command_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_init(&s->commands, 1, sizeof(struct scan_request *));
    queue_init(&s->events, N_EVENTS, sizeof(struct event));
    if (s->command_fd >= 0 && thread_start(&s->thread, run, s))
        return s;
    release(s);
    return NULL;
}

void scan_close(struct scan *s)
{
    if (!s)
        return;
    atomic_store(&s->is_closing, true);
    queue_poke(s->command_fd);
    pthread_join(s->thread, NULL);
    release(s);
}

bool scan_send(struct scan *s, struct scan_request *request)
{
    if (!queue_push(&s->commands, &request))
        return false;
    queue_poke(s->command_fd);
    return true;
}

bool scan_poll_event(struct scan *s, struct event *out)
{
    return queue_pop(&s->events, out);
}
