/*
 * theme.c - see theme.h. Themes have the syntax of the configuration; what a theme does not say
 * comes from the role that roles.def names as its fallback.
 */
#include "tui/theme.h"

#include <stdio.h>
#include <string.h>

#include "router/conf.h"

#include "tui/embedded.h"

static const struct {
    const char *key;
    enum role fallback;
} role_defs[ROLE_COUNT] = {
#define ROLE(id, key, letter, fallback, meaning) [ROLE_##id] = {key, ROLE_##fallback},
#include "tui/roles.def"
#undef ROLE
};

static const char *const names16[] = {"black", "red", "green", "yellow", "blue", "magenta",
        "cyan", "white", "brightblack", "brightred", "brightgreen", "brightyellow",
        "brightblue", "brightmagenta", "brightcyan", "brightwhite"};

static const struct {
    const char *name;
    uint8_t attr;
} attrs[] = {{"bold", ATTR_BOLD}, {"dim", ATTR_DIM}, {"underline", ATTR_UNDERLINE},
        {"reverse", ATTR_REVERSE}, {"italic", ATTR_ITALIC}};

struct reader {
    struct conf *conf;
    struct theme *theme;
    const char *name;
    struct err *err;
    enum status status;
};

static void fail(struct reader *r, int line, const char *what, struct slice word)
{
    if (r->status == OK)
        r->status = err_set(r->err, ERR_CONFIG, "theme %s:%d: %s \"%.*s\"", r->name, line, what,
                (int)word.n, word.ptr);
}

/* The nearest of the 6x6x6 cube and the greys. */
static int nearest_256(int32_t rgb)
{
    int best = 16, least = INT32_MAX;
    for (int i = 16; i < 256; i++) {
        int c[3], distance = 0;
        if (i < 232) {
            int v[3] = {(i - 16) / 36, (i - 16) / 6 % 6, (i - 16) % 6};
            for (int k = 0; k < 3; k++)
                c[k] = v[k] ? 55 + 40 * v[k] : 0;
        } else {
            c[0] = c[1] = c[2] = 8 + 10 * (i - 232);
        }
        for (int k = 0; k < 3; k++) {
            int d = c[k] - (rgb >> (16 - 8 * k) & 255);
            distance += d * d;
        }
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return best;
}

/* "#rrggbb 75 cyan": rgb, and what to use with 256 and 16 colours. */
static struct color read_color(struct reader *r, int line, struct slice text)
{
    struct color color = {COLOR_DEFAULT, COLOR_DEFAULT, COLOR_DEFAULT};
    unsigned rgb;
    struct slice word = slice_cut(&text, ' ');
    char hex[8] = "";
    if (slice_eq(word, "default"))
        return color;
    if (word.n == 7)
        memcpy(hex, word.ptr, 7);
    if (sscanf(hex, "#%6x", &rgb) != 1) {
        fail(r, line, "this is no colour (#rrggbb or default):", word);
        return color;
    }
    color.rgb = (int32_t)rgb;
    color.n256 = (int16_t)nearest_256(color.rgb);
    color.n16 = 7;
    while (text.ptr) {
        uint64_t number;
        word = slice_trim(slice_cut(&text, ' '));
        if (slice_to_u64(word, &number) && number < 256)
            color.n256 = (int16_t)number;
        for (int i = 0; i < 16; i++)
            if (slice_eq(word, names16[i]))
                color.n16 = (int16_t)i;
    }
    return color;
}

/* A name of [palette], or a colour itself. */
static struct color find_color(struct reader *r, int line, struct slice word)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)word.n, word.ptr);
    const char *value = conf_get(r->conf, "palette", "", name);
    return read_color(r, line, value ? slice_of(value) : word);
}

