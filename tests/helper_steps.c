/*
 * helper_steps.c - see helper_steps.h. All results of a run lie behind each other in one array
 * of floats, in sections; a batch's inputs depend on its number alone, so every backend sees
 * the same.
 */
#include "tests/helper_steps.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/cuda_library.h"

#include "engine/base.h"

static struct kernels *open_scalar(bool is_exact)
{
    return kernels_open_cpu("scalar", 1, is_exact);
}

static struct kernels *open_avx2(bool is_exact)
{
    return kernels_open_cpu("avx2", 2, is_exact);
}

/* NULL: why[n] says it; it is empty where this build has no such module. */
static struct kernels *open_module(const char *file, bool is_exact, char *why, size_t n)
{
    why[0] = '\0';
    if (access(file, R_OK) != 0)
        return NULL;
    const struct cuda_library *library = cuda_library_load(file, why, n);
    return library ? library->open(is_exact, 0, why, n) : NULL;
}

/* Of cmake/cuda_emu.cmake; builds for threads and without C++ have none. */
static struct kernels *open_form(const char *file, bool is_exact)
{
    char why[256];
    struct kernels *k = open_module(file, is_exact, why, sizeof why);
    if (!k && why[0])
        fail_msg("%s", why);
    return k;
}

static struct kernels *open_emulated(bool is_exact)
{
    return open_form(SHUNT_LIB_DIR "/shunt-cuda-emu.so", is_exact);
}

static struct kernels *open_checked(bool is_exact)
{
    return open_form(SHUNT_LIB_DIR "/shunt-cuda-check.so", is_exact);
}

/* Of cmake/cuda.cmake, which builds it where nvcc is; a card need not be there. */
static struct kernels *open_card(bool is_exact)
{
    static bool is_told;
    char why[256];
    struct kernels *k = open_module(SHUNT_LIB_DIR "/shunt-cuda.so", is_exact, why, sizeof why);
    if (!k && why[0] && !is_told) {
        print_message("not on a card: %s\n", why);
        is_told = true;
    }
    return k;
}

/* In wide batches a device computes in binary16 where the CPU has 8 bits, and so stays closer
 * to the exact one. */
const struct step_backend step_backends[] = {
        {"scalar", open_scalar, ~0u, 0, 0, 0},
        {"avx2", open_avx2, ~0u, 1e-5f, 2e-3f, 0},
        {"cuda", open_emulated, 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5, 1e-5f, 2e-3f, 6e-3f},
        {"cuda, checked", open_checked, 1 << 1 | 1 << 4, 1e-5f, 2e-3f, 6e-3f},
        {"cuda, card", open_card, ~0u, 1e-5f, 2e-3f, 6e-3f},
};
const size_t n_step_backends = ARRAY_LEN(step_backends);

/* ---- made-up numbers -------------------------------------------------------------------- */

static void *make(struct random_source *r, size_t n_bytes)
{
    assert_true(r->n_made < ARRAY_LEN(r->made));
    return r->made[r->n_made++] = mem_alloc(n_bytes);
}

static float uniform(uint64_t *rng, float middle, float spread)
{
    return middle + spread * (float)(2 * rng_uniform(rng) - 1);
}

