/*
 * test_view_fleet.c - the Fleet view as golden screens, what its keys do, and its parts: the
 * form, the table, the marks and the bars.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/conf.h"
#include "router/endpoint.h"

#include "tui/endpoint_mark.h"
#include "tui/figures.h"
#include "tui/form.h"
#include "tui/spark.h"
#include "tui/table.h"

#include "tests/helper_app.h"
#include "tests/helper_screen.h"

#define S 1000000000ull

static void *fleet; /* the view's state */
static const struct view_ops *ops;

/* ---- a fleet ---------------------------------------------------------------------------- */

static const char file_text[] =
        "[endpoint \"local\"]\nkind = local\nmodel = /models/qwen3-30b-a3b-q4_k_m.gguf\n\n"
        "# for short questions\n[endpoint \"mini\"]\nkind = openai\nmodel =  gpt-5.4-mini   ; "
        "dated\n"
        "key_env = OPENAI_API_KEY\n\n"
        "[endpoint \"haiku\"]\nkind = anthropic\nmodel = claude-haiku-4-5\n"
        "key_command = pass show anthropic\n\n"
        "[endpoint \"lab-gpu\"]\nkind = vllm\nurl = http://me:hush@10.0.0.7:8000/v1\n"
        "model = big-model\ntier = 4\nrpm = 60\n\n"
        "[endpoint \"spare\"]\nkind = llama_server\nurl = http://10.0.0.8:8080/v1\nmodel = "
        "m\n\n"
        "[endpoint \"old\"]\nkind = openai\nmodel = gpt-unknown\nenabled = no\n";

static int set_up(void **state)
{
    static struct app app;
    app_fake_init(&app, NULL, 0);
    app.now_ns = 1000 * S;
    ops = views[VIEW_FLEET].ops;
    fleet = mem_alloc(ops->state_bytes);
    *state = &app;
    return 0;
}

static int tear_down(void **state)
{
    mem_free(fleet);
    app_fake_release(*state);
    return 0;
}

static void observe(struct app *app, struct observation o)
{
    o.retry_after_ms = o.retry_after_ms ? o.retry_after_ms : -1;
    fleet_observe(&app->core.fleet, &o, app->now_ns);
}

static void answer(struct app *app, int endpoint, double ttft_ms, double ms, uint32_t n_tok)
{
    observe(app, (struct observation){.endpoint = endpoint, .what = SEEN_START});
    observe(app, (struct observation){
                         .endpoint = endpoint, .what = SEEN_FIRST_TOKEN, .ms = ttft_ms});
    observe(app, (struct observation){.endpoint = endpoint,
                         .what = SEEN_END,
                         .ms = ms,
                         .n_output_tok = n_tok,
                         .cost_nusd = 3100000});
}

static void fail_at(struct app *app, int endpoint, enum status status, int64_t retry_after_ms)
{
    observe(app, (struct observation){.endpoint = endpoint, .what = SEEN_START});
    observe(app, (struct observation){.endpoint = endpoint,
                         .what = SEEN_END,
                         .status = status,
                         .retry_after_ms = retry_after_ms,
                         .cost_nusd = -1});
}

static void set_fault(struct endpoint_state *e, const char *fault)
{
    snprintf(e->fault, sizeof e->fault, "%s", fault);
}

static void fill(struct app *app)
{
    static const double haiku_ms[] = {380, 410, 395, 800, 360, 380, 4200, 610, 402, 377};
    struct err err;
    assert_int_equal(
            app_save_endpoints(app, conf_parse(SLICE(file_text), "shunt.conf"), &err), OK);
    struct endpoint_state *e = app->core.fleet.endpoints;
    for (int i = 0; i < app->core.fleet.n_endpoints; i++) /* wherever the test runs */
        set_fault(&e[i], "");
    for (int i = 0; i < 4; i++)
        answer(app, 0, 410 + 30 * i, 15000, 213);
    for (size_t i = 0; i < ARRAY_LEN(haiku_ms); i++)
        answer(app, 2, haiku_ms[i], 6600, 611);
    fail_at(app, 1, ERR_RATE_LIMIT, 42000);
    snprintf(e[1].last_error, sizeof e[1].last_error,
            "endpoint \"mini\": too many requests; the server asks to wait 42 s");
    for (int i = 0; i < 3; i++)
        fail_at(app, 3, ERR_NETWORK, -1);
    snprintf(e[3].last_error, sizeof e[3].last_error,
            "endpoint \"lab-gpu\": cannot connect to 10.0.0.7 port 8000: Connection refused");
    observe(app, (struct observation){.endpoint = 2, .what = SEEN_START});
    observe(app, (struct observation){.endpoint = 2,
                         .what = SEEN_LIMITS,
                         .limits = &(struct rate_limits){.request_limit = 50,
                                 .requests_left = 38,
                                 .requests_reset_ms = 30000,
                                 .token_limit = 400000,
                                 .tokens_left = 391200,
                                 .tokens_reset_ms = 12000}});
    e[2].probe_t_ns = app->now_ns - 65 * S;
    e[2].probe_ms = 143;
    e[2].spent_today_nusd = 31000000;
    e[1].spent_today_nusd = 1240000000;
    e[4].switched = SWITCH_DRAIN;
}

