/* store.c - the store's thread and rings; what it does with a command is store_sql.c. It sleeps
 * until a command comes. */
#include "router/store.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/queue.h"
#include "engine/thread.h"

#include "router/store_sql.h"

#define N_COMMANDS 256

struct store {
    pthread_t thread;
    sqlite3 *db;
    int command_fd, wake_fd;
    struct queue commands, events;
    atomic_bool is_closing;
};

struct store_command *store_command_new(enum store_op op)
{
    struct arena arena = {0};
    struct store_command *s = arena_alloc(&arena, sizeof *s);
    s->arena = arena;
    s->op = op;
    return s;
}

void store_command_free(struct store_command *s)
{
    if (s)
        arena_release(&s->arena);
}

static void answer(struct store *store, struct store_command *command)
{
    struct event event = {.kind = EV_STORE, .t_ns = clock_now_ns(), .u.command = command};
    while (!queue_push(
            &store->events, &event)) { /* as many answers as commands: the owner is behind */
        if (atomic_load(&store->is_closing)) {
            store_command_free(command);
            return;
        }
        poll(NULL, 0, 2);
    }
    queue_poke(store->wake_fd);
}

static void *run(void *arg)
{
    struct store *store = arg;
    for (;;) {
        struct store_command *command;
        bool is_closing = atomic_load(&store->is_closing);
        while (queue_pop(&store->commands, &command)) {
            db_run(store->db, command);
            answer(store, command);
        }
        if (is_closing) /* everything sent before closing was done */
            return NULL;
        struct pollfd fd = {store->command_fd, POLLIN, 0};
        if (poll(&fd, 1, -1) > 0)
            queue_unpoke(store->command_fd);
    }
}

enum status store_open(struct store **out, const char *dir, int wake_fd, struct err *err)
{
    enum status status = dir_make(dir, err);
    if (status != OK)
        return status;
    size_t n = strlen(dir) + sizeof "/shunt.db";
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/shunt.db", dir);
    struct store *store = mem_alloc(sizeof *store);
    store->wake_fd = wake_fd;
    status = db_open(&store->db, path, err);
    mem_free(path);
    if (status != OK) {
        mem_free(store);
        return status;
    }
    store->command_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_init(&store->commands, N_COMMANDS, sizeof(struct store_command *));
    queue_init(&store->events, N_COMMANDS, sizeof(struct event));
    if (store->command_fd < 0 || !thread_start(&store->thread, run, store)) {
        store_close(store);
        return err_set(err, ERR_NOMEM, "cannot start a thread for the database");
    }
    *out = store;
    return OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    atomic_store(&store->is_closing, true);
    queue_poke(store->command_fd);
    if (store->thread)
        pthread_join(store->thread, NULL);
    struct event event;
    while (queue_pop(&store->events, &event))
        store_command_free(event.u.command);
    struct store_command *command;
    while (queue_pop(&store->commands, &command))
        store_command_free(command);
    db_close(store->db);
    queue_release(&store->commands);
    queue_release(&store->events);
    close(store->command_fd);
    mem_free(store);
}

bool store_send(struct store *store, struct store_command *command)
{
    if (!queue_push(&store->commands, &command))
        return false;
    queue_poke(store->command_fd);
    return true;
}

bool store_poll_event(struct store *store, struct event *out)
{
    return queue_pop(&store->events, out);
}
