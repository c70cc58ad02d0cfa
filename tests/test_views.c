/*
 * test_views.c - Chat, Experts, Sessions and Help as golden screens at the sizes people have,
 * and what keys do in them. The app around them is a plain struct, the core is filled by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/heat.h"
#include "tui/hint_bar.h"
#include "tui/slash.h"
#include "tui/view_chat.h"
#include "tui/view_help.h"

#include "tests/helper_app.h"
#include "tests/helper_clock.h"
#include "tests/helper_screen.h"

#define NOW_MS APP_NOW_MS

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
    app_fake_init(app, confs, 2);
}

static void expect(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows, const char *name)
{
    struct screen screen = app_fake_draw(app, id, state, n_cols, n_rows);
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
    app_fake_release(&app);
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
    app_fake_release(&app);
}

/* ---- commands by name ------------------------------------------------------------------- */

struct fixture {
    struct app app;
    void *chat;
};

static int set_up_chat(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    init(&f->app);
    f->chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    *state = f;
    return 0;
}

static int tear_down_chat(void **state)
{
    struct fixture *f = *state;
    views[VIEW_CHAT].ops->release(f->chat);
    mem_free(f->chat);
    app_fake_release(&f->app);
    mem_free(f);
    return 0;
}

static void run_chat(struct fixture *f, enum command command)
{
    views[VIEW_CHAT].ops->run(f->chat, command, &f->app);
}

static void type(struct fixture *f, const char *text)
{
    press(&f->app, f->chat, text);
}

static void clear_input(struct fixture *f)
{
    run_chat(f, CMD_LINE_END);
    run_chat(f, CMD_KILL_LINE_LEFT);
}

/* The draft is what the input holds. */
static void expect_input(const struct fixture *f, const char *text)
{
    assert_string_equal(buf_text(&f->app.core.session->draft), text);
}

static bool shows(struct fixture *f, int n_cols, int n_rows, const char *text)
{
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->chat, n_cols, n_rows);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    bool found = strstr(buf_text(&out), text) != NULL;
    buf_release(&out);
    screen_release(&screen);
    return found;
}

static const char *newest_notice_of(const struct fixture *f)
{
    return f->app.core.notices[(f->app.core.n_notices - 1) % NOTICE_MAX].text;
}

static void every_command_with_words_is_offered(void **state)
{
    (void)state;
    for (int i = 1; i < CMD_COUNT; i++)
        if (command_defs[i].argument)
            assert_true(slash_offers((enum command)i));
}

static int count_selected_cells(struct fixture *f, int row)
{
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->chat, 80, 21);
    int n = 0;
    for (int i = 0; i < 80; i++)
        n += screen.cells[row * 80 + i].role == ROLE_SELECTED;
    screen_release(&screen);
    return n;
}

static void the_list_of_commands_is_walked_and_scrolls(void **state)
{
    struct fixture *f = *state;
    type(f, "/");
    expect(&f->app, VIEW_CHAT, f->chat, 80, 21, "slash_80x24");
    assert_false(shows(f, 80, 21, "/quit"));
    assert_int_equal(count_selected_cells(f, 7), 80);
    assert_int_equal(count_selected_cells(f, 8), 0);
    run_chat(f, CMD_LINE_UP); /* round to the last */
    assert_true(shows(f, 80, 21, "/quit"));
    expect(&f->app, VIEW_CHAT, f->chat, 40, 9, "slash_end_40x10");
    run_chat(f, CMD_LINE_DOWN);
    run_chat(f, CMD_LINE_DOWN);
    run_chat(f, CMD_COMPLETE);
    run_chat(f, CMD_COMPLETE_BACK);
    run_chat(f, CMD_LINE_DOWN); /* rename: the third */
    expect_input(f, "/");
    run_chat(f, CMD_SEND);
    expect_input(f, "/rename ");
    type(f, "t");
    run_chat(f, CMD_SEND);
    assert_string_equal(f->app.core.session->title, "t");
}

static void enter_runs_what_is_selected_and_esc_closes(void **state)
{
    struct fixture *f = *state;
    type(f, "/open-s");
    run_chat(f, CMD_STOP);
    assert_false(shows(f, 80, 21, "List, search"));
    clear_input(f);
    type(f, "/open-s");
    assert_true(shows(f, 80, 21, "List, search"));
    run_chat(f, CMD_SEND);
    assert_int_equal(f->app.view, VIEW_SESSIONS);
    expect_input(f, "");
}

