/* test_sampler.c - what a request's draw depends on: the seed, the tokens before, and which
 * text a seed gives. How a token is drawn from them is test_sample.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/cpu.h"

#include "engine/request.h"
#include "engine/sampler.h"

#define N 100

/* The next token of a made-up model that always gives the same logits. */
static int32_t next_token(struct sampler *s)
{
    float logits[N];
    struct candidate scratch[2 * N];
    struct sample sample;
    for (int i = 0; i < N; i++)
        logits[i] = (float)((i * 37) % N) / 10;
    struct sample_params params = sampler_params(s);
    sample_row(&params, logits, N, scratch, &sample);
    sampler_take(s, sample.token);
    return sample.token;
}

/* What version 0.1 said: people keep seeds. */
static void a_seed_gives_the_text_it_always_gave(void **state)
{
    (void)state;
    static const struct {
        struct gen_params params;
        int32_t tokens[12];
    } cases[] = {{{.temperature = 3, .top_p = 1, .seed = 42},
                         {26, 62, 70, 51, 54, 85, 16, 15, 24, 56, 89, 40}},
            {{.temperature = 3, .top_k = 40, .top_p = 0.9f, .seed = 42},
                    {67, 8, 89, 16, 27, 2, 35, 21, 16, 32, 35, 24}},
            {{.temperature = 1.5f,
                     .top_k = 40,
                     .top_p = 1,
                     .min_p = 0.05f,
                     .presence_penalty = 0.5f,
                     .frequency_penalty = 0.25f,
                     .repeat_last_n = 8,
                     .seed = 42},
                    {86, 81, 62, 16, 27, 2, 89, 21, 81, 16, 27, 24}}};
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct sampler *s = sampler_open(&cases[c].params);
        for (size_t i = 0; i < ARRAY_LEN(cases[c].tokens); i++)
            assert_int_equal(next_token(s), cases[c].tokens[i]);
        sampler_close(s);
    }
}

/* A batch that was cancelled is run again. */
static void a_number_is_used_up_by_its_token_alone(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    struct sampler *s = sampler_open(&p);
    double first = sampler_params(s).uniform;
    assert_true(first >= 0 && first < 1);
    sampler_accept(s, 5);
    assert_true(sampler_params(s).uniform == first);
    sampler_take(s, 5);
    assert_true(sampler_params(s).uniform != first);
    sampler_close(s);
}

static void the_last_tokens_are_recent(void **state)
{
    (void)state;
    struct gen_params p = gen_params_default();
    p.repeat_last_n = 3;
    struct sampler *s = sampler_open(&p);
    assert_int_equal(sampler_params(s).n_recent, 0);
    for (int32_t i = 0; i < 4; i++)
        sampler_accept(s, i);
    sampler_take(s, 4);
    struct sample_params params = sampler_params(s);
    assert_int_equal(params.n_recent, 3);
    assert_int_equal(params.recent[0] + params.recent[1] + params.recent[2], 2 + 3 + 4);
    sampler_close(s);
    p.repeat_last_n = 0;
    s = sampler_open(&p);
    sampler_take(s, 1);
    assert_int_equal(sampler_params(s).n_recent, 0);
    sampler_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_seed_gives_the_text_it_always_gave),
            cmocka_unit_test(a_number_is_used_up_by_its_token_alone),
            cmocka_unit_test(the_last_tokens_are_recent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
