/*
 * test_crash.c - kill -9 at random moments of a conversation with a paid endpoint, each time
 * with the same database: what was sent is there with its decision and its price, and of a
 * streaming answer and a draft at most the last two seconds are missing. Slow:
 * SHUNT_CRASH_ROUNDS sets how many (200).
 */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/helper_pty.h"
#include "tests/helper_server.h"

#define WORDS          900
#define GAP_MS         5
#define LOST_MS        2300 /* two seconds, and what a loaded machine adds */
#define PER_SERVER     60
#define KILL_WITHIN_MS 5000

static char folder[64], config[96], data[96], database[128];
static uint64_t rng = 7;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/shunt-crash-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(config, sizeof config, "%s/shunt.conf", folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(database, sizeof database, "%s/shunt.db", data);
    setenv("HOME", folder, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* A stream of numbered words, so that every loss is seen. */
static void fill_response(struct buf *out)
{
    buf_init(out, 1 << 20);
    buf_add_text(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 0; i < WORDS; i++)
        buf_printf(out,
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%c%03d \"}}]}\n\n",
                'w', i);
    buf_add_text(out,
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
            "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":900}}\n\ndata: [DONE]\n\n");
}

static void write_config(int port)
{
    char text[512];
    struct err err;
    snprintf(text, sizeof text,
            "[shunt]\nmodels_folder = no\n[endpoint \"paid\"]\nkind = openai\nurl = "
            "http://127.0.0.1:%d/v1\n"
            "model = m\nprice_in_usd = 1\nprice_out_usd = 2\n",
            port);
    assert_int_equal(file_write(config, text, strlen(text), 0600, &err), OK);
}

static int64_t query(
        sqlite3 *db, const char *sql, const char *argument, char *text, size_t n_text)
{
    sqlite3_stmt *stmt;
    int64_t value = -1;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (argument)
        sqlite3_bind_text(stmt, 1, argument, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        value = sqlite3_column_int64(stmt, 0);
        const char *got = (const char *)sqlite3_column_text(stmt, 0);
        if (text)
            snprintf(text, n_text, "%s", got ? got : "");
    }
    sqlite3_finalize(stmt);
    return value;
}

struct round {
    char question[32], draft[32];
    uint64_t kill_ms;
    bool was_sent;       /* the server has the request */
    size_t n_words_safe; /* words that had been sent LOST_MS before the kill */
    bool draft_is_safe;
};

static void expect_kept(const struct round *r, int64_t *spent_nusd)
{
    static char text[WORDS * 8];
    char word[16];
    sqlite3 *db;
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    query(db, "PRAGMA integrity_check", NULL, text, sizeof text);
    assert_string_equal(text, "ok");
    if (r->was_sent) {
        int64_t id = query(
                db, "SELECT id FROM message WHERE role = 1 AND text = ?", r->question, NULL, 0);
        assert_true(id > 0);
        assert_int_equal(query(db,
                                 "SELECT COUNT(*) > 0 FROM decision WHERE message_id IN "
                                 "(SELECT id FROM message"
                                 " WHERE parent_id = (SELECT id FROM message WHERE role = 1 "
                                 "AND text = ?))",
                                 r->question, NULL, 0),
                1);
        int64_t spent = query(db, "SELECT COALESCE(SUM(nusd), 0) FROM spend", NULL, NULL, 0);
        assert_true(spent > *spent_nusd);
        *spent_nusd = spent;
    }
    if (r->n_words_safe) {
        query(db,
                "SELECT text FROM message WHERE parent_id = (SELECT id FROM message WHERE role "
                "= 1 AND text = ?)",
                r->question, text, sizeof text);
        snprintf(word, sizeof word, "w%03zu ", r->n_words_safe - 1);
        if (!strstr(text, word))
            fail_msg("%s, killed after %d ms: %s is lost; kept: %zu bytes", r->question,
                    (int)r->kill_ms, word, strlen(text));
    }
    if (r->draft_is_safe) {
        query(db, "SELECT draft FROM session ORDER BY used_ms DESC LIMIT 1", NULL, text,
                sizeof text);
        assert_string_equal(text, r->draft);
    }
    sqlite3_close(db);
}

struct look { /* what the server had sent at some moment */
    uint64_t ms;
    size_t n_words;
};

static size_t words_before(const struct look *looks, size_t n, uint64_t ms)
{
    size_t n_words = 0;
    for (size_t i = 0; i < n && looks[i].ms <= ms; i++)
        n_words = looks[i].n_words;
    return n_words < WORDS ? n_words : WORDS;
}

/* Asks, then kills within five seconds; what must have survived by then is noted on the way. */
static void run_round(
        struct round *r, struct server *server, size_t head_bytes, size_t word_bytes)
{
    static struct look looks[KILL_WITHIN_MS];
    char *argv[] = {(char[]){SHUNT_BINARY}, (char[]){"--config"}, config, (char[]){"--data"},
            data, NULL};
    struct pty *pty = pty_open(&(struct pty_config){24, 80, "xterm-256color", argv});
    size_t n_before = server_n_requests(server), n_looks = 0;
    uint64_t wanted_ms = rng_next(&rng) % KILL_WITHIN_MS, draft_ms = UINT64_MAX;
    pty_wait_text(pty, "Chat");
    pty_type(pty, "\x15"); /* the draft of the round before */
    pty_type(pty, r->question);
    pty_type(pty, "\r");
    uint64_t start = clock_now_ns() / 1000000u;
    while ((r->kill_ms = clock_now_ns() / 1000000u - start) < wanted_ms) {
        size_t sent = server_n_requests(server) > n_before ? server_n_sent(server) : 0;
        if (n_looks < ARRAY_LEN(looks))
            looks[n_looks++] = (struct look){
                    r->kill_ms, sent > head_bytes ? (sent - head_bytes) / word_bytes : 0};
        if (draft_ms == UINT64_MAX && r->kill_ms > 600) {
            pty_type(pty, r->draft);
            draft_ms = r->kill_ms;
        }
        pty_read(pty, 20);
    }
    r->was_sent = server_n_requests(server) > n_before;
    pty_signal(pty, SIGKILL);
    pty_wait_status(pty, true);
    r->n_words_safe =
            r->kill_ms > LOST_MS ? words_before(looks, n_looks, r->kill_ms - LOST_MS) : 0;
    r->draft_is_safe = draft_ms != UINT64_MAX && r->kill_ms > draft_ms + LOST_MS + 300;
    pty_close(pty);
}

static void nothing_that_was_sent_is_lost_by_a_kill(void **state)
{
    (void)state;
    const char *wanted = getenv("SHUNT_CRASH_ROUNDS");
    int n_rounds = wanted ? atoi(wanted) : 200, n_sent = 0, n_streamed = 0, n_drafts = 0;
    int64_t spent_nusd = 0;
    struct buf response;
    fill_response(&response);
    const char *first = strstr(buf_text(&response), "data:"),
               *second = strstr(first + 1, "data:");
    size_t head_bytes = (size_t)(first - response.ptr), word_bytes = (size_t)(second - first);
    struct server_script script = {response.ptr, response.n, word_bytes, 0, false, GAP_MS};
    struct server *server = NULL;
    for (int i = 0; i < n_rounds; i++) {
        struct round r = {0};
        if (i % PER_SERVER == 0) {
            if (server)
                server_close(server);
            server = server_open(&script, 1);
            write_config(server_port(server));
        }
        snprintf(r.question, sizeof r.question, "question %d", i);
        snprintf(r.draft, sizeof r.draft, "draft %d", i);
        run_round(&r, server, head_bytes, word_bytes);
        if (access(database, F_OK) == 0)
            expect_kept(&r, &spent_nusd);
        n_sent += r.was_sent;
        n_streamed += r.n_words_safe > 0;
        n_drafts += r.draft_is_safe;
    }
    server_close(server);
    buf_release(&response);
    print_message(
            "%d kills: %d messages sent, %d answers and %d drafts old enough to be there\n",
            n_rounds, n_sent, n_streamed, n_drafts);
    assert_true(n_rounds < 20 || (n_sent > n_rounds / 2 && n_streamed > n_rounds / 5 &&
                                         n_drafts > n_rounds / 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(nothing_that_was_sent_is_lost_by_a_kill)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
