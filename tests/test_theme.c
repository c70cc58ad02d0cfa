/*
 * test_theme.c - the themes that are built in: every role has a colour at every depth, text is
 * readable on dark or light, states stay apart for eyes that do not see red or green; theme
 * files of the user; which theme the terminal's background picks.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/config.h"
#include "tui/embedded.h"
#include "tui/endpoint_mark.h"
#include "tui/look.h"
#include "tui/true_color.h"

#define CONTRAST_MIN 4.5 /* WCAG 2.1, 1.4.3 */
#define APART_MIN                                                                              \
    0.10 /* in OKLab: black and white are 1 apart, two neighbours of the 6x6x6                 \
            cube about 0.06 to 0.15 */

static const enum theme_variant variants[] = {VARIANT_DARK, VARIANT_LIGHT};
/* What people call a dark or a light terminal. */
static const int32_t papers[][2] = {
        [VARIANT_DARK] = {0x000000, 0x1e1e1e}, [VARIANT_LIGHT] = {0xffffff, 0xeeeeee}};

static char dir[64];

static void load_builtin(struct theme *theme, enum theme_variant variant)
{
    struct buf problems;
    buf_init(&problems, 1 << 16);
    assert_true(theme_load(theme, theme_variant_names[variant], "/nonexistent", &problems));
    assert_string_equal(buf_text(&problems), "");
    assert_int_equal(theme->variant, variant);
    buf_release(&problems);
}

/* ---- colour science --------------------------------------------------------------------- */

/* sRGB, IEC 61966-2-1. */
static void to_linear(int32_t rgb, double out[3])
{
    for (int k = 0; k < 3; k++) {
        double c = (rgb >> (16 - 8 * k) & 255) / 255.0;
        out[k] = c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
    }
}

static double luminance(int32_t rgb)
{
    double c[3];
    to_linear(rgb, c);
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
}

static double contrast(int32_t a, int32_t b)
{
    double x = luminance(a), y = luminance(b);
    return (fmax(x, y) + 0.05) / (fmin(x, y) + 0.05);
}

/* xterm's numbers. */
static int32_t rgb_of(int number)
{
    static const int32_t sixteen[] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee,
            0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff,
            0xff00ff, 0x00ffff, 0xffffff};
    static const int steps[] = {0, 95, 135, 175, 215, 255};
    if (number < 16)
        return sixteen[number];
    if (number >= 232)
        return (8 + 10 * (number - 232)) * 0x010101;
    int i = number - 16;
    return steps[i / 36] << 16 | steps[i / 6 % 6] << 8 | steps[i % 6];
}

/* What a colour looks like at a depth; `otherwise` where it is the terminal's own. */
static int32_t shown(const struct color *color, enum color_depth depth, int32_t otherwise)
{
    int number = theme_color_number(color, depth);
    if (color->rgb == COLOR_DEFAULT || number == COLOR_DEFAULT)
        return otherwise;
    return depth == COLOR_RGB ? color->rgb : rgb_of(number);
}

/* Machado, Oliveira and Fernandes 2009, severity 1. */
static const double eyes[][3][3] = {
        {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
        {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216},
                {-0.003882, -0.048116, 1.051998}}, /* no red: protanopia */
        {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413},
                {-0.011820, 0.042940, 0.968881}}, /* no green: deuteranopia */
};

/* OKLab (Ottosson 2020) of a colour as an eye sees it. */
static void seen(int32_t rgb, const double eye[3][3], double out[3])
{
    static const double to_cone[3][3] = {{0.4122214708, 0.5363325363, 0.0514459929},
            {0.2119034982, 0.6806995451, 0.1073969566},
            {0.0883024619, 0.2817188376, 0.6299787005}};
    static const double to_lab[3][3] = {{0.2104542553, 0.7936177850, -0.0040720468},
            {1.9779984951, -2.4285922050, 0.4505937099},
            {0.0259040371, 0.7827717662, -0.8086757660}};
    double from[3], c[3], cone[3];
    to_linear(rgb, from);
    for (int k = 0; k < 3; k++)
        c[k] = fmin(
                1, fmax(0, eye[k][0] * from[0] + eye[k][1] * from[1] + eye[k][2] * from[2]));
    for (int k = 0; k < 3; k++)
        cone[k] = cbrt(to_cone[k][0] * c[0] + to_cone[k][1] * c[1] + to_cone[k][2] * c[2]);
    for (int k = 0; k < 3; k++)
        out[k] = to_lab[k][0] * cone[0] + to_lab[k][1] * cone[1] + to_lab[k][2] * cone[2];
}