static struct screen draw(struct app *app, int n_cols, int n_rows)
{
    return app_fake_draw(app, VIEW_FLEET, fleet, n_cols, n_rows);
}

static void expect(struct app *app, int n_cols, int n_rows, const char *name)
{
    struct screen screen = draw(app, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

static bool shows(struct app *app, const char *text)
{
    struct screen screen = draw(app, 120, 37);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    bool is_there = strstr(buf_text(&out), text);
    buf_release(&out);
    screen_release(&screen);
    return is_there;
}

static void run(struct app *app, enum command command)
{
    assert_true(ops->run(fleet, command, app));
}

static bool press(struct app *app, uint32_t code)
{
    return ops->key_first(fleet, &(struct key){.code = code}, app);
}

static void type(struct app *app, const char *text)
{
    for (const char *c = text; *c; c++)
        assert_true(press(app, (uint32_t)*c));
}

/* ---- the view --------------------------------------------------------------------------- */

static void it_looks_right_at_every_size(void **state)
{
    struct app *app = *state;
    expect(app, 80, 21, "fleet_none_80x24");
    fill(app);
    for (int n_cols = 1; n_cols < 220; n_cols += 13) /* nothing is written outside */
        for (int n_rows = 1; n_rows < 60; n_rows += 5) {
            struct screen screen = draw(app, n_cols, n_rows);
            screen_release(&screen);
        }
    run(app, CMD_DOWN);
    run(app, CMD_DOWN);
    run(app, CMD_DOWN);
    expect(app, 40, 7, "fleet_40x10");
    expect(app, 80, 21, "fleet_80x24");
    run(app, CMD_UP);
    expect(app, 120, 37, "fleet_120x40");
    run(app, CMD_UP);
    expect(app, 200, 57, "fleet_200x60");
    run(app, CMD_OPEN);
    expect(app, 40, 7, "fleet_detail_40x10");
    assert_true(ops->run(fleet, CMD_BACK, app));  /* to the table */
    assert_false(ops->run(fleet, CMD_BACK, app)); /* to Chat */
}

static void no_key_and_no_password_is_shown(void **state)
{
    struct app *app = *state;
    fill(app);
    setenv("OPENAI_API_KEY", "sk-never-seen", 1);
    for (int i = 0; i < 6; i++) {
        assert_false(shows(app, "sk-never-seen"));
        assert_false(shows(app, "hush"));
        assert_false(shows(app, "show anthropic")); /* of a command: its first word */
        run(app, CMD_DOWN);
    }
}

static void endpoints_are_switched_drained_and_probed(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_ENDPOINT_SWITCH);
    assert_int_equal(app->last_action, ACTION_SWITCH);
    assert_int_equal(app->last_id, 0);
    assert_false(app->core.fleet.endpoints[0].conf->enabled);
    run(app, CMD_ENDPOINT_SWITCH);
    assert_true(app->core.fleet.endpoints[0].conf->enabled);
    run(app, CMD_ENDPOINT_DRAIN);
    assert_int_equal(app->core.fleet.endpoints[0].switched, SWITCH_DRAIN);
    run(app, CMD_ENDPOINT_DRAIN); /* and back */
    assert_int_not_equal(app->core.fleet.endpoints[0].switched, SWITCH_DRAIN);
    run(app, CMD_ENDPOINT_DRAIN);
    run(app, CMD_ENDPOINT_SWITCH); /* a drained one is switched on, not off */
    assert_int_equal(app->core.fleet.endpoints[0].switched, SWITCH_ON);
    run(app, CMD_DOWN);
    run(app, CMD_ENDPOINT_PROBE);
    assert_int_equal(app->last_action, ACTION_PROBE);
    assert_int_equal(app->last_id, 1);
    run(app, CMD_PROBE_ALL);
    assert_int_equal(app->last_id, -1);
}

static void an_endpoint_that_is_gone_has_no_keys(void **state)
{
    static const enum command commands[] = {
            CMD_ENDPOINT_SWITCH, CMD_ENDPOINT_DRAIN, CMD_ENDPOINT_PROBE, CMD_ENDPOINT_EDIT};
    struct app *app = *state;
    fill(app);
    for (int i = 0; i < app->core.fleet.n_endpoints; i++)
        app->core.fleet.endpoints[i].is_gone = true;
    int n = app->n_actions;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        assert_false(ops->run(fleet, commands[i], app));
    assert_int_equal(app->n_actions, n);
}

static void u_takes_the_last_switch_back(void **state)
{
    struct app *app = *state;
    fill(app);
    const struct endpoint_state *e = app->core.fleet.endpoints;
    run(app, CMD_UNDO);
    assert_int_not_equal(app->last_action, ACTION_SWITCH); /* nothing yet, and it says so */
    assert_non_null(strstr(app->notice, "nothing was switched"));
    run(app, CMD_ENDPOINT_SWITCH);
    run(app, CMD_DOWN); /* wherever the cursor is meanwhile */
    run(app, CMD_UNDO);
    assert_true(e[0].conf->enabled && e[0].switched != SWITCH_DRAIN);
    run(app, CMD_UP);
    run(app, CMD_ENDPOINT_DRAIN);
    run(app, CMD_UNDO);
    assert_true(e[0].conf->enabled && e[0].switched != SWITCH_DRAIN);
    run(app, CMD_ENDPOINT_DRAIN);
    run(app, CMD_ENDPOINT_SWITCH); /* on: it was drained */
    run(app, CMD_UNDO);
    assert_true(e[0].conf->enabled && e[0].switched == SWITCH_DRAIN);
}

static void a_refused_drain_leaves_what_u_takes_back(void **state)
{
    struct app *app = *state;
    fill(app);
    const struct endpoint_state *e = app->core.fleet.endpoints;
    run(app, CMD_ENDPOINT_SWITCH);
    run(app, CMD_ENDPOINT_DRAIN); /* it is off: there is nothing to drain */
    assert_false(e[0].conf->enabled);
    run(app, CMD_UNDO);
    assert_true(e[0].conf->enabled);
}

/* Switches the endpoint under the cursor: whose index the action carries. */
static int64_t under_cursor(struct app *app)
{
    run(app, CMD_ENDPOINT_PROBE);
    return app->last_id;
}

static void a_click_selects_a_row(void **state)
{
    struct app *app = *state;
    fill(app);
    struct screen screen = draw(app, 120, 37);
    screen_release(&screen);
    ops->click(fleet, 3, app); /* titles, then two rows */
    run(app, CMD_ENDPOINT_PROBE);
    assert_int_equal(app->last_id, 2);
    ops->click(fleet, 0, app);
    ops->click(fleet, 30, app);
    run(app, CMD_ENDPOINT_PROBE);
    assert_int_equal(app->last_id, 2);
}

static void switching_off_what_answers_is_asked_once(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_DOWN);
    run(app, CMD_DOWN); /* haiku, which answers */
    run(app, CMD_ENDPOINT_SWITCH);
    assert_true(app->core.fleet.endpoints[2].conf->enabled);
    run(app, CMD_UP); /* something else: asked again */
    run(app, CMD_DOWN);
    run(app, CMD_ENDPOINT_SWITCH);
    assert_true(app->core.fleet.endpoints[2].conf->enabled);
    run(app, CMD_ENDPOINT_SWITCH);
    assert_false(app->core.fleet.endpoints[2].conf->enabled);
}

