/* test_config.c - the configuration as a person writes it: defaults, mistakes, precedence,
 * models that are found. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/conf.h"
#include "router/endpoint.h"

#include "tui/args.h"
#include "tui/config.h"
#include "tui/keys.h"

struct place {
    char dir[32], conf[64], models[64], model[96];
    struct global_flags flags;
    struct config config;
};

static int set_up(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/shunt-conf-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->conf, sizeof p->conf, "%s/shunt.conf", p->dir);
    snprintf(p->models, sizeof p->models, "%s/models", p->dir);
    snprintf(p->model, sizeof p->model, "%s/tiny \"x\".gguf", p->models);
    p->flags = (struct global_flags){.config = p->conf, .data = p->dir};
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm-256color", 1);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    config_release(&p->config);
    unlink(p->conf);
    unlink(p->model);
    rmdir(p->models);
    rmdir(p->dir);
    mem_free(p);
    return 0;
}

static void load(struct place *p, const char *text)
{
    struct err err = {0};
    assert_int_equal(file_write(p->conf, text, strlen(text), 0600, &err), OK);
    assert_int_equal(config_load(&p->config, &p->flags, &err), OK);
}

static const char *warning(const struct place *p, size_t i)
{
    assert_true(i < conf_n_warnings(p->config.conf));
    return conf_warning_at(p->config.conf, i);
}

static void an_empty_file_gives_the_defaults(void **state)
{
    struct place *p = *state;
    load(p, "");
    assert_int_equal(p->config.zone, ZONE_EXTERNAL);
    assert_string_equal(p->config.theme, "auto");
    assert_int_equal(p->config.n_threads, 0);
    assert_int_equal(p->config.color, COLOR_256);
    assert_int_equal(conf_n_warnings(p->config.conf), 0);
    assert_int_equal(p->config.n_endpoints, 0);
}

static void a_typo_names_line_and_nearest_key(void **state)
{
    struct place *p = *state;
    load(p, "[shunt]\n\nthreds = 2\nthreads = 3\n");
    assert_non_null(strstr(warning(p, 0), "shunt.conf:3:"));
    assert_non_null(strstr(warning(p, 0), "threads"));
    assert_int_equal(p->config.n_threads, 3);
}

static void a_bad_zone_closes_everything(void **state)
{
    struct place *p = *state;
    load(p, "[shunt]\nzone = extrenal\n");
    assert_int_equal(p->config.zone, ZONE_LOCAL);
    assert_int_equal(conf_n_warnings(p->config.conf), 1);
}

static void a_bad_count_keeps_the_default(void **state)
{
    struct place *p = *state;
    load(p, "[shunt]\nthreads = many\n");
    assert_int_equal(p->config.n_threads, 0);
    assert_non_null(strstr(warning(p, 0), "many"));
}

static void no_color_and_the_flag_go_before_the_file(void **state)
{
    struct place *p = *state;
    setenv("CLICOLOR", "0", 1);
    load(p, "[shunt]\ncolor = 256\n");
    assert_int_equal(p->config.color, COLOR_NEVER);
    config_release(&p->config);
    unsetenv("CLICOLOR");
    setenv("NO_COLOR", "1", 1);
    load(p, "[shunt]\ncolor = 256\n");
    assert_int_equal(p->config.color, COLOR_NEVER);
    config_release(&p->config);
    p->flags.color = "16";
    load(p, "[shunt]\ncolor = 256\n");
    assert_int_equal(p->config.color, COLOR_16);
    config_release(&p->config);
    struct err err;
    p->flags.color = "pink";
    assert_int_equal(config_load(&p->config, &p->flags, &err), ERR_USAGE);
}

static void the_environment_may_tell_the_background(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *value;
        enum theme_variant background;
    } rows[] = {{"15;0", VARIANT_DARK}, {"0;15", VARIANT_LIGHT},
            {"0;default;15", VARIANT_LIGHT}, {"7;8", VARIANT_DARK}, {"0;7", VARIANT_LIGHT},
            {"15;default", VARIANT_ANY}, {"15;999", VARIANT_ANY}, {"", VARIANT_ANY}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        setenv("COLORFGBG", rows[i].value, 1);
        load(p, "");
        assert_int_equal(p->config.background, rows[i].background);
        config_release(&p->config);
    }
    unsetenv("COLORFGBG");
    load(p, "");
}

#define REMOTE "[endpoint \"mini\"]\nkind = openai\nurl = http://127.0.0.1:1/v1\nmodel = m\n"

static void models_in_the_folder_are_always_endpoints(void **state)
{
    struct place *p = *state;
    struct err err;
    assert_int_equal(mkdir(p->models, 0700), 0);
    assert_int_equal(file_write(p->model, "GGUF", 4, 0600, &err), OK);
    load(p, "");
    assert_int_equal(p->config.n_endpoints, 1);
    assert_string_equal(p->config.endpoints[0].model, p->model);
    assert_int_equal(p->config.endpoints[0].kind, PROVIDER_LOCAL);
    config_release(&p->config);
    load(p, REMOTE);
    assert_int_equal(p->config.n_endpoints, 2);
    assert_string_equal(p->config.endpoints[0].name, "mini");
    assert_string_equal(p->config.endpoints[1].name, "tiny \"x\"");
    assert_int_equal(p->config.endpoints[1].zone, ZONE_LOCAL);
    assert_true(p->config.endpoints[1].enabled);
    config_release(&p->config);
    load(p, REMOTE "[shunt]\nmodels_folder = no\n");
    assert_int_equal(p->config.n_endpoints, 1);
}

static void a_model_with_an_endpoint_of_its_own_is_not_added(void **state)
{
    struct place *p = *state;
    struct err err;
    char text[300];
    assert_int_equal(mkdir(p->models, 0700), 0);
    assert_int_equal(file_write(p->model, "GGUF", 4, 0600, &err), OK);
    snprintf(text, sizeof text,
            "[endpoint \"own\"]\nkind = local\nenabled = no\nmodel = %s/../models/tiny "
            "\"x\".gguf\n",
            p->models);
    load(p, text);
    assert_int_equal(p->config.n_endpoints, 1);
    assert_string_equal(p->config.endpoints[0].name, "own");
}

static void what_comes_into_the_folder_is_found_without_a_restart(void **state)
{
    struct place *p = *state;
    struct err err;
    static const struct timespec long_ago[2] = {{1600000000, 0}, {1600000000, 0}};
    assert_int_equal(mkdir(p->models, 0700), 0);
    assert_int_equal(utimensat(AT_FDCWD, p->models, long_ago, 0), 0);
    load(p, REMOTE);
    assert_false(config_look_for_models(&p->config));
    assert_int_equal(p->config.n_endpoints, 1);
    assert_int_equal(file_write(p->model, "GGUF", 4, 0600, &err), OK);
    assert_true(config_look_for_models(&p->config));
    assert_int_equal(p->config.n_endpoints, 2);
    assert_string_equal(p->config.endpoints[1].model, p->model);
    assert_false(config_look_for_models(&p->config)); /* once is enough */
    assert_int_equal(unlink(p->model), 0);
    assert_int_equal(utimensat(AT_FDCWD, p->models, long_ago, 0), 0);
    assert_true(config_look_for_models(&p->config));
    assert_int_equal(p->config.n_endpoints, 1);
}

