/*
 * test_cuda_models.c - whole models on the CUDA backend, run by the emulator (tests/cudaemu):
 * against the reference files and against the CPU, the memory they get, and what is said when
 * there is no device. Skipped in builds without the emulator.
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

#include "kernels/cuda_library.h"
#include "kernels/kernels.h"

#include "engine/engine.h"
#include "engine/event.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/telemetry.h"

#include "tests/helper_golden.h"
#include "tests/helper_tiny_model.h"

#define EMULATED SHUNT_LIB_DIR "/shunt-cuda-emu.so"

static const struct backend_choice cpu = {.name = "cpu"}, device = {.name = "cuda-emu"};

/* The state of whoever changes what the emulated device is. */
static int restore(void **state)
{
    (void)state;
    static const char *const settings[] = {"GKEMU_DEVICES", "GKEMU_ERROR", "GKEMU_DRIVER",
            "GKEMU_MEMORY", "GKEMU_FAIL", "GKEMU_GEMM", "GKEMU_NO_CODE", "GKEMU_INTEGRATED",
            "GKEMU_MEMINFO", "GKEMU_PIECE"};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        unsetenv(settings[i]);
    return 0;
}

static struct model *open_on(const struct golden *g, const struct backend_choice *choice)
{
    struct model *m = golden_open_model(g, choice, true);
    const char *why = model_info(m)->why_cpu;
    if (why[0])
        fail_msg("%s: %s", g->model_path, why);
    return m;
}

static void models_match_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {
            "llama-dense", "llama-mixtral-Q4_0", "qwen3moe", "qwen3moe-yarn", "olmoe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        golden_check(GOLDEN, names[i], &device);
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
        struct model *a = golden_open_model(&g, &cpu, false);
        struct model *b = golden_open_model(&g, &device, false);
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
    int n = records_of(&cpu, path, &shape, want),
        n_got = records_of(&device, path, &shape, got);
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

/* Logits of the whole prompt in batches of n_batch; the caller frees them. */
static float *logits_of(const struct golden *g, struct model *m, uint32_t n_batch)
{
    uint16_t seq[GOLDEN_MAX_TOK] = {0};
    uint32_t pos[GOLDEN_MAX_TOK];
    uint8_t want[GOLDEN_MAX_TOK];
    size_t row_bytes = g->n_vocab * sizeof(float);
    char *all = mem_alloc(g->n_tokens * row_bytes);
    struct err err;
    memset(want, 1, sizeof want);
    for (uint32_t at = 0; at < g->n_tokens; at += n_batch) {
        uint32_t n = g->n_tokens - at < n_batch ? g->n_tokens - at : n_batch;
        for (uint32_t i = 0; i < n; i++)
            pos[i] = at + i;
        struct batch batch = {n, g->tokens + at, seq, pos, want, .keeps_logits = true};
        if (model_forward(m, &batch, &err) != OK)
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++)
            memcpy(all + (at + i) * row_bytes, model_logits(m, i), row_bytes);
    }
    model_kv_remove(m, 0, 0, UINT32_MAX);
    return (float *)(void *)all;
}

static void expect_equal(
        const struct golden *g, const float *want, const float *got, const char *what)
{
    for (size_t i = 0; i < (size_t)g->n_tokens * g->n_vocab; i++)
        if (want[i] != got[i])
            fail_msg("%s: logit %zu of position %zu is %g, not %g", what, i % g->n_vocab,
                    i / g->n_vocab, (double)got[i], (double)want[i]);
}

/* The first batch of a shape is launched, the second one captured, the others replay it. */
static void a_replayed_graph_computes_what_launches_do(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (uint32_t n_batch = 1; n_batch <= 8; n_batch += 7) {
        struct model *m = open_on(&g, &device);
        float *first = logits_of(&g, m, n_batch), *second = logits_of(&g, m, n_batch);
        expect_equal(&g, first, second, "replayed");
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
        struct model *m = open_on(&g, &device);
        setenv("GKEMU_FAIL", calls[i], 1);
        float *first = logits_of(&g, m, 1);
        setenv("GKEMU_FAIL", "cudaGraphLaunch", 1);
        float *second = logits_of(&g, m, 1);
        restore(NULL);
        expect_equal(&g, first, second, calls[i]);
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
        struct model *m = open_on(&g, &device);
        setenv("GKEMU_FAIL", calls[i], 1);
        mem_free(logits_of(&g, m, 1));
        mem_free(logits_of(&g, m, 20));
        restore(NULL);
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
    struct model *m = open_on(&g, &device);
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
        struct model *m = open_on(&g, &device);
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
        struct model *m = golden_open_model(&g, &device, false);
        struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, GOLDEN_MAX_TOK);
        golden_expect(kinds[i], &diff, 0.1);
        model_close(m);
    }
    golden_close(&g);
}

