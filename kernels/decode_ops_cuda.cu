/*
 * decode_ops_cuda.cu - the steps as launches of the decode kernels, for up to CUDA_DECODE_TOK
 * tokens of a batch, and the graphs of whole tokens. A graph is captured when its shape comes
 * the second time: by then its kernels are loaded, which a capture does not allow everywhere.
 */
#include "kernels/ops_cuda.h"

static void run_attn_in(const struct cuda *c, struct cuda_attn_in a, const struct part *part)
{
    a.x += (size_t)part->first * a.d;
    a.q += (size_t)part->first * a.n_heads * a.head_dim;
    gk_attn_in(part->step, part->n, a, c->device.stream);
}

static void run_attend(const struct cuda *c, struct cuda_attend a, struct cuda_matvec out,
        const struct part *part)
{
    size_t at = (size_t)part->first * a.n_heads * a.head_dim;
    a.q += at;
    a.out += at;
    out.in = a.out;
    out.out += (size_t)part->first * out.w.n_out;
    gk_attend(part->step, part->n, a, c->device.stream);
    gk_matvec(part->step, part->n, out, c->device.stream);
}

static void run_ffn(const struct cuda *c, struct cuda_ffn_in in, struct cuda_matvec out,
        const struct part *part)
{
    in.x += (size_t)part->first * in.gate.n_in;
    out.out += (size_t)part->first * out.w.n_out;
    gk_ffn_in(part->step, part->n, in, c->device.stream);
    gk_matvec(part->step, part->n, out, c->device.stream);
}

/* The picks of the part's tokens. */
static struct cuda_routes routes_of(struct cuda_routes r, uint32_t first)
{
    size_t at = (size_t)first * r.n_moe_layers;
    r.ids += at * r.n_used;
    r.weights += at * r.n_used;
    r.told_ids += at * r.n_used;
    r.told_weights += at * r.n_used;
    r.told_margins += at;
    r.told_seq += at;
    return r;
}

static void run_gate(const struct cuda *c, struct cuda_gate g, const struct part *part)
{
    g.x += (size_t)part->first * g.d;
    g.routes = routes_of(g.routes, part->first);
    gk_gate(part->step, part->n, g, c->device.stream);
}

static void run_experts(const struct cuda *c, struct cuda_experts e, const struct part *part)
{
    e.x += (size_t)part->first * e.d;
    e.routes = routes_of(e.routes, part->first);
    gk_experts(part->step, part->n, e, c->device.stream);
}

bool decode_step(struct cuda *c, const struct plan_step *step, const struct part *part)
{
    struct cuda_embed embed;
    switch (step->kind) {
    case STEP_EMBED:
        embed = step->cuda.embed;
        embed.x += (size_t)part->first * embed.table.n_in;
        gk_embed(part->step, part->n, embed, c->device.stream);
        return device_check(&c->device, "kernel embed", cudaGetLastError());
    case STEP_ATTN_IN:
        run_attn_in(c, step->cuda.attn_in, part);
        return device_check(&c->device, "kernel attn_in", cudaGetLastError());
    case STEP_ATTEND:
        run_attend(c, step->cuda.attend.in, step->cuda.attend.out, part);
        return device_check(&c->device, "kernel attend", cudaGetLastError());
    case STEP_FFN:
        run_ffn(c, step->cuda.ffn.in, step->cuda.ffn.out, part);
        return device_check(&c->device, "kernel ffn", cudaGetLastError());
    case STEP_GATE:
        run_gate(c, step->cuda.gate, part);
        return device_check(&c->device, "kernel gate", cudaGetLastError());
    case STEP_EXPERTS:
        run_experts(c, step->cuda.experts, part);
        return device_check(&c->device, "kernel experts", cudaGetLastError());
    case STEP_LOGITS:
        return true; /* decode_logits, by rows */
    }
    return false;
}

bool decode_logits(
        struct cuda *c, const struct plan_step *step, const struct part *part, bool is_sampled)
{
    struct cuda_sample sample = step->cuda.logits.sample;
    gk_matvec(part->step, part->n_rows, step->cuda.logits.out, c->device.stream);
    if (is_sampled) {
        sample.told += part->first_row;
        sample.told_seq += part->first_row;
        gk_sample(part->step, part->n_rows, sample, c->device.stream);
    }
    return device_check(&c->device, "kernel logits", cudaGetLastError());
}

static bool launch_all(struct cuda *c, const struct part *part, bool is_sampled)
{
    for (uint32_t i = 0; i < c->n_steps; i++) {
        const struct plan_step *step = &c->steps[i];
        if (!decode_step(c, step, part))
            return false;
        if (step->kind == STEP_LOGITS && part->n_rows > 0 &&
                !decode_logits(c, step, part, is_sampled))
            return false;
    }
    return true;
}

/* False: what was enqueued did not run, and the stream is as before. */
static bool capture(
        struct cuda *c, const struct part *part, bool is_sampled, cudaGraphExec_t *out)
{
    struct device *d = &c->device;
    cudaGraph_t graph = NULL;
    if (!device_check(d, "cudaStreamBeginCapture",
                cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal)))
        return false;
    bool ok = launch_all(c, part, is_sampled);
    cudaError_t ended = cudaStreamEndCapture(d->stream, &graph); /* in any case */
    cudaGetLastError(); /* of a capture that became invalid */
    ok = ok && device_check(d, "cudaStreamEndCapture", ended) &&
         device_check(d, "cudaGraphInstantiate", cudaGraphInstantiate(out, graph, 0));
    if (graph)
        cudaGraphDestroy(graph);
    return ok;
}

bool decode_run(struct cuda *c, const struct part *whole, bool is_sampled)
{
    cudaGraphExec_t *graph = &c->graphs[whole->n][whole->n_rows][is_sampled];
    bool *was_run = &c->was_run[whole->n][whole->n_rows][is_sampled];
    if (*was_run && !*graph && !c->lacks_graphs)
        c->lacks_graphs = !capture(c, whole, is_sampled, graph);
    *was_run = true;
    if (!*graph)
        return launch_all(c, whole, is_sampled);
    return device_check(
            &c->device, "cudaGraphLaunch", cudaGraphLaunch(*graph, c->device.stream));
}

void decode_drop_graphs(struct cuda *c)
{
    for (int n = 0; n <= CUDA_DECODE_TOK; n++)
        for (int rows = 0; rows <= CUDA_DECODE_TOK; rows++)
            for (int sampled = 0; sampled < 2; sampled++) {
                cudaGraphExec_t *graph = &c->graphs[n][rows][sampled];
                if (*graph)
                    cudaGraphExecDestroy(*graph);
                *graph = NULL;
            }
}
