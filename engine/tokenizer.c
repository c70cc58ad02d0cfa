/*
 * tokenizer.c - opens a vocabulary, cuts out special tokens, and turns ids back into bytes. The
 * strings stay in the mapped file: the gguf must live longer than the tokenizer.
 */
#include "engine/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/tokenizer_internal.h"

void tokens_add(struct tokens *t, int32_t id)
{
    if (t->n == t->cap)
        t->ids = mem_resize(t->ids, (t->cap = t->cap ? t->cap * 2 : 64) * sizeof *t->ids);
    t->ids[t->n++] = id;
}

void tokens_release(struct tokens *t)
{
    mem_free(t->ids);
    *t = (struct tokens){0};
}

size_t tokens_common_prefix(const struct tokens *a, const struct tokens *b)
{
    size_t n = 0;
    while (n < a->n && n < b->n && a->ids[n] == b->ids[n])
        n++;
    return n;
}

static enum status read_tokens(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    struct gguf_array tokens;
    enum status status = gguf_get_array(gguf, "tokenizer.ggml.tokens", &tokens, err);
    if (status != OK)
        return status;
    if (tokens.type != GGUF_STRING || tokens.n == 0 || tokens.n > 1u << 24)
        return err_set(err, ERR_FORMAT,
                "%s: tokenizer.ggml.tokens is not a list of 1 to 16777216 strings",
                gguf_path(gguf));
    tok->n_vocab = (uint32_t)tokens.n;
    string_table_init(&tok->table, tokens.n);
    const unsigned char *at = tokens.data;
    for (uint64_t i = 0; i < tokens.n; i++)
        string_table_add(&tok->table, gguf_next_string(&at));
    const struct gguf_tensor *table = gguf_find_tensor(gguf, "token_embd.weight");
    if (table && table->dims[1] != tokens.n)
        return err_set(err, ERR_FORMAT,
                "%s has %u tokens in tokenizer.ggml.tokens but %llu rows in token_embd.weight",
                gguf_path(gguf), tok->n_vocab, (unsigned long long)table->dims[1]);
    return OK;
}

/* An optional numeric list with one entry per token. */
static enum status read_per_token(const struct tokenizer *tok, const struct gguf *gguf,
        const char *key, struct gguf_array *out, struct err *err)
{
    out->n = 0;
    if (!gguf_has(gguf, key))
        return OK;
    enum status status = gguf_get_array(gguf, key, out, err);
    if (status == OK && (out->type == GGUF_STRING || out->n != tok->n_vocab))
        return err_set(err, ERR_FORMAT, "%s: %s has %llu numbers for %u tokens",
                gguf_path(gguf), key, (unsigned long long)out->n, tok->n_vocab);
    return status;
}

static enum status read_types(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    struct gguf_array types, scores;
    enum status status = read_per_token(tok, gguf, "tokenizer.ggml.token_type", &types, err);
    if (status == OK)
        status = read_per_token(tok, gguf, "tokenizer.ggml.scores", &scores, err);
    if (status != OK)
        return status;
    tok->types = mem_alloc(tok->n_vocab);
    tok->scores = mem_alloc(tok->n_vocab * sizeof *tok->scores);
    for (uint32_t i = 0; i < tok->n_vocab; i++) {
        double type = types.n ? gguf_array_number(&types, i) : TOKEN_NORMAL;
        tok->types[i] = type >= 1 && type <= 6 ? (uint8_t)type : TOKEN_NORMAL;
        tok->scores[i] = scores.n ? (float)gguf_array_number(&scores, i) : 0;
    }
    return OK;
}

static enum status read_id(const struct tokenizer *tok, const struct gguf *gguf,
        const char *name, int32_t *out, struct err *err)
{
    char key[64];
    uint32_t id;
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    if (!gguf_has(gguf, key))
        return OK;
    enum status status = gguf_get_u32(gguf, key, &id, err);
    if (status == OK && id >= tok->n_vocab)
        return err_set(err, ERR_FORMAT, "%s: %s is %u, but there are only %u tokens",
                gguf_path(gguf), key, id, tok->n_vocab);
    if (status == OK)
        *out = (int32_t)id;
    return status;
}

