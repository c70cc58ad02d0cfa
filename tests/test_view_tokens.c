/*
 * test_view_tokens.c - the Tokens view and coloured answers in Chat: golden screens, what keys
 * do, what is asked from the disk. The app around them is a plain struct.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/hint_bar.h"
#include "tui/tinted_text.h"
#include "tui/token_color.h"

#include "tests/helper_app.h"
#include "tests/helper_screen.h"

#define NOW_MS     APP_NOW_MS
#define N_LAYERS   12
#define N_EXPERTS  64
#define REQUEST_ID 5

static struct app app;

/* ---- answers ---------------------------------------------------------------------------- */

static int set_up(void **state)
{
    static struct endpoint_conf confs[2];
    confs[0] = endpoint_local("local", "/models/qwen3.gguf");
    confs[1] = (struct endpoint_conf){
            .name = "mini", .kind = PROVIDER_OPENAI, .model = "gpt-mini", .enabled = true};
    (void)state;
    app_fake_init(&app, confs, 2);
    app.has_no_side_pane = true;
    app.knows_texts = true;
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app.states[i]);
        mem_free(app.states[i]);
    }
    app_fake_release(&app);
    return 0;
}

static struct message *say(enum message_role role, const char *endpoint, const char *text)
{
    struct session *s = app.core.session;
    struct message *m = session_add(s, 101 + (int64_t)s->n_messages, role, NOW_MS);
    buf_add_text(&m->text, text);
    snprintf(m->endpoint, sizeof m->endpoint, "%s", endpoint);
    snprintf(m->model, sizeof m->model, "%s", endpoint[0] ? "qwen3.gguf" : "");
    m->is_saved = true;
    return m;
}

/* A token as the engine would report it; what it measured follows from its number. */
static void add_token(
        struct message *m, const char *piece, enum token_phase phase, bool is_dense)
{
    struct telemetry_shape shape = {.n_moe_layers = is_dense ? 0 : N_LAYERS,
            .n_experts = is_dense ? 0 : N_EXPERTS,
            .k = is_dense ? 0 : 4};
    for (uint16_t i = 0; i < shape.n_moe_layers; i++)
        shape.layers[i] = (uint16_t)(i + 2); /* blk.0 and blk.1 are dense */
    size_t n = token_record_bytes(&shape), n_before = m->tokens.records.n / n,
           n_text = strlen(piece);
    struct token_record *r = mem_alloc(n);
    *r = (struct token_record){.request_id = REQUEST_ID,
            .i_token = (uint32_t)n_before,
            .token = 100 + (int32_t)n_before,
            .phase = (uint8_t)phase,
            .n_piece = (uint8_t)n_text,
            .n_top = phase == PHASE_DECODE ? 5 : 0,
            .t_ns = n_before * (n_before + 9) * 1000000,
            .logprob = -0.4f * (float)n_before,
            .entropy = 0.5f * (float)n_before};
    r->n_text =
            (uint8_t)utf8_whole(piece, n_text < TOKEN_TEXT_BYTES ? n_text : TOKEN_TEXT_BYTES);
    memcpy(r->text, piece, r->n_text);
    for (int i = 0; i < r->n_top; i++) {
        r->top[i].token = r->token + i - (int)(n_before % 3);
        r->top[i].logprob = -0.7f * (float)(i + 1);
    }
    for (int i = 0; i < shape.n_moe_layers * shape.k; i++)
        token_record_picks(r)[i] =
                (struct expert_pick){(uint16_t)((n_before * 7 + (size_t)i * 5) % N_EXPERTS),
                        (uint16_t)(65535 / (2 << (i % 4)))};
    for (int i = 0; i < shape.n_moe_layers; i++)
        token_record_margins(r, &shape)[i] = 0.1f / (float)(n_before + 1);
    m->tokens.shape = shape;
    m->tokens.record_bytes = n;
    buf_add(&m->tokens.records, r, n);
    mem_free(r);
}

static const char *const pieces[] = {"<think>", "Is it", " linear?", "</think>", "\n\n",
        "The group ", "`(a+)+`", " can match ", "\xE4\xB8\xAD\xE6\x96\x87", " in **expo",
        "nentially** many ways", ".\n\n", "- once", "\n",
        "- twice, or more often than that, which is what makes it slow", "\n", "<|im_end|>"};

