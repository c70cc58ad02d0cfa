/*
 * ops_cuda.cu - the CUDA backend's kernel_ops and the one function its library exports. A plan
 * is only recorded; ready places it; a run sends the batch, launches, waits, takes what the
 * device published. Everything is enqueued on one stream, so nothing overlaps and the order of
 * sums is fixed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops_cuda.h"

static struct cuda *cuda_of(const struct kernels *k)
{
    return (struct cuda *)k;
}

bool cuda_fail(struct cuda *c, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    vsnprintf(c->device.why, sizeof c->device.why, fmt, va);
    va_end(va);
    return false;
}

bool cuda_is_cancelled(const struct cuda *c)
{
    return __atomic_load_n(&c->is_cancelled, __ATOMIC_RELAXED);
}

static void close_cuda(struct kernels *k)
{
    struct cuda *c = cuda_of(k);
    device_enter(&c->device);
    decode_drop_graphs(c);
    gemm_close(c);
    device_close(&c->device);
    place_release(c);
    free(c->steps);
    free(c);
}

static const char *name(const struct kernels *k)
{
    return cuda_of(k)->name;
}

static int n_threads(const struct kernels *k)
{
    (void)k;
    return 1;
}

static const char *why(const struct kernels *k)
{
    return cuda_of(k)->device.why;
}

static void cancel(struct kernels *k)
{
    __atomic_store_n(&cuda_of(k)->is_cancelled, true, __ATOMIC_RELAXED);
}

static void cancel_clear(struct kernels *k)
{
    __atomic_store_n(&cuda_of(k)->is_cancelled, false, __ATOMIC_RELAXED);
}

/* ---- the plan ----------------------------------------------------------------------- */

static void plan(struct kernels *k, const struct plan_size *size)
{
    cuda_of(k)->size = *size;
}

static struct plan_step *add_step(struct kernels *k, enum step_kind kind)
{
    struct cuda *c = cuda_of(k);
    if (c->n_steps == c->cap_steps) {
        uint32_t cap = c->cap_steps ? c->cap_steps * 2 : 256;
        struct plan_step *steps = (struct plan_step *)calloc(cap, sizeof *steps);
        if (!steps) {
            fprintf(stderr, "shunt: out of memory\n");
            abort();
        }
        if (c->n_steps > 0)
            memcpy(steps, c->steps, c->n_steps * sizeof *steps);
        free(c->steps);
        c->steps = steps;
        c->cap_steps = cap;
    }
    struct plan_step *step = &c->steps[c->n_steps++];
    step->kind = kind;
    return step;
}

static void embed(struct kernels *k, const struct embed_step *step)
{
    add_step(k, STEP_EMBED)->said.embed = *step;
}

static void attn_in(struct kernels *k, const struct attn_in_step *step)
{
    add_step(k, STEP_ATTN_IN)->said.attn_in = *step;
}

static void attend(struct kernels *k, const struct attend_step *step)
{
    add_step(k, STEP_ATTEND)->said.attend = *step;
}

static void ffn(struct kernels *k, const struct ffn_step *step)
{
    add_step(k, STEP_FFN)->said.ffn = *step;
}

static void gate(struct kernels *k, const struct gate_step *step)
{
    add_step(k, STEP_GATE)->said.gate = *step;
}

static void experts(struct kernels *k, const struct experts_step *step)
{
    add_step(k, STEP_EXPERTS)->said.experts = *step;
}

static void logits(struct kernels *k, const struct logits_step *step)
{
    add_step(k, STEP_LOGITS)->said.logits = *step;
}

static enum kernels_result ready(struct kernels *k, kernels_progress *progress, void *user)
{
    struct cuda *c = cuda_of(k);
    device_enter(&c->device);
    return place_all(c, progress, user);
}

/* ---- a run -------------------------------------------------------------------------- */

static const struct plan_step *find_logits(const struct cuda *c)
{
    for (uint32_t i = 0; i < c->n_steps; i++)
        if (c->steps[i].kind == STEP_LOGITS)
            return &c->steps[i];
    return NULL;
}

static enum kernels_result run_steps(struct cuda *c, const struct part *part, bool is_prefill)
{
    for (uint32_t i = 0; i < c->n_steps; i++) {
        if (cuda_is_cancelled(c))
            return KERNELS_CANCELLED;
        if (!(is_prefill ? prefill_step : decode_step)(c, &c->steps[i], part))
            return KERNELS_FAILED;
    }
    return KERNELS_OK;
}