static void mark_end(struct tokenizer *tok, int32_t id)
{
    if (id >= 0)
        tok->is_end[id] = 1;
}

static enum status read_specials(
        struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    static const char *const end_texts[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>",
            "<|call|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>",
            "<turn|>", "<eos>", "<EOT>", "[EOT]", "[EOS]",
            "<\xEF\xBD\x9C"
            "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"};
    int32_t eot = -1, eom = -1;
    tok->bos = tok->eos = tok->unknown = -1;
    tok->is_end = mem_alloc(tok->n_vocab);
    enum status status = read_id(tok, gguf, "bos", &tok->bos, err);
    if (status == OK)
        status = read_id(tok, gguf, "eos", &tok->eos, err);
    if (status == OK)
        status = read_id(tok, gguf, "unknown", &tok->unknown, err);
    if (status == OK)
        status = read_id(tok, gguf, "eot", &eot, err);
    if (status == OK)
        status = read_id(tok, gguf, "eom", &eom, err);
    mark_end(tok, tok->eos);
    mark_end(tok, eot);
    mark_end(tok, eom);
    for (size_t i = 0; i < ARRAY_LEN(end_texts); i++)
        mark_end(tok, string_table_find(&tok->table, slice_of(end_texts[i])));
    return status;
}

static int compare_length(const void *a, const void *b, void *strings)
{
    size_t x = ((const struct slice *)strings)[*(const int32_t *)a].n;
    size_t y = ((const struct slice *)strings)[*(const int32_t *)b].n;
    return x > y ? -1 : x < y ? 1 : *(const int32_t *)a - *(const int32_t *)b;
}

static void list_specials(struct tokenizer *tok)
{
    tok->specials = mem_alloc(tok->n_vocab * sizeof *tok->specials);
    for (uint32_t i = 0; i < tok->n_vocab; i++)
        if ((tok->types[i] == TOKEN_CONTROL || tok->types[i] == TOKEN_USER ||
                    tok->types[i] == TOKEN_UNKNOWN) &&
                tok->table.strings[i].n)
            tok->specials[tok->n_specials++] = (int32_t)i;
    qsort_r(tok->specials, tok->n_specials, sizeof *tok->specials, compare_length,
            tok->table.strings);
}

/* Phi-3 drops the white space behind its control tokens; the file does not say so, only the
 * model's name does. */
static void mark_strips(struct tokenizer *tok, const struct gguf *gguf)
{
    static const char *const kept[] = {"<unk>", "<s>", "<|endoftext|>"};
    struct slice name = {0};
    tok->strips_right = mem_alloc(tok->n_vocab);
    if (gguf_get_str(gguf, "general.name", &name, NULL) != OK)
        return;
    char lower[64] = "";
    for (size_t i = 0; i < name.n && i + 1 < sizeof lower; i++)
        lower[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32
                                                                   : name.ptr[i]);
    if (!strstr(lower, "phi-3") && !strstr(lower, "phi3"))
        return;
    for (size_t i = 0; i < tok->n_specials; i++)
        tok->strips_right[tok->specials[i]] = 1;
    int32_t end = string_table_find(&tok->table, SLICE("</s>"));
    if (end >= 0)
        tok->strips_right[end] = 1;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        int32_t id = string_table_find(&tok->table, slice_of(kept[i]));
        if (id >= 0)
            tok->strips_right[id] = 0;
    }
}

static enum status read_flag(
        const struct gguf *gguf, const char *key, bool *out, struct err *err)
{
    return gguf_has(gguf, key) ? gguf_get_bool(gguf, key, out, err) : OK;
}

static enum status open_family(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    struct slice model;
    enum status status = gguf_get_str(gguf, "tokenizer.ggml.model", &model, err);
    if (status != OK)
        return status;
    tok->is_spm = slice_eq(model, "llama");
    if (!tok->is_spm && !slice_eq(model, "gpt2"))
        return err_set(err, ERR_UNSUPPORTED,
                "%s has a tokenizer of kind \"%.*s\"; this version knows llama and gpt2",
                gguf_path(gguf), (int)(model.n < 64 ? model.n : 64), model.ptr);
    if (!tok->is_spm)
        return bpe_open(tok, gguf, err);
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        tok->byte_token[byte] = string_table_find(&tok->table, slice_of(text));
    }
    return OK;
}

