/*
 * test_steps.c - every step of the contract on every backend against the scalar CPU: all types
 * of weights, sizes that no vector and no tile divides, batches from one token to more than a
 * tile, exact and with 8-bit activations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/base.h"

#include "tests/helper_steps.h"

#define EPS 1e-5f

/* Widths that a type can have: no multiple of anything larger than its block. */
static uint32_t width_of(enum quant quant, uint32_t n_blocks)
{
    uint32_t block = quant_traits[quant].block_elems;
    return block == 1 ? 22 * n_blocks - 1 : block * n_blocks;
}

static struct step_plan plan_of(uint32_t d)
{
    return (struct step_plan){.size = {.batch_tok = STEPS_MOST_TOK, .d = d}};
}

static void check(const char *what, enum quant quant, const struct step_plan *plan)
{
    char name[128];
    snprintf(name, sizeof name, "%s %s", what, quant_traits[quant].name);
    steps_compare(name, plan, true);
    steps_compare(name, plan, false);
}

static void check_embed(enum quant quant)
{
    struct random_source r = {.rng = 1};
    struct step_plan plan = plan_of(width_of(quant, 3));
    struct embed_step step = {random_weight(&r, quant, plan.size.d, 37, 1)};
    plan.size.n_vocab = 37;
    plan.embed = &step;
    check("embed", quant, &plan);
    random_release(&r);
}

struct attention {
    uint32_t n_heads, n_kv_heads, head_dim, n_rot, n_cells;
};

static void set_attention(struct plan_size *size, const struct attention *a)
{
    size->n_layers = 3;
    size->n_heads = a->n_heads;
    size->n_kv_heads = a->n_kv_heads;
    size->head_dim = a->head_dim;
    size->n_rot = a->n_rot;
    size->n_cells = a->n_cells;
}

enum { WITH_BIAS = 1, WITH_NORM = 2, WITH_WHOLE_NORM = 4, WITH_NEOX = 8 };

/* The three matrices may be of different types. */
static void check_attn_in(
        enum quant quant, enum quant k, enum quant v, const struct attention *a, unsigned with)
{
    struct random_source r = {.rng = 2};
    struct step_plan plan = plan_of(width_of(quant, 1));
    uint32_t d = plan.size.d, q = a->n_heads * a->head_dim, kv = a->n_kv_heads * a->head_dim;
    bool is_whole = with & WITH_WHOLE_NORM;
    struct attn_in_step step = {1, d, a->n_heads, a->n_kv_heads, a->head_dim, a->n_rot, EPS,
            random_values(&r, d, 1, 0.3f), random_weight(&r, quant, d, q, 1),
            random_weight(&r, k, d, kv, 1), random_weight(&r, v, d, kv, 1),
            .is_norm_whole = is_whole, .rope = with & WITH_NEOX ? ROPE_NEOX : ROPE_NORM};
    if (with & WITH_BIAS) {
        step.bq = random_values(&r, q, 0, 1);
        step.bk = random_values(&r, kv, 0, 1);
        step.bv = random_values(&r, kv, 0, 1);
    }
    if (with & (WITH_NORM | WITH_WHOLE_NORM)) {
        step.q_norm = random_values(&r, is_whole ? q : a->head_dim, 1, 0.3f);
        step.k_norm = random_values(&r, is_whole ? kv : a->head_dim, 1, 0.3f);
    }
    set_attention(&plan.size, a);
    plan.attn_in = &step;
    char what[64];
    snprintf(what, sizeof what, "attn_in %u/%u x %u of %u, with %u,", a->n_heads, a->n_kv_heads,
            a->head_dim, a->n_rot, with);
    check(what, quant, &plan);
    random_release(&r);
}

static void check_attend(enum quant quant, const struct attention *a, bool has_bias)
{
    struct random_source r = {.rng = 3};
    struct step_plan plan = plan_of(41);
    uint32_t q = a->n_heads * a->head_dim;
    struct attend_step step = {1, 41, a->n_heads, a->n_kv_heads, a->head_dim, 0.3f,
            random_weight(&r, quant, q, 41, 1), has_bias ? random_values(&r, 41, 0, 1) : NULL};
    set_attention(&plan.size, a);
    plan.attend = &step;
    char what[64];
    snprintf(what, sizeof what, "attend %u/%u x %u, %u cells,", a->n_heads, a->n_kv_heads,
            a->head_dim, a->n_cells);
    check(what, quant, &plan);
    random_release(&r);
}

/* The second and third matrix may be of another type than the first. */
static void check_ffn(enum quant quant, enum quant up, enum quant down)
{
    struct random_source r = {.rng = 4};
    uint32_t d = width_of(quant, 2), ff = width_of(down, 3);
    struct step_plan plan = plan_of(d);
    struct ffn_step step = {d, ff, EPS, random_values(&r, d, 1, 0.3f),
            random_weight(&r, quant, d, ff, 1), random_weight(&r, up, d, ff, 1),
            random_weight(&r, down, ff, d, 1)};
    plan.ffn = &step;
    check("ffn", quant, &plan);
    random_release(&r);
}

struct choice {
    uint32_t n_experts, n_used;
    bool is_normalised;
    float scale;
};

