/*
 * test_pilot.c - the model that is part of the program: opened where its bytes are, an endpoint
 * that nobody configures, chosen for what it knows, asked as it is trained.
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

#include "engine/builtin.h"
#include "engine/gguf.h"
#include "engine/model_facts.h"
#include "engine/request.h"

#include "router/hub.h"
#include "router/message_state.h"
#include "router/pilot.h"
#include "router/session.h"

#include "tui/help_search.h"
#include "tui/pilot_help.h"

#include "tests/helper_chat.h"
#include "tests/helper_endpoint.h"
#include "tests/helper_hub.h"
#include "tests/helper_tiny_model.h"

#define PAGE 4096

static char model[] = "/tmp/shunt-pilot-XXXXXX"; /* a tiny one in place of the real one … */
static char *bytes; /* … and what is in it, at the begin of a page */
static size_t n_bytes;

static int make_pilot(void **state)
{
    struct tiny_model shape = {.arch = "qwen3moe",
            .n_layers = 2,
            .n_experts = 4,
            .n_used = 2,
            .n_embd = 32,
            .n_ff = 32,
            .seed = 5};
    struct err err;
    struct buf file;
    (void)state;
    close(mkstemp(model));
    assert_true(tiny_model_write(model, &shape));
    assert_int_equal(file_read(&file, model, 1 << 24, &err), OK);
    n_bytes = file.n;
    bytes = aligned_alloc(PAGE, (n_bytes / PAGE + 1) * PAGE);
    assert_non_null(bytes);
    memcpy(bytes, file.ptr, n_bytes);
    buf_release(&file);
    return 0;
}

static int free_pilot(void **state)
{
    (void)state;
    free(bytes);
    unlink(model);
    return 0;
}

static int add_pilot(void **state)
{
    (void)state;
    builtin_set_pilot((struct slice){bytes, n_bytes});
    return 0;
}

static int take_pilot(void **state)
{
    (void)state;
    builtin_set_pilot(SLICE(""));
    return 0;
}

/* ---- the model -------------------------------------------------------------------------- */

static void its_bytes_are_read_where_they_are(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    if (gguf_open(&g, BUILTIN_PILOT, false, &err) != OK)
        fail_msg("%s", err.text);
    const char *data = gguf_tensor_at(g, 0)->data;
    assert_true(data > bytes && data < bytes + n_bytes);
    assert_string_equal(gguf_path(g), "pilot (built in)");
    assert_int_equal(gguf_file_bytes(g), n_bytes);
    gguf_close(g);
    assert_int_equal(bytes[0], 'G'); /* which closing leaves */
    struct model_facts facts;
    model_facts_read(&facts, BUILTIN_PILOT, 0, 0);
    assert_int_equal(facts.err.status, OK);
    assert_int_equal(facts.info.file_bytes, n_bytes);
}

static void a_program_without_it_has_no_such_file(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    builtin_set_pilot(SLICE(""));
    assert_int_equal(gguf_open(&g, BUILTIN_PILOT, false, &err), ERR_NOT_FOUND);
}

/* ---- the endpoint ----------------------------------------------------------------------- */

static void nobody_has_to_configure_it(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"big\"]\nkind = openai\nmodel = gpt\n");
    assert_int_equal(r.n, 2);
    assert_string_equal(r.list[1].name, "pilot");
    assert_true(endpoint_is_pilot(&r.list[1]) && !endpoint_is_pilot(&r.list[0]));
    assert_true(r.list[1].enabled && !r.list[1].fault);
    assert_int_equal(r.list[1].tier, 1);
    assert_int_equal(r.list[1].zone, ZONE_LOCAL);
    endpoints_release(&r);
}

static void its_section_says_only_what_is_different(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"pilot\"]\ntier = 2\nenabled = no\n");
    assert_int_equal(conf_n_warnings(r.conf), 0);
    assert_int_equal(r.n, 1);
    assert_true(endpoint_is_pilot(&r.list[0]));
    assert_false(r.list[0].enabled || r.list[0].is_faulty);
    assert_int_equal(r.list[0].tier, 2);
    endpoints_release(&r);
}

static void as_a_form_writes_it_it_is_the_same(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text(
            "[endpoint \"pilot\"]\nkind = local\nmodel = " BUILTIN_PILOT "\n");
    assert_int_equal(r.n, 1);
    assert_true(endpoint_is_pilot(&r.list[0]) && r.list[0].enabled && !r.list[0].fault);
    assert_int_equal(r.list[0].tier, 1);
    endpoints_release(&r);
}

