/* test_descriptors.c - at the limit of open files: what needs one more says so, and whatever
 * was opened closes again. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/event.h"
#include "engine/request.h"

#include "router/core.h"
#include "router/hub.h"
#include "router/scan.h"
#include "router/store.h"

#define N_MOST 16 /* descriptors that anything here needs, and more */

static struct rlimit kept;

static int set_up(void **state)
{
    (void)state;
    alarm(120); /* a thread that nothing wakes is waited for without end */
    return getrlimit(RLIMIT_NOFILE, &kept);
}

static int tear_down(void **state)
{
    (void)state;
    alarm(0);
    return setrlimit(RLIMIT_NOFILE, &kept);
}

static void leave(int n_descriptors)
{
    setrlimit(RLIMIT_NOFILE, &kept);
    int lowest = dup(0);
    close(lowest);
    struct rlimit limit = {(rlim_t)(lowest + n_descriptors), kept.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void an_engine_fails_and_closes(void **state)
{
    (void)state;
    struct event event = {0};
    leave(0);
    struct engine *e = engine_open(&(struct engine_config){.path = "/m.gguf", .wake_fd = -1});
    assert_int_equal(engine_state(e), ENGINE_FAILED);
    assert_int_equal(engine_error(e)->status, ERR_NOMEM);
    assert_true(engine_send(e, request_new(1)));
    while (event.kind != EV_DONE && engine_poll_event(e, &event))
        if (event.kind == EV_MODEL)
            mem_free(event.u.model.err);
    assert_int_equal(event.kind, EV_DONE);
    assert_int_equal(event.u.outcome->err.status, ERR_NOMEM);
    mem_free(event.u.outcome);
    engine_close(e);
}

static void a_scan_is_none_or_closes(void **state)
{
    (void)state;
    leave(0);
    assert_null(scan_open(-1));
    leave(1);
    struct scan *scan = scan_open(-1);
    assert_non_null(scan);
    scan_close(scan);
}

static void a_hub_says_so_or_closes(void **state)
{
    (void)state;
    char dir[] = "/tmp/shunt-descriptors-XXXXXX", command[64];
    struct core_config core = {NULL, 0, ZONE_EXTERNAL, 1, 1700000000000};
    struct hub *none;
    int n_opened = 0;
    assert_non_null(mkdtemp(dir));
    leave(0);
    assert_int_equal(hub_open(&none, &(struct hub_config){.core = &core}, NULL), ERR_NOMEM);
    for (int n = 0; n < N_MOST; n++) {
        struct hub_config cfg = {.core = &core, .data_dir = dir};
        struct err err = {0};
        struct hub *hub;
        leave(n);
        if (hub_open(&hub, &cfg, &err) == OK) {
            poll(NULL, 0, 20); /* the thread of the database sleeps by now */
            hub_close(hub);
            n_opened++;
        } else if (!err.text[0]) {
            fail_msg("%d descriptors: nothing is said", n);
        }
    }
    assert_true(n_opened > 0 && n_opened < N_MOST);
    setrlimit(RLIMIT_NOFILE, &kept);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(an_engine_fails_and_closes, set_up, tear_down),
            cmocka_unit_test_setup_teardown(a_scan_is_none_or_closes, set_up, tear_down),
            cmocka_unit_test_setup_teardown(a_hub_says_so_or_closes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
