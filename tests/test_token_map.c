/*
 * test_token_map.c - records laid over the text of an answer: every byte belongs to the token
 * that made it, also where a piece is longer than its record or half a character, where the
 * engine took tags and stop strings away, and in records of older versions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/token_map.h"

static struct token_log log_;
static struct token_map map;
static uint32_t i_token;

static void clear(void)
{
    log_ = (struct token_log){.record_bytes = token_record_bytes(&log_.shape)};
    buf_init(&log_.records, 1 << 20);
}

static int set_up(void **state)
{
    (void)state;
    clear();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_release(&log_.records);
    token_map_release(&map);
    return 0;
}

/* As the engine records it. */
static void add(const char *piece, enum token_phase phase, bool is_old)
{
    struct token_record r = {.request_id = 7, .phase = (uint8_t)phase, .i_token = i_token++};
    size_t n = strlen(piece);
    r.n_text = (uint8_t)utf8_whole(piece, n < TOKEN_TEXT_BYTES ? n : TOKEN_TEXT_BYTES);
    memcpy(r.text, piece, r.n_text);
    r.n_piece = is_old ? 0 : (uint8_t)(n < 255 ? n : 255);
    buf_add(&log_.records, &r, sizeof r);
    size_t n_rest = log_.record_bytes - sizeof r;
    buf_add(&log_.records, (char[8]){0}, n_rest);
}

static void say(const char *const *pieces, bool is_old)
{
    add("<|user|>", PHASE_PREFILL, is_old);
    for (; *pieces; pieces++)
        add(*pieces, PHASE_DECODE, is_old);
}

static void build(const char *reasoning, const char *text)
{
    token_map_build(&map, &log_, slice_of(reasoning), slice_of(text));
}

static void expect(size_t i, enum answer_part part, const char *text, const char *want)
{
    const struct token_span *span = &map.tokens[i].at[part];
    if (span->n != strlen(want) || memcmp(text + span->start, want, span->n) != 0)
        fail_msg(
                "token %zu is \"%.*s\", not \"%s\"", i, (int)span->n, text + span->start, want);
}

#define SPACES "                              " /* 30: longer than a record's text */

static const char *const pieces[] = {"The ", SPACES, " gr\xC3\xBC\xC3\x9F", "e \xF0\x9F",
        "\x98", "\x80", " \xE4\xB8\xAD\xE6\x96\x87", "abcdefghijklmnopqrstuvw\xC3\xA9xyz", ".",
        "\n", "", NULL};

static void every_byte_belongs_to_its_token(void **state)
{
    (void)state;
    char text[256] = "";
    struct buf all;
    buf_init(&all, 1000);
    for (size_t i = 0; pieces[i]; i++)
        buf_add_text(&all, pieces[i]);
    snprintf(text, sizeof text, "%s", buf_text(&all));
    say(pieces, false);
    build("", text);
    assert_int_equal(map.n, 11); /* the prompt is left out */
    for (size_t i = 0; pieces[i]; i++) {
        expect(i, PART_TEXT, text, pieces[i]);
        expect(i, PART_REASONING, "", "");
    }
    buf_release(&all);
}

/* Without lengths: what is cut or half a character reaches to the next token. */
static void records_without_lengths_find_their_places_again(void **state)
{
    (void)state;
    static const char *const old[] = {"The ", SPACES, "grass ",
            "abcdefghijklmnopqrstuvw\xC3\xA9xyz", ".", " \xF0\x9F", "\x98\x80", " ok", NULL};
    static const char text[] = "The " SPACES "grass abcdefghijklmnopqrstuvw\xC3\xA9xyz. "
                               "\xF0\x9F\x98\x80 ok";
    say(old, true);
    build("", text);
    for (size_t i = 0; i < 5; i++)
        expect(i, PART_TEXT, text, old[i]);
    expect(7, PART_TEXT, text, " ok");
}

