/*
 * matvec_cuda.cuh - rows of weights times the activations of up to eight tokens: the core of
 * decode. A block of 128 threads stages the activations in shared memory, normed if asked and
 * as 8 bits where the weights are blocks, and each team of eight lanes multiplies a row with
 * all of them: one pass over the weights. Every block norms and quantises anew: that reads 8 to
 * 20 KB from the L2 cache, and is cheaper than a launch before it.
 *
 * What is multiplied are parts: the same rows of gate and up, the slabs of several experts, or
 * the halves of rows where a matrix has too few of them to fill the device. Sums land in shared
 * memory, [part][row][column]; the caller does with them what it likes. The order of summation
 * is fixed: eight lanes in a butterfly, tiles in order.
 */
#ifndef KERNELS_MATVEC_CUDA_CUH
#define KERNELS_MATVEC_CUDA_CUH

#include "kernels/cuda.h"
#include "kernels/quant_cuda.cuh"
#include "kernels/value_cuda.cuh"

#define GK_BLOCK     128
#define GK_TEAM      8 /* lanes that share a row */
#define GK_TEAMS     (GK_BLOCK / GK_TEAM)
#define GK_MAX_PARTS 16
#define GK_MAX_UNITS 128 /* parts * rows of a block */
#define GK_ACTS      640 /* 16-byte pieces of shared memory for activations */

/* Groups of a tile and where its columns lie: as 8 bits the 16-byte halves of all groups, then
 * their gk_act_scale; as floats eight 16-byte pieces of all groups. Neighbouring lanes read
 * neighbouring pieces. */
template <int C> struct gk_tile {
    static constexpr uint32_t n_q8 = GK_ACTS * 16 / 40 / C;
    static constexpr uint32_t q8_stride = n_q8 * 40 / 16;
    static constexpr uint32_t n_float = GK_ACTS / 8 / C / 8 * 8;
    static constexpr uint32_t float_stride = n_float * 8;
};

/* Columns that a lane takes: with eight, two teams read the same row, for lack of registers. */
template <int C> struct gk_lane {
    static constexpr int n_columns = C == 8 ? 4 : C;
    static constexpr uint32_t n_teams = C / n_columns;
};

struct gk_act_scale {
    float d;
    uint32_t sums; /* as in gk_act */
};

/* Where activations are: n_slots times n_in values, `stride` values from row to row; normed if
 * there is a norm, and then of one slot. All pointers are 16-byte aligned. */
struct gk_input {
    const float *x, *norm; /* norm: or NULL */
    uint32_t n_in, n_slots, stride;
    float eps;
};

/* Rows of a slab, or groups begin to end of them; act_begin: where the first of these groups is
 * in the groups of a column. */
struct gk_part {
    const unsigned char *low, *high, *scale; /* planes of row 0 */
    uint32_t low_bytes, high_bytes, scale_bytes, n_groups;
    enum quant quant;
    bool is_q8, is_far;
    uint32_t begin, end, act_begin;
};

/* What a block multiplies: 2^rows_log2 rows of each part from first_row on, of which those
 * beyond n_rows are idle, with n_columns rows of the input from `column` on, or those that the
 * list names. A warp's rows are of one part: rows_log2 >= 2. */
struct gk_work {
    uint32_t n_parts, rows_log2, first_row, n_rows;
    uint32_t column, n_columns;
    const uint32_t *list; /* or NULL */
    /* The caller's: what is not here the compiler keeps in registers during the products. */
    const cuda_step *step;
    uint32_t head;
    bool has_q8, has_float; /* among the parts */
};

/* Block-quantised weights see activations of 8 bits, but for the exact mode. */
GK_DEV bool gk_is_q8(enum quant quant, bool is_exact)
{
    return !is_exact && quant != QUANT_F32 && quant != QUANT_F16 && quant != QUANT_BF16;
}