static void a_key_that_is_bound_away_is_not_named(void **state)
{
    struct app *app = *state;
    struct err err;
    fill(app);
    const char *keys;
    while ((keys = keymap_keys_of(app->keymap, CTX_FLEET, CMD_ENDPOINT_DRAIN)))
        assert_int_equal(keymap_bind(app->keymap, CTX_FLEET, keys, CMD_NONE, &err), OK);
    run(app, CMD_DOWN);
    run(app, CMD_DOWN); /* haiku, which answers */
    run(app, CMD_ENDPOINT_SWITCH);
    assert_string_equal(app->notice, "an answer runs there: e again stops it");
}

static void sorting_keeps_the_cursor_with_its_endpoint(void **state)
{
    struct app *app = *state;
    fill(app);
    struct screen screen = draw(app, 80, 21);
    run(app, CMD_DOWN);
    assert_int_equal(under_cursor(app), 1);
    run(app, CMD_SORT_NEXT); /* by state */
    run(app, CMD_SORT_NEXT); /* by name: haiku, lab-gpu, local, mini, old, spare */
    assert_int_equal(under_cursor(app), 1);
    run(app, CMD_FIRST);
    assert_int_equal(under_cursor(app), 2);
    run(app, CMD_DOWN);
    assert_int_equal(under_cursor(app), 3);
    run(app, CMD_SORT_REVERSE);
    run(app, CMD_FIRST);
    assert_int_equal(under_cursor(app), 4);
    run(app, CMD_SORT_REVERSE);
    for (int i = 0; i < 30; i++) /* round the columns: what is not drawn is passed over */
        run(app, CMD_SORT_NEXT);
    screen_release(&screen);
}

