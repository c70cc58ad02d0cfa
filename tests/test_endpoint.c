/* test_endpoint.c - what a configuration says about endpoints: defaults, mistakes that disable,
 * and where keys come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/secret.h"

#include "tests/helper_endpoint.h"

static void a_good_section_needs_little(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"mini\"]\nkind = openai\nmodel = gpt\nprice_in_usd = "
                              "0.75\nprice_out_usd = 4.5\n"
                              "first_token_timeout = 3s\n[endpoint \"here\"]\nkind = "
                              "openai\nurl = http://127.0.0.1:8080/v1\nmodel = m\n");
    assert_int_equal(r.n, 2);
    assert_int_equal(conf_n_warnings(r.conf), 0);
    assert_true(r.list[0].enabled && r.list[1].enabled);
    assert_int_equal(r.list[0].zone, ZONE_EXTERNAL);
    assert_int_equal(r.list[0].key_source, KEY_FROM_ENV);
    assert_string_equal(r.list[0].key_value, "OPENAI_API_KEY");
    assert_int_equal(r.list[0].first_token_timeout_ms, 3000);
    assert_int_equal(r.list[1].zone, ZONE_LOCAL); /* nothing leaves the machine */
    assert_int_equal(r.list[1].key_source, KEY_FROM_NONE);
    assert_true(r.list[1].usd_per_mtok_in < 0); /* unknown is not free */
    endpoints_release(&r);
}

static void what_a_section_does_not_say_has_a_default(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"a\"]\nkind = openai\nmodel = gpt\n");
    const struct endpoint_conf *e = &r.list[0];
    assert_true(e->stream && e->enabled);
    assert_int_equal(e->retries, 2);
    assert_int_equal(e->connect_timeout_ms, 5000);
    assert_int_equal(e->first_token_timeout_ms, 60000);
    assert_int_equal(e->idle_timeout_ms, 60000);
    assert_int_equal(e->total_timeout_ms, 0);
    endpoints_release(&r);
}

static void well_known_models_have_a_list_price(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text(
            "[endpoint \"a\"]\nkind = openai\nmodel = gpt-5.4-mini\n"
            "[endpoint \"b\"]\nkind = openai\nmodel = gpt-4.1-2025-04-14\ncontext = 1000\n"
            "[endpoint \"own\"]\nmodel = gpt-5.4-mini\nprice_in_usd = 1\nprice_out_usd = 2\n"
            "[endpoint \"gateway\"]\nmodel = gpt-5.4-mini\nurl = https://g.example/v1\n"
            "[endpoint \"new\"]\nmodel = gpt-5.4-miniature\n");
    assert_int_equal(r.n, 5);
    assert_true(r.list[0].usd_per_mtok_in == 0.75 && r.list[0].usd_per_mtok_out == 4.5);
    assert_true(r.list[0].is_list_price && r.list[0].context_tok == 400000);
    assert_true(r.list[1].usd_per_mtok_out == 8 && r.list[1].context_tok == 1000);
    assert_true(r.list[2].usd_per_mtok_in == 1 && !r.list[2].is_list_price);
    assert_true(
            r.list[3].usd_per_mtok_in < 0); /* whose gateway, and at what price, nobody knows */
    assert_true(r.list[4].usd_per_mtok_in < 0);
    endpoints_release(&r);
}

static void half_a_price_is_said_and_is_none(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text(
            "[endpoint \"a\"]\nkind = openai\nmodel = m\nprice_in_usd = 1\n"
            "[endpoint \"b\"]\nkind = openai\nmodel = m\nprice_out_usd = 0\n"
            "[endpoint \"here\"]\nkind = local\nmodel = /m.gguf\nprice_in_usd = 1\n");
    assert_int_equal(conf_n_warnings(r.conf), 2);
    assert_string_equal(conf_warning_at(r.conf, 0),
            "x.conf:2: [endpoint \"a\"] has price_in_usd without price_out_usd, so its price "
            "counts as unknown: add price_out_usd = dollars per million tokens");
    assert_non_null(
            strstr(conf_warning_at(r.conf, 1), "x.conf:6: [endpoint \"b\"] has price_o"));
    assert_true(r.list[0].enabled && r.list[1].enabled);
    endpoints_release(&r);
}

