/*
 * store_sessions.c - changes to a session that need not be open: it goes to the trash, comes
 * back, or gets another title.
 */
#include "router/store.h"
#include "router/store_query.h"
#include "router/store_sql.h"
#include "router/store_writer.h"

bool run_trash(sqlite3 *db, struct store_command *c)
{
    if (!writer_allows(db, c))
        return false;
    struct query q = prepare(db, "UPDATE session SET trashed_ms = ? WHERE id = ?");
    bind_int(&q, c->trashed_ms);
    bind_int(&q, c->session.id);
    return finish(&q);
}

bool run_put_title(sqlite3 *db, struct store_command *c)
{
    if (!writer_allows(db, c))
        return false;
    struct query q = prepare(db, "UPDATE session SET title = ? WHERE id = ?");
    bind_text(&q, c->session.title);
    bind_int(&q, c->session.id);
    return finish(&q);
}
