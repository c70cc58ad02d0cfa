/*
 * quant_cuda.cuh - how a lane reads a group of 32 weights from the planes of repack.h, as
 * floats, or as integers for products with activations of 8 bits. All is known at compile time
 * but the group: what a type needs stays in registers. A new type is a row in gk_shape_of, and
 * in gk_scales_of where its scales are like no other's.
 */
#ifndef KERNELS_QUANT_CUDA_CUH
#define KERNELS_QUANT_CUDA_CUH

#include "kernels/gk.h"
#include "kernels/repack.h"

/* value = scale * (q - offset) + minimum; q is unsigned but in Q8_0. */
struct gk_shape {
    int low_bytes, high_bytes; /* of a group in a plane */
    int high_shift;            /* where the high bits belong in q */
    int scale_words;           /* read for a group, 32 bits each */
    int n_scales;              /* 2: the halves of a group have their own */
    int offset;
    bool has_minimum;
    int ahead; /* groups that a lane loads before it uses the first */
};

constexpr gk_shape gk_shape_of(enum quant quant)
{
    switch (quant) {
    case QUANT_Q4_0:
        return {16, 0, 0, 1, 1, 8, false, 4};
    case QUANT_Q4_1:
        return {16, 0, 0, 1, 1, 0, true, 4};
    case QUANT_Q5_0:
        return {16, 4, 4, 1, 1, 16, false, 4};
    case QUANT_Q5_1:
        return {16, 4, 4, 1, 1, 0, true, 4};
    case QUANT_Q8_0:
        return {32, 0, 0, 1, 1, 0, false, 2};
    case QUANT_Q2_K:
        return {8, 0, 0, 2, 2, 0, true, 4};
    case QUANT_Q3_K:
        return {8, 4, 2, 4, 2, 4, false, 2};
    case QUANT_Q4_K:
        return {16, 0, 0, 4, 1, 0, true, 2};
    case QUANT_Q5_K:
        return {16, 4, 4, 4, 1, 0, true, 2};
    case QUANT_Q6_K:
        return {16, 8, 4, 2, 2, 32, false, 2};
    case QUANT_F16:
    case QUANT_BF16:
        return {64, 0, 0, 0, 1, 0, false, 1};
    case QUANT_F32:
        return {128, 0, 0, 0, 1, 0, false, 1};
    case QUANT_COUNT:
        break;
    }
    return {};
}

/* A row in the three planes. */
struct gk_row {
    const unsigned char *low, *high, *scale;
    uint32_t n_groups;
};

GK_DEV gk_row gk_row_at(const unsigned char *slab, const plane_layout &layout, uint32_t row)
{
    return gk_row{slab + layout.low.offset + (size_t)row * layout.low.row_bytes,
            slab + layout.high.offset + (size_t)row * layout.high.row_bytes,
            slab + layout.scale.offset + (size_t)row * layout.scale.row_bytes, layout.n_groups};
}

/* A group of a block type as loaded. */
template <enum quant Q> struct gk_group {
    static constexpr gk_shape shape = gk_shape_of(Q);
    static constexpr bool is_float = shape.low_bytes > 32;
    uint32_t low[shape.low_bytes / 4];
    uint32_t high[shape.high_bytes ? shape.high_bytes / 4 : 1];
    uint32_t scale[shape.scale_words ? shape.scale_words : 1];
};

GK_DEV void gk_load_16(uint32_t *words, const unsigned char *at)
{
    uint4 v = gk_ld_stream((const uint4 *)at);
    words[0] = v.x;
    words[1] = v.y;
    words[2] = v.z;
    words[3] = v.w;
}

template <int N_BYTES> GK_DEV void gk_load_bits(uint32_t *words, const unsigned char *at)
{
    if constexpr (N_BYTES == 16) {
        gk_load_16(words, at);
    } else if constexpr (N_BYTES == 8) {
        uint2 v = gk_ld_stream((const uint2 *)at);
        words[0] = v.x;
        words[1] = v.y;
    } else if constexpr (N_BYTES == 4) {
        words[0] = gk_ld_stream((const uint32_t *)at);
    }
}

/* Where the first piece of group g lies, and in `stride` how far it is to the next: see
 * PLANE_TILE. */
GK_DEV const unsigned char *gk_pieces_at(
        const gk_row &row, uint32_t g, uint32_t group_bytes, uint32_t *stride)
{
    uint32_t tile = g - g % PLANE_TILE, n_left = row.n_groups - tile;
    *stride = 16 * (n_left < PLANE_TILE ? n_left : PLANE_TILE);
    return row.low + (size_t)tile * group_bytes + 16 * (g - tile);
}

