/*
 * gate_cuda.cu - the choice of experts. A warp computes one expert's logit for a few tokens;
 * the last block of those tokens to arrive chooses, one warp a token. So the gate's weights
 * pass through many multiprocessors and there is still only one launch. The choice is among
 * logits: they decide the same on every backend, where probabilities may round to equals.
 */
#include "kernels/cuda.h"
#include "kernels/order_cuda.cuh"
#include "kernels/quant_cuda.cuh"

#define WARPS 4 /* of a block: experts, and tokens when it chooses */

/* ---- logits --------------------------------------------------------------------------------
 */

GK_DEV float dot_four(float4 a, float4 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

/* What a warp adds up of one expert and n_tile tokens. */
template <int n_tile> struct sums {
    float dot[n_tile], square[n_tile];
};

/* w: weights 4 i to 4 i + 3. */
template <int n_tile>
GK_DEV void add_four(const struct cuda_gate &g, struct sums<n_tile> &sums, float4 w, uint32_t i,
        uint32_t first, uint32_t n)
{
    float4 norm = gk_load_four(g.norm, i * 4, g.d);
    w = make_float4(w.x * norm.x, w.y * norm.y, w.z * norm.z, w.w * norm.w);
    GK_UNROLL
    for (int t = 0; t < n_tile; t++) {
        float4 x = gk_load_four(g.x + (size_t)min(first + t, n - 1) * g.d, i * 4, g.d);
        sums.dot[t] += dot_four(w, x);
        sums.square[t] += dot_four(x, x);
    }
}

/* Weights 4 i to 4 i + 3 of a row of float32. */
GK_DEV float4 load_weights(const gk_row &row, uint32_t i)
{
    uint32_t stride;
    const unsigned char *first = gk_pieces_at(row, i / 8, 128, &stride);
    return *(const float4 *)(first + i % 8 * stride);
}

/* One warp: the logits of `expert` for tokens first to first + n_tile of n. Gates are float32
 * in all files that are known; the other types work, and that is all. */
template <bool is_float32, int n_tile>
GK_DEV void put_logits(const struct cuda_gate &g, uint32_t expert, uint32_t first, uint32_t n)
{
    struct sums<n_tile> sums = {};
    gk_row row = gk_row_at(g.gate.slabs[0], g.gate.layout, expert);
    uint32_t lane = threadIdx.x % 32;
    if constexpr (is_float32) {
        for (uint32_t i = lane; i < row.n_groups * 8; i += 32)
            add_four<n_tile>(g, sums, load_weights(row, i), i, first, n);
    } else {
        for (uint32_t i = lane; i < row.n_groups * 4; i += 32) {
            float w[8];
            gk_any_eight_values(g.gate.quant, row, i / 4, i % 4, w);
            add_four<n_tile>(g, sums, make_float4(w[0], w[1], w[2], w[3]), 2 * i, first, n);
            add_four<n_tile>(g, sums, make_float4(w[4], w[5], w[6], w[7]), 2 * i + 1, first, n);
        }
    }
    GK_UNROLL
    for (int t = 0; t < n_tile; t++) {
        float rms = gk_rsqrt(gk_warp_sum(sums.square[t]) / g.d + g.eps);
        float dot = gk_warp_sum(sums.dot[t]);
        if (lane == 0 && first + t < n)
            g.logits[(size_t)(first + t) * g.n_experts + expert] = dot * rms;
    }
}

/* ---- the choice: one warp a token ----------------------------------------------------------
 */

struct pick {
    int order; /* of the logit */
    uint32_t expert;
};

/* Of the experts that this lane looks after. */
GK_DEV struct pick lane_best(const int *orders, uint32_t n)
{
    struct pick best = {ORDER_NONE, 0};
    for (uint32_t e = threadIdx.x % 32; e < n; e += 32)
        if (orders[e] > best.order)
            best = {orders[e], e};
    return best;
}

/* The best of all lanes' `own`, the lower id among equals; it is taken. */
GK_DEV struct pick take_best(struct pick *own, int *orders, uint32_t n)
{
    int top = gk_warp_max(own->order);
    int id = -gk_warp_max(own->order == top ? -(int)own->expert : INT_MIN);
    if (own->order == top && own->expert == (uint32_t)id) {
        orders[id] = ORDER_NONE;
        *own = lane_best(orders, n);
    }
    return {top, (uint32_t)id};
}

/* Lane i's `taken` becomes the i-th pick of n_used; returns the one after the last, of order
 * ORDER_NONE if there is none. */
GK_DEV struct pick take_picks(const struct cuda_gate &g, int *orders, struct pick *taken)
{
    struct pick own = lane_best(orders, g.n_experts);
    for (uint32_t i = 0; i < g.n_used; i++) {
        struct pick best = take_best(&own, orders, g.n_experts);
        if (threadIdx.x % 32 == i)
            *taken = best;
    }
    return g.n_used < g.n_experts ? take_best(&own, orders, g.n_experts) : pick{ORDER_NONE, 0};
}

/* The greatest logit and the sum of exp(logit - it). */
struct softmax {
    float top, sum;
};

/* Also puts the logits' orders into shared memory, from lane to the same lane. */
GK_DEV struct softmax softmax_of(const float *logits, uint32_t n, int *orders)
{
    struct softmax s = {-INFINITY, 0};
    for (uint32_t e = threadIdx.x % 32; e < n; e += 32) {
        orders[e] = order_of(logits[e]);
        s.top = fmaxf(s.top, logits[e]);
    }
    s.top = gk_warp_max(s.top);
    for (uint32_t e = threadIdx.x % 32; e < n; e += 32)
        s.sum += expf(logits[e] - s.top);
    s.sum = gk_warp_sum(s.sum);
    return s;
}

GK_DEV float probability(struct softmax s, struct pick pick)
{
    return pick.order == ORDER_NONE ? 0 : expf(value_of_order(pick.order) - s.top) / s.sum;
}

GK_DEV void put_pick(const struct cuda_gate &g, size_t at, uint32_t expert, float weight)
{
    const struct cuda_routes &r = g.routes;
    r.ids[at] = r.told_ids[at] = (uint16_t)expert;
    r.weights[at] = r.told_weights[at] = weight;
    atomicAdd(&r.counts[(size_t)g.i_moe * g.n_experts + expert], 1u);
}

GK_DEV void choose(
        const struct cuda_step *step, const struct cuda_gate &g, uint32_t t, int *orders)
{
    uint32_t lane = threadIdx.x % 32;
    size_t record = (size_t)t * g.routes.n_moe_layers + g.i_moe;
    struct softmax s = softmax_of(g.logits + (size_t)t * g.n_experts, g.n_experts, orders);
    struct pick taken = {ORDER_NONE, 0};
    float next = probability(s, take_picks(g, orders, &taken)), own = probability(s, taken);
    float sum = gk_warp_sum(own), last = __shfl_sync(0xffffffffu, own, g.n_used - 1);
    float factor = g.scale / (g.is_normalised ? fmaxf(sum, 6.1e-5f) : 1);
    if (lane < g.n_used)
        put_pick(g, record * g.n_used + lane, taken.expert, own * factor);
    if (lane == 0)
        g.routes.told_margins[record] = last - next;
    __syncwarp();
    if (lane == 0)
        gk_publish(&g.routes.told_seq[record], step->seq);
}

template <bool is_float32, int n_tile>
GK_KERNEL(WARPS * 32, 8)
k_gate(const struct cuda_step *step, uint32_t n, struct cuda_gate g)
{
    GK_SHARED_DYN(int, orders); /* [n_tile][n_experts] */
    uint32_t warp = threadIdx.x / 32, first = blockIdx.y * n_tile;
    uint32_t expert = blockIdx.x * WARPS + warp;
    if (expert < g.n_experts)
        put_logits<is_float32, n_tile>(g, expert, first, n);
    if (gk_last_block(&g.tickets[blockIdx.y], gridDim.x) && warp < n_tile && first + warp < n)
        choose(step, g, first + warp, orders + warp * g.n_experts);
}

template <bool is_float32, int n_tile>
static void launch(
        const struct cuda_step *step, uint32_t n, struct cuda_gate g, cudaStream_t stream)
{
    GK_LAUNCH((k_gate<is_float32, n_tile>),
            dim3((g.n_experts + WARPS - 1) / WARPS, (n + n_tile - 1) / n_tile),
            dim3(WARPS * 32), n_tile * g.n_experts * sizeof(int), stream, step, n, g);
}

void gk_gate(const struct cuda_step *step, uint32_t n, struct cuda_gate g, cudaStream_t stream)
{
    if (g.gate.quant != QUANT_F32)
        launch<false, WARPS>(step, n, g, stream);
    else if (n == 1)
        launch<true, 1>(step, n, g, stream);
    else
        launch<true, WARPS>(step, n, g, stream);
}
