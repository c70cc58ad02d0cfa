/*
 * store_sql.c - one function per store command. Everything a command writes is one transaction;
 * what it returns is copied into the command's arena. Sizes that come from the database are
 * checked like those of any file.
 */
#include "router/store_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/telemetry.h"

#include "router/store.h"
#include "router/store_export.h"
#include "router/store_query.h"
#include "router/store_writer.h"

/* Who goes on with a session wants it: it leaves the trash. */
static bool put_session(sqlite3 *db, const struct session_row *s)
{
    struct query q = prepare(db,
            "INSERT INTO session VALUES (?,?,?,?,?,?,?,?,?,?,0,?) ON CONFLICT (id) DO UPDATE "
            "SET"
            " used_ms = excluded.used_ms, leaf_id = excluded.leaf_id, title = excluded.title,"
            " system = excluded.system, draft = excluded.draft, draft_cursor = "
            "excluded.draft_cursor,"
            " scroll_id = excluded.scroll_id, scroll_line = excluded.scroll_line,"
            " trashed_ms = 0, endpoint = excluded.endpoint");
    bind_int(&q, s->id);
    bind_int(&q, s->created_ms);
    bind_int(&q, s->used_ms);
    bind_int(&q, s->leaf_id);
    bind_text(&q, s->title);
    bind_text(&q, s->system);
    bind_text(&q, s->draft);
    bind_int(&q, s->draft_cursor);
    bind_int(&q, s->scroll_id);
    bind_int(&q, s->scroll_line);
    bind_text(&q, s->endpoint);
    return finish(&q);
}

/* The index has no copy of the text: the old one must be named to be taken out. */
static bool index_message(sqlite3 *db, const struct message_row *m)
{
    struct query old = prepare(db, "INSERT INTO search (search, rowid, text) SELECT 'delete', "
                                   "id, text FROM message WHERE id = ? AND state <> ?");
    bind_int(&old, m->id);
    bind_int(&old, MESSAGE_RUNNING);
    if (!finish(&old))
        return false;
    if (m->state == MESSAGE_RUNNING)
        return true; /* checkpoints are not searched: each would be indexed anew */
    struct query q = prepare(db, "INSERT INTO search (rowid, text) VALUES (?,?)");
    bind_int(&q, m->id);
    bind_text(&q, m->text);
    return finish(&q);
}

static bool put_message(sqlite3 *db, const struct message_row *m)
{
    char writer[WRITER_BYTES] = "";
    if (!index_message(db, m))
        return false;
    if (m->state == MESSAGE_RUNNING)
        writer_of(getpid(), writer);
    struct query q = prepare(db,
            "INSERT INTO message VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON "
            "CONFLICT (id) DO UPDATE SET"
            " state = excluded.state, text = excluded.text, reasoning = excluded.reasoning,"
            " endpoint = excluded.endpoint, model = excluded.model, finish = excluded.finish,"
            " error = excluded.error, n_input = excluded.n_input, n_output = excluded.n_output,"
            " n_cached = excluded.n_cached, n_cache_write = excluded.n_cache_write,"
            " n_reasoning = excluded.n_reasoning, cost_nusd = excluded.cost_nusd,"
            " ttft_ms = excluded.ttft_ms, total_ms = excluded.total_ms, writer = "
            "excluded.writer, reasoning_ms = excluded.reasoning_ms,"
            " tool_calls = excluded.tool_calls, is_copy = excluded.is_copy");
    bind_int(&q, m->id);
    bind_int(&q, m->session_id);
    bind_int(&q, m->parent_id);
    bind_int(&q, m->role);
    bind_int(&q, m->state);
    bind_int(&q, m->created_ms);
    bind_text(&q, m->text);
    bind_text(&q, m->reasoning);
    bind_text(&q, m->endpoint);
    bind_text(&q, m->model);
    bind_text(&q, m->finish);
    bind_text(&q, m->error);
    bind_tokens(&q, m->usage.input);
    bind_tokens(&q, m->usage.output);
    bind_tokens(&q, m->usage.cached_input);
    bind_tokens(&q, m->usage.cache_write);
    bind_tokens(&q, m->usage.reasoning);
    if (m->cost_nusd < 0)
        sqlite3_bind_null(q.stmt, ++q.i_column);
    else
        bind_int(&q, m->cost_nusd);
    bind_int(&q, m->ttft_ms);
    bind_int(&q, m->total_ms);
    bind_text(&q, slice_of(writer));
    bind_int(&q, m->reasoning_ms);
    bind_int(&q, (int64_t)m->n_attached);
    bind_text(&q, m->tool_calls);
    bind_int(&q, m->is_copy);
    return finish(&q);
}

