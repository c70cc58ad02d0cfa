/* test_conf.c - the one parser of configuration and themes: what it reads, and that an edit
 * touches nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/conf.h"

static struct conf *parse(const char *text)
{
    return conf_parse(slice_of(text), "x.conf");
}

static void values_follow_the_rules(void **state)
{
    (void)state;
    static const struct {
        const char *line, *value;
    } cases[] = {
            {"k = plain", "plain"},
            {"  k=  two words   ", "two words"},
            {"k = a;b", "a;b"}, /* no white space before: part of the value */
            {"k = a ; comment", "a"},
            {"k = ; comment", ""},
            {"k = a # b", "a # b"}, /* # is a comment only at the start of a line */
            {"k = \"a ; b\"", "a ; b"},
            {"k = \" x \" ; c", " x "},
            {"k = \"q\\\"b\\\\n\\nz\"", "q\"b\\n\nz"},
            {"k = a = b", "a = b"},
            {"k =", ""},
            {"k = x\r", "x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[128];
        snprintf(text, sizeof text, "[s]\n%s\n", cases[i].line);
        struct conf *c = parse(text);
        const char *value = conf_get(c, "s", "", "k");
        if (!value || strcmp(value, cases[i].value) != 0)
            fail_msg("\"%s\" gives \"%s\"", cases[i].line, value ? value : "(nothing)");
        conf_free(c);
    }
}

static void a_broken_header_keeps_its_keys_to_itself(void **state)
{
    (void)state;
    struct conf *c = parse("[endpoint \"a\"]\nurl = good\n[endpoint \"b\"\nurl = other\nkey = "
                           "x\n[s]\nk = 1\n");
    assert_string_equal(conf_get(c, "endpoint", "a", "url"), "good");
    assert_null(conf_get(c, "endpoint", "a", "key"));
    assert_string_equal(conf_get(c, "s", "", "k"), "1");
    assert_int_equal(conf_n_warnings(c), 1);
    assert_non_null(strstr(conf_warning_at(c, 0), "x.conf:3: "));
    conf_free(c);
}

static void sections_and_their_names(void **state)
{
    (void)state;
    struct conf *c = parse("\xEF\xBB\xBFtop = 1\n[endpoint \"a b\"]\nk = 2\n[endpoint "
                           "\"c\"]\n# k = 9\nk = 3\nk = 4");
    assert_string_equal(conf_get(c, "", "", "top"), "1");
    assert_string_equal(conf_get(c, "endpoint", "a b", "k"), "2");
    assert_string_equal(conf_get(c, "Endpoint", "c", "K"),
            "4"); /* names without case, the last value wins */
    assert_null(conf_get(c, "endpoint", "d", "k"));
    assert_int_equal(conf_entry_at(c, 1)->line, 3);
    assert_int_equal(conf_n_warnings(c), 0);
    conf_free(c);
}

static void a_comment_may_stand_behind_a_header(void **state)
{
    (void)state;
    struct conf *c = parse("[s] ; of s\nk = 1\n  [endpoint \"a ; b\"]\t; by \"hand]\nk = 2\n");
    assert_string_equal(conf_get(c, "s", "", "k"), "1");
    assert_string_equal(conf_get(c, "endpoint", "a ; b", "k"), "2");
    assert_int_equal(conf_n_warnings(c), 0);
    conf_free(c);
}

static void nonsense_is_kept_and_said(void **state)
{
    (void)state;
    struct conf *c = parse("[s]\nnonsense\n[broken\n[t]\nk = \"open\n");
    struct buf out;
    buf_init(&out, 1000);
    conf_print(c, &out);
    assert_string_equal(buf_text(&out), "[s]\nnonsense\n[broken\n[t]\nk = \"open\n");
    assert_int_equal(conf_n_warnings(c), 3);
    assert_non_null(strstr(conf_warning_at(c, 0), "x.conf:2: "));
    buf_release(&out);
    conf_free(c);
}

static void expect_edit(const char *before, const char *section, const char *subsection,
        const char *key, const char *value, const char *after)
{
    struct conf *c = parse(before);
    struct buf out;
    buf_init(&out, 4000);
    conf_set(c, section, subsection, key, value);
    conf_print(c, &out);
    assert_string_equal(buf_text(&out), after);
    if (value)
        assert_string_equal(conf_get(c, section, subsection, key), value);
    buf_release(&out);
    conf_free(c);
}