static void tags_between_the_parts_are_left_out(void **state)
{
    (void)state;
    static const char *const thought[] = {"\n", "<th", "ink>", "\nwhy", " <b", "</", "think",
            ">\n\n<div>", "</", "p>", "###", NULL};
    static const char reasoning[] = "\nwhy <b", text[] = "<div></p>";
    say(thought, false);
    build(reasoning, text); /* ### was a stop string */
    expect(3, PART_REASONING, reasoning, "\nwhy");
    expect(4, PART_REASONING, reasoning, " <b");
    for (size_t i = 5; i < 8; i++)
        expect(i, PART_REASONING, reasoning, "");
    expect(5, PART_TEXT, text, "");
    expect(7, PART_TEXT, text, "<div>");
    expect(8, PART_TEXT, text, "</");
    expect(9, PART_TEXT, text, "p>");
    expect(10, PART_TEXT, text, "");
}

static void line_ends_behind_the_tag_that_were_kept_are_counted(void **state)
{
    (void)state;
    static const char *const thought[] = {"<think>", "a", "</think>", "\n\n", "b", NULL};
    say(thought, false);
    build("a", "\n\nb");
    expect(3, PART_TEXT, "\n\nb", "\n\n");
    expect(4, PART_TEXT, "\n\nb", "b");
}

static void an_answer_that_went_on_is_mapped_as_a_whole(void **state)
{
    (void)state;
    static const char *const first[] = {"<think>", "one", "</think>", "Hel", NULL};
    static const char *const second[] = {"lo", " again", NULL};
    static const char text[] = "Hel[from elsewhere]lo again";
    say(first, false);
    say(second, false);
    build("one", text);
    assert_int_equal(map.n, 6);
    expect(1, PART_REASONING, "one", "one");
    expect(3, PART_TEXT, text, "Hel"); /* what was written elsewhere belongs to no token */
    expect(4, PART_TEXT, text, "lo");
    expect(5, PART_TEXT, text, " again");
}

static void lost_records_and_broken_bytes_are_passed_over(void **state)
{
    (void)state;
    static const char text[] = "Once \xEF\xBF\xBD"
                               "a time [these were lost] there";
    say((const char *const[]){"Once ", "\xFF", "a time", NULL}, false);
    i_token += 3;
    add(" there", PHASE_DECODE, false);
    build("", text);
    expect(1, PART_TEXT, text, "\xEF\xBF\xBD"); /* one byte is shown as three */
    expect(2, PART_TEXT, text, "a time");
    expect(3, PART_TEXT, text, " there");
}

static void a_text_that_is_behind_its_records_ends_them(void **state)
{
    (void)state;
    say(pieces, false);
    build("", "The      ");
    expect(1, PART_TEXT, "The      ", "     ");
    expect(2, PART_TEXT, "The      ", "");
    build("", "");
    expect(0, PART_TEXT, "", "");
}

static void time_is_that_since_the_token_before(void **state)
{
    (void)state;
    say((const char *const[]){"a", "b", NULL}, false);
    for (size_t i = 0; i < 3; i++)
        ((struct token_record *)(uintptr_t)token_log_at(&log_, i))->t_ns =
                1000000 * (i + 1) * (i + 1);
    assert_true(token_log_ms(&log_, 0) < 0);
    assert_true(token_log_ms(&log_, 1) == 3.0 && token_log_ms(&log_, 2) == 5.0);
    assert_true(token_log_margin(&log_, 2) < 0); /* dense */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            TEST(every_byte_belongs_to_its_token),
            TEST(records_without_lengths_find_their_places_again),
            TEST(tags_between_the_parts_are_left_out),
            TEST(line_ends_behind_the_tag_that_were_kept_are_counted),
            TEST(an_answer_that_went_on_is_mapped_as_a_whole),
            TEST(lost_records_and_broken_bytes_are_passed_over),
            TEST(a_text_that_is_behind_its_records_ends_them),
            TEST(time_is_that_since_the_token_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
