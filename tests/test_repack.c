/* test_repack.c - the planes of the CUDA backend hold what the file held: the values, by the
 * layout that repack.h describes, and the bytes, when they are unpacked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/repack.h"

#include "engine/base.h"

#define GUARD 0xA5

struct planes_case {
    enum quant quant;
    uint32_t n_in, n_out;
    size_t row_bytes; /* of the file, gaps included */
    uint8_t *file, *slab;
    struct plane_layout layout;
};

static void fill_randomly(uint8_t *bytes, size_t n)
{
    uint64_t seed = 7;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

static struct planes_case open_case(
        enum quant quant, uint32_t n_in, uint32_t n_out, size_t gap_bytes)
{
    struct planes_case c = {.quant = quant, .n_in = n_in, .n_out = n_out};
    c.row_bytes = quant_row_bytes(quant, n_in) + gap_bytes;
    c.layout = plane_layout_of(quant, n_in, n_out);
    c.file = mem_alloc(c.row_bytes * n_out);
    c.slab = mem_alloc(c.layout.slab_bytes + 1);
    fill_randomly(c.file, c.row_bytes * n_out);
    memset(c.slab, GUARD, c.layout.slab_bytes + 1);
    planes_pack(quant, &c.layout, c.file, c.row_bytes, n_in, n_out, c.slab);
    return c;
}

static void close_case(struct planes_case *c)
{
    mem_free(c->file);
    mem_free(c->slab);
}

/* Sizes that the type can have: the types of 256 values only multiples of them. */
static const uint32_t n_ins[] = {1, 7, 31, 32, 33, 64, 96, 100, 256, 288, 512, 768, 4128, 4352};
static bool is_possible(enum quant quant, uint32_t n_in)
{
    return n_in % quant_traits[quant].block_elems == 0;
}

static void check_unpacked(const struct planes_case *c)
{
    size_t n = c->row_bytes * c->n_out, used = quant_row_bytes(c->quant, c->n_in);
    uint8_t *back = mem_alloc(n);
    memset(back, GUARD, n);
    planes_unpack(c->quant, &c->layout, c->slab, c->row_bytes, c->n_in, c->n_out, back);
    for (uint32_t r = 0; r < c->n_out; r++) {
        const uint8_t *row = back + r * c->row_bytes;
        if (memcmp(row, c->file + r * c->row_bytes, used) != 0)
            fail_msg(
                    "%s, row %u of %u x %u", quant_traits[c->quant].name, r, c->n_out, c->n_in);
        for (size_t i = used; i < c->row_bytes; i++)
            assert_int_equal(row[i], GUARD);
    }
    mem_free(back);
}

static void unpacking_gives_the_file_back(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++)
        for (size_t i = 0; i < ARRAY_LEN(n_ins); i++)
            for (uint32_t n_out = 1; n_out <= 5 && is_possible((enum quant)q, n_ins[i]);
                    n_out += 2) {
                struct planes_case c =
                        open_case((enum quant)q, n_ins[i], n_out, n_out == 3 ? 6 : 0);
                assert_int_equal(c.slab[c.layout.slab_bytes], GUARD);
                check_unpacked(&c);
                close_case(&c);
            }
}

/* ---- the layout as a kernel reads it ------------------------------------------------ */

static uint32_t word_at(const uint8_t *bytes, uint32_t i)
{
    uint32_t word;
    memcpy(&word, bytes + 4 * i, sizeof word);
    return word;
}

static uint32_t byte_of(uint32_t word, uint32_t v)
{
    return word >> v % 4 * 8 & 255;
}

static float half_at(const uint8_t *bytes)
{
    return half_to_float((uint16_t)(bytes[0] | bytes[1] << 8));
}

/* Value v of a group without scale, the high bits above the low ones. */
static uint32_t four_bits(const uint8_t *low, uint32_t v)
{
    return byte_of(word_at(low, v / 4 % 4), v) >> v / 16 * 4 & 15;
}

static uint32_t two_bits(const uint8_t *bits, uint32_t v)
{
    return byte_of(word_at(bits, v / 16), v) >> v / 4 % 4 * 2 & 3;
}

static uint32_t one_bit(const uint8_t *bits, uint32_t v)
{
    return byte_of(word_at(bits, 0), v) >> v / 4 & 1;
}

struct pair {
    int a, b;
};

static struct pair twelve_bits(const uint8_t *bytes, uint32_t j)
{
    return (struct pair){
            bytes[j] & 63, bytes[j] >> 6 | (bytes[8 + j / 2] >> j % 2 * 4 & 15) << 2};
}

/* Where piece p of group g is, from the row's begin. */
static size_t piece_at(
        const struct planes_case *c, uint32_t g, uint32_t p, uint32_t group_bytes)
{
    uint32_t first = g - g % PLANE_TILE, n_left = c->layout.n_groups - first;
    return first * group_bytes + 16 * (p * (n_left < PLANE_TILE ? n_left : PLANE_TILE)) +
           16 * (g % PLANE_TILE);
}

