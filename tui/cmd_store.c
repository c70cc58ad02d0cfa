/* cmd_store.c - one question to the database, beside a running program. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/store.h"

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/look.h"

static struct store_command *wait_for_answer(struct store *store, int fd)
{
    struct event event;
    while (!store_poll_event(store, &event)) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, -1) > 0)
            (void)!read(fd, &(uint64_t){0}, sizeof(uint64_t)); /* only to be woken again */
    }
    return event.u.command;
}

bool cmd_has_store(const struct config *config)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/shunt.db", config->data_dir);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

enum status cmd_ask_store(const struct config *config, struct store_command *command,
        struct store_command **answer, struct err *err)
{
    struct store *store;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *answer = command;
    if (!cmd_has_store(config)) {
        close(fd);
        return OK;
    }
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

void cmd_restore_pick(struct look *look)
{
    struct store_command *command = store_command_new(STORE_GET_SETTING), *answer = command;
    struct err err;
    command->key = SLICE("theme");
    if (cmd_ask_store(look->config, command, &answer, &err) == OK && answer->value.n)
        look_restore_pick(
                look, arena_strndup(&answer->arena, answer->value.ptr, answer->value.n));
    store_command_free(answer);
}