GK_DEV void gk_set_part(gk_part *part, const cuda_matrix &w, uint32_t slab, bool is_exact)
{
    const unsigned char *base = w.slabs[slab];
    part->low = base + w.layout.low.offset;
    part->high = base + w.layout.high.offset;
    part->scale = base + w.layout.scale.offset;
    part->low_bytes = w.layout.low.row_bytes;
    part->high_bytes = w.layout.high.row_bytes;
    part->scale_bytes = w.layout.scale.row_bytes;
    part->n_groups = w.layout.n_groups;
    part->quant = w.quant;
    part->is_q8 = gk_is_q8(w.quant, is_exact);
    part->is_far = w.is_far;
    part->begin = 0;
    part->end = w.layout.n_groups;
    part->act_begin = 0;
}

/* ---- activations -------------------------------------------------------------------- */

/* Columns beyond the last repeat it: nobody reads their sums. */
GK_DEV const float *gk_column(const gk_input &in, const gk_work &work, uint32_t c)
{
    uint32_t row = work.column + (c < work.n_columns ? c : work.n_columns - 1);
    if (work.list)
        row = work.list[row];
    return in.x + (size_t)row * in.stride;
}

/* A thread's share of the squares of x. Four loads are under way before the first is used: it
 * is one wait, where x is not longer than 2048. */
template <bool IS_WHOLE> GK_DEV float gk_square_sum(const float *x, uint32_t n)
{
    float sum = 0;
    for (uint32_t i = 4 * threadIdx.x; i < n; i += 16 * GK_BLOCK) {
        float4 v[4];
        GK_UNROLL
        for (uint32_t u = 0; u < 4; u++)
            v[u] = gk_load_four<IS_WHOLE>(x, i + 4 * GK_BLOCK * u, n);
        GK_UNROLL
        for (uint32_t u = 0; u < 4; u++)
            sum += v[u].x * v[u].x + v[u].y * v[u].y + v[u].z * v[u].z + v[u].w * v[u].w;
    }
    return sum;
}

/* scales[c] = 1 / rms of column c, for all threads. */
template <int C>
GK_DEV void gk_norm_scales(const gk_input &in, const gk_work &work, float *scales)
{
    GK_SHARED(float, parts, C *GK_BLOCK / 32);
    for (int c = 0; c < C; c++) {
        const float *x = gk_column(in, work, c);
        float sum = in.n_in % 4 == 0 ? gk_square_sum<true>(x, in.n_in)
                                     : gk_square_sum<false>(x, in.n_in);
        sum = gk_warp_sum(sum);
        if (threadIdx.x % 32 == 0)
            parts[threadIdx.x / 32 * C + c] = sum;
    }
    __syncthreads();
    if (threadIdx.x < C) {
        float sum = 0;
        for (int w = 0; w < GK_BLOCK / 32; w++)
            sum += parts[w * C + threadIdx.x];
        scales[threadIdx.x] = 1 / sqrtf(sum / (float)in.n_in + in.eps);
    }
    __syncthreads();
}

GK_DEV uint32_t gk_pack_four(int a, int b, int c, int d)
{
    return (uint32_t)(a & 255) | (uint32_t)(b & 255) << 8 | (uint32_t)(c & 255) << 16 |
           (uint32_t)d << 24;
}