static double apart(int32_t a, int32_t b, const double eye[3][3])
{
    double x[3], y[3];
    seen(a, eye, x);
    seen(b, eye, y);
    return sqrt(pow(x[0] - y[0], 2) + pow(x[1] - y[1], 2) + pow(x[2] - y[2], 2));
}

static void colour_science_knows_the_published_values(void **state)
{
    (void)state;
    assert_true(fabs(contrast(0xffffff, 0x000000) - 21) < 1e-9);
    assert_true(fabs(contrast(0x777777, 0xffffff) - 4.48) < 0.005);
    double lab[3];
    seen(0xffffff, eyes[0], lab);
    assert_true(fabs(lab[0] - 1) < 1e-3 && fabs(lab[1]) < 1e-3 && fabs(lab[2]) < 1e-3);
    assert_true(apart(0xff0000, 0x00ff00, eyes[0]) > 0.5);
}

/* ---- the built-in themes ---------------------------------------------------------------- */

static void themes_define_every_role_and_know_no_other(void **state)
{
    (void)state;
    for (const struct embedded *e = embedded_themes; e->name; e++) {
        struct buf problems;
        struct theme theme;
        buf_init(&problems, 1 << 16);
        assert_true(theme_load(&theme, e->name, "/nonexistent", &problems));
        assert_string_equal(buf_text(&problems), "");
        assert_int_equal(strlen(theme.mono), RAMP_LEVELS);
        buf_release(&problems);
#define ROLE(id, key, ...)                                                                     \
    if (!strstr(e->bytes, "\n" key " "))                                                       \
        fail_msg("theme %s does not say %s", e->name, key);
#include "tui/roles.def"
#undef ROLE
    }
}

/* A rule is no text. */
static void text_is_readable_on_its_background_at_every_depth(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        struct theme theme;
        load_builtin(&theme, variants[v]);
        for (int role = 0; role < ROLE_COUNT; role++)
            for (int depth = COLOR_16; depth <= COLOR_RGB; depth++)
                for (int paper = 0; paper < (depth == COLOR_16 ? 1 : 2) && role != ROLE_RULE;
                        paper++) {
                    const struct style *style = &theme.styles[role];
                    int32_t page = papers[variants[v]][paper];
                    int32_t ink = variants[v] == VARIANT_DARK ? 0xd0d0d0 : 0x303030;
                    int32_t fg = shown(&style->fg, (enum color_depth)depth, ink);
                    int32_t bg = shown(&style->bg, (enum color_depth)depth, page);
                    if (contrast(fg, bg) < CONTRAST_MIN)
                        fail_msg("%s, role %d, depth %d: #%06x on #%06x is %.2f : 1",
                                theme_variant_names[variants[v]], role, depth, (unsigned)fg,
                                (unsigned)bg, contrast(fg, bg));
                }
    }
}

static void tinted_text_is_readable(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        struct theme theme;
        load_builtin(&theme, variants[v]);
        for (int level = 0; level < RAMP_LEVELS; level++)
            for (int depth = COLOR_256; depth <= COLOR_RGB; depth++)
                for (int paper = 0; paper < 2; paper++) {
                    int32_t ink =
                            shown(&theme.ramps[RAMP_TEXT][level], (enum color_depth)depth, 0);
                    if (contrast(ink, papers[variants[v]][paper]) < CONTRAST_MIN)
                        fail_msg("%s, level %d: #%06x", theme_variant_names[variants[v]], level,
                                (unsigned)ink);
                }
    }
}

