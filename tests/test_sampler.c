/* test_sampler.c - greedy, cuts, penalties and seeds, and the figures of a record against a
 * plain computation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/telemetry.h"

#define N 100

static void fill(float *logits)
{
    for (int i = 0; i < N; i++)
        logits[i] =
                (float)((i * 37) % N) / 10; /* every value once; the largest, 9.9, at i = 27 */
}

static int32_t choose(struct gen_params params, struct token_record *record)
{
    float logits[N];
    struct token_record mine;
    struct sampler *s = sampler_open(&params, N);
    fill(logits);
    int32_t token = sampler_choose(s, logits, record ? record : &mine);
    sampler_close(s);
    return token;
}

static void greedy_takes_the_largest(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    p.temperature = 0;
    assert_int_equal(choose(p, NULL), 27);
}

static void top_k_of_one_is_greedy(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    p.temperature = 5;
    p.top_k = 1;
    for (p.seed = 0; p.seed < 50; p.seed++)
        assert_int_equal(choose(p, NULL), 27);
}

static void cuts_leave_only_likely_tokens(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    p.temperature = 1;
    p.top_k = 0;
    p.top_p = 1;
    p.min_p = 0.5f; /* within ln 2 of the best: logits 9.9 .. 9.3 */
    for (p.seed = 0; p.seed < 200; p.seed++)
        assert_true((choose(p, NULL) * 37) % N >= 93);
    p.min_p = 0;
    p.top_p = 0.2f; /* the three largest hold more than a fifth */
    for (p.seed = 0; p.seed < 200; p.seed++)
        assert_true((choose(p, NULL) * 37) % N >= 97);
}

static void the_same_seed_draws_the_same(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    p.temperature = 3;
    p.top_k = 0;
    int n_different = 0;
    for (p.seed = 1; p.seed < 40; p.seed++) {
        int32_t first = choose(p, NULL);
        assert_int_equal(first, choose(p, NULL));
        n_different += first != 27;
    }
    assert_true(n_different > 10);
}

static void figures_equal_a_plain_computation(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    struct token_record r = {0};
    float logits[N];
    double sum = 0, entropy = 0;
    p.temperature = 0;
    choose(p, &r);
    fill(logits);
    for (int i = 0; i < N; i++)
        sum += exp(logits[i]);
    for (int i = 0; i < N; i++)
        entropy -= exp(logits[i]) / sum * (logits[i] - log(sum));
    assert_true(fabs(r.entropy - entropy) < 1e-4);
    assert_true(fabs(r.logprob - (9.9 - log(sum))) < 1e-4);
    assert_int_equal(r.n_top, TOKEN_TOP_N);
    assert_int_equal(r.top[0].token, 27);
    assert_true(fabs(r.top[1].logprob - (9.8 - log(sum))) < 1e-4);
}

static void a_penalty_makes_room_for_others(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    struct token_record r;
    float logits[N];
    p.temperature = 0;
    p.presence_penalty = 3;
    struct sampler *s = sampler_open(&p, N);
    sampler_accept(s, 27);
    fill(logits);
    int32_t second = sampler_choose(s, logits, &r);
    assert_int_equal((second * 37) % N, 98);
    assert_true(r.logprob < 0); /* of the model's own distribution, not the changed one */
    sampler_close(s);
}

/* A token that is no longer among the first five before it is chosen, too. */
static void a_record_is_about_the_logits_before_penalties(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    struct token_record r;
    float logits[N];
    double sum = 0;
    p.temperature = 0;
    p.presence_penalty = 1;
    p.frequency_penalty = 1;
    p.repeat_last_n = N + 10;
    struct sampler *s = sampler_open(&p, N);
    for (int i = 0; i < N; i++) /* all are pushed down by 2, the first ten by 3 */
        sampler_accept(s, i);
    for (int i = 0; i < 10; i++)
        sampler_accept(s, i);
    for (int i = 0; i < N; i++)
        logits[i] = i < 10 ? 2 : i == 50 ? 1.5f : 0;
    for (int i = 0; i < N; i++)
        sum += exp(logits[i]);
    assert_int_equal(sampler_choose(s, logits, &r), 50);
    assert_true(fabs(r.logprob - (1.5 - log(sum))) < 1e-4);
    sampler_close(s);
}

static void broken_logits_choose_something(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    struct token_record r = {0};
    float logits[N];
    for (int temperature = 0; temperature < 2; temperature++) {
        p.temperature = (float)temperature;
        struct sampler *s = sampler_open(&p, N);
        for (int i = 0; i < N; i++)
            logits[i] = NAN;
        assert_int_equal(sampler_choose(s, logits, &r), 0);
        logits[3] = 1;
        for (int i = 0; i < N; i++)
            logits[i] = i == 3 ? 1 : NAN;
        assert_int_equal(sampler_choose(s, logits, &r), 3);
        for (int i = 0; i < N; i++)
            logits[i] = i == 3 ? 1 : INFINITY;
        assert_int_equal(sampler_choose(s, logits, &r), 3);
        assert_true(fabs(r.logprob) < 1e-6 && fabs(r.entropy) < 1e-6);
        sampler_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(greedy_takes_the_largest),
            cmocka_unit_test(top_k_of_one_is_greedy),
            cmocka_unit_test(cuts_leave_only_likely_tokens),
            cmocka_unit_test(the_same_seed_draws_the_same),
            cmocka_unit_test(figures_equal_a_plain_computation),
            cmocka_unit_test(a_penalty_makes_room_for_others),
            cmocka_unit_test(a_record_is_about_the_logits_before_penalties),
            cmocka_unit_test(broken_logits_choose_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
