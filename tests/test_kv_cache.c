/* test_kv_cache.c - cells by (sequence, position): taking, sharing, removing, and the order in
 * which a sequence is listed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/kv_cache.h"

#define N_CELLS 16

static int setup(void **state)
{
    struct kv_cache *kv = mem_alloc(sizeof *kv);
    *state = kv;
    return kv_cache_open(kv, N_CELLS, 2, 8, true, NULL) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    kv_cache_close(*state);
    mem_free(*state);
    return 0;
}

/* Takes cells for positions [p0, p1) of seq. */
static bool take(struct kv_cache *kv, uint16_t seq, uint32_t p0, uint32_t p1)
{
    uint16_t seqs[64];
    uint32_t pos[64], cells[64], n = p1 - p0;
    for (uint32_t i = 0; i < n; i++) {
        seqs[i] = seq;
        pos[i] = p0 + i;
    }
    return kv_cache_take(kv, n, seqs, pos, cells);
}

/* The positions of seq are exactly [p0, p1), in order. */
static void assert_positions(const struct kv_cache *kv, uint16_t seq, uint32_t p0, uint32_t p1)
{
    uint32_t cells[N_CELLS];
    assert_int_equal(kv_cache_list(kv, seq, cells), p1 - p0);
    for (uint32_t i = 0; i < p1 - p0; i++)
        assert_int_equal(kv->pos[cells[i]], p0 + i);
}

static void bytes_are_those_of_both_halves_of_all_layers(void **state)
{
    const struct kv_cache *kv = *state;
    assert_int_equal(kv->n_bytes, 2 * 2 * N_CELLS * 8 * sizeof(uint16_t));
}

static void a_refusal_changes_nothing(void **state)
{
    struct kv_cache *kv = *state;
    assert_true(take(kv, 0, 0, 10));
    assert_false(take(kv, 1, 0, 7));
    assert_int_equal(kv->n_used, 10);
    assert_positions(kv, 1, 0, 0);
    assert_true(take(kv, 1, 0, 6));
    assert_false(take(kv, 2, 0, 1));
}

static void freed_cells_are_used_again_in_order_of_position(void **state)
{
    struct kv_cache *kv = *state;
    assert_true(take(kv, 0, 0, 8));
    assert_true(take(kv, 63, 0, 8));
    kv_cache_remove(kv, 0, 2, 5); /* a hole in the middle */
    assert_int_equal(kv->n_used, 13);
    kv_cache_remove(kv, 63, 6, UINT32_MAX);
    assert_true(take(kv, 63, 6, 11)); /* partly in front of its older cells */
    assert_positions(kv, 63, 0, 11);
    kv_cache_remove(kv, 0, 5, 8);
    assert_positions(kv, 0, 0, 2);
}

static void shared_cells_live_until_the_last_sequence_leaves(void **state)
{
    struct kv_cache *kv = *state;
    assert_true(take(kv, 3, 0, 6));
    kv_cache_share(kv, 3, 40, 0, 4);
    assert_int_equal(kv->n_used, 6);
    assert_positions(kv, 40, 0, 4);
    kv_cache_remove(kv, 3, 0, UINT32_MAX);
    assert_int_equal(kv->n_used, 4);
    assert_positions(kv, 3, 0, 0);
    assert_positions(kv, 40, 0, 4);
    kv_cache_remove(kv, 40, 0, UINT32_MAX);
    assert_int_equal(kv->n_used, 0);
}

static void given_back_cells_are_free(void **state)
{
    struct kv_cache *kv = *state;
    uint16_t seqs[2] = {5, 6};
    uint32_t pos[2] = {0, 7}, cells[2];
    assert_true(take(kv, 1, 0, 3));
    assert_true(kv_cache_take(kv, 2, seqs, pos, cells));
    kv_cache_give_back(kv, cells, 2);
    assert_int_equal(kv->n_used, 3);
    assert_positions(kv, 5, 0, 0);
    assert_true(take(kv, 1, 3, 16));
    assert_positions(kv, 1, 0, 16);
}

static void an_absurd_size_is_refused(void **state)
{
    (void)state;
    struct kv_cache kv;
    struct err err;
    assert_int_equal(kv_cache_open(&kv, UINT32_MAX, UINT32_MAX, (size_t)1 << 40, false, &err),
            ERR_NOMEM);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
            TEST(bytes_are_those_of_both_halves_of_all_layers),
            TEST(a_refusal_changes_nothing),
            TEST(freed_cells_are_used_again_in_order_of_position),
            TEST(shared_cells_live_until_the_last_sequence_leaves),
            TEST(given_back_cells_are_free),
            cmocka_unit_test(an_absurd_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
