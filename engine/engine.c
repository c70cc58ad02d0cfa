/*
 * engine.c - the engine thread: loads the model, then turns. Each turn takes commands, builds
 * one batch of all decoding slots' next tokens plus a piece of one waiting prompt, runs it, and
 * hands out the tokens. The piece is as long as measured speed allows without delaying a
 * running answer by more than 100 ms. With nothing to do the thread sleeps in poll.
 */
#include "engine/engine.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernels/kernels.h"

#include "engine/engine_internal.h"
#include "engine/memory.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/telemetry.h"

#define N_EVENTS          4096
#define N_COMMANDS        64
#define TELEMETRY_BYTES   (24u << 20) /* of the ring */
#define BATCH_TOK         512
#define SHARED_CHUNK_MS   100.0 /* a prompt's piece while others decode */
#define LONELY_CHUNK_MS   400.0 /* alone: short enough to show progress */
#define FULL_RING_WAIT_MS 5

_Static_assert(SAMPLE_TOP_N == TOKEN_TOP_N, "a record holds what a sample tells");
_Static_assert(ENGINE_SLOTS_MAX <= KV_SEQ_MAX, "a slot is a sequence of the KV cache");

bool engine_push(struct engine *e, struct event *event)
{
    if (!queue_push(&e->events, event))
        return false;
    queue_poke(e->cfg.wake_fd);
    return true;
}

void engine_emit_stage(
        struct engine *e, const struct request *request, enum stage stage, float fraction)
{
    struct event event = {.request_id = request->id,
            .kind = EV_STAGE,
            .t_ns = clock_now_ns(),
            .attempt = request->attempt};
    event.u.stage.stage = stage;
    event.u.stage.fraction = fraction;
    if (queue_room(&e->events) > N_EVENTS / 4)
        engine_push(e, &event);
}

/* ---- the thread ------------------------------------------------------------------------- */

/* Waits until the ring has room, unless the engine is closing; then the event's memory is
 * freed. */
static void push_done(
        struct engine *e, const struct request *request, enum status status, const char *text)
{
    struct event event = {.request_id = request->id,
            .kind = EV_DONE,
            .t_ns = clock_now_ns(),
            .attempt = request->attempt};
    event.u.outcome = mem_alloc(sizeof *event.u.outcome);
    event.u.outcome->finish_reason = FINISH_ERROR;
    event.u.outcome->retry_after_ms = -1;
    err_set(&event.u.outcome->err, status, "%s", text);
    while (!engine_push(e, &event)) {
        if (atomic_load(&e->is_closing)) {
            mem_free(event.u.outcome);
            return;
        }
        poll(NULL, 0, FULL_RING_WAIT_MS);
    }
}

static void refuse(
        struct engine *e, struct request *request, enum status status, const char *text)
{
    push_done(e, request, status, text);
    request_free(request);
}

static void cancel(struct engine *e, uint32_t request_id)
{
    for (size_t i = 0; i < e->n_waiting; i++)
        if (e->waiting[i]->id == request_id) {
            struct request *request = e->waiting[i];
            memmove(e->waiting + i, e->waiting + i + 1,
                    (--e->n_waiting - i) * sizeof *e->waiting);
            refuse(e, request, ERR_CANCELLED, "stopped");
            return;
        }
    for (int i = 0; e->slots && i < e->cfg.n_slots; i++)
        if (e->slots[i].request && e->slots[i].request->id == request_id &&
                e->slots[i].state != SLOT_FLUSH)
            slot_end(e, &e->slots[i], FINISH_NONE, ERR_CANCELLED, "stopped");
}

static void take_commands(struct engine *e)
{
    struct engine_command command;
    while (queue_pop(&e->commands, &command)) {
        if (command.kind == ENGINE_CANCEL) {
            cancel(e, command.request_id);
        } else if (atomic_load(&e->state) == ENGINE_FAILED) {
            refuse(e, command.request, e->error.status, e->error.text);
        } else {
            if (e->n_waiting == e->cap_waiting)
                e->waiting = mem_resize(
                        e->waiting, (e->cap_waiting = e->cap_waiting ? e->cap_waiting * 2 : 8) *
                                            sizeof *e->waiting);
            e->waiting[e->n_waiting++] = command.request;
            if (atomic_load(&e->state) == ENGINE_LOADING)
                engine_emit_stage(e, command.request, STAGE_LOADING, -1);
        }
    }
}

static void wait_for_command(struct engine *e, int timeout_ms)
{
    struct pollfd fd = {e->command_fd, POLLIN, 0};
    if (poll(&fd, 1, timeout_ms) > 0)
        queue_unpoke(e->command_fd);
}