static void read_style(struct reader *r, const struct conf_entry *e, struct style *out)
{
    struct slice rest = slice_of(e->value);
    out->fg = find_color(r, e->line, slice_cut(&rest, ' '));
    if (rest.ptr)
        out->bg = find_color(r, e->line, slice_cut(&rest, ' '));
    while (rest.ptr) {
        struct slice word = slice_trim(slice_cut(&rest, ' '));
        size_t i = 0;
        while (i < ARRAY_LEN(attrs) && !slice_eq(word, attrs[i].name))
            i++;
        if (i < ARRAY_LEN(attrs))
            out->attrs |= attrs[i].attr;
        else if (word.n)
            fail(r, e->line, "no attribute", word);
    }
}

static void read_ramp(struct reader *r, const struct conf_entry *e, struct color *out)
{
    struct color stops[32];
    int n = 0;
    for (struct slice rest = slice_of(e->value); rest.ptr && n < 32; n++)
        stops[n] = read_color(r, e->line, slice_trim(slice_cut(&rest, ',')));
    for (int i = 0; i < RAMP_LEVELS && n > 0; i++)
        out[i] = stops[n == 1 ? 0 : i * (n - 1) / (RAMP_LEVELS - 1)];
}

static void read_role(struct reader *r, const struct conf_entry *e, bool *is_set)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(e->key, role_defs[i].key) == 0) {
            read_style(r, e, &r->theme->styles[i]);
            is_set[i] = true;
            return;
        }
    fail(r, e->line, "no role", slice_of(e->key));
}

static void read_entry(struct reader *r, const struct conf_entry *e, bool *is_set)
{
    if (strcmp(e->section, "ui") == 0)
        read_role(r, e, is_set);
    else if (strcmp(e->section, "heat") == 0 && strcmp(e->key, "activation") == 0)
        read_ramp(r, e, r->theme->ramps[RAMP_ACTIVATION]);
    else if (strcmp(e->section, "heat") == 0 && strcmp(e->key, "diverging") == 0)
        read_ramp(r, e, r->theme->ramps[RAMP_DIVERGING]);
    else if (strcmp(e->section, "heat") == 0 && strcmp(e->key, "text") == 0)
        read_ramp(r, e, r->theme->ramps[RAMP_TEXT]);
    else if (strcmp(e->section, "heat") == 0 && strcmp(e->key, "mono") == 0)
        snprintf(r->theme->mono, sizeof r->theme->mono, "%s", e->value);
    else if (strcmp(e->section, "") != 0 && strcmp(e->section, "palette") != 0)
        fail(r, e->line, "no such section or key:", slice_of(e->key));
}

enum status theme_parse(struct theme *out, struct slice text, const char *name, struct err *err)
{
    static const struct color none = {COLOR_DEFAULT, COLOR_DEFAULT, COLOR_DEFAULT};
    bool is_set[ROLE_COUNT] = {false};
    *out = (struct theme){.depth = COLOR_256, .mono = " .:-=+*#%@&$"};
    for (int i = 0; i < ROLE_COUNT; i++)
        out->styles[i] = (struct style){none, none, 0};
    for (int ramp = 0; ramp < RAMP_COUNT; ramp++)
        for (int i = 0; i < RAMP_LEVELS; i++)
            out->ramps[ramp][i] = none;
    struct reader r = {conf_parse(text, name), out, name, err, OK};
    for (size_t i = 0; i < conf_n_entries(r.conf); i++)
        read_entry(&r, conf_entry_at(r.conf, i), is_set);
    for (int pass = 0; pass < ROLE_COUNT; pass++) /* fallbacks may have fallbacks */
        for (int i = 0; i < ROLE_COUNT; i++)
            if (!is_set[i] && is_set[role_defs[i].fallback]) {
                out->styles[i] = out->styles[role_defs[i].fallback];
                is_set[i] = true;
            }
    snprintf(out->name, sizeof out->name, "%s", name);
    conf_free(r.conf);
    return r.status;
}

struct slice theme_builtin(const char *name)
{
    for (const struct embedded *e = embedded_themes; e->name; e++)
        if (strcmp(e->name, name) == 0)
            return (struct slice){e->bytes, e->n};
    return (struct slice){NULL, 0};
}
