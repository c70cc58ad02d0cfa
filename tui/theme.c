/*
 * theme.c - see theme.h. What a theme and those it inherits do not say comes from the role that
 * roles.def names as its fallback. A folder's dark.theme may inherit `dark`: that is then the
 * built-in one.
 */
#include "tui/theme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/conf.h"

#include "tui/config.h"
#include "tui/embedded.h"

#define CHAIN_MAX 8
#define STOPS_MAX 32

static const struct {
    const char *key;
    enum role fallback;
} role_defs[ROLE_COUNT] = {
#define ROLE(id, key, fallback, meaning) [ROLE_##id] = {key, ROLE_##fallback},
#include "tui/roles.def"
#undef ROLE
};

static const struct {
    const char *name;
    int32_t rgb; /* xterm's: where a theme names none of the sixteen */
} named[] = {{"black", 0x000000}, {"red", 0xcd0000}, {"green", 0x00cd00}, {"yellow", 0xcdcd00},
        {"blue", 0x0000ee}, {"magenta", 0xcd00cd}, {"cyan", 0x00cdcd}, {"white", 0xe5e5e5},
        {"brightblack", 0x7f7f7f}, {"brightred", 0xff0000}, {"brightgreen", 0x00ff00},
        {"brightyellow", 0xffff00}, {"brightblue", 0x5c5cff}, {"brightmagenta", 0xff00ff},
        {"brightcyan", 0x00ffff}, {"brightwhite", 0xffffff}};

static const struct {
    const char *name;
    uint8_t attr;
} attrs[] = {{"bold", ATTR_BOLD}, {"dim", ATTR_DIM}, {"underline", ATTR_UNDERLINE},
        {"reverse", ATTR_REVERSE}, {"italic", ATTR_ITALIC}};

static const struct {
    const char *key;
    enum ramp ramp;
} ramp_defs[] = {{"activation", RAMP_ACTIVATION}, {"text", RAMP_TEXT}};

const char *const theme_variant_names[] = {
        [VARIANT_ANY] = "any", [VARIANT_DARK] = "dark", [VARIANT_LIGHT] = "light"};

static const struct color no_color = {COLOR_DEFAULT, COLOR_DEFAULT, COLOR_DEFAULT};

struct loader {
    struct theme *theme;
    const char *dir;
    struct buf *problems;
    bool is_set[ROLE_COUNT];
    const char *chain[CHAIN_MAX]; /* of inherits, the theme itself first */
    int n_chain;
};

/* ---- colours ---------------------------------------------------------------------------- */

static int32_t rgb_of_256(int i)
{
    if (i >= 232)
        return (8 + 10 * (i - 232)) * 0x010101;
    int v[3] = {(i - 16) / 36, (i - 16) / 6 % 6, (i - 16) % 6}, rgb = 0;
    for (int k = 0; k < 3; k++)
        rgb = rgb << 8 | (v[k] ? 55 + 40 * v[k] : 0);
    return rgb;
}

static int distance(int32_t a, int32_t b)
{
    int sum = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        int d = (a >> shift & 255) - (b >> shift & 255);
        sum += d * d;
    }
    return sum;
}

/* The nearest of the 6x6x6 cube and the greys. */
static int nearest_256(int32_t rgb)
{
    int best = 16;
    for (int i = 16; i < 256; i++)
        if (distance(rgb_of_256(i), rgb) < distance(rgb_of_256(best), rgb))
            best = i;
    return best;
}

static int nearest_16(int32_t rgb)
{
    int best = 0;
    for (int i = 0; i < 16; i++)
        if (distance(named[i].rgb, rgb) < distance(named[best].rgb, rgb))
            best = i;
    return best;
}

int theme_color_number(const struct color *color, enum color_depth depth)
{
    return depth == COLOR_NEVER ? COLOR_DEFAULT : depth == COLOR_16 ? color->n16 : color->n256;
}

