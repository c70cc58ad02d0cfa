/*
 * cudaemu.h - what kernels/gk.h includes where there is no nvcc: the part of CUDA C++ that the
 * kernels of this project use, for a host compiler. A thread of a block is a fiber that runs
 * until it waits (engine.cpp); everything that waits or that the engine looks at is a call of a
 * gkemu_ function, which is told its place in the source. What is missing here, kernels do not
 * use: fences, __activemask, inline PTX.
 */
#ifndef CUDAEMU_H
#define CUDAEMU_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tuple>
#include <utility>

#include "cudaemu_runtime.h"
#include "cudaemu_types.h"

#define GK_KERNEL(max_threads, min_blocks) static __attribute__((unused)) void
#define GK_DEV                             static inline __attribute__((unused))
#define GK_UNROLL
#define GK_ROLLED
#define GK_UNROLL_BY(n)

/* ---- where a thread is -------------------------------------------------------------- */

struct gkemu_thread {
    uint3 thread_idx, block_idx;
    dim3 block_dim, grid_dim;
};
extern gkemu_thread *gkemu_self; /* of the fiber that runs; NULL: host code runs */

#define threadIdx (gkemu_self->thread_idx)
#define blockIdx  (gkemu_self->block_idx)
#define blockDim  (gkemu_self->block_dim)
#define gridDim   (gkemu_self->grid_dim)

/* The caller's line, as the last parameters of a function. */
#define GKEMU_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

/* ---- the engine --------------------------------------------------------------------- */

enum gkemu_warp_op {
    GKEMU_SYNC,
    GKEMU_SHUFFLE,
    GKEMU_SHUFFLE_XOR,
    GKEMU_SHUFFLE_DOWN,
    GKEMU_SHUFFLE_UP,
    GKEMU_BALLOT,
    GKEMU_ADD,
    GKEMU_MAX_SIGNED,
    GKEMU_SUM_FLOAT,
    GKEMU_MAX_FLOAT,
    GKEMU_GATHER,
};

void gkemu_barrier(const char *file, int line);
void gkemu_warp_barrier(uint32_t mask, const char *file, int line);
/* The bits of `value` in the lane that kind, operand and width point to. */
uint64_t gkemu_shuffle(uint32_t mask, uint64_t value, gkemu_warp_op kind, int operand,
        int width, const char *file, int line);
/* Something over the values of all lanes in mask, the same for each of them. */
uint32_t gkemu_combine(
        uint32_t mask, uint32_t value, gkemu_warp_op kind, const char *file, int line);
/* all[32][n_bytes]: what each lane of the warp gives. */
void gkemu_gather(const void *mine, size_t n_bytes, void *all, const char *file, int line);
bool gkemu_last_block(unsigned *counter, unsigned n, const char *file, int line);
void gkemu_publish(uint32_t *seq, uint32_t value, const char *file, int line);
/* One object per declaration (key) and block. */
void *gkemu_shared(const void *key, size_t n_bytes);
void *gkemu_shared_dyn(const char *file, int line);
/* Weights are read here: alignment, and how many bytes and 32-byte sectors a warp reads. */
void gkemu_note_stream(const void *from, size_t n_bytes, const char *file, int line);

/* ---- shared memory ------------------------------------------------------------------ */