static void an_edit_touches_nothing_else(void **state)
{
    (void)state;
    expect_edit("# head\n[s]\n  k   =  old  ; why\n\n[t]\n", "s", "", "k", "new",
            "# head\n[s]\n  k   =  new  ; why\n\n[t]\n");
    expect_edit("[s]\nk = \"x y\" ; c\n", "s", "", "k", "a ;b", "[s]\nk = \"a ;b\" ; c\n");
    expect_edit("[s]\r\nk = 1\r\n", "s", "", "k", "2", "[s]\r\nk = 2\r\n");
    expect_edit("[s]\na = 1\n\n[t]\nb = 2\n", "s", "", "c", "3",
            "[s]\na = 1\nc = 3\n\n[t]\nb = 2\n");
    expect_edit("a = 1", "e", "x y", "k", "v", "a = 1\n\n[e \"x y\"]\nk = v\n");
    expect_edit("[s]\na = 1\nb = 2\n", "s", "", "a", NULL, "[s]\nb = 2\n");
    expect_edit("", "s", "", "k", "", "[s]\nk = \"\"\n");
}

static void expect_edited(const char *text, const char *value, const char *want)
{
    struct buf printed;
    struct conf *c = parse(text);
    buf_init(&printed, 1 << 20);
    conf_set(c, "s", "", "k", value);
    conf_print(c, &printed);
    assert_string_equal(buf_text(&printed), want);
    assert_string_equal(conf_get(c, "s", "", "k"), value);
    buf_release(&printed);
    conf_free(c);
}

static void an_edited_value_reads_back_whatever_stands_behind_it(void **state)
{
    (void)state;
    expect_edited("[s]\nk = a ; why\n", "b", "[s]\nk = b ; why\n");
    expect_edited("[s]\nk = a  \n", "b", "[s]\nk = b  \n");
    expect_edited("[s]\nk = \"a\" junk\n", "b", "[s]\nk = \"b\" junk\n");
    expect_edited("[s]\nk = \"a\";why\n", "b", "[s]\nk = \"b\";why\n");
    expect_edited("\xEF\xBB\xBF[s]\r\nk = a\r\n", "b", "\xEF\xBB\xBF[s]\r\nk = b\r\n");
}

static void a_long_name_makes_a_whole_header(void **state)
{
    (void)state;
    char name[2000];
    struct buf printed;
    struct conf *c = parse("");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    buf_init(&printed, 1 << 20);
    conf_set(c, "endpoint", name, "kind", "vllm");
    conf_print(c, &printed);
    struct conf *again = conf_parse(buf_slice(&printed), "again");
    assert_string_equal(conf_get(again, "endpoint", name, "kind"), "vllm");
    buf_release(&printed);
    conf_free(again);
    conf_free(c);
}

