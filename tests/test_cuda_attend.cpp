/*
 * test_cuda_attend.cpp - attention of the CUDA backend against its definition in double
 * precision: every size of head and group, any cut of the cells, several sequences in a batch.
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

#include "tests/cudaemu/gkemu.h"
#include "tests/helper_device.h"

/* A run of tokens: the last n_new of a sequence. */
struct sequence {
    uint32_t n_before, n_new;
};

struct shape {
    uint32_t n_kv_heads, group, head_dim;
    bool is_half;
    float size; /* of q and keys: the larger, the fewer cells count */
};

/* A batch on host and device. Cells are numbered out of order, some belong to nobody. */
struct batch {
    struct shape shape;
    uint32_t n = 0, n_cells = 0;
    std::vector<uint32_t> visible, first, count;
    std::vector<float> q, keys, values;

    batch(const struct shape &s, const std::vector<sequence> &sequences) : shape(s)
    {
        for (const struct sequence &sequence : sequences)
            add(sequence);
        test_numbers numbers = {s.head_dim + 100 * s.group + n};
        n_cells = (uint32_t)visible.size() + 9;
        shuffle_cells(numbers);
        q = numbers.floats((size_t)n * n_heads() * s.head_dim, s.size);
        keys = numbers.floats((size_t)n_cells * s.n_kv_heads * s.head_dim, s.size);
        values = numbers.floats(keys.size(), 1);
        if (s.is_half) {
            keys = floats_of(halves_of(keys));
            values = floats_of(halves_of(values));
        }
    }
    uint32_t n_heads() const
    {
        return shape.n_kv_heads * shape.group;
    }
    void add(const struct sequence &s)
    {
        uint32_t at = (uint32_t)visible.size();
        for (uint32_t i = 0; i < s.n_new; i++) {
            first.push_back(at);
            count.push_back(s.n_before + i + 1);
        }
        visible.resize(at + s.n_before + s.n_new);
        n += s.n_new;
    }
    void shuffle_cells(test_numbers &numbers)
    {
        std::vector<uint32_t> cells(n_cells);
        for (uint32_t i = 0; i < n_cells; i++) {
            uint32_t j = numbers.below(i + 1);
            cells[i] = cells[j];
            cells[j] = i;
        }
        visible.assign(cells.begin(), cells.begin() + (ptrdiff_t)visible.size());
    }
    float scale() const
    {
        return 1 / sqrtf((float)shape.head_dim);
    }
};

/* Of one token's head. */
static void expect_head(const batch &b, uint32_t t, uint32_t head, double *out)
{
    uint32_t dim = b.shape.head_dim, kv_head = head / b.shape.group;
    const float *q = b.q.data() + ((size_t)t * b.n_heads() + head) * dim;
    std::vector<double> scores(b.count[t]);
    double top = -INFINITY, total = 0;
    for (uint32_t c = 0; c < b.count[t]; c++) {
        size_t at = ((size_t)b.visible[b.first[t] + c] * b.shape.n_kv_heads + kv_head) * dim;
        for (uint32_t i = 0; i < dim; i++)
            scores[c] += (double)q[i] * b.keys[at + i] * b.scale();
        top = fmax(top, scores[c]);
    }
    for (double &score : scores)
        total += score = exp(score - top);
    for (uint32_t i = 0; i < dim; i++)
        out[i] = 0;
    for (uint32_t c = 0; c < b.count[t]; c++) {
        size_t at = ((size_t)b.visible[b.first[t] + c] * b.shape.n_kv_heads + kv_head) * dim;
        for (uint32_t i = 0; i < dim; i++)
            out[i] += scores[c] / total * b.values[at + i];
    }
}

enum kernel { DECODE, PREFILL };

