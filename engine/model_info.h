/* model_info.h - what is told about a model: its shape, its sizes. */
#ifndef ENGINE_MODEL_INFO_H
#define ENGINE_MODEL_INFO_H

#include <stdint.h>

struct model_info {
    char arch[32], name[128], quant[32];
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_vocab, n_ff;
    uint32_t n_experts, n_experts_used;      /* 0: dense */
    uint32_t context_train_tok, context_tok; /* trained with; KV cells now */
    uint64_t n_params, n_params_active;
    uint64_t file_bytes, kv_bytes, active_bytes; /* active: weights read per token */
    char kernel[160];                            /* "avx2", "cuda: NVIDIA …" */
    char why_cpu[320]; /* a sentence: why a GPU's backend is not used; "": nothing to say */
};

#endif
