/*
 * test_fleet_cmd.c - `shunt fleet` and `shunt top -b` from outside, on a prepared database:
 * what is known is shown, what is not is blank, and every figure has a name in JSON.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "engine/json.h"
#include "engine/telemetry.h"

#include "router/store.h"

#include "tui/cmd.h"

#include "tests/helper_server.h"

static char folder[64];
static struct buf out, errors;

/* ---- running it ------------------------------------------------------------------------- */

static int run(const char *arguments)
{
    char command[1024], path[128];
    struct err err;
    snprintf(command, sizeof command,
            "timeout 30 %s --config %s/shunt.conf --data %s %s 2>%s/err </dev/null",
            SHUNT_BINARY, folder, folder, arguments, folder);
    buf_clear(&out);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (int c; (c = fgetc(pipe)) != EOF;)
        buf_add(&out, &(char){(char)c}, 1);
    int status = pclose(pipe);
    snprintf(path, sizeof path, "%s/err", folder);
    buf_release(&errors);
    assert_int_equal(file_read(&errors, path, 1 << 20, &err), OK);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *arguments, int code)
{
    int got = run(arguments);
    if (got != code)
        fail_msg("%s: exit %d\n%s%s", arguments, got, buf_text(&out), buf_text(&errors));
}

static struct json *expect_json(const char *arguments, int code)
{
    expect(arguments, code);
    struct json *root = json_parse(slice_trim(buf_slice(&out)));
    if (!root)
        fail_msg("%s: no JSON: %s", arguments, buf_text(&out));
    return root;
}

static void write_conf(const char *text)
{
    char path[128];
    struct err err;
    snprintf(path, sizeof path, "%s/shunt.conf", folder);
    assert_int_equal(file_write(path, text, strlen(text), 0600, &err), OK);
}

/* ---- a database as a running program leaves it --------------------------------------------
 */

static void store_all(struct store *store, struct store_command **commands, size_t n)
{
    struct event event;
    for (size_t i = 0; i < n; i++) {
        assert_true(store_send(store, commands[i]));
        while (!store_poll_event(store, &event))
            poll(NULL, 0, 1);
        if (event.u.command->err.status != OK)
            fail_msg("%s", event.u.command->err.text);
        store_command_free(event.u.command);
    }
}

static struct store_command *answer(int64_t session_id, int n, struct message_row row)
{
    struct store_command *c = store_command_new(STORE_PUT_MESSAGE);
    int64_t now = clock_unix_ms();
    c->session = (struct session_row){
            .id = session_id, .created_ms = now, .used_ms = now, .title = SLICE("t")};
    c->messages = arena_alloc(&c->arena, sizeof *c->messages);
    c->n_messages = 1;
    row.id = (now << 20) + n;
    row.session_id = session_id;
    row.role = MSG_ASSISTANT;
    row.created_ms = now;
    c->messages[0] = row;
    return c;
}

/* Sixteen tokens of one layer with four experts, one each: all went to expert 2. */
static struct store_command *records(int64_t message_id)
{
    struct telemetry_shape shape = {.n_moe_layers = 1, .n_experts = 4, .k = 1, .layers = {3}};
    size_t n_bytes = token_record_bytes(&shape);
    struct store_command *c = store_command_new(STORE_PUT_TOKENS);
    c->message_id = message_id;
    c->shape = arena_alloc(&c->arena, sizeof shape);
    *c->shape = shape;
    c->n_records = 16;
    c->records = arena_alloc(&c->arena, 16 * n_bytes);
    for (int i = 0; i < 16; i++) {
        struct token_record *r = (struct token_record *)(c->records + (size_t)i * n_bytes);
        r->phase = PHASE_DECODE;
        token_record_picks(r)->expert = 2;
        token_record_picks(r)->weight_q16 = 65535;
    }
    return c;
}

static struct store_command *decision_of(int64_t message_id, const char *json)
{
    struct store_command *c = store_command_new(STORE_PUT_DECISION);
    c->message_id = message_id;
    c->session.used_ms = clock_unix_ms();
    c->value = slice_of(json);
    return c;
}

static struct store_command *decision(const char *json)
{
    return decision_of(0, json);
}

static const struct usage known = {10, 101, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN},
                          unknown = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN,
                                  TOKENS_UNKNOWN, TOKENS_UNKNOWN};

