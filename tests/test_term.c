/*
 * test_term.c - the program in a real terminal: what it leaves behind on every way out,
 * suspending, sizes, and that it is silent while nothing happens. Bytes are checked as the
 * terminal gets them.
 */
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

#include "tests/helper_pty.h"

#define CTRL_C "\x03"
#define CTRL_D "\x04"
#define CTRL_Z "\x1A"

static char folder[64], data[96], config[96];
static struct pty *pty;

static int set_up_all(void **state)
{
    (void)state;
    static const char *const unset[] = {"NO_COLOR", "COLORTERM", "CLICOLOR", "XDG_CONFIG_HOME",
            "XDG_DATA_HOME", "LINES", "COLUMNS", "COLORFGBG"};
    snprintf(folder, sizeof folder, "/tmp/shunt-term-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(config, sizeof config, "%s/shunt.conf", folder);
    struct err err;
    assert_int_equal(file_write(config, "", 0, 0600, &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(unset); i++)
        unsetenv(unset[i]);
    setenv("HOME", folder, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int tear_down(void **state)
{
    (void)state;
    if (pty)
        pty_close(pty);
    pty = NULL;
    unsetenv("SHUNT_CUDA_LIB");
    return 0;
}

static void run(int n_rows, int n_cols, const char *term)
{
    char *argv[] = {(char[]){SHUNT_BINARY}, (char[]){"--config"}, config, (char[]){"--data"},
            data, NULL};
    pty = pty_open(&(struct pty_config){n_rows, n_cols, term, argv});
}

/* A new data folder for each: drafts are kept. */
static void start(int n_rows, int n_cols, const char *term)
{
    static int n_started;
    snprintf(data, sizeof data, "%s/data%d", folder, n_started++);
    run(n_rows, n_cols, term);
}

static void restart(int n_rows, int n_cols)
{
    run(n_rows, n_cols, "xterm-256color");
}

static void start_chat(int n_rows, int n_cols)
{
    start(n_rows, n_cols, "xterm-256color");
    pty_wait_text(pty, "Chat");
    pty_wait_quiet(pty);
    assert_int_equal(pty_mode(pty, 1049), 'h');
    assert_int_equal(pty_mode(pty, 2004), 'h');
    assert_false(pty_is_cooked(pty));
}

/* The main screen, a visible cursor, no bracketed paste, no mouse, no open update, the shell's
 * modes. */
static void expect_clean_terminal(void)
{
    static const int off[] = {
            1049, 1047, 2004, 2026, 1, 1000, 1002, 1003, 1004, 1005, 1006, 1015};
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        if (pty_mode(pty, off[i]) == 'h')
            fail_msg("mode %d stays on", off[i]);
    assert_int_not_equal(pty_mode(pty, 25), 'l');
    assert_true(pty_is_cooked(pty));
    struct slice bytes = pty_bytes(pty);
    const char *leave = memmem(bytes.ptr, bytes.n, "\x1B[?1049l", 8);
    const char *colours = memmem(bytes.ptr, bytes.n, "\x1B[0m\x1B[?25h", 10);
    assert_true(colours && leave && colours < leave);
}

/* Standard error is behind the screen until the end. */
static void a_gpu_that_is_not_there_is_said_on_the_screen(void **state)
{
    (void)state;
    setenv("SHUNT_CUDA_LIB", "/nonexistent.so", 1);
    start(24, 80, "xterm-256color");
    pty_wait_text(pty, "Chat");
    pty_wait_quiet(pty);
    assert_int_equal(pty_mode(pty, 1049), 'h');
    assert_non_null(strstr(pty_picture(pty), "running on the CPU: /nonexistent.so is not"));
}

static void without_a_locale_the_terminal_is_taken_for_utf8(void **state)
{
    (void)state;
    static const char *const none[] = {"C", "xx_XX.UTF-8"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        setenv("LC_ALL", none[i], 1);
        start_chat(24, 80);
        pty_wait_text(pty, "\xE2\x94\x80");
        pty_close(pty);
        pty = NULL;
    }
    setenv("LC_ALL", "C.UTF-8", 1);
}

static bool has_written(const char *bytes)
{
    struct slice all = pty_bytes(pty);
    return memmem(all.ptr, all.n, bytes, strlen(bytes)) != NULL;
}

static void wait_for_bytes(const char *bytes)
{
    for (int i = 0; i < 200 && !has_written(bytes); i++)
        pty_read(pty, 20);
    assert_true(has_written(bytes));
}

#define QUESTION   "\x1B]11;?\x1B\\"
#define DARK_RULE  "\x1B[38;5;240m"
#define LIGHT_RULE "\x1B[38;5;249m"

static void a_light_background_is_painted_for_at_once(void **state)
{
    (void)state;
    start(24, 80, "xterm-256color");
    pty_type(pty, "typed \x1B]11;rgb:ffff/ffff/ffff\x1B\\ahead"); /* it answers in no time */
    pty_wait_text(pty, "typed ahead");
    assert_true(has_written(LIGHT_RULE));
    assert_false(has_written(DARK_RULE)); /* no frame in the wrong colours */
}

static void a_late_answer_in_parts_changes_the_colours_and_is_no_text(void **state)
{
    (void)state;
    start_chat(24, 80);
    assert_true(has_written(DARK_RULE));
    pty_type(pty, "before\x1B]11;rg");
    pty_read(pty, 200);
    pty_type(pty, "b:ff/ff/e0\aafter");
    wait_for_bytes(LIGHT_RULE);
    pty_wait_text(pty, "beforeafter");
    assert_null(strstr(pty_picture(pty), "rg"));
}

static void rubbish_for_an_answer_costs_nothing(void **state)
{
    (void)state;
    start(24, 80, "xterm-256color");
    wait_for_bytes(QUESTION);
    pty_type(pty, "\x1B]11;no idea\a\x1B]11;?\x1B\\ok");
    pty_wait_text(pty, " > ok");
    assert_false(has_written(LIGHT_RULE));
}

static void a_theme_is_picked_at_once_and_for_the_next_start(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_type(pty, "/theme light\r");
    wait_for_bytes(LIGHT_RULE);
    pty_wait_quiet(pty);
    pty_type(pty, CTRL_D);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    expect_clean_terminal();
    pty_close(pty);
    restart(24, 80);
    wait_for_bytes(LIGHT_RULE); /* at once, unless the disk takes longer than a frame may */
}

static void colours_of_24_bits_are_written_when_asked_for(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(file_write(config, "[shunt]\ncolor = rgb\n", 20, 0600, &err), OK);
    start_chat(24, 80);
    assert_int_equal(file_write(config, "", 0, 0600, &err), OK);
    assert_true(has_written("\x1B[38;2;88;88;88m"));
    assert_false(has_written("\x1B[38;5;"));
}

static void eight_colours_leave_nothing_invisible(void **state)
{
    (void)state;
    start(24, 80, "xterm");
    pty_wait_text(pty, "Chat");
    pty_wait_quiet(pty);
    assert_false(has_written("\x1B[30m")); /* grey is not black */
}

static void the_mouse_is_off_until_it_is_asked_for_and_off_behind_us(void **state)
{
    (void)state;
    start_chat(24, 80);
    assert_int_not_equal(pty_mode(pty, 1000), 'h');
    pty_type(pty, "\x1Bm");
    pty_wait_text(pty, "the mouse scrolls");
    assert_int_equal(pty_mode(pty, 1000), 'h');
    assert_int_equal(pty_mode(pty, 1006), 'h');
    pty_type(pty, "\x1B[<0;12;1M\x1B[<0;12;1m"); /* on "Experts" */
    pty_wait_text(pty, "No token has gone");
    pty_type(pty, CTRL_Z);
    assert_true(WIFSTOPPED(pty_wait_status(pty, true)));
    expect_clean_terminal();
    pty_signal(pty, SIGCONT);
    assert_true(WIFCONTINUED(pty_wait_status(pty, true)));
    pty_wait_quiet(pty);
    assert_int_equal(pty_mode(pty, 1000), 'h');
    pty_signal(pty, SIGSEGV);
    assert_true(WIFSIGNALED(pty_wait_status(pty, true)));
    expect_clean_terminal();
}

static void ascii_mode_draws_rules_of_ascii_and_keeps_what_is_written(void **state)
{
    (void)state;
    start_chat(24, 80);
    tear_down(NULL);
    char *argv[] = {(char[]){SHUNT_BINARY}, (char[]){"--ascii"}, (char[]){"--config"}, config,
            (char[]){"--data"}, data, NULL};
    pty = pty_open(&(struct pty_config){24, 80, "xterm-256color", argv});
    pty_wait_text(pty, "Chat");
    pty_type(pty, "caf\xC3\xA9");
    pty_wait_text(pty, "> caf\xC3\xA9");
    pty_wait_text(pty, "-----");
    assert_null(strstr(pty_picture(pty), "\xE2\x94\x80"));
}

static void run_piped(void)
{
    char command[sizeof SHUNT_BINARY + sizeof config + sizeof data + 64];
    snprintf(command, sizeof command, "seq 1 3 | exec " SHUNT_BINARY " --config %s --data %s",
            config, data);
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, command, NULL};
    pty = pty_open(&(struct pty_config){24, 80, "xterm-256color", argv});
}

static void piped_text_is_in_the_message_of_a_new_session(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_type(pty, "of the last time");
    pty_wait_text(pty, "> of the last time");
    struct pty *first = pty; /* runs on: its session could only be read */
    run_piped();
    pty_wait_text(pty, "5 B of standard input are in the message");
    pty_type(pty, "what is it?");
    pty_wait_text(pty, "> 1\n   2\n   3\n   what is it?");
    assert_null(strstr(pty_picture(pty), "last time"));
    pty_close(first);
}

static void quitting_leaves_the_terminal_clean(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_type(pty, CTRL_D);
    int status = pty_wait_status(pty, true);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    expect_clean_terminal();
    assert_int_equal(
            strspn(pty_picture(pty), "\n"), strlen(pty_picture(pty))); /* as it was before */
}

static void interrupting_twice_quits(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_type(pty, CTRL_C);
    pty_wait_text(pty, "again quits");
    pty_type(pty, CTRL_C);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    expect_clean_terminal();
}

static void signals_that_end_it_leave_the_terminal_clean(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        start_chat(24, 80);
        pty_signal(pty, signals[i]);
        int status = pty_wait_status(pty, true);
        if (!WIFEXITED(status))
            fail_msg("signal %d: wait status %x", signals[i], (unsigned)status);
        expect_clean_terminal();
        tear_down(NULL);
    }
}

static void crashes_leave_the_terminal_clean(void **state)
{
    (void)state;
    static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        start_chat(24, 80);
        pty_signal(pty, signals[i]);
        int status = pty_wait_status(pty, true);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != signals[i])
            fail_msg("signal %d: wait status %x", signals[i], (unsigned)status);
        expect_clean_terminal();
        tear_down(NULL);
    }
}

