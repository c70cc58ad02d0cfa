/*
 * test_probe.c - what the core learns of its endpoints beside answers: probes, rate limits of a
 * running request, and the answers of earlier runs.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/hub.h"
#include "router/store.h"

#include "tests/helper_server.h"
#include "tests/helper_tiny_model.h"

#define S 1000000000ull

static struct endpoint_conf confs[] = {{.name = "a",
                                               .kind = PROVIDER_OPENAI,
                                               .model = "m",
                                               .url = "http://h",
                                               .enabled = true,
                                               .first_token_timeout_ms = 60000},
        {.name = "off", .kind = PROVIDER_OPENAI, .model = "m", .url = "http://h"},
        {.name = "far",
                .kind = PROVIDER_OPENAI,
                .model = "m",
                .url = "http://h",
                .zone = ZONE_EXTERNAL,
                .enabled = true}};

static void act(struct core *core, enum action_kind kind, const char *text, int64_t id)
{
    struct action *a = action_new(kind);
    a->text = text ? mem_strdup(text) : NULL;
    a->id = id;
    a->now_ms = 1700000000000;
    core_apply(core, &(struct event){.kind = EV_ACTION, .t_ns = 100 * S, .u.action = a});
}

static void answer_probe(struct core *core, int endpoint, enum status status, const char *text)
{
    struct event event = {.kind = EV_PROBE, .t_ns = 101 * S};
    event.u.probe.endpoint = endpoint;
    event.u.probe.ms = 42;
    event.u.probe.outcome = mem_alloc(sizeof *event.u.probe.outcome);
    if (status != OK)
        err_set(&event.u.probe.outcome->err, status, "%s", text);
    core_apply(core, &event);
}

static struct core new_core(bool has_history)
{
    struct core core;
    struct core_config cfg = {.endpoints = confs,
            .n_endpoints = ARRAY_LEN(confs),
            .max_zone = ZONE_LAB,
            .seed = 1,
            .now_ms = 1700000000000,
            .has_history = has_history};
    core_init(&core, &cfg);
    return core;
}

static void all_that_may_be_asked_are_asked_once(void **state)
{
    (void)state;
    struct core core = new_core(false);
    struct effect e, none;
    act(&core, ACTION_PROBE, NULL, -1);
    act(&core, ACTION_PROBE, NULL, -1);
    assert_true(core_take_effect(&core, &e));
    assert_int_equal(e.kind, EFFECT_PROBE);
    assert_int_equal(e.endpoint, 0);
    assert_int_equal(e.request->endpoint->total_timeout_ms, 5000);
    assert_int_equal(e.request->endpoint->first_token_timeout_ms, 0);
    assert_false(core_take_effect(&core, &none)); /* not twice, not the others */
    request_free(e.request);
    core_release(&core);
}

static void a_probe_is_kept_and_is_no_request(void **state)
{
    (void)state;
    struct core core = new_core(false);
    struct effect e;
    const struct endpoint_state *a = &core.fleet.endpoints[0];
    act(&core, ACTION_PROBE, NULL, 0);
    assert_true(core_take_effect(&core, &e));
    request_free(e.request);
    assert_true(a->is_probing);
    uint64_t version = core.version;
    answer_probe(&core, 0, ERR_NETWORK, "nobody there");
    assert_false(a->is_probing);
    assert_int_equal(a->probe_ms, 42);
    assert_int_equal(a->probe_t_ns, 101 * S);
    assert_string_equal(a->probe_error, "nobody there");
    assert_true(core.version > version);
    act(&core, ACTION_PROBE, NULL, 0);
    assert_true(core_take_effect(&core, &e));
    request_free(e.request);
    answer_probe(&core, 0, OK, "");
    assert_string_equal(a->probe_error, "");
    assert_int_equal(a->n_requests + a->n_errors + a->n_in_flight + a->n_failed_in_a_row, 0);
    core_release(&core);
}

static void what_may_get_no_request_is_not_asked(void **state)
{
    (void)state;
    struct core core = new_core(false);
    struct effect e;
    act(&core, ACTION_PROBE, NULL, 1);
    act(&core, ACTION_PROBE, NULL, 2);
    act(&core, ACTION_PROBE, NULL, 99);
    assert_false(core_take_effect(&core, &e));
    assert_non_null(strstr(core.fleet.endpoints[1].probe_error, "disabled"));
    assert_non_null(strstr(core.fleet.endpoints[2].probe_error, "zone"));
    core_release(&core);
}