float *random_values(struct random_source *r, size_t n, float middle, float spread)
{
    float *values = make(r, n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = uniform(&r->rng, middle, spread);
    return values;
}

/* Where a block keeps its binary16 numbers, -1: none; the others are integers, of which any are
 * fine. `most` is the largest that the scale is multiplied with; the minimum of a value is
 * `offset` scales, so that values lie around 0. */
static const struct {
    int scale_at, minimum_at;
    float most, offset;
} blocks[QUANT_COUNT] = {
        [QUANT_Q4_0] = {0, -1, 8, 0},
        [QUANT_Q4_1] = {0, 2, 8, -7.5f},
        [QUANT_Q5_0] = {0, -1, 16, 0},
        [QUANT_Q5_1] = {0, 2, 16, -15.5f},
        [QUANT_Q8_0] = {0, -1, 128, 0},
        [QUANT_Q2_K] = {80, 82, 22,
                1.5f}, /* the other types of super-blocks: 4-bit scales, … */
        [QUANT_Q3_K] = {108, -1, 128, 0},
        [QUANT_Q4_K] = {0, 2, 475, 7.5f},
        [QUANT_Q5_K] = {0, 2, 980, 15.5f},
        [QUANT_Q6_K] = {208, -1, 4096, 0},
};

static void put_half(char *at, float value)
{
    uint16_t half = float_to_half(value);
    memcpy(at, &half, sizeof half);
}

static void make_block(struct random_source *r, enum quant quant, float size, char *out)
{
    float value = uniform(&r->rng, 0, 1.7f * size);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    switch (quant) {
    case QUANT_F32:
        memcpy(out, &value, sizeof value);
        return;
    case QUANT_F16:
        put_half(out, value);
        return;
    case QUANT_BF16:
        memcpy(out, &(uint16_t){(uint16_t)(bits >> 16)}, 2);
        return;
    default:
        break;
    }
    for (uint32_t i = 0; i < quant_traits[quant].block_bytes; i++)
        out[i] = (char)rng_next(&r->rng);
    float scale = uniform(&r->rng, 2, 1) * size / blocks[quant].most;
    put_half(out + blocks[quant].scale_at, scale);
    if (blocks[quant].minimum_at >= 0)
        put_half(out + blocks[quant].minimum_at, blocks[quant].offset * scale);
}

struct weight random_weight(struct random_source *r, enum quant quant, uint32_t n_in,
        uint32_t n_out, uint32_t n_slabs)
{
    const struct quant_traits *traits = &quant_traits[quant];
    size_t row_bytes = quant_row_bytes(quant, n_in), n_bytes = row_bytes * n_out * n_slabs;
    char *data = make(r, n_bytes);
    assert_int_equal(n_in % traits->block_elems, 0);
    for (size_t at = 0; at < n_bytes; at += traits->block_bytes)
        make_block(r, quant, 1 / sqrtf((float)n_in), data + at);
    return (struct weight){quant, data, n_in, n_out, n_slabs, row_bytes};
}

void random_release(struct random_source *r)
{
    while (r->n_made)
        mem_free(r->made[--r->n_made]);
}

/* ---- batches ---------------------------------------------------------------------------- */

enum section {
    SECTION_X,
    SECTION_Q,
    SECTION_ATTENTION,
    SECTION_KEYS,
    SECTION_VALUES,
    SECTION_IDS,
    SECTION_WEIGHTS,
    SECTION_MARGINS,
    SECTION_LOGITS,
    SECTION_COUNT
};

static const char *const section_names[SECTION_COUNT] = {
        "x", "q", "attention", "keys", "values", "ids", "weights", "margins", "logits"};

struct results {
    size_t at[SECTION_COUNT + 1];
    float *values;
};

static size_t section_n(const struct step_plan *plan, enum section section)
{
    const struct plan_size *s = &plan->size;
    size_t n = STEPS_MOST_TOK, kv = (size_t)s->n_cells * s->n_kv_heads * s->head_dim;
    switch (section) {
    case SECTION_X:
        return n * s->d;
    case SECTION_Q:
        return plan->attn_in || plan->attend ? n * s->n_heads * s->head_dim : 0;
    case SECTION_ATTENTION:
        return plan->attend ? n * s->n_heads * s->head_dim : 0;
    case SECTION_KEYS:
    case SECTION_VALUES:
        return s->n_layers * kv;
    case SECTION_IDS:
    case SECTION_WEIGHTS:
        return plan->gate ? n * s->n_moe_layers * s->n_used : 0;
    case SECTION_MARGINS:
        return plan->gate ? n * s->n_moe_layers : 0;
    case SECTION_LOGITS:
        return plan->logits ? n * s->n_vocab : 0;
    case SECTION_COUNT:
        break;
    }
    return 0;
}

static struct results results_open(const struct step_plan *plan)
{
    struct results r = {{0}, NULL};
    for (int s = 0; s < SECTION_COUNT; s++)
        r.at[s + 1] = r.at[s] + section_n(plan, (enum section)s);
    r.values = mem_alloc((r.at[SECTION_COUNT] + 1) * sizeof *r.values);
    return r;
}

/* The buffers of the contract that are not per layer, and the caches of all layers. */
static void move_buffers(
        struct kernels *k, const struct step_plan *plan, const struct results *r, bool is_write)
{
    static const struct {
        enum section section;
        enum kernels_buffer buffer;
        bool is_cache;
    } moved[] = {{SECTION_X, BUFFER_X, false}, {SECTION_Q, BUFFER_Q, false},
            {SECTION_ATTENTION, BUFFER_ATTENTION, false}, {SECTION_KEYS, BUFFER_KEYS, true},
            {SECTION_VALUES, BUFFER_VALUES, true}};
    for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
        size_t n = r->at[moved[i].section + 1] - r->at[moved[i].section];
        uint32_t n_layers = moved[i].is_cache ? plan->size.n_layers : 1;
        for (uint32_t layer = 0; layer < n_layers && n; layer++) {
            float *at = r->values + r->at[moved[i].section] + n / n_layers * layer;
            if (is_write)
                kernels_write(k, moved[i].buffer, layer, at, n / n_layers);
            else
                kernels_read(k, moved[i].buffer, layer, at, n / n_layers);
        }
    }
}