/* Whoever looks at the model as such hears of it beside the requests that wait for it. Progress
 * may be dropped, an end not: at a load's end the ring has room, and there is nobody else. */
static void tell_model(struct engine *e, enum engine_state state, float fraction,
        const struct model_info *info, const struct err *err)
{
    struct event event = {.kind = EV_MODEL, .t_ns = clock_now_ns()};
    event.u.model.endpoint = -1;
    event.u.model.state = state;
    event.u.model.fraction = fraction;
    event.u.model.need_bytes = info ? info->file_bytes + info->kv_bytes : 0;
    event.u.model.available_bytes = memory_read().available_bytes;
    event.u.model.err = err ? mem_dup(err, sizeof *err) : NULL;
    if ((state == ENGINE_LOADING && queue_room(&e->events) < N_EVENTS / 4) ||
            !engine_push(e, &event))
        mem_free(event.u.model.err);
}

/* "cuda: NVIDIA …", "avx2; no GPU is used: there is no NVIDIA driver on this machine" */
static void tell_ready(struct engine *e)
{
    const struct model_info *info = model_info(e->model);
    struct err place;
    err_set(&place, OK, "%s%s%s", info->kernel, info->why_cpu[0] ? "; no GPU is used: " : "",
            info->why_cpu);
    tell_model(e, ENGINE_READY, 1, info, &place);
}

static bool report_loading(void *user, const struct model_info *info, float fraction)
{
    struct engine *e = user;
    int percent = (int)(fraction * 100);
    take_commands(e);
    if (percent != e->percent_told) {
        tell_model(e, ENGINE_LOADING, fraction, info, NULL);
        for (size_t i = 0; i < e->n_waiting; i++)
            engine_emit_stage(e, e->waiting[i], STAGE_LOADING, fraction);
    }
    e->percent_told = percent;
    return !atomic_load(&e->is_closing);
}

static enum status load(struct engine *e, struct err *err)
{
    struct model_config cfg = {.path = e->path,
            .n_threads = e->cfg.n_threads,
            .context_tok = e->cfg.context_tok,
            .n_seqs = e->cfg.n_slots,
            .batch_tok = BATCH_TOK,
            .backend = e->backend,
            .progress = report_loading,
            .user = e};
    enum status status = model_open(&e->model, &cfg, err);
    if (status == OK)
        status = tokenizer_open(&e->tok, model_gguf(e->model), err);
    if (status == OK)
        status = chat_format_find(&e->format, model_gguf(e->model), err);
    if (status != OK)
        return status;
    size_t record_bytes = token_record_bytes(model_shape(e->model));
    size_t n_records = TELEMETRY_BYTES / record_bytes;
    e->telemetry = telemetry_open(
            model_shape(e->model), (uint32_t)(n_records < 8192 ? n_records : 8192));
    e->record = mem_alloc(record_bytes);
    e->slots = mem_alloc((size_t)e->cfg.n_slots * sizeof *e->slots);
    for (int i = 0; i < e->cfg.n_slots; i++) {
        e->slots[i].seq = (uint16_t)i;
        buf_init(&e->slots[i].out.pending, SIZE_MAX / 2);
        buf_init(&e->slots[i].unsent, SIZE_MAX / 2);
        buf_init(&e->slots[i].unsent_kind, SIZE_MAX / 2);
    }
    return OK;
}

/* The free slot whose cache begins with most of the prompt. */
static struct slot *find_free_slot(struct engine *e, const struct tokens *prompt)
{
    struct slot *best = NULL;
    size_t longest = 0;
    for (int i = 0; i < e->cfg.n_slots; i++) {
        struct slot *slot = &e->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        size_t n = tokens_common_prefix(&slot->cached, prompt);
        if (!best || n > longest)
            best = slot, longest = n;
    }
    return best;
}

static bool has_free_slot(const struct engine *e)
{
    for (int i = 0; i < e->cfg.n_slots; i++)
        if (e->slots[i].state == SLOT_FREE)
            return true;
    return false;
}

static void begin_waiting(struct engine *e)
{
    while (e->n_waiting && has_free_slot(e)) {
        struct request *request = e->waiting[0];
        memmove(e->waiting, e->waiting + 1, --e->n_waiting * sizeof *e->waiting);
        struct tokens prompt = {0};
        chat_format_encode(&e->format, e->tok, request->messages, request->n_messages, &prompt);
        slot_begin(e, find_free_slot(e, &prompt), request, prompt);
    }
}

