/*
 * matvec_cuda.cu - one matrix: the output projection of attention, the way back from a dense
 * feed-forward, and logits.
 */
#include "kernels/matvec_cuda.cuh"

/* Rows of a block, and into how many parts each is cut. */
struct gk_cut {
    uint32_t rows_log2, n_parts;
};

/* Few rows: halves, so that all multiprocessors of a large card have something to read. Many:
 * more rows a block, so that the prologue is small beside them. */
static struct gk_cut cut_rows(uint32_t n_out)
{
    struct gk_cut cut = {4, 1};
    if (n_out <= 2048)
        return gk_cut{3, 2};
    while (cut.rows_log2 < 7 && n_out >> cut.rows_log2 > 2048)
        cut.rows_log2++;
    return cut;
}

template <int C>
GK_KERNEL(GK_BLOCK, 8)
k_matvec(const cuda_step *step, uint32_t first, uint32_t n, cuda_matvec m, gk_cut cut)
{
    GK_SHARED(gk_part, parts, 2);
    GK_SHARED(float, sums, GK_MAX_UNITS *C);
    if (m.by_rows && first + n > step->n_rows)
        n = step->n_rows > first ? step->n_rows - first : 0;
    if (n == 0)
        return;
    uint32_t n_groups = m.w.layout.n_groups, p = threadIdx.x;
    uint32_t n_each = (n_groups + 8 * cut.n_parts - 1) / (8 * cut.n_parts) * 8;
    if (p < cut.n_parts) {
        gk_set_part(&parts[p], m.w, 0, m.is_exact);
        parts[p].begin = parts[p].act_begin = min(p * n_each, n_groups);
        parts[p].end = min((p + 1) * n_each, n_groups);
    }
    gk_input in = {m.in, m.norm, m.by_rows ? step->rows : NULL, first, n, m.w.n_in, 1, m.eps};
    uint32_t first_row = blockIdx.x << cut.rows_log2, n_rows = 1u << cut.rows_log2;
    bool is_q8 = gk_is_q8(m.w, m.is_exact);
    gk_work work = {cut.n_parts, cut.rows_log2, first_row, min(m.w.n_out - first_row, n_rows),
            is_q8, !is_q8};
    gk_products<C>(in, parts, work, sums);
    for (uint32_t i = threadIdx.x; i < n << cut.rows_log2; i += GK_BLOCK) {
        uint32_t r = i & (n_rows - 1), c = i >> cut.rows_log2;
        if (r >= work.n_rows)
            continue;
        float value = sums[r * C + c];
        if (cut.n_parts == 2)
            value += sums[(n_rows + r) * C + c];
        if (m.bias)
            value += m.bias[first_row + r];
        float *out = m.out + (size_t)(first + c) * m.w.n_out + first_row + r;
        *out = m.is_added ? *out + value : value;
    }
}

void gk_matvec(
        const struct cuda_step *step, uint32_t n_all, struct cuda_matvec m, cudaStream_t stream)
{
    gk_cut cut = cut_rows(m.w.n_out);
    uint32_t n_blocks = (m.w.n_out + (1u << cut.rows_log2) - 1) >> cut.rows_log2;
#define LAUNCH(C)                                                                              \
    GK_LAUNCH((k_matvec<C>), n_blocks, GK_BLOCK, 0, stream, step, first, n, m, cut)
    GK_FOR_TOKENS(n_all, m.is_exact, LAUNCH)
#undef LAUNCH
}
