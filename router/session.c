/*
 * session.c - see session.h. Ids grow, so messages lie in their order and are found by halving;
 * rows from a damaged database may not, and then all are looked at.
 */
#include "router/session.h"

#include <string.h>

#include "router/store.h"

struct session *session_new(int64_t id, int64_t now_ms)
{
    struct session *s = mem_alloc(sizeof *s);
    s->id = id;
    s->created_ms = s->used_ms = now_ms;
    buf_init(&s->system, MESSAGE_MAX_BYTES);
    buf_init(&s->draft, MESSAGE_MAX_BYTES);
    return s;
}

static struct message *message_new(void)
{
    struct message *m = mem_alloc(sizeof *m);
    buf_init(&m->text, MESSAGE_MAX_BYTES);
    buf_init(&m->reasoning, MESSAGE_MAX_BYTES);
    buf_init(&m->error, ERR_TEXT_BYTES);
    buf_init(&m->tool_calls, MESSAGE_MAX_BYTES);
    buf_init(&m->tokens.records, MESSAGE_MAX_BYTES);
    m->usage = (struct usage){
            TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    m->cost_nusd = m->retry_after_ms = -1;
    return m;
}

static void message_free(struct message *m)
{
    buf_release(&m->text);
    buf_release(&m->reasoning);
    buf_release(&m->error);
    buf_release(&m->tool_calls);
    buf_release(&m->tokens.records);
    mem_free(m);
}

void session_free(struct session *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_messages; i++)
        message_free(s->messages[i]);
    mem_free(s->messages);
    buf_release(&s->system);
    buf_release(&s->draft);
    mem_free(s);
}

/* Ids grow, so messages stand in their order. Damaged ones do not: then all are looked at. */
size_t session_index(const struct session *s, int64_t id)
{
    size_t low = 0, high = s->n_messages;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->messages[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < s->n_messages && s->messages[low]->id == id)
        return low;
    for (size_t i = 0; i < s->n_messages && s->is_disordered; i++)
        if (s->messages[i]->id == id)
            return i;
    return s->n_messages;
}

struct message *session_find(const struct session *s, int64_t id)
{
    size_t i = session_index(s, id);
    return i < s->n_messages ? s->messages[i] : NULL;
}

static struct message *append(struct session *s, int64_t id)
{
    if (s->n_messages == s->cap_messages)
        s->messages = mem_resize(
                s->messages, (s->cap_messages = s->cap_messages ? s->cap_messages * 2 : 16) *
                                     sizeof *s->messages);
    s->is_disordered |= s->n_messages && s->messages[s->n_messages - 1]->id >= id;
    struct message *m = s->messages[s->n_messages++] = message_new();
    m->id = id;
    return m;
}

struct message *session_add(
        struct session *s, int64_t id, enum message_role role, int64_t now_ms)
{
    struct message *m = append(s, id);
    m->parent_id = s->leaf_id;
    m->role = role;
    m->created_ms = now_ms;
    s->leaf_id = id;
    s->used_ms = now_ms;
    return m;
}

struct slice message_typed(const struct message *m)
{
    return (struct slice){buf_text(&m->text), m->text.n - m->n_attached};
}

struct message *session_copy_message(struct session *to, const struct message *from, int64_t id)
{
    struct message *m = session_add(to, id, from->role, from->created_ms);
    m->state = from->state;
    buf_add_slice(&m->text, buf_slice(&from->text));
    m->n_attached = from->n_attached;
    buf_add_slice(&m->reasoning, buf_slice(&from->reasoning));
    buf_add_slice(&m->tool_calls, buf_slice(&from->tool_calls));
    memcpy(m->endpoint, from->endpoint, sizeof m->endpoint);
    memcpy(m->model, from->model, sizeof m->model);
    buf_add_slice(&m->error, buf_slice(&from->error));
    m->finish = from->finish; /* its cost and times stay with the one that took them */
    m->is_copy = from->role == MSG_ASSISTANT;
    return m;
}

/* From the leaf to the root; parents nearly always stand right before. A damaged database could
 * hold a circle: the path never gets longer than the list. */
size_t session_path(const struct session *s, struct message ***out)
{
    struct message **path = mem_alloc((s->n_messages + 1) * sizeof *path);
    size_t n = 0, i = s->leaf_id ? session_index(s, s->leaf_id) : s->n_messages;
    while (i < s->n_messages && n < s->n_messages) {
        path[n++] = s->messages[i];
        int64_t parent_id = s->messages[i]->parent_id;
        i = i > 0 && s->messages[i - 1]->id == parent_id ? i - 1 : session_index(s, parent_id);
    }
    for (size_t k = 0; k < n / 2; k++) {
        struct message *swap = path[k];
        path[k] = path[n - 1 - k];
        path[n - 1 - k] = swap;
    }
    *out = path;
    return n;
}

static void take_text(struct buf *to, struct slice from)
{
    buf_clear(to);
    buf_add_slice(to, from);
}