static bool run_put_message(sqlite3 *db, struct store_command *c)
{
    bool ok = writer_claim_to_write(db, c) && put_session(db, &c->session);
    for (size_t i = 0; i < c->n_messages && ok; i++)
        ok = put_message(db, &c->messages[i]);
    return ok;
}

static bool run_put_draft(sqlite3 *db, struct store_command *c)
{
    if (!writer_claim_to_write(db, c))
        return false;
    struct query q = prepare(db, "UPDATE session SET draft = ?, draft_cursor = ?, scroll_id = "
                                 "?, scroll_line = ?, trashed_ms = 0 WHERE id = ?");
    bind_text(&q, c->session.draft);
    bind_int(&q, c->session.draft_cursor);
    bind_int(&q, c->session.scroll_id);
    bind_int(&q, c->session.scroll_line);
    bind_int(&q, c->session.id);
    if (!finish(&q))
        return false;
    return sqlite3_changes(db) > 0 ||
           put_session(db, &c->session); /* a draft alone makes a session */
}

static bool run_put_tokens(sqlite3 *db, struct store_command *c)
{
    struct query q =
            prepare(db, "INSERT INTO tokens VALUES (?1, (SELECT coalesce(max(i_chunk), -1) + 1 "
                        "FROM tokens WHERE message_id = ?1), ?2, ?3)");
    bind_int(&q, c->message_id);
    bind_blob(&q, c->shape, sizeof *c->shape);
    bind_blob(&q, c->records, c->n_records * token_record_bytes(c->shape));
    return finish(&q);
}

static bool is_sane_shape(const struct telemetry_shape *shape)
{
    return shape->n_moe_layers <= MOE_LAYERS_MAX && shape->k <= shape->n_experts &&
           (size_t)shape->n_moe_layers * shape->k <= 1u << 16;
}

/* Into message_id and messages[0]; none: message_id stays 0. */
static bool find_newest_tokens(sqlite3 *db, struct store_command *c)
{
    struct query q = prepare(db,
            "SELECT m.id, m.session_id, m.created_ms, m.endpoint, m.model FROM tokens t"
            " JOIN message m ON m.id = t.message_id WHERE ?1 = 0 OR m.session_id = ?1"
            " ORDER BY t.message_id DESC LIMIT 1");
    bind_int(&q, c->session.id);
    if (step_row(&q)) {
        struct message_row *m = c->messages = arena_alloc(&c->arena, sizeof *m);
        c->n_messages = 1;
        m->id = c->message_id = read_int(&q);
        m->session_id = read_int(&q);
        m->created_ms = read_int(&q);
        m->endpoint = read_text(&q, &c->arena);
        m->model = read_text(&q, &c->arena);
    }
    return finish(&q);
}

static bool run_load_tokens(sqlite3 *db, struct store_command *c)
{
    if (c->message_id == 0 && !find_newest_tokens(db, c))
        return false;
    struct buf all;
    buf_init(&all, 256u << 20);
    struct query q = prepare(
            db, "SELECT shape, records FROM tokens WHERE message_id = ? ORDER BY i_chunk");
    bind_int(&q, c->message_id);
    while (step_row(&q)) {
        const void *shape = sqlite3_column_blob(q.stmt, 0),
                   *records = sqlite3_column_blob(q.stmt, 1);
        size_t n = (size_t)sqlite3_column_bytes(q.stmt, 1);
        if (!shape || sqlite3_column_bytes(q.stmt, 0) != (int)sizeof *c->shape)
            continue;
        if (!c->shape) {
            c->shape = arena_alloc(&c->arena, sizeof *c->shape);
            memcpy(c->shape, shape, sizeof *c->shape);
        }
        /* A chunk of another shape, or one that is no whole number of records, is left out. */
        if (records && is_sane_shape(c->shape) &&
                memcmp(shape, c->shape, sizeof *c->shape) == 0 &&
                n % token_record_bytes(c->shape) == 0)
            buf_add(&all, records, n);
    }
    bool ok = finish(&q);
    if (c->shape && is_sane_shape(c->shape)) {
        c->n_records = all.n / token_record_bytes(c->shape);
        c->records = arena_alloc(&c->arena, all.n + 1);
        memcpy(c->records, buf_text(&all), all.n);
    }
    buf_release(&all);
    return ok;
}

