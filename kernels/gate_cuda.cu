/*
 * gate_cuda.cu - the choice of experts. A block computes one expert's logit for a token, or a
 * warp for a few tokens; the last block of those tokens to arrive chooses, one warp a token. So
 * the gate's weights pass through many multiprocessors and there is still only one launch. The
 * choice is among logits: they decide the same on every backend, where probabilities may round
 * to equals.
 */
#include "kernels/cuda.h"
#include "kernels/order_cuda.cuh"
#include "kernels/quant_cuda.cuh"

#define WARPS 4 /* of a block: experts, and tokens when it chooses */

/* ---- logits ------------------------------------------------------------------------ */

GK_DEV float dot_four(float4 a, float4 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

/* What a lane adds up of one expert and n_tile tokens. */
template <int n_tile> struct sums {
    float dot[n_tile], square[n_tile];
};

/* Values `at` to at + 3 of the gate's row, of the norm and of the tokens. */
template <int n_tile> struct four {
    float4 w, norm, x[n_tile];
};

template <bool is_float32, int n_tile>
GK_DEV void load_inputs(const struct cuda_gate &g, uint32_t at, uint32_t first, uint32_t n,
        struct four<n_tile> &four)
{
    four.norm = gk_load_four<is_float32>(g.norm, at, g.d);
    GK_UNROLL
    for (int t = 0; t < n_tile; t++)
        four.x[t] =
                gk_load_four<is_float32>(g.x + (size_t)min(first + t, n - 1) * g.d, at, g.d);
}

template <int n_tile>
GK_DEV void add_four(const struct four<n_tile> &four, struct sums<n_tile> &sums)
{
    float4 w = four.w, norm = four.norm;
    w = make_float4(w.x * norm.x, w.y * norm.y, w.z * norm.z, w.w * norm.w);
    GK_UNROLL
    for (int t = 0; t < n_tile; t++) {
        sums.dot[t] += dot_four(w, four.x[t]);
        sums.square[t] += dot_four(four.x[t], four.x[t]);
    }
}

/* Weights `at` to at + 3 of n of a row of float32; 0 behind the end. */
GK_DEV float4 load_weights(const gk_row &row, uint32_t at, uint32_t n)
{
    uint32_t stride, w[4] = {0, 0, 0, 0};
    const unsigned char *first = gk_pieces_at(row, at / 32, 128, &stride);
    if (at < n)
        gk_load_16(w, first + at / 4 % 8 * stride);
    return make_float4(__uint_as_float(w[0]), __uint_as_float(w[1]), __uint_as_float(w[2]),
            __uint_as_float(w[3]));
}

/* Lane `lane` of n_lanes, of float32 in rows of multiples of four. Twelve loads, or six for
 * four tokens, are under way before the first is used. */
template <int n_tile>
GK_DEV void add_row(const struct cuda_gate &g, const gk_row &row, uint32_t lane,
        uint32_t n_lanes, uint32_t first, uint32_t n, struct sums<n_tile> &sums)
{
    constexpr uint32_t n_ahead = n_tile == 1 ? 4 : 1;
    for (uint32_t i = lane; i < g.d / 4; i += n_ahead * n_lanes) {
        struct four<n_tile> fours[n_ahead];
        GK_UNROLL
        for (uint32_t u = 0; u < n_ahead; u++) {
            uint32_t at = 4 * (i + u * n_lanes);
            fours[u].w = load_weights(row, at, g.d);
            load_inputs<true, n_tile>(g, at, first, n, fours[u]);
        }
        GK_UNROLL
        for (uint32_t u = 0; u < n_ahead; u++)
            add_four<n_tile>(fours[u], sums);
    }
}

/* The same for any type and any length, and no faster than it comes. */
template <int n_tile>
GK_DEV void add_any_row(const struct cuda_gate &g, const gk_row &row, uint32_t lane,
        uint32_t n_lanes, uint32_t first, uint32_t n, struct sums<n_tile> &sums)
{
    for (uint32_t i = lane; i < row.n_groups * 4; i += n_lanes) {
        struct four<n_tile> four;
        float w[8];
        gk_any_eight_values(g.gate.quant, row, i / 4, i % 4, w);
        GK_UNROLL
        for (uint32_t k = 0; k < 8; k += 4) {
            four.w = make_float4(w[k], w[k + 1], w[k + 2], w[k + 3]);
            load_inputs<false, n_tile>(g, 8 * i + k, first, n, four);
            add_four<n_tile>(four, sums);
        }
    }
}

/* The logits of `expert` for tokens first to first + n_tile of n: by the block for one token,
 * so that few experts are enough to fill the device, else by a warp. Gates are float32 in all
 * files that are known; the other types work, and that is all. */
template <bool is_float32, int n_tile>
GK_DEV void put_logits(const struct cuda_gate &g, uint32_t expert, uint32_t first, uint32_t n)
{
    constexpr uint32_t n_lanes = n_tile == 1 ? WARPS * 32 : 32;
    struct sums<n_tile> sums = {};
    gk_row row = gk_row_at(g.gate.slabs[0], g.gate.layout, expert);
    uint32_t lane = threadIdx.x % n_lanes;
    if constexpr (is_float32)
        add_row<n_tile>(g, row, lane, n_lanes, first, n, sums);
    else
        add_any_row<n_tile>(g, row, lane, n_lanes, first, n, sums);
    GK_UNROLL
    for (int t = 0; t < n_tile; t++) {
        bool is_block = n_tile == 1;
        float square = is_block ? gk_block_sum(sums.square[t]) : gk_warp_sum(sums.square[t]);
        float dot = is_block ? gk_block_sum(sums.dot[t]) : gk_warp_sum(sums.dot[t]);
        if (lane == 0 && first + t < n)
            g.logits[(size_t)(first + t) * g.n_experts + expert] =
                    dot * gk_rsqrt(square / g.d + g.eps);
    }
}

/* ---- the choice: one warp a token --------------------------------------------------- */

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
    uint32_t expert = n_tile == 1 ? blockIdx.x : blockIdx.x * WARPS + warp;
    if (expert < g.n_experts)
        put_logits<is_float32, n_tile>(g, expert, first, n);
    if (gk_last_block(&g.tickets[blockIdx.y], gridDim.x) && warp < n_tile && first + warp < n)
        choose(step, g, first + warp, orders + warp * g.n_experts);
}

template <bool is_float32, int n_tile>
static void launch(
        const struct cuda_step *step, uint32_t n, struct cuda_gate g, cudaStream_t stream)
{
    uint32_t n_each = n_tile == 1 ? 1 : WARPS; /* experts of a block */
    GK_LAUNCH((k_gate<is_float32, n_tile>),
            dim3((g.n_experts + n_each - 1) / n_each, (n + n_tile - 1) / n_tile),
            dim3(WARPS * 32), n_tile * g.n_experts * sizeof(int), stream, step, n, g);
}

void gk_gate(const struct cuda_step *step, uint32_t n, struct cuda_gate g, cudaStream_t stream)
{
    if (g.gate.quant != QUANT_F32 || g.d % 4 != 0)
        launch<false, 1>(step, n, g, stream);
    else if (n == 1)
        launch<true, 1>(step, n, g, stream);
    else
        launch<true, WARPS>(step, n, g, stream);
}
