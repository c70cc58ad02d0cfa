/*
 * test_models.c - local models in the core, by hand-made events: what is loaded when, what
 * leaves the memory for another, what a scan finds; then the facts of real files and of damaged
 * ones.
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

#include "engine/engine.h"
#include "engine/model.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/model_file.h"

#include "tests/helper_tiny_model.h"

#define S  1000000000ull
#define GB 1000000000ull

static struct core core;
static uint64_t now;

static int set_up(void **state)
{
    struct endpoint_conf confs[] = {endpoint_local("big", "/m/big.gguf"),
            endpoint_local("old", "/m/old.gguf"), endpoint_local("new", "/m/new.gguf"),
            {.name = "far", .kind = PROVIDER_OPENAI, .url = "http://h", .enabled = true}};
    struct core_config cfg = {confs, ARRAY_LEN(confs), ZONE_EXTERNAL, 1, 1700000000000};
    (void)state;
    now = 100 * S;
    core_init(&core, &cfg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    core_release(&core);
    return 0;
}

static void act_on(enum action_kind kind, int64_t id, const char *text)
{
    struct action *a = action_new(kind);
    a->id = id;
    a->text = text ? mem_strdup(text) : NULL;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

/* The next effect that is not about the store, whose commands succeed. */
static struct effect next(void)
{
    struct effect e;
    while (core_take_effect(&core, &e)) {
        if (e.kind != EFFECT_STORE)
            return e;
        core_apply(
                &core, &(struct event){.kind = EV_STORE, .t_ns = now, .u.command = e.command});
    }
    return (struct effect){.endpoint = -2};
}

static void expect(enum effect_kind kind, int endpoint)
{
    struct effect e = {0};
    assert_true(core_take_effect(&core, &e));
    assert_int_equal(e.kind, kind);
    assert_int_equal(e.endpoint, endpoint);
}

static void expect_nothing(void)
{
    struct effect e;
    assert_false(core_take_effect(&core, &e));
}

static void emit(int endpoint, enum engine_state state, float fraction, uint64_t need,
        uint64_t available)
{
    struct event e = {.kind = EV_MODEL, .t_ns = now};
    e.u.model.endpoint = endpoint;
    e.u.model.state = state;
    e.u.model.fraction = fraction;
    e.u.model.need_bytes = need;
    e.u.model.available_bytes = available;
    if (state == ENGINE_FAILED) {
        e.u.model.err = mem_alloc(sizeof *e.u.model.err);
        err_set(e.u.model.err, ERR_FORMAT, "/m/big.gguf is cut off");
    }
    if (state == ENGINE_READY) {
        e.u.model.err = mem_alloc(sizeof *e.u.model.err);
        err_set(e.u.model.err, OK, "cuda: a card");
    }
    core_apply(&core, &e);
    now += S;
}

static const struct model_state *model(int endpoint)
{
    return core_model_of(&core, endpoint);
}

static void load(int endpoint, uint64_t need, uint64_t available)
{
    emit(endpoint, ENGINE_LOADING, -1, 0, available);
    emit(endpoint, ENGINE_LOADING, 0, need, available);
    emit(endpoint, ENGINE_READY, 1, need, available);
}

static void a_load_goes_through_its_phases(void **state)
{
    (void)state;
    assert_null(model(3)); /* a server's model is not ours */
    assert_int_equal(model(0)->phase, MODEL_UNLOADED);
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    act_on(ACTION_LOAD_MODEL, 0, NULL); /* once is enough */
    expect(EFFECT_LOAD, 0);
    expect_nothing();
    assert_int_equal(model(0)->phase, MODEL_WAITING);
    emit(0, ENGINE_LOADING, 0.43f, 2 * GB, 30 * GB);
    assert_int_equal(model(0)->phase, MODEL_LOADING);
    assert_true(model(0)->fraction > 0.42f && model(0)->fraction < 0.44f);
    emit(0, ENGINE_READY, 1, 2 * GB, 30 * GB);
    assert_int_equal(model(0)->phase, MODEL_READY);
    assert_string_equal(model(0)->why, "cuda: a card");
    assert_int_equal(model(1)->phase, MODEL_UNLOADED);
    assert_true(core.models.memory.available_bytes == 30 * GB);
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    expect_nothing();
}

