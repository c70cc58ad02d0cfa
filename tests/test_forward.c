/* test_forward.c - logits and expert choices of whole models against the reference files, for
 * every way to cut the prompt into batches and every instruction set; sequences and the cache.
 * Reference values come from another implementation (tests/golden/README.md).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/kernels.h"

#include "engine/model.h"

#include "tests/helper_golden.h"

static const char *const kernel_names[] = {"scalar", "avx2"};

static bool has_kernel(const char *name)
{
    struct kernels *k = kernels_open_cpu(name, 1, true);
    kernels_close(k);
    return k != NULL;
}

static struct model *open_model(const struct golden *g, const char *kernel, bool is_exact)
{
    return golden_open_model(
            g, &(struct backend_choice){.name = "cpu", .kernel = kernel}, is_exact);
}

static void check_exact(const char *folder, const char *name, const char *kernel)
{
    if (!kernel || has_kernel(kernel))
        golden_check(folder, name, &(struct backend_choice){.name = "cpu", .kernel = kernel});
}

static void models_match_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {
            "llama-dense", "llama-mixtral-Q4_0", "qwen3moe", "qwen3moe-yarn", "olmoe"};
    assert_int_equal(access(GOLDEN "models/olmoe.json", R_OK), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t k = 0; k < ARRAY_LEN(kernel_names); k++)
            check_exact(GOLDEN, names[i], kernel_names[k]);
}

/* With the best kernel only: what the scalar one does is seen above, and it is slow. */
static void shared_models_match_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen3", "qwen3moe-q-Q4_K_M", "qwen3moe.long",
            "llama-mixtral", "llama-mixtral.long", "llama-mixtral-BF16", "llama-mixtral-F16",
            "llama-mixtral-Q8_0", "mixtral-q-Q4_K_M", "mixtral-q-Q2_K"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        check_exact(SHARED, names[i], NULL);
}

/* 8-bit activations: a token whose choice of experts flipped differs as a whole, so only models
 * where none flips are bounded. */
static void fast_mode_stays_close(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *name;
    } models[] = {{GOLDEN, "llama-dense"}, {GOLDEN, "olmoe"}, {GOLDEN, "llama-mixtral-Q4_0"},
            {SHARED, "qwen3moe-q-Q4_K_M"}, {SHARED, "llama-mixtral-Q8_0"},
            {SHARED, "mixtral-q-Q4_K_M"}};
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct golden g;
        if (!golden_open(&g, models[i].folder, models[i].name))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(kernel_names); k++) {
            if (!has_kernel(kernel_names[k]))
                continue;
            struct model *m = open_model(&g, kernel_names[k], false);
            struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, 16);
            double rms = sqrt(diff.sum_squares / (double)diff.n);
            if (diff.n_flipped == 0 && !(rms <= 0.1 && diff.largest <= 0.6))
                fail_msg("%s %s: rms %g, largest %g", models[i].name, kernel_names[k], rms,
                        diff.largest);
            assert_true(diff.n_flipped * 20 < diff.n);
            model_close(m);
        }
        golden_close(&g);
    }
}

/* Three sequences, one token of each per batch, at different places of the prompt. */
static void sequences_in_one_batch_do_not_see_each_other(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "qwen3moe"));
    struct model *m = open_model(&g, NULL, true);
    struct difference diff = {0};
    uint8_t want[3] = {1, 1, 1};
    struct err err;
    for (uint32_t step = 0; step < g.n_tokens + 10; step++) {
        uint16_t seq[3];
        uint32_t pos[3], n = 0;
        int32_t tokens[3];
        for (uint16_t s = 0; s < 3; s++) /* sequence s starts 5 steps after the one before */
            if (step >= 5u * s && step - 5u * s < g.n_tokens) {
                seq[n] = (uint16_t)(s * 31);
                pos[n] = step - 5u * s;
                tokens[n] = g.tokens[pos[n]];
                n++;
            }
        struct batch batch = {n, tokens, seq, pos, want, .keeps_logits = true};
        assert_int_equal(model_forward(m, &batch, &err), OK);
        for (uint32_t i = 0; i < n; i++)
            golden_compare(&g, m, i, pos[i], &diff);
    }
    golden_expect("interleaved", &diff, EXACT_TOLERANCE);
    assert_int_equal(diff.n, 3 * (size_t)g.n_tokens * g.n_vocab);
    model_close(m);
    golden_close(&g);
}

