/*
 * helper_tiny_model.c - see helper_tiny_model.h. Gate weights are random directions: what a
 * token means to the residual stream decides its experts, so different words light up different
 * ones, as in a trained model.
 */
#include "tests/helper_tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base.h"

#define HEADS       4
#define ALIGNMENT   32
#define TENSORS_MAX 4096

static const char *const words[] = {"the", "of", "and", "to", "in", "is", "you", "that", "it",
        "he", "was", "for", "on", "are", "with", "as", "his", "they", "be", "at", "one", "have",
        "this", "from", "or", "had", "by", "hot", "but", "some", "what", "there", "we", "can",
        "out", "other", "were", "all", "your", "when", "up", "use", "word", "how", "said", "an",
        "each", "she", "which", "do", "time", "if", "will", "way", "about", "many", "then",
        "them", "would", "write", "like", "so", "these", "her", "long", "make", "thing", "see",
        "him", "two", "has", "look", "more", "day", "could", "go", "come", "did", "my", "sound",
        "no", "most", "number", "who", "over", "know", "water", "than", "call", "first",
        "people", "may", "down", "side", "been", "now", "find", "any", "new", "work", "part",
        "take", "get", "place", "made", "live", "where", "after", "back", "little", "only",
        "round", "man", "year", "came", "show", "every", "good", "me", "give", "our", "under"};

static const char chatml[] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
        "message['content'] + '<|im_end|>' + '\n'}}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

struct tensor {
    char name[64];
    uint32_t n_dims;
    uint64_t dims[3];
    float scale; /* of the random values; negative: ones (norms) */
};

struct writer {
    struct buf out;
    const struct tiny_model *shape;
    struct tensor tensors[TENSORS_MAX];
    uint32_t n_tensors, n_keys;
    uint64_t rng;
};

static void put(struct writer *w, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        buf_add(&w->out, &(char){(char)(value >> 8 * i)}, 1);
}

static void put_string(struct writer *w, const char *text)
{
    put(w, strlen(text), 8);
    buf_add_text(&w->out, text);
}

static void put_key(struct writer *w, const char *name, uint32_t type)
{
    put_string(w, name);
    put(w, type, 4);
    w->n_keys++;
}

static void put_u32(struct writer *w, const char *name, uint32_t value)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", w->shape->arch, name);
    put_key(w, strncmp(name, "tokenizer", 9) == 0 ? name : key, 4);
    put(w, value, 4);
}

static void put_f32(struct writer *w, const char *name, float value)
{
    char key[128];
    uint32_t bits;
    memcpy(&bits, &value, 4);
    snprintf(key, sizeof key, "%s.%s", w->shape->arch, name);
    put_key(w, key, 6);
    put(w, bits, 4);
}

static void put_text(struct writer *w, const char *name, const char *value)
{
    put_key(w, name, 8);
    put_string(w, value);
}