static enum finish_reason find_finish(struct slice name)
{
    for (int i = 1; i < FINISH_REASON_COUNT; i++)
        if (slice_eq(name, finish_reason_name((enum finish_reason)i)))
            return (enum finish_reason)i;
    return FINISH_NONE;
}

static void take_row(struct session *s, const struct message_row *row)
{
    struct message *m = append(s, row->id);
    m->parent_id = row->parent_id;
    m->created_ms = row->created_ms;
    m->role = (unsigned)row->role < MESSAGE_ROLE_COUNT ? row->role : MSG_USER;
    m->state = (unsigned)row->state <= MESSAGE_FAILED ? row->state : MESSAGE_FAILED;
    take_text(&m->text, row->text);
    m->n_attached = row->n_attached <= m->text.n ? (size_t)row->n_attached : 0;
    take_text(&m->reasoning, row->reasoning);
    take_text(&m->tool_calls, row->tool_calls);
    slice_to_text(row->endpoint, m->endpoint, sizeof m->endpoint);
    slice_to_text(row->model, m->model, sizeof m->model);
    take_text(&m->error, row->error);
    m->finish = find_finish(row->finish);
    m->usage = row->usage;
    m->cost_nusd = row->cost_nusd;
    m->ttft_ms = row->ttft_ms;
    m->total_ms = row->total_ms;
    m->reasoning_ms = row->reasoning_ms;
    m->is_copy = row->is_copy;
    m->is_saved = true;
}

struct session *session_from_rows(
        const struct session_row *row, const struct message_row *rows, size_t n_rows)
{
    struct session *s = session_new(row->id, row->created_ms);
    s->is_stored = true;
    s->used_ms = row->used_ms;
    s->leaf_id = row->leaf_id;
    slice_to_text(row->title, s->title, sizeof s->title);
    slice_to_text(row->endpoint, s->endpoint, sizeof s->endpoint);
    take_text(&s->system, row->system);
    take_text(&s->draft, row->draft);
    s->draft_cursor =
            row->draft_cursor <= s->draft.n ? row->draft_cursor : (uint32_t)s->draft.n;
    s->scroll_id = row->scroll_id;
    s->scroll_line = row->scroll_line;
    for (size_t i = 0; i < n_rows; i++)
        take_row(s, &rows[i]);
    if (s->leaf_id && !session_find(s, s->leaf_id))
        s->leaf_id = n_rows ? s->messages[n_rows - 1]->id : 0;
    return s;
}

static struct slice put(struct arena *arena, struct slice s)
{
    return (struct slice){arena_strndup(arena, s.ptr, s.n), s.n};
}

void session_fill_row(const struct session *s, struct arena *arena, struct session_row *out)
{
    *out = (struct session_row){.id = s->id,
            .created_ms = s->created_ms,
            .used_ms = s->used_ms,
            .leaf_id = s->leaf_id,
            .title = put(arena, slice_of(s->title)),
            .endpoint = put(arena, slice_of(s->endpoint)),
            .system = put(arena, buf_slice(&s->system)),
            .draft = put(arena, buf_slice(&s->draft)),
            .draft_cursor = s->draft_cursor,
            .scroll_id = s->scroll_id,
            .scroll_line = s->scroll_line};
}

void message_fill_row(const struct session *s, const struct message *m, struct arena *arena,
        struct message_row *out)
{
    const char *finish = finish_reason_name(m->finish);
    *out = (struct message_row){.id = m->id,
            .session_id = s->id,
            .parent_id = m->parent_id,
            .role = m->role,
            .state = m->state,
            .created_ms = m->created_ms,
            .text = put(arena, buf_slice(&m->text)),
            .n_attached = m->n_attached,
            .reasoning = put(arena, buf_slice(&m->reasoning)),
            .tool_calls = put(arena, buf_slice(&m->tool_calls)),
            .endpoint = put(arena, slice_of(m->endpoint)),
            .model = put(arena, slice_of(m->model)),
            .finish = put(arena, slice_of(finish ? finish : "")),
            .error = put(arena, buf_slice(&m->error)),
            .usage = m->usage,
            .cost_nusd = m->cost_nusd,
            .ttft_ms = m->ttft_ms,
            .total_ms = m->total_ms,
            .reasoning_ms = m->reasoning_ms,
            .is_copy = m->is_copy};
}

const struct message *session_newest_answer(const struct session *session)
{
    const struct message *leaf = session_find(session, session->leaf_id);
    return leaf && leaf->role == MSG_ASSISTANT ? leaf : NULL;
}

double message_tok_per_s(const struct message *message)
{
    uint32_t n = message->usage.output;
    if (n == TOKENS_UNKNOWN || n < 2 || message->total_ms <= message->ttft_ms)
        return 0;
    return (n - 1) * 1000.0 / (message->total_ms - message->ttft_ms);
}