/* "75" or "cyan": what to use with 256 and with 16 colours. */
static bool read_number(struct slice word, struct color *color)
{
    uint64_t number;
    if (slice_to_u64(word, &number) && number < 256) {
        color->n256 = (int16_t)number;
        return true;
    }
    for (int i = 0; i < (int)ARRAY_LEN(named); i++)
        if (slice_eq(word, named[i].name)) {
            color->n16 = (int16_t)i;
            return true;
        }
    if (slice_eq(word, "default"))
        color->n16 = COLOR_DEFAULT;
    return slice_eq(word, "default");
}

static struct slice next_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    return slice_trim(slice_cut(rest, ' '));
}

/* Where a colour stands; NULL: it is looked at in another place too. */
struct place {
    struct conf *conf;
    const struct conf_entry *entry;
};

#define SIXTEEN                                                                                \
    "black, red, green, yellow, blue, magenta, cyan, white, the same with bright before it"

static bool read_rgb(struct slice word, unsigned *rgb)
{
    char hex[8] = "";
    snprintf(hex, sizeof hex, "%.*s", (int)word.n, word.ptr);
    return word.n == 7 && hex[0] == '#' && strspn(hex + 1, "0123456789abcdefABCDEF") == 6 &&
           sscanf(hex + 1, "%x", rgb) == 1;
}

/* "#rrggbb 75 cyan", or default. */
static struct color read_color(const struct place *place, struct slice text)
{
    unsigned rgb;
    struct slice word = next_word(&text);
    if (slice_eq(word, "default"))
        return no_color;
    if (!read_rgb(word, &rgb)) {
        if (place)
            conf_warn(place->conf, place->entry->line,
                    "%s: \"%.*s\" is no colour: use #rrggbb, default or a name of [palette]",
                    place->entry->key, (int)word.n, word.ptr);
        return no_color;
    }
    struct color color = {(int32_t)rgb, (int16_t)nearest_256((int32_t)rgb),
            (int16_t)nearest_16((int32_t)rgb)};
    while (text.ptr && (word = next_word(&text)).n)
        if (!read_number(word, &color) && place)
            conf_warn(place->conf, place->entry->line,
                    "%s: \"%.*s\" is neither a number below 256 nor one of the sixteen: " SIXTEEN,
                    place->entry->key, (int)word.n, word.ptr);
    return color;
}

/* A name of [palette], or a colour itself. */
static struct color find_color(const struct place *place, struct slice word)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)word.n, word.ptr);
    const char *value = conf_get(place->conf, "palette", "", name);
    return value ? read_color(NULL, slice_of(value)) : read_color(place, word);
}

/* ---- lines ------------------------------------------------------------------------------ */

static void warn_unknown(struct conf *conf, int line, const char *what, const char *word,
        const char *const *names, size_t n)
{
    const char *nearest = conf_nearest(word, names, n);
    conf_warn(conf, line, "no %s \"%s\"%s%s%s", what, word, nearest ? ": did you mean \"" : "",
            nearest ? nearest : "", nearest ? "\"?" : "");
}

static uint8_t read_attr(struct conf *conf, int line, struct slice word)
{
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
        if (slice_eq(word, attrs[i].name))
            return attrs[i].attr;
    conf_warn(conf, line, "\"%.*s\" is none of bold, dim, underline, reverse, italic",
            (int)word.n, word.ptr);
    return 0;
}

static struct style read_style(struct conf *conf, const struct conf_entry *e)
{
    struct slice rest = slice_of(e->value), word;
    const struct place place = {conf, e};
    struct style style = {find_color(&place, next_word(&rest)), no_color, 0};
    if (rest.ptr)
        style.bg = find_color(&place, next_word(&rest));
    while (rest.ptr && (word = next_word(&rest)).n)
        style.attrs |= read_attr(conf, e->line, word);
    return style;
}

