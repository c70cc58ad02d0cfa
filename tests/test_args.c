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

#define ARGS(...)                                                                              \
    (struct args)                                                                              \
    {                                                                                          \
        .argc = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                        \
        .argv = (char **)(const char *[]){__VA_ARGS__}, .subcommand = SUB_ASK                  \
    }

static void flags_and_words_mix(void **state)
{
    (void)state;
    struct args a = ARGS("hello", "-e", "mini", "--json", "world", "-n");
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_string_equal(a.value, "hello");
    assert_int_equal(args_next(&a), FLAG_ASK_ENDPOINT);
    assert_string_equal(a.value, "mini");
    assert_int_equal(args_next(&a), FLAG_ASK_JSON);
    assert_int_equal(args_next(&a), ARG_WORD);
    assert_string_equal(a.value, "world");
    assert_int_equal(args_next(&a), FLAG_ASK_NO_STDIN);
    assert_int_equal(args_next(&a), ARG_END);
}

static void values_may_be_joined(void **state)
{
    (void)state;
    struct args a = ARGS("-nemini", "--endpoint=other", "-cabc", "-c=def", "-c", "x");
    assert_int_equal(args_next(&a), FLAG_ASK_NO_STDIN);
    assert_int_equal(args_next(&a), FLAG_ASK_ENDPOINT);
    assert_string_equal(a.value, "mini");
    assert_int_equal(args_next(&a), FLAG_ASK_ENDPOINT);
    assert_string_equal(a.value, "other");
    assert_int_equal(args_next(&a), FLAG_ASK_CONTINUE);
    assert_string_equal(a.value, "abc");
    assert_int_equal(args_next(&a), FLAG_ASK_CONTINUE);
    assert_string_equal(a.value, "def");
    assert_int_equal(args_next(&a), FLAG_ASK_CONTINUE);
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
    assert_non_null(strstr(missing.err.text, "ENDPOINT"));
    struct args extra = ARGS("--json=1");
    assert_int_equal(args_next(&extra), ARG_BAD);
    struct args help = ARGS("-h");
    assert_int_equal(args_next(&help), ARG_HELP);
    struct args dash = ARGS("-");
    assert_int_equal(args_next(&dash), ARG_WORD);
}

static bool is_known_verb(struct slice name, enum subcommand subcommand)
{
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++)
        if (verb_defs[i].subcommand == subcommand && slice_eq(name, verb_defs[i].name))
            return true;
    return false;
}

static void a_letter_or_a_name_means_one_flag(void **state)
{
    (void)state;
    for (int i = 0; i < FLAG_COUNT; i++)
        for (int k = 0; k < i; k++) {
            const struct flag_def *a = &flag_defs[i], *b = &flag_defs[k];
            if (a->subcommand != b->subcommand && b->subcommand != SUB_EVERY)
                continue;
            assert_string_not_equal(a->name, b->name);
            if (a->letter)
                assert_int_not_equal(a->letter, b->letter);
        }
}

static void helps_have_no_full_stop_and_verbs_exist(void **state)
{
    (void)state;
    for (int i = 0; i < FLAG_COUNT; i++) {
        const struct flag_def *f = &flag_defs[i];
        assert_true(f->help[strlen(f->help) - 1] != '.');
        for (struct slice rest = slice_of(f->verbs); f->verbs && rest.ptr;)
            assert_true(is_known_verb(slice_cut(&rest, ' '), f->subcommand));
    }
    assert_true(flag_is_for(FLAG_FLEET_DAYS, VERB_FLEET_COSTS));
    assert_false(flag_is_for(FLAG_FLEET_DAYS, VERB_FLEET_LIST));
    assert_true(flag_is_for(FLAG_FLEET_JSON, VERB_FLEET_LIST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(flags_and_words_mix),
            cmocka_unit_test(values_may_be_joined),
            cmocka_unit_test(globals_are_taken_anywhere),
            cmocka_unit_test(mistakes_say_what_to_do),
            cmocka_unit_test(a_letter_or_a_name_means_one_flag),
            cmocka_unit_test(helps_have_no_full_stop_and_verbs_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
