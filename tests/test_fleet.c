/*
 * test_fleet.c - what is learnt of an endpoint: the time line of its breaker, how long a server
 * asks to be left alone, whose fault an error is, estimates, and prices.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/event.h"

#include "router/endpoint.h"
#include "router/fleet.h"
#include "router/http_error.h"
#include "router/prices.h"

#define S 1000000000ull

static struct endpoint_conf conf = {.name = "a"}, other = {.name = "b"};
static struct endpoint_state states[2];
static struct fleet fleet = {states, 2};
static struct endpoint_state *const e = &states[0];

static int set_up(void **state)
{
    (void)state;
    states[0] = (struct endpoint_state){.conf = &conf};
    states[1] = (struct endpoint_state){.conf = &other};
    return 0;
}

static void start(uint64_t now_ns)
{
    fleet_observe(&fleet, &(struct observation){.what = SEEN_START}, now_ns);
}

static void end(enum status status, int64_t retry_after_ms, uint64_t now_ns)
{
    struct observation o = {.what = SEEN_END,
            .status = status,
            .retry_after_ms = retry_after_ms,
            .cost_nusd = -1};
    fleet_observe(&fleet, &o, now_ns);
}

static void fail_at(enum status status, uint64_t now_ns)
{
    start(now_ns);
    end(status, -1, now_ns);
}

/* Opens the breaker; returns when it happened. */
static uint64_t open_it(void)
{
    for (int i = 0; i < 3; i++)
        fail_at(ERR_SERVER, 100 * S);
    return 100 * S;
}

static void three_failures_in_a_row_open_it(void **state)
{
    (void)state;
    fail_at(ERR_SERVER, 100 * S);
    fail_at(ERR_TIMEOUT, 100 * S);
    start(100 * S);
    end(OK, -1, 100 * S); /* not in a row */
    fail_at(ERR_SERVER, 100 * S);
    fail_at(ERR_NETWORK, 100 * S);
    assert_int_equal(fleet_breaker(e, 100 * S), BREAKER_CLOSED);
    fail_at(ERR_OVERLOADED, 100 * S);
    assert_int_equal(fleet_breaker(e, 100 * S), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(&states[1], 100 * S), BREAKER_CLOSED);
}

/* Each probe that fails doubles the time: 15 30 60 120 240 300 300 s. */
static void it_stays_open_twice_as_long_each_time(void **state)
{
    (void)state;
    static const uint64_t waits_s[] = {15, 30, 60, 120, 240, 300, 300, 300};
    uint64_t at = open_it();
    for (size_t i = 0; i < ARRAY_LEN(waits_s); i++) {
        assert_int_equal(fleet_breaker(e, at + waits_s[i] * S - 1), BREAKER_OPEN);
        at += waits_s[i] * S;
        assert_int_equal(fleet_breaker(e, at), BREAKER_HALF_OPEN);
        fail_at(ERR_SERVER, at);
    }
    at += 300 * S;
    start(at);
    end(OK, -1, at);
    assert_int_equal(fleet_breaker(e, at), BREAKER_CLOSED);
    for (int i = 0; i < 3; i++)
        fail_at(ERR_SERVER, at); /* a success forgets how often it failed */
    assert_int_equal(fleet_breaker(e, at + 15 * S), BREAKER_HALF_OPEN);
}

static void exactly_one_request_tries(void **state)
{
    (void)state;
    uint64_t at = open_it() + 15 * S;
    assert_int_equal(fleet_breaker(e, at), BREAKER_HALF_OPEN);
    start(at);
    assert_int_equal(fleet_breaker(e, at), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(e, at + 3600 * S), BREAKER_OPEN); /* however long it takes */
    end(ERR_CANCELLED, -1, at); /* told nothing: the next one tries */
    assert_int_equal(fleet_breaker(e, at), BREAKER_HALF_OPEN);
}

