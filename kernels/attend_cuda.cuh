/*
 * attend_cuda.cuh - what attention in decode and in prefill share: a warp that walks a list of
 * cells for 16 query rows, with softmax kept up to date as it goes (Milakov and Gimelshein
 * 2018, Dao and others 2022).
 *
 * A row is a token's query head; rows of one warp share a key head, so a key or value that was
 * loaded serves them all. Both products run on tensor cores, in decode too, where most of the
 * 16 rows may be empty: the cost does not grow with the group, while scalar code multiplies
 * once more for each head of it. (For a group of one, scalar code would need no more
 * instructions; it has no kernel of its own, for decode waits for memory.) Keys and values go
 * from device memory straight into fragments, 16 bytes a lane. What makes that possible: the
 * numbering of a product's inner index, and of the columns of its result, is free. So there is
 * no staging, no barrier, and no conflict of banks; warps of a block that walk the same cells
 * meet in the L1 cache.
 */
#ifndef KERNELS_ATTEND_CUDA_CUH
#define KERNELS_ATTEND_CUDA_CUH

#include "kernels/cuda.h"
#include "kernels/gk_mma.h"

#define ATTEND_WARPS 4
#define ATTEND_ROWS  16 /* of a warp */
#define ATTEND_CELLS 16 /* that a warp takes at a time */

/* Rows of a float cache, or of halves whose size is no multiple of 16 bytes: one warp a row, in
 * plain arithmetic; a.tickets and a.parts may be NULL: the cells are then not cut. */
void attend_plain(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream);

/* Can attend_warp walk it? */
static inline bool attend_has_pieces(const struct cuda_attend *a)
{
    return a->kv.is_half && a->head_dim % 8 == 0;
}

/* The query rows of a warp and where their results belong: row r is head r % group of token
 * first_row / group and so on; rows from n_rows on are empty. */
struct attend_rows {
    uint32_t first_row, n_rows, group, kv_head;
};

/* The place of row r in [n][n_heads]. */
GK_DEV size_t attend_head_at(
        const struct cuda_attend &a, const struct attend_rows &rows, uint32_t r)
{
    uint32_t row = rows.first_row + r;
    return (size_t)(row / rows.group) * a.n_heads + rows.kv_head * rows.group +
           row % rows.group;
}

/* What a lane holds of the sums of 16 rows, with g = lane / 4, t = lane % 4: of rows g (index
 * 0) and g + 8 (1) and of every 64 values those from 16 t on, value 8 i + j in
 * out[8 chunk + j][2 row + i]. `sum` is the lane's share, a quarter of the cells. */
template <int N_CHUNKS> struct attend_state {
    float out[8 * N_CHUNKS][4];
    float max[2], sum[2];
};

template <int N_CHUNKS> GK_DEV void attend_begin(struct attend_state<N_CHUNKS> &s)
{
    GK_UNROLL
    for (int i = 0; i < 8 * N_CHUNKS; i++)
        s.out[i][0] = s.out[i][1] = s.out[i][2] = s.out[i][3] = 0;
    s.max[0] = s.max[1] = -INFINITY;
    s.sum[0] = s.sum[1] = 0;
}

/* What rounding to halves takes from two values, as halves. */
GK_DEV uint32_t attend_rest(float low, float high, uint32_t pair)
{
    float2 rounded = gk_half2_to_float2(pair);
    return gk_half_pair(low - rounded.x, high - rounded.y);
}

/* Four values of q from d on as two pairs of halves: the values or what rounding took. */
GK_DEV uint2 attend_query(
        const float *q, uint32_t d, uint32_t head_dim, bool is_there, bool is_rest)
{
    if (!is_there || d >= head_dim)
        return make_uint2(0, 0);
    float4 v = *(const float4 *)(q + d);
    uint2 pairs = make_uint2(gk_half_pair(v.x, v.y), gk_half_pair(v.z, v.w));
    if (is_rest)
        pairs = make_uint2(attend_rest(v.x, v.y, pairs.x), attend_rest(v.z, v.w, pairs.y));
    return pairs;
}

/* Lane's part of step i of the product with the keys: of every 32 values lane t takes 8 in a
 * row, because that is what it loads of a key; four in each of two steps. */
GK_DEV uint4 attend_query_fragment(
        const struct cuda_attend &a, const struct attend_rows &rows, uint32_t i, bool is_rest)
{
    uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, dim = a.head_dim;
    uint32_t d = 32 * (i / 2) + 8 * t + 4 * (i % 2);
    uint2 top = attend_query(
            a.q + attend_head_at(a, rows, g) * dim, d, dim, g < rows.n_rows, is_rest);
    uint2 low = attend_query(
            a.q + attend_head_at(a, rows, g + 8) * dim, d, dim, g + 8 < rows.n_rows, is_rest);
    return make_uint4(top.x, low.x, top.y, low.y);
}

