/*
 * sort_cuda.cu - the (token, slot) pairs of a batch sorted by expert, for prefill, and the sum
 * of the experts' results back into tokens. Both have a fixed order: pairs of an expert stay in
 * the order of tokens, a token adds its experts in the order of its slots.
 */
#include "kernels/cuda.h"
#include "kernels/value_cuda.cuh"

#define COUNT_THREADS 1024
#define PLACE_WARPS   4
#define PLACE_AHEAD   4 /* ids that a lane loads before the first is looked at */
#define ADD_THREADS   256

/* The picks of one layer, as pairs in the order of tokens, then slots. */
struct picks {
    const uint16_t *ids;
    uint32_t stride; /* from token to token */
    uint32_t n_used, n_pairs;
};

GK_DEV uint32_t pick_at(const struct picks &picks, uint32_t pair)
{
    uint32_t t = pair / picks.n_used;
    return picks.ids[(size_t)t * picks.stride + (pair - t * picks.n_used)];
}

/* One warp: values become the sums of those before them; returns the sum of all. */
GK_DEV uint32_t sum_before(uint32_t *values, uint32_t n)
{
    uint32_t lane = threadIdx.x % 32, before = 0;
    for (uint32_t first = 0; first < n; first += 32) {
        uint32_t own = first + lane < n ? values[first + lane] : 0, sum = own;
        GK_UNROLL
        for (int distance = 1; distance < 32; distance *= 2) {
            uint32_t left = __shfl_up_sync(0xffffffffu, sum, distance);
            sum += lane >= (uint32_t)distance ? left : 0;
        }
        if (first + lane < n)
            values[first + lane] = before + sum - own;
        before += __shfl_sync(0xffffffffu, sum, 31);
    }
    return before;
}

/* One block: first[e] is the number of pairs of experts before e. */
GK_KERNEL(COUNT_THREADS, 1)
k_first_pairs(struct picks picks, uint32_t n_experts, uint32_t *first)
{
    GK_SHARED_DYN(uint32_t, counts);
    for (uint32_t e = threadIdx.x; e < n_experts; e += COUNT_THREADS)
        counts[e] = 0;
    __syncthreads();
    for (uint32_t p = threadIdx.x; p < picks.n_pairs; p += COUNT_THREADS)
        atomicAdd(&counts[pick_at(picks, p)], 1u);
    __syncthreads();
    if (threadIdx.x < 32) {
        uint32_t n = sum_before(counts, n_experts);
        if (threadIdx.x == 0)
            first[n_experts] = n;
    }
    __syncthreads();
    for (uint32_t e = threadIdx.x; e < n_experts; e += COUNT_THREADS)
        first[e] = counts[e];
}

/* A warp looks for one expert's pairs in all of them: no warp waits for another, and the order
 * needs no second sort. */
GK_KERNEL(PLACE_WARPS * 32, 8)
k_place_pairs(struct picks picks, uint32_t n_experts, struct cuda_pairs pairs)
{
    uint32_t lane = threadIdx.x % 32, expert = blockIdx.x * PLACE_WARPS + threadIdx.x / 32;
    if (expert >= n_experts)
        return;
    uint32_t to = pairs.first[expert], end = pairs.first[expert + 1];
    for (uint32_t first = 0; to < end; first += 32 * PLACE_AHEAD) {
        bool is_mine[PLACE_AHEAD];
        GK_UNROLL
        for (int i = 0; i < PLACE_AHEAD; i++) {
            uint32_t p = first + i * 32 + lane;
            is_mine[i] = p < picks.n_pairs && pick_at(picks, p) == expert;
        }
        GK_UNROLL
        for (int i = 0; i < PLACE_AHEAD; i++) {
            uint32_t p = first + i * 32 + lane;
            uint32_t found = __ballot_sync(0xffffffffu, is_mine[i]);
            uint32_t at = to + __popc(found & ((1u << lane) - 1));
            if (is_mine[i]) {
                pairs.token[at] = p / picks.n_used;
                pairs.place[p] = at;
            }
            to += __popc(found);
        }
    }
}

void gk_sort_pairs(uint32_t n, uint32_t i_moe, struct cuda_routes routes,
        struct cuda_pairs pairs, cudaStream_t stream)
{
    struct picks picks = {routes.ids + (size_t)i_moe * routes.n_used,
            routes.n_moe_layers * routes.n_used, routes.n_used, n * routes.n_used};
    GK_LAUNCH(k_first_pairs, dim3(1), dim3(COUNT_THREADS), routes.n_experts * sizeof(uint32_t),
            stream, picks, routes.n_experts, pairs.first);
    GK_LAUNCH(k_place_pairs, dim3((routes.n_experts + PLACE_WARPS - 1) / PLACE_WARPS),
            dim3(PLACE_WARPS * 32), 0, stream, picks, routes.n_experts, pairs);
}

template <class T>
GK_KERNEL(ADD_THREADS, 4)
k_unsort_add(uint32_t d, uint32_t n_used, uint32_t stride, const float *weights,
        const uint32_t *place, const T *rows, float *x)
{
    uint32_t t = blockIdx.y, i = blockIdx.x * ADD_THREADS + threadIdx.x;
    if (i >= d)
        return;
    float sum = 0;
    for (uint32_t slot = 0; slot < n_used; slot++) {
        uint32_t p = place[(size_t)t * n_used + slot];
        sum += weights[(size_t)t * stride + slot] * gk_value(rows[(size_t)p * d + i]);
    }
    x[(size_t)t * d + i] += sum;
}

void gk_unsort_add(uint32_t n, uint32_t d, uint32_t i_moe, struct cuda_routes routes,
        struct cuda_pairs pairs, const void *rows, float *x, bool is_exact, cudaStream_t stream)
{
    dim3 grid((d + ADD_THREADS - 1) / ADD_THREADS, n);
    uint32_t stride = routes.n_moe_layers * routes.n_used;
    const float *weights = routes.weights + (size_t)i_moe * routes.n_used;
    if (is_exact)
        GK_LAUNCH((k_unsort_add<float>), grid, ADD_THREADS, 0, stream, d, routes.n_used, stride,
                weights, pairs.place, (const float *)rows, x);
    else
        GK_LAUNCH((k_unsort_add<gk_half>), grid, ADD_THREADS, 0, stream, d, routes.n_used,
                stride, weights, pairs.place, (const gk_half *)rows, x);
}
