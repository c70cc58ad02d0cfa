/*
 * test_cuda_prefill.cpp - what stands between the products of prefill, against the same in
 * double precision.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern "C" {
#include <cmocka.h>
}

#include "kernels/cuda.h"

#include "tests/helper_device.h"

#define EPS 1e-5f

static void expect_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%g, not %g", got, expected);
}

/* A result of n values, as floats or as halves. */
struct output {
    device_array<float> floats;
    device_array<gk_half> halves;
    bool is_exact;

    output(size_t n, bool exact)
        : floats(std::vector<float>(n, NAN)), halves(std::vector<gk_half>(n)), is_exact(exact)
    {
    }
    void *at() const
    {
        return is_exact ? (void *)floats.at : (void *)halves.at;
    }
    std::vector<float> read() const
    {
        return is_exact ? floats.read() : floats_of(halves.read());
    }
    double tolerance() const
    {
        return is_exact ? 2e-6 : 6e-4;
    }
};

/* Values as floats or as halves. */
struct input {
    device_array<float> floats;
    device_array<gk_half> halves;
    std::vector<float> rounded;
    bool is_exact;

    input(const std::vector<float> &values, bool exact)
        : floats(values), halves(halves_of(values)),
          rounded(exact ? values : floats_of(halves_of(values))), is_exact(exact)
    {
    }
    const void *at() const
    {
        return is_exact ? (void *)floats.at : (void *)halves.at;
    }
    float operator[](size_t i) const
    {
        return rounded[i];
    }
};

static void norm_rows(uint32_t d, bool has_rows, bool has_norm, bool is_exact)
{
    test_numbers numbers = {d};
    std::vector<uint32_t> rows = {2, 0, 2, 3, 1};
    std::vector<float> x = numbers.floats((size_t)5 * d, 3), norm = numbers.floats(d, 2);
    device_array<float> device_x(x), device_norm(norm);
    device_array<uint32_t> device_rows(rows);
    output out((size_t)5 * d, is_exact);
    gk_norm_rows(5, d, device_x.at, has_rows ? device_rows.at : NULL,
            has_norm ? device_norm.at : NULL, EPS, out.at(), is_exact, nullptr);
    std::vector<float> got = out.read();
    for (uint32_t r = 0; r < 5; r++) {
        const float *row = x.data() + (size_t)(has_rows ? rows[r] : r) * d;
        double sum = 0;
        for (uint32_t i = 0; i < d; i++)
            sum += (double)row[i] * row[i];
        double scale = 1 / sqrt(sum / d + (double)EPS);
        for (uint32_t i = 0; i < d; i++)
            expect_near(got[(size_t)r * d + i], has_norm ? row[i] * scale * norm[i] : row[i],
                    out.tolerance());
    }
}

static void rows_are_normed(void **)
{
    for (uint32_t d : {1, 31, 256, 300})
        for (int i = 0; i < 8; i++)
            norm_rows(d, i & 1, i & 2, i & 4);
}

static void silu_of_any_length(void **)
{
    for (size_t n : {1, 255, 256, 1000})
        for (bool is_exact : {false, true}) {
            test_numbers numbers = {(uint32_t)n};
            input gate(numbers.floats(n, 8), is_exact), up(numbers.floats(n, 3), is_exact);
            output out(n, is_exact);
            gk_silu(n, gate.at(), up.at(), out.at(), is_exact, nullptr);
            std::vector<float> got = out.read();
            for (size_t i = 0; i < n; i++)
                expect_near(
                        got[i], gate[i] / (1 + exp(-(double)gate[i])) * up[i], out.tolerance());
        }
}

/* More than a half holds: the largest of them, and what is no number stays none. The infinities
 * are results of products, and -infinity would be one over itself. */
static void silu_beyond_a_half(void **)
{
    input gate({1000, 1000, 1, 1, INFINITY, -INFINITY}, false);
    input up({1000, -1000, NAN, 1, 1, -INFINITY}, false);
    output out(6, false);
    gk_silu(6, gate.at(), up.at(), out.at(), false, nullptr);
    std::vector<float> got = out.read();
    assert_true(got[0] == 65504);
    assert_true(got[1] == -65504);
    assert_true(isnan(got[2]));
    expect_near(got[3], 0.7310586, out.tolerance());
    assert_true(got[4] == 65504);
    assert_true(got[5] == 0);
}

static void bias_is_added(void **)
{
    test_numbers numbers = {1};
    std::vector<float> x = numbers.floats(7 * 100, 2), bias = numbers.floats(100, 2);
    device_array<float> device_x(x), device_bias(bias);
    gk_add_bias(7, 100, device_bias.at, device_x.at, nullptr);
    std::vector<float> got = device_x.read();
    for (size_t i = 0; i < x.size(); i++)
        assert_true(got[i] == x[i] + bias[i % 100]);
}

/* ---- heads ------------------------------------------------------------------------------- */

enum { N = 3, N_HEADS = 6, N_KV_HEADS = 2, N_CELLS = 9 };
static const std::vector<uint32_t> cells = {7, 0, 4};

struct heads_case {
    uint32_t head_dim, n_rot;
    enum rope_kind rope;
    bool has_bias, has_norm, is_norm_whole, is_half;
};

