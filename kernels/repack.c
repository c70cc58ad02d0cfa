/*
 * repack.c - GGUF blocks to planes and back. What bits of fewer than 8 need is a transposition
 * (of groups, which share bytes in the file, and of values, which do in a plane): exchanges of
 * bits between whole words, and done once more they are undone, so both directions share them.
 */
#include "kernels/repack.h"

#include <stdbool.h>
#include <string.h>

#define GROUP      32
#define K_GROUPS   8 /* of a block of 256 values */
#define UNIT_WORDS 8 /* of 4 bytes; of a block of 256 values */
#define PIECE      16
#define PLANE_END  256 /* planes begin at multiples of this */

/* Bytes per group of the low and high plane, and of the scales per block of the file; where in
 * that block the low and high bits begin. */
static const struct {
    uint32_t low, high, scale, low_at, high_at;
} sizes[QUANT_COUNT] = {
        [QUANT_F32] = {128, 0, 0, 0, 0},
        [QUANT_F16] = {64, 0, 0, 0, 0},
        [QUANT_BF16] = {64, 0, 0, 0, 0},
        [QUANT_Q4_0] = {16, 0, 2, 2, 0},
        [QUANT_Q4_1] = {16, 0, 4, 4, 0},
        [QUANT_Q5_0] = {16, 4, 2, 6, 2},
        [QUANT_Q5_1] = {16, 4, 4, 8, 4},
        [QUANT_Q8_0] = {32, 0, 2, 2, 0},
        [QUANT_Q2_K] = {8, 0, 20, 16, 0},
        [QUANT_Q3_K] = {8, 4, 16, 32, 0},
        [QUANT_Q4_K] = {16, 0, 16, 16, 0},
        [QUANT_Q5_K] = {16, 4, 16, 48, 16},
        [QUANT_Q6_K] = {16, 8, 18, 0, 128},
};

static bool is_float(enum quant quant)
{
    return quant_traits[quant].block_elems == 1;
}

static size_t next_plane(size_t offset)
{
    return (offset + PLANE_END - 1) / PLANE_END * PLANE_END;
}

struct plane_layout plane_layout_of(enum quant quant, uint32_t n_in, uint32_t n_out)
{
    struct plane_layout l = {.n_groups = (n_in + GROUP - 1) / GROUP};
    uint32_t n_blocks = is_float(quant) ? 0 : n_in / quant_traits[quant].block_elems;
    l.low.row_bytes = sizes[quant].low * l.n_groups;
    l.high.row_bytes = sizes[quant].high * l.n_groups;
    l.scale.row_bytes = sizes[quant].scale * n_blocks;
    l.high.offset = next_plane((size_t)l.low.row_bytes * n_out);
    l.scale.offset = next_plane(l.high.offset + (size_t)l.high.row_bytes * n_out);
    l.slab_bytes = next_plane(l.scale.offset + (size_t)l.scale.row_bytes * n_out);
    return l;
}

/* ---- bits ---------------------------------------------------------------------------- */

/* Exchanges the bits of `mask` in *b with those that lie `shift` higher in *a. */
static inline void exchange(uint32_t *a, uint32_t *b, uint32_t mask, uint32_t shift)
{
    uint32_t differing = (*a >> shift ^ *b) & mask;
    *a ^= differing << shift;
    *b ^= differing;
}

static inline void exchange_words(uint32_t *words, uint32_t distance, uint32_t shift)
{
    static const uint32_t masks[] = {[1] = 0x55555555, [2] = 0x33333333, [4] = 0x0F0F0F0F};
    for (uint32_t k = 0; k < UNIT_WORDS; k++)
        if (!(k & distance))
            exchange(words + k, words + k + distance, masks[shift], shift);
}

/* Fields of `width` bits: byte i of word k of a unit has one of value 4k + i of each of 8 /
 * width groups. Afterwards a byte has one of each of so many values of the same group. */
static inline void transpose(uint32_t *words, uint32_t width)
{
    if (width == 4) {
        exchange_words(words, 4, 4);
    } else if (width == 2) {
        exchange_words(words, 2, 4);
        exchange_words(words, 1, 2);
    } else {
        exchange_words(words, 4, 4);
        exchange_words(words, 2, 2);
        exchange_words(words, 1, 1);
    }
}

