/* cmd_store.c - one question to the database, beside a running program. */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/store.h"

#include "tui/cmd.h"
#include "tui/config.h"

static struct stored *wait_for_answer(struct store *store, int fd)
{
    struct event event;
    while (!store_poll_event(store, &event)) {
        struct pollfd p = {fd, POLLIN, 0};
        uint64_t count;
        if (poll(&p, 1, -1) > 0)
            while (read(fd, &count, sizeof count) < 0)
                break;
    }
    return event.u.stored;
}

enum status cmd_ask_store(const struct config *config, struct stored *command,
        struct stored **answer, struct err *err)
{
    struct store *store;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *answer = command;
    if (store_open(&store, config->data_dir, fd, err) == OK) {
        if (store_send(store, command)) /* its ring is empty */
            *answer = wait_for_answer(store, fd);
        store_close(store);
        *err = (*answer)->err;
    } else {
        (*answer)->err = *err;
    }
    close(fd);
    return err->status;
}