/* A team's group as 8 bits, as dot_scalar.c's quantise does it. */
template <int C> GK_DEV void gk_quantise(float4 v, uint32_t g, bool is_kept, uint4 *column)
{
    constexpr uint32_t n = gk_tile<C>::n_q8;
    uint32_t lane = threadIdx.x % GK_TEAM;
    float largest = fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
    GK_UNROLL
    for (int distance = 1; distance < GK_TEAM; distance *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    float inverse = largest > 1e-30f ? 127 / largest : 0;
    int a = (int)rintf(v.x * inverse), b = (int)rintf(v.y * inverse);
    int c = (int)rintf(v.z * inverse), d = (int)rintf(v.w * inverse);
    int sum = a + b + c + d;
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    int second = __shfl_xor_sync(0xffffffffu, sum, 4);
    if (!is_kept)
        return;
    uint32_t *words = (uint32_t *)(column + lane / 4 * n + g);
    words[lane % 4] = gk_pack_four(a, b, c, d);
    if (lane == 0)
        ((gk_act_scale *)(column + 2 * n))[g] =
                gk_act_scale{largest / 127, (uint32_t)(sum & 0xFFFF) | (uint32_t)second << 16};
}

/* Four values each, lane's are 4 * lane to + 3, of N groups GK_TEAMS apart of the n in the
 * tile. All are loaded, the norm with them, before the first is used. */
template <bool IS_WHOLE, int N>
GK_DEV void gk_load_inputs(const gk_input &in, const float *x, uint32_t n_groups, uint32_t tile,
        uint32_t n, uint32_t first, float scale, float4 (&out)[N])
{
    float4 norm[N];
    GK_UNROLL
    for (int u = 0; u < N; u++) {
        uint32_t g = first + GK_TEAMS * u + threadIdx.x / GK_TEAM;
        uint32_t flat = tile + (g < n ? g : 0), slot = in.n_slots == 1 ? 0 : flat / n_groups;
        uint32_t i = 32 * (flat - slot * n_groups) + 4 * (threadIdx.x % GK_TEAM);
        out[u] = gk_load_four<IS_WHOLE>(x + (size_t)slot * in.n_in, i, in.n_in);
        norm[u] =
                in.norm ? gk_load_four<IS_WHOLE>(in.norm, i, in.n_in) : make_float4(1, 1, 1, 1);
    }
    GK_UNROLL
    for (int u = 0; u < N; u++)
        out[u] = make_float4(out[u].x * scale * norm[u].x, out[u].y * scale * norm[u].y,
                out[u].z * scale * norm[u].z, out[u].w * scale * norm[u].w);
}

/* Groups tile to tile + n of all columns. */
template <int C, bool IS_Q8, bool IS_WHOLE>
GK_DEV void gk_stage(const gk_input &in, const gk_work &work, uint32_t n_groups, uint32_t tile,
        uint32_t n, const float *scales, uint4 *acts)
{
    constexpr uint32_t n_ahead = C == 8 ? 2 : 4; /* for lack of registers */
    for (int c = 0; c < C; c++) {
        const float *x = gk_column(in, work, c);
        float scale = in.norm ? scales[c] : 1;
        for (uint32_t first = 0; first < n; first += n_ahead * GK_TEAMS) {
            float4 v[n_ahead];
            gk_load_inputs<IS_WHOLE>(in, x, n_groups, tile, n, first, scale, v);
            GK_UNROLL
            for (uint32_t u = 0; u < n_ahead; u++) {
                uint32_t g = first + GK_TEAMS * u + threadIdx.x / GK_TEAM;
                if (first + GK_TEAMS * u >= n) /* for all teams */
                    break;
                if constexpr (IS_Q8)
                    gk_quantise<C>(v[u], g, g < n, acts + c * gk_tile<C>::q8_stride);
                else if (g < n)
                    ((float4 *)acts)[c * gk_tile<C>::float_stride +
                                     threadIdx.x % GK_TEAM * gk_tile<C>::n_float + g] = v[u];
            }
        }
    }
}

/* ---- a row -------------------------------------------------------------------------- */

/* sums[c] += a loaded group, number `from` of its row, with group g of the tile. */
template <enum quant Q, int C>
GK_DEV void gk_add_group(
        const gk_group<Q> &group, uint32_t from, const uint4 *acts, uint32_t g, float *sums)
{
    constexpr uint32_t n_tile = gk_tile<C>::n_q8;
    uint32_t words[8];
    gk_scales scales = gk_scales_of<Q>(group, from);
    GK_UNROLL
    for (int k = 0; k < 8; k++)
        words[k] = gk_word<Q>(group, k);
    GK_UNROLL
    for (int c = 0; c < gk_lane<C>::n_columns; c++) {
        const uint4 *column = acts + c * gk_tile<C>::q8_stride;
        uint4 a = column[g], b = column[n_tile + g];
        gk_act_scale s = ((const gk_act_scale *)(column + 2 * n_tile))[g];
        gk_act act = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, s.d, s.sums};
        sums[c] += gk_group_product<Q>(words, scales, act);
    }
}