static void a_shared_prefix_and_a_rewind_equal_recomputing(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "qwen3moe"));
    struct model *m = open_model(&g, NULL, true);
    uint32_t half = g.n_tokens / 2, room = model_kv_room(m);
    struct difference diff = golden_run(&g, m, 4, 0, g.n_tokens, 9);
    golden_expect("whole", &diff, EXACT_TOLERANCE);
    model_kv_share(m, 4, 9, 0, half);
    assert_int_equal(model_kv_room(m), room - g.n_tokens); /* nothing copied */
    diff = golden_run(&g, m, 9, half, g.n_tokens, 9);
    golden_expect("behind a shared prefix", &diff, EXACT_TOLERANCE);
    model_kv_remove(m, 4, half, UINT32_MAX);
    diff = golden_run(&g, m, 4, half, g.n_tokens, 3);
    golden_expect("after a rewind", &diff, EXACT_TOLERANCE);
    model_kv_remove(m, 4, 0, UINT32_MAX);
    assert_int_equal(model_kv_room(m), room - g.n_tokens); /* 9 still holds the prefix */
    model_kv_remove(m, 9, 0, UINT32_MAX);
    assert_int_equal(model_kv_room(m), room);
    model_close(m);
    golden_close(&g);
}

/* RoPE is relative: without YaRN's magnitude or frequency factors in the way, moving the whole
 * prompt changes nothing but rounding. */
static void positions_may_start_anywhere(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "qwen3moe"));
    struct model *m = open_model(&g, NULL, true);
    g.pos0 = 100000; /* far beyond the 512 cells */
    struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, 7);
    golden_expect("from position 100000", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

static void a_full_cache_changes_nothing(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    g.n_ctx = g.n_tokens - 1;
    struct model *m = open_model(&g, NULL, true);
    uint16_t seq[GOLDEN_MAX_TOK] = {0};
    uint32_t pos[GOLDEN_MAX_TOK];
    uint8_t want[GOLDEN_MAX_TOK] = {0};
    struct err err;
    for (uint32_t i = 0; i < g.n_tokens; i++)
        pos[i] = i;
    assert_int_equal(
            model_forward(m, &(struct batch){g.n_tokens, g.tokens, seq, pos, want}, &err),
            ERR_CONTEXT);
    assert_int_equal(model_kv_room(m), g.n_ctx);
    int32_t wrong[] = {(int32_t)g.n_vocab, -1};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(model_forward(m, &(struct batch){1, wrong + i, seq, pos, want}, &err),
                ERR_USAGE);
    assert_int_equal(model_kv_room(m), g.n_ctx);
    struct difference diff = golden_run(&g, m, 0, 0, g.n_ctx, GOLDEN_MAX_TOK);
    golden_expect("after the refusals", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

static void a_cancelled_batch_leaves_no_cells(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "llama-dense"));
    struct model *m = open_model(&g, NULL, true);
    uint16_t seq = 0;
    uint32_t pos = 0, room = model_kv_room(m);
    uint8_t want = 1;
    struct err err;
    model_cancel(m);
    assert_int_equal(model_forward(m, &(struct batch){1, g.tokens, &seq, &pos, &want}, &err),
            ERR_CANCELLED);
    assert_int_equal(model_kv_room(m), room);
    model_cancel_clear(m);
    struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, GOLDEN_MAX_TOK);
    golden_expect("after cancelling", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

static bool stop_at_once(void *user, const struct model_info *info, float fraction)
{
    assert_true(info->file_bytes > 0 && info->kv_bytes > 0);
    assert_true(fraction >= 0 && fraction <= 1);
    ++*(int *)user;
    return false;
}

static void loading_can_be_cancelled(void **state)
{
    (void)state;
    int n_calls = 0;
    struct model *m;
    struct err err;
    struct model_config cfg = {
            .path = GOLDEN "models/olmoe.gguf", .progress = stop_at_once, .user = &n_calls};
    assert_int_equal(model_open(&m, &cfg, &err), ERR_CANCELLED);
    assert_int_equal(n_calls, 1);
    cfg = (struct model_config){.path = cfg.path, .backend = {.kernel = "no-such-kernel"}};
    assert_int_equal(model_open(&m, &cfg, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "no-such-kernel"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(models_match_the_reference),
            cmocka_unit_test(shared_models_match_the_reference),
            cmocka_unit_test(fast_mode_stays_close),
            cmocka_unit_test(sequences_in_one_batch_do_not_see_each_other),
            cmocka_unit_test(a_shared_prefix_and_a_rewind_equal_recomputing),
            cmocka_unit_test(positions_may_start_anywhere),
            cmocka_unit_test(a_full_cache_changes_nothing),
            cmocka_unit_test(a_cancelled_batch_leaves_no_cells),
            cmocka_unit_test(loading_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
