/*
 * test_store_sessions.c - sessions in the database: trees, search, titles, the trash, who
 * writes one, which is shown at the next start, records of tokens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_store.h"

/* A thousand in one command; every hundredth was made while the clock was an hour back. */
static struct store_command *put_long_session(void)
{
    enum { N = 1000 };
    struct store_command *c = put(7, N, 0, MSG_USER, MESSAGE_DONE, "x");
    struct message_row one = c->messages[0];
    c->messages = arena_alloc(&c->arena, N * sizeof *c->messages);
    c->n_messages = N;
    for (int64_t i = 0; i < N; i++) {
        c->messages[i] = one;
        c->messages[i].id = i + 1;
        c->messages[i].parent_id = i;
        c->messages[i].created_ms = 4000000 + i - (i % 100 == 0 ? 3600000 : 0);
        c->messages[i].reasoning_ms = (uint32_t)i;
    }
    return c;
}

static void a_long_session_comes_back_in_the_order_of_ids(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put_long_session()));
    struct store_command *s = load(store, 7);
    assert_int_equal(s->n_messages, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(s->messages[i].id, i + 1);
        assert_int_equal(s->messages[i].reasoning_ms, i);
    }
    store_command_free(s);
    store_close(store);
}

static void a_tree_comes_back_as_it_was(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct store_command *first = put(7, 1, 0, MSG_USER, MESSAGE_DONE, "one and a file");
    first->messages[0].n_attached = 11;
    expect_ok(ask(store, first));
    expect_ok(ask(store, put(7, 2, 1, MSG_ASSISTANT, MESSAGE_DONE, "left")));
    expect_ok(ask(store,
            put(7, 3, 1, MSG_ASSISTANT, MESSAGE_STOPPED, "right \xC3\xA9 \xF0\x9F\x98\x80")));
    store_close(store);
    store = open_store();
    struct store_command *s = load(store, 0);
    assert_int_equal(s->err.status, OK);
    assert_int_equal(s->session.id, 7);
    assert_int_equal(s->n_messages, 3);
    assert_int_equal(s->messages[2].parent_id, 1);
    assert_int_equal(s->messages[2].state, MESSAGE_STOPPED);
    assert_true(slice_eq(s->messages[2].text, "right \xC3\xA9 \xF0\x9F\x98\x80"));
    assert_int_equal(s->messages[2].usage.output, 2);
    assert_int_equal(s->messages[2].usage.cached_input, TOKENS_UNKNOWN);
    assert_int_equal(s->messages[2].cost_nusd, -1);
    struct session *session = session_from_rows(&s->session, s->messages, s->n_messages);
    struct message **path;
    assert_int_equal(session_path(session, &path), 2);
    assert_int_equal(path[1]->id, 3);
    assert_true(slice_eq(message_typed(path[0]), "one"));
    mem_free(path);
    session_free(session);
    store_command_free(s);
    s = load(store, 99);
    assert_int_equal(s->err.status, ERR_NOT_FOUND);
    store_command_free(s);
    store_close(store);
}

static void expect_put(struct store *store, enum status status)
{
    struct store_command *c = ask(store, put(5, 50, 0, MSG_USER, MESSAGE_DONE, "parent"));
    assert_int_equal(c->err.status, status);
    store_command_free(c);
}

static struct store_command *put_title(struct store *store, int64_t id, struct slice title)
{
    struct store_command *c = store_command_new(STORE_PUT_TITLE);
    c->session.id = id;
    c->session.title = title;
    return ask(store, c);
}