static void read_role(struct loader *l, struct conf *conf, const struct conf_entry *e)
{
    const char *names[ROLE_COUNT];
    for (int i = 0; i < ROLE_COUNT; i++) {
        names[i] = role_defs[i].key;
        if (strcmp(e->key, names[i]) != 0)
            continue;
        l->theme->styles[i] = read_style(conf, e);
        l->is_set[i] = true;
        return;
    }
    warn_unknown(conf, e->line, "role", e->key, names, ROLE_COUNT);
}

static void read_ramp(struct conf *conf, const struct conf_entry *e, struct color *out)
{
    struct color stops[STOPS_MAX];
    int n = 0;
    for (struct slice rest = slice_of(e->value); rest.ptr && n < STOPS_MAX; n++)
        stops[n] = read_color(&(struct place){conf, e}, slice_trim(slice_cut(&rest, ',')));
    for (int i = 0; i < RAMP_LEVELS; i++)
        out[i] = stops[n == 1 ? 0 : i * (n - 1) / (RAMP_LEVELS - 1)];
}

static bool is_ascii(const char *text)
{
    while (*text >= ' ' && *text < 0x7F)
        text++;
    return !*text;
}

static void read_heat(struct loader *l, struct conf *conf, const struct conf_entry *e)
{
    const char *names[ARRAY_LEN(ramp_defs) + 1] = {"mono"};
    for (size_t i = 0; i < ARRAY_LEN(ramp_defs); i++) {
        names[1 + i] = ramp_defs[i].key;
        if (strcmp(e->key, ramp_defs[i].key) == 0) {
            read_ramp(conf, e, l->theme->ramps[ramp_defs[i].ramp]);
            return;
        }
    }
    if (strcmp(e->key, "mono") != 0)
        warn_unknown(conf, e->line, "ramp", e->key, names, ARRAY_LEN(names));
    else if (strlen(e->value) != RAMP_LEVELS || !is_ascii(e->value))
        conf_warn(conf, e->line, "mono takes %d characters of ASCII, cold to hot", RAMP_LEVELS);
    else
        memcpy(l->theme->mono, e->value, RAMP_LEVELS);
}

static void read_head(struct loader *l, struct conf *conf, const struct conf_entry *e)
{
    static const char *const names[] = {"name", "inherits", "variant"};
    if (strcmp(e->key, "variant") == 0) {
        for (int i = 0; i < (int)ARRAY_LEN(theme_variant_names); i++)
            if (strcmp(e->value, theme_variant_names[i]) == 0) {
                l->theme->variant = (enum theme_variant)i;
                return;
            }
        conf_warn(conf, e->line, "variant is dark, light or any, not \"%s\"", e->value);
    } else if (strcmp(e->key, "name") != 0 && strcmp(e->key, "inherits") != 0) {
        warn_unknown(conf, e->line, "key", e->key, names, ARRAY_LEN(names));
    }
}

/* It is looked up by name; what is wrong in it is said here, whoever uses it. */
static void check_color(struct loader *l, struct conf *conf, const struct conf_entry *e)
{
    (void)l;
    read_color(&(struct place){conf, e}, slice_of(e->value));
}

static const struct {
    const char *name;
    void (*read)(struct loader *l, struct conf *conf, const struct conf_entry *e);
} sections[] = {
        {"", read_head}, {"palette", check_color}, {"ui", read_role}, {"heat", read_heat}};

static void read_entry(struct loader *l, struct conf *conf, const struct conf_entry *e)
{
    const char *names[ARRAY_LEN(sections)];
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        names[i] = sections[i].name;
        if (strcmp(e->section, names[i]) == 0) {
            sections[i].read(l, conf, e);
            return;
        }
    }
    warn_unknown(conf, e->line, "section", e->section, names, ARRAY_LEN(names));
}

/* ---- themes ----------------------------------------------------------------------------- */

