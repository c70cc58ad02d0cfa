/*
 * attend_cuda.cu - attention in decode: a token's cells are cut into parts, so that also one
 * token of one sequence occupies the device (flash decoding, Dao and others 2023). A block is a
 * (part, key head, token); the last of a (key head, token) to finish merges the parts, so there
 * is no second launch. Parts are summed in their order whoever comes last.
 */
#include "kernels/attend_cuda.cuh"

/* How the cells of one token are cut: by their number alone, so that a token's result does not
 * depend on its neighbours in the batch. No part is empty, but for the only one of no cells. */
struct cut {
    uint32_t n_parts, n_cells; /* n_cells: of each part but the last */
};

GK_DEV struct cut cut_cells(const struct cuda_attend &a, uint32_t count)
{
    uint32_t n_cells = (count + a.n_split_max - 1) / a.n_split_max;
    n_cells = (n_cells + ATTEND_CELLS - 1) / ATTEND_CELLS * ATTEND_CELLS;
    n_cells = max((uint32_t)CUDA_PART_CELLS, n_cells);
    return {max(1u, (count + n_cells - 1) / n_cells), n_cells};
}

/* Where the result of a head, [n][n_heads], goes: into one of its parts as sums with their
 * maximum and total behind, or, when it is the only one, divided. */
struct target {
    float *values;
    float factor;
    bool is_part;
};

GK_DEV struct target target_of(
        const struct cuda_attend &a, size_t head, uint32_t part, uint32_t n_parts, float total)
{
    if (n_parts > 1)
        return {a.parts + (head * a.n_split_max + part) * (a.head_dim + 2), 1, true};
    return {a.out + head * a.head_dim, total > 0 ? 1 / total : 0, false};
}

GK_DEV void put_pair(const struct target &to, uint32_t d, float x, float y)
{
    *(float2 *)(to.values + d) = make_float2(x * to.factor, y * to.factor);
}

/* One warp: the parts of one head, in their order. A lane owns values 2 lane + 64 i. */
GK_DEV void merge_head(const struct cuda_attend &a, size_t head, uint32_t n_parts)
{
    uint32_t lane = threadIdx.x % 32, stride = a.head_dim + 2;
    const float *parts = a.parts + head * a.n_split_max * stride;
    float top = -INFINITY, total = 0;
    for (uint32_t p = lane; p < n_parts; p += 32)
        top = fmaxf(top, parts[p * stride + a.head_dim]);
    top = gk_warp_max(top);
    float2 sum[4] = {};
    for (uint32_t first = 0; first < n_parts; first += 32) {
        uint32_t n = min(32u, n_parts - first);
        const float *part = parts + first * stride;
        float weight = 0;
        if (lane < n) {
            const float *own = part + lane * stride + a.head_dim;
            weight = gk_exp(own[0] - top);
            total += weight * own[1];
        }
        for (uint32_t p = 0; p < n; p += 8)
            GK_UNROLL
        for (uint32_t j = p; j < p + 8; j++) {
            float w = __shfl_sync(0xffffffff, weight, j); /* 0 behind the last */
            const float *values = part + min(j, n - 1) * stride + 2 * lane;
            GK_UNROLL
            for (int i = 0; i < 4; i++)
                if (2 * lane + 64 * i < a.head_dim) {
                    float2 v = *(const float2 *)(values + 64 * i);
                    sum[i].x += w * v.x;
                    sum[i].y += w * v.y;
                }
        }
    }
    struct target to = target_of(a, head, 0, 1, gk_warp_sum(total));
    GK_UNROLL
    for (int i = 0; i < 4; i++)
        if (2 * lane + 64 * i < a.head_dim)
            put_pair(to, 2 * lane + 64 * i, sum[i].x, sum[i].y);
}