/* By a lane: its share of groups first to first + n of a row; the first one's activations are
 * group `at` of the tile. With one or two columns several groups are loaded before the first is
 * used; with more, where there is more to do for each, the next one is loaded meanwhile. */
template <enum quant Q, int C>
GK_DEV void gk_row_q8(const gk_row &row, uint32_t lane, uint32_t first, uint32_t n,
        const uint4 *acts, uint32_t at, float *sums)
{
    if constexpr (C <= 2) {
        constexpr uint32_t ahead = gk_group<Q>::shape.ahead;
        for (uint32_t i = lane; i < n; i += ahead * GK_TEAM) {
            gk_group<Q> groups[ahead] = {}; /* what is not loaded would be live everywhere */
            GK_UNROLL
            for (uint32_t u = 0; u < ahead; u++)
                if (i + u * GK_TEAM < n)
                    gk_load_group<Q>(groups[u], row, first + i + u * GK_TEAM);
            GK_UNROLL
            for (uint32_t u = 0; u < ahead; u++)
                if (i + u * GK_TEAM < n)
                    gk_add_group<Q, C>(groups[u], first + i + u * GK_TEAM, acts,
                            at + i + u * GK_TEAM, sums);
        }
    } else {
        gk_group<Q> group = {};
        if (lane < n)
            gk_load_group<Q>(group, row, first + lane);
        for (uint32_t i = lane; i < n; i += GK_TEAM) {
            gk_group<Q> next = {};
            if (i + GK_TEAM < n)
                gk_load_group<Q>(next, row, first + i + GK_TEAM);
            gk_add_group<Q, C>(group, first + i, acts, at + i, sums);
            group = next;
        }
    }
}

/* sums[c] += eight values from 8p on of group g. */
template <int C>
GK_DEV void gk_add_eight(const float *w, const uint4 *acts, uint32_t g, int p, float *sums)
{
    constexpr uint32_t n_tile = gk_tile<C>::n_float;
    GK_UNROLL
    for (int c = 0; c < gk_lane<C>::n_columns; c++) {
        const float4 *column = (const float4 *)acts + c * gk_tile<C>::float_stride;
        float4 a = column[2 * p * n_tile + g], b = column[(2 * p + 1) * n_tile + g];
        sums[c] += w[0] * a.x + w[1] * a.y + w[2] * a.z + w[3] * a.w + w[4] * b.x + w[5] * b.y +
                   w[6] * b.z + w[7] * b.w;
    }
}

/* Weights of a float type: four pieces, two for many columns, are loaded before the first is
 * used. */
template <enum quant Q, int C>
GK_DEV void gk_row_float(const gk_row &row, uint32_t lane, uint32_t first, uint32_t n,
        const uint4 *acts, uint32_t at, float *sums)
{
    constexpr int ahead = (C >= 2 ? 2 : 4) / gk_eight<Q>::n_pieces;
    for (uint32_t g = lane; g < n; g += GK_TEAM) {
        GK_ROLLED
        for (int p = 0; p < 4; p += ahead) {
            gk_eight<Q> eights[ahead];
            GK_UNROLL
            for (int i = 0; i < ahead; i++)
                gk_load_eight<Q>(eights[i], row, first + g, p + i);
            GK_UNROLL
            for (int i = 0; i < ahead; i++) {
                float w[8];
                gk_eight_floats<Q>(eights[i], w);
                gk_add_eight<C>(w, acts, at + g, p + i, sums);
            }
        }
    }
}

