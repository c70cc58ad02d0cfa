/*
 * test_cuda_gemm.cpp - products of matrices for prefill: what the emulated cuBLAS refuses, when
 * prefill is worth it, what happens when a cuBLAS does not work, and that batches of many
 * tokens come close to exact ones.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>

#include "kernels/cuda_library.h"

const struct cuda_library *shunt_cuda_library(int abi);
}

#include "kernels/ops_cuda.h"

#include "tests/helper_device.h"

#define EPS 1e-5f

static int restore(void **)
{
    unsetenv("GKEMU_GEMM");
    unsetenv("GKEMU_FAIL");
    return 0;
}

/* ---- the emulated library ----------------------------------------------------------- */

struct opened_library {
    const struct gemm_library *table = gemm_library_emulated();
    void *handle = nullptr;

    opened_library()
    {
        assert_int_equal(table->create(&handle), 0);
    }
    ~opened_library()
    {
        cudaDeviceSynchronize();
        table->destroy(handle);
    }
};

enum { SIZE = 8 };
static const float zero = 0, one = 1;

static int try_one(int a, int b, int c, int compute, int stride)
{
    device_array<float> memory(std::vector<float>(3 * SIZE * SIZE, 0));
    opened_library library;
    return library.table->product(library.handle, GEMM_TRANSPOSED, GEMM_AS_IS, SIZE, SIZE, SIZE,
            &one, memory.at, a, stride, memory.at + SIZE * SIZE, b, SIZE, &zero,
            memory.at + 2 * SIZE * SIZE, c, SIZE, compute, GEMM_DEFAULT);
}

static int try_grouped(int a, int b, int c, int compute, int stride, int n_skipped = 0)
{
    device_array<float> memory(std::vector<float>(4 * SIZE * SIZE, 0));
    device_array<void *> addresses(
            {memory.at, memory.at + SIZE * SIZE, memory.at + 2 * SIZE * SIZE + n_skipped});
    opened_library library;
    int op_a = GEMM_TRANSPOSED, op_b = GEMM_AS_IS, size = SIZE, count = 1;
    const void *const *from = addresses.at;
    int status = library.table->grouped(library.handle, &op_a, &op_b, &size, &size, &size, &one,
            from, a, &stride, from + 1, b, &size, &zero, addresses.at + 2, c, &size, 1, &count,
            compute);
    cudaDeviceSynchronize();
    return status;
}

/* From NVIDIA's tables of cublasGemmEx and cublasGemmGroupedBatchedEx. */
static void types_are_refused_as_by_cublas(void **)
{
    static const struct {
        int a, b, c, compute, one, grouped;
    } cases[] = {
            {GEMM_FLOAT, GEMM_FLOAT, GEMM_FLOAT, GEMM_COMPUTE, 0, 0},
            {GEMM_FLOAT, GEMM_FLOAT, GEMM_FLOAT, GEMM_COMPUTE_PEDANTIC, 0, 0},
            {GEMM_HALF, GEMM_HALF, GEMM_HALF, GEMM_COMPUTE, 0, 0},
            {GEMM_HALF, GEMM_HALF, GEMM_HALF, GEMM_COMPUTE_PEDANTIC, 0, 15},
            {GEMM_HALF, GEMM_HALF, GEMM_FLOAT, GEMM_COMPUTE, 0, 15},
            {GEMM_FLOAT, GEMM_FLOAT, GEMM_HALF, GEMM_COMPUTE, 15, 15},
            {GEMM_HALF, GEMM_FLOAT, GEMM_FLOAT, GEMM_COMPUTE, 15, 15},
            {GEMM_HALF, GEMM_HALF, GEMM_HALF, 64 /* 16F */, 15, 15},
    };
    for (auto &c : cases) {
        assert_int_equal(try_one(c.a, c.b, c.c, c.compute, SIZE), c.one);
        assert_int_equal(try_grouped(c.a, c.b, c.c, c.compute, SIZE), c.grouped);
    }
    assert_int_equal(try_one(GEMM_FLOAT, GEMM_FLOAT, GEMM_FLOAT, GEMM_COMPUTE, SIZE - 1), 7);
    assert_int_equal(
            try_grouped(GEMM_FLOAT, GEMM_FLOAT, GEMM_FLOAT, GEMM_COMPUTE, SIZE - 1), 7);
}

