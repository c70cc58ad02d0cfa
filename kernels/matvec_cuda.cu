/*
 * matvec_cuda.cu - the decode steps that multiply weights: attn_in, the output projection,
 * dense feed-forward, experts, logits. They are one kernel in four widths, that differs by role
 * only before and after the products: the code of 13 weight types exists four times and not
 * fourteen times, which is the difference between 45 s and 160 s of compilation for six
 * architectures.
 */
#include "kernels/heads_cuda.cuh"
#include "kernels/matvec_cuda.cuh"

enum gk_role { GK_MATVEC, GK_ATTN_IN, GK_FFN_IN, GK_EXPERTS_IN, GK_EXPERTS_OUT };

struct gk_job {
    enum gk_role role;
    gk_input in;
    uint32_t n_parts, rows_log2;
    uint32_t column, n_columns; /* tokens; of experts it is the block that says which */
    uint32_t first_slot;        /* GK_EXPERTS_OUT: n_parts experts from here on */
    uint32_t blocks_per_head;   /* GK_ATTN_IN */
    union {
        cuda_matvec matvec;
        cuda_attn_in attn_in;
        cuda_ffn_in ffn;
        cuda_experts experts;
    };
};

/* ---- before the products ------------------------------------------------------------ */

/* The threads below n_parts describe a part each. */

GK_DEV void gk_take_rows(gk_work *work, uint32_t first_row, uint32_t n_rows)
{
    work->first_row = first_row;
    work->n_rows = n_rows - first_row;
}

GK_DEV void gk_take_form(gk_work *work, enum quant quant, bool is_exact)
{
    bool is_q8 = gk_is_q8(quant, is_exact);
    work->has_q8 = work->has_q8 || is_q8;
    work->has_float = work->has_float || !is_q8;
}

/* One part is whole rows, two are their halves. */
GK_DEV void gk_prepare_matvec(
        const cuda_step *step, const gk_job &job, gk_part *parts, gk_work *work)
{
    const cuda_matvec &m = job.matvec;
    uint32_t n_groups = m.w.layout.n_groups, p = threadIdx.x;
    if (m.by_rows)
        work->list = step->rows;
    if (p < job.n_parts) {
        uint32_t n_each = (n_groups + 8 * job.n_parts - 1) / (8 * job.n_parts) * 8;
        gk_set_part(&parts[p], m.w, 0, m.is_exact);
        parts[p].begin = parts[p].act_begin = p * n_each;
        parts[p].end = (p + 1) * n_each; /* of which there are activations */
    }
    gk_take_rows(work, blockIdx.x << job.rows_log2, m.w.n_out);
    gk_take_form(work, m.w.quant, m.is_exact);
}

/* A block is of one head, which its blocks together finish. A pointer to one of the matrices
 * would keep parameters' addresses in registers. */
GK_DEV void gk_prepare_attn_in(
        const cuda_step *step, const gk_job &job, gk_part *parts, gk_work *work)
{
    const cuda_attn_in &a = job.attn_in;
    uint32_t head = blockIdx.x / job.blocks_per_head, kv = head - a.n_heads;
    bool is_query = head < a.n_heads, is_key = kv < a.n_kv_heads;
    if (threadIdx.x == 0 && is_query)
        gk_set_part(&parts[0], a.wq, 0, a.is_exact);
    else if (threadIdx.x == 0 && is_key)
        gk_set_part(&parts[0], a.wk, 0, a.is_exact);
    else if (threadIdx.x == 0)
        gk_set_part(&parts[0], a.wv, 0, a.is_exact);
    uint32_t first = blockIdx.x % job.blocks_per_head << job.rows_log2;
    uint32_t at = is_query ? head : is_key ? kv : kv - a.n_kv_heads;
    gk_take_rows(work, at * a.head_dim + first, (at + 1) * a.head_dim);
    gk_take_form(work, is_query ? a.wq.quant : is_key ? a.wk.quant : a.wv.quant, a.is_exact);
    work->head = head;
    work->step = step;
}

GK_DEV void gk_prepare_ffn_in(const gk_job &job, gk_part *parts, gk_work *work)
{
    const cuda_ffn_in &f = job.ffn;
    if (threadIdx.x == 0)
        gk_set_part(&parts[0], f.gate, 0, f.is_exact);
    if (threadIdx.x == 1)
        gk_set_part(&parts[1], f.up, 0, f.is_exact);
    gk_take_rows(work, blockIdx.x << job.rows_log2, f.gate.n_out);
    gk_take_form(work, f.gate.quant, f.is_exact);
    gk_take_form(work, f.up.quant, f.is_exact);
}

