/* test_hub.c - the core with its real threads: a local mixture model, a remote server, the
 * database, all in one conversation. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"

#include "router/balance.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/model_file.h"
#include "router/session.h"

#include "tests/helper_hub.h"
#include "tests/helper_server.h"
#include "tests/helper_tiny_model.h"

static char dir[64], model[96];
static int64_t budget_nusd; /* of the hubs; 0: none */
static bool has_no_store;

static int set_up(void **state)
{
    struct tiny_model shape = {"qwen3moe", 2, 8, 2, 32, 16, 7};
    (void)state;
    budget_nusd = 0;
    has_no_store = false;
    snprintf(dir, sizeof dir, "/tmp/shunt-hub-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(model, sizeof model, "%s/m.gguf", dir);
    return tiny_model_write(model, &shape) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct hub *open_hub(struct endpoint_conf *confs, size_t n)
{
    static uint64_t seed; /* as in life, no two runs of the program draw the same ids */
    struct hub *hub;
    struct err err;
    struct hub_config cfg = {.core = &(struct core_config){confs, n, ZONE_EXTERNAL, ++seed,
                                     1700000000000, .budget_day_nusd = budget_nusd},
            .data_dir = has_no_store ? NULL : dir,
            .n_threads = 2};
    if (hub_open(&hub, &cfg, &err) != OK)
        fail_msg("%s", err.text);
    return hub;
}

static void act(struct hub *hub, enum action_kind kind, const char *text)
{
    struct action *a = action_new(kind);
    a->text = text ? mem_strdup(text) : NULL;
    a->now_ms = clock_unix_ms();
    a->params.temperature = 0;
    a->params.max_tokens = 20;
    a->params.given = GIVEN_TEMPERATURE;
    hub_act(hub, a);
}

static struct message *leaf(const struct hub *hub)
{
    return session_find(hub_core(hub)->session, hub_core(hub)->session->leaf_id);
}

static void a_local_answer_is_saved_with_its_experts(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_SEND, "tell me about the water");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_DONE);
    assert_int_equal(leaf(hub)->usage.output, 20);
    assert_int_equal(leaf(hub)->cost_nusd, 0);
    assert_int_equal(hub_core(hub)->balance->n_tokens, 20);
    size_t n_bytes = leaf(hub)->tokens.records.n;
    char *text = mem_strdup(buf_text(&leaf(hub)->text));
    hub_close(hub);

    hub = open_hub(&conf, 1); /* another day */
    act(hub, ACTION_OPEN_SESSION, NULL);
    hub_wait_until_idle(hub);
    assert_string_equal(buf_text(&leaf(hub)->text), text);
    assert_int_equal(leaf(hub)->tokens.records.n, n_bytes);
    assert_int_equal(hub_core(hub)->balance->n_tokens, 20);
    mem_free(text);
    hub_close(hub);
}

static void a_dead_server_falls_back_to_the_local_model(void **state)
{
    (void)state;
    struct endpoint_conf confs[2] = {{.name = "remote",
                                             .kind = PROVIDER_OPENAI,
                                             .url = "http://127.0.0.1:1/v1",
                                             .model = "m",
                                             .enabled = true,
                                             .stream = true,
                                             .connect_timeout_ms = 2000},
            endpoint_local("moe", model)};
    struct hub *hub = open_hub(confs, 2);
    act(hub, ACTION_SEND, "tell me");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_DONE);
    assert_string_equal(leaf(hub)->endpoint, "moe");
    assert_true(hub_core(hub)->n_notices > 0);
    hub_close(hub);
}

