/*
 * test_theme_pick.c - the theme that `/theme` picked: commands know it and who says so, a new
 * file is offered at once, and one for another background is told from one that fits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/store.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/look.h"

static char dir[64];
static struct config config;
static struct look look;

static void load(const char *text)
{
    char path[128];
    struct err err;
    struct global_flags flags = {.config = path, .data = dir};
    snprintf(path, sizeof path, "%s/shunt.conf", dir);
    assert_int_equal(file_write(path, text, strlen(text), 0600, &err), OK);
    assert_int_equal(config_load(&config, &flags, &err), OK);
    look_init(&look, &config);
}

static void release(void)
{
    look_release(&look);
    config_release(&config);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/shunt-pick-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    setenv("XDG_CONFIG_HOME", dir, 1);
    unsetenv("COLORFGBG");
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    unsetenv("XDG_CONFIG_HOME");
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void keep_pick(const char *kept)
{
    struct err err;
    struct store *store;
    struct store_command *answer, *c = store_command_new(STORE_PUT_SETTING);
    assert_int_equal(store_open(&store, dir, -1, &err), OK); /* makes the database */
    store_close(store);
    c->key = SLICE("theme");
    c->value = slice_of(arena_strdup(&c->arena, kept));
    assert_int_equal(cmd_ask_store(&config, c, &answer, &err), OK);
    store_command_free(answer);
}

static void expect_source(const char *name, const char *source)
{
    char text[4200];
    look_print_source(&look, text, sizeof text);
    assert_string_equal(look_name(&look), name);
    if (!strstr(text, source))
        fail_msg("\"%s\" does not name \"%s\"", text, source);
}

static void a_command_knows_what_was_picked_and_who_says_so(void **state)
{
    char path[128];
    (void)state;
    load("");
    cmd_restore_pick(&look);
    expect_source("auto", "the default");
    snprintf(path, sizeof path, "%s/shunt.db", dir);
    assert_int_equal(access(path, F_OK), -1); /* a question makes no database */
    keep_pick("light\nauto");
    cmd_restore_pick(&look);
    expect_source("light", "picked with /theme");
    release();
    load("[shunt]\ntheme = mono\n"); /* newer than the pick */
    cmd_restore_pick(&look);
    expect_source("mono", "theme = mono in ");
    expect_source("mono", "/shunt.conf");
    release();
}

static bool is_offered(const char *name)
{
    const char *const *names;
    size_t n = look_names(&look, &names);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void a_new_file_is_offered_at_once(void **state)
{
    char path[4200];
    struct err err;
    (void)state;
    load("");
    assert_true(is_offered("dark"));
    assert_false(is_offered("mine"));
    assert_int_equal(dir_make(config.themes_dir, &err), OK);
    snprintf(path, sizeof path, "%s/mine.theme", config.themes_dir);
    assert_int_equal(file_write(path, "", 0, 0600, &err), OK);
    assert_true(is_offered("mine"));
    release();
}

static void a_theme_for_another_background_is_unfit(void **state)
{
    (void)state;
    load("");
    assert_true(look_pick(&look, "light"));
    assert_false(look_is_unfit(&look)); /* nobody knows */
    look_take_background(&look, SLICE("rgb:00/00/00"));
    assert_true(look_is_unfit(&look));
    assert_true(look_pick(&look, "mono"));
    assert_false(look_is_unfit(&look));
    assert_true(look_pick(&look, "dark"));
    assert_false(look_is_unfit(&look));
    release();
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            T(a_command_knows_what_was_picked_and_who_says_so),
            T(a_new_file_is_offered_at_once),
            T(a_theme_for_another_background_is_unfit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
