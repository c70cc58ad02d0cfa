/*
 * store_migrate.c - opens the database: creates it, or brings an older one to this version
 * after a backup, or refuses. A newer one is never written to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "router/store_sql.h"

static const struct migration steps_of_this_version[SCHEMA_VERSION] = {
        {"CREATE TABLE session (id INTEGER PRIMARY KEY, created_ms INTEGER NOT NULL, used_ms "
         "INTEGER NOT NULL,"
         " leaf_id INTEGER NOT NULL, title TEXT NOT NULL, system TEXT NOT NULL, draft TEXT NOT "
         "NULL,"
         " draft_cursor INTEGER NOT NULL, scroll_id INTEGER NOT NULL, scroll_line INTEGER NOT "
         "NULL);"
         "CREATE INDEX session_used ON session (used_ms DESC);"
         "CREATE TABLE message (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES "
         "session (id),"
         " parent_id INTEGER NOT NULL, role INTEGER NOT NULL, state INTEGER NOT NULL, "
         "created_ms INTEGER NOT NULL,"
         " text TEXT NOT NULL, reasoning TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT "
         "NULL,"
         " finish TEXT NOT NULL, error TEXT NOT NULL, n_input INTEGER, n_output INTEGER, "
         "n_cached INTEGER,"
         " n_cache_write INTEGER, n_reasoning INTEGER, cost_nusd INTEGER, ttft_ms INTEGER NOT "
         "NULL,"
         " total_ms INTEGER NOT NULL, writer TEXT NOT NULL);"
         "CREATE INDEX message_session ON message (session_id, created_ms, id);"
         "CREATE TABLE tokens (message_id INTEGER NOT NULL, i_chunk INTEGER NOT NULL, shape "
         "BLOB NOT NULL,"
         " records BLOB NOT NULL, PRIMARY KEY (message_id, i_chunk)) WITHOUT ROWID;"
         "CREATE TABLE decision (id INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL, message_id "
         "INTEGER NOT NULL,"
         " json TEXT NOT NULL);"
         "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
         "CREATE VIRTUAL TABLE search USING fts5 (text, content='', tokenize='unicode61');"},
        {"CREATE TABLE spend (day TEXT NOT NULL, endpoint TEXT NOT NULL, nusd INTEGER NOT NULL,"
         " PRIMARY KEY (day, endpoint)) WITHOUT ROWID;"
         "CREATE TABLE session_writer (session_id INTEGER PRIMARY KEY, writer TEXT NOT "
         "NULL);"},
        {"CREATE INDEX decision_message ON decision (message_id);"},
        {"ALTER TABLE message ADD COLUMN reasoning_ms INTEGER NOT NULL DEFAULT 0;"},
        {"ALTER TABLE message ADD COLUMN n_attached INTEGER NOT NULL DEFAULT 0;"},
        {"ALTER TABLE session ADD COLUMN trashed_ms INTEGER NOT NULL DEFAULT 0;"},
        {"ALTER TABLE session ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';"},
        {"ALTER TABLE message ADD COLUMN tool_calls TEXT NOT NULL DEFAULT '';"},
        {"ALTER TABLE message ADD COLUMN is_copy INTEGER NOT NULL DEFAULT 0;"},
};

static enum status sql_error(sqlite3 *db, const char *path, struct err *err)
{
    int code = sqlite3_extended_errcode(db), e = sqlite3_system_errno(db);
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return err_set(err, ERR_FULL, "no space left for %s", path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(err, ERR_FORMAT,
                "%s is damaged or no database of this program: move it away and start again, "
                "or restore %s.bak-v*",
                path, path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_set(err, ERR_IO, "cannot write %s (%s): choose another folder with --data",
                path, e ? strerror(e) : sqlite3_errmsg(db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_IO, "%s is locked by another program", path);
    default:
        return err_set(
                err, e == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", path, sqlite3_errmsg(db));
    }
}

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
            sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return version;
}

static enum status back_up(sqlite3 *db, const char *path, int version, struct err *err)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s.bak-v%d", path, version);
    sqlite3 *to = NULL;
    bool ok = sqlite3_open(copy, &to) == SQLITE_OK;
    sqlite3_backup *backup = ok ? sqlite3_backup_init(to, "main", db, "main") : NULL;
    ok = backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
    ok = backup && sqlite3_backup_finish(backup) == SQLITE_OK && ok;
    sqlite3_close(to);
    chmod(copy, 0600);
    return ok ? OK
              : err_set(err, ERR_IO,
                        "cannot write the backup %s that comes before an upgrade; nothing "
                        "was changed",
                        copy);
}

static enum status migrate(sqlite3 *db, const char *path, const struct migration *steps,
        int n_steps, struct err *err)
{
    int version = user_version(db);
    if (version < 0)
        return sql_error(db, path, err);
    if (version > n_steps)
        return err_set(err, ERR_DENIED,
                "%s was written by a newer version of shunt (schema %d, this one knows %d): "
                "update shunt, or use another folder with --data",
                path, version, n_steps);
    if (version == n_steps)
        return OK;
    enum status status = version > 0 ? back_up(db, path, version, err) : OK;
    if (status != OK)
        return status;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return sql_error(db, path, err);
    version = user_version(db); /* another process may have been faster */
    bool ok = true;
    for (int i = version; i < n_steps && ok; i++)
        ok = sqlite3_exec(db, steps[i].sql, NULL, NULL, NULL) == SQLITE_OK;
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", n_steps);
    ok = ok && sqlite3_exec(db, pragma, NULL, NULL, NULL) == SQLITE_OK &&
         sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (ok)
        return OK;
    status = sql_error(db, path, err);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

enum status db_open_with(sqlite3 **out, const char *path, const struct migration *steps,
        int n_steps, struct err *err)
{
    sqlite3 *db = NULL;
    mode_t mask = umask(077);
    int code = sqlite3_open_v2(
            path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    enum status status = OK;
    if (code != SQLITE_OK)
        status = db ? sql_error(db, path, err)
                    : err_set(err, ERR_NOMEM, "no memory for %s", path);
    if (status == OK) {
        sqlite3_busy_timeout(db, 5000);
        /* A version check needs no write: a newer database stays as it is. */
        if (user_version(db) <= n_steps &&
                sqlite3_exec(db,
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA "
                        "foreign_keys = ON",
                        NULL, NULL, NULL) != SQLITE_OK)
            status = sql_error(db, path, err);
    }
    if (status == OK)
        status = migrate(db, path, steps, n_steps, err);
    umask(mask);
    if (status != OK) {
        sqlite3_close(db);
        return status;
    }
    *out = db;
    return OK;
}

enum status db_open(sqlite3 **out, const char *path, struct err *err)
{
    return db_open_with(out, path, steps_of_this_version, SCHEMA_VERSION, err);
}

void db_close(sqlite3 *db)
{
    sqlite3_close(db);
}
