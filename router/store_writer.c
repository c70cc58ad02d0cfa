/*
 * store_writer.c - see store_writer.h. A writer is its pid and the start time of that process,
 * from /proc: a pid that was given out again is not taken for it, and nobody has to tidy up
 * behind a kill -9.
 */
#include "router/store_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "router/store.h"
#include "router/store_query.h"
#include "router/store_sql.h"

void writer_of(int pid, char out[WRITER_BYTES])
{
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
    if (fd >= 0)
        close(fd);
    out[0] = '\0';
    if (n <= 0)
        return;
    stat[n] = '\0';
    const char *at = strrchr(stat, ')'); /* the name may contain anything */
    if (at && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0))
        return;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        snprintf(out, WRITER_BYTES, "%d %.*s", pid, (int)strcspn(at + 1, " "), at + 1);
}

bool writer_is_alive(const char *writer)
{
    int pid = 0;
    char now[WRITER_BYTES];
    if (sscanf(writer, "%d", &pid) != 1 || pid <= 0)
        return false;
    writer_of(pid, now);
    return now[0] && strcmp(now, writer) == 0;
}

/* *pid gets who writes it when that is another living process, else 0. */
static bool find_writer(sqlite3 *db, int64_t session_id, const char *me, bool *is_me, int *pid)
{
    char writer[WRITER_BYTES] = "";
    *pid = 0;
    struct query q = prepare(db, "SELECT writer FROM session_writer WHERE session_id = ?");
    bind_int(&q, session_id);
    if (step_row(&q))
        snprintf(writer, sizeof writer, "%s", (const char *)sqlite3_column_text(q.stmt, 0));
    *is_me = strcmp(writer, me) == 0;
    if (!*is_me && writer_is_alive(writer))
        sscanf(writer, "%d", pid);
    return finish(&q);
}

bool writer_claim(sqlite3 *db, int64_t session_id, int *pid)
{
    char me[WRITER_BYTES];
    bool is_me;
    writer_of(getpid(), me);
    if (!find_writer(db, session_id, me, &is_me, pid))
        return false;
    if (is_me || *pid)
        return true;
    struct query q = prepare(db, "INSERT OR REPLACE INTO session_writer VALUES (?,?)");
    bind_int(&q, session_id);
    bind_text(&q, slice_of(me));
    return finish(&q);
}

bool writer_claim_to_write(sqlite3 *db, struct store_command *c)
{
    int pid;
    if (!writer_claim(db, c->session.id, &pid))
        return false;
    if (pid)
        err_set(&c->err, ERR_DENIED,
                "this session is open in another shunt (process %d), which alone may write it; "
                "/fork goes on in a copy",
                pid);
    return pid == 0;
}

bool writer_allows(sqlite3 *db, struct store_command *c)
{
    char me[WRITER_BYTES];
    bool is_me;
    int pid;
    writer_of(getpid(), me);
    if (!find_writer(db, c->session.id, me, &is_me, &pid))
        return false;
    if (pid)
        err_set(&c->err, ERR_DENIED,
                "this session is open in another shunt (process %d): change it there, or leave "
                "it there first",
                pid);
    return pid == 0;
}

bool run_release(sqlite3 *db, struct store_command *c)
{
    char me[WRITER_BYTES];
    writer_of(getpid(), me);
    struct query q =
            prepare(db, "DELETE FROM session_writer WHERE session_id = ? AND writer = ?");
    bind_int(&q, c->session.id);
    bind_text(&q, slice_of(me));
    return finish(&q);
}