static const struct embedded *find_builtin(const char *name)
{
    for (const struct embedded *e = embedded_themes; e->name; e++)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

static void reset(struct theme *theme)
{
    *theme = (struct theme){.mono = " .:-=+*#%@&$"};
    for (int i = 0; i < ROLE_COUNT; i++)
        theme->styles[i] = (struct style){no_color, no_color, 0};
    for (int ramp = 0; ramp < RAMP_COUNT; ramp++)
        for (int i = 0; i < RAMP_LEVELS; i++)
            theme->ramps[ramp][i] = no_color;
}

static int line_of(const struct conf *conf, const char *key)
{
    for (size_t i = 0; i < conf_n_entries(conf); i++)
        if (strcmp(conf_entry_at(conf, i)->key, key) == 0)
            return conf_entry_at(conf, i)->line;
    return 0;
}

static bool load(struct loader *l, const char *name);

static void read_theme(struct loader *l, struct slice text, const char *path)
{
    struct conf *conf = conf_parse(text, path);
    const char *parent = conf_get(conf, "", "", "inherits");
    if (parent && !load(l, parent))
        conf_warn(
                conf, line_of(conf, "inherits"), "there is no theme \"%s\" to inherit", parent);
    for (size_t i = 0; i < conf_n_entries(conf); i++)
        read_entry(l, conf, conf_entry_at(conf, i));
    for (size_t i = 0; l->problems && i < conf_n_warnings(conf); i++)
        buf_printf(l->problems, "%s\n", conf_warning_at(conf, i));
    conf_free(conf);
}

static bool is_being_read(const struct loader *l, const char *name)
{
    for (int i = 0; i < l->n_chain; i++)
        if (strcmp(l->chain[i], name) == 0)
            return true;
    return false;
}

static bool load(struct loader *l, const char *name)
{
    const struct embedded *builtin = find_builtin(name);
    char path[4096];
    struct buf text;
    struct err err;
    snprintf(path, sizeof path, "%s/%s.theme", l->dir, name);
    if (!is_being_read(l, name) && l->n_chain < CHAIN_MAX &&
            file_read(&text, path, THEME_MAX_BYTES, &err) == OK) {
        l->chain[l->n_chain++] = name;
        read_theme(l, buf_slice(&text), path);
        buf_release(&text);
        return true;
    }
    if (builtin)
        read_theme(l, (struct slice){builtin->bytes, builtin->n}, name);
    return builtin != NULL;
}

static void fall_back(struct loader *l)
{
    for (int pass = 0; pass < ROLE_COUNT; pass++) /* fallbacks may have fallbacks */
        for (int i = 0; i < ROLE_COUNT; i++)
            if (!l->is_set[i] && l->is_set[role_defs[i].fallback]) {
                l->theme->styles[i] = l->theme->styles[role_defs[i].fallback];
                l->is_set[i] = true;
            }
}

bool theme_load(struct theme *out, const char *name, const char *dir, struct buf *problems)
{
    struct loader l = {.theme = out, .dir = dir, .problems = problems};
    reset(out);
    bool is_there = load(&l, name);
    fall_back(&l);
    return is_there;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t theme_list(const char *dir, struct arena *arena, const char ***out)
{
    char **paths;
    size_t n_files = config_find_themes(dir, arena, &paths), n = 0;
    for (const struct embedded *e = embedded_themes; e->name; e++)
        n++;
    *out = arena_alloc(arena, (n + n_files) * sizeof **out);
    n = 0;
    for (const struct embedded *e = embedded_themes; e->name; e++)
        (*out)[n++] = e->name;
    for (size_t i = 0; i < n_files; i++) {
        const char *file = path_name(paths[i]);
        const char *name = arena_strndup(arena, file, strlen(file) - strlen(".theme"));
        if (!find_builtin(name))
            (*out)[n++] = name;
    }
    qsort(*out, n, sizeof **out, compare_names);
    return n;
}

bool theme_has_heat(const struct theme *theme)
{
    return theme->ramps[RAMP_ACTIVATION][RAMP_LEVELS - 1].rgb != COLOR_DEFAULT;
}
