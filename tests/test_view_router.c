/*
 * test_view_router.c - the log of decisions, its table of candidates, and what stands of it
 * beside Chat.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/figures.h"
#include "tui/pane_side.h"
#include "tui/pane_why.h"

#include "tests/helper_router.h"
#include "tests/helper_screen.h"

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
    type_text("MINI");
    expect_shown("2 of 5", true);
    expect_shown("commit", false);
    assert_true(views[VIEW_ROUTER].ops->key_first(
            view_state, &(struct key){.code = KEY_ESC}, &app));
    command(CMD_SEARCH);
    type_text("refuse");
    expect_shown("Refactor", true);
    type_text("x");
    expect_shown("No decision contains that.", true);
    assert_true(views[VIEW_ROUTER].ops->key_first(
            view_state, &(struct key){.code = KEY_ENTER}, &app));
    assert_true(command(CMD_BACK)); /* first the filter goes, then the view */
    expect_shown("5 decisions", true);
    assert_false(command(CMD_BACK));
}

/* Of one message: sent, failed, sent elsewhere. Before: sent, interrupted, gone on with. */
static void what_failed_is_called_so(void **state)
{
    (void)state;
    open_view(VIEW_ROUTER);
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
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
    type_text("failed");
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

static void a_very_large_chat_has_the_decisions_beside_it(void **state)
{
    (void)state;
    fill_answered_chat();
    open_view(VIEW_CHAT);
    assert_null(strstr(shown(200, 57), "decisions"));
    app.now_ns += 1000000000;
    fill_log(N_KINDS);
    expect(200, 57, "chat_decisions_200x60");
    assert_null(strstr(shown(200, 57), "experts")); /* no mixture model spoke */
}

static void the_side_pane_shows_route_and_cost(void **state)
{
    (void)state;
    fill_answered_chat();
    struct message *m = say(1000, MSG_ASSISTANT, "Done.");
    m->cost_nusd = 12345678;
    session_find(app.core.session, 101)->cost_nusd = 4000000;
    m->ttft_ms = 410;
    m->total_ms = 2410;
    struct features f = features(0.75f, DOMAIN_MATH);
    app.core.budget = (struct budget){2000000000, 1700000000};
    policy_decide(&app.core.last_decision, &f,
            &(struct policy_world){&app.core.fleet, app.core.budget, app.now_ns}, 0);
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
            TEST(a_very_large_chat_has_the_decisions_beside_it),
            TEST(the_side_pane_shows_route_and_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
