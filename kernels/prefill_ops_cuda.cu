/*
 * prefill_ops_cuda.cu - the steps for many tokens: products are cuBLAS's on weights unpacked
 * into scratch memory. Experts see their tokens in one run, so each is unpacked and read once a
 * batch; how many tokens each has must come back to the host, once a layer. Whether that is
 * worth it is decided by counting bytes.
 */
#include "kernels/ops_cuda.h"

/* A card's memory against PCIe, from data sheets: 1008 GB/s and 32 GB/s of an RTX 4090. */
#define HOST_BYTE 32

static void add_matrix(
        struct weight_traffic *t, const struct cuda *c, const struct cuda_matrix *w)
{
    double slabs = w->n_slabs, value_bytes = c->is_exact ? sizeof(float) : sizeof(uint16_t);
    double values = slabs * w->n_in * w->n_out * value_bytes;
    *(w->n_slabs > 1 ? &t->expert_bytes : &t->dense_bytes) +=
            slabs * (double)w->layout.slab_bytes;
    *(w->n_slabs > 1 ? &t->expert_values : &t->dense_values) += values;
}

static void add_step(
        struct weight_traffic *t, const struct cuda *c, const struct plan_step *step)
{
    const struct cuda_matrix *matrices[3] = {};
    switch (step->kind) {
    case STEP_ATTN_IN:
        matrices[0] = &step->cuda.attn_in.wq;
        matrices[1] = &step->cuda.attn_in.wk;
        matrices[2] = &step->cuda.attn_in.wv;
        break;
    case STEP_ATTEND:
        matrices[0] = &step->cuda.attend.out.w;
        break;
    case STEP_FFN:
        matrices[0] = &step->cuda.ffn.in.gate;
        matrices[1] = &step->cuda.ffn.in.up;
        matrices[2] = &step->cuda.ffn.out.w;
        break;
    case STEP_EXPERTS:
        matrices[0] = &step->cuda.experts.gate;
        matrices[1] = &step->cuda.experts.up;
        matrices[2] = &step->cuda.experts.down;
        break;
    default:
        break; /* the same kernels in both */
    }
    for (int i = 0; i < 3 && matrices[i]; i++)
        add_matrix(t, c, matrices[i]);
}

struct weight_traffic prefill_traffic(const struct cuda *c)
{
    const struct placement *p = &c->placement;
    struct weight_traffic t = {};
    for (uint32_t i = 0; i < c->n_steps; i++)
        add_step(&t, c, &c->steps[i]);
    for (size_t i = 0; i < p->n_slabs; i++) {
        const struct placed_weight *w = &p->weights[p->slabs[i].i_weight];
        if (p->slabs[i].is_in_host && w->file.n_slabs > 1)
            t.expert_bytes += (HOST_BYTE - 1) * (double)w->layout.slab_bytes;
    }
    if (c->extents.n_experts > 0)
        t.unused_share = 1 - (double)c->extents.n_used / c->extents.n_experts;
    return t;
}

/* Decode reads the planes once for every CUDA_DECODE_TOK tokens: all dense weights and of the
 * experts those that so many tokens choose, each with the same chance. Prefill reads them once,
 * and writes and reads the unpacked values. Activations are left out: they are few where the
 * two come near each other. */
bool prefill_is_worth(const struct weight_traffic *w, uint32_t n)
{
    double decode = 0, unused = 1;
    for (uint32_t first = 0; first < n; first += CUDA_DECODE_TOK) {
        double unused_now = 1;
        for (uint32_t t = first; t < n && t < first + CUDA_DECODE_TOK; t++)
            unused_now *= w->unused_share;
        decode += w->dense_bytes + (1 - unused_now) * w->expert_bytes;
        unused *= unused_now;
    }
    double prefill = w->dense_bytes + 2 * w->dense_values +
                     (1 - unused) * (w->expert_bytes + 2 * w->expert_values);
    return prefill < decode;
}

enum output { OUT_FLOATS, OUT_VALUES, OUT_ADDED /* to floats */ };

/* out[n][n_out] (+)= in[n][n_in] w^T */
static bool multiply(struct cuda *c, const struct cuda_matrix *w, uint32_t n, const void *in,
        void *out, enum output output)
{
    gk_dequant(*w, 0, 1, NULL, c->buffers.dequant, c->is_exact, c->device.stream);
    struct product p = {.n = n,
            .n_in = w->n_in,
            .n_out = w->n_out,
            .w = c->buffers.dequant,
            .in = in,
            .out = out,
            .is_added = output == OUT_ADDED,
            .is_value_out = output == OUT_VALUES};
    return gemm_product(c, &p);
}

static void normalise(
        struct cuda *c, uint32_t n, uint32_t d, const float *x, const float *norm, float eps)
{
    gk_norm_rows(n, d, x, NULL, norm, eps, c->buffers.input, c->is_exact, c->device.stream);
}

