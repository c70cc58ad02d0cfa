/*
 * test_cuda_emu.cpp - the emulator that runs the CUDA backend's kernels on this machine: what
 * it promises to kernels, and that it finds the faults that planted.cu has. Built plain (with
 * the sanitizers of the build) and as the checker.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>

#include "kernels/quant.h"
}

#include "tests/cudaemu/gkemu.h"
#include "tests/cudaemu/planted.h"

enum { N = 256 };

/* ---- memory for a planted kernel ---------------------------------------------------- */

static float value_at(int i)
{
    return (float)((i * 37 + 11) % 64 - 20); /* sums are exact in any order */
}

static float sum_of_values()
{
    float sum = 0;
    for (int i = 0; i < N; i++)
        sum += value_at(i);
    return sum;
}

static planted planted_memory()
{
    float values[N], *in;
    planted p = {};
    for (int i = 0; i < N; i++)
        values[i] = value_at(i);
    p.n = N;
    assert_int_equal(cudaMalloc(&p.out, N * sizeof(float)), cudaSuccess);
    assert_int_equal(cudaMalloc(&in, N * sizeof(float)), cudaSuccess);
    assert_int_equal(cudaMalloc(&p.counter, sizeof(unsigned)), cudaSuccess);
    assert_int_equal(
            cudaHostAlloc(&p.told, 4 * sizeof(uint32_t), cudaHostAllocMapped), cudaSuccess);
    memset(p.told, 0, 4 * sizeof(uint32_t));
    cudaMemset(p.out, 0, N * sizeof(float));
    cudaMemset(p.counter, 0, sizeof(unsigned));
    cudaMemcpy(in, values, sizeof values, cudaMemcpyHostToDevice);
    p.in = in;
    assert_int_equal(cudaStreamCreateWithFlags(&p.stream, cudaStreamNonBlocking), cudaSuccess);
    return p;
}

static void planted_free(planted p)
{
    cudaFree(p.out);
    cudaFree((void *)p.in);
    cudaFree(p.counter);
    cudaFreeHost(p.told);
    cudaStreamDestroy(p.stream);
}

/* out[0] after the kernel */
static float planted_result(void (*launch)(planted), planted p)
{
    float result;
    launch(p);
    assert_int_equal(cudaStreamSynchronize(p.stream), cudaSuccess);
    cudaMemcpy(&result, p.out, sizeof result, cudaMemcpyDeviceToHost);
    return result;
}

/* ---- right kernels ------------------------------------------------------------------ */

static const struct {
    const char *name;
    gkemu_order order;
    uint64_t seed;
    unsigned n_resident;
} orders[] = {
        {"forward", GKEMU_FORWARD, 0, 1},
        {"reverse", GKEMU_REVERSE, 0, 1},
        {"random 1", GKEMU_RANDOM, 1, 4},
        {"random 2", GKEMU_RANDOM, 2, 4},
        {"random 3", GKEMU_RANDOM, 3, 1},
};

static void right_kernels_are_right_in_every_order(void **)
{
    static void (*const kernels[])(planted) = {planted_sum, planted_sum_of_blocks,
            planted_sum_by_atomics, planted_exchange, planted_warp_operations, planted_record,
            planted_dynamic, planted_walk, planted_transposed, planted_runs, planted_banks};
    for (auto launch : kernels)
        for (const auto &o : orders) {
            gkemu_set_order(o.order, o.seed, o.n_resident);
            planted p = planted_memory();
            assert_true(planted_result(launch, p) == sum_of_values());
            planted_free(p);
        }
}

static void a_counter_is_ready_for_the_next_launch(void **)
{
    planted p = planted_memory();
    for (int i = 0; i < 3; i++)
        assert_true(planted_result(planted_sum_of_blocks, p) == sum_of_values());
    unsigned counter;
    cudaMemcpy(&counter, p.counter, sizeof counter, cudaMemcpyDeviceToHost);
    assert_int_equal(counter, 0);
    planted_free(p);
}

