/*
 * test_view_experts.c - the map of a mixture's experts, its head, its list and its side pane,
 * at the sizes people have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/heat.h"

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static void *open_experts(void)
{
    return mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
}

static void close_experts(void *experts)
{
    views[VIEW_EXPERTS].ops->release(experts);
    mem_free(experts);
}

static void experts_look_right_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int n_cols, n_rows;
        const char *name;
    } sizes[] = {{20, 4, "experts_20x5"}, {40, 7, "experts_40x10"}, {80, 21, "experts_80x24"},
            {120, 37, "experts_120x40"}, {200, 57, "experts_200x60"}};
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 200);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        void *experts = open_experts();
        expect_screen(
                &app, VIEW_EXPERTS, experts, sizes[i].n_cols, sizes[i].n_rows, sizes[i].name);
        close_experts(experts);
    }
    app_fake_release(&app);
}

static void keys_without_a_map_are_not_offered(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    app.states[VIEW_EXPERTS] = mem_alloc(views[VIEW_EXPERTS].ops->state_bytes);
    struct message *m = add_message(&app, MSG_ASSISTANT, "x");
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " ? help  Esc back  C-x 1\xE2\x80\xA6"
            "7 views\n");
    snprintf(m->endpoint, sizeof m->endpoint, "local"); /* a dense model */
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " ? help  Esc back  x tokens  C-x 1\xE2\x80\xA6"
            "7 views\n");
    fill_balance(&app, 4, 16, 2, 10);
    expect_hints(&app, CTX_EXPERTS, NULL, 80,
            " m map  Z freeze  ? help  Esc back  x tokens  C-x 1\xE2\x80\xA6"
            "7 views\n");
    mem_free(app.states[VIEW_EXPERTS]);
    app_fake_release(&app);
}

static void every_shape_of_mixture_fits_every_size(void **state)
{
    (void)state;
    static const uint16_t shapes[][3] = {{43, 256, 6}, {1, 4, 1}, {16, 64, 8}, {94, 128, 8}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct app app;
        init_app(&app);
        fill_balance(&app, shapes[i][0], shapes[i][1], shapes[i][2], 10);
        void *experts = open_experts();
        for (int n_cols = 1; n_cols < 210; n_cols += 13)
            for (int n_rows = 1; n_rows < 60; n_rows += 4) {
                struct screen screen =
                        app_fake_draw(&app, VIEW_EXPERTS, experts, n_cols, n_rows);
                screen_release(&screen);
                for (enum command c = CMD_UP; c <= CMD_LAST; c++)
                    views[VIEW_EXPERTS].ops->run(experts, c, &app);
            }
        close_experts(experts);
        app_fake_release(&app);
    }
}

static void a_dense_model_and_no_answer_say_so(void **state)
{
    (void)state;
    struct app app;
    struct telemetry_shape dense = {0};
    struct token_record *r = mem_alloc(token_record_bytes(&dense));
    init_app(&app);
    void *experts = open_experts();
    expect_screen(&app, VIEW_EXPERTS, experts, 80, 21, "experts_none_80x24");
    core_apply_token(&app.core, &dense, r);
    expect_screen(&app, VIEW_EXPERTS, experts, 80, 21, "experts_dense_80x24");
    mem_free(r);
    close_experts(experts);
    app_fake_release(&app);
}

static bool map_shows(struct app *app, void *experts, int n_cols, int n_rows, const char *text)
{
    struct screen screen = app_fake_draw(app, VIEW_EXPERTS, experts, n_cols, n_rows);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    bool is_there = strstr(buf_text(&out), text) != NULL;
    buf_release(&out);
    screen_release(&screen);
    return is_there;
}

static void press_experts(struct app *app, void *experts, enum command command, int n)
{
    for (int i = 0; i < n; i++)
        assert_true(views[VIEW_EXPERTS].ops->run(experts, command, app));
}

static void experts_look_right_in_other_modes(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 600);
    void *experts = open_experts();
    press_experts(&app, experts, CMD_MAP_MODE, 1);
    press_experts(&app, experts, CMD_FREEZE, 1);
    expect_screen(&app, VIEW_EXPERTS, experts, 80, 21, "experts_last_80x24");
    expect_screen(&app, VIEW_EXPERTS, experts, 60, 27, "experts_last_60x30");
    app.is_mono = true;
    expect_screen(&app, VIEW_EXPERTS, experts, 80, 21, "experts_mono_80x24");
    close_experts(experts);
    app_fake_release(&app);
}

