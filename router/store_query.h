/*
 * store_query.h - one SQL statement from its text to its last row: what store_sql.c and
 * store_fleet.c say to SQLite. Header-only; values are bound and read from left to right.
 */
#ifndef ROUTER_STORE_QUERY_H
#define ROUTER_STORE_QUERY_H

#include <sqlite3.h>

#include "engine/event.h"

/* A statement on its way: after the first failure nothing more is done. */
struct query {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int i_column;
    bool has_failed;
};

static inline struct query prepare(sqlite3 *db, const char *sql)
{
    struct query q = {.db = db};
    q.has_failed = sqlite3_prepare_v2(db, sql, -1, &q.stmt, NULL) != SQLITE_OK;
    return q;
}

static inline void bind_int(struct query *q, int64_t value)
{
    sqlite3_bind_int64(q->stmt, ++q->i_column, value);
}

static inline void bind_tokens(struct query *q, uint32_t value)
{
    if (value == TOKENS_UNKNOWN)
        sqlite3_bind_null(q->stmt, ++q->i_column);
    else
        bind_int(q, value);
}

static inline void bind_text(struct query *q, struct slice s)
{
    sqlite3_bind_text64(
            q->stmt, ++q->i_column, s.ptr ? s.ptr : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void bind_blob(struct query *q, const void *bytes, size_t n)
{
    sqlite3_bind_blob64(q->stmt, ++q->i_column, bytes, n, SQLITE_STATIC);
}

static inline bool step_row(struct query *q)
{
    if (q->has_failed)
        return false;
    int code = sqlite3_step(q->stmt);
    q->has_failed = code != SQLITE_ROW && code != SQLITE_DONE;
    q->i_column = 0;
    return code == SQLITE_ROW;
}

/* Runs to the end; true when nothing failed. */
static inline bool finish(struct query *q)
{
    while (step_row(q))
        continue;
    sqlite3_finalize(q->stmt);
    q->stmt = NULL;
    return !q->has_failed;
}

static inline int64_t read_int(struct query *q)
{
    return sqlite3_column_int64(q->stmt, q->i_column++);
}

static inline uint32_t read_tokens(struct query *q)
{
    bool is_null = sqlite3_column_type(q->stmt, q->i_column) == SQLITE_NULL;
    int64_t value = read_int(q);
    return is_null || value < 0 || value >= TOKENS_UNKNOWN ? TOKENS_UNKNOWN : (uint32_t)value;
}

static inline struct slice read_text(struct query *q, struct arena *arena)
{
    const void *text = sqlite3_column_text(q->stmt, q->i_column);
    size_t n = (size_t)sqlite3_column_bytes(q->stmt, q->i_column++);
    return text ? (struct slice){arena_strndup(arena, text, n), n} : (struct slice){"", 0};
}

#endif
