/*
 * tokenizer_spm.c - SentencePiece-style encoding: spaces become U+2581, characters merge by the
 * score of what they form, what stays unknown is spelled in byte tokens.
 */
#include <string.h>

#include "engine/tokenizer_internal.h"

#define SPACE "\xE2\x96\x81"

struct spm_text {
    const struct tokenizer *tok;
    const char *bytes;
};

/* Scores are floats; scaled to integers they keep their order, which is all that counts. */
static bool may_merge(const void *ctx, const struct piece *l, const struct piece *r,
        int64_t *priority, int32_t *symbol)
{
    const struct spm_text *text = ctx;
    struct slice both = {text->bytes + l->start, l->n + r->n};
    *symbol = string_table_find(&text->tok->table, both);
    if (!is_text_token(text->tok, *symbol))
        return false;
    float score = text->tok->scores[*symbol];
    int32_t bits;
    memcpy(&bits, &score, sizeof bits);
    *priority = -(int64_t)(bits < 0 ? -(int64_t)(bits & 0x7FFFFFFF) : bits);
    return true;
}

static void add_piece(const struct tokenizer *tok, struct slice piece, struct tokens *out)
{
    int32_t id = string_table_find(&tok->table, piece);
    if (is_text_token(tok, id)) {
        tokens_add(out, id);
        return;
    }
    for (size_t i = 0; i < piece.n; i++) {
        int32_t byte = tok->byte_token[(unsigned char)piece.ptr[i]];
        tokens_add(out, byte >= 0 ? byte : tok->unknown >= 0 ? tok->unknown : 0);
    }
}

void spm_encode(
        const struct tokenizer *tok, struct slice text, bool has_prefix, struct tokens *out)
{
    struct buf escaped;
    buf_init(&escaped, SIZE_MAX / 2);
    if (has_prefix)
        buf_add_text(&escaped, SPACE);
    for (size_t i = 0; i < text.n; i++)
        if (text.ptr[i] == ' ')
            buf_add_text(&escaped, SPACE);
        else
            buf_add(&escaped, text.ptr + i, 1);
    struct piece *pieces = mem_alloc((escaped.n + 1) * sizeof *pieces);
    size_t n = 0;
    for (uint32_t at = 0, used; at < escaped.n; at += used, n++) {
        uint32_t cp;
        used = (uint32_t)utf8_decode(escaped.ptr + at, escaped.n - at, &cp);
        pieces[n] = (struct piece){at, used, 0, (int32_t)n - 1, (int32_t)n + 1};
    }
    if (n) {
        pieces[n - 1].next = -1;
        merge_pieces(pieces, n, may_merge, &(struct spm_text){tok, escaped.ptr});
    }
    for (size_t i = 0; i < n; i++)
        if (pieces[i].n)
            add_piece(tok, (struct slice){escaped.ptr + pieces[i].start, pieces[i].n}, out);
    mem_free(pieces);
    buf_release(&escaped);
}
