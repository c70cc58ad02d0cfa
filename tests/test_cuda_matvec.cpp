/*
 * test_cuda_matvec.cpp - the launchers that multiply or unpack weights, on the emulator,
 * against plain double sums over decoded rows: sizes that cut tiles and blocks, which the steps
 * of whole models (test_steps) do not reach.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <vector>

extern "C" {
#include <cmocka.h>

#include "kernels/dot.h"

#include "engine/base.h"
}

#include "kernels/cuda.h"

#include "tests/cudaemu/gkemu.h"

using std::vector;

/* ---- data --------------------------------------------------------------------------- */

/* Rows of the golden file over and over, each slab from another block on. */
static vector<uint8_t> golden_rows(enum quant quant, size_t n_bytes, size_t first_block)
{
    char path[512];
    struct buf file;
    struct err err;
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/quants/%s",
            quant == QUANT_F32 ? "source.f32" : quant_traits[quant].name);
    if (quant != QUANT_F32)
        strcat(path, ".bin");
    if (file_read(&file, path, 1 << 20, &err) != OK)
        fail_msg("%s", err.text);
    vector<uint8_t> rows(n_bytes);
    size_t n = file.n / quant_traits[quant].block_bytes * quant_traits[quant].block_bytes;
    for (size_t i = 0; i < n_bytes; i++)
        rows[i] = (uint8_t)file.ptr[(i + first_block * quant_traits[quant].block_bytes) % n];
    buf_release(&file);
    return rows;
}

static vector<float> random_floats(size_t n, uint64_t seed)
{
    vector<float> values(n);
    for (float &v : values)
        v = (float)(2 * rng_uniform(&seed) - 1);
    return values;
}

/* Device memory until the end of a case. */
struct device_memory {
    vector<void *> all;
    void *take(const void *from, size_t n_bytes)
    {
        void *memory;
        assert_int_equal(cudaMalloc(&memory, n_bytes), cudaSuccess);
        if (from)
            cudaMemcpy(memory, from, n_bytes, cudaMemcpyHostToDevice);
        all.push_back(memory);
        return memory;
    }
    template <class T> T *take(const vector<T> &from)
    {
        return (T *)take(from.data(), from.size() * sizeof(T));
    }
    ~device_memory()
    {
        for (void *memory : all)
            cudaFree(memory);
    }
};

