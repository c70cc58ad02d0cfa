/*
 * sample_cuda.cu - a token from each row of logits, as sample_cpu.c draws it. One block a row.
 *
 * Nothing is sorted but short lists. A candidate is its logit and its id as one integer
 * (`rank_of`), larger for what comes earlier in the order of drawing, and no two are equal. So
 * every cut is one question: the largest rank such that those from it on weigh so much. With
 * weights of 1 that is top-k, with probabilities top-p and the draw itself. `find_in_row`
 * answers it by trying four parts of the range at a time, until few candidates are left in one
 * of them. Probabilities are integers, in units of 2^-42 of the largest, so that sums have no
 * order: the same number draws the same token.
 */
#include "kernels/cuda.h"
#include "kernels/order_cuda.cuh"

#define N_LIST 1024 /* candidates in shared memory at most, and threads */
#define N_FEW  256  /* what one thread adds up one after the other */
#define UNIT   0x1p42f

/* Larger: drawn earlier, by logit, then by id. 0: none. */
typedef unsigned long long rank;

GK_DEV rank rank_of(float logit, uint32_t id)
{
    return (rank)((uint32_t)order_of(logit) ^ 0x80000000u) << 32 | (UINT32_MAX - id);
}

GK_DEV float logit_of(rank r)
{
    return value_of_order((int)((uint32_t)(r >> 32) ^ 0x80000000u));
}

GK_DEV uint32_t id_of(rank r)
{
    return UINT32_MAX - (uint32_t)r;
}

/* A row as the cuts leave it. */
struct row {
    const float *logits; /* [n], penalties included */
    uint32_t n;
    rank least; /* of the candidates */
    float top, temperature, min_p;
    bool is_counted; /* every candidate weighs 1 */
    uint32_t n_list; /* the candidates are list[n_list], sorted; 0: all of the row */
};

/* NaN and +infinity count as -infinity. */
GK_DEV float logit_at(const float *logits, uint32_t i)
{
    return logits[i] < INFINITY ? logits[i] : -INFINITY;
}

GK_DEV rank rank_at(const struct row *row, uint32_t i)
{
    return rank_of(logit_at(row->logits, i), i);
}

GK_DEV unsigned long long weight_of(const struct row *row, rank r)
{
    if (r < row->least)
        return 0;
    if (row->is_counted)
        return 1;
    float p = expf((logit_of(r) - row->top) / row->temperature);
    return p >= row->min_p ? (unsigned long long)(p * UNIT) : 0;
}

GK_DEV unsigned long long warp_sum(unsigned long long value)
{
    GK_UNROLL
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

/* Sums over the block of n values of each thread, for every thread. */
template <int n> GK_DEV void block_sums(unsigned long long (&values)[n])
{
    GK_SHARED(unsigned long long, parts, n * 32);
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    __syncthreads(); /* all have read the sums of an earlier call */
    GK_UNROLL
    for (int i = 0; i < n; i++) {
        unsigned long long part = warp_sum(values[i]);
        if (lane == 0)
            parts[i * 32 + warp] = part;
    }
    __syncthreads();
    for (uint32_t i = warp; i < n; i += n_warps) {
        unsigned long long sum = warp_sum(lane < n_warps ? parts[i * 32 + lane] : 0);
        if (lane == 0)
            parts[i * 32] = sum;
    }
    __syncthreads();
    GK_UNROLL
    for (int i = 0; i < n; i++)
        values[i] = parts[i * 32];
}

/* ---- short lists -------------------------------------------------------------------- */

/* The largest first; n is at most the number of threads. A network of exchanges (Batcher's
 * bitonic sort). */
GK_DEV void sort_list(rank *list, uint32_t n)
{
    uint32_t i = threadIdx.x, size = 2;
    while (size < n)
        size *= 2;
    if (i >= n && i < size)
        list[i] = 0;
    __syncthreads();
    for (uint32_t width = 2; width <= size; width *= 2)
        for (uint32_t step = width / 2; step > 0; step /= 2) {
            uint32_t j = i ^ step;
            if (i < j && j < size && (list[i] < list[j]) == ((i & width) == 0)) {
                rank lower = list[i];
                list[i] = list[j];
                list[j] = lower;
            }
            __syncthreads();
        }
}

/* Those of the row with ranks in [from, to] into list, sorted. Returns how many there are; of
 * more than N_LIST the list holds any N_LIST. */
GK_DEV uint32_t list_between(const struct row *row, rank from, rank to, rank *list)
{
    GK_SHARED(uint32_t, n_found, 1);
    if (threadIdx.x == 0) /* all have read it before the list was sorted the last time */
        n_found[0] = 0;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < row->n; i += blockDim.x) {
        rank r = rank_at(row, i);
        if (r < from || r > to)
            continue;
        uint32_t at = atomicAdd(n_found, 1u);
        if (at < N_LIST)
            list[at] = r;
    }
    __syncthreads();
    uint32_t n = n_found[0];
    sort_list(list, min(n, (uint32_t)N_LIST));
    return n;
}

