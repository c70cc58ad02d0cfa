/*
 * passage_tables.c - a passage about every row of the tables that a user may ask about:
 * settings, keys of endpoints, the command line, keys and commands, kinds and zones of
 * endpoints, roles of themes, what the views' numbers mean.
 */
#include <stdio.h>
#include <string.h>

#include "router/zone.h"

#include "tui/cmd.h"
#include "tui/keys.h"
#include "tui/notes.h"
#include "tui/passages.h"
#include "tui/slash.h"

#define TITLE_BYTES    64
#define TEXT_MAX_BYTES 2048

/* Adds a passage and clears its text. People ask for it by its name, as words, and by those of
 * its help. */
static void put(struct passages *passages, const char *title, const char *name,
        const char *help, struct buf *text)
{
    struct buf ask;
    buf_init(&ask, TEXT_MAX_BYTES);
    for (; *name; name++)
        buf_printf(&ask, "%c", strchr("-_.", *name) ? ' ' : *name);
    buf_printf(&ask, " | %s", help);
    if (passages_add(passages, title, buf_text(&ask), buf_text(text)))
        passages->rows[passages->n - 1].is_row = true;
    buf_release(&ask);
    buf_clear(text);
}

/* ", " before all but the first of a list of n, " and " before the last. */
static const char *list_comma(size_t i, size_t n)
{
    return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

/* ---- settings --------------------------------------------------------------------------- */

static const struct {
    const char *kind, *words;
} kind_words[] = {{"BOOL", "yes or no"}, {"TIER", "a number from 1 to 5"},
        {"SLOTS", "a number from 1 to 64"}, {"MS", "a duration such as 500ms or 30s"}};

/* " It is yes or no; without it: no." */
static void add_values(const char *kind, const char *fallback, unsigned max, struct buf *text)
{
    const char *words = NULL;
    char range[48];
    for (size_t i = 0; i < ARRAY_LEN(kind_words); i++)
        if (strcmp(kind_words[i].kind, kind) == 0)
            words = kind_words[i].words;
    if (max) {
        snprintf(range, sizeof range, "a number from 0 to %u", max);
        words = range;
    }
    if (words)
        buf_printf(
                text, " It is %s%s%s.", words, fallback[0] ? "; without it: " : "", fallback);
    else if (fallback[0])
        buf_printf(text, " Without it: %s.", fallback);
}

static void add_setting(struct passages *passages, const char *key, const char *kind,
        const char *fallback, unsigned max, const char *help)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    buf_printf(&text, "`%s` in the section `[shunt]` of `shunt.conf`: %s.", key, help);
    add_values(kind, fallback, max, &text);
    put(passages, key, key, help, &text);
    buf_release(&text);
}

