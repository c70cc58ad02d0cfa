/*
 * test_view_router.c - why an answer came from where it came from, wherever that is shown: the
 * Router view, the popup over Chat, the side pane and the rule above the input. Decisions are
 * made by the real policy from features given here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/decision_json.h"
#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/figures.h"
#include "tui/pane_side.h"
#include "tui/pane_why.h"

#include "tests/helper_app.h"
#include "tests/helper_clock.h"
#include "tests/helper_screen.h"

#define S 1000000000ull

static struct app app;
static void *view_state;
static enum view_id view_id;

static struct endpoint_conf confs[] = {
        {.name = "local",
                .kind = PROVIDER_LOCAL,
                .model = "/models/qwen3.gguf",
                .enabled = true,
                .tier = 2,
                .context_tok = 8192},
        {.name = "mini",
                .kind = PROVIDER_OPENAI,
                .model = "gpt-mini",
                .enabled = true,
                .zone = ZONE_EXTERNAL,
                .tier = 3,
                .usd_per_mtok_in = 0.75,
                .usd_per_mtok_out = 4.5,
                .usd_per_mtok_cached = -1},
        {.name = "lab-gpu",
                .kind = PROVIDER_VLLM,
                .model = "big",
                .enabled = true,
                .zone = ZONE_LAB,
                .tier = 4,
                .usd_per_mtok_in = -1,
                .usd_per_mtok_out = -1,
                .usd_per_mtok_cached = -1},
        {.name = "opus",
                .kind = PROVIDER_ANTHROPIC,
                .model = "opus",
                .enabled = true,
                .zone = ZONE_EXTERNAL,
                .tier = 5,
                .usd_per_mtok_in = 5,
                .usd_per_mtok_out = 25,
                .usd_per_mtok_cached = -1},
};

static int set_up(void **state)
{
    (void)state;
    app_fake_init(&app, confs, ARRAY_LEN(confs));
    view_state = NULL;
    return 0;
}

static void close_view(void)
{
    if (view_state)
        views[view_id].ops->release(view_state);
    mem_free(view_state);
    view_state = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    close_view();
    app_fake_release(&app);
    return 0;
}

static void open_view(enum view_id id)
{
    close_view();
    view_id = id;
    view_state = mem_alloc(views[id].ops->state_bytes);
    if (views[id].ops->open)
        views[id].ops->open(view_state, &app);
}

static bool command(enum command command)
{
    return views[view_id].ops->run(view_state, command, &app);
}

static void type(const char *text)
{
    for (; *text; text++)
        assert_true(views[view_id].ops->key(
                view_state, &(struct key){.code = (uint32_t)*text}, &app));
}

static void expect(int n_cols, int n_rows, const char *name)
{
    struct screen screen = app_fake_draw(&app, view_id, view_state, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

/* What the view shows as text; valid until the next call. */
static const char *shown(int n_cols, int n_rows)
{
    static char text[1 << 16];
    struct buf out;
    struct screen screen = app_fake_draw(&app, view_id, view_state, n_cols, n_rows);
    buf_init(&out, sizeof text - 1);
    screen_print(&screen, &out);
    memcpy(text, buf_text(&out), out.n + 1);
    buf_release(&out);
    screen_release(&screen);
    return text;
}

static void expect_shown(const char *text, bool is_there)
{
    const char *screen = shown(80, 21);
    if ((strstr(screen, text) != NULL) != is_there)
        fail_msg("\"%s\" is %s:\n%s", text, is_there ? "missing" : "there", screen);
}

/* ---- decisions -------------------------------------------------------------------------- */

static struct features features(float difficulty, enum domain domain)
{
    return (struct features){.n_input_tok = 412,
            .n_output_tok = 512,
            .difficulty = difficulty,
            .domain = domain,
            .language = "en",
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1};
}

