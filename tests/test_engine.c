/*
 * test_engine.c - the engine's thread on a tiny mixture model: the same greedy text alone,
 * beside others and with a reused prefix; cancel, limits, stop strings, telemetry, and failures
 * that reach the request.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine_internal.h"
#include "engine/model_info.h"
#include "engine/request.h"
#include "engine/telemetry.h"

#include "tests/helper_tiny_model.h"

static char model_path[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(model_path, sizeof model_path, "/tmp/shunt-engine-%d.gguf", (int)getpid());
    struct tiny_model shape = {"qwen3moe", 3, 8, 2, 32, 16, 7};
    return tiny_model_write(model_path, &shape) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(model_path);
}

struct answer {
    struct buf text;
    struct usage usage;
    struct outcome outcome;
    bool is_done;
};

static struct request *ask(uint32_t id, const char *text, uint32_t max_tokens)
{
    struct request *r = request_new(id);
    request_add_message(r, MSG_USER, slice_of(text));
    r->params.temperature = 0;
    r->params.max_tokens = max_tokens;
    return r;
}

/* Collects events until all of answers[1..n] are done. */
static void collect(struct engine *e, struct answer *answers, int n)
{
    int n_done = 0;
    uint64_t end = clock_now_ns() + 60000000000u;
    while (n_done < n && clock_now_ns() < end) {
        struct event event;
        if (!engine_poll_event(e, &event)) {
            poll(NULL, 0, 1);
            continue;
        }
        if (event.kind == EV_MODEL) {
            mem_free(event.u.model.err);
            continue;
        }
        struct answer *a = &answers[event.request_id];
        assert_false(a->is_done); /* nothing comes behind the last event */
        if (event.kind == EV_TEXT)
            buf_add(&a->text, event.u.text, event.n_bytes);
        else if (event.kind == EV_USAGE)
            a->usage = event.u.usage;
        else if (event.kind == EV_DONE) {
            a->outcome = *event.u.outcome;
            mem_free(event.u.outcome);
            a->is_done = true;
            n_done++;
        }
    }
    assert_int_equal(n_done, n);
}

static struct engine *open_engine(int n_slots)
{
    return engine_open(&(struct engine_config){.path = model_path,
            .n_threads = 2,
            .n_slots = n_slots,
            .context_tok = 400,
            .wake_fd = -1});
}

static void init(struct answer *answers, int n)
{
    memset(answers, 0, (size_t)n * sizeof *answers);
    for (int i = 0; i < n; i++)
        buf_init(&answers[i].text, 1 << 20);
}

static void release(struct answer *answers, int n)
{
    for (int i = 0; i < n; i++)
        buf_release(&answers[i].text);
}

static const char *const prompts[] = {
        "", "tell me about the water", "who said that?", "come and see the people"};

static void three_at_once_say_the_same_as_alone(void **state)
{
    (void)state;
    struct answer alone[4], together[4];
    init(alone, 4);
    init(together, 4);
    for (uint32_t i = 1; i < 4; i++) {
        struct engine *e = open_engine(1);
        assert_true(engine_send(e, ask(i, prompts[i], 40)));
        collect(e, alone, 1);
        engine_close(e);
        assert_int_equal(alone[i].outcome.err.status, OK);
        assert_true(alone[i].text.n > 0);
    }
    struct engine *e = open_engine(3);
    for (uint32_t i = 1; i < 4; i++)
        assert_true(engine_send(e, ask(i, prompts[i], 40)));
    collect(e, together, 3);
    engine_close(e);
    for (int i = 1; i < 4; i++)
        assert_string_equal(buf_text(&alone[i].text), buf_text(&together[i].text));
    release(alone, 4);
    release(together, 4);
}

static void a_second_turn_reuses_the_first(void **state)
{
    (void)state;
    struct answer a[4];
    init(a, 4);
    struct engine *e = open_engine(1);
    assert_true(engine_send(e, ask(1, prompts[1], 20)));
    collect(e, a, 1);
    for (uint32_t id = 2; id < 4; id++) { /* the second time in a fresh engine */
        struct request *r = request_new(id);
        request_add_message(r, MSG_USER, slice_of(prompts[1]));
        request_add_message(r, MSG_ASSISTANT, buf_slice(&a[1].text));
        request_add_message(r, MSG_USER, SLICE("and then?"));
        r->params.temperature = 0;
        r->params.max_tokens = 20;
        if (id == 3) {
            engine_close(e);
            e = open_engine(1);
        }
        assert_true(engine_send(e, r));
        collect(e, a, 1);
    }
    assert_true(a[2].usage.cached_input > 10);
    assert_int_equal(a[3].usage.cached_input, 0);
    assert_string_equal(buf_text(&a[2].text), buf_text(&a[3].text));
    engine_close(e);
    release(a, 4);
}

