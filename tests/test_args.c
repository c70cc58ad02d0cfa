/* test_args.c - the command line: mixed order, joined values, globals anywhere, and mistakes
 * with a way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/args.h"
#include "tui/cmd.h"

static const struct flag_def flags[] = {
        {'e', "endpoint", "NAME", "x"},
        {'n', "no-stdin", NULL, "x"},
        {'c', "continue", "[SESSION]", "x"},
        {300, "json", NULL, "x"},
};

#define ARGS(...)                                                                              \
    (struct args)                                                                              \
    {                                                                                          \
        .argc = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                        \
        .argv = (char **)(const char *[]){__VA_ARGS__}, .flags = flags,                        \
        .n_flags = ARRAY_LEN(flags)                                                            \
    }

static void flags_and_words_mix(void **state)
{
    (void)state;
    struct args a = ARGS("hello", "-e", "mini", "--json", "world", "-n");
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_string_equal(a.value, "hello");
    assert_int_equal(args_next(&a), 'e');
    assert_string_equal(a.value, "mini");
    assert_int_equal(args_next(&a), 300);
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_string_equal(a.value, "world");
    assert_int_equal(args_next(&a), 'n');
    assert_int_equal(args_next(&a), ARG_END);
}

static void values_may_be_joined(void **state)
{
    (void)state;
    struct args a = ARGS("-nemini", "--endpoint=other", "-cabc", "-c=def", "-c", "x");
    assert_int_equal(args_next(&a), 'n');
    assert_int_equal(args_next(&a), 'e');
    assert_string_equal(a.value, "mini");
    assert_int_equal(args_next(&a), 'e');
    assert_string_equal(a.value, "other");
    assert_int_equal(args_next(&a), 'c');
    assert_string_equal(a.value, "abc");
    assert_int_equal(args_next(&a), 'c');
    assert_string_equal(a.value, "def");
    assert_int_equal(args_next(&a), 'c');
    assert_null(a.value); /* an optional value is never the next word */
    assert_int_equal(args_next(&a), ARG_WORD);
}

static void globals_are_taken_anywhere(void **state)
{
    (void)state;
    struct args a = ARGS("word", "--config", "f.conf", "--data=d", "--", "--json", "-e");
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_string_equal(a.value, "--json"); /* behind -- everything is a word */
    assert_string_equal(a.globals.config, "f.conf");
    assert_string_equal(a.globals.data, "d");
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_int_equal(args_next(&a), ARG_END);
}

static void mistakes_say_what_to_do(void **state)
{
    (void)state;
    struct args typo = ARGS("--endpiont", "x");
    assert_int_equal(args_next(&typo), ARG_BAD);
    assert_non_null(strstr(typo.err.text, "--endpoint"));
    struct args with_value = ARGS("--colour=never");
    assert_int_equal(args_next(&with_value), ARG_BAD);
    assert_string_equal(with_value.err.text, "unknown option --colour: did you mean --color?");
    struct args missing = ARGS("-e");
    assert_int_equal(args_next(&missing), ARG_BAD);
    assert_non_null(strstr(missing.err.text, "NAME"));
    struct args extra = ARGS("--json=1");
    assert_int_equal(args_next(&extra), ARG_BAD);
    struct args help = ARGS("-h");
    assert_int_equal(args_next(&help), ARG_HELP);
    struct args dash = ARGS("-");
    assert_int_equal(args_next(&dash), ARG_WORD);
}

static void every_flag_of_every_command_is_in_its_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_cmd_defs; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        cmd_print_help(cmd_defs[i].name, &out);
        for (size_t k = 0; k < cmd_defs[i].n_flags; k++) {
            assert_non_null(strstr(buf_text(&out), cmd_defs[i].flags[k].name));
            assert_true(
                    cmd_defs[i].flags[k].help[strlen(cmd_defs[i].flags[k].help) - 1] != '.');
            for (size_t j = 0; j < k; j++)
                assert_int_not_equal(cmd_defs[i].flags[j].id, cmd_defs[i].flags[k].id);
        }
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(flags_and_words_mix),
            cmocka_unit_test(values_may_be_joined),
            cmocka_unit_test(globals_are_taken_anywhere),
            cmocka_unit_test(mistakes_say_what_to_do),
            cmocka_unit_test(every_flag_of_every_command_is_in_its_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
