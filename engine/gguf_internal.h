/* gguf_internal.h - an open file as gguf.c reads it and gguf_keys.c looks it up. */
#ifndef ENGINE_GGUF_INTERNAL_H
#define ENGINE_GGUF_INTERNAL_H

#include "engine/gguf.h"

struct entry {
    struct slice key;
    enum gguf_type type;
    const unsigned char *value; /* of an array: behind its header */
    struct gguf_array array;
};

struct gguf {
    char *path;
    const unsigned char *bytes;
    size_t n_bytes;
    bool is_mapped; /* else the bytes are a part of the program */
    struct entry *entries;
    uint64_t n_entries;
    struct gguf_tensor *tensors;
    uint64_t n_tensors;
    uint32_t *index; /* tensors sorted by name */
};

extern const unsigned char gguf_type_bytes[GGUF_TYPE_COUNT]; /* 0: of no fixed size */

static inline uint64_t gguf_read_le(const unsigned char *bytes, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

#endif