/* The printable stand-in of a byte in byte-level vocabularies. */
static size_t stand_in(int byte, char out[5])
{
    bool is_printable =
            (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    uint32_t cp = (uint32_t)byte;
    if (!is_printable)
        cp = 256 + (uint32_t)(byte < 33 ? byte : byte <= 160 ? 33 + byte - 127 : 67);
    size_t n = utf8_encode(cp, out);
    out[n] = '\0';
    return n;
}

/* Every prefix of every word, with the leading space, is a token, so that merging can reach the
 * word. */
struct vocab {
    char tokens[2048][24];
    char merges[2048][48];
    uint32_t n_tokens, n_merges;
};

static bool has_token(const struct vocab *v, const char *text)
{
    for (uint32_t i = 0; i < v->n_tokens; i++)
        if (strcmp(v->tokens[i], text) == 0)
            return true;
    return false;
}

static void add_word(struct vocab *v, const char *word)
{
    char left[24] = "\xC4\xA0"; /* U+0120, the space */
    for (const char *c = word; *c; c++) {
        char joined[32];
        snprintf(joined, sizeof joined, "%s%c", left, *c);
        if (!has_token(v, joined)) {
            snprintf(v->merges[v->n_merges++], sizeof v->merges[0], "%s %c", left, *c);
            snprintf(v->tokens[v->n_tokens++], sizeof v->tokens[0], "%.23s", joined);
        }
        snprintf(left, sizeof left, "%.23s", joined);
    }
}

static struct vocab *make_vocab(void)
{
    struct vocab *v = mem_alloc(sizeof *v);
    for (int byte = 0; byte < 256; byte++)
        stand_in(byte, v->tokens[v->n_tokens++]);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        add_word(v, words[i]);
    snprintf(v->tokens[v->n_tokens++], 24, "<|endoftext|>");
    snprintf(v->tokens[v->n_tokens++], 24, "<|im_start|>");
    snprintf(v->tokens[v->n_tokens++], 24, "<|im_end|>");
    return v;
}

static void put_vocab(struct writer *w, const struct vocab *v, const char *chat_template)
{
    put_text(w, "tokenizer.ggml.model", "gpt2");
    put_text(w, "tokenizer.ggml.pre", "qwen2");
    put_text(w, "tokenizer.chat_template", chat_template ? chat_template : chatml);
    put_key(w, "tokenizer.ggml.tokens", 9);
    put(w, 8, 4);
    put(w, v->n_tokens, 8);
    for (uint32_t i = 0; i < v->n_tokens; i++)
        put_string(w, v->tokens[i]);
    put_key(w, "tokenizer.ggml.token_type", 9);
    put(w, 5, 4);
    put(w, v->n_tokens, 8);
    for (uint32_t i = 0; i < v->n_tokens; i++)
        put(w, i + 3 >= v->n_tokens ? 3 : 1, 4);
    put_key(w, "tokenizer.ggml.merges", 9);
    put(w, 8, 4);
    put(w, v->n_merges, 8);
    for (uint32_t i = 0; i < v->n_merges; i++)
        put_string(w, v->merges[i]);
    put_u32(w, "tokenizer.ggml.eos_token_id", v->n_tokens - 1);
    put_u32(w, "tokenizer.ggml.bos_token_id", v->n_tokens - 3);
}

static void put_hparams(struct writer *w)
{
    const struct tiny_model *s = w->shape;
    put_text(w, "general.architecture", s->arch);
    put_text(w, "general.name", "Tiny random model");
    put_u32(w, "block_count", s->n_layers);
    put_u32(w, "context_length", 4096);
    put_u32(w, "embedding_length", s->n_embd);
    put_u32(w, "feed_forward_length", s->n_ff);
    put_u32(w, "attention.head_count", HEADS);
    put_u32(w, "attention.head_count_kv", HEADS / 2);
    put_f32(w, "attention.layer_norm_rms_epsilon", 1e-6f);
    if (!s->n_experts)
        return;
    put_u32(w, "expert_count", s->n_experts);
    put_u32(w, "expert_used_count", s->n_used);
    put_u32(w, "expert_feed_forward_length", s->n_ff);
}

static void tensor(
        struct writer *w, const char *name, uint64_t a, uint64_t b, uint64_t c, float scale)
{
    struct tensor *t = &w->tensors[w->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_dims = c ? 3 : b ? 2 : 1;
    t->dims[0] = a;
    t->dims[1] = b ? b : 1;
    t->dims[2] = c ? c : 1;
    t->scale = scale;
}

static void list_layer(struct writer *w, uint32_t i)
{
    const struct tiny_model *s = w->shape;
    uint64_t d = s->n_embd, kv = d / 2, n = s->n_experts, ff = s->n_ff;
    float in = 1 / sqrtf((float)d);
    bool has_norms = strcmp(s->arch, "llama") != 0, is_whole = strcmp(s->arch, "olmoe") == 0;
    const struct {
        const char *name;
        uint64_t a, b, c;
        float scale;
    } list[] = {{"attn_norm", d, 0, 0, -1}, {"attn_q", d, d, 0, in}, {"attn_k", d, kv, 0, in},
            {"attn_v", d, kv, 0, in}, {"attn_output", d, d, 0, 0.3f * in},
            {"ffn_norm", d, 0, 0, -1},
            {has_norms ? "attn_q_norm" : "", is_whole ? d : d / HEADS, 0, 0, -1},
            {has_norms ? "attn_k_norm" : "", is_whole ? kv : d / HEADS, 0, 0, -1},
            {n ? "ffn_gate_inp" : "", d, n, 0, 2.5f * in},
            {n ? "ffn_gate_exps" : "ffn_gate", d, ff, n, in},
            {n ? "ffn_up_exps" : "ffn_up", d, ff, n, in},
            {n ? "ffn_down_exps" : "ffn_down", ff, d, n, 0.3f / sqrtf((float)ff)}};
    for (size_t k = 0; k < ARRAY_LEN(list); k++) {
        char name[64];
        if (!list[k].name[0])
            continue;
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, list[k].name);
        tensor(w, name, list[k].a, list[k].b, list[k].c, list[k].scale);
    }
}

static uint64_t n_values(const struct tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2];
}

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void put_tensor_infos(struct writer *w)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < w->n_tensors; i++) {
        const struct tensor *t = &w->tensors[i];
        put_string(w, t->name);
        put(w, t->n_dims, 4);
        for (uint32_t k = 0; k < t->n_dims; k++)
            put(w, t->dims[k], 8);
        put(w, 0, 4); /* F32 */
        put(w, offset, 8);
        offset += aligned(n_values(t) * 4);
    }
}