static void expect_stop_and_return(const char *picture)
{
    int status = pty_wait_status(pty, true);
    assert_true(WIFSTOPPED(status));
    expect_clean_terminal();
    pty_signal(pty, SIGCONT);
    assert_true(WIFCONTINUED(pty_wait_status(pty, true)));
    pty_wait_quiet(pty);
    assert_int_equal(pty_mode(pty, 1049), 'h');
    assert_int_equal(pty_mode(pty, 2004), 'h');
    assert_false(pty_is_cooked(pty));
    assert_string_equal(pty_picture(pty), picture);
}

/* SIGSTOP gives no chance to leave the screen: whoever used it meanwhile is painted over. */
static void continuing_after_a_hard_stop_draws_again(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_signal(pty, SIGSTOP);
    assert_true(WIFSTOPPED(pty_wait_status(pty, true)));
    size_t n = pty_bytes(pty).n;
    pty_signal(pty, SIGCONT);
    assert_true(WIFCONTINUED(pty_wait_status(pty, true)));
    pty_read(pty, 500);
    struct slice later = {pty_bytes(pty).ptr + n, pty_bytes(pty).n - n};
    assert_non_null(memmem(later.ptr, later.n, "Chat", 4));
    assert_false(pty_is_cooked(pty));
}

/* The editor has the terminal; behind it the picture is whole, at the size of now. */
static void the_users_editor_has_the_terminal_meanwhile(void **state)
{
    (void)state;
    setenv("VISUAL", "sh -c 'echo in the editor; read line; echo $line >\"$0\"'", 1);
    start_chat(24, 80);
    pty_type(pty, "draft\x18\x05"); /* C-x C-e */
    pty_wait_text(pty, "in the editor");
    assert_int_equal(pty_mode(pty, 1049), 'l');
    assert_true(pty_is_cooked(pty));
    pty_type(pty, "z" CTRL_C); /* it is the editor's, and ends it here */
    pty_resize(pty, 30, 100);
    pty_wait_text(pty, "signal 2");
    pty_wait_text(pty, "> draft");
    assert_int_equal(pty_mode(pty, 1049), 'h');
    pty_type(pty, "\x07"); /* C-g */
    pty_wait_text(pty, "in the editor");
    pty_type(pty, "edited\r");
    pty_wait_text(pty, "> edited");
    pty_wait_quiet(pty);
    assert_null(strstr(pty_picture(pty), "in the editor"));
    pty_type(pty, "\x1F"); /* C-_ */
    pty_wait_text(pty, "> draft");
    unsetenv("VISUAL");
}

