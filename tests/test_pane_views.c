/* test_pane_views.c - the other views beside the conversation on a very large screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static size_t count_heat(const struct screen *screen, uint64_t *sum)
{
    size_t n = 0;
    *sum = 0;
    for (int i = 0; i < screen->n_rows * screen->n_cols; i++)
        if (screen->cells[i].ramp != RAMP_NONE) {
            n++;
            *sum = *sum * 31 + screen->cells[i].level_top * 16u + screen->cells[i].level_bottom;
        }
    return n;
}

static void a_very_large_screen_has_the_other_views_beside_the_chat(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 200);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    expect_screen(&app, VIEW_CHAT, chat, 200, 57, "chat_200x60");
    static const int smaller[][2] = {{179, 57}, {200, 40}};
    for (size_t i = 0; i < ARRAY_LEN(smaller); i++) {
        struct screen screen =
                app_fake_draw(&app, VIEW_CHAT, chat, smaller[i][0], smaller[i][1]);
        for (int k = 0; k < screen.n_rows * screen.n_cols; k++)
            assert_int_not_equal(screen.cells[k].role, ROLE_MATCH); /* no map with a cursor */
        screen_release(&screen);
    }
    assert_true(views[VIEW_CHAT].ops->run(chat, CMD_SIDE_PANE, &app));
    uint64_t sum;
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 200, 57);
    assert_int_equal(count_heat(&screen, &sum), 0);
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

static bool has_text(const struct screen *screen, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    screen_print(screen, &out);
    bool is_there = strstr(buf_text(&out), text);
    buf_release(&out);
    return is_there;
}

static void its_panes_are_drawn_ten_times_a_second_at_most(void **state)
{
    (void)state;
    struct app app;
    uint64_t before, after;
    init_app(&app);
    fill_chat(&app);
    fill_balance(&app, 48, 128, 8, 20);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    struct surface all;
    struct screen screen = {0};
    screen_resize(&screen, 57, 200);
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    assert_true(count_heat(&screen, &before) > 1000);
    fill_balance(&app, 48, 128, 8, 100);
    app.core.version++;
    app.now_ns += 60000000;
    app.wake_ns = 0;
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    count_heat(&screen, &after);
    assert_true(after == before);
    assert_true(has_text(&screen, "balance of 20 generated"));
    assert_int_equal(app.wake_ns, app.now_ns + 40000000); /* and once more, for the last */
    app.now_ns = app.wake_ns;
    all = screen_surface(&screen);
    views[VIEW_CHAT].ops->draw(chat, &app, &all);
    count_heat(&screen, &after);
    assert_true(after != before);
    assert_true(has_text(&screen, "balance of 120 generated"));
    screen_release(&screen);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_very_large_screen_has_the_other_views_beside_the_chat),
            cmocka_unit_test(its_panes_are_drawn_ten_times_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
