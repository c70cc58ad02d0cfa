/*
 * test_cuda_lines.cpp - what of the kernels' speed can be counted without a card: how many
 * sectors of 32 bytes decode moves for a matrix, with rows as long as those of models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "kernels/cuda.h"

#include "tests/cudaemu/gkemu.h"
#include "tests/helper_device.h"

enum { N_IN = 2048, N_OUT = 64 };

/* Zeros of any type are weights. */
struct zero_matrix {
    plane_layout layout;
    device_array<unsigned char> planes;
    device_array<const unsigned char *> slabs;
    enum quant quant;

    explicit zero_matrix(enum quant q)
        : layout(plane_layout_of(q, N_IN, N_OUT)),
          planes(std::vector<unsigned char>(layout.slab_bytes)), slabs({planes.at}), quant(q)
    {
    }
    cuda_matrix matrix() const
    {
        return cuda_matrix{quant, N_IN, N_OUT, 1, layout, slabs.at};
    }
    size_t n_bytes() const
    {
        return (size_t)N_OUT *
               (layout.low.row_bytes + layout.high.row_bytes + layout.scale.row_bytes);
    }
};

static void multiply(const zero_matrix &w, uint32_t n)
{
    device_array<float> in(std::vector<float>((size_t)n * N_IN, 1.0f));
    device_array<float> out(std::vector<float>((size_t)n * N_OUT));
    cuda_matvec m = {};
    m.w = w.matrix();
    m.in = in.at;
    m.out = out.at;
    gk_matvec(nullptr, n, m, nullptr);
    cudaDeviceSynchronize();
}

/* Of what lines in this file read of device memory. */
static uint64_t sectors_read(const char *file)
{
    uint64_t n = 0;
    for (const gkemu_line &line : gkemu_tracked_lines())
        if (!line.is_shared && !line.is_write && line.place.find(file) == 0)
            n += line.n_sectors;
    return n;
}

/* A warp's eight lanes of a row read 128 bytes of quants together. Of scales they read 16 bytes
 * or one number, and the rest of the sector is found in the L1 cache by the next iteration: it
 * is counted each time. Q2_K has two kinds of scales and the fewest quants beside them. */
static void warps_read_no_more_than_the_weights(void **)
{
    if (!gkemu_can_track())
        skip();
    for (int q = 0; q < QUANT_COUNT; q++) {
        zero_matrix w((enum quant)q);
        gkemu_track(true);
        multiply(w, 1);
        double moved = (double)sectors_read("kernels/quant_cuda.cuh") * 32;
        gkemu_track(false);
        double most = q == QUANT_Q2_K ? 1.6 : w.layout.scale.row_bytes > 0 ? 1.25 : 1;
        if (moved < (double)w.n_bytes() || moved > most * (double)w.n_bytes())
            fail_msg("%s: %g bytes of sectors for %zu of weights", quant_traits[q].name, moved,
                    w.n_bytes());
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(warps_read_no_more_than_the_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