static void a_failure_keeps_its_sentence_until_the_next_try(void **state)
{
    (void)state;
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    expect(EFFECT_LOAD, 0);
    emit(0, ENGINE_FAILED, -1, 0, 30 * GB);
    assert_int_equal(model(0)->phase, MODEL_FAILED);
    assert_string_equal(model(0)->why, "/m/big.gguf is cut off");
    act_on(ACTION_UNLOAD_MODEL, 0, NULL); /* there is nothing to unload */
    expect_nothing();
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    expect(EFFECT_LOAD, 0);
    emit(0, ENGINE_STOPPED, 0, 0, 0); /* the failed engine goes, */
    assert_int_equal(model(0)->phase, MODEL_WAITING);
    assert_string_equal(model(0)->why, "");
    load(0, GB, 30 * GB); /* and the next one comes */
    assert_int_equal(model(0)->phase, MODEL_READY);
}

static void a_cancelled_load_says_so_and_hears_nothing_late(void **state)
{
    (void)state;
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    expect(EFFECT_LOAD, 0);
    emit(0, ENGINE_LOADING, 0.2f, GB, 30 * GB);
    act_on(ACTION_UNLOAD_MODEL, 0, NULL);
    expect(EFFECT_UNLOAD, 0);
    assert_int_equal(model(0)->phase, MODEL_ENDING);
    emit(0, ENGINE_LOADING, 0.3f, GB, 30 * GB); /* was in the ring already */
    emit(0, ENGINE_READY, 1, GB, 30 * GB);
    assert_int_equal(model(0)->phase, MODEL_ENDING);
    emit(0, ENGINE_STOPPED, 0, 0, 0);
    assert_int_equal(model(0)->phase, MODEL_UNLOADED);
    assert_string_equal(model(0)->why, "loading was cancelled");
}

static void the_longest_idle_model_leaves_for_one_that_does_not_fit(void **state)
{
    (void)state;
    load(1, 10 * GB, 32 * GB);
    load(2, 10 * GB, 32 * GB); /* the file's pages still count as available */
    expect_nothing();
    emit(0, ENGINE_LOADING, -1, 0, 32 * GB);
    expect_nothing();
    emit(0, ENGINE_LOADING, 0, 15 * GB, 32 * GB); /* 12 are really free */
    expect(EFFECT_UNLOAD, 1);
    expect_nothing(); /* 22 are enough */
    assert_string_equal(model(1)->why,
            "unloaded: it was idle, and big needs 15.0 GB where 12.0 GB were free");
    assert_int_equal(model(2)->phase, MODEL_READY);
    assert_non_null(strstr(core.notices[0].text, "old is unloaded"));
    emit(1, ENGINE_STOPPED, 0, 0, 0);
    assert_non_null(strstr(model(1)->why, "idle"));
    emit(0, ENGINE_LOADING, 0.5f, 15 * GB, 32 * GB);
    expect_nothing();
}

static void what_answers_stays_however_short_memory_is(void **state)
{
    (void)state;
    load(1, 10 * GB, 12 * GB);
    core.fleet.endpoints[1].n_in_flight = 1;
    emit(0, ENGINE_LOADING, 0, 15 * GB, 12 * GB);
    expect_nothing();
    assert_int_equal(model(1)->phase, MODEL_READY);
}

static void memory_that_nobody_tells_unloads_nothing(void **state)
{
    (void)state;
    load(1, 10 * GB, 0);
    emit(0, ENGINE_LOADING, 0, 15 * GB, 0);
    expect_nothing();
}

static void unloading_stops_what_it_answers(void **state)
{
    (void)state;
    act_on(ACTION_USE_ENDPOINT, 0, "old");
    act_on(ACTION_SEND, 0, "hello");
    struct effect e = next();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 1);
    load(1, GB, 32 * GB);
    act_on(ACTION_UNLOAD_MODEL, 1, NULL);
    struct effect cancel = next();
    assert_int_equal(cancel.kind, EFFECT_CANCEL);
    assert_int_equal(cancel.request_id, e.request->id);
    assert_int_equal(next().kind, EFFECT_UNLOAD);
    request_free(e.request);
}

static void find(int endpoint, const char *path)
{
    struct model_file *file = model_file_new(endpoint, path);
    core_apply(&core, &(struct event){.kind = EV_MODEL_FILE, .u.file = file});
}

static void end_scan(void)
{
    core_apply(&core, &(struct event){.kind = EV_SCAN_END, .u.memory = {32 * GB, 20 * GB}});
}