static enum status read_all(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    enum status status = read_tokens(tok, gguf, err);
    if (status == OK)
        status = read_types(tok, gguf, err);
    if (status == OK)
        status = read_specials(tok, gguf, err);
    if (status == OK)
        status = open_family(tok, gguf, err);
    if (status != OK)
        return status;
    list_specials(tok);
    mark_strips(tok, gguf);
    tok->adds_space = tok->is_spm;
    tok->adds_bos = tok->is_spm || bpe_default_bos(tok);
    status = read_flag(gguf, "tokenizer.ggml.add_space_prefix", &tok->adds_space, err);
    if (status == OK)
        status = read_flag(gguf, "tokenizer.ggml.add_bos_token", &tok->adds_bos, err);
    return status;
}

enum status tokenizer_open(struct tokenizer **out, const struct gguf *gguf, struct err *err)
{
    struct tokenizer *tok = mem_alloc(sizeof *tok);
    enum status status = read_all(tok, gguf, err);
    if (status != OK) {
        tokenizer_close(tok);
        return status == ERR_NOT_FOUND ? (err ? (err->status = ERR_FORMAT) : ERR_FORMAT)
                                       : status;
    }
    *out = tok;
    return OK;
}

void tokenizer_close(struct tokenizer *tok)
{
    if (!tok)
        return;
    bpe_close(tok);
    string_table_release(&tok->table);
    mem_free(tok->types);
    mem_free(tok->scores);
    mem_free(tok->is_end);
    mem_free(tok->strips_right);
    mem_free(tok->specials);
    mem_free(tok);
}

bool is_text_token(const struct tokenizer *tok, int32_t id)
{
    return id >= 0 && (uint32_t)id < tok->n_vocab && tok->types[id] != TOKEN_CONTROL &&
           tok->types[id] != TOKEN_UNKNOWN;
}

/* A part of the text: plain, or one special token. */
struct fragment {
    struct slice text;
    int32_t token; /* -1: plain */
};

struct fragments {
    struct fragment *items;
    size_t n, cap;
};

static void add_fragment(struct fragments *f, struct slice text, int32_t token)
{
    if (text.n == 0 && token < 0)
        return;
    if (f->n == f->cap)
        f->items = mem_resize(f->items, (f->cap = f->cap ? f->cap * 2 : 16) * sizeof *f->items);
    f->items[f->n++] = (struct fragment){text, token};
}

/* What is encoded: where control tokens may stand. */
struct source {
    struct slice text;
    const uint8_t *trusted; /* NULL: all or nothing, by flags */
    int flags;
};

static bool may_be_special(const struct tokenizer *tok, const struct source *source, int32_t id,
        const char *at, size_t n)
{
    if (tok->types[id] == TOKEN_USER)
        return true;
    if (!source->trusted)
        return source->flags & TOKENIZE_SPECIAL;
    for (size_t i = 0; i < n; i++)
        if (!source->trusted[at - source->text.ptr + (ptrdiff_t)i])
            return false;
    return true;
}

/* The next place in s that counts as the special token id. */
static const char *find_special(
        const struct tokenizer *tok, const struct source *source, int32_t id, struct slice s)
{
    struct slice needle = tok->table.strings[id];
    const char *at;
    while (s.n >= needle.n && (at = memmem(s.ptr, s.n, needle.ptr, needle.n))) {
        if (may_be_special(tok, source, id, at, needle.n))
            return at;
        s = (struct slice){at + 1, s.n - (size_t)(at - s.ptr) - 1};
    }
    return NULL;
}

/* All places of one special token in the plain fragments. */
static void cut_special(const struct tokenizer *tok, const struct source *source, int32_t id,
        struct fragments *from, struct fragments *to)
{
    struct slice needle = tok->table.strings[id];
    to->n = 0;
    for (size_t i = 0; i < from->n; i++) {
        struct slice rest = from->items[i].text;
        const char *at;
        if (from->items[i].token >= 0) {
            add_fragment(to, rest, from->items[i].token);
            continue;
        }
        while (rest.n && (at = find_special(tok, source, id, rest))) {
            add_fragment(to, (struct slice){rest.ptr, (size_t)(at - rest.ptr)}, -1);
            add_fragment(to, (struct slice){at, needle.n}, id);
            rest = (struct slice){at + needle.n, rest.n - (size_t)(at - rest.ptr) - needle.n};
            while (tok->strips_right[id] && rest.n && memchr(" \t\r\n\v\f", rest.ptr[0], 6))
                rest.ptr++, rest.n--;
        }
        add_fragment(to, rest, -1);
    }
}

