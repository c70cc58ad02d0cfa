/* test_kernels.c - the row products of every instruction set against a plain double sum over
 * the decoded weights, and the pool: all threads, all items, cancelling. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/dot.h"
#include "kernels/kernels.h"
#include "kernels/pool.h"

#include "engine/backend.h"

#define QUANTS SOURCE_DIR "/tests/golden/quants/"
#define N      1024 /* values of a row: four super-blocks, 32 small blocks */

static const struct dot_ops *const variants[] = {
        &dot_ops_scalar,
#if defined(__x86_64__)
        &dot_ops_avx2,
#endif
};

static float uniform(uint64_t *seed)
{
    return (float)(2 * rng_uniform(seed) - 1);
}

/* Activation rows with an outlier, and their 8-bit form. */
struct acts {
    float f32[DOT_TILE * N], d[DOT_TILE * N / 32], sum[DOT_TILE * N / 32];
    int8_t q8[DOT_TILE * N];
};

static void fill_acts(struct acts *a, const struct dot_ops *ops)
{
    uint64_t seed = 7;
    for (int i = 0; i < DOT_TILE * N; i++)
        a->f32[i] = uniform(&seed) * (i % 100 == 0 ? 20 : 1);
    memset(a->f32 + 64, 0, 32 * sizeof(float));
    ops->quantise(a->f32, a->q8, a->d, a->sum, DOT_TILE * N);
}

/* Rows of the golden file as weights; F32 rows are made up. */
static void fill_weights(struct buf *out, enum quant quant)
{
    struct err err;
    char path[512];
    snprintf(path, sizeof path, QUANTS "%s.bin", quant_traits[quant].name);
    if (quant == QUANT_F32)
        snprintf(path, sizeof path, QUANTS "source.f32");
    if (file_read(out, path, 1 << 20, &err) != OK)
        fail_msg("%s", err.text);
    assert_true(out->n >= quant_row_bytes(quant, N));
}

static void check_row(const struct dot_ops *ops, enum quant quant, uint32_t n, int n_rows,
        bool is_q8, const struct acts *a, const void *weights)
{
    float w[N], got[DOT_TILE];
    uint32_t rows[DOT_TILE] = {2, 0, 3, 1};
    struct act act = {a->f32, is_q8 ? a->q8 : NULL, a->d, a->sum, n};
    quant_traits[quant].decode(weights, w, n);
    (is_q8 ? ops->row_q8 : ops->row_f32)(quant, weights, &act, rows, n_rows, got);
    for (int r = 0; r < n_rows; r++) {
        double want = 0, size = 0;
        for (uint32_t i = 0; i < n; i++) {
            size_t at = (size_t)rows[r] * n + i;
            double x = is_q8 ? (double)a->q8[at] * a->d[at / 32] : a->f32[at];
            want += w[i] * x;
            size += fabs(w[i] * x);
        }
        if (fabs(got[r] - want) > 1e-5 * size + 1e-12)
            fail_msg("%s %s n %u row %d of %d: %g, not %g", ops->name, quant_traits[quant].name,
                    n, r, n_rows, (double)got[r], want);
    }
}

static void row_products_equal_a_plain_sum(void **state)
{
    (void)state;
    struct acts *a = mem_alloc(sizeof *a);
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        if (!variants[v]->is_supported())
            continue;
        fill_acts(a, variants[v]);
        for (int q = 0; q < QUANT_COUNT; q++) {
            struct buf weights;
            fill_weights(&weights, (enum quant)q);
            uint32_t block = quant_traits[q].block_elems;
            uint32_t lengths[] = {N, block > 96 ? block : 96, block > 32 ? 3 * block : 288};
            for (size_t l = 0; l < ARRAY_LEN(lengths); l++)
                for (int n_rows = 1; n_rows <= DOT_TILE; n_rows++) {
                    check_row(variants[v], (enum quant)q, lengths[l], n_rows, false, a,
                            weights.ptr);
                    if (block >= 32)
                        check_row(variants[v], (enum quant)q, lengths[l], n_rows, true, a,
                                weights.ptr);
                }
            buf_release(&weights);
        }
    }
    mem_free(a);
}