static bool run_put_decision(sqlite3 *db, struct store_command *c)
{
    struct query q =
            prepare(db, "INSERT INTO decision (t_ms, message_id, json) VALUES (?,?,?)");
    bind_int(&q, c->session.used_ms);
    bind_int(&q, c->message_id);
    bind_text(&q, c->value);
    return finish(&q);
}

/* Of a question its first words, without the files that went along: their bytes are counted. */
#define DECISION_QUERY                                                                         \
    "SELECT d.t_ms, d.message_id, d.json, CASE WHEN asked.n_attached > 0 THEN"                 \
    " CAST(substr(CAST(substr(asked.text, 1, 200) AS BLOB), 1,"                                \
    " length(CAST(asked.text AS BLOB)) - asked.n_attached) AS TEXT)"                           \
    " ELSE substr(coalesce(asked.text, ''), 1, 200) END"                                       \
    " FROM decision d LEFT JOIN message answer ON answer.id = d.message_id"                    \
    " LEFT JOIN message asked ON asked.id = answer.parent_id"

static bool run_list_decisions(sqlite3 *db, struct store_command *c)
{
    uint32_t limit = c->limit ? c->limit : 200;
    c->decisions = arena_alloc(&c->arena, limit * sizeof *c->decisions);
    struct query q = prepare(db, c->message_id ? DECISION_QUERY
                                         " WHERE d.message_id = ?1 ORDER BY d.id DESC LIMIT ?2"
                                               : DECISION_QUERY " ORDER BY d.id DESC LIMIT ?2");
    if (c->message_id)
        sqlite3_bind_int64(q.stmt, 1, c->message_id);
    sqlite3_bind_int64(q.stmt, 2, limit);
    while (c->n_decisions < limit && step_row(&q)) {
        struct decision_row *row = &c->decisions[c->n_decisions++];
        row->t_ms = read_int(&q);
        row->message_id = read_int(&q);
        row->json = read_text(&q, &c->arena);
        row->question = read_text(&q, &c->arena);
    }
    return finish(&q);
}

static bool run_put_setting(sqlite3 *db, struct store_command *c)
{
    struct query q = prepare(db, "INSERT INTO setting VALUES (?,?) ON CONFLICT (key) DO UPDATE "
                                 "SET value = excluded.value");
    bind_text(&q, c->key);
    bind_text(&q, c->value);
    return finish(&q);
}

static bool run_get_setting(sqlite3 *db, struct store_command *c)
{
    struct query q = prepare(db, "SELECT value FROM setting WHERE key = ?");
    bind_text(&q, c->key);
    if (step_row(&q))
        c->value = read_text(&q, &c->arena);
    return finish(&q);
}

static void read_session(struct query *q, struct arena *arena, struct session_row *s)
{
    *s = (struct session_row){.id = read_int(q), .created_ms = 0};
    s->created_ms = read_int(q);
    s->used_ms = read_int(q);
    s->leaf_id = read_int(q);
    s->title = read_text(q, arena);
    s->system = read_text(q, arena);
    s->draft = read_text(q, arena);
    s->draft_cursor = (uint32_t)read_int(q);
    s->scroll_id = read_int(q);
    s->scroll_line = (uint32_t)read_int(q);
    s->endpoint = read_text(q, arena);
}

/* Words become quoted prefix terms, so that nothing in them is an operator of the query
 * language. */