/* One turn's batch and which slot each token belongs to. */
struct turn {
    uint32_t n;
    int32_t tokens[BATCH_TOK];
    uint16_t seq[BATCH_TOK];
    uint32_t pos[BATCH_TOK];
    uint8_t want[BATCH_TOK];
    struct sample_params params[BATCH_TOK];
    struct slot *slots[BATCH_TOK];
};

static void add_token(
        struct turn *turn, struct slot *slot, int32_t token, uint32_t pos, bool want)
{
    uint32_t i = turn->n++;
    turn->tokens[i] = token;
    turn->seq[i] = slot->seq;
    turn->pos[i] = pos;
    turn->want[i] = want;
    if (want)
        turn->params[i] = sampler_params(slot->sampler);
    turn->slots[i] = slot;
}

static uint32_t chunk_tok(const struct engine *e, bool is_alone)
{
    double budget_ms = is_alone ? LONELY_CHUNK_MS : SHARED_CHUNK_MS;
    if (e->prefill_ms_per_tok <= 0)
        return is_alone ? 64 : 16;
    double n = budget_ms / e->prefill_ms_per_tok;
    return n < 8 ? 8 : n > BATCH_TOK ? BATCH_TOK : (uint32_t)n;
}

/* A slot whose text cannot leave is skipped: it waits, nobody else does. */
static void fill_turn(struct engine *e, struct turn *turn)
{
    turn->n = 0;
    for (int i = 0; i < e->cfg.n_slots; i++) {
        struct slot *slot = &e->slots[i];
        if (slot->state == SLOT_DECODE && slot->unsent.n == 0)
            add_token(turn, slot, slot->next, (uint32_t)slot->cached.n, true);
    }
    bool is_alone = turn->n == 0;
    for (int i = 0; i < e->cfg.n_slots; i++) {
        struct slot *slot = &e->slots[i];
        if (slot->state != SLOT_PREFILL)
            continue;
        uint32_t most = chunk_tok(e, is_alone), room = BATCH_TOK - turn->n;
        most = most < room ? most : room;
        for (uint32_t n = 0; n < most && slot->n_done + n < slot->prompt.n; n++)
            add_token(turn, slot, slot->prompt.ids[slot->n_done + n],
                    (uint32_t)(slot->n_done + n), slot->n_done + n + 1 == slot->prompt.n);
        break;
    }
}

static void record_token(struct engine *e, uint32_t i, const struct slot *slot, int32_t token,
        enum token_phase phase, uint32_t i_token)
{
    struct token_record *r = e->record;
    const struct telemetry_shape *shape = model_shape(e->model);
    struct buf piece;
    buf_init(&piece, 4096);
    tokenizer_piece(e->tok, token, false, &piece);
    r->n_piece = (uint8_t)(piece.n < UINT8_MAX ? piece.n : UINT8_MAX);
    if (piece.n == 0)
        tokenizer_piece(e->tok, token, true, &piece);
    size_t n = piece.n < TOKEN_TEXT_BYTES ? piece.n : TOKEN_TEXT_BYTES;
    n = utf8_whole(buf_text(&piece), n);
    memset(r->text, 0, sizeof r->text);
    memcpy(r->text, buf_text(&piece), n);
    buf_release(&piece);
    r->request_id = slot->request->id;
    r->i_token = i_token;
    r->token = token;
    r->phase = (uint8_t)phase;
    r->n_text = (uint8_t)n;
    r->t_ns = clock_now_ns();
    if (phase == PHASE_PREFILL) {
        r->logprob = r->entropy = 0;
        r->n_top = 0;
    }
    if (shape->n_moe_layers) {
        memcpy(token_record_picks(r), model_picks(e->model, i),
                (size_t)shape->n_moe_layers * shape->k * sizeof(struct expert_pick));
        memcpy(token_record_margins(r, shape), model_margins(e->model, i),
                shape->n_moe_layers * sizeof(float));
    }
    telemetry_put(e->telemetry, r);
    queue_poke(e->cfg.wake_fd);
}

/* The routing in a record is that of the pass that produced the token: the pass over the token
 * before it. */
static void choose_next(struct engine *e, uint32_t i, struct slot *slot)
{
    const struct sample *sample = model_sample(e->model, i);
    struct token_record *r = e->record;
    sampler_take(slot->sampler, sample->token);
    r->logprob = sample->logprob;
    r->entropy = sample->entropy;
    r->n_top = (uint8_t)sample->n_top;
    for (uint32_t k = 0; k < sample->n_top; k++) {
        r->top[k].token = sample->top[k].token;
        r->top[k].logprob = sample->top[k].logprob;
    }
    record_token(
            e, i, slot, sample->token, PHASE_DECODE, (uint32_t)slot->prompt.n + slot->n_output);
    slot_take_token(e, slot, sample->token);
}