static void endpoints_that_are_never_chosen_are_said(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i <= ENDPOINTS_MAX; i++)
        buf_printf(&text, "[endpoint \"e%d\"]\nkind = vllm\nurl = http://h\nmodel = m\n", i);
    struct endpoints_text r = endpoints_of_text(buf_text(&text));
    assert_int_equal(r.n, ENDPOINTS_MAX + 1);
    assert_int_equal(conf_n_warnings(r.conf), 1);
    assert_non_null(strstr(conf_warning_at(r.conf, 0), "more than 64 endpoints"));
    endpoints_release(&r);
    buf_release(&text);
}

static void mistakes_disable_and_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
        bool is_enabled;
    } cases[] = {
            {"[endpoint \"x\"]\nkind = opnai\nmodel = m\n",
                    "no kind \"opnai\" in [endpoint \"x\"]: did you mean \"openai\"? The "
                    "endpoint is disabled.",
                    false},
            {"[endpoint \"x\"]\nkind = gemini\nmodel = m\n", "not in this version", false},
            {"[endpoint \"x\"]\nmodel = m\n", "has no kind", false},
            {"[endpoint \"x\"]\nkind = openai\n", "names no model", false},
            {"[endpoint \"x\"]\nkind = vllm\nmodel = m\n", "has no url", false},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nurl = ftp://h\n", "http://", false},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nzone = mars\n",
                    "zone = mars in [endpoint \"x\"]: local, lab, region or external", false},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nidle_timeout = 10\n", "a duration",
                    false},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nprice_in_usd = cheap\n", "a price",
                    false},
            {"[endpoint \"x\"]\nkind = local\nmodel = m\nslots = 65\n",
                    "slots = 65 in [endpoint \"x\"]: 1 to 64", false},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nretires = 1\n",
                    "did you mean \"retries\"", true},
            {"[endpoint \"x\"]\nkind = openai\nmodel = m\nregion = eu\n", "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoints_text r = endpoints_of_text(cases[i].text);
        assert_int_equal(r.n, 1);
        if (r.list[0].enabled != cases[i].is_enabled)
            fail_msg("case %zu is %s", i, r.list[0].enabled ? "enabled" : "disabled");
        if (cases[i].said[0] && (conf_n_warnings(r.conf) == 0 ||
                                        !strstr(conf_warning_at(r.conf, 0), cases[i].said)))
            fail_msg("case %zu does not say \"%s\"", i, cases[i].said);
        if (!cases[i].said[0])
            assert_int_equal(conf_n_warnings(r.conf), 0);
        assert_int_equal(r.list[0].is_faulty, !cases[i].is_enabled);
        endpoints_release(&r);
    }
}

static void a_mistake_is_known_though_nobody_is_told(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"x\"]\nkind = vllm\nmodel = m\nenabled = no\n"
                              "[endpoint \"y\"]\nkind = openai\nmodel = m\nenabled = no\n");
    assert_int_equal(conf_n_warnings(r.conf), 0);
    assert_true(r.list[0].is_faulty); /* no url: it cannot be switched on */
    assert_false(r.list[1].is_faulty);
    endpoints_release(&r);
}

static void what_a_value_has_to_be_is_told_before_it_is_saved(void **state)
{
    (void)state;
    struct endpoint_conf e = {.kind = PROVIDER_VLLM};
    assert_null(endpoint_need("tier", "3"));
    assert_string_equal(endpoint_need("tier", "6"), "1 to 5");
    assert_non_null(endpoint_need("price_in_usd", "cheap"));
    assert_null(endpoint_need("key_env", "anything"));
    assert_non_null(endpoint_lacks(&e, "url"));
    assert_non_null(endpoint_lacks(&e, "model"));
    assert_null(endpoint_lacks(&e, "tier"));
    e.url = "ftp://h";
    e.model = "m";
    assert_non_null(endpoint_lacks(&e, "url"));
    assert_null(endpoint_lacks(&e, "model"));
    e.url = "http://h/v1";
    assert_null(endpoint_lacks(&e, "url"));
    e.kind = PROVIDER_LOCAL;
    e.model = NULL;
    assert_non_null(endpoint_lacks(&e, "model"));
}

