/* test_quant.c - every weight type decodes to the reference values, and row products follow the
 * decoded values. The expected floats come from another implementation (tests/golden/quants).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/quant.h"

#include "engine/json.h"

#define QUANTS SOURCE_DIR "/tests/golden/quants/"

static void read_golden(struct buf *out, const char *quant, const char *suffix)
{
    char path[512];
    struct err err;
    snprintf(path, sizeof path, QUANTS "%s%s", quant, suffix);
    if (file_read(out, path, 1 << 20, &err) != OK)
        fail_msg("%s", err.text);
}

static void check_decoding(const struct quant_traits *traits, bool is_random)
{
    struct buf blocks, expected;
    read_golden(&blocks, traits->name, is_random ? ".rand.bin" : ".bin");
    read_golden(&expected, traits->name, is_random ? ".rand.f32" : ".f32");
    size_t n = expected.n / sizeof(float);
    assert_int_equal(blocks.n, n / traits->block_elems * traits->block_bytes);
    float *got = mem_alloc(n * sizeof *got);
    const float *want = (const float *)(const void *)expected.ptr;
    traits->decode(blocks.ptr, got, n);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-6f * fabsf(want[i])))
            fail_msg("%s%s[%zu] is %.9g, not %.9g", traits->name, is_random ? ".rand" : "", i,
                    (double)got[i], (double)want[i]);
    mem_free(got);
    buf_release(&blocks);
    buf_release(&expected);
}

static void types_decode_to_the_reference(void **state)
{
    (void)state;
    for (int q = QUANT_F16; q < QUANT_COUNT; q++) {
        check_decoding(&quant_traits[q], false);
        check_decoding(&quant_traits[q], true);
    }
}

static void traits_match_the_format_index(void **state)
{
    (void)state;
    struct buf text;
    read_golden(&text, "index", ".json");
    struct json *index = json_parse(buf_slice(&text));
    int n_found = 0;
    for (const struct json *row = json_first(index); row; row = json_next(row)) {
        uint32_t id, n_elems, n_bytes;
        assert_true(json_get_u32(row, "id", &id));
        int q = quant_find(id);
        if (q < 0)
            continue;
        n_found++;
        assert_true(json_get_u32(row, "block_values", &n_elems));
        assert_true(json_get_u32(row, "block_bytes", &n_bytes));
        assert_string_equal(quant_traits[q].name, json_get_text(row, "type"));
        assert_int_equal(quant_traits[q].block_elems, n_elems);
        assert_int_equal(quant_traits[q].block_bytes, n_bytes);
        assert_int_equal(quant_row_bytes((enum quant)q, 2 * n_elems), 2 * n_bytes);
    }
    assert_int_equal(n_found, QUANT_COUNT - 1); /* F32 has no golden file */
    assert_int_equal(quant_find(9999), -1);
    json_free(index);
    buf_release(&text);
}

static void halves_convert_both_ways(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = half_to_float((uint16_t)bits);
        if (value == value)
            assert_int_equal(float_to_half(value), bits);
        else
            assert_true((float_to_half(value) & 0x7C00) == 0x7C00 &&
                        (float_to_half(value) & 0x3FF));
    }
    assert_true(half_to_float(0x3C00) == 1.0f && half_to_float(0x0001) == 0x1p-24f);
    assert_int_equal(float_to_half(65520.0f), 0x7C00); /* ties away from the largest half */
    assert_int_equal(float_to_half(65519.0f), 0x7BFF);
    assert_int_equal(float_to_half(1 + 0x1p-11f), 0x3C00); /* a tie: to even */
    assert_int_equal(float_to_half(1 + 0x3p-11f), 0x3C02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(types_decode_to_the_reference),
            cmocka_unit_test(traits_match_the_format_index),
            cmocka_unit_test(halves_convert_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