static void warp_operations_give_what_cuda_says(void **)
{
    float out[N];
    planted p = planted_memory();
    planted_result(planted_warp_operations, p);
    cudaMemcpy(out, p.out, sizeof out, cudaMemcpyDeviceToHost);
    float highest = value_at(0);
    for (int i = 1; i < 32; i++)
        highest = fmaxf(highest, value_at(i));
    for (int i = 0; i < 32; i++) {
        const float *got = out + 1 + i;
        assert_true(got[0] == value_at(5));
        assert_true(got[32] == value_at(i ^ 3));
        assert_true(got[64] == value_at(i + 4 < 32 ? i + 4 : i));
        assert_true(got[96] == value_at(i % 8 >= 4 ? i - 4 : i));
        assert_true(got[128] == highest);
        assert_true(got[160] == 1);
        if (i < 16)
            assert_true(got[192] == value_at(i ^ 8));
        if (i < 8) {
            assert_true(got[208] == 31 * 16); /* sum of the lanes, the highest of -lane */
            assert_true(got[216] == value_at(31 - i) * (float)(i + 1));
        }
    }
    planted_free(p);
}

static void halves_are_converted_as_the_cpu_does(void **)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = gk_half_to_float(gk_half_of_bits((uint16_t)bits));
        float expected = half_to_float((uint16_t)bits);
        assert_true(gkemu_bits(value) == gkemu_bits(expected) || isnan(expected));
        assert_int_equal(isnan(value), isnan(expected));
    }
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 9973) {
        float value = gkemu_float((uint32_t)bits);
        if (isnan(value))
            assert_true(isnan(gk_half_to_float(gk_float_to_half(value))));
        else
            assert_int_equal(gk_float_to_half(value).bits, float_to_half(value));
    }
    assert_true(gk_half2_to_float2(0x3c004000u).y == 1);
}

static void integers_are_handled_as_the_hardware_does(void **)
{
    assert_int_equal(__dp4a((int)0x80ff7f01u, 0x02020202, 5), 5 + 2 * (1 + 127 - 1 - 128));
    assert_int_equal(__dp4a(0x80ff7f01u, 0x02020202u, 5u), 5 + 2 * (1 + 127 + 255 + 128));
    assert_int_equal(__clz(0), 32);
    assert_int_equal(__ffs(8), 4);
}

static void streamed_bytes_are_counted(void **)
{
    planted p = planted_memory();
    gkemu_take_stats();
    planted_result(planted_walk, p);
    gkemu_stats stats = gkemu_take_stats();
    assert_int_equal(stats.n_streamed_bytes, N * sizeof(float));
    assert_int_equal(stats.n_launches, 1);
    assert_int_equal(stats.n_threads, 32);
    planted_free(p);
}

/* ---- streams and graphs ------------------------------------------------------------- */

static void nothing_runs_before_somebody_waits(void **)
{
    planted p = planted_memory();
    planted_record(p);
    assert_int_equal(p.told[3], 0);
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(p.told[3], 1);
    assert_int_equal(p.told[1], 39);
    planted_free(p);
}

static void a_stream_waits_for_an_event_of_another(void **)
{
    float *result;
    cudaStream_t other;
    cudaEvent_t event;
    planted p = planted_memory();
    cudaHostAlloc(&result, sizeof *result, cudaHostAllocDefault);
    *result = 0;
    cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);

    planted_sum(p);
    cudaMemcpyAsync(result, p.out, sizeof *result, cudaMemcpyDeviceToHost, other);
    cudaStreamSynchronize(other);
    assert_true(*result == 0); /* nothing told it to wait */
    cudaEventRecord(event, p.stream);
    cudaStreamWaitEvent(other, event);
    cudaMemcpyAsync(result, p.out, sizeof *result, cudaMemcpyDeviceToHost, other);
    assert_int_equal(cudaEventQuery(event), cudaErrorNotReady);
    cudaStreamSynchronize(other);
    assert_int_equal(cudaEventQuery(event), cudaSuccess);
    assert_true(*result == sum_of_values());

    cudaEventDestroy(event);
    cudaStreamDestroy(other);
    cudaFreeHost(result);
    planted_free(p);
}