/* ---- memory -------------------------------------------------------------------------------
 */

static void experts_may_stay_in_host_memory(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = open_on(&g, &device);
    float *few = logits_of(&g, m, 1), *many = logits_of(&g, m, 20);
    uint64_t most = model_info(m)->file_bytes;
    model_close(m);
    int n_placed = 0;
    for (uint64_t bytes = 1 << 20; bytes < 64 << 20; bytes += most / 3) {
        struct backend_choice small = device;
        small.gpu_bytes = bytes;
        m = golden_open_model(&g, &small, true);
        if (model_info(m)->why_cpu[0] == '\0') {
            float *small_few = logits_of(&g, m, 1), *small_many = logits_of(&g, m, 20);
            expect_equal(&g, few, small_few, "decode, experts in host memory");
            expect_equal(&g, many, small_many, "prefill, experts in host memory");
            mem_free(small_few);
            mem_free(small_many);
            n_placed++;
        }
        model_close(m);
        if (n_placed == 3)
            break;
    }
    assert_int_equal(n_placed, 3);
    mem_free(few);
    mem_free(many);
    golden_close(&g);
}

static void a_model_without_room_runs_on_the_cpu(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct backend_choice small = device;
    small.gpu_bytes = 1000;
    struct model *m = golden_open_model(&g, &small, true);
    assert_non_null(strstr(model_info(m)->why_cpu, "beside its experts, of which 0.0 MB"));
    assert_null(strstr(model_info(m)->kernel, "cuda"));
    struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, GOLDEN_MAX_TOK);
    golden_expect("on the CPU", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

/* With so much GPU memory, 0: what there is, the model runs on the CPU, for this reason. */
static void expect_refusal(uint64_t gpu_bytes, const char *sentence)
{
    struct golden g;
    struct backend_choice choice = device;
    choice.gpu_bytes = gpu_bytes;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = golden_open_model(&g, &choice, true);
    const char *why = model_info(m)->why_cpu;
    if (!strstr(why, sentence))
        fail_msg("\"%s\" says nothing of \"%s\"", why, sentence);
    model_close(m);
    golden_close(&g);
}

/* Of 512 MB the desktop has the last, whatever was asked for. */
static void a_reserve_is_left(void **state)
{
    (void)state;
    setenv("GKEMU_MEMORY", "536870912", 1);
    expect_refusal(0, "of which 0.0 MB can be used");
    expect_refusal((uint64_t)1 << 40, "of which 0.0 MB can be used");
}

/* GPU memory for all of a model but its experts, as it is said when there is none. */
static uint64_t bytes_without_experts(void)
{
    struct golden g;
    struct backend_choice none = device;
    none.gpu_bytes = 1000;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = golden_open_model(&g, &none, true);
    const char *needs = strstr(model_info(m)->why_cpu, "needs ");
    assert_non_null(needs);
    double mb = strtod(needs + strlen("needs "), NULL);
    model_close(m);
    golden_close(&g);
    return (uint64_t)(mb * 1e6) + 100000; /* it is rounded */
}

static void write_meminfo(const char *path, uint64_t available_kb)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "MemTotal: 99999999 kB\nMemAvailable: %llu kB\nBuffers: 1 kB\n",
            (unsigned long long)available_kb);
    assert_int_equal(fclose(f), 0);
    setenv("GKEMU_MEMINFO", path, 1);
}

/* 2 GB of main memory are the system's. */
static void main_memory_is_pinned_only_where_there_is_room(void **state)
{
    (void)state;
    char path[] = "/tmp/shunt-meminfo-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_meminfo(path, 2 << 20);
    expect_refusal(bytes_without_experts(),
            "of experts would lie in main memory, of which 0.0 MB can be used");
    write_meminfo(path, 3 << 20);
    expect_refusal(bytes_without_experts(), "");
    unlink(path);
}

static void set_piece(uint64_t n_bytes)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n_bytes);
    setenv("GKEMU_PIECE", text, 1);
}