/* ---- the form in it --------------------------------------------------------------------- */

static void an_edit_changes_its_lines_only(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_DOWN);
    run(app, CMD_ENDPOINT_EDIT);
    assert_non_null(ops->hints(fleet, app));
    expect(app, 80, 21, "fleet_form_80x24");
    expect(app, 40, 7, "fleet_form_40x10");
    press(app, KEY_DOWN); /* url */
    press(app, KEY_DOWN); /* model */
    for (size_t i = 0; i < strlen("-mini"); i++)
        press(app, KEY_BACKSPACE);
    press(app, KEY_ENTER);
    assert_null(ops->hints(fleet, app)); /* saved and closed */
    char *want = mem_dup(file_text, sizeof file_text), *at = strstr(want, "gpt-5.4-mini");
    memmove(at + strlen("gpt-5.4"), at + strlen("gpt-5.4-mini"),
            strlen(at + strlen("gpt-5.4-mini")) + 1);
    assert_string_equal(buf_text(&app->conf_text), want);
    assert_string_equal(app->core.fleet.endpoints[1].conf->model, "gpt-5.4");
    assert_int_equal(app->core.fleet.endpoints[1].n_requests, 1); /* what was seen stays */
    mem_free(want);
}

static void an_endpoint_is_added_and_used_at_once(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_ENDPOINT_SWITCH); /* off for this run: another's edit does not touch it */
    run(app, CMD_ENDPOINT_ADD);
    type(app, "q ?e"); /* letters are text here, not commands */
    press(app, KEY_DOWN);
    press(app, KEY_RIGHT); /* openai -> vllm */
    press(app, KEY_DOWN);
    type(app, "http://h/v1");
    press(app, KEY_DOWN);
    type(app, "m");
    press(app, KEY_ENTER);
    assert_non_null(strstr(buf_text(&app->conf_text),
            "\n[endpoint \"q ?e\"]\nkind = vllm\nurl = http://h/v1\nmodel = m\n"));
    assert_string_equal(app->core.fleet.endpoints[6].conf->name, "q ?e");
    assert_true(app->core.fleet.endpoints[6].conf->enabled);
    assert_false(app->core.fleet.endpoints[0].conf->enabled);
    assert_int_equal(under_cursor(app), 6);
    assert_non_null(strstr(app->notice, "q ?e is saved and used from now on"));
    assert_true(shows(app, "not tried yet"));
    answer(app, 6, 400, 1000, 10);
    assert_false(shows(app, "not tried yet"));
}

static void what_is_saved_but_cannot_answer_says_so(void **state)
{
    struct app *app = *state;
    assert_int_equal(unsetenv("OPENAI_API_KEY"), 0);
    fill(app);
    run(app, CMD_DOWN);
    run(app, CMD_ENDPOINT_EDIT);
    press(app, KEY_ENTER);
    assert_non_null(strstr(app->notice, "mini is saved, but it cannot answer: "));
    assert_non_null(strstr(app->notice, "OPENAI_API_KEY"));
}

