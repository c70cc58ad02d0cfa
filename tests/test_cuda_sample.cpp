/*
 * test_cuda_sample.cpp - the draw of a token on a device from vocabularies that no list in
 * shared memory holds, against a sort in double precision. What every backend draws is in
 * test_sample.c.
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

/* Sums nearer to a cut than this may fall on its other side. */
#define UNSURE 3e-6

struct expected {
    uint32_t token;
    bool is_unsure;
};

struct candidate {
    uint32_t token;
    double p;
};

/* The candidates of top-k, the largest first, p relative to it. */
static std::vector<candidate> sorted(
        const std::vector<float> &logits, const struct cuda_sample_params &p)
{
    std::vector<candidate> all(logits.size());
    for (uint32_t i = 0; i < all.size(); i++)
        all[i] = {i, logits[i] < INFINITY ? logits[i] : -INFINITY};
    std::stable_sort(all.begin(), all.end(),
            [](const candidate &a, const candidate &b) { return a.p > b.p; });
    if (p.top_k > 0 && p.top_k < all.size())
        all.resize(p.top_k);
    for (size_t i = all.size(); i-- > 0;)
        all[i].p = exp((all[i].p - all[0].p) / p.temperature);
    return all;
}

static struct expected expect_draw(
        const std::vector<float> &logits, const struct cuda_sample_params &p)
{
    std::vector<candidate> all = sorted(logits, p);
    double total = 0, kept = 0, sum = 0;
    size_t n = 0;
    struct expected e = {0, false};
    for (const candidate &c : all)
        total += c.p;
    while (n < all.size() && (n == 0 || (kept < p.top_p * total && all[n].p >= p.min_p))) {
        kept += all[n++].p;
        e.is_unsure |= p.top_p < 1 && fabs(kept - p.top_p * total) < UNSURE * total;
    }
    for (size_t i = 0; i < n; i++) {
        sum += all[i].p;
        e.is_unsure |= fabs(sum - p.uniform * kept) < UNSURE * kept;
        e.token = all[i].token;
        if (sum > p.uniform * kept)
            break;
    }
    return e;
}

static std::vector<struct sample> draw(
        const std::vector<float> &logits, const std::vector<struct cuda_sample_params> &params)
{
    uint32_t n = (uint32_t)params.size();
    std::vector<float> rows;
    for (uint32_t i = 0; i < n; i++)
        rows.insert(rows.end(), logits.begin(), logits.end());
    device_array<float> device_rows(rows), scratch{std::vector<float>(rows.size())};
    device_array<struct cuda_sample_params> device_params(params);
    mapped_array<struct sample> told(n);
    mapped_array<uint32_t> seq(n);
    struct cuda_step step = {};
    step.n_rows = n;
    step.seq = 3;
    step.params = device_params.at;
    device_array<struct cuda_step> device_step({step});
    gk_sample(device_step.at, n,
            {(uint32_t)logits.size(), device_rows.at, scratch.at, told.at, seq.at}, nullptr);
    std::vector<struct sample> samples = told.read();
    assert_true(seq.read() == std::vector<uint32_t>(n, 3));
    return samples;
}

/* Draws once with each of params; several that are unsure would be a test of nothing. */
static void check(
        const std::vector<float> &logits, const std::vector<struct cuda_sample_params> &params)
{
    std::vector<struct sample> samples = draw(logits, params);
    size_t n_unsure = 0;
    for (size_t i = 0; i < params.size(); i++) {
        struct expected e = expect_draw(logits, params[i]);
        n_unsure += e.is_unsure;
        if (!e.is_unsure && samples[i].token != (int32_t)e.token)
            fail_msg("of %zu, top_k %u, top_p %g, min_p %g, number %g: token %d, not %u",
                    logits.size(), params[i].top_k, params[i].top_p, params[i].min_p,
                    params[i].uniform, samples[i].token, e.token);
    }
    assert_true(2 * n_unsure < params.size());
}

static struct cuda_sample_params cut(uint32_t top_k, float top_p, float min_p, float uniform)
{
    struct cuda_sample_params p = {};
    p.temperature = 0.8f;
    p.top_k = top_k;
    p.top_p = top_p;
    p.min_p = min_p;
    p.uniform = uniform;
    return p;
}