GK_DEV uint4 attend_piece(const gk_half *row, uint32_t d, uint32_t head_dim)
{
    return d < head_dim ? *(const uint4 *)(row + d) : make_uint4(0, 0, 0, 0);
}

/* score[tile][...] of 16 cells: q k; lane's cells are 8 tile + 2 t and the next. queries: the
 * warp's fragments, [4 N_CHUNKS][32], and, when fine, as many of what rounding took. */
template <int N_CHUNKS, bool IS_FINE>
GK_DEV void attend_scores(const struct cuda_attend &a, const uint4 *queries,
        const gk_half *const (&key)[2], float (&score)[2][4])
{
    uint32_t lane = threadIdx.x % 32, t = lane % 4;
    GK_UNROLL_BY(4) /* eight loads in flight; more would cost registers that sm_120 has not */
    for (int c = 0; c < 2 * N_CHUNKS; c++) {
        uint4 q0 = queries[2 * c * 32 + lane], q1 = queries[(2 * c + 1) * 32 + lane];
        GK_UNROLL
        for (int tile = 0; tile < 2; tile++) {
            uint4 k = attend_piece(key[tile], 32 * c + 8 * t, a.head_dim);
            gk_mma_f16(score[tile], q0, k.x, k.y);
            gk_mma_f16(score[tile], q1, k.z, k.w);
            if (IS_FINE) {
                gk_mma_f16(score[tile], queries[(4 * N_CHUNKS + 2 * c) * 32 + lane], k.x, k.y);
                gk_mma_f16(
                        score[tile], queries[(4 * N_CHUNKS + 2 * c + 1) * 32 + lane], k.z, k.w);
            }
        }
    }
}

/* The layout of scores is that of the first factor of the next product. */
GK_DEV uint4 attend_weights(const float (&p)[2][4])
{
    return make_uint4(gk_half_pair(p[0][0], p[0][1]), gk_half_pair(p[0][2], p[0][3]),
            gk_half_pair(p[1][0], p[1][1]), gk_half_pair(p[1][2], p[1][3]));
}

GK_DEV uint4 attend_weights_rest(const float (&p)[2][4], uint4 w)
{
    return make_uint4(attend_rest(p[0][0], p[0][1], w.x), attend_rest(p[0][2], p[0][3], w.y),
            attend_rest(p[1][0], p[1][1], w.z), attend_rest(p[1][2], p[1][3], w.w));
}

/* Of two words of halves the low halves, or the high ones, as a pair. */
GK_DEV uint32_t attend_pick(uint32_t first, uint32_t second, bool is_high)
{
    return is_high ? first >> 16 | (second & 0xffff0000) : (first & 0xffff) | second << 16;
}

/* out += p v of 16 cells; value: rows of the lane's four cells 2t, 2t + 1, 2t + 8, 2t + 9. Of
 * every 64 values lane g loads 8 in a row, so column g of product j is value 8 g + j. */
template <int N_CHUNKS, bool IS_FINE>
GK_DEV void attend_values(const struct cuda_attend &a, const float (&p)[2][4],
        const gk_half *const (&value)[4], struct attend_state<N_CHUNKS> &s)
{
    uint32_t g = threadIdx.x % 32 / 4;
    uint4 weights = attend_weights(p);
    uint4 rest = IS_FINE ? attend_weights_rest(p, weights) : weights;
    GK_UNROLL
    for (int c = 0; c < N_CHUNKS; c++) {
        uint4 v[4];
        GK_UNROLL
        for (int i = 0; i < 4; i++)
            v[i] = attend_piece(value[i], 64 * c + 8 * g, a.head_dim);
        const uint32_t word[4][4] = {{v[0].x, v[0].y, v[0].z, v[0].w},
                {v[1].x, v[1].y, v[1].z, v[1].w}, {v[2].x, v[2].y, v[2].z, v[2].w},
                {v[3].x, v[3].y, v[3].z, v[3].w}};
        GK_UNROLL
        for (int j = 0; j < 8; j++) {
            uint32_t b0 = attend_pick(word[0][j / 2], word[1][j / 2], j % 2);
            uint32_t b1 = attend_pick(word[2][j / 2], word[3][j / 2], j % 2);
            gk_mma_f16(s.out[8 * c + j], weights, b0, b1);
            if (IS_FINE)
                gk_mma_f16(s.out[8 * c + j], rest, b0, b1);
        }
    }
}