static void one_process_writes_a_session_until_it_is_gone(void **state)
{
    (void)state;
    int to_child[2], to_parent[2];
    char byte;
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *store = open_store();
        store_command_free(ask(store, put(5, 1, 0, MSG_USER, MESSAGE_DONE, "child")));
        if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1)
            _exit(1);
        _exit(0); /* without a word */
    }
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    struct store *store = open_store();
    struct store_command *c = load(store, 5);
    assert_int_equal(c->writer_pid, pid);
    assert_int_equal(c->n_messages, 1); /* it can be read */
    store_command_free(c);
    c = store_command_new(STORE_LOAD);
    c->session.id = 5;
    c->only_if_free = true;
    c = ask(store, c);
    assert_int_equal(c->writer_pid, pid);
    assert_int_equal(c->n_messages, 0);
    store_command_free(c);
    expect_put(store, ERR_DENIED);
    c = trash(store, 5, 1);
    assert_int_equal(c->err.status, ERR_DENIED);
    store_command_free(c);
    c = put_title(store, 5, SLICE("mine"));
    assert_int_equal(c->err.status, ERR_DENIED);
    store_command_free(c);
    assert_int_equal(write(to_child[1], "x", 1), 1);
    siginfo_t gone; /* dead is enough: a parent may be slow to fetch its child */
    assert_int_equal(waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOWAIT), 0);
    expect_put(store, OK);
    c = load(store, 5);
    assert_int_equal(c->writer_pid, 0);
    store_command_free(c);
    waitpid(pid, NULL, 0);
    store_close(store);
}

static void search_takes_any_text(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        size_t n;
    } cases[] = {{"", 2}, {"needle", 1}, {"need", 1}, {"hay needle", 1}, {"nothing", 0},
            {"\"", 2}, {"a\" OR \"b", 0}, {"(x) AND NOT *", 0}, {"\xC3\xA9t\xC3\xA9", 1},
            {"\xF0\x9F\x98\x80", 0}};
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "a needle in the hay")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "l'\xC3\xA9t\xC3\xA9 dernier")));
    expect_ok(
            ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE,
                               "l'\xC3\xA9t\xC3\xA9 dernier"))); /* written twice, found once */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_command *c = store_command_new(STORE_LIST);
        c->query = slice_of(arena_strdup(&c->arena, cases[i].query));
        c = ask(store, c);
        if (c->err.status != OK || c->n_sessions != cases[i].n)
            fail_msg("\"%s\" finds %zu: %s", cases[i].query, c->n_sessions, c->err.text);
        store_command_free(c);
    }
    store_close(store);
}

static void tokens_come_back_whole(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct telemetry_shape shape = {.n_moe_layers = 3, .n_experts = 8, .k = 2};
    size_t n = token_record_bytes(&shape);
    expect_ok(ask(store, put(1, 1, 0, MSG_ASSISTANT, MESSAGE_DONE, "x")));
    for (int chunk = 0; chunk < 3; chunk++) {
        struct store_command *c = store_command_new(STORE_PUT_TOKENS);
        c->message_id = 1;
        c->shape = &shape;
        c->n_records = 2;
        c->records = arena_alloc(&c->arena, 2 * n);
        memset(c->records, 10 + chunk, 2 * n);
        expect_ok(ask(store, c));
    }
    struct store_command *c = store_command_new(STORE_LOAD_TOKENS);
    c->message_id = 1;
    c = ask(store, c);
    assert_int_equal(c->n_records, 6);
    assert_int_equal(c->records[0], 10);
    assert_int_equal(c->records[6 * n - 1], 12);
    store_command_free(c);
    store_close(store);
}

static void expect_loaded(struct store *store, int64_t which, int64_t id)
{
    struct store_command *c = load(store, which);
    assert_int_equal(c->err.status, OK);
    assert_int_equal(c->session.id, id);
    store_command_free(c);
}

static void the_session_that_was_shown_is_shown_again(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "shown")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "asked from the shell")));
    expect_loaded(store, SESSION_SHOWN, 2); /* nothing was shown yet */
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    c->key = SLICE("shown");
    c->value = SLICE("1");
    expect_ok(ask(store, c));
    expect_loaded(store, SESSION_SHOWN, 1);
    expect_loaded(store, SESSION_NEWEST, 2);
    store_close(store);
}