static void what_is_wrong_stands_beside_its_field(void **state)
{
    static const struct {
        const char *name, *url, *key_value, *tier, *said;
        int n_key_from; /* choices to the right */
    } cases[] = {
            {"", "http://h/v1", "", "", "a name is needed", 0},
            {"mini", "http://h/v1", "", "", "this name is taken", 0},
            {"a\"b", "http://h/v1", "", "", "no quotes", 0},
            {"x", "h:80", "", "", "https://", 0},
            {"x", "", "", "", "http://HOST:PORT/v1 is needed", 0},
            {"x", "http://h/v1", "", "6", "1 to 5 is needed", 0},
            {"x", "http://h/v1", "", "", "the name of a variable is needed", 1},
            {"x", "http://h/v1", "sk-abc-123", "", "not the key", 1},
            {"x", "http://h/v1", "sk-abc-123", "", "begins with / or ~/", 2},
    };
    struct app *app = *state;
    fill(app);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(app, CMD_ENDPOINT_ADD);
        type(app, cases[i].name);
        press(app, KEY_TAB);
        press(app, KEY_RIGHT); /* vllm: needs a url */
        press(app, KEY_TAB);
        type(app, cases[i].url);
        press(app, KEY_TAB);
        type(app, "m");
        press(app, KEY_TAB);
        for (int k = 0; k < cases[i].n_key_from; k++)
            press(app, ' ');
        if (cases[i].n_key_from) /* else there is nothing to say about it */
            press(app, KEY_TAB);
        type(app, cases[i].key_value);
        press(app, KEY_TAB);
        press(app, KEY_TAB);
        type(app, cases[i].tier);
        int n_actions = app->n_actions;
        press(app, KEY_ENTER);
        if (!shows(app, cases[i].said))
            fail_msg("case %zu does not say \"%s\"", i, cases[i].said);
        assert_int_equal(app->n_actions, n_actions);
        assert_string_equal(buf_text(&app->conf_text), file_text);
        press(app, KEY_ESC);
        assert_false(shows(app, "new endpoint"));
    }
}

static void a_file_that_cannot_be_written_keeps_the_form(void **state)
{
    struct app *app = *state;
    fill(app);
    app->is_disk_full = true;
    run(app, CMD_ENDPOINT_EDIT);
    press(app, KEY_ENTER);
    assert_string_equal(app->notice, "no space left");
    assert_non_null(ops->hints(fleet, app));
    assert_false(ops->run(fleet, CMD_DOWN, app)); /* the list is not moved */
}

static void an_edit_meanwhile_by_another_program_is_kept(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_ENDPOINT_EDIT);
    buf_add_text(&app->conf_text, "[endpoint \"new\"]\nkind = openai\nmodel = m2\n");
    press(app, KEY_TAB);
    press(app, KEY_TAB);
    type(app, "x");
    press(app, KEY_ENTER);
    assert_non_null(strstr(buf_text(&app->conf_text), "q4_k_m.ggufx\n"));
    assert_non_null(strstr(buf_text(&app->conf_text), "model = m2\n"));
    assert_int_equal(fleet_find(&app->core.fleet, "new"), 6);
}

static void a_model_of_the_folder_gets_a_section_when_it_is_edited(void **state)
{
    struct app *app = *state;
    struct endpoint_conf found = endpoint_local("tiny", "/models/tiny.gguf");
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = &found;
    a->n_endpoints = 1;
    app_act(app, a);
    run(app, CMD_ENDPOINT_EDIT);
    assert_true(shows(app, "/models/tiny.gguf"));
    press(app, KEY_UP); /* round to the last: enabled */
    press(app, KEY_RIGHT);
    press(app, KEY_ENTER);
    assert_string_equal(buf_text(&app->conf_text),
            "[endpoint \"tiny\"]\nkind = local\nmodel = /models/tiny.gguf\nenabled = no\n");
    assert_false(app->core.fleet.endpoints[0].conf->enabled);
}

/* ---- parts ------------------------------------------------------------------------------ */

