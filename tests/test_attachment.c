/* test_attachment.c - which words of a message name a file, what of it is sent, and what is
 * refused. */
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

#include "tui/attachment.h"
#include "tui/file_word.h"

static char folder[] = "/tmp/shunt-attach-XXXXXX";

static void put(const char *name, const char *text, size_t n)
{
    struct err err;
    assert_int_equal(file_write(name, text, n, 0644, &err), OK);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(setenv("HOME", folder, 1), 0);
    assert_int_equal(mkdir("sub", 0755), 0);
    put("notes.md", "one\ntwo\n", 8);
    put("a b \"c\".txt", "blank", 5);
    put("ticks", "a ```` b\n", 9);
    put("bin",
            "\x7F"
            "ELF\0\1",
            6);
    put("big", "", 0);
    assert_int_equal(truncate("big", ATTACH_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {
            "notes.md", "a b \"c\".txt", "ticks", "bin", "big", "pipe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(names[i]);
    rmdir("sub");
    return chdir("/") || rmdir(folder);
}

static enum status read_into(struct buf *out, const char *text, bool ignores, struct err *err)
{
    struct attachments a;
    enum status status = attachments_read(&a, slice_of(text), ignores, err);
    buf_init(out, 1 << 20);
    if (status != OK)
        return status;
    buf_add_slice(out, buf_slice(&a.text));
    attachments_release(&a);
    return OK;
}

static void expect_sent(const char *text, const char *wanted)
{
    struct buf got;
    struct err err;
    if (read_into(&got, text, false, &err) != OK)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(buf_text(&got), wanted);
    buf_release(&got);
}

static void expect_refused(const char *text, const char *sentence)
{
    struct buf got;
    struct err err;
    assert_int_not_equal(read_into(&got, text, false, &err), OK);
    if (!strstr(err.text, sentence))
        fail_msg("%s: %s", text, err.text);
    buf_release(&got);
}

static void a_file_goes_along_between_fences(void **state)
{
    (void)state;
    expect_sent("see @notes.md", "notes.md:\n```\none\ntwo\n```");
    expect_sent("@\"a b \\\"c\\\".txt\"", "a b \"c\".txt:\n```\nblank\n```");
    expect_sent("@ticks", "ticks:\n`````\na ```` b\n`````"); /* longer than any inside */
    expect_sent("@~/notes.md", "~/notes.md:\n```\none\ntwo\n```");
    expect_sent("(@notes.md), then\n@ticks!",
            "notes.md:\n```\none\ntwo\n```\n\nticks:\n`````\na ```` b\n`````");
    expect_sent("@notes.md and @notes.md", "notes.md:\n```\none\ntwo\n```");
}

static void what_is_no_such_word_is_left_alone(void **state)
{
    (void)state;
    expect_sent("me@example.org, a@notes.md, @ alone, @", "");
}

static void what_cannot_go_says_why(void **state)
{
    (void)state;
    expect_refused("@nobody there", "there is no file nobody");
    expect_refused("@bin", "not a text file");
    expect_refused("@sub", "is a folder");
    expect_refused("@pipe", "not a regular file"); /* and nothing waits for a writer */
    expect_refused("@big", "at most 4 MB");
    expect_refused("@notes.md @big", "at most 4 MB");
    struct buf got;
    struct err err;
    assert_int_equal(read_into(&got, "@nobody @notes.md", true, &err), OK);
    assert_string_equal(buf_text(&got), "notes.md:\n```\none\ntwo\n```");
    buf_release(&got);
}

static void a_path_is_written_so_that_it_is_read_back(void **state)
{
    (void)state;
    static const char *const paths[] = {
            "a.txt", "a b.txt", "x \"y\\z\".c", "\\\\", "\xC3\xA4/\xE6\x96\x87 x"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct buf text;
        struct file_word word;
        buf_init(&text, 1000);
        buf_add_text(&text, "so ");
        file_word_write(&text, paths[i], false);
        assert_true(file_word_next(buf_slice(&text), 0, &word));
        assert_string_equal(word.path, paths[i]);
        assert_int_equal(word.end, text.n);
        assert_false(word.is_open);
        buf_release(&text);
    }
}

static void the_word_is_the_one_under_the_cursor(void **state)
{
    (void)state;
    struct file_word word;
    struct slice text = SLICE("@one and @two\n@\"th ree");
    assert_true(file_word_at(text, 4, &word));
    assert_string_equal(word.path, "one");
    assert_false(file_word_at(text, 6, &word));
    assert_true(file_word_at(text, 11, &word));
    assert_string_equal(word.path, "two");
    assert_true(file_word_at(text, text.n, &word));
    assert_string_equal(word.path, "th ree");
    assert_true(word.is_open);
    assert_false(file_word_at(text, 9, &word));            /* before the sign */
    assert_false(file_word_at(SLICE("@\"a\""), 4, &word)); /* behind the closing quote */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_file_goes_along_between_fences),
            cmocka_unit_test(what_is_no_such_word_is_left_alone),
            cmocka_unit_test(what_cannot_go_says_why),
            cmocka_unit_test(a_path_is_written_so_that_it_is_read_back),
            cmocka_unit_test(the_word_is_the_one_under_the_cursor),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