/* Where a card may read wrongly, the emulator ends the process. */
static void misaligned_groups_are_a_fault(void **)
{
    for (int n_skipped : {0, 2, 4}) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            assert_non_null(freopen("/dev/null", "w", stderr));
            try_grouped(GEMM_HALF, GEMM_HALF, GEMM_HALF, GEMM_COMPUTE, SIZE, n_skipped);
            _exit(0);
        }
        assert_true(waitpid(child, &status, 0) == child);
        assert_int_equal(status == 0, n_skipped != 2);
    }
}

/* ---- when it is worth it ------------------------------------------------------------ */

/* The fewest tokens that prefill is worth it for. */
static uint32_t fewest(const struct weight_traffic &w)
{
    for (uint32_t n = 1; n < 10000; n++)
        if (prefill_is_worth(&w, n))
            return n;
    return 0;
}

static void bytes_decide_between_decode_and_prefill(void **)
{
    struct weight_traffic w = {};
    w.dense_bytes = 1;
    assert_int_equal(fewest(w), 9); /* nothing to unpack */
    w.dense_values = 1;             /* F16: 1 + 2 against 4 passes */
    assert_int_equal(fewest(w), 25);
    w.dense_values = 2 / 0.5625; /* Q4_0: 1 + 7.1 against 9 passes */
    assert_int_equal(fewest(w), 65);
    /* 8 of 128 experts: 8 tokens choose 40 % of them, many all. */
    struct weight_traffic experts = {};
    experts.unused_share = 1 - 8.0 / 128;
    experts.expert_bytes = 1;
    experts.expert_values = 2 / 0.5625;
    uint32_t n = fewest(experts);
    assert_in_range(n, 8 / 0.41 * 7, 8 / 0.40 * 9);
    assert_false(prefill_is_worth(&experts, n - 1));
    assert_true(prefill_is_worth(&experts, n + 8));
    /* In host memory reading the planes is what counts. */
    experts.expert_bytes *= 32;
    assert_in_range(fewest(experts), 9, 24);
    /* Who chooses all experts is dense. */
    experts = {};
    experts.expert_bytes = 1;
    experts.expert_values = 1;
    assert_int_equal(fewest(experts), 25);
}

/* ---- plans -------------------------------------------------------------------------- */

enum { N_TOKENS = 19, N_EXPERTS = 5, N_USED = 2, N_VOCAB = 7 };

struct matrices {
    test_numbers numbers = {1};
    std::vector<std::vector<float>> made;
    float size = 1;

    const float *floats(size_t n, float of_size)
    {
        made.push_back(numbers.floats(n, of_size));
        return made.back().data();
    }
    struct weight make(uint32_t n_in, uint32_t n_out, uint32_t n_slabs)
    {
        float of_size = size * 2 / sqrtf((float)n_in);
        return {QUANT_F32, floats((size_t)n_in * n_out * n_slabs, of_size), n_in, n_out,
                n_slabs, n_in * sizeof(float)};
    }
};

/* An embedding, then a dense layer or experts, of d and n_ff. */
struct layer {
    matrices m;
    struct plan_size size = {};
    struct embed_step embed = {};
    struct ffn_step ffn = {};
    struct gate_step gate = {};
    struct experts_step experts = {};
    bool has_experts;