static void states_stay_apart_for_every_eye(void **state)
{
    (void)state;
    static const enum role states[] = {ROLE_OK, ROLE_WARN, ROLE_ERROR};
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        struct theme theme;
        load_builtin(&theme, variants[v]);
        for (int depth = COLOR_256; depth <= COLOR_RGB; depth++)
            for (size_t eye = 0; eye < ARRAY_LEN(eyes); eye++)
                for (int i = 0; i < 3; i++)
                    for (int k = 0; k < i; k++) {
                        int32_t a =
                                shown(&theme.styles[states[i]].fg, (enum color_depth)depth, 0);
                        int32_t b =
                                shown(&theme.styles[states[k]].fg, (enum color_depth)depth, 0);
                        if (apart(a, b, eyes[eye]) < APART_MIN)
                            fail_msg("%s, eye %zu: #%06x and #%06x are %.3f apart",
                                    theme_variant_names[variants[v]], eye, (unsigned)a,
                                    (unsigned)b, apart(a, b, eyes[eye]));
                    }
    }
}

/* Two states of an endpoint that share a symbol share their colour too: colour alone never
 * tells anything. */
static void every_state_has_a_symbol(void **state)
{
    (void)state;
    for (int i = 0; i < MARK_COUNT; i++)
        for (int k = 0; k < i; k++)
            if (endpoint_mark_defs[i].role != endpoint_mark_defs[k].role)
                assert_string_not_equal(
                        endpoint_mark_defs[i].glyph, endpoint_mark_defs[k].glyph);
}

/* Towards hot, away from the paper. */
static void heat_grows_towards_hot(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        struct theme theme;
        load_builtin(&theme, variants[v]);
        double last = -1;
        for (int level = 0; level < RAMP_LEVELS; level++) {
            double from_paper =
                    contrast(theme.ramps[RAMP_ACTIVATION][level].rgb, papers[variants[v]][0]);
            if (from_paper <= last)
                fail_msg("%s: level %d is no hotter than the one before",
                        theme_variant_names[variants[v]], level);
            last = from_paper;
        }
    }
}

static void mono_has_no_colour_at_all(void **state)
{
    (void)state;
    struct theme theme;
    assert_true(theme_load(&theme, "mono", "/nonexistent", NULL));
    assert_false(theme_has_heat(&theme));
    for (int role = 0; role < ROLE_COUNT; role++) {
        assert_int_equal(theme.styles[role].fg.rgb, COLOR_DEFAULT);
        assert_int_equal(theme.styles[role].bg.rgb, COLOR_DEFAULT);
    }
    assert_true(theme.styles[ROLE_SELECTED].attrs & ATTR_REVERSE);
}

/* ---- files ------------------------------------------------------------------------------ */

static void write_theme(const char *name, const char *text)
{
    char path[128];
    struct err err;
    snprintf(path, sizeof path, "%s/%s.theme", dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0644, &err), OK);
}

static void expect_problem(const char *text, const char *problem)
{
    struct theme theme;
    struct buf problems;
    buf_init(&problems, 1 << 16);
    write_theme("mine", text);
    assert_true(theme_load(&theme, "mine", dir, &problems));
    if (!strstr(buf_text(&problems), problem))
        fail_msg("no \"%s\" in: %s", problem, buf_text(&problems));
    buf_release(&problems);
}

static void a_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    expect_problem(
            "[ui]\ntext = #zzzzzz default\n", "mine.theme:2: text: \"#zzzzzz\" is no colour");
    expect_problem("[ui]\nstate.eror = default\n",
            "mine.theme:2: no role \"state.eror\": did you mean \"state.error\"?");
    expect_problem("[ui]\ntext = default default blink\n", "mine.theme:2: \"blink\"");
    expect_problem("[ui]\ntext = #-00001\n", "mine.theme:2: text: \"#-00001\" is no colour");
    expect_problem("[ui]\ntext = #0x12ab\n", "mine.theme:2: text: \"#0x12ab\" is no colour");
    expect_problem("[ui]\ntext = snow default\n", "mine.theme:2: text: \"snow\" is no colour");
    expect_problem("[palette]\nsnow = #ffffff 999\n[ui]\ntext = snow\n",
            "mine.theme:2: snow: \"999\"");
    expect_problem("[palette]\nsnow = #ffffff 231 brightwite\n", /* though nobody uses it */
            "mine.theme:2: snow: \"brightwite\" is neither a number below 256 nor one of the "
            "sixteen: black, red,");
    expect_problem(
            "[hat]\n x = 1\n", "mine.theme:2: no section \"hat\": did you mean \"heat\"?");
    expect_problem("inherit = dark\n", "mine.theme:1: no key \"inherit\"");
    expect_problem("inherits = nosuch\n", "mine.theme:1: there is no theme \"nosuch\"");
    expect_problem("variant = blue\n", "mine.theme:1: variant is dark, light or any");
    expect_problem("[heat]\nmono = \"ab\"\n", "mine.theme:2: mono takes 12");
    expect_problem("what is this\n", "mine.theme:1:");
}