static void a_host_that_only_looks_local_is_not(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[endpoint \"x\"]\nkind = openai\nmodel = m\nurl = "
                              "http://localhost.example.com/v1\n");
    assert_int_equal(r.list[0].zone, ZONE_EXTERNAL);
    endpoints_release(&r);
}

static void keys_come_from_variable_file_and_command(void **state)
{
    (void)state;
    char path[] = "/tmp/shunt-key-XXXXXX";
    int fd = mkstemp(path);
    struct secret key;
    struct err err;
    struct endpoint_conf e = {
            .name = "x", .key_source = KEY_FROM_ENV, .key_value = "SHUNT_TEST_KEY"};
    unsetenv("SHUNT_TEST_KEY");
    assert_int_equal(secret_fetch(&e, &key, &err), ERR_AUTH);
    assert_non_null(strstr(err.text, "SHUNT_TEST_KEY"));
    assert_non_null(strstr(err.text, "not set"));
    setenv("SHUNT_TEST_KEY", "", 1);
    assert_int_equal(secret_fetch(&e, &key, &err), ERR_AUTH);
    assert_non_null(strstr(err.text, "endpoint \"x\": "));
    assert_non_null(strstr(err.text, "is empty"));
    setenv("SHUNT_TEST_KEY", "sk-abcdefgh1234", 1);
    assert_int_equal(secret_fetch(&e, &key, &err), OK);
    assert_int_equal(key.n, 15);
    secret_release(&key);
    setenv("SHUNT_TEST_KEY", "first\r\nX-Header: 1", 1); /* no header may hide in a key */
    assert_int_equal(secret_fetch(&e, &key, &err), OK);
    assert_string_equal(key.bytes, "first");
    secret_release(&key);
    setenv("SHUNT_TEST_KEY", "sk-a\tb", 1);
    assert_int_equal(secret_fetch(&e, &key, &err), ERR_AUTH);

    assert_int_equal(write(fd, "file-key\n", 9), 9);
    e.key_source = KEY_FROM_FILE;
    e.key_value = path;
    chmod(path, 0644);
    assert_int_equal(secret_fetch(&e, &key, &err), ERR_AUTH);
    assert_non_null(strstr(err.text, "chmod 600"));
    chmod(path, 0600);
    assert_int_equal(secret_fetch(&e, &key, &err), OK);
    assert_string_equal(key.bytes, "file-key");
    secret_release(&key);
    close(fd);
    unlink(path);

    e.key_source = KEY_FROM_COMMAND;
    e.key_value = "echo from-command; echo more";
    assert_int_equal(secret_fetch(&e, &key, &err), OK);
    assert_string_equal(key.bytes, "from-command");
    secret_release(&key);
    e.key_value = "exit 3";
    assert_int_equal(secret_fetch(&e, &key, &err), ERR_AUTH);
}

/* The same answer for doctor and route; a key command is not run. */
static void what_cannot_work_is_found_without_trying(void **state)
{
    (void)state;
    char path[] = "/tmp/shunt-check-XXXXXX", ran[64], command[128];
    int fd = mkstemp(path);
    struct err err;
    struct endpoint_conf e = endpoint_local("x", path);
    close(fd);
    assert_int_equal(endpoint_check(&e, &err), OK);
    e.model = "/tmp";
    assert_int_not_equal(endpoint_check(&e, &err), OK);
    e.model = "/nonexistent/x.gguf";
    assert_int_not_equal(endpoint_check(&e, &err), OK);
    assert_string_equal(err.text, "cannot open /nonexistent/x.gguf: No such file or directory");
    e = (struct endpoint_conf){.name = "x", .kind = PROVIDER_VLLM};
    assert_int_equal(endpoint_check(&e, &err), OK);
    e.key_source = KEY_FROM_ENV;
    e.key_value = "SHUNT_TEST_KEY";
    unsetenv("SHUNT_TEST_KEY");
    assert_int_equal(endpoint_check(&e, &err), ERR_AUTH);
    setenv("SHUNT_TEST_KEY", "sk-abcdefgh1234", 1);
    assert_int_equal(endpoint_check(&e, &err), OK);
    e.key_source = KEY_FROM_FILE;
    e.key_value = "/nonexistent/key";
    assert_int_equal(endpoint_check(&e, &err), ERR_AUTH);
    e.key_source = KEY_FROM_COMMAND;
    snprintf(ran, sizeof ran, "%s.ran", path);
    snprintf(command, sizeof command, "touch %s", ran);
    e.key_value = command;
    assert_int_equal(endpoint_check(&e, &err), OK);
    assert_int_not_equal(access(ran, F_OK), 0);
    e.ca_file = "/nonexistent/ca.pem";
    assert_int_not_equal(endpoint_check(&e, &err), OK);
    unlink(path);
}
/* A kind that is read in one place and not in another would send what is meant for a file to a
 * provider. */
