/*
 * repack.h - the form in which the CUDA backend keeps weights: planes. GGUF blocks of most
 * types are no multiple of 16 bytes, so a lane could not load 16 aligned bytes of quants. Here
 * every row is cut into groups of 32 values, one per lane; each type's low bits, high bits and
 * scales lie in planes of their own, the same number of bytes per group, so that a warp
 * instruction reads contiguous aligned memory. Nothing is rounded: unpacking gives the file's
 * bytes back. Plain C, seen by nvcc too.
 *
 * Slab (one expert, or the whole matrix): [low plane][high plane][scale plane], each from an
 * offset that is a multiple of 256; row r of a plane begins at r * row_bytes of that plane.
 *
 * Within a group, value v is byte v % 4 of word v / 4 when it has 8 bits. Fewer bits share
 * bytes so that a shift and a mask of whole words give four values in order:
 *   4 bits   word v/4 % 4, bits 4 (v/16)                    low: Q4, Q5, Q6
 *   2 bits   word v/16,    bits 2 (v/4 % 4)                 low: Q2_K, Q3_K; high: Q6_K
 *   1 bit    the word,     bit v/4                          high: Q5, Q3_K
 * (word, then bits within byte v % 4). Groups of more than 16 bytes (Q8_0, the floats) are cut
 * into pieces of 16: of PLANE_TILE groups first all first pieces, then all second ones, and so
 * on, since PLANE_TILE lanes read a row together.
 *
 * Scales of a group of the 32-value types: d, or d and m, as in the file. Of 256 values:
 *   Q4_K, Q5_K   16 bytes: d, m, twelve_bits of (scale, minimum) of each group
 *   Q3_K         16 bytes: d, 0, twelve_bits of the two scales of each group
 *   Q2_K, Q6_K   16 bytes as in the file; behind those of the whole row: d, m or d of each 256
 * twelve_bits of eight pairs (a, b) of 6 bits: byte j is a | b << 6, then nibble j is b >> 2.
 */
#ifndef KERNELS_REPACK_H
#define KERNELS_REPACK_H

#include "kernels/quant.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLANE_TILE 8

struct plane {
    size_t offset;      /* in a slab */
    uint32_t row_bytes; /* 0: the type has no such plane */
};

struct plane_layout {
    uint32_t n_groups; /* of 32 values in a row; the last may be padded with zeros */
    struct plane low, high, scale;
    size_t slab_bytes; /* a multiple of 256 */
};

struct plane_layout plane_layout_of(enum quant quant, uint32_t n_in, uint32_t n_out);
/* rows: [n_out] rows as in a GGUF file, row_bytes apart; out: slab_bytes, 256-byte aligned for
 * the device, any for the host. */
void planes_pack(enum quant quant, const struct plane_layout *layout, const void *rows,
        size_t row_bytes, uint32_t n_in, uint32_t n_out, void *out);
void planes_unpack(enum quant quant, const struct plane_layout *layout, const void *slab,
        size_t row_bytes, uint32_t n_in, uint32_t n_out, void *rows);

#ifdef __cplusplus
}
#endif

#endif
