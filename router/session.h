/*
 * session.h - the open conversation: a tree of messages, of which one path from a root to
 * leaf_id is shown.
 */
#ifndef ROUTER_SESSION_H
#define ROUTER_SESSION_H

#include "engine/event.h"
#include "engine/request.h"
#include "engine/telemetry.h"

#include "router/endpoint_limits.h"
#include "router/message_state.h"

struct message_row;
struct session_row;

#define MESSAGE_MAX_BYTES (64u << 20)

/* Routing telemetry of one answer, in memory: whole records, oldest first. */
struct token_log {
    struct telemetry_shape shape;
    size_t record_bytes; /* 0: nothing was recorded */
    struct buf records;
    size_t n_stored; /* records already sent to the store */
    enum {
        TOKENS_NOT_ASKED,
        TOKENS_ASKED,
        TOKENS_CAME
    } disk; /* what the store was asked for */
};

struct message {
    int64_t id, parent_id, created_ms;
    int64_t left_leaf_id; /* the leaf when another branch was shown in place of it; 0: never */
    enum message_role role;
    enum message_state state;
    struct buf text, reasoning;
    struct buf error;  /* the sentence of one that failed */
    size_t n_attached; /* of a user's text: bytes at its end that come from files */
    char endpoint[ENDPOINT_NAME_BYTES], model[128];
    enum status error_status; /* of this run of the program; OK after loading */
    int64_t retry_after_ms;   /* what the server asked for; -1: nothing */
    struct buf tool_calls;    /* JSON objects {"id","name","arguments"}, comma between */
    enum finish_reason finish;
    struct usage usage;
    int64_t cost_nusd; /* -1: unknown */
    uint32_t ttft_ms,
            total_ms;      /* they, usage and cost: of all attempts at this answer together */
    uint32_t reasoning_ms; /* how long reasoning came, of all attempts; 0: none did */
    uint32_t request_id;   /* of the running attempt; 0: none */
    bool is_copy;          /* of an answer of another session, which asked and paid for it */
    bool is_saved;         /* the newest state is in the database */
    uint32_t version;      /* grows with every change of what is shown: key for render caches */
    struct token_log tokens;
};

struct session {
    int64_t id, created_ms, used_ms, leaf_id;
    int writer_pid; /* another process that writes it: here it is only read; 0: ours */
    char title[128];
    char endpoint[ENDPOINT_NAME_BYTES]; /* that the user chose for it; "": the router chooses */
    struct buf system;
    struct buf draft;
    uint32_t draft_cursor;
    int64_t scroll_id;
    uint32_t scroll_line;
    struct message **messages; /* all branches, in the order of creation, which ids follow */
    size_t n_messages, cap_messages;
    bool is_disordered; /* ids do not grow: damage, or a test */
    bool is_stored;     /* the store has a row of it, or one is on its way */
    uint64_t load;      /* tag of the load it came from: other messages stand behind the same
                           ids after another one; 0: made here */
};

struct session *session_new(int64_t id, int64_t now_ms);
void session_free(struct session *session);
/* What the shown branch ends with, if that is an answer; else NULL. */
const struct message *session_newest_answer(const struct session *session);
/* Tokens per second behind the first one, which belongs to the time before it; 0: not known. */
double message_tok_per_s(const struct message *message);
struct message *session_find(const struct session *session, int64_t id); /* NULL: none */
/* Its place in messages; n_messages: there is none. */
size_t session_index(const struct session *session, int64_t id);
struct message *session_add(struct session *session, int64_t id, enum message_role role,
        int64_t now_ms); /* child of the leaf; becomes the leaf */
/* What the user wrote of a message: without the files that go along. */
struct slice message_typed(const struct message *m);
/* A copy of a finished message as the new leaf of another session. */
struct message *session_copy_message(
        struct session *to, const struct message *from, int64_t id);
/* The shown path, oldest first, into out (caller frees with mem_free). Returns its length. */
size_t session_path(const struct session *session, struct message ***out);
/* From and to rows of the store; slices of a filled row point into the command's arena
 * (copies). */
struct session *session_from_rows(
        const struct session_row *row, const struct message_row *rows, size_t n_rows);
void session_fill_row(
        const struct session *session, struct arena *arena, struct session_row *out);
void message_fill_row(const struct session *session, const struct message *m,
        struct arena *arena, struct message_row *out);

#endif
