/*
 * test_views.c - Chat, Experts, Sessions and Help as golden screens at the sizes people have,
 * and what keys do in them. The app around them is a plain struct, the core is filled by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tui/heat.h"
#include "tui/keys.h"
#include "tui/view.h"
#include "tui/view_help.h"

#include "tests/helper_screen.h"

#define NOW_MS 1700000000000

struct app {
    struct core core;
    struct keymap *keymap;
    enum view_id view;
    uint64_t now_ns;
    char notice[512];
    char last_text[512]; /* of the newest action */
    enum action_kind last_action;
    int n_actions;
    bool must_quit;
};

/* ---- the app as views see it ------------------------------------------------------------ */

const struct core *app_core(const struct app *app)
{
    return &app->core;
}

void app_act(struct app *app, struct action *action)
{
    app->last_action = action->kind;
    app->n_actions++;
    snprintf(app->last_text, sizeof app->last_text, "%s", action->text ? action->text : "");
    core_apply(&app->core,
            &(struct event){.kind = EV_ACTION, .t_ns = app->now_ns, .u.action = action});
}

void app_open_view(struct app *app, enum view_id id)
{
    app->view = id;
}

void app_open_help(struct app *app)
{
    (void)app;
}

void app_notice(struct app *app, enum status status, const char *fmt, ...)
{
    va_list va;
    (void)status;
    va_start(va, fmt);
    vsnprintf(app->notice, sizeof app->notice, fmt, va);
    va_end(va);
}

void app_redraw(struct app *app)
{
    (void)app;
}

void app_wake_at(struct app *app, uint64_t t_ns)
{
    (void)app;
    (void)t_ns;
}

void app_suspend(struct app *app)
{
    (void)app;
}

void app_interrupt(struct app *app)
{
    (void)app;
}

void app_quit(struct app *app)
{
    app->must_quit = true;
}

const struct keymap *app_keymap(const struct app *app)
{
    return app->keymap;
}

bool app_side_pane(const struct app *app)
{
    (void)app;
    return true;
}

uint64_t app_now_ns(const struct app *app)
{
    return app->now_ns;
}

int64_t app_now_ms(const struct app *app)
{
    (void)app;
    return NOW_MS;
}

enum view_id app_view(const struct app *app)
{
    return app->view;
}

void *app_view_state(const struct app *app, enum view_id id)
{
    (void)app;
    (void)id;
    return NULL;
}

bool app_token_text(
        const struct app *app, const struct message *answer, int32_t token, struct buf *out)
{
    (void)app;
    (void)answer;
    return buf_printf(out, "t%d", token);
}

const struct model_info *app_model_info(const struct app *app)
{
    (void)app;
    return NULL;
}

static void init(struct app *app)
{
    static struct endpoint_conf confs[2];
    confs[0] = endpoint_local("local", "/models/qwen3.gguf");
    confs[1] = (struct endpoint_conf){.name = "mini",
            .kind = PROVIDER_OPENAI,
            .model = "gpt-mini",
            .enabled = true,
            .zone = ZONE_EXTERNAL,
            .usd_per_mtok_in = 0.75,
            .usd_per_mtok_out = 4.5,
            .usd_per_mtok_cached = -1};
    struct core_config cfg = {confs, 2, ZONE_EXTERNAL, 1, NOW_MS};
    memset(app, 0, sizeof *app);
    setenv("TZ", "UTC", 1);
    tzset();
    core_init(&app->core, &cfg);
    app->keymap = keymap_new();
    app->now_ns = 1000000000;
}

static void release(struct app *app)
{
    keymap_free(app->keymap);
    core_release(&app->core);
}

static struct screen draw(struct app *app, enum view_id id, void *state, int n_cols, int n_rows)
{
    struct screen screen = {0};
    screen_resize(&screen, n_rows, n_cols);
    struct surface all = screen_surface(&screen);
    views[id].ops->draw(state, app, &all);
    return screen;
}