static void an_error_of_the_request_is_not_held_against_the_endpoint(void **state)
{
    (void)state;
    static const struct {
        enum status status;
        bool counts;
    } cases[] = {{ERR_INVALID, false}, {ERR_CONTEXT, false}, {ERR_FILTER, false},
            {ERR_CANCELLED, false}, {ERR_NOT_FOUND, false}, {ERR_UNSUPPORTED, false},
            {ERR_SERVER, true}, {ERR_OVERLOADED, true}, {ERR_NETWORK, true},
            {ERR_TIMEOUT, true}, {ERR_PROTOCOL, true}, {ERR_AUTH, true}, {ERR_QUOTA, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set_up(NULL);
        for (int k = 0; k < 5; k++)
            fail_at(cases[i].status, 100 * S);
        bool is_open = fleet_breaker(e, 100 * S) == BREAKER_OPEN;
        if (is_open != cases[i].counts || (e->n_errors > 0) != cases[i].counts)
            fail_msg("%s", status_name(cases[i].status));
        assert_int_equal(e->n_requests, 5);
        assert_int_equal(e->n_in_flight, 0);
    }
}

/* Headers of a 429 and the time that the endpoint is left alone for them. */
static void a_rate_limit_waits_as_long_as_the_server_says(void **state)
{
    (void)state;
    static const struct {
        const char *retry_after, *retry_after_ms, *date;
        uint64_t wait_ms;
    } cases[] = {{"7", "", "", 7000}, {"0", "", "", 0}, {"2.5", "", "", 2500},
            {" 7 ", "", "", 7000}, {"7", "1500", "", 1500}, /* the finer one counts */
            {"Wed, 21 Oct 2026 07:28:10 GMT", "", "Wed, 21 Oct 2026 07:28:00 GMT", 10000},
            {"Wed, 21 Oct 2026 07:28:00 GMT", "", "Wed, 21 Oct 2026 07:28:10 GMT", 0},
            {"-3", "", "", 0}, {"", "", "", 15000}, {"soon", "", "", 15000},
            {"nan", "", "", 15000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_head head = {.status = 429};
        struct outcome outcome = {0};
        snprintf(head.retry_after, sizeof head.retry_after, "%s", cases[i].retry_after);
        snprintf(
                head.retry_after_ms, sizeof head.retry_after_ms, "%s", cases[i].retry_after_ms);
        snprintf(head.date, sizeof head.date, "%s", cases[i].date);
        http_error_read(&head, SLICE("{\"error\":{\"message\":\"slow down\"}}"), &outcome);
        assert_int_equal(outcome.err.status, ERR_RATE_LIMIT);
        set_up(NULL);
        start(100 * S);
        end(outcome.err.status, outcome.retry_after_ms, 100 * S);
        uint64_t until = 100 * S + cases[i].wait_ms * 1000000;
        if (fleet_breaker(e, until) != BREAKER_HALF_OPEN ||
                (cases[i].wait_ms && fleet_breaker(e, until - 1) != BREAKER_OPEN))
            fail_msg("\"%s\" \"%s\": until %llu", cases[i].retry_after, cases[i].retry_after_ms,
                    (unsigned long long)e->open_until_ns);
    }
}

static void estimates_follow_what_is_seen(void **state)
{
    (void)state;
    struct observation first = {.what = SEEN_FIRST_TOKEN, .ms = 100};
    struct observation done = {
            .what = SEEN_END, .ms = 2000, .n_output_tok = 101, .cost_nusd = 5};
    fleet_observe(&fleet, &first, 1 * S);
    assert_true(fabs(e->ttft_ms - 100) < 1e-9); /* the first is taken as it is */
    first.ms = 200;
    fleet_observe(&fleet, &first, 1 * S);
    assert_true(fabs(e->ttft_ms - 130) < 1e-9); /* then three tenths of the way */
    fleet_observe(&fleet, &done, 1 * S);
    assert_true(fabs(e->tok_per_s - 50) < 1e-9); /* the first token took the time before it */
    done.n_output_tok = 1;
    fleet_observe(&fleet, &done, 1 * S);
    done.n_output_tok = 50;
    done.ms = 0;
    fleet_observe(&fleet, &done, 1 * S);
    assert_true(fabs(e->tok_per_s - 50) < 1e-9); /* one token has no speed */
    done.cost_nusd = -1;
    fleet_observe(&fleet, &done, 1 * S);
    assert_int_equal(e->cost_nusd, 15); /* an unknown cost is not a refund */
    assert_int_equal(e->spent_today_nusd, 15);
    fleet_observe(&fleet, &(struct observation){.what = SEEN_SPENT, .cost_nusd = 100}, 1 * S);
    assert_int_equal(e->spent_today_nusd, 115); /* what was spent before us comes late */
    assert_int_equal(states[1].n_requests, 0);
}

static void prices_are_whole_nano_dollars(void **state)
{
    (void)state;
    struct endpoint_conf price = {
            .usd_per_mtok_in = 0.15, .usd_per_mtok_out = 0.6, .usd_per_mtok_cached = 0.075};
    static const struct {
        struct usage usage;
        int64_t nusd;
    } cases[] = {{{1, 0, 0, 0, 0}, 150}, {{0, 1, 0, 0, 0}, 600},
            {{1000000, 0, 0, 0, 0}, 150000000}, {{1000, 0, 1000, 0, 0}, 75000},
            {{1000, 7, 400, 0, 0}, 90000 + 30000 + 4200},
            {{1000, 7, TOKENS_UNKNOWN, TOKENS_UNKNOWN, 3},
                    150000 + 4200},                               /* reasoning is output */
            {{4000000000u, 4000000000u, 0, 0, 0}, 3000000000000}, /* above 32 bits */
            {{TOKENS_UNKNOWN, 7, 0, 0, 0}, -1}, {{7, TOKENS_UNKNOWN, 0, 0, 0}, -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(prices_cost_nusd(&price, &cases[i].usage), cases[i].nusd);
    price.usd_per_mtok_cached = -1; /* no price of its own: as fresh */
    assert_int_equal(prices_cost_nusd(&price, &cases[3].usage), 150000);
    price.usd_per_mtok_out = -1;
    assert_int_equal(prices_cost_nusd(&price, &cases[0].usage), -1);
}

static void a_long_prompt_has_its_own_price(void **state)
{
    (void)state;
    struct endpoint_conf price = {.usd_per_mtok_in = 5,
            .usd_per_mtok_out = 30,
            .usd_per_mtok_cached = 0.5,
            .long_price = {272000, 10, 45, 1}};
    struct usage at = {272000, 10, 0, 0, 0}, over = {272001, 10, 1, 0, 0};
    assert_int_equal(prices_cost_nusd(&price, &at), 272000ll * 5000 + 10 * 30000);
    assert_int_equal(prices_cost_nusd(&price, &over), 272000ll * 10000 + 1000 + 10 * 45000);
}

static void an_endpoint_is_found_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(fleet_find(&fleet, "b"), 1);
    assert_int_equal(fleet_find(&fleet, "B"), -1);
    assert_int_equal(fleet_find(&fleet, ""), -1);
}

static void indexes_outlive_a_new_configuration(void **state)
{
    (void)state;
    struct endpoint_conf first[] = {{.name = "a", .enabled = true}, {.name = "b"}};
    struct endpoint_conf second[] = {
            {.name = "c", .enabled = true}, {.name = "a", .enabled = true, .tier = 4}};
    struct fleet own = {0};
    fleet_configure(&own, first, 2);
    own.endpoints[0].n_requests = 7;
    own.endpoints[1].n_requests = 8;
    fleet_configure(&own, second, 2);
    assert_int_equal(own.n_endpoints, 3);
    assert_int_equal(own.endpoints[0].n_requests, 7);
    assert_int_equal(own.endpoints[0].conf->tier, 4);
    assert_true(own.endpoints[1].is_gone && !own.endpoints[1].conf->enabled);
    assert_string_equal(own.endpoints[2].conf->name, "c");
    fleet_configure(&own, first, 2); /* and comes back */
    assert_false(own.endpoints[1].is_gone);
    assert_int_equal(own.endpoints[1].n_requests, 8);
    assert_true(own.endpoints[2].is_gone);
    arena_release(&own.arena);
}

static void a_switch_goes_before_the_configuration(void **state)
{
    (void)state;
    struct endpoint_conf confs[] = {{.name = "a", .enabled = true},
            {.name = "b", .enabled = false}, {.name = "faulty", .is_faulty = true}};
    struct fleet own = {0};
    fleet_configure(&own, confs, 3);
    assert_true(fleet_switch(&own, 0, SWITCH_OFF));
    assert_true(fleet_switch(&own, 1, SWITCH_ON));
    assert_false(fleet_switch(&own, 2, SWITCH_ON)); /* it would be sent somewhere by guess */
    fleet_configure(&own, confs, 3);
    assert_false(own.endpoints[0].conf->enabled);
    assert_true(own.endpoints[1].conf->enabled);
    own.endpoints[0].switched = SWITCH_DRAIN;
    fleet_configure(&own, confs, 3);
    assert_int_equal(own.endpoints[0].switched, SWITCH_DRAIN);
    confs[0].enabled = false;
    fleet_configure(&own, confs, 3);
    assert_int_not_equal(own.endpoints[0].switched, SWITCH_DRAIN);
    confs[0].enabled = true; /* said anew: that holds */
    fleet_configure(&own, confs, 3);
    assert_true(own.endpoints[0].conf->enabled);
    confs[1].is_faulty = true;
    fleet_configure(&own, confs, 3);
    assert_false(own.endpoints[1].conf->enabled);
    fleet_configure(&own, confs, 1);
    assert_false(fleet_switch(&own, 1, SWITCH_ON));
    arena_release(&own.arena);
}

/* A server that asks for it may be wrong, or its answer a proxy's. */
static void nobody_is_left_alone_for_years(void **state)
{
    (void)state;
    start(10 * S);
    fleet_observe(&fleet,
            &(struct observation){
                    .what = SEEN_END, .status = ERR_RATE_LIMIT, .retry_after_ms = 999999999000},
            10 * S);
    assert_int_equal(fleet_breaker(e, 20 * S), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(e, (10 + 3600) * S), BREAKER_HALF_OPEN);
}

static void an_absurd_wait_is_a_long_one(void **state)
{
    (void)state;
    static const struct {
        const char *after_ms, *after, *message;
    } heads[] = {{"1e300", "", ""}, {"1e14", "", ""}, {"", "1e300", ""},
            {"", "", "try again in 99999999999999999999999999h"}};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct http_head head = {.status = 429};
        struct outcome out = {0};
        char body[200];
        snprintf(head.retry_after_ms, sizeof head.retry_after_ms, "%s", heads[i].after_ms);
        snprintf(head.retry_after, sizeof head.retry_after, "%s", heads[i].after);
        snprintf(body, sizeof body, "{\"error\":{\"message\":\"%s\"}}", heads[i].message);
        http_error_read(&head, slice_of(body), &out);
        assert_true(out.retry_after_ms >= 1000000000000 / 10);
        assert_true(out.retry_after_ms <= INT64_MAX / 1000000); /* it is counted in ns, too */
    }
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(three_failures_in_a_row_open_it),
            TEST(it_stays_open_twice_as_long_each_time),
            TEST(exactly_one_request_tries),
            TEST(an_error_of_the_request_is_not_held_against_the_endpoint),
            TEST(a_rate_limit_waits_as_long_as_the_server_says),
            TEST(estimates_follow_what_is_seen),
            TEST(prices_are_whole_nano_dollars),
            TEST(a_long_prompt_has_its_own_price),
            TEST(an_endpoint_is_found_by_its_name),
            TEST(indexes_outlive_a_new_configuration),
            TEST(a_switch_goes_before_the_configuration),
            TEST(nobody_is_left_alone_for_years),
            cmocka_unit_test(an_absurd_wait_is_a_long_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
