/*
 * store_writer.h - which process writes what: a session has one writer, and a running answer
 * belongs to who writes it.
 */
#ifndef ROUTER_STORE_WRITER_H
#define ROUTER_STORE_WRITER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct store_command;

#define WRITER_BYTES 64

/* The process and when it started, so that a reused number is recognised. Empty when it is
 * dead, be it waited for or not. */
void writer_of(int pid, char out[WRITER_BYTES]);
bool writer_is_alive(const char *writer);
/* One process writes a session: the first that claims it, until it lets go or is gone. *pid
 * gets who does when it is not us, else 0. False: the database failed. */
bool writer_claim(sqlite3 *db, int64_t session_id, int *pid);
/* Before a write to command->session. False: it may not be written, or the database failed. */
bool writer_claim_to_write(sqlite3 *db, struct store_command *command);
/* Before a change that claims nothing. False: another process writes it, or the database
 * failed. */
bool writer_allows(sqlite3 *db, struct store_command *command);

#endif