/* Bias, norm and rotation of one kind of heads, as the definition has them. */
static std::vector<double> expect_heads(const struct heads_case &c, const std::vector<float> &x,
        uint32_t n_heads, const std::vector<float> *bias, const std::vector<float> *norm,
        const std::vector<float> *table)
{
    uint32_t dim = c.head_dim, width = n_heads * dim, of_norm = c.is_norm_whole ? width : dim;
    std::vector<double> y(x.begin(), x.end());
    for (size_t i = 0; bias && i < y.size(); i++)
        y[i] += (*bias)[i % width];
    for (size_t first = 0; norm && first < y.size(); first += of_norm) {
        double sum = 0;
        for (size_t i = first; i < first + of_norm; i++)
            sum += y[i] * y[i];
        for (size_t i = first; i < first + of_norm; i++)
            y[i] *= (*norm)[i - first] / sqrt(sum / of_norm + (double)EPS);
    }
    for (size_t head = 0; table && head < y.size() / dim; head++)
        for (uint32_t j = 0; j < c.n_rot / 2; j++) {
            double *v = y.data() + head * dim;
            double *a = c.rope == ROPE_NORM ? v + 2 * j : v + j;
            double *b = c.rope == ROPE_NORM ? a + 1 : a + c.n_rot / 2;
            const float *pair = table->data() + head / n_heads * c.n_rot + 2 * j;
            double was = *a;
            *a = was * pair[0] - *b * pair[1];
            *b = was * pair[1] + *b * pair[0];
        }
    return y;
}

static void expect_cached(const struct heads_case &c, const std::vector<double> &expected,
        const std::vector<float> &cache)
{
    uint32_t width = N_KV_HEADS * c.head_dim;
    for (uint32_t cell = 0; cell < N_CELLS; cell++)
        for (uint32_t i = 0; i < width; i++) {
            double value = 0;
            for (uint32_t t = 0; t < N; t++)
                if (cells[t] == cell)
                    value = expected[(size_t)t * width + i];
            expect_near(cache[(size_t)cell * width + i], value, c.is_half ? 6e-4 : 3e-6);
        }
}

static void heads(const struct heads_case &c)
{
    test_numbers numbers = {c.head_dim + c.n_rot};
    size_t dim = c.head_dim, q_width = N_HEADS * dim, kv_width = N_KV_HEADS * dim;
    std::vector<float> q = numbers.floats(N * q_width, 2), k = numbers.floats(N * kv_width, 2);
    std::vector<float> v = numbers.floats(N * kv_width, 2), bq = numbers.floats(q_width, 1);
    std::vector<float> bk = numbers.floats(kv_width, 1), bv = numbers.floats(kv_width, 1);
    std::vector<float> q_norm = numbers.floats(c.is_norm_whole ? q_width : dim, 2);
    std::vector<float> k_norm = numbers.floats(c.is_norm_whole ? kv_width : dim, 2);
    std::vector<float> table = numbers.floats((size_t)N * c.n_rot, 1);
    device_array<float> dq(q), dk(k), dv(v), dbq(bq), dbk(bk), dbv(bv), dq_norm(q_norm),
            dk_norm(k_norm), dtable(table);
    device_array<uint32_t> dcells(cells);
    output keys(N_CELLS * kv_width, !c.is_half), values(N_CELLS * kv_width, !c.is_half);
    cudaMemset(keys.at(), 0, N_CELLS * kv_width * (c.is_half ? 2 : 4));
    cudaMemset(values.at(), 0, N_CELLS * kv_width * (c.is_half ? 2 : 4));
    struct cuda_step step = {};
    step.n_tokens = N;
    step.rope_table = dtable.at;
    step.cells = dcells.at;
    device_array<struct cuda_step> device_step({step});
    struct cuda_attn_in a = {};
    a.n_heads = N_HEADS;
    a.n_kv_heads = N_KV_HEADS;
    a.head_dim = c.head_dim;
    a.n_rot = c.n_rot;
    a.eps = EPS;
    a.is_norm_whole = c.is_norm_whole;
    a.rope = c.rope;
    if (c.has_bias) {
        a.bq = dbq.at;
        a.bk = dbk.at;
        a.bv = dbv.at;
    }
    if (c.has_norm) {
        a.q_norm = dq_norm.at;
        a.k_norm = dk_norm.at;
    }
    a.kv = {keys.at(), values.at(), c.is_half};
    a.q = dq.at;
    a.k = dk.at;
    a.v = dv.at;
    gk_heads(device_step.at, N, a, nullptr);
    std::vector<double> expected = expect_heads(
            c, q, N_HEADS, c.has_bias ? &bq : NULL, c.has_norm ? &q_norm : NULL, &table);
    std::vector<float> got = dq.read();
    for (size_t i = 0; i < got.size(); i++)
        expect_near(got[i], expected[i], 3e-6);
    expect_cached(c,
            expect_heads(c, k, N_KV_HEADS, c.has_bias ? &bk : NULL, c.has_norm ? &k_norm : NULL,
                    &table),
            keys.read());
    expect_cached(c, expect_heads(c, v, N_KV_HEADS, c.has_bias ? &bv : NULL, NULL, NULL),
            values.read());
}

static void heads_are_finished(void **)
{
    for (uint32_t dim : {8u, 20u, 64u, 128u})
        for (enum rope_kind rope : {ROPE_NORM, ROPE_NEOX})
            for (bool is_half : {false, true}) {
                heads({dim, dim, rope, false, false, false, is_half});
                heads({dim, dim / 4 * 2, rope, true, true, false, is_half});
                heads({dim, dim, rope, true, true, true, is_half});
                heads({dim, 0, rope, true, false, false, is_half});
            }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(rows_are_normed),
            cmocka_unit_test(silu_of_any_length),
            cmocka_unit_test(silu_beyond_a_half),
            cmocka_unit_test(bias_is_added),
            cmocka_unit_test(heads_are_finished),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