static void another_endpoint_may_have_its_name(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"pilot\"]\nkind = openai\nmodel = gpt\n");
    assert_int_equal(r.n, 1);
    assert_false(endpoint_is_pilot(&r.list[0]));
    assert_string_equal(r.list[0].model, "gpt");
    endpoints_release(&r);
    r = endpoints_of_text("[endpoint \"pilot\"]\nkind = local\n");
    assert_true(r.list[0].is_faulty); /* it names no file */
    endpoints_release(&r);
}

static void what_is_not_there_may_be_off(void **state)
{
    (void)state;
    builtin_set_pilot(SLICE(""));
    struct endpoints_text off = endpoints_of_text("[endpoint \"pilot\"]\nenabled = no\n"),
                          on = endpoints_of_text("[endpoint \"pilot\"]\ntier = 2\n"),
                          none = endpoints_of_text("");
    assert_int_equal(conf_n_warnings(off.conf), 0);
    assert_int_equal(conf_n_warnings(on.conf), 1);
    assert_non_null(strstr(conf_warning_at(on.conf, 0), "built without the pilot"));
    assert_false(off.list[0].enabled || on.list[0].enabled);
    assert_int_equal(none.n, 0);
    endpoints_release(&off);
    endpoints_release(&on);
    endpoints_release(&none);
}

/* ---- when it is chosen ------------------------------------------------------------------ */

static void decide(struct decision *d, const char *conf, enum domain domain)
{
    struct endpoints_text r = endpoints_of_text(conf);
    struct fleet fleet = {0};
    struct features f = {.n_input_tok = 10,
            .n_output_tok = 100,
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1,
            .difficulty = 0.9f,
            .domain = domain};
    fleet_configure(&fleet, r.list, r.n);
    const struct policy_world world = {&fleet, {-1, 0}, 1000000000};
    policy_decide(d, &f, &world, 0);
    arena_release(&fleet.arena);
    endpoints_release(&r);
}

#define BIG                                                                                    \
    "[endpoint \"big\"]\nkind = openai\nurl = http://127.0.0.1:1/v1\nmodel = m\ntier = 5\nprice_in_usd = 0\nprice_out_usd = 0\n"

static void beside_others_it_gets_what_it_knows(void **state)
{
    (void)state;
    struct decision d;
    decide(&d, BIG, DOMAIN_SHUNT);
    assert_int_equal(d.candidates[d.chosen].endpoint, 1);
    assert_string_equal(d.reason, "pilot: the question is about shunt (free, zone local)");
    decide(&d, BIG, DOMAIN_GENERAL);
    assert_int_equal(d.candidates[d.chosen].endpoint, 0);
    assert_int_equal(d.candidates[1].filter, FILTER_DOMAIN);
    assert_string_equal(d.candidates[1].reason, "knows only shunt");
}

static void alone_it_gets_everything(void **state)
{
    (void)state;
    struct decision d;
    decide(&d, BIG "enabled = no\n", DOMAIN_GENERAL);
    assert_int_equal(d.verdict, VERDICT_SEND);
    assert_int_equal(d.candidates[d.chosen].endpoint, 1);
    decide(&d, "", DOMAIN_CODE);
    assert_int_equal(d.verdict, VERDICT_SEND);
}

static void it_is_nobody_to_talk_to(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text("");
    struct fleet fleet = {0};
    fleet_configure(&fleet, r.list, r.n);
    assert_true(fleet_has_nobody(&fleet));
    assert_int_equal(fleet_pilot(&fleet), 0);
    arena_release(&fleet.arena);
    endpoints_release(&r);
}

/* ---- what it is asked ------------------------------------------------------------------- */

static struct passages passages;
static struct help_search *search;

static int make_help(void **state)
{
    (void)state;
    passages_init_empty(&passages, NULL);
    passages_add(&passages, "add an endpoint", "how do I add an endpoint | new endpoint",
            "Press a in Fleet.");
    passages_add(&passages, "fold the reasoning", "hide what it thought", "Press r.");
    passages_add(&passages, PASSAGE_ELSE, "", "I know only shunt.");
    search = help_search_new_of(&passages);
    return 0;
}

static int free_help(void **state)
{
    (void)state;
    help_search_free(search);
    return 0;
}

static bool is_about(void *user, const char *question, const char *previous)
{
    return help_search_is_about(user, question, previous);
}