static void a_limit_and_a_stop_string_end_the_answer(void **state)
{
    (void)state;
    struct answer a[4];
    init(a, 4);
    struct engine *e = open_engine(1);
    assert_true(engine_send(e, ask(1, prompts[1], 12)));
    collect(e, a, 1);
    assert_int_equal(a[1].outcome.finish_reason, FINISH_LENGTH);
    assert_int_equal(a[1].usage.output, 12);
    struct request *r = ask(2, prompts[1], 12); /* stop at something it will say */
    char stop[4] = "";
    size_t middle = utf8_whole(a[1].text.ptr, a[1].text.n / 2);
    uint32_t cp;
    size_t n = utf8_decode(a[1].text.ptr + middle, a[1].text.n - middle, &cp);
    memcpy(stop, a[1].text.ptr + middle, n < 4 ? n : 3);
    r->params.stop[0] = (struct slice){stop, n};
    r->params.n_stop = 1;
    assert_true(engine_send(e, r));
    collect(e, a, 1);
    assert_int_equal(a[2].outcome.finish_reason, FINISH_STOP);
    assert_null(memmem(buf_text(&a[2].text), a[2].text.n, stop, n));
    assert_memory_equal(buf_text(&a[2].text), buf_text(&a[1].text), a[2].text.n);
    engine_close(e);
    release(a, 4);
}

/* As the hub does: asleep until the thread wakes it. */
static enum engine_state wait_for_end_of_load(struct engine *e, int fd)
{
    struct event event;
    for (struct pollfd p = {fd, POLLIN, 0};; poll(&p, 1, 10))
        if (engine_poll_event(e, &event) && event.kind == EV_MODEL) {
            mem_free(event.u.model.err);
            if (event.u.model.state != ENGINE_LOADING)
                return event.u.model.state;
        }
}

/* Pending text is what the tokens so far left behind; the next token is one line break. */
static struct slot take_line_break(struct engine *e, const char *pending, const char *stop)
{
    struct slot slot = {.state = SLOT_DECODE, .request = ask(1, "", 0)};
    struct tokens ids = {0};
    buf_init(&slot.out.pending, 1 << 20);
    buf_init(&slot.unsent, 1 << 20);
    buf_init(&slot.unsent_kind, 1 << 20);
    slot.out.is_reasoning = true;
    slot.request->params.stop[0] = slice_of(stop);
    slot.request->params.n_stop = 1;
    buf_add_text(&slot.out.pending, pending);
    tokenizer_encode(e->tok, SLICE("\n"), 0, &ids);
    slot_take_token(e, &slot, ids.ids[0]);
    tokens_release(&ids);
    return slot;
}

static void a_stop_string_right_behind_a_tag_ends_the_answer(void **state)
{
    (void)state;
    struct engine *e = open_engine(1);
    assert_int_equal(wait_for_end_of_load(e, -1), ENGINE_READY); /* it tells nothing more */
    struct slot slot = take_line_break(e, "so</think>", "\n");
    assert_int_equal(slot.state, SLOT_FREE);
    struct event event = {0}, text = {0};
    while (engine_poll_event(e, &event) && event.kind != EV_DONE)
        text = event.kind == EV_REASONING ? event : text;
    assert_int_equal(event.u.outcome->finish_reason, FINISH_STOP);
    assert_memory_equal(text.u.text, "so", 2);
    mem_free(event.u.outcome);
    buf_release(&slot.out.pending);
    buf_release(&slot.unsent);
    buf_release(&slot.unsent_kind);
    engine_close(e);
}

static void cancelling_ends_it_soon(void **state)
{
    (void)state;
    struct answer a[2];
    init(a, 2);
    struct engine *e = open_engine(1);
    assert_true(engine_send(e, ask(1, prompts[1], 0)));
    while (engine_state(e) == ENGINE_LOADING)
        poll(NULL, 0, 1);
    assert_true(engine_cancel(e, 1));
    collect(e, a, 1);
    assert_int_equal(a[1].outcome.err.status, ERR_CANCELLED);
    engine_close(e);
    release(a, 2);
}

