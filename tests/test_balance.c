/* test_balance.c - statistics against hand-made counts, the null model against the published
 * table, flags against a planted expert. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/balance.h"

static struct telemetry_shape shape_of(uint16_t layers, uint16_t experts, uint16_t k)
{
    return (struct telemetry_shape){.n_moe_layers = layers, .n_experts = experts, .k = k};
}

static void add(struct balance *b, const uint16_t *experts, enum token_phase phase)
{
    struct token_record *r = mem_alloc(token_record_bytes(&b->shape));
    struct expert_pick *picks = token_record_picks(r);
    r->phase = (uint8_t)phase;
    for (int i = 0; i < b->shape.n_moe_layers * b->shape.k; i++)
        picks[i] = (struct expert_pick){experts[i], (uint16_t)(65535 / b->shape.k)};
    balance_add(b, r);
    mem_free(r);
}

/* k different experts by chance, for every layer. */
static void add_random(struct balance *b, uint64_t *rng)
{
    uint16_t experts[64];
    int k = b->shape.k, n = b->shape.n_experts;
    for (int l = 0; l < b->shape.n_moe_layers; l++)
        for (int i = 0; i < k; i++) {
            bool is_new;
            do {
                experts[l * k + i] = (uint16_t)(rng_next(rng) % (uint64_t)n);
                is_new = true;
                for (int j = 0; j < i; j++)
                    is_new &= experts[l * k + j] != experts[l * k + i];
            } while (!is_new);
        }
    add(b, experts, PHASE_DECODE);
}

static void counts_give_the_known_figures(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(1, 4, 1);
    struct balance *b = balance_new(&shape, 16);
    struct balance_stats v, null_model;
    static const uint16_t picks[] = {0, 0, 1, 1, 0, 0, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(picks); i++)
        add(b, &picks[i], PHASE_DECODE);
    balance_layer(b, 0, &v, &null_model);
    assert_int_equal(v.n_tokens, 8);
    assert_true(fabs(v.effective - 2) < 1e-9);
    assert_true(fabs(v.gini - 0.5) < 1e-9); /* 0 0 4 4 */
    assert_true(fabs(v.dead - 2) < 1e-9);
    assert_true(fabs(v.overlap - 4.0 / 7) < 1e-9);
    balance_free(b);
}

static void prefill_is_left_out_and_the_window_forgets(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(1, 4, 1);
    struct balance *b = balance_new(&shape, 4);
    struct balance_stats v, null_model;
    for (uint16_t i = 0; i < 10; i++)
        add(b, &(uint16_t){3}, PHASE_PREFILL);
    balance_layer(b, 0, &v, &null_model);
    assert_int_equal(v.n_tokens, 0);
    for (uint16_t i = 0; i < 10; i++)
        add(b, &(uint16_t){i < 6 ? 0 : 1}, PHASE_DECODE);
    balance_layer(b, 0, &v, &null_model);
    assert_int_equal(v.n_tokens, 4);
    assert_true(fabs(v.effective - 1) < 1e-9);
    assert_int_equal(b->counts[0], 0);
    assert_int_equal(b->counts[1], 4);
    balance_free(b);
}

/* Values published for uniform random routing: share of experts never chosen, effective
 * experts, Gini, share of the top 9 %. */
static void the_null_model_equals_the_table(void **state)
{
    (void)state;
    static const struct {
        uint16_t n_experts, k;
        uint32_t n;
        double dead_pct, effective, gini, top_pct, overlap;
    } rows[] = {{128, 8, 20, 27.9, 81.9, .47, 25.9, .5},
            {128, 8, 64, 1.5, 113.1, .27, 18.1, .5}, {256, 6, 20, 62.1, 90.8, .68, 38.2, .14},
            {64, 6, 20, 14.0, 48.4, .38, 22.1, .56}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct telemetry_shape shape = shape_of(1, rows[i].n_experts, rows[i].k);
        struct balance *b = balance_new(&shape, 512);
        struct balance_stats v, null_model;
        uint64_t rng = 3;
        for (uint32_t t = 0; t < rows[i].n; t++)
            add_random(b, &rng);
        balance_layer(b, 0, &v, &null_model);
        assert_true(fabs(100 * null_model.dead / rows[i].n_experts - rows[i].dead_pct) < 1.5);
        assert_true(fabs(null_model.effective / rows[i].effective - 1) < 0.02);
        assert_true(fabs(null_model.gini - rows[i].gini) < 0.02);
        assert_true(fabs(100 * null_model.top_share - rows[i].top_pct) < 2);
        assert_true(fabs(null_model.overlap - rows[i].overlap) < 0.02);
        assert_true(fabs(v.effective / null_model.effective - 1) <
                    0.15); /* chance looks like chance */
        balance_free(b);
    }
}