/* n_blocks 0: the gate alone. */
static void check_experts(enum quant gate, enum quant quant, const struct choice *c,
        uint32_t d_blocks, uint32_t ff_blocks)
{
    struct random_source r = {.rng = 5};
    enum quant wider =
            quant_traits[gate].block_elems > quant_traits[quant].block_elems ? gate : quant;
    uint32_t d = width_of(wider, d_blocks), ff = width_of(quant, ff_blocks ? ff_blocks : 1),
             n = c->n_experts;
    struct step_plan plan = plan_of(d);
    struct gate_step gate_step = {1, d, n, c->n_used, EPS, random_values(&r, d, 1, 0.3f),
            random_weight(&r, gate, d, n, 1), c->is_normalised, c->scale};
    struct experts_step experts = {1, d, ff, n, c->n_used, random_weight(&r, quant, d, ff, n),
            random_weight(&r, quant, d, ff, n), random_weight(&r, quant, ff, d, n)};
    plan.size.n_moe_layers = 2;
    plan.size.n_experts = n;
    plan.size.n_used = c->n_used;
    plan.gate = &gate_step;
    plan.experts = ff_blocks ? &experts : NULL;
    char what[64];
    snprintf(what, sizeof what, "%s %u of %u,", ff_blocks ? "experts" : "gate", c->n_used, n);
    check(what, ff_blocks ? quant : gate, &plan);
    random_release(&r);
}

static void check_logits(enum quant quant)
{
    struct random_source r = {.rng = 6};
    uint32_t d = width_of(quant, 3);
    struct step_plan plan = plan_of(d);
    struct logits_step step = {
            d, 101, EPS, random_values(&r, d, 1, 0.3f), random_weight(&r, quant, d, 101, 1)};
    plan.size.n_vocab = 101;
    plan.logits = &step;
    check("logits", quant, &plan);
    random_release(&r);
}

static void rows_of_every_type_are_embedded(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++)
        check_embed((enum quant)q);
}

static void queries_and_keys_of_every_type(void **state)
{
    (void)state;
    static const struct attention a = {4, 2, 16, 16, STEPS_MOST_TOK + 4};
    for (int q = 0; q < QUANT_COUNT; q++)
        check_attn_in((enum quant)q, (enum quant)q, (enum quant)q, &a, WITH_NORM | WITH_NEOX);
    check_attn_in(QUANT_Q4_K, QUANT_F16, QUANT_Q6_K, &a, WITH_WHOLE_NORM);
}

static void queries_and_keys_of_every_shape(void **state)
{
    (void)state;
    static const struct attention shapes[] = {
            {4, 2, 8, 8, 40}, {3, 3, 80, 40, 40}, {8, 1, 64, 64, 40}, {2, 2, 128, 128, 40}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        for (unsigned with = 0; with < 16; with++)
            if (!(with & WITH_NORM) || !(with & WITH_WHOLE_NORM))
                check_attn_in(QUANT_Q8_0, QUANT_Q8_0, QUANT_Q8_0, &shapes[i], with);
}

static void attention_of_every_type(void **state)
{
    (void)state;
    static const struct attention a = {4, 2, 64, 64, 45};
    for (int q = 0; q < QUANT_COUNT; q++)
        check_attend((enum quant)q, &a, q % 2);
}

static void attention_of_every_shape(void **state)
{
    (void)state;
    static const struct attention shapes[] = {{4, 2, 8, 8, 700}, {3, 3, 80, 40, 301},
            {8, 1, 64, 64, 300}, {16, 2, 128, 128, 130}, {2, 2, 16, 16, STEPS_MOST_TOK},
            {7, 1, 20, 20, 70}, {12, 1, 24, 24, 60}, {17, 1, 16, 16, 50}, {3, 1, 112, 112, 60},
            {2, 1, 192, 192, 50}, {2, 1, 256, 256, 50}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        check_attend(QUANT_F16, &shapes[i], true);
}

static void dense_layers_of_every_type(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++)
        check_ffn((enum quant)q, (enum quant)q, (enum quant)q);
    check_ffn(QUANT_Q4_K, QUANT_Q6_K, QUANT_F32);
    check_ffn(QUANT_Q4_0, QUANT_F16, QUANT_Q8_0);
}

static void choices_of_every_kind(void **state)
{
    (void)state;
    static const struct choice choices[] = {{8, 2, true, 1}, {8, 8, false, 1},
            {60, 4, false, 2.5f}, {128, 8, true, 1}, {2, 1, true, 0.5f}};
    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        check_experts(QUANT_F32, QUANT_F32, &choices[i], 5, 0);
    for (int q = 0; q < QUANT_COUNT; q++)
        check_experts((enum quant)q, QUANT_F32, &choices[0], 1, 0);
}

static void experts_of_every_type(void **state)
{
    (void)state;
    static const struct choice few = {5, 2, true, 1}, many = {61, 7, false, 1.5f},
                               most = {40, 21, true, 1};
    for (int q = 0; q < QUANT_COUNT; q++)
        check_experts(QUANT_F32, (enum quant)q, &few, 1, 2);
    check_experts(QUANT_F32, QUANT_Q4_0, &many, 2, 3);
    check_experts(QUANT_F32, QUANT_BF16, &most, 2, 3);
}

static void logits_of_every_type(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++)
        check_logits((enum quant)q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(rows_of_every_type_are_embedded),
            cmocka_unit_test(queries_and_keys_of_every_type),
            cmocka_unit_test(queries_and_keys_of_every_shape),
            cmocka_unit_test(attention_of_every_type),
            cmocka_unit_test(attention_of_every_shape),
            cmocka_unit_test(dense_layers_of_every_type),
            cmocka_unit_test(choices_of_every_kind),
            cmocka_unit_test(experts_of_every_type),
            cmocka_unit_test(logits_of_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