static const std::vector<struct cuda_sample_params> cuts = {cut(0, 1, 0, 0.37f),
        cut(0, 0.9f, 0, 0.99f), cut(0, 0, 0, 0.5f), cut(0, 0.95f, 0.02f, 0.8f),
        cut(0, 1, 0.1f, 0.6f), cut(257, 1, 0, 0.93f), cut(1000, 0.5f, 0, 0.71f),
        cut(256, 0.99f, 0, 0.985f), cut(40, 0.9f, 0.01f, 0.45f), cut(1, 1, 0, 0.9999999f),
        cut(1u << 20, 1, 0, 0.123f)};

/* One of each kind: a thousand fibers a row are slow. */
static const std::vector<struct cuda_sample_params> few_cuts = {
        cuts[1], cuts[2], cuts[3], cuts[6], cuts[7], cuts[8]};

static void any_vocabulary(void **)
{
    test_numbers numbers = {1};
    for (uint32_t n : {1, 2, 33, 256, 257})
        check(numbers.floats(n, 6), cuts);
    check(numbers.floats(2500, 6), few_cuts);
}

static void a_large_vocabulary(void **)
{
    test_numbers numbers = {2};
    check(numbers.floats(150001, 9), {cuts[1]});
}

static void flat_distributions(void **)
{
    test_numbers numbers = {3};
    std::vector<float> logits = numbers.floats(401, 1e-3f);
    check(logits, few_cuts);
    for (float &logit : logits)
        logit *= 0; /* zeros of both signs are equal */
    check(logits, few_cuts);
    logits = numbers.floats(500, 3);
    for (float &logit : logits)
        logit = rintf(logit);
    check(logits, few_cuts);
}

static void what_is_no_number_is_never_drawn(void **)
{
    test_numbers numbers = {4};
    std::vector<float> logits = numbers.floats(511, 4);
    for (size_t i = 0; i < logits.size(); i++)
        if (i % 3)
            logits[i] = i % 9 == 1 ? NAN : i % 9 == 2 ? INFINITY : -INFINITY;
    check(logits, few_cuts);
}

static void nothing_but_no_numbers_draws_token_0(void **)
{
    for (const struct sample &sample : draw(std::vector<float>(300, NAN), few_cuts)) {
        assert_int_equal(sample.token, 0);
        assert_int_equal(sample.n_top, 0);
    }
}

static void recent_tokens_are_penalised(void **)
{
    test_numbers numbers = {5};
    std::vector<float> logits = numbers.floats(500, 2), penalised = logits;
    std::vector<int32_t> recent;
    for (int i = 0; i < 600; i++)
        recent.push_back((int32_t)(i % 3 ? numbers.below(500) : numbers.below(20)));
    recent.push_back(-1);
    recent.push_back(500);
    device_array<int32_t> device_recent(recent);
    std::vector<struct cuda_sample_params> params = few_cuts;
    for (struct cuda_sample_params &p : params) {
        p.presence_penalty = 0.5f;
        p.frequency_penalty = 0.25f;
        p.recent = device_recent.at;
        p.n_recent = (uint32_t)recent.size();
    }
    for (int32_t token = 0; token < 500; token++) {
        float count = (float)std::count(recent.begin(), recent.end(), token);
        penalised[(size_t)token] -= count > 0 ? 0.5f + 0.25f * count : 0;
    }
    std::vector<struct sample> samples = draw(logits, params);
    for (size_t i = 0; i < params.size(); i++) {
        struct expected e = expect_draw(penalised, params[i]);
        assert_false(e.is_unsure);
        assert_int_equal(samples[i].token, e.token);
    }
}

/* All of the largest are seen by the same few threads, so that what each saw as its largest
 * says little about the others. */
static void the_largest_lie_together(void **)
{
    std::vector<float> logits(9000);
    for (uint32_t i = 0; i < logits.size(); i++)
        logits[i] = i % 1024 < 200 ? 10 - (float)(i % 1024) * 1e-3f - (float)i * 1e-7f : 0;
    check(logits, few_cuts);
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(any_vocabulary),
            cmocka_unit_test(a_large_vocabulary),
            cmocka_unit_test(flat_distributions),
            cmocka_unit_test(what_is_no_number_is_never_drawn),
            cmocka_unit_test(nothing_but_no_numbers_draws_token_0),
            cmocka_unit_test(recent_tokens_are_penalised),
            cmocka_unit_test(the_largest_lie_together),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