static float wide_value(const struct planes_case *c, const uint8_t *low, uint32_t g, uint32_t v)
{
    float value;
    if (c->quant == QUANT_F32) {
        memcpy(&value, low + piece_at(c, g, v / 4, 128) + v % 4 * 4, sizeof value);
        return value;
    }
    const uint8_t *at = low + piece_at(c, g, v / 8, 64) + v % 8 * 2;
    if (c->quant == QUANT_F16)
        return half_at(at);
    uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float block_value(const struct planes_case *c, const uint8_t *low, const uint8_t *high,
        const uint8_t *scale, uint32_t g, uint32_t v)
{
    uint32_t j = g % 8, block = g / 8, n_blocks = c->layout.n_groups / 8;
    const uint8_t *low16 = low + g * 16, *low8 = low + g * 8, *high4 = high + g * 4;
    const uint8_t *s16 = scale + block * 16, *behind = scale + n_blocks * 16;
    const uint8_t *d2 = scale + g * 2, *d4 = scale + g * 4;
    struct pair p;
    switch (c->quant) {
    case QUANT_Q4_0:
        return half_at(d2) * (float)((int)four_bits(low16, v) - 8);
    case QUANT_Q4_1:
        return half_at(d4) * (float)four_bits(low16, v) + half_at(d4 + 2);
    case QUANT_Q5_0:
        return half_at(d2) * (float)((int)(four_bits(low16, v) | one_bit(high4, v) << 4) - 16);
    case QUANT_Q5_1:
        return half_at(d4) * (float)(four_bits(low16, v) | one_bit(high4, v) << 4) +
               half_at(d4 + 2);
    case QUANT_Q8_0:
        return half_at(d2) * (float)(int8_t)low[piece_at(c, g, v / 16, 32) + v % 16];
    case QUANT_Q2_K:
        return half_at(behind + block * 4) * (float)(s16[2 * j + v / 16] & 15) *
                       (float)two_bits(low8, v) -
               half_at(behind + block * 4 + 2) * (float)(s16[2 * j + v / 16] >> 4);
    case QUANT_Q3_K:
        p = twelve_bits(s16 + 4, j);
        return half_at(s16) * (float)((v < 16 ? p.a : p.b) - 32) *
               (float)((int)(two_bits(low8, v) | one_bit(high4, v) << 2) - 4);
    case QUANT_Q4_K:
        p = twelve_bits(s16 + 4, j);
        return half_at(s16) * (float)p.a * (float)four_bits(low16, v) -
               half_at(s16 + 2) * (float)p.b;
    case QUANT_Q5_K:
        p = twelve_bits(s16 + 4, j);
        return half_at(s16) * (float)p.a *
                       (float)(four_bits(low16, v) | one_bit(high4, v) << 4) -
               half_at(s16 + 2) * (float)p.b;
    case QUANT_Q6_K:
        return half_at(behind + block * 2) * (float)(int8_t)s16[2 * j + v / 16] *
               (float)((int)(four_bits(low16, v) | two_bits(high + g * 8, v) << 4) - 32);
    default:
        return wide_value(c, low, g, v);
    }
}

/* Random bytes are as good as any blocks, but for scales that are no numbers: those agree too,
 * as NaN. */
static void check_values(const struct planes_case *c)
{
    const struct plane_layout *l = &c->layout;
    float *want = mem_alloc(c->n_in * sizeof *want);
    for (uint32_t r = 0; r < c->n_out; r++) {
        quant_traits[c->quant].decode(c->file + r * c->row_bytes, want, c->n_in);
        for (uint32_t i = 0; i < l->n_groups * 32; i++) {
            float got = block_value(c, c->slab + l->low.offset + r * l->low.row_bytes,
                    c->slab + l->high.offset + r * l->high.row_bytes,
                    c->slab + l->scale.offset + r * l->scale.row_bytes, i / 32, i % 32);
            float expected = i < c->n_in ? want[i] : 0;
            if (!(got == expected || (got != got && expected != expected)))
                fail_msg("%s[%u][%u] of %u is %g, not %g", quant_traits[c->quant].name, r, i,
                        c->n_in, (double)got, (double)expected);
        }
    }
    mem_free(want);
}

static void planes_hold_the_values(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++)
        for (size_t i = 0; i < ARRAY_LEN(n_ins); i++)
            if (is_possible((enum quant)q, n_ins[i])) {
                struct planes_case c = open_case((enum quant)q, n_ins[i], 3, 2);
                check_values(&c);
                close_case(&c);
            }
}

static void planes_are_aligned_and_hardly_larger_than_the_file(void **state)
{
    (void)state;
    for (int q = 0; q < QUANT_COUNT; q++) {
        uint32_t n_in = 4096, n_out = 1000;
        struct plane_layout l = plane_layout_of((enum quant)q, n_in, n_out);
        size_t file_bytes = quant_row_bytes((enum quant)q, n_in) * n_out;
        assert_int_equal(l.low.offset, 0);
        assert_int_equal(l.high.offset % 256 + l.scale.offset % 256 + l.slab_bytes % 256, 0);
        assert_true(l.slab_bytes <= file_bytes + file_bytes / 50 + 3 * 256); /* Q3_K: 112/110 */
        assert_int_equal(l.low.row_bytes % (l.low.row_bytes / l.n_groups < 16 ? 8 : 16), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(unpacking_gives_the_file_back),
            cmocka_unit_test(planes_hold_the_values),
            cmocka_unit_test(planes_are_aligned_and_hardly_larger_than_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