static std::vector<float> run(const batch &b, enum kernel kernel, uint32_t n_split_max)
{
    device_array<uint32_t> visible(b.visible), first(b.first), count(b.count);
    struct cuda_step step = {};
    step.n_tokens = b.n;
    step.visible = visible.at;
    step.first = first.at;
    step.count = count.at;
    device_array<struct cuda_step> device_step({step});
    device_array<float> keys(b.keys), values(b.values), q(b.q);
    device_array<gk_half> half_keys(halves_of(b.keys)), half_values(halves_of(b.values));
    size_t n_rows = (size_t)b.n * b.n_heads();
    device_array<float> out(std::vector<float>(b.q.size(), NAN));
    device_array<float> parts(
            std::vector<float>(n_rows * n_split_max * (b.shape.head_dim + 2), NAN));
    device_array<uint32_t> tickets(std::vector<uint32_t>((size_t)b.n * b.shape.n_kv_heads));
    struct cuda_attend a = {};
    a.n_heads = b.n_heads();
    a.n_kv_heads = b.shape.n_kv_heads;
    a.head_dim = b.shape.head_dim;
    a.n_split_max = n_split_max;
    a.scale = b.scale();
    a.kv.keys = b.shape.is_half ? (void *)half_keys.at : (void *)keys.at;
    a.kv.values = b.shape.is_half ? (void *)half_values.at : (void *)values.at;
    a.kv.is_half = b.shape.is_half;
    a.q = q.at;
    a.out = out.at;
    a.parts = parts.at;
    a.tickets = tickets.at;
    (kernel == DECODE ? gk_attend : gk_attend_prefill)(device_step.at, b.n, a, nullptr);
    std::vector<float> result = out.read();
    for (uint32_t ticket : tickets.read())
        assert_int_equal(ticket, 0); /* as the next launch wants them */
    return result;
}

/* Decode is as exact as float arithmetic; prefill rounds q and the weights to halves. */
static double tolerance(const struct shape &s, enum kernel kernel)
{
    return (kernel == PREFILL && s.is_half ? 2e-4 : 1e-6) * (1 + s.size * s.size);
}

static void check(const batch &b, enum kernel kernel, uint32_t n_split_max)
{
    uint32_t dim = b.shape.head_dim;
    std::vector<float> result = run(b, kernel, n_split_max);
    std::vector<double> expected(dim);
    for (uint32_t t = 0; t < b.n; t++)
        for (uint32_t head = 0; head < b.n_heads(); head++) {
            expect_head(b, t, head, expected.data());
            for (uint32_t i = 0; i < dim; i++) {
                double got = result[((size_t)t * b.n_heads() + head) * dim + i];
                if (!(fabs(got - expected[i]) <= tolerance(b.shape, kernel)))
                    fail_msg("%s, head_dim %u, group %u, token %u of %u (%u cells), head %u, "
                             "value %u: %g, not %g",
                            b.shape.is_half ? "halves" : "floats", dim, b.shape.group, t, b.n,
                            b.count[t], head, i, got, expected[i]);
            }
        }
}

static const uint32_t head_dims[] = {2, 8, 20, 24, 64, 80, 112, 128, 192, 256};
static const uint32_t groups[] = {1, 2, 3, 5, 7, 8, 12, 16, 17, 35};

static void decode_of_any_head_size(void **)
{
    for (uint32_t dim : head_dims)
        for (bool is_half : {false, true})
            check(batch({2, 3, dim, is_half, 1}, {{160, 1}, {0, 1}, {40, 1}}), DECODE, 4);
}

static void decode_of_any_group(void **)
{
    for (uint32_t group : groups)
        for (bool is_half : {false, true})
            check(batch({1, group, 32, is_half, 2}, {{170, 1}, {20, 1}}), DECODE, 2);
}

static void decode_of_any_count(void **)
{
    for (uint32_t count : {1, 2, 15, 16, 17, 31, 32, 33, 63, 65, 128, 129, 257})
        for (bool is_half : {false, true})
            check(batch({2, 2, 16, is_half, 2}, {{count - 1, 1}}), DECODE, 8);
}

static void decode_of_a_long_context(void **)
{
    check(batch({1, 2, 64, true, 2}, {{4999, 1}}), DECODE, 37);
    check(batch({1, 2, 64, false, 2}, {{4999, 1}}), DECODE, 3);
}

static void decode_of_no_cells_is_zero(void **)
{
    for (bool is_half : {false, true}) {
        batch b({2, 2, 16, is_half, 1}, {{5, 1}});
        b.count[0] = 0;
        for (float value : run(b, DECODE, 4))
            assert_true(value == 0);
    }
}