static void add_passages(
        void *user, const char *question, const char *previous, struct buf *out)
{
    pilot_help_add_passages(user, question, previous, out);
}

static void questions_about_the_program_are_known(void **state)
{
    (void)state;
    assert_true(help_search_is_about(search, "How do I add endpoints?", NULL));
    assert_true(help_search_is_about(search, "What is shunt?", NULL));
    assert_true(help_search_is_about(search, "which key folds the reasoning", NULL));
    assert_false(help_search_is_about(search, "add an endpoint to my express server", NULL));
    assert_false(help_search_is_about(search, "what is reasoning", NULL));
    assert_false(help_search_is_about(search, "fold the endpoint", NULL)); /* of two texts */
    assert_false(help_search_is_about(search, "", NULL));
    assert_false(help_search_is_about(search, "press -r", NULL)); /* a letter is no word */
    assert_false(help_search_is_about(search, "reasoning -r", NULL));
    assert_true(help_search_is_about(search, "and a second?", "how do I add an endpoint"));
    assert_false(help_search_is_about(search, "and Italy?", "the capital of France"));
    assert_false(help_search_is_about(search, "write a poem", "how do I add an endpoint"));
}

static struct request *conversation(void)
{
    struct request *r = request_new(7);
    request_add_message(r, MSG_SYSTEM, SLICE("Be brief."));
    request_add_message(r, MSG_USER, SLICE("hello"));
    request_add_message(r, MSG_ASSISTANT, SLICE("Good day."));
    request_add_message(r, MSG_USER, SLICE("fold the reasoning"));
    request_add_message(r, MSG_ASSISTANT, SLICE("Press r."));
    request_add_message(r, MSG_USER, SLICE("how do I add an endpoint"));
    return r;
}

static void expect_message(
        const struct request *r, int i, enum message_role role, const char *text)
{
    assert_int_equal(r->messages[i].role, role);
    if (!slice_eq(r->messages[i].text, text))
        fail_msg("%.*s", (int)r->messages[i].text.n, r->messages[i].text.ptr);
}

static void it_gets_passages_the_last_turn_and_the_question(void **state)
{
    (void)state;
    const struct help_source help = {search, is_about, add_passages};
    struct request *whole = conversation(), *r = pilot_request(&help, whole);
    assert_int_equal(r->id, 7);
    assert_int_equal(r->n_messages, 4);
    expect_message(r, 0, MSG_SYSTEM,
            "add an endpoint: Press a in Fleet.\nfold the reasoning: Press r.\n"
            "anything else: I know only shunt.");
    expect_message(r, 1, MSG_USER, "fold the reasoning");
    expect_message(r, 2, MSG_ASSISTANT, "Press r.");
    expect_message(r, 3, MSG_USER, "how do I add an endpoint");
    request_free(r);
    whole->n_messages = 2; /* the first question, behind a system text */
    r = pilot_request(&help, whole);
    assert_int_equal(r->n_messages, 2);
    expect_message(r, 0, MSG_SYSTEM, "anything else: I know only shunt.");
    request_free(r);
    request_free(whole);
}

static void others_are_told_what_the_passages_are(void **state)
{
    (void)state;
    const struct help_source help = {search, is_about, add_passages};
    struct request *whole = conversation(), *r = pilot_help_request(&help, whole);
    assert_int_equal(r->n_messages, whole->n_messages); /* with another system text */
    assert_true(slice_has_prefix(r->messages[0].text, "Answer the question about the program"));
    assert_non_null(memmem(r->messages[0].text.ptr, r->messages[0].text.n,
            "\nadd an endpoint: Press a in Fleet.\n", 36));
    request_free(r);
    request_free(whole);
}

static void it_is_greedy_and_brief_unless_told(void **state)
{
    (void)state;
    struct gen_params params = gen_params_default();
    pilot_set_params(&params);
    assert_true(params.temperature == 0);
    assert_int_equal(params.max_tokens, 160);
    params = (struct gen_params){
            .given = GIVEN_TEMPERATURE, .temperature = 0.5f, .max_tokens = 9};
    pilot_set_params(&params);
    assert_true(params.temperature == 0.5f && params.max_tokens == 9);
}

/* ---- together --------------------------------------------------------------------------- */

