/*
 * repack.c - GGUF blocks to planes and back. Both directions of a type share one description of
 * where its bits are (`bits_at`), four values at a time: the values of a group pass through
 * eight words of four bytes.
 */
#include "kernels/repack.h"

#include <stdbool.h>
#include <string.h>

#define GROUP     32
#define N_WORDS   8 /* of a group */
#define K_GROUPS  8 /* of a block of 256 values */
#define PIECE     16
#define PLANE_END 256 /* planes begin at multiples of this */

/* Bytes per group of the low and high plane, and of the scales per block of the file. */
static const struct {
    uint32_t low, high, scale;
} sizes[QUANT_COUNT] = {
        [QUANT_F32] = {128, 0, 0},
        [QUANT_F16] = {64, 0, 0},
        [QUANT_BF16] = {64, 0, 0},
        [QUANT_Q4_0] = {16, 0, 2},
        [QUANT_Q4_1] = {16, 0, 4},
        [QUANT_Q5_0] = {16, 4, 2},
        [QUANT_Q5_1] = {16, 4, 4},
        [QUANT_Q8_0] = {32, 0, 2},
        [QUANT_Q2_K] = {8, 0, 20},
        [QUANT_Q3_K] = {8, 4, 16},
        [QUANT_Q4_K] = {16, 0, 16},
        [QUANT_Q5_K] = {16, 4, 16},
        [QUANT_Q6_K] = {16, 8, 18},
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

/* ---- four values at a time ---------------------------------------------------------- */

static inline uint32_t load_word(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline void store_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof word);
}

/* Where bits of values 4k..4k+3 are: byte i of the word at `byte` holds value 4k + i's, from
 * `shift` on. */
struct bits {
    uint32_t byte, shift, width;
};

static const uint32_t masks[] = {0, 0x01010101, 0x03030303, 0, 0x0F0F0F0F};

static inline uint32_t get_bits(const uint8_t *at, struct bits b)
{
    return load_word(at + b.byte) >> b.shift & masks[b.width];
}

static inline void put_bits(uint8_t *at, struct bits b, uint32_t word)
{
    store_word(at + b.byte, load_word(at + b.byte) | word << b.shift);
}

struct group_bits {
    struct bits low, high;
};

/* In a block of the file: values 4k..4k+3 of group j. Fifth bits of Q5_0 and Q5_1 lie
 * elsewhere. */
static inline struct group_bits bits_at(enum quant quant, uint32_t j, uint32_t k)
{
    uint32_t half = j / 4, quarter = j % 4, pair = 4 * k + 32 * (j / 2);
    switch (quant) {
    case QUANT_Q4_0:
        return (struct group_bits){{2 + k % 4 * 4, k / 4 * 4, 4}, {0}};
    case QUANT_Q4_1:
        return (struct group_bits){{4 + k % 4 * 4, k / 4 * 4, 4}, {0}};
    case QUANT_Q5_0:
        return (struct group_bits){{6 + k % 4 * 4, k / 4 * 4, 4}, {0}};
    case QUANT_Q5_1:
        return (struct group_bits){{8 + k % 4 * 4, k / 4 * 4, 4}, {0}};
    case QUANT_Q2_K:
        return (struct group_bits){{16 + 32 * half + 4 * k, 2 * quarter, 2}, {0}};
    case QUANT_Q3_K:
        return (struct group_bits){{32 + 32 * half + 4 * k, 2 * quarter, 2}, {4 * k, j, 1}};
    case QUANT_Q4_K:
        return (struct group_bits){{16 + pair, j % 2 * 4, 4}, {0}};
    case QUANT_Q5_K:
        return (struct group_bits){{48 + pair, j % 2 * 4, 4}, {16 + 4 * k, j, 1}};
    case QUANT_Q6_K:
        return (struct group_bits){{64 * half + 32 * (j % 2) + 4 * k, quarter / 2 * 4, 4},
                {128 + 32 * half + 4 * k, 2 * quarter, 2}};
    default:
        return (struct group_bits){{0}, {0}};
    }
}

