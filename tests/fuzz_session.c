/*
 * fuzz_session.c - rows of a damaged database: any ids, parents, states and texts become a
 * session whose shown path ends and whose rows can be written again.
 */
#include "router/session.h"
#include "router/store.h"
#include "router/store_query.h"

#include "tests/fuzz.h"

#define ROWS_MAX 64

static uint8_t next_byte(struct slice *rest)
{
    if (rest->n == 0)
        return 0;
    rest->n--;
    return (uint8_t)*rest->ptr++;
}

static struct slice next_text(struct slice *rest)
{
    size_t n = next_byte(rest) % 32;
    struct slice text = {rest->ptr, n < rest->n ? n : rest->n};
    rest->ptr += text.n;
    rest->n -= text.n;
    return text;
}

/* Small ids, so that they meet; now and then one that no database gives. */
static int64_t next_id(struct slice *rest)
{
    uint8_t byte = next_byte(rest);
    return byte == 0xFF ? INT64_MIN : byte == 0xFE ? INT64_MAX : byte % 16 - 1;
}

static struct message_row next_row(struct slice *rest)
{
    return (struct message_row){.id = next_id(rest),
            .session_id = next_id(rest),
            .parent_id = next_id(rest),
            .role = next_byte(rest),
            .state = next_byte(rest),
            .created_ms = next_id(rest),
            .text = next_text(rest),
            .reasoning = next_text(rest),
            .endpoint = next_text(rest),
            .model = next_text(rest),
            .finish = next_text(rest),
            .error = next_text(rest),
            .cost_nusd = next_id(rest)};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct slice rest = {(const char *)bytes, n};
    struct session_row row = {.id = next_id(&rest),
            .leaf_id = next_id(&rest),
            .scroll_id = next_id(&rest),
            .title = next_text(&rest),
            .draft = next_text(&rest),
            .draft_cursor = next_byte(&rest)};
    struct message_row rows[ROWS_MAX];
    struct message **path;
    struct arena arena = {0};
    size_t n_rows = 0;
    while (rest.n && n_rows < ROWS_MAX)
        rows[n_rows++] = next_row(&rest);
    struct session *session = session_from_rows(&row, rows, n_rows);
    size_t n_path = session_path(session, &path);
    FUZZ_CHECK(n_path <= session->n_messages);
    FUZZ_CHECK(session->draft_cursor <= session->draft.n);
    session_fill_row(session, &arena, &row);
    for (size_t i = 0; i < session->n_messages; i++)
        message_fill_row(session, session->messages[i], &arena, &rows[0]);
    mem_free(path);
    arena_release(&arena);
    session_free(session);
    return 0;
}
