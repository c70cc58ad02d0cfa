/* helper_core.c - see helper_core.h. */
#include "tests/helper_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"

struct core core;
uint64_t now;

int set_up_core(void **state)
{
    static struct endpoint_conf confs[] = {{.name = "a",
                                                   .kind = PROVIDER_OPENAI,
                                                   .model = "m",
                                                   .url = "http://h",
                                                   .enabled = true,
                                                   .retries = 1,
                                                   .usd_per_mtok_in = 1,
                                                   .usd_per_mtok_out = 1,
                                                   .usd_per_mtok_cached = -1},
            {.name = "b",
                    .kind = PROVIDER_OPENAI,
                    .model = "m",
                    .url = "http://h",
                    .enabled = true,
                    .usd_per_mtok_in = 9,
                    .usd_per_mtok_out = 9,
                    .usd_per_mtok_cached = -1}};
    struct core_config cfg = {confs, 2, ZONE_EXTERNAL, 1, 1700000000000};
    (void)state;
    now = 100 * S;
    core_init(&core, &cfg);
    return 0;
}

int tear_down_core(void **state)
{
    (void)state;
    core_release(&core);
    return 0;
}

void act_on(enum action_kind kind, int64_t id, const char *text)
{
    struct action *a = action_new(kind);
    a->id = id;
    a->text = text ? mem_strdup(text) : NULL;
    a->now_ms = 1700000000000 + (int64_t)(now / 1000000);
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

void act(enum action_kind kind, const char *text)
{
    act_on(kind, 0, text);
}

struct effect take(enum effect_kind kind)
{
    struct effect e = {0};
    if (!core_take_effect(&core, &e) || e.kind != kind)
        fail_msg("effect %d in place of %d", (int)e.kind, (int)kind);
    return e;
}

void expect_nothing(void)
{
    struct effect e;
    if (core_take_effect(&core, &e))
        fail_msg("unexpected effect %d", (int)e.kind);
}

void answer_store(struct store_command *command, enum status status)
{
    command->err = (struct err){0};
    if (status != OK)
        err_set(&command->err, status, status == ERR_FULL ? "no space left" : "went wrong");
    core_apply(&core, &(struct event){.kind = EV_STORE, .t_ns = now, .u.command = command});
}

struct effect next_other(void)
{
    struct effect e;
    while (core_take_effect(&core, &e)) {
        if (e.kind != EFFECT_STORE)
            return e;
        answer_store(e.command, OK);
    }
    return (struct effect){.endpoint = -2};
}

void emit_text(const struct request *r, const char *text)
{
    struct event e = {.request_id = r->id,
            .attempt = r->attempt,
            .kind = EV_TEXT,
            .n_bytes = (uint8_t)strlen(text),
            .t_ns = now};
    memcpy(e.u.text, text, strlen(text));
    core_apply(&core, &e);
}

void emit_done(const struct request *r, enum status status, int64_t retry_after_ms)
{
    struct event e = {.request_id = r->id, .attempt = r->attempt, .kind = EV_DONE, .t_ns = now};
    e.u.outcome = mem_alloc(sizeof *e.u.outcome);
    e.u.outcome->finish_reason = status == OK ? FINISH_STOP : FINISH_NONE;
    e.u.outcome->retry_after_ms = retry_after_ms;
    if (status != OK)
        err_set(&e.u.outcome->err, status, "went wrong");
    core_apply(&core, &e);
}

void tick(uint64_t ns)
{
    now += ns;
    core_apply(&core, &(struct event){.kind = EV_TIMER, .t_ns = now});
}

struct message *leaf(void)
{
    return session_find(core.session, core.session->leaf_id);
}

struct effect send_and_take(const char *text)
{
    act(ACTION_SEND, text);
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    struct effect rest = next_other();
    assert_int_equal(rest.endpoint, -2);
    return e;
}

void act_open(int64_t id)
{
    struct action *a = action_new(ACTION_OPEN_SESSION);
    a->id = id;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

const char *newest_notice(void)
{
    return core.n_notices ? core.notices[(core.n_notices - 1) % NOTICE_MAX].text : "";
}

void emit_usage(const struct request *r, uint32_t input, uint32_t output)
{
    struct event e = {
            .request_id = r->id, .attempt = r->attempt, .kind = EV_USAGE, .t_ns = now};
    e.u.usage = (struct usage){input, output, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    core_apply(&core, &e);
}