static void tab_completes_what_is_common_and_then_walks(void **state)
{
    struct fixture *f = *state;
    type(f, "/o");
    run_chat(f, CMD_COMPLETE);
    expect_input(f, "/open-");
    run_chat(f, CMD_COMPLETE);
    expect_input(f, "/open-");
    run_chat(f, CMD_SEND); /* the second */
    assert_int_equal(f->app.view, VIEW_EXPERTS);
    type(f, "/re");
    run_chat(f, CMD_COMPLETE);
    expect_input(f, "/re");
    clear_input(f);
    type(f, "/exp");
    run_chat(f, CMD_COMPLETE);
    expect_input(f, "/export ");
}

static void endpoints_are_completed(void **state)
{
    struct fixture *f = *state;
    type(f, "/endpoint ");
    expect(&f->app, VIEW_CHAT, f->chat, 80, 21, "slash_endpoint_80x24");
    run_chat(f, CMD_SEND); /* nothing selected: which are there? */
    assert_string_equal(newest_notice_of(f), "endpoints: local, mini; in use: auto");
    assert_int_equal(f->app.core.use_endpoint, -1);
    type(f, "/endpoint m");
    run_chat(f, CMD_COMPLETE);
    expect_input(f, "/endpoint mini");
    run_chat(f, CMD_SEND);
    assert_int_equal(f->app.core.use_endpoint, 1);
    type(f, "/endpoint ");
    run_chat(f, CMD_LINE_DOWN);
    run_chat(f, CMD_SEND);
    assert_int_equal(f->app.core.use_endpoint, -1); /* auto */
}

static void a_word_too_many_does_nothing(void **state)
{
    struct fixture *f = *state;
    size_t n_messages = f->app.core.session->n_messages;
    type(f, "/retry x");
    run_chat(f, CMD_SEND);
    assert_non_null(strstr(f->app.notice, "/retry takes no word"));
    assert_int_equal(f->app.core.session->n_messages, n_messages);
    expect_input(f, "/retry x");
}

static void only_commands_that_failed_come_back(void **state)
{
    struct fixture *f = *state;
    assert_true(shows(f, 80, 21, ">")); /* the input has its width */
    type(f, "/endpoint nobody");
    run_chat(f, CMD_SEND);
    expect_input(f, "");
    type(f, "/rename x");
    run_chat(f, CMD_SEND);
    type(f, "/endpoint m");
    run_chat(f, CMD_STOP);
    run_chat(f, CMD_SEND);
    run_chat(f, CMD_LINE_UP);
    expect_input(f, "/endpoint m"); /* begins like a name: Up goes on all the same */
    run_chat(f, CMD_LINE_UP);
    expect_input(f, "/endpoint nobody");
    run_chat(f, CMD_LINE_UP);
    expect_input(f, "/endpoint nobody");
}

static void a_closed_list_leaves_mistakes_to_a_hint(void **state)
{
    struct fixture *f = *state;
    type(f, "/exp");
    run_chat(f, CMD_STOP);
    run_chat(f, CMD_SEND);
    assert_non_null(strstr(f->app.notice, "did you mean /export?"));
    expect_input(f, "/exp");
}

static void the_side_pane_says_what_it_needs(void **state)
{
    struct fixture *f = *state;
    assert_false(shows(f, 119, 37, "\xE2\x94\x82"));
    run_chat(f, CMD_SIDE_PANE);
    assert_string_equal(f->app.notice, "the side pane needs 120 columns");
    f->app.notice[0] = '\0';
    bool had_pane = shows(f, 120, 37, "\xE2\x94\x82");
    run_chat(f, CMD_SIDE_PANE);
    assert_string_equal(f->app.notice, "");
    assert_true(had_pane != shows(f, 120, 37, "\xE2\x94\x82"));
}

/* What is below is told on the rule, and covers no text. */
static void lines_below_are_told_on_the_rule(void **state)
{
    struct fixture *f = *state;
    fill_chat(&f->app);
    assert_false(shows(f, 80, 15, "more lines"));
    run_chat(f, CMD_SCROLL_TOP);
    expect(&f->app, VIEW_CHAT, f->chat, 80, 15, "chat_scrolled_80x18");
    assert_true(shows(f, 40, 10, "more lines"));
}

static void what_was_searched_comes_into_view(void **state)
{
    struct fixture *f = *state;
    fill_chat(&f->app);
    view_chat_seek(f->chat, f->app.core.session->id + 1, "LINEAR explain");
    assert_true(shows(f, 80, 9, "Partly")); /* of another session */
    view_chat_seek(f->chat, f->app.core.session->id, "LINEAR explain");
    assert_true(shows(f, 80, 9, "Explain what this"));
    run_chat(f, CMD_SCROLL_END);
    assert_true(shows(f, 80, 9, "Partly")); /* once */
    view_chat_seek(f->chat, f->app.core.session->id, "linear nowhere");
    assert_true(shows(f, 80, 9, "Partly"));
}

/* ---- the hint bar ----------------------------------------------------------------------- */