/* In a plane: the same values of a group, `width` bits each. */
static inline struct bits plane_bits(uint32_t k, uint32_t width)
{
    if (width == 4)
        return (struct bits){k % 4 * 4, k / 4 * 4, 4};
    if (width == 2)
        return (struct bits){k / 4 * 4, k % 4 * 2, 2};
    return (struct bits){0, k, 1};
}

/* The four fifth bits from bit 4k of Q5_0 and Q5_1's 32, as a word and back. */
static inline uint32_t spread_four(uint32_t bits)
{
    return (bits & 1) | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21;
}

static inline uint32_t gather_four(uint32_t word)
{
    return (word & 1) | (word >> 7 & 2) | (word >> 14 & 4) | (word >> 21 & 8);
}

static inline bool has_fifth_bits(enum quant quant)
{
    return quant == QUANT_Q5_0 || quant == QUANT_Q5_1;
}

static inline uint32_t fifth_bits_byte(enum quant quant)
{
    return quant == QUANT_Q5_0 ? 2 : 4;
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

/* The eight words of a group to `width` words of a plane and back. */
static inline void fold(uint8_t *plane, uint32_t width, const uint32_t *words)
{
    uint32_t out[4] = {0};
    for (uint32_t k = 0; k < N_WORDS; k++) {
        struct bits b = plane_bits(k, width);
        out[b.byte / 4] |= words[k] << b.shift;
    }
    memcpy(plane, out, width * sizeof *out);
}

static inline void unfold(const uint8_t *plane, uint32_t width, uint32_t *words)
{
    for (uint32_t k = 0; k < N_WORDS; k++)
        words[k] = get_bits(plane, plane_bits(k, width));
}

static inline void pack_group(
        enum quant quant, const uint8_t *block, uint32_t j, uint8_t *low, uint8_t *high)
{
    uint32_t low_words[N_WORDS], high_words[N_WORDS];
    for (uint32_t k = 0; k < N_WORDS; k++) {
        struct group_bits from = bits_at(quant, j, k);
        low_words[k] = get_bits(block, from.low);
        high_words[k] =
                has_fifth_bits(quant)
                        ? spread_four(load_word(block + fifth_bits_byte(quant)) >> 4 * k)
                        : get_bits(block, from.high);
    }
    fold(low, sizes[quant].low / 4, low_words);
    if (sizes[quant].high)
        fold(high, sizes[quant].high / 4, high_words);
}

/* Into a block of zeros. */
static inline void unpack_group(
        enum quant quant, const uint8_t *low, const uint8_t *high, uint32_t j, uint8_t *block)
{
    uint32_t low_words[N_WORDS], high_words[N_WORDS] = {0}, fifth = 0;
    unfold(low, sizes[quant].low / 4, low_words);
    if (sizes[quant].high)
        unfold(high, sizes[quant].high / 4, high_words);
    for (uint32_t k = 0; k < N_WORDS; k++) {
        struct group_bits to = bits_at(quant, j, k);
        put_bits(block, to.low, low_words[k]);
        fifth |= gather_four(high_words[k]) << 4 * k;
        if (to.high.width)
            put_bits(block, to.high, high_words[k]);
    }
    if (has_fifth_bits(quant))
        store_word(block + fifth_bits_byte(quant), fifth);
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
        for (uint32_t j = 0; sizes[quant].low <= PIECE && j < n_groups; j++) {
            size_t g = (size_t)i * n_groups + j;
            uint8_t *low = r->low + g * sizes[quant].low;
            uint8_t *high = r->high + g * sizes[quant].high;
            if (is_packed)
                unpack_group(quant, low, high, j, block);
            else
                pack_group(quant, block, j, low, high);
        }
    }
}

/* The loop once per type and direction: what bits_at says is then known to the compiler. */
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