static void a_scan_adds_files_and_forgets_those_that_are_gone(void **state)
{
    (void)state;
    act_on(ACTION_LIST_MODELS, 0, NULL);
    act_on(ACTION_LIST_MODELS, 0, NULL); /* while one runs there is no second */
    assert_int_equal(next().kind, EFFECT_SCAN_MODELS);
    expect_nothing();
    find(0, "/m/big.gguf");
    find(1, "/m/renamed.gguf"); /* no longer what the endpoint names */
    find(-1, "/m/extra.gguf");
    end_scan();
    assert_string_equal(model(0)->file->path, "/m/big.gguf");
    assert_null(model(1)->file);
    assert_int_equal(core.models.n, 4);
    assert_string_equal(core.models.all[3].file->path, "/m/extra.gguf");
    assert_true(core.models.memory.total_bytes == 32 * GB);
    act_on(ACTION_LIST_MODELS, 0, NULL);
    find(-1, "/m/other.gguf");
    end_scan();
    assert_int_equal(core.models.n, 4);
    assert_string_equal(core.models.all[3].file->path, "/m/other.gguf");
}

static void find_bad(int endpoint, const char *path, int64_t modified_ms)
{
    struct model_file *file = model_file_new(endpoint, path);
    file->facts.modified_ms = modified_ms;
    err_set(&file->facts.err, ERR_FORMAT, "%s is no GGUF file", path);
    core_apply(&core, &(struct event){.kind = EV_MODEL_FILE, .u.file = file});
}

/* Why the router passes over it; "": it does not. */
static const char *reason_out(int endpoint)
{
    static struct decision d;
    core_preview(&core, SLICE("hello"), now, &d);
    const struct candidate *c = &d.candidates[endpoint];
    return c->filter == FILTER_NONE     ? ""
           : c->filter == FILTER_FAULTY ? c->reason
                                        : filter_name(c->filter);
}

static int set_up_files(void **state)
{
    int failed = set_up(state);
    for (int i = 0; i < 3; i++) /* as if the files were there */
        core.fleet.endpoints[i].fault[0] = '\0';
    return failed;
}

static void what_a_head_says_keeps_the_model_out_until_it_is_mended(void **state)
{
    (void)state;
    act_on(ACTION_LIST_MODELS, 0, NULL);
    find_bad(0, "/m/big.gguf", 1);
    end_scan();
    assert_string_equal(reason_out(0), "its file is no GGUF file");
    assert_string_equal(reason_out(1), "");
    act_on(ACTION_LIST_MODELS, 0, NULL);
    find(0, "/m/big.gguf");
    assert_string_equal(reason_out(0), "");
}

static void what_failed_to_load_is_out_until_the_next_try(void **state)
{
    (void)state;
    emit(0, ENGINE_FAILED, -1, 0, 30 * GB);
    assert_string_equal(reason_out(0), "its file is cut off");
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    assert_string_equal(reason_out(0), "");
    emit(0, ENGINE_STOPPED, 0, 0, 0);
    emit(0, ENGINE_FAILED, -1, 0, 30 * GB);
    assert_string_equal(reason_out(0), "its file is cut off");
}

/* The same file found again is no other one. */
static void what_failed_to_load_is_in_again_when_its_file_changed(void **state)
{
    (void)state;
    act_on(ACTION_LIST_MODELS, 0, NULL);
    find(0, "/m/big.gguf");
    end_scan();
    emit(0, ENGINE_FAILED, -1, 0, 30 * GB);
    act_on(ACTION_LIST_MODELS, 0, NULL);
    find(0, "/m/big.gguf");
    end_scan();
    assert_string_equal(reason_out(0), "its file is cut off");
    struct model_file *file = model_file_new(0, "/m/big.gguf");
    file->facts.modified_ms = 5;
    core_apply(&core, &(struct event){.kind = EV_MODEL_FILE, .u.file = file});
    assert_string_equal(reason_out(0), "");
    assert_int_equal(model(0)->phase, MODEL_UNLOADED);
}

/* ---- facts of files --------------------------------------------------------------------- */

static void facts_agree_with_the_loaded_model(void **state)
{
    (void)state;
    static const struct tiny_model shape = {"qwen3moe", 3, 8, 2, 64, 32, 7};
    char path[64];
    struct model_facts facts;
    struct model *m;
    struct err err;
    snprintf(path, sizeof path, "/tmp/shunt-models-%d.gguf", (int)getpid());
    assert_true(tiny_model_write(path, &shape));
    model_facts_read(&facts, path, 128, 2);
    struct model_config cfg = {.path = path, .context_tok = 256, .n_threads = 1};
    assert_int_equal(model_open(&m, &cfg, &err), OK);
    struct model_info want = *model_info(m);
    memset(want.kernel, 0, sizeof want.kernel);
    assert_memory_equal(&facts.info, &want, sizeof want);
    assert_int_equal(facts.err.status, OK);
    assert_string_equal(facts.tokenizer, "gpt2");
    assert_string_equal(facts.chat_format, "ChatML");
    assert_true(facts.modified_ms > 1600000000000);
    model_close(m);
    assert_int_equal(truncate(path, (off_t)want.file_bytes - 1000), 0);
    model_facts_read(&facts, path, 0, 0);
    assert_int_equal(facts.err.status, ERR_FORMAT);
    assert_string_equal(facts.info.arch, "qwen3moe"); /* its keys are whole */
    assert_int_equal(facts.info.n_layers, 0);
    assert_int_equal(truncate(path, 3000), 0);
    model_facts_read(&facts, path, 0, 0);
    assert_int_equal(facts.err.status, ERR_FORMAT);
    assert_int_equal(facts.info.file_bytes, 3000);
    unlink(path);
    model_facts_read(&facts, path, 0, 0);
    assert_int_equal(facts.err.status, ERR_NOT_FOUND);
    assert_int_equal(facts.modified_ms, 0);
}

