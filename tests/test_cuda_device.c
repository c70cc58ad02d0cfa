/*
 * test_cuda_device.c - the memory that models get on an emulated device (tests/cudaemu), and
 * what is said and done when there is no device, not enough of it, or one that fails. Skipped
 * in builds without the emulator.
 */
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

#include "engine/model.h"

#include "tests/helper_emulated.h"
#include "tests/helper_golden.h"

/* ---- memory -------------------------------------------------------------------------------
 */

static void experts_may_stay_in_host_memory(void **state)
{
    (void)state;
    struct golden g;
    assert_true(golden_open(&g, GOLDEN, "olmoe"));
    struct model *m = emulated_open(&g, &emulated_device);
    float *few = emulated_logits(&g, m, 1), *many = emulated_logits(&g, m, 20);
    uint64_t most = model_info(m)->file_bytes;
    model_close(m);
    int n_placed = 0;
    for (uint64_t bytes = 1 << 20; bytes < 64 << 20; bytes += most / 3) {
        struct backend_choice small = emulated_device;
        small.gpu_bytes = bytes;
        m = golden_open_model(&g, &small, true);
        if (model_info(m)->why_cpu[0] == '\0') {
            float *small_few = emulated_logits(&g, m, 1),
                  *small_many = emulated_logits(&g, m, 20);
            emulated_expect_equal(&g, few, small_few, "decode, experts in host memory");
            emulated_expect_equal(&g, many, small_many, "prefill, experts in host memory");
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
    struct backend_choice small = emulated_device;
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
    struct backend_choice choice = emulated_device;
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
    struct backend_choice none = emulated_device;
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
            .backend = emulated_device};
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
    float *want = emulated_logits(&g, m, 1);
    model_close(m);
    set_piece(piece_for_fewer_experts());
    m = open_narrow();
    assert_string_equal(model_info(m)->why_cpu, "");
    float *got = emulated_logits(&g, m, 1);
    emulated_expect_equal(&g, want, got, "memory in pieces");
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
    model_close(emulated_open(&g, &emulated_device));
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
    expect_why(&emulated_device, "there is no NVIDIA GPU");
    emulated_restore(NULL);
    setenv("GKEMU_DRIVER", "0", 1);
    expect_why(&emulated_device,
            "there is no NVIDIA driver on this machine; version 580 or newer is");
    setenv("GKEMU_DRIVER", "12040", 1);
    expect_why(
            &emulated_device, "supports CUDA 12.4 only; 13.0 is needed: install version 580");
    emulated_restore(NULL);
    setenv("GKEMU_ERROR", "3", 1);
    expect_why(&emulated_device, "cannot be used");
}

static void a_device_without_code_is_not_used(void **state)
{
    (void)state;
    setenv("GKEMU_NO_CODE", "1", 1);
    expect_why(&emulated_device,
            "this shunt has no code for emulated device, of compute capability 8.9");
}

/* Though the first one is newer. */
static void of_two_devices_the_one_with_more_memory_is_used(void **state)
{
    (void)state;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    setenv("GKEMU_DEVICES", "2", 1);
    setenv("GKEMU_MEMORY", "1073741824,2147483648", 1);
    assert_true(backend_find_gpu(&emulated_device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device 1");
    setenv("GKEMU_MEMORY", "1073741824,536870912", 1);
    assert_true(backend_find_gpu(&emulated_device, &gpu, why));
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
    assert_true(backend_find_gpu(&emulated_device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device");
    setenv("GKEMU_NO_CODE", "1", 1);
    assert_true(backend_find_gpu(&emulated_device, &gpu, why));
    assert_string_equal(gpu.name, "emulated device 1");
    setenv("GKEMU_NO_CODE", "3", 1);
    expect_why(&emulated_device,
            "this shunt has no code for emulated device 1, of compute capability 8.6");
}

static void a_gpu_that_is_not_used_has_a_reason(void **state)
{
    (void)state;
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    assert_false(backend_find_gpu(&emulated_cpu, &gpu, why));
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
    const struct cuda_library *library = cuda_library_load(EMULATED_LIBRARY, why, sizeof why);
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
        struct model *m = emulated_open(&g, &emulated_device);
        uint32_t room = model_kv_room(m);
        struct batch batch = {1, g.tokens, &seq, &pos, &want};
        setenv("GKEMU_FAIL", calls[i], 1);
        assert_int_equal(model_forward(m, &batch, &err), ERR_IO);
        assert_non_null(strstr(err.text, calls[i]));
        assert_int_equal(model_kv_room(m), room);
        emulated_restore(NULL);
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
            .backend = emulated_device,
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
    struct model *m = emulated_open(&g, &emulated_device);
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
    if (access(EMULATED_LIBRARY, R_OK) != 0) {
        print_message("skipped: this build has no emulator\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(experts_may_stay_in_host_memory),
            cmocka_unit_test(a_model_without_room_runs_on_the_cpu),
            cmocka_unit_test_teardown(a_reserve_is_left, emulated_restore),
            cmocka_unit_test_teardown(
                    main_memory_is_pinned_only_where_there_is_room, emulated_restore),
            cmocka_unit_test_teardown(
                    memory_that_is_not_given_holds_fewer_experts, emulated_restore),
            cmocka_unit_test_teardown(
                    an_integrated_device_has_the_main_memory, emulated_restore),
            cmocka_unit_test_teardown(without_a_device_a_sentence_says_so, emulated_restore),
            cmocka_unit_test_teardown(a_device_without_code_is_not_used, emulated_restore),
            cmocka_unit_test_teardown(
                    of_two_devices_the_one_with_more_memory_is_used, emulated_restore),
            cmocka_unit_test_teardown(
                    a_device_without_code_leaves_it_to_the_other, emulated_restore),
            cmocka_unit_test(a_gpu_that_is_not_used_has_a_reason),
            cmocka_unit_test(what_kernels_cannot_run_is_refused),
            cmocka_unit_test(without_a_library_a_sentence_says_so),
            cmocka_unit_test_teardown(a_failing_device_is_a_sentence, emulated_restore),
            cmocka_unit_test(loading_can_be_cancelled),
            cmocka_unit_test(a_cancelled_batch_leaves_no_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