static struct message *say_with_tokens(bool is_dense)
{
    struct message *m = say(MSG_ASSISTANT, "local", "");
    buf_add_text(&m->reasoning, "Is it linear?");
    add_token(m, "<|user|>", PHASE_PREFILL, is_dense);
    add_token(m, "Explain", PHASE_PREFILL, is_dense);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        add_token(m, pieces[i], PHASE_DECODE, is_dense);
        if (i >= 5 && i + 1 < ARRAY_LEN(pieces))
            buf_add_text(&m->text, pieces[i]);
    }
    return m;
}

static struct screen draw(enum view_id id, int n_cols, int n_rows)
{
    return app_fake_draw(&app, id, app.states[id], n_cols, n_rows);
}

static void expect(enum view_id id, int n_cols, int n_rows, const char *name)
{
    struct screen screen = draw(id, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

static void press(const char *name)
{
    struct key key, pending = {0};
    enum command command;
    assert_true(key_parse(slice_of(name), &key));
    assert_int_equal(
            keymap_find(app.keymap, views[app.view].ops->context, &pending, &key, &command),
            KEYMAP_BOUND);
    assert_true(views[app.view].ops->run(app.states[app.view], command, &app));
}

/* Is this on the screen? Draws what is open. */
static bool shows(const char *text)
{
    struct screen screen = draw(app.view, 100, 30);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    bool is_there = strstr(buf_text(&out), text) != NULL;
    buf_release(&out);
    screen_release(&screen);
    return is_there;
}

/* Text of the cells that are marked. */
static void expect_marked(const char *want)
{
    struct screen screen = draw(VIEW_TOKENS, 80, 21);
    struct buf out;
    buf_init(&out, 1 << 12);
    for (int i = 0; i < screen.n_rows * screen.n_cols; i++)
        if (screen.cells[i].attrs & ATTR_REVERSE)
            buf_add(&out, screen.cells[i].text, screen.cells[i].n_bytes);
    assert_string_equal(buf_text(&out), want);
    buf_release(&out);
    screen_release(&screen);
}

/* ---- Tokens ----------------------------------------------------------------------------- */

static void tokens_look_right_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int n_cols, n_rows;
        const char *name;
    } sizes[] = {{20, 4, "tokens_20x5"}, {40, 7, "tokens_40x10"}, {80, 21, "tokens_80x24"},
            {120, 37, "tokens_120x40"}};
    say(MSG_USER, "", "Explain");
    say_with_tokens(false);
    press("M-x");
    press("L");
    press("Down");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        expect(VIEW_TOKENS, sizes[i].n_cols, sizes[i].n_rows, sizes[i].name);
}

static void every_size_and_every_token_can_be_drawn(void **state)
{
    (void)state;
    say_with_tokens(false);
    press("M-x");
    for (int n_cols = 1; n_cols < 130; n_cols += 9)
        for (int n_rows = 1; n_rows < 45; n_rows += 3) {
            struct screen screen = draw(VIEW_TOKENS, n_cols, n_rows);
            screen_release(&screen);
            press(n_rows % 2 ? "Right" : "Down");
        }
}

static void a_dense_model_has_tokens_without_experts(void **state)
{
    (void)state;
    say(MSG_USER, "", "Explain");
    say_with_tokens(true);
    app.knows_texts = false; /* the model is not loaded: numbers in place of texts */
    press("M-x");
    press("L");
    expect(VIEW_TOKENS, 80, 21, "tokens_dense_80x24");
}

static void keys_move_the_mark_through_the_text(void **state)
{
    (void)state;
    say_with_tokens(false);
    press("M-x");
    assert_int_equal(app.view, VIEW_TOKENS);
    expect_marked(""); /* <think> is not in the text */
    press("Right");
    expect_marked("Is it");
    assert_true(shows("reasoning"));
    press("L");
    expect_marked(".  "); /* a full stop and two line ends */
    press("Left");
    expect_marked("nentially** many ways");
    press("H");
    expect_marked("");
    press("End");
    assert_true(shows("token 17 of 17") && shows("<|im_end|>"));
    expect_marked("");
    press("Home");
    press("Left");
    assert_true(shows("token 1 of 17"));
    press("Esc");
    assert_int_equal(app.view, VIEW_CHAT);
}

