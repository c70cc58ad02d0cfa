/*
 * test_cuda_sort.cpp - what prefill does with the picks: (token, slot) pairs sorted by expert
 * and back; and that the gate counts what it picks.
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
            device_x.at, nullptr);
    std::vector<float> got = device_x.read();
    for (uint32_t i = 0; i < n * d; i++) {
        float sum = 0;
        for (uint32_t slot = 0; slot < n_used; slot++)
            sum += weights[(i / d * n_layers + layer) * n_used + slot] *
                   rows[places[i / d * n_used + slot] * d + i % d];
        assert_true(got[i] == x[i] + sum); /* no bit depends on the order of blocks */
    }
}

/* Twice, so that what one run leaves behind is what the next one needs. */
static void the_gate_counts_what_it_picks(void **)
{
    const uint32_t n = 9, d = 64, n_experts = 21, n_used = 4;
    test_numbers numbers = {3};
    std::vector<float> weights = numbers.floats(d * n_experts, 1);
    struct plane_layout layout = plane_layout_of(QUANT_F32, d, n_experts);
    std::vector<unsigned char> planes(layout.slab_bytes);
    planes_pack(
            QUANT_F32, &layout, weights.data(), d * sizeof(float), d, n_experts, planes.data());
    device_array<unsigned char> slab(planes);
    device_array<const unsigned char *> slabs({slab.at});
    device_array<float> x(numbers.floats(n * d, 1)), norm(std::vector<float>(d, 1)),
            logits(std::vector<float>(n * n_experts));
    device_array<uint32_t> tickets((std::vector<uint32_t>(n)));
    size_t n_records = (size_t)n * n_layers;
    device_array<uint16_t> ids{std::vector<uint16_t>(n_records * n_used)};
    device_array<float> picked{std::vector<float>(n_records * n_used)};
    device_array<uint32_t> counts{std::vector<uint32_t>(n_layers * n_experts)};
    mapped_array<uint16_t> told_ids(n_records * n_used);
    mapped_array<float> told_weights(n_records * n_used), margins(n_records);
    mapped_array<uint32_t> seq(n_records);
    struct cuda_gate g = {layer, d, n_experts, n_used, 1e-6f, 1, true, x.at, norm.at,
            {QUANT_F32, d, n_experts, 1, layout, slabs.at}, logits.at, tickets.at,
            {ids.at, told_ids.at, picked.at, told_weights.at, margins.at, seq.at, counts.at,
                    n_layers, n_used, n_experts}};
    for (uint32_t run = 1; run <= 2; run++) {
        struct cuda_step step = {};
        step.seq = run;
        device_array<struct cuda_step> device_step({step});
        gk_gate(device_step.at, n, g, nullptr);
        std::vector<uint16_t> chosen = told_ids.read();
        std::vector<uint32_t> expected(n_layers * n_experts), stamps = seq.read();
        for (size_t i = 0; i < n_records; i++) {
            bool is_mine = i % n_layers == layer;
            assert_int_equal(stamps[i], is_mine ? run : 0);
            for (uint32_t slot = 0; slot < n_used && is_mine; slot++)
                expected[layer * n_experts + chosen[i * n_used + slot]] += run;
        }
        assert_true(counts.read() == expected);
        assert_true(ids.read() == chosen);
        assert_true(picked.read() == told_weights.read());
        assert_true(tickets.read() == std::vector<uint32_t>(n));
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pairs_are_sorted_by_expert),
            cmocka_unit_test(experts_may_have_no_pairs_or_all),
            cmocka_unit_test(a_token_adds_its_rows_in_the_order_of_slots),
            cmocka_unit_test(the_gate_counts_what_it_picks),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