static void limits_of_a_running_answer_reach_the_fleet(void **state)
{
    (void)state;
    struct core core = new_core(false);
    struct effect e;
    act(&core, ACTION_SEND, "hello", 0);
    assert_true(core_take_effect(&core, &e));
    core_apply(
            &core, &(struct event){.kind = EV_STORE, .t_ns = 100 * S, .u.command = e.command});
    while (core_take_effect(&core, &e) && e.kind != EFFECT_SEND)
        store_command_free(e.command);
    struct event event = {.kind = EV_LIMITS,
            .request_id = e.request->id,
            .t_ns = 200 * S,
            .u.limits = {60, 7, 30000, TOKENS_UNKNOWN, 9, TOKENS_UNKNOWN}};
    core_apply(&core, &event);
    const struct endpoint_state *a = &core.fleet.endpoints[0];
    assert_int_equal(a->requests.remaining, 7);
    assert_int_equal(a->requests.reset_ns, 230 * S);
    assert_int_equal(a->tokens.remaining, 9);
    event.request_id += 100; /* of nobody */
    event.u.limits.requests_left = 1;
    core_apply(&core, &event);
    assert_int_equal(a->requests.remaining, 7);
    request_free(e.request);
    core_release(&core);
}

static void earlier_answers_prime_the_estimates(void **state)
{
    (void)state;
    struct core core = new_core(true);
    struct effect e;
    assert_true(core_take_effect(&core, &e)); /* asked for at the start */
    struct store_command *s = e.command;
    assert_int_equal(s->op, STORE_LOAD_FLEET);
    assert_int_equal(s->since_ms, 1700000000000 - 86400000);
    struct answer_row answers[] = {
            {.endpoint = SLICE("a"), .ttft_ms = 100, .total_ms = 1100, .n_output_tok = 11},
            {.endpoint = SLICE("gone"), .ttft_ms = 1, .total_ms = 2, .n_output_tok = 5},
            {.endpoint = SLICE("a"), .ttft_ms = 300, .total_ms = 1300, .n_output_tok = 21},
            {.endpoint = SLICE("a"),
                    .state = MESSAGE_FAILED,
                    .error = SLICE("too slow"),
                    .n_output_tok = TOKENS_UNKNOWN}};
    struct cost_row costs[] = {{.endpoint = SLICE("a"), .cost_nusd = 1234},
            {.endpoint = SLICE("far"), .cost_nusd = -1}};
    s->answers = answers;
    s->n_answers = ARRAY_LEN(answers);
    s->costs = costs;
    s->n_costs = ARRAY_LEN(costs);
    core_apply(&core, &(struct event){.kind = EV_STORE, .t_ns = S, .u.command = s});
    const struct endpoint_state *a = &core.fleet.endpoints[0];
    assert_int_equal(a->ttft_samples_ms.n, 2);
    assert_int_equal(samples_quantile(&a->ttft_samples_ms, 0.95), 300);
    assert_int_equal(samples_quantile(&a->tok_per_s_samples, 0.5), 10);
    assert_true(a->ttft_ms > 100 && a->ttft_ms < 300);
    assert_int_equal(a->spent_today_nusd, 1234);
    assert_int_equal(core.budget.spent_nusd, 1234);
    assert_string_equal(a->last_error, "too slow");
    assert_int_equal(a->n_requests + a->n_errors + a->n_failed_in_a_row, 0);
    assert_int_equal(fleet_breaker(a, 2 * S), BREAKER_CLOSED);
    assert_int_equal(core.fleet.endpoints[2].spent_today_nusd, 0);
    assert_false(core_is_busy(&core));
    core_release(&core);
}

static void breakers_of_others_are_for_a_list_only(void **state)
{
    (void)state;
    struct core core = new_core(true);
    struct effect e;
    struct breaker_row breakers[] = {{SLICE("far"), 1700000000000 + 9000},
            {SLICE("off"), 1700000000000 + 200 * 86400000ll}, {SLICE("a"), 1700000000000 - 1}};
    assert_true(core_take_effect(&core, &e));
    struct store_command other = {.breakers = breakers, .n_breakers = ARRAY_LEN(breakers)};
    e.command->breakers = breakers;
    e.command->n_breakers = ARRAY_LEN(breakers);
    core_apply(&core, &(struct event){.kind = EV_STORE, .t_ns = S, .u.command = e.command});
    assert_int_equal(fleet_breaker(&core.fleet.endpoints[2], 2 * S), BREAKER_CLOSED);
    history_replay_breakers(&core.fleet, &other, 1700000000000, S);
    assert_int_equal(fleet_breaker(&core.fleet.endpoints[2], 9 * S), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(&core.fleet.endpoints[2], 10 * S), BREAKER_HALF_OPEN);
    assert_int_equal(fleet_breaker(&core.fleet.endpoints[1], 2 * S), BREAKER_CLOSED);
    assert_int_equal(fleet_breaker(&core.fleet.endpoints[0], 2 * S), BREAKER_CLOSED);
    core_release(&core);
}