static void the_users_editor_gets_no_file_of_ours(void **state)
{
    (void)state;
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* nor one of whoever runs the tests */
    /* ls has the folder itself as 3; a shell would have ends of pipes and copies for a moment
     */
    setenv("VISUAL", "sh -c 'echo $(ls /proc/self/fd) >\"$0\"'", 1);
    start_chat(24, 80);
    pty_type(pty, "draft\x18\x05");
    pty_wait_text(pty, "> 0 1 2 3");
    assert_null(strstr(pty_picture(pty), "> 0 1 2 3 "));
    unsetenv("VISUAL");
}

/* Its Ctrl-C and its end reach a program that slept (a loaded machine) in the same moment. */
static void a_late_look_takes_the_editors_ctrl_c_for_the_editors(void **state)
{
    (void)state;
    setenv("VISUAL", "sh -c 'echo in the editor; sleep 20'", 1);
    start_chat(24, 80);
    pty_type(pty, "draft\x18\x05");
    pty_wait_text(pty, "in the editor");
    pty_signal(pty, SIGSTOP);
    assert_true(WIFSTOPPED(pty_wait_status(pty, true)));
    pty_type(pty, CTRL_C);
    pty_read(pty, 300);
    pty_signal(pty, SIGCONT);
    assert_true(WIFCONTINUED(pty_wait_status(pty, true)));
    pty_wait_text(pty, "signal 2");
    pty_wait_text(pty, "> draft");
    unsetenv("VISUAL");
}