/* An endpoint of a server that answers "hello" for 5 tokens in and n_output_tok out. */
static struct endpoint_conf serve_hello(struct server **server, int n_output_tok)
{
    static char url[64], answer[512];
    static struct server_script script;
    snprintf(answer, sizeof answer,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n"
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            "data: "
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":%d}}\n\n"
            "data: [DONE]\n\n",
            n_output_tok);
    script = (struct server_script){answer, strlen(answer)};
    *server = server_open(&script, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", server_port(*server));
    return (struct endpoint_conf){.name = "remote",
            .kind = PROVIDER_OPENAI,
            .url = url,
            .model = "m",
            .enabled = true,
            .stream = true,
            .usd_per_mtok_in = 2,
            .usd_per_mtok_out = 10,
            .usd_per_mtok_cached = -1};
}

static void a_remote_answer_comes_through_the_same_way(void **state)
{
    (void)state;
    struct server *server;
    struct endpoint_conf conf = serve_hello(&server, 1);
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_SEND, "hi");
    hub_wait_until_idle(hub);
    assert_string_equal(buf_text(&leaf(hub)->text), "hello");
    assert_int_equal(leaf(hub)->cost_nusd, 5 * 2000 + 10000);
    hub_close(hub);
    server_close(server);
}

/* Else a broken database would be an open purse. */
static void the_budget_holds_without_a_database(void **state)
{
    (void)state;
    struct server *server;
    struct endpoint_conf conf = serve_hello(&server, 1000);
    conf.usd_per_mtok_in = 0;
    budget_nusd = 10100000; /* one such answer takes 10,000,000 */
    has_no_store = true;
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_SEND, "hi");
    hub_wait_until_idle(hub);
    assert_string_equal(buf_text(&leaf(hub)->text), "hello");
    act(hub, ACTION_SEND, "hi again");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_FAILED);
    assert_non_null(strstr(buf_text(&leaf(hub)->error), "budget"));
    assert_int_equal(server_n_requests(server), 1);
    hub_close(hub);
    server_close(server);
}

static void a_missing_key_is_said_and_nothing_is_sent(void **state)
{
    (void)state;
    struct endpoint_conf conf = {.name = "remote",
            .kind = PROVIDER_OPENAI,
            .url = "http://127.0.0.1:1/v1",
            .model = "m",
            .enabled = true,
            .key_source = KEY_FROM_ENV,
            .key_value = "SHUNT_NO_SUCH_KEY"};
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_SEND, "hi");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_FAILED);
    assert_non_null(strstr(buf_text(&leaf(hub)->error), "SHUNT_NO_SUCH_KEY"));
    hub_close(hub);
}

/* The limit of file sizes stands for a full disk: it needs no rights. */
static void limit_files(rlim_t n_bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = n_bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void add_large_message(struct hub *hub)
{
    char *text = mem_alloc(1000001);
    memset(text, 'x', 1000000);
    act(hub, ACTION_ADD_MESSAGE, text);
    mem_free(text);
}

static void wait_until_refused(struct hub *hub)
{
    for (int i = 0; i < 5000 && !hub_core(hub)->n_unsaved; i++) {
        poll(NULL, 0, 1);
        hub_step(hub, 2000000);
    }
    assert_true(hub_core(hub)->n_unsaved > 0);
}

static void the_end_saves_what_a_full_disk_refused(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct err err;
    signal(SIGXFSZ, SIG_IGN);
    struct hub *hub = open_hub(&conf, 1);
    limit_files(300000);
    add_large_message(hub);
    wait_until_refused(hub);
    limit_files(RLIM_INFINITY); /* room again, before the next try is due */
    assert_int_equal(hub_save(hub, &err), OK);
    hub_close(hub);

    hub = open_hub(&conf, 1);
    act(hub, ACTION_OPEN_SESSION, NULL);
    hub_wait_until_idle(hub);
    assert_non_null(leaf(hub));
    assert_int_equal(leaf(hub)->text.n, 1000000);
    limit_files(300000);
    add_large_message(hub);
    wait_until_refused(hub);
    uint64_t begin = clock_now_ns();
    assert_int_not_equal(hub_save(hub, &err), OK);
    assert_true(
            clock_now_ns() - begin < 5000000000u); /* nobody waits for a disk that stays full */
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(err.text, "1 message"));
    hub_close(hub);
}