static struct decision_row row_of(struct arena *arena, const struct features *f,
        const struct budget *budget, uint64_t tried, const char *question)
{
    static struct decision d;
    const struct policy_world world = {&app.core.fleet, *budget, prefs_default(), app.now_ns};
    struct buf json;
    buf_init(&json, 1 << 20);
    policy_decide(&d, f, &world, tried);
    decision_print_json(&d, &app.core.fleet, &json);
    struct decision_row row = {.json = {arena_strdup(arena, buf_text(&json)), json.n},
            .question = slice_of(question)};
    buf_release(&json);
    return row;
}

static void give(struct stored *c)
{
    core_apply(&app.core, &(struct event){.kind = EV_STORE, .t_ns = app.now_ns, .u.stored = c});
}

#define N_KINDS 5

/* An easy question, a hard one, a fallback, a budget that is reached, and nobody left. */
static void fill_log(int n)
{
    struct stored *c = stored_new(STORE_LIST_DECISIONS);
    const struct budget none = {-1, 0}, spent = {2000000000, 1999990000};
    struct features easy = features(0.1f, DOMAIN_WRITING), hard = features(0.75f, DOMAIN_MATH),
                    stuck = features(0.4f, DOMAIN_CODE);
    stuck.max_zone = ZONE_LOCAL;
    stuck.n_input_tok = 20000;
    c->decisions = arena_alloc(&c->arena, (size_t)n * sizeof *c->decisions);
    struct decision_row kinds[N_KINDS] = {
            row_of(&c->arena, &easy, &none, 0, "Write a commit message for this change."),
            row_of(&c->arena, &hard, &none, 0,
                    "Prove that every bounded monotone sequence "
                    "converges, and say where completeness enters."),
            row_of(&c->arena, &easy, &none, 1, "\xE4\xB8\xAD\xE6\x96\x87 too?"),
            row_of(&c->arena, &hard, &spent, 5, "And now formally."),
            row_of(&c->arena, &stuck, &none, 0, "Refactor this file: ..."),
    };
    for (int i = 0; i < n; i++) {
        c->decisions[i] = kinds[i % N_KINDS];
        c->decisions[i].t_ms = APP_NOW_MS - i * 61000 - (i == N_KINDS - 1 ? 86400000 * 3 : 0);
        c->decisions[i].message_id = 100 + i;
    }
    c->n_decisions = (size_t)n;
    give(c);
}

static void figures_show_two_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t nusd;
        const char *dollars;
    } amounts[] = {{0, "$0"}, {2100000, "$0.0021"}, {14000000, "$0.014"}, {1250000000, "$1.25"},
            {99, "$0.0000001"}, {-3000000, "-$0.0030"}, {100000000, "$0.10"}};
    static const struct {
        uint32_t ms;
        const char *seconds;
    } times[] = {{0, "0.0 s"}, {410, "0.4 s"}, {1949, "1.9 s"}, {1950, "2 s"}, {12400, "12 s"}};
    char text[FIGURE_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(amounts); i++)
        assert_string_equal(figure_dollars(text, amounts[i].nusd), amounts[i].dollars);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        assert_string_equal(figure_seconds(text, times[i].ms), times[i].seconds);
}

/* ---- Router ----------------------------------------------------------------------------- */

static void the_log_looks_right_at_every_size(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    assert_int_equal(app.last_action, ACTION_LIST_DECISIONS);
    expect(80, 21, "router_none_80x24");
    fill_log(N_KINDS);
    command(CMD_DOWN); /* the hard one has the whole table */
    expect(20, 4, "router_20x5");
    expect(40, 7, "router_40x10");
    expect(80, 21, "router_80x24");
    expect(120, 37, "router_120x40");
    command(CMD_DOWN);
    expect(80, 21, "router_fallback_80x24");
    command(CMD_DOWN);
    expect(80, 21, "router_ask_80x24");
    assert_non_null(strstr(shown(100, 21), "\n time      verdict   endpoint "));
    assert_null(strstr(shown(40, 7), "question")); /* cut words are no titles */
    command(CMD_DOWN);
    expect(40, 15, "router_refuse_40x18");
}

