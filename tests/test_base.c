/* test_base.c - the helpers every layer leans on: slices, numbers, bounded buffers, UTF-8,
 * files, rings, threads. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/queue.h"
#include "engine/thread.h"

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    double d;
    assert_true(slice_to_u64(SLICE("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(slice_to_u64(SLICE("18446744073709551616"), &u));
    assert_false(slice_to_u64(SLICE("12x"), &u));
    assert_false(slice_to_u64(SLICE(""), &u));
    assert_true(slice_to_i64(SLICE("-42"), &i) && i == -42);
    assert_true(slice_to_double(SLICE("0.25"), &d) && d == 0.25);
    assert_true(slice_to_double(SLICE("1e3"), &d) && d == 1000);
    assert_false(slice_to_double(SLICE("0,25"), &d));
    assert_false(slice_to_double(SLICE("nan"), &d));
    assert_false(slice_to_double(SLICE("inf"), &d));
    assert_false(slice_to_double(SLICE(" 1"), &d));
}

static void cutting_leaves_the_rest(void **state)
{
    (void)state;
    struct slice s = SLICE("a,,b");
    assert_true(slice_eq(slice_cut(&s, ','), "a"));
    assert_true(slice_eq(slice_cut(&s, ','), ""));
    assert_non_null(s.ptr);
    assert_true(slice_eq(slice_cut(&s, ','), "b"));
    assert_null(s.ptr);
    assert_true(slice_eq(slice_trim(SLICE(" \t x y\n")), "x y"));
}

static void a_buffer_stops_at_its_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    assert_string_equal(buf_text(&b), "");
    assert_true(buf_add_text(&b, "abc"));
    assert_false(buf_add_text(&b, "def"));
    assert_true(b.is_cut);
    assert_string_equal(buf_text(&b), "abc");
    assert_true(buf_printf(&b, "%d", 42));
    assert_string_equal(buf_text(&b), "abc42");
    buf_drop_front(&b, 2);
    assert_string_equal(buf_text(&b), "c42");
    buf_release(&b);
}

static void utf8_decodes_and_marks_what_is_broken(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n, used;
        uint32_t cp;
    } cases[] = {
            {"a", 1, 1, 'a'},
            {"\xC3\xA9", 2, 2, 0xE9},
            {"\xE2\x82\xAC", 3, 3, 0x20AC},
            {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
            {"\xC0\x80", 2, 1, 0xFFFD},         /* overlong */
            {"\xE0\x80\x80", 3, 1, 0xFFFD},     /* overlong */
            {"\xED\xA0\x80", 3, 1, 0xFFFD},     /* surrogate */
            {"\xF4\x90\x80\x80", 4, 1, 0xFFFD}, /* above U+10FFFF */
            {"\xE2\x82", 2, 1, 0xFFFD},         /* cut */
            {"\x80", 1, 1, 0xFFFD},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t cp;
        assert_int_equal(utf8_decode(cases[i].bytes, cases[i].n, &cp), cases[i].used);
        assert_int_equal(cp, cases[i].cp);
    }
    char out[4];
    assert_int_equal(utf8_encode(0x20AC, out), 3);
    assert_memory_equal(out, "\xE2\x82\xAC", 3);
    assert_int_equal(utf8_encode(0x1F600, out), 4);
    assert_memory_equal(out, "\xF0\x9F\x98\x80", 4);
    assert_int_equal(utf8_encode(0xE9, out), 2);
    assert_memory_equal(out, "\xC3\xA9", 2);
}

static void only_an_unfinished_tail_is_held_back(void **state)
{
    (void)state;
    assert_int_equal(utf8_whole("ab\xE2\x82", 4), 2);
    assert_int_equal(utf8_whole("ab\xE2\x82\xAC", 5), 5);
    assert_int_equal(utf8_whole("\xF0\x9F\x98", 3), 0);
    assert_int_equal(utf8_whole("a\x80", 2), 2);    /* broken, not unfinished */
    assert_int_equal(utf8_whole("\xED\xA0", 2), 2); /* cannot become valid */
    assert_int_equal(utf8_whole("", 0), 0);
}

static void an_error_is_one_line_that_a_terminal_can_take(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, ERR_IO,
            "a\x1B[2J\nb\t\x7F\xC2\x9B"
            "c\xE2\x80\xAE\xFF\xC3\xA9");
    assert_string_equal(err.text, "a [2J b    c    \xC3\xA9");
    err_prefix(&err, "%s: ", "\x1B");
    assert_string_equal(err.text, " : a [2J b    c    \xC3\xA9");
}