static void the_cursor_follows_only_at_the_end(void **state)
{
    (void)state;
    struct message *m = say_with_tokens(false);
    m->state = MESSAGE_RUNNING;
    app.view = VIEW_EXPERTS;
    press("x");
    assert_true(shows("token 17 of 17") && shows("live"));
    add_token(m, " and", PHASE_DECODE, false);
    assert_true(shows("token 18 of 18"));
    press("Left");
    add_token(m, " on", PHASE_DECODE, false);
    assert_true(shows("token 17 of 19"));
    press("End");
    add_token(m, " it goes", PHASE_DECODE, false);
    assert_true(shows("token 20 of 20"));
    press("Esc");
    assert_int_equal(app.view, VIEW_EXPERTS); /* back to where it was opened */
}

static void every_answer_of_the_session_can_be_chosen(void **state)
{
    (void)state;
    struct message *first = say_with_tokens(false);
    say(MSG_USER, "", "And now?");
    struct message *second = say(MSG_ASSISTANT, "local", "stored");
    say(MSG_USER, "", "And elsewhere?");
    say(MSG_ASSISTANT, "mini", "from far away");
    press("M-x");
    assert_true(shows("mini is a remote endpoint"));
    assert_int_equal(app.n_loads, 0);
    press("PageUp");
    assert_int_equal(app.last_id, second->id);
    assert_true(shows("Reading the tokens"));
    press("PageUp");
    assert_int_equal(app.n_loads, 1); /* what is in memory is not read */
    assert_true(shows("answer 1 of 3"));
    press("PageUp");
    assert_true(shows("answer 1 of 3"));
    struct store_command *answer = store_command_new(STORE_LOAD_TOKENS);
    answer->message_id = second->id;
    answer->n_records = 3;
    answer->shape = arena_alloc(&answer->arena, sizeof first->tokens.shape);
    *answer->shape = first->tokens.shape;
    size_t n = 3 * first->tokens.record_bytes;
    answer->records = arena_alloc(&answer->arena, n);
    memcpy(answer->records, first->tokens.records.ptr, n);
    core_apply(&app.core, &(struct event){.kind = EV_STORE, .t_ns = 1, .u.command = answer});
    press("PageDown");
    assert_true(shows("token 1 of 1") && shows("answer 2 of 3"));
}

static void it_opens_at_the_first_token_or_the_newest(void **state)
{
    (void)state;
    struct message *m = say_with_tokens(false);
    press("M-x");
    assert_true(shows("token 1 of 17") && !shows("after  "));
    press("L");
    assert_true(shows("token 11 of 17") && shows("after  "));
    press("Esc");
    press("M-x");
    assert_true(shows("token 1 of 17"));
    m->state = MESSAGE_RUNNING;
    press("Esc");
    press("M-x");
    assert_true(shows("token 17 of 17"));
}

static void expect_hints(const char *text)
{
    struct screen screen = {0};
    struct buf out;
    buf_init(&out, 1000);
    screen_resize(&screen, 1, 60);
    struct surface all = screen_surface(&screen);
    hint_bar_draw(&app, CTX_TOKENS, NULL, &all, 0);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
    screen_release(&screen);
}

#define VIEWS                                                                                  \
    "C-x 1\xE2\x80\xA6"                                                                        \
    "7 views\n"

static void the_arrows_are_named_where_they_do_something(void **state)
{
    (void)state;
    press("M-x");
    expect_hints(" ? help  Esc back  PageUp/PageDown answer  " VIEWS);
    say_with_tokens(false);
    press("Esc");
    press("M-x");
    expect_hints(" Left/Right token  Up/Down layer  ? help  " VIEWS);
    say_with_tokens(true);
    press("Esc");
    press("M-x");
    expect_hints(" Left/Right token  ? help  Esc back  " VIEWS);
}

static void experts_without_room_are_counted(void **state)
{
    (void)state;
    say_with_tokens(false);
    press("M-x");
    struct screen screen = draw(VIEW_TOKENS, 46, 21);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), ":0.50 \xE2\x80\xA6 +3\n"));
    buf_release(&out);
    screen_release(&screen);
}