static void expect_hints(const struct app *app, enum context context,
        const struct view_hint *own, int n_cols, const char *text)
{
    struct screen screen = {0};
    struct buf out;
    buf_init(&out, 1000);
    screen_resize(&screen, 1, n_cols);
    struct surface all = screen_surface(&screen);
    hint_bar_draw(app, context, own, &all, 0);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
    screen_release(&screen);
}

static void hints_are_of_use_where_they_stand(void **state)
{
    struct fixture *f = *state;
    struct app *app = &f->app;
    app->states[VIEW_CHAT] = f->chat;
    expect_hints(app, CTX_CHAT, NULL, 80,
            " Enter send  F1 help  C-d quit  C-j newline  C-x 1\xE2\x80\xA6"
            "6 views\n");
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  F1 help  C-d quit\n");
    expect_hints(app, CTX_SESSIONS, NULL, 80,
            " Enter open  / search  ? help  Esc back  R rename  D trash  C-x 1\xE2\x80\xA6"
            "6 views\n");
    type(f, "x"); /* C-d deletes now */
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  F1 help\n");
    run_chat(f, CMD_SEND);
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  Esc stop  F1 help\n");
    type(f, "/");
    const struct view_hint *own = views[VIEW_CHAT].ops->hints(f->chat, app);
    expect_hints(app, CTX_CHAT, own, 80,
            " Enter run  Up/Down choose  Tab complete  Esc close  C-x 1\xE2\x80\xA6"
            "6 views\n");
    clear_input(f);
    assert_null(views[VIEW_CHAT].ops->hints(f->chat, app));
}

/* In the working directory of the test: its name is known, and nobody else has it. */
static void a_named_file_goes_along_or_nothing_does(void **state)
{
    struct fixture *f = *state;
    struct err err;
    const char *missing =
            "there is no file shunt test.md: press the key again to send it as a word";
    unlink("shunt test.md"); /* of a run that was broken off */
    type(f, "see @\"shunt test.md\"");
    run_chat(f, CMD_SEND);
    assert_string_equal(f->app.notice, missing);
    expect_input(f, "see @\"shunt test.md\""); /* it stays */
    type(f, "!");                              /* another text is asked about again */
    run_chat(f, CMD_SEND);
    expect_input(f, "see @\"shunt test.md\"!");
    assert_int_equal(f->app.last_action, ACTION_DRAFT);
    run_chat(f, CMD_DELETE_LEFT);
    assert_int_equal(file_write("shunt test.md", "one\n", 4, 0644, &err), OK);
    run_chat(f, CMD_SEND);
    unlink("shunt test.md");
    assert_int_equal(f->app.last_action, ACTION_SEND);
    assert_string_equal(f->app.notice,
            "attached shunt test.md: 28 B with names and fences, about 8 tokens");
    assert_true(shows(f, 80, 21, "   see @\"shunt test.md\"\n"));
    assert_true(shows(f, 80, 21, "with 28 B of attached text"));
    assert_false(shows(f, 80, 21, "one"));
}

static void what_is_no_file_is_sent_as_a_word_when_asked_twice(void **state)
{
    struct fixture *f = *state;
    type(f, "def f(): @nosuchdecorator");
    run_chat(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_DRAFT);
    run_chat(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_SEND);
    expect_input(f, "");
}

static void a_cleared_draft_is_the_newest_of_the_history(void **state)
{
    struct fixture *f = *state;
    assert_true(shows(f, 80, 21, ">")); /* the input has its width */
    type(f, "/endpoint nobody");
    run_chat(f, CMD_SEND); /* remembered, because it failed */
    type(f, "half a thought");
    assert_true(view_chat_clear_input(f->chat, &f->app));
    expect_input(f, "");
    run_chat(f, CMD_LINE_UP);
    expect_input(f, "half a thought");
    run_chat(f, CMD_LINE_UP);
    expect_input(f, "/endpoint nobody");
}

