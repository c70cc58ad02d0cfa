/*
 * test_cuda_gate.cpp - what a gate leaves besides its choice, which test_gate.c looks at on
 * every backend: the counters, what the host is told, and the tickets for the next launch.
 */
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
            cmocka_unit_test(the_gate_counts_what_it_picks),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
