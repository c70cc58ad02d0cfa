/* arch.h - the rows of arch_*.c, one file per architecture. */
#ifndef ENGINE_ARCH_H
#define ENGINE_ARCH_H

struct arch; /* model_internal.h */

extern const struct arch arch_llama, arch_qwen3, arch_qwen3moe, arch_olmoe;

#endif