static void only_what_ended_early_is_gone_on_with(void **state)
{
    (void)state;
    static const struct {
        enum message_role role;
        enum message_state state;
        int writer_pid;
        bool can_go_on;
    } leaves[] = {{MSG_ASSISTANT, MESSAGE_DONE, 0, false},
            {MSG_ASSISTANT, MESSAGE_STOPPED, 0, true},
            {MSG_ASSISTANT, MESSAGE_INTERRUPTED, 0, true},
            {MSG_ASSISTANT, MESSAGE_FAILED, 0, true},
            {MSG_ASSISTANT, MESSAGE_STOPPED, 77, false}, {MSG_USER, MESSAGE_DONE, 0, true}};
    struct app app;
    init(&app);
    app.states[VIEW_CHAT] = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        struct message *m = say(&app, leaves[i].role, "x");
        struct screen screen = {0};
        struct buf out;
        m->state = leaves[i].state;
        app.core.session->writer_pid = leaves[i].writer_pid;
        buf_init(&out, 1000);
        screen_resize(&screen, 1, 200);
        struct surface all = screen_surface(&screen);
        hint_bar_draw(&app, CTX_CHAT, NULL, &all, 0);
        screen_print(&screen, &out);
        if ((strstr(buf_text(&out), "M-c continue") != NULL) != leaves[i].can_go_on)
            fail_msg("leaf %zu: %s", i, buf_text(&out));
        buf_release(&out);
        screen_release(&screen);
    }
    mem_free(app.states[VIEW_CHAT]);
    app_fake_release(&app);
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
    uint64_t start = clock_cpu_ns();
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    assert_true(clock_cpu_ns() - start < 1000000000u);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 9999"));
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_UP, &app);
    screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_null(strstr(buf_text(&out), "message number 9999"));
    assert_non_null(strstr(buf_text(&out), "more lines"));
    assert_int_equal(app.last_action, ACTION_SCROLL);
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_TOP, &app);
    screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 0\n"));
    screen_release(&screen);
    buf_release(&out);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
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
        core_apply_token(&app->core, &shape, r);
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
    app_fake_release(&app);
}

/* No view hides how one leaves it, whatever its bar is full of. */
static void every_bar_says_how_to_get_to_the_other_views(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    static const struct view_hint many[] = {{"Enter", "a long story"}, {"Tab", "another one"},
            {"Up/Down", "and one more of them"}, {"Esc", "enough"}, {"F9", "or not"},
            {NULL, NULL}};
    fill_balance(&app, 4, 16, 2, 10);
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    for (int i = 0; i < VIEW_COUNT; i++)
        for (int own = 0; own < 2; own++) {
            struct screen screen = {0};
            struct buf out;
            buf_init(&out, 1000);
            screen_resize(&screen, 1, 80);
            struct surface all = screen_surface(&screen);
            hint_bar_draw(&app, views[i].ops->context, own ? many : NULL, &all, 0);
            screen_print(&screen, &out);
            if (!strstr(buf_text(&out), "C-x 1\xE2\x80\xA6"
                                        "6 views"))
                fail_msg("%s: %s", views[i].name, buf_text(&out));
            buf_release(&out);
            screen_release(&screen);
        }
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app.states[i]);
        mem_free(app.states[i]);
    }
    app_fake_release(&app);
}

static void keys_without_a_map_are_not_offered(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    app.states[VIEW_EXPERTS] = mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
    struct message *m = say(&app, MSG_ASSISTANT, "x");
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " ? help  Esc back  C-x 1\xE2\x80\xA6"
            "6 views\n");
    snprintf(m->endpoint, sizeof m->endpoint, "local"); /* a dense model */
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " ? help  Esc back  x tokens  C-x 1\xE2\x80\xA6"
            "6 views\n");
    fill_balance(&app, 4, 16, 2, 10);
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " m map  Z freeze  ? help  Esc back  x tokens  C-x 1\xE2\x80\xA6"
            "6 views\n");
    mem_free(app.states[VIEW_EXPERTS]);
    app_fake_release(&app);
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
                struct screen screen =
                        app_fake_draw(&app, VIEW_EXPERTS, experts, n_cols, n_rows);
                screen_release(&screen);
                for (enum command c = CMD_UP; c <= CMD_LAST; c++)
                    views[VIEW_EXPERTS].ops->run(experts, c, &app);
            }
        views[VIEW_EXPERTS].ops->release(experts);
        mem_free(experts);
        app_fake_release(&app);
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
    core_apply_token(&app.core, &dense, r);
    expect(&app, VIEW_EXPERTS, experts, 80, 21, "experts_dense_80x24");
    mem_free(r);
    mem_free(experts);
    app_fake_release(&app);
}

static bool map_shows(struct app *app, void *experts, int n_cols, int n_rows, const char *text)
{
    struct screen screen = app_fake_draw(app, VIEW_EXPERTS, experts, n_cols, n_rows);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    bool is_there = strstr(buf_text(&out), text) != NULL;
    buf_release(&out);
    screen_release(&screen);
    return is_there;
}

static void *open_experts(void)
{
    return mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
}

static void close_experts(void *experts)
{
    views[VIEW_EXPERTS].ops->release(experts);
    mem_free(experts);
}

static void press_experts(struct app *app, void *experts, enum command command, int n)
{
    for (int i = 0; i < n; i++)
        assert_true(views[VIEW_EXPERTS].ops->run(experts, command, app));
}