#define GK_SHARED(type, name, count)                                                           \
    static const char gkemu_key_##name = 0;                                                    \
    type(&name)[count] = *(type(*)[count])gkemu_shared(&gkemu_key_##name, sizeof(type[count]))
#define GK_SHARED_DYN(type, name) type *name = (type *)gkemu_shared_dyn(__FILE__, __LINE__)

/* ---- launches ----------------------------------------------------------------------- */

/* A kernel with its arguments, converted and copied when it is launched. */
struct gkemu_call {
    const char *kernel;
    const void *address;
    dim3 grid, block;
    size_t smem;
    size_t n_bytes; /* of this object with its arguments */
    virtual void run() const = 0;
    virtual ~gkemu_call() = default;
};

template <class... P> struct gkemu_call_of final : gkemu_call {
    void (*function)(P...);
    std::tuple<P...> args;
    void run() const override
    {
        std::apply(function, args);
    }
};

/* Takes call. */
void gkemu_enqueue(gkemu_call *call, cudaStream_t stream);

template <class... P, class... A>
static inline void gkemu_launch(const char *kernel, dim3 grid, dim3 block, size_t smem,
        cudaStream_t stream, void (*function)(P...), A &&...args)
{
    gkemu_call_of<P...> *call = new gkemu_call_of<P...>();
    static_assert(sizeof(std::tuple<P...>) <= 4096, "kernel parameters exceed 4 KiB");
    call->kernel = kernel;
    call->address = (const void *)function;
    call->grid = grid;
    call->block = block;
    call->smem = smem;
    call->n_bytes = sizeof *call;
    call->function = function;
    call->args = std::tuple<P...>(std::forward<A>(args)...);
    gkemu_enqueue(call, stream);
}
#define GK_LAUNCH(kernel, grid, block, smem, stream, ...)                                      \
    gkemu_launch(#kernel, (grid), (block), (smem), (stream), (kernel), __VA_ARGS__)

/* ---- barriers and warps ------------------------------------------------------------- */

static inline void __syncthreads(GKEMU_HERE)
{
    gkemu_barrier(file, line);
}

static inline void __syncwarp(uint32_t mask = 0xffffffffu, GKEMU_HERE)
{
    gkemu_warp_barrier(mask, file, line);
}

template <class T>
static inline T gkemu_shuffled(uint32_t mask, T value, gkemu_warp_op kind, int operand,
        int width, const char *file, int line)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = gkemu_shuffle(mask, bits, kind, operand, width, file, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}
template <class T>
static inline T __shfl_sync(uint32_t mask, T value, int from, int width = 32, GKEMU_HERE)
{
    return gkemu_shuffled(mask, value, GKEMU_SHUFFLE, from, width, file, line);
}
template <class T>
static inline T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, GKEMU_HERE)
{
    return gkemu_shuffled(mask, value, GKEMU_SHUFFLE_XOR, lanes, width, file, line);
}
template <class T>
static inline T __shfl_down_sync(
        uint32_t mask, T value, unsigned lanes, int width = 32, GKEMU_HERE)
{
    return gkemu_shuffled(mask, value, GKEMU_SHUFFLE_DOWN, (int)lanes, width, file, line);
}
template <class T>
static inline T __shfl_up_sync(
        uint32_t mask, T value, unsigned lanes, int width = 32, GKEMU_HERE)
{
    return gkemu_shuffled(mask, value, GKEMU_SHUFFLE_UP, (int)lanes, width, file, line);
}

static inline uint32_t __ballot_sync(uint32_t mask, int predicate, GKEMU_HERE)
{
    return gkemu_combine(mask, predicate != 0, GKEMU_BALLOT, file, line);
}
static inline int __any_sync(uint32_t mask, int predicate, GKEMU_HERE)
{
    return gkemu_combine(mask, predicate != 0, GKEMU_BALLOT, file, line) != 0;
}
static inline int __all_sync(uint32_t mask, int predicate, GKEMU_HERE)
{
    return gkemu_combine(mask, predicate != 0, GKEMU_BALLOT, file, line) == mask;
}

/* __reduce_*_sync need sm_80, and sm_75 is built for as well: what gk.h has instead. */
static inline float gk_warp_sum(float value, GKEMU_HERE)
{
    uint32_t bits = gkemu_bits(value);
    return gkemu_float(gkemu_combine(0xffffffffu, bits, GKEMU_SUM_FLOAT, file, line));
}
static inline int gk_warp_sum(int value, GKEMU_HERE)
{
    return (int)gkemu_combine(0xffffffffu, (uint32_t)value, GKEMU_ADD, file, line);
}
static inline float gk_warp_max(float value, GKEMU_HERE)
{
    uint32_t bits = gkemu_bits(value);
    return gkemu_float(gkemu_combine(0xffffffffu, bits, GKEMU_MAX_FLOAT, file, line));
}
static inline int gk_warp_max(int value, GKEMU_HERE)
{
    return (int)gkemu_combine(0xffffffffu, (uint32_t)value, GKEMU_MAX_SIGNED, file, line);
}

static inline bool gk_last_block(unsigned *counter, unsigned n, GKEMU_HERE)
{
    return gkemu_last_block(counter, n, file, line);
}
static inline void gk_publish(uint32_t *seq, uint32_t value, GKEMU_HERE)
{
    gkemu_publish(seq, value, file, line);
}

/* ---- memory ------------------------------------------------------------------------- */

template <class T> static inline T gkemu_stream_load(const T *from, const char *file, int line)
{
    gkemu_note_stream(from, sizeof *from, file, line);
    return *from;
}
static inline uint4 gk_ld_stream(const uint4 *from, GKEMU_HERE)
{
    return gkemu_stream_load(from, file, line);
}
static inline uint2 gk_ld_stream(const uint2 *from, GKEMU_HERE)
{
    return gkemu_stream_load(from, file, line);
}
static inline uint32_t gk_ld_stream(const uint32_t *from, GKEMU_HERE)
{
    return gkemu_stream_load(from, file, line);
}
static inline uint16_t gk_ld_stream(const uint16_t *from, GKEMU_HERE)
{
    return gkemu_stream_load(from, file, line);
}
/* A read, so that an address outside of what is allocated is noticed. */
static inline void gk_prefetch_l2(const void *at)
{
    (void)*(const volatile unsigned char *)at;
}
template <class T> static inline T __ldg(const T *from)
{
    return *from;
}

/* What each lane of the whole warp gives, for every lane; tensor cores are made of it. */
template <class T> static inline void gkemu_gather_all(const T &mine, T (&all)[32], GKEMU_HERE)
{
    gkemu_gather(&mine, sizeof mine, all, file, line);
}

template <class T> static inline T atomicAdd(T *at, T value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
static inline float atomicAdd(float *at, float value)
{
    uint32_t *bits = (uint32_t *)(void *)at, old = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(bits, &old, gkemu_bits(gkemu_float(old) + value), false,
            __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return gkemu_float(old);
}
template <class T> static inline T atomicOr(T *at, T value)
{
    return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);
}
template <class T> static inline T atomicExch(T *at, T value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_RELAXED);
}
template <class T> static inline T atomicCAS(T *at, T expected, T value)
{
    __atomic_compare_exchange_n(
            at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}
template <class T> static inline T atomicMax(T *at, T value)
{
    T old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(
                                  at, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
template <class T> static inline T atomicMin(T *at, T value)
{
    T old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value < old && !__atomic_compare_exchange_n(
                                  at, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}

/* ---- arithmetic --------------------------------------------------------------------- */

static inline int __dp4a(int a, int b, int sum)
{
    for (int i = 0; i < 32; i += 8)
        sum += (int8_t)(a >> i) * (int8_t)(b >> i);
    return sum;
}
static inline uint32_t __dp4a(uint32_t a, uint32_t b, uint32_t sum)
{
    for (int i = 0; i < 32; i += 8)
        sum += (a >> i & 255) * (b >> i & 255);
    return sum;
}
static inline float gk_exp(float x)
{
    return expf(x);
}
static inline float gk_rsqrt(float x)
{
    return 1.0f / sqrtf(x);
}
static inline int __float_as_int(float value)
{
    return (int)gkemu_bits(value);
}
static inline uint32_t __float_as_uint(float value)
{
    return gkemu_bits(value);
}
static inline float __int_as_float(int bits)
{
    return gkemu_float((uint32_t)bits);
}
static inline float __uint_as_float(uint32_t bits)
{
    return gkemu_float(bits);
}
static inline int __popc(uint32_t bits)
{
    return __builtin_popcount(bits);
}
static inline int __ffs(int bits)
{
    return __builtin_ffs(bits);
}
static inline int __clz(int bits)
{
    return bits ? __builtin_clz((unsigned)bits) : 32;
}
template <class T> static inline T min(T a, T b)
{
    return b < a ? b : a;
}
template <class T> static inline T max(T a, T b)
{
    return a < b ? b : a;
}

#endif