template <class T> static vector<T> fetched(const T *from, size_t n)
{
    vector<T> values(n);
    cudaMemcpy(values.data(), from, n * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
}

struct test_matrix {
    enum quant quant;
    uint32_t n_in, n_out, n_slabs;
    vector<uint8_t> rows;
    size_t row_bytes() const
    {
        return quant_row_bytes(quant, n_in);
    }
    vector<float> row(uint32_t slab, uint32_t r) const
    {
        vector<float> out(n_in);
        quant_traits[quant].decode(
                rows.data() + ((size_t)slab * n_out + r) * row_bytes(), out.data(), n_in);
        return out;
    }
};

static test_matrix make_matrix(
        enum quant quant, uint32_t n_in, uint32_t n_out, uint32_t n_slabs, size_t seed)
{
    test_matrix m = {quant, n_in, n_out, n_slabs, {}};
    for (uint32_t slab = 0; slab < n_slabs; slab++) {
        vector<uint8_t> rows = golden_rows(quant, m.row_bytes() * n_out, seed + 5 * slab);
        m.rows.insert(m.rows.end(), rows.begin(), rows.end());
    }
    return m;
}

/* Each slab by itself, as experts are. */
static cuda_matrix upload(device_memory &device, const test_matrix &m)
{
    cuda_matrix c = {m.quant, m.n_in, m.n_out, m.n_slabs,
            plane_layout_of(m.quant, m.n_in, m.n_out), nullptr};
    vector<const unsigned char *> slabs;
    for (uint32_t s = 0; s < m.n_slabs; s++) {
        vector<uint8_t> planes(c.layout.slab_bytes);
        planes_pack(m.quant, &c.layout, m.rows.data() + s * m.n_out * m.row_bytes(),
                m.row_bytes(), m.n_in, m.n_out, planes.data());
        slabs.push_back(device.take(planes));
    }
    c.slabs = device.take(slabs);
    return c;
}

static bool is_block_type(enum quant quant)
{
    return quant_traits[quant].block_elems > 1;
}

/* ---- what it should be -------------------------------------------------------------- */

/* x as a product with m sees it. */
static vector<double> seen_by(const test_matrix &m, const vector<float> &x, bool is_exact)
{
    vector<double> seen(x.begin(), x.end());
    if (is_exact || !is_block_type(m.quant))
        return seen;
    vector<int8_t> q(x.size());
    vector<float> d(x.size() / 32), sum(x.size() / 32);
    dot_ops_scalar.quantise(x.data(), q.data(), d.data(), sum.data(), (uint32_t)x.size());
    for (size_t i = 0; i < x.size(); i++)
        seen[i] = (double)q[i] * d[i / 32];
    return seen;
}

static vector<float> normed(const float *x, const vector<float> &norm, float eps, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    float scale = 1 / sqrtf((float)(sum / n) + eps);
    vector<float> out(x, x + n);
    for (uint32_t i = 0; i < n && !norm.empty(); i++)
        out[i] = x[i] * scale * norm[i];
    return out;
}

struct product {
    double value, size; /* size: of the sum of magnitudes, for the tolerance */
};

static product product_of(const vector<float> &w, const vector<double> &x)
{
    product p = {0, 0};
    for (size_t i = 0; i < w.size(); i++) {
        p.value += w[i] * x[i];
        p.size += fabs(w[i] * x[i]);
    }
    return p;
}

/* One step of rounding of x to 8 bits moves a normed product this far. */
static double tolerance_of(const product &p, bool is_rounded)
{
    return (is_rounded ? 4e-4 : 3e-6) * p.size + 1e-6;
}

/* ---- one matrix --------------------------------------------------------------------- */

enum { WITH_NORM = 1, WITH_BIAS = 2, WITH_ADD = 4, WITH_ROWS = 8 };

struct matvec_case {
    enum quant quant;
    uint32_t n_in, n_out, n, with;
    bool is_exact;
};

static void check_matvec(const matvec_case &c)
{
    device_memory device;
    const uint32_t n_x = 9;
    test_matrix m = make_matrix(c.quant, c.n_in, c.n_out, 1, c.n_in);
    vector<float> x = random_floats(n_x * c.n_in, 3), before = random_floats(c.n * c.n_out, 4);
    vector<float> norm = random_floats(c.with & WITH_NORM ? c.n_in : 0, 5);
    vector<float> bias = random_floats(c.with & WITH_BIAS ? c.n_out : 0, 6);
    vector<uint32_t> rows = {8, 2, 5, 0, 1, 7, 3, 4, 8};
    cuda_step host_step = {};
    bool by_rows = c.with & WITH_ROWS;
    host_step.rows = device.take(rows);
    cuda_step *step = (cuda_step *)device.take(&host_step, sizeof host_step);
    float *out = device.take(before);
    cuda_matvec v = {upload(device, m), device.take(x), norm.empty() ? NULL : device.take(norm),
            bias.empty() ? NULL : device.take(bias), 1e-5f, c.is_exact,
            (c.with & WITH_ADD) != 0, by_rows, out};
    gk_matvec(step, c.n, v, nullptr);
    vector<float> got = fetched(out, c.n * c.n_out);
    for (uint32_t t = 0; t < c.n; t++) {
        const float *row = x.data() + (by_rows ? rows[t] : t) * c.n_in;
        vector<double> seen = seen_by(m, normed(row, norm, v.eps, c.n_in), c.is_exact);
        for (uint32_t r = 0; r < c.n_out; r++) {
            product p = product_of(m.row(0, r), seen);
            size_t at = (size_t)t * c.n_out + r;
            double want = p.value + (bias.empty() ? 0 : bias[r]) +
                          (c.with & WITH_ADD ? before[at] : 0);
            bool is_rounded = !norm.empty() && !c.is_exact && is_block_type(c.quant);
            if (!(fabs(got[at] - want) <= tolerance_of(p, is_rounded)))
                fail_msg("%s %u x %u, n %u, with %u%s: [%u][%u] is %.9g, not %.9g",
                        quant_traits[c.quant].name, c.n_out, c.n_in, c.n, c.with,
                        c.is_exact ? ", exact" : "", t, r, (double)got[at], want);
        }
    }
}

static void products_equal_a_plain_sum(void **)
{
    static const uint32_t widths[] = {1, 31, 32, 64, 96, 100, 288, 1030, 4128};
    for (int q = 0; q < QUANT_COUNT; q++) {
        enum quant quant = (enum quant)q;
        uint32_t block = quant_traits[quant].block_elems;
        for (uint32_t width : widths) {
            uint32_t n_in = block == 256 ? (width / 256 + 1) * 256 : width;
            if (n_in % block != 0)
                continue;
            for (uint32_t n : {1, 2, 3, 8}) {
                uint32_t with = (width + n) % 16;
                check_matvec({quant, n_in, n == 8 ? 5u : 37u, n, with, false});
                if (n == 3)
                    check_matvec({quant, n_in, 9, n, with, true});
            }
        }
    }
}

static void all_ends_of_a_product(void **)
{
    for (uint32_t with = 0; with < 16; with++)
        for (uint32_t n : {1, 7, 9}) {
            check_matvec({QUANT_Q4_0, 96, 21, n, with, false});
            check_matvec({QUANT_F16, 45, 21, n, with, false});
        }
}

static void many_rows_are_more_to_a_block(void **)
{
    check_matvec({QUANT_Q8_0, 32, 2049, 1, 0, false});
    check_matvec({QUANT_Q4_0, 64, 33000, 1, WITH_NORM, false});
    check_matvec({QUANT_BF16, 8, 40001, 2, 0, false});
}

/* ---- experts ------------------------------------------------------------------------ */

/* Three tokens and five experts, each matrix of another type. */
struct experts_case {
    static constexpr uint32_t n = 3, d = 96, n_ff = 64, n_experts = 5;
    static constexpr float eps = 0.25f; /* so large that it shows */
    uint32_t n_used;
    test_matrix gate, up, down;
    vector<uint16_t> ids;
    vector<float> norm = random_floats(d, 1), x = random_floats(n * d, 2), weights;
    experts_case(uint32_t used, enum quant gate_type, enum quant up_type)
        : n_used(used), gate(make_matrix(gate_type, d, n_ff, n_experts, 0)),
          up(make_matrix(up_type, d, n_ff, n_experts, 1)),
          down(make_matrix(QUANT_Q5_1, n_ff, d, n_experts, 2)),
          weights(random_floats(n * used, 3))
    {
        for (uint32_t i = 0; i < n * used; i++)
            ids.push_back((uint16_t)((4 * i + i / used) % n_experts));
    }
};

static vector<float> run_experts(const experts_case &c, bool is_exact)
{
    device_memory device;
    cuda_experts e = {};
    e.d = c.d;
    e.n_ff = c.n_ff;
    e.n_used = c.n_used;
    e.eps = c.eps;
    e.is_exact = is_exact;
    e.norm = device.take(c.norm);
    e.gate = upload(device, c.gate);
    e.up = upload(device, c.up);
    e.down = upload(device, c.down);
    e.x = device.take(c.x);
    e.inner = (float *)device.take(NULL, c.n * c.n_used * c.n_ff * sizeof(float));
    e.routes.ids = device.take(c.ids);
    e.routes.weights = device.take(c.weights);
    e.routes.n_moe_layers = 1;
    e.routes.n_used = c.n_used;
    gk_experts(nullptr, c.n, e, nullptr);
    return fetched(e.x, c.n * c.d);
}

/* What an expert makes of a token's normed x: silu(gate) * up. */
static vector<float> inner_of(
        const experts_case &c, uint32_t expert, const vector<float> &h, bool is_exact)
{
    vector<double> by_gate = seen_by(c.gate, h, is_exact), by_up = seen_by(c.up, h, is_exact);
    vector<float> inner;
    for (uint32_t r = 0; r < c.n_ff; r++) {
        double g = product_of(c.gate.row(expert, r), by_gate).value;
        double u = product_of(c.up.row(expert, r), by_up).value;
        inner.push_back((float)(g / (1 + exp(-g)) * u));
    }
    return inner;
}

static void check_experts(const experts_case &c, bool is_exact)
{
    vector<float> got = run_experts(c, is_exact);
    for (uint32_t t = 0; t < c.n; t++) {
        vector<float> h = normed(c.x.data() + t * c.d, c.norm, c.eps, c.d);
        vector<product> want(c.d);
        for (uint32_t r = 0; r < c.d; r++)
            want[r] = {c.x[t * c.d + r], 1};
        for (uint32_t i = t * c.n_used; i < (t + 1) * c.n_used; i++) {
            vector<double> seen = seen_by(c.down, inner_of(c, c.ids[i], h, is_exact), is_exact);
            for (uint32_t r = 0; r < c.d; r++) {
                product p = product_of(c.down.row(c.ids[i], r), seen);
                want[r].value += c.weights[i] * p.value;
                want[r].size += fabs(c.weights[i]) * p.size;
            }
        }
        for (uint32_t r = 0; r < c.d; r++)
            if (!(fabs(got[t * c.d + r] - want[r].value) <=
                        (is_exact ? 2e-5 : 3e-3) * want[r].size))
                fail_msg("%u used%s: [%u][%u] is %.9g, not %.9g of %.9g", c.n_used,
                        is_exact ? ", exact" : "", t, r, (double)got[t * c.d + r],
                        want[r].value, want[r].size);
    }
}

/* More than GK_MAX_PARTS of them take another launch. */
static void experts_equal_a_plain_sum(void **)
{
    for (bool is_exact : {true, false}) {
        check_experts({3, QUANT_Q4_0, QUANT_Q8_0}, is_exact);
        check_experts({2, QUANT_Q4_0, QUANT_F16}, is_exact);
        check_experts({19, QUANT_BF16, QUANT_Q5_0}, is_exact);
    }
}

/* ---- what every run must have in common --------------------------------------------- */

/* As many bytes as the rows have in their planes: nothing is read twice, and of idle rows and
 * groups nothing is read. Types whose groups share scales read those once per group. */
static void weights_are_read_once(void **)
{
    for (enum quant quant : {QUANT_F16, QUANT_Q4_0, QUANT_Q4_1, QUANT_Q5_0, QUANT_Q8_0})
        for (uint32_t n_in : {32u, 96u, 1120u, 12000u})
            for (uint32_t n : {1u, 3u}) {
                plane_layout l = plane_layout_of(quant, n_in, 21);
                gkemu_take_stats();
                check_matvec({quant, n_in, 21, n, WITH_NORM, false});
                assert_int_equal(gkemu_take_stats().n_streamed_bytes,
                        21 * (l.low.row_bytes + l.high.row_bytes + l.scale.row_bytes));
            }
}

/* Calls run() in several orders of threads and blocks and compares what it returns. */
template <class F> static void check_orders(F run)
{
    gkemu_set_order(GKEMU_FORWARD, 1, 1);
    vector<float> want = run();
    for (int i = 0; i < 4; i++) {
        gkemu_set_order(i == 0 ? GKEMU_REVERSE : GKEMU_RANDOM, (uint64_t)i, 4);
        vector<float> got = run();
        assert_int_equal(got.size(), want.size());
        assert_memory_equal(got.data(), want.data(), want.size() * sizeof(float));
    }
    gkemu_set_order(GKEMU_RANDOM, 1, 4);
}

static vector<float> run_attn_in(bool is_norm_whole)
{
    const uint32_t n = 5, d = 64, head_dim = 40;
    device_memory device;
    vector<uint32_t> cells = {3, 1, 4, 0, 6};
    cuda_step host_step = {};
    host_step.cells = device.take(cells);
    host_step.rope_table = device.take(random_floats(n * 32, 1));
    cuda_attn_in a = {};
    a.d = d;
    a.n_heads = 4;
    a.n_kv_heads = 2;
    a.head_dim = head_dim;
    a.n_rot = 32;
    a.eps = 1e-5f;
    a.is_norm_whole = is_norm_whole;
    a.rope = ROPE_NEOX;
    a.x = device.take(random_floats(n * d, 2));
    a.norm = device.take(random_floats(d, 3));
    a.wq = upload(device, make_matrix(QUANT_Q4_0, d, 4 * head_dim, 1, 0));
    a.wk = upload(device, make_matrix(QUANT_F16, d, 2 * head_dim, 1, 1));
    a.wv = upload(device, make_matrix(QUANT_Q8_0, d, 2 * head_dim, 1, 2));
    a.bk = device.take(random_floats(2 * head_dim, 4));
    a.q_norm = a.k_norm = device.take(random_floats(4 * head_dim, 5));
    a.kv.keys = device.take(random_floats(8 * 2 * head_dim, 6));
    a.kv.values = device.take(random_floats(8 * 2 * head_dim, 7));
    a.q = (float *)device.take(NULL, n * 4 * head_dim * sizeof(float));
    a.k = (float *)device.take(NULL, n * 2 * head_dim * sizeof(float));
    a.v = (float *)device.take(NULL, n * 2 * head_dim * sizeof(float));
    a.tickets = device.take(vector<uint32_t>(8, 0));
    gk_attn_in((cuda_step *)device.take(&host_step, sizeof host_step), n, a, nullptr);
    for (uint32_t ticket : fetched(a.tickets, 8))
        assert_int_equal(ticket, 0);
    vector<float> all = fetched(a.q, n * 4 * head_dim);
    for (const void *cache : {a.kv.keys, a.kv.values})
        for (float value : fetched((const float *)cache, 8 * 2 * head_dim))
            all.push_back(value);
    return all;
}

static void results_do_not_depend_on_the_order(void **)
{
    check_orders([] { return run_experts({3, QUANT_Q4_0, QUANT_Q8_0}, false); });
    check_orders([] { return run_attn_in(false); });
    check_orders([] { return run_attn_in(true); });
}

/* ---- unpacking ---------------------------------------------------------------------- */

static void check_unpacked(enum quant quant, uint32_t n_in)
{
    device_memory device;
    test_matrix m = make_matrix(quant, n_in, 7, 3, 1);
    cuda_matrix c = upload(device, m);
    uint32_t n = 2 * 7 * n_in;
    float *floats = device.take(vector<float>(n + 1, 77));
    gk_half *halves = (gk_half *)device.take(vector<uint16_t>(n + 1, 0x7777));
    gk_dequant(c, 1, 2, NULL, floats, true, nullptr);
    gk_dequant(c, 1, 2, NULL, halves, false, nullptr);
    vector<float> got = fetched(floats, n + 1);
    vector<uint16_t> got_halves = fetched((uint16_t *)halves, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        float want = m.row(1 + i / (7 * n_in), i / n_in % 7)[i % n_in];
        assert_true(fabsf(got[i] - want) <= 1e-6f * fabsf(want) + 1e-9f);
        assert_int_equal(got_halves[i], float_to_half(got[i]));
    }
    assert_true(got[n] == 77);
    assert_int_equal(got_halves[n], 0x7777);
}

/* Slabs 0 and 2 have pairs. */
static void slabs_without_pairs_stay_packed(void **)
{
    device_memory device;
    cuda_matrix c = upload(device, make_matrix(QUANT_F32, 8, 3, 3, 1));
    uint32_t *first = (uint32_t *)device.take(vector<int32_t>{0, 2, 2, 3});
    float *floats = device.take(vector<float>(3 * 24, 77));
    gk_dequant(c, 0, 3, first, floats, true, nullptr);
    vector<float> got = fetched(floats, 3 * 24);
    for (uint32_t i = 0; i < 3 * 24; i++)
        assert_int_equal(got[i] == 77, i / 24 == 1);
}

static void check_embedded(enum quant quant, uint32_t n_in)
{
    device_memory device;
    test_matrix m = make_matrix(quant, n_in, 11, 1, 2);
    vector<int32_t> tokens = {10, 0, 3, 3, 7, 1, 2, 9, 5, 4, 6};
    cuda_step host_step = {};
    host_step.tokens = device.take(tokens);
    cuda_embed e = {upload(device, m), (float *)device.take(NULL, 11 * n_in * sizeof(float))};
    gk_embed((cuda_step *)device.take(&host_step, sizeof host_step), 11, e, nullptr);
    vector<float> got = fetched(e.x, 11 * n_in);
    for (uint32_t i = 0; i < 11 * n_in; i++) {
        float want = m.row(0, (uint32_t)tokens[i / n_in])[i % n_in];
        assert_true(fabsf(got[i] - want) <= 1e-6f * fabsf(want) + 1e-9f);
    }
}

static void unpacked_rows_equal_decoded_ones(void **)
{
    for (int q = 0; q < QUANT_COUNT; q++)
        for (uint32_t n_in : {1, 36, 96, 288, 512}) {
            uint32_t block = quant_traits[q].block_elems;
            uint32_t n = block == 256 ? (n_in + 255) / 256 * 256 : n_in;
            if (n % block != 0)
                continue;
            check_unpacked((enum quant)q, n);
            check_embedded((enum quant)q, n);
        }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(products_equal_a_plain_sum),
            cmocka_unit_test(all_ends_of_a_product),
            cmocka_unit_test(many_rows_are_more_to_a_block),
            cmocka_unit_test(experts_equal_a_plain_sum),
            cmocka_unit_test(weights_are_read_once),
            cmocka_unit_test(results_do_not_depend_on_the_order),
            cmocka_unit_test(unpacked_rows_equal_decoded_ones),
            cmocka_unit_test(slabs_without_pairs_stay_packed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