static void a_line_is_edited_by_clusters(void **state)
{
    static const char *const choices[] = {"a", "b"};
    static const struct form_field fields[] = {
            {"one"}, {"two", "", NULL, choices, ARRAY_LEN(choices)}};
    struct form form;
    (void)state;
    form_init(&form, fields, 2);
    form_set(&form, 0, "a\xC3\xA9z");
    static const struct {
        struct key key;
        const char *text;
    } steps[] = {
            {{.code = KEY_LEFT}, "a\xC3\xA9z"},
            {{.code = KEY_BACKSPACE}, "az"},
            {{.code = 0x4E2D}, "a\xE4\xB8\xADz"},
            {{.code = KEY_DELETE}, "a\xE4\xB8\xAD"},
            {{.code = KEY_DELETE}, "a\xE4\xB8\xAD"},
            {{.code = KEY_HOME}, "a\xE4\xB8\xAD"},
            {{.code = KEY_PASTE, .text = {" x y \nz", 7}}, "x y  za\xE4\xB8\xAD"},
            {{.code = 'u', .mods = MOD_CTRL}, "a\xE4\xB8\xAD"},
            {{.code = KEY_RIGHT}, "a\xE4\xB8\xAD"},
            {{.code = 'k', .mods = MOD_CTRL}, "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(form_key(&form, &steps[i].key), FORM_GOES_ON);
        if (strcmp(form.values[0].text, steps[i].text) != 0)
            fail_msg("step %zu gives %s", i, form.values[0].text);
    }
    assert_int_equal(form_key(&form, &(struct key){.code = KEY_F1}), FORM_NOT_MINE);
    for (int i = 0; i < 2 * FORM_TEXT_BYTES; i++) /* what does not fit is not taken */
        form_key(&form, &(struct key){.code = 'x'});
    assert_int_equal(strlen(form.values[0].text), FORM_TEXT_BYTES - 1);
    form_key(&form, &(struct key){.code = KEY_TAB});
    form_key(&form, &(struct key){.code = 'x'});
    assert_string_equal(form.values[1].text, "");
    form_key(&form, &(struct key){.code = KEY_RIGHT});
    assert_string_equal(form.values[1].text, "a");
    form_key(&form, &(struct key){.code = KEY_LEFT});
    assert_string_equal(form.values[1].text, "b");
    form_fail(&form, 0, "bad");
    assert_true(form_show_error(&form) && form.focus == 0);
    form_key(&form, &(struct key){.code = KEY_LEFT});
    assert_true(form_show_error(&form));
    form_key(&form, &(struct key){.code = KEY_RIGHT});
    form_key(&form, &(struct key){.code = KEY_BACKSPACE});
    assert_false(form_show_error(&form)); /* it is being mended */
}

static void columns_go_by_their_priority(void **state)
{
    static const struct table_column columns[] = {
            {"a", 4, 0}, {"b", 10, 2}, {"c", 4, 1}, {"d", 2, 3}};
    int starts[4];
    (void)state;
    table_fit(columns, 4, 80, starts);
    assert_true(starts[0] == 1 && starts[1] == 7 && starts[2] == 19 && starts[3] == 25);
    table_fit(columns, 4, 16, starts); /* b has no room, the smaller d has */
    assert_true(starts[0] == 1 && starts[1] == -1 && starts[2] == 7 && starts[3] == 13);
    table_fit(columns, 4, 2, starts);
    assert_true(starts[0] == 1 && starts[1] == -1 && starts[2] == -1 && starts[3] == -1);
}

static void what_is_not_known_is_sorted_last(void **state)
{
    static const struct table_key numbers[] = {
            {NULL, NAN}, {NULL, 3}, {NULL, 1}, {NULL, NAN}, {NULL, 3}};
    static const int up[] = {2, 1, 4, 0, 3}, down[] = {1, 4, 2, 0, 3};
    static const struct table_key texts[] = {{"b", 0}, {"a", 0}, {"b", 0}};
    static const int by_text[] = {1, 0, 2};
    int order[5];
    (void)state;
    table_sort(numbers, 5, false, order);
    assert_memory_equal(order, up, sizeof up);
    table_sort(numbers, 5, true, order);
    assert_memory_equal(order, down, sizeof down);
    table_sort(texts, 3, false, order);
    assert_memory_equal(order, by_text, sizeof by_text);
}

static void bars_show_the_newest_at_the_right(void **state)
{
    struct samples samples = {.values = {8, 1, 4, 0}, .n = 4};
    struct screen screen = {0};
    struct buf out;
    (void)state;
    buf_init(&out, 256);
    screen_resize(&screen, 1, 6);
    struct surface all = screen_surface(&screen);
    spark_draw(&all, 0, 1, 5, ROLE_NUMBER, &samples);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out),
            "  \xE2\x96\x88\xE2\x96\x81\xE2\x96\x84\n"); /* 8 1 4, and a blank */
    buf_clear(&out);
    for (int i = 0; i < SAMPLES_MAX; i++) /* the ring goes round */
        samples.values[samples.n++ % SAMPLES_MAX] = 2;
    all = screen_surface(&screen);
    spark_draw(&all, 0, 0, 2, ROLE_NUMBER, &samples);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), "\xE2\x96\x88\xE2\x96\x88\n");
    buf_release(&out);
    screen_release(&screen);
}

