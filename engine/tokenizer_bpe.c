/*
 * tokenizer_bpe.c - byte-level BPE (GPT-2 and its descendants): the text is cut by the rule's
 * expressions, the bytes of each cut become printable characters, and neighbours merge in the
 * order of the file's list. Invalid UTF-8 never reaches PCRE2: a broken byte is a cut of its
 * own.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/tokenizer_internal.h"

#define TAIL        "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2                                                                                   \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3(digits)                                                                         \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| "                                  \
                "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL

/* Values of tokenizer.ggml.pre. Expressions are applied one after the other to the cuts of the
 * one before. */
struct pre_rule {
    const char *name;
    const char *expressions[2];
    bool ignores_merges; /* a cut that is a token is that token */
    bool adds_bos;       /* when the file does not say */
};

static const struct pre_rule rules[] = {
        {"gpt-2", {GPT2}, false, false},
        {"olmo", {GPT2}, false, false},
        {"default", {GPT2}, false, false},
        {"smollm", {"\\p{N}", GPT2}, false, false},
        {"refact", {"\\p{N}", GPT2}, false, false},
        {"starcoder", {"\\p{N}", GPT2}, false, false},
        {"llama-bpe", {LLAMA3("\\p{N}{1,3}")}, true, true},
        {"llama3", {LLAMA3("\\p{N}{1,3}")}, true, true},
        {"llama-v3", {LLAMA3("\\p{N}{1,3}")}, true, true},
        {"qwen2", {LLAMA3("\\p{N}")}, false, false},
};

/* Bytes 33-126, 161-172 and 174-255 stand for themselves; the other 68, in order, for U+0100
 * and up. */
static uint32_t byte_to_cp(int byte)
{
    if (byte < 33)
        return 256 + (uint32_t)byte;
    if (byte >= 127 && byte <= 160)
        return 256 + 33 + (uint32_t)(byte - 127);
    return byte == 173 ? 256 + 67 : (uint32_t)byte;
}

static int cp_to_byte(uint32_t cp)
{
    uint32_t n = cp - 256;
    if (cp < 256)
        return byte_to_cp((int)cp) == cp ? (int)cp : -1;
    return n < 33 ? (int)n : n < 67 ? (int)n - 33 + 127 : n == 67 ? 173 : -1;
}

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static struct pair_slot *find_pair(const struct bpe *bpe, int32_t left, int32_t right)
{
    size_t at = hash_pair(left, right) & (bpe->n_pairs_slots - 1);
    while (bpe->pairs[at].left >= 0 &&
            (bpe->pairs[at].left != left || bpe->pairs[at].right != right))
        at = (at + 1) & (bpe->n_pairs_slots - 1);
    return &bpe->pairs[at];
}

static int32_t intern(struct tokenizer *tok, struct slice s)
{
    int32_t symbol = string_table_find(&tok->table, s);
    if (symbol >= 0)
        return symbol;
    struct slice copy = {arena_strndup(&tok->bpe.arena, s.ptr, s.n), s.n};
    return string_table_add(&tok->table, copy);
}

/* "left right": the separator is the first space behind the first character. */
static enum status add_merge(struct tokenizer *tok, struct slice merge, uint32_t rank,
        const char *path, struct err *err)
{
    const char *space = merge.n > 2 ? memchr(merge.ptr + 1, ' ', merge.n - 1) : NULL;
    size_t n_left = space ? (size_t)(space - merge.ptr) : 0;
    if (!space || n_left + 1 == merge.n)
        return err_set(err, ERR_FORMAT,
                "%s: tokenizer.ggml.merges[%u] is not two parts with a space between", path,
                rank);
    struct slice left = {merge.ptr, n_left}, right = {space + 1, merge.n - n_left - 1};
    char joined[4096];
    if (merge.n - 1 > sizeof joined)
        return err_set(
                err, ERR_FORMAT, "%s: tokenizer.ggml.merges[%u] is too long", path, rank);
    memcpy(joined, left.ptr, left.n);
    memcpy(joined + left.n, right.ptr, right.n);
    int32_t l = intern(tok, left), r = intern(tok, right);
    struct pair_slot *slot = find_pair(&tok->bpe, l, r);
    if (slot->left < 0)
        *slot = (struct pair_slot){
                l, r, intern(tok, (struct slice){joined, merge.n - 1}), rank};
    return OK;
}