static void only_a_planted_expert_is_flagged(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(2, 64, 4);
    struct balance *b = balance_new(&shape, 512);
    uint64_t rng = 9;
    int n_flags = 0;
    for (int t = 0; t < 400; t++) {
        uint16_t experts[8];
        for (int i = 0; i < 8; i++)
            experts[i] = (uint16_t)(i % 4 * 16 + rng_next(&rng) % 16);
        if (t % 2)
            experts[0] = 5;
        add(b, experts, PHASE_DECODE);
    }
    assert_int_equal(balance_flag(b, 0, 5), 1);
    for (int l = 0; l < 2; l++)
        for (int e = 0; e < 64; e++)
            n_flags += l == 1 && balance_flag(b, l, e) != 0;
    assert_int_equal(n_flags, 0);
    balance_free(b);
}

static void heat_is_one_at_chance_and_fades(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(1, 16, 2);
    struct balance *b = balance_new(&shape, 64);
    uint64_t rng = 1;
    double sum = 0;
    for (int t = 0; t < 3000; t++) /* long enough for the units to be scaled back */
        add_random(b, &rng);
    for (int e = 0; e < 16; e++)
        sum += (double)balance_heat(b, 0, e) / 16;
    assert_true(fabs(sum - 1) < 1e-3);
    for (int t = 0; t < 64; t++)
        add(b, (uint16_t[]){14, 15}, PHASE_DECODE);
    assert_true(balance_heat(b, 0, 0) < 0.85f && balance_heat(b, 0, 0) > 0.2f);
    assert_true(balance_heat(b, 0, 14) > 3);
    balance_free(b);
}

static void a_record_of_another_shape_changes_nothing(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(1, 4, 1);
    struct balance *b = balance_new(&shape, 4);
    add(b, &(uint16_t){200}, PHASE_DECODE);
    assert_int_equal(b->n_tokens, 0);
    balance_free(b);
}

/* 7 of 8 experts over a whole window: (1/8)^512 is no double. */
static void chance_is_not_flagged_when_most_experts_are_used(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(4, 8, 7);
    struct balance *b = balance_new(&shape, 512);
    uint64_t rng = 3;
    for (int t = 0; t < 600; t++)
        add_random(b, &rng);
    for (int l = 0; l < 4; l++)
        for (int e = 0; e < 8; e++)
            assert_int_equal(balance_flag(b, l, e), 0);
    uint16_t all_but_0[28];
    for (int i = 0; i < 28; i++)
        all_but_0[i] = (uint16_t)(1 + i % 7);
    for (int t = 0; t < 512; t++)
        add(b, all_but_0, PHASE_DECODE);
    assert_int_equal(balance_flag(b, 0, 0), -1);
    assert_int_equal(balance_flag(b, 3, 7), 1);
    balance_free(b);
}

static void a_record_that_names_an_expert_twice_is_survived(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(1, 8, 2);
    struct balance *b = balance_new(&shape, 16);
    for (int t = 0; t < 16; t++)
        add(b, (uint16_t[]){3, 3}, PHASE_DECODE);
    assert_int_equal(balance_flag(b, 0, 3), 1);
    balance_free(b);
}

static void a_copy_stands_still_and_can_go_on(void **state)
{
    (void)state;
    struct telemetry_shape shape = shape_of(2, 16, 2);
    struct balance *b = balance_new(&shape, 8);
    struct balance_stats v, copied, null_model;
    uint64_t rng = 5;
    for (int t = 0; t < 12; t++)
        add_random(b, &rng);
    struct balance *copy = balance_copy(b);
    /* The copy goes on in the same way. */
    add(b, (uint16_t[]){b->last[0], 4, 3, 4}, PHASE_DECODE);
    add(copy, (uint16_t[]){copy->last[0], 4, 3, 4}, PHASE_DECODE);
    balance_layer(b, -1, &v, &null_model);
    balance_layer(copy, -1, &copied, &null_model);
    assert_memory_equal(&v, &copied, sizeof v);
    float heat = balance_heat(b, 1, 3);
    for (int t = 0; t < 50; t++)
        add(b, (uint16_t[]){3, 4, 3, 4}, PHASE_DECODE);
    assert_true(balance_flag(b, 1, 3) == 1 && balance_flag(copy, 1, 3) == 0);
    balance_layer(copy, -1, &copied, &null_model);
    assert_memory_equal(&v, &copied, sizeof v);
    assert_true(balance_heat(copy, 1, 3) == heat);
    balance_free(b);
    balance_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(counts_give_the_known_figures),
            cmocka_unit_test(prefill_is_left_out_and_the_window_forgets),
            cmocka_unit_test(the_null_model_equals_the_table),
            cmocka_unit_test(a_copy_stands_still_and_can_go_on),
            cmocka_unit_test(only_a_planted_expert_is_flagged),
            cmocka_unit_test(heat_is_one_at_chance_and_fades),
            cmocka_unit_test(a_record_of_another_shape_changes_nothing),
            cmocka_unit_test(a_record_that_names_an_expert_twice_is_survived),
            cmocka_unit_test(chance_is_not_flagged_when_most_experts_are_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
