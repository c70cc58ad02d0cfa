/*
 * test_session.c - the tree of messages: branches, the path that is shown, and rows of a
 * database that a crash or a person damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"
#include "router/session_tree.h"
#include "router/store.h"

/* "1 2 4": the ids of the shown path. */
static void expect_path(const struct session *s, const char *want)
{
    struct message **path;
    struct buf ids;
    size_t n = session_path(s, &path);
    buf_init(&ids, 1 << 16);
    for (size_t i = 0; i < n; i++)
        buf_printf(&ids, "%s%lld", i ? " " : "", (long long)path[i]->id);
    assert_string_equal(buf_text(&ids), want);
    buf_release(&ids);
    mem_free(path);
}

static void a_message_hangs_below_the_leaf(void **state)
{
    (void)state;
    struct session *s = session_new(9, 1000);
    expect_path(s, "");
    session_add(s, 1, MSG_USER, 1001);
    struct message *answer = session_add(s, 2, MSG_ASSISTANT, 1002);
    assert_int_equal(answer->parent_id, 1);
    assert_int_equal(s->leaf_id, 2);
    assert_int_equal(s->used_ms, 1002);
    assert_int_equal(answer->cost_nusd, -1); /* nothing is known of it yet */
    assert_int_equal(answer->usage.output, TOKENS_UNKNOWN);
    assert_false(answer->is_saved);
    expect_path(s, "1 2");
    assert_null(session_find(s, 3));
    session_free(s);
}

/* 1 - 2 - 3 - 4 and the siblings 5 of 2 (with 6 below it) and 7 of 4. */
static struct session *tree(void)
{
    struct session *s = session_new(9, 1000);
    for (int64_t id = 1; id <= 4; id++)
        session_add(s, id, id % 2 ? MSG_USER : MSG_ASSISTANT, 1000 + id);
    s->leaf_id = 1;
    session_add(s, 5, MSG_ASSISTANT, 1005);
    session_add(s, 6, MSG_USER, 1006);
    s->leaf_id = 3;
    session_add(s, 7, MSG_ASSISTANT, 1007);
    return s;
}

static void the_leaf_decides_which_siblings_are_shown(void **state)
{
    (void)state;
    static const struct {
        int64_t leaf;
        const char *path;
    } cases[] = {{4, "1 2 3 4"}, {7, "1 2 3 7"}, {6, "1 5 6"}, {5, "1 5"}, {1, "1"}, {0, ""},
            {99, ""}};
    struct session *s = tree();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        s->leaf_id = cases[i].leaf;
        expect_path(s, cases[i].path);
    }
    assert_int_equal(s->n_messages, 7); /* no branch is lost */
    session_free(s);
}

static void siblings_know_their_place(void **state)
{
    (void)state;
    static const struct {
        int64_t id, before, after;
        uint32_t i, n;
    } cases[] = {{1, 0, 0, 0, 1}, {2, 0, 5, 0, 2}, {5, 2, 0, 1, 2}, {4, 0, 7, 0, 2},
            {7, 4, 0, 1, 2}, {6, 0, 0, 0, 1}};
    struct session *s = tree();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct siblings got = session_siblings(s, session_find(s, cases[i].id));
        assert_int_equal(got.n, cases[i].n);
        assert_int_equal(got.i, cases[i].i);
        assert_int_equal(got.before_id, cases[i].before);
        assert_int_equal(got.after_id, cases[i].after);
    }
    struct message **path;
    struct siblings all[4];
    assert_int_equal(session_path(s, &path), 4);
    session_path_siblings(s, path, 4, all);
    assert_int_equal(all[0].n, 1);
    assert_int_equal(all[1].after_id, 5);
    assert_int_equal(all[3].i, 1);
    mem_free(path);
    session_free(s);
}