static void fill_database(void)
{
    struct store *store;
    struct err err;
    assert_int_equal(store_open(&store, folder, -1, &err), OK);
    struct message_row good = {.endpoint = SLICE("mini"),
            .usage = known,
            .cost_nusd = 1500000,
            .ttft_ms = 200,
            .total_ms = 1200};
    struct message_row slow = good, bad = {.endpoint = SLICE("lab"),
                                            .state = MESSAGE_FAILED,
                                            .error = SLICE("it is down"),
                                            .usage = unknown,
                                            .cost_nusd = -1};
    struct message_row moe = {.endpoint = SLICE("moe"),
            .model = SLICE("m\x1b[31m.gguf"),
            .usage = known,
            .ttft_ms = 10,
            .total_ms = 20};
    slow.ttft_ms = 900;
    slow.cost_nusd = -1;
    struct store_command *local = answer(0x2a, 4, moe);
    int64_t moe_id = local->messages[0].id;
    struct store_command *all[] = {answer(7, 1, good), answer(7, 2, slow), answer(7, 3, bad),
            local, records(moe_id),
            decision("{\"endpoint\":\"mini\",\"verdict\":\"send\",\"reason\":\"mini: the only "
                     "one\",\"candidates\":[{\"endpoint\":\"lab\",\"cost_usd\":9},"
                     "{\"endpoint\":\"mini\",\"cost_usd\":0.25}],\"features\":{\"difficulty\":"
                     "0.75}}"),
            decision("{damaged"),
            decision("{\"endpoint\":null,\"verdict\":\"refuse\",\"reason\":\"no endpoint\","
                     "\"candidates\":[]}")};
    store_all(store, all, ARRAY_LEN(all));
    store_close(store);
}

#define ENDPOINTS                                                                              \
    "[endpoint \"mini\"]\nkind = openai\nmodel = gpt\nkey_env = SHUNT_TEST_KEY\n"              \
    "price_in_usd = 0.5\n[endpoint \"lab\"]\nkind = vllm\nurl = http://127.0.0.1:1/v1\n"       \
    "model = q\nretries = 0\n[endpoint \"off\"]\nkind = vllm\nurl = http://h/v1\nmodel = q\n"  \
    "enabled = no\n"

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/shunt-fleet-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("SHUNT_TEST_KEY", "sk-a1b2c3d4e5f6", 1);
    buf_init(&out, 1 << 20);
    write_conf(ENDPOINTS);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    buf_release(&out);
    buf_release(&errors);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- fleet list ------------------------------------------------------------------------- */

static double number(const struct json *v, const char *member)
{
    double value;
    if (!json_get_number(v, member, &value))
        fail_msg("%s is no number in: %s", member, buf_text(&out));
    return value;
}

static void expect_null(const struct json *v, const char *member)
{
    if (!json_is_null(json_get(v, member)))
        fail_msg("%s is known in: %s", member, buf_text(&out));
}

static void the_list_knows_what_the_answers_told(void **state)
{
    (void)state;
    bool has_pilot = access(SOURCE_DIR "/engine/pilot/pilot.gguf", R_OK) == 0;
    fill_database();
    struct json *root = expect_json("fleet list --json", EXIT_DONE);
    const struct json *mini = json_at(root, 0), *lab = json_at(root, 1);
    assert_int_equal(json_count(root), has_pilot ? 4 : 3);
    assert_string_equal(json_get_text(mini, "endpoint"), "mini");
    assert_string_equal(json_get_text(mini, "state"), "ok");
    assert_int_equal(number(mini, "ttft_p50_ms"), 200);
    assert_int_equal(number(mini, "ttft_p95_ms"), 900);
    assert_int_equal(number(mini, "tok_per_s"), 100);
    assert_int_equal(number(mini, "requests_today"), 2);
    assert_int_equal(number(mini, "unpriced_today"), 1);
    assert_true(number(mini, "cost_today_usd") == 0.0015);
    assert_true(number(mini, "price_in_usd_per_mtok") == 0.5);
    assert_string_equal(json_get_text(lab, "state"), "failed");
    assert_string_equal(json_get_text(lab, "last_error"), "it is down");
    assert_int_equal(number(lab, "errors_today"), 1);
    static const char *const not_known[] = {"ttft_p50_ms", "tok_per_s", "cost_today_usd",
            "price_in_usd_per_mtok", "price_out_usd_per_mtok"};
    for (size_t i = 0; i < ARRAY_LEN(not_known); i++)
        expect_null(lab, not_known[i]);
    assert_string_equal(json_get_text(json_at(root, 2), "state"), "disabled");
    json_free(root);
}

