/*
 * tokenizer_internal.h - what the parts of the tokenizer share: the table of strings, the
 * merging of pieces, the vocabulary.
 */
#ifndef ENGINE_TOKENIZER_INTERNAL_H
#define ENGINE_TOKENIZER_INTERNAL_H

#include "engine/tokenizer.h"

/* Strings to small numbers: 0..n-1 in the order of adding. Open addressing; the strings are
 * borrowed. */
struct string_table {
    struct slice *strings;
    size_t n, cap;
    uint32_t *slots; /* index + 1; 0: free */
    size_t n_slots;  /* a power of two */
};
void string_table_init(struct string_table *t, size_t n_expected);
void string_table_release(struct string_table *t);
int32_t string_table_find(const struct string_table *t, struct slice s); /* -1: not there */
int32_t string_table_add(
        struct string_table *t, struct slice s); /* the first number of equal strings */

/* One piece of a text that is being merged: text [start, start + n). */
struct piece {
    uint32_t start, n;
    int32_t symbol;
    int32_t prev, next; /* -1: end */
};

/* May left and right become one? Lower priority goes first, then the leftmost pair. */
typedef bool merge_fn(const void *ctx, const struct piece *left, const struct piece *right,
        int64_t *priority, int32_t *symbol);
/* Merges neighbouring pieces until nothing merges: O(n log n). Removed ones get n == 0. */
void merge_pieces(struct piece *pieces, size_t n, merge_fn *fn, const void *ctx);

enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6
};

struct pair_slot {               /* of the merges' hash table */
    int32_t left, right, merged; /* left -1: free */
    uint32_t rank;
};

struct bpe {
    const struct pre_rule *rule;
    void *patterns[4]; /* pcre2_code */
    int n_patterns;
    struct pair_slot *pairs;
    size_t n_pairs_slots;
    int32_t byte_symbol[256];
    struct arena arena; /* strings that are no tokens but parts of merges */
};

struct tokenizer {
    struct string_table table; /* tokens first, then merge parts that are no tokens */
    uint32_t n_vocab;
    uint8_t *types; /* [n_vocab] enum token_type */
    float *scores;  /* [n_vocab], SentencePiece only */
    bool is_spm, adds_space, adds_bos;
    int32_t bos, eos, unknown;
    int32_t byte_token[256]; /* SentencePiece: <0xXX>; -1: none */
    uint8_t *is_end;         /* [n_vocab] */
    uint8_t *strips_right; /* [n_vocab] white space behind this control token is dropped (Phi-3)
                            */
    int32_t *specials;     /* control, user-defined and unknown tokens, longest first */
    size_t n_specials;
    struct bpe bpe;
};

/* May the token come from text as such? Control tokens and the unknown one never do. */
bool is_text_token(const struct tokenizer *tok, int32_t id);
enum status bpe_open(struct tokenizer *tok, const struct gguf *gguf, struct err *err) MUST_USE;
void bpe_close(struct tokenizer *tok);
bool bpe_default_bos(const struct tokenizer *tok);
void bpe_encode(const struct tokenizer *tok, struct slice text, struct tokens *out);
/* The bytes behind the printable stand-ins of a byte-level token. */
void bpe_decode(struct slice token, struct buf *out);
void spm_encode(
        const struct tokenizer *tok, struct slice text, bool has_prefix, struct tokens *out);

#endif
