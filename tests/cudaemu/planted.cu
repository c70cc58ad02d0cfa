/*
 * planted.cu - kernels for test_cuda_emu: a few that are right, and one for each fault that the
 * emulator has to find.
 */
#include "planted.h"

GK_DEV float planted_part(const planted &p)
{
    float sum = 0;
    for (int i = threadIdx.x; i < p.n; i += blockDim.x)
        sum += p.in[i];
    return sum;
}

#define LAUNCH_ONE(name, n_threads)                                                            \
    void planted_##name(planted p)                                                             \
    {                                                                                          \
        GK_LAUNCH(k_##name, 1, (n_threads), 0, p.stream, p);                                   \
    }

/* ---- right -------------------------------------------------------------------------- */

GK_KERNEL(256, 1) k_sum(planted p)
{
    float sum = gk_block_sum(planted_part(p));
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(sum, 128)

/* A block per 64 values; the last to arrive adds what the others found. */
GK_KERNEL(64, 1) k_sum_of_blocks(planted p)
{
    GK_SHARED(float, values, 64);
    values[threadIdx.x] = p.in[blockIdx.x * 64 + threadIdx.x];
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
        float sum = 0;
        for (int i = 0; i < 32; i++)
            sum += values[threadIdx.x + i];
        p.out[2 * blockIdx.x + threadIdx.x / 32] = sum;
    }
    if (!gk_last_block(p.counter, gridDim.x))
        return;
    float sum = 0;
    for (unsigned i = threadIdx.x; i < 2 * gridDim.x; i += 64)
        sum += p.out[i];
    sum = gk_block_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
void planted_sum_of_blocks(planted p)
{
    GK_LAUNCH(k_sum_of_blocks, p.n / 64, 64, 0, p.stream, p);
}

GK_KERNEL(64, 1) k_sum_by_atomics(planted p)
{
    atomicAdd(p.out, p.in[blockIdx.x * 64 + threadIdx.x]);
}
void planted_sum_by_atomics(planted p)
{
    GK_LAUNCH(k_sum_by_atomics, p.n / 64, 64, 0, p.stream, p);
}

/* Lanes of a warp pass bytes and floats to each other through shared memory. */
GK_KERNEL(64, 1) k_exchange(planted p)
{
    GK_SHARED(float, values, 64);
    GK_SHARED(int8_t, bytes, 64);
    values[threadIdx.x] = planted_part(p);
    bytes[threadIdx.x] = (int8_t)threadIdx.x;
    __syncwarp();
    float other = values[threadIdx.x ^ 1] *
                  (float)(bytes[threadIdx.x ^ 1] == (int8_t)(threadIdx.x ^ 1));
    float sum = gk_block_sum(other);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(exchange, 64)

/* out[1 + lane]: see the test. */
GK_KERNEL(32, 1) k_warp_operations(planted p)
{
    unsigned lane = threadIdx.x, all = 0xffffffffu;
    float v = p.in[lane], sum = gk_warp_sum(planted_part(p));
    float *out = p.out + 1;
    if (lane == 0)
        p.out[0] = sum;
    out[lane] = __shfl_sync(all, v, 5);
    out[32 + lane] = __shfl_xor_sync(all, v, 3);
    out[64 + lane] = __shfl_down_sync(all, v, 4);
    out[96 + lane] = __shfl_up_sync(all, v, 4, 8);
    out[128 + lane] = gk_warp_max(v);
    uint32_t odd = __ballot_sync(all, lane & 1);
    bool is_any = __any_sync(all, lane == 7), are_all = __all_sync(all, lane != 7);
    out[160 + lane] = odd == 0xaaaaaaaau && is_any && !are_all;
    if (lane < 16)
        out[192 + lane] = __shfl_xor_sync(0xffffu, v, 8);
    int sums = gk_warp_sum((int)lane) + gk_warp_max(-(int)lane);
    struct {
        float a[24];
    } mine, every[32];
    for (int i = 0; i < 24; i++)
        mine.a[i] = v * (float)i;
    gkemu_gather_all(mine, every);
    if (lane < 8) {
        out[208 + lane] = (float)sums;
        out[216 + lane] = every[31 - lane].a[lane + 1];
    }
}
void planted_warp_operations(planted p)
{
    GK_LAUNCH(k_warp_operations, 1, 32, 0, p.stream, p);
}

/* told[0..2], and its number when all of it stands there */
GK_KERNEL(64, 1) k_record(planted p)
{
    if (threadIdx.x % 32 == 0)
        p.told[threadIdx.x / 32] = 7 + threadIdx.x;
    __syncthreads();
    if (threadIdx.x == 0)
        gk_publish(p.told + 3, 1);
    float sum = gk_block_sum(planted_part(p));
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(record, 64)

template <int N> GK_KERNEL(64, 1) k_dynamic(planted p)
{
    GK_SHARED_DYN(float, values);
    for (int i = threadIdx.x; i < p.n; i += blockDim.x)
        values[i] = p.in[i];
    __syncthreads();
    float sum = 0;
    for (int i = threadIdx.x; i < p.n; i += blockDim.x)
        sum += values[(i + N) % p.n];
    sum = gk_block_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
void planted_dynamic(planted p)
{
    GK_LAUNCH((k_dynamic<3>), 1, 64, (size_t)p.n * sizeof(float), p.stream, p);
}

/* Lanes read neighbours. */
GK_KERNEL(32, 1) k_walk(planted p)
{
    float sum = 0;
    for (int i = threadIdx.x; i < p.n / 4; i += 32) {
        uint4 v = gk_ld_stream((const uint4 *)p.in + i);
        sum += __uint_as_float(v.x) + __uint_as_float(v.y) + __uint_as_float(v.z) +
               __uint_as_float(v.w);
    }
    sum = gk_warp_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(walk, 32)

/* Rows of 33 words: columns and rows both go over all banks. */
GK_KERNEL(32, 1) k_transposed(planted p)
{
    GK_SHARED(float, tile, 32 * 33);
    for (int row = 0; row < 32; row++)
        tile[row * 33 + threadIdx.x] = p.in[(row * 32 + threadIdx.x) % p.n];
    __syncwarp();
    float sum = 0;
    for (int column = 0; column < 32; column++)
        sum += tile[threadIdx.x * 33 + column];
    sum = gk_warp_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum / (float)(1024 / p.n);
}
LAUNCH_ONE(transposed, 32)

/* ---- barriers and memory ------------------------------------------------------------ */

GK_KERNEL(128, 1) k_missing_barrier(planted p)
{
    GK_SHARED(float, parts, 4);
    float sum = gk_warp_sum(planted_part(p));
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = sum;
    if (threadIdx.x == 0)
        p.out[0] = parts[0] + parts[1] + parts[2] + parts[3];
}
LAUNCH_ONE(missing_barrier, 128)

GK_KERNEL(32, 1) k_missing_warp_barrier(planted p)
{
    GK_SHARED(float, parts, 32);
    parts[threadIdx.x] = 0;
    __syncwarp();
    parts[threadIdx.x] = planted_part(p);
    float sum = gk_warp_sum(parts[threadIdx.x ^ 1]);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(missing_warp_barrier, 32)

GK_KERNEL(128, 1) k_one_too_far(planted p)
{
    float sum = 0;
    for (int i = threadIdx.x; i <= p.n; i += blockDim.x)
        sum += p.in[i];
    sum = gk_block_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(one_too_far, 128)

GK_KERNEL(32, 1) k_one_too_far_in_shared(planted p)
{
    GK_SHARED(float, parts, 32);
    parts[threadIdx.x + 1] = planted_part(p);
    __syncwarp();
    float sum = gk_warp_sum(parts[threadIdx.x]);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(one_too_far_in_shared, 32)

GK_KERNEL(32, 1) k_one_too_far_in_dynamic(planted p)
{
    GK_SHARED_DYN(float, parts);
    parts[threadIdx.x + 1] = planted_part(p);
}
void planted_one_too_far_in_dynamic(planted p)
{
    GK_LAUNCH(k_one_too_far_in_dynamic, 1, 32, 32 * sizeof(float), p.stream, p);
}

GK_KERNEL(64, 1) k_unwritten_shared(planted p)
{
    GK_SHARED(float, parts, 32);
    float sum = gk_warp_sum(planted_part(p));
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = gk_warp_sum(parts[threadIdx.x % 32]);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(unwritten_shared, 64)

/* The test gives it memory that nobody has written. */
GK_KERNEL(64, 1) k_unwritten_device(planted p)
{
    float sum = gk_block_sum(planted_part(p));
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(unwritten_device, 64)

/* ---- warps -------------------------------------------------------------------------- */

GK_KERNEL(32, 1) k_shuffle_in_branch(planted p)
{
    float sum = planted_part(p);
    if (threadIdx.x < 16)
        sum += __shfl_down_sync(0xffffffffu, sum, 8);
    p.out[threadIdx.x] = sum;
}
LAUNCH_ONE(shuffle_in_branch, 32)

GK_KERNEL(32, 1) k_two_shuffles(planted p)
{
    float sum = planted_part(p);
    if (threadIdx.x < 16)
        sum += __shfl_xor_sync(0xffffffffu, sum, 8);
    else
        sum -= __shfl_xor_sync(0xffffffffu, sum, 8);
    p.out[threadIdx.x] = sum;
}
LAUNCH_ONE(two_shuffles, 32)

GK_KERNEL(32, 1) k_lane_outside_mask(planted p)
{
    p.out[threadIdx.x] = __shfl_xor_sync(0x7fffffffu, p.in[threadIdx.x], 1);
}
LAUNCH_ONE(lane_outside_mask, 32)

GK_KERNEL(32, 1) k_reads_outside_mask(planted p)
{
    if (threadIdx.x < 16)
        p.out[threadIdx.x] = __shfl_xor_sync(0xffffu, p.in[threadIdx.x], 16);
}
LAUNCH_ONE(reads_outside_mask, 32)

GK_KERNEL(48, 1) k_lanes_that_are_not(planted p)
{
    p.out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, p.in[threadIdx.x], 1);
}
LAUNCH_ONE(lanes_that_are_not, 48)

/* ---- blocks ------------------------------------------------------------------------- */

GK_KERNEL(64, 1) k_barrier_in_branch(planted p)
{
    if (threadIdx.x == 40)
        __syncwarp(0x300u); /* for lanes 8 and 9; but that one waits elsewhere */
    __syncthreads();
    p.out[0] = 1;
}
LAUNCH_ONE(barrier_in_branch, 64)

GK_KERNEL(64, 1) k_two_barriers(planted p)
{
    if (p.in[threadIdx.x] < 0 || threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}
LAUNCH_ONE(two_barriers, 64)

GK_KERNEL(64, 1) k_leaves_before_barrier(planted p)
{
    if (threadIdx.x == 5)
        return;
    __syncthreads();
    p.out[0] = 1;
}
LAUNCH_ONE(leaves_before_barrier, 64)

GK_KERNEL(64, 1) k_plain_addition(planted p)
{
    float sum = gk_block_sum(p.in[blockIdx.x * 64 + threadIdx.x]);
    if (threadIdx.x == 0)
        p.out[0] += sum;
}
void planted_plain_addition(planted p)
{
    GK_LAUNCH(k_plain_addition, p.n / 64, 64, 0, p.stream, p);
}

/* Each block takes a place of its own in out, or so it seems. */
GK_KERNEL(32, 1) k_plain_ring_head(planted p)
{
    if (threadIdx.x == 0) {
        unsigned head = *p.counter;
        *p.counter = head + 1;
        p.out[head % (unsigned)p.n] = p.in[blockIdx.x];
    }
}
void planted_plain_ring_head(planted p)
{
    GK_LAUNCH(k_plain_ring_head, 8, 32, 0, p.stream, p);
}

/* What gk_last_block is for, by hand: nothing waits for what the other warp writes. */
GK_KERNEL(64, 1) k_ticket_without_barrier(planted p)
{
    GK_SHARED(unsigned, ticket, 1);
    float sum = gk_warp_sum(p.in[blockIdx.x * 64 + threadIdx.x]);
    if (threadIdx.x % 32 == 0)
        p.out[2 * blockIdx.x + threadIdx.x / 32] = sum;
    if (threadIdx.x == 0)
        ticket[0] = atomicAdd(p.counter, 1u);
    __syncthreads();
    if (ticket[0] != gridDim.x - 1)
        return;
    sum = threadIdx.x < 2 * gridDim.x ? p.out[threadIdx.x] : 0;
    sum = gk_block_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
void planted_ticket_without_barrier(planted p)
{
    GK_LAUNCH(k_ticket_without_barrier, p.n / 64, 64, 0, p.stream, p);
}

GK_KERNEL(32, 1) k_counter(planted p, unsigned n)
{
    if (gk_last_block(p.counter, n) && threadIdx.x == 0)
        p.out[0] = 1;
}
/* The counter of an earlier launch was not left at zero. */
void planted_counter_too_high(planted p)
{
    GK_LAUNCH(k_counter, 3, 32, 0, p.stream, p, 4);
    GK_LAUNCH(k_counter, 2, 32, 0, p.stream, p, 2);
}
/* The test gives it a counter that nobody has written. */
void planted_counter_unwritten(planted p)
{
    GK_LAUNCH(k_counter, 2, 32, 0, p.stream, p, 2);
}

/* ---- alignment ---------------------------------------------------------------------- */

GK_KERNEL(32, 1) k_misaligned_stream(planted p)
{
    const char *bytes = (const char *)p.in;
    uint4 v = gk_ld_stream((const uint4 *)(bytes + 4) + threadIdx.x);
    p.out[threadIdx.x] = __uint_as_float(v.x);
}
LAUNCH_ONE(misaligned_stream, 32)

GK_KERNEL(32, 1) k_misaligned_load(planted p)
{
    const char *bytes = (const char *)p.in;
    p.out[threadIdx.x] = __uint_as_float(*((const uint32_t *)(bytes + 2) + threadIdx.x));
}
LAUNCH_ONE(misaligned_load, 32)

/* ---- records for the host ----------------------------------------------------------- */

GK_KERNEL(32, 1) k_published_too_early(planted p)
{
    if (threadIdx.x == 0) {
        p.told[0] = 7;
        gk_publish(p.told + 3, 1);
        p.told[1] = 39;
    }
}
LAUNCH_ONE(published_too_early, 32)

GK_KERNEL(64, 1) k_published_without_barrier(planted p)
{
    if (threadIdx.x % 32 == 0)
        p.told[threadIdx.x / 32] = 7 + threadIdx.x;
    if (threadIdx.x == 0)
        gk_publish(p.told + 3, 1);
}
LAUNCH_ONE(published_without_barrier, 64)

GK_KERNEL(32, 1) k_published_to_device(planted p)
{
    if (threadIdx.x == 0)
        gk_publish(p.counter, 1);
}
LAUNCH_ONE(published_to_device, 32)

GK_KERNEL(32, 1) k_not_published(planted p)
{
    if (threadIdx.x == 0) {
        p.told[0] = 7;
        p.told[3] = 1;
    }
}
LAUNCH_ONE(not_published, 32)

/* ---- launches ----------------------------------------------------------------------- */

void planted_too_much_shared(planted p)
{
    GK_LAUNCH((k_dynamic<0>), 1, 64, 49 << 10, p.stream, p);
}
void planted_no_blocks(planted p)
{
    GK_LAUNCH(k_sum, 0, 64, 0, p.stream, p);
}
void planted_too_many_threads(planted p)
{
    GK_LAUNCH(k_sum, 1, 1025, 0, p.stream, p);
}

/* ---- right, but slow ---------------------------------------------------------------- */

/* Each lane reads a run of its own. */
GK_KERNEL(32, 1) k_runs(planted p)
{
    float sum = 0;
    for (int i = 0; i < p.n / 32; i += 2) {
        const float *run = p.in + (int)threadIdx.x * (p.n / 32);
        uint2 v = gk_ld_stream((const uint2 *)(run + i));
        sum += __uint_as_float(v.x) + __uint_as_float(v.y);
    }
    sum = gk_warp_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum;
}
LAUNCH_ONE(runs, 32)

/* Rows of 32 words: a column lies in one bank. */
GK_KERNEL(32, 1) k_banks(planted p)
{
    GK_SHARED(float, tile, 32 * 32);
    for (int row = 0; row < 32; row++)
        tile[row * 32 + threadIdx.x] = p.in[(row * 32 + threadIdx.x) % p.n];
    __syncwarp();
    float sum = 0;
    for (int column = 0; column < 32; column++)
        sum += tile[threadIdx.x * 32 + column];
    sum = gk_warp_sum(sum);
    if (threadIdx.x == 0)
        p.out[0] = sum / (float)(1024 / p.n);
}
LAUNCH_ONE(banks, 32)
