/*
 * test_endpoint_form.c - the form of an endpoint while it is filled: what was mended is no
 * longer told, what needs nothing is passed over, and what would be used is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/conf.h"
#include "router/fleet.h"

#include "tui/endpoint_form.h"
#include "tui/surface.h"
#include "tui/vtin.h"

static struct endpoint_form form;
static struct fleet fleet;
static struct conf *conf;
static char text[4096]; /* what is shown */

static int set_up(void **state)
{
    (void)state;
    conf = conf_parse(SLICE(""), "x.conf");
    endpoint_form_open(&form, conf, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conf_free(conf);
    return 0;
}

static void press(uint32_t code)
{
    endpoint_form_key(&form, &(struct key){.code = code}, &fleet);
}

static void type(const char *words)
{
    for (; *words; words++)
        press((uint32_t)*words);
}

static bool shows(const char *part)
{
    struct screen screen = {0};
    struct buf out;
    screen_resize(&screen, 24, 80);
    struct surface all = screen_surface(&screen);
    form_draw(&form.form, &all);
    buf_init(&out, sizeof text - 1);
    screen_print(&screen, &out);
    snprintf(text, sizeof text, "%s", buf_text(&out));
    buf_release(&out);
    screen_release(&screen);
    return strstr(text, part) != NULL;
}

static void expect_line(const char *line, bool is_there)
{
    if (shows(line) != is_there)
        fail_msg("%s\"%s\" in\n%s", is_there ? "no " : "", line, text);
}

static void go_to(const char *label)
{
    for (int i = 0; i < 2 * FORM_FIELDS_MAX; i++, press(KEY_TAB))
        if (strcmp(form.form.fields[form.form.focus].label, label) == 0)
            return;
    fail_msg("Tab does not come to %s", label);
}

static void a_change_mends_what_another_field_was_told(void **state)
{
    (void)state;
    type("desk");
    go_to("kind");
    press(KEY_RIGHT); /* vllm */
    go_to("model");
    type("m");
    assert_false(endpoint_form_check(&form, &fleet));
    expect_line("http://HOST:PORT/v1 is needed", true);
    go_to("kind");
    press(KEY_LEFT); /* openai has a url of its own */
    expect_line("http://HOST:PORT/v1 is needed", false);
    assert_true(endpoint_form_check(&form, &fleet));
}

static void what_is_wrong_anew_waits_for_the_next_save(void **state)
{
    (void)state;
    go_to("tier");
    type("9");
    expect_line("1 to 5 is needed", false);
    assert_false(endpoint_form_check(&form, &fleet));
    expect_line("1 to 5 is needed", true);
}

static void half_a_price_is_not_saved(void **state)
{
    (void)state;
    type("x");
    go_to("model");
    type("m");
    go_to("price in $");
    type("1");
    assert_false(endpoint_form_check(&form, &fleet));
    expect_line("dollars per million tokens is needed", true);
    go_to("price out $");
    type("2");
    assert_true(endpoint_form_check(&form, &fleet));
}

static void the_usual_variable_is_shown_and_passed_over(void **state)
{
    (void)state;
    expect_line("key is in      OPENAI_API_KEY", true);
    go_to("kind");
    while (strcmp(form.form.values[form.form.focus].text, "anthropic") != 0)
        press(KEY_RIGHT);
    expect_line("key is in      ANTHROPIC_API_KEY", true);
    go_to("url");
    type("http://h");
    expect_line("key is in      no key", true); /* a server of one's own usually wants none */
    go_to("key from");
    press(KEY_TAB);
    assert_string_equal(form.form.fields[form.form.focus].label, "zone");
    go_to("key from");
    press(KEY_RIGHT); /* env */
    press(KEY_TAB);
    assert_string_equal(form.form.fields[form.form.focus].label, "key is in");
}

static void what_stands_in_an_empty_field_does_not_move(void **state)
{
    (void)state;
    go_to("name");
    expect_line("url            the provider's own", true);
    go_to("url");
    expect_line("url            the provider's own", true);
}

static void paste(const char *words)
{
    struct key key = {.code = KEY_PASTE, .text = slice_of(words)};
    endpoint_form_key(&form, &key, &fleet);
}

static void what_finds_no_room_is_told(void **state)
{
    (void)state;
    char words[600];
    memset(words, 'a', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    go_to("model");
    type("m");
    paste(words);
    assert_string_equal(form.form.values[form.form.focus].text, "m");
    expect_line("at most 511 bytes", true);
    type("x");
    expect_line("at most 511 bytes", false);
}

/* Whatever else is changed. */
static void a_value_that_is_too_long_stays_as_the_file_has_it(void **state)
{
    (void)state;
    static const char *const keys[] = {"url", "model", "key_command"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char file[2048], value[700];
        struct buf out;
        memset(value, 'a', sizeof value - 1);
        value[sizeof value - 1] = '\0';
        if (strcmp(keys[i], "url") == 0)
            memcpy(value, "http://", 7);
        snprintf(file, sizeof file, "[endpoint \"e\"]\nkind = vllm\n%s%s%s = %s\n",
                strcmp(keys[i], "url") == 0 ? "" : "url = http://h\n",
                strcmp(keys[i], "model") == 0 ? "" : "model = m\n", keys[i], value);
        struct conf *long_conf = conf_parse(slice_of(file), "x.conf");
        endpoint_form_open(&form, long_conf, "e");
        expect_line("change it in the file", true);
        for (int k = 0; k < 3 * FORM_FIELDS_MAX; k++) { /* into every field */
            press(KEY_TAB);
            if (form.form.fields[form.form.focus].choices)
                press(KEY_LEFT);
            else
                type("1");
        }
        endpoint_form_write(&form, long_conf);
        buf_init(&out, 1 << 16);
        conf_print(long_conf, &out);
        if (!strstr(buf_text(&out), value))
            fail_msg("%s was cut: %s", keys[i], buf_text(&out));
        buf_release(&out);
        conf_free(long_conf);
    }
}

static void a_letter_chooses_what_begins_with_it(void **state)
{
    (void)state;
    go_to("kind");
    type("v");
    expect_line("vllm", true);
    type("z"); /* nothing begins so */
    expect_line("vllm", true);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            T(a_change_mends_what_another_field_was_told),
            T(a_letter_chooses_what_begins_with_it),
            T(what_is_wrong_anew_waits_for_the_next_save),
            T(half_a_price_is_not_saved),
            T(the_usual_variable_is_shown_and_passed_over),
            T(what_stands_in_an_empty_field_does_not_move),
            T(what_finds_no_room_is_told),
            T(a_value_that_is_too_long_stays_as_the_file_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