static void an_error_is_cut_between_characters(void **state)
{
    (void)state;
    struct err err;
    char text[1000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[998] = '\0';
    assert_int_equal(err_set(&err, ERR_IO, "%s", text), ERR_IO);
    assert_int_equal(strlen(err.text), 510);
    assert_int_equal(err_prefix(&err, "x: "), ERR_IO);
    assert_memory_equal(err.text, "x: \xC3\xA9", 5);
}

static void a_file_is_replaced_through_a_link_and_keeps_its_mode(void **state)
{
    (void)state;
    char dir[] = "/tmp/shunt-base-XXXXXX", path[64], link_path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/real", dir);
    snprintf(link_path, sizeof link_path, "%s/link", dir);
    struct err err;
    assert_int_equal(file_write(path, "one", 3, 0640, &err), OK);
    assert_int_equal(symlink("real", link_path), 0);
    assert_int_equal(file_write(link_path, "two!", 4, 0600, &err), OK);
    struct stat st;
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    struct buf b;
    assert_int_equal(file_read(&b, path, 100, &err), OK);
    assert_string_equal(buf_text(&b), "two!");
    buf_release(&b);
    assert_int_equal(file_read(&b, path, 3, &err), ERR_IO);
    assert_int_equal(file_read(&b, dir, 3, &err), ERR_IO);
    unlink(path);
    unlink(link_path);
    assert_int_equal(file_read(&b, path, 3, &err), ERR_NOT_FOUND);
    rmdir(dir);
}

/* Whoever reads a file must not hang on a pipe that lies in its place. */
static void a_pipe_is_read_only_from_its_writer(void **state)
{
    (void)state;
    char path[] = "/tmp/shunt-pipe-XXXXXX";
    struct buf text;
    struct err err;
    assert_non_null(mkdtemp(path));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(file_read(&text, path, 100, &err), ERR_IO);
    assert_non_null(strstr(err.text, path));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(write(fd, "hello", 5), 5);
    int reader = open(path, O_RDONLY | O_CLOEXEC); /* keeps what was written */
    close(fd);
    assert_int_equal(file_read(&text, path, 100, &err), OK);
    assert_string_equal(buf_text(&text), "hello");
    buf_release(&text);
    alarm(0);
    close(reader);
    unlink(path);
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t n = 1; n < 5000; n = n * 3 + 1) {
        unsigned char *p = arena_alloc(&arena, n);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
    }
    assert_string_equal(arena_printf(&arena, "%s-%d", "x", 7), "x-7");
    arena_release(&arena);
}

#define N_ITEMS 200000

static void *produce(void *arg)
{
    struct queue *q = arg;
    for (uint64_t i = 1; i <= N_ITEMS;)
        i += queue_push(q, &i);
    return NULL;
}

static void a_ring_keeps_order_between_threads(void **state)
{
    (void)state;
    struct queue q;
    queue_init(&q, 64, sizeof(uint64_t));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, &q), 0);
    uint64_t expected = 1, got;
    while (expected <= N_ITEMS)
        if (queue_pop(&q, &got)) {
            if (got != expected)
                fail_msg("item %llu came in place of %llu", (unsigned long long)got,
                        (unsigned long long)expected);
            expected++;
        }
    pthread_join(thread, NULL);
    assert_false(queue_pop(&q, &got));
    assert_int_equal(queue_room(&q), 64);
    queue_release(&q);
}

static void *look_at_mask(void *arg)
{
    pthread_sigmask(SIG_SETMASK, NULL, arg);
    return NULL;
}

/* Else a Ctrl-C could be taken by a thread that nobody waits for, and the wait goes on. */
static void signals_are_the_main_threads_and_crashes_everybodys(void **state)
{
    (void)state;
    pthread_t thread;
    sigset_t theirs, ours;
    assert_true(thread_start(&thread, look_at_mask, &theirs));
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &ours);
    assert_int_equal(sigismember(&theirs, SIGINT), 1);
    assert_int_equal(sigismember(&theirs, SIGCHLD), 1);
    assert_int_equal(sigismember(&theirs, SIGSEGV), 0);
    assert_int_equal(sigismember(&theirs, SIGABRT), 0);
    assert_int_equal(sigismember(&ours, SIGINT), 0);
}
static void a_text_is_cut_behind_a_whole_character(void **state)
{
    (void)state;
    char out[4];
    slice_to_text(SLICE("a\xC3\xA9"), out, 4);
    assert_string_equal(out, "a\xC3\xA9");
    slice_to_text(SLICE("a\xC3\xA9"), out, 3); /* no room for its end */
    assert_string_equal(out, "a");
    slice_to_text(slice_of(NULL), out, sizeof out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
            cmocka_unit_test(cutting_leaves_the_rest),
            cmocka_unit_test(a_buffer_stops_at_its_maximum),
            cmocka_unit_test(utf8_decodes_and_marks_what_is_broken),
            cmocka_unit_test(only_an_unfinished_tail_is_held_back),
            cmocka_unit_test(an_error_is_cut_between_characters),
            cmocka_unit_test(an_error_is_one_line_that_a_terminal_can_take),
            cmocka_unit_test(a_file_is_replaced_through_a_link_and_keeps_its_mode),
            cmocka_unit_test(a_pipe_is_read_only_from_its_writer),
            cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
            cmocka_unit_test(a_ring_keeps_order_between_threads),
            cmocka_unit_test(signals_are_the_main_threads_and_crashes_everybodys),
            cmocka_unit_test(a_text_is_cut_behind_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