static void a_branch_comes_back_as_it_was_left(void **state)
{
    (void)state;
    struct session *s = tree(); /* shows 7 */
    assert_true(session_show(s, 5));
    expect_path(s, "1 5 6"); /* the newest below it */
    assert_true(session_show(s, 2));
    expect_path(s, "1 2 3 7"); /* what was left */
    assert_true(session_show(s, 4));
    assert_true(session_show(s, 5));
    assert_true(session_show(s, 2));
    expect_path(s, "1 2 3 4");       /* not the newest */
    assert_true(session_show(s, 3)); /* shown already */
    expect_path(s, "1 2 3 4");
    assert_false(session_show(s, 77));
    expect_path(s, "1 2 3 4");
    session_free(s);
}

/* "1-1 .2-3 ..4": first and last message, a dot for every fork above; * where it is shown. */
static void expect_branches(const struct session *s, const char *want)
{
    struct branch *b;
    struct buf text;
    size_t n = session_branches(s, &b);
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s%.*s%lld-%lld/%zu%s", i ? " " : "", b[i].depth, "......",
                (long long)b[i].first->id, (long long)b[i].last->id, b[i].n_messages,
                b[i].is_shown ? "*" : "");
    assert_string_equal(buf_text(&text), want);
    buf_release(&text);
    mem_free(b);
}

static void branches_are_listed_below_their_fork(void **state)
{
    (void)state;
    struct session *s = tree();
    expect_branches(s, "1-1/1* .2-3/2* ..4-4/1 ..7-7/1* .5-6/2");
    s->leaf_id = 0;
    session_add(s, 8, MSG_USER, 1008); /* the first question in other words: a second root */
    session_add(s, 9, MSG_ASSISTANT, 1009);
    expect_branches(s, "1-1/1 .2-3/2 ..4-4/1 ..7-7/1 .5-6/2 8-9/2*");
    session_free(s);
    s = session_new(9, 1000);
    expect_branches(s, "");
    session_free(s);
}

static void a_long_conversation_keeps_its_order(void **state)
{
    (void)state;
    struct session *s = session_new(9, 1000);
    struct message **path;
    for (int64_t id = 1; id <= 5000; id++)
        session_add(s, id, MSG_USER, id);
    assert_int_equal(session_path(s, &path), 5000);
    for (int64_t i = 0; i < 5000; i++)
        assert_int_equal(path[i]->id, i + 1);
    mem_free(path);
    session_free(s);
}

static void rows_give_the_same_session_back(void **state)
{
    (void)state;
    struct session *s = tree(), *again;
    struct arena arena = {0};
    struct session_row row;
    struct message_row rows[7];
    struct message *m = session_find(s, 4);
    snprintf(s->title, sizeof s->title, "title");
    buf_add_text(&s->draft, "half a \xC3\xA9");
    s->draft_cursor = 4;
    s->scroll_id = 3;
    s->scroll_line = 2;
    buf_add(&m->text, "a\0b", 3);
    buf_add_text(&m->reasoning, "because");
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    m->state = MESSAGE_STOPPED;
    m->finish = FINISH_LENGTH;
    m->usage.output = 12;
    m->cost_nusd = 345;
    m->ttft_ms = 6;
    m->total_ms = 78;
    session_fill_row(s, &arena, &row);
    for (size_t i = 0; i < 7; i++)
        message_fill_row(s, s->messages[i], &arena, &rows[i]);
    again = session_from_rows(&row, rows, 7);
    expect_path(again, "1 2 3 7");
    assert_string_equal(again->title, "title");
    assert_string_equal(buf_text(&again->draft), "half a \xC3\xA9");
    assert_int_equal(again->draft_cursor, 4);
    assert_int_equal(again->scroll_id, 3);
    assert_int_equal(again->scroll_line, 2);
    struct message *back = session_find(again, 4);
    assert_int_equal(back->text.n, 3);
    assert_memory_equal(buf_text(&back->text), "a\0b", 3);
    assert_string_equal(buf_text(&back->reasoning), "because");
    assert_string_equal(back->endpoint, "mini");
    assert_int_equal(back->state, MESSAGE_STOPPED);
    assert_int_equal(back->finish, FINISH_LENGTH);
    assert_int_equal(back->usage.output, 12);
    assert_int_equal(back->usage.input, TOKENS_UNKNOWN);
    assert_int_equal(back->cost_nusd, 345);
    assert_int_equal(back->total_ms, 78);
    assert_int_equal(back->role, MSG_ASSISTANT);
    assert_true(back->is_saved);
    session_free(again);
    session_free(s);
    arena_release(&arena);
}

