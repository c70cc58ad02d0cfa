/*
 * store.h - the store thread: the only user of SQLite. Commands go in, answers come out as
 * EV_STORE events, in the order of the commands. Sessions are trees of messages; a message row
 * is written whole each time (state and text change while an answer runs).
 *
 * Durability: what a command wrote is on the platter before its answer comes. ERR_FULL / ERR_IO
 * in an answer means nothing of that command was kept: the core keeps it and retries. Any other
 * error means the same, and that another attempt would fail the same way.
 */
#ifndef ROUTER_STORE_H
#define ROUTER_STORE_H

#include "engine/event.h"
#include "engine/request.h"

#include "router/message_state.h"

struct telemetry_shape;

/* One message as it is stored; slices point into the arena of the command or answer that
 * carries it. */
struct message_row {
    int64_t id, session_id, parent_id; /* parent 0: a root */
    enum message_role role;
    enum message_state state;
    int64_t created_ms; /* Unix time */
    struct slice text, reasoning;
    uint64_t n_attached;                         /* see struct message */
    struct slice endpoint, model, finish, error; /* of an answer */
    struct slice tool_calls;                     /* see struct message */
    struct usage usage;
    int64_t cost_nusd;                        /* -1: unknown */
    uint32_t ttft_ms, total_ms, reasoning_ms; /* of an answer; 0: none */
    bool is_copy;                             /* see struct message: counted nowhere */
};

#define ANSWERS_MAX 64

#define SESSION_NEWEST 0
#define SESSION_SHOWN  (-1) /* the one that the setting "shown" names, else the newest */

struct session_row {
    int64_t id;
    int64_t created_ms, used_ms;
    int64_t leaf_id;            /* newest message of the branch that is shown; 0: none */
    struct slice title, system; /* LIST: no system prompt, and the beginning of the draft */
    struct slice endpoint;      /* see struct session */
    struct slice draft;
    uint32_t draft_cursor;           /* byte offset */
    int64_t scroll_id;               /* message at the top of the screen; 0: follow the end */
    uint32_t scroll_line;            /* line inside it */
    uint32_t n_messages;             /* filled by LIST and LOAD */
    struct slice snippet;            /* LIST: matching text, or what is asked last on the
                                        branch that is shown */
    struct slice answer;             /* LIST: to that; n == 0: none, or words were sought */
    bool has_interrupted, has_draft; /* filled by LIST */
    bool is_stopped;                 /* LIST: the newest answer of what is shown was */
};

/* An answer as far as something can be learned from it about its endpoint. */
struct answer_row {
    struct slice endpoint, error;
    enum message_state state;
    int64_t created_ms;
    uint32_t ttft_ms, total_ms; /* 0: none */
    uint32_t n_output_tok;      /* TOKENS_UNKNOWN */
};

/* What the answers of one endpoint on one local day took together. */
struct cost_row {
    struct slice day; /* "2026-01-31" */
    struct slice endpoint;
    uint32_t n_requests, n_errors;
    uint32_t n_unpriced;               /* answers whose cost nobody knows */
    int64_t n_input_tok, n_output_tok; /* -1: of no answer known */
    int64_t cost_nusd;                 /* of those whose cost is known; -1: of none */
};

/* Until when the process that asked it last lets an endpoint rest. */
struct breaker_row {
    struct slice endpoint;
    int64_t until_ms; /* Unix time; 0: it works again */
};

/* A routing decision as it was stored. */
struct decision_row {
    int64_t t_ms, message_id;
    struct slice json, question; /* question: the beginning of what was asked */
};

