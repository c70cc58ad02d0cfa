/*
 * synthetic.c - see synthetic.h. Matrices are Q4_K and the output Q6_K, as in common files;
 * gate and norms stay float32. Blocks repeat a short random pattern: speed does not depend on
 * the values, and random numbers for gigabytes would take longer than the measurement.
 */
#include "engine/synthetic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/quant.h"

#define ALIGNMENT      32
#define PATTERN_BLOCKS 4099   /* prime: rows of a matrix do not begin alike */
#define HALF_SMALL     0x0C00 /* 2^-12: products of blocks stay small */

const struct synthetic_shape synthetic_shapes[] = {
        {"tiny", 4, 256, 4, 2, 64, 16, 4, 256, 4096},
        {"small", 12, 1024, 16, 4, 64, 32, 4, 512, 32768},
        {"olmoe-7b", 16, 2048, 16, 16, 128, 64, 8, 1024, 50304},
        {"qwen3-30b-a3b", 48, 2048, 32, 4, 128, 128, 8, 768, 151936},
};
const size_t n_synthetic_shapes = ARRAY_LEN(synthetic_shapes);

const struct synthetic_shape *synthetic_find(const char *name)
{
    for (size_t i = 0; i < n_synthetic_shapes; i++)
        if (strcmp(synthetic_shapes[i].name, name) == 0)
            return &synthetic_shapes[i];
    return NULL;
}

enum pass { PASS_COUNT, PASS_LIST, PASS_DATA }; /* over the tensors, in this order */

struct writer {
    FILE *out;
    enum pass pass;
    uint64_t offset; /* of the next tensor */
    uint32_t n_tensors;
    char *patterns[QUANT_COUNT];
};

static void put(struct writer *w, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        putc((int)(value >> 8 * i & 255), w->out);
}

static void put_string(struct writer *w, const char *text)
{
    put(w, strlen(text), 8);
    fputs(text, w->out);
}

static void put_text(struct writer *w, const char *key, const char *value)
{
    put_string(w, key);
    put(w, 8, 4);
    put_string(w, value);
}

static void put_u32(struct writer *w, const char *key, uint32_t value)
{
    put_string(w, key);
    put(w, 4, 4);
    put(w, value, 4);
}

/* Float32 values are uniform around 0; blocks are random bytes whose scales, every binary16 at
 * the places where a type keeps one, are small. */
static char *make_pattern(enum quant quant)
{
    static const struct {
        enum quant quant;
        int at[2]; /* of the binary16 numbers in a block; -1: none */
    } halves[] = {{QUANT_Q4_K, {0, 2}}, {QUANT_Q6_K, {208, -1}}};
    uint64_t rng = 1;
    size_t block_bytes = quant_traits[quant].block_bytes, n = PATTERN_BLOCKS * block_bytes;
    char *pattern = mem_alloc(n);
    if (quant == QUANT_F32) {
        for (size_t i = 0; i < PATTERN_BLOCKS; i++) {
            float value = (float)(rng_uniform(&rng) - 0.5);
            memcpy(pattern + 4 * i, &value, 4);
        }
        return pattern;
    }
    for (size_t i = 0; i < n; i++)
        pattern[i] = (char)rng_next(&rng);
    for (size_t h = 0; h < ARRAY_LEN(halves); h++)
        for (size_t b = 0; b < PATTERN_BLOCKS && halves[h].quant == quant; b++)
            for (int k = 0; k < 2 && halves[h].at[k] >= 0; k++)
                memcpy(pattern + b * block_bytes + halves[h].at[k], &(uint16_t){HALF_SMALL}, 2);
    return pattern;
}

static void put_data(struct writer *w, enum quant quant, bool is_ones, uint64_t n_bytes)
{
    static const float one = 1;
    size_t pattern_bytes = PATTERN_BLOCKS * quant_traits[quant].block_bytes;
    if (!w->patterns[quant])
        w->patterns[quant] = make_pattern(quant);
    for (uint64_t at = 0; is_ones && at < n_bytes; at += sizeof one)
        fwrite(&one, sizeof one, 1, w->out);
    for (uint64_t at = 0; !is_ones && at < n_bytes; at += pattern_bytes)
        fwrite(w->patterns[quant], 1,
                n_bytes - at < pattern_bytes ? (size_t)(n_bytes - at) : pattern_bytes, w->out);
    while (n_bytes++ % ALIGNMENT)
        putc(0, w->out);
}