/* -e NAME means one of them. */
static void a_model_whose_name_is_taken_keeps_its_ending(void **state)
{
    struct place *p = *state;
    struct err err;
    char path[96];
    snprintf(path, sizeof path, "%s/mini.gguf", p->models);
    assert_int_equal(mkdir(p->models, 0700), 0);
    assert_int_equal(file_write(path, "GGUF", 4, 0600, &err), OK);
    load(p, REMOTE);
    assert_int_equal(p->config.n_endpoints, 2);
    assert_string_equal(p->config.endpoints[1].name, "mini.gguf");
    assert_int_equal(unlink(path), 0);
}

static void a_theme_that_does_not_exist_is_said(void **state)
{
    struct place *p = *state;
    load(p, "[shunt]\ntheme = dark\n");
    assert_int_equal(conf_n_warnings(p->config.conf), 0);
    config_release(&p->config);
    load(p, "[shunt]\n\ntheme = nosuch\n");
    assert_int_equal(conf_n_warnings(p->config.conf), 1);
    assert_non_null(
            strstr(warning(p, 0), "shunt.conf:3: no theme \"nosuch\": there is auto, dark"));
}

static void a_theme_of_the_users_own_is_one(void **state)
{
    struct place *p = *state;
    char dir[64], themes[80], path[96];
    struct err err;
    snprintf(dir, sizeof dir, "%s/shunt", p->dir);
    snprintf(themes, sizeof themes, "%s/themes", dir);
    snprintf(path, sizeof path, "%s/mine.theme", themes);
    assert_int_equal(dir_make(themes, &err), OK);
    assert_int_equal(file_write(path, "", 0, 0600, &err), OK);
    setenv("XDG_CONFIG_HOME", p->dir, 1);
    load(p, "[shunt]\ntheme = mine\n");
    assert_int_equal(conf_n_warnings(p->config.conf), 0);
    config_release(&p->config);
    load(p, "[shunt]\ntheme = nosuch\n");
    assert_non_null(strstr(warning(p, 0), "there is auto, dark, light, mine, mono;"));
    unsetenv("XDG_CONFIG_HOME");
    assert_true(unlink(path) == 0 && rmdir(themes) == 0 && rmdir(dir) == 0);
}

