/*
 * test_cuda_models.c - whole models on the CUDA backend, run by the emulator (tests/cudaemu):
 * against the reference files and against the CPU. What there is of a device is the matter of
 * test_cuda_device.c. Skipped in builds without the emulator.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/kernels.h"

#include "engine/engine.h"
#include "engine/event.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/telemetry.h"

#include "tests/helper_emulated.h"
#include "tests/helper_golden.h"
#include "tests/helper_tiny_model.h"

static void models_match_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {
            "llama-dense", "llama-mixtral-Q4_0", "qwen3moe", "qwen3moe-yarn", "olmoe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        golden_check(GOLDEN, names[i], &emulated_device);
}

/* ---- beside the CPU -----------------------------------------------------------------------
 */

static void compare_choices(
        const char *what, const struct model *a, const struct model *b, uint32_t i)
{
    const struct telemetry_shape *shape = model_shape(a);
    for (uint32_t l = 0; l < shape->n_moe_layers; l++)
        for (uint32_t e = 0; e < shape->k; e++) {
            uint32_t at = l * shape->k + e;
            float weights[] = {model_weights(a, i)[at], model_weights(b, i)[at]};
            if (model_picks(a, i)[at].expert != model_picks(b, i)[at].expert ||
                    !(fabsf(weights[0] - weights[1]) < 1e-3f))
                fail_msg("%s: layer %u, slot %u: expert %u of weight %g, not %u of %g", what, l,
                        e, model_picks(b, i)[at].expert, (double)weights[1],
                        model_picks(a, i)[at].expert, (double)weights[0]);
        }
}

static void compare_samples(
        const char *what, const struct model *a, const struct model *b, uint32_t i)
{
    const struct sample *want = model_sample(a, i), *got = model_sample(b, i);
    if (want->token != got->token || !(fabsf(want->logprob - got->logprob) < 1e-2f) ||
            !(fabsf(want->entropy - got->entropy) < 1e-2f))
        fail_msg("%s: token %d, logprob %g, entropy %g, not %d, %g, %g", what, got->token,
                (double)got->logprob, (double)got->entropy, want->token, (double)want->logprob,
                (double)want->entropy);
}

/* Runs the prompt on both, drawing behind every token. */
static void run_beside(
        const struct golden *g, struct model *a, struct model *b, uint32_t n_batch)
{
    uint16_t seq[GOLDEN_MAX_TOK] = {0};
    uint32_t pos[GOLDEN_MAX_TOK];
    uint8_t want[GOLDEN_MAX_TOK];
    struct sample_params params[GOLDEN_MAX_TOK];
    const int32_t recent[] = {1, 5, 5, 9};
    struct err err;
    memset(want, 1, sizeof want);
    for (uint32_t at = 0; at < g->n_tokens; at += n_batch) {
        uint32_t n = g->n_tokens - at < n_batch ? g->n_tokens - at : n_batch;
        for (uint32_t i = 0; i < n; i++) {
            pos[i] = g->pos0 + at + i;
            params[i] = (struct sample_params){.temperature = (float)(i % 3) / 2,
                    .top_p = 0.9f,
                    .top_k = 40,
                    .presence_penalty = 0.5f,
                    .recent = recent,
                    .n_recent = (at + i) % 2 ? ARRAY_LEN(recent) : 0,
                    .uniform = (double)((at + i) * 37 % 100) / 100};
        }
        struct batch batch = {n, g->tokens + at, seq, pos, want, .params = params};
        if (model_forward(a, &batch, &err) != OK || model_forward(b, &batch, &err) != OK)
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++) {
            char what[256];
            snprintf(what, sizeof what, "%s batch %u token %u", model_info(b)->name, n_batch,
                    at + i);
            compare_choices(what, a, b, i);
            compare_samples(what, a, b, i);
        }
    }
}

/* With 8-bit activations, whose rounding is the same on both as long as decode's kernels run.
 */
static void choices_and_tokens_are_those_of_the_cpu(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-dense", "llama-mixtral-Q4_0", "olmoe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct golden g;
        assert_true(golden_open(&g, GOLDEN, names[i]));
        struct model *a = golden_open_model(&g, &emulated_cpu, false);
        struct model *b = golden_open_model(&g, &emulated_device, false);
        for (uint32_t n_batch = 1; n_batch <= 7; n_batch += 6) {
            run_beside(&g, a, b, n_batch);
            model_kv_remove(a, 0, 0, UINT32_MAX);
            model_kv_remove(b, 0, 0, UINT32_MAX);
        }
        model_close(a);
        model_close(b);
        golden_close(&g);
    }
}