static void eight_bits_keep_the_largest_and_the_sum(void **state)
{
    (void)state;
    struct acts *a = mem_alloc(sizeof *a);
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        if (!variants[v]->is_supported())
            continue;
        fill_acts(a, variants[v]);
        for (int b = 0; b < DOT_TILE * N / 32; b++) {
            float largest = 0, sum = 0;
            for (int i = 32 * b; i < 32 * b + 32; i++) {
                largest = fmaxf(largest, fabsf(a->f32[i]));
                sum += (float)a->q8[i] * a->d[b];
                assert_true(fabsf((float)a->q8[i] * a->d[b] - a->f32[i]) <= a->d[b] * 0.501f);
            }
            assert_true(fabsf(a->d[b] * 127 - largest) <= 1e-5f * largest);
            assert_true(fabsf(a->sum[b] - sum) <= 1e-4f * largest);
        }
        /* Denormal input must not become infinity on the way. */
        float tiny[32] = {1e-42f, -1e-42f}, d, sum;
        int8_t q8[32];
        variants[v]->quantise(tiny, q8, &d, &sum, 32);
        assert_true(fabsf((float)q8[0] * d) <= 2e-42f && fabsf(sum) <= 1e-40f);
    }
    mem_free(a);
}

static void odd_lengths_have_their_tail(void **state)
{
    (void)state;
    float a[37], b[37];
    uint16_t h[37];
    uint64_t seed = 3;
    for (int i = 0; i < 37; i++) {
        a[i] = uniform(&seed);
        b[i] = uniform(&seed);
    }
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        const struct dot_ops *ops = variants[v];
        if (!ops->is_supported())
            continue;
        ops->to_half(a, h, 37);
        double want = 0, want_half = 0;
        float out[37] = {0}, out_half[37] = {0};
        ops->add_scaled(out, b, 3, 37);
        ops->add_scaled_half(out_half, h, 3, 37);
        for (int i = 0; i < 37; i++) {
            assert_int_equal(h[i], float_to_half(a[i]));
            assert_true(fabsf(out[i] - 3 * b[i]) < 1e-6f);
            assert_true(fabsf(out_half[i] - 3 * half_to_float(h[i])) < 1e-6f);
            want += (double)a[i] * b[i];
            want_half += (double)half_to_float(h[i]) * b[i];
        }
        assert_true(fabs(ops->dot(a, b, 37) - want) < 1e-5);
        assert_true(fabs(ops->dot_half(h, b, 37) - want_half) < 1e-5);
    }
}

#define N_ROUNDS 200
struct rounds {
    struct pool *pool;
    uint32_t counts[4][N_ROUNDS]; /* each thread writes its own row */
    bool is_behind;
};

static void count_rounds(void *arg, int ith, int nth)
{
    struct rounds *r = arg;
    for (int i = 0; i < N_ROUNDS; i++) {
        r->counts[ith][i]++;
        pool_barrier(r->pool);
        for (int j = 0; j < nth; j++)
            if (r->counts[j][i] != r->counts[ith][i])
                r->is_behind = true;
        pool_barrier(r->pool);
    }
}

static void a_barrier_shows_what_all_wrote(void **state)
{
    (void)state;
    struct rounds *r = mem_alloc(sizeof *r);
    r->pool = pool_open(4);
    assert_int_equal(pool_n_threads(r->pool), 4);
    for (int run = 1; run <= 3; run++) {
        pool_run(r->pool, count_rounds, r);
        for (int ith = 0; ith < 4; ith++)
            assert_int_equal(r->counts[ith][N_ROUNDS - 1], run);
    }
    assert_false(r->is_behind);
    pool_close(r->pool);
    mem_free(r);
}

static void kernels_are_chosen_by_name(void **state)
{
    (void)state;
    assert_null(kernels_open_cpu("no-such-kernel", 1, true));
    struct kernels *k = kernels_open_cpu("scalar", 1, true);
    assert_string_equal(kernels_name(k), "scalar");
    kernels_close(k);
    k = kernels_open_cpu(NULL, 1, true);
    assert_non_null(k);
    assert_string_equal(kernels_name(k), kernels_name_at(0));
    kernels_close(k);
    int n = 0;
    while (kernels_name_at(n))
        n++;
    assert_string_equal(kernels_name_at(n - 1), "scalar");
    struct err err;
    assert_int_equal(backend_open_cpu(&k, "no-such-kernel", 1, true, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "scalar"));
}

/* As under a limit of processes: from here on no thread has room for its stack. */
static void refuse_threads(pthread_attr_t *kept)
{
    pthread_attr_t attr;
    assert_int_equal(pthread_getattr_default_np(kept), 0);
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)1 << 47), 0);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
}

static void threads_that_cannot_be_started_are_no_kernels(void **state)
{
    (void)state;
    pthread_attr_t kept;
    refuse_threads(&kept);
    struct kernels *none, *alone = kernels_open_cpu(NULL, 1, true);
    struct err err;
    enum status status = backend_open_cpu(&none, NULL, 3, true, &err);
    assert_int_equal(pthread_setattr_default_np(&kept), 0);
    assert_int_equal(status, ERR_NOMEM);
    assert_non_null(strstr(err.text, "threads"));
    assert_int_equal(kernels_n_threads(alone), 1);
    kernels_close(alone);
}

