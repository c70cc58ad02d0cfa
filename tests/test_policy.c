/* test_policy.c - filters, price and ties, one table; the breaker of an endpoint; and what an
 * answer costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/event.h"
#include "engine/json.h"
#include "engine/request.h"

#include "router/decision_json.h"
#include "router/endpoint.h"
#include "router/fleet.h"
#include "router/policy.h"
#include "router/prices.h"

#define S 1000000000ull

static struct endpoint_conf confs[] = {
        {.name = "local",
                .kind = PROVIDER_LOCAL,
                .zone = ZONE_LOCAL,
                .enabled = true,
                .context_tok = 4096},
        {.name = "cheap",
                .zone = ZONE_EXTERNAL,
                .enabled = true,
                .usd_per_mtok_in = 1,
                .usd_per_mtok_out = 2,
                .usd_per_mtok_cached = 0.1},
        {.name = "dear",
                .zone = ZONE_EXTERNAL,
                .enabled = true,
                .usd_per_mtok_in = 10,
                .usd_per_mtok_out = 20,
                .usd_per_mtok_cached = -1},
        {.name = "lab",
                .zone = ZONE_LAB,
                .enabled = true,
                .usd_per_mtok_in = -1,
                .usd_per_mtok_out = -1},
};

static struct endpoint_state states[4];
static struct fleet fleet = {states, 4};

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        confs[i].enabled = true;
        states[i] = (struct endpoint_state){.conf = &confs[i]};
    }
    return 0;
}

static void set_fault(int endpoint, const char *fault)
{
    snprintf(states[endpoint].fault, sizeof states[endpoint].fault, "%s", fault);
}

static const char *chosen(const struct features *f, uint64_t tried, struct decision *d)
{
    const struct policy_world world = {&fleet, {-1, 0}, 100 * S};
    policy_decide(d, f, &world, tried);
    return d->chosen < 0 ? "-" : confs[d->candidates[d->chosen].endpoint].name;
}

static struct features plain(uint32_t n_input)
{
    return (struct features){.n_input_tok = n_input,
            .n_output_tok = 500,
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1};
}

static void the_cheapest_that_can_is_chosen(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    assert_string_equal(chosen(&f, 0, &d), "local");
    assert_string_equal(chosen(&f, 1, &d), "cheap"); /* local failed for this request */
    assert_int_equal(d.candidates[0].filter, FILTER_TRIED);
    f.n_input_tok = 5000;
    assert_string_equal(chosen(&f, 0, &d), "cheap");
    assert_int_equal(d.candidates[0].filter, FILTER_CONTEXT);
    assert_non_null(strstr(d.candidates[0].reason, "4096"));
    confs[1].enabled = false;
    assert_string_equal(chosen(&f, 0, &d),
            "dear"); /* an unknown price counts as the highest known, behind a known one */
    assert_false(d.candidates[3].is_price_known);
    assert_int_equal(d.candidates[3].cost_nusd, d.candidates[2].cost_nusd);
}

static void what_lacks_its_key_or_file_is_out_unless_it_is_named(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    set_fault(0, "cannot open /x.gguf");
    assert_string_equal(chosen(&f, 0, &d), "cheap");
    assert_int_equal(d.candidates[0].filter, FILTER_FAULTY);
    assert_string_equal(d.candidates[0].reason, "cannot open /x.gguf");
    char path[256] = "/", fault[320];
    memset(path + 1, 'p', 200);
    confs[0].model = path;
    snprintf(fault, sizeof fault, "%s is cut off: download it again", path);
    set_fault(0, fault);
    chosen(&f, 0, &d); /* a long path does not hide what to do */
    assert_string_equal(d.candidates[0].reason, "its file is cut off: download it again");
    confs[0].model = NULL;
    f.only_endpoint = 0;
    assert_string_equal(chosen(&f, 0, &d), "local");
    f.only_endpoint = -1;
    confs[0].enabled = confs[1].enabled = confs[2].enabled = false;
    set_fault(3, "its key is missing");
    assert_string_equal(chosen(&f, 0, &d), "-");
    assert_int_equal(d.verdict, VERDICT_REFUSE);
    assert_non_null(strstr(d.reason, "take it: lab (its key is missing); 3 are off"));
}