static void encode(const struct tokenizer *tok, const struct source *source, struct tokens *out)
{
    struct fragments a = {0}, b = {0};
    int flags = source->flags;
    add_fragment(&a, source->text, -1);
    for (size_t i = 0; i < tok->n_specials; i++) {
        int32_t id = tok->specials[i];
        if (!find_special(tok, source, id, source->text))
            continue;
        cut_special(tok, source, id, &a, &b);
        struct fragments swap = a;
        a = b;
        b = swap;
    }
    if (flags & TOKENIZE_BOS && tok->adds_bos && tok->bos >= 0)
        tokens_add(out, tok->bos);
    bool is_behind_special = true; /* the very start counts like one */
    for (size_t i = 0; i < a.n; i++) {
        if (a.items[i].token >= 0)
            tokens_add(out, a.items[i].token);
        else if (tok->is_spm)
            spm_encode(tok, a.items[i].text, tok->adds_space && is_behind_special, out);
        else
            bpe_encode(tok, a.items[i].text, out);
        is_behind_special = a.items[i].token >= 0;
    }
    mem_free(a.items);
    mem_free(b.items);
}

void tokenizer_encode(
        const struct tokenizer *tok, struct slice text, int flags, struct tokens *out)
{
    encode(tok, &(struct source){text, NULL, flags}, out);
}

void tokenizer_encode_trusted(const struct tokenizer *tok, struct slice text,
        const uint8_t *trusted, int flags, struct tokens *out)
{
    encode(tok, &(struct source){text, trusted, flags}, out);
}

static void spm_piece(struct slice token, struct buf *out)
{
    for (size_t i = 0; i < token.n;) {
        if (token.n - i >= 3 && memcmp(token.ptr + i, "\xE2\x96\x81", 3) == 0) {
            buf_add(out, " ", 1);
            i += 3;
        } else {
            buf_add(out, token.ptr + i++, 1);
        }
    }
}

static int byte_of(struct slice token)
{
    unsigned byte;
    char text[8] = "";
    if (token.n != 6)
        return -1;
    memcpy(text, token.ptr, 6);
    return sscanf(text, "<0x%2X>", &byte) == 1 ? (int)byte : -1;
}

void tokenizer_piece(
        const struct tokenizer *tok, int32_t id, bool show_special, struct buf *out)
{
    if (id < 0 || (uint32_t)id >= tok->n_vocab)
        return;
    struct slice token = tok->table.strings[id];
    switch (tok->types[id]) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        if (show_special)
            buf_add_slice(out, token);
        return;
    case TOKEN_USER:
        buf_add_slice(out, token);
        return;
    case TOKEN_BYTE:
        if (byte_of(token) >= 0)
            buf_add(out, &(char){(char)byte_of(token)}, 1);
        return;
    default:
        if (tok->is_spm)
            spm_piece(token, out);
        else
            bpe_decode(token, out);
    }
}

void tokenizer_decode(
        const struct tokenizer *tok, const int32_t *ids, size_t n, struct buf *out)
{
    size_t begin = out->n;
    for (size_t i = 0; i < n; i++)
        tokenizer_piece(tok, ids[i], false, out);
    if (tok->is_spm && tok->adds_space && out->n > begin && out->ptr[begin] == ' ') {
        memmove(out->ptr + begin, out->ptr + begin + 1, out->n - begin);
        out->n--;
    }
}

bool tokenizer_is_end(const struct tokenizer *tok, int32_t id)
{
    return id >= 0 && (uint32_t)id < tok->n_vocab && tok->is_end[id];
}

uint32_t tokenizer_n_vocab(const struct tokenizer *tok)
{
    return tok->n_vocab;
}