/* With buffers that are smaller than the weights. */
static struct model *open_narrow(void)
{
    struct model *m;
    struct err err;
    struct model_config cfg = {.path = GOLDEN "models/olmoe.gguf",
            .context_tok = 64,
            .batch_tok = 1,
            .n_threads = 2,
            .is_exact = true,
            .backend = device};
    if (model_open(&m, &cfg, &err) != OK)
        fail_msg("%s", err.text);
    return m;
}

/* Bytes at once with which experts would have to leave the device, for which there is no room.
 */
static uint64_t piece_for_fewer_experts(void)
{
    char path[] = "/tmp/shunt-meminfo-XXXXXX";
    bool is_found = false;
    uint64_t n_bytes = 64 << 20;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_meminfo(path, 2 << 20);
    while (!is_found && n_bytes > 1000) {
        n_bytes -= n_bytes / 10;
        set_piece(n_bytes);
        struct model *m = open_narrow();
        is_found = strstr(model_info(m)->why_cpu, "of experts would lie in main memory");
        model_close(m);
    }
    unsetenv("GKEMU_MEMINFO");
    unlink(path);
    assert_true(is_found);
    return n_bytes;
}

/* cudaMemGetInfo knows nothing of pieces, and another process may be faster. */
static void memory_that_is_not_given_holds_fewer_experts(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    g.n_tokens = 16;
    struct model *m = open_narrow();
    float *want = logits_of(&g, m, 1);
    model_close(m);
    set_piece(piece_for_fewer_experts());
    m = open_narrow();
    assert_string_equal(model_info(m)->why_cpu, "");
    float *got = logits_of(&g, m, 1);
    expect_equal(&g, want, got, "memory in pieces");
    model_close(m);
    set_piece(1000);
    expect_refusal(0, "the GPU failed in cudaMalloc of ");
    mem_free(want);
    mem_free(got);
    golden_close(&g);
}

/* It has what the system could give, and no second kind of memory. */
static void an_integrated_device_has_the_main_memory(void **state)
{
    (void)state;
    char path[] = "/tmp/shunt-meminfo-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    setenv("GKEMU_INTEGRATED", "1", 1);
    write_meminfo(path, 2 << 20);
    expect_refusal(0, "of which 0.0 MB can be used");
    write_meminfo(path, 3 << 20);
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    model_close(open_on(&g, &device));
    golden_close(&g);
    expect_refusal(bytes_without_experts(), "the GPU shares the main memory");
    unlink(path);
}

/* ---- what goes wrong ----------------------------------------------------------------------
 */

static void expect_why(const struct backend_choice *choice, const char *sentence)
{
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    struct golden g;
    assert_false(backend_find_gpu(choice, &gpu, why));
    if (!strstr(why, sentence))
        fail_msg("\"%s\" says nothing of \"%s\"", why, sentence);
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = golden_open_model(&g, choice, true);
    assert_string_equal(model_info(m)->why_cpu, why);
    assert_null(strstr(model_info(m)->kernel, "cuda"));
    model_close(m);
    golden_close(&g);
}

static void without_a_device_a_sentence_says_so(void **state)
{
    (void)state;
    setenv("GKEMU_DEVICES", "0", 1);
    expect_why(&device, "there is no NVIDIA GPU");
    restore(NULL);
    setenv("GKEMU_ERROR", "35", 1);
    setenv("GKEMU_DRIVER", "0", 1);
    expect_why(&device, "there is no NVIDIA driver on this machine; version 580 or newer is");
    setenv("GKEMU_DRIVER", "12040", 1);
    expect_why(&device, "supports CUDA 12.4 only; 13.0 is needed: install version 580");
    setenv("GKEMU_ERROR", "3", 1);
    expect_why(&device, "cannot be used");
}

static void a_device_without_code_is_not_used(void **state)
{
    (void)state;
    setenv("GKEMU_NO_CODE", "1", 1);
    expect_why(
            &device, "this shunt has no code for emulated device, of compute capability 8.9");
}

