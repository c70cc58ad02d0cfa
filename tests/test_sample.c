/* test_sample.c - the draw of a token from logits on every backend: greedy, cuts, penalties,
 * and the figures beside it against a plain computation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base.h"

#include "tests/helper_steps.h"

#define N    100 /* tokens of the vocabulary */
#define D    32
#define ROWS 50 /* drawn together */

/* Every value once; the largest, 9.9, at token 27. */
static void fill(float *logits)
{
    for (int i = 0; i < N; i++)
        logits[i] = (float)((i * 37) % N) / 10;
}

static const struct sample_params greedy = {.top_p = 1};

/* A plan whose logits are the given ones in every row: x is ones, and so is its norm. */
static void draw_on(struct kernels *k, const float *logits, struct kernels_batch *batch)
{
    float weights[N * D] = {0}, x[ROWS * D], ones[D];
    uint32_t rows[ROWS];
    for (int i = 0; i < N; i++)
        weights[i * D] = logits[i];
    for (int i = 0; i < ROWS * D; i++)
        x[i] = ones[i % D] = 1;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = i;
    batch->n_tokens = ROWS;
    batch->rows = rows;
    kernels_plan(k, &(struct plan_size){.batch_tok = ROWS, .d = D, .n_vocab = N});
    kernels_logits(k, &(struct logits_step){D, N, 0, ones,
                              {QUANT_F32, weights, D, N, 1, D * sizeof *weights}});
    assert_int_equal(kernels_ready(k, NULL, NULL), KERNELS_OK);
    kernels_write(k, BUFFER_X, 0, x, ROWS * D);
    assert_int_equal(kernels_run(k, batch), KERNELS_OK);
    kernels_close(k);
}

static void expect_same(const char *name, const struct sample *a, const struct sample *b)
{
    bool is_same = a->token == b->token && a->n_top == b->n_top &&
                   !(fabsf(a->logprob - b->logprob) > 1e-5f) &&
                   !(fabsf(a->entropy - b->entropy) > 1e-4f);
    for (uint32_t i = 0; i < a->n_top && is_same; i++)
        is_same = a->top[i].token == b->top[i].token &&
                  !(fabsf(a->top[i].logprob - b->top[i].logprob) > 1e-5f);
    if (!is_same)
        fail_msg("%s: token %d, logprob %g, entropy %g; the scalar: %d, %g, %g", name, b->token,
                (double)b->logprob, (double)b->entropy, a->token, (double)a->logprob,
                (double)a->entropy);
}

/* Draws with each of params from the logits; every backend draws the same. */
static void draw_rows(const float *logits, const struct sample_params *params, uint32_t n_rows,
        struct sample *out)
{
    for (size_t b = 0; b < n_step_backends; b++) {
        struct kernels *k = step_backends[b].open(true);
        struct sample mine[ROWS] = {0};
        if (!k)
            continue;
        draw_on(k, logits,
                &(struct kernels_batch){.n_rows = n_rows, .params = params, .samples = mine});
        for (uint32_t i = 0; i < n_rows && b > 0; i++)
            expect_same(step_backends[b].name, &out[i], &mine[i]);
        if (b == 0)
            memcpy(out, mine, n_rows * sizeof *out);
    }
}

static struct sample draw(const float *logits, struct sample_params params)
{
    struct sample sample;
    draw_rows(logits, &params, 1, &sample);
    return sample;
}

/* Draws ROWS times with different random numbers. */
static void draw_many(struct sample_params params, struct sample *out)
{
    float logits[N];
    struct sample_params all[ROWS];
    for (int i = 0; i < ROWS; i++) {
        all[i] = params;
        all[i].uniform = (i + 0.5) / ROWS;
    }
    fill(logits);
    draw_rows(logits, all, ROWS, out);
}

static void greedy_takes_the_largest(void **state)
{
    (void)state;
    float logits[N];
    fill(logits);
    assert_int_equal(draw(logits, greedy).token, 27);
    logits[12] = logits[27];
    assert_int_equal(draw(logits, greedy).token, 12); /* the first among equals */
}

static void top_k_of_one_is_greedy(void **state)
{
    (void)state;
    struct sample samples[ROWS];
    draw_many((struct sample_params){.temperature = 5, .top_k = 1, .top_p = 1}, samples);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(samples[i].token, 27);
}

static int rank_of(int32_t token) /* 0: the largest */
{
    return N - 1 - (token * 37) % N;
}

static void cuts_leave_only_likely_tokens(void **state)
{
    (void)state;
    static const struct {
        struct sample_params params;
        int n_kept;
    } cases[] = {
            {{.temperature = 1, .top_p = 1, .min_p = 0.5f}, 7}, /* within ln 2: 9.9 … 9.3 */
            {{.temperature = 1, .top_p = 0.2f}, 3}, /* the three largest hold a fifth */
            {{.temperature = 9, .top_p = 1, .top_k = 5}, 5},
            {{.temperature = 9, .top_p = 1}, N}};
    struct sample samples[ROWS];
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        int last = 0;
        draw_many(cases[c].params, samples);
        for (int i = 0; i < ROWS; i++) { /* larger numbers draw less likely tokens */
            assert_in_range(rank_of(samples[i].token), last, cases[c].n_kept - 1);
            last = rank_of(samples[i].token);
        }
        assert_true(last >= cases[c].n_kept * 9 / 10 - 1);
    }
}