static struct session *load(const struct session_row *row, struct message_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rows[i].cost_nusd = -1;
    return session_from_rows(row, rows, n);
}

static void a_row_out_of_range_becomes_something_shown(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'n', 62);
    for (int i = 62; i + 1 < 300; i += 2)
        memcpy(name + i, "\xC3\xA9", 2);
    struct session_row row = {
            .id = 9, .leaf_id = 2, .draft = SLICE("ab"), .draft_cursor = 4000000000u};
    struct message_row rows[] = {{.id = 1,
                                         .role = (enum message_role)77,
                                         .state = (enum message_state) - 1,
                                         .text = SLICE("kept")},
            {.id = 2,
                    .parent_id = 1,
                    .role = (enum message_role) - 5,
                    .state = (enum message_state)900,
                    .endpoint = {name, 300},
                    .finish = SLICE("no such reason")}};
    struct session *s = load(&row, rows, 2);
    assert_int_equal(s->draft_cursor, 2);
    expect_path(s, "1 2");
    assert_int_equal(s->messages[0]->role, MSG_USER);
    assert_int_equal(s->messages[0]->state, MESSAGE_FAILED);
    assert_string_equal(buf_text(&s->messages[0]->text), "kept");
    assert_int_equal(s->messages[1]->role, MSG_USER);
    assert_int_equal(s->messages[1]->finish, FINISH_NONE);
    assert_int_equal(strlen(s->messages[1]->endpoint), 254); /* no half character behind it */
    session_free(s);
}

static void a_damaged_tree_never_hangs(void **state)
{
    (void)state;
    struct session_row row = {.id = 9, .leaf_id = 3};
    struct message_row circle[] = {
            {.id = 1, .parent_id = 3}, {.id = 2, .parent_id = 1}, {.id = 3, .parent_id = 2}};
    struct session *s = load(&row, circle, 3);
    expect_path(s, "1 2 3"); /* each once */
    expect_branches(s, "");
    assert_true(session_show(s, 2));
    session_free(s);
    struct message_row own_parent[] = {{.id = 3, .parent_id = 3}};
    s = load(&row, own_parent, 1);
    expect_path(s, "3");
    session_free(s);
    struct message_row orphan[] = {{.id = 2, .parent_id = 77}, {.id = 3, .parent_id = 2}};
    s = load(&row, orphan, 2);
    expect_path(s, "2 3"); /* what is above is lost, the rest is there */
    session_free(s);
    struct message_row parent_behind[] = {{.id = 3, .parent_id = 8}, {.id = 8}};
    s = load(&row, parent_behind, 2);
    expect_path(s, "8 3");
    expect_branches(s, "8-3/2*");
    session_free(s);
}

static void a_lost_leaf_shows_the_newest_message(void **state)
{
    (void)state;
    struct session_row row = {.id = 9, .leaf_id = 55};
    struct message_row rows[] = {{.id = 1}, {.id = 2, .parent_id = 1}};
    struct session *s = load(&row, rows, 2);
    expect_path(s, "1 2");
    session_free(s);
    s = load(&row, rows, 0);
    assert_int_equal(s->leaf_id, 0);
    expect_path(s, "");
    session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_message_hangs_below_the_leaf),
            cmocka_unit_test(the_leaf_decides_which_siblings_are_shown),
            cmocka_unit_test(siblings_know_their_place),
            cmocka_unit_test(a_branch_comes_back_as_it_was_left),
            cmocka_unit_test(branches_are_listed_below_their_fork),
            cmocka_unit_test(a_long_conversation_keeps_its_order),
            cmocka_unit_test(rows_give_the_same_session_back),
            cmocka_unit_test(a_row_out_of_range_becomes_something_shown),
            cmocka_unit_test(a_damaged_tree_never_hangs),
            cmocka_unit_test(a_lost_leaf_shows_the_newest_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
