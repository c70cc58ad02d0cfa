/*
 * tokenizer.h - text to vocabulary ids and back, from the tokenizer keys of a GGUF file:
 * SentencePiece-style merges by score ("llama") and byte-level BPE ("gpt2") with the
 * pre-tokenisation rules of pre_rules[]. Immutable after opening, safe from every thread.
 */
#ifndef ENGINE_TOKENIZER_H
#define ENGINE_TOKENIZER_H

#include "engine/base.h"

struct gguf;
struct tokenizer;

enum status tokenizer_open(
        struct tokenizer **out, const struct gguf *gguf, struct err *err) MUST_USE;
void tokenizer_close(struct tokenizer *tok);

struct tokens { /* growing list of ids, owned by the caller; zero-initialised is empty */
    int32_t *ids;
    size_t n, cap;
};
void tokens_add(struct tokens *t, int32_t id);
void tokens_release(struct tokens *t);
size_t tokens_common_prefix(const struct tokens *a, const struct tokens *b);

enum {
    TOKENIZE_SPECIAL = 1, /* recognise control tokens in the text: trusted template text only */
    TOKENIZE_BOS = 2
}; /* prepend BOS where the vocabulary says so */
/* Appends the ids of text. Any bytes are accepted; never fails. */
void tokenizer_encode(
        const struct tokenizer *tok, struct slice text, int flags, struct tokens *out);
/* The same for a text of which only some bytes are trusted: control tokens are recognised where
 * trusted[i] is set for all their bytes. [text.n]. */
void tokenizer_encode_trusted(const struct tokenizer *tok, struct slice text,
        const uint8_t *trusted, int flags, struct tokens *out);
/* Appends the bytes of one token. Control tokens give nothing unless `show_special`. */
void tokenizer_piece(
        const struct tokenizer *tok, int32_t id, bool show_special, struct buf *out);
/* The bytes of a whole list; for SentencePiece without the space that encoding put in front. */
void tokenizer_decode(
        const struct tokenizer *tok, const int32_t *ids, size_t n, struct buf *out);
bool tokenizer_is_end(const struct tokenizer *tok, int32_t id); /* ends a turn: eos, eot, … */
uint32_t tokenizer_n_vocab(const struct tokenizer *tok);

#endif