static bool copy_logits(struct cuda *c, const struct plan_step *step,
        const struct kernels_batch *batch, const struct part *part)
{
    uint32_t n_vocab = step->said.logits.n_vocab;
    if (!batch->logits || part->n_rows == 0)
        return true;
    return device_download(&c->device, batch->logits + (size_t)part->first_row * n_vocab,
            c->buffers.logits, (size_t)part->n_rows * n_vocab * sizeof(float));
}

/* Row by row, as many at a time as decode takes: few rows of a prompt are wanted. */
static bool run_rows(struct cuda *c, const struct kernels_batch *batch)
{
    const struct plan_step *step = find_logits(c);
    uint32_t n = (batch->n_rows + CUDA_DECODE_TOK - 1) / CUDA_DECODE_TOK;
    for (uint32_t i = 0; step && i < n; i++) {
        struct part part = batch_part(c, batch, i);
        if (!decode_logits(c, step, &part, batch->params != NULL) ||
                !copy_logits(c, step, batch, &part))
            return false;
    }
    return true;
}

/* With decode's kernels, as many tokens at a time as these take. */
static enum kernels_result run_passes(struct cuda *c, const struct kernels_batch *batch)
{
    enum kernels_result result = KERNELS_OK;
    uint32_t n = (batch->n_tokens + CUDA_DECODE_TOK - 1) / CUDA_DECODE_TOK;
    for (uint32_t i = 0; i < n && result == KERNELS_OK; i++) {
        struct part part = batch_part(c, batch, i);
        result = run_steps(c, &part, false);
    }
    return result;
}

static bool is_for_prefill(const struct cuda *c, uint32_t n_tokens)
{
    const struct gemm_library *gemm = c->gemm.library;
    if (!gemm || n_tokens <= CUDA_DECODE_TOK)
        return false;
    struct weight_traffic traffic = prefill_traffic(c);
    return gemm->is_always_worth || prefill_is_worth(&traffic, n_tokens);
}

static enum kernels_result run_many(struct cuda *c, const struct kernels_batch *batch)
{
    enum kernels_result result = KERNELS_FAILED;
    bool is_prefill = is_for_prefill(c, batch->n_tokens);
    if (is_prefill) {
        struct part whole = batch_whole(c, batch);
        result = run_steps(c, &whole, true);
    }
    /* A product that failed left no cuBLAS. The first step writes x, the others what they
     * have written before, so all can run again. */
    if (!is_prefill || (result == KERNELS_FAILED && !c->gemm.library))
        result = run_passes(c, batch);
    if (result == KERNELS_OK && !run_rows(c, batch))
        result = KERNELS_FAILED;
    return result;
}

static enum kernels_result run_few(struct cuda *c, const struct kernels_batch *batch)
{
    struct part whole = batch_whole(c, batch);
    const struct plan_step *step = find_logits(c);
    if (!decode_run(c, &whole, batch->params != NULL) ||
            (step && !copy_logits(c, step, batch, &whole)))
        return KERNELS_FAILED;
    return KERNELS_OK;
}

static enum kernels_result run(struct kernels *k, const struct kernels_batch *batch)
{
    struct cuda *c = cuda_of(k);
    enum kernels_result result;
    if (cuda_is_cancelled(c))
        return KERNELS_CANCELLED;
    device_enter(&c->device);
    if (!batch_send(c, batch))
        return KERNELS_FAILED;
    bool is_few = batch->n_tokens <= CUDA_DECODE_TOK && batch->n_rows <= CUDA_DECODE_TOK;
    result = is_few ? run_few(c, batch) : run_many(c, batch);
    if (!device_wait(&c->device))
        return KERNELS_FAILED;
    if (result == KERNELS_OK && !batch_take(c, batch))
        result = KERNELS_FAILED;
    return result;
}

/* ---- buffers ------------------------------------------------------------------------ */

static void *buffer_of(const struct cuda *c, enum kernels_buffer buffer, uint32_t layer)
{
    switch (buffer) {
    case BUFFER_X:
        return c->buffers.x;
    case BUFFER_Q:
        return c->buffers.q;
    case BUFFER_ATTENTION:
        return c->buffers.attention;
    case BUFFER_KEYS:
        return c->kv[layer].keys;
    case BUFFER_VALUES:
        return c->kv[layer].values;
    }
    return NULL;
}

