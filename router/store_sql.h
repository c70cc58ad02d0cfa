/*
 * store_sql.h - the database below the store's thread: schema, migrations, and one function per
 * command. Owned by that thread.
 */
#ifndef ROUTER_STORE_SQL_H
#define ROUTER_STORE_SQL_H

#include <sqlite3.h>

#include "engine/base.h"

struct store_command;

#define SCHEMA_VERSION 9

/* Steps from one version to the next: migrations[i] makes version i + 1. */
struct migration {
    const char *sql;
};

enum status db_open(sqlite3 **out, const char *path, struct err *err) MUST_USE;
/* The same with another list of steps, for tests of the upgrade path. */
enum status db_open_with(sqlite3 **out, const char *path, const struct migration *steps,
        int n_steps, struct err *err) MUST_USE;
void db_close(sqlite3 *db);
/* Carries the command out; its result fields and err are filled. */
void db_run(sqlite3 *db, struct store_command *command);

/* Commands of store_writer.c, store_fleet.c and store_sessions.c. False: a statement failed, or
 * the command has its error. */
bool run_release(sqlite3 *db, struct store_command *c);
bool run_trash(sqlite3 *db, struct store_command *c);
bool run_put_title(sqlite3 *db, struct store_command *c);
bool run_reserve(sqlite3 *db, struct store_command *c);
bool run_load_fleet(sqlite3 *db, struct store_command *c);
bool run_load_costs(sqlite3 *db, struct store_command *c);

#endif