/* plane: of the unit's first group; the others follow `step` groups apart. */
static inline void convert_unit(
        uint8_t *unit, uint8_t *plane, uint32_t width, uint32_t step, bool is_packed)
{
    uint32_t words[UNIT_WORDS], word_bytes = sizeof *words;
    if (!is_packed) {
        memcpy(words, unit, sizeof words);
        transpose(words, width);
    }
    for (uint32_t i = 0; i < UNIT_WORDS; i++) {
        uint32_t group = width == 2 ? i % 4 : i / width, part = width == 2 ? i / 4 : i % width;
        uint8_t *at = plane + (group * step * width + part) * word_bytes;
        memcpy(is_packed ? (void *)(words + i) : at, is_packed ? at : (void *)(words + i),
                word_bytes);
    }
    if (is_packed) {
        transpose(words, width);
        memcpy(unit, words, sizeof words);
    }
}

/* Of a block of 256 values. is_apart: groups that share bytes are not neighbours, but j and
 * j + 2. */
static inline void convert_units(
        uint8_t *units, uint8_t *plane, uint32_t width, bool is_apart, bool is_packed)
{
    for (uint32_t u = 0; u < width; u++) {
        uint32_t first = is_apart ? u / 2 * 4 + u % 2 : u * K_GROUPS / width;
        convert_unit(units + u * UNIT_WORDS * 4, plane + first * width * 4, width,
                is_apart ? 2 : 1, is_packed);
    }
}

/* Fifth bits of Q5_0 and Q5_1: bit v of the file is bit v / 4 of byte v % 4 in the plane. */
static inline void convert_fifth_bits(uint8_t *in_file, uint8_t *in_plane, bool is_packed)
{
    static const struct {
        uint32_t mask, shift;
    } exchanges[] = {{0x0A0A0A0A, 3}, {0x00CC00CC, 6}, {0x0000FF00, 8}, {0x00F000F0, 4}};
    const int n = sizeof exchanges / sizeof *exchanges;
    uint32_t word;
    memcpy(&word, is_packed ? in_plane : in_file, sizeof word);
    for (int i = 0; i < n; i++) {
        int at = is_packed ? n - 1 - i : i;
        uint32_t shift = exchanges[at].shift;
        uint32_t differing = (word >> shift ^ word) & exchanges[at].mask;
        word ^= differing | differing << shift;
    }
    memcpy(is_packed ? in_file : in_plane, &word, sizeof word);
}

/* low, high: of the block's first group. */
static inline void convert_bits(enum quant quant, uint32_t block_elems, uint8_t *block,
        uint8_t *low, uint8_t *high, bool is_packed)
{
    uint8_t *low_in_file = block + sizes[quant].low_at;
    uint8_t *high_in_file = block + sizes[quant].high_at;
    if (block_elems == GROUP) { /* the file's low bits are as in a plane */
        memcpy(is_packed ? low_in_file : low, is_packed ? low : low_in_file, sizes[quant].low);
        if (sizes[quant].high)
            convert_fifth_bits(high_in_file, high, is_packed);
        return;
    }
    convert_units(low_in_file, low, sizes[quant].low / 4, quant == QUANT_Q6_K, is_packed);
    if (sizes[quant].high)
        convert_units(high_in_file, high, sizes[quant].high / 4, false, is_packed);
}

/* ---- a row's values ----------------------------------------------------------------- */

/* A row in the file and its place in the three planes. */
struct row {
    uint8_t *blocks;
    size_t n_bytes;
    uint8_t *low, *high, *scale;
    uint32_t n_groups;
};

/* Types of 8 bits or more. Of the last group of floats there may be less in the file. */
static void convert_pieces(enum quant quant, const struct row *r, bool is_packed)
{
    uint32_t group_bytes = sizes[quant].low, head = is_float(quant) ? 0 : sizes[quant].scale;
    for (uint32_t g = 0; g < r->n_groups; g++) {
        uint32_t tile = g / PLANE_TILE * PLANE_TILE;
        uint32_t n_tile = r->n_groups - tile < PLANE_TILE ? r->n_groups - tile : PLANE_TILE;
        for (uint32_t p = 0; p < group_bytes / PIECE; p++) {
            size_t from = (size_t)g * (group_bytes + head) + head + p * PIECE;
            size_t left = from < r->n_bytes ? r->n_bytes - from : 0;
            uint8_t *in_file = r->blocks + from;
            uint8_t *in_plane =
                    r->low + (size_t)tile * group_bytes + (p * n_tile + g - tile) * PIECE;
            memcpy(is_packed ? in_file : in_plane, is_packed ? in_plane : in_file,
                    left < PIECE ? left : PIECE);
        }
    }
}

