/*
 * test_cuda_gate.cpp - what test_gate.c, which looks at the choice on every backend, does not
 * see: logits of rows that cut a warp's or a block's work, the counters, what the host is told,
 * and the tickets for the next launch.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {
#include <cmocka.h>
}

#include "kernels/cuda.h"

#include "tests/helper_device.h"

static const uint32_t n_layers = 3, layer = 1;
static const float eps = 1e-2f;

static std::vector<unsigned char> packed(
        enum quant quant, uint32_t d, uint32_t n_experts, const std::vector<float> &weights)
{
    std::vector<gk_half> halves = halves_of(weights);
    struct plane_layout layout = plane_layout_of(quant, d, n_experts);
    std::vector<unsigned char> planes(layout.slab_bytes);
    bool is_half = quant == QUANT_F16;
    planes_pack(quant, &layout, is_half ? (const void *)halves.data() : weights.data(),
            d * (is_half ? sizeof(gk_half) : sizeof(float)), d, n_experts, planes.data());
    return planes;
}

/* A gate in device memory, in layer 1 of 3. */
struct test_gate {
    uint32_t n, d, n_experts, n_used;
    size_t n_records = (size_t)n * n_layers;
    std::vector<float> weights, host_x, host_norm;
    device_array<unsigned char> slab;
    device_array<const unsigned char *> slabs{{slab.at}};
    device_array<float> x{host_x}, norm{host_norm};
    device_array<float> logits{std::vector<float>(n * n_experts)};
    device_array<uint32_t> tickets{std::vector<uint32_t>(n)};
    device_array<uint16_t> ids{std::vector<uint16_t>(n_records * n_used)};
    device_array<float> picked{std::vector<float>(n_records * n_used)};
    device_array<uint32_t> counts{std::vector<uint32_t>(n_layers * n_experts)};
    mapped_array<uint16_t> told_ids{n_records * n_used};
    mapped_array<float> told_weights{n_records * n_used}, margins{n_records};
    mapped_array<uint32_t> seq{n_records};
    struct cuda_gate gate;

    test_gate(enum quant quant, uint32_t n_tokens, uint32_t width, uint32_t experts,
            uint32_t used, test_numbers numbers)
        : n(n_tokens), d(width), n_experts(experts), n_used(used),
          weights(numbers.floats(d * experts, 1)), host_x(numbers.floats(n * d, 1)),
          host_norm(numbers.floats(d, 1)), slab(packed(quant, d, experts, weights)),
          gate{layer, d, n_experts, n_used, eps, 1, true, x.at, norm.at,
                  {quant, d, n_experts, 1, plane_layout_of(quant, d, n_experts), slabs.at},
                  logits.at, tickets.at,
                  {ids.at, told_ids.at, picked.at, told_weights.at, margins.at, seq.at,
                          counts.at, n_layers, n_used, n_experts}}
    {
    }
    void run(uint32_t seq_of_run)
    {
        struct cuda_step step = {};
        step.seq = seq_of_run;
        device_array<struct cuda_step> device_step({step});
        gk_gate(device_step.at, n, gate, nullptr);
        cudaDeviceSynchronize();
    }
    double logit(uint32_t t, uint32_t expert) const
    {
        double sum = 0, square = 0;
        for (uint32_t i = 0; i < d; i++) {
            double value = host_x[t * d + i];
            sum += (double)weights[expert * d + i] * host_norm[i] * value;
            square += value * value;
        }
        return sum / sqrt(square / d + eps);
    }
};

/* Twice, so that what one run leaves behind is what the next one needs. */
static void the_gate_counts_what_it_picks(void **)
{
    for (uint32_t n : {1, 9}) {
        const uint32_t n_experts = 21, n_used = 4;
        test_gate g(QUANT_F32, n, 64, n_experts, n_used, {3});
        for (uint32_t run = 1; run <= 2; run++) {
            g.run(run);
            std::vector<uint16_t> chosen = g.told_ids.read();
            std::vector<uint32_t> expected(n_layers * n_experts), stamps = g.seq.read();
            for (size_t i = 0; i < g.n_records; i++) {
                bool is_mine = i % n_layers == layer;
                assert_int_equal(stamps[i], is_mine ? run : 0);
                for (uint32_t slot = 0; slot < n_used && is_mine; slot++)
                    expected[layer * n_experts + chosen[i * n_used + slot]] += run;
            }
            assert_true(g.counts.read() == expected);
            assert_true(g.ids.read() == chosen);
            assert_true(g.picked.read() == g.told_weights.read());
            assert_true(g.tickets.read() == std::vector<uint32_t>(n));
        }
    }
}

static void check_logits(enum quant quant, uint32_t n, uint32_t d)
{
    const uint32_t n_experts = 5;
    test_gate g(quant, n, d, n_experts, 2, {d});
    g.run(1);
    std::vector<float> got = g.logits.read();
    double most = (quant == QUANT_F16 ? 2e-4 : 2e-6) * d;
    for (uint32_t i = 0; i < n * n_experts; i++) {
        double want = g.logit(i / n_experts, i % n_experts);
        if (!(fabs(got[i] - want) <= most))
            fail_msg("%u tokens of %u: logit %u is %.9g, not %.9g", n, d, i, (double)got[i],
                    want);
    }
}

/* 128 lanes take 16 values each at a time, or 32 lanes 8; 2052 is four values more than all. */
static void logits_equal_a_plain_sum(void **)
{
    for (uint32_t n : {1, 2, 5}) {
        for (uint32_t d : {4, 64, 508, 516, 2052, 4640, 1, 30, 1030})
            check_logits(QUANT_F32, n, d);
        check_logits(QUANT_F16, n, 1064);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_gate_counts_what_it_picks),
            cmocka_unit_test(logits_equal_a_plain_sum),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