/* Blocks in the exact mode, which has one column and no haste. */
template <enum quant Q>
GK_DEV void gk_row_exact(const gk_row &row, uint32_t lane, uint32_t first, uint32_t n,
        const uint4 *acts, uint32_t at, float *sums)
{
    for (uint32_t i = lane; i < 4 * n; i += GK_TEAM) {
        float w[8];
        gk_eight_values<Q>(row, first + i / 4, (int)(i % 4), w);
        gk_add_eight<1>(w, acts, at + i / 4, (int)(i % 4), sums);
    }
}

template <enum quant Q, int C, bool IS_Q8>
GK_DEV void gk_row_product(const gk_row &row, uint32_t lane, uint32_t first, uint32_t n,
        const uint4 *acts, uint32_t at, float *sums)
{
    if constexpr (gk_group<Q>::is_float && !IS_Q8)
        gk_row_float<Q, C>(row, lane, first, n, acts, at, sums);
    else if constexpr (!gk_group<Q>::is_float && IS_Q8)
        gk_row_q8<Q, C>(row, lane, first, n, acts, at, sums);
    else if constexpr (!gk_group<Q>::is_float && C == 1)
        gk_row_exact<Q>(row, lane, first, n, acts, at, sums);
}

/* The sums of a team's lanes: of C columns, lane l < C gets the one that gk_column_of_lane
 * says. Halves are exchanged while there are two, so that 4 columns take 4 shuffles. */
template <int C> GK_DEV float gk_team_sum(float *sums, uint32_t lane)
{
    int n = C;
    GK_UNROLL
    for (uint32_t distance = 1; distance < GK_TEAM; distance *= 2) {
        if (n == 1) {
            sums[0] += __shfl_xor_sync(0xffffffffu, sums[0], distance);
            continue;
        }
        n /= 2;
        GK_UNROLL
        for (int i = 0; i < C / 2; i++) {
            if (i >= n)
                break;
            bool is_upper = lane & distance;
            float sent = is_upper ? sums[i] : sums[i + n];
            sums[i] = is_upper ? sums[i + n] : sums[i];
            sums[i] += __shfl_xor_sync(0xffffffffu, sent, distance);
        }
    }
    return sums[0];
}

template <int C> GK_DEV uint32_t gk_column_of_lane(uint32_t lane)
{
    return C == 4 ? (lane & 1) << 1 | lane >> 1 : lane;
}

/* ---- a block ------------------------------------------------------------------------ */

/* A unit's groups in the tile; acts and out: of the first of the lane's columns. */
template <int C, bool IS_Q8>
GK_DEV void gk_unit(const gk_part &part, uint32_t row, bool is_idle, uint32_t lane,
        uint32_t tile, uint32_t n_tile, const uint4 *acts, float *out)
{
    uint32_t act_end = part.act_begin + part.end - part.begin, tile_end = tile + n_tile;
    uint32_t from = part.act_begin > tile ? part.act_begin : tile;
    uint32_t to = act_end < tile_end ? act_end : tile_end;
    if (from >= to || part.is_q8 != IS_Q8)
        return;
    constexpr int n_columns = gk_lane<C>::n_columns;
    float sums[n_columns] = {0};
    uint32_t n = is_idle ? 0 : to - from, first = part.begin + from - part.act_begin;
    gk_row r = {part.low + (size_t)row * part.low_bytes,
            part.high + (size_t)row * part.high_bytes,
            part.scale + (size_t)row * part.scale_bytes, part.n_groups};
    switch (part.quant) {
#define QUANT(id, ...)                                                                         \
    case QUANT_##id:                                                                           \
        gk_row_product<QUANT_##id, C, IS_Q8>(r, lane, first, n, acts, from - tile, sums);      \
        break;
#include "kernels/quant.def"
#undef QUANT
    default:
        break;
    }
    float sum = gk_team_sum<n_columns>(sums, lane);
    if (lane < n_columns)
        out[gk_column_of_lane<n_columns>(lane)] += sum;
}