/* ---- a row's scales ----------------------------------------------------------------- */

struct pairs {
    uint8_t a[K_GROUPS], b[K_GROUPS];
};

static void put_twelve_bits(uint8_t *out, const struct pairs *p)
{
    for (int j = 0; j < K_GROUPS; j++) {
        out[j] = (uint8_t)(p->a[j] | p->b[j] << 6);
        out[K_GROUPS + j / 2] |= (uint8_t)(p->b[j] >> 2 << j % 2 * 4);
    }
}

static struct pairs get_twelve_bits(const uint8_t *in)
{
    struct pairs p;
    for (int j = 0; j < K_GROUPS; j++) {
        p.a[j] = in[j] & 63;
        p.b[j] = (uint8_t)(in[j] >> 6 | (in[K_GROUPS + j / 2] >> j % 2 * 4 & 15) << 2);
    }
    return p;
}

/* The 12 bytes of Q4_K and Q5_K: of groups 0-3 the scales, then the minima, each with two bits
 * of groups 4-7 above, then low nibbles of scale and minimum of groups 4-7. */
static struct pairs scales_of_q4(const uint8_t *s)
{
    struct pairs p;
    for (int j = 0; j < 4; j++) {
        p.a[j] = s[j] & 63;
        p.b[j] = s[j + 4] & 63;
        p.a[j + 4] = (uint8_t)((s[j + 8] & 15) | s[j] >> 6 << 4);
        p.b[j + 4] = (uint8_t)(s[j + 8] >> 4 | s[j + 4] >> 6 << 4);
    }
    return p;
}