/* Though the first one is newer. */
static void of_two_devices_the_one_with_more_memory_is_used(void **state)
{
    (void)state;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    setenv("GKEMU_DEVICES", "2", 1);
    setenv("GKEMU_MEMORY", "1073741824,2147483648", 1);
    assert_true(backend_find_gpu(&device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device 1");
    setenv("GKEMU_MEMORY", "1073741824,536870912", 1);
    assert_true(backend_find_gpu(&device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device");
}

/* Whatever its memory. */
static void a_device_without_code_leaves_it_to_the_other(void **state)
{
    (void)state;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    setenv("GKEMU_DEVICES", "2", 1);
    setenv("GKEMU_MEMORY", "1073741824,2147483648", 1);
    setenv("GKEMU_NO_CODE", "2", 1);
    assert_true(backend_find_gpu(&device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device");
    setenv("GKEMU_NO_CODE", "1", 1);
    assert_true(backend_find_gpu(&device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device 1");
    setenv("GKEMU_NO_CODE", "3", 1);
    expect_why(
            &device, "this shunt has no code for emulated device 1, of compute capability 8.6");
}

static void a_gpu_that_is_not_used_has_a_reason(void **state)
{
    (void)state;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    assert_false(backend_find_gpu(&cpu, &gpu, why));
    assert_string_equal(why, "the CPU is asked for");
    assert_true(backend_find_gpu(&(struct backend_choice){0}, &gpu, why) || why[0]);
}

static void add_attn_in(struct kernels *k, const uint32_t *n)
{
    k->ops->attn_in(
            k, &(struct attn_in_step){
                       .head_dim = n[0], .n_heads = n[1], .n_kv_heads = n[2], .n_rot = n[3]});
}

static void add_attend(struct kernels *k, const uint32_t *n)
{
    k->ops->attend(
            k, &(struct attend_step){.head_dim = n[0], .n_heads = n[1], .n_kv_heads = n[2]});
}

static void add_gate(struct kernels *k, const uint32_t *n)
{
    k->ops->gate(k, &(struct gate_step){.n_experts = n[0], .n_used = n[1]});
}

static void add_experts(struct kernels *k, const uint32_t *n)
{
    k->ops->experts(k, &(struct experts_step){.n_experts = n[0], .n_used = n[1]});
}

static void add_nothing(struct kernels *k, const uint32_t *n)
{
    (void)k;
    (void)n;
}

/* Nobody has such a model; its weights are not looked at before. */
static void what_kernels_cannot_run_is_refused(void **state)
{
    (void)state;
    static const struct {
        void (*add)(struct kernels *k, const uint32_t *n);
        uint32_t n[4], batch_tok;
        const char *sentence;
    } rows[] = {
            {add_attn_in, {258, 4, 4, 64}, 8,
                    "at most 256 values a head, and the model has 258"},
            {add_attn_in, {127, 4, 4, 64}, 8, "an even head_dim, and the model's is 127"},
            {add_attn_in, {64, 4, 4, 66}, 8, "at most 64 turned values a head"},
            {add_attend, {512, 4, 4}, 8, "at most 256 values a head, and the model has 512"},
            {add_attend, {64, 6, 4}, 8, "and the model has 6 and 4"},
            {add_attend, {64, 6, 0}, 8, "and the model has 6 and 0"},
            {add_gate, {64, 33}, 8, "at most 32 experts a token, and the model has 33"},
            {add_gate, {3073, 8}, 8, "at most 3072 experts, and the model has 3073"},
            {add_experts, {64, 33}, 8, "at most 32 experts a token, and the model has 33"},
            {add_experts, {3073, 8}, 8, "at most 3072 experts, and the model has 3073"},
            {add_nothing, {0}, 65536, "at most 65535 tokens a batch, and the model has 65536"},
    };
    char why[256];
    const struct cuda_library *library = cuda_library_load(EMULATED, why, sizeof why);
    assert_non_null(library);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kernels *k = library->open(true, 0, why, sizeof why);
        struct plan_size size = {.batch_tok = rows[i].batch_tok, .n_layers = 1};
        assert_non_null(k);
        k->ops->plan(k, &size);
        rows[i].add(k, rows[i].n);
        assert_int_equal(k->ops->ready(k, NULL, NULL), KERNELS_FAILED);
        if (!strstr(k->ops->why(k), rows[i].sentence))
            fail_msg("row %zu: \"%s\" says nothing of \"%s\"", i, k->ops->why(k),
                    rows[i].sentence);
        k->ops->close(k);
    }
}

static void without_a_library_a_sentence_says_so(void **state)
{
    (void)state;
    expect_why(&(struct backend_choice){.name = "cuda", .library = "/nonexistent.so"},
            "/nonexistent.so");
    expect_why(&(struct backend_choice){.name = "cuda", .library = "libm.so.6"},
            "./libm.so.6 is not a library that can be loaded (cannot open");
    struct err err;
    assert_int_equal(
            backend_check(&(struct backend_choice){.name = "vulkan"}, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "vulkan"));
}

static void a_failing_device_is_a_sentence(void **state)
{
    (void)state;
    static const char *const calls[] = {"cudaMemcpyAsync", "cudaStreamSynchronize"};
    struct golden g;
    struct err err;
    uint16_t seq = 0;
    uint32_t pos = 0;
    uint8_t want = 1;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct model *m = open_on(&g, &device);
        uint32_t room = model_kv_room(m);
        struct batch batch = {1, g.tokens, &seq, &pos, &want};
        setenv("GKEMU_FAIL", calls[i], 1);
        assert_int_equal(model_forward(m, &batch, &err), ERR_IO);
        assert_non_null(strstr(err.text, calls[i]));
        assert_int_equal(model_kv_room(m), room);
        restore(NULL);
        model_close(m);
    }
    golden_close(&g);
}

static bool stop_half_way(void *user, const struct model_info *info, float fraction)
{
    (void)info;
    ++*(int *)user;
    return fraction < 0.5f;
}

static void loading_can_be_cancelled(void **state)
{
    (void)state;
    int n_calls = 0;
    struct model *m;
    struct err err;
    struct model_config cfg = {.path = GOLDEN "models/olmoe.gguf",
            .backend = device,
            .progress = stop_half_way,
            .user = &n_calls};
    assert_int_equal(model_open(&m, &cfg, &err), ERR_CANCELLED);
    assert_true(n_calls > 1);
}

static void a_cancelled_batch_leaves_no_cells(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = open_on(&g, &device);
    uint16_t seq[16] = {0};
    uint32_t pos[16] = {0}, room = model_kv_room(m);
    uint8_t want[16] = {0};
    struct err err;
    model_cancel(m);
    for (uint32_t n = 1; n <= 16; n += 15)
        assert_int_equal(model_forward(m, &(struct batch){n, g.tokens, seq, pos, want}, &err),
                ERR_CANCELLED);
    assert_int_equal(model_kv_room(m), room);
    model_cancel_clear(m);
    struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, 7);
    golden_expect("after cancelling", &diff, EXACT_TOLERANCE);
    model_close(m);
    golden_close(&g);
}

int main(void)
{
    if (access(EMULATED, R_OK) != 0) {
        print_message("skipped: this build has no emulator\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(models_match_the_reference),
            cmocka_unit_test(choices_and_tokens_are_those_of_the_cpu),
            cmocka_unit_test_teardown(records_of_tokens_are_those_of_the_cpu, restore),
            cmocka_unit_test(a_replayed_graph_computes_what_launches_do),
            cmocka_unit_test_teardown(without_graphs_tokens_are_launched, restore),
            cmocka_unit_test_teardown(a_conversation_gets_no_memory, restore),
            cmocka_unit_test(a_batch_that_outgrows_its_block_runs),
            cmocka_unit_test_teardown(prefill_is_right_whatever_cublas_there_is, restore),
            cmocka_unit_test_teardown(prefill_in_halves_stays_close, restore),
            cmocka_unit_test(experts_may_stay_in_host_memory),
            cmocka_unit_test(a_model_without_room_runs_on_the_cpu),
            cmocka_unit_test_teardown(a_reserve_is_left, restore),
            cmocka_unit_test_teardown(main_memory_is_pinned_only_where_there_is_room, restore),
            cmocka_unit_test_teardown(memory_that_is_not_given_holds_fewer_experts, restore),
            cmocka_unit_test_teardown(an_integrated_device_has_the_main_memory, restore),
            cmocka_unit_test_teardown(without_a_device_a_sentence_says_so, restore),
            cmocka_unit_test_teardown(a_device_without_code_is_not_used, restore),
            cmocka_unit_test_teardown(of_two_devices_the_one_with_more_memory_is_used, restore),
            cmocka_unit_test_teardown(a_device_without_code_leaves_it_to_the_other, restore),
            cmocka_unit_test(a_gpu_that_is_not_used_has_a_reason),
            cmocka_unit_test(what_kernels_cannot_run_is_refused),
            cmocka_unit_test(without_a_library_a_sentence_says_so),
            cmocka_unit_test_teardown(a_failing_device_is_a_sentence, restore),
            cmocka_unit_test(loading_can_be_cancelled),
            cmocka_unit_test(a_cancelled_batch_leaves_no_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
