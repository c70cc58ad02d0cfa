/*
 * prefill_ops_cuda.cu - the steps for many tokens: products are cuBLAS's on weights unpacked
 * into scratch memory. Experts see their tokens in one run, so each is unpacked and read once a
 * batch; how many tokens each has must come back to the host, once a layer.
 */
#include "kernels/ops_cuda.h"

/* out[n][n_out] (+)= in[n][n_in] w^T */
static bool multiply(struct cuda *c, const struct cuda_matrix *w, uint32_t n, const void *in,
        float *out, bool is_added)
{
    gk_dequant(*w, 0, 1, c->buffers.dequant, c->is_exact, c->device.stream);
    struct product p = {.n = n,
            .n_in = w->n_in,
            .n_out = w->n_out,
            .w = c->buffers.dequant,
            .in = in,
            .out = out,
            .is_added = is_added};
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
    if (!multiply(c, &a->wq, whole->n, in, a->q, false) ||
            !multiply(c, &a->wk, whole->n, in, a->k, false) ||
            !multiply(c, &a->wv, whole->n, in, a->v, false))
        return false;
    gk_heads(whole->step, whole->n, *a, c->device.stream);
    return true;
}

static bool run_attend(struct cuda *c, const struct cuda_attend *a,
        const struct cuda_matvec *out, const struct part *whole)
{
    gk_attend_prefill(whole->step, whole->n, *a, c->device.stream);
    normalise(c, whole->n, out->w.n_in, a->out, NULL, 0);
    if (!multiply(c, &out->w, whole->n, c->buffers.input, out->out, true))
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
    if (!multiply(c, &f->gate, whole->n, b->input, b->wide, false) ||
            !multiply(c, &f->up, whole->n, b->input, b->wide_up, false))
        return false;
    gk_silu((size_t)whole->n * f->gate.n_out, b->wide, b->wide_up, b->inner_input, c->is_exact,
            c->device.stream);
    return multiply(c, &out->w, whole->n, b->inner_input, out->out, true);
}

/* One of the three products of an experts step: in and out are rows of pairs, sorted by
 * expert. */
static bool expert_products(
        struct cuda *c, const struct cuda_matrix *w, int which, const void *in, float *out)
{
    uint32_t at_once = (uint32_t)(c->extents.dequant_values / ((size_t)w->n_in * w->n_out));
    const uint32_t *first = c->told.pair_first;
    for (uint32_t e = 0; e < w->n_slabs; e += at_once) {
        uint32_t n = w->n_slabs - e < at_once ? w->n_slabs - e : at_once;
        if (first[e + n] == first[e])
            continue;
        gk_dequant(*w, e, n, c->buffers.dequant, c->is_exact, c->device.stream);
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
            c->device.stream);
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
