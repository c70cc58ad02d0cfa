/* test_gate.c - the choice of experts from known logits on every backend, against a plain one:
 * equals, numbers that are none, one expert and a thousand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base.h"

#include "tests/helper_steps.h"

#define D        32
#define MOST     1024 /* experts */
#define N_TOKENS 19   /* more than the decode kernels take at once */
#define N_LAYERS 3

struct choice {
    uint32_t n_experts, n_used;
    bool is_normalised;
    float scale;
};

struct picks {
    uint16_t ids[N_TOKENS * N_LAYERS * 32];
    float weights[N_TOKENS * N_LAYERS * 32], margins[N_TOKENS * N_LAYERS];
};

/* Runs a gate whose logits are the given ones for even tokens, and negated for odd ones: x is
 * ones or minus ones, and the norm is ones. In layer 1 of 3. */
static void choose_on(struct kernels *k, const struct choice *c, const float *logits,
        uint32_t n_tokens, struct picks *out)
{
    static float weights[MOST * D];
    float x[N_TOKENS * D], ones[D];
    memset(weights, 0, sizeof weights);
    for (uint32_t e = 0; e < c->n_experts; e++)
        weights[e * D] = logits[e];
    for (uint32_t i = 0; i < N_TOKENS * D; i++) {
        x[i] = i / D % 2 ? -1 : 1;
        ones[i % D] = 1;
    }
    kernels_plan(k, &(struct plan_size){.batch_tok = N_TOKENS,
                            .d = D,
                            .n_moe_layers = N_LAYERS,
                            .n_experts = c->n_experts,
                            .n_used = c->n_used});
    kernels_gate(k, &(struct gate_step){1, D, c->n_experts, c->n_used, 0, ones,
                            {QUANT_F32, weights, D, c->n_experts, 1, D * sizeof *weights},
                            c->is_normalised, c->scale});
    assert_int_equal(kernels_ready(k, NULL, NULL), KERNELS_OK);
    kernels_write(k, BUFFER_X, 0, x, N_TOKENS * D);
    assert_int_equal(kernels_run(k, &(struct kernels_batch){.n_tokens = n_tokens,
                                            .ids = out->ids,
                                            .weights = out->weights,
                                            .margins = out->margins}),
            KERNELS_OK);
}

/* Is a before b? */
static bool is_preferred(const double *logits, uint32_t a, uint32_t b)
{
    double x = isnan(logits[a]) ? -HUGE_VAL : logits[a];
    double y = isnan(logits[b]) ? -HUGE_VAL : logits[b];
    if (x != y)
        return x > y;
    return !isnan(logits[a]) == !isnan(logits[b]) ? a < b : isnan(logits[b]);
}

/* How many are before expert e. */
static uint32_t rank_of(const double *logits, uint32_t n, uint32_t e)
{
    uint32_t rank = 0;
    for (uint32_t other = 0; other < n; other++)
        rank += other != e && is_preferred(logits, other, e);
    return rank;
}

struct wanted {
    uint32_t ids[32];
    double weights[32], margin;
};

static struct wanted want(const struct choice *c, const double *logits)
{
    struct wanted w;
    double top = -HUGE_VAL, total = 0, used = 0, rejected = 0;
    for (uint32_t e = 0; e < c->n_experts; e++)
        top = fmax(top, logits[e]);
    for (uint32_t e = 0; e < c->n_experts; e++)
        total += exp(logits[e] - top);
    for (uint32_t e = 0; e < c->n_experts; e++) {
        uint32_t rank = rank_of(logits, c->n_experts, e);
        double p = exp(logits[e] - top) / total;
        if (rank == c->n_used)
            rejected = p;
        if (rank >= c->n_used)
            continue;
        w.ids[rank] = e;
        w.weights[rank] = p;
        used += p;
    }
    w.margin = w.weights[c->n_used - 1] - rejected;
    for (uint32_t i = 0; i < c->n_used; i++)
        w.weights[i] *= c->scale / (c->is_normalised ? used : 1);
    return w;
}