static void a_refusal_names_all_that_could_be_mended(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    confs[3].enabled = false;
    for (int i = 0; i < 3; i++)
        set_fault(i, "its key comes from the variable KEY, which is not set");
    chosen(&f, 0, &d);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(d.reason, confs[i].name));
    assert_non_null(strstr(d.reason, "; 1 is off"));
    for (int i = 0; i < 3; i++) /* what is long must not hide that there are more */
        memset(states[i].fault, 'x', 300), states[i].fault[300] = '\0';
    chosen(&f, 0, &d);
    assert_non_null(strstr(d.reason, "xx) and 2 more; 1 is off"));
}

static void a_zone_holds_for_everything(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(5000);
    f.max_zone = ZONE_LAB;
    assert_string_equal(chosen(&f, 0, &d), "lab");
    f.only_endpoint = 1; /* not even by name */
    assert_string_equal(chosen(&f, 0, &d), "-");
    assert_int_equal(d.verdict, VERDICT_REFUSE);
    assert_non_null(strstr(d.reason, "zone external"));
}

static void nobody_left_is_a_refusal_with_reasons(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(5000);
    f.max_zone = ZONE_LOCAL;
    assert_string_equal(chosen(&f, 0, &d), "-");
    assert_int_equal(d.n_candidates, 4);
    for (int i = 0; i < 4; i++)
        assert_true(d.candidates[i].reason[0] && d.candidates[i].filter != FILTER_NONE);
    assert_string_equal(d.reason,
            "no endpoint may take it: local (about 5000 tokens do not fit its context of 4096),"
            " cheap (zone external; this may travel to local at most),"
            " dear (zone external; this may travel to local at most),"
            " lab (zone lab; this may travel to local at most)");
    struct fleet none = {states, 0};
    policy_decide(&d, &f, &(struct policy_world){&none, {-1, 0}, 0}, 0);
    assert_non_null(strstr(d.reason, "shunt doctor"));
}

static void the_same_input_decides_the_same(void **state)
{
    (void)state;
    struct decision a, b;
    struct features f = plain(100);
    memset(&a, 0xAA, sizeof a);
    memset(&b, 0x55, sizeof b);
    policy_decide(&a, &f, &(struct policy_world){&fleet, {-1, 0}, 5}, 0);
    policy_decide(&b, &f, &(struct policy_world){&fleet, {-1, 0}, 5}, 0);
    assert_string_equal(a.reason, b.reason);
    assert_int_equal(a.chosen, b.chosen);
    for (int i = 0; i < 4; i++)
        assert_string_equal(a.candidates[i].reason, b.candidates[i].reason);
}

static void fail_at(int endpoint, enum status status, int64_t retry_after_ms, uint64_t now_ns)
{
    fleet_observe(
            &fleet, &(struct observation){.endpoint = endpoint, .what = SEEN_START}, now_ns);
    fleet_observe(&fleet,
            &(struct observation){.endpoint = endpoint,
                    .what = SEEN_END,
                    .status = status,
                    .retry_after_ms = retry_after_ms,
                    .cost_nusd = -1},
            now_ns);
}

static void a_breaker_opens_and_lets_one_try(void **state)
{
    (void)state;
    struct endpoint_state *e = &states[1];
    fail_at(1, ERR_SERVER, -1, 100 * S);
    fail_at(1, ERR_SERVER, -1, 100 * S);
    assert_int_equal(fleet_breaker(e, 100 * S), BREAKER_CLOSED);
    fail_at(1, ERR_INVALID, -1, 100 * S); /* the request's own fault */
    assert_int_equal(fleet_breaker(e, 100 * S), BREAKER_CLOSED);
    fail_at(1, ERR_NETWORK, -1, 100 * S);
    assert_int_equal(fleet_breaker(e, 101 * S), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(e, 116 * S), BREAKER_HALF_OPEN);
    fleet_observe(&fleet, &(struct observation){.endpoint = 1, .what = SEEN_START}, 116 * S);
    assert_int_equal(fleet_breaker(e, 116 * S), BREAKER_OPEN); /* one is trying */
    fleet_observe(&fleet,
            &(struct observation){
                    .endpoint = 1, .what = SEEN_END, .status = OK, .cost_nusd = 5},
            117 * S);
    assert_int_equal(fleet_breaker(e, 117 * S), BREAKER_CLOSED);
    fail_at(1, ERR_RATE_LIMIT, 7000, 200 * S); /* at once, for as long as the server says */
    assert_int_equal(fleet_breaker(e, 206 * S), BREAKER_OPEN);
    assert_int_equal(fleet_breaker(e, 208 * S), BREAKER_HALF_OPEN);
}