/* A turn that ran out of time left them in the rings, and their wake-up is gone. */
static void answers_left_by_a_turn_are_taken_without_another_wake_up(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_ADD_MESSAGE, "one");
    act(hub, ACTION_ADD_MESSAGE, "two");
    poll(NULL, 0, 100); /* all are there by now */
    while (core_is_busy(hub_core(hub))) {
        struct pollfd fd = {hub_fd(hub), POLLIN, 0};
        if (hub_timeout_ms(hub))
            assert_int_equal(poll(&fd, 1, 20000), 1);
        hub_step(hub, 0);
    }
    hub_close(hub);
}

/* The engine of "one" has failed, and what it told may still be in the ring. */
static struct hub *open_with_failed_engine(struct endpoint_conf *conf)
{
    *conf = endpoint_local("moe", "/nonexistent/model.gguf");
    conf->retries = 0;
    struct hub *hub = open_hub(conf, 1);
    act(hub, ACTION_SEND, "one");
    for (int i = 0; i < 5000 && !hub_engine(hub, 0); i++) {
        poll(NULL, 0, 1);
        hub_step(hub, 2000000);
    }
    for (int i = 0; i < 5000 && engine_state(hub_engine(hub, 0)) != ENGINE_FAILED; i++)
        poll(NULL, 0, 1);
    return hub;
}

/* The second request finds the engine failed while the first one's last event is still in the
 * ring. */
static void a_failed_engine_is_reopened_when_it_has_told_all(void **state)
{
    (void)state;
    struct endpoint_conf conf;
    struct hub *hub = open_with_failed_engine(&conf);
    poll(NULL, 0, 20);
    int64_t first = hub_core(hub)->session->id;
    act(hub, ACTION_NEW_SESSION, NULL);
    act(hub, ACTION_ADD_MESSAGE, "two");
    act(hub, ACTION_CONTINUE,
            NULL); /* sent at once: nothing was taken from the ring in between */
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_FAILED);
    struct action *open = action_new(ACTION_OPEN_SESSION);
    open->id = first;
    hub_act(hub, open);
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_FAILED);
    assert_non_null(strstr(buf_text(&leaf(hub)->error), "/nonexistent/model.gguf"));
    hub_close(hub);
}

static void another_file_is_loaded_for_the_next_answer(void **state)
{
    (void)state;
    struct tiny_model shape = {"qwen3moe", 2, 8, 2, 32, 16, 9};
    char other[sizeof model];
    struct endpoint_conf confs[2] = {endpoint_local("moe", model)};
    struct hub *hub = open_hub(confs, 1);
    act(hub, ACTION_SEND, "tell me about the water");
    hub_wait_until_idle(hub);
    char *text = mem_strdup(buf_text(&leaf(hub)->text));
    assert_non_null(hub_engine(hub, 0));
    snprintf(other, sizeof other, "%s/n.gguf", dir);
    assert_true(tiny_model_write(other, &shape));
    confs[0].model = other;
    confs[1] = endpoint_local("second", model);
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = confs;
    a->n_endpoints = 2;
    hub_act(hub, a);
    assert_null(hub_engine(hub, 0)); /* what is not wanted is not kept */
    act(hub, ACTION_NEW_SESSION, NULL);
    act(hub, ACTION_USE_ENDPOINT, "moe");
    act(hub, ACTION_SEND, "tell me about the water");
    hub_wait_until_idle(hub);
    assert_string_equal(leaf(hub)->model, "n.gguf");
    assert_string_not_equal(buf_text(&leaf(hub)->text), text);
    act(hub, ACTION_NEW_SESSION, NULL);
    act(hub, ACTION_USE_ENDPOINT, "second");
    act(hub, ACTION_SEND, "tell me about the water");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_DONE);
    assert_non_null(hub_engine(hub, 1));
    mem_free(text);
    hub_close(hub);
}

