/*
 * helper_router.h - an app with a fleet of endpoints, decisions in its log, and what its views
 * show of them.
 */
#ifndef TESTS_HELPER_ROUTER_H
#define TESTS_HELPER_ROUTER_H

#include "router/endpoint.h"
#include "router/store.h"

#include "tests/helper_app.h"

#define N_KINDS 5

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_router, tear_down_router)

extern struct app app;
extern void *view_state;
extern enum view_id view_id;
extern struct endpoint_conf confs[];
int set_up_router(void **state);
void close_view(void);
int tear_down_router(void **state);
void open_view(enum view_id id);
bool command(enum command command);
void type_text(const char *text);
void expect(int n_cols, int n_rows, const char *name);
/* What the view shows as text; valid until the next call. */
const char *shown(int n_cols, int n_rows);
void expect_shown(const char *text, bool is_there);
struct features features(float difficulty, enum domain domain);
struct decision_row row_of(struct arena *arena, const struct features *f,
        const struct budget *budget, uint64_t tried, const char *question);
void give(struct store_command *c);
/* An easy question, a hard one, a fallback, a budget that is reached, and nobody left. */
void fill_log(int n);
struct message *say(int64_t id, enum message_role role, const char *text);
void fill_answered_chat(void);

#endif