static struct slice match_of(struct slice query, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    while (query.n) {
        size_t n = 0;
        while (n < query.n && !strchr(" \t\n", query.ptr[n]))
            n++;
        size_t before = out.n;
        buf_add_text(&out, out.n ? " \"" : "\"");
        size_t empty = out.n;
        for (size_t i = 0; i < n; i++)
            if (query.ptr[i] != '"')
                buf_add(&out, query.ptr + i, 1);
        if (out.n > empty)
            buf_add_text(&out, "\"*");
        else
            out.n = before; /* nothing but quotes */
        n += n < query.n;
        query = (struct slice){query.ptr + n, query.n - n};
    }
    struct slice match = {arena_strndup(arena, buf_text(&out), out.n), out.n};
    buf_release(&out);
    return match;
}

#define SESSION_COLUMNS                                                                        \
    "s.id, s.created_ms, s.used_ms, s.leaf_id, s.title, s.system, s.draft, s.draft_cursor,"    \
    " s.scroll_id, s.scroll_line, s.endpoint"
#define BEGINNING(text)                                                                        \
    "substr(" text ", 1, 1000) || iif(length(" text ") > 1000, '\xE2\x80\xA6', '')"
/* Of a draft its beginning, as of a message: they may be as large as those. */
#define LIST_COLUMNS                                                                           \
    "s.id, s.created_ms, s.used_ms, s.leaf_id, s.title, '', substr(s.draft, 1, 160),"          \
    " s.draft_cursor, s.scroll_id, s.scroll_line, s.endpoint"                                  \
    ", (SELECT count(*) FROM message m WHERE m.session_id = s.id)"                             \
    ", (SELECT count(*) FROM message m WHERE m.session_id = s.id AND m.state IN (1, 2))"       \
    ", EXISTS (SELECT 1 FROM message m WHERE m.id = s.leaf_id AND m.state = 3)"

static void read_listed(struct query *q, struct store_command *c)
{
    struct session_row *s = &c->sessions[c->n_sessions++];
    read_session(q, &c->arena, s);
    s->n_messages = (uint32_t)read_int(q);
    s->has_interrupted = read_int(q) > 0;
    s->is_stopped = read_int(q) > 0;
    s->snippet = read_text(q, &c->arena);
    s->answer = read_text(q, &c->arena);
    s->has_draft = s->draft.n > 0;
}

static bool run_list(sqlite3 *db, struct store_command *c)
{
    uint32_t limit = c->limit ? c->limit : 200;
    struct slice match = match_of(c->query, &c->arena);
    c->sessions = arena_alloc(&c->arena, limit * sizeof *c->sessions);
    struct query q = prepare(db,
            match.n ? "SELECT " LIST_COLUMNS
                      ", substr(f.text, max(1, instr(lower(f.text), lower(?2)) - 20), 160)"
                      ", ''"
                      " FROM session s JOIN (SELECT m.session_id AS id, max(m.id) AS "
                      "message_id FROM search"
                      " JOIN message m ON m.id = search.rowid WHERE search MATCH ?1 GROUP "
                      "BY m.session_id) hit"
                      " ON hit.id = s.id JOIN message f ON f.id = hit.message_id"
                      " WHERE (s.trashed_ms > 0) = ?4 ORDER BY s.used_ms DESC LIMIT ?3"
                    : "SELECT " LIST_COLUMNS ", (SELECT " BEGINNING(
                              "m.text") " FROM message m WHERE m.id ="
                                        " (SELECT iif(l.role = 1, l.id, l.parent_id) FROM message l"
                                        " WHERE l.id = s.leaf_id))"
                                        ", (SELECT " BEGINNING(
                                                "l.text") " FROM message l"
                                                          " WHERE l.id = s.leaf_id AND l.role = 2)"
                                                          " FROM session s WHERE (s.trashed_ms > 0) = ?4"
                                                          " ORDER BY s.used_ms DESC LIMIT ?3");
    if (match.n) {
        struct slice first = c->query;
        first = slice_trim(first);
        struct slice word = slice_cut(&first, ' ');
        bind_text(&q, match);
        bind_text(&q, word);
    }
    sqlite3_bind_int64(q.stmt, 3, limit);
    sqlite3_bind_int(q.stmt, 4, c->is_trash);
    while (c->n_sessions < limit && step_row(&q))
        read_listed(&q, c);
    return finish(&q);
}