static void act_on(struct hub *hub, enum action_kind kind, int endpoint)
{
    struct action *a = action_new(kind);
    a->id = endpoint;
    hub_act(hub, a);
}

static const struct model_state *step_to(struct hub *hub, int endpoint, enum model_phase phase)
{
    const struct model_state *m = core_model_of(hub_core(hub), endpoint);
    uint64_t end = clock_now_ns() + 30000000000u;
    while (m->phase != phase && clock_now_ns() < end)
        hub_turn(hub);
    assert_int_equal(m->phase, phase);
    return m;
}

static void a_model_is_loaded_cancelled_and_unloaded(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct hub *hub = open_hub(&conf, 1);
    act_on(hub, ACTION_LOAD_MODEL, 0);
    act_on(hub, ACTION_UNLOAD_MODEL, 0); /* wherever the thread is by now */
    assert_null(hub_engine(hub, 0));
    assert_string_equal(step_to(hub, 0, MODEL_UNLOADED)->why, "loading was cancelled");
    act_on(hub, ACTION_LOAD_MODEL, 0);
    assert_true(step_to(hub, 0, MODEL_READY)->need_bytes > 10000);
    act(hub, ACTION_SEND, "tell me about the water");
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->usage.output, 20);
    act_on(hub, ACTION_UNLOAD_MODEL, 0);
    assert_null(hub_engine(hub, 0));
    act(hub, ACTION_SEND, "and the people"); /* it comes back for that */
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_DONE);
    step_to(hub, 0, MODEL_READY);
    hub_close(hub);
}

static void unloading_ends_the_answer_that_runs(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct hub *hub = open_hub(&conf, 1);
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup("tell me about the water");
    a->now_ms = clock_unix_ms();
    a->params.temperature = 0; /* without a limit: until the context is full */
    a->params.given = GIVEN_TEMPERATURE;
    hub_act(hub, a);
    step_to(hub, 0, MODEL_READY);
    act_on(hub, ACTION_UNLOAD_MODEL, 0);
    step_to(hub, 0, MODEL_UNLOADED);
    assert_int_equal(leaf(hub)->state, MESSAGE_STOPPED);
    hub_close(hub);
}

static void a_file_that_was_mended_can_be_loaded(void **state)
{
    (void)state;
    struct tiny_model shape = {"qwen3moe", 2, 8, 2, 32, 16, 7};
    struct endpoint_conf conf = endpoint_local("moe", model);
    assert_int_equal(truncate(model, 5000), 0);
    struct hub *hub = open_hub(&conf, 1);
    act_on(hub, ACTION_LOAD_MODEL, 0);
    assert_non_null(strstr(step_to(hub, 0, MODEL_FAILED)->why, model));
    assert_true(tiny_model_write(model, &shape));
    act_on(hub, ACTION_LOAD_MODEL, 0);
    step_to(hub, 0, MODEL_READY);
    hub_close(hub);
}

static void a_scan_finds_the_files_of_the_folder(void **state)
{
    (void)state;
    struct tiny_model shape = {"llama", 1, 0, 0, 32, 16, 7};
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct err err;
    struct hub *hub;
    char other[sizeof model];
    snprintf(other, sizeof other, "%s/n.gguf", dir);
    assert_true(tiny_model_write(other, &shape));
    struct core_config core = {&conf, 1, ZONE_EXTERNAL, 1, 1700000000000};
    struct hub_config cfg = {.core = &core, .models_dir = dir};
    assert_int_equal(hub_open(&hub, &cfg, &err), OK);
    const struct models *models = &hub_core(hub)->models;
    act_on(hub, ACTION_LIST_MODELS, 0);
    for (int i = 0; i < 5000 && models->is_scanning; i++) {
        poll(NULL, 0, 1);
        hub_step(hub, 2000000);
    }
    assert_int_equal(models->n, 2); /* the endpoint's own file is no second one */
    assert_string_equal(models->all[0].file->facts.info.arch, "qwen3moe");
    assert_string_equal(models->all[1].file->path, other);
    assert_true(models->memory.available_bytes > 0);
    hub_close(hub);
}