static bool is_half_buffer(const struct cuda *c, enum kernels_buffer buffer)
{
    return !c->is_exact && (buffer == BUFFER_KEYS || buffer == BUFFER_VALUES);
}

static void read_buffer(
        struct kernels *k, enum kernels_buffer buffer, uint32_t layer, float *out, size_t n)
{
    struct cuda *c = cuda_of(k);
    device_enter(&c->device);
    void *from = buffer_of(c, buffer, layer);
    if (!is_half_buffer(c, buffer)) {
        device_download(&c->device, out, from, n * sizeof *out);
        return;
    }
    uint16_t *halves = (uint16_t *)calloc(n + 1, sizeof *halves);
    if (halves && device_download(&c->device, halves, from, n * sizeof *halves))
        for (size_t i = 0; i < n; i++)
            out[i] = half_to_float(halves[i]);
    free(halves);
}

static void write_buffer(struct kernels *k, enum kernels_buffer buffer, uint32_t layer,
        const float *values, size_t n)
{
    struct cuda *c = cuda_of(k);
    device_enter(&c->device);
    void *to = buffer_of(c, buffer, layer);
    if (!is_half_buffer(c, buffer)) {
        device_upload(&c->device, to, values, n * sizeof *values);
        return;
    }
    uint16_t *halves = (uint16_t *)calloc(n + 1, sizeof *halves);
    for (size_t i = 0; halves && i < n; i++)
        halves[i] = float_to_half(values[i]);
    if (halves)
        device_upload(&c->device, to, halves, n * sizeof *halves);
    free(halves);
}

static double stream(struct kernels *k, size_t n_bytes)
{
    struct cuda *c = cuda_of(k);
    device_enter(&c->device);
    return device_stream_seconds(&c->device, n_bytes);
}

/* ---- the library -------------------------------------------------------------------- */

static const struct kernel_ops ops = {.close = close_cuda,
        .name = name,
        .n_threads = n_threads,
        .why = why,
        .cancel = cancel,
        .cancel_clear = cancel_clear,
        .stream = stream,
        .plan = plan,
        .embed = embed,
        .attn_in = attn_in,
        .attend = attend,
        .ffn = ffn,
        .gate = gate,
        .experts = experts,
        .logits = logits,
        .ready = ready,
        .run = run,
        .read = read_buffer,
        .write = write_buffer,
        .is_in_place = false};

static bool probe(struct cuda_device *out, char *text, size_t n)
{
    int ignored;
    return device_probe(out, &ignored, text, n);
}

static struct kernels *open_cuda(bool is_exact, size_t budget_bytes, char *text, size_t n)
{
    struct cuda_device device;
    int index;
    if (!device_probe(&device, &index, text, n))
        return NULL;
    struct cuda *c = (struct cuda *)calloc(1, sizeof *c);
    if (!c) {
        snprintf(text, n, "no memory");
        return NULL;
    }
    c->head.ops = &ops;
    c->is_exact = is_exact;
    c->budget_bytes = budget_bytes;
    c->gemm.library = gemm_library_find();
    snprintf(c->name, sizeof c->name, "cuda: %s", device.name);
    if (device_open(&c->device, index))
        return &c->head;
    snprintf(text, n, "%s", c->device.why);
    close_cuda(&c->head);
    return NULL;
}

static bool check_cublas(char *why, size_t n)
{
    struct kernels *k = open_cuda(false, 0, why, n);
    if (!k)
        return false;
    struct cuda *c = cuda_of(k);
    bool is_right = c->gemm.library != NULL;
    if (is_right) {
        c->buffers.workspace = device_alloc(&c->device, c->gemm.library->workspace_bytes);
        is_right = c->buffers.workspace && gemm_open(c);
        snprintf(why, n, "%s", is_right ? c->gemm.why : c->device.why);
        is_right &= c->gemm.library != NULL;
    } else {
        snprintf(why, n, "there is no cuBLAS");
    }
    close_cuda(k);
    return is_right;
}

static const struct cuda_library library = {.abi = CUDA_LIBRARY_ABI,
        .probe = probe,
        .open = open_cuda,
        .check_cublas = check_cublas};

extern "C" __attribute__((visibility("default"))) const struct cuda_library *shunt_cuda_library(
        int abi)
{
    return abi == CUDA_LIBRARY_ABI ? &library : NULL;
}