static void every_decision_fits_every_size(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    fill_log(40);
    for (int n_cols = 1; n_cols < 210; n_cols += 11)
        for (int n_rows = 1; n_rows < 60; n_rows += 3) {
            struct screen screen = app_fake_draw(&app, VIEW_ROUTER, view_state, n_cols, n_rows);
            screen_release(&screen);
            for (enum command c = CMD_UP; c <= CMD_LAST; c++)
                command(c);
            command(n_rows % 2 ? CMD_WHY : CMD_DOWN);
        }
}

static void the_cursor_stays_on_its_decision(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    fill_log(3);
    expect_shown("Write a commit", true);
    command(CMD_DOWN);
    expect_shown("why 22:12:19  send", true);
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup("a live one");
    a->now_ms = APP_NOW_MS + 1000;
    app_act(&app, a);
    struct effect e;
    while (core_take_effect(&app.core, &e)) { /* saved: it is decided */
        if (e.kind == EFFECT_STORE)
            give(e.command);
        else
            request_free(e.request);
    }
    expect_shown("a live one", true);
    expect_shown("why 22:12:19  send", true);
    command(CMD_FIRST); /* the newest, whichever that is */
    expect_shown("why 22:13:21  send local", true);
}

static void the_log_is_filtered(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    fill_log(N_KINDS);
    command(CMD_SEARCH);
    type("MINI");
    expect_shown("2 of 5", true);
    expect_shown("commit", false);
    assert_true(views[VIEW_ROUTER].ops->key(view_state, &(struct key){.code = KEY_ESC}, &app));
    command(CMD_SEARCH);
    type("refuse");
    expect_shown("Refactor", true);
    type("x");
    expect_shown("No decision contains that.", true);
    assert_true(
            views[VIEW_ROUTER].ops->key(view_state, &(struct key){.code = KEY_ENTER}, &app));
    assert_true(command(CMD_BACK)); /* first the filter goes, then the view */
    expect_shown("5 decisions", true);
    assert_false(command(CMD_BACK));
}

/* Of one message: sent, failed, sent elsewhere. Before: sent, interrupted, gone on with. */
static void what_failed_is_called_so(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    struct stored *c = stored_new(STORE_LIST_DECISIONS);
    struct features easy = features(0.1f, DOMAIN_WRITING);
    const struct budget none = {-1, 0};
    c->n_decisions = 3;
    c->decisions = arena_alloc(&c->arena, c->n_decisions * sizeof *c->decisions);
    for (size_t i = 0; i < c->n_decisions; i++) {
        c->decisions[i] = row_of(&c->arena, &easy, &none, i == 0, "Once more.");
        c->decisions[i].t_ms = APP_NOW_MS - (int64_t)i * 1000;
        c->decisions[i].message_id = 7;
    }
    give(c);
    expect_shown("why 22:13:20  fallback mini", true);
    command(CMD_DOWN);
    expect_shown("why 22:13:19  failed local", true);
    command(CMD_DOWN);
    expect_shown("why 22:13:18  send local", true);
    command(CMD_SEARCH);
    type("failed");
    expect_shown("1 of 3", true);
}

static void the_table_takes_the_whole_view(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    fill_log(N_KINDS);
    command(CMD_DOWN);
    command(CMD_WHY);
    assert_null(strstr(shown(40, 7), "decisions"));
    assert_null(strstr(shown(40, 7), "in place of"));
    command(CMD_LAST); /* scrolls */
    assert_non_null(strstr(shown(40, 7), "in place of"));
    assert_true(command(CMD_BACK));
    assert_non_null(strstr(shown(40, 7), "decisions"));
}

/* ---- the table -------------------------------------------------------------------------- */