static void experts_look_right_in_other_modes(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 600);
    void *experts = open_experts();
    press_experts(&app, experts, CMD_MAP_MODE, 1);
    press_experts(&app, experts, CMD_FREEZE, 1);
    expect(&app, VIEW_EXPERTS, experts, 80, 21, "experts_last_80x24");
    expect(&app, VIEW_EXPERTS, experts, 60, 27, "experts_last_60x30");
    app.is_mono = true;
    expect(&app, VIEW_EXPERTS, experts, 80, 21, "experts_mono_80x24");
    close_experts(experts);
    app_fake_release(&app);
}

static void a_frozen_view_shows_what_it_showed(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    press_experts(&app, experts, CMD_FREEZE, 1);
    expect(&app, VIEW_EXPERTS, experts, 120, 37, "experts_frozen_120x40");
    fill_balance(&app, 48, 128, 8, 70);
    say(&app, MSG_ASSISTANT, "The next answer");
    app.now_ns += 1000000000;
    expect(&app, VIEW_EXPERTS, experts, 120, 37, "experts_frozen_120x40");
    assert_true(
            map_shows(&app, experts, 80, 21, "of 20 tok")); /* another size, the same tokens */
    press_experts(&app, experts, CMD_FREEZE, 1);
    assert_true(map_shows(&app, experts, 80, 21, "of 90 tok"));
    assert_true(map_shows(&app, experts, 80, 21, "The next answer"));
    press_experts(&app, experts, CMD_FREEZE, 1); /* released while frozen */
    close_experts(experts);
    app_fake_release(&app);
}

static void the_cursor_reaches_every_expert_and_layer(void **state)
{
    (void)state;
    char name[32];
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    for (int i = 0; i < 128;
            i++) { /* 40 columns: four experts in a cell, six layers in a row */
        snprintf(name, sizeof name, "L%d E%d ", i < 48 ? i : 47, i);
        if (!map_shows(&app, experts, 40, 7, name))
            fail_msg("no %s", name);
        press_experts(&app, experts, CMD_DOWN, 1);
        press_experts(&app, experts, CMD_RIGHT, 1);
    }
    press_experts(&app, experts, CMD_FAR_LEFT, 2);
    press_experts(&app, experts, CMD_UP, 3);
    assert_true(map_shows(&app, experts, 40, 7, "L44 E111 "));
    close_experts(experts);
    app_fake_release(&app);
}

static void without_a_map_keys_change_nothing(void **state)
{
    (void)state;
    static const enum command keys[] = {
            CMD_RIGHT, CMD_DOWN, CMD_LAST, CMD_MAP_MODE, CMD_FREEZE};
    struct app app;
    init(&app);
    fill_chat(&app);
    void *experts = open_experts();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        press_experts(&app, experts, keys[i], 1);
    fill_balance(&app, 48, 128, 8, 20);
    assert_true(map_shows(&app, experts, 80, 21, "L0 E0 "));
    assert_true(map_shows(&app, experts, 80, 21, " decayed"));
    assert_false(map_shows(&app, experts, 80, 21, "frozen"));
    close_experts(experts);
    app_fake_release(&app);
}

static void a_list_that_does_not_fit_says_how_many_are_missing(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 600);
    void *experts = open_experts();
    assert_true(map_shows(&app, experts, 60, 12, "\xE2\x80\xA6 +5\n"));
    assert_false(map_shows(&app, experts, 120, 37, "\xE2\x80\xA6 +"));
    assert_false(map_shows(&app, experts, 80, 21, "\xE2\x80\xA6 +")); /* a second line */
    assert_true(map_shows(&app, experts, 80, 21, "balance of the newest 512 of 600 generated"));
    close_experts(experts);
    app_fake_release(&app);
}

static void a_prompt_being_read_is_no_answer(void **state)
{
    (void)state;
    struct app app;
    struct telemetry_shape shape = {
            .n_moe_layers = 2, .n_experts = 4, .k = 2, .layers = {0, 1}};
    struct token_record *r = mem_alloc(token_record_bytes(&shape));
    init(&app);
    for (int i = 0; i < 4; i++)
        token_record_picks(r)[i] = (struct expert_pick){(uint16_t)(i % 2), 32768};
    void *experts = open_experts();
    struct message *m = say(&app, MSG_ASSISTANT, "");
    snprintf(m->endpoint, sizeof m->endpoint, "local");
    r->phase = PHASE_DECODE;
    core_apply_token(&app.core, &shape, r);
    assert_true(map_shows(&app, experts, 80, 21, "weight 0.50 now"));
    m->state = MESSAGE_RUNNING;
    assert_true(map_shows(&app, experts, 80, 21, " waiting\n"));
    assert_false(map_shows(&app, experts, 80, 21, " now"));
    r->phase = PHASE_PREFILL;
    core_apply_token(&app.core, &shape, r);
    assert_true(map_shows(&app, experts, 80, 21, " reading the prompt\n"));
    assert_true(map_shows(&app, experts, 80, 21, "layer 0, prompt,"));
    assert_false(map_shows(&app, experts, 80, 21, " now"));
    r->phase = PHASE_DECODE;
    core_apply_token(&app.core, &shape, r);
    buf_add_text(&m->text, "Yes");
    assert_true(map_shows(&app, experts, 80, 21, " live\n"));
    snprintf(m->endpoint, sizeof m->endpoint, "mini"); /* its experts are elsewhere */
    assert_false(map_shows(&app, experts, 80, 21, "live"));
    m->state = MESSAGE_DONE;
    mem_free(r);
    close_experts(experts);
    app_fake_release(&app);
}

