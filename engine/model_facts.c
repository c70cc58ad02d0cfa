/*
 * model_facts.c - see model_facts.h. The head is read by the same functions as for a load, so
 * the two agree about what a file is; no weight is looked at.
 */
#include "engine/model_facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/builtin.h"
#include "engine/chat_template.h"
#include "engine/gguf.h"
#include "engine/kv_cache.h"
#include "engine/model_internal.h"

static void take_text(const struct gguf *g, const char *key, char *out, size_t n_bytes)
{
    struct slice text;
    if (gguf_get_str(g, key, &text, NULL) != OK)
        return;
    slice_to_text(text, out, n_bytes);
    utf8_make_printable(out);
}

static void take_keys(struct model_facts *out, const struct gguf *g)
{
    take_text(g, "general.architecture", out->info.arch, sizeof out->info.arch);
    take_text(g, "general.name", out->info.name, sizeof out->info.name);
    take_text(g, "general.description", out->about, sizeof out->about);
    take_text(g, "tokenizer.ggml.model", out->tokenizer, sizeof out->tokenizer);
}

static enum status read_chat(struct model_facts *out, const struct gguf *g, struct err *err)
{
    struct chat_format format;
    enum status status = chat_format_find(&format, g, err);
    if (status == OK)
        snprintf(out->chat_format, sizeof out->chat_format, "%s", chat_format_name(&format));
    return status;
}

static void read_head(
        struct model_facts *out, struct model *m, uint32_t context_tok, int n_slots)
{
    const struct gguf_tensor *table;
    enum status status = model_read_head(m, &out->err);
    take_keys(out, m->gguf);
    if (status != OK)
        return;
    if ((table = gguf_find_tensor(m->gguf, "token_embd.weight")))
        m->hp.n_vocab = (uint32_t)table->dims[1];
    status = model_count_cells(m, context_tok, n_slots, &out->err);
    if (!kv_cache_bytes(m->kv.n_cells, m->hp.n_layers,
                (size_t)m->hp.n_kv_heads * m->hp.head_dim, true, &m->kv.n_bytes))
        m->kv.n_bytes = 0;
    model_fill_info(m);
    out->info = m->info;
    if (status == OK)
        read_chat(out, m->gguf, &out->err);
}

void model_facts_read(
        struct model_facts *out, const char *path, uint32_t context_tok, int n_slots)
{
    struct model m = {0};
    struct stat st;
    struct slice builtin;
    *out = (struct model_facts){0};
    if (builtin_find(path, &builtin))
        out->info.file_bytes = builtin.n;
    else if (stat(path, &st) == 0) {
        out->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
        out->info.file_bytes = (uint64_t)st.st_size;
    }
    if (gguf_open(&m.gguf, path, false, &out->err) == OK)
        read_head(out, &m, context_tok, n_slots);
    else if (gguf_open(&m.gguf, path, true, NULL) == OK) /* its keys may be whole */
        take_keys(out, m.gguf);
    gguf_close(m.gguf);
}
