/*
 * store_fleet.c - what the database tells about the endpoints: their newest latencies, what
 * they cost by day, the decisions that chose them, and what of today's budget is spent.
 */
#include <string.h>

#include "router/store.h"
#include "router/store_query.h"
#include "router/store_sql.h"

/* Messages have no index by time, but their numbers begin with the milliseconds of their making
 * (core_new_id) and are never lower: a range of them is a range of time. */
static void bind_since(struct query *q, int64_t since_ms)
{
    bool is_usable = since_ms > 0 && since_ms < INT64_MAX >> 20;
    bind_int(q, is_usable ? since_ms << 20 : 0);
    bind_int(q, since_ms);
}
#define SINCE                                                                                  \
    " FROM message WHERE id >= ? AND created_ms >= ? AND role = 2 AND endpoint <> ''"          \
    " AND NOT is_copy "
/* An attempt that failed and was followed by another endpoint has no message of its own: the
 * decisions behind it name it as tried. The last one of an answer that failed is told by the
 * message. The sentence of its error is not kept. */
#define TRIED                                                                                  \
    " FROM (SELECT d.message_id, json_extract(c.value, '$.endpoint') AS endpoint,"             \
    " min(d.t_ms) AS t_ms FROM decision d,"                                                    \
    " json_each(CASE WHEN json_valid(d.json) THEN d.json ELSE '{}' END, '$.candidates') c"     \
    " LEFT JOIN message m ON m.id = d.message_id WHERE d.t_ms >= ?"                            \
    " AND d.json LIKE '%\"filter\":\"tried\"%' AND json_extract(c.value, '$.filter') = "       \
    "'tried'"                                                                                  \
    " AND NOT (m.state IS 4 AND m.endpoint IS json_extract(c.value, '$.endpoint'))"            \
    " GROUP BY 1, 2)"
_Static_assert(
        MSG_ASSISTANT == 2 && MESSAGE_DONE == 0 && MESSAGE_RUNNING == 1 && MESSAGE_FAILED == 4,
        "the numbers in the statements below");

/* Rows of any number, moved into the command's arena. */
static void *take_rows(struct buf *rows, struct arena *arena, size_t row_bytes, size_t *n)
{
    void *all = arena_alloc(arena, rows->n + row_bytes);
    memcpy(all, buf_text(rows), rows->n);
    *n = rows->n / row_bytes;
    buf_release(rows);
    return all;
}

static int64_t read_known(struct query *q)
{
    bool is_null = sqlite3_column_type(q->stmt, q->i_column) == SQLITE_NULL;
    int64_t value = read_int(q);
    return is_null || value < 0 ? -1 : value;
}

