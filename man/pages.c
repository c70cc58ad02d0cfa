/* pages.c - the parts of the manual pages that are tables of the program. */
#include <stdio.h>
#include <string.h>

#include "tui/keys.h"

#include "man/mangen.h"

/* Text of a page. Other characters than ASCII by their number: every formatter knows those. */
static void print_text(const char *text)
{
    uint32_t code_point;
    for (size_t n = strlen(text), used; n; text += used, n -= used) {
        used = utf8_decode(text, n, &code_point);
        if (code_point >= 0x80)
            printf("\\[u%04X]", (unsigned)code_point);
        else if (code_point == '\\')
            fputs("\\e", stdout);
        else if (code_point == '"')
            fputs("\\(dq", stdout);
        else
            putchar((int)code_point);
    }
}

/* A word of a macro line: never taken for a macro or for punctuation. */
static void print_word(const char *word)
{
    fputs(" \"\\&", stdout);
    print_text(word);
    fputs("\\&\"", stdout);
}

/* A line of text, begun upper-case or not, with its full stop. */
static void print_sentence(const char *text)
{
    fputs("\\&", stdout);
    print_text(text);
    puts(".");
}

/* "FILE" or "a|b" or "[SESSION]". */
static void print_argument(const char *argument)
{
    fputs(man_is_choice(argument) ? " Cm" : " Ar", stdout);
    print_word(argument);
}

/* ---- shunt(1) --------------------------------------------------------------------------- */

static void print_flag_usage(const struct man_flag *f)
{
    bool is_needed = man_is(f->use, "NEEDED");
    char letter[] = {f->letter, '\0'};
    printf(is_needed ? ".Fl" : ".Op Fl");
    if (f->letter)
        printf(" %s", letter);
    else
        printf(" -%s", f->name);
    if (f->argument)
        print_argument(f->argument);
    puts(man_is(f->use, "REPEATED") ? " \"...\"" : "");
}

static void print_words(const char *words)
{
    if (!words[0])
        return;
    fputs(".Ar", stdout);
    print_word(words);
    puts("");
}

static void print_usage(const struct man_subcommand *s, const struct man_verb *verb)
{
    printf(".Nm shunt\n.Cm %s%s%s\n", s->name, verb ? " " : "", verb ? verb->name : "");
    for (const struct man_flag *f = man_flags; f->name; f++)
        if (man_flag_is_for(f, s->id, verb ? verb->name : NULL))
            print_flag_usage(f);
    print_words(verb ? verb->words : s->words);
}

static void print_flags_usage(const char *subcommand)
{
    for (const struct man_flag *f = man_flags; f->name; f++)
        if (man_is(f->subcommand, subcommand))
            print_flag_usage(f);
}

void page_synopsis(void)
{
    print_flags_usage("EVERY");
    print_flags_usage("TUI");
    for (const struct man_subcommand *s = man_subcommands; s->name; s++) {
        bool has_verbs = false;
        for (const struct man_verb *v = man_verbs; v->name; v++)
            if (man_is(v->subcommand, s->id)) {
                print_usage(s, v);
                has_verbs = true;
            }
        if (!has_verbs)
            print_usage(s, NULL);
    }
}

static void print_flag(const struct man_flag *f)
{
    fputs(".It", stdout);
    if (f->letter)
        printf(" Fl %c ,", f->letter);
    printf(" Fl -%s", f->name);
    if (f->argument)
        print_argument(f->argument);
    puts("");
    if (f->verbs)
        printf("%s: ", f->verbs);
    print_sentence(f->help);
}

static bool print_flags(const char *subcommand)
{
    bool is_any = false;
    for (const struct man_flag *f = man_flags; f->name; f++) {
        if (!man_is(f->subcommand, subcommand))
            continue;
        if (!is_any)
            puts(".Bl -tag -width Ds");
        is_any = true;
        print_flag(f);
    }
    if (is_any)
        puts(".El");
    return is_any;
}