static void take_results(struct engine *e, const struct turn *turn)
{
    for (uint32_t i = 0; i < turn->n; i++) {
        struct slot *slot = turn->slots[i];
        tokens_add(&slot->cached, turn->tokens[i]);
        if (slot->state == SLOT_DECODE) {
            choose_next(e, i, slot);
            continue;
        }
        slot->n_done++;
        record_token(e, i, slot, turn->tokens[i], PHASE_PREFILL, (uint32_t)slot->n_done - 1);
        if (turn->want[i]) {
            slot->state = SLOT_DECODE;
            engine_emit_stage(e, slot->request, STAGE_DECODE, -1);
            choose_next(e, i, slot);
        }
    }
    for (int i = 0; i < e->cfg.n_slots; i++) {
        struct slot *slot = &e->slots[i];
        if (slot->state == SLOT_PREFILL)
            engine_emit_stage(e, slot->request, STAGE_PREFILL,
                    (float)slot->n_done / (float)slot->prompt.n);
    }
}

static void end_all(struct engine *e, const struct turn *turn, const struct err *err)
{
    for (uint32_t i = 0; i < turn->n; i++)
        if (turn->slots[i]->state == SLOT_PREFILL || turn->slots[i]->state == SLOT_DECODE)
            slot_end(e, turn->slots[i], FINISH_ERROR, err->status, err->text);
}

static void run_turn(struct engine *e, struct turn *turn)
{
    struct err err = {0};
    uint64_t start_ns = clock_now_ns();
    struct batch batch = {
            turn->n, turn->tokens, turn->seq, turn->pos, turn->want, .params = turn->params};
    enum status status = model_forward(e->model, &batch, &err);
    if (status == ERR_CANCELLED)
        return; /* some request was stopped: the turn is built again without it */
    if (status != OK) {
        end_all(e, turn, &err);
        return;
    }
    if (turn->n >= 8)
        e->prefill_ms_per_tok = (double)(clock_now_ns() - start_ns) / 1e6 / turn->n;
    take_results(e, turn);
}

static bool flush_all(struct engine *e)
{
    bool is_full = false;
    for (int i = 0; i < e->cfg.n_slots; i++)
        if (e->slots[i].state != SLOT_FREE) {
            slot_flush(e, &e->slots[i]);
            is_full |= e->slots[i].unsent.n > 0 || e->slots[i].state == SLOT_FLUSH;
        }
    return is_full;
}

static void serve(struct engine *e)
{
    struct turn *turn = mem_alloc(sizeof *turn);
    while (!atomic_load(&e->is_closing)) {
        model_cancel_clear(e->model);
        take_commands(e);
        begin_waiting(e);
        bool is_full = flush_all(e);
        fill_turn(e, turn);
        if (turn->n)
            run_turn(e, turn);
        else
            wait_for_command(e, is_full ? FULL_RING_WAIT_MS : e->n_waiting ? 0 : -1);
    }
    mem_free(turn);
}

static void release_slots(struct engine *e)
{
    for (int i = 0; e->slots && i < e->cfg.n_slots; i++) {
        struct slot *slot = &e->slots[i];
        request_free(slot->request);
        sampler_close(slot->sampler);
        mem_free(slot->outcome);
        tokens_release(&slot->cached);
        tokens_release(&slot->prompt);
        buf_release(&slot->out.pending);
        buf_release(&slot->unsent);
        buf_release(&slot->unsent_kind);
    }
    mem_free(e->slots);
}

/* No request can be answered: each hears why, those that come later too. */
static void fail(struct engine *e, const struct err *err)
{
    e->error = *err;
    atomic_store(&e->state, ENGINE_FAILED); /* before it is told: who hears of it may look */
    tell_model(e, ENGINE_FAILED, -1, NULL, err);
    queue_poke(e->cfg.wake_fd);
    for (size_t i = 0; i < e->n_waiting; i++)
        refuse(e, e->waiting[i], err->status, err->text);
    e->n_waiting = 0;
    while (!atomic_load(&e->is_closing)) {
        take_commands(e);
        wait_for_command(e, -1);
    }
}

/* All that a load took, given back by the thread itself: unmapping gigabytes takes longer than
 * the owner may wait. */
static void release_model(struct engine *e)
{
    while (!atomic_load(&e->may_release))
        wait_for_command(e, -1);
    release_slots(e);
    telemetry_close(e->telemetry);
    mem_free(e->record);
    tokenizer_close(e->tok);
    model_close(e->model);
}

