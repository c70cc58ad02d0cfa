/*
 * batch_cuda.cu - a batch on its way to the device: one block of pinned memory, laid out anew
 * for each batch so that only what is used is copied, once. Its first part, the array of
 * cuda_step, is what graphs know by address; all else is found through it. And what the device
 * published, on its way back.
 */
#include <stdio.h>
#include <string.h>

#include "kernels/ops_cuda.h"

#define RECENT_USUAL 4096 /* penalised tokens of each row of a decode batch */

struct arrays {
    struct cuda_step *steps; /* the whole batch, then its parts */
    int32_t *tokens;
    uint32_t *cells, *first, *count, *rows, *visible;
    float *rope_table;
    struct cuda_sample_params *params;
    int32_t *recent;
};

uint32_t batch_n_parts(const struct kernels_batch *batch)
{
    uint32_t n = batch->n_tokens > batch->n_rows ? batch->n_tokens : batch->n_rows;
    return (n + CUDA_DECODE_TOK - 1) / CUDA_DECODE_TOK;
}

static size_t count_recent(const struct kernels_batch *batch)
{
    size_t n = 0;
    for (uint32_t i = 0; batch->params && i < batch->n_rows; i++)
        n += batch->params[i].n_recent;
    return n;
}

static void lay_arrays(const struct cuda *c, const struct kernels_batch *b, struct arrays *a,
        struct cursor *at)
{
    size_t n = b->n_tokens, u32 = sizeof(uint32_t);
    a->steps = (struct cuda_step *)cursor_take(at, (1 + batch_n_parts(b)) * sizeof *a->steps);
    a->tokens = (int32_t *)cursor_take(at, n * u32);
    a->cells = (uint32_t *)cursor_take(at, n * u32);
    a->first = (uint32_t *)cursor_take(at, n * u32);
    a->count = (uint32_t *)cursor_take(at, n * u32);
    a->rows = (uint32_t *)cursor_take(at, b->n_rows * u32);
    a->rope_table = (float *)cursor_take(at, n * c->size.n_rot * sizeof(float));
    a->params = (struct cuda_sample_params *)cursor_take(at, b->n_rows * sizeof *a->params);
    a->recent = (int32_t *)cursor_take(at, count_recent(b) * u32);
    a->visible = (uint32_t *)cursor_take(at, b->n_visible * u32);
}

/* Captured graphs hold the address of the block: they go with it. Half as much again, so that
 * lists which grow token by token do not come here for each. */
static bool grow_block(struct cuda *c, size_t n_bytes)
{
    struct batch_block *block = &c->block;
    void *ignored;
    if (n_bytes <= block->n_bytes)
        return true;
    decode_drop_graphs(c);
    device_free(&c->device, block->host);
    device_free(&c->device, block->device);
    block->n_bytes = block->n_bytes ? n_bytes + n_bytes / 2 : n_bytes;
    block->host = (unsigned char *)device_alloc_mapped(&c->device, block->n_bytes, &ignored);
    block->device = (unsigned char *)device_alloc(&c->device, block->n_bytes);
    if (block->host && block->device)
        return true;
    block->n_bytes = 0;
    return false;
}

bool batch_open(struct cuda *c)
{
    const struct kernels_batch most = {.n_tokens = c->size.batch_tok,
            .n_visible = c->size.n_cells,
            .n_rows = c->size.batch_tok};
    struct arrays ignored;
    struct cursor at = {0, 0};
    lay_arrays(c, &most, &ignored, &at);
    size_t recent_bytes = (size_t)CUDA_DECODE_TOK * RECENT_USUAL * sizeof(int32_t);
    return grow_block(c, cursor_bytes(&at) + recent_bytes);
}

static void copy_in(void *to, const void *from, size_t n_bytes)
{
    if (n_bytes > 0 && from)
        memcpy(to, from, n_bytes);
}

static void fill_params(
        const struct kernels_batch *b, const struct arrays *host, const struct arrays *device)
{
    size_t n_recent = 0;
    for (uint32_t i = 0; b->params && i < b->n_rows; i++) {
        const struct sample_params *p = &b->params[i];
        host->params[i] = {.temperature = p->temperature,
                .top_p = p->top_p,
                .min_p = p->min_p,
                .presence_penalty = p->presence_penalty,
                .frequency_penalty = p->frequency_penalty,
                .top_k = p->top_k,
                .n_recent = p->n_recent,
                .uniform = (float)p->uniform,
                .recent = device->recent + n_recent};
        copy_in(host->recent + n_recent, p->recent, p->n_recent * sizeof *p->recent);
        n_recent += p->n_recent;
    }
}

static uint32_t at_most(uint32_t n, uint32_t first, uint32_t limit)
{
    uint32_t rest = n > first ? n - first : 0;
    return rest < limit ? rest : limit;
}

