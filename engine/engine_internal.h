/*
 * engine_internal.h - the engine thread's own state: slots and what a slot does with a token.
 */
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "engine/chat_template.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/queue.h"
#include "engine/thread.h"
#include "engine/tokenizer.h"

enum slot_state {
    SLOT_FREE,
    SLOT_PREFILL,
    SLOT_DECODE,
    SLOT_FLUSH /* over, but not everything is sent */
};

/* Text on its way out: held back while it may still become a stop string, a reasoning tag or a
 * whole character. */
struct out_text {
    struct buf pending;
    bool is_reasoning, has_begun; /* has_begun: something visible was sent */
};

struct slot {
    enum slot_state state;
    uint16_t seq;
    struct request *request;
    struct tokens cached; /* what the KV cache holds of this sequence */
    struct tokens prompt;
    size_t n_done; /* prompt tokens that went through the model */
    size_t n_reused;
    uint32_t n_output;
    int32_t next; /* decode: the token to feed */
    struct sampler *sampler;
    struct out_text out;
    struct buf unsent;       /* text behind the filter that the ring had no room for */
    struct buf unsent_kind;  /* one byte per byte of unsent: 1 reasoning */
    struct outcome *outcome; /* set when it is over */
    bool usage_sent;
};

enum engine_command_kind { ENGINE_SEND, ENGINE_CANCEL };

struct engine_command {
    enum engine_command_kind kind;
    uint32_t request_id;
    struct request *request;
};

struct engine {
    struct engine_config cfg;
    char *path;
    struct backend_choice backend; /* its own copy */
    pthread_t thread;
    int command_fd; /* eventfd: commands are waiting, or the engine is closing */
    struct queue commands, events;
    atomic_bool is_closing, may_release; /* may_release: the owner has let go of the model */
    int percent_told;                    /* of the load */
    atomic_int state;                    /* enum engine_state */
    struct model *_Atomic model_running; /* for cancel from the owner's thread */
    uint64_t token_cursor;               /* the owner's place in the telemetry ring */
    /* the thread's own from here on; readable by the owner once the state says ready or failed
     */
    struct err error;
    struct model *model;
    struct tokenizer *tok;
    struct chat_format format;
    struct telemetry_ring *telemetry;
    struct token_record *record;
    struct slot *slots;
    struct request **waiting;
    size_t n_waiting, cap_waiting;
    double prefill_ms_per_tok; /* measured; 0: not yet */
};

/* Begins a request, whose prompt is moved, in a free slot: prefix reuse, sampler. On failure
 * the request ends with an error. */
void slot_begin(
        struct engine *e, struct slot *slot, struct request *request, struct tokens prompt);
/* The token was chosen: text out, end conditions. */
void slot_take_token(struct engine *e, struct slot *slot, int32_t token);
/* Ends the slot's request: remaining text, usage, outcome. */
void slot_end(struct engine *e, struct slot *slot, enum finish_reason finish,
        enum status status, const char *text);
/* Sends what the ring has room for; frees the slot when all is out. */
void slot_flush(struct engine *e, struct slot *slot);
/* Events that may be dropped when the ring is full: states. */
void engine_emit_stage(
        struct engine *e, const struct request *request, enum stage stage, float fraction);
bool engine_push(struct engine *e, struct event *event);

#endif