static void the_least_important_column_goes_first(void **state)
{
    (void)state;
    static const char *const titles[] = {
            "risk  ", "fail $", "late $", "risk $", "price $", "time", "sum $"};
    struct arena arena = {0};
    struct features f = features(0.75f, DOMAIN_MATH);
    struct decision_row row = row_of(&arena, &f, &(struct budget){-1, 0}, 0, "");
    struct decision_entry entry = {.serial = 1, .json = (char *)(uintptr_t)row.json.ptr};
    struct why why = {0};
    size_t n_gone = 0;
    why_read(&why, &entry);
    for (int n_cols = 100; n_cols > 10; n_cols--) {
        struct screen screen = {0};
        struct buf out;
        screen_resize(&screen, 12, n_cols);
        struct surface all = screen_surface(&screen);
        why_draw(why.decision, why.names, &all, 0);
        buf_init(&out, 1 << 16);
        screen_print(&screen, &out);
        char *end = strchr(out.ptr, '\n');
        *end = '\0';
        for (size_t i = 0; i < ARRAY_LEN(titles); i++)
            if ((strstr(buf_text(&out), titles[i]) != NULL) != (i >= n_gone)) {
                assert_int_equal(i, n_gone);
                n_gone++;
            }
        buf_release(&out);
        screen_release(&screen);
    }
    assert_int_equal(n_gone, ARRAY_LEN(titles));
    why_release(&why);
    arena_release(&arena);
}

/* ---- the popup over Chat ---------------------------------------------------------------- */

static struct message *say(int64_t id, enum message_role role, const char *text)
{
    struct message *m = session_add(app.core.session, id, role, APP_NOW_MS);
    buf_add_text(&m->text, text);
    m->is_saved = true;
    return m;
}

static void fill_chat(void)
{
    say(1, MSG_USER, "Write a commit message.");
    snprintf(say(100, MSG_ASSISTANT, "policy: **count** lateness")->endpoint, 64, "local");
    say(2, MSG_USER, "Prove it.");
    snprintf(say(101, MSG_ASSISTANT, "Let a_n be bounded.")->endpoint, 64, "mini");
    say(3, MSG_USER, "Go on.");
    snprintf(say(999, MSG_ASSISTANT, "From long ago.")->endpoint, 64, "gone");
}

static void an_answer_is_explained_over_the_chat(void **state)
{
    (void)state;
    fill_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    assert_true(command(CMD_WHY));
    assert_int_equal(app.last_action, ACTION_WHY); /* not in the log: the store may have it */
    assert_int_equal(app.last_id, 999);
    expect_shown("Looking for", true);
    struct stored *c = stored_new(STORE_LIST_DECISIONS);
    c->message_id = 999;
    give(c);
    expect_shown("No decision is stored", true);
    assert_false(command(CMD_LINE_DOWN) && app.last_id != 999); /* it is the last one */
    assert_true(command(CMD_LINE_UP));
    expect(40, 7, "chat_why_40x10");
    expect(80, 21, "chat_why_80x24");
    expect(120, 37, "chat_why_120x40");
    assert_true(command(CMD_LINE_UP));
    expect_shown("why local  22:13  Write a commit", true);
    assert_true(command(CMD_LINE_UP)); /* no answer before it */
    expect_shown("why local  22:13  Write a commit", true);
    assert_true(command(CMD_STOP)); /* Esc: the popup goes */
    expect_shown("why local", false);
    assert_false(command(CMD_STOP)); /* and stops the answer again */
}

static void a_fallback_leaves_its_mark(void **state)
{
    (void)state;
    fill_chat();
    say(4, MSG_USER, "And then?");
    struct message *m = say(102, MSG_ASSISTANT, "Done.");
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    snprintf(m->model, sizeof m->model, "gpt-mini");
    open_view(VIEW_CHAT);
    expect_shown("mini  gpt-mini  22:13\n", true);
    fill_log(N_KINDS);
    expect_shown("mini  gpt-mini  22:13  after local failed", true);
    expect_shown("mini  22:13\n", true); /* decided as well, at the first try */
    assert_non_null(strstr(shown(36, 21), "  after local failed")); /* not cut */
}

