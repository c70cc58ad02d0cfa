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

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            T(a_change_mends_what_another_field_was_told),
            T(what_is_wrong_anew_waits_for_the_next_save),
            T(half_a_price_is_not_saved),
            T(the_usual_variable_is_shown_and_passed_over),
            T(what_stands_in_an_empty_field_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
