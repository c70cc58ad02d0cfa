/* helper_store.h - a database in a folder of the test's own: commands sent and waited for. */
#ifndef TESTS_HELPER_STORE_H
#define TESTS_HELPER_STORE_H

#include "router/store.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_store, tear_down_store)

extern char dir[64];
int set_up_store(void **state);
int tear_down_store(void **state);
struct store *open_store(void);
/* Sends and waits; the answer is the caller's. */
struct store_command *ask(struct store *store, struct store_command *command);
struct store_command *put(int64_t session_id, int64_t id, int64_t parent,
        enum message_role role, enum message_state state, const char *text);
void expect_ok(struct store_command *answer);
struct store_command *load(struct store *store, int64_t id);
struct store_command *list_trash(struct store *store, const char *words);
struct store_command *trash(struct store *store, int64_t id, int64_t trashed_ms);
/* Those that the words find; the caller frees it. */
struct store_command *list(struct store *store, const char *words);
void expect_listed(struct store *store, size_t n);

#endif