static void a_very_large_chat_has_the_decisions_beside_it(void **state)
{
    (void)state;
    fill_chat();
    open_view(VIEW_CHAT);
    assert_null(strstr(shown(200, 57), "decisions"));
    app.now_ns += 1000000000;
    fill_log(N_KINDS);
    expect(200, 57, "chat_decisions_200x60");
    assert_null(strstr(shown(200, 57), "experts")); /* no mixture model spoke */
}

static void the_answer_at_the_top_is_meant_when_scrolled(void **state)
{
    (void)state;
    fill_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    shown(80, 8);
    command(CMD_SCROLL_TOP);
    shown(80, 8);
    command(CMD_WHY);
    expect_shown("why local  22:13  Write a commit", true);
    command(CMD_WHY); /* the same key closes */
    expect_shown("why local", false);
    type("/why"); /* now everything is on the screen: the newest */
    command(CMD_SEND);
    expect_shown("why gone  22:13  Go on.", true);
}

static void pages_scroll_the_transcript_where_the_popup_is_all_seen(void **state)
{
    (void)state;
    fill_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    command(CMD_WHY);
    assert_non_null(strstr(shown(80, 14), "From long ago."));
    command(CMD_SCROLL_UP);
    assert_null(strstr(shown(80, 14), "From long ago."));
    expect_shown("why gone  22:13  Go on.", true);
}

/* What is explained can be read above the popup. */
static void the_chat_goes_to_the_explained_answer(void **state)
{
    (void)state;
    fill_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    command(CMD_WHY);
    assert_non_null(strstr(shown(80, 17), "From long ago."));
    command(CMD_LINE_UP);
    assert_non_null(strstr(shown(80, 17), " mini  22:13\n   Let a_n be bounded.\n"));
    assert_null(strstr(shown(80, 17), "policy: count"));
    command(CMD_LINE_UP);
    assert_non_null(strstr(shown(80, 17), "policy: count"));
}

static void a_small_risk_is_not_none(void **state)
{
    (void)state;
    static const struct {
        float p_miss;
        const char *shown;
    } risks[] = {{0, " 0 %"}, {0.0001f, " <0.1 %"}, {0.003f, " 0.3 %"}, {0.0096f, " 1 %"},
            {0.21f, " 21 %"}};
    for (size_t i = 0; i < ARRAY_LEN(risks); i++) {
        static struct decision d;
        const char *names[] = {"a"};
        struct screen screen = {0};
        struct buf out;
        d = (struct decision){.n_candidates = 1, .candidates[0].p_miss = risks[i].p_miss};
        screen_resize(&screen, 4, 100);
        struct surface all = screen_surface(&screen);
        why_draw(&d, names, &all, 0);
        buf_init(&out, 1 << 12);
        screen_print(&screen, &out);
        if (!strstr(buf_text(&out), risks[i].shown))
            fail_msg("no \"%s\":\n%s", risks[i].shown, buf_text(&out));
        buf_release(&out);
        screen_release(&screen);
    }
}

static void without_an_answer_there_is_nothing_to_explain(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    assert_true(command(CMD_WHY));
    assert_non_null(strstr(app.notice, "no answer yet"));
}

/* ---- the rule above the input ----------------------------------------------------------- */