static void what_is_no_text_is_not_written_over(void **state)
{
    (void)state;
    struct err err;
    struct conf *c = conf_parse(SLICE("[s]\nk = a\0b\n"), "/nowhere/x.conf");
    conf_set(c, "s", "", "k", "c");
    assert_int_equal(conf_save(c, &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, "NUL"));
    conf_free(c);
    struct buf garbage;
    buf_init(&garbage, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_add_text(&garbage, "\x1B[31m garbage\n");
    c = conf_parse(buf_slice(&garbage), "bad\x1Bname.conf");
    assert_int_equal(conf_n_warnings(c), 1000); /* nobody reads more */
    assert_null(strchr(conf_warning_at(c, 0), '\x1B'));
    buf_release(&garbage);
    conf_free(c);
}

static void saving_goes_through_a_link(void **state)
{
    (void)state;
    char dir[] = "/tmp/shunt-conf-XXXXXX", real[64], link_path[64];
    struct conf *c;
    struct err err;
    struct buf text;
    assert_non_null(mkdtemp(dir));
    snprintf(real, sizeof real, "%s/real", dir);
    snprintf(link_path, sizeof link_path, "%s/link", dir);
    assert_int_equal(file_write(real, "k = 1\n", 6, 0644, &err), OK);
    assert_int_equal(symlink("real", link_path), 0);
    assert_int_equal(conf_load(&c, link_path, &err), OK);
    conf_set(c, "", "", "k", "2");
    assert_int_equal(conf_save(c, &err), OK);
    conf_free(c);
    assert_int_equal(file_read(&text, real, 100, &err), OK);
    assert_string_equal(buf_text(&text), "k = 2\n");
    buf_release(&text);
    unlink(real);
    unlink(link_path);
    assert_int_equal(conf_load(&c, link_path, &err), OK); /* a missing file is an empty one */
    assert_int_equal(conf_n_entries(c), 0);
    conf_free(c);
    rmdir(dir);
}

static void durations_and_near_words(void **state)
{
    (void)state;
    static const char *const names[] = {"retries", "region", "context"};
    uint64_t ms;
    bool yes;
    assert_true(conf_parse_duration_ms("500ms", &ms) && ms == 500);
    assert_true(conf_parse_duration_ms("2m", &ms) && ms == 120000);
    assert_false(conf_parse_duration_ms("10", &ms));
    assert_false(conf_parse_duration_ms("-1s", &ms));
    assert_false(conf_parse_duration_ms("99999999999999999999h", &ms));
    assert_true(conf_parse_bool("Off", &yes) && !yes);
    assert_false(conf_parse_bool("maybe", &yes));
    assert_string_equal(conf_nearest("retrys", names, 3), "retries");
    assert_null(conf_nearest("zebra", names, 3));
    static const char *const begun[] = {"help", "export"};
    assert_string_equal(conf_nearest("exp", begun, 2), "export");
    assert_string_equal(conf_nearest("hexp", begun, 2), "help");
}

static void a_name_without_quotes_is_explained(void **state)
{
    (void)state;
    struct conf *c = parse("[endpoint \"a\"]\nk = 1\n[endpoint  mini]\nk = 2\n[]\n[\n");
    assert_int_equal(conf_n_warnings(c), 3);
    assert_non_null(strstr(conf_warning_at(c, 0), "x.conf:3: "));
    assert_non_null(strstr(conf_warning_at(c, 0), "[endpoint \"mini\"]"));
    assert_string_equal(conf_get(c, "endpoint", "a", "k"), "1");
    assert_null(conf_get(c, "endpoint mini", "", "k"));
    conf_free(c);
}

static void warnings_stand_in_the_order_of_their_lines(void **state)
{
    (void)state;
    static const char *const wanted[] = {"x.conf: f", "x.conf:1: d", "x.conf:2: nonsense",
            "x.conf:5: a", "x.conf:5: b", "x.conf:9: c"};
    struct conf *c = conf_parse(slice_of(""), "x.conf");
    conf_warn(c, 5, "a");
    conf_warn(c, 5, "b");
    conf_warn(c, 9, "c");
    conf_warn(c, 1, "d");
    conf_warn(c, 2, "nonsense");
    conf_warn(c, 0, "f");
    assert_int_equal(conf_n_warnings(c), ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_string_equal(conf_warning_at(c, i), wanted[i]);
    conf_free(c);
}
static void an_edit_says_nothing_again(void **state)
{
    (void)state;
    struct conf *conf =
            conf_parse(SLICE("[a]\nx = \"1\" rest\ny = \"never closed\n"), "x.conf");
    assert_int_equal(conf_n_warnings(conf), 2);
    conf_set(conf, "a", "", "z", "1");
    conf_set(conf, "a", "", "z", "2");
    assert_int_equal(conf_n_warnings(conf), 2);
    conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(values_follow_the_rules),
            cmocka_unit_test(a_broken_header_keeps_its_keys_to_itself),
            cmocka_unit_test(sections_and_their_names),
            cmocka_unit_test(a_comment_may_stand_behind_a_header),
            cmocka_unit_test(nonsense_is_kept_and_said),
            cmocka_unit_test(an_edit_touches_nothing_else),
            cmocka_unit_test(an_edited_value_reads_back_whatever_stands_behind_it),
            cmocka_unit_test(a_long_name_makes_a_whole_header),
            cmocka_unit_test(what_is_no_text_is_not_written_over),
            cmocka_unit_test(saving_goes_through_a_link),
            cmocka_unit_test(durations_and_near_words),
            cmocka_unit_test(a_name_without_quotes_is_explained),
            cmocka_unit_test(warnings_stand_in_the_order_of_their_lines),
            cmocka_unit_test(an_edit_says_nothing_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