static enum status read_merges(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    struct gguf_array merges;
    enum status status = gguf_get_array(gguf, "tokenizer.ggml.merges", &merges, err);
    if (status == OK && merges.type != GGUF_STRING)
        status = err_set(err, ERR_FORMAT, "%s: tokenizer.ggml.merges is not a list of strings",
                gguf_path(gguf));
    if (status != OK)
        return status;
    struct bpe *bpe = &tok->bpe;
    bpe->n_pairs_slots = 64;
    while (bpe->n_pairs_slots < merges.n * 2)
        bpe->n_pairs_slots *= 2;
    bpe->pairs = mem_alloc(bpe->n_pairs_slots * sizeof *bpe->pairs);
    for (size_t i = 0; i < bpe->n_pairs_slots; i++)
        bpe->pairs[i].left = -1;
    const unsigned char *at = merges.data;
    for (uint64_t i = 0; i < merges.n && status == OK; i++)
        status = add_merge(tok, gguf_next_string(&at), (uint32_t)i, gguf_path(gguf), err);
    return status;
}

static enum status find_rule(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    struct slice name = SLICE("default");
    if (gguf_has(gguf, "tokenizer.ggml.pre")) {
        enum status status = gguf_get_str(gguf, "tokenizer.ggml.pre", &name, err);
        if (status != OK)
            return status;
    }
    for (size_t i = 0; i < ARRAY_LEN(rules) && !tok->bpe.rule; i++)
        if (slice_eq(name, rules[i].name))
            tok->bpe.rule = &rules[i];
    if (tok->bpe.rule)
        return OK;
    return err_set(err, ERR_UNSUPPORTED,
            "%s cuts text by the rule \"%.*s\" (tokenizer.ggml.pre), which this version does "
            "not know",
            gguf_path(gguf), (int)(name.n < 64 ? name.n : 64), name.ptr);
}

static enum status compile(struct bpe *bpe, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(bpe->rule->expressions) && bpe->rule->expressions[i];
            i++) {
        int code;
        PCRE2_SIZE offset;
        pcre2_code *pattern = pcre2_compile((PCRE2_SPTR)bpe->rule->expressions[i],
                PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
        if (!pattern)
            return err_set(err, ERR_UNSUPPORTED,
                    "PCRE2 refuses the rule \"%s\" at %zu (error %d)", bpe->rule->name, offset,
                    code);
        pcre2_jit_compile(pattern, PCRE2_JIT_COMPLETE); /* without it matching is only slower */
        bpe->patterns[bpe->n_patterns++] = pattern;
    }
    return OK;
}

enum status bpe_open(struct tokenizer *tok, const struct gguf *gguf, struct err *err)
{
    enum status status = find_rule(tok, gguf, err);
    if (status == OK)
        status = compile(&tok->bpe, err);
    if (status == OK)
        status = read_merges(tok, gguf, err);
    for (int byte = 0; byte < 256; byte++) {
        char utf8[4];
        struct slice s = {utf8, utf8_encode(byte_to_cp(byte), utf8)};
        tok->bpe.byte_symbol[byte] = intern(tok, s);
    }
    return status;
}

void bpe_close(struct tokenizer *tok)
{
    for (int i = 0; i < tok->bpe.n_patterns; i++)
        pcre2_code_free(tok->bpe.patterns[i]);
    mem_free(tok->bpe.pairs);
    arena_release(&tok->bpe.arena);
}

bool bpe_default_bos(const struct tokenizer *tok)
{
    return tok->bpe.rule->adds_bos;
}

static bool may_merge(const void *ctx, const struct piece *l, const struct piece *r,
        int64_t *priority, int32_t *symbol)
{
    const struct pair_slot *slot = find_pair(ctx, l->symbol, r->symbol);
    *priority = slot->rank;
    *symbol = slot->merged;
    return slot->left >= 0;
}

struct encoder {
    const struct tokenizer *tok;
    struct tokens *out;
    struct piece *pieces;
    size_t cap;
    pcre2_match_data *match;
};