template <int C, bool IS_Q8>
GK_DEV void gk_products_as(const gk_input &in, const gk_part *parts, const gk_work &work,
        const float *scales, uint4 *acts, float *sums)
{
    constexpr uint32_t n_tile = IS_Q8 ? gk_tile<C>::n_q8 : gk_tile<C>::n_float;
    constexpr uint32_t stride = IS_Q8 ? gk_tile<C>::q8_stride : gk_tile<C>::float_stride;
    constexpr uint32_t n_teams = gk_lane<C>::n_teams;
    uint32_t n_groups = (in.n_in + 31) / 32, n_all = n_groups * in.n_slots;
    for (uint32_t tile = 0; tile < n_all; tile += n_tile) {
        uint32_t n = n_all - tile < n_tile ? n_all - tile : n_tile;
        if (IS_Q8 || in.n_in % 4 == 0) /* blocks have 32 values and more */
            gk_stage<C, IS_Q8, true>(in, work, n_groups, tile, n, scales, acts);
        else
            gk_stage<C, IS_Q8, false>(in, work, n_groups, tile, n, scales, acts);
        __syncthreads();
        for (uint32_t i = threadIdx.x;
                i < (work.n_parts << work.rows_log2) * (n_teams * GK_TEAM); i += GK_BLOCK) {
            uint32_t u = i / (n_teams * GK_TEAM), r = u & ((1u << work.rows_log2) - 1);
            uint32_t c = i / GK_TEAM % n_teams * gk_lane<C>::n_columns;
            gk_unit<C, IS_Q8>(parts[u >> work.rows_log2], work.first_row + r, r >= work.n_rows,
                    i % GK_TEAM, tile, n, acts + c * stride, sums + u * C + c);
        }
        __syncthreads();
    }
}

/* 1 KB of a row, or of its second half: a line of each lane of a team. */
GK_DEV void gk_prefetch_row(
        const gk_part &part, const unsigned char *plane, uint32_t row_bytes, uint32_t row)
{
    uint32_t at = (part.begin > 0 ? row_bytes / 2 : 0) + threadIdx.x % GK_TEAM * 128;
    if (at < row_bytes)
        gk_prefetch_l2(plane + (size_t)row * row_bytes + at);
}

/* The rows that the teams begin with come into the L2 cache while the activations are normed
 * and staged. Of host memory nothing is asked for: whether its lines stay in this cache depends
 * on the device, and to read them twice is too dear. */
GK_DEV void gk_prefetch(const gk_part *parts, const gk_work &work)
{
    uint32_t unit = threadIdx.x / GK_TEAM, r = unit & ((1u << work.rows_log2) - 1);
    uint32_t p = unit >> work.rows_log2, row = work.first_row + r;
    if (p >= work.n_parts || r >= work.n_rows || parts[p].is_far)
        return;
    gk_prefetch_row(parts[p], parts[p].low, parts[p].low_bytes, row);
    gk_prefetch_row(parts[p], parts[p].high, parts[p].high_bytes, row);
    gk_prefetch_row(parts[p], parts[p].scale, parts[p].scale_bytes, row);
}

/* By the whole block: sums[unit][column] of all units. All are in shared memory, parts and work
 * visible to all threads. Ends with a barrier. */
template <int C>
GK_DEV void gk_products(
        const gk_input &in, const gk_part *parts, const gk_work &work, float *sums)
{
    GK_SHARED(uint4, acts, GK_ACTS);
    GK_SHARED(float, scales, C);
    for (uint32_t i = threadIdx.x; i < (work.n_parts << work.rows_log2) * C; i += GK_BLOCK)
        sums[i] = 0;
    gk_prefetch(parts, work);
    if (in.norm)
        gk_norm_scales<C>(in, work, scales);
    if (work.has_q8)
        gk_products_as<C, true>(in, parts, work, scales, acts, sums);
    if (work.has_float)
        gk_products_as<C, false>(in, parts, work, scales, acts, sums);
}

#endif