/* The whole block, after its part is written; n_blocks share this token and key head. */
GK_DEV void merge_if_last(const struct cuda_attend &a, uint32_t t, uint32_t kv_head,
        uint32_t n_parts, uint32_t n_blocks)
{
    uint32_t group = a.n_heads / a.n_kv_heads;
    if (n_parts == 1 || !gk_last_block(a.tickets + t * a.n_kv_heads + kv_head, n_blocks))
        return;
    for (uint32_t h = threadIdx.x / 32; h < group; h += ATTEND_WARPS)
        merge_head(a, (size_t)t * a.n_heads + kv_head * group + h, n_parts);
}

/* ---- plain arithmetic -------------------------------------------------------------------- */

GK_DEV float2 load_pair(const float *p)
{
    return *(const float2 *)p;
}

GK_DEV float2 load_pair(const gk_half *p)
{
    return make_float2(gk_half_to_float(p[0]), gk_half_to_float(p[1]));
}

/* One warp: a head over cells [from, to) of the list. A lane owns values 2 lane + 64 i. */
template <class T>
GK_DEV void plain_row(const struct cuda_attend &a, const uint32_t *visible, uint32_t from,
        uint32_t to, size_t head, uint32_t part, uint32_t n_parts)
{
    uint32_t lane = threadIdx.x % 32, group = a.n_heads / a.n_kv_heads;
    uint32_t kv_head = head % a.n_heads / group;
    float2 q[4] = {}, sum[4] = {};
    float top = -INFINITY, total = 0;
    GK_UNROLL
    for (int i = 0; i < 4; i++)
        if (2 * lane + 64 * i < a.head_dim)
            q[i] = load_pair(a.q + head * a.head_dim + 2 * lane + 64 * i);
    for (uint32_t c = from; c < to; c++) {
        size_t at = ((size_t)visible[c] * a.n_kv_heads + kv_head) * a.head_dim + 2 * lane;
        float2 v[4];
        float score = 0;
        GK_UNROLL
        for (int i = 0; i < 4; i++)
            if (2 * lane + 64 * i < a.head_dim) {
                float2 k = load_pair((const T *)a.kv.keys + at + 64 * i);
                v[i] = load_pair((const T *)a.kv.values + at + 64 * i);
                score += q[i].x * k.x + q[i].y * k.y;
            }
        score = gk_warp_sum(score) * a.scale;
        float now = fmaxf(top, score), kept = gk_exp(top - now), p = gk_exp(score - now);
        top = now;
        total = total * kept + p;
        GK_UNROLL
        for (int i = 0; i < 4; i++)
            if (2 * lane + 64 * i < a.head_dim) {
                sum[i].x = sum[i].x * kept + p * v[i].x;
                sum[i].y = sum[i].y * kept + p * v[i].y;
            }
    }
    struct target target = target_of(a, head, part, n_parts, total);
    GK_UNROLL
    for (int i = 0; i < 4; i++)
        if (2 * lane + 64 * i < a.head_dim)
            put_pair(target, 2 * lane + 64 * i, sum[i].x, sum[i].y);
    if (target.is_part && lane == 0)
        put_pair(target, a.head_dim, top, total);
}

/* The warps of a block take the heads of its group in turn. */
template <class T>
GK_KERNEL(32 * ATTEND_WARPS, 4)
attend_plain_k(const struct cuda_step *step, struct cuda_attend a)
{
    uint32_t part = blockIdx.x, kv_head = blockIdx.y, t = blockIdx.z;
    uint32_t group = a.n_heads / a.n_kv_heads, count = step->count[t];
    struct cut cut = cut_cells(a, count);
    if (part >= cut.n_parts)
        return;
    const uint32_t *visible = step->visible + step->first[t];
    uint32_t from = part * cut.n_cells, to = min(count, from + cut.n_cells);
    for (uint32_t h = threadIdx.x / 32; h < group; h += ATTEND_WARPS)
        plain_row<T>(a, visible, from, to, (size_t)t * a.n_heads + kv_head * group + h, part,
                cut.n_parts);
    merge_if_last(a, t, kv_head, cut.n_parts, cut.n_parts);
}