/* Scores of 16 cells become weights, and what was summed before is scaled to the new maximum.
 */
template <int N_CHUNKS>
GK_DEV void attend_softmax(float (&score)[2][4], struct attend_state<N_CHUNKS> &s)
{
    float scale[2];
    GK_UNROLL
    for (int r = 0; r < 2; r++) {
        float top = fmaxf(fmaxf(score[0][2 * r], score[0][2 * r + 1]),
                fmaxf(score[1][2 * r], score[1][2 * r + 1]));
        top = fmaxf(top, __shfl_xor_sync(0xffffffff, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffff, top, 2));
        top = fmaxf(top, s.max[r]);
        float base = top == -INFINITY ? 0 : top; /* a row that has seen nothing yet */
        scale[r] = gk_exp(s.max[r] - base);
        s.max[r] = top;
        s.sum[r] *= scale[r];
        GK_UNROLL
        for (int i = 0; i < 4; i++) {
            float *p = &score[i / 2][2 * r + i % 2];
            *p = gk_exp(*p - base);
            s.sum[r] += *p;
        }
    }
    GK_UNROLL
    for (int i = 0; i < 8 * N_CHUNKS; i++) {
        s.out[i][0] *= scale[0];
        s.out[i][1] *= scale[0];
        s.out[i][2] *= scale[1];
        s.out[i][3] *= scale[1];
    }
}

/* A part of the list of visible cells, in steps of `step` cells: the warps of a block may share
 * it. begin, end: what the lane's two rows see. */
struct attend_range {
    uint32_t from, to, step;
    uint32_t begin[2], end[2];
};

/* Lane's cell of the 16 from `at` on; those behind the end are the last. */
GK_DEV uint32_t attend_cell(
        const uint32_t *visible, const struct attend_range &range, uint32_t at)
{
    return visible[min(at + threadIdx.x % ATTEND_CELLS, range.to - 1)];
}

/* The warp walks range.from, range.from + range.step, …, 16 cells each time. All lanes get the
 * same but for begin and end. IS_FINE: q and the weights count as pairs of halves, their
 * rounded value and the rest, which makes the result that of float arithmetic for twice the
 * products. Decode can afford them, since it waits for memory. */
template <int N_CHUNKS, bool IS_FINE>
GK_DEV void attend_walk(const struct cuda_attend &a, const uint32_t *visible,
        const struct attend_range &range, uint32_t kv_head, const uint4 *queries,
        struct attend_state<N_CHUNKS> &s)
{
    uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    uint32_t next = range.from < range.to ? attend_cell(visible, range, range.from) : 0;
    for (uint32_t at = range.from; at < range.to; at += range.step) {
        uint32_t row = next * a.n_kv_heads + kv_head;
        next = attend_cell(visible, range, at + range.step);
        const gk_half *key[2], *value[4];
        GK_UNROLL
        for (int i = 0; i < 2; i++)
            key[i] = (const gk_half *)a.kv.keys +
                     (size_t)__shfl_sync(0xffffffff, row, g + 8 * i) * a.head_dim;
        GK_UNROLL
        for (int i = 0; i < 4; i++)
            value[i] = (const gk_half *)a.kv.values +
                       (size_t)__shfl_sync(0xffffffff, row, 2 * t + i % 2 + i / 2 * 8) *
                               a.head_dim;
        float score[2][4] = {};
        attend_scores<N_CHUNKS, IS_FINE>(a, queries, key, score);
        GK_UNROLL
        for (int i = 0; i < 8; i++) {
            uint32_t r = i % 4 / 2, c = at + i / 4 * 8 + 2 * t + i % 2;
            bool is_seen = c >= range.begin[r] && c < range.end[r];
            score[i / 4][i % 4] = is_seen ? score[i / 4][i % 4] * a.scale : -INFINITY;
        }
        attend_softmax(score, s);
        attend_values<N_CHUNKS, IS_FINE>(a, score, value, s);
    }
}

/* The end of a walk: the sum of the row over its four lanes. */
template <int N_CHUNKS> GK_DEV void attend_end(struct attend_state<N_CHUNKS> &s)
{
    GK_UNROLL
    for (int r = 0; r < 2; r++) {
        s.sum[r] += __shfl_xor_sync(0xffffffff, s.sum[r], 1);
        s.sum[r] += __shfl_xor_sync(0xffffffff, s.sum[r], 2);
    }
}

#endif
