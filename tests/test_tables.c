/* test_tables.c - the tables that everything is derived from: names, helps, keys, roles and
 * views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tui/cmd.h"
#include "tui/embedded.h"
#include "tui/keys.h"
#include "tui/notes.h"
#include "tui/slash.h"
#include "tui/view.h"

static void command_names_are_unique_and_helps_are_short(void **state)
{
    (void)state;
    for (int i = 1; i < CMD_COUNT; i++) {
        const struct command_def *c = &command_defs[i];
        size_t n = strlen(c->help);
        if (n == 0 || n > 60 || c->help[n - 1] == '.')
            fail_msg("help of %s: %zu characters", c->name, n);
        assert_int_equal(command_find(c->name), i);
        assert_int_equal(strspn(c->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(c->name));
    }
}

static void notes_are_short_sentences(void **state)
{
    (void)state;
    assert_true(n_notes > 0);
    for (size_t i = 0; i < n_notes; i++) {
        size_t n = strlen(notes[i].text);
        if (n == 0 || n > 240 || notes[i].text[n - 1] != '.' || strlen(notes[i].name) > 20)
            fail_msg("note %s: %zu characters", notes[i].name, n);
    }
}

static void notes_name_the_routers_numbers(void **state)
{
    (void)state;
    static const char *const wanted[] = {
            "beyond 10 s ", "counts $0.000050.", "costs: $0.0020.", "worth: $0.03"};
    struct buf all;
    buf_init(&all, 1 << 20);
    for (size_t i = 0; i < n_notes; i++)
        note_print(&notes[i], &all);
    assert_null(strchr(buf_text(&all), '{'));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!strstr(buf_text(&all), wanted[i]))
            fail_msg("no note says \"%s\"", wanted[i]);
    buf_release(&all);
}

static void every_command_can_be_reached(void **state)
{
    (void)state;
    for (int i = 1; i < CMD_COUNT; i++) {
        bool is_reached = slash_offers((enum command)i);
        for (size_t k = 0; k < n_default_bindings; k++)
            is_reached |= (int)default_bindings[k].command == i;
        if (!is_reached)
            fail_msg("%s has neither a key nor a name for the input", command_defs[i].name);
    }
}

static void default_keys_parse_and_stand_once(void **state)
{
    (void)state;
    struct keymap *map = keymap_new();
    assert_int_equal(keymap_n(map), n_default_bindings); /* none refused, none twice */
    for (size_t i = 0; i < n_default_bindings; i++) {
        struct slice rest = slice_of(default_bindings[i].keys);
        struct buf back;
        buf_init(&back, 64);
        while (rest.ptr) {
            struct key key;
            assert_true(key_parse(slice_cut(&rest, ' '), &key));
            buf_add_text(&back, back.n ? " " : "");
            key_print(&key, &back);
        }
        assert_string_equal(buf_text(&back), default_bindings[i].keys);
        buf_release(&back);
    }
    keymap_free(map);
}

static void keys_that_terminals_cannot_tell_are_not_used(void **state)
{
    (void)state;
    static const char *const forbidden[] = {"C-s", "C-q", "C-i", "C-m", "C-["};
    for (size_t i = 0; i < n_default_bindings; i++)
        for (size_t k = 0; k < ARRAY_LEN(forbidden); k++)
            assert_string_not_equal(default_bindings[i].keys, forbidden[k]);
}

static void letters_stay_with_the_input_line(void **state)
{
    (void)state;
    struct keymap *map = keymap_new();
    struct err err;
    assert_int_equal(keymap_bind(map, CTX_INPUT, "x", CMD_UNDO, &err), ERR_CONFIG);
    assert_int_equal(keymap_bind(map, CTX_CHAT, "?", CMD_HELP, &err), ERR_CONFIG);
    assert_int_equal(keymap_bind(map, CTX_EXPERTS, "x", CMD_HELP, &err), OK);
    assert_int_equal(keymap_bind(map, CTX_CHAT, "Hyper-x", CMD_HELP, &err), ERR_CONFIG);
    keymap_free(map);
}

/* A hand that knows a key from one view must not spend money with it in another. Enter stands
 * behind typed text and says so in the bar. */