/* Of the choice of token t's slot. */
GK_DEV size_t gk_route_at(const cuda_experts &e, uint32_t t, uint32_t slot)
{
    return ((size_t)t * e.routes.n_moe_layers + e.i_moe) * e.routes.n_used + slot;
}

/* blockIdx.x: the (token, slot) pair. Pairs vary fastest, so that blocks of the same rows of an
 * expert that several tokens have chosen run together and all but the first read the L2 cache.
 */
GK_DEV void gk_prepare_experts_in(const gk_job &job, gk_part *parts, gk_work *work)
{
    const cuda_experts &e = job.experts;
    uint32_t t = blockIdx.x / e.n_used, p = threadIdx.x;
    if (p < 2) {
        uint32_t expert = e.routes.ids[gk_route_at(e, t, blockIdx.x % e.n_used)];
        if (p == 0)
            gk_set_part(&parts[0], e.gate, expert, e.is_exact);
        else
            gk_set_part(&parts[1], e.up, expert, e.is_exact);
    }
    work->column = t;
    gk_take_rows(work, blockIdx.y << job.rows_log2, e.n_ff);
    gk_take_form(work, e.gate.quant, e.is_exact);
    gk_take_form(work, e.up.quant, e.is_exact);
}

/* The slots of a token are one long row of activations. blockIdx.x: the token. */
GK_DEV void gk_prepare_experts_out(const gk_job &job, gk_part *parts, gk_work *work)
{
    const cuda_experts &e = job.experts;
    uint32_t slot = job.first_slot + threadIdx.x;
    if (threadIdx.x < job.n_parts) {
        uint32_t expert = e.routes.ids[gk_route_at(e, blockIdx.x, slot)];
        gk_set_part(&parts[threadIdx.x], e.down, expert, e.is_exact);
        parts[threadIdx.x].act_begin = threadIdx.x * e.down.layout.n_groups;
    }
    work->column = blockIdx.x;
    gk_take_rows(work, blockIdx.y << job.rows_log2, e.d);
    gk_take_form(work, e.down.quant, e.is_exact);
}

/* ---- after the products ------------------------------------------------------------- */

/* Calls with the row and column of every sum of a part, neighbouring threads with neighbouring
 * rows. */
#define GK_FOR_SUMS(work, r, c)                                                                \
    for (uint32_t i_ = threadIdx.x, r, c; r = i_ & ((1u << (work).rows_log2) - 1),             \
                  c = i_ >> (work).rows_log2, c < (work).n_columns;                            \
            i_ += GK_BLOCK)                                                                    \
        if (r < (work).n_rows)

template <int C>
GK_DEV float gk_sum_of(
        const gk_work &work, const float *sums, uint32_t p, uint32_t r, uint32_t c)
{
    return sums[((p << work.rows_log2) + r) * C + c];
}

template <int C>
GK_DEV void gk_finish_matvec(const gk_job &job, const gk_work &work, const float *sums)
{
    const cuda_matvec &m = job.matvec;
    GK_FOR_SUMS(work, r, c)
    {
        float value = gk_sum_of<C>(work, sums, 0, r, c);
        if (job.n_parts == 2)
            value += gk_sum_of<C>(work, sums, 1, r, c);
        if (m.bias)
            value += m.bias[work.first_row + r];
        float *out = m.out + (size_t)(work.column + c) * m.w.n_out + work.first_row + r;
        *out = m.is_added ? *out + value : value;
    }
}

/* out: [column][n_out] */
template <int C>
GK_DEV void gk_finish_silu(const gk_work &work, const float *sums, float *out, uint32_t n_out)
{
    GK_FOR_SUMS(work, r, c)
    {
        float gate = gk_sum_of<C>(work, sums, 0, r, c), up = gk_sum_of<C>(work, sums, 1, r, c);
        out[(size_t)c * n_out + work.first_row + r] = gk_silu(gate) * up;
    }
}