static void a_frozen_view_shows_what_it_showed(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    press_experts(&app, experts, CMD_FREEZE, 1);
    expect_screen(&app, VIEW_EXPERTS, experts, 120, 37, "experts_frozen_120x40");
    fill_balance(&app, 48, 128, 8, 70);
    add_message(&app, MSG_ASSISTANT, "The next answer");
    app.now_ns += 1000000000;
    expect_screen(&app, VIEW_EXPERTS, experts, 120, 37, "experts_frozen_120x40");
    assert_true(
            map_shows(&app, experts, 80, 21, "of 20 tok")); /* another size, the same tokens */
    press_experts(&app, experts, CMD_FREEZE, 1);
    assert_true(map_shows(&app, experts, 80, 21, "of 90 tok"));
    assert_true(map_shows(&app, experts, 80, 21, "The next answer"));
    press_experts(&app, experts, CMD_FREEZE, 1); /* released while frozen */
    close_experts(experts);
    app_fake_release(&app);
}

static void the_cursor_reaches_every_expert_and_layer(void **state)
{
    (void)state;
    char name[32];
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    for (int i = 0; i < 128;
            i++) { /* 40 columns: four experts in a cell, six layers in a row */
        snprintf(name, sizeof name, "L%d E%d ", i < 48 ? i : 47, i);
        if (!map_shows(&app, experts, 40, 7, name))
            fail_msg("no %s", name);
        press_experts(&app, experts, CMD_DOWN, 1);
        press_experts(&app, experts, CMD_RIGHT, 1);
    }
    press_experts(&app, experts, CMD_FAR_LEFT, 2);
    press_experts(&app, experts, CMD_UP, 3);
    assert_true(map_shows(&app, experts, 40, 7, "L44 E111 "));
    close_experts(experts);
    app_fake_release(&app);
}

static void without_a_map_keys_change_nothing(void **state)
{
    (void)state;
    static const enum command keys[] = {
            CMD_RIGHT, CMD_DOWN, CMD_LAST, CMD_MAP_MODE, CMD_FREEZE};
    struct app app;
    init_app(&app);
    fill_chat(&app);
    void *experts = open_experts();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        press_experts(&app, experts, keys[i], 1);
    fill_balance(&app, 48, 128, 8, 20);
    assert_true(map_shows(&app, experts, 80, 21, "L0 E0 "));
    assert_true(map_shows(&app, experts, 80, 21, " decayed"));
    assert_false(map_shows(&app, experts, 80, 21, "frozen"));
    close_experts(experts);
    app_fake_release(&app);
}

static void a_list_that_does_not_fit_says_how_many_are_missing(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 600);
    void *experts = open_experts();
    assert_true(map_shows(&app, experts, 60, 12, "\xE2\x80\xA6 +5\n"));
    assert_false(map_shows(&app, experts, 120, 37, "\xE2\x80\xA6 +"));
    assert_false(map_shows(&app, experts, 80, 21, "\xE2\x80\xA6 +")); /* a second line */
    assert_true(map_shows(&app, experts, 80, 21, "balance of the newest 512 of 600 generated"));
    close_experts(experts);
    app_fake_release(&app);
}

static void a_prompt_being_read_is_no_answer(void **state)
{
    (void)state;
    struct app app;
    struct telemetry_shape shape = {
            .n_moe_layers = 2, .n_experts = 4, .k = 2, .layers = {0, 1}};
    struct token_record *r = mem_alloc(token_record_bytes(&shape));
    init_app(&app);
    for (int i = 0; i < 4; i++)
        token_record_picks(r)[i] = (struct expert_pick){(uint16_t)(i % 2), 32768};
    void *experts = open_experts();
    struct message *m = add_message(&app, MSG_ASSISTANT, "");
    snprintf(m->endpoint, sizeof m->endpoint, "local");
    r->phase = PHASE_DECODE;
    core_apply_token(&app.core, &shape, r);
    assert_true(map_shows(&app, experts, 80, 21, "weight 0.50 now"));
    m->state = MESSAGE_RUNNING;
    assert_true(map_shows(&app, experts, 80, 21, " waiting\n"));
    assert_false(map_shows(&app, experts, 80, 21, " now"));
    r->phase = PHASE_PREFILL;
    core_apply_token(&app.core, &shape, r);
    assert_true(map_shows(&app, experts, 80, 21, " reading the prompt\n"));
    assert_true(map_shows(&app, experts, 80, 21, "layer 0, prompt,"));
    assert_false(map_shows(&app, experts, 80, 21, " now"));
    r->phase = PHASE_DECODE;
    core_apply_token(&app.core, &shape, r);
    buf_add_text(&m->text, "Yes");
    assert_true(map_shows(&app, experts, 80, 21, " live\n"));
    snprintf(m->endpoint, sizeof m->endpoint, "mini"); /* its experts are elsewhere */
    assert_false(map_shows(&app, experts, 80, 21, "live"));
    m->state = MESSAGE_DONE;
    mem_free(r);
    close_experts(experts);
    app_fake_release(&app);
}

/* The first row, heat cells as digits, without the state at its end. */
static void head_of(struct app *app, void *experts, int n_cols, struct buf *out)
{
    struct screen screen = app_fake_draw(app, VIEW_EXPERTS, experts, n_cols, 21);
    screen_print(&screen, out);
    out->n = (size_t)(strchr(buf_text(out), '\n') - out->ptr);
    out->ptr[out->n] = '\0';
    screen_release(&screen);
}

