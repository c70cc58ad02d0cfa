/*
 * helper_core.h - a core between two endpoints, driven by hand-made events on a clock of the
 * test's own; what it wants done is taken and answered by the test. No thread, no file.
 */
#ifndef TESTS_HELPER_CORE_H
#define TESTS_HELPER_CORE_H

#include "router/core.h"
#include "router/store.h"

#define S 1000000000ull

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_core, tear_down_core)

extern struct core core; /* of one test */
extern uint64_t now;     /* ns, of every event */
int set_up_core(void **state);
int tear_down_core(void **state);
void tick(uint64_t ns); /* time passes, and the core hears of it */

void act_on(enum action_kind kind, int64_t id, const char *text);
void act(enum action_kind kind, const char *text);
struct effect take(enum effect_kind kind); /* the next effect, which is of that kind */
void expect_nothing(void);
void answer_store(struct store_command *command, enum status status);
/* Answers every store command with OK until something else comes; returns that, or a cleared
 * effect. */
struct effect next_other(void);
void emit_text(const struct request *r, const char *text);
void emit_done(const struct request *r, enum status status, int64_t retry_after_ms);
struct message *leaf(void);
/* Its EFFECT_SEND; what it had to store is stored. */
struct effect send_and_take(const char *text);
void act_open(int64_t id);
const char *newest_notice(void);
void emit_usage(const struct request *r, uint32_t input, uint32_t output);

#endif