static void suspending_gives_the_terminal_back_and_returns(void **state)
{
    (void)state;
    start_chat(24, 80);
    pty_type(pty, "half a line");
    pty_wait_text(pty, "half a line");
    char *picture = mem_strdup(pty_picture(pty));
    for (int i = 0; i < 2; i++) {
        pty_type(pty, CTRL_Z);
        expect_stop_and_return(picture);
        pty_signal(pty, SIGTSTP); /* from outside: the second time as the first */
        expect_stop_and_return(picture);
    }
    mem_free(picture);
    pty_type(pty, CTRL_C CTRL_D);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    expect_clean_terminal();
}

/* Each start has its own data folder, which the first screen names. */
static char *picture_of_any_folder(void)
{
    char *picture = mem_strdup(pty_picture(pty));
    char *number = strstr(picture, "/data");
    for (char *c = number ? number + strlen("/data") : picture; *c >= '0' && *c <= '9'; c++)
        *c = '#';
    return picture;
}

static void the_folder_that_the_first_screen_names_is_there(void **state)
{
    (void)state;
    char models[128];
    start_chat(24, 80);
    snprintf(models, sizeof models, "%s/models", data);
    assert_int_equal(access(models, W_OK), 0);
}

static void commands_break_their_lines_at_words(void **state)
{
    (void)state;
    char *argv[] = {(char[]){SHUNT_BINARY}, (char[]){"doctor"}, (char[]){"--config"}, config,
            (char[]){"--data"}, data, NULL};
    snprintf(data, sizeof data, "%s/none", folder);
    pty = pty_open(&(struct pty_config){40, 60, "xterm-256color", argv});
    pty_wait_status(pty, true);
    struct slice rest = pty_bytes(pty), line;
    assert_non_null(memmem(rest.ptr, rest.n, "processor", 9)); /* the last line */
    while (rest.ptr) {
        line = slice_cut(&rest, '\n');
        assert_true(line.n <= 60 + 6); /* a mark has bytes that take no column */
    }
}