/* Some line begins like this and has this in it. */
static bool has_line(const char *begin, const char *part)
{
    struct slice rest = buf_slice(&out);
    while (rest.ptr) {
        struct slice line = slice_cut(&rest, '\n');
        if (slice_has_prefix(line, begin) && memmem(line.ptr, line.n, part, strlen(part)))
            return true;
    }
    return false;
}

static void the_list_is_a_table(void **state)
{
    (void)state;
    fill_database();
    expect("fleet list", EXIT_DONE);
    assert_true(has_line("endpoint", "ttft p50 ms"));
    assert_true(has_line("mini", "$0.001500+")); /* at least: one has no price */
    assert_non_null(strstr(buf_text(&errors), "+ at least: "));
    assert_true(has_line("mini", "100.0"));
    assert_true(has_line("lab", "failed "));
    assert_false(has_line("lab", "$"));
    assert_true(has_line("off", "disabled"));
    unsetenv("SHUNT_TEST_KEY");
    expect("fleet list", EXIT_DONE);
    assert_true(has_line("mini", "no key"));
    expect("top -b", EXIT_DONE); /* the same table */
    assert_true(has_line("mini", "no key"));
}

/* lab failed, mini answered: there is one message, and a decision that names lab as tried. It
 * is told twice when mini was not the last either. */
static void what_failed_before_a_fallback_is_counted(void **state)
{
    (void)state;
    struct store *store;
    struct err err;
    struct store_command *good = answer(7, 1,
            (struct message_row){.endpoint = SLICE("mini"),
                    .usage = known,
                    .cost_nusd = 1500000,
                    .ttft_ms = 200,
                    .total_ms = 1200});
    struct store_command *bad = answer(7, 2,
            (struct message_row){.endpoint = SLICE("mini"),
                    .state = MESSAGE_FAILED,
                    .error = SLICE("it is down"),
                    .usage = unknown,
                    .cost_nusd = -1});
    static const char tried[] = "{\"endpoint\":\"mini\",\"candidates\":[{\"endpoint\":\"lab\","
                                "\"filter\":\"tried\"},{\"endpoint\":\"mini\",\"filter\":"
                                "\"none\"}]}",
                      all_tried[] = "{\"endpoint\":null,\"candidates\":[{\"endpoint\":\"lab\","
                                    "\"filter\":\"tried\"},{\"endpoint\":\"mini\",\"filter\":"
                                    "\"tried\"}]}";
    struct store_command *all[] = {good, decision_of(good->messages[0].id, tried), bad,
            decision_of(bad->messages[0].id, tried),
            decision_of(bad->messages[0].id, all_tried),
            decision("{damaged \"filter\":\"tried\"")};
    assert_int_equal(store_open(&store, folder, -1, &err), OK);
    store_all(store, all, ARRAY_LEN(all));
    store_close(store);
    struct json *root = expect_json("fleet list --json", EXIT_DONE);
    assert_int_equal(number(json_at(root, 0), "requests_today"), 2);
    assert_int_equal(number(json_at(root, 0), "errors_today"), 1);
    assert_int_equal(number(json_at(root, 1), "requests_today"), 2);
    assert_int_equal(number(json_at(root, 1), "errors_today"), 2);
    assert_string_equal(json_get_text(json_at(root, 1), "state"), "failed");
    json_free(root);
    root = expect_json("fleet costs --json", EXIT_DONE);
    assert_int_equal(number(json_at(root, 0), "errors"), 2);
    json_free(root);
}

static struct store_command *spend(int64_t nusd)
{
    struct store_command *c = store_command_new(STORE_RESERVE);
    c->key = SLICE("mini");
    c->amount_nusd = nusd;
    c->limit_nusd = -1;
    return c;
}