static void add_settings(struct passages *passages)
{
#define OPT(field, kind, key, fallback, min, max, unit, flag, argument, help)                  \
    add_setting(passages, key, #kind, fallback, max, help);
#include "tui/options.def"
#undef OPT
}

static void add_endpoint_key(struct passages *passages, const char *key, const char *kind,
        const char *fallback, const char *help)
{
    struct buf text;
    char title[TITLE_BYTES], name[TITLE_BYTES];
    buf_init(&text, TEXT_MAX_BYTES);
    buf_printf(
            &text, "`%s` in a section `[endpoint \"NAME\"]` of `shunt.conf`: %s.", key, help);
    add_values(kind, fallback, 0, &text);
    snprintf(title, sizeof title, "endpoint %s", key);
    snprintf(name, sizeof name, "%s of an endpoint", key);
    put(passages, title, name, help, &text);
    buf_release(&text);
}

static void add_endpoint_keys(struct passages *passages)
{
#define OWN_KEY(name, kind, help) add_endpoint_key(passages, name, #kind, "", help);
#define KEY(name, kind, member, fallback, help)                                                \
    add_endpoint_key(passages, name, #kind, fallback, help);
#include "router/endpoint_keys.def"
}

static void add_kind(struct passages *passages, const char *name, const char *url,
        enum zone zone, const char *variable)
{
    struct buf text;
    char title[TITLE_BYTES];
    buf_init(&text, TEXT_MAX_BYTES);
    buf_printf(&text, "`kind = %s` in a section `[endpoint \"NAME\"]`: ", name);
    if (url)
        buf_printf(&text, "the address is %s unless `url` gives another", url);
    else if (zone == ZONE_LOCAL)
        buf_add_text(&text, "this program runs the model itself, from the file in `model`");
    else
        buf_add_text(&text, "a server whose address `url` must give");
    buf_printf(&text, ". Without `zone` it is in the zone %s", zone_name(zone));
    if (variable)
        buf_printf(&text, ", and without another source its key is in `%s`", variable);
    buf_add_text(&text, ".");
    snprintf(title, sizeof title, "kind %s", name);
    put(passages, title, name, "kind of endpoint, provider", &text);
    buf_release(&text);
}

static void add_kinds(struct passages *passages)
{
#define PROVIDER(id, name, url, header, prefix, path, models, extra, wire, zone, variable)     \
    add_kind(passages, name, url, zone, variable);
#include "router/providers.def"
#undef PROVIDER
}

static void add_zones(struct passages *passages)
{
    struct buf text;
    char title[TITLE_BYTES];
    buf_init(&text, TEXT_MAX_BYTES);
    for (int zone = 0; zone < ZONE_COUNT; zone++) {
        const char *name = zone_name((enum zone)zone);
        buf_printf(&text,
                "`%s` is zone %d of %d, counted from near to far. With `zone = %s` in `[shunt]` "
                "requests go only to endpoints of the zone%s ",
                name, zone + 1, ZONE_COUNT, name, zone ? "s" : "");
        for (int i = 0; i <= zone; i++)
            buf_printf(&text, "%s%s", list_comma((size_t)i, (size_t)zone + 1),
                    zone_name((enum zone)i));
        buf_printf(&text, "; with `zone = %s` in its section an endpoint belongs to it.", name);
        snprintf(title, sizeof title, "zone %s", name);
        put(passages, title, title, "how far data may travel", &text);
    }
    buf_release(&text);
}

/* ---- command line ----------------------------------------------------------------------- */

static void add_flag(struct passages *passages, const struct flag_def *flag)
{
    struct buf text;
    char title[TITLE_BYTES], argument[TITLE_BYTES] = "";
    const char *command = subcommand_defs[flag->subcommand].name;
    bool has_one_verb = flag->verbs && !strchr(flag->verbs, ' ');
    buf_init(&text, TEXT_MAX_BYTES);
    if (flag->argument)
        snprintf(argument, sizeof argument, " %s", flag->argument);
    buf_printf(&text, "`shunt%s%s%s%s --%s%s`", command ? " " : "", command ? command : "",
            has_one_verb ? " " : "", has_one_verb ? flag->verbs : "", flag->name, argument);
    if (flag->letter)
        buf_printf(&text, ", in short `-%c%s`", flag->letter, argument);
    if (flag->subcommand == SUB_EVERY)
        buf_add_text(&text, ", also with every command");
    buf_printf(&text, ": %s.", flag->help);
    snprintf(title, sizeof title, "shunt%s%s --%s", command ? " " : "", command ? command : "",
            flag->name);
    put(passages, title, flag->name, flag->help, &text);
    buf_release(&text);
}

static void add_verb(struct passages *passages, const struct verb_def *verb)
{
    struct buf text;
    char title[TITLE_BYTES];
    buf_init(&text, TEXT_MAX_BYTES);
    snprintf(title, sizeof title, "shunt %s %s", subcommand_defs[verb->subcommand].name,
            verb->name);
    buf_printf(
            &text, "`%s%s%s`: %s.", title, verb->words[0] ? " " : "", verb->words, verb->help);
    put(passages, title, title, verb->help, &text);
    buf_release(&text);
}

/* "`shunt fleet`, with `list`, `probe` and `costs` behind it". */
static void add_verb_names(enum subcommand subcommand, struct buf *text)
{
    size_t n = 0, i_name = 0;
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++)
        n += verb_defs[i].subcommand == subcommand;
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++) {
        if (verb_defs[i].subcommand != subcommand)
            continue;
        buf_printf(text, "%s%s`%s`", i_name ? "" : ", with ", list_comma(i_name, n),
                verb_defs[i].name);
        i_name++;
    }
    if (n)
        buf_add_text(text, " behind it");
}

static void add_flag_names(enum subcommand subcommand, struct buf *text)
{
    bool is_first = true;
    for (int i = 0; i < FLAG_COUNT; i++)
        if (flag_defs[i].subcommand == subcommand) {
            buf_printf(text, "%s`--%s`", is_first ? " Its flags: " : ", ", flag_defs[i].name);
            is_first = false;
        }
    if (!is_first)
        buf_add_text(text, ".");
}

static void add_subcommand(struct passages *passages, enum subcommand subcommand)
{
    const struct subcommand_def *def = &subcommand_defs[subcommand];
    struct buf text;
    char title[TITLE_BYTES];
    buf_init(&text, TEXT_MAX_BYTES);
    snprintf(title, sizeof title, "shunt %s", def->name);
    buf_printf(&text, "`%s%s%s`", title, def->words[0] ? " " : "", def->words);
    add_verb_names(subcommand, &text);
    buf_printf(&text, ": %s.", def->help);
    add_flag_names(subcommand, &text);
    put(passages, title, title, def->help, &text);
    buf_release(&text);
}

static void add_command_line(struct passages *passages)
{
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        add_subcommand(passages, (enum subcommand)i);
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++)
        add_verb(passages, &verb_defs[i]);
    for (int i = 0; i < FLAG_COUNT; i++)
        add_flag(passages, &flag_defs[i]);
}

/* ---- commands and their keys ------------------------------------------------------------ */