static void figures_stay_short(void **state)
{
    static const struct {
        enum unit unit;
        double value;
        const char *text;
    } cases[] = {
            {UNIT_COUNT, 0, "0"},
            {UNIT_COUNT, 99999, "99999"},
            {UNIT_COUNT, 391200, "391k"},
            {UNIT_COUNT, 12e6, "12M"},
            {UNIT_SECONDS, 0.4, "0.40 s"},
            {UNIT_SECONDS, 99.996, "100 s"},
            {UNIT_RATE, 14.14, "14.1"},
            {UNIT_USD, 0.000019, "$0.00002"},
            {UNIT_USD, 0.0031, "$0.0031"},
            {UNIT_USD, 12.4, "$12.40"},
            {UNIT_PRICE, 4.5, "4.50"},
            {UNIT_USD, NAN, ""},
    };
    char out[FIGURE_BYTES];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(figure_print(cases[i].unit, cases[i].value, out), cases[i].text);
}

static void a_mark_says_how_an_endpoint_is(void **state)
{
    struct app *app = *state;
    fill(app);
    struct endpoint_state *e = app->core.fleet.endpoints;
    static const enum endpoint_mark want[] = {
            MARK_OK, MARK_LIMITED, MARK_OK, MARK_OPEN, MARK_DRAINED, MARK_DISABLED};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(endpoint_mark(&e[i], app->now_ns), want[i]);
    assert_int_equal(endpoint_mark_until_ns(&e[0], app->now_ns), 0);
    assert_int_equal(endpoint_mark_until_ns(&e[1], app->now_ns), app->now_ns + 42 * S);
    assert_int_equal(endpoint_mark_until_ns(&e[2], app->now_ns), app->now_ns + 12 * S);
    assert_int_equal(endpoint_mark(&e[3], app->now_ns + 15 * S), MARK_TRYING);
    assert_int_equal(endpoint_mark_until_ns(&e[3], app->now_ns + 15 * S), 0);
    assert_true(endpoint_left(&e[2].requests, app->now_ns) == 38);
    assert_true(endpoint_left(&e[2].requests, app->now_ns + 30 * S) == 50); /* full again */
    assert_true(isnan(endpoint_left(&e[0].requests, app->now_ns)));
    set_fault(&e[0], "cannot open /x.gguf");
    assert_int_equal(endpoint_mark(&e[0], app->now_ns), MARK_FAULTY);
    assert_true(shows(app, "cannot answer: cannot open /x.gguf"));
    e[2].tokens.remaining = 0;
    assert_int_equal(endpoint_mark(&e[2], app->now_ns), MARK_LIMITED);
    assert_int_equal(endpoint_mark(&e[2], app->now_ns + 12 * S), MARK_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(it_looks_right_at_every_size),
            TEST(no_key_and_no_password_is_shown),
            TEST(endpoints_are_switched_drained_and_probed),
            TEST(a_click_selects_a_row),
            TEST(an_endpoint_that_is_gone_has_no_keys),
            TEST(u_takes_the_last_switch_back),
            TEST(a_refused_drain_leaves_what_u_takes_back),
            TEST(switching_off_what_answers_is_asked_once),
            TEST(a_key_that_is_bound_away_is_not_named),
            TEST(sorting_keeps_the_cursor_with_its_endpoint),
            TEST(an_edit_changes_its_lines_only),
            TEST(an_endpoint_is_added_and_used_at_once),
            TEST(what_is_saved_but_cannot_answer_says_so),
            TEST(what_is_wrong_stands_beside_its_field),
            TEST(a_file_that_cannot_be_written_keeps_the_form),
            TEST(an_edit_meanwhile_by_another_program_is_kept),
            TEST(a_model_of_the_folder_gets_a_section_when_it_is_edited),
            TEST(a_line_is_edited_by_clusters),
            TEST(columns_go_by_their_priority),
            TEST(what_is_not_known_is_sorted_last),
            TEST(bars_show_the_newest_at_the_right),
            TEST(figures_stay_short),
            TEST(a_mark_says_how_an_endpoint_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