void attend_plain(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream)
{
    if (!a.tickets)
        a.n_split_max = 1;
    dim3 grid(a.n_split_max, a.n_kv_heads, n);
    if (a.kv.is_half)
        GK_LAUNCH((attend_plain_k<gk_half>), grid, 32 * ATTEND_WARPS, 0, stream, step, a);
    else
        GK_LAUNCH((attend_plain_k<float>), grid, 32 * ATTEND_WARPS, 0, stream, step, a);
}

/* ---- tensor cores ------------------------------------------------------------------------ */

#define SUM_STRIDE 68 /* floats of 64 values of a row in shared memory */

/* The maxima and totals of the block's warps, [warp][row]. */
struct warp_sums {
    float *tops, *totals;
};

/* The maximum of a row over the warps and, to it, the total. */
GK_DEV float2 row_total(const struct warp_sums &w, uint32_t row)
{
    float top = -INFINITY, total = 0;
    GK_UNROLL
    for (int i = 0; i < ATTEND_WARPS; i++)
        top = fmaxf(top, w.tops[i * ATTEND_ROWS + row]);
    float base = top == -INFINITY ? 0 : top;
    GK_UNROLL
    for (int i = 0; i < ATTEND_WARPS; i++)
        total += w.totals[i * ATTEND_ROWS + row] * gk_exp(w.tops[i * ATTEND_ROWS + row] - base);
    return make_float2(top, total);
}

/* Scales the lane's rows to the block's maximum. */
template <int N_CHUNKS>
GK_DEV void scale_rows(struct attend_state<N_CHUNKS> &s, const struct warp_sums &w)
{
    uint32_t lane = threadIdx.x % 32, g = lane / 4, warp = threadIdx.x / 32;
    if (lane % 4 == 0)
        for (uint32_t r = 0; r < 2; r++) {
            w.tops[warp * ATTEND_ROWS + g + 8 * r] = s.max[r];
            w.totals[warp * ATTEND_ROWS + g + 8 * r] = s.sum[r];
        }
    __syncthreads();
    GK_UNROLL
    for (int r = 0; r < 2; r++) {
        float top = row_total(w, g + 8 * r).x;
        float factor = s.max[r] == -INFINITY ? 0 : gk_exp(s.max[r] - top);
        GK_UNROLL
        for (int i = 0; i < 8 * N_CHUNKS; i++) {
            s.out[i][2 * r] *= factor;
            s.out[i][2 * r + 1] *= factor;
        }
    }
}

/* 64 values of the lane's rows into sums[warp][row][SUM_STRIDE]. */
GK_DEV void put_chunk(const float (*out)[4], float *sums)
{
    uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, warp = threadIdx.x / 32;
    GK_UNROLL
    for (int r = 0; r < 2; r++) {
        float *row = sums + (warp * ATTEND_ROWS + g + 8 * r) * SUM_STRIDE + 16 * t;
        GK_UNROLL
        for (int i = 0; i < 2; i++)
            GK_UNROLL
        for (int j = 0; j < 8; j += 4)
            *(float4 *)(row + 8 * i + j) = make_float4(out[j][2 * r + i], out[j + 1][2 * r + i],
                    out[j + 2][2 * r + i], out[j + 3][2 * r + i]);
    }
}

/* Adds the warps' 64 values from d on in their order. */
GK_DEV void add_chunk(const struct cuda_attend &a, const struct attend_rows &rows,
        const struct warp_sums &w, const float *sums, uint32_t d, uint32_t part,
        uint32_t n_parts)
{
    for (uint32_t i = threadIdx.x; i < ATTEND_ROWS * 32; i += 32 * ATTEND_WARPS) {
        uint32_t r = i / 32, j = i % 32 * 2;
        if (r >= rows.n_rows || d + j >= a.head_dim)
            continue;
        float2 total = row_total(w, r), sum = {};
        GK_UNROLL
        for (int k = 0; k < ATTEND_WARPS; k++) {
            float2 v = *(const float2 *)(sums + (k * ATTEND_ROWS + r) * SUM_STRIDE + j);
            sum.x += v.x;
            sum.y += v.y;
        }
        struct target to = target_of(a, attend_head_at(a, rows, r), part, n_parts, total.y);
        put_pair(to, d + j, sum.x, sum.y);
        if (to.is_part && d + j == 0)
            put_pair(to, a.head_dim, total.x, total.y);
    }
}