static void an_export_never_overwrites(void **state)
{
    (void)state;
    char path[96];
    struct store *store = open_store();
    snprintf(path, sizeof path, "%s/out.md", dir);
    for (int i = 0; i < 2; i++) {
        struct store_command *c = store_command_new(STORE_EXPORT);
        c->key = slice_of(arena_strdup(&c->arena, path));
        c->value = SLICE("# text\n");
        c = ask(store, c);
        assert_int_equal(c->err.status, i == 0 ? OK : ERR_IO);
        store_command_free(c);
    }
    store_close(store);
}

static void trash_is_kept_but_neither_listed_nor_shown(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(trash(store, 2, 1700000000000));
    expect_listed(store, 1);
    expect_loaded(store, SESSION_NEWEST, 1);
    store_close(store);
    store = open_store();
    expect_listed(store, 1);
    expect_loaded(store, 2, 2); /* whoever knows its id can read it */
    expect_ok(trash(store, 2, 0));
    expect_listed(store, 2);
    expect_ok(trash(store, 1, 1700000000000));
    expect_ok(ask(store, put(1, 3, 1, MSG_USER, MESSAGE_DONE, "word"))); /* and go on with it */
    expect_listed(store, 2);
    store_close(store);
}

static void expect_trashed(struct store *store, const char *words, int64_t id)
{
    struct store_command *c = list_trash(store, words);
    assert_int_equal(c->n_sessions, id ? 1 : 0);
    if (id)
        assert_int_equal(c->sessions[0].id, id);
    store_command_free(c);
}