static void nothing_to_step_through_is_said(void **state)
{
    (void)state;
    press("M-x");
    assert_true(shows("There is no answer yet."));
    press("Right");
    press("Esc");
    struct message *m = say(MSG_ASSISTANT, "local", "");
    m->state = MESSAGE_RUNNING;
    press("M-x");
    assert_true(shows("No token has been generated yet."));
    assert_int_equal(app.n_loads, 0);
    m->state = MESSAGE_DONE;
    m->tokens.disk = TOKENS_CAME;
    assert_true(shows("No tokens are stored with this answer."));
}

static void every_byte_of_a_token_can_be_seen(void **state)
{
    (void)state;
    static const struct {
        const char *piece, *shown;
    } tokens[] = {{" a\tb", "\xE2\x90\xA3"
                            "a\\tb"},
            {"\x0B\r\n\xFF", "\\x0B\\r\\n\\xFF"},
            {"abcdefghijklmnopqrstuvwxyz", "vwx\xE2\x80\xA6"},
            {"\xF0\x9F", "\xE2\x90\xA3t103\\n"}}; /* half a character: the model knows */
    struct message *m = say(MSG_ASSISTANT, "local", "");
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        add_token(m, tokens[i].piece, PHASE_DECODE, true);
    press("M-x");
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        if (!shows(tokens[i].shown))
            fail_msg("token %zu is not shown as %s", i, tokens[i].shown);
        press("Right");
    }
}

/* ---- coloured text ---------------------------------------------------------------------- */

/* The tint of the cell where this text begins on the Chat screen. */
static int tint_of(const char *text)
{
    struct screen screen = draw(VIEW_CHAT, 80, 21);
    int tint = -1;
    for (int i = 0; i < screen.n_rows * screen.n_cols && tint < 0; i++) {
        struct buf out;
        buf_init(&out, 1 << 12);
        for (int k = i; k < screen.n_rows * screen.n_cols && out.n < strlen(text); k++)
            buf_add(&out, screen.cells[k].text, screen.cells[k].n_bytes);
        if (strcmp(buf_text(&out), text) == 0)
            tint = screen.cells[i].tint;
        buf_release(&out);
    }
    screen_release(&screen);
    return tint;
}

static void every_token_has_the_color_of_its_figure(void **state)
{
    (void)state;
    struct message *m = say_with_tokens(false);
    static const struct {
        const char *text;
        size_t i_record;
    } spots[] = {{"The group", 7}, {"`(a+", 8}, {"can match", 9},
            {"\xE4\xB8\xAD\xE6\x96\x87", 10}, {"nent", 12}, {"twice", 16}};
    assert_int_equal(tint_of("The group"), 0);
    for (enum token_color color = TOKEN_COLOR_MARGIN; color < TOKEN_COLOR_COUNT; color++) {
        press("M-h");
        assert_non_null(strstr(app.notice, token_color_name(color)));
        for (size_t i = 0; i < ARRAY_LEN(spots); i++)
            assert_int_equal(tint_of(spots[i].text),
                    1 + token_color_level(color, &m->tokens, spots[i].i_record));
    }
    press("M-h");
    assert_int_equal(tint_of("The group"), 0); /* off again */
}

static void a_dense_answer_is_not_colored_by_gates(void **state)
{
    (void)state;
    say_with_tokens(true);
    assert_true(shows("The group"));
    press("M-h");
    assert_string_equal(app.notice, "text colour: entropy (local answers only)");
    for (enum token_color color = TOKEN_COLOR_ENTROPY; color < TOKEN_COLOR_COUNT; color++)
        press("M-h");
    assert_string_equal(app.notice, "text colour: off");
    press("M-h");
    assert_string_equal(app.notice, "text colour: entropy (local answers only)");
}