/* One token beside others and the same one alone. */
static void decode_does_not_depend_on_neighbours(void **)
{
    for (bool is_half : {false, true}) {
        struct shape s = {1, 4, 32, is_half, 2};
        batch together(s, {{300, 1}, {2000, 1}, {7, 1}});
        batch alone = together;
        alone.n = 1;
        std::vector<float> all = run(together, DECODE, 6), one = run(alone, DECODE, 6);
        assert_memory_equal(all.data(), one.data(), (size_t)4 * 32 * sizeof(float));
    }
}

static void decode_does_not_depend_on_who_comes_last(void **)
{
    batch b({1, 4, 32, true, 2}, {{900, 1}});
    gkemu_set_order(GKEMU_FORWARD, 0, 1);
    std::vector<float> forward = run(b, DECODE, 6);
    gkemu_set_order(GKEMU_REVERSE, 0, 4);
    std::vector<float> reverse = run(b, DECODE, 6);
    gkemu_set_order(GKEMU_RANDOM, 1, 4);
    assert_memory_equal(forward.data(), reverse.data(), forward.size() * sizeof(float));
}

static void prefill_of_any_head_size(void **)
{
    for (uint32_t dim : head_dims)
        for (bool is_half : {false, true})
            check(batch({2, 3, dim, is_half, 1}, {{7, 14}}), PREFILL, 1);
}

static void prefill_of_any_group(void **)
{
    for (uint32_t group : groups)
        for (bool is_half : {false, true})
            check(batch({1, group, 16, is_half, 2}, {{0, 19}}), PREFILL, 1);
}

static const std::vector<sequence> several = {
        {5, 9}, {40, 1}, {33, 1}, {0, 1}, {0, 30}, {16, 2}};

static void prefill_of_several_sequences(void **)
{
    for (uint32_t group : {1, 4, 8, 17})
        for (bool is_half : {false, true})
            check(batch({1, group, 32, is_half, 2}, several), PREFILL, 3);
}

/* Neighbours in the batch that have nothing in common. */
static void prefill_of_mixed_sequences(void **)
{
    for (uint32_t group : {1, 3})
        for (bool is_half : {false, true}) {
            batch b({1, group, 32, is_half, 2}, several);
            for (uint32_t t = 0; t < b.n; t++) {
                uint32_t other = t * 7 % b.n, first = b.first[t], count = b.count[t];
                b.first[t] = b.first[other];
                b.count[t] = b.count[other];
                b.first[other] = first;
                b.count[other] = count;
            }
            check(b, PREFILL, 1);
        }
}

/* Ranges that overlap but begin at different cells. */
static void prefill_of_a_window(void **)
{
    for (bool is_half : {false, true}) {
        batch b({1, 2, 32, is_half, 2}, {{0, 50}});
        for (uint32_t t = 20; t < b.n; t++) {
            b.first[t] += b.count[t] - 20;
            b.count[t] = 20;
        }
        check(b, PREFILL, 1);
    }
}

/* A weight that is not the first maximum: sums made before have to be scaled. */
static void large_scores_late(void **)
{
    for (enum kernel kernel : {DECODE, PREFILL})
        for (bool is_half : {false, true})
            check(batch({1, 2, 128, is_half, 6}, {{200, 1}}), kernel, 2);
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(decode_of_any_head_size),
            cmocka_unit_test(decode_of_any_group),
            cmocka_unit_test(decode_of_any_count),
            cmocka_unit_test(decode_of_a_long_context),
            cmocka_unit_test(decode_of_no_cells_is_zero),
            cmocka_unit_test(decode_does_not_depend_on_neighbours),
            cmocka_unit_test(decode_does_not_depend_on_who_comes_last),
            cmocka_unit_test(prefill_of_any_head_size),
            cmocka_unit_test(prefill_of_any_group),
            cmocka_unit_test(prefill_of_several_sequences),
            cmocka_unit_test(prefill_of_mixed_sequences),
            cmocka_unit_test(prefill_of_a_window),
            cmocka_unit_test(large_scores_late),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