static void a_route_knows_what_today_brought(void **state)
{
    (void)state;
    struct store *store;
    struct err err;
    write_conf("[shunt]\nbudget_day_usd = 1\n[endpoint \"mini\"]\nkind = openai\nmodel = gpt\n"
               "key_env = SHUNT_TEST_KEY\nprice_in_usd = 1\nprice_out_usd = 1\n");
    fill_database();
    struct json *root = expect_json("route --json hi", EXIT_DONE);
    const struct json *mini = json_at(json_get(root, "candidates"), 0);
    assert_true(number(mini, "expected_ms") != 0);
    json_free(root);
    expect("route hi", EXIT_DONE);
    assert_true(has_line("> mini", " s "));
    struct store_command *c = spend(1000000000);
    assert_int_equal(store_open(&store, folder, -1, &err), OK);
    store_all(store, &c, 1);
    store_close(store);
    expect("route hi", EXIT_REFUSED);
    assert_non_null(strstr(buf_text(&out), "today's budget of $1.00 "));
}

static void a_breaker_of_another_process_is_shown(void **state)
{
    (void)state;
    struct store *store;
    struct err err;
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    int64_t until_ms = clock_unix_ms() + 60000;
    c->key = SLICE("breaker mini");
    c->value = slice_of(arena_printf(&c->arena, "%lld", (long long)until_ms));
    assert_int_equal(store_open(&store, folder, -1, &err), OK);
    store_all(store, &c, 1);
    store_close(store);
    struct json *root = expect_json("fleet list --json", EXIT_DONE);
    double shown = number(json_at(root, 0), "breaker_until_ms");
    assert_string_equal(json_get_text(json_at(root, 0), "state"), "breaker_open");
    assert_true(shown > (double)until_ms - 100 && shown < (double)until_ms + 100);
    expect_null(json_at(root, 1), "breaker_until_ms");
    json_free(root);
    expect("fleet list", EXIT_DONE);
    assert_true(has_line("mini", "breaker open until "));
}

static void without_a_database_figures_are_left_out(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "%s/shunt.db", folder);
    struct err err;
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    assert_int_equal(file_write(command, junk, sizeof junk, 0600, &err), OK);
    struct json *root = expect_json("fleet list --json", EXIT_DONE);
    expect_null(json_at(root, 0), "requests_today");
    expect_null(json_at(root, 0), "cost_today_usd");
    json_free(root);
    expect("fleet costs", EXIT_FAILED);
    expect("top -b --view router", EXIT_FAILED);
    expect("top -b --view experts", EXIT_FAILED);
}

/* ---- costs, decisions, experts ---------------------------------------------------------- */

static void costs_stand_by_day_and_endpoint(void **state)
{
    (void)state;
    time_t now = time(NULL);
    char today[16];
    struct tm tm;
    strftime(today, sizeof today, "%Y-%m-%d", localtime_r(&now, &tm));
    expect("fleet costs", EXIT_DONE);
    assert_int_equal(out.n, 0);
    assert_non_null(strstr(buf_text(&errors), "no answer in 7 days"));
    fill_database();
    struct json *root = expect_json("fleet costs --days 1 --json", EXIT_DONE);
    assert_int_equal(json_count(root), 3);
    const struct json *lab = json_at(root, 0), *mini = json_at(root, 1);
    assert_string_equal(json_get_text(mini, "day"), today);
    assert_string_equal(json_get_text(mini, "endpoint"), "mini");
    assert_int_equal(number(mini, "requests"), 2);
    assert_int_equal(number(mini, "input_tok"), 20);
    assert_int_equal(number(mini, "output_tok"), 202);
    assert_true(number(mini, "cost_usd") == 0.0015);
    expect_null(lab, "input_tok");
    expect_null(lab, "cost_usd");
    json_free(root);
    expect("fleet costs", EXIT_DONE);
    assert_true(has_line(today, "$0.001500+"));
}

static void decisions_are_shown_with_cost_and_reason(void **state)
{
    (void)state;
    fill_database();
    expect("top -b --view router", EXIT_DONE);
    assert_non_null(strstr(buf_text(&out), "$0.2500        0.75  mini: the only one\n"));
    assert_non_null(strstr(buf_text(&out), "refuse"));
    assert_null(strstr(buf_text(&out), "damaged"));
    struct json *root = expect_json("top -b --view router --json", EXIT_DONE);
    assert_int_equal(json_count(root), 2);
    assert_true(number(json_at(root, 1), "cost_usd") == 0.25);
    assert_true(number(json_at(root, 1), "difficulty") == 0.75);
    expect_null(json_at(root, 0), "cost_usd");
    assert_string_equal(json_get_text(json_get(json_at(root, 1), "decision"), "reason"),
            "mini: the only one");
    json_free(root);
}