#define N_RECORDS 64

/* What an engine on this backend tells of the tokens of one answer; returns how many. The
 * caller frees what is in out. */
static int records_of(const struct backend_choice *choice, const char *path,
        struct telemetry_shape *shape, struct token_record *out[N_RECORDS])
{
    struct engine *e = engine_open(&(struct engine_config){
            .path = path, .n_threads = 2, .backend = *choice, .wake_fd = -1});
    struct request *r = request_new(1);
    struct event event = {0};
    uint64_t end = clock_now_ns() + 60000000000u, n_lost = 0;
    int n = 0;
    request_add_message(r, MSG_USER, slice_of("tell me about the water"));
    r->params.temperature = 0;
    r->params.max_tokens = 12;
    assert_true(engine_send(e, r));
    while (event.kind != EV_DONE && clock_now_ns() < end)
        if (engine_poll_event(e, &event) && event.kind == EV_MODEL)
            mem_free(event.u.model.err);
    assert_int_equal(event.kind, EV_DONE);
    assert_int_equal(event.u.outcome->err.status, OK);
    mem_free(event.u.outcome);
    *shape = *engine_shape(e);
    for (out[0] = mem_alloc(token_record_bytes(shape)); n < N_RECORDS - 1;
            out[++n] = mem_alloc(token_record_bytes(shape)))
        if (!engine_poll_token(e, out[n], &n_lost))
            break;
    engine_close(e);
    return n;
}

static void compare_records(
        const struct telemetry_shape *shape, struct token_record *a, struct token_record *b)
{
    assert_int_equal(a->i_token, b->i_token);
    assert_int_equal(a->token, b->token);
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->n_top, b->n_top);
    assert_true(fabsf(a->logprob - b->logprob) < 1e-3f);
    assert_true(fabsf(a->entropy - b->entropy) < 1e-3f);
    for (int i = 0; i < a->n_top; i++)
        assert_int_equal(a->top[i].token, b->top[i].token);
    for (int i = 0; i < shape->n_moe_layers * shape->k; i++) {
        const struct expert_pick *picks[] = {
                &token_record_picks(a)[i], &token_record_picks(b)[i]};
        assert_int_equal(picks[0]->expert, picks[1]->expert);
        assert_true(abs(picks[0]->weight_q16 - picks[1]->weight_q16) < 20);
    }
    for (int i = 0; i < shape->n_moe_layers; i++)
        assert_true(fabsf(token_record_margins(a, shape)[i] -
                            token_record_margins(b, shape)[i]) < 1e-3f);
}

/* The prompt as well, when it goes through decode's kernels. */
static void records_of_tokens_are_those_of_the_cpu(void **state)
{
    (void)state;
    char path[64];
    struct tiny_model tiny = {"qwen3moe", 3, 8, 2, 32, 16, 7};
    struct token_record *want[N_RECORDS], *got[N_RECORDS];
    struct telemetry_shape shape;
    snprintf(path, sizeof path, "/tmp/shunt-cuda-models-%d.gguf", (int)getpid());
    assert_true(tiny_model_write(path, &tiny));
    setenv("GKEMU_GEMM", "none", 1);
    int n = records_of(&emulated_cpu, path, &shape, want),
        n_got = records_of(&emulated_device, path, &shape, got);
    assert_true(n > 12);
    assert_int_equal(n, n_got);
    for (int i = 0; i < n; i++)
        compare_records(&shape, want[i], got[i]);
    for (int i = 0; i <= n; i++) {
        mem_free(want[i]);
        mem_free(got[i]);
    }
    unlink(path);
}

/* The first batch of a shape is launched, the second one captured, the others replay it. */
static void a_replayed_graph_computes_what_launches_do(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (uint32_t n_batch = 1; n_batch <= 8; n_batch += 7) {
        struct model *m = emulated_open(&g, &emulated_device);
        float *first = emulated_logits(&g, m, n_batch),
              *second = emulated_logits(&g, m, n_batch);
        emulated_expect_equal(&g, first, second, "replayed");
        mem_free(first);
        mem_free(second);
        model_close(m);
    }
    golden_close(&g);
}