static bool add_whole(struct encoder *e, struct slice cut)
{
    char mapped[512];
    size_t n = 0;
    if (!e->tok->bpe.rule->ignores_merges || cut.n > sizeof mapped / 2)
        return false;
    for (size_t i = 0; i < cut.n; i++)
        n += utf8_encode(byte_to_cp((unsigned char)cut.ptr[i]), mapped + n);
    int32_t id = string_table_find(&e->tok->table, (struct slice){mapped, n});
    if (!is_text_token(e->tok, id))
        return false;
    tokens_add(e->out, id);
    return true;
}

static void add_symbol(
        const struct tokenizer *tok, int32_t symbol, struct slice bytes, struct tokens *out)
{
    if (is_text_token(tok, symbol)) {
        tokens_add(out, symbol);
        return;
    }
    for (size_t i = 0; i < bytes.n; i++) { /* a part that is no token is spelled in bytes */
        int32_t byte = tok->bpe.byte_symbol[(unsigned char)bytes.ptr[i]];
        if ((uint32_t)byte < tok->n_vocab)
            tokens_add(out, byte);
        else if (tok->unknown >= 0)
            tokens_add(out, tok->unknown);
    }
}

static void encode_cut(struct encoder *e, struct slice cut)
{
    if (cut.n == 0 || add_whole(e, cut))
        return;
    if (cut.n > e->cap) {
        e->cap = cut.n * 2;
        e->pieces = mem_resize(e->pieces, e->cap * sizeof *e->pieces);
    }
    for (uint32_t i = 0; i < cut.n; i++)
        e->pieces[i] = (struct piece){i, 1, e->tok->bpe.byte_symbol[(unsigned char)cut.ptr[i]],
                (int32_t)i - 1, i + 1 < cut.n ? (int32_t)i + 1 : -1};
    merge_pieces(e->pieces, cut.n, may_merge, &e->tok->bpe);
    for (uint32_t i = 0; i < cut.n; i++)
        if (e->pieces[i].n)
            add_symbol(e->tok, e->pieces[i].symbol,
                    (struct slice){cut.ptr + e->pieces[i].start, e->pieces[i].n}, e->out);
}

/* Cuts valid UTF-8 by expression i and the ones behind it. */
static void split(struct encoder *e, struct slice text, int i)
{
    if (i == e->tok->bpe.n_patterns) {
        encode_cut(e, text);
        return;
    }
    size_t done = 0;
    while (done < text.n) {
        int n = pcre2_match(e->tok->bpe.patterns[i], (PCRE2_SPTR)text.ptr, text.n, done,
                PCRE2_NO_UTF_CHECK, e->match, NULL);
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(e->match);
        if (n < 0 || at[1] == at[0])
            break;
        PCRE2_SIZE begin = at[0], end = at[1]; /* the deeper level uses the same match data */
        split(e, (struct slice){text.ptr + done, begin - done}, i + 1);
        split(e, (struct slice){text.ptr + begin, end - begin}, i + 1);
        done = end;
    }
    if (done < text.n)
        split(e, (struct slice){text.ptr + done, text.n - done}, i + 1);
}

void bpe_encode(const struct tokenizer *tok, struct slice text, struct tokens *out)
{
    struct encoder e = {.tok = tok, .out = out, .match = pcre2_match_data_create(8, NULL)};
    size_t begin = 0;
    for (size_t at = 0; at < text.n;) {
        uint32_t cp;
        size_t used = utf8_decode(text.ptr + at, text.n - at, &cp);
        bool is_broken = cp == 0xFFFD && used == 1;
        if (is_broken) {
            split(&e, (struct slice){text.ptr + begin, at - begin}, 0);
            encode_cut(&e, (struct slice){text.ptr + at, 1});
            begin = at + 1;
        }
        at += used;
    }
    split(&e, (struct slice){text.ptr + begin, text.n - begin}, 0);
    pcre2_match_data_free(e.match);
    mem_free(e.pieces);
}

void bpe_decode(struct slice token, struct buf *out)
{
    for (size_t at = 0; at < token.n;) {
        uint32_t cp;
        size_t used = utf8_decode(token.ptr + at, token.n - at, &cp);
        int byte = cp_to_byte(cp);
        if (byte >= 0)
            buf_add(out, &(char){(char)byte}, 1);
        else
            buf_add(out, token.ptr + at, used);
        at += used;
    }
}