static void the_rest_of_a_theme_with_a_mistake_holds(void **state)
{
    (void)state;
    struct theme theme;
    write_theme("mine", "inherits = light\n[ui]\nno.role = default\ntext = #ff0000 bold\n"
                        "dim = #010203 default bold\n");
    assert_true(theme_load(&theme, "mine", dir, NULL));
    assert_int_equal(theme.styles[ROLE_DIM].fg.rgb, 0x010203);
    assert_int_equal(theme.styles[ROLE_DIM].attrs, ATTR_BOLD);
    assert_int_equal(theme.styles[ROLE_USER].fg.rgb, 0x005faf); /* light's */
    assert_int_equal(theme.variant, VARIANT_LIGHT);
}

static void a_theme_inherits_along_a_chain_and_then_by_role(void **state)
{
    (void)state;
    struct theme theme;
    write_theme("a", "[palette]\nink = #ff0000 196 red\n[ui]\ntext = ink default bold\n");
    write_theme("b", "inherits = a\n[ui]\ntab = #00ff00\n");
    assert_true(theme_load(&theme, "b", dir, NULL));
    assert_int_equal(theme.styles[ROLE_TAB].fg.n256, 46); /* the nearest, where none is named */
    assert_int_equal(theme.styles[ROLE_TAB].fg.n16, 10);
    assert_int_equal(theme.styles[ROLE_TEXT].fg.n256, 196); /* a's */
    assert_int_equal(theme.styles[ROLE_DIM].fg.n256, 196);  /* by its fallback */
    assert_int_equal(theme.styles[ROLE_DIM].attrs, ATTR_BOLD);
}

static void a_users_dark_may_inherit_the_built_in_one(void **state)
{
    (void)state;
    struct theme theme;
    struct buf problems;
    buf_init(&problems, 1 << 16);
    write_theme("dark", "inherits = dark\n[ui]\ntext = #ff0000\n");
    assert_true(theme_load(&theme, "dark", dir, &problems));
    assert_string_equal(buf_text(&problems), "");
    assert_int_equal(theme.styles[ROLE_TEXT].fg.rgb, 0xff0000);
    assert_int_equal(theme.styles[ROLE_USER].fg.rgb, 0x5fafff);
    write_theme("x", "inherits = y\n");
    write_theme("y", "inherits = x\n");
    assert_true(theme_load(&theme, "x", dir, &problems)); /* a ring ends */
    assert_non_null(strstr(buf_text(&problems), "there is no theme \"x\" to inherit"));
    buf_release(&problems);
}

static void themes_are_listed_once_each(void **state)
{
    (void)state;
    struct arena arena = {0};
    const char **names;
    write_theme("dark", "");
    write_theme("zebra", "");
    size_t n = theme_list(dir, &arena, &names), n_dark = 0;
    for (size_t i = 0; i < n; i++) {
        n_dark += strcmp(names[i], "dark") == 0;
        assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
    }
    assert_int_equal(n_dark, 1);
    assert_string_equal(names[n - 1], "zebra");
    arena_release(&arena);
}

/* ---- which one is used ------------------------------------------------------------------ */

static struct look look_at(struct config *config, const char *theme)
{
    struct look look;
    *config = (struct config){.theme = theme, .themes_dir = dir};
    look_init(&look, config);
    return look;
}

static void the_background_picks_light_or_dark(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum theme_variant variant;
    } answers[] = {{"rgb:1e1e/1e1e/1e1e", VARIANT_DARK}, {"rgb:ff/ff/ff", VARIANT_LIGHT},
            {"rgb:fdfd/f6f6/e3e3", VARIANT_LIGHT}, {"rgba:0000/2b2b/3636/ffff", VARIANT_DARK},
            {"rgb:0/0/0", VARIANT_DARK}, {"rgb:FFFF/FFFF/DDDD", VARIANT_LIGHT}};
    struct config config;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct look look = look_at(&config, "auto");
        assert_int_equal(look.theme.variant, VARIANT_DARK); /* before anybody was asked */
        bool changes = look_take_background(&look, slice_of(answers[i].answer));
        assert_int_equal(look.theme.variant, answers[i].variant);
        assert_true(changes || answers[i].variant == VARIANT_DARK);
        assert_false(look_take_background(&look, slice_of(answers[i].answer)));
        look_release(&look);
    }
}