/* A batch's inputs: every token goes to a cell of its own and sees a different part of one of
 * two shuffled lists of all cells; logits are wanted of every other token, the last first. */
struct inputs {
    int32_t *tokens;
    float *rope_table;
    uint32_t *cells, *visible, *first, *count, *rows;
};

static uint32_t *shuffled(struct random_source *r, uint32_t n)
{
    uint32_t *out = make(r, (n + 1) * sizeof *out);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(rng_next(&r->rng) % (i + 1));
        out[i] = out[at];
        out[at] = i;
    }
    return out;
}

static void make_rope_table(struct random_source *r, struct inputs *in, uint32_t n_pairs)
{
    in->rope_table = make(r, (n_pairs + 1) * 2 * sizeof *in->rope_table);
    for (uint32_t i = 0; i < n_pairs; i++) {
        float angle = uniform(&r->rng, 0, 3.2f);
        in->rope_table[2 * i] = cosf(angle);
        in->rope_table[2 * i + 1] = sinf(angle);
    }
}

static void make_inputs(
        struct random_source *r, const struct plan_size *s, uint32_t n, struct inputs *in)
{
    const uint32_t *lists[] = {shuffled(r, s->n_cells), shuffled(r, s->n_cells)};
    in->cells = shuffled(r, s->n_cells > n ? s->n_cells : n); /* one of each token */
    in->tokens = make(r, n * sizeof *in->tokens);
    in->first = make(r, n * sizeof *in->first);
    in->count = make(r, n * sizeof *in->count);
    in->rows = make(r, n * sizeof *in->rows);
    in->visible = make(r, (2 * s->n_cells + 1) * sizeof *in->visible);
    make_rope_table(r, in, n * s->n_rot / 2);
    for (uint32_t i = 0; i < 2 * s->n_cells; i++)
        in->visible[i] = lists[i / s->n_cells][i % s->n_cells];
    for (uint32_t t = 0; t < n; t++) {
        in->tokens[t] = s->n_vocab ? (int32_t)(rng_next(&r->rng) % s->n_vocab) : 0;
        in->rows[t] = n - 1 - 2 * t; /* the first half is used */
        if (s->n_cells == 0)
            continue;
        uint32_t skipped = (uint32_t)(rng_next(&r->rng) % s->n_cells);
        in->first[t] = t % 2 * s->n_cells + skipped;
        in->count[t] = t == 0 ? s->n_cells - skipped
                              : 1 + (uint32_t)(rng_next(&r->rng) % (s->n_cells - skipped));
    }
}

static void run_batch(struct kernels *k, const struct step_plan *plan, uint32_t n,
        uint64_t seed, struct results *out)
{
    const struct plan_size *s = &plan->size;
    struct random_source r = {.rng = seed};
    struct inputs in;
    for (size_t i = 0; i < out->at[SECTION_IDS]; i++)
        out->values[i] = uniform(&r.rng, 0, 1.7f);
    make_inputs(&r, s, n, &in);
    uint16_t *ids = make(&r, section_n(plan, SECTION_IDS) * sizeof *ids + 1);
    move_buffers(k, plan, out, true);
    struct kernels_batch batch = {n, in.tokens, in.rope_table, in.cells, in.visible,
            2 * s->n_cells, in.first, in.count, .n_rows = plan->logits ? (n + 1) / 2 : 0,
            .rows = in.rows, .ids = ids, .weights = out->values + out->at[SECTION_WEIGHTS],
            .margins = out->values + out->at[SECTION_MARGINS],
            .logits = out->values + out->at[SECTION_LOGITS]};
    if (kernels_run(k, &batch) != KERNELS_OK)
        fail_msg("%s", kernels_why(k));
    move_buffers(k, plan, out, false);
    for (size_t i = 0; i < section_n(plan, SECTION_IDS); i++)
        out->values[out->at[SECTION_IDS] + i] = ids[i];
    random_release(&r);
}

