/*
 * test_session_endpoint.c - the endpoint that the user chose for a session: it is there again
 * after a restart and in a copy, belongs to no other session, and is missed when it is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tests/helper_hub.h"

static char dir[64];
static struct endpoint_conf confs[2];
static struct hub *hub;

static void open_hub(size_t n_confs)
{
    static uint64_t seed;
    struct err err;
    struct hub_config cfg = {.core = &(struct core_config){confs, n_confs, ZONE_EXTERNAL,
                                     ++seed, 1700000000000, .remembers_session = true},
            .data_dir = dir,
            .n_threads = 1};
    if (hub_open(&hub, &cfg, &err) != OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    confs[0] = endpoint_local("a", "/nowhere/a.gguf");
    confs[1] = endpoint_local("b", "/nowhere/b.gguf");
    snprintf(dir, sizeof dir, "/tmp/shunt-choice-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    open_hub(2);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    hub_close(hub);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void act(enum action_kind kind, int64_t id, const char *text)
{
    struct action *a = action_new(kind);
    a->id = id;
    a->text = text ? mem_strdup(text) : NULL;
    a->now_ms = clock_unix_ms();
    hub_act(hub, a);
    hub_wait_until_idle(hub);
}

static void restart(size_t n_confs)
{
    hub_close(hub);
    open_hub(n_confs);
    act(ACTION_OPEN_SESSION, SESSION_SHOWN, NULL);
}

static int in_use(void)
{
    return hub_core(hub)->use_endpoint;
}

static const char *newest_notice(void)
{
    const struct core *core = hub_core(hub);
    return core->notices[(core->n_notices - 1) % NOTICE_MAX].text;
}

static void a_choice_is_there_again_after_a_restart(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, 0, "b");
    act(ACTION_SEND, 0, "x");
    restart(2);
    assert_int_equal(in_use(), 1);
    act(ACTION_USE_ENDPOINT, 0, "auto"); /* and so is its end */
    restart(2);
    assert_int_equal(in_use(), -1);
    act(ACTION_USE_ENDPOINT, 0, "a");
    restart(2);
    assert_int_equal(in_use(), 0);
}

static void each_session_has_its_own(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, 0, "b");
    act(ACTION_SEND, 0, "x");
    int64_t first = hub_core(hub)->session->id;
    act(ACTION_FORK, 0, NULL);
    assert_int_equal(in_use(), 1); /* a copy goes on as it was */
    act(ACTION_NEW_SESSION, 0, NULL);
    assert_int_equal(in_use(), -1);
    act(ACTION_SEND, 0, "y");
    act(ACTION_OPEN_SESSION, first, NULL);
    assert_int_equal(in_use(), 1);
}

static void one_that_is_gone_is_missed_and_the_router_chooses(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, 0, "b");
    act(ACTION_SEND, 0, "x");
    restart(1);
    assert_int_equal(in_use(), -1);
    assert_non_null(strstr(newest_notice(), "b, which is no longer in the configuration"));
    restart(2);
    assert_int_equal(in_use(), 1); /* it came back */
}

static void one_for_this_run_is_not_kept(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, 0, "b");
    act(ACTION_USE_ENDPOINT, 1, "a");
    act(ACTION_SEND, 0, "x");
    assert_string_equal(hub_core(hub)->session->messages[1]->endpoint, "a");
    restart(2);
    assert_int_equal(in_use(), 1);
}
/* Those of a models folder are as long as names of files. */
static void a_long_name_is_remembered_whole(void **state)
{
    (void)state;
    char name[201];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    confs[1] = endpoint_local(name, "/nowhere/b.gguf");
    restart(2);
    act(ACTION_USE_ENDPOINT, 0, name);
    act(ACTION_SEND, 0, "x");
    assert_string_equal(hub_core(hub)->session->messages[1]->endpoint, name);
    restart(2);
    assert_int_equal(in_use(), 1);
    act(ACTION_LIST_DECISIONS, 0, NULL);
    assert_string_equal(hub_core(hub)->log.entries[0]->endpoint, name);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            T(a_choice_is_there_again_after_a_restart),
            T(each_session_has_its_own),
            T(one_that_is_gone_is_missed_and_the_router_chooses),
            T(one_for_this_run_is_not_kept),
            T(a_long_name_is_remembered_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