static bool is_near(double got, double wanted)
{
    return isnan(wanted) ? isnan(got) : fabs(got - wanted) < 1e-6;
}

static void compare(const char *name, const struct choice *c, const struct wanted *w,
        const struct picks *p, uint32_t t)
{
    size_t record = t * N_LAYERS + 1;
    for (uint32_t i = 0; i < c->n_used; i++) {
        size_t at = record * c->n_used + i;
        if (p->ids[at] != w->ids[i] || !is_near((double)p->weights[at], w->weights[i]))
            fail_msg("%s, token %u: pick %u of %u is %u with weight %g, not %u with %g", name,
                    t, i, c->n_experts, p->ids[at], (double)p->weights[at], w->ids[i],
                    w->weights[i]);
    }
    if (!is_near((double)p->margins[record], w->margin))
        fail_msg("%s, token %u: margin %g, not %g", name, t, (double)p->margins[record],
                w->margin);
}

static void expect_choice(const struct choice *c, const float *logits)
{
    static const uint32_t n_tokens[] = {1, 3, N_TOKENS};
    static struct picks picks;
    double signed_logits[2][MOST];
    for (uint32_t e = 0; e < c->n_experts; e++) {
        signed_logits[0][e] = (double)logits[e];
        signed_logits[1][e] = -(double)logits[e];
    }
    struct wanted wanted[2] = {want(c, signed_logits[0]), want(c, signed_logits[1])};
    for (size_t b = 0; b < n_step_backends; b++)
        for (size_t i = 0; i < ARRAY_LEN(n_tokens); i++) {
            struct kernels *k = step_backends[b].open(true);
            if (!k)
                continue;
            choose_on(k, c, logits, n_tokens[i], &picks);
            for (uint32_t t = 0; t < n_tokens[i]; t++)
                compare(step_backends[b].name, c, &wanted[t % 2], &picks, t);
            kernels_close(k);
        }
}

enum { FEW = 3, MANY = 5 };
static const struct choice choices[] = {{1, 1, true, 1}, {2, 1, false, 3},
        {7, 7, true, 1}, [FEW] = {33, 5, false, 1},
        {64, 8, true, 2.5f}, [MANY] = {1024, 32, true, 1}};

static void the_largest_are_chosen(void **state)
{
    (void)state;
    float logits[MOST];
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        for (int e = 0; e < MOST; e++)
            logits[e] = (float)(e * 389 % MOST) / 100;
        expect_choice(&choices[i], logits);
    }
}

static void the_lower_index_is_first_among_equals(void **state)
{
    (void)state;
    float logits[MOST];
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        for (int e = 0; e < MOST; e++)
            logits[e] = (float)(e * 389 % (i % 2 ? 3 : 1)) / 2; /* 0 and -0 are equal */
        expect_choice(&choices[i], logits);
    }
}

/* Their probabilities round to equal ones. */
static void the_larger_logit_is_first_however_little(void **state)
{
    (void)state;
    float logits[MOST] = {40};
    for (int e = 1; e < MOST; e++)
        logits[e] = 1e-3f + (float)e * 1e-9f;
    expect_choice(&choices[FEW], logits);
    expect_choice(&choices[MANY], logits);
}

static void what_is_no_number_is_last(void **state)
{
    (void)state;
    static const float strange[][2] = {
            {NAN, 1}, {-INFINITY, 1}, {-INFINITY, NAN}, {NAN, NAN}, {-INFINITY, -INFINITY}};
    float logits[MOST];
    for (size_t s = 0; s < ARRAY_LEN(strange); s++) {
        for (int e = 0; e < MOST; e++)
            logits[e] = strange[s][e % 3 == 1] * (e % 7 == 2 ? 2 : 1);
        expect_choice(&choices[s == 0 ? MANY : FEW], logits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_largest_are_chosen),
            cmocka_unit_test(the_lower_index_is_first_among_equals),
            cmocka_unit_test(the_larger_logit_is_first_however_little),
            cmocka_unit_test(what_is_no_number_is_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