/* What a file calls itself may be long: it is cut between two characters. */
static void a_long_architecture_is_cut_at_a_character(void **state)
{
    (void)state;
    static const char head[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
                               "\x14\0\0\0\0\0\0\0general.architecture\x08\0\0\0"
                               "\x32\0\0\0\0\0\0\0";
    char path[64];
    struct model_facts facts;
    snprintf(path, sizeof path, "/tmp/shunt-models-%d.gguf", (int)getpid());
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(head, 1, sizeof head - 1, f);
    for (int i = 0; i < 25; i++)
        fputs("\xC3\xA9", f);
    fclose(f);
    model_facts_read(&facts, path, 0, 0);
    unlink(path);
    assert_int_equal(facts.err.status, ERR_UNSUPPORTED);
    assert_int_equal(strlen(facts.info.arch), 30);
    assert_string_equal(facts.info.arch + 28, "\xC3\xA9");
}

static bool stop_at_third(void *user, const struct model_info *info, float fraction)
{
    int n_calls = ++*(int *)user;
    assert_true(info->file_bytes > 12000000);
    assert_true(n_calls == 1 ? fraction == 0 : fraction > 0 && fraction < 1);
    return n_calls < 3;
}

static void a_load_is_cancelled_in_the_middle_of_the_file(void **state)
{
    (void)state;
    static const struct tiny_model shape = {"llama", 2, 0, 0, 512, 1024, 7};
    char path[64];
    int n_calls = 0;
    struct model *m;
    struct err err;
    snprintf(path, sizeof path, "/tmp/shunt-models-%d.gguf", (int)getpid());
    assert_true(tiny_model_write(path, &shape));
    struct model_config cfg = {
            .path = path, .n_threads = 1, .progress = stop_at_third, .user = &n_calls};
    assert_int_equal(model_open(&m, &cfg, &err), ERR_CANCELLED);
    assert_int_equal(n_calls, 3);
    unlink(path);
}

static void what_names_no_file_is_no_model(void **state)
{
    (void)state;
    struct endpoint_conf confs[] = {endpoint_local("big", NULL),
            endpoint_local("old", "/m/old.gguf"), endpoint_local("blank", NULL)};
    confs[1].kind = PROVIDER_OPENAI;
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = confs;
    a->n_endpoints = ARRAY_LEN(confs);
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    assert_null(core_model_of(&core, 0));     /* its file was taken out of its section */
    assert_null(core_model_of(&core, 1));     /* it has become a provider's */
    assert_non_null(core_model_of(&core, 2)); /* gone, but it names one */
    assert_null(core_model_of(&core, 4));
    act_on(ACTION_LOAD_MODEL, 0, NULL);
    act_on(ACTION_LOAD_MODEL, 4, NULL);
    expect_nothing();
}

#define TEST(f)       cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_FILES(f) cmocka_unit_test_setup_teardown(f, set_up_files, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_load_goes_through_its_phases),
            TEST(a_failure_keeps_its_sentence_until_the_next_try),
            TEST(a_cancelled_load_says_so_and_hears_nothing_late),
            TEST(the_longest_idle_model_leaves_for_one_that_does_not_fit),
            TEST(what_answers_stays_however_short_memory_is),
            TEST(memory_that_nobody_tells_unloads_nothing),
            TEST(unloading_stops_what_it_answers),
            TEST(a_scan_adds_files_and_forgets_those_that_are_gone),
            TEST_FILES(what_a_head_says_keeps_the_model_out_until_it_is_mended),
            TEST_FILES(what_failed_to_load_is_out_until_the_next_try),
            TEST_FILES(what_failed_to_load_is_in_again_when_its_file_changed),
            cmocka_unit_test(facts_agree_with_the_loaded_model),
            cmocka_unit_test(a_long_architecture_is_cut_at_a_character),
            cmocka_unit_test(a_load_is_cancelled_in_the_middle_of_the_file),
            TEST(what_names_no_file_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
