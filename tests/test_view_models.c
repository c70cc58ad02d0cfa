/*
 * test_view_models.c - the Models view as golden screens, and what its keys do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/model.h"

#include "router/endpoint.h"
#include "router/model_file.h"

#include "tests/helper_app.h"
#include "tests/helper_screen.h"

#define GB 1000000000ull

static void *state_of_view;
static const struct view_ops *ops;

static int set_up(void **state)
{
    static struct app app;
    struct endpoint_conf confs[] = {
            endpoint_local("qwen3-30b-a3b", "/models/qwen3-30b-a3b-q4_k_m.gguf"),
            endpoint_local("smol", "/models/smollm2-135m-instruct.gguf"),
            endpoint_local("mixtral-8x7b", "/models/mixtral.gguf"),
            endpoint_local("olmoe", "/models/olmoe.gguf"),
            endpoint_local("cut", "/models/cut.gguf"),
            {.name = "far", .kind = PROVIDER_OPENAI, .url = "http://h", .enabled = true}};
    app_fake_init(&app, confs, ARRAY_LEN(confs));
    ops = views[VIEW_MODELS].ops;
    state_of_view = mem_alloc(ops->state_bytes);
    app.states[VIEW_MODELS] = state_of_view;
    *state = &app;
    return 0;
}

static int tear_down(void **state)
{
    mem_free(state_of_view);
    app_fake_release(*state);
    return 0;
}

static struct model_facts facts(const char *arch, const char *name, const char *quant,
        uint64_t file_bytes, uint64_t kv_bytes, uint64_t n_params)
{
    struct model_facts f = {.modified_ms = 1690000000000, .tokenizer = "gpt2"};
    struct model_info *info = &f.info;
    snprintf(info->arch, sizeof info->arch, "%s", arch);
    snprintf(info->name, sizeof info->name, "%s", name);
    snprintf(info->quant, sizeof info->quant, "%s", quant);
    snprintf(f.chat_format, sizeof f.chat_format, "ChatML");
    info->n_layers = 48;
    info->n_vocab = 151936;
    info->context_train_tok = 40960;
    info->context_tok = 8192;
    info->file_bytes = file_bytes;
    info->kv_bytes = kv_bytes;
    info->n_params = info->n_params_active = n_params;
    return f;
}

static void find(struct app *app, int endpoint, const char *path, const struct model_facts *f)
{
    struct model_file *file = model_file_new(endpoint, path);
    file->facts = *f;
    core_apply(&app->core, &(struct event){.kind = EV_MODEL_FILE, .u.file = file});
}

static void emit(struct app *app, int endpoint, enum engine_state state, float fraction,
        const char *error)
{
    struct event e = {.kind = EV_MODEL, .t_ns = app->now_ns};
    e.u.model.endpoint = endpoint;
    e.u.model.state = state;
    e.u.model.fraction = fraction;
    e.u.model.need_bytes = GB;
    if (error) {
        e.u.model.err = mem_alloc(sizeof *e.u.model.err);
        err_set(e.u.model.err, ERR_FORMAT, "%s", error);
    }
    core_apply(&app->core, &e);
}

static void fill(struct app *app)
{
    struct model_facts f = facts("qwen3moe", "Qwen3 30B A3B Instruct", "Q4_K",
            18600 * GB / 1000, 805 * GB / 1000, 30532122624);
    f.info.n_experts = 128;
    f.info.n_experts_used = 8;
    f.info.n_params_active = 3350000000;
    find(app, 0, "/models/qwen3-30b-a3b-q4_k_m.gguf", &f);
    f = facts("llama", "smollm2 135m instruct", "Q4_K", 98362432, 188743680, 134515008);
    find(app, 1, "/models/smollm2-135m-instruct.gguf", &f);
    f = facts("llama", "Mixtral", "Q4_K", 26400 * GB / 1000, 1074 * GB / 1000, 46700000000);
    find(app, 2, "/models/mixtral.gguf", &f);
    f = facts("olmoe", "OLMoE", "Q8_0", 7360 * GB / 1000, 1074 * GB / 1000, 6900000000);
    find(app, 3, "/models/olmoe.gguf", &f);
    f = (struct model_facts){.modified_ms = 1690000000000, .info.file_bytes = 3000};
    err_set(&f.err, ERR_FORMAT,
            "/models/cut.gguf is cut off: download it again (it ends in the middle of a key, at "
            "byte 3000 of 3000)");
    find(app, 4, "/models/cut.gguf", &f);
    f = facts("qwen3", "Qwen3 4B", "Q6_K", 3310 * GB / 1000, 1200 * GB / 1000, 4020000000);
    find(app, -1, "/models/qwen3-4b.gguf", &f);
    core_apply(&app->core, &(struct event){.kind = EV_SCAN_END,
                                   .u.memory = {31200 * GB / 1000, 21400 * GB / 1000}});
    emit(app, 0, ENGINE_LOADING, 0.43f, NULL);
    emit(app, 1, ENGINE_READY, 1, NULL);
    emit(app, 2, ENGINE_FAILED, -1,
            "/models/mixtral.gguf is cut off: download it again (tensor "
            "blk.3.ffn_gate_exps.weight lies beyond its end)");
    app->core.fleet.endpoints[1].n_in_flight = 2;
    app->core.fleet.endpoints[1].tok_per_s = 34.2;
}

static void expect(struct app *app, int n_cols, int n_rows, const char *name)
{
    char file[64];
    struct screen screen = app_fake_draw(app, VIEW_MODELS, state_of_view, n_cols, n_rows);
    snprintf(file, sizeof file, "%s_%dx%d", name, n_cols, n_rows);
    screen_expect(&screen, file);
    screen_release(&screen);
}

static void screens_at_every_size(void **state)
{
    fill(*state);
    expect(*state, 20, 5, "models");
    expect(*state, 40, 10, "models");
    expect(*state, 80, 24, "models");
    expect(*state, 120, 40, "models");
    expect(*state, 200, 60, "models");
}

static void run(struct app *app, enum command command)
{
    assert_true(ops->run(state_of_view, command, app));
}

static void the_pane_shows_reason_and_facts(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_DOWN);
    run(app, CMD_DOWN);
    run(app, CMD_OPEN);
    expect(app, 80, 24, "models_detail");
}

static void the_pane_says_where_a_model_runs(void **state)
{
    struct app *app = *state;
    fill(app);
    emit(app, 1, ENGINE_READY, 1, "avx2; no GPU is used: there is no NVIDIA driver");
    run(app, CMD_DOWN);
    run(app, CMD_OPEN);
    expect(app, 80, 24, "models_kernel");
}

static void without_a_model_it_says_what_to_do(void **state)
{
    struct app *app = *state;
    core_release(&app->core);
    core_init(&app->core, &(struct core_config){.now_ms = APP_NOW_MS});
    expect(app, 80, 24, "models_none");
}

static void keys_load_what_is_under_the_cursor(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_LAST); /* no endpoint names it */
    run(app, CMD_MODEL_LOAD);
    assert_int_equal(app->n_actions, 0);
    assert_non_null(strstr(app->notice, "no endpoint"));
    run(app, CMD_FIRST);
    run(app, CMD_DOWN);
    run(app, CMD_DOWN);
    run(app, CMD_MODEL_LOAD); /* failed: again */
    assert_int_equal(app->last_action, ACTION_LOAD_MODEL);
    assert_int_equal(app->last_id, 2);
    run(app, CMD_DOWN);
    run(app, CMD_MODEL_UNLOAD);
    assert_non_null(strstr(app->notice, "olmoe is not loaded"));
    run(app, CMD_MODEL_CANCEL); /* nothing to cancel */
    assert_int_equal(app->n_actions, 1);
    assert_non_null(strstr(app->notice, "olmoe is not being loaded"));
}