static void the_trash_is_listed_and_searched_alone(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(ask(store, put(2, 2, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_trashed(store, "", 0);
    expect_ok(trash(store, 2, 1700000000000));
    store_close(store);
    store = open_store();
    expect_trashed(store, "", 2);
    expect_trashed(store, "word", 2);
    expect_trashed(store, "other", 0);
    store_close(store);
}

static void put_in(struct store *store, int64_t id, int64_t parent, const char *text)
{
    enum message_role role = parent % 2 ? MSG_ASSISTANT : MSG_USER;
    expect_ok(ask(store, put(1, id, parent, role, MESSAGE_DONE, text)));
}

static void expect_end(struct store *store, const char *asked, const char *answered)
{
    struct store_command *c = list(store, "");
    assert_true(slice_eq(c->sessions[0].snippet, asked));
    assert_true(slice_eq(c->sessions[0].answer, answered));
    store_command_free(c);
}

static void a_list_tells_the_end_of_the_branch_that_is_shown(void **state)
{
    (void)state;
    struct store *store = open_store();
    put_in(store, 1, 0, "first");
    expect_end(store, "first", "");
    put_in(store, 2, 1, "answer");
    expect_end(store, "first", "answer");
    put_in(store, 3, 2, "other branch");
    struct store_command *back = put(1, 2, 1, MSG_ASSISTANT, MESSAGE_DONE, "answer");
    expect_ok(ask(store, back)); /* its leaf is message 2 again */
    expect_end(store, "first", "answer");
    store_close(store);
}

static void a_title_can_change_alone(void **state)
{
    (void)state;
    struct store *store = open_store();
    expect_ok(ask(store, put(1, 1, 0, MSG_USER, MESSAGE_DONE, "word")));
    expect_ok(put_title(store, 1, SLICE("rivers")));
    struct store_command *c = load(store, 1);
    assert_true(slice_eq(c->session.title, "rivers"));
    assert_int_equal(c->session.used_ms, 1); /* its place in the list too */
    store_command_free(c);
    store_close(store);
}

static void put_one_record(struct store *store, int64_t session_id, int64_t id)
{
    struct telemetry_shape shape = {0};
    struct store_command *c = put(session_id, id, 0, MSG_ASSISTANT, MESSAGE_DONE, "x");
    c->messages[0].endpoint = SLICE("moe");
    expect_ok(ask(store, c));
    c = store_command_new(STORE_PUT_TOKENS);
    c->message_id = id;
    c->shape = arena_alloc(&c->arena, sizeof shape);
    c->n_records = 1;
    c->records = arena_alloc(&c->arena, token_record_bytes(&shape));
    expect_ok(ask(store, c));
}

static void the_newest_answer_with_records_is_found(void **state)
{
    (void)state;
    static const struct {
        int64_t session_id, message_id;
    } wanted[] = {{0, 22}, {7, 11}, {8, 22}, {9, 0}};
    struct store *store = open_store();
    put_one_record(store, 7, 11);
    put_one_record(store, 8, 22);
    expect_ok(ask(store, put(7, 33, 0, MSG_ASSISTANT, MESSAGE_DONE, "remote")));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct store_command *c = store_command_new(STORE_LOAD_TOKENS);
        c->session.id = wanted[i].session_id;
        c = ask(store, c);
        assert_int_equal(c->err.status, OK);
        assert_int_equal(c->message_id, wanted[i].message_id);
        assert_int_equal(c->n_records, wanted[i].message_id ? 1 : 0);
        if (wanted[i].message_id)
            assert_true(slice_eq(c->messages[0].endpoint, "moe"));
        store_command_free(c);
    }
    store_close(store);
}
static void a_list_brings_no_more_than_it_shows(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct store_command *c = put(7, 1, 0, MSG_USER, MESSAGE_DONE, "x");
    char *text = arena_alloc(&c->arena, 1000001);
    memset(text, 'd', 1000000);
    c->session.draft = c->session.system = (struct slice){text, 1000000};
    expect_ok(ask(store, c));
    expect_ok(ask(store, put(8, 2, 0, MSG_USER, MESSAGE_DONE, "y")));
    struct store_command *found = list(store, "");
    assert_int_equal(found->n_sessions, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct session_row *s = &found->sessions[i];
        assert_int_equal(s->has_draft, s->id == 7);
        assert_true(s->draft.n <= 200 && s->system.n == 0);
    }
    store_command_free(found);
    struct store_command *s = load(store, 7); /* whole only when it is opened */
    assert_int_equal(s->session.draft.n, 1000000);
    assert_int_equal(s->session.system.n, 1000000);
    store_command_free(s);
    store_close(store);
}
static void an_answer_of_tool_calls_comes_back(void **state)
{
    (void)state;
    static const char calls[] = "{\"id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"}";
    struct store *store = open_store();
    struct session *s = session_new(7, 1000);
    struct message *m = session_add(s, 1, MSG_ASSISTANT, 1000);
    struct store_command *c = store_command_new(STORE_PUT_MESSAGE);
    buf_add_text(&m->tool_calls, calls);
    session_fill_row(s, &c->arena, &c->session);
    c->messages = arena_alloc(&c->arena, sizeof *c->messages);
    c->n_messages = 1;
    message_fill_row(s, m, &c->arena, c->messages);
    expect_ok(ask(store, c));
    session_free(s);
    struct store_command *found = load(store, 7);
    s = session_from_rows(&found->session, found->messages, found->n_messages);
    assert_string_equal(buf_text(&s->messages[0]->tool_calls), calls);
    session_free(s);
    store_command_free(found);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_long_session_comes_back_in_the_order_of_ids),
            TEST(a_tree_comes_back_as_it_was),
            TEST(one_process_writes_a_session_until_it_is_gone),
            TEST(search_takes_any_text),
            TEST(tokens_come_back_whole),
            TEST(the_session_that_was_shown_is_shown_again),
            TEST(an_export_never_overwrites),
            TEST(trash_is_kept_but_neither_listed_nor_shown),
            TEST(the_trash_is_listed_and_searched_alone),
            TEST(a_list_tells_the_end_of_the_branch_that_is_shown),
            TEST(a_title_can_change_alone),
            TEST(the_newest_answer_with_records_is_found),
            TEST(a_list_brings_no_more_than_it_shows),
            TEST(an_answer_of_tool_calls_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