/* The first row, heat cells as digits, without the state at its end. */
static void head_of(struct app *app, void *experts, int n_cols, struct buf *out)
{
    struct screen screen = app_fake_draw(app, VIEW_EXPERTS, experts, n_cols, 21);
    screen_print(&screen, out);
    out->n = (size_t)(strchr(buf_text(out), '\n') - out->ptr);
    out->ptr[out->n] = '\0';
    screen_release(&screen);
}

static void the_head_is_never_cut_inside_a_word(void **state)
{
    (void)state;
    static const char *const ends[] = {"decayed", "last token", "decayed, half-life 64 tok",
            "top 8", " x 1", " x 2", " x 3", " x 4", " x 5", "hottest",
            "\xC3\x97"
            "16",
            "ab 16",
            "\xC3\x97"
            "8",
            "ab 8"};
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    for (int n_cols = 20; n_cols < 240; n_cols++) {
        struct buf head;
        bool is_whole = false;
        buf_init(&head, 1 << 16);
        head_of(&app, experts, n_cols, &head);
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            size_t n = strlen(ends[i]);
            is_whole |= head.n >= n && memcmp(head.ptr + head.n - n, ends[i], n) == 0;
        }
        if (!is_whole || (n_cols >= 40 && !strstr(buf_text(&head), "b ")))
            fail_msg("%d columns: %s", n_cols, buf_text(&head));
        buf_release(&head);
        press_experts(&app, experts, CMD_MAP_MODE, 1);
    }
    close_experts(experts);
    app_fake_release(&app);
}

static void without_colours_a_character_is_one_row_of_the_map(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    app.is_mono = true;
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    struct screen screen = app_fake_draw(&app, VIEW_EXPERTS, experts, 80, 21);
    int n_heat = 0, n_marked = 0;
    for (int i = 0; i < 80 * 21; i++) {
        const struct cell *cell = &screen.cells[i];
        n_heat += cell->ramp != RAMP_NONE && i >= 80; /* below the legend */
        n_marked += cell->ramp != RAMP_NONE && cell->attrs & ATTR_REVERSE;
        assert_int_equal(cell->level_top, cell->level_bottom);
    }
    assert_int_equal(n_heat, 10 * 64); /* five layers a row, two experts a column */
    assert_int_equal(n_marked, 1);
    screen_release(&screen);
    assert_true(map_shows(&app, experts, 80, 21, "cell: 5 x 2"));
    close_experts(experts);
    app_fake_release(&app);
}

static void the_side_pane_shows_one_row_a_character_too(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    app.is_mono = true;
    fill_balance(&app, 48, 128, 8, 20);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 120, 37);
    int n_heat = 0;
    for (int i = 0; i < 120 * 37; i++) {
        n_heat += screen.cells[i].ramp != RAMP_NONE;
        assert_int_equal(screen.cells[i].level_top, screen.cells[i].level_bottom);
    }
    assert_true(n_heat > 100);
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

static size_t count_heat(const struct screen *screen, uint64_t *sum)
{
    size_t n = 0;
    *sum = 0;
    for (int i = 0; i < screen->n_rows * screen->n_cols; i++)
        if (screen->cells[i].ramp != RAMP_NONE) {
            n++;
            *sum = *sum * 31 + screen->cells[i].level_top * 16u + screen->cells[i].level_bottom;
        }
    return n;
}

static void a_very_large_screen_has_the_other_views_beside_the_chat(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 200);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    expect(&app, VIEW_CHAT, chat, 200, 57, "chat_200x60");
    static const int smaller[][2] = {{179, 57}, {200, 40}};
    for (size_t i = 0; i < ARRAY_LEN(smaller); i++) {
        struct screen screen =
                app_fake_draw(&app, VIEW_CHAT, chat, smaller[i][0], smaller[i][1]);
        for (int k = 0; k < screen.n_rows * screen.n_cols; k++)
            assert_int_not_equal(screen.cells[k].role, ROLE_MATCH); /* no map with a cursor */
        screen_release(&screen);
    }
    assert_true(views[VIEW_CHAT].ops->run(chat, CMD_SIDE_PANE, &app));
    uint64_t sum;
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 200, 57);
    assert_int_equal(count_heat(&screen, &sum), 0);
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