/* b 0: a vector of ones; c 0: one matrix. */
static void tensor(struct writer *w, const char *name, enum quant quant, uint64_t a, uint64_t b,
        uint64_t c)
{
    uint64_t n_bytes = quant_row_bytes(quant, a) * (b ? b : 1) * (c ? c : 1);
    switch (w->pass) {
    case PASS_COUNT:
        w->n_tensors++;
        return;
    case PASS_LIST:
        put_string(w, name);
        put(w, c ? 3 : b ? 2 : 1, 4);
        put(w, a, 8);
        if (b)
            put(w, b, 8);
        if (c)
            put(w, c, 8);
        put(w, quant_traits[quant].file_id, 4);
        put(w, w->offset, 8);
        w->offset += (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return;
    case PASS_DATA:
        put_data(w, quant, b == 0, n_bytes);
    }
}

static void layer(struct writer *w, const struct synthetic_shape *s, uint32_t i)
{
    uint64_t d = s->d, q = (uint64_t)s->n_heads * s->head_dim,
             kv = (uint64_t)s->n_kv_heads * s->head_dim, ff = s->n_ff, e = s->n_experts;
    const struct {
        const char *name;
        enum quant quant;
        uint64_t a, b, c;
    } tensors[] = {{"attn_norm", QUANT_F32, d, 0, 0}, {"attn_q", QUANT_Q4_K, d, q, 0},
            {"attn_k", QUANT_Q4_K, d, kv, 0}, {"attn_v", QUANT_Q4_K, d, kv, 0},
            {"attn_q_norm", QUANT_F32, s->head_dim, 0, 0},
            {"attn_k_norm", QUANT_F32, s->head_dim, 0, 0}, {"attn_output", QUANT_Q4_K, q, d, 0},
            {"ffn_norm", QUANT_F32, d, 0, 0}, {"ffn_gate_inp", QUANT_F32, d, e, 0},
            {"ffn_gate_exps", QUANT_Q4_K, d, ff, e}, {"ffn_up_exps", QUANT_Q4_K, d, ff, e},
            {"ffn_down_exps", QUANT_Q4_K, ff, d, e}};
    for (size_t k = 0; k < ARRAY_LEN(tensors); k++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, tensors[k].name);
        tensor(w, name, tensors[k].quant, tensors[k].a, tensors[k].b, tensors[k].c);
    }
}

static void all_tensors(struct writer *w, const struct synthetic_shape *s, enum pass pass)
{
    w->pass = pass;
    tensor(w, "token_embd.weight", QUANT_Q4_K, s->d, s->n_vocab, 0);
    tensor(w, "output_norm.weight", QUANT_F32, s->d, 0, 0);
    tensor(w, "output.weight", QUANT_Q6_K, s->d, s->n_vocab, 0);
    for (uint32_t i = 0; i < s->n_layers; i++)
        layer(w, s, i);
}

static void put_head(struct writer *w, const struct synthetic_shape *s)
{
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {{"qwen3moe.block_count", s->n_layers}, {"qwen3moe.context_length", 32768},
            {"qwen3moe.embedding_length", s->d}, {"qwen3moe.attention.head_count", s->n_heads},
            {"qwen3moe.attention.head_count_kv", s->n_kv_heads},
            {"qwen3moe.attention.key_length", s->head_dim},
            {"qwen3moe.attention.value_length", s->head_dim},
            {"qwen3moe.expert_count", s->n_experts}, {"qwen3moe.expert_used_count", s->n_used},
            {"qwen3moe.expert_feed_forward_length", s->n_ff}};
    char name[64];
    fputs("GGUF", w->out);
    put(w, 3, 4);
    put(w, w->n_tensors, 8);
    put(w, ARRAY_LEN(numbers) + 3, 8);
    put_text(w, "general.architecture", "qwen3moe");
    snprintf(name, sizeof name, "synthetic %s", s->name);
    put_text(w, "general.name", name);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        put_u32(w, numbers[i].key, numbers[i].value);
    put_string(w, "qwen3moe.attention.layer_norm_rms_epsilon");
    put(w, 6, 4);
    put(w, 0x358637BD, 4); /* 1e-6 */
}

enum status synthetic_make(const struct synthetic_shape *shape, int *fd, struct err *err)
{
    struct writer w = {0};
    *fd = memfd_create("shunt-bench", MFD_CLOEXEC);
    w.out = *fd >= 0 ? fdopen(dup(*fd), "wb") : NULL;
    if (!w.out)
        return err_set(err, ERR_IO, "no memory file for the shape: %s", strerror(errno));
    all_tensors(&w, shape, PASS_COUNT);
    put_head(&w, shape);
    all_tensors(&w, shape, PASS_LIST);
    while (ftell(w.out) % ALIGNMENT)
        putc(0, w.out);
    all_tensors(&w, shape, PASS_DATA);
    bool is_written = !ferror(w.out);
    if ((fclose(w.out) != 0) | !is_written) {
        close(*fd);
        err_set(err, ERR_NOMEM, "no memory for the shape %s: take a smaller one", shape->name);
        *fd = -1;
    }
    for (size_t i = 0; i < QUANT_COUNT; i++)
        mem_free(w.patterns[i]);
    return *fd >= 0 ? OK : ERR_NOMEM;
}