static void expect(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows, const char *name)
{
    struct screen screen = draw(app, id, state, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

/* ---- Chat ------------------------------------------------------------------------------- */

static struct message *say(struct app *app, enum message_role role, const char *text)
{
    struct session *s = app->core.session;
    struct message *m = session_add(
            s, (int64_t)s->n_messages + 1, role, NOW_MS + (int64_t)s->n_messages * 60000);
    buf_add_text(&m->text, text);
    m->is_saved = true;
    return m;
}

static void fill_chat(struct app *app)
{
    say(app, MSG_USER, "Explain what this regex does and make it linear time.");
    struct message *m = say(app, MSG_ASSISTANT,
            "The group `(a+)+` can match \"aaaa\" in **exponentially** many ways.\n\n"
            "1. Remove the inner quantifier:\n\n```python\npat = re.compile(r\"^a+$\")\n```\n\n"
            "- it is now linear\n- each character is looked at *once*\n\n> Quoted, with a "
            "[link](https://example.org/x).\n\n"
            "| shape | cost |\n|---|---|\n| old | 2^n |\n| new | n |\n");
    snprintf(m->endpoint, sizeof m->endpoint, "local");
    snprintf(m->model, sizeof m->model, "qwen3.gguf");
    buf_add_text(&m->reasoning, "first I look at the nesting");
    m->usage = (struct usage){412, 212, 400, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    m->ttft_ms = 410;
    m->total_ms = 15300;
    m->cost_nusd = 0;
    say(app, MSG_USER, "\xE4\xB8\xAD\xE6\x96\x87 and \xF0\x9F\x98\x80 too?");
    m = say(app, MSG_ASSISTANT, "Partly");
    m->state = MESSAGE_INTERRUPTED;
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    snprintf(m->model, sizeof m->model, "gpt-mini");
    snprintf(app->core.session->title, sizeof app->core.session->title, "regex backtracking");
}

static void chat_looks_right_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int n_cols, n_rows;
        const char *name;
    } sizes[] = {{20, 4, "chat_20x5"}, {40, 7, "chat_40x10"}, {80, 21, "chat_80x24"},
            {120, 37, "chat_120x40"}};
    struct app app;
    init(&app);
    fill_chat(&app);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
        expect(&app, VIEW_CHAT, chat, sizes[i].n_cols, sizes[i].n_rows, sizes[i].name);
        views[VIEW_CHAT].ops->release(chat);
        mem_free(chat);
    }
    release(&app);
}

static void press(struct app *app, void *chat, const char *text)
{
    for (const char *c = text; *c; c++) {
        struct key key = {.code = (uint32_t)*c};
        assert_true(views[VIEW_CHAT].ops->key(chat, &key, app));
    }
}

static void typing_sends_and_commands_run(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_CHAT].ops;
    expect(&app, VIEW_CHAT, chat, 80, 21, "chat_empty_80x24");
    press(&app, chat, "hello");
    assert_int_equal(app.last_action, ACTION_DRAFT);
    assert_string_equal(app.last_text, "hello");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_int_equal(app.last_action, ACTION_SEND);
    assert_string_equal(app.last_text, "hello");
    press(&app, chat, "second");
    int n = app.n_actions;
    assert_true(ops->run(chat, CMD_SEND, &app)); /* one is running: the text stays */
    assert_int_equal(app.n_actions, n);
    assert_non_null(strstr(app.notice, "running"));
    for (int i = 0; i < 6; i++)
        ops->run(chat, CMD_DELETE_LEFT, &app);
    press(&app, chat, "/sys");
    expect(&app, VIEW_CHAT, chat, 80, 21, "chat_complete_80x24");
    assert_true(ops->run(chat, CMD_COMPLETE, &app));
    press(&app, chat, "be brief");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_string_equal(buf_text(&app.core.session->system), "be brief");
    press(&app, chat, "/hlep");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_non_null(strstr(app.notice, "/help"));
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    release(&app);
}