/* The k largest of the row into list, sorted; k <= N_FEW. Returns k, or how many there are. */
GK_DEV uint32_t list_largest(const struct row *row, uint32_t k, rank *list)
{
    rank best = 0;
    for (uint32_t i = threadIdx.x; i < row->n; i += blockDim.x)
        best = max(best, rank_at(row, i));
    k = min(k, row->n);
    __syncthreads();
    list[threadIdx.x] = best;
    sort_list(list, blockDim.x);
    /* The k-th largest of any of them is no larger than the k-th of all; of what each thread
     * saw last it is seldom much smaller. */
    while (list_between(row, list[k - 1], ~(rank)0, list) > N_LIST) {
    }
    return k;
}

/* ---- the largest rank from which on candidates weigh `target` or more --------------- */

/* In a list of n <= N_FEW, where what is before it weighs `before`. */
GK_DEV rank find_in_list(const struct row *row, const rank *list, uint32_t n,
        unsigned long long before, unsigned long long target)
{
    GK_SHARED(unsigned long long, weights, N_FEW);
    GK_SHARED(uint32_t, found, 1);
    if (threadIdx.x < n)
        weights[threadIdx.x] = weight_of(row, list[threadIdx.x]);
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t i = 0;
        while (i + 1 < n && (before += weights[i]) < target)
            i++;
        found[0] = i;
    }
    __syncthreads();
    return list[found[0]];
}

/* In the whole row; all of it weighs target at least. */
GK_DEV rank find_in_row(const struct row *row, rank *list, unsigned long long target)
{
    rank from = 0, to = ~(rank)0;                                 /* it is in between, */
    unsigned long long before = 0, n_before = 0, n_from = row->n; /* and this is above */
    for (uint32_t shift = 62; n_from - n_before > N_FEW; shift -= 2) {
        unsigned long long sums[6] = {0}; /* from each quarter on: weights, numbers */
        uint32_t numbers[3] = {0};
        for (uint32_t i = threadIdx.x; i < row->n; i += blockDim.x) {
            rank r = rank_at(row, i);
            unsigned long long weight = weight_of(row, r);
            GK_UNROLL
            for (int quarter = 0; quarter < 3; quarter++) {
                bool is_in = r >= from + ((rank)(quarter + 1) << shift);
                sums[quarter] += is_in ? weight : 0;
                numbers[quarter] += is_in;
            }
        }
        GK_UNROLL
        for (int quarter = 0; quarter < 3; quarter++)
            sums[3 + quarter] = numbers[quarter];
        block_sums(sums);
        int part = (sums[0] >= target) + (sums[1] >= target) + (sums[2] >= target);
        from += (rank)part << shift;
        to = from + (((rank)1 << shift) - 1);
        GK_UNROLL
        for (int i = 0; i < 3; i++) {
            n_from = i + 1 == part ? sums[3 + i] : n_from;
            before = i == part ? sums[i] : before;
            n_before = i == part ? sums[3 + i] : n_before;
        }
    }
    uint32_t n = list_between(row, from, to, list);
    return find_in_list(row, list, n, before, target);
}

/* ---- a token ------------------------------------------------------------------------ */

/* The row with penalties, in scratch; as it is where there are none. */
GK_DEV const float *penalised(
        const struct cuda_sample_params *p, const float *logits, uint32_t n, float *scratch)
{
    if (p->n_recent == 0 || (p->presence_penalty == 0 && p->frequency_penalty == 0))
        return logits;
    for (uint32_t i = threadIdx.x; i < n; i += blockDim.x)
        scratch[i] = logit_at(logits, i);
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < p->n_recent; i += blockDim.x) {
        uint32_t token = (uint32_t)p->recent[i], count = 0;
        bool is_first = true;
        for (uint32_t j = 0; j < p->n_recent; j++)
            if ((uint32_t)p->recent[j] == token) {
                is_first &= j >= i;
                count++;
            }
        if (is_first && token < n)
            scratch[token] -= p->presence_penalty + p->frequency_penalty * (float)count;
    }
    __syncthreads();
    return scratch;
}

GK_DEV unsigned long long total_weight(const struct row *row, const rank *list)
{
    unsigned long long sum[1] = {0};
    uint32_t n = row->n_list ? row->n_list : row->n;
    for (uint32_t i = threadIdx.x; i < n; i += blockDim.x)
        sum[0] += weight_of(row, row->n_list ? list[i] : rank_at(row, i));
    block_sums(sum);
    return sum[0];
}