static bool has_text(const struct screen *screen, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    screen_print(screen, &out);
    bool is_there = strstr(buf_text(&out), text);
    buf_release(&out);
    return is_there;
}

static void its_panes_are_drawn_ten_times_a_second_at_most(void **state)
{
    (void)state;
    struct app app;
    uint64_t before, after;
    init(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    struct surface all;
    struct screen screen = {0};
    screen_resize(&screen, 57, 200);
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    assert_true(count_heat(&screen, &before) > 1000);
    fill_balance(&app, 48, 128, 8, 100);
    app.core.version++;
    app.now_ns += 60000000;
    app.wake_ns = 0;
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    count_heat(&screen, &after);
    assert_true(after == before);
    assert_true(has_text(&screen, "balance of 20 generated"));
    assert_int_equal(app.wake_ns, app.now_ns + 40000000); /* and once more, for the last */
    app.now_ns = app.wake_ns;
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    count_heat(&screen, &after);
    assert_true(after != before);
    assert_true(has_text(&screen, "balance of 120 generated"));
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
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
    struct heat_map map = heat_map_fit(48, 128, 10, 60, false);
    assert_int_equal(map.layers_per_row, 3);
    assert_int_equal(map.experts_per_col, 3);
    assert_int_equal(heat_map_row(&map, 47), map.n_rows - 1);
    assert_int_equal(heat_map_col(&map, 127), map.n_cols - 1);
    map = heat_map_fit(48, 128, 10, 60, true);
    assert_int_equal(map.layers_per_row, 5);
    assert_int_equal(heat_map_screen_rows(&map), 10);
}

/* ---- Sessions and Help ------------------------------------------------------------------ */

static void fill_sessions(struct app *app)
{
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
    core_apply(&app->core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.stored = list});
}