/* It is then the only way to keep what was said. */
static void an_export_is_written_without_a_database(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    char path[96];
    struct buf text;
    struct err err;
    has_no_store = true;
    struct hub *hub = open_hub(&conf, 1);
    act(hub, ACTION_ADD_MESSAGE, "to be kept");
    snprintf(path, sizeof path, "%s/out.md", dir);
    act(hub, ACTION_EXPORT, path);
    hub_wait_until_idle(hub);
    assert_int_equal(file_read(&text, path, 1 << 20, &err), OK);
    assert_non_null(strstr(buf_text(&text), "to be kept"));
    buf_release(&text);
    act(hub, ACTION_EXPORT, path); /* never over another file */
    hub_wait_until_idle(hub);
    const struct core *core = hub_core(hub);
    assert_int_not_equal(core->notices[(core->n_notices - 1) % NOTICE_MAX].status, OK);
    hub_close(hub);
}

static void an_export_that_does_not_fit_leaves_no_file(void **state)
{
    (void)state;
    struct endpoint_conf conf = endpoint_local("moe", model);
    char path[96];
    has_no_store = true;
    struct hub *hub = open_hub(&conf, 1);
    const struct core *core = hub_core(hub);
    add_large_message(hub);
    snprintf(path, sizeof path, "%s/out.md", dir);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(300000);
    act(hub, ACTION_EXPORT, path);
    limit_files(RLIM_INFINITY);
    assert_int_equal(core->notices[(core->n_notices - 1) % NOTICE_MAX].status, ERR_FULL);
    act(hub, ACTION_EXPORT, path); /* there is room now, and the name is free */
    assert_int_equal(core->notices[(core->n_notices - 1) % NOTICE_MAX].status, OK);
    hub_close(hub);
}

static void a_message_that_waits_does_not_go_to_what_the_endpoint_became(void **state)
{
    (void)state;
    struct endpoint_conf conf;
    struct hub *hub = open_with_failed_engine(&conf);
    act(hub, ACTION_NEW_SESSION, NULL);
    act(hub, ACTION_ADD_MESSAGE, "two");
    act(hub, ACTION_CONTINUE, NULL); /* it waits for the failed engine to tell its last */
    conf.kind = PROVIDER_OPENAI;
    conf.url = "http://127.0.0.1:1/v1";
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = &conf;
    a->n_endpoints = 1;
    hub_act(hub, a);
    hub_wait_until_idle(hub);
    assert_int_equal(leaf(hub)->state, MESSAGE_FAILED);
    assert_non_null(strstr(buf_text(&leaf(hub)->error), "was changed"));
    hub_close(hub);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_local_answer_is_saved_with_its_experts),
            TEST(a_dead_server_falls_back_to_the_local_model),
            TEST(a_remote_answer_comes_through_the_same_way),
            TEST(the_budget_holds_without_a_database),
            TEST(a_missing_key_is_said_and_nothing_is_sent),
            TEST(the_end_saves_what_a_full_disk_refused),
            TEST(answers_left_by_a_turn_are_taken_without_another_wake_up),
            TEST(a_failed_engine_is_reopened_when_it_has_told_all),
            TEST(another_file_is_loaded_for_the_next_answer),
            TEST(a_model_is_loaded_cancelled_and_unloaded),
            TEST(unloading_ends_the_answer_that_runs),
            TEST(a_file_that_was_mended_can_be_loaded),
            TEST(a_scan_finds_the_files_of_the_folder),
            TEST(an_export_is_written_without_a_database),
            TEST(an_export_that_does_not_fit_leaves_no_file),
            TEST(a_message_that_waits_does_not_go_to_what_the_endpoint_became),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