static void experts_stand_beside_chance(void **state)
{
    (void)state;
    expect("top -b --view experts", EXIT_FAILED);
    assert_non_null(strstr(buf_text(&errors), "no answer of a local model"));
    fill_database();
    expect("top -b --view experts", EXIT_DONE);
    assert_non_null(strstr(buf_text(&out), "session 2a, moe m"));
    assert_null(strchr(buf_text(&out), 0x1B));
    assert_true(has_line("    3 ", "2:100%*"));
    struct json *root = expect_json("top -b --view experts --session 2a --json", EXIT_DONE);
    const struct json *layer = json_at(json_get(root, "layers"), 0);
    assert_int_equal(number(root, "n_tokens"), 16);
    assert_int_equal(number(layer, "layer"), 3);
    assert_int_equal(number(json_get(layer, "stats"), "effective"), 1);
    assert_int_equal(number(json_get(layer, "stats"), "never_chosen"), 3);
    assert_true(number(json_get(root, "chance"), "effective") > 3);
    assert_int_equal(number(json_at(json_get(layer, "busiest"), 0), "expert"), 2);
    assert_int_equal(json_count(json_get(layer, "busiest")), 1);
    json_free(root);
    expect("top -b --view experts --session 7", EXIT_FAILED); /* only remote answers */
}

/* ---- probe, usage ----------------------------------------------------------------------- */

static void a_probe_says_who_lives(void **state)
{
    (void)state;
    static const char models[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct server_script script = {models, sizeof models - 1};
    struct server *server = server_open(&script, 1);
    char text[1024];
    snprintf(text, sizeof text,
            "[endpoint \"up\"]\nkind = openai\nmodel = gpt\nkey_env = SHUNT_TEST_KEY\n"
            "url = http://127.0.0.1:%d/v1\n[endpoint \"lab\"]\nkind = vllm\nmodel = q\n"
            "url = http://127.0.0.1:1/v1\n",
            server_port(server));
    write_conf(text);
    expect("fleet probe up", EXIT_DONE);
    assert_true(has_line("up ", " ms"));
    assert_non_null(strstr(server_request(server, 0), "GET /v1/models"));
    expect("fleet probe", EXIT_FAILED);
    assert_true(has_line("up ", "ok"));
    assert_true(has_line("lab ", "FAILED"));
    struct json *root = expect_json("fleet probe lab --json", EXIT_FAILED);
    assert_int_equal(json_count(root), 1);
    assert_false(json_is_true(json_get(json_at(root, 0), "ok")));
    expect_null(json_at(root, 0), "probe_ms");
    assert_non_null(strstr(json_get_text(json_at(root, 0), "error"), "server"));
    json_free(root);
    server_close(server);
}

static void what_cannot_be_meant_is_usage(void **state)
{
    (void)state;
    static const char *const wrong[] = {"fleet", "fleet lisst", "fleet list mini",
            "fleet probe nobody", "fleet costs --days 0", "fleet costs --days", "top",
            "top --view fleet", "top -b --view chat", "top -b fleet",
            "top -b --view experts --session ../x"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        expect(wrong[i], EXIT_USAGE);
        assert_int_equal(out.n, 0);
        assert_true(slice_has_prefix(buf_slice(&errors), "shunt"));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_list_knows_what_the_answers_told),
            TEST(the_list_is_a_table),
            TEST(what_failed_before_a_fallback_is_counted),
            TEST(a_route_knows_what_today_brought),
            TEST(a_breaker_of_another_process_is_shown),
            TEST(without_a_database_figures_are_left_out),
            TEST(costs_stand_by_day_and_endpoint),
            TEST(decisions_are_shown_with_cost_and_reason),
            TEST(experts_stand_beside_chance),
            TEST(a_probe_says_who_lives),
            TEST(what_cannot_be_meant_is_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