/* The sum of four uniforms is normal enough. */
static float random_normal(uint64_t *rng)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += rng_uniform(rng) - 0.5;
    return (float)(sum * 1.732);
}

static void pad(struct writer *w)
{
    while (w->out.n % ALIGNMENT)
        put(w, 0, 1);
}

static bool write_file(struct writer *w, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    bool ok = fwrite(w->out.ptr, 1, w->out.n, f) == w->out.n;
    for (uint32_t i = 0; i < w->n_tensors && ok; i++) {
        const struct tensor *t = &w->tensors[i];
        uint64_t n = aligned(n_values(t) * 4) / 4;
        float *values = mem_alloc(n * sizeof *values);
        for (uint64_t k = 0; k < n_values(t); k++)
            values[k] = t->scale < 0 ? 1 : t->scale * random_normal(&w->rng);
        ok = fwrite(values, 4, n, f) == n;
        mem_free(values);
    }
    return fclose(f) == 0 && ok;
}

bool tiny_model_write(const char *path, const struct tiny_model *shape)
{
    struct writer *w = mem_alloc(sizeof *w);
    struct vocab *v = make_vocab();
    w->shape = shape;
    w->rng = shape->seed;
    buf_init(&w->out, 1u << 30);
    tensor(w, "token_embd.weight", shape->n_embd, v->n_tokens, 0, 1);
    tensor(w, "output_norm.weight", shape->n_embd, 0, 0, -1);
    tensor(w, "output.weight", shape->n_embd, v->n_tokens, 0,
            1.5f / sqrtf((float)shape->n_embd));
    for (uint32_t i = 0; i < shape->n_layers; i++)
        list_layer(w, i);
    buf_add(&w->out, "GGUF", 4);
    put(w, 3, 4);
    put(w, w->n_tensors, 8);
    size_t at = w->out.n;
    put(w, 0, 8);
    put_hparams(w);
    put_vocab(w, v, shape->chat_template);
    for (int i = 0; i < 8; i++)
        w->out.ptr[at + (size_t)i] = (char)((uint64_t)w->n_keys >> 8 * i);
    put_tensor_infos(w);
    pad(w);
    bool ok = write_file(w, path);
    buf_release(&w->out);
    mem_free(v);
    mem_free(w);
    return ok;
}