template <enum quant Q>
GK_DEV void gk_load_scale(uint32_t *words, const gk_row &row, uint32_t g)
{
    if constexpr (Q == QUANT_Q4_0 || Q == QUANT_Q5_0 || Q == QUANT_Q8_0) {
        words[0] = gk_ld_stream((const uint16_t *)(row.scale + 2 * g));
    } else if constexpr (Q == QUANT_Q4_1 || Q == QUANT_Q5_1) {
        words[0] = gk_ld_stream((const uint32_t *)(row.scale + 4 * g));
    } else if constexpr (Q == QUANT_Q2_K) {
        words[0] = gk_ld_stream((const uint16_t *)(row.scale + 2 * g));
        words[1] = gk_ld_stream((const uint32_t *)(row.scale + 2 * row.n_groups + g / 8 * 4));
    } else if constexpr (Q == QUANT_Q6_K) {
        words[0] = gk_ld_stream((const uint16_t *)(row.scale + 2 * g));
        words[1] = gk_ld_stream((const uint16_t *)(row.scale + 2 * row.n_groups + g / 8 * 2));
    } else if constexpr (gk_group<Q>::shape.scale_words == 4) {
        gk_load_16(words, row.scale + g / 8 * 16);
    }
}

template <enum quant Q>
GK_DEV void gk_load_group(gk_group<Q> &out, const gk_row &row, uint32_t g)
{
    if constexpr (gk_group<Q>::shape.low_bytes > 16) {
        uint32_t stride;
        const unsigned char *at = gk_pieces_at(row, g, gk_group<Q>::shape.low_bytes, &stride);
        GK_UNROLL
        for (int p = 0; p < gk_group<Q>::shape.low_bytes / 16; p++)
            gk_load_16(out.low + 4 * p, at + p * stride);
    } else {
        gk_load_bits<gk_group<Q>::shape.low_bytes>(
                out.low, row.low + g * gk_group<Q>::shape.low_bytes);
    }
    gk_load_bits<gk_group<Q>::shape.high_bytes>(
            out.high, row.high + g * gk_group<Q>::shape.high_bytes);
    gk_load_scale<Q>(out.scale, row, g);
}

/* ---- scales ------------------------------------------------------------------------- */

/* Of the two halves; equal when the type has one scale. */
struct gk_scales {
    float scale[2], minimum[2];
};

GK_DEV float gk_low_half(uint32_t word)
{
    return gk_half_to_float(gk_half_of_bits((uint16_t)word));
}

GK_DEV float gk_high_half(uint32_t word)
{
    return gk_half_to_float(gk_half_of_bits((uint16_t)(word >> 16)));
}

/* Pair j of twelve_bits (repack.h): three words. */
GK_DEV void gk_twelve_bits(const uint32_t *words, uint32_t j, uint32_t *a, uint32_t *b)
{
    uint32_t byte = (j < 4 ? words[0] : words[1]) >> 8 * (j % 4) & 255;
    *a = byte & 63;
    *b = byte >> 6 | (words[2] >> 4 * j & 15) << 2;
}

template <enum quant Q> GK_DEV gk_scales gk_scales_of(const gk_group<Q> &group, uint32_t g)
{
    const uint32_t *w = group.scale;
    float d = gk_low_half(w[0]);
    uint32_t a, b;
    if constexpr (Q == QUANT_Q2_K) {
        float m = -gk_high_half(w[1]);
        d = gk_low_half(w[1]);
        return {{d * (float)(w[0] & 15), d * (float)(w[0] >> 8 & 15)},
                {m * (float)(w[0] >> 4 & 15), m * (float)(w[0] >> 12 & 15)}};
    } else if constexpr (Q == QUANT_Q3_K) {
        gk_twelve_bits(w + 1, g % 8, &a, &b);
        return {{d * (float)((int)a - 32), d * (float)((int)b - 32)}, {0, 0}};
    } else if constexpr (Q == QUANT_Q4_K || Q == QUANT_Q5_K) {
        gk_twelve_bits(w + 1, g % 8, &a, &b);
        float scale = d * (float)a, minimum = -gk_high_half(w[0]) * (float)b;
        return {{scale, scale}, {minimum, minimum}};
    } else if constexpr (Q == QUANT_Q6_K) {
        d = gk_low_half(w[1]);
        return {{d * (float)(int8_t)w[0], d * (float)(int8_t)(w[0] >> 8)}, {0, 0}};
    } else {
        float m = gk_group<Q>::shape.has_minimum ? gk_high_half(w[0]) : 0;
        return {{d, d}, {m, m}};
    }
}

/* ---- values ------------------------------------------------------------------------- */

/* q of values 4k..4k+3, one a byte. */
template <enum quant Q> GK_DEV uint32_t gk_word(const gk_group<Q> &group, int k)
{
    uint32_t q;
    if constexpr (gk_group<Q>::shape.low_bytes == 32)
        q = group.low[k];
    else if constexpr (gk_group<Q>::shape.low_bytes == 16)
        q = group.low[k % 4] >> k / 4 * 4 & 0x0F0F0F0F;
    else
        q = group.low[k / 4] >> k % 4 * 2 & 0x03030303;
    if constexpr (gk_group<Q>::shape.high_bytes == 4)
        q |= (group.high[0] >> k & 0x01010101) << gk_group<Q>::shape.high_shift;
    else if constexpr (gk_group<Q>::shape.high_bytes == 8)
        q |= (group.high[k / 4] >> k % 4 * 2 & 0x03030303) << gk_group<Q>::shape.high_shift;
    return q;
}