static void an_answer_costs_what_the_prices_say(void **state)
{
    (void)state;
    struct usage u = {1000, 100, 400, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    assert_int_equal(prices_cost_nusd(&confs[1], &u), 600 * 1000 + 400 * 100 + 100 * 2000);
    assert_int_equal(prices_cost_nusd(&confs[2], &u),
            1000 * 10000 + 100 * 20000); /* no price for cached ones: as fresh */
    assert_int_equal(prices_cost_nusd(&confs[3], &u), -1);
    u.output = TOKENS_UNKNOWN;
    assert_int_equal(prices_cost_nusd(&confs[1], &u), -1);
}

static void a_decision_is_json(void **state)
{
    (void)state;
    struct decision d;
    struct buf out;
    struct features f = plain(100);
    buf_init(&out, 1 << 16);
    policy_decide(&d, &f, &(struct policy_world){&fleet, {-1, 0}, 0}, 0);
    decision_print_json(&d, &fleet, &out);
    struct json *root = json_parse(buf_slice(&out));
    assert_string_equal(json_get_text(root, "endpoint"), "local");
    assert_int_equal(json_count(json_get(root, "candidates")), 4);
    assert_true(json_is_null(json_get(json_at(json_get(root, "candidates"), 3), "cost_usd")));
    json_free(root);
    buf_release(&out);
}

static void a_decision_is_read_back_as_it_was(void **state)
{
    (void)state;
    struct decision d, back;
    struct buf out, again;
    struct arena arena = {0};
    const char *names[ENDPOINTS_MAX];
    struct features f = plain(100);
    f.difficulty = 0.31f;
    f.domain = DOMAIN_MATH;
    memcpy(f.language, "de", 3);
    f.has_code = f.wants_json = true;
    buf_init(&out, 1 << 16);
    buf_init(&again, 1 << 16);
    policy_decide(&d, &f, &(struct policy_world){&fleet, {-1, 0}, 0}, 1);
    decision_print_json(&d, &fleet, &out);
    assert_true(decision_read_json(buf_slice(&out), &arena, &back, names));
    assert_int_equal(back.chosen, d.chosen);
    assert_int_equal(back.verdict, VERDICT_SEND);
    assert_string_equal(back.reason, d.reason);
    assert_string_equal(back.flip, d.flip);
    assert_true(back.flip[0]);
    assert_int_equal(back.n_candidates, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(names[i], confs[i].name);
        assert_int_equal(back.candidates[i].filter, d.candidates[i].filter);
        assert_int_equal(back.candidates[i].price_nusd, d.candidates[i].price_nusd);
        assert_int_equal(back.candidates[i].is_price_known, d.candidates[i].is_price_known);
        assert_int_equal(back.candidates[i].cost_nusd, d.candidates[i].cost_nusd);
        assert_true(back.candidates[i].p_miss == d.candidates[i].p_miss);
        assert_int_equal(back.candidates[i].endpoint, -1);
        back.candidates[i].endpoint = i; /* the fleet is still the same here */
    }
    decision_print_json(&back, &fleet, &again);
    assert_string_equal(buf_text(&again), buf_text(&out)); /* nothing that is told is lost */
    buf_release(&out);
    buf_release(&again);
    arena_release(&arena);
}

static void a_damaged_decision_is_no_decision(void **state)
{
    (void)state;
    static const char *const damaged[] = {
            "", "[]", "{\"candidates\":7}", "{\"candidates\":[{}"};
    struct decision d;
    struct arena arena = {0};
    const char *names[ENDPOINTS_MAX];
    struct buf many;
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++)
        assert_false(decision_read_json(slice_of(damaged[i]), &arena, &d, names));
    buf_init(&many, 1 << 16);
    buf_add_text(&many, "{\"endpoint\":\"gone\",\"verdict\":\"?\",\"candidates\":[7");
    for (int i = 0; i < 100; i++)
        buf_add_text(&many, ",{\"filter\":-1,\"expected_usd\":1e300,\"p_miss\":9}");
    buf_add_text(&many, "]}");
    assert_true(decision_read_json(buf_slice(&many), &arena, &d, names));
    assert_int_equal(d.n_candidates, ENDPOINTS_MAX);
    assert_int_equal(d.chosen, -1);
    assert_int_equal(d.candidates[5].cost_nusd, 0);
    assert_true(d.candidates[5].p_miss == 0);
    buf_release(&many);
    arena_release(&arena);
}

