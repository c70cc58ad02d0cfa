/*
 * mangen.c - the manual pages and the completions of shells from the program's own tables. It
 * expands the .def files itself, so it runs before anything else is built.
 *     mangen man/PAGE.in    the page: each line .\" GENERATE NAME becomes the part of that name
 *     mangen bash|zsh|fish  the completion
 */
#include "man/mangen.h"

#include <stdio.h>
#include <string.h>

const struct man_subcommand man_subcommands[] = {
#define SUBCOMMAND(id, name, run, words, help) {#id, name, words, help},
#include "tui/subcommands.def"
        {0}};

const struct man_verb man_verbs[] = {
#define VERB(subcommand, id, ...) {#subcommand, __VA_ARGS__},
#include "tui/subcommands.def"
        {0}};

const struct man_flag man_flags[] = {
#define FLAG(subcommand, id, letter, name, argument, use, verbs, help)                         \
    {#subcommand, letter, name, argument, #use, verbs, help},
#include "tui/subcommands.def"
        {0}};

bool man_is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool man_is_choice(const char *argument)
{
    return strchr(argument, '|') && (argument[0] < 'A' || argument[0] > 'Z');
}

bool man_flag_is_for(const struct man_flag *flag, const char *subcommand, const char *verb)
{
    if (!man_is(flag->subcommand, subcommand))
        return false;
    const char *at = flag->verbs && verb ? strstr(flag->verbs, verb) : "";
    return at != NULL; /* no verb of a subcommand is a part of another */
}

static const struct {
    const char *name;
    void (*print)(void);
} parts[] = {
        {"synopsis", page_synopsis},
        {"subcommands", page_subcommands},
        {"options", page_options},
        {"quants", page_quants},
        {"settings", page_settings},
        {"endpoint keys", page_endpoint_keys},
        {"kinds", page_kinds},
        {"prices", page_prices},
        {"roles", page_roles},
        {"views", page_views},
        {"keys", page_keys},
        {"key names", page_key_names},
        {"slash commands", page_slash_commands},
};

static bool print_part(const char *name)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!man_is(parts[i].name, name))
            continue;
        printf(".\\\" BEGIN GENERATED %s\n", name);
        parts[i].print();
        printf(".\\\" END GENERATED\n");
        return true;
    }
    fprintf(stderr, "mangen: no part is called %s\n", name);
    return false;
}

static bool print_page(const char *path)
{
    static const char mark[] = ".\\\" GENERATE ";
    char line[1024];
    bool is_fine = true;
    FILE *in = fopen(path, "r");
    if (!in) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, mark, sizeof mark - 1) != 0) {
            fputs(line, stdout);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        is_fine &= print_part(line + sizeof mark - 1);
    }
    fclose(in);
    return is_fine;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
    if (argc != 2) {
        fprintf(stderr, "usage: mangen TEMPLATE | bash | zsh | fish\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (man_is(argv[1], shells[i].name)) {
            shells[i].print();
            return 0;
        }
    return print_page(argv[1]) ? 0 : 1;
}