static struct cuda_step step_of(const struct cuda *c, const struct kernels_batch *b,
        const struct arrays *d, uint32_t first, uint32_t limit)
{
    return {.n_tokens = at_most(b->n_tokens, first, limit),
            .n_rows = at_most(b->n_rows, first, limit),
            .seq = c->seq,
            .tokens = d->tokens + first,
            .rope_table = d->rope_table + (size_t)first * c->size.n_rot,
            .cells = d->cells + first,
            .visible = d->visible,
            .first = d->first + first,
            .count = d->count + first,
            .rows = d->rows + first,
            .params = d->params + first};
}

static void fill_block(const struct cuda *c, const struct kernels_batch *b,
        const struct arrays *host, const struct arrays *device)
{
    size_t n = b->n_tokens, u32 = sizeof(uint32_t);
    host->steps[0] = step_of(c, b, device, 0, UINT32_MAX);
    for (uint32_t i = 0; i < batch_n_parts(b); i++)
        host->steps[1 + i] = step_of(c, b, device, i * CUDA_DECODE_TOK, CUDA_DECODE_TOK);
    copy_in(host->tokens, b->tokens, n * u32);
    copy_in(host->cells, b->cells, n * u32);
    copy_in(host->first, b->first, n * u32);
    copy_in(host->count, b->count, n * u32);
    copy_in(host->rows, b->rows, b->n_rows * u32);
    copy_in(host->rope_table, b->rope_table, n * c->size.n_rot * sizeof(float));
    copy_in(host->visible, b->visible, b->n_visible * u32);
    fill_params(b, host, device);
}

bool batch_send(struct cuda *c, const struct kernels_batch *batch)
{
    struct arrays host, device;
    struct cursor at = {0, 0};
    lay_arrays(c, batch, &host, &at);
    size_t n_bytes = cursor_bytes(&at);
    if (!grow_block(c, n_bytes))
        return false;
    at = {(uintptr_t)c->block.host, 0};
    lay_arrays(c, batch, &host, &at);
    at = {(uintptr_t)c->block.device, 0};
    lay_arrays(c, batch, &device, &at);
    c->seq++;
    fill_block(c, batch, &host, &device);
    c->step_array = device.steps;
    return device_check(&c->device, "cudaMemcpyAsync",
            cudaMemcpyAsync(c->block.device, c->block.host, n_bytes, cudaMemcpyHostToDevice,
                    c->device.stream));
}

struct part batch_whole(const struct cuda *c, const struct kernels_batch *batch)
{
    return {.step = c->step_array,
            .first = 0,
            .n = batch->n_tokens,
            .first_row = 0,
            .n_rows = batch->n_rows};
}

struct part batch_part(const struct cuda *c, const struct kernels_batch *batch, uint32_t i)
{
    uint32_t first = i * CUDA_DECODE_TOK;
    return {.step = c->step_array + 1 + i,
            .first = first,
            .n = at_most(batch->n_tokens, first, CUDA_DECODE_TOK),
            .first_row = first,
            .n_rows = at_most(batch->n_rows, first, CUDA_DECODE_TOK)};
}

/* What the device published must be of this run: a record that it did not reach is old. */
static bool is_told(struct cuda *c, uint32_t *seq, const char *what, uint32_t i)
{
    if (__atomic_load_n(seq, __ATOMIC_ACQUIRE) == c->seq)
        return true;
    return cuda_fail(c, "the GPU did not finish: %s of token %u is missing", what, i);
}

/* Of one gate; what the caller has of other layers stays. */
static bool take_picks(struct cuda *c, const struct kernels_batch *b, uint32_t i_moe)
{
    const struct told *told = &c->told;
    size_t n = c->size.n_used;
    for (uint32_t t = 0; t < b->n_tokens; t++) {
        size_t layer = (size_t)t * c->size.n_moe_layers + i_moe;
        if (!is_told(c, &told->seq[layer], "the choice of experts", t))
            return false;
        if (b->ids)
            memcpy(b->ids + layer * n, told->ids + layer * n, n * sizeof *b->ids);
        if (b->weights)
            memcpy(b->weights + layer * n, told->weights + layer * n, n * sizeof *b->weights);
        if (b->margins)
            b->margins[layer] = told->margins[layer];
    }
    return true;
}

bool batch_take(struct cuda *c, const struct kernels_batch *batch)
{
    for (uint32_t i = 0; i < c->n_steps; i++)
        if (c->steps[i].kind == STEP_GATE && !take_picks(c, batch, c->steps[i].said.gate.i_moe))
            return false;
    for (uint32_t i = 0; batch->params && batch->samples && i < batch->n_rows; i++) {
        if (!is_told(c, &c->told.sample_seq[i], "the draw", i))
            return false;
        batch->samples[i] = c->told.samples[i];
    }
    return true;
}