/* Slots in order, so that the sum is the same in every run. */
template <int C>
GK_DEV void gk_finish_experts_out(const gk_job &job, const gk_work &work, const float *sums)
{
    const cuda_experts &e = job.experts;
    GK_FOR_SUMS(work, r, c)
    {
        float *x = e.x + (size_t)work.column * e.d + work.first_row + r, value = *x;
        for (uint32_t p = 0; p < job.n_parts; p++)
            value += e.routes.weights[gk_route_at(e, work.column, job.first_slot + p)] *
                     gk_sum_of<C>(work, sums, p, r, c);
        *x = value;
    }
}

/* By the whole block: all heads, for norms of whole rows. */
GK_DEV void gk_finish_all_heads(
        const cuda_attn_in &a, const cuda_step *step, uint32_t first, uint32_t n)
{
    uint32_t n_heads = a.n_heads + 2 * a.n_kv_heads;
    for (uint32_t t = first; t < first + n; t++) {
        float q_scale = gk_whole_scale(a, t, false), k_scale = gk_whole_scale(a, t, true);
        __syncthreads(); /* no head is finished before all warps have both */
        for (uint32_t head = threadIdx.x / 32; head < n_heads; head += GK_BLOCK / 32)
            gk_finish_head(a, step, t, head, head < a.n_heads ? q_scale : k_scale);
    }
}

template <int C>
GK_DEV void gk_finish_attn_in(const gk_job &job, const gk_work &work, const float *sums)
{
    const cuda_attn_in &a = job.attn_in;
    uint32_t head = work.head, kv = head - a.n_heads;
    uint32_t n_out = (head < a.n_heads ? a.n_heads : a.n_kv_heads) * a.head_dim;
    float *out = head < a.n_heads ? a.q : kv < a.n_kv_heads ? a.k : a.v;
    GK_FOR_SUMS(work, r, c)
    {
        out[(size_t)(work.column + c) * n_out + work.first_row + r] =
                gk_sum_of<C>(work, sums, 0, r, c);
    }
    if (a.is_norm_whole) {
        if (gk_last_block(a.tickets, gridDim.x))
            gk_finish_all_heads(a, work.step, work.column, work.n_columns);
    } else if (gk_last_block(&a.tickets[head], job.blocks_per_head)) {
        for (uint32_t t = threadIdx.x / 32; t < work.n_columns; t += GK_BLOCK / 32)
            gk_finish_head(a, work.step, work.column + t, head, 1);
    }
}

/* ---- the kernel --------------------------------------------------------------------- */

GK_DEV void gk_prepare(const cuda_step *step, const gk_job &job, gk_part *parts, gk_work *out)
{
    gk_work work = {};
    work.n_parts = job.n_parts;
    work.rows_log2 = job.rows_log2;
    work.column = job.column;
    work.n_columns = job.n_columns;
    if (job.role == GK_MATVEC)
        gk_prepare_matvec(step, job, parts, &work);
    else if (job.role == GK_ATTN_IN)
        gk_prepare_attn_in(step, job, parts, &work);
    else if (job.role == GK_FFN_IN)
        gk_prepare_ffn_in(job, parts, &work);
    else if (job.role == GK_EXPERTS_IN)
        gk_prepare_experts_in(job, parts, &work);
    else
        gk_prepare_experts_out(job, parts, &work);
    if (threadIdx.x == 0)
        *out = work;
}

template <int C>
GK_KERNEL(GK_BLOCK, C == 1 ? 7 : 6)
k_products(const cuda_step *step, gk_job job)
{
    GK_SHARED(gk_part, parts, GK_MAX_PARTS);
    GK_SHARED(float, sums, C *GK_MAX_UNITS);
    GK_SHARED(gk_work, works, 1); /* not in registers of every thread */
    const gk_work &work = works[0];
    gk_prepare(step, job, parts, works);
    __syncthreads();
    gk_products<C>(job.in, parts, work, sums);
    if (job.role == GK_MATVEC)
        gk_finish_matvec<C>(job, work, sums);
    else if (job.role == GK_ATTN_IN)
        gk_finish_attn_in<C>(job, work, sums);
    else if (job.role == GK_FFN_IN)
        gk_finish_silu<C>(work, sums, job.ffn.inner + (size_t)work.column * job.ffn.gate.n_out,
                job.ffn.gate.n_out);
    else if (job.role == GK_EXPERTS_IN)
        gk_finish_silu<C>(work, sums, job.experts.inner + (size_t)blockIdx.x * job.experts.n_ff,
                job.experts.n_ff);
    else
        gk_finish_experts_out<C>(job, work, sums);
}

