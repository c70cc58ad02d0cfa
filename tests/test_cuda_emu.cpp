/*
 * test_cuda_emu.cpp - the emulator that runs the CUDA backend's kernels on this machine: what
 * it promises to kernels, and that it finds the faults that planted.cu has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include <cmocka.h>
}

#include "tests/cudaemu/gkemu.h"
#include "tests/cudaemu/planted.h"

static void a_block_sums_a_row(void **)
{
    enum { N_ROWS = 9, N = 100 };
    float in[N_ROWS][N], out[N_ROWS], *device_in, *device_out;
    for (int r = 0; r < N_ROWS; r++)
        for (int i = 0; i < N; i++)
            in[r][i] = (float)(r * i % 17);
    assert_int_equal(cudaMalloc(&device_in, sizeof in), cudaSuccess);
    assert_int_equal(cudaMalloc(&device_out, sizeof out), cudaSuccess);
    cudaMemcpy(device_in, in, sizeof in, cudaMemcpyHostToDevice);
    planted_sum_rows(device_out, device_in, N_ROWS, N, nullptr);
    cudaMemcpy(out, device_out, sizeof out, cudaMemcpyDeviceToHost);
    for (int r = 0; r < N_ROWS; r++) {
        float sum = 0.0f;
        for (int i = 0; i < N; i++)
            sum += in[r][i];
        assert_true(out[r] == sum);
    }
    cudaFree(device_in);
    cudaFree(device_out);
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_block_sums_a_row),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