static void levels_follow_the_scales(void **state)
{
    (void)state;
    struct message *m = say(MSG_ASSISTANT, "local", "x");
    add_token(m, "x", PHASE_DECODE, true);
    struct token_record *r = (struct token_record *)(void *)m->tokens.records.ptr;
    r->logprob = 0;
    assert_int_equal(token_color_level(TOKEN_COLOR_LOGPROB, &m->tokens, 0), 0);
    r->logprob = -100;
    assert_int_equal(token_color_level(TOKEN_COLOR_LOGPROB, &m->tokens, 0), RAMP_LEVELS - 1);
    r->entropy = 2;
    assert_int_equal(token_color_level(TOKEN_COLOR_ENTROPY, &m->tokens, 0), 6);
    assert_true(token_color_level(TOKEN_COLOR_MARGIN, &m->tokens, 0) < 0); /* dense */
    assert_true(token_color_level(TOKEN_COLOR_MS, &m->tokens, 0) < 0);     /* the first */
}

static void a_colored_answer_shows_its_source_and_a_legend(void **state)
{
    (void)state;
    say(MSG_USER, "", "Explain");
    say_with_tokens(false);
    say(MSG_USER, "", "And *elsewhere*?");
    say(MSG_ASSISTANT, "mini", "From **far** away");
    for (int i = 0; i < 2; i++)
        press("M-h");
    expect(VIEW_CHAT, 80, 21, "chat_color_80x24");
    expect(VIEW_CHAT, 120, 37, "chat_color_120x40");
    assert_int_equal(tint_of("From far"), 0);
}

static void reasoning_is_colored_while_it_is_shown(void **state)
{
    (void)state;
    struct message *m = say_with_tokens(false);
    buf_clear(&m->text);
    m->state = MESSAGE_RUNNING;
    m->version++;
    press("M-h");
    press("M-h");
    assert_int_equal(
            tint_of("linear?"), 1 + token_color_level(TOKEN_COLOR_ENTROPY, &m->tokens, 4));
    m->version++;
    buf_add_text(&m->text, "The group ");
    assert_int_equal(
            tint_of("The group"), 1 + token_color_level(TOKEN_COLOR_ENTROPY, &m->tokens, 7));
}

static void what_is_seen_in_color_is_read_from_the_disk_once(void **state)
{
    (void)state;
    struct message *m = say(MSG_ASSISTANT, "local", "stored");
    say(MSG_ASSISTANT, "mini", "far");
    assert_false(shows("no such text"));
    assert_int_equal(app.n_loads, 0);
    press("M-h");
    for (int i = 0; i < 3; i++)
        assert_true(shows("stored"));
    assert_int_equal(app.n_loads, 1);
    assert_int_equal(app.last_id, m->id);
}

static void a_mark_at_a_break_stands_behind_the_line(void **state)
{
    (void)state;
    struct slice text = SLICE("one two\nthree");
    struct tinted_text t = {0};
    struct screen screen = {0};
    screen_resize(&screen, 1, 10);
    struct surface all = screen_surface(&screen);
    tinted_text_wrap(&t, text, 8);
    assert_int_equal(t.n_lines, 2);
    assert_int_equal(tinted_text_line_of(&t, 7), 0);
    assert_int_equal(tinted_text_line_of(&t, 8), 1);
    tinted_text_draw_line(&t, text, 0, &all, ROLE_TEXT);
    tinted_text_mark(&t, text, 0, 7, 1, &all);
    for (int i = 0; i < 10; i++)
        assert_int_equal(screen.cells[i].attrs, i == 7 ? ATTR_REVERSE : 0);
    tinted_text_release(&t);
    screen_release(&screen);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            TEST(tokens_look_right_at_every_size),
            TEST(every_size_and_every_token_can_be_drawn),
            TEST(a_dense_model_has_tokens_without_experts),
            TEST(keys_move_the_mark_through_the_text),
            TEST(the_cursor_follows_only_at_the_end),
            TEST(every_answer_of_the_session_can_be_chosen),
            TEST(it_opens_at_the_first_token_or_the_newest),
            TEST(the_arrows_are_named_where_they_do_something),
            TEST(experts_without_room_are_counted),
            TEST(nothing_to_step_through_is_said),
            TEST(every_byte_of_a_token_can_be_seen),
            TEST(every_token_has_the_color_of_its_figure),
            TEST(a_dense_answer_is_not_colored_by_gates),
            TEST(levels_follow_the_scales),
            TEST(a_colored_answer_shows_its_source_and_a_legend),
            TEST(reasoning_is_colored_while_it_is_shown),
            TEST(what_is_seen_in_color_is_read_from_the_disk_once),
            TEST(a_mark_at_a_break_stands_behind_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