/* ---- launches ----------------------------------------------------------------------- */

static uint32_t n_blocks(uint32_t n_rows, uint32_t rows_log2)
{
    return (n_rows + (1u << rows_log2) - 1) >> rows_log2;
}

/* As many tokens at a time as the kernel takes; one in the exact mode, where activations take
 * four times the room. */
static void launch_tokens(const cuda_step *step, uint32_t n, bool is_exact, gk_job job,
        uint32_t n_grid, cudaStream_t stream)
{
    uint32_t most = is_exact ? 1 : CUDA_DECODE_TOK;
    for (job.column = 0; job.column < n; job.column += most) {
        job.n_columns = n - job.column < most ? n - job.column : most;
        if (job.n_columns == 1)
            GK_LAUNCH((k_products<1>), n_grid, GK_BLOCK, 0, stream, step, job);
        else if (job.n_columns == 2)
            GK_LAUNCH((k_products<2>), n_grid, GK_BLOCK, 0, stream, step, job);
        else if (job.n_columns <= 4)
            GK_LAUNCH((k_products<4>), n_grid, GK_BLOCK, 0, stream, step, job);
        else
            GK_LAUNCH((k_products<8>), n_grid, GK_BLOCK, 0, stream, step, job);
    }
}

/* Few rows are cut in halves, so that all multiprocessors of a large card have something to
 * read; of many a block takes more, so that what comes before is small beside them. */
void gk_matvec(
        const struct cuda_step *step, uint32_t n, struct cuda_matvec m, cudaStream_t stream)
{
    gk_job job = {GK_MATVEC, {m.in, m.norm, m.w.n_in, 1, m.w.n_in, m.eps}, 1, 4};
    job.matvec = m;
    if (m.w.n_out <= 2048) {
        job.n_parts = 2;
        job.rows_log2 = 3;
    }
    while (job.rows_log2 < 7 && m.w.n_out >> job.rows_log2 > 2048)
        job.rows_log2++;
    launch_tokens(step, n, m.is_exact, job, n_blocks(m.w.n_out, job.rows_log2), stream);
}

void gk_attn_in(
        const struct cuda_step *step, uint32_t n, struct cuda_attn_in a, cudaStream_t stream)
{
    gk_job job = {GK_ATTN_IN, {a.x, a.norm, a.d, 1, a.d, a.eps}, 1, 4};
    job.attn_in = a;
    job.blocks_per_head = n_blocks(a.head_dim, job.rows_log2);
    uint32_t n_heads = a.n_heads + 2 * a.n_kv_heads;
    launch_tokens(step, n, a.is_exact, job, n_heads * job.blocks_per_head, stream);
}

void gk_ffn_in(
        const struct cuda_step *step, uint32_t n, struct cuda_ffn_in f, cudaStream_t stream)
{
    gk_job job = {GK_FFN_IN, {f.x, f.norm, f.gate.n_in, 1, f.gate.n_in, f.eps}, 2, 4};
    job.ffn = f;
    launch_tokens(step, n, f.is_exact, job, n_blocks(f.gate.n_out, 4), stream);
}

void gk_experts(
        const struct cuda_step *step, uint32_t n, struct cuda_experts e, cudaStream_t stream)
{
    gk_job in = {GK_EXPERTS_IN, {e.x, e.norm, e.d, 1, e.d, e.eps}, 2, 4, 0, 1};
    gk_job out = {GK_EXPERTS_OUT, {e.inner, NULL, e.n_ff, 0, e.n_used * e.n_ff, 0}, 0, 3, 0, 1};
    in.experts = out.experts = e;
    dim3 grid_in(n * e.n_used, n_blocks(e.n_ff, in.rows_log2));
    GK_LAUNCH((k_products<1>), grid_in, GK_BLOCK, 0, stream, step, in);
    dim3 grid_out(n, n_blocks(e.d, out.rows_log2));
    for (uint32_t slot = 0; slot < e.n_used; slot += GK_MAX_PARTS) {
        out.first_slot = slot;
        out.n_parts = e.n_used - slot < GK_MAX_PARTS ? e.n_used - slot : GK_MAX_PARTS;
        out.in.x = e.inner + (size_t)slot * e.n_ff;
        out.in.n_slots = out.n_parts;
        GK_LAUNCH((k_products<1>), grid_out, GK_BLOCK, 0, stream, step, out);
    }
}