static void print_verbs(const char *subcommand)
{
    bool is_any = false;
    for (const struct man_verb *v = man_verbs; v->name; v++) {
        if (!man_is(v->subcommand, subcommand))
            continue;
        if (!is_any)
            puts(".Pp\n.Bl -tag -width Ds -compact");
        is_any = true;
        printf(".It Cm %s", v->name);
        if (v->words[0])
            print_argument(v->words);
        puts("");
        print_sentence(v->help);
    }
    if (is_any)
        puts(".El");
}

void page_subcommands(void)
{
    for (const struct man_subcommand *s = man_subcommands; s->name; s++) {
        printf(".Ss shunt %s\n", s->name);
        print_sentence(s->help);
        print_verbs(s->id);
        print_flags(s->id);
    }
}

void page_options(void)
{
    print_flags("EVERY");
    print_flags("TUI");
}

void page_quants(void)
{
    static const char *const names[] = {
#define QUANT(id, name, ...) name,
#include "kernels/quant.def"
#undef QUANT
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        printf("%s%s\n", names[i], i + 1 < ARRAY_LEN(names) ? "," : ".");
}

/* ---- shunt.conf(5) ---------------------------------------------------------------------- */

static const struct {
    const char *kind, *word;
} kind_words[] = {{"TEXT", "text"}, {"COUNT", "number"}, {"ZONE", "zone"},
        {"COLOR", "auto|never|16|256|rgb"}, {"BOOL", "yes|no"}, {"MONEY", "dollars"},
        {"MS", "duration"}, {"PRICE", "dollars"}, {"TIER", "1-5"}, {"SLOTS", "1-64"},
        {"KIND", "kind"}, {"VARIABLE", "variable"}, {"FILE", "file"}, {"COMMAND", "command"},
        {"REASONING", "fold|show|hide"}, {0}};

static const char *kind_word(const char *kind)
{
    size_t i = 0;
    while (kind_words[i].kind && !man_is(kind_words[i].kind, kind))
        i++;
    return kind_words[i].kind ? kind_words[i].word : kind;
}

static void print_key(const char *key, const char *kind, const char *fallback,
        const char *range, const char *help)
{
    printf(".It Va %s No = Ar", key);
    print_word(kind_word(kind));
    puts("");
    print_sentence(help);
    if (range[0])
        printf("Range: %s.\n", range);
    if (fallback[0]) {
        fputs("Default:\n.Ql", stdout);
        print_word(fallback);
        puts(" .");
    }
}

static void print_setting(const char *key, const char *kind, const char *fallback, unsigned max,
        const char *unit, const char *help)
{
    char range[64] = "";
    if (max)
        snprintf(range, sizeof range, "0 to %u %s", max, unit);
    print_key(key, kind, fallback, range, help);
}

void page_settings(void)
{
    puts(".Bl -tag -width Ds");
#define OPT(field, kind, key, fallback, min, max, unit, flag, argument, help)                  \
    print_setting(key, #kind, fallback, max, unit, help);
#include "tui/options.def"
#undef OPT
    puts(".El");
}

void page_endpoint_keys(void)
{
    puts(".Bl -tag -width Ds");
#define OWN_KEY(name, kind, help)               print_key(name, #kind, "", "", help);
#define KEY(name, kind, member, fallback, help) print_key(name, #kind, fallback, "", help);
#include "router/endpoint_keys.def"
    puts(".El");
}

static void print_kind(
        const char *name, const char *url, const char *zone, const char *variable)
{
    printf(".It Cm %s\n", name);
    if (url)
        printf(".Lk %s ,\n", url);
    else
        puts(man_is(name, "local") ? "this program," : "url needed,");
    printf("zone\n.Cm %s%s\n", zone, variable ? " ," : "");
    if (variable)
        printf("key from\n.Ev %s\n", variable);
}

void page_kinds(void)
{
    static const char ZONE_LOCAL[] = "local", ZONE_LAB[] = "lab", ZONE_EXTERNAL[] = "external";
    puts(".Bl -tag -width llama_server");
#define PROVIDER(id, name, url, header, prefix, path, models, extra, wire, zone, variable)     \
    print_kind(name, url, zone, variable);
#include "router/providers.def"
#undef PROVIDER
    puts(".El");
}

void page_prices(void)
{
    puts(".Bl -column \"gemini-2.5-flash-lite\" \"dollars in\" \"dollars out\"\n"
         ".It Sy model Ta Sy in Ta Sy out");
#define PRICE(kind, model, in, out, ...)                                                       \
    printf(".It %s Ta %g Ta %g\n", model, (double)(in), (double)(out));
#include "router/prices.def"
#undef PRICE
    puts(".El");
}

/* ---- shunt-theme(5) --------------------------------------------------------------------- */

void page_roles(void)
{
    static const struct {
        const char *id, *key, *fallback, *meaning;
    } roles[] = {
#define ROLE(id, key, fallback, meaning) {#id, key, #fallback, meaning},
#include "tui/roles.def"
#undef ROLE
    };
    puts(".Bl -tag -width chat.reasoning");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        printf(".It Va %s\n", roles[i].key);
        print_sentence(roles[i].meaning);
        for (size_t k = 0; k < ARRAY_LEN(roles); k++)
            if (man_is(roles[k].id, roles[i].fallback) && k != i)
                printf("Otherwise as\n.Va %s .\n", roles[k].key);
    }
    puts(".El");
}

/* ---- shunt-keys(7) ---------------------------------------------------------------------- */

static const struct {
    const char *name, *argument, *help;
} command_rows[CMD_COUNT] = {
#define CMD(id, name, argument, hint, help) [CMD_##id] = {name, argument, help},
#include "tui/commands.def"
#undef CMD
};

static const struct {
    const char *name, *title;
} context_rows[CTX_COUNT] = {
#define CONTEXT(id, ...) [CTX_##id] = {__VA_ARGS__},
#include "tui/contexts.def"
#undef CONTEXT
};

void page_views(void)
{
    puts(".Bl -tag -width Ds -compact");
#define VIEW(id, name, number, title, ops)                                                     \
    printf(".It %s\n.Ic C-x %d ,\n.Ic /open-%s\n", title, number, name);
#include "tui/views.def"
#undef VIEW
    puts(".El");
}

/* All keys of a command in a context, with its first. */
static void print_command(size_t i)
{
    const struct binding *first = &default_bindings[i];
    for (size_t k = 0; k < i; k++)
        if (default_bindings[k].context == first->context &&
                default_bindings[k].command == first->command)
            return;
    fputs(".It", stdout);
    for (size_t k = i; k < n_default_bindings; k++)
        if (default_bindings[k].context == first->context &&
                default_bindings[k].command == first->command) {
            fputs(k > i ? " , Ic" : " Ic", stdout);
            print_word(default_bindings[k].keys);
        }
    puts("");
    printf(".Pq Cm %s\n", command_rows[first->command].name);
    print_sentence(command_rows[first->command].help);
}

void page_keys(void)
{
    for (int i = 1; i <= CTX_COUNT; i++) {
        enum context context = (enum context)(i % CTX_COUNT); /* GLOBAL comes last */
        printf(".Ss %s\nContext:\n.Cm %s\n.Bl -tag -width Ds\n", context_rows[context].title,
                context_rows[context].name);
        for (size_t k = 0; k < n_default_bindings; k++)
            if (default_bindings[k].context == context)
                print_command(k);
        puts(".El");
    }
}

void page_key_names(void)
{
    for (size_t i = 0; key_name_at(i); i++)
        printf(".Cm %s ,\n", key_name_at(i));
}

static void print_named(enum command command)
{
    printf(".It Ic /%s", command_rows[command].name);
    if (command_rows[command].argument)
        print_argument(command_rows[command].argument);
    puts("");
    print_sentence(command_rows[command].help);
}

void page_slash_commands(void)
{
    puts(".Bl -tag -width Ds");
#define SLASH(id) print_named(CMD_##id);
#include "tui/slash.def"
    puts(".El");
}
