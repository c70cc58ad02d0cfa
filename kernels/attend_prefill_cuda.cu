/*
 * attend_prefill_cuda.cu - attention in prefill: a warp takes 16 query rows, that is a few
 * tokens times the heads that share a key head, and walks what any of them sees. Results stay
 * in registers from the first cell to the last.
 */
#include "kernels/attend_cuda.cuh"

/* Tokens [begin, end) of the batch whose ranges of the visible list overlap, one after the
 * other: all in one walk over [from, to). */
struct run {
    uint32_t begin, end, from, to;
};

GK_DEV struct run run_at(const struct cuda_step *step, uint32_t begin, uint32_t last)
{
    struct run run = {
            begin, begin + 1, step->first[begin], step->first[begin] + step->count[begin]};
    for (; run.end <= last; run.end++) {
        uint32_t first = step->first[run.end];
        if (first < run.from || first >= run.to)
            break;
        run.to = max(run.to, first + step->count[run.end]);
    }
    return run;
}

/* The walk for one run; rows of other tokens see nothing of it. */
GK_DEV struct attend_range range_of(
        const struct cuda_step *step, const struct attend_rows &rows, const struct run &run)
{
    struct attend_range range = {run.from, run.to, ATTEND_CELLS, {}, {}};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t r = threadIdx.x % 32 / 4 + 8 * i, t = (rows.first_row + r) / rows.group;
        if (r >= rows.n_rows || t < run.begin || t >= run.end)
            continue;
        range.begin[i] = step->first[t];
        range.end[i] = range.begin[i] + step->count[t];
    }
    return range;
}

template <int N_CHUNKS>
GK_DEV void put_rows(const struct cuda_attend &a, const struct attend_rows &rows,
        const struct attend_state<N_CHUNKS> &s)
{
    uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    GK_UNROLL
    for (int r = 0; r < 2; r++) {
        if (g + 8 * r >= rows.n_rows)
            break;
        float *out = a.out + attend_head_at(a, rows, g + 8 * r) * a.head_dim;
        float factor = s.sum[r] > 0 ? 1 / s.sum[r] : 0;
        GK_UNROLL
        for (int i = 0; i < 16 * N_CHUNKS; i += 4) {
            uint32_t d = i / 16 * 64 + 16 * t + i % 16;
            const float(*v)[4] = s.out + i / 16 * 8 + i % 8;
            int column = 2 * r + i % 16 / 8;
            if (d < a.head_dim)
                *(float4 *)(out + d) = make_float4(v[0][column] * factor, v[1][column] * factor,
                        v[2][column] * factor, v[3][column] * factor);
        }
    }
}

/* Blocks with the last tokens, which see most, come first. */
template <int N_CHUNKS>
GK_KERNEL(32 * ATTEND_WARPS, N_CHUNKS == 1 ? 3 : 2)
attend_prefill_k(const struct cuda_step *step, uint32_t n, struct cuda_attend a)
{
    GK_SHARED(uint4, queries, ATTEND_WARPS * 4 * N_CHUNKS * 32);
    uint32_t warp = threadIdx.x / 32, group = a.n_heads / a.n_kv_heads;
    uint32_t first_row = ((gridDim.x - 1 - blockIdx.x) * ATTEND_WARPS + warp) * ATTEND_ROWS;
    if (first_row >= n * group)
        return;
    struct attend_rows rows = {
            first_row, min((uint32_t)ATTEND_ROWS, n * group - first_row), group, blockIdx.y};
    /* Each lane reads only what it wrote, so nobody waits. */
    uint4 *own = queries + warp * 4 * N_CHUNKS * 32;
    for (uint32_t i = 0; i < 4 * N_CHUNKS; i++)
        own[i * 32 + threadIdx.x % 32] = attend_query_fragment(a, rows, i, false);
    struct attend_state<N_CHUNKS> s;
    attend_begin(s);
    uint32_t last = (first_row + rows.n_rows - 1) / group;
    for (uint32_t t = first_row / group; t <= last;) {
        struct run run = run_at(step, t, last);
        attend_walk<N_CHUNKS, false>(
                a, step->visible, range_of(step, rows, run), rows.kv_head, own, s);
        t = run.end;
    }
    attend_end(s);
    put_rows(a, rows, s);
}

void gk_attend_prefill(
        const struct cuda_step *step, uint32_t n, struct cuda_attend a, cudaStream_t stream)
{
    if (!attend_has_pieces(&a)) {
        a.tickets = NULL;
        attend_plain(step, n, a, stream);
        return;
    }
    uint32_t n_rows = n * (a.n_heads / a.n_kv_heads);
    uint32_t of_block = ATTEND_WARPS * ATTEND_ROWS;
    dim3 grid((n_rows + of_block - 1) / of_block, a.n_kv_heads);
    if (a.head_dim <= 64)
        GK_LAUNCH((attend_prefill_k<1>), grid, 32 * ATTEND_WARPS, 0, stream, step, n, a);
    else if (a.head_dim <= 128)
        GK_LAUNCH((attend_prefill_k<2>), grid, 32 * ATTEND_WARPS, 0, stream, step, n, a);
    else
        GK_LAUNCH((attend_prefill_k<4>), grid, 32 * ATTEND_WARPS, 0, stream, step, n, a);
}