static void figures_equal_a_plain_computation(void **state)
{
    (void)state;
    float logits[N];
    double sum = 0, entropy = 0;
    fill(logits);
    struct sample s = draw(logits, greedy);
    for (int i = 0; i < N; i++)
        sum += exp(logits[i]);
    for (int i = 0; i < N; i++)
        entropy -= exp(logits[i]) / sum * (logits[i] - log(sum));
    assert_true(fabs(s.entropy - entropy) < 1e-4);
    assert_true(fabs(s.logprob - (9.9 - log(sum))) < 1e-4);
    assert_int_equal(s.n_top, SAMPLE_TOP_N);
    for (int i = 0; i < SAMPLE_TOP_N; i++) {
        assert_int_equal(rank_of(s.top[i].token), i);
        assert_true(fabs(s.top[i].logprob - (9.9 - 0.1 * i - log(sum))) < 1e-4);
    }
}

static void a_penalty_makes_room_for_others(void **state)
{
    (void)state;
    float logits[N];
    int32_t recent[] = {27, N, -1}; /* a token outside the vocabulary is none */
    struct sample_params p = {
            .top_p = 1, .presence_penalty = 3, .recent = recent, .n_recent = 3};
    fill(logits);
    struct sample s = draw(logits, p);
    assert_int_equal(rank_of(s.token), 1);
    assert_int_equal(s.top[0].token, 27); /* of the model's own distribution */
    p.presence_penalty = 0;
    p.frequency_penalty = 0.15f; /* twice is more than the distance of three */
    int32_t twice[] = {27, 5, 27};
    p.recent = twice;
    assert_int_equal(rank_of(draw(logits, p).token), 1);
    p.frequency_penalty = 0.04f;
    assert_int_equal(draw(logits, p).token, 27);
}

/* A token that is no longer among the first five before it is chosen, too. */
static void a_sample_is_about_the_logits_before_penalties(void **state)
{
    (void)state;
    float logits[N];
    double sum = 0;
    int32_t recent[N + 10];
    for (int i = 0; i < N + 10; i++) /* all are pushed down by 2, the first ten by 3 */
        recent[i] = i % N;
    for (int i = 0; i < N; i++)
        logits[i] = i < 10 ? 2 : i == 50 ? 1.5f : 0;
    for (int i = 0; i < N; i++)
        sum += exp(logits[i]);
    struct sample s = draw(logits, (struct sample_params){.top_p = 1,
                                           .presence_penalty = 1,
                                           .frequency_penalty = 1,
                                           .recent = recent,
                                           .n_recent = N + 10});
    assert_int_equal(s.token, 50);
    assert_true(fabs(s.logprob - (1.5 - log(sum))) < 1e-4);
}

static void broken_logits_choose_something(void **state)
{
    (void)state;
    float logits[N];
    for (int temperature = 0; temperature < 2; temperature++) {
        struct sample_params p = {
                .temperature = (float)temperature, .top_p = 1, .uniform = 0.7};
        for (int i = 0; i < N; i++)
            logits[i] = NAN;
        assert_int_equal(draw(logits, p).token, 0);
        for (int i = 0; i < N; i++)
            logits[i] = i == 3 ? 1 : NAN;
        assert_int_equal(draw(logits, p).token, 3);
        for (int i = 0; i < N; i++)
            logits[i] = i == 3 ? 1 : INFINITY;
        struct sample s = draw(logits, p);
        assert_int_equal(s.token, 3);
        assert_true(fabsf(s.logprob) < 1e-6f && fabsf(s.entropy) < 1e-6f);
    }
}

/* Whoever asks for logits as well gets them without penalties. */
static void logits_are_handed_out_as_they_were(void **state)
{
    (void)state;
    float logits[N], got[2 * N];
    int32_t recent[] = {27};
    struct sample_params params[2] = {
            greedy, {.top_p = 1, .presence_penalty = 50, .recent = recent, .n_recent = 1}};
    fill(logits);
    for (size_t b = 0; b < n_step_backends; b++) {
        struct kernels *k = step_backends[b].open(true);
        struct sample samples[2];
        if (!k)
            continue;
        draw_on(k, logits,
                &(struct kernels_batch){
                        .n_rows = 2, .params = params, .samples = samples, .logits = got});
        assert_int_equal(samples[0].token, 27);
        assert_int_equal(rank_of(samples[1].token), 1);
        for (int i = 0; i < 2 * N; i++)
            assert_true(got[i] == logits[i % N]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(greedy_takes_the_largest),
            cmocka_unit_test(top_k_of_one_is_greedy),
            cmocka_unit_test(cuts_leave_only_likely_tokens),
            cmocka_unit_test(figures_equal_a_plain_computation),
            cmocka_unit_test(a_penalty_makes_room_for_others),
            cmocka_unit_test(a_sample_is_about_the_logits_before_penalties),
            cmocka_unit_test(broken_logits_choose_something),
            cmocka_unit_test(logits_are_handed_out_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