static void put_scales_of_q4(uint8_t *s, const struct pairs *p)
{
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(p->a[j] | p->a[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(p->b[j] | p->b[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((p->a[j + 4] & 15) | (p->b[j + 4] & 15) << 4);
    }
}

/* Scale g of Q3_K's 16: a nibble of the first 8 bytes, two bits of the last 4. */
static struct pairs scales_of_q3(const uint8_t *s)
{
    struct pairs p;
    for (int g = 0; g < 2 * K_GROUPS; g++) {
        uint8_t scale =
                (uint8_t)((s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4);
        (g % 2 ? p.b : p.a)[g / 2] = scale;
    }
    return p;
}

static void put_scales_of_q3(uint8_t *s, const struct pairs *p)
{
    for (int g = 0; g < 2 * K_GROUPS; g++) {
        uint8_t scale = (g % 2 ? p->b : p->a)[g / 2];
        s[g % 8] |= (uint8_t)((scale & 15) << g / 8 * 4);
        s[8 + g % 4] |= (uint8_t)(scale >> 4 << g / 4 * 2);
    }
}

/* out: the row's scale plane; block i of n. */
static void pack_scales(
        enum quant quant, const uint8_t *block, uint32_t i, uint32_t n, uint8_t *out)
{
    uint32_t size = sizes[quant].scale;
    uint8_t *at = out + (size_t)i * size;
    struct pairs p;
    switch (quant) {
    case QUANT_Q2_K:
        memcpy(out + (size_t)i * 16, block, 16);
        memcpy(out + (size_t)n * 16 + (size_t)i * 4, block + 80, 4);
        break;
    case QUANT_Q3_K:
        memcpy(at, block + 108, 2);
        p = scales_of_q3(block + 96);
        put_twelve_bits(at + 4, &p);
        break;
    case QUANT_Q4_K:
    case QUANT_Q5_K:
        memcpy(at, block, 4);
        p = scales_of_q4(block + 4);
        put_twelve_bits(at + 4, &p);
        break;
    case QUANT_Q6_K:
        memcpy(out + (size_t)i * 16, block + 192, 16);
        memcpy(out + (size_t)n * 16 + (size_t)i * 2, block + 208, 2);
        break;
    default:
        memcpy(at, block, size);
    }
}

static void unpack_scales(
        enum quant quant, const uint8_t *in, uint32_t i, uint32_t n, uint8_t *block)
{
    uint32_t size = sizes[quant].scale;
    const uint8_t *at = in + (size_t)i * size;
    struct pairs p;
    switch (quant) {
    case QUANT_Q2_K:
        memcpy(block, in + (size_t)i * 16, 16);
        memcpy(block + 80, in + (size_t)n * 16 + (size_t)i * 4, 4);
        break;
    case QUANT_Q3_K:
        memcpy(block + 108, at, 2);
        p = get_twelve_bits(at + 4);
        put_scales_of_q3(block + 96, &p);
        break;
    case QUANT_Q4_K:
    case QUANT_Q5_K:
        memcpy(block, at, 4);
        p = get_twelve_bits(at + 4);
        put_scales_of_q4(block + 4, &p);
        break;
    case QUANT_Q6_K:
        memcpy(block + 192, in + (size_t)i * 16, 16);
        memcpy(block + 208, in + (size_t)n * 16 + (size_t)i * 2, 2);
        break;
    default:
        memcpy(block, at, size);
    }
}

/* ---- rows --------------------------------------------------------------------------- */

static inline void convert_blocks(enum quant quant, uint32_t block_elems, uint32_t block_bytes,
        const struct row *r, bool is_packed)
{
    uint32_t n_groups = block_elems / GROUP, n_blocks = r->n_groups / n_groups;
    if (is_packed)
        memset(r->blocks, 0, r->n_bytes);
    for (uint32_t i = 0; i < n_blocks; i++) {
        uint8_t *block = r->blocks + (size_t)i * block_bytes;
        if (is_packed)
            unpack_scales(quant, r->scale, i, n_blocks, block);
        else
            pack_scales(quant, block, i, n_blocks, r->scale);
        if (sizes[quant].low <= PIECE)
            convert_bits(quant, block_elems, block,
                    r->low + (size_t)i * n_groups * sizes[quant].low,
                    r->high + (size_t)i * n_groups * sizes[quant].high, is_packed);
    }
}

/* The loop once per type and direction: widths and places are then known to the compiler. */
static void convert_row(enum quant quant, const struct row *r, bool is_packed)
{
    switch (quant) {
#define QUANT(id, name, file_id, block_elems, block_bytes)                                     \
    case QUANT_##id:                                                                           \
        if (block_elems == 1)                                                                  \
            break;                                                                             \
        if (is_packed)                                                                         \
            convert_blocks(QUANT_##id, block_elems, block_bytes, r, true);                     \
        else                                                                                   \
            convert_blocks(QUANT_##id, block_elems, block_bytes, r, false);                    \
        break;
#include "kernels/quant.def"
#undef QUANT
    case QUANT_COUNT:
        break;
    }
    if (sizes[quant].low > PIECE)
        convert_pieces(quant, r, is_packed);
}

/* Only the side that is converted to is written. */
static struct row row_at(enum quant quant, const struct plane_layout *l, uint8_t *base,
        uint8_t *rows, size_t row_bytes, uint32_t n_in, uint32_t r)
{
    return (struct row){
            .blocks = rows + r * row_bytes,
            .n_bytes = quant_row_bytes(quant, n_in),
            .low = base + l->low.offset + (size_t)r * l->low.row_bytes,
            .high = base + l->high.offset + (size_t)r * l->high.row_bytes,
            .scale = base + l->scale.offset + (size_t)r * l->scale.row_bytes,
            .n_groups = l->n_groups,
    };
}

void planes_pack(enum quant quant, const struct plane_layout *layout, const void *rows,
        size_t row_bytes, uint32_t n_in, uint32_t n_out, void *out)
{
    memset(out, 0, layout->slab_bytes);
    for (uint32_t r = 0; r < n_out; r++) {
        struct row row = row_at(quant, layout, out, (uint8_t *)rows, row_bytes, n_in, r);
        convert_row(quant, &row, false);
    }
}

void planes_unpack(enum quant quant, const struct plane_layout *layout, const void *slab,
        size_t row_bytes, uint32_t n_in, uint32_t n_out, void *rows)
{
    for (uint32_t r = 0; r < n_out; r++) {
        struct row row = row_at(quant, layout, (uint8_t *)slab, rows, row_bytes, n_in, r);
        convert_row(quant, &row, true);
    }
}
