/*
 * test_app_input.c - who gets a key: the palette, the help, the view or a command, and the
 * mouse among them. The program itself without a terminal: the functions of term.h are here.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/hub.h"
#include "router/session.h"

#include "tui/app_internal.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/look.h"
#include "tui/term.h"

#define N_ROWS 24
#define N_COLS 80

static struct app app;
static struct config config;
static struct look look;
static char nowhere[] = "/nowhere";

/* ---- no terminal ------------------------------------------------------------------------ */

void term_ask_background(struct term *term)
{
    (void)term;
}

void term_background_came(struct term *term)
{
    (void)term;
}

bool term_is_mono(const struct term *term)
{
    (void)term;
    return false;
}

bool term_has_heat(const struct term *term)
{
    (void)term;
    return true;
}

void term_set_theme(struct term *term, const struct theme *theme)
{
    (void)term;
    (void)theme;
}

void term_set_mouse(struct term *term, bool is_on)
{
    (void)term;
    (void)is_on;
}

void term_send(struct term *term, struct slice bytes)
{
    (void)term;
    (void)bytes;
}

void term_repaint(struct term *term)
{
    (void)term;
}

void term_suspend(struct term *term)
{
    (void)term;
}

void term_give(struct term *term)
{
    (void)term;
}

void term_take(struct term *term)
{
    (void)term;
}

bool term_wants_write(const struct term *term)
{
    (void)term;
    return false;
}

void term_show(struct term *term, const struct screen *screen)
{
    (void)term;
    (void)screen;
}

/* Somebody types faster than it is read. */
ssize_t term_read(struct term *term, char *bytes, size_t n)
{
    (void)term;
    memset(bytes, 'y', n);
    return (ssize_t)n;
}

/* ---- the program ------------------------------------------------------------------------ */

static int set_up(void **state)
{
    static struct endpoint_conf endpoints[3];
    struct err err;
    const struct hub_config cfg = {
            .core = &(struct core_config){
                    .endpoints = endpoints, .n_endpoints = 3, .max_zone = ZONE_EXTERNAL}};
    (void)state;
    endpoints[0] = endpoint_local("a", "/nowhere/a.gguf");
    endpoints[1] = endpoint_local("b", "/nowhere/b.gguf");
    endpoints[2] = endpoint_local("c", "/nowhere/c.gguf");
    config = (struct config){.theme = "dark", .themes_dir = nowhere, .models_dir = nowhere};
    look_init(&look, &config);
    app = (struct app){.config = &config,
            .in = vtin_open(),
            .keymap = keymap_new(),
            .look = &look,
            .now_ns = clock_now_ns(),
            .now_ms = clock_unix_ms(),
            .has_session = true,
            .has_mouse = true,
            .has_theme = true,
            .has_look = true};
    assert_int_equal(hub_open(&app.hub, &cfg, &err), OK);
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    screen_resize(&app.screen, N_ROWS, N_COLS);
    app.is_dirty = true;
    app_show(&app);
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
    hub_close(app.hub);
    look_release(&look);
    vtin_close(app.in);
    keymap_free(app.keymap);
    screen_release(&app.screen);
    return 0;
}

static void type(const char *bytes)
{
    vtin_feed(app.in, bytes, strlen(bytes), app.now_ns);
    do /* on a busy machine the time of one turn may end between two keys */
        app_take_keys(&app);
    while (vtin_has_more(app.in));
}

static struct buf picture(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    app.is_dirty = true;
    app_show(&app);
    screen_print(&app.screen, &out);
    return out;
}

/* The row of the body that is marked as selected. */
static int selected_row(void)
{
    struct buf now = picture();
    buf_release(&now);
    for (int row = app.body_row; row < N_ROWS; row++)
        for (int col = 0; col < N_COLS; col++)
            if (app.screen.cells[row * N_COLS + col].role == ROLE_SELECTED ||
                    app.screen.cells[row * N_COLS + col].is_selected)
                return row;
    return -1;
}

#define OPEN_FLEET                                                                             \
    "\x18"                                                                                     \
    "3"
#define PALETTE    "\x18p"
#define WHEEL_DOWN "\x1B[<65;10;5M"
#define CLICK(row) "\x1B[<0;3;" row "M" /* counted from 1 */
#define DOWN       "\x1B[B"

static void the_mouse_is_the_views(void **state)
{
    (void)state;
    type(OPEN_FLEET);
    int first = selected_row();
    type(DOWN);
    assert_int_equal(selected_row(), first + 1);
    type(WHEEL_DOWN);
    assert_int_equal(selected_row(), first + 2);
    type(CLICK("1")); /* on the first tab */
    assert_int_equal(app.view, VIEW_CHAT);
}

static void below_the_palette_nothing_is_clicked(void **state)
{
    (void)state;
    type(OPEN_FLEET);
    int row = selected_row();
    type(PALETTE);
    assert_true(app.palette.is_open);
    int first = selected_row();
    type(WHEEL_DOWN);
    assert_int_equal(selected_row(), first + 3);
    type(CLICK("1"));
    type(CLICK("20"));
    assert_true(app.palette.is_open);
    assert_int_equal(app.view, VIEW_FLEET);
    type("\x1B");
    app.now_ns += 1000000000;
    app_take_keys(&app);
    assert_false(app.palette.is_open);
    assert_int_equal(selected_row(), row);
}

/* Keys that come faster than they are drawn. */
static void the_palette_ends_where_its_list_does(void **state)
{
    (void)state;
    type(PALETTE "open-fleet" DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN "\r");
    assert_false(app.palette.is_open);
    assert_int_not_equal(app.view, VIEW_CHAT);
}

static void the_palette_runs_as_a_key_does(void **state)
{
    (void)state;
    type(OPEN_FLEET "?");
    assert_true(app.help_is_open);
    struct buf drawn = picture();
    buf_release(&drawn);
    type(PALETTE "last\r"); /* of the help, which is what is seen */
    assert_true(app.help_is_open);
    assert_true(app.help.top > 0);
    type(PALETTE "open-router\r");
    assert_int_equal(app.view, VIEW_ROUTER);
    assert_false(app.help_is_open);
}

static void typing_without_end_does_not_hold_the_loop(void **state)
{
    (void)state;
    app_read_input(&app);
    app_take_keys(&app);
    assert_true(hub_core(app.hub)->session->draft.n > 0);
    assert_true(vtin_has_more(app.in)); /* for the next turn */
}

static void who_was_missing_is_named_when_found(void **state)
{
    (void)state;
    char folder[] = "/tmp/shunt-found-XXXXXX", path[64];
    struct err err;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/late.gguf", folder);
    config.models_folder = true;
    config.models_dir = folder;
    type("\x1B[Ihello"); /* the folder is looked at: a, b and c are gone, and nobody came */
    assert_true(fleet_has_nobody(&hub_core(app.hub)->fleet));
    poll(NULL, 0, 20); /* the time of the folder is another */
    assert_int_equal(file_write(path, "GGUF", 4, 0600, &err), OK);
    type("?");
    unlink(path);
    rmdir(folder);
    assert_string_equal(app.status.own.text, "late was found: Enter sends the message");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_mouse_is_the_views),
            TEST(below_the_palette_nothing_is_clicked),
            TEST(the_palette_ends_where_its_list_does),
            TEST(the_palette_runs_as_a_key_does),
            TEST(typing_without_end_does_not_hold_the_loop),
            TEST(who_was_missing_is_named_when_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
