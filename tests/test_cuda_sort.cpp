/*
 * test_cuda_sort.cpp - what prefill does with the picks: (token, slot) pairs sorted by expert
 * and back.
 */
#include <algorithm>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include <cmocka.h>
}

#include "kernels/cuda.h"

#include "tests/helper_device.h"

static const uint32_t n_layers = 3, layer = 1;

struct shape {
    uint32_t n_tokens, n_used, n_experts;
};

/* Picks of all layers; those of the one that is looked at are below n_chosen. */
static std::vector<uint16_t> picks_of(const struct shape &s, uint32_t n_chosen)
{
    test_numbers numbers = {s.n_tokens};
    std::vector<uint16_t> ids((size_t)s.n_tokens * n_layers * s.n_used);
    for (size_t i = 0; i < ids.size(); i++)
        ids[i] = (uint16_t)numbers.below(
                i / s.n_used % n_layers == layer ? n_chosen : s.n_experts);
    return ids;
}

/* A pair's pick, and all pairs in the order in which they should lie. */
struct expected {
    std::vector<uint32_t> experts, order;
};

static struct expected expect_pairs(const struct shape &s, const std::vector<uint16_t> &ids)
{
    struct expected e;
    for (uint32_t p = 0; p < s.n_tokens * s.n_used; p++) {
        size_t record = (size_t)(p / s.n_used) * n_layers + layer;
        e.experts.push_back(ids[record * s.n_used + p % s.n_used]);
        e.order.push_back(p);
    }
    std::stable_sort(e.order.begin(), e.order.end(),
            [&e](uint32_t a, uint32_t b) { return e.experts[a] < e.experts[b]; });
    return e;
}

static void check_sort(const struct shape &s, uint32_t n_chosen)
{
    std::vector<uint16_t> ids = picks_of(s, n_chosen);
    uint32_t n_pairs = s.n_tokens * s.n_used;
    device_array<uint16_t> device_ids(ids);
    device_array<uint32_t> first(std::vector<uint32_t>(s.n_experts + 1)),
            token{std::vector<uint32_t>(n_pairs)}, place{std::vector<uint32_t>(n_pairs)};
    struct cuda_routes routes = {};
    routes.ids = device_ids.at;
    routes.n_moe_layers = n_layers;
    routes.n_used = s.n_used;
    routes.n_experts = s.n_experts;
    gk_sort_pairs(s.n_tokens, layer, routes, {first.at, token.at, place.at}, nullptr);
    struct expected e = expect_pairs(s, ids);
    std::vector<uint32_t> tokens = token.read(), places = place.read(), firsts = first.read();
    for (uint32_t i = 0; i < n_pairs; i++) {
        assert_int_equal(tokens[i], e.order[i] / s.n_used);
        assert_int_equal(places[e.order[i]], i);
    }
    for (uint32_t expert = 0; expert <= s.n_experts; expert++)
        assert_int_equal(firsts[expert], std::count_if(e.experts.begin(), e.experts.end(),
                                                 [=](uint32_t x) { return x < expert; }));
}

static const struct shape shapes[] = {
        {1, 1, 1}, {7, 3, 8}, {70, 8, 128}, {33, 32, 40}, {130, 2, 1024}, {129, 1, 33}};

static void pairs_are_sorted_by_expert(void **)
{
    for (const struct shape &s : shapes)
        check_sort(s, s.n_experts);
}

static void experts_may_have_no_pairs_or_all(void **)
{
    for (const struct shape &s : shapes) {
        check_sort(s, 1);
        check_sort(s, (s.n_experts + 3) / 4);
    }
}

static void a_token_adds_its_rows_in_the_order_of_slots(void **)
{
    const uint32_t n = 5, n_used = 3, d = 300;
    test_numbers numbers = {1};
    std::vector<float> weights = numbers.floats(n * n_layers * n_used, 1),
                       rows = numbers.floats(n * n_used * d, 1), x = numbers.floats(n * d, 1);
    std::vector<uint32_t> places(n * n_used);
    for (uint32_t p = 0; p < n * n_used; p++)
        places[p] = p * 7 % (n * n_used);
    device_array<float> device_weights(weights), device_rows(rows), device_x(x);
    device_array<uint32_t> place(places);
    struct cuda_routes routes = {};
    routes.weights = device_weights.at;
    routes.n_moe_layers = n_layers;
    routes.n_used = n_used;
    gk_unsort_add(n, d, layer, routes, {nullptr, nullptr, place.at}, device_rows.at,
            device_x.at, true, nullptr);
    std::vector<float> got = device_x.read();
    for (uint32_t i = 0; i < n * d; i++) {
        float sum = 0;
        for (uint32_t slot = 0; slot < n_used; slot++)
            sum += weights[(i / d * n_layers + layer) * n_used + slot] *
                   rows[places[i / d * n_used + slot] * d + i % d];
        assert_true(got[i] == x[i] + sum); /* no bit depends on the order of blocks */
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pairs_are_sorted_by_expert),
            cmocka_unit_test(experts_may_have_no_pairs_or_all),
            cmocka_unit_test(a_token_adds_its_rows_in_the_order_of_slots),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