static void keys_are_read_in_any_case(void **state)
{
    (void)state;
    struct endpoints_text r =
            endpoints_of_text("[Endpoint \"a\"]\nKind = local\nMODEL = /m/a.gguf\n"
                              "[endpoint \"b\"]\nmodel = m\nenabled = yes\n");
    assert_int_equal(r.n, 2);
    assert_int_equal(r.list[0].kind, PROVIDER_LOCAL);
    assert_int_equal(r.list[0].zone, ZONE_LOCAL);
    assert_string_equal(r.list[0].model, "/m/a.gguf");
    assert_false(r.list[1].enabled); /* no kind is guessed */
    assert_true(r.list[1].is_faulty);
    assert_int_equal(conf_n_warnings(r.conf), 1);
    endpoints_release(&r);
}

/* "" is the name of the router's own choice. */
static void a_section_without_a_name_is_no_endpoint(void **state)
{
    (void)state;
    struct endpoints_text r = endpoints_of_text("[endpoint]\nkind = openai\nmodel = m\n"
                                                "[endpoint \"b\"]\nkind = openai\nmodel = m\n");
    assert_int_equal(r.n, 1);
    assert_string_equal(r.list[0].name, "b");
    assert_int_equal(conf_n_warnings(r.conf), 1);
    assert_non_null(
            strstr(conf_warning_at(r.conf, 0), "x.conf:2: [endpoint \"\"] needs a name"));
    endpoints_release(&r);
}

static void a_name_is_kept_whole_or_refused(void **state)
{
    (void)state;
    char text[1000];
    snprintf(text, sizeof text,
            "[endpoint \"%0250d\"]\nkind = openai\nmodel = m\n"
            "[endpoint \"%0256d\"]\nkind = openai\nmodel = m\n",
            0, 0);
    struct endpoints_text r = endpoints_of_text(text);
    assert_int_equal(r.n, 1);
    assert_int_equal(strlen(r.list[0].name), 250);
    assert_int_equal(conf_n_warnings(r.conf), 1);
    assert_non_null(strstr(conf_warning_at(r.conf, 0), "at most 255 bytes"));
    endpoints_release(&r);
}

/* It has told its key and closed its output: what is waited for is its end. */
static void a_key_command_that_stays_is_ended(void **state)
{
    (void)state;
    struct endpoint_conf e = {.name = "a",
            .key_source = KEY_FROM_COMMAND,
            .key_value = "echo key; exec 1>&-; exec sleep 30"};
    struct secret key;
    struct err err;
    uint64_t begin = clock_now_ns();
    assert_int_equal(secret_fetch_within(&e, 200, &key, &err), ERR_AUTH);
    assert_true(clock_now_ns() - begin < 10000000000u);
    assert_non_null(strstr(err.text, "did not end within"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_good_section_needs_little),
            cmocka_unit_test(what_a_section_does_not_say_has_a_default),
            cmocka_unit_test(well_known_models_have_a_list_price),
            cmocka_unit_test(half_a_price_is_said_and_is_none),
            cmocka_unit_test(endpoints_that_are_never_chosen_are_said),
            cmocka_unit_test(mistakes_disable_and_say_where),
            cmocka_unit_test(a_mistake_is_known_though_nobody_is_told),
            cmocka_unit_test(what_a_value_has_to_be_is_told_before_it_is_saved),
            cmocka_unit_test(a_host_that_only_looks_local_is_not),
            cmocka_unit_test(keys_come_from_variable_file_and_command),
            cmocka_unit_test(what_cannot_work_is_found_without_trying),
            cmocka_unit_test(keys_are_read_in_any_case),
            cmocka_unit_test(a_section_without_a_name_is_no_endpoint),
            cmocka_unit_test(a_name_is_kept_whole_or_refused),
            cmocka_unit_test(a_key_command_that_stays_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