static void tokens_are_estimated_within_a_third(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double n_tok; /* by a common tokenizer */
    } cases[] = {
            {"The quick brown fox jumps over the lazy dog and runs away into the forest.", 16},
            {"int main(void) { return printf(\"%d\\n\", 42); }", 18},
            {"\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE5\xBE\x88\xE5\xA5\xBD", 5.5}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct chat_message m = {MSG_USER, slice_of(cases[i].text)};
        double n = features_of(&m, 1, SLICE("")).n_input_tok -
                   10.0; /* less the template's share */
        assert_true(n > cases[i].n_tok * 0.66 && n < cases[i].n_tok * 1.5);
    }
}

static void a_price_is_said_once_and_in_one_form(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    chosen(&f, 0, &d);
    assert_string_equal(d.candidates[0].reason, "free, zone local");
    assert_string_equal(
            d.candidates[1].reason, "about $0.001100 for 100 + 500 tokens, zone external");
    assert_string_equal(
            d.candidates[3].reason, "price unknown, counted as the highest known, zone lab");
    struct fleet alone = {&states[3], 1};
    policy_decide(&d, &f, &(struct policy_world){&alone, {-1, 0}, 0}, 0);
    assert_string_equal(d.reason, "lab: the only one that can (price unknown, counted as the "
                                  "highest known, zone lab)");
}

/* Beside one that is free nothing of the fleet has a price to count with. */
static void an_unknown_price_is_never_free(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    struct endpoint_state two[] = {{.conf = &confs[0]}, {.conf = &confs[3]}};
    struct fleet pair = {two, 2};
    struct policy_world world = {&pair, {-1, 0}, 0};
    confs[0].tier = 1;
    confs[3].tier = 2;
    f.difficulty = 0.9f;
    policy_decide(&d, &f, &world, 0);
    assert_false(d.candidates[1].is_price_known);
    assert_true(d.candidates[1].price_nusd > 15000000); /* 500 tokens at $30 a million */
    assert_int_equal(d.chosen, 0);
    world.budget.day_nusd = 1000000;
    policy_decide(&d, &f, &world, 1);
    assert_int_equal(d.verdict, VERDICT_ASK);
    confs[0].tier = confs[3].tier = 0;
}

static void nobody_is_told_to_cost_less_than_nothing(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    struct endpoint_conf small = confs[0], other = confs[0];
    other.zone = ZONE_LAB;
    struct endpoint_state two[] = {{.conf = &small}, {.conf = &other, .n_errors = 5}};
    struct fleet pair = {two, 2};
    policy_decide(&d, &f, &(struct policy_world){&pair, {-1, 0}, 0}, 0);
    assert_int_equal(d.chosen, 0);
    assert_string_equal(d.flip, "");
}

/* Easy: the small model at home. Hard: the one that can, although it costs something. */
static void difficulty_decides_between_free_and_good(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    confs[0].tier = 1;
    confs[1].tier = 3;
    confs[2].tier = confs[3].tier = 1;
    confs[3].usd_per_mtok_in = confs[3].usd_per_mtok_out = 30;
    f.difficulty = 0.1f;
    assert_string_equal(chosen(&f, 0, &d), "local");
    assert_non_null(strstr(d.flip, "cheap instead, if the question were harder"));
    f.difficulty = 0.9f;
    assert_string_equal(chosen(&f, 0, &d), "cheap");
    assert_non_null(strstr(d.flip, "local instead, if the question were easier"));
    const struct candidate *c = &d.candidates[d.chosen];
    assert_int_equal(
            c->cost_nusd, c->price_nusd + c->late_nusd + c->failure_nusd + c->miss_nusd);
    confs[0].tier = confs[1].tier = confs[2].tier = confs[3].tier = 0;
    confs[3].usd_per_mtok_in = confs[3].usd_per_mtok_out = -1;
}