static void loading_ends_by_x_and_by_the_interrupt_key(void **state)
{
    struct app *app = *state;
    fill(app);
    assert_true(ops->is_idle(state_of_view, app, CMD_MODEL_LOAD));
    assert_false(ops->is_idle(state_of_view, app, CMD_MODEL_CANCEL));
    run(app, CMD_INTERRUPT);
    assert_int_equal(app->last_action, ACTION_UNLOAD_MODEL);
    assert_int_equal(app->last_id, 0);
    assert_int_equal(core_model_of(&app->core, 0)->phase, MODEL_ENDING);
    assert_false(ops->run(state_of_view, CMD_INTERRUPT, app)); /* now it is everybody's again */
}

static void unloading_what_answers_is_asked_once(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_DOWN);
    run(app, CMD_MODEL_UNLOAD);
    assert_int_equal(app->n_actions, 0);
    assert_non_null(strstr(app->notice, "U again stops the answer"));
    run(app, CMD_UP);
    run(app, CMD_DOWN); /* something else came between */
    run(app, CMD_MODEL_UNLOAD);
    assert_int_equal(app->n_actions, 0);
    run(app, CMD_MODEL_UNLOAD);
    assert_int_equal(app->last_action, ACTION_UNLOAD_MODEL);
    assert_int_equal(app->last_id, 1);
}

static void type(struct app *app, const char *text)
{
    for (; *text; text++)
        assert_true(ops->key_first(
                state_of_view, &(struct key){.code = (uint32_t)(unsigned char)*text}, app));
}

static void the_search_line_filters(void **state)
{
    struct app *app = *state;
    fill(app);
    run(app, CMD_SEARCH);
    type(app, "MOE"); /* of the architecture as well */
    expect(app, 80, 24, "models_filter");
    assert_true(ops->key_first(state_of_view, &(struct key){.code = KEY_ENTER}, app));
    run(app, CMD_LAST);
    run(app, CMD_MODEL_LOAD);
    assert_int_equal(app->last_id, 3);
    run(app, CMD_BACK); /* the filter goes, then the view */
    assert_false(ops->run(state_of_view, CMD_BACK, app));
}

static void opening_it_looks_at_the_files(void **state)
{
    struct app *app = *state;
    app_open_view(app, VIEW_MODELS);
    assert_int_equal(app->last_action, ACTION_LIST_MODELS);
    assert_true(app->core.models.is_scanning);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(screens_at_every_size),
            TEST(the_pane_shows_reason_and_facts),
            TEST(the_pane_says_where_a_model_runs),
            TEST(without_a_model_it_says_what_to_do),
            TEST(keys_load_what_is_under_the_cursor),
            TEST(loading_ends_by_x_and_by_the_interrupt_key),
            TEST(unloading_what_answers_is_asked_once),
            TEST(the_search_line_filters),
            TEST(opening_it_looks_at_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