    layer(uint32_t d, uint32_t n_ff, bool with_experts, float weights)
        : has_experts(with_experts)
    {
        size.batch_tok = N_TOKENS;
        size.d = d;
        size.n_vocab = N_VOCAB;
        embed.table = m.make(d, N_VOCAB, 1);
        const float *norm = m.floats(d, 2);
        gate = {0, d, N_EXPERTS, N_USED, EPS, norm, m.make(d, N_EXPERTS, 1), true, 1};
        m.size = weights;
        if (has_experts) {
            size.n_moe_layers = 1;
            size.n_experts = N_EXPERTS;
            size.n_used = N_USED;
            experts = {0, d, n_ff, N_EXPERTS, N_USED, m.make(d, n_ff, N_EXPERTS),
                    m.make(d, n_ff, N_EXPERTS), m.make(n_ff, d, N_EXPERTS)};
        } else {
            ffn = {d, n_ff, EPS, norm, m.make(d, n_ff, 1), m.make(d, n_ff, 1),
                    m.make(n_ff, d, 1)};
        }
    }
};

static struct kernels *open(const layer &l, bool is_exact)
{
    char why[256] = "";
    struct kernels *k =
            shunt_cuda_library(CUDA_LIBRARY_ABI)->open(is_exact, 0, why, sizeof why);
    if (!k)
        fail_msg("%s", why);
    kernels_plan(k, &l.size);
    kernels_embed(k, &l.embed);
    if (l.has_experts) {
        kernels_gate(k, &l.gate);
        kernels_experts(k, &l.experts);
    } else {
        kernels_ffn(k, &l.ffn);
    }
    if (kernels_ready(k, NULL, NULL) != KERNELS_OK)
        fail_msg("%s", kernels_why(k));
    return k;
}

/* x behind the layer. */
static std::vector<float> run(struct kernels *k, const layer &l)
{
    std::vector<int32_t> tokens;
    for (int t = 0; t < N_TOKENS; t++)
        tokens.push_back(t % N_VOCAB);
    std::vector<uint32_t> zeros(N_TOKENS, 0);
    std::vector<uint16_t> ids((size_t)N_TOKENS * N_USED);
    std::vector<float> weights(ids.size()), margins(N_TOKENS), x((size_t)N_TOKENS * l.size.d);
    struct kernels_batch batch = {};
    batch.n_tokens = N_TOKENS;
    batch.tokens = tokens.data();
    batch.cells = batch.visible = batch.first = batch.count = zeros.data();
    batch.ids = ids.data();
    batch.weights = weights.data();
    batch.margins = margins.data();
    if (kernels_run(k, &batch) != KERNELS_OK)
        fail_msg("%s", kernels_why(k));
    kernels_read(k, BUFFER_X, 0, x.data(), x.size());
    return x;
}

static std::vector<float> open_and_run(const layer &l, bool is_exact)
{
    struct kernels *k = open(l, is_exact);
    std::vector<float> x = run(k, l);
    kernels_close(k);
    return x;
}

static std::vector<float> exact_decoded(const layer &l)
{
    setenv("GKEMU_GEMM", "none", 1);
    std::vector<float> x = open_and_run(l, true);
    restore(NULL);
    return x;
}

static void expect_close(
        const std::vector<float> &want, const std::vector<float> &got, double tolerance)
{
    double squares = 0;
    for (float value : want)
        squares += (double)value * value;
    double size = sqrt(squares / (double)want.size());
    for (size_t i = 0; i < want.size(); i++)
        if (!(fabs((double)want[i] - got[i]) <= tolerance * (fabs(want[i]) + size)))
            fail_msg("x[%zu] is %g, not %g (root mean square %g)", i, got[i], want[i], size);
}

/* All but the first have rows that are not aligned as grouped products want them. */
static void halves_are_close_to_exact(void **)
{
    static const uint32_t sizes[][2] = {{32, 24}, {32, 27}, {33, 27}};
    static const char *const kinds[] = {"full", "single"};
    for (auto &size : sizes)
        for (bool has_experts : {false, true}) {
            layer l(size[0], size[1], has_experts, 1);
            std::vector<float> want = exact_decoded(l);
            for (const char *kind : kinds) {
                setenv("GKEMU_GEMM", kind, 1);
                expect_close(want, open_and_run(l, true), 2e-6);
                expect_close(want, open_and_run(l, false), 3e-3);
                restore(NULL);
            }
        }
}

