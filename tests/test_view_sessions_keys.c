/* test_view_sessions_keys.c - sessions searched, opened, renamed, thrown away in the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/store.h"

#include "tests/helper_views.h"

static void fill_sessions(struct app *app)
{
    struct store_command *list = store_command_new(STORE_LIST);
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
    core_apply(&app->core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.command = list});
}

static void sessions_are_listed_searched_and_opened(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    app.states[VIEW_CHAT] = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    expect_screen(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_none_80x24");
    fill_sessions(&app);
    expect_screen(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_80x24");
    expect_screen(&app, VIEW_SESSIONS, sessions, 40, 7, "sessions_40x10");
    assert_true(ops->run(sessions, CMD_DOWN, &app));
    assert_true(ops->run(sessions, CMD_OPEN, &app));
    assert_int_equal(app.last_action, ACTION_OPEN_SESSION);
    assert_int_equal(app.view, VIEW_CHAT);
    assert_true(ops->run(sessions, CMD_SEARCH, &app));
    for (const char *c = "jq"; *c; c++) /* letters are text now, not commands */
        assert_true(ops->key_first(sessions, &(struct key){.code = (uint32_t)*c}, &app));
    assert_string_equal(app.last_text, "jq");
    assert_string_equal(ops->hints(sessions, &app)[0].keys, "Enter");
    assert_true(ops->key_first(sessions, &(struct key){.code = KEY_ESC}, &app));
    assert_string_equal(app.last_text, "");
    assert_null(ops->hints(sessions, &app));
    mem_free(app.states[VIEW_CHAT]);
    mem_free(sessions);
    app_fake_release(&app);
}

static void press_session(struct app *app, void *sessions, uint32_t code)
{
    assert_true(
            views[VIEW_SESSIONS].ops->key_first(sessions, &(struct key){.code = code}, app));
}

static void a_session_is_renamed_where_it_stands(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    fill_sessions(&app);
    assert_true(ops->run(sessions, CMD_RENAME, &app));
    press_session(&app, sessions, '!');
    press_session(&app, sessions, KEY_DOWN); /* the list stands still */
    expect_screen(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_rename_80x24");
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
    init_app(&app);
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

static void list_trash(struct app *app)
{
    struct store_command *list = store_command_new(STORE_LIST);
    list->sessions = arena_alloc(&list->arena, sizeof *list->sessions);
    list->n_sessions = 1;
    list->is_trash = true;
    list->sessions[0] =
            (struct session_row){.id = 21, .used_ms = NOW_MS, .title = SLICE("old")};
    core_apply(&app->core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.command = list});
}

static void the_trash_is_listed_and_gives_back_the_selected(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    void *sessions = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_SESSIONS].ops;
    fill_sessions(&app);
    assert_true(ops->run(sessions, CMD_LIST_TRASH, &app));
    assert_int_equal(app.last_action, ACTION_LIST_SESSIONS);
    assert_int_equal(app.last_id, 1);
    list_trash(&app);
    expect_screen(&app, VIEW_SESSIONS, sessions, 80, 21, "sessions_trash_80x24");
    assert_int_equal(ops->hints(sessions, &app)[0].command, CMD_UNDO);
    int n = app.n_actions;
    assert_true(ops->run(sessions, CMD_TRASH, &app)); /* it is there already */
    assert_int_equal(app.n_actions, n);
    assert_true(ops->run(sessions, CMD_UNDO, &app));
    assert_int_equal(app.last_action, ACTION_UNTRASH);
    assert_int_equal(app.last_id, 21);
    assert_true(ops->run(sessions, CMD_BACK, &app)); /* to the other sessions */
    assert_int_equal(app.last_action, ACTION_LIST_SESSIONS);
    assert_int_equal(app.last_id, 0);
    mem_free(sessions);
    app_fake_release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(sessions_are_listed_searched_and_opened),
            cmocka_unit_test(a_session_is_renamed_where_it_stands),
            cmocka_unit_test(the_selected_session_goes_to_the_trash),
            cmocka_unit_test(the_trash_is_listed_and_gives_back_the_selected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
