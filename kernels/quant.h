/*
 * quant.h - the types of stored weights and how one row of each is decoded. Block layouts
 * follow the GGUF block formats; all numbers in a file are little-endian.
 */
#ifndef KERNELS_QUANT_H
#define KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum quant {
#define QUANT(id, ...) QUANT_##id,
#include "kernels/quant.def"
#undef QUANT
    QUANT_COUNT
};

struct quant_traits {
    const char *name;
    uint32_t file_id, block_elems, block_bytes;
    void (*decode)(const void *row, float *out, size_t n); /* n: a multiple of block_elems */
};
extern const struct quant_traits quant_traits[QUANT_COUNT];

/* The row of quant.def with this id in a GGUF file; -1: unknown. */
int quant_find(uint32_t file_id);
/* Bytes of n values; n is a multiple of the block. */
size_t quant_row_bytes(enum quant quant, size_t n);

float half_to_float(uint16_t half);
uint16_t float_to_half(float value); /* round to nearest even */

#ifdef __cplusplus
}
#endif

#endif
