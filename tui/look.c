/* look.c - see look.h. */
#include "tui/look.h"

#include <stdio.h>
#include <string.h>

#include "router/conf.h"

#include "tui/config.h"

#define AUTO "auto"

/* Half way between black and white, as contrast sees it: black and white text are equally
 * readable on it. */
#define LIGHT_FROM 0.179

const char *look_name(const struct look *look)
{
    return look->picked[0] ? look->picked : look->config->theme;
}

bool look_is_auto(const struct look *look)
{
    return strcmp(look_name(look), AUTO) == 0;
}

static const char *file_name(const struct look *look)
{
    bool is_light = look->background == VARIANT_LIGHT;
    return !look_is_auto(look) ? look_name(look) : is_light ? "light" : "dark";
}

/* What is not there was said by config_load. */
static void load(struct look *look)
{
    const char *dir = look->config->themes_dir;
    buf_clear(&look->problems);
    if (!theme_load(&look->theme, file_name(look), dir, &look->problems))
        theme_load(&look->theme, "dark", dir, &look->problems);
}

struct theme_names {
    struct arena arena;
    const char **all;
    size_t n;
    int64_t changed_ns; /* the folder, when they were listed */
};

size_t look_names(const struct look *look, const char *const **out)
{
    struct theme_names *names = look->names;
    int64_t changed_ns = file_changed_ns(look->config->themes_dir);
    if (!names->all || changed_ns != names->changed_ns) {
        arena_release(&names->arena);
        names->n = theme_list(look->config->themes_dir, &names->arena, &names->all);
        names->changed_ns = changed_ns;
    }
    *out = names->all;
    return names->n;
}

void look_print_source(const struct look *look, char *out, size_t n)
{
    if (look->picked[0])
        snprintf(out, n, "picked with /theme");
    else if (conf_get(look->config->conf, "shunt", "", "theme"))
        snprintf(out, n, "theme = %s in %s", look->config->theme, look->config->path);
    else
        snprintf(out, n, "the default");
}

bool look_is_unfit(const struct look *look)
{
    enum theme_variant is_for = look->theme.variant, is = look->background;
    return is_for != VARIANT_ANY && is != VARIANT_ANY && is_for != is;
}

void look_init(struct look *look, const struct config *config)
{
    *look = (struct look){.config = config, .background = config->background};
    buf_init(&look->problems, 1 << 16);
    look->names = mem_alloc(sizeof *look->names);
    load(look);
}

void look_release(struct look *look)
{
    buf_release(&look->problems);
    arena_release(&look->names->arena);
    mem_free(look->names);
}

bool look_pick(struct look *look, const char *name)
{
    struct theme theme;
    if (strcmp(name, AUTO) != 0 &&
            (strlen(name) >= sizeof look->picked ||
                    !theme_load(&theme, name, look->config->themes_dir, NULL)))
        return false;
    snprintf(look->picked, sizeof look->picked, "%s", name);
    load(look);
    return true;
}

/* "1f/1f/1f" and "1f1f/1f1f/1f1f" are the same colour. */
static bool read_channel(struct slice *rest, double *out)
{
    static const char digits[] = "0123456789abcdef";
    struct slice word = slice_cut(rest, '/');
    int value = 0, most = 0;
    for (size_t i = 0; i < word.n; i++) {
        const char *at = memchr(digits, word.ptr[i] | 32, 16);
        if (!at || i >= 4)
            return false;
        value = value * 16 + (int)(at - digits);
        most = most * 16 + 15;
    }
    *out = most ? (double)value / most : 0;
    return most > 0;
}

static double linear(double channel)
{
    return channel * channel * (0.75 + 0.25 * channel); /* sRGB to within 0.006 */
}

bool look_take_background(struct look *look, struct slice answer)
{
    double red, green, blue;
    if (!slice_has_prefix(answer, "rgb:") && !slice_has_prefix(answer, "rgba:"))
        return false;
    slice_cut(&answer, ':');
    if (!read_channel(&answer, &red) || !read_channel(&answer, &green) ||
            !read_channel(&answer, &blue))
        return false;
    double luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    enum theme_variant before = look->background;
    look->background = luminance > LIGHT_FROM ? VARIANT_LIGHT : VARIANT_DARK;
    if (look->background == before || !look_is_auto(look))
        return false;
    load(look);
    return true;
}

void look_print_pick(const struct look *look, char *out, size_t n)
{
    snprintf(out, n, "%s\n%s", look->picked, look->config->theme);
}

bool look_restore_pick(struct look *look, const char *kept)
{
    struct slice rest = slice_of(kept), name = slice_cut(&rest, '\n');
    char text[THEME_NAME_BYTES];
    if (name.n == 0 || name.n >= sizeof text || !slice_eq(rest, look->config->theme))
        return false;
    snprintf(text, sizeof text, "%.*s", (int)name.n, name.ptr);
    return look_pick(look, text);
}