static void read_message(
        struct query *q, struct arena *arena, struct message_row *m, struct slice *writer)
{
    m->id = read_int(q);
    m->session_id = read_int(q);
    m->parent_id = read_int(q);
    m->role = (enum message_role)read_int(q);
    m->state = (enum message_state)read_int(q);
    m->created_ms = read_int(q);
    m->text = read_text(q, arena);
    m->reasoning = read_text(q, arena);
    m->endpoint = read_text(q, arena);
    m->model = read_text(q, arena);
    m->finish = read_text(q, arena);
    m->error = read_text(q, arena);
    m->usage.input = read_tokens(q);
    m->usage.output = read_tokens(q);
    m->usage.cached_input = read_tokens(q);
    m->usage.cache_write = read_tokens(q);
    m->usage.reasoning = read_tokens(q);
    bool is_unknown = sqlite3_column_type(q->stmt, q->i_column) == SQLITE_NULL;
    m->cost_nusd = read_int(q);
    if (is_unknown)
        m->cost_nusd = -1;
    m->ttft_ms = (uint32_t)read_int(q);
    m->total_ms = (uint32_t)read_int(q);
    *writer = read_text(q, arena);
    m->reasoning_ms = (uint32_t)read_int(q);
    m->n_attached = (uint64_t)read_int(q);
    m->tool_calls = read_text(q, arena);
    m->is_copy = read_int(q) > 0;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = ((const struct message_row *)a)->id, y = ((const struct message_row *)b)->id;
    return (x > y) - (x < y);
}

/* Those whose process is gone will get no more text. */
static bool end_dead(sqlite3 *db, struct store_command *c, const int64_t *dead, size_t n_dead)
{
    bool ok = true;
    for (size_t i = 0, k = 0; i < c->n_messages && k < n_dead && ok; i++) {
        struct message_row *m = &c->messages[i];
        if (m->id != dead[k])
            continue;
        k++;
        m->state = MESSAGE_INTERRUPTED;
        ok = put_message(db, m);
    }
    return ok;
}

/* In the order of the index: sqlite would sort whole rows by id, through a file when they are
 * many. Ids follow the time but where the clock was set back. */
static bool load_messages(sqlite3 *db, struct store_command *c)
{
    struct buf rows, dead;
    buf_init(&rows, SIZE_MAX / 2);
    buf_init(&dead, SIZE_MAX / 2);
    struct query q =
            prepare(db, "SELECT * FROM message WHERE session_id = ? ORDER BY created_ms, id");
    bind_int(&q, c->session.id);
    while (step_row(&q)) {
        struct message_row m;
        struct slice writer;
        read_message(&q, &c->arena, &m, &writer);
        if (m.state == MESSAGE_RUNNING && !writer_is_alive(writer.ptr))
            buf_add(&dead, &m.id, sizeof m.id);
        buf_add(&rows, &m, sizeof m);
    }
    c->n_messages = rows.n / sizeof *c->messages;
    c->messages = arena_alloc(&c->arena, rows.n + sizeof *c->messages);
    if (rows.n)
        memcpy(c->messages, rows.ptr, rows.n);
    c->session.n_messages = (uint32_t)c->n_messages;
    bool ok = finish(&q) && end_dead(db, c, (const int64_t *)(const void *)dead.ptr,
                                    dead.n / sizeof(int64_t));
    qsort(c->messages, c->n_messages, sizeof *c->messages, compare_ids);
    buf_release(&rows);
    buf_release(&dead);
    return ok;
}