/* Up to 16 heads of a group; a larger group takes several blocks (blockIdx.y / n_kv_heads). The
 * warps share the part's cells, 16 at a time in turn. */
template <int N_CHUNKS>
GK_KERNEL(32 * ATTEND_WARPS, N_CHUNKS == 4 ? 2 : 3)
attend_k(const struct cuda_step *step, struct cuda_attend a)
{
    GK_SHARED(uint4, queries, 2 * 4 * N_CHUNKS * 32);
    GK_SHARED(float, sums, ATTEND_WARPS *ATTEND_ROWS *SUM_STRIDE);
    GK_SHARED(float, tops, ATTEND_WARPS *ATTEND_ROWS);
    GK_SHARED(float, totals, ATTEND_WARPS *ATTEND_ROWS);
    uint32_t part = blockIdx.x, kv_head = blockIdx.y % a.n_kv_heads, t = blockIdx.z;
    uint32_t group = a.n_heads / a.n_kv_heads, count = step->count[t], warp = threadIdx.x / 32;
    struct cut cut = cut_cells(a, count);
    if (part >= cut.n_parts)
        return;
    uint32_t i_head = blockIdx.y / a.n_kv_heads * ATTEND_ROWS;
    struct attend_rows rows = {
            t * group + i_head, min((uint32_t)ATTEND_ROWS, group - i_head), group, kv_head};
    for (uint32_t i = warp; i < 8 * N_CHUNKS; i += ATTEND_WARPS)
        queries[i * 32 + threadIdx.x % 32] =
                attend_query_fragment(a, rows, i % (4 * N_CHUNKS), i >= 4 * N_CHUNKS);
    __syncthreads();
    uint32_t from = part * cut.n_cells;
    struct attend_range range = {from + warp * ATTEND_CELLS, min(count, from + cut.n_cells),
            ATTEND_WARPS * ATTEND_CELLS, {0, 0}, {count, count}};
    struct attend_state<N_CHUNKS> s;
    attend_begin(s);
    attend_walk<N_CHUNKS, true>(a, step->visible + step->first[t], range, kv_head, queries, s);
    attend_end(s);
    struct warp_sums w = {tops, totals};
    scale_rows(s, w);
    GK_UNROLL
    for (int c = 0; c < N_CHUNKS; c++) {
        if (64u * c >= a.head_dim)
            break;
        put_chunk(s.out + 8 * c, sums);
        __syncthreads();
        add_chunk(a, rows, w, sums, 64 * c, part, cut.n_parts);
        __syncthreads();
    }
    merge_if_last(a, t, kv_head, cut.n_parts, cut.n_parts * (gridDim.y / a.n_kv_heads));
}

void gk_attend(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream)
{
    if (!attend_has_pieces(&a)) {
        attend_plain(step, n, a, stream);
        return;
    }
    uint32_t n_tiles = (a.n_heads / a.n_kv_heads + ATTEND_ROWS - 1) / ATTEND_ROWS;
    dim3 grid(a.n_split_max, a.n_kv_heads * n_tiles, n);
    if (a.head_dim <= 64)
        GK_LAUNCH((attend_k<1>), grid, 32 * ATTEND_WARPS, 0, stream, step, a);
    else if (a.head_dim <= 128)
        GK_LAUNCH((attend_k<2>), grid, 32 * ATTEND_WARPS, 0, stream, step, a);
    else
        GK_LAUNCH((attend_k<4>), grid, 32 * ATTEND_WARPS, 0, stream, step, a);
}