static void what_costs_money_has_keys_of_its_own(void **state)
{
    (void)state;
    int n_paid = 0;
    for (size_t i = 0; i < n_default_bindings; i++) {
        const struct binding *paid = &default_bindings[i];
        if (!command_defs[paid->command].is_paid || strcmp(paid->keys, "Enter") == 0)
            continue;
        n_paid++;
        for (size_t k = 0; k < n_default_bindings; k++) {
            const struct binding *b = &default_bindings[k];
            if (strcmp(b->keys, paid->keys) == 0 && !command_defs[b->command].is_paid)
                fail_msg("%s is %s in %s, and costs money as %s in %s", b->keys,
                        command_defs[b->command].name, context_defs[b->context].name,
                        command_defs[paid->command].name, context_defs[paid->context].name);
        }
    }
    assert_true(n_paid >= 3);
    assert_true(command_defs[CMD_SEND].is_paid && command_defs[CMD_SEND_UNSAVED].is_paid);
}

static void u_takes_back_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_default_bindings; i++)
        if (strcmp(default_bindings[i].keys, "u") == 0)
            assert_int_equal(default_bindings[i].command, CMD_UNDO);
}

/* From anywhere: no context gives C-x and a number another meaning, and each view has one. */
static void views_are_reached_by_the_same_keys_from_anywhere(void **state)
{
    (void)state;
    struct keymap *map = keymap_new();
    for (int i = 0; i < VIEW_COUNT; i++)
        for (int context = 0; context < CTX_COUNT; context++) {
            char digit = (char)('0' + views[i].number), name[64];
            struct key pending = {0}, x, number = {.code = (uint32_t)digit};
            enum command command = CMD_NONE;
            snprintf(name, sizeof name, "open-%s", views[i].name);
            assert_true(key_parse(SLICE("C-x"), &x));
            assert_int_equal(keymap_find(map, (enum context)context, &pending, &x, &command),
                    KEYMAP_PREFIX);
            assert_int_equal(
                    keymap_find(map, (enum context)context, &pending, &number, &command),
                    KEYMAP_BOUND);
            assert_int_equal(command, command_find(name));
        }
    keymap_free(map);
}

static void a_sequence_needs_both_keys(void **state)
{
    (void)state;
    struct keymap *map = keymap_new();
    struct key pending = {0}, x, one, two;
    enum command command = CMD_NONE;
    assert_true(key_parse(SLICE("C-x"), &x) && key_parse(SLICE("2"), &two) &&
                key_parse(SLICE("9"), &one));
    assert_int_equal(keymap_find(map, CTX_CHAT, &pending, &x, &command), KEYMAP_PREFIX);
    assert_int_equal(keymap_find(map, CTX_CHAT, &pending, &two, &command), KEYMAP_BOUND);
    assert_int_equal(command, CMD_OPEN_EXPERTS);
    assert_int_equal(keymap_find(map, CTX_CHAT, &pending, &x, &command), KEYMAP_PREFIX);
    assert_int_equal(keymap_find(map, CTX_CHAT, &pending, &one, &command), KEYMAP_UNBOUND);
    assert_int_equal(pending.code, 0);
    keymap_free(map);
}

static void every_view_has_its_number_and_command(void **state)
{
    (void)state;
    for (int i = 0; i < VIEW_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "open-%s", views[i].name);
        assert_int_not_equal(command_find(name), CMD_NONE);
        assert_non_null(views[i].ops->draw);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(views[i].number, views[k].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(command_names_are_unique_and_helps_are_short),
            cmocka_unit_test(notes_are_short_sentences),
            cmocka_unit_test(notes_name_the_routers_numbers),
            cmocka_unit_test(every_command_can_be_reached),
            cmocka_unit_test(default_keys_parse_and_stand_once),
            cmocka_unit_test(keys_that_terminals_cannot_tell_are_not_used),
            cmocka_unit_test(letters_stay_with_the_input_line),
            cmocka_unit_test(what_costs_money_has_keys_of_its_own),
            cmocka_unit_test(u_takes_back_everywhere),
            cmocka_unit_test(views_are_reached_by_the_same_keys_from_anywhere),
            cmocka_unit_test(a_sequence_needs_both_keys),
            cmocka_unit_test(every_view_has_its_number_and_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
