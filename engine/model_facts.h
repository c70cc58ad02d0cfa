/*
 * model_facts.h - what the head of a model file says: all that a list of models shows, without
 * loading one. Reads a few megabytes at most (keys and the directory of tensors).
 */
#ifndef ENGINE_MODEL_FACTS_H
#define ENGINE_MODEL_FACTS_H

#include "engine/base.h"
#include "engine/model_info.h"

struct model_facts {
    struct model_info info;              /* what could be read; no kernel */
    char tokenizer[32], chat_format[32]; /* "": not known */
    char about[400];                     /* general.description; "": none */
    int64_t modified_ms; /* Unix time of the file's last change; 0: no file, or a built-in one
                          */
    struct err err;      /* why it cannot be loaded, as far as its head tells */
};

/* context_tok, n_slots: as in struct engine_config; they give kv_bytes. */
void model_facts_read(
        struct model_facts *out, const char *path, uint32_t context_tok, int n_slots);

#endif