/* x[t] = table[tokens[t]], one value a token; keys and values of two layers. */
static struct kernels *open_plan(bool is_exact, const float *table)
{
    struct kernels *k = kernels_open_cpu(NULL, 2, is_exact);
    kernels_plan(k, &(struct plan_size){.batch_tok = 2,
                            .n_cells = 3,
                            .n_layers = 2,
                            .d = 1,
                            .n_heads = 2,
                            .n_kv_heads = 2,
                            .head_dim = 2,
                            .n_vocab = 2});
    kernels_embed(k, &(struct embed_step){{QUANT_F32, table, 1, 2, 1, 4}});
    assert_int_equal(kernels_ready(k, NULL, NULL), KERNELS_OK);
    return k;
}

static void a_cancelled_list_runs_no_step(void **state)
{
    (void)state;
    float table[2] = {1, 2}, x[2] = {-1, -1};
    int32_t tokens[2] = {1, 0};
    struct kernels *k = open_plan(true, table);
    struct kernels_batch batch = {.n_tokens = 2, .tokens = tokens};
    kernels_write(k, BUFFER_X, 0, x, 2);
    kernels_cancel(k);
    assert_int_equal(kernels_run(k, &batch), KERNELS_CANCELLED);
    kernels_read(k, BUFFER_X, 0, x, 2);
    assert_true(x[0] == -1 && x[1] == -1);
    kernels_cancel_clear(k);
    assert_int_equal(kernels_run(k, &batch), KERNELS_OK);
    kernels_read(k, BUFFER_X, 0, x, 2);
    assert_true(x[0] == 2 && x[1] == 1);
    kernels_close(k);
}

#define N_CACHE 12 /* values of the keys, or values, of a layer of open_plan */

static void every_layer_has_its_own_cache(void **state)
{
    (void)state;
    static const enum kernels_buffer halves[] = {BUFFER_KEYS, BUFFER_VALUES};
    float table[2] = {0}, values[N_CACHE];
    for (int is_exact = 0; is_exact < 2; is_exact++) {
        struct kernels *k = open_plan(is_exact, table);
        for (uint32_t i = 0; i < 4; i++) {
            kernels_read(k, halves[i % 2], i / 2, values, N_CACHE);
            for (int v = 0; v < N_CACHE; v++) {
                assert_true(values[v] == 0);
                values[v] = (float)(i * 100 + (uint32_t)v) + 0.0625f;
            }
            kernels_write(k, halves[i % 2], i / 2, values, N_CACHE);
        }
        for (uint32_t i = 0; i < 4; i++) {
            kernels_read(k, halves[i % 2], i / 2, values, N_CACHE);
            for (int v = 0; v < N_CACHE; v++) /* binary16 has eleven bits */
                assert_true(fabsf(values[v] - (float)(i * 100 + (uint32_t)v) - 0.0625f) <=
                            (is_exact ? 0 : 0.0625f));
        }
        kernels_close(k);
    }
}

static void a_plan_that_does_not_fit_says_what(void **state)
{
    (void)state;
    static const uint32_t n_cells[] = {1 << 30, UINT32_MAX}; /* refused; beyond counting */
    for (size_t i = 0; i < ARRAY_LEN(n_cells); i++) {
        struct kernels *k = kernels_open_cpu(NULL, 1, false);
        kernels_plan(k, &(struct plan_size){.batch_tok = 1,
                                .n_cells = n_cells[i],
                                .n_layers = 1u << (i ? 31 : 10),
                                .n_kv_heads = 128,
                                .head_dim = 128});
        assert_int_equal(kernels_ready(k, NULL, NULL), KERNELS_FAILED);
        assert_non_null(strstr(kernels_why(k), "KV cache"));
        kernels_close(k);
    }
}

static void a_stream_takes_time_or_is_refused(void **state)
{
    (void)state;
    struct kernels *k = kernels_open_cpu(NULL, 2, false);
    assert_true(kernels_stream(k, 1 << 20) > 0);
    assert_true(kernels_stream(k, SIZE_MAX / 2) == 0);
    kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(row_products_equal_a_plain_sum),
            cmocka_unit_test(eight_bits_keep_the_largest_and_the_sum),
            cmocka_unit_test(odd_lengths_have_their_tail),
            cmocka_unit_test(a_barrier_shows_what_all_wrote),
            cmocka_unit_test(kernels_are_chosen_by_name),
            cmocka_unit_test(threads_that_cannot_be_started_are_no_kernels),
            cmocka_unit_test(a_cancelled_list_runs_no_step),
            cmocka_unit_test(every_layer_has_its_own_cache),
            cmocka_unit_test(a_plan_that_does_not_fit_says_what),
            cmocka_unit_test(a_stream_takes_time_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