static void a_prompt_that_is_too_long_says_the_numbers(void **state)
{
    (void)state;
    struct answer a[2];
    char text[4000];
    init(a, 2);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct engine *e = open_engine(1);
    assert_true(engine_send(e, ask(1, text, 0)));
    collect(e, a, 1);
    assert_int_equal(a[1].outcome.err.status, ERR_CONTEXT);
    assert_non_null(strstr(a[1].outcome.err.text, "400"));
    engine_close(e);
    release(a, 2);
}

/* The context is that of each slot, whether it was asked for or is the model's own. */
static void every_slot_has_the_whole_context(void **state)
{
    (void)state;
    uint32_t n_cells[2];
    for (int i = 0; i < 2; i++) {
        struct engine *e = engine_open(&(struct engine_config){
                .path = model_path, .n_threads = 1, .n_slots = i ? 3 : 1, .wake_fd = -1});
        while (engine_state(e) == ENGINE_LOADING)
            poll(NULL, 0, 1);
        n_cells[i] = engine_info(e)->context_tok;
        engine_close(e);
    }
    assert_int_equal(n_cells[1], 3 * n_cells[0]);
}

static void a_context_that_cannot_be_counted_is_refused(void **state)
{
    (void)state;
    struct engine *e = engine_open(&(struct engine_config){.path = model_path,
            .n_threads = 1,
            .n_slots = 2,
            .context_tok = 0x80000000,
            .wake_fd = -1});
    while (engine_state(e) == ENGINE_LOADING)
        poll(NULL, 0, 1);
    assert_int_equal(engine_state(e), ENGINE_FAILED);
    assert_non_null(strstr(engine_error(e)->text, "context"));
    engine_close(e);
}

static void a_file_that_cannot_be_loaded_ends_every_request(void **state)
{
    (void)state;
    struct answer a[3];
    init(a, 3);
    struct engine *e =
            engine_open(&(struct engine_config){.path = "/nowhere/x.gguf", .wake_fd = -1});
    assert_true(engine_send(e, ask(1, "a", 1)));
    assert_true(engine_send(e, ask(2, "b", 1)));
    collect(e, a, 2);
    assert_int_equal(a[1].outcome.err.status, ERR_NOT_FOUND);
    assert_int_equal(a[2].outcome.err.status, ERR_NOT_FOUND);
    assert_int_equal(engine_state(e), ENGINE_FAILED);
    engine_close(e);
    release(a, 3);
}

static void every_token_has_a_record(void **state)
{
    (void)state;
    struct answer a[2];
    uint64_t n_lost = 0;
    uint32_t n = 0, n_decode = 0, n_bytes = 0;
    struct buf text;
    init(a, 2);
    struct engine *e = open_engine(1);
    buf_init(&text, 4096);
    assert_false(engine_token_text(e, -1, &text));
    assert_true(engine_send(e, ask(1, prompts[1], 15)));
    collect(e, a, 1);
    const struct telemetry_shape *shape = engine_shape(e);
    assert_int_equal(shape->n_moe_layers, 3);
    struct token_record *r = mem_alloc(token_record_bytes(shape));
    while (engine_poll_token(e, r, &n_lost)) {
        assert_int_equal(r->i_token, n++);
        n_decode += r->phase == PHASE_DECODE;
        buf_clear(&text);
        assert_true(engine_token_text(e, r->token, &text));
        assert_true(text.n >= r->n_text && memcmp(buf_text(&text), r->text, r->n_text) == 0);
        assert_true(r->n_piece == text.n || r->n_piece == 0);
        n_bytes += r->phase == PHASE_DECODE ? r->n_piece : 0;
        const struct expert_pick *picks = token_record_picks(r);
        for (int layer = 0; layer < 3; layer++) {
            assert_true(picks[2 * layer].expert < 8 && picks[2 * layer + 1].expert < 8);
            assert_int_not_equal(picks[2 * layer].expert, picks[2 * layer + 1].expert);
            int sum = picks[2 * layer].weight_q16 + picks[2 * layer + 1].weight_q16;
            assert_in_range(sum, 65530, 65540); /* normalised */
        }
    }
    assert_int_equal(n_lost, 0);
    assert_int_equal(n_decode, 15);
    assert_true(n_bytes > 0 && n_bytes <= a[1].text.n); /* a broken byte is shown as three */
    assert_false(engine_token_text(e, INT32_MAX, &text));
    buf_release(&text);
    assert_int_equal(n, a[1].usage.input + 15);
    mem_free(r);
    engine_close(e);
    release(a, 2);
}

