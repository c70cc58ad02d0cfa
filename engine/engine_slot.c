/*
 * engine_slot.c - one request inside the engine: its prompt and how much of it the cache
 * already holds, and the way of its text from tokens to events: whole characters only, nothing
 * that may still turn out to be a stop string or a <think> tag.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/sampler.h"

static uint32_t slot_context(const struct engine *e)
{
    uint32_t n_slots = (uint32_t)e->cfg.n_slots;
    return model_info(e->model)->context_tok / n_slots;
}

/* The cache keeps the longest common prefix; at least the last prompt token is computed again
 * for its logits. */
static void reuse_prefix(struct engine *e, struct slot *slot)
{
    size_t n = tokens_common_prefix(&slot->cached, &slot->prompt);
    if (n >= slot->prompt.n)
        n = slot->prompt.n - 1;
    model_kv_remove(e->model, slot->seq, (uint32_t)n, UINT32_MAX);
    slot->cached.n = n;
    slot->n_done = slot->n_reused = n;
}

void slot_begin(
        struct engine *e, struct slot *slot, struct request *request, struct tokens prompt)
{
    slot->request = request;
    tokens_release(&slot->prompt);
    slot->prompt = prompt;
    slot->n_done = slot->n_reused = slot->n_output = 0;
    slot->usage_sent = false;
    slot->out.is_reasoning = slot->out.has_begun = false;
    buf_clear(&slot->out.pending);
    slot->state = SLOT_PREFILL;
    uint32_t context_tok = slot_context(e);
    if (slot->prompt.n == 0 || slot->prompt.n >= context_tok) {
        char text[160];
        snprintf(text, sizeof text,
                slot->prompt.n ? "the prompt has %zu tokens, but the context holds %u: begin a "
                                 "new session, or raise `context` on the endpoint"
                               : "the prompt is empty",
                slot->prompt.n, context_tok);
        slot_end(e, slot, FINISH_ERROR, slot->prompt.n ? ERR_CONTEXT : ERR_INVALID, text);
        return;
    }
    reuse_prefix(e, slot);
    slot->sampler = sampler_open(&request->params);
    for (size_t i = 0; i < slot->prompt.n; i++)
        sampler_accept(slot->sampler, slot->prompt.ids[i]);
    engine_emit_stage(e, request, STAGE_PREFILL, 0);
}

static void put(struct slot *slot, const char *bytes, size_t n, bool is_reasoning)
{
    char kind = is_reasoning;
    for (size_t at = 0; at < n;) { /* broken bytes become U+FFFD: events carry valid UTF-8 */
        uint32_t cp;
        char utf8[4];
        at += utf8_decode(bytes + at, n - at, &cp);
        size_t len = utf8_encode(cp, utf8);
        buf_add(&slot->unsent, utf8, len);
        for (size_t i = 0; i < len; i++)
            buf_add(&slot->unsent_kind, &kind, 1);
    }
}

/* Bytes at the end of text that could be the beginning of mark. */
static size_t overlap(struct slice text, struct slice mark)
{
    size_t n = mark.n - 1 < text.n ? mark.n - 1 : text.n;
    while (n > 0 && memcmp(text.ptr + text.n - n, mark.ptr, n) != 0)
        n--;
    return n;
}

/* Where the first stop string begins, or SIZE_MAX; *held: bytes at the end that may become one.
 */
static size_t find_stop(const struct engine *e, const struct slot *slot, size_t *held)
{
    struct slice text = buf_slice(&slot->out.pending);
    const struct gen_params *params = &slot->request->params;
    size_t first = SIZE_MAX;
    *held = 0;
    for (int i = -1; i < params->n_stop; i++) {
        struct slice stop = i < 0 ? slice_of(chat_format_stop(&e->format)) : params->stop[i];
        if (stop.n == 0)
            continue;
        const char *at = memmem(text.ptr, text.n, stop.ptr, stop.n);
        if (at && (size_t)(at - text.ptr) < first)
            first = (size_t)(at - text.ptr);
        size_t n = overlap(text, stop);
        *held = n > *held ? n : *held;
    }
    return first;
}

/* <think> at the very beginning opens reasoning, </think> closes it. True: look again. */
static bool take_tag(struct slot *slot, size_t *held)
{
    static const struct slice open = {"<think>", 7}, close = {"</think>", 8};
    struct out_text *out = &slot->out;
    struct slice text = buf_slice(&out->pending);
    if (!out->is_reasoning && !out->has_begun) {
        size_t skip = 0;
        while (skip < text.n && strchr(" \t\r\n", text.ptr[skip]))
            skip++;
        struct slice rest = {text.ptr + skip, text.n - skip};
        if (slice_has_prefix(rest, open.ptr)) {
            out->is_reasoning = true;
            buf_drop_front(&out->pending, skip + open.n);
            return true;
        }
        if (rest.n < open.n && memcmp(rest.ptr, open.ptr, rest.n) == 0)
            *held = text.n;
        return false;
    }
    if (!out->is_reasoning)
        return false;
    const char *at = memmem(text.ptr, text.n, close.ptr, close.n);
    if (at) {
        put(slot, text.ptr, (size_t)(at - text.ptr), true);
        size_t n = (size_t)(at - text.ptr) + close.n;
        while (n < text.n && text.ptr[n] == '\n')
            n++;
        buf_drop_front(&out->pending, n);
        out->is_reasoning = false;
        out->has_begun = true;
        return true;
    }
    size_t n = overlap(text, close);
    *held = n > *held ? n : *held;
    return false;
}