static bool run_load(sqlite3 *db, struct store_command *c)
{
    bool is_named = c->session.id > 0;
    struct query q = prepare(
            db, is_named ? "SELECT " SESSION_COLUMNS " FROM session s WHERE s.id = ?"
                         : "SELECT " SESSION_COLUMNS
                           " FROM session s WHERE s.trashed_ms = 0 ORDER BY ? AND s.id = "
                           "(SELECT CAST(value AS INTEGER) FROM setting"
                           " WHERE key = 'shown') DESC, s.used_ms DESC LIMIT 1");
    bind_int(&q, is_named ? c->session.id : c->session.id == SESSION_SHOWN);
    bool is_there = step_row(&q);
    if (is_there)
        read_session(&q, &c->arena, &c->session);
    if (!finish(&q))
        return false;
    if (!is_there) {
        err_set(&c->err, ERR_NOT_FOUND,
                is_named ? "there is no session %llx" : "there is no session yet",
                (unsigned long long)c->session.id);
        return true;
    }
    if (!writer_claim(db, c->session.id, &c->writer_pid))
        return false;
    return (c->only_if_free && c->writer_pid) || load_messages(db, c);
}

static const struct {
    bool (*run)(sqlite3 *db, struct store_command *command);
    bool is_write;
} ops[STORE_OP_COUNT] = {
        [STORE_PUT_MESSAGE] = {run_put_message, true},
        [STORE_PUT_DRAFT] = {run_put_draft, true},
        [STORE_PUT_TOKENS] = {run_put_tokens, true},
        [STORE_PUT_DECISION] = {run_put_decision, true},
        [STORE_LIST] = {run_list, false},
        [STORE_LIST_DECISIONS] = {run_list_decisions, false},
        [STORE_LOAD] = {run_load, true}, /* it may mark an answer interrupted */
        [STORE_LOAD_TOKENS] = {run_load_tokens, false},
        [STORE_TRASH] = {run_trash, true},
        [STORE_PUT_TITLE] = {run_put_title, true},
        [STORE_RELEASE] = {run_release, true},
        [STORE_RESERVE] = {run_reserve, true},
        [STORE_LOAD_FLEET] = {run_load_fleet, false},
        [STORE_LOAD_COSTS] = {run_load_costs, false},
        [STORE_PUT_SETTING] = {run_put_setting, true},
        [STORE_GET_SETTING] = {run_get_setting, false},
};

static bool is_newer(sqlite3 *db)
{
    struct query q = prepare(db, "PRAGMA user_version");
    bool is_newer = step_row(&q) && sqlite3_column_int64(q.stmt, 0) > SCHEMA_VERSION;
    return finish(&q) && is_newer;
}

/* ERR_FULL and ERR_IO may pass; everything else fails the same way each time. */
static void fail(sqlite3 *db, struct store_command *c)
{
    int code = sqlite3_errcode(db) & 0xFF, e = sqlite3_system_errno(db);
    bool is_full = code == SQLITE_FULL || (code == SQLITE_IOERR && (e == ENOSPC || e == EFBIG));
    const char *verb = ops[c->op].is_write ? "save" : "read";
    char why[256];
    snprintf(why, sizeof why, "%s", is_full ? "no space left" : sqlite3_errmsg(db));
    switch (code) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
        err_set(&c->err, is_full ? ERR_FULL : ERR_IO, "the disk refuses to %s (%s)", verb, why);
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(&c->err, ERR_FORMAT,
                "the database is damaged, cannot %s (%s): /send-unsaved sends without saving, "
                "/export FILE writes to another place",
                verb, why);
        break;
    default:
        if (is_newer(db))
            err_set(&c->err, ERR_DENIED,
                    "a newer version of shunt has changed the database, cannot %s: "
                    "/send-unsaved sends without saving, /export FILE writes to another place; "
                    "then start again",
                    verb);
        else
            err_set(&c->err, ERR_FORMAT,
                    "the database cannot %s this (%s): /send-unsaved sends without saving, "
                    "/export FILE writes to another place",
                    verb, why);
    }
}

void db_run(sqlite3 *db, struct store_command *c)
{
    c->err = (struct err){0};
    if (c->op == STORE_EXPORT) {
        store_export(c);
        return;
    }
    bool is_write = ops[c->op].is_write;
    bool ok = !is_write || sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    ok = ok && ops[c->op].run(db, c);
    ok = ok && (!is_write || sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    if (ok)
        return;
    if (c->err.status == OK)
        fail(db, c);
    if (is_write && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}