static void sessions_are_listed_searched_and_opened(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    app.states[VIEW_CHAT] = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    expect(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_none_80x24");
    fill_sessions(&app);
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
    assert_string_equal(ops->hints(sessions, &app)[0].keys, "Enter");
    assert_true(ops->key(sessions, &(struct key){.code = KEY_ESC}, &app));
    assert_string_equal(app.last_text, "");
    assert_null(ops->hints(sessions, &app));
    mem_free(app.states[VIEW_CHAT]);
    mem_free(sessions);
    app_fake_release(&app);
}

static void press_session(struct app *app, void *sessions, uint32_t code)
{
    assert_true(views[VIEW_SESSIONS].ops->key(sessions, &(struct key){.code = code}, app));
}

static void a_session_is_renamed_where_it_stands(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    fill_sessions(&app);
    assert_true(ops->run(sessions, CMD_RENAME, &app));
    press_session(&app, sessions, '!');
    press_session(&app, sessions, KEY_DOWN); /* the list stands still */
    expect(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_rename_80x24");
    assert_string_equal(ops->hints(sessions, &app)[0].keys, "Enter");
    press_session(&app, sessions, KEY_ENTER);
    assert_int_equal(app.last_action, ACTION_RENAME);
    assert_int_equal(app.last_id, 11);
    assert_string_equal(app.last_text, "regex backtracking!");
    int n = app.n_actions;
    assert_true(ops->run(sessions, CMD_RENAME, &app));
    press_session(&app, sessions, KEY_ESC);
    assert_int_equal(app.n_actions, n);
    assert_null(ops->hints(sessions, &app));
    mem_free(sessions);
    app_fake_release(&app);
}

static void the_selected_session_goes_to_the_trash(void **state)
{
    (void)state;
    struct app app;
    init(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    assert_true(ops->run(sessions, CMD_TRASH, &app)); /* of none: nothing */
    assert_int_equal(app.n_actions, 0);
    fill_sessions(&app);
    assert_true(ops->run(sessions, CMD_DOWN, &app));
    assert_true(ops->run(sessions, CMD_TRASH, &app));
    assert_int_equal(app.last_action, ACTION_TRASH);
    assert_int_equal(app.last_id, 12);
    assert_true(ops->run(sessions, CMD_UNDO, &app));
    assert_int_equal(app.last_action, ACTION_UNTRASH);
    mem_free(sessions);
    app_fake_release(&app);
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
    screen_resize(&screen, 62, 80);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_experts_80x62");
    screen_resize(&screen, 40, 36);
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_experts_36x40");
    help = (struct help){.context = CTX_CHAT};
    screen_resize(&screen, 66, 70);
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_chat_70x66");
    assert_true(help_run(&help, CMD_LAST));
    assert_false(help_run(&help, CMD_SEND));
    screen_release(&screen);
    app_fake_release(&app);
}

static void help_says_that_there_is_more(void **state)
{
    (void)state;
    struct app app;
    struct help help = {.context = CTX_ROUTER};
    init(&app);
    for (int i = 0; i < 3; i++) {
        static const enum command moves[] = {CMD_FIRST, CMD_DOWN, CMD_LAST};
        struct screen screen = {0};
        struct buf out;
        char want[48];
        screen_resize(&screen, 10, 80);
        struct surface all = screen_surface(&screen);
        help_draw(&help, &app, &all); /* the first one measures */
        help_run(&help, moves[i]);
        surface_fill(&all, (struct rect){0, 0, 10, 80}, ROLE_TEXT, ' ');
        help_draw(&help, &app, &all);
        buf_init(&out, 1 << 16);
        screen_print(&screen, &out);
        snprintf(want, sizeof want, "\xE2\x86\x93 %d more lines\n", help.n_lines - 9 - i);
        assert_true((strstr(buf_text(&out), want) != NULL) == (i < 2));
        assert_true((strstr(buf_text(&out), "more line") != NULL) == (i < 2));
        assert_true((strstr(buf_text(&out), "Stop the answer, else") != NULL) == (i == 2));
        buf_release(&out);
        screen_release(&screen);
    }
    app_fake_release(&app);
}

static void notes_wrap_on_a_narrow_screen_and_scroll(void **state)
{
    (void)state;
    struct app app;
    struct screen screen = {0};
    struct help help = {.context = CTX_EXPERTS};
    init(&app);
    screen_resize(&screen, 30, 40);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    help.top = 15;
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_notes_40x30");
    screen_release(&screen);
    app_fake_release(&app);
}

#define CHAT(f) cmocka_unit_test_setup_teardown(f, set_up_chat, tear_down_chat)

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(chat_looks_right_at_every_size),
            cmocka_unit_test(typing_sends_and_commands_run),
            cmocka_unit_test(every_command_with_words_is_offered),
            CHAT(the_list_of_commands_is_walked_and_scrolls),
            CHAT(enter_runs_what_is_selected_and_esc_closes),
            CHAT(tab_completes_what_is_common_and_then_walks),
            CHAT(endpoints_are_completed),
            CHAT(a_word_too_many_does_nothing),
            CHAT(only_commands_that_failed_come_back),
            CHAT(a_closed_list_leaves_mistakes_to_a_hint),
            CHAT(the_side_pane_says_what_it_needs),
            CHAT(lines_below_are_told_on_the_rule),
            CHAT(what_was_searched_comes_into_view),
            CHAT(a_named_file_goes_along_or_nothing_does),
            CHAT(what_is_no_file_is_sent_as_a_word_when_asked_twice),
            CHAT(a_cleared_draft_is_the_newest_of_the_history),
            CHAT(hints_are_of_use_where_they_stand),
            cmocka_unit_test(every_bar_says_how_to_get_to_the_other_views),
            cmocka_unit_test(only_what_ended_early_is_gone_on_with),
            cmocka_unit_test(a_long_session_draws_fast_and_scrolls),
            cmocka_unit_test(experts_look_right_at_every_size),
            cmocka_unit_test(keys_without_a_map_are_not_offered),
            cmocka_unit_test(every_shape_of_mixture_fits_every_size),
            cmocka_unit_test(a_dense_model_and_no_answer_say_so),
            cmocka_unit_test(experts_look_right_in_other_modes),
            cmocka_unit_test(a_frozen_view_shows_what_it_showed),
            cmocka_unit_test(the_cursor_reaches_every_expert_and_layer),
            cmocka_unit_test(without_a_map_keys_change_nothing),
            cmocka_unit_test(a_list_that_does_not_fit_says_how_many_are_missing),
            cmocka_unit_test(a_prompt_being_read_is_no_answer),
            cmocka_unit_test(the_head_is_never_cut_inside_a_word),
            cmocka_unit_test(without_colours_a_character_is_one_row_of_the_map),
            cmocka_unit_test(the_side_pane_shows_one_row_a_character_too),
            cmocka_unit_test(a_very_large_screen_has_the_other_views_beside_the_chat),
            cmocka_unit_test(its_panes_are_drawn_ten_times_a_second_at_most),
            cmocka_unit_test(cells_move_only_when_they_clearly_change),
            cmocka_unit_test(sessions_are_listed_searched_and_opened),
            cmocka_unit_test(a_session_is_renamed_where_it_stands),
            cmocka_unit_test(the_selected_session_goes_to_the_trash),
            cmocka_unit_test(help_shows_the_users_keys),
            cmocka_unit_test(help_says_that_there_is_more),
            cmocka_unit_test(notes_wrap_on_a_narrow_screen_and_scroll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