static void a_terminal_without_a_size_counts_as_80_by_24(void **state)
{
    (void)state;
    start_chat(24, 80);
    char *picture = picture_of_any_folder();
    tear_down(NULL);
    start_chat(0, 0);
    char *unsized = picture_of_any_folder();
    assert_string_equal(unsized, picture);
    mem_free(unsized);
    mem_free(picture);
}

static void a_storm_of_sizes_ends_with_the_right_picture(void **state)
{
    (void)state;
    uint64_t rng = 5;
    start_chat(30, 100);
    char *picture = picture_of_any_folder();
    tear_down(NULL);
    start_chat(24, 80);
    for (int i = 0; i < 200; i++) {
        pty_resize(pty, 1 + (int)(rng_next(&rng) % 60), 1 + (int)(rng_next(&rng) % 200));
        pty_signal(pty, SIGWINCH);
        pty_read(pty, i % 4);
    }
    pty_resize(pty, 30, 100);
    pty_wait_quiet(pty);
    char *last = picture_of_any_folder();
    assert_string_equal(last, picture);
    mem_free(last);
    mem_free(picture);
    pty_type(pty, CTRL_D);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    expect_clean_terminal();
}

static void nothing_is_written_while_nothing_happens(void **state)
{
    (void)state;
    start_chat(24, 80);
    assert_int_equal(pty_read(pty, 2000), 0);
}

static void tiny_terminals_are_survived(void **state)
{
    (void)state;
    static const int sizes[][2] = {{5, 20}, {1, 1}, {2, 2}, {1, 200}, {60, 1}, {3, 8}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        start(sizes[i][0], sizes[i][1], "xterm-256color");
        pty_read(pty, 300);
        pty_type(pty, "some text that is longer than the window\n\x18"
                      "2\x18"
                      "6\x1B[A\x1BOP");
        pty_wait_quiet(pty);
        assert_int_equal(pty_mode(pty, 1049), 'h');
        pty_signal(pty, SIGTERM);
        assert_true(WIFEXITED(pty_wait_status(pty, true)));
        expect_clean_terminal();
        tear_down(NULL);
    }
}

/* A terminal that takes nothing more (Ctrl-S, a dead connection) must not keep the program
 * alive. */
static void a_stuck_terminal_does_not_keep_it_alive(void **state)
{
    (void)state;
    start_chat(60, 200);
    for (int i = 0; i < 200; i++) {
        pty_type(pty, "\x0C"); /* draws everything again; nobody reads it */
        usleep(5000);
    }
    pty_signal(pty, SIGTERM);
    assert_true(WIFEXITED(pty_wait_status(pty, false)));
    pty_read(pty, 300);
    expect_clean_terminal();
}

