/* helper_store.c - see helper_store.h. */
#include "tests/helper_store.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

char dir[64];

int set_up_store(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/shunt-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

int tear_down_store(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

struct store *open_store(void)
{
    struct store *store;
    struct err err;
    if (store_open(&store, dir, -1, &err) != OK)
        fail_msg("%s", err.text);
    return store;
}

struct store_command *ask(struct store *store, struct store_command *command)
{
    struct event event;
    assert_true(store_send(store, command));
    for (int i = 0; i < 10000; i++) {
        if (store_poll_event(store, &event))
            return event.u.command;
        poll(NULL, 0, 1);
    }
    fail_msg("the store does not answer");
    return NULL;
}

struct store_command *put(int64_t session_id, int64_t id, int64_t parent,
        enum message_role role, enum message_state state, const char *text)
{
    struct store_command *c = store_command_new(STORE_PUT_MESSAGE);
    c->session = (struct session_row){.id = session_id,
            .created_ms = 1,
            .used_ms = id,
            .leaf_id = id,
            .title = SLICE("title")};
    c->messages = arena_alloc(&c->arena, sizeof *c->messages);
    c->messages[0] = (struct message_row){.id = id,
            .session_id = session_id,
            .parent_id = parent,
            .role = role,
            .state = state,
            .created_ms = id,
            .text = slice_of(arena_strdup(&c->arena, text)),
            .cost_nusd = -1,
            .usage = {1, 2, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN}};
    c->n_messages = 1;
    return c;
}

void expect_ok(struct store_command *answer)
{
    if (answer->err.status != OK)
        fail_msg("%s", answer->err.text);
    store_command_free(answer);
}

struct store_command *load(struct store *store, int64_t id)
{
    struct store_command *c = store_command_new(STORE_LOAD);
    c->session.id = id;
    return ask(store, c);
}

struct store_command *trash(struct store *store, int64_t id, int64_t trashed_ms)
{
    struct store_command *c = store_command_new(STORE_TRASH);
    c->session.id = id;
    c->trashed_ms = trashed_ms;
    return ask(store, c);
}

struct store_command *list_trash(struct store *store, const char *words)
{
    struct store_command *c = store_command_new(STORE_LIST);
    c->query = slice_of(words);
    c->is_trash = true;
    return ask(store, c);
}

struct store_command *list(struct store *store, const char *words)
{
    struct store_command *c = store_command_new(STORE_LIST);
    c->query = slice_of(words);
    return ask(store, c);
}

void expect_listed(struct store *store, size_t n)
{
    struct store_command *all = list(store, ""), *found = list(store, "word");
    assert_int_equal(all->n_sessions, n);
    assert_int_equal(found->n_sessions, n);
    store_command_free(all);
    store_command_free(found);
}