/* The next store command of this kind; others are answered with OK on the way. */
static struct store_command *next_put(struct core *core, enum store_op op)
{
    struct effect e;
    while (core_take_effect(core, &e)) {
        if (e.kind == EFFECT_STORE && e.command->op == op)
            return e.command;
        if (e.kind == EFFECT_STORE)
            core_apply(core,
                    &(struct event){.kind = EV_STORE, .t_ns = 100 * S, .u.command = e.command});
        else
            request_free(e.request);
    }
    return NULL;
}

static void a_breaker_that_opens_is_told_to_others(void **state)
{
    (void)state;
    struct core core = new_core(false);
    act(&core, ACTION_SEND, "hello", 0);
    assert_null(next_put(&core, STORE_PUT_SETTING));
    struct event done = {
            .kind = EV_DONE, .request_id = core.runs[0].request_id, .t_ns = 100 * S};
    done.u.outcome = mem_alloc(sizeof *done.u.outcome);
    done.u.outcome->retry_after_ms = 60000;
    err_set(&done.u.outcome->err, ERR_RATE_LIMIT, "slow down");
    core_apply(&core, &done);
    struct store_command *c = next_put(&core, STORE_PUT_SETTING);
    assert_non_null(c);
    assert_true(slice_eq(c->key, "breaker a"));
    assert_true(slice_eq(c->value, "1700000060000"));
    store_command_free(c);
    core_release(&core);
}

static void a_day_begins_at_local_midnight(void **state)
{
    (void)state;
    setenv("TZ", "<+10>-10", 1); /* ten hours east */
    tzset();
    assert_int_equal(history_day_ms(1767189600000), 1767189600000);
    assert_int_equal(history_day_ms(1767189599999), 1767189600000 - 86400000);
    unsetenv("TZ");
    tzset();
}

static void step_until_asked(struct hub *hub)
{
    uint64_t end = clock_now_ns() + 20 * S;
    for (int i = 0; i < hub_core(hub)->fleet.n_endpoints;) {
        struct pollfd fd = {hub_fd(hub), POLLIN, 0};
        if (!hub_core(hub)->fleet.endpoints[i].is_probing) {
            i++;
            continue;
        }
        assert_true(clock_now_ns() < end);
        poll(&fd, 1, 100);
        hub_step(hub, 2000000);
    }
}

static void files_and_servers_are_asked(void **state)
{
    (void)state;
    static const char models[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct server_script script = {models, sizeof models - 1};
    struct server *server = server_open(&script, 1);
    struct tiny_model shape = {"qwen3moe", 2, 8, 2, 32, 16, 7};
    char url[64], path[] = "/tmp/shunt-probe-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && tiny_model_write(path, &shape));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", server_port(server));
    struct endpoint_conf all[] = {endpoint_local("file", path),
            endpoint_local("gone", "/nowhere/m.gguf"), endpoint_local("text", "/etc/passwd"),
            {.name = "up", .kind = PROVIDER_VLLM, .url = url, .enabled = true},
            {.name = "down",
                    .kind = PROVIDER_VLLM,
                    .url = "http://127.0.0.1:1/v1",
                    .enabled = true},
            {.name = "keyless",
                    .kind = PROVIDER_OPENAI,
                    .url = url,
                    .enabled = true,
                    .key_source = KEY_FROM_ENV,
                    .key_value = "SHUNT_NO_SUCH_KEY"}};
    static const bool lives[] = {true, false, false, true, false, false};
    struct hub *hub;
    struct err err;
    struct hub_config cfg = {.core = &(struct core_config){.endpoints = all,
                                     .n_endpoints = ARRAY_LEN(all),
                                     .max_zone = ZONE_EXTERNAL}};
    assert_int_equal(hub_open(&hub, &cfg, &err), OK);
    struct action *a = action_new(ACTION_PROBE);
    a->id = -1;
    hub_act(hub, a);
    step_until_asked(hub);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct endpoint_state *e = &hub_core(hub)->fleet.endpoints[i];
        if (!e->probe_t_ns || lives[i] != (e->probe_error[0] == '\0'))
            fail_msg("%s: %s", all[i].name, e->probe_error);
    }
    assert_int_equal(server_n_requests(server), 1); /* without its key nobody is asked */
    assert_null(hub_engine(hub, 0));                /* nothing is loaded for it */
    hub_close(hub);
    server_close(server);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(all_that_may_be_asked_are_asked_once),
            cmocka_unit_test(a_probe_is_kept_and_is_no_request),
            cmocka_unit_test(what_may_get_no_request_is_not_asked),
            cmocka_unit_test(limits_of_a_running_answer_reach_the_fleet),
            cmocka_unit_test(earlier_answers_prime_the_estimates),
            cmocka_unit_test(breakers_of_others_are_for_a_list_only),
            cmocka_unit_test(a_breaker_that_opens_is_told_to_others),
            cmocka_unit_test(a_day_begins_at_local_midnight),
            cmocka_unit_test(files_and_servers_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
