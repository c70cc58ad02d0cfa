/*
 * gk.h - the one header of CUDA that kernels include. nvcc reads CUDA's own headers, a host
 * compiler the emulator's (tests/cudaemu), and what both need under one name is here. Fences
 * exist only inside gk_last_block and gk_publish: no tool checks where a fence stands, so they
 * stay few. Arithmetic is float; halves are storage.
 */
#ifndef KERNELS_GK_H
#define KERNELS_GK_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__

#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* Before the name of a kernel; a template's header stands before it. */
#define GK_KERNEL(max_threads, min_blocks)                                                     \
    static __global__ void __launch_bounds__(max_threads, min_blocks)
#define GK_DEV    static __device__ __forceinline__
#define GK_UNROLL _Pragma("unroll")
#define GK_ROLLED _Pragma("unroll 1")
/* Not wholly: n copies of the body. */
#define GK_UNROLL_BY(n) GK_PRAGMA(unroll n)
#define GK_PRAGMA(...)  _Pragma(#__VA_ARGS__)
/* An array of one dimension, 16-byte aligned, the same one for all threads of a block. */
#define GK_SHARED(type, name, count) __shared__ __align__(16) type name[count]
/* The bytes that GK_LAUNCH was given as smem. Once in a kernel. */
#define GK_SHARED_DYN(type, name)                                                              \
    extern __shared__ __align__(16) unsigned char gk_shared_dyn[];                             \
    type *name = (type *)gk_shared_dyn
/* A template's name stands in parentheses: GK_LAUNCH((k_sum<float>), ...). Arguments are
 * converted and copied here and now. */
/* clang-format off */
#define GK_LAUNCH(kernel, grid, block, smem, stream, ...)                                      \
    ((kernel)<<<(grid), (block), (smem), (stream)>>>(__VA_ARGS__))
/* clang-format on */

typedef __half gk_half;

GK_DEV float gk_half_to_float(gk_half value)
{
    return __half2float(value);
}
GK_DEV gk_half gk_float_to_half(float value)
{
    return __float2half_rn(value);
}
GK_DEV gk_half gk_half_of_bits(uint16_t bits)
{
    return __ushort_as_half(bits);
}

/* Weights and caches: read once, so they leave the caches first. Aligned to their size. */
GK_DEV uint4 gk_ld_stream(const uint4 *from)
{
    return __ldcs(from);
}
GK_DEV uint2 gk_ld_stream(const uint2 *from)
{
    return __ldcs(from);
}
GK_DEV uint32_t gk_ld_stream(const uint32_t *from)
{
    return __ldcs(from);
}
GK_DEV uint16_t gk_ld_stream(const uint16_t *from)
{
    return __ldcs(from);
}

/* Asks for the line with this address, in device memory, and does not wait for it. */
GK_DEV void gk_prefetch_l2(const void *at)
{
    asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(at)));
}

/* To a few units in the last place; not for what must equal the CPU's. */
GK_DEV float gk_exp(float x)
{
    return __expf(x);
}
GK_DEV float gk_rsqrt(float x)
{
    return rsqrtf(x);
}

#define GK_BUTTERFLY(type, name, combined)                                                     \
    GK_DEV type name(type a)                                                                   \
    {                                                                                          \
        GK_UNROLL                                                                              \
        for (int distance = 16; distance > 0; distance /= 2) {                                 \
            type b = __shfl_xor_sync(0xffffffffu, a, distance);                                \
            a = combined;                                                                      \
        }                                                                                      \
        return a;                                                                              \
    }
/* Over a whole warp, for every lane; lanes 16 apart are added first, neighbours last. */
GK_BUTTERFLY(float, gk_warp_sum, a + b)
GK_BUTTERFLY(int, gk_warp_sum, a + b)
GK_BUTTERFLY(float, gk_warp_max, fmaxf(a, b))
GK_BUTTERFLY(int, gk_warp_max, a > b ? a : b)
#undef GK_BUTTERFLY

/*
 * For the whole block: true in the last of n blocks to call this with that counter, which then
 * sees all that the others had written before; the counter, zero at first, is zero again. Holds
 * the barriers that it needs. n > 0, the same in all of them.
 */
GK_DEV bool gk_last_block(unsigned *counter, unsigned n)
{
    __shared__ bool is_last;
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
        __threadfence(); /* after the barrier: it covers what the whole block wrote */
        is_last = atomicInc(counter, n - 1) == n - 1;
        __threadfence();
    }
    __syncthreads();
    return is_last;
}

/* Tells the host: all that this thread wrote before, or saw at a barrier, is there once *seq
 * is value. By one thread, after a barrier. Nothing else is written into mapped memory. */
GK_DEV void gk_publish(uint32_t *seq, uint32_t value)
{
    __threadfence_system();
    *(volatile uint32_t *)seq = value;
}

#else
#include "cudaemu.h"
#endif

/* A pair of halves as they lie in memory. */
GK_DEV float2 gk_half2_to_float2(uint32_t bits)
{
    return make_float2(gk_half_to_float(gk_half_of_bits((uint16_t)bits)),
            gk_half_to_float(gk_half_of_bits((uint16_t)(bits >> 16))));
}

/* Values i..i+3 of n; 0 behind the end. i is a multiple of 4. IS_WHOLE: so is n, and values are
 * aligned to 16 bytes; a template, because loads do not gather across a branch. */
template <bool IS_WHOLE> GK_DEV float4 gk_load_four(const float *values, uint32_t i, uint32_t n)
{
    if constexpr (IS_WHOLE)
        return i < n ? *(const float4 *)(values + i) : make_float4(0, 0, 0, 0);
    return make_float4(i < n ? values[i] : 0, i + 1 < n ? values[i + 1] : 0,
            i + 2 < n ? values[i + 2] : 0, i + 3 < n ? values[i + 3] : 0);
}

/* Over a block of one dimension of whole warps, for every thread; warps are added as lanes. */
GK_DEV float gk_block_sum(float value)
{
    GK_SHARED(float, parts, 32);
    unsigned lane = threadIdx.x % 32, n_warps = blockDim.x / 32;
    value = gk_warp_sum(value);
    __syncthreads(); /* all have read the parts of an earlier call */
    if (lane == 0)
        parts[threadIdx.x / 32] = value;
    __syncthreads();
    return gk_warp_sum(lane < n_warps ? parts[lane] : 0.0f);
}

#endif