static void a_long_session_draws_fast_and_scrolls(void **state)
{
    (void)state;
    struct app app;
    char text[64];
    init(&app);
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "message number %d", i);
        say(&app, i % 2 ? MSG_ASSISTANT : MSG_USER, text);
    }
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    uint64_t start = clock_now_ns();
    struct screen screen = draw(&app, VIEW_CHAT, chat, 80, 21);
    assert_true(clock_now_ns() - start < 1000000000u);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 9999"));
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_UP, &app);
    screen = draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_null(strstr(buf_text(&out), "message number 9999"));
    assert_non_null(strstr(buf_text(&out), "more lines"));
    assert_int_equal(app.last_action, ACTION_SCROLL);
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_TOP, &app);
    screen = draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 0\n"));
    screen_release(&screen);
    buf_release(&out);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    release(&app);
}

/* ---- Experts ---------------------------------------------------------------------------- */

static void fill_balance(
        struct app *app, uint16_t layers, uint16_t experts, uint16_t k, int n_tokens)
{
    struct telemetry_shape shape = {.n_moe_layers = layers, .n_experts = experts, .k = k};
    uint64_t rng = 1;
    for (uint16_t i = 0; i < layers; i++)
        shape.layers[i] = i;
    struct token_record *r = mem_alloc(token_record_bytes(&shape));
    r->phase = PHASE_DECODE;
    for (int t = 0; t < n_tokens; t++) {
        struct expert_pick *picks = token_record_picks(r);
        for (int i = 0; i < layers * k; i++)
            picks[i] = (struct expert_pick){
                    (uint16_t)((rng_next(&rng) % (experts / k)) * (rng_next(&rng) % 3 ? 1 : 0) +
                               (unsigned)(i % k) * (experts / k)),
                    (uint16_t)(65535 / k)};
        core_apply_token(&app->core, 0, &shape, r);
    }
    mem_free(r);
}

static void experts_look_right_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int n_cols, n_rows;
        const char *name;
    } sizes[] = {{20, 4, "experts_20x5"}, {40, 7, "experts_40x10"}, {80, 21, "experts_80x24"},
            {120, 37, "experts_120x40"}, {200, 57, "experts_200x60"}};
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 200);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        void *experts = mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
        expect(&app, VIEW_EXPERTS, experts, sizes[i].n_cols, sizes[i].n_rows, sizes[i].name);
        views[VIEW_EXPERTS].ops->release(experts);
        mem_free(experts);
    }
    release(&app);
}

static void every_shape_of_mixture_fits_every_size(void **state)
{
    (void)state;
    static const uint16_t shapes[][3] = {{43, 256, 6}, {1, 4, 1}, {16, 64, 8}, {94, 128, 8}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct app app;
        init(&app);
        fill_balance(&app, shapes[i][0], shapes[i][1], shapes[i][2], 10);
        void *experts = mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
        for (int n_cols = 1; n_cols < 210; n_cols += 13)
            for (int n_rows = 1; n_rows < 60; n_rows += 4) {
                struct screen screen = draw(&app, VIEW_EXPERTS, experts, n_cols, n_rows);
                screen_release(&screen);
                for (enum command c = CMD_UP; c <= CMD_LAST; c++)
                    views[VIEW_EXPERTS].ops->run(experts, c, &app);
            }
        views[VIEW_EXPERTS].ops->release(experts);
        mem_free(experts);
        release(&app);
    }
}

static void a_dense_model_and_no_answer_say_so(void **state)
{
    (void)state;
    struct app app;
    struct telemetry_shape dense = {0};
    struct token_record *r = mem_alloc(token_record_bytes(&dense));
    init(&app);
    void *experts = mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
    expect(&app, VIEW_EXPERTS, experts, 80, 21, "experts_none_80x24");
    core_apply_token(&app.core, 0, &dense, r);
    expect(&app, VIEW_EXPERTS, experts, 80, 21, "experts_dense_80x24");
    mem_free(r);
    mem_free(experts);
    release(&app);
}