static void a_graph_repeats_what_was_captured(void **)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    planted p = planted_memory();
    assert_int_equal(
            cudaStreamBeginCapture(p.stream, cudaStreamCaptureModeGlobal), cudaSuccess);
    cudaMemsetAsync(p.out, 0, sizeof(float), p.stream);
    planted_sum_by_atomics(p);
    assert_int_equal(cudaStreamEndCapture(p.stream, &graph), cudaSuccess);
    assert_int_equal(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    cudaGraphDestroy(graph);

    float result;
    assert_int_equal(cudaStreamSynchronize(p.stream), cudaSuccess);
    cudaMemcpy(&result, p.out, sizeof result, cudaMemcpyDeviceToHost);
    assert_true(result == 0); /* it was recorded, not run */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cudaGraphLaunch(exec, p.stream), cudaSuccess);
        cudaStreamSynchronize(p.stream);
        cudaMemcpy(&result, p.out, sizeof result, cudaMemcpyDeviceToHost);
        assert_true(result == sum_of_values());
    }
    cudaGraphExecDestroy(exec);
    planted_free(p);
}

static void what_no_graph_can_hold_spoils_its_capture(void **)
{
    enum { N_CALLS = 6 };
    planted p = planted_memory();
    for (int i = 0; i < N_CALLS; i++) {
        float pageable = 0;
        void *memory;
        cudaGraph_t graph;
        cudaStreamBeginCapture(p.stream, cudaStreamCaptureModeGlobal);
        cudaError_t errors[N_CALLS] = {};
        if (i == 0)
            errors[i] = cudaMalloc(&memory, 16);
        else if (i == 1)
            errors[i] = cudaMemcpy(p.out, &pageable, 4, cudaMemcpyHostToDevice);
        else if (i == 2)
            errors[i] = cudaMemcpyAsync(p.out, &pageable, 4, cudaMemcpyHostToDevice, p.stream);
        else if (i == 3)
            errors[i] = cudaStreamSynchronize(p.stream);
        else if (i == 4)
            errors[i] = cudaDeviceSynchronize();
        else
            errors[i] = cudaMemsetAsync(p.out, 0, 4); /* in the default stream */
        assert_int_equal(errors[i], cudaErrorStreamCaptureUnsupported);
        assert_int_equal(
                cudaStreamEndCapture(p.stream, &graph), cudaErrorStreamCaptureInvalidated);
        assert_null(graph);
    }
    planted_free(p);
}

/* ---- the device --------------------------------------------------------------------- */

static void a_device_can_be_made_to_fail(void **)
{
    int n = -1;
    void *memory;
    size_t n_free, n_total;
    setenv("GKEMU_DEVICES", "0", 1);
    assert_int_equal(cudaGetDeviceCount(&n), cudaErrorNoDevice);
    unsetenv("GKEMU_DEVICES");
    setenv("GKEMU_ERROR", "35", 1);
    assert_int_equal(cudaGetDeviceCount(&n), cudaErrorInsufficientDriver);
    unsetenv("GKEMU_ERROR");
    assert_int_equal(n, -1);
    assert_int_equal(cudaGetDeviceCount(&n), cudaSuccess);
    assert_int_equal(n, 1);

    setenv("GKEMU_MEMORY", "1000", 1);
    assert_int_equal(cudaMalloc(&memory, 1001), cudaErrorMemoryAllocation);
    assert_null(memory);
    assert_int_equal(cudaMalloc(&memory, 600), cudaSuccess);
    assert_int_equal(cudaMemGetInfo(&n_free, &n_total), cudaSuccess);
    assert_int_equal(n_free, 400);
    assert_int_equal(n_total, 1000);
    cudaFree(memory);
    unsetenv("GKEMU_MEMORY");

    setenv("GKEMU_FAIL", "cudaHostAlloc", 1);
    assert_int_equal(cudaHostAlloc(&memory, 16, cudaHostAllocMapped), 999);
    unsetenv("GKEMU_FAIL");
    assert_int_equal(cudaGetLastError(), 999);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
}

