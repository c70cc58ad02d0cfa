/*
 * test_hostile.c - text of models, servers and files that wants to steer the terminal, in every
 * view, whatever the views are asked to do: no cell of the screen ever holds some of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/view.h"
#include "tui/vtin.h"

#include "tests/helper_app.h"
#include "tests/helper_hostile.h"

#define N_CONFS 3

static struct app app;
static struct arena words_arena;
static uint64_t rng;

/* ---- what a hostile world fills the core with ------------------------------------------- */

static char *words(int n_pieces)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    hostile_add(&text, &rng, n_pieces);
    char *copy = arena_strdup(&words_arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

static void fill_confs(struct endpoint_conf *confs)
{
    for (int i = 0; i < N_CONFS; i++) {
        confs[i] = endpoint_local(words(2), words(3));
        confs[i].kind = i ? PROVIDER_VLLM : PROVIDER_LOCAL;
        confs[i].url = i ? words(3) : NULL;
        confs[i].tier = 1 + i;
        confs[i].usd_per_mtok_in = confs[i].usd_per_mtok_out = i;
        confs[i].key_source = i ? KEY_FROM_FILE : KEY_FROM_NONE;
        confs[i].key_value = words(3);
        confs[i].fault = i == 2 ? words(4) : NULL;
    }
}

static void add_message(enum message_role role)
{
    struct session *s = app.core.session;
    struct message *m = session_add(
            s, (int64_t)s->n_messages + 1, role, APP_NOW_MS + (int64_t)s->n_messages);
    hostile_add(&m->text, &rng, 60);
    hostile_add(&m->reasoning, &rng, role == MSG_ASSISTANT ? 20 : 0);
    buf_printf(&m->tool_calls,
            "{\"id\":\"1\",\"name\":\"\\u001b[31m\\u202e\",\"arguments\":\"\"}");
    snprintf(m->endpoint, sizeof m->endpoint, "%s", words(3));
    snprintf(m->model, sizeof m->model, "%s", words(3));
    buf_add_text(&m->error, words(6));
    m->state = (enum message_state)(rng_next(&rng) % 5);
    m->finish = (enum finish_reason)(rng_next(&rng) % FINISH_REASON_COUNT);
}

static void fill_sessions(void)
{
    struct store_command *found = store_command_new(STORE_LIST);
    found->n_sessions = 4;
    found->sessions = arena_alloc(&found->arena, 4 * sizeof *found->sessions);
    for (int i = 0; i < 4; i++)
        found->sessions[i] = (struct session_row){.id = 100 + i,
                .used_ms = APP_NOW_MS - i,
                .title = slice_of(words(4)),
                .snippet = slice_of(words(8)),
                .n_messages = 3,
                .has_draft = i % 2};
    core_apply(&app.core,
            &(struct event){.kind = EV_STORE, .t_ns = app.now_ns, .u.command = found});
}

/* Asks as a user would, so that the router decides about hostile names. */
static void fill_decisions(void)
{
    struct action *send = action_new(ACTION_SEND);
    struct effect effect;
    send->text = mem_strdup(words(20));
    app_act(&app, send);
    while (core_take_effect(&app.core, &effect)) {
        if (effect.kind == EFFECT_STORE)
            core_apply(&app.core,
                    &(struct event){
                            .kind = EV_STORE, .t_ns = app.now_ns, .u.command = effect.command});
        else if (effect.request)
            request_free(effect.request);
    }
}

static void fill(struct endpoint_conf *confs)
{
    fill_confs(confs);
    app_fake_init(&app, confs, N_CONFS);
    buf_add_text(&app.conf_text, "[endpoint \"\x1B[31m\"]\nkind = vllm\nmodel = \xC2\x9B\n");
    snprintf(app.core.session->title, sizeof app.core.session->title, "%s", words(5));
    for (int i = 0; i < 6; i++)
        add_message(i % 2 ? MSG_ASSISTANT : MSG_USER);
    fill_sessions();
    fill_decisions();
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
}

static void release(void)
{
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app.states[i]);
        mem_free(app.states[i]);
    }
    app_fake_release(&app);
    arena_release(&words_arena);
}

/* ---- looking ---------------------------------------------------------------------------- */

static void expect_harmless(enum view_id id, const char *after)
{
    static const int sizes[][2] = {{20, 5}, {80, 24}, {200, 60}};
    const int *size = sizes[rng_next(&rng) % ARRAY_LEN(sizes)];
    struct screen screen = app_fake_draw(&app, id, app.states[id], size[0], size[1]);
    if (!screen_is_harmless(&screen)) {
        struct buf text;
        buf_init(&text, 1 << 20);
        screen_print(&screen, &text);
        fail_msg("%s after %s:\n%s", views[id].name, after, buf_text(&text));
    }
    screen_release(&screen);
}

/* Every command that a view knows, in an order of chance, with hostile typing between. */
static void try_everything(enum view_id id)
{
    const struct view_ops *ops = views[id].ops;
    if (ops->open)
        ops->open(app.states[id], &app);
    expect_harmless(id, "opening");
    for (int i = 0; i < 60; i++) {
        enum command command = 1 + (enum command)(rng_next(&rng) % (CMD_COUNT - 1));
        struct key typed = {.code = KEY_PASTE, .text = slice_of(words(3))};
        if (i % 6 == 5)
            app_fake_key(&app, id, app.states[id], &typed);
        else
            ops->run(app.states[id], command, &app);
        expect_harmless(id, i % 6 == 5 ? "a paste" : command_defs[command].name);
    }
}

static void no_view_shows_what_steers_a_terminal(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct endpoint_conf confs[N_CONFS];
        rng = seed;
        fill(confs);
        for (int id = 0; id < VIEW_COUNT; id++)
            try_everything((enum view_id)id);
        release();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(no_view_shows_what_steers_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