static void a_file_that_was_named_and_is_not_there_is_said_once(void **state)
{
    struct place *p = *state;
    struct err err;
    assert_int_equal(config_load(&p->config, &p->flags, &err), OK);
    assert_int_equal(conf_n_warnings(p->config.conf), 1);
    assert_non_null(strstr(warning(p, 0), "shunt.conf: this file does not exist"));
}

static void an_edit_is_used_and_keeps_the_models_folder(void **state)
{
    struct place *p = *state;
    struct err err;
    struct conf *conf;
    assert_int_equal(mkdir(p->models, 0700), 0);
    assert_int_equal(file_write(p->model, "GGUF", 4, 0600, &err), OK);
    load(p, "# mine\n[shunt]\ntheme = dark\n");
    assert_int_equal(config_read_file(&p->config, &conf, &err), OK);
    conf_set(conf, "endpoint", "mini", "kind", "openai");
    conf_set(conf, "endpoint", "mini", "model", "m");
    assert_int_equal(config_save_endpoints(&p->config, conf, &err), OK);
    conf_free(conf);
    assert_string_equal(
            p->config.theme, "dark"); /* what was read at the start is still there */
    assert_int_equal(p->config.n_endpoints, 2);
    assert_string_equal(p->config.endpoints[0].name, "mini");
    assert_string_equal(p->config.endpoints[1].model, p->model);
    config_release(&p->config);
    assert_int_equal(config_load(&p->config, &p->flags, &err), OK); /* the next start */
    assert_int_equal(p->config.n_endpoints, 2);
}

static void a_first_endpoint_makes_the_folder(void **state)
{
    struct place *p = *state;
    struct err err;
    struct conf *conf;
    char dir[64], path[96];
    snprintf(dir, sizeof dir, "%s/deep", p->dir);
    snprintf(path, sizeof path, "%s/shunt.conf", dir);
    p->flags.config = path;
    assert_int_equal(config_load(&p->config, &p->flags, &err), OK);
    assert_int_equal(config_read_file(&p->config, &conf, &err), OK);
    conf_set(conf, "endpoint", "mini", "kind", "openai");
    assert_int_equal(config_save_endpoints(&p->config, conf, &err), OK);
    conf_free(conf);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(p->config.n_endpoints, 1);
}

static void keys_are_bound_by_command_name(void **state)
{
    struct place *p = *state;
    load(p, "[bind \"global\"]\nopen-experts = F7\nopen-xperts = F8\n[bind \"nowhere\"]\nhelp "
            "= F9\n");
    struct keymap *map = config_keymap(&p->config);
    struct key pending = {0}, f7 = {.code = KEY_F7};
    enum command command = CMD_NONE;
    assert_int_equal(keymap_find(map, CTX_GLOBAL, &pending, &f7, &command), KEYMAP_BOUND);
    assert_int_equal(command, CMD_OPEN_EXPERTS);
    assert_int_equal(conf_n_warnings(p->config.conf), 2);
    assert_non_null(strstr(warning(p, 0), "\"open-xperts\": did you mean \"open-experts\"?"));
    assert_non_null(strstr(warning(p, 1), "nowhere"));
    keymap_free(map);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(an_empty_file_gives_the_defaults),
            TEST(a_typo_names_line_and_nearest_key),
            TEST(a_bad_zone_closes_everything),
            TEST(a_bad_count_keeps_the_default),
            TEST(no_color_and_the_flag_go_before_the_file),
            TEST(models_in_the_folder_are_always_endpoints),
            TEST(a_model_with_an_endpoint_of_its_own_is_not_added),
            TEST(what_comes_into_the_folder_is_found_without_a_restart),
            TEST(a_model_whose_name_is_taken_keeps_its_ending),
            TEST(the_environment_may_tell_the_background),
            TEST(a_theme_that_does_not_exist_is_said),
            TEST(a_theme_of_the_users_own_is_one),
            TEST(a_file_that_was_named_and_is_not_there_is_said_once),
            TEST(an_edit_is_used_and_keeps_the_models_folder),
            TEST(a_first_endpoint_makes_the_folder),
            TEST(keys_are_bound_by_command_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