static void more_shared_memory_has_to_be_asked_for(void **)
{
    assert_int_equal(cudaFuncSetAttribute(planted_sum, /* any address */
                             cudaFuncAttributeMaxDynamicSharedMemorySize, 99 << 10),
            cudaSuccess);
    assert_int_equal(cudaFuncSetAttribute(planted_sum,
                             cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 10),
            cudaErrorInvalidValue);
}

/* ---- faults ------------------------------------------------------------------------- */

/* A planted fault, and the words by which each build tells it, in some order at least; NULL: it
 * cannot. WRONG: the result is not the sum, or not a number. */
#define WRONG "the result is wrong"
struct plant {
    const char *name;
    void (*launch)(planted);
    const char *plain, *asan, *check;
};

#define PLANT(name) #name, planted_##name
static const plant plants[] = {
        {PLANT(missing_barrier), WRONG, WRONG, "race in memory of the block"},
        {PLANT(missing_warp_barrier), NULL, NULL, "race in memory of the block"},
        {PLANT(one_too_far), WRONG, "AddressSanitizer",
                "just outside of what is allocated in memory of the device"},
        {PLANT(one_too_far_in_shared), NULL, "out of bounds",
                "just outside of what is allocated in memory of the block"},
        {PLANT(one_too_far_in_dynamic), NULL, "AddressSanitizer",
                "just outside of what is allocated in memory of the block"},
        {PLANT(unwritten_shared), WRONG, WRONG,
                "that nobody has written, in memory of the block"},
        {PLANT(unwritten_device), WRONG, WRONG,
                "that nobody has written, in memory of the device"},
        {PLANT(shuffle_in_branch),
                "waits at __shfl_down_sync for lanes ffffffff, some of which never come",
                "some of which never come", "some of which never come"},
        {PLANT(two_shuffles), "lanes of a warp meet at different operations",
                "meet at different", "meet at different"},
        {PLANT(lane_outside_mask), "lane 31 is not in the mask 7fffffff that it names",
                "not in the mask", "not in the mask"},
        {PLANT(reads_outside_mask), "which is not in the mask 0000ffff", "not in the mask",
                "not in the mask"},
        {PLANT(lanes_that_are_not), "the mask ffffffff names lanes that this block has not",
                "names lanes", "names lanes"},
        {PLANT(barrier_in_branch), "never come", "never come", "never come"},
        {PLANT(two_barriers), "threads of a block meet at different barriers",
                "meet at different barriers", "meet at different barriers"},
        {PLANT(leaves_before_barrier), "left the kernel", "left the kernel", "left the kernel"},
        {PLANT(plain_addition), NULL, NULL, "race in memory of the device"},
        {PLANT(plain_ring_head), NULL, NULL, "race in memory of the device"},
        {PLANT(ticket_without_barrier), NULL, NULL, "race in memory of the device"},
        {PLANT(counter_too_high), "the counter of gk_last_block is 3 of 2", "is 3 of 2",
                "is 3 of 2"},
        {PLANT(counter_unwritten), "the counter of gk_last_block is", "the counter of",
                "the counter of gk_last_block was never written"},
        {PLANT(misaligned_stream), "an address that is no multiple", "no multiple",
                "no multiple"},
        {PLANT(misaligned_load), NULL, "misaligned address", "no multiple of it"},
        {PLANT(published_too_early), NULL, NULL, "which no gk_publish of the block follows"},
        {PLANT(published_without_barrier), NULL, NULL,
                "which no gk_publish of the block follows"},
        {PLANT(not_published), NULL, NULL, "which no gk_publish of the block follows"},
        {PLANT(published_to_device), NULL, NULL, "not in mapped host memory"},
        {PLANT(too_much_shared), "48 KB before cudaFuncSetAttribute", "48 KB", "48 KB"},
        {PLANT(no_blocks), "with a grid of 0,1,1 blocks", "with a grid of", "with a grid of"},
        {PLANT(too_many_threads), "with blocks of 1025,1,1 threads", "with blocks",
                "with blocks"},
};