/* A card or driver that captures nothing: the token is launched, now and from now on. */
static void without_graphs_tokens_are_launched(void **state)
{
    (void)state;
    static const char *const calls[] = {"cudaStreamBeginCapture", "cudaGraphInstantiate"};
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct model *m = emulated_open(&g, &emulated_device);
        setenv("GKEMU_FAIL", calls[i], 1);
        float *first = emulated_logits(&g, m, 1);
        setenv("GKEMU_FAIL", "cudaGraphLaunch", 1);
        float *second = emulated_logits(&g, m, 1);
        emulated_restore(NULL);
        emulated_expect_equal(&g, first, second, calls[i]);
        mem_free(first);
        mem_free(second);
        model_close(m);
    }
    golden_close(&g);
}

static void a_conversation_gets_no_memory(void **state)
{
    (void)state;
    static const char *const calls[] = {"cudaMalloc", "cudaHostAlloc"};
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct model *m = emulated_open(&g, &emulated_device);
        setenv("GKEMU_FAIL", calls[i], 1);
        mem_free(emulated_logits(&g, m, 1));
        mem_free(emulated_logits(&g, m, 20));
        emulated_restore(NULL);
        model_close(m);
    }
    golden_close(&g);
}

/* Sequences that share cells are listed one by one: more than the block for a batch held. */
static void a_batch_that_outgrows_its_block_runs(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = emulated_open(&g, &emulated_device);
    uint32_t half = g.n_tokens / 2;
    struct difference diff = golden_run(&g, m, 0, 0, half, 1);
    for (uint16_t s = 1; s < 5; s++)
        model_kv_share(m, 0, s, 0, half);
    uint16_t seq[] = {0, 1, 2, 3, 4};
    uint32_t pos[] = {half, half, half, half, half};
    int32_t tokens[5];
    uint8_t want[] = {1, 1, 1, 1, 1};
    struct err err;
    for (int i = 0; i < 5; i++)
        tokens[i] = g.tokens[half];
    struct batch batch = {5, tokens, seq, pos, want, .keeps_logits = true};
    if (model_forward(m, &batch, &err) != OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < 5; i++)
        golden_compare(&g, m, i, half, &diff);
    golden_expect("five at once", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

/* ---- prefill ------------------------------------------------------------------------------
 */

static void prefill_is_right_whatever_cublas_there_is(void **state)
{
    (void)state;
    static const char *const kinds[] = {"none", "single", "full"};
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        setenv("GKEMU_GEMM", kinds[i], 1);
        struct model *m = emulated_open(&g, &emulated_device);
        struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, 17);
        golden_expect(kinds[i], &diff, EXACT_TOLERANCE);
        model_close(m);
    }
    golden_close(&g);
}

/* Binary16 in products: close, as 8-bit activations are. */
static void prefill_in_halves_stays_close(void **state)
{
    (void)state;
    static const char *const kinds[] = {"full", "single"};
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        setenv("GKEMU_GEMM", kinds[i], 1);
        struct model *m = golden_open_model(&g, &emulated_device, false);
        struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, GOLDEN_MAX_TOK);
        golden_expect(kinds[i], &diff, 0.1);
        model_close(m);
    }
    golden_close(&g);
}

int main(void)
{
    if (access(EMULATED_LIBRARY, R_OK) != 0) {
        print_message("skipped: this build has no emulator\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(models_match_the_reference),
            cmocka_unit_test(choices_and_tokens_are_those_of_the_cpu),
            cmocka_unit_test_teardown(records_of_tokens_are_those_of_the_cpu, emulated_restore),
            cmocka_unit_test(a_replayed_graph_computes_what_launches_do),
            cmocka_unit_test_teardown(without_graphs_tokens_are_launched, emulated_restore),
            cmocka_unit_test_teardown(a_conversation_gets_no_memory, emulated_restore),
            cmocka_unit_test(a_batch_that_outgrows_its_block_runs),
            cmocka_unit_test_teardown(
                    prefill_is_right_whatever_cublas_there_is, emulated_restore),
            cmocka_unit_test_teardown(prefill_in_halves_stays_close, emulated_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