/* Weights and results far beyond a half: they are wrong, but numbers. */
static void halves_never_overflow(void **)
{
    for (bool has_experts : {false, true})
        for (float size : {3e3f, 1e6f}) {
            layer l(32, 24, has_experts, size);
            for (float value : open_and_run(l, false))
                assert_true(fabsf(value) < FLT_MAX);
        }
}

/* ---- what goes wrong ---------------------------------------------------------------- */

static const struct gemm &gemm_of(const struct kernels *k)
{
    return ((const struct cuda *)k)->gemm;
}

static void what_fails_at_first_is_not_used(void **)
{
    static const char *const calls[] = {"cublasCreate", "cublasGemmEx"};
    layer l(32, 24, true, 1);
    std::vector<float> want = exact_decoded(l);
    for (const char *call : calls) {
        setenv("GKEMU_FAIL", call, 1);
        struct kernels *k = open(l, true);
        assert_null(gemm_of(k).library);
        assert_non_null(strstr(gemm_of(k).why, call));
        expect_close(want, run(k, l), 0);
        kernels_close(k);
        char why[128] = "";
        assert_false(shunt_cuda_library(CUDA_LIBRARY_ABI)->check_cublas(why, sizeof why));
        assert_non_null(strstr(why, call));
        restore(NULL);
        assert_true(shunt_cuda_library(CUDA_LIBRARY_ABI)->check_cublas(why, sizeof why));
    }
}

static void without_groups_experts_go_one_by_one(void **)
{
    layer l(32, 24, true, 1);
    std::vector<float> want = exact_decoded(l);
    for (bool is_exact : {false, true}) {
        struct kernels *k = open(l, is_exact);
        assert_true(gemm_of(k).has_groups);
        kernels_close(k);
    }
    setenv("GKEMU_FAIL", "cublasGemmGroupedBatchedEx", 1);
    struct kernels *k = open(l, true);
    assert_non_null(gemm_of(k).library);
    assert_false(gemm_of(k).has_groups);
    expect_close(want, run(k, l), 2e-6);
    kernels_close(k);
}

static void what_fails_later_is_run_again(void **)
{
    for (bool has_experts : {false, true}) {
        const char *call = has_experts ? "cublasGemmGroupedBatchedEx" : "cublasGemmEx";
        layer l(32, 24, has_experts, 1);
        std::vector<float> want = exact_decoded(l);
        struct kernels *k = open(l, true);
        expect_close(want, run(k, l), 2e-6);
        setenv("GKEMU_FAIL", call, 1);
        for (int i = 0; i < 2; i++)
            expect_close(want, run(k, l), 0);
        assert_non_null(strstr(gemm_of(k).why, call));
        kernels_close(k);
        restore(NULL);
    }
}

/* 19 tokens are three passes; floats are unpacked into as many bytes. */
static void few_tokens_are_decoded(void **)
{
    setenv("GKEMU_GEMM", "counted", 1);
    layer l(32, 32, false, 1);
    struct kernels *k = open(l, true);
    struct weight_traffic t = prefill_traffic((const struct cuda *)k);
    assert_true(t.dense_values == 3.0 * 32 * 32 * sizeof(float));
    assert_true(t.dense_bytes == t.dense_values && t.expert_bytes == 0);
    assert_false(prefill_is_worth(&t, N_TOKENS));
    setenv("GKEMU_FAIL", "cublasGemmEx", 1);
    run(k, l);
    assert_non_null(gemm_of(k).library); /* it was not asked */
    kernels_close(k);
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(types_are_refused_as_by_cublas),
            cmocka_unit_test(misaligned_groups_are_a_fault),
            cmocka_unit_test(bytes_decide_between_decode_and_prefill),
            cmocka_unit_test_teardown(halves_are_close_to_exact, restore),
            cmocka_unit_test(halves_never_overflow),
            cmocka_unit_test_teardown(what_fails_at_first_is_not_used, restore),
            cmocka_unit_test_teardown(without_groups_experts_go_one_by_one, restore),
            cmocka_unit_test_teardown(what_fails_later_is_run_again, restore),
            cmocka_unit_test_teardown(few_tokens_are_decoded, restore),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