static void rubbish_for_an_answer_changes_nothing(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "rgb:", "rgb:ff", "rgb:ff/ff", "rgb:ff/ff/",
            "rgb:zz/zz/zz", "rgb:fffff/fffff/fffff", "white", "?", "rgb:ff/ff/f\xC3", "rgb://"};
    struct config config;
    struct look look = look_at(&config, "auto");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        assert_false(look_take_background(&look, slice_of(answers[i])));
    assert_int_equal(look.background, VARIANT_ANY);
    look_release(&look);
}

static void a_named_theme_does_not_follow_the_background(void **state)
{
    (void)state;
    struct config config;
    struct look look = look_at(&config, "light");
    assert_false(look_take_background(&look, SLICE("rgb:00/00/00")));
    assert_int_equal(look.theme.variant, VARIANT_LIGHT);
    assert_true(look_pick(&look, "auto"));
    assert_int_equal(look.theme.variant, VARIANT_DARK);
    look_release(&look);
}

static void a_pick_holds_until_the_configuration_changes(void **state)
{
    (void)state;
    char kept[LOOK_PICK_BYTES];
    struct config config;
    struct look look = look_at(&config, "dark");
    assert_false(look_pick(&look, "nosuch"));
    assert_string_equal(look_name(&look), "dark");
    assert_true(look_pick(&look, "light"));
    look_print_pick(&look, kept, sizeof kept);
    look_release(&look);
    look = look_at(&config, "dark");
    assert_true(look_restore_pick(&look, kept));
    assert_string_equal(look_name(&look), "light");
    look_release(&look);
    look = look_at(&config, "mono");
    assert_false(look_restore_pick(&look, kept));
    assert_false(look_restore_pick(&look, ""));
    assert_string_equal(look_name(&look), "mono");
    look_release(&look);
}

/* ---- true colour ------------------------------------------------------------------------ */

static void numbers_become_the_colours_they_stand_for(void **state)
{
    (void)state;
    struct true_colors colors = {0};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(true_color_number(&colors, 0x112233), 16);
    assert_int_equal(true_color_number(&colors, 0xffeedd), 17);
    assert_int_equal(true_color_number(&colors, 0x112233), 16);
    true_color_write(
            &colors, SLICE("\x1B[38;5;16ma\x1B[48;5;17mb\x1B[38;5;7mc\x1B[1m38;5;16"), &out);
    assert_string_equal(buf_text(&out), "\x1B[38;2;17;34;51ma\x1B[48;2;255;238;221mb"
                                        "\x1B[38;5;7mc\x1B[1m38;5;16");
    for (int i = 0; i < 300; i++)
        assert_in_range(true_color_number(&colors, i), 16, 255);
    buf_release(&out);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/shunt-theme-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(colour_science_knows_the_published_values),
            TEST(themes_define_every_role_and_know_no_other),
            TEST(text_is_readable_on_its_background_at_every_depth),
            TEST(tinted_text_is_readable),
            TEST(states_stay_apart_for_every_eye),
            TEST(every_state_has_a_symbol),
            TEST(heat_grows_towards_hot),
            TEST(mono_has_no_colour_at_all),
            TEST(a_mistake_is_named_with_its_line),
            TEST(the_rest_of_a_theme_with_a_mistake_holds),
            TEST(a_theme_inherits_along_a_chain_and_then_by_role),
            TEST(a_users_dark_may_inherit_the_built_in_one),
            TEST(themes_are_listed_once_each),
            TEST(the_background_picks_light_or_dark),
            TEST(rubbish_for_an_answer_changes_nothing),
            TEST(a_named_theme_does_not_follow_the_background),
            TEST(a_pick_holds_until_the_configuration_changes),
            TEST(numbers_become_the_colours_they_stand_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
