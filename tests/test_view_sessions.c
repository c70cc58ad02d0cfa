/*
 * test_view_sessions.c - what the list of sessions tells of one that is open, only a draft, or
 * was stopped, and how titles begin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"
#include "router/store_sql.h"

#include "tui/surface.h"

#include "tests/helper_app.h"

static struct app app;
static void *view;
static char text[8192]; /* what is shown */

static int set_up(void **state)
{
    (void)state;
    struct endpoint_conf local = endpoint_local("local", "/m.gguf");
    app_fake_init(&app, &local, 1);
    view = mem_alloc(views[VIEW_SESSIONS].ops->state_bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mem_free(view);
    app_fake_release(&app);
    return 0;
}

static void list(struct session_row row)
{
    struct store_command *c = store_command_new(STORE_LIST);
    c->sessions = arena_alloc(&c->arena, sizeof *c->sessions);
    c->n_sessions = 1;
    c->sessions[0] = row;
    core_apply(&app.core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.command = c});
    struct screen screen = app_fake_draw(&app, VIEW_SESSIONS, view, 100, 14);
    struct buf out;
    buf_init(&out, sizeof text - 1);
    screen_print(&screen, &out);
    snprintf(text, sizeof text, "%s", buf_text(&out));
    buf_release(&out);
    screen_release(&screen);
}

static void expect_shown(const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in\n%s", part, text);
}

static void a_draft_alone_is_its_own_preview(void **state)
{
    (void)state;
    list((struct session_row){
            .id = 3, .title = SLICE("t"), .draft = SLICE("not sent yet"), .has_draft = true});
    expect_shown("\n \xE2\x9C\x8E not sent yet\n");
    list((struct session_row){.id = 3,
            .title = SLICE("t"),
            .snippet = SLICE("asked last"),
            .draft = SLICE("not sent yet"),
            .has_draft = true});
    expect_shown("\n   asked last\n \xE2\x9C\x8E not sent yet\n");
}

static void a_preview_shows_question_and_answer_cut_at_words(void **state)
{
    (void)state;
    char words[200 * 5 + 1];
    for (int i = 0; i < 200; i++)
        snprintf(words + i * 5, 6, "word ");
    list((struct session_row){.id = 3,
            .title = SLICE("t"),
            .snippet = SLICE("asked"),
            .answer = SLICE("answered")});
    expect_shown("\n   asked\n   answered\n");
    list((struct session_row){.id = 3,
            .title = SLICE("t"),
            .snippet = slice_of(words),
            .answer = SLICE("answered")});
    expect_shown(" word word\xE2\x80\xA6\n   answered\n");
}

static void the_open_one_and_a_stopped_one_are_marked(void **state)
{
    (void)state;
    list((struct session_row){
            .id = app.core.session->id, .title = SLICE("mine"), .is_stopped = true});
    expect_shown("\n\xE2\x97\x8F\xE2\x96\xA0 mine ");
    expect_shown("preview: \xE2\x96\xA0 the last answer was stopped");
    list((struct session_row){.id = 9, .title = SLICE("other")});
    expect_shown("\n   other ");
}

static void the_id_is_what_ask_takes(void **state)
{
    (void)state;
    list((struct session_row){.id = 0x18bcfe5680012345, .title = SLICE("t")});
    expect_shown(" shunt ask -c 18bcfe5680012345 ");
}

static struct store_command *run(sqlite3 *db, struct store_command *c)
{
    db_run(db, c);
    assert_int_equal(c->err.status, OK);
    return c;
}

static void a_list_knows_that_the_newest_answer_was_stopped(void **state)
{
    (void)state;
    char path[64];
    sqlite3 *db;
    struct err err;
    snprintf(path, sizeof path, "/tmp/shunt-list-%d.db", (int)getpid());
    assert_int_equal(db_open(&db, path, &err), OK);
    for (int i = 1; i <= 2; i++) {
        struct store_command *c = store_command_new(STORE_PUT_MESSAGE);
        c->session = (struct session_row){.id = 1, .leaf_id = i};
        c->messages = arena_alloc(&c->arena, sizeof *c->messages);
        c->n_messages = 1;
        c->messages[0] = (struct message_row){.id = i,
                .session_id = 1,
                .parent_id = i - 1,
                .state = i == 1 ? MESSAGE_STOPPED : MESSAGE_DONE};
        store_command_free(run(db, c));
        struct store_command *found = run(db, store_command_new(STORE_LIST));
        assert_int_equal(found->sessions[0].is_stopped, i == 1);
        store_command_free(found);
    }
    db_close(db);
    char command[128];
    snprintf(command, sizeof command, "rm -f %s*", path);
    assert_int_equal(system(command), 0);
}

static void act(enum action_kind kind, const char *words)
{
    struct action *a = action_new(kind);
    a->text = mem_strdup(words);
    app_act(&app, a);
}

static void a_title_has_no_blanks_at_its_ends(void **state)
{
    (void)state;
    act(ACTION_SEND, "\n  three rivers  \nand more");
    assert_string_equal(app.core.session->title, "three rivers");
    act(ACTION_RENAME, " four  ");
    assert_string_equal(app.core.session->title, "four");
    act(ACTION_NEW_SESSION, "");
    act(ACTION_SEND,
            "name the longest river of every continent, then                    of the moon");
    assert_string_equal(
            app.core.session->title, "name the longest river of every continent, then");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            T(a_draft_alone_is_its_own_preview),
            T(a_preview_shows_question_and_answer_cut_at_words),
            T(the_open_one_and_a_stopped_one_are_marked),
            T(the_id_is_what_ask_takes),
            T(a_list_knows_that_the_newest_answer_was_stopped),
            T(a_title_has_no_blanks_at_its_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
