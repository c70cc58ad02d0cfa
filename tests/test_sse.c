/* test_sse.c - lines, fields and events of the stream format, at every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/sse.h"

static void note(void *arg, struct slice data)
{
    buf_printf(arg, "[%.*s]", (int)data.n, data.ptr);
}

static void expect(const char *stream, size_t n, const char *events, const char *rest)
{
    for (size_t chunk = 1; chunk <= n; chunk++) {
        struct sse sse;
        struct buf got;
        buf_init(&got, 1000);
        sse_init(&sse);
        for (size_t at = 0; at < n; at += chunk)
            assert_true(
                    sse_feed(&sse, stream + at, n - at < chunk ? n - at : chunk, note, &got));
        if (strcmp(buf_text(&got), events) != 0)
            fail_msg("in pieces of %zu: %s", chunk, buf_text(&got));
        assert_true(slice_eq(sse_rest(&sse), rest));
        buf_release(&got);
        sse_release(&sse);
    }
}

#define EXPECT(stream, events, rest) expect(stream, sizeof(stream) - 1, events, rest)

static void the_format_is_followed(void **state)
{
    (void)state;
    EXPECT("data: a\n\ndata:b\n\n", "[a][b]", "");
    EXPECT("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[a][b][c]", "");
    EXPECT("\xEF\xBB\xBF"
           "data: a\n\n",
            "[a]", "");
    EXPECT(": comment\nevent: x\nid: 3\nretry: 1\ndata: a\ndata: b\n\n", "[a\nb]", "");
    EXPECT("data\n\n", "[]", "");
    EXPECT("database: no\nnonsense\n\ndata:  two\n\n", "[ two]", "");
    EXPECT("\n\n\n", "", "");
    EXPECT("data: a\n\ndata: open", "[a]", "open");
    EXPECT("data: a\n", "", "a");
}

static void an_endless_line_is_an_error(void **state)
{
    (void)state;
    struct sse sse;
    struct buf got;
    char *chunk = mem_alloc(1 << 20);
    bool ok = true;
    memset(chunk, 'x', 1 << 20);
    buf_init(&got, 1000);
    sse_init(&sse);
    for (int i = 0; i < 40 && ok; i++)
        ok = sse_feed(&sse, chunk, 1 << 20, note, &got);
    assert_false(ok);
    assert_true(sse.line.cap <= 2 * (size_t)SSE_MAX_BYTES);
    buf_release(&got);
    sse_release(&sse);
    mem_free(chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_format_is_followed),
            cmocka_unit_test(an_endless_line_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