static uint32_t read_u32(struct query *q)
{
    int64_t value = read_int(q);
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static bool load_answers(sqlite3 *db, struct store_command *c)
{
    struct buf rows;
    buf_init(&rows, 256u << 20);
    struct query q = prepare(db,
            "SELECT endpoint, error, state, created_ms, ttft_ms, total_ms, n_output FROM"
            " (SELECT *, row_number() OVER (PARTITION BY endpoint ORDER BY created_ms DESC, id"
            " DESC) AS nth FROM"
            " (SELECT id, endpoint, error, state, created_ms, ttft_ms, total_ms, n_output" SINCE
            "AND state <> 1 UNION ALL"
            " SELECT message_id, endpoint, 'failed, and another endpoint was asked', 4, t_ms, "
            "0,"
            " 0, NULL" TRIED ")) WHERE nth <= ? ORDER BY created_ms, id");
    bind_since(&q, c->since_ms);
    bind_int(&q, c->since_ms);
    bind_int(&q, ANSWERS_MAX);
    while (step_row(&q)) {
        struct answer_row row = {.endpoint = read_text(&q, &c->arena)};
        row.error = read_text(&q, &c->arena);
        row.state = (enum message_state)read_u32(&q);
        row.created_ms = read_int(&q);
        row.ttft_ms = read_u32(&q);
        row.total_ms = read_u32(&q);
        row.n_output_tok = read_tokens(&q);
        buf_add(&rows, &row, sizeof row);
    }
    c->answers = take_rows(&rows, &c->arena, sizeof *c->answers, &c->n_answers);
    return finish(&q);
}

static bool load_costs(sqlite3 *db, struct store_command *c, int64_t since_ms)
{
    struct buf rows;
    buf_init(&rows, 256u << 20);
    struct query q = prepare(db,
            "SELECT date(t_ms / 1000, 'unixepoch', 'localtime'), endpoint, count(*),"
            " sum(is_failed), sum(is_unpriced), sum(n_input), sum(n_output), sum(cost_nusd) "
            "FROM"
            " (SELECT created_ms AS t_ms, endpoint, state = 4 AS is_failed,"
            " cost_nusd IS NULL AND (ttft_ms > 0 OR state = 0) AS is_unpriced, n_input,"
            " n_output, cost_nusd" SINCE
            "UNION ALL SELECT t_ms, endpoint, 1, 0, NULL, NULL, NULL" TRIED
            ") GROUP BY 1, 2 ORDER BY 1, 2");
    bind_since(&q, since_ms);
    bind_int(&q, since_ms);
    while (step_row(&q)) {
        struct cost_row row = {.day = read_text(&q, &c->arena)};
        row.endpoint = read_text(&q, &c->arena);
        row.n_requests = read_u32(&q);
        row.n_errors = read_u32(&q);
        row.n_unpriced = read_u32(&q);
        row.n_input_tok = read_known(&q);
        row.n_output_tok = read_known(&q);
        row.cost_nusd = read_known(&q);
        buf_add(&rows, &row, sizeof row);
    }
    c->costs = take_rows(&rows, &c->arena, sizeof *c->costs, &c->n_costs);
    return finish(&q);
}

static bool load_breakers(sqlite3 *db, struct store_command *c)
{
    struct buf rows;
    buf_init(&rows, 1u << 20);
    struct query q = prepare(db, "SELECT substr(key, 9), CAST(value AS INTEGER) FROM setting"
                                 " WHERE key > 'breaker ' AND key < 'breaker!'");
    while (step_row(&q)) {
        struct breaker_row row = {.endpoint = read_text(&q, &c->arena)};
        row.until_ms = read_int(&q);
        buf_add(&rows, &row, sizeof row);
    }
    c->breakers = take_rows(&rows, &c->arena, sizeof *c->breakers, &c->n_breakers);
    return finish(&q);
}

bool run_load_fleet(sqlite3 *db, struct store_command *c)
{
    return load_answers(db, c) && load_costs(db, c, c->day_ms) && load_breakers(db, c);
}

bool run_load_costs(sqlite3 *db, struct store_command *c)
{
    return load_costs(db, c, c->since_ms);
}

static bool read_day(sqlite3 *db, struct store_command *c)
{
    struct query q =
            prepare(db, "SELECT d, (SELECT COALESCE(SUM(nusd), 0) FROM spend WHERE day = d)"
                        " FROM (SELECT date('now', 'localtime') AS d)");
    if (step_row(&q)) {
        c->value = read_text(&q, &c->arena);
        c->total_nusd = read_int(&q);
    }
    return finish(&q);
}

/* What is given back goes to the day it was taken from (value), if that is told. */
bool run_reserve(sqlite3 *db, struct store_command *c)
{
    struct slice day = c->value;
    if (!read_day(db, c))
        return false;
    c->is_above_limit = c->limit_nusd >= 0 && c->amount_nusd > 0 &&
                        c->total_nusd + c->amount_nusd > c->limit_nusd;
    if (c->is_above_limit || c->amount_nusd == 0)
        return true;
    struct query q = prepare(db,
            "INSERT INTO spend VALUES (?,?,?) ON CONFLICT (day, endpoint) DO UPDATE SET"
            " nusd = MAX(0, nusd + excluded.nusd)");
    bind_text(&q, day.n ? day : c->value);
    bind_text(&q, c->key);
    bind_int(&q, c->amount_nusd);
    return finish(&q) && read_day(db, c);
}