static void cells_move_only_when_they_clearly_change(void **state)
{
    (void)state;
    assert_int_equal(heat_level(heat_scale(0), 0), 0);
    assert_int_equal(heat_level(heat_scale(1e9f), 0), RAMP_LEVELS - 1);
    assert_int_equal(heat_level(3.7f, 3), 3);
    assert_int_equal(heat_level(3.8f, 3), 4);
    assert_int_equal(heat_level(3.3f, 4), 4);
    assert_true(heat_scale(1) > 0 && heat_scale(1) < heat_scale(2));
    struct heat_map map = heat_map_fit(48, 128, 10, 60);
    assert_int_equal(map.layers_per_row, 3);
    assert_int_equal(map.experts_per_col, 3);
    assert_int_equal(heat_map_row(&map, 47), map.n_rows - 1);
    assert_int_equal(heat_map_col(&map, 127), map.n_cols - 1);
}

/* ---- Sessions and Help ------------------------------------------------------------------ */

static void sessions_are_listed_searched_and_opened(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    expect(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_none_80x24");
    struct stored *list = stored_new(STORE_LIST);
    list->sessions = arena_alloc(&list->arena, 3 * sizeof *list->sessions);
    list->n_sessions = 3;
    list->sessions[0] = (struct session_row){.id = 11,
            .used_ms = NOW_MS,
            .title = SLICE("regex backtracking"),
            .n_messages = 22,
            .snippet = SLICE("Prove it, formally."),
            .has_interrupted = true};
    list->sessions[1] = (struct session_row){.id = 12,
            .used_ms = NOW_MS - 86400000ll * 3,
            .title = SLICE("\xE4\xB8\xAD\xE6\x96\x87 mail filter"),
            .n_messages = 30};
    list->sessions[2] = (struct session_row){.id = 13,
            .used_ms = NOW_MS - 86400000ll * 9,
            .draft = SLICE("not sent yet"),
            .has_draft = true};
    core_apply(&app.core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.stored = list});
    expect(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_80x24");
    expect(&app, VIEW_SESSIONS, sessions, 40, 7, "sessions_40x10");
    assert_true(ops->run(sessions, CMD_DOWN, &app));
    assert_true(ops->run(sessions, CMD_OPEN, &app));
    assert_int_equal(app.last_action, ACTION_OPEN_SESSION);
    assert_int_equal(app.view, VIEW_CHAT);
    assert_true(ops->run(sessions, CMD_SEARCH, &app));
    for (const char *c = "jq"; *c; c++) /* letters are text now, not commands */
        assert_true(ops->key(sessions, &(struct key){.code = (uint32_t)*c}, &app));
    assert_string_equal(app.last_text, "jq");
    assert_true(ops->key(sessions, &(struct key){.code = KEY_ESC}, &app));
    assert_string_equal(app.last_text, "");
    mem_free(sessions);
    release(&app);
}

static void help_shows_the_users_keys(void **state)
{
    (void)state;
    struct app app;
    struct err err;
    struct screen screen = {0};
    struct help help = {.context = CTX_EXPERTS};
    init(&app);
    assert_int_equal(keymap_bind(app.keymap, CTX_EXPERTS, "F7", CMD_FREEZE, &err), OK);
    screen_resize(&screen, 30, 80);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_experts_80x30");
    assert_true(help_run(&help, CMD_LAST));
    assert_false(help_run(&help, CMD_SEND));
    screen_release(&screen);
    release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(chat_looks_right_at_every_size),
            cmocka_unit_test(typing_sends_and_commands_run),
            cmocka_unit_test(a_long_session_draws_fast_and_scrolls),
            cmocka_unit_test(experts_look_right_at_every_size),
            cmocka_unit_test(every_shape_of_mixture_fits_every_size),
            cmocka_unit_test(a_dense_model_and_no_answer_say_so),
            cmocka_unit_test(cells_move_only_when_they_clearly_change),
            cmocka_unit_test(sessions_are_listed_searched_and_opened),
            cmocka_unit_test(help_shows_the_users_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
