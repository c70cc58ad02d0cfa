/* helper_hub.c - see helper_hub.h. */
#include "tests/helper_hub.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/core.h"

#define STEP_NS 2000000ull
#define WAIT_NS 30000000000ull

void hub_turn(struct hub *hub)
{
    struct pollfd fd = {hub_fd(hub), POLLIN, 0};
    poll(&fd, 1, hub_timeout_ms(hub));
    hub_step(hub, STEP_NS);
}

void hub_wait_until_idle(struct hub *hub)
{
    uint64_t end = clock_now_ns() + WAIT_NS;
    while (core_is_busy(hub_core(hub)) && clock_now_ns() < end)
        hub_turn(hub);
    assert_false(core_is_busy(hub_core(hub)));
}
