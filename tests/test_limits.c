/* test_limits.c - rate-limit headers of both spellings, as providers document them, and what
 * hostile ones may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/event.h"

#include "router/limits.h"

#define NOON_MS 1893499200000 /* 2030-01-01T12:00:00Z */
#define U       TOKENS_UNKNOWN

/* Lines "name: value", as a server sends them. */
static bool read_head(const char *text, struct rate_limits *out)
{
    struct limit_headers headers = {0};
    struct slice rest = slice_of(text);
    while (rest.ptr) {
        struct slice value = slice_cut(&rest, '\n'), name = slice_cut(&value, ':');
        limits_take_header(&headers, name, slice_trim(value));
    }
    return limits_read(&headers, NOON_MS, out);
}

static void expect(const char *text, struct rate_limits want)
{
    struct rate_limits got;
    assert_true(read_head(text, &got));
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s\ngives %u %u %u, %u %u %u", text, got.request_limit, got.requests_left,
                got.requests_reset_ms, got.token_limit, got.tokens_left, got.tokens_reset_ms);
}

static void durations_are_read(void **state)
{
    (void)state;
    expect("x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\n"
           "x-ratelimit-reset-requests: 1s\nx-ratelimit-limit-tokens: 150000\n"
           "x-ratelimit-remaining-tokens: 149984\nx-ratelimit-reset-tokens: 6m0s",
            (struct rate_limits){60, 59, 1000, 150000, 149984, 360000});
    static const struct {
        const char *text;
        uint32_t ms;
    } resets[] = {{"250ms", 250}, {"1m2.5s", 62500}, {"2h", 7200000}, {"7.66s", 7660},
            {"0s", 0}, {"17", 17000}, {"1h0m0.5s", 3600500}, {"120us", 1}};
    for (size_t i = 0; i < ARRAY_LEN(resets); i++) {
        struct limit_headers headers = {0};
        struct rate_limits got;
        limits_take_header(&headers, SLICE("X-RateLimit-Remaining-Requests"), SLICE("1"));
        limits_take_header(
                &headers, SLICE("X-RateLimit-Reset-Requests"), slice_of(resets[i].text));
        assert_true(limits_read(&headers, NOON_MS, &got));
        if (got.requests_reset_ms != resets[i].ms)
            fail_msg("%s is %u ms", resets[i].text, got.requests_reset_ms);
    }
}

static void dates_count_from_the_servers_clock(void **state)
{
    (void)state;
    expect("anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 0\n"
           "anthropic-ratelimit-requests-reset: 2030-01-01T12:00:30Z",
            (struct rate_limits){50, 0, 30000, U, U, U});
    static const struct {
        const char *text;
        uint32_t ms;
    } resets[] = {{"2030-01-01T12:00:01.25Z", 1250}, {"2030-01-01T13:01:00+01:00", 60000},
            {"2030-01-01T06:31:00-05:30", 60000}, {"2030-01-02T00:00:00Z", 43200000},
            {"2029-12-31T12:00:00Z", 0}, {"2030-02-30T12:00:00Z", U}};
    for (size_t i = 0; i < ARRAY_LEN(resets); i++) {
        struct limit_headers headers = {0};
        struct rate_limits got;
        limits_take_header(&headers, SLICE("anthropic-ratelimit-tokens-remaining"), SLICE("1"));
        limits_take_header(
                &headers, SLICE("anthropic-ratelimit-tokens-reset"), slice_of(resets[i].text));
        assert_true(limits_read(&headers, NOON_MS, &got));
        if (got.tokens_reset_ms != resets[i].ms)
            fail_msg("%s is %u ms", resets[i].text, got.tokens_reset_ms);
    }
}

static void the_window_with_the_fewest_tokens_counts(void **state)
{
    (void)state;
    expect("anthropic-ratelimit-input-tokens-limit: 40000\n"
           "anthropic-ratelimit-input-tokens-remaining: 39000\n"
           "anthropic-ratelimit-output-tokens-limit: 8000\n"
           "anthropic-ratelimit-output-tokens-remaining: 12\n"
           "anthropic-ratelimit-output-tokens-reset: 2030-01-01T12:00:10Z",
            (struct rate_limits){U, U, U, 8000, 12, 10000});
}

static void what_makes_no_sense_is_not_told(void **state)
{
    (void)state;
    static const char *const nothing[] = {"x-ratelimit-remaining-requests: -1",
            "x-ratelimit-remaining-requests: 99999999999999999999",
            "x-ratelimit-remaining-requests: 4294967295", "x-ratelimit-remaining-requests: ten",
            "x-ratelimit-remaining-requests:", "x-ratelimit-remaining-dances: 1",
            "x-ratelimit-remaining: 1", "anthropic-ratelimit-: 1", "anthropic-ratelimit-x: 1",
            "x-ratelimit-remaining-requests: 1111111111111111111111111111111111111111111111111",
            "content-type: text/html", "x-ratelimit-reset-requests: 1s"};
    struct rate_limits got;
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
        if (read_head(nothing[i], &got))
            fail_msg("%s is believed", nothing[i]);
    static const char *const resets[] = {"-5s", "1e9s", "9999999h", "5 parsecs", "s", "5m-3s",
            "inf", "nan", "2030-13-01T00:00:00Z", "2030-01-01", "2030-01-01T25:00:00Z",
            "9999-01-01T00:00:00Z", "2030-01-01T12:00:00+99:99", "-030--1--1T-1:-1:00Z"};
    for (size_t i = 0; i < ARRAY_LEN(resets); i++) {
        struct limit_headers headers = {0};
        limits_take_header(&headers, SLICE("x-ratelimit-remaining-tokens"), SLICE("0"));
        limits_take_header(&headers, SLICE("x-ratelimit-reset-tokens"), slice_of(resets[i]));
        assert_true(limits_read(&headers, NOON_MS, &got));
        if (got.tokens_reset_ms != U)
            fail_msg("reset %s is %u ms", resets[i], got.tokens_reset_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(durations_are_read),
            cmocka_unit_test(dates_count_from_the_servers_clock),
            cmocka_unit_test(the_window_with_the_fewest_tokens_counts),
            cmocka_unit_test(what_makes_no_sense_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
