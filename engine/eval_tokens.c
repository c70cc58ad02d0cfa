/* eval_tokens.c - see eval_tokens.h. The whole input is one text: cut at lines it would become
 * other tokens. */
#include "engine/eval_tokens.h"

#include <math.h>

#include "engine/gguf.h"
#include "engine/json.h"
#include "engine/tokenizer.h"

#define INPUT_MAX_BYTES (1u << 30)

static enum status read_all(FILE *in, struct buf *out, struct err *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        if (!buf_add(out, chunk, n))
            return err_set(
                    err, ERR_USAGE, "the input is larger than %u MB", INPUT_MAX_BYTES >> 20);
    return ferror(in) ? err_set(err, ERR_IO, "cannot read standard input") : OK;
}

static void print_ids(const struct tokenizer *tok, struct slice text, bool is_plain, FILE *out)
{
    struct tokens tokens = {0};
    tokenizer_encode(tok, text, is_plain ? 0 : TOKENIZE_SPECIAL | TOKENIZE_BOS, &tokens);
    fputc('[', out);
    for (size_t i = 0; i < tokens.n; i++)
        fprintf(out, "%s%d", i ? "," : "", tokens.ids[i]);
    fputs("]\n", out);
    tokens_release(&tokens);
}

static enum status print_text(
        const struct tokenizer *tok, struct slice list, FILE *out, struct err *err)
{
    struct json *root = json_parse(list);
    struct tokens tokens = {0};
    enum status status = OK;
    if (!json_is_array(root))
        status = err_set(err, ERR_USAGE, "the input is not a JSON list of token ids");
    for (const struct json *v = json_first(root); v && status == OK; v = json_next(v)) {
        double id;
        if (!json_number(v, &id) || id != floor(id) || id < 0 || id >= tokenizer_n_vocab(tok))
            status = err_set(err, ERR_USAGE, "entry %zu of the list is not a token id below %u",
                    tokens.n, tokenizer_n_vocab(tok));
        else
            tokens_add(&tokens, (int32_t)id);
    }
    if (status == OK) {
        struct buf text;
        buf_init(&text, INPUT_MAX_BYTES);
        tokenizer_decode(tok, tokens.ids, tokens.n, &text);
        fwrite(buf_text(&text), 1, text.n, out);
        buf_release(&text);
    }
    tokens_release(&tokens);
    json_free(root);
    return status;
}

enum status eval_tokens(
        const char *path, bool is_plain, bool detokenize, FILE *in, FILE *out, struct err *err)
{
    struct gguf *gguf;
    struct tokenizer *tok = NULL;
    struct buf input;
    buf_init(&input, INPUT_MAX_BYTES);
    enum status status = gguf_open(&gguf, path, true, err);
    if (status != OK)
        return status;
    status = tokenizer_open(&tok, gguf, err);
    if (status == OK)
        status = read_all(in, &input, err);
    if (status == OK && detokenize)
        status = print_text(tok, buf_slice(&input), out, err);
    else if (status == OK)
        print_ids(tok, buf_slice(&input), is_plain, out);
    buf_release(&input);
    tokenizer_close(tok);
    gguf_close(gguf);
    return status;
}