static void the_chance_of_a_poor_answer_grows_with_difficulty_and_falls_with_tier(void **state)
{
    (void)state;
    for (int tier = 1; tier < 5; tier++)
        for (int i = 1; i <= 10; i++) {
            float d = (float)i / 10;
            assert_true(policy_p_miss(tier, d) > policy_p_miss(tier + 1, d));
            assert_true(policy_p_miss(tier, d) > policy_p_miss(tier, d - 0.1f));
        }
}

static void tools_go_only_where_they_are_passed_on(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    f.needs_tools = true;
    confs[1].kind = PROVIDER_ANTHROPIC;
    confs[2].kind = PROVIDER_OPENAI;
    assert_string_equal(chosen(&f, 0, &d), "dear");
    assert_int_equal(d.candidates[0].filter, FILTER_TOOLS);
    assert_int_equal(d.candidates[1].filter, FILTER_TOOLS);
    f.only_endpoint = 1; /* also when it is asked for by name: nothing is left out in silence */
    assert_string_equal(chosen(&f, 0, &d), "-");
    confs[1].kind = confs[2].kind = PROVIDER_LOCAL;
}

static void a_local_model_with_a_free_slot_does_not_wait(void **state)
{
    (void)state;
    struct decision d;
    struct features f = plain(100);
    chosen(&f, 0, &d);
    uint32_t alone_ms = d.candidates[0].expected_ms;
    confs[0].slots = 2;
    states[0].n_in_flight = 1;
    chosen(&f, 0, &d);
    assert_int_equal(d.candidates[0].expected_ms, alone_ms);
    states[0].n_in_flight = 2;
    chosen(&f, 0, &d);
    assert_true(d.candidates[0].expected_ms > alone_ms);
    confs[0].slots = 0;
    states[0].n_in_flight = 1;
    chosen(&f, 0, &d);
    assert_true(d.candidates[0].expected_ms > alone_ms);
}

static void an_endpoint_behind_the_last_one_says_so(void **state)
{
    (void)state;
    static struct endpoint_state many[ENDPOINTS_MAX + 2];
    const struct fleet large = {many, ENDPOINTS_MAX + 2};
    const struct policy_world world = {&large, {-1, 0}, 100 * S};
    struct decision d;
    struct features f = plain(100);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i].conf = &confs[0];
    f.only_endpoint = ENDPOINTS_MAX + 1;
    policy_decide(&d, &f, &world, 0);
    assert_int_equal(d.verdict, VERDICT_REFUSE);
    assert_non_null(strstr(d.reason, "local stands behind the first 64"));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_cheapest_that_can_is_chosen),
            TEST(what_lacks_its_key_or_file_is_out_unless_it_is_named),
            TEST(a_refusal_names_all_that_could_be_mended),
            TEST(a_zone_holds_for_everything),
            TEST(nobody_left_is_a_refusal_with_reasons),
            TEST(the_same_input_decides_the_same),
            TEST(a_breaker_opens_and_lets_one_try),
            TEST(an_answer_costs_what_the_prices_say),
            TEST(a_decision_is_json),
            TEST(a_decision_is_read_back_as_it_was),
            TEST(a_damaged_decision_is_no_decision),
            TEST(tokens_are_estimated_within_a_third),
            TEST(difficulty_decides_between_free_and_good),
            TEST(the_chance_of_a_poor_answer_grows_with_difficulty_and_falls_with_tier),
            TEST(a_price_is_said_once_and_in_one_form),
            TEST(an_unknown_price_is_never_free),
            TEST(nobody_is_told_to_cost_less_than_nothing),
            TEST(tools_go_only_where_they_are_passed_on),
            TEST(a_local_model_with_a_free_slot_does_not_wait),
            TEST(an_endpoint_behind_the_last_one_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