static void the_draft_says_where_it_would_go(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    expect_shown("next: the best of 4 endpoints", true);
    type("hi");
    expect_shown("next: \xE2\x96\xB6 local \xC2\xB7 $0 \xC2\xB7 ", true);
    expect_shown(" \xE2\x94\x82 mini \xC2\xB7 $0.00", true);
    assert_null(strstr(shown(24, 21), "mini \xC2\xB7")); /* what does not fit is left out */
    command(CMD_KILL_LINE_LEFT);
    type("/he");
    expect_shown("next: the best of 4 endpoints", true); /* a command goes nowhere */
    app.core.use_endpoint = 3;
    command(CMD_KILL_LINE_LEFT);
    type("x");
    app.now_ns += S;
    expect_shown("next: \xE2\x96\xB6 opus (pinned) \xC2\xB7 $0.0", true);
    expect_shown("mini", false);
    command(CMD_KILL_LINE_LEFT);
    expect_shown("next: opus, pinned by /endpoint \xE2\x94\x80", true);
}

/* Those that cannot be asked are not promised; those that have no room are counted. */
static void the_rule_hides_nobody(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    app.core.fleet.endpoints[2].is_drained = true;
    expect_shown("next: the best of 3 endpoints", true);
    app.core.max_zone = ZONE_LOCAL;
    expect_shown("next: local \xE2\x94\x80", true);
    app.core.fleet.endpoints[0].is_drained = true;
    expect_shown("next: nobody: all 4 endpoints are off", true);
    app.core.max_zone = ZONE_EXTERNAL;
    app.core.fleet.endpoints[0].is_drained = app.core.fleet.endpoints[2].is_drained = false;
    type("hi");
    assert_non_null(strstr(shown(100, 21), " \xE2\x94\x82 1 more \xE2\x94\x80")); /* three are
                                                                                named at most */
    assert_non_null(strstr(shown(45, 21), " \xE2\x94\x82 3 more \xE2\x94\x80"));
    app.core.budget = (struct budget){2000000000, 1999999999};
    app.now_ns += S;
    expect_shown(" (budget reached: mini, lab-gpu, opus out)", true);
    assert_non_null(strstr(shown(60, 21), " (budget reached: 3 out)"));
    expect_shown(" more", false);
}

static void a_session_that_is_only_read_says_so(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    type("hi");
    app.core.session->writer_pid = 4711;
    expect_shown("read only: process 4711 writes it; /fork \xE2\x94\x80", true);
    expect_shown("next:", false);
    app.core.session->writer_pid = 0;
    expect_shown("next: \xE2\x96\xB6 local", true);
}

/* At once after a pause, then every 50 ms, and not at all when nothing changes. */
static void the_rule_is_decided_every_50_ms_at_most(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    type("what is the capital of France");
    expect_shown("next: \xE2\x96\xB6 local", true);
    assert_int_equal(app.wake_ns, 0);
    app.core.fleet.endpoints[0].is_drained = true;
    app.now_ns += S / 100;
    expect_shown("next: \xE2\x96\xB6 local", true); /* not yet */
    assert_int_equal(app.wake_ns, S + S / 20);
    app.now_ns = app.wake_ns;
    app.wake_ns = 0;
    expect_shown("next: \xE2\x96\xB6 local", false);
    assert_int_equal(app.wake_ns, 0); /* idle: nobody wakes the program */
    app.now_ns += 100 * S;
    app.core.version++;
    shown(80, 21);
    assert_int_equal(app.wake_ns, 0);
}

static void close_all_but_local(void)
{
    for (int i = 1; i < 4; i++)
        app.core.fleet.endpoints[i].is_drained = true;
}

static void a_verdict_that_is_not_to_send_says_why(void **state)
{
    (void)state;
    struct endpoint_state *local = &app.core.fleet.endpoints[0];
    open_view(VIEW_CHAT);
    type("x");
    close_all_but_local();
    local->open_until_ns = app.now_ns + 9 * S;
    expect_shown("next: waits for local until 22:13:29", true);
    assert_int_equal(app.wake_ns, local->open_until_ns); /* then it may go */
    app.now_ns = app.wake_ns;
    expect_shown("next: \xE2\x96\xB6 local", true);
    local->is_drained = true;
    app.now_ns += S;
    expect_shown("next: no endpoint may take it: local (switched off", true);
    app.core.fleet.endpoints[1].is_drained = false;
    app.core.budget = (struct budget){1000, 900};
    app.now_ns += S;
    expect_shown("next: asks you first: it would pass", true);
}