static const char *place(enum context context)
{
    switch (context) {
    case CTX_GLOBAL:
        return "every view";
    case CTX_INPUT:
        return "the input line";
    case CTX_TRANSCRIPT:
        return "the conversation";
    default:
        return context_defs[context].title;
    }
}

/* "{key experts/open-fleet} in Experts, Router and Models": the contexts from `first` on that
 * have the same keys. */
static void add_places(
        const char *const keys[CTX_COUNT], int first, enum command command, struct buf *text)
{
    enum context contexts[CTX_COUNT];
    size_t n = 0;
    for (int i = first; i < CTX_COUNT; i++)
        if (keys[i] && strcmp(keys[i], keys[first]) == 0)
            contexts[n++] = (enum context)i;
    buf_printf(text, "%s{key %s/%s} in ", text->n ? ", " : "", context_defs[first].name,
            command_defs[command].name);
    for (size_t i = 0; i < n; i++)
        buf_printf(text, "%s%s", list_comma(i, n), place(contexts[i]));
}

/* Whether a context before this one has the same keys, and so both are named there. */
static bool is_named(const char *const keys[CTX_COUNT], int context)
{
    for (int i = 0; i < context; i++)
        if (keys[i] && strcmp(keys[i], keys[context]) == 0)
            return true;
    return false;
}

static bool has_default_key(enum command command)
{
    size_t i = 0;
    while (i < n_default_bindings && default_bindings[i].command != command)
        i++;
    return i < n_default_bindings;
}

static void add_command(struct passages *passages, enum command command)
{
    const struct command_def *def = &command_defs[command];
    struct buf text;
    char title[TITLE_BYTES];
    const char *keys[CTX_COUNT];
    buf_init(&text, TEXT_MAX_BYTES);
    for (int i = 0; i < CTX_COUNT; i++)
        keys[i] = passage_keys_in(passages->keymap, (enum context)i, command);
    for (int i = 0; i < CTX_COUNT; i++)
        if (keys[i] && !is_named(keys, i))
            add_places(keys, i, command, &text);
    if (slash_offers(command))
        buf_printf(&text, "%s`/%s%s%s` in the input line", text.n ? ", or " : "", def->name,
                def->argument ? " " : "", def->argument ? def->argument : "");
    else if (!text.n)
        buf_printf(&text, "{key %s}", def->name);
    buf_printf(&text, ": %s.", def->help);
    snprintf(title, sizeof title, "%s%s", has_default_key(command) ? "key " : "/", def->name);
    put(passages, title, def->name, def->help, &text);
    buf_release(&text);
}

/* ---- what is seen ----------------------------------------------------------------------- */

static const struct {
    const char *key, *meaning;
} roles[] = {
#define ROLE(id, key, fallback, meaning) {key, meaning},
#include "tui/roles.def"
#undef ROLE
};

/* The roles whose names begin so; prefix NULL: those without a dot. */
static void add_roles(
        struct passages *passages, const char *title, const char *subject, const char *prefix)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    buf_printf(&text, "Roles of a theme file for %s:", subject);
    for (size_t i = 0, n = 0; i < ARRAY_LEN(roles); i++) {
        if (prefix ? !slice_has_prefix(slice_of(roles[i].key), prefix)
                   : strchr(roles[i].key, '.') != NULL)
            continue;
        buf_printf(&text, "%s `%s` (%s)", n++ ? "," : "", roles[i].key, roles[i].meaning);
    }
    buf_add_text(&text, ".");
    put(passages, title, title, "colours of a theme file, names of colours", &text);
    buf_release(&text);
}

static void add_note(struct passages *passages, const struct note *note)
{
    struct buf text, help;
    char title[TITLE_BYTES];
    const char *view = context_defs[note->context].title;
    buf_init(&text, TEXT_MAX_BYTES);
    buf_init(&help, TEXT_MAX_BYTES);
    note_print(note, &help);
    snprintf(title, sizeof title, "%s in %s", note->name, view);
    buf_printf(&text, "`%s` in the view %s: %s", note->name, view, buf_text(&help));
    put(passages, title, title, "what it means", &text);
    buf_release(&help);
    buf_release(&text);
}

void passages_add_tables(struct passages *passages)
{
    add_settings(passages);
    add_endpoint_keys(passages);
    add_kinds(passages);
    add_zones(passages);
    add_command_line(passages);
    for (int i = CMD_NONE + 1; i < CMD_COUNT; i++)
        add_command(passages, (enum command)i);
    add_roles(passages, "theme roles", "texts and rules", NULL);
    add_roles(passages, "theme roles of chat", "conversations", "chat.");
    add_roles(passages, "theme roles of markdown", "markdown", "md.");
    add_roles(passages, "theme roles of states", "states", "state.");
    add_roles(passages, "theme roles of tabs", "the names of views", "tab.");
    add_roles(passages, "theme roles of hints", "the bar of keys", "hint.");
    for (size_t i = 0; i < n_notes; i++)
        add_note(passages, &notes[i]);
}
