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
 */
#ifndef KERNELS_REPACK_H
#define KERNELS_REPACK_H

#include "kernels/quant.h"

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

#endif