/* In this order; the last chooses the token. */
enum cut { CUT_TOP_K, CUT_TOP_P, CUT_DRAW };

/* How much the candidates weigh that a cut keeps, of `total`. */
GK_DEV unsigned long long weight_kept(
        const struct cuda_sample_params *p, int cut, unsigned long long total)
{
    if (cut == CUT_TOP_K)
        return p->top_k;
    float share = cut == CUT_TOP_P ? fmaxf(p->top_p, 0) : p->uniform;
    unsigned long long kept = (unsigned long long)(share * (float)total);
    return cut == CUT_TOP_P ? max(1ull, min(kept, total)) : min(kept, total - 1) + 1;
}

GK_DEV int32_t draw(const struct cuda_sample_params *p, struct row row, rank *list)
{
    bool is_greedy = p->temperature <= 0, is_listed = p->top_k > 0 && p->top_k <= N_FEW;
    uint32_t n = list_largest(&row, is_listed && !is_greedy ? p->top_k : 1, list);
    rank first = list[0];
    row.top = logit_of(first);
    if (!(row.top > -INFINITY))
        return 0;
    if (is_greedy)
        return (int32_t)id_of(first);
    row.n_list = is_listed ? n : 0;
    bool has_top_k = !is_listed && p->top_k > 0 && p->top_k < row.n;
    for (int cut = has_top_k ? CUT_TOP_K : CUT_TOP_P; cut <= CUT_DRAW; cut++) {
        if (cut == CUT_TOP_P && !(p->top_p < 1))
            continue;
        row.is_counted = cut == CUT_TOP_K;
        row.min_p = cut == CUT_DRAW ? fminf(p->min_p, 1) : 0;
        unsigned long long kept = weight_kept(p, cut, total_weight(&row, list));
        row.least = row.n_list ? find_in_list(&row, list, row.n_list, 0, kept)
                               : find_in_row(&row, list, kept);
    }
    return (int32_t)id_of(row.least);
}

/* What the distribution says before penalties and cuts. */
struct measures {
    float log_sum, entropy; /* log_sum: of exp(logit) */
    uint32_t n_top;
};

/* list: the largest, sorted. */
GK_DEV struct measures measure(const struct row *row, rank *list)
{
    float sum = 0, weighted = 0;
    uint32_t n_top = list_largest(row, SAMPLE_TOP_N, list);
    float top = logit_of(list[0]);
    if (!(top > -INFINITY))
        return {0, 0, 0};
    for (uint32_t i = threadIdx.x; i < row->n; i += blockDim.x) {
        float below = fmaxf(logit_at(row->logits, i) - top, -87), e = expf(below);
        sum += e;
        weighted += e * below;
    }
    sum = gk_block_sum(sum);
    float log_sum = logf(sum);
    return {top + log_sum, log_sum - gk_block_sum(weighted) / sum, n_top};
}

GK_KERNEL(N_LIST, 1) k_sample(const struct cuda_step *step, struct cuda_sample s)
{
    GK_SHARED(rank, list, N_LIST);
    uint32_t i_row = blockIdx.x;
    if (i_row >= step->n_rows)
        return;
    const struct cuda_sample_params *p = &step->params[i_row];
    const float *logits = s.logits + (size_t)i_row * s.n_vocab;
    struct sample *told = &s.told[i_row];
    struct row row = {logits, s.n_vocab, 0, 0, p->temperature, 0, false, 0};
    struct measures m = measure(&row, list);
    if (threadIdx.x < m.n_top) {
        rank r = list[threadIdx.x];
        told->top[threadIdx.x].token = (int32_t)id_of(r);
        told->top[threadIdx.x].logprob = logit_of(r) - m.log_sum;
    }
    row.logits = penalised(p, logits, s.n_vocab, s.scratch + (size_t)i_row * s.n_vocab);
    int32_t token = draw(p, row, list); /* whose barriers are behind what all threads told */
    if (threadIdx.x == 0) {
        told->token = token;
        told->logprob = logit_at(logits, (uint32_t)token) - m.log_sum;
        told->entropy = m.entropy;
        told->n_top = m.n_top;
        gk_publish(&s.told_seq[i_row], step->seq);
    }
}

void gk_sample(
        const struct cuda_step *step, uint32_t n, struct cuda_sample s, cudaStream_t stream)
{
    uint32_t n_threads = 32; /* a power of two, as sort_list needs it */
    while (n_threads < s.n_vocab && n_threads < N_LIST)
        n_threads *= 2;
    GK_LAUNCH(k_sample, dim3(n), dim3(n_threads), 0, stream, step, s);
}