static void the_title_leaves_room_for_the_candidates(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    snprintf(app.core.session->title, sizeof app.core.session->title, "regex backtracking");
    type("what is the capital of France");
    expect_shown("regex", true);
    const char *narrow = shown(30, 21);
    assert_non_null(strstr(narrow, "local"));
    assert_null(strstr(narrow, "regex"));
}

/* A pasted text must not make typing slow: what is looked at is bounded. */
static void a_long_draft_is_previewed_in_time(void **state)
{
    (void)state;
    static struct decision d;
    char *text = mem_alloc(8 << 20);
    uint64_t best_ns = UINT64_MAX;
    memset(text, 'x', (8 << 20) - 1);
    for (int i = 0; i < 5; i++) {
        uint64_t start = clock_cpu_ns();
        core_preview(&app.core, slice_of(text), app.now_ns, &d);
        uint64_t ns = clock_cpu_ns() - start;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    assert_true(d.features.n_input_tok > 1000000); /* the size is still right */
    assert_true(best_ns < 20000000);
    mem_free(text);
}

/* ---- beside Chat ------------------------------------------------------------------------ */

static void the_side_pane_shows_route_and_cost(void **state)
{
    (void)state;
    fill_chat();
    struct message *m = say(1000, MSG_ASSISTANT, "Done.");
    m->cost_nusd = 12345678;
    session_find(app.core.session, 101)->cost_nusd = 4000000;
    m->ttft_ms = 410;
    m->total_ms = 2410;
    struct features f = features(0.75f, DOMAIN_MATH);
    app.core.budget = (struct budget){2000000000, 1700000000};
    policy_decide(&app.core.last_decision, &f,
            &(struct policy_world){
                    &app.core.fleet, app.core.budget, prefs_default(), app.now_ns},
            0);
    app.core.has_decision = true;
    struct endpoint_state *mini = &app.core.fleet.endpoints[1];
    mini->ttft_samples_ms = (struct samples){{300, 400, 800}, 3};
    mini->tok_per_s_samples = (struct samples){{92}, 1};
    struct screen screen = {0};
    screen_resize(&screen, 37, 38);
    struct surface all = screen_surface(&screen);
    pane_side_draw(&app, &all);
    screen_expect(&screen, "side_route_cost_38x37");
    screen_release(&screen);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(figures_show_two_digits),
            TEST(the_log_looks_right_at_every_size),
            TEST(every_decision_fits_every_size),
            TEST(the_cursor_stays_on_its_decision),
            TEST(the_log_is_filtered),
            TEST(what_failed_is_called_so),
            TEST(the_table_takes_the_whole_view),
            TEST(the_least_important_column_goes_first),
            TEST(an_answer_is_explained_over_the_chat),
            TEST(a_fallback_leaves_its_mark),
            TEST(a_very_large_chat_has_the_decisions_beside_it),
            TEST(the_answer_at_the_top_is_meant_when_scrolled),
            TEST(pages_scroll_the_transcript_where_the_popup_is_all_seen),
            TEST(the_chat_goes_to_the_explained_answer),
            TEST(a_small_risk_is_not_none),
            TEST(without_an_answer_there_is_nothing_to_explain),
            TEST(the_draft_says_where_it_would_go),
            TEST(the_rule_hides_nobody),
            TEST(a_session_that_is_only_read_says_so),
            TEST(the_rule_is_decided_every_50_ms_at_most),
            TEST(a_verdict_that_is_not_to_send_says_why),
            TEST(the_title_leaves_room_for_the_candidates),
            TEST(a_long_draft_is_previewed_in_time),
            TEST(the_side_pane_shows_route_and_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