/* What of the host is wrong. */
static void host_gives_its_own_memory(planted p)
{
    static float values[N];
    p.in = values;
    planted_sum(p);
}
static void host_gives_its_stack(planted p)
{
    float values[N] = {};
    p.in = values;
    planted_sum(p);
    cudaStreamSynchronize(p.stream);
}
static void host_reads_device_memory(planted p)
{
    planted_sum(p);
    cudaStreamSynchronize(p.stream);
    volatile float result = p.out[0];
    (void)result;
}
static void host_copies_too_much(planted p)
{
    float values[2 * N];
    cudaMemcpy(values, p.in, sizeof values, cudaMemcpyDeviceToHost);
}
static void host_copies_the_wrong_way(planted p)
{
    float value = 0;
    cudaMemcpy(&value, p.out, sizeof value, cudaMemcpyHostToDevice);
}
static void host_frees_twice(planted p)
{
    cudaFree(p.out);
    cudaFree(p.out);
}
static void host_uses_a_dead_stream(planted p)
{
    cudaStreamDestroy(p.stream);
    planted_sum(p);
}

static void host_frees_what_is_copied(planted p)
{
    float *values;
    cudaHostAlloc(&values, sizeof *values, cudaHostAllocMapped);
    cudaMemcpyAsync(p.out, values, sizeof *values, cudaMemcpyHostToDevice, p.stream);
    cudaFreeHost(values);
}

#define HOST(name) #name, host_##name
static const plant host_plants[] = {
        {HOST(gives_its_own_memory), WRONG, WRONG, "outside of every allocation"},
        {HOST(gives_its_stack), WRONG, WRONG, "outside of every allocation"},
        {HOST(reads_device_memory), NULL, "use-after-poison", NULL},
        {HOST(copies_too_much), "ends after 1024", "ends after 1024", "ends after 1024"},
        {HOST(copies_the_wrong_way), "is no device memory", "is no device memory",
                "is no device memory"},
        {HOST(frees_twice), "cudaFree of", "cudaFree of", "cudaFree of"},
        {HOST(frees_what_is_copied), "which was freed", "which was freed", "which was freed"},
        {HOST(uses_a_dead_stream), "a stream that does not exist", "a stream that",
                "a stream that"},
};

static const char *expected_words(const plant &p)
{
#if defined(GKEMU_CHECK)
    return p.check;
#elif defined(GKEMU_ASAN)
    return p.asan;
#else
    return p.plain;
#endif
}

/* In a process of its own, for most faults end it. */
static void run_plant(const plant &plant)
{
    planted p = planted_memory();
    if (plant.launch == planted_unwritten_device) {
        float *in;
        cudaMalloc(&in, N * sizeof(float));
        p.in = in;
    }
    if (plant.launch == planted_counter_unwritten)
        cudaMalloc(&p.counter, sizeof(unsigned));
    if (planted_result(plant.launch, p) != sum_of_values())
        fprintf(stderr, WRONG "\n");
}

static void read_what_it_says(const plant &plant, char *said, size_t n)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 2);
        run_plant(plant);
        _exit(0);
    }
    close(pipes[1]);
    size_t length = 0;
    for (ssize_t got;
            length < n - 1 && (got = read(pipes[0], said + length, n - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void expect_found(const plant &plant)
{
    static char said[1 << 16];
    const char *words = expected_words(plant);
    bool is_found = !words;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0] && !is_found; i++) {
        gkemu_set_order(orders[i].order, orders[i].seed, orders[i].n_resident);
        read_what_it_says(plant, said, sizeof said);
        is_found = strstr(said, words);
    }
    if (!is_found)
        fail_msg("%s is not found by \"%s\"; it says: %.2000s", plant.name, words, said);
}

static void planted_faults_are_found(void **)
{
    for (const plant &p : plants)
        expect_found(p);
    for (const plant &p : host_plants)
        expect_found(p);
}

static void a_fault_names_its_place(void **)
{
    static char said[1 << 16];
    gkemu_set_order(GKEMU_FORWARD, 0, 1);
    read_what_it_says(plant{PLANT(lanes_that_are_not), NULL, NULL, NULL}, said, sizeof said);
    assert_non_null(
            strstr(said, "cudaemu: kernel k_lanes_that_are_not, block 0,0,0, thread 32,0,0, "
                         "cudaemu/planted.cu:"));
    assert_non_null(strstr(said, "(order forward:0, 1 resident blocks)"));
}

#ifdef GKEMU_CHECK
static void a_race_names_both_lines(void **)
{
    static char said[1 << 16];
    gkemu_set_order(GKEMU_FORWARD, 0, 1);
    read_what_it_says(plant{PLANT(plain_addition), NULL, NULL, NULL}, said, sizeof said);
    const char *first = strstr(said, "cudaemu/planted.cu:");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "cudaemu/planted.cu:"));
}

