/*
 * gk_mma.h - products on tensor cores; the one place with inline PTX. The host compiler gets
 * the same product from the documented layout of the fragments ("Matrix fragments for
 * mma.m16n8k16" in the PTX ISA), so a wrong index in a kernel shows without a GPU.
 */
#ifndef KERNELS_GK_MMA_H
#define KERNELS_GK_MMA_H

#include "kernels/gk.h"

/* low in bits 0..15: the element with the smaller index. */
GK_DEV uint32_t gk_half_pair(float low, float high)
{
#ifdef __CUDACC__
    __half2 pair = __floats2half2_rn(low, high);
    return *(const uint32_t *)&pair;
#else
    gk_half pair[2] = {gk_float_to_half(low), gk_float_to_half(high)};
    uint32_t bits;
    memcpy(&bits, pair, sizeof bits);
    return bits;
#endif
}

/* c[16][8] += a[16][16] b[16][8]; binary16 in, float sums; the whole warp. With g = lane / 4
 * and t = lane % 4, and a pair being the halves k and k + 1:
 *   a.x = a[g][2t]  a.y = a[g + 8][2t]  a.z = a[g][2t + 8]  a.w = a[g + 8][2t + 8]   pairs
 *   b0 = b[2t][g]   b1 = b[2t + 8][g]                                               pairs
 *   c = c[g][2t], c[g][2t + 1], c[g + 8][2t], c[g + 8][2t + 1]
 * k is summed over, so callers may number it as their loads find it, alike in a and b. */
GK_DEV void gk_mma_f16(float (&c)[4], uint4 a, uint32_t b0, uint32_t b1)
{
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
#elif defined(__CUDACC__)
    /* Turing has half of k at a time, with halves of the same fragments. */
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a.x), "r"(a.y), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a.z), "r"(a.w), "r"(b1));
#else
    uint32_t mine[6] = {a.x, a.y, a.z, a.w, b0, b1}, all[32][6];
    gkemu_gather(mine, sizeof mine, all, __FILE__, __LINE__);
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    for (uint32_t k = 0; k < 16; k += 2) {
        uint32_t inner = k % 8 / 2, high = k / 8;
        for (uint32_t i = 0; i < 4; i++) {
            float2 x = gk_half2_to_float2(all[4 * g + inner][2 * high + i / 2]);
            float2 y = gk_half2_to_float2(all[4 * (2 * t + i % 2) + inner][4 + high]);
            c[i] += x.x * y.x + x.y * y.y;
        }
    }
#endif
}

#endif
