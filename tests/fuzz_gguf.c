/* fuzz_gguf.c - a model file of any bytes: opened, bound, its tokenizer used, one step run. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/gguf.h"
#include "engine/model.h"
#include "engine/tokenizer.h"

#include "tests/fuzz.h"

#define PARAMS_MAX 2000000 /* of a model that is also run */

static void use_tokenizer(const struct gguf *gguf)
{
    struct tokenizer *tok;
    struct tokens tokens = {0};
    struct buf text;
    struct err err;
    if (tokenizer_open(&tok, gguf, &err) != OK)
        return;
    buf_init(&text, 1 << 20);
    tokenizer_encode(tok, SLICE("Hello, w\xC3\xB6rld!\n 12345\xFF"),
            TOKENIZE_BOS | TOKENIZE_SPECIAL, &tokens);
    for (size_t i = 0; i < tokens.n; i++)
        FUZZ_CHECK(tokens.ids[i] >= 0 && (uint32_t)tokens.ids[i] < tokenizer_n_vocab(tok));
    tokenizer_decode(tok, tokens.ids, tokens.n, &text);
    buf_release(&text);
    tokens_release(&tokens);
    tokenizer_close(tok);
}

static void run_model(struct model *model)
{
    int32_t token = 0;
    uint16_t seq = 0;
    uint32_t pos = 0;
    uint8_t want_logits = 1;
    struct batch batch = {1, &token, &seq, &pos, &want_logits, .keeps_logits = true};
    struct err err;
    if (model_info(model)->n_params <= PARAMS_MAX && model_forward(model, &batch, &err) == OK)
        FUZZ_CHECK(model_logits(model, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char path[64];
    struct gguf *keys;
    struct model *model;
    struct err err;
    int fd = memfd_create("model", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (gguf_open(&keys, path, true, &err) == OK) {
        use_tokenizer(keys);
        gguf_close(keys);
    }
    struct model_config config = {
            .path = path, .n_threads = 1, .context_tok = 16, .batch_tok = 4};
    if (model_open(&model, &config, &err) == OK) {
        run_model(model);
        model_close(model);
    }
    close(fd);
    return 0;
}