static bool run_attn_in(struct cuda *c, const struct cuda_attn_in *a, const struct part *whole)
{
    const void *in = c->buffers.input;
    normalise(c, whole->n, a->d, a->x, a->norm, a->eps);
    if (!multiply(c, &a->wq, whole->n, in, a->q, OUT_FLOATS) ||
            !multiply(c, &a->wk, whole->n, in, a->k, OUT_FLOATS) ||
            !multiply(c, &a->wv, whole->n, in, a->v, OUT_FLOATS))
        return false;
    gk_heads(whole->step, whole->n, *a, c->device.stream);
    return true;
}

static bool run_attend(struct cuda *c, const struct cuda_attend *a,
        const struct cuda_matvec *out, const struct part *whole)
{
    gk_attend_prefill(whole->step, whole->n, *a, c->device.stream);
    normalise(c, whole->n, out->w.n_in, a->out, NULL, 0);
    if (!multiply(c, &out->w, whole->n, c->buffers.input, out->out, OUT_ADDED))
        return false;
    if (out->bias)
        gk_add_bias(whole->n, out->w.n_out, out->bias, out->out, c->device.stream);
    return true;
}

static bool run_ffn(struct cuda *c, const struct cuda_ffn_in *f, const struct cuda_matvec *out,
        const struct part *whole)
{
    const struct buffers *b = &c->buffers;
    normalise(c, whole->n, f->gate.n_in, f->x, f->norm, f->eps);
    if (!multiply(c, &f->gate, whole->n, b->input, b->wide, OUT_VALUES) ||
            !multiply(c, &f->up, whole->n, b->input, b->wide_up, OUT_VALUES))
        return false;
    gk_silu((size_t)whole->n * f->gate.n_out, b->wide, b->wide_up, b->inner_input, c->is_exact,
            c->device.stream);
    return multiply(c, &out->w, whole->n, b->inner_input, out->out, OUT_ADDED);
}

/* One of the three products of an experts step: in and out are rows of pairs, sorted by
 * expert. */
static bool expert_products(
        struct cuda *c, const struct cuda_matrix *w, int which, const void *in, void *out)
{
    uint32_t at_once = (uint32_t)(c->extents.dequant_values / ((size_t)w->n_in * w->n_out));
    const uint32_t *first = c->told.pair_first;
    for (uint32_t e = 0; e < w->n_slabs; e += at_once) {
        uint32_t n = w->n_slabs - e < at_once ? w->n_slabs - e : at_once;
        if (first[e + n] == first[e])
            continue;
        gk_dequant(*w, e, n, c->buffers.pairs.first, c->buffers.dequant, c->is_exact,
                c->device.stream);
        struct expert_product p = {.which = which,
                .n_in = w->n_in,
                .n_out = w->n_out,
                .expert = e,
                .n_experts = n,
                .w = c->buffers.dequant,
                .in = in,
                .out = out};
        if (!gemm_expert_products(c, &p))
            return false;
    }
    return true;
}

/* Sorts the pairs; told.pair_first is valid behind it. */
static bool sort_pairs(struct cuda *c, const struct cuda_experts *e, uint32_t n)
{
    const struct buffers *b = &c->buffers;
    gk_sort_pairs(n, e->i_moe, e->routes, b->pairs, c->device.stream);
    return device_check(&c->device, "kernel sort_pairs", cudaGetLastError()) &&
           device_download(&c->device, c->told.pair_first, b->pairs.first,
                   (e->gate.n_slabs + 1) * sizeof(uint32_t));
}

static bool run_experts(struct cuda *c, const struct cuda_experts *e, const struct part *whole)
{
    const struct buffers *b = &c->buffers;
    uint32_t n_pairs = whole->n * e->n_used;
    if (!sort_pairs(c, e, whole->n))
        return false;
    gk_norm_rows(n_pairs, e->d, e->x, b->pairs.token, e->norm, e->eps, b->input, c->is_exact,
            c->device.stream);
    if (!expert_products(c, &e->gate, 0, b->input, b->wide) ||
            !expert_products(c, &e->up, 1, b->input, b->wide_up))
        return false;
    gk_silu((size_t)n_pairs * e->n_ff, b->wide, b->wide_up, b->inner_input, c->is_exact,
            c->device.stream);
    if (!expert_products(c, &e->down, 2, b->inner_input, b->expert_rows))
        return false;
    gk_unsort_add(whole->n, e->d, e->i_moe, e->routes, b->pairs, b->expert_rows, e->x,
            c->is_exact, c->device.stream);
    return true;
}

bool prefill_step(struct cuda *c, const struct plan_step *step, const struct part *whole)
{
    bool ok;
    switch (step->kind) {
    case STEP_ATTN_IN:
        ok = run_attn_in(c, &step->cuda.attn_in, whole);
        break;
    case STEP_ATTEND:
        ok = run_attend(c, &step->cuda.attend.in, &step->cuda.attend.out, whole);
        break;
    case STEP_FFN:
        ok = run_ffn(c, &step->cuda.ffn.in, &step->cuda.ffn.out, whole);
        break;
    case STEP_EXPERTS:
        ok = run_experts(c, &step->cuda.experts, whole);
        break;
    default:
        return decode_step(c, step, whole); /* which take any number of tokens */
    }
    return ok && device_check(&c->device, "a kernel of prefill", cudaGetLastError());
}