/* A hub of these endpoints alone that has answered one question about the program. */
static struct hub *hub_that_answered(struct endpoint_conf *list, size_t n, bool asks_help)
{
    static const char question[] = "how do I add an endpoint";
    static struct help_source help; /* the hub borrows it */
    help = (struct help_source){search, is_about, add_passages};
    struct core_config core = {.endpoints = list,
            .n_endpoints = n,
            .max_zone = ZONE_LOCAL,
            .now_ms = APP_NOW_MS,
            .help = &help};
    struct hub_config cfg = {.core = &core, .n_threads = 1};
    struct hub *hub;
    struct err err;
    assert_int_equal(hub_open(&hub, &cfg, &err), OK);
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup(question);
    a->params.max_tokens = 5;
    a->asks_help = asks_help;
    hub_act(hub, a);
    hub_wait_until_idle(hub);
    return hub;
}

static const struct message *answer_of(struct hub *hub)
{
    const struct session *session = hub_core(hub)->session;
    const struct message *m = session_find(session, session->leaf_id);
    assert_int_equal(m->state, MESSAGE_DONE);
    return m;
}

static void it_answers_with_nothing_configured(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text("");
    struct hub *hub = hub_that_answered(r.list, r.n, false);
    const struct message *m = answer_of(hub);
    assert_string_equal(m->endpoint, "pilot");
    assert_string_equal(m->model, "pilot (built in)");
    assert_int_equal(hub_core(hub)->last_decision.features.domain, DOMAIN_SHUNT);
    assert_true(m->usage.input > 60); /* with the passages */
    hub_close(hub);
    endpoints_release(&r);
}

/* How many tokens a model gets that knows nothing of the program. */
static uint32_t n_input_of(bool asks_help)
{
    struct endpoint_conf conf = endpoint_local("moe", model);
    struct hub *hub = hub_that_answered(&conf, 1, asks_help);
    uint32_t n = answer_of(hub)->usage.input;
    hub_close(hub);
    return n;
}

static void who_is_asked_for_help_gets_the_passages(void **state)
{
    (void)state;
    assert_true(n_input_of(true) > n_input_of(false) + 60);
}

static void a_question_behind_help_is_sent(void **state)
{
    void *fixture;
    (void)state;
    chat_set_up(&fixture);
    struct chat_fixture *f = fixture;
    chat_type(f, "/help how do I quit");
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_SEND);
    assert_string_equal(f->app.last_text, "how do I quit");
    chat_expect_input(f, "");
    chat_tear_down(&fixture);
}

static void chat_greets_with_questions_for_it(void **state)
{
    void *fixture;
    (void)state;
    chat_set_up(&fixture);
    struct chat_fixture *f = fixture;
    struct endpoint_conf pilot = endpoint_local("pilot", BUILTIN_PILOT);
    assert_false(chat_shows(f, "How do I add an endpoint?"));
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = &pilot;
    a->n_endpoints = 1;
    app_act(&f->app, a);
    assert_true(chat_shows(f, "It knows only shunt"));
    assert_true(chat_shows(f, "How do I add an endpoint?"));
    assert_true(chat_shows(f, "adds one."));
    assert_false(chat_shows(f, "nobody to talk to"));
    chat_type(f, "hello");
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_SEND);
    chat_tear_down(&fixture);
}

#define T(f) cmocka_unit_test_setup_teardown(f, add_pilot, take_pilot)
#define H(f) cmocka_unit_test_setup_teardown(f, make_help, free_help)

static int make_both(void **state)
{
    return add_pilot(state) || make_help(state);
}

static int free_both(void **state)
{
    return take_pilot(state) || free_help(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            T(its_bytes_are_read_where_they_are),
            T(a_program_without_it_has_no_such_file),
            T(nobody_has_to_configure_it),
            T(its_section_says_only_what_is_different),
            T(as_a_form_writes_it_it_is_the_same),
            T(another_endpoint_may_have_its_name),
            T(what_is_not_there_may_be_off),
            T(beside_others_it_gets_what_it_knows),
            T(alone_it_gets_everything),
            T(it_is_nobody_to_talk_to),
            H(questions_about_the_program_are_known),
            H(it_gets_passages_the_last_turn_and_the_question),
            H(others_are_told_what_the_passages_are),
            T(it_is_greedy_and_brief_unless_told),
            cmocka_unit_test_setup_teardown(
                    it_answers_with_nothing_configured, make_both, free_both),
            H(who_is_asked_for_help_gets_the_passages),
            cmocka_unit_test(a_question_behind_help_is_sent),
            T(chat_greets_with_questions_for_it),
    };
    return cmocka_run_group_tests(tests, make_pilot, free_pilot);
}