static gkemu_line worst_line(void (*launch)(planted), bool is_shared)
{
    planted p = planted_memory();
    gkemu_line worst = {};
    double highest = -1;
    gkemu_track(true);
    planted_result(launch, p);
    for (const gkemu_line &line : gkemu_tracked_lines()) {
        double use = is_shared ? (double)line.n_extra_passes / (double)line.n_accesses
                               : (double)line.n_sectors / (double)line.n_sectors_ideal;
        if (line.is_shared == is_shared && use > highest) {
            highest = use;
            worst = line;
        }
    }
    gkemu_track(false);
    planted_free(p);
    return worst;
}

static void lines_tell_how_warps_use_memory(void **)
{
    for (const auto &o : orders) {
        gkemu_set_order(o.order, o.seed, o.n_resident);
        gkemu_line walk = worst_line(planted_walk, false),
                   runs = worst_line(planted_runs, false);
        assert_non_null(strstr(walk.place.c_str(), "cudaemu/planted.cu:"));
        assert_int_equal(walk.n_sectors, N * sizeof(float) / 32);
        assert_int_equal(walk.n_sectors_ideal, N * sizeof(float) / 32);
        assert_int_equal(runs.n_sectors, 4 * runs.n_sectors_ideal);

        gkemu_line transposed = worst_line(planted_transposed, true);
        gkemu_line banks = worst_line(planted_banks, true);
        assert_int_equal(transposed.n_extra_passes, 0);
        assert_int_equal(banks.n_extra_passes, 31 * 32);
        assert_int_equal(banks.n_accesses, 32);
    }
}
#endif

/* ---- publishing --------------------------------------------------------------------- */

struct published {
    int n_looks;
    uint32_t told[3];
};

static void look_at_record(void *context, const uint32_t *seq, uint32_t value)
{
    published *seen = (published *)context;
    seen->n_looks++;
    assert_int_equal(*seq, value);
    memcpy(seen->told, seq - 3, sizeof seen->told);
}

static void a_host_can_look_when_something_is_published(void **)
{
    published seen = {};
    planted p = planted_memory();
    gkemu_on_publish(look_at_record, &seen);
    planted_result(planted_record, p);
    gkemu_on_publish(NULL, NULL);
    assert_int_equal(seen.n_looks, 1);
    assert_int_equal(seen.told[0], 7);
    assert_int_equal(seen.told[1], 39);
    planted_free(p);
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(right_kernels_are_right_in_every_order),
            cmocka_unit_test(a_counter_is_ready_for_the_next_launch),
            cmocka_unit_test(warp_operations_give_what_cuda_says),
            cmocka_unit_test(halves_are_converted_as_the_cpu_does),
            cmocka_unit_test(integers_are_handled_as_the_hardware_does),
            cmocka_unit_test(streamed_bytes_are_counted),
            cmocka_unit_test(nothing_runs_before_somebody_waits),
            cmocka_unit_test(a_stream_waits_for_an_event_of_another),
            cmocka_unit_test(a_graph_repeats_what_was_captured),
            cmocka_unit_test(what_no_graph_can_hold_spoils_its_capture),
            cmocka_unit_test(a_device_can_be_made_to_fail),
            cmocka_unit_test(more_shared_memory_has_to_be_asked_for),
            cmocka_unit_test(a_host_can_look_when_something_is_published),
            cmocka_unit_test(planted_faults_are_found),
            cmocka_unit_test(a_fault_names_its_place),
#ifdef GKEMU_CHECK
            cmocka_unit_test(a_race_names_both_lines),
            cmocka_unit_test(lines_tell_how_warps_use_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
