/*
 * engine.h - one loaded local model and the thread that runs it: the only header a router
 * needs.
 *
 * engine_open returns at once; the thread loads the file while requests queue, and a failure to
 * load ends every request with the reason. How far it is, and how it ended, comes as EV_MODEL.
 * All calls are from one owner thread except where said.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/backend.h"

struct engine;
struct event;
struct model_info;
struct request;
struct telemetry_shape;
struct token_record;

#define ENGINE_SLOTS_MAX 64

struct engine_config {
    const char *path;              /* copied */
    int n_threads;                 /* 0: one per core */
    int n_slots;                   /* requests at once, at most ENGINE_SLOTS_MAX; 0: 1 */
    uint32_t context_tok;          /* per slot; 0: the model's own, at most 8192 */
    struct backend_choice backend; /* copied */
    int wake_fd;                   /* eventfd written when events are ready; -1: none */
};

struct engine *engine_open(const struct engine_config *cfg);
/* Asks the thread to end, also in the middle of a load, and returns at once; the state is
 * ENGINE_STOPPED when it did and the model is out of memory. Requests that still run end
 * without a word. From here on only engine_state, engine_poll_event and engine_close may be
 * called. */
void engine_stop(struct engine *engine);
/* engine_stop, and waits for it. Events not yet taken are freed. */
void engine_close(struct engine *engine);
/* Moves the request; false: the ring is full and the caller keeps it. */
bool engine_send(struct engine *engine, struct request *request) MUST_USE;
/* The running answer ends with ERR_CANCELLED within one token. False: the ring is full. */
bool engine_cancel(struct engine *engine, uint32_t request_id) MUST_USE;
bool engine_poll_event(struct engine *engine, struct event *out);
/* Telemetry: out has token_record_bytes(engine_shape()) bytes. */
bool engine_poll_token(struct engine *engine, struct token_record *out, uint64_t *n_lost);

enum engine_state engine_state(const struct engine *engine); /* any thread */
/* Valid while the state is ENGINE_READY and engine_stop was not called. */
const struct model_info *engine_info(const struct engine *engine);
const struct telemetry_shape *engine_shape(const struct engine *engine);
/* Appends the text of a vocabulary id. False: not ready, or no such id. */
bool engine_token_text(const struct engine *engine, int32_t token, struct buf *out);
/* The reason once the state is ENGINE_FAILED. */
const struct err *engine_error(const struct engine *engine);

#endif
