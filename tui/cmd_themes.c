/*
 * cmd_themes.c - `shunt themes`: which there are, which one is used and why, and on a terminal
 * how they look.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/json.h"

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/look.h"

static const struct {
    enum role role;
    const char *text;
} samples[] = {{ROLE_TEXT, "text"}, {ROLE_DIM, "dim"}, {ROLE_TITLE, "title"},
        {ROLE_USER, "you"}, {ROLE_ANSWER, "answer"}, {ROLE_MD_CODE, "code"},
        {ROLE_OK, "\xE2\x97\x8F ok"}, {ROLE_WARN, "\xE2\x96\xB2 attention"},
        {ROLE_ERROR, "\xE2\x9C\x97 failed"}, {ROLE_SELECTED, " selected "}};

static const struct {
    uint8_t attr;
    int sgr;
} sgr_attrs[] = {{ATTR_BOLD, 1}, {ATTR_DIM, 2}, {ATTR_ITALIC, 3}, {ATTR_UNDERLINE, 4},
        {ATTR_REVERSE, 7}};

/* base: 38 for the foreground, 48 for the background. */
static void print_color(const struct color *color, enum color_depth depth, int base)
{
    int number = theme_color_number(color, depth);
    if (color->rgb == COLOR_DEFAULT || number == COLOR_DEFAULT)
        return;
    if (depth == COLOR_RGB)
        printf("\x1B[%d;2;%d;%d;%dm", base, color->rgb >> 16, color->rgb >> 8 & 255,
                color->rgb & 255);
    else if (depth == COLOR_256)
        printf("\x1B[%d;5;%dm", base, number);
    else
        printf("\x1B[%dm", base - 8 + number + (number > 7 ? 60 - 8 : 0));
}

static void print_sample(const struct theme *theme, enum color_depth depth)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const struct style *style = &theme->styles[samples[i].role];
        for (size_t k = 0; k < ARRAY_LEN(sgr_attrs); k++)
            if (style->attrs & sgr_attrs[k].attr)
                printf("\x1B[%dm", sgr_attrs[k].sgr);
        print_color(&style->fg, depth, 38);
        print_color(&style->bg, depth, 48);
        printf("%s\x1B[0m ", samples[i].text);
    }
    for (int level = 0; level < RAMP_LEVELS && theme_has_heat(theme); level++) {
        print_color(&theme->ramps[RAMP_ACTIVATION][level], depth, 48);
        printf(" \x1B[0m");
    }
}

static bool is_used(const struct look *look, const char *name)
{
    return strcmp(name, look_name(look)) == 0;
}

/* Behind the one that is used: who says so. */
static void end_row(const struct look *look, const char *name)
{
    char source[4200];
    look_print_source(look, source, sizeof source);
    if (is_used(look, name))
        cmd_print_line(stdout, "  (%s)", source);
    else
        puts("");
}

static void print_row(const struct look *look, const char *name, const struct theme *theme)
{
    enum color_depth depth = look->config->color;
    printf("%s %-12s %-6s", is_used(look, name) ? "*" : " ", name,
            theme_variant_names[theme->variant]);
    if (isatty(STDOUT_FILENO) && depth != COLOR_NEVER)
        print_sample(theme, depth);
    end_row(look, name);
}

static void print_json(const struct look *look, const char *name, const struct theme *theme,
        const char *path, bool is_first)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    buf_add_text(&out, is_first ? "[{\"name\":" : ",{\"name\":");
    json_add_string(&out, slice_of(name));
    buf_printf(&out, ",\"variant\":\"%s\",\"file\":", theme_variant_names[theme->variant]);
    if (access(path, R_OK) == 0)
        json_add_string(&out, slice_of(path));
    else
        buf_add_text(&out, "null");
    bool is_configured = strcmp(name, look->config->theme) == 0;
    buf_printf(&out, ",\"used\":%s,\"configured\":%s}", is_used(look, name) ? "true" : "false",
            is_configured ? "true" : "false");
    fputs(buf_text(&out), stdout);
    buf_release(&out);
}

static void list(const struct look *look, bool is_json)
{
    struct buf problems;
    struct theme theme;
    char path[4096];
    const char *const *names;
    size_t n = look_names(look, &names);
    buf_init(&problems, 1 << 16);
    if (!is_json)
        printf("%s %-12s dark or light, as the terminal's background is",
                look_is_auto(look) ? "*" : " ", "auto");
    if (!is_json)
        end_row(look, "auto");
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s.theme", look->config->themes_dir, names[i]);
        theme_load(&theme, names[i], look->config->themes_dir, &problems);
        if (is_json)
            print_json(look, names[i], &theme, path, i == 0);
        else
            print_row(look, names[i], &theme);
    }
    if (is_json)
        puts("]");
    fputs(buf_text(&problems), stderr);
    buf_release(&problems);
}

int cmd_themes(struct args *args)
{
    bool is_json = false;
    int what;
    while ((what = args_next(args)) == FLAG_THEMES_JSON)
        is_json = true;
    if (what == ARG_WORD)
        return cmd_usage("themes", "takes no words");
    if (what != ARG_END)
        return cmd_stop(args, what);
    struct config config;
    struct err err;
    struct look look;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    look_init(&look, &config);
    cmd_restore_pick(&look);
    list(&look, is_json);
    look_release(&look);
    config_release(&config);
    return EXIT_DONE;
}
