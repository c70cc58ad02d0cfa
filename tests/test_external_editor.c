/* test_external_editor.c - a text goes to an editor and comes back, or stays as it was; the
 * file between is private and gone afterwards. The editors are small shell commands. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/external_editor.h"

static char folder[] = "/tmp/shunt-edit-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* empty: nothing was left behind */
}

static enum status edit(const char *command, const char *text, struct buf *out, struct err *err)
{
    struct external_editor x = {0};
    enum status status = external_editor_start(&x, command, folder, slice_of(text), err);
    *err = (struct err){0};
    while (status == OK && !external_editor_has_ended(&x, 1000, out, &status, err))
        usleep(1000);
    assert_int_equal(x.pid, 0);
    return status;
}

static void expect_edited(const char *command, const char *text, const char *wanted)
{
    struct buf got;
    struct err err;
    if (edit(command, text, &got, &err) != OK)
        fail_msg("%s: %s", command, err.text);
    assert_string_equal(buf_text(&got), wanted);
    buf_release(&got);
}

static void expect_kept(const char *command, const char *sentence, struct err *err)
{
    struct buf got;
    assert_int_not_equal(edit(command, "draft", &got, err), OK);
    if (!strstr(err->text, sentence))
        fail_msg("%s: %s", command, err->text);
}

static void expect_nothing_left(const char *command, const char *sentence)
{
    struct err err;
    expect_kept(command, sentence, &err);
    assert_null(strstr(err.text, folder));
}

/* The failure says which file has it, and only its owner reads it there. */
static void expect_left(const char *command, const char *sentence, const char *wanted)
{
    struct err err;
    struct buf left;
    expect_kept(command, sentence, &err);
    const char *path = strstr(err.text, "what was written is in ");
    assert_non_null(path);
    path = strchr(path, '/');
    assert_int_equal(file_read(&left, path, 10000, &err), OK);
    assert_memory_equal(buf_text(&left), wanted, strlen(wanted));
    buf_release(&left);
    unlink(path);
}

static void what_was_written_comes_back(void **state)
{
    (void)state;
    expect_edited("true", "a\nb", "a\nb");
    expect_edited("sh -c 'echo more >>\"$0\"'", "one ", "one more");
    expect_edited("sh -c ': >\"$0\"'", "one", "");
}

static void nobody_else_can_read_the_file(void **state)
{
    (void)state;
    expect_edited("sh -c 'stat -c %a \"$0\" >\"$0.x\"; mv \"$0.x\" \"$0\"'", "secret", "600");
}

static void an_editor_that_fails_changes_nothing(void **state)
{
    (void)state;
    expect_nothing_left("sh -c 'exit 3'", "status 3");
    expect_nothing_left("sh -c 'kill -9 $$'", "signal 9");
    expect_nothing_left(
            "no-such-editor-here", "no editor \"no-such-editor-here\": set VISUAL or EDITOR");
    struct err err;
    expect_kept("rm", "cannot open", &err);
}

static void what_was_written_is_never_lost(void **state)
{
    (void)state;
    expect_left("sh -c 'echo hour >\"$0\"; exit 3'", "status 3", "hour\n");
    expect_left("sh -c 'echo hour >\"$0\"; kill -9 $$'", "signal 9", "hour\n");
    expect_left("sh -c 'printf other >\"$0\"; exit 3'", "status 3", "other"); /* as long */
    expect_left("sh -c 'yes | head -c 2000 >\"$0\"'", "1000 bytes", "y\ny\n");
}

static void what_was_written_outlives_the_program(void **state)
{
    (void)state;
    struct external_editor x = {0};
    struct err err;
    struct buf left;
    char path[sizeof x.path];
    assert_int_equal(external_editor_start(&x, "sh -c 'echo hour >\"$0\"; exec sleep 60'",
                             folder, SLICE("draft"), &err),
            OK);
    pid_t pid = x.pid;
    snprintf(path, sizeof path, "%s", x.path);
    do {
        usleep(1000);
        assert_int_equal(file_read(&left, path, 100, &err), OK);
    } while (!slice_eq(buf_slice(&left), "hour\n") && (buf_release(&left), true));
    buf_release(&left);
    external_editor_release(&x);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(unlink(path), 0);
}

static void a_folder_that_takes_no_file_says_so(void **state)
{
    (void)state;
    struct external_editor x = {0};
    struct err err;
    assert_int_equal(external_editor_start(&x, "true", "/nowhere", SLICE(""), &err), ERR_IO);
    assert_non_null(strstr(err.text, "/nowhere"));
}

static void the_end_of_the_program_ends_the_editor(void **state)
{
    (void)state;
    struct external_editor x = {0};
    struct err err;
    assert_int_equal(external_editor_start(&x, "sleep 60 #", folder, SLICE("x"), &err), OK);
    pid_t pid = x.pid;
    external_editor_release(&x);
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGHUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_was_written_comes_back),
            cmocka_unit_test(nobody_else_can_read_the_file),
            cmocka_unit_test(an_editor_that_fails_changes_nothing),
            cmocka_unit_test(what_was_written_is_never_lost),
            cmocka_unit_test(what_was_written_outlives_the_program),
            cmocka_unit_test(a_folder_that_takes_no_file_says_so),
            cmocka_unit_test(the_end_of_the_program_ends_the_editor),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