static void add_steps(struct kernels *k, const struct step_plan *plan)
{
    kernels_plan(k, &plan->size);
    if (plan->embed)
        kernels_embed(k, plan->embed);
    if (plan->attn_in)
        kernels_attn_in(k, plan->attn_in);
    if (plan->attend)
        kernels_attend(k, plan->attend);
    if (plan->ffn)
        kernels_ffn(k, plan->ffn);
    if (plan->gate)
        kernels_gate(k, plan->gate);
    if (plan->experts)
        kernels_experts(k, plan->experts);
    if (plan->logits)
        kernels_logits(k, plan->logits);
    if (kernels_ready(k, NULL, NULL) != KERNELS_OK)
        fail_msg("%s", kernels_why(k));
}

/* ---- comparison ------------------------------------------------------------------------- */

/* The root mean square of what was computed: of a small batch most stays 0. */
static double size_of(const struct results *r, enum section section)
{
    double squares = 0, n = 0;
    for (size_t i = r->at[section]; i < r->at[section + 1]; i++) {
        squares += (double)r->values[i] * r->values[i];
        n += r->values[i] != 0;
    }
    return n > 0 ? sqrt(squares / n) : 0;
}

static void compare(const char *what, const struct results *want, const struct results *got,
        float tolerance)
{
    for (int s = 0; s < SECTION_COUNT; s++) {
        /* A margin is the difference of two probabilities: its error is of their size. */
        double size = size_of(want, s == SECTION_MARGINS ? SECTION_WEIGHTS : (enum section)s);
        double allowed = s == SECTION_IDS ? 0 : (double)tolerance;
        for (size_t i = want->at[s]; i < want->at[s + 1]; i++) {
            double w = want->values[i], g = got->values[i];
            if (!(fabs(w - g) <= allowed * (fabs(w) + size)))
                fail_msg("%s: %s[%zu] is %g, not %g (root mean square %g)", what,
                        section_names[s], i - want->at[s], g, w, size);
        }
    }
}

/* The exact CPU's, of the batch of most tokens. */
static struct results exact_wide(const struct step_plan *plan, uint64_t seed)
{
    struct results r = results_open(plan);
    struct kernels *k = open_scalar(true);
    add_steps(k, plan);
    run_batch(k, plan, STEPS_MOST_TOK, seed, &r);
    kernels_close(k);
    return r;
}

void steps_compare(const char *what, const struct step_plan *plan, bool is_exact)
{
    static const uint32_t n_tokens[] = {1, 2, 7, 8, STEPS_MOST_TOK, 2};
    struct results want[ARRAY_LEN(n_tokens)], wide = {{0}, NULL};
    if (!is_exact && !plan->logits) /* these are for few rows in any batch */
        wide = exact_wide(plan, 4 + 1);
    for (size_t b = 0; b < n_step_backends; b++) {
        const struct step_backend *backend = &step_backends[b];
        struct kernels *k = backend->open(is_exact);
        if (!k)
            continue;
        add_steps(k, plan);
        for (size_t i = 0; i < ARRAY_LEN(n_tokens); i++) {
            if (!(backend->batches >> i & 1))
                continue;
            struct results got = results_open(plan);
            char name[256];
            snprintf(name, sizeof name, "%s, %s, %s, batch %zu of %u", what, backend->name,
                    is_exact ? "exact" : "fast", i, n_tokens[i]);
            run_batch(k, plan, n_tokens[i], i + 1, &got);
            if (b == 0) {
                want[i] = got;
                continue;
            }
            if (wide.values && backend->wide_tolerance > 0 && n_tokens[i] == STEPS_MOST_TOK)
                compare(name, &wide, &got, backend->wide_tolerance);
            else
                compare(name, &want[i], &got,
                        is_exact ? backend->exact_tolerance : backend->fast_tolerance);
            mem_free(got.values);
        }
        kernels_close(k);
    }
    for (size_t i = 0; i < ARRAY_LEN(n_tokens); i++)
        mem_free(want[i].values);
    mem_free(wide.values);
}