/* Wherever the thread is: reading the file, waiting, answering. */
static void stopping_ends_the_thread_at_any_time(void **state)
{
    (void)state;
    for (int wait_ms = 0; wait_ms < 40; wait_ms = wait_ms * 2 + 1) {
        struct engine *e = open_engine(1);
        struct request *r = ask(1, prompts[1], 300);
        if (!engine_send(e, r))
            request_free(r);
        poll(NULL, 0, wait_ms);
        engine_stop(e);
        uint64_t end = clock_now_ns() + 10000000000u;
        while (engine_state(e) != ENGINE_STOPPED && clock_now_ns() < end)
            poll(NULL, 0, 1);
        assert_int_equal(engine_state(e), ENGINE_STOPPED);
        engine_close(e);
    }
}

static void a_load_tells_what_it_takes_and_how_it_ended(void **state)
{
    (void)state;
    struct engine *e = open_engine(1);
    struct event event = {0}, last = {0};
    uint64_t end = clock_now_ns() + 10000000000u;
    float fraction = -1;
    while (last.u.model.state != ENGINE_READY && clock_now_ns() < end)
        if (engine_poll_event(e, &event) && event.kind == EV_MODEL) {
            mem_free(last.u.model.err);
            last = event;
            assert_true(event.u.model.fraction >= fraction);
            fraction = event.u.model.fraction;
        }
    assert_int_equal(last.u.model.state, ENGINE_READY);
    assert_true(
            last.u.model.need_bytes == engine_info(e)->file_bytes + engine_info(e)->kv_bytes);
    assert_true(last.u.model.available_bytes > 0);
    assert_string_equal(last.u.model.err->text, engine_info(e)->kernel);
    mem_free(last.u.model.err);
    engine_close(e);
}

/* Who is told that a load failed may begin another at once. */
static void the_state_is_never_behind_what_was_told(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct engine *e =
                engine_open(&(struct engine_config){.path = "/nonexistent/model.gguf",
                        .n_threads = 1,
                        .n_slots = 1,
                        .wake_fd = fd});
        assert_int_equal(wait_for_end_of_load(e, fd), ENGINE_FAILED);
        assert_int_equal(engine_state(e), ENGINE_FAILED);
        engine_close(e);
        close(fd);
    }
}
/* Its thread waits for the taker of its events, who cancels. */
static void nobody_waits_for_a_full_ring(void **state)
{
    (void)state;
    struct engine_config cfg = {.path = "/nonexistent.gguf", .n_threads = 1, .wake_fd = -1};
    struct engine *e = engine_open(&cfg);
    struct request *request = ask(1, "x", 1);
    while (engine_state(e) != ENGINE_FAILED)
        poll(NULL, 0, 1);
    for (int n_refused = 0; n_refused < 20;) {
        if (engine_send(e, request)) {
            request = ask(1, "x", 1);
            n_refused = 0;
            continue;
        }
        poll(NULL, 0, 1);
        n_refused++;
    }
    alarm(20);
    assert_false(engine_cancel(e, 1));
    alarm(0);
    request_free(request);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(three_at_once_say_the_same_as_alone),
            cmocka_unit_test(a_second_turn_reuses_the_first),
            cmocka_unit_test(a_limit_and_a_stop_string_end_the_answer),
            cmocka_unit_test(a_stop_string_right_behind_a_tag_ends_the_answer),
            cmocka_unit_test(every_slot_has_the_whole_context),
            cmocka_unit_test(a_context_that_cannot_be_counted_is_refused),
            cmocka_unit_test(cancelling_ends_it_soon),
            cmocka_unit_test(stopping_ends_the_thread_at_any_time),
            cmocka_unit_test(a_load_tells_what_it_takes_and_how_it_ended),
            cmocka_unit_test(the_state_is_never_behind_what_was_told),
            cmocka_unit_test(a_prompt_that_is_too_long_says_the_numbers),
            cmocka_unit_test(a_file_that_cannot_be_loaded_ends_every_request),
            cmocka_unit_test(every_token_has_a_record),
            cmocka_unit_test(nobody_waits_for_a_full_ring),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