/* Values 8p..8p+7 of a block type; p need not be known at compile time. */
template <enum quant Q>
GK_DEV void gk_eight_of_group(const gk_group<Q> &group, const gk_scales &s, int p, float *out)
{
    float scale = p < 2 ? s.scale[0] : s.scale[1];
    float minimum = p < 2 ? s.minimum[0] : s.minimum[1];
    uint32_t words[2] = {gk_word<Q>(group, 0), gk_word<Q>(group, 1)};
    GK_UNROLL
    for (int i = 1; i < 4; i++) {
        words[0] = p == i ? gk_word<Q>(group, 2 * i) : words[0];
        words[1] = p == i ? gk_word<Q>(group, 2 * i + 1) : words[1];
    }
    GK_UNROLL
    for (int i = 0; i < 8; i++) {
        uint32_t byte = words[i / 4] >> i % 4 * 8;
        int q = Q == QUANT_Q8_0 ? (int)(int8_t)byte
                                : (int)(byte & 255) - gk_group<Q>::shape.offset;
        out[i] = scale * (float)q + minimum;
    }
}

/* Eight values of a float type as loaded: a piece, or two. */
template <enum quant Q> struct gk_eight {
    static constexpr int n_pieces = Q == QUANT_F32 ? 2 : 1;
    uint32_t words[4 * n_pieces];
};

/* Values 8p..8p+7 of group g. */
template <enum quant Q>
GK_DEV void gk_load_eight(gk_eight<Q> &out, const gk_row &row, uint32_t g, int p)
{
    uint32_t stride;
    const unsigned char *at = gk_pieces_at(row, g, gk_group<Q>::shape.low_bytes, &stride);
    GK_UNROLL
    for (int i = 0; i < gk_eight<Q>::n_pieces; i++)
        gk_load_16(out.words + 4 * i, at + (p * gk_eight<Q>::n_pieces + i) * stride);
}

template <enum quant Q> GK_DEV void gk_eight_floats(const gk_eight<Q> &eight, float *out)
{
    GK_UNROLL
    for (int i = 0; i < 8; i++) {
        uint32_t word = eight.words[i * gk_eight<Q>::n_pieces / 2];
        if constexpr (Q == QUANT_F32)
            out[i] = __uint_as_float(word);
        else if constexpr (Q == QUANT_BF16)
            out[i] = __uint_as_float(i % 2 ? word & 0xFFFF0000 : word << 16);
        else
            out[i] = i % 2 ? gk_high_half(word) : gk_low_half(word);
    }
}

/* Values 8p..8p+7 of group g of any type. */
template <enum quant Q>
GK_DEV void gk_eight_values(const gk_row &row, uint32_t g, int p, float *out)
{
    if constexpr (gk_group<Q>::is_float) {
        gk_eight<Q> eight;
        gk_load_eight<Q>(eight, row, g, p);
        gk_eight_floats<Q>(eight, out);
    } else {
        gk_group<Q> group;
        gk_load_group<Q>(group, row, g);
        gk_eight_of_group<Q>(group, gk_scales_of<Q>(group, g), p, out);
    }
}

/* The same where the type is known only when the kernel runs. */
GK_DEV void gk_any_eight_values(
        enum quant quant, const gk_row &row, uint32_t g, int p, float *out)
{
    switch (quant) {
#define QUANT(id, ...)                                                                         \
    case QUANT_##id:                                                                           \
        gk_eight_values<QUANT_##id>(row, g, p, out);                                           \
        break;
#include "kernels/quant.def"
#undef QUANT
    default:
        break;
    }
}

/* ---- products with 8 bits ----------------------------------------------------------- */

/* 32 activations: x = d * q; sums holds those of the two halves of q, 16 bits each. */
struct gk_act {
    uint32_t q[8];
    float d;
    uint32_t sums;
};

/* words: gk_word of the group, k = 0 to 7. */
template <enum quant Q>
GK_DEV float gk_group_product(const uint32_t *words, const gk_scales &s, const gk_act &act)
{
    int dots[2] = {0, 0}, sums[2] = {(int16_t)act.sums, (int32_t)act.sums >> 16};
    GK_UNROLL
    for (int k = 0; k < 8; k++)
        dots[k / 4] = __dp4a((int)words[k], (int)act.q[k], dots[k / 4]);
    if constexpr (gk_group<Q>::shape.n_scales == 1) {
        int sum = sums[0] + sums[1];
        float value = s.scale[0] * (float)(dots[0] + dots[1] - gk_group<Q>::shape.offset * sum);
        if constexpr (gk_group<Q>::shape.has_minimum)
            value += s.minimum[0] * (float)sum;
        return act.d * value;
    } else {
        float value = s.scale[0] * (float)(dots[0] - gk_group<Q>::shape.offset * sums[0]) +
                      s.scale[1] * (float)(dots[1] - gk_group<Q>::shape.offset * sums[1]);
        if constexpr (gk_group<Q>::shape.has_minimum)
            value += s.minimum[0] * (float)sums[0] + s.minimum[1] * (float)sums[1];
        return act.d * value;
    }
}

#endif