/* Moves what is certain from pending to unsent. True: a stop string was found. */
static bool filter(struct engine *e, struct slot *slot)
{
    bool is_stopped = false;
    size_t held;
    do {
        size_t stop = find_stop(e, slot, &held);
        is_stopped |= stop != SIZE_MAX;
        if (stop != SIZE_MAX)
            slot->out.pending.n = stop;
    } while (take_tag(slot, &held));
    struct slice text = buf_slice(&slot->out.pending);
    size_t n = is_stopped ? text.n : utf8_whole(text.ptr, text.n - held);
    if (n == 0)
        return is_stopped;
    put(slot, text.ptr, n, slot->out.is_reasoning);
    slot->out.has_begun = true;
    buf_drop_front(&slot->out.pending, n);
    return is_stopped;
}

void slot_take_token(struct engine *e, struct slot *slot, int32_t token)
{
    slot->n_output++;
    if (tokenizer_is_end(e->tok, token)) {
        slot_end(e, slot, FINISH_STOP, OK, "");
        return;
    }
    tokenizer_piece(e->tok, token, false, &slot->out.pending);
    slot->next = token;
    if (filter(e, slot)) {
        buf_clear(&slot->out.pending);
        slot_end(e, slot, FINISH_STOP, OK, "");
        return;
    }
    uint32_t max_tokens = slot->request->params.max_tokens;
    if ((max_tokens && slot->n_output >= max_tokens) || slot->cached.n + 1 >= slot_context(e))
        slot_end(e, slot, FINISH_LENGTH, OK, "");
}

void slot_end(struct engine *e, struct slot *slot, enum finish_reason finish,
        enum status status, const char *text)
{
    put(slot, buf_text(&slot->out.pending), slot->out.pending.n, slot->out.is_reasoning);
    buf_clear(&slot->out.pending);
    slot->outcome = mem_alloc(sizeof *slot->outcome);
    slot->outcome->finish_reason = finish;
    slot->outcome->retry_after_ms = -1;
    if (status != OK)
        err_set(&slot->outcome->err, status, "%s", text);
    slot->state = SLOT_FLUSH;
    slot_flush(e, slot);
}

static bool send_text(struct engine *e, struct slot *slot)
{
    size_t at = 0;
    while (at < slot->unsent.n) {
        const char *kinds = slot->unsent_kind.ptr;
        size_t n = 0, most = slot->unsent.n - at < 40 ? slot->unsent.n - at : 40;
        while (n < most && kinds[at + n] == kinds[at])
            n++;
        n = utf8_whole(slot->unsent.ptr + at, n);
        struct event event = {.request_id = slot->request->id,
                .kind = kinds[at] ? EV_REASONING : EV_TEXT,
                .n_bytes = (uint8_t)n,
                .t_ns = clock_now_ns(),
                .attempt = slot->request->attempt};
        memcpy(event.u.text, slot->unsent.ptr + at, n);
        if (!engine_push(e, &event))
            break;
        at += n;
    }
    buf_drop_front(&slot->unsent, at);
    buf_drop_front(&slot->unsent_kind, at);
    return slot->unsent.n == 0;
}

static bool send_usage(struct engine *e, struct slot *slot)
{
    struct event event = {.request_id = slot->request->id,
            .kind = EV_USAGE,
            .t_ns = clock_now_ns(),
            .attempt = slot->request->attempt};
    event.u.usage = (struct usage){(uint32_t)slot->prompt.n, slot->n_output,
            (uint32_t)slot->n_reused, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    return engine_push(e, &event);
}

void slot_flush(struct engine *e, struct slot *slot)
{
    if (!send_text(e, slot) || slot->state != SLOT_FLUSH)
        return;
    if (!slot->usage_sent && !(slot->usage_sent = send_usage(e, slot)))
        return;
    struct event event = {.request_id = slot->request->id,
            .kind = EV_DONE,
            .t_ns = clock_now_ns(),
            .attempt = slot->request->attempt};
    event.u.outcome = slot->outcome;
    if (!engine_push(e, &event))
        return;
    slot->outcome = NULL;
    sampler_close(slot->sampler);
    slot->sampler = NULL;
    request_free(slot->request);
    slot->request = NULL;
    slot->state = SLOT_FREE;
}
