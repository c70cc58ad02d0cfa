/* test_file_choices.c - the list of files over the input: what is in it, and what keys do. */
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

#include "tui/editor.h"
#include "tui/file_choices.h"

static char folder[] = "/tmp/shunt-files-XXXXXX";
static struct editor editor;
static struct file_choices choices;

static const char *const files[] = {"notes.md", "src/editor.c", "src/deep/er/redo.c", ".hidden",
        "bad\x1B[31mname", "two\nlines", "a b.txt",
        "\xC3\x9C"
        "ber.txt"};

static int set_up(void **state)
{
    (void)state;
    struct err err;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(dir_make("src/deep/er", &err), OK);
    assert_int_equal(dir_make("src/.git", &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(file_write(files[i], "x", 1, 0644, &err), OK);
    assert_int_equal(symlink("..", "src/loop"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(files[i]);
    unlink("src/loop");
    return rmdir("src/.git") || rmdir("src/deep/er") || rmdir("src/deep") || rmdir("src") ||
           chdir("/") || rmdir(folder);
}

static int open_editor(void **state)
{
    (void)state;
    editor_init(&editor);
    return 0;
}

static int close_editor(void **state)
{
    (void)state;
    file_choices_close(&choices);
    editor_release(&editor);
    return 0;
}

static void type(const char *text)
{
    editor_insert(&editor, slice_of(text));
    file_choices_restart(&choices, &editor);
    while (file_choices_read(&choices))
        continue;
}

static void expect_first(const char *name)
{
    assert_true(file_choices_are_shown(&choices));
    assert_string_equal(choices.hits[0].name, name);
}

static bool offers(const char *name)
{
    for (size_t i = 0; i < choices.n_hits; i++)
        if (strcmp(choices.hits[i].name, name) == 0)
            return true;
    return false;
}

static void near_names_come_first_and_hidden_ones_when_typed(void **state)
{
    (void)state;
    type("see @");
    expect_first("a b.txt");
    assert_true(offers("src/") && offers("src/deep/er/redo.c"));
    assert_false(offers(".hidden") || offers("src/.git/"));
    type(".");
    expect_first(".hidden");
}

static void names_that_steer_a_terminal_are_left_out(void **state)
{
    (void)state;
    type("@");
    for (size_t i = 0; i < choices.n_hits; i++)
        assert_null(strpbrk(choices.hits[i].name, "\x1B\n"));
    assert_int_equal(choices.n_hits, 9); /* links are shown, and not gone into */
}

static void letters_find_files_in_folders_below(void **state)
{
    (void)state;
    type("@edi");
    expect_first("src/editor.c");
    assert_true(file_choices_run(&choices, &editor, CMD_SEND));
    assert_string_equal(buf_text(&editor.text), "@src/editor.c ");
    assert_false(file_choices_are_shown(&choices));
    editor_run(&editor, CMD_UNDO, 80);
    assert_string_equal(buf_text(&editor.text), "@edi");
}

static void folders_are_walked_into(void **state)
{
    (void)state;
    type("@src/d");
    expect_first("deep/");
    assert_true(file_choices_run(&choices, &editor, CMD_COMPLETE));
    assert_string_equal(buf_text(&editor.text), "@src/deep/");
    while (file_choices_read(&choices))
        continue;
    expect_first("er/");
}

static void blanks_are_quoted_and_what_is_complete_is_sent(void **state)
{
    (void)state;
    type("@b.t");
    assert_true(file_choices_run(&choices, &editor, CMD_SEND));
    assert_string_equal(buf_text(&editor.text), "@\"a b.txt\" ");
    editor_set(&editor, SLICE("@notes.md"), SIZE_MAX);
    type("");
    assert_false(file_choices_run(&choices, &editor, CMD_SEND));
}

static void arrows_walk_and_esc_closes(void **state)
{
    (void)state;
    type("@");
    assert_true(file_choices_run(&choices, &editor, CMD_LINE_DOWN));
    assert_int_equal(choices.selected, 1);
    assert_true(file_choices_run(&choices, &editor, CMD_LINE_UP));
    assert_true(file_choices_run(&choices, &editor, CMD_LINE_UP));
    assert_int_equal(choices.selected, choices.n_hits - 1);
    assert_true(file_choices_run(&choices, &editor, CMD_STOP));
    assert_false(file_choices_run(&choices, &editor, CMD_LINE_DOWN));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_editor, close_editor)
    const struct CMUnitTest tests[] = {
            TEST(near_names_come_first_and_hidden_ones_when_typed),
            TEST(names_that_steer_a_terminal_are_left_out),
            TEST(letters_find_files_in_folders_below),
            TEST(folders_are_walked_into),
            TEST(blanks_are_quoted_and_what_is_complete_is_sent),
            TEST(arrows_walk_and_esc_closes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