/* What turns the mouse on does not stand inside a frame that has not been taken whole. */
static void a_slow_terminal_gets_whole_frames(void **state)
{
    (void)state;
    start_chat(60, 200);
    for (int i = 0; i < 100; i++) {
        pty_type(pty, "\x0C");
        usleep(2000);
    }
    pty_type(pty, "\x1Bm");
    wait_for_bytes("\x1B[?1000h");
    struct slice bytes = pty_bytes(pty);
    const char *mouse = memmem(bytes.ptr, bytes.n, "\x1B[?1000h", 8);
    assert_non_null(mouse);
    while (mouse > bytes.ptr && strncmp(mouse, "\x1B[?2026", 7) != 0)
        mouse--;
    assert_int_equal(mouse[7], 'l');
}

static void a_terminal_without_a_screen_is_refused_in_one_sentence(void **state)
{
    (void)state;
    static const char *const terms[] = {"dumb", "", NULL};
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        start(24, 80, terms[i]);
        int status = pty_wait_status(pty, true);
        struct slice bytes = pty_bytes(pty);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        assert_null(memchr(bytes.ptr, 0x1B, bytes.n));
        struct slice rest = bytes, line = slice_cut(&rest, '\n');
        assert_true(slice_has_prefix(line, "shunt: TERM is \""));
        assert_int_equal(slice_trim(rest).n, 0);
        assert_true(pty_is_cooked(pty));
        tear_down(NULL);
    }
}

static void an_unknown_terminal_is_used_like_most(void **state)
{
    (void)state;
    start(24, 80, "no-such-terminal");
    pty_wait_text(pty, "Chat");
    pty_type(pty, CTRL_D);
    assert_true(WIFEXITED(pty_wait_status(pty, true)));
    expect_clean_terminal();
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(without_a_locale_the_terminal_is_taken_for_utf8),
            TEST(a_gpu_that_is_not_there_is_said_on_the_screen),
            TEST(a_light_background_is_painted_for_at_once),
            TEST(a_late_answer_in_parts_changes_the_colours_and_is_no_text),
            TEST(rubbish_for_an_answer_costs_nothing),
            TEST(a_theme_is_picked_at_once_and_for_the_next_start),
            TEST(colours_of_24_bits_are_written_when_asked_for),
            TEST(eight_colours_leave_nothing_invisible),
            TEST(the_mouse_is_off_until_it_is_asked_for_and_off_behind_us),
            TEST(ascii_mode_draws_rules_of_ascii_and_keeps_what_is_written),
            TEST(piped_text_is_in_the_message_of_a_new_session),
            TEST(quitting_leaves_the_terminal_clean),
            TEST(interrupting_twice_quits),
            TEST(signals_that_end_it_leave_the_terminal_clean),
            TEST(crashes_leave_the_terminal_clean),
            TEST(continuing_after_a_hard_stop_draws_again),
            TEST(the_users_editor_has_the_terminal_meanwhile),
            TEST(the_users_editor_gets_no_file_of_ours),
            TEST(a_late_look_takes_the_editors_ctrl_c_for_the_editors),
            TEST(suspending_gives_the_terminal_back_and_returns),
            TEST(commands_break_their_lines_at_words),
            TEST(the_folder_that_the_first_screen_names_is_there),
            TEST(a_terminal_without_a_size_counts_as_80_by_24),
            TEST(a_storm_of_sizes_ends_with_the_right_picture),
            TEST(nothing_is_written_while_nothing_happens),
            TEST(tiny_terminals_are_survived),
            TEST(a_slow_terminal_gets_whole_frames),
            TEST(a_stuck_terminal_does_not_keep_it_alive),
            TEST(a_terminal_without_a_screen_is_refused_in_one_sentence),
            TEST(an_unknown_terminal_is_used_like_most),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
