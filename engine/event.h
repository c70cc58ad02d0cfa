/*
 * event.h - what any generation emits, local or remote, and what the core is told: 64 bytes,
 * copied by value through the rings. Text events carry whole code points. Long text arrives as
 * several events.
 */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "engine/base.h"
#include "engine/memory.h"

enum event_kind {
    EV_NONE = 0,
    /* from a producer (engine, net), about request_id */
    EV_TEXT,      /* u.text[0..n_bytes) */
    EV_REASONING, /* u.text[0..n_bytes) */
    EV_TOOL,      /* u.tool, moved: one finished tool call */
    EV_USAGE,     /* u.usage; the last one wins, field by field */
    EV_STAGE,     /* u.stage: loading, connected, prefill progress */
    EV_LIMITS,    /* u.limits: what the response's headers say is left */
    EV_DONE,      /* u.outcome, moved: the last event of an attempt */
    EV_MODEL, /* u.model, its err moved: a local model loads, is ready, failed or gone; about no
                 request */
    EV_PROBE, /* u.probe, its outcome moved: whether an endpoint answers; about no request */
    /* from the scan of model files */
    EV_MODEL_FILE, /* u.file, moved: one as it was found */
    EV_SCAN_END,   /* u.memory: all were told */
    /* from the store */
    EV_STORE, /* u.command, moved: answer to one store command */
    /* from the front end and the loop */
    EV_ACTION, /* u.action, moved: something the user did */
    EV_TIMER,  /* only t_ns: deadlines are looked at */
    EV_KIND_COUNT
};

#define TOKENS_UNKNOWN UINT32_MAX

struct rate_limits { /* TOKENS_UNKNOWN: not told */
    uint32_t request_limit, requests_left, requests_reset_ms;
    uint32_t token_limit, tokens_left, tokens_reset_ms;
};

struct usage {       /* TOKENS_UNKNOWN: the server did not say */
    uint32_t input;  /* all prompt tokens, cached and cache-written ones included */
    uint32_t output; /* all generated tokens, reasoning included */
    uint32_t cached_input;
    uint32_t cache_write; /* prompt tokens that the server stored for later */
    uint32_t reasoning;
};

enum finish_reason {
    FINISH_NONE = 0, /* the stream never told */
    FINISH_STOP,
    FINISH_LENGTH,
    FINISH_TOOL_CALLS,
    FINISH_CONTENT_FILTER,
    FINISH_ERROR,
    FINISH_REASON_COUNT
};
const char *finish_reason_name(enum finish_reason reason); /* NULL for FINISH_NONE */

/* How an attempt ended. Allocated by the producer with mem_alloc, freed by the receiver. */
struct outcome {
    enum finish_reason finish_reason;
    struct err err;         /* err.status == OK: no error */
    int64_t retry_after_ms; /* -1: the server did not say */
    int http_status;        /* 0: none */
};

struct tool_call { /* one allocation per field; freed by tool_call_free */
    char *id, *name, *arguments;
};
void tool_call_free(struct tool_call *call);

enum stage { STAGE_QUEUED, STAGE_LOADING, STAGE_CONNECTING, STAGE_PREFILL, STAGE_DECODE };

enum engine_state { ENGINE_LOADING, ENGINE_READY, ENGINE_FAILED, ENGINE_STOPPED };

struct event {
    uint32_t request_id;
    uint8_t kind;
    uint8_t n_bytes;
    uint8_t attempt; /* which attempt of the request: fallback, retry, hedge */
    uint64_t t_ns;   /* the producer's monotonic clock */
    union {
        char text[48];
        struct usage usage;
        struct rate_limits limits;
        struct {
            enum stage stage;
            float fraction; /* done of this stage, 0..1; negative: unknown */
        } stage;
        struct tool_call *tool;
        struct outcome *outcome;
        struct {
            struct outcome *outcome;
            int32_t endpoint; /* index in the fleet */
            uint32_t ms;
        } probe;
        struct {
            int32_t endpoint; /* index in the fleet; the hub's to fill in */
            enum engine_state state;
            float fraction;           /* loading: done; negative: not known */
            uint64_t need_bytes;      /* file and KV cache; 0: not known yet */
            uint64_t available_bytes; /* of this machine's memory; 0: not known */
            struct err *err;          /* failed: why; ready: where it runs, or NULL */
        } model;
        struct model_file *file;
        struct memory memory;
        struct store_command *command;
        struct action *action;
    } u;
};

_Static_assert(sizeof(struct event) == 64, "an event is one cache line");

#endif
