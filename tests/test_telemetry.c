/* test_telemetry.c - the ring of token records: what goes in comes out, the oldest is
 * overwritten and counted, and a reader beside a fast writer never sees a torn record. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/telemetry.h"

static const struct telemetry_shape shape = {.n_moe_layers = 3, .n_experts = 16, .k = 5};

/* Every word of record n says n. */
static void fill(struct token_record *record, uint32_t n)
{
    memset(record, 0, token_record_bytes(&shape));
    record->request_id = n;
    record->i_token = n + 1;
    record->t_ns = n;
    record->top[TOKEN_TOP_N - 1].token = (int32_t)n;
    for (uint32_t i = 0; i < 15; i++)
        token_record_picks(record)[i] = (struct expert_pick){(uint16_t)n, (uint16_t)(n + i)};
    for (uint32_t l = 0; l < 3; l++)
        token_record_margins(record, &shape)[l] = (float)n;
}

static bool is_whole(struct token_record *record)
{
    struct token_record *want = mem_alloc(token_record_bytes(&shape));
    fill(want, record->request_id);
    bool same = memcmp(want, record, token_record_bytes(&shape)) == 0;
    mem_free(want);
    return same;
}

static void records_come_out_in_order(void **state)
{
    (void)state;
    struct token_record *record = mem_alloc(token_record_bytes(&shape));
    struct telemetry_ring *ring = telemetry_open(&shape, 5); /* rounded up to 8 */
    uint64_t cursor = 0, n_lost = 0;
    assert_false(telemetry_get(ring, &cursor, record, &n_lost));
    for (uint32_t n = 0; n < 8; n++) {
        fill(record, n);
        telemetry_put(ring, record);
    }
    for (uint32_t n = 0; n < 8; n++) {
        assert_true(telemetry_get(ring, &cursor, record, &n_lost));
        assert_int_equal(record->request_id, n);
        assert_true(is_whole(record));
    }
    assert_false(telemetry_get(ring, &cursor, record, &n_lost));
    assert_int_equal(n_lost, 0);
    telemetry_close(ring);
    mem_free(record);
}

static void the_oldest_are_overwritten_and_counted(void **state)
{
    (void)state;
    struct token_record *record = mem_alloc(token_record_bytes(&shape));
    struct telemetry_ring *ring = telemetry_open(&shape, 8);
    uint64_t cursor = 0, n_lost = 0;
    for (uint32_t n = 0; n < 21; n++) {
        fill(record, n);
        telemetry_put(ring, record);
    }
    for (uint32_t n = 13; n < 21; n++) {
        assert_true(telemetry_get(ring, &cursor, record, &n_lost));
        assert_int_equal(record->request_id, n);
    }
    assert_int_equal(n_lost, 13);
    assert_false(telemetry_get(ring, &cursor, record, &n_lost));
    telemetry_close(ring);
    mem_free(record);
}

static void a_dense_model_has_no_routing_part(void **state)
{
    (void)state;
    struct telemetry_shape dense = {0};
    assert_int_equal(token_record_bytes(&dense), (sizeof(struct token_record) + 7) / 8 * 8);
    assert_int_equal(token_record_bytes(&shape) % 8, 0);
    assert_true(token_record_bytes(&shape) >=
                sizeof(struct token_record) + 15 * sizeof(struct expert_pick) + 12);
}

#define N_RACED 50000

static void *write_many(void *arg)
{
    struct token_record *record = mem_alloc(token_record_bytes(&shape));
    for (uint32_t n = 0; n < N_RACED; n++) {
        fill(record, n);
        telemetry_put(arg, record);
    }
    mem_free(record);
    return NULL;
}

static void a_reader_beside_the_writer_sees_whole_records(void **state)
{
    (void)state;
    struct token_record *record = mem_alloc(token_record_bytes(&shape));
    struct telemetry_ring *ring = telemetry_open(&shape, 4);
    uint64_t cursor = 0, n_lost = 0, n_read = 0, last = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_many, ring), 0);
    while (cursor < N_RACED)
        if (telemetry_get(ring, &cursor, record, &n_lost)) {
            assert_true(is_whole(record));
            assert_true(n_read == 0 || record->request_id > last);
            last = record->request_id;
            n_read++;
        }
    pthread_join(thread, NULL);
    assert_int_equal(n_read + n_lost, N_RACED);
    telemetry_close(ring);
    mem_free(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(records_come_out_in_order),
            cmocka_unit_test(the_oldest_are_overwritten_and_counted),
            cmocka_unit_test(a_dense_model_has_no_routing_part),
            cmocka_unit_test(a_reader_beside_the_writer_sees_whole_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