static void *run(void *arg)
{
    struct engine *e = arg;
    struct err err = {0};
    tell_model(e, ENGINE_LOADING, -1, NULL, NULL);
    if (load(e, &err) == OK) {
        atomic_store(&e->model_running, e->model);
        atomic_store(&e->state, ENGINE_READY);
        tell_ready(e);
        queue_poke(e->cfg.wake_fd);
        serve(e);
    } else if (!atomic_load(&e->is_closing)) {
        fail(e, &err);
    }
    release_model(e);
    atomic_store(&e->state, ENGINE_STOPPED);
    queue_poke(e->cfg.wake_fd);
    return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------- */

struct engine *engine_open(const struct engine_config *cfg)
{
    struct engine *e = mem_alloc(sizeof *e);
    e->cfg = *cfg;
    e->path = mem_strdup(cfg->path);
    backend_choice_copy(&e->backend, &cfg->backend);
    e->cfg.n_slots = cfg->n_slots > 0 ? cfg->n_slots : 1;
    e->percent_told = -1;
    e->command_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_init(&e->commands, N_COMMANDS, sizeof(struct engine_command));
    queue_init(&e->events, N_EVENTS, sizeof(struct event));
    if (e->command_fd < 0 || !thread_start(&e->thread, run, e)) {
        err_set(&e->error, ERR_NOMEM, "cannot start a thread for the local model");
        tell_model(e, ENGINE_FAILED, -1, NULL, &e->error);
        atomic_store(&e->state, ENGINE_FAILED);
    }
    return e;
}

static void free_event(struct event *event)
{
    if (event->kind == EV_DONE)
        mem_free(event->u.outcome);
    else if (event->kind == EV_MODEL)
        mem_free(event->u.model.err);
}

void engine_stop(struct engine *e)
{
    atomic_store(&e->is_closing, true);
    struct model *model = e->may_release ? NULL : atomic_load(&e->model_running);
    if (model)
        model_cancel(model);
    atomic_store(&e->may_release, true);
    queue_poke(e->command_fd);
    if (!e->thread)
        atomic_store(&e->state, ENGINE_STOPPED);
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    engine_stop(e);
    if (e->thread)
        pthread_join(e->thread, NULL);
    struct engine_command command;
    while (queue_pop(&e->commands, &command))
        request_free(command.request);
    struct event event;
    while (queue_pop(&e->events, &event))
        free_event(&event);
    for (size_t i = 0; i < e->n_waiting; i++)
        request_free(e->waiting[i]);
    mem_free(e->waiting);
    queue_release(&e->commands);
    queue_release(&e->events);
    close(e->command_fd);
    mem_free(e->path);
    backend_choice_release(&e->backend);
    mem_free(e);
}

bool engine_send(struct engine *e, struct request *request)
{
    struct engine_command command = {ENGINE_SEND, request->id, request};
    if (!queue_push(&e->commands, &command))
        return false;
    queue_poke(e->thread ? e->command_fd : e->cfg.wake_fd);
    return true;
}

bool engine_cancel(struct engine *e, uint32_t request_id)
{
    struct engine_command command = {ENGINE_CANCEL, request_id, NULL};
    if (!queue_push(&e->commands, &command))
        return false;
    struct model *model = atomic_load(&e->model_running);
    if (model)
        model_cancel(model);
    queue_poke(e->command_fd);
    return true;
}

bool engine_poll_event(struct engine *e, struct event *out)
{
    if (!e->thread) /* it could not be started: everything is refused, by the caller's own hand
                     */
        take_commands(e);
    return queue_pop(&e->events, out);
}

bool engine_poll_token(struct engine *e, struct token_record *out, uint64_t *n_lost)
{
    return atomic_load(&e->state) == ENGINE_READY &&
           telemetry_get(e->telemetry, &e->token_cursor, out, n_lost);
}

enum engine_state engine_state(const struct engine *e)
{
    return (enum engine_state)atomic_load(&((struct engine *)(uintptr_t)e)->state);
}

const struct model_info *engine_info(const struct engine *e)
{
    return model_info(e->model);
}

const struct telemetry_shape *engine_shape(const struct engine *e)
{
    return model_shape(e->model);
}

bool engine_token_text(const struct engine *e, int32_t token, struct buf *out)
{
    if (engine_state(e) != ENGINE_READY || token < 0 ||
            (uint32_t)token >= tokenizer_n_vocab(e->tok))
        return false;
    tokenizer_piece(e->tok, token, true, out);
    return true;
}

const struct err *engine_error(const struct engine *e)
{
    return &e->error;
}