static void the_head_is_never_cut_inside_a_word(void **state)
{
    (void)state;
    static const char *const ends[] = {"decayed", "last token", "decayed, half-life 64 tok",
            "top 8", " x 1", " x 2", " x 3", " x 4", " x 5", "hottest",
            "\xC3\x97"
            "16",
            "ab 16",
            "\xC3\x97"
            "8",
            "ab 8"};
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    for (int n_cols = 20; n_cols < 240; n_cols++) {
        struct buf head;
        bool is_whole = false;
        buf_init(&head, 1 << 16);
        head_of(&app, experts, n_cols, &head);
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            size_t n = strlen(ends[i]);
            is_whole |= head.n >= n && memcmp(head.ptr + head.n - n, ends[i], n) == 0;
        }
        if (!is_whole || (n_cols >= 40 && !strstr(buf_text(&head), "b ")))
            fail_msg("%d columns: %s", n_cols, buf_text(&head));
        buf_release(&head);
        press_experts(&app, experts, CMD_MAP_MODE, 1);
    }
    close_experts(experts);
    app_fake_release(&app);
}

static void without_colours_a_character_is_one_row_of_the_map(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    app.is_mono = true;
    fill_balance(&app, 48, 128, 8, 20);
    void *experts = open_experts();
    struct screen screen = app_fake_draw(&app, VIEW_EXPERTS, experts, 80, 21);
    int n_heat = 0, n_marked = 0;
    for (int i = 0; i < 80 * 21; i++) {
        const struct cell *cell = &screen.cells[i];
        n_heat += cell->ramp != RAMP_NONE && i >= 80; /* below the legend */
        n_marked += cell->ramp != RAMP_NONE && cell->attrs & ATTR_REVERSE;
        assert_int_equal(cell->level_top, cell->level_bottom);
    }
    assert_int_equal(n_heat, 10 * 64); /* five layers a row, two experts a column */
    assert_int_equal(n_marked, 1);
    screen_release(&screen);
    assert_true(map_shows(&app, experts, 80, 21, "cell: 5 x 2"));
    close_experts(experts);
    app_fake_release(&app);
}

static void the_side_pane_shows_one_row_a_character_too(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    app.is_mono = true;
    fill_balance(&app, 48, 128, 8, 20);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 120, 37);
    int n_heat = 0;
    for (int i = 0; i < 120 * 37; i++) {
        n_heat += screen.cells[i].ramp != RAMP_NONE;
        assert_int_equal(screen.cells[i].level_top, screen.cells[i].level_bottom);
    }
    assert_true(n_heat > 100);
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

static void cells_move_only_when_they_clearly_change(void **state)
{
    (void)state;
    assert_int_equal(heat_level(heat_scale(0), 0), 0);
    assert_int_equal(heat_level(heat_scale(1e9f), 0), RAMP_LEVELS - 1);
    assert_int_equal(heat_level(3.7f, 3), 3);
    assert_int_equal(heat_level(3.8f, 3), 4);
    assert_int_equal(heat_level(3.3f, 4), 4);
    assert_true(heat_scale(1) > 0 && heat_scale(1) < heat_scale(2));
    struct heat_map map = heat_map_fit(48, 128, 10, 60, false);
    assert_int_equal(map.layers_per_row, 3);
    assert_int_equal(map.experts_per_col, 3);
    assert_int_equal(heat_map_row(&map, 47), map.n_rows - 1);
    assert_int_equal(heat_map_col(&map, 127), map.n_cols - 1);
    map = heat_map_fit(48, 128, 10, 60, true);
    assert_int_equal(map.layers_per_row, 5);
    assert_int_equal(heat_map_screen_rows(&map), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(experts_look_right_at_every_size),
            cmocka_unit_test(keys_without_a_map_are_not_offered),
            cmocka_unit_test(every_shape_of_mixture_fits_every_size),
            cmocka_unit_test(a_dense_model_and_no_answer_say_so),
            cmocka_unit_test(experts_look_right_in_other_modes),
            cmocka_unit_test(a_frozen_view_shows_what_it_showed),
            cmocka_unit_test(the_cursor_reaches_every_expert_and_layer),
            cmocka_unit_test(without_a_map_keys_change_nothing),
            cmocka_unit_test(a_list_that_does_not_fit_says_how_many_are_missing),
            cmocka_unit_test(a_prompt_being_read_is_no_answer),
            cmocka_unit_test(the_head_is_never_cut_inside_a_word),
            cmocka_unit_test(without_colours_a_character_is_one_row_of_the_map),
            cmocka_unit_test(the_side_pane_shows_one_row_a_character_too),
            cmocka_unit_test(cells_move_only_when_they_clearly_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