enum store_op {
    STORE_PUT_MESSAGE,  /* session (upsert) and messages[0..n) in one transaction */
    STORE_PUT_DRAFT,    /* session: draft, draft_cursor, scroll_* only */
    STORE_PUT_TOKENS,   /* telemetry of message_id: shape + records, appended */
    STORE_PUT_DECISION, /* decision JSON */
    STORE_TRASH,        /* session.id, trashed_ms: it is left out of LIST and of LOAD without an
                           id until somebody writes in it. Not while another process writes it */
    STORE_PUT_TITLE,    /* session: title only; not while another process writes it */
    STORE_RELEASE,      /* session.id: another process may write it now */
    STORE_RESERVE, /* key: endpoint, amount_nusd, limit_nusd: adds to today's spending of all
                      processes, unless that is over the limit (is_above_limit) -> value: the
                      day, total_nusd. Negative amounts give back. */
    STORE_LIST,    /* query, is_trash -> sessions, newest first, at most `limit` */
    STORE_LOAD,    /* session.id or SESSION_… -> session, all its messages; RUNNING ones
                      whose process is gone are made INTERRUPTED */
    STORE_LOAD_TOKENS, /* message_id, or 0: of the newest answer that has some in session.id
                          (0: in any) -> shape, records, message_id; messages[0]:
                          its session, endpoint and model */
    STORE_LOAD_FLEET,  /* since_ms, day_ms -> answers since then, at most ANSWERS_MAX newest of
                          each endpoint, oldest first; costs since day_ms; breakers */
    STORE_LOAD_COSTS,  /* since_ms -> costs by day and endpoint, oldest first */
    STORE_LIST_DECISIONS, /* message_id, or 0: any -> decisions, newest first, at most `limit`
                           */
    STORE_PUT_SETTING,    /* key, value; "breaker NAME": see breaker_row */
    STORE_GET_SETTING,    /* key -> value (n == 0: none) */
    STORE_EXPORT, /* value = bytes, key = path: writes a file (the way out when the disk is
                     full) */
    STORE_OP_COUNT
};

/* Both a command and its answer: the answer is the command with the result fields filled.
 * Everything it points to lives in its arena; the struct is the arena's first allocation. */
struct store_command {
    struct arena arena;
    enum store_op op;
    uint64_t tag; /* the core's own mark */
    struct session_row session;
    struct message_row *messages;
    size_t n_messages;
    struct session_row *sessions; /* LIST */
    size_t n_sessions;
    struct decision_row *decisions; /* LIST_DECISIONS */
    size_t n_decisions;
    int64_t trashed_ms; /* TRASH: Unix time; 0: it comes out again */
    bool is_trash;      /* LIST: those in the trash instead of the others */
    int64_t message_id;
    struct telemetry_shape *shape;
    unsigned char *records; /* n_records * token_record_bytes(shape) */
    size_t n_records;
    int64_t since_ms, day_ms; /* Unix time */
    struct answer_row *answers;
    size_t n_answers;
    struct cost_row *costs;
    size_t n_costs;
    struct breaker_row *breakers;
    size_t n_breakers;
    struct slice key, value, query;
    int64_t amount_nusd, limit_nusd, total_nusd; /* RESERVE; limit negative: none */
    bool is_above_limit;                         /* RESERVE: nothing was added */
    int writer_pid;    /* LOAD: the other process that writes this session; 0: we may */
    bool only_if_free; /* LOAD: no messages as long as another process writes it */
    uint32_t limit;
    struct err err; /* answer: err.status == OK on success */
};
struct store_command *store_command_new(enum store_op op);
void store_command_free(struct store_command *command);

struct store;

/* Opens (creates, backs up and migrates) DIR/shunt.db and starts the thread. ERR_DENIED: the
 * schema is newer than this program. ERR_FORMAT: not a database, or corrupt. The directory is
 * created. */
enum status store_open(
        struct store **out, const char *dir, int wake_fd, struct err *err) MUST_USE;
void store_close(struct store *store); /* finishes what was sent, joins */
bool store_send(
        struct store *store, struct store_command *command) MUST_USE; /* moves; false: full */
bool store_poll_event(struct store *store, struct event *out);        /* EV_STORE, moved */

#endif
