/*
 * test_manual.c - the manual and the completions are what the tables say: the files in man/ are
 * what mangen makes of them, every row stands in its page, the program's own text of a page is
 * mandoc's, and shells complete what the command line takes.
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

#include "router/endpoint.h"

#include "tui/cmd.h"
#include "tui/commands.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/manual.h"
#include "tui/slash.h"
#include "tui/view.h"

static const char *const pages[] = {"shunt.1", "shunt.conf.5", "shunt-theme.5", "shunt-keys.7"};
static const char *const topics[] = {"shunt", "config", "themes", "keys"};

static void read_output(const char *command, struct buf *out)
{
    char chunk[4096];
    size_t n;
    buf_init(out, 1 << 20);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_add(out, chunk, n);
    pclose(in);
}

static bool is_installed(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

static void expect_same(const char *path, const char *argument)
{
    struct buf made, kept;
    struct err err;
    char command[512], file[512];
    snprintf(command, sizeof command, "cd '%s' && '%s' %s", SOURCE_DIR, MANGEN, argument);
    snprintf(file, sizeof file, "%s/%s", SOURCE_DIR, path);
    read_output(command, &made);
    if (file_read(&kept, file, 1 << 20, &err) != OK)
        fail_msg("%s", err.text);
    assert_true(made.n > 500);
    if (made.n != kept.n || memcmp(buf_text(&made), buf_text(&kept), made.n) != 0)
        fail_msg("%s is not what mangen writes: ./dev manual", path);
    buf_release(&made);
    buf_release(&kept);
}

static void files_are_what_the_tables_make_of_them(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        char path[64], template[64];
        snprintf(path, sizeof path, "man/%s", pages[i]);
        snprintf(template, sizeof template, "man/%s.in", pages[i]);
        expect_same(path, template);
    }
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        char path[64];
        snprintf(path, sizeof path, "man/completion/shunt.%s", shells[i]);
        expect_same(path, shells[i]);
    }
}

/* ---- rows ------------------------------------------------------------------------------- */

/* White space is not compared: where lines are folded says nothing. */
static void drop_space(struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->n; i++)
        if (!strchr(" \t\n", text->ptr[i]))
            text->ptr[n++] = text->ptr[i];
    text->n = n;
    buf_add_text(text, "");
    text->ptr[n] = '\0';
}

static void read_page(const char *topic, struct buf *out)
{
    struct slice page = manual_find(topic);
    assert_true(page.n > 0);
    buf_init(out, 1 << 20);
    manual_print(page, 78, out);
    drop_space(out);
}

static void PRINTF(2, 3) expect(const struct buf *page, const char *fmt, ...)
{
    char text[512];
    struct buf bare;
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    buf_init(&bare, sizeof text);
    buf_add_text(&bare, text);
    drop_space(&bare);
    if (!strstr(buf_text(page), buf_text(&bare)))
        fail_msg("not in the page: %s", text);
    buf_release(&bare);
}

static void every_option_and_subcommand_is_in_its_page(void **state)
{
    (void)state;
    struct buf page;
    read_page("shunt", &page);
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        expect(&page, "shunt %s %s.", subcommand_defs[i].name, subcommand_defs[i].help);
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++) {
        const struct verb_def *v = &verb_defs[i];
        expect(&page, "%s %s %s.", v->name, v->words, v->help);
    }
    for (int i = 0; i < FLAG_COUNT; i++) {
        const struct flag_def *f = &flag_defs[i];
        char letter[] = {f->letter, '\0'};
        expect(&page, "%s%s%s--%s %s %s%s%s.", f->letter ? "-" : "", letter,
                f->letter ? "," : "", f->name, f->argument ? f->argument : "",
                f->verbs ? f->verbs : "", f->verbs ? ":" : "", f->help);
    }
#define QUANT(id, name, ...) expect(&page, name);
#include "kernels/quant.def"
#undef QUANT
    buf_release(&page);
}

static void every_setting_is_in_its_page(void **state)
{
    (void)state;
    struct buf page;
    read_page("config", &page);
    for (size_t i = 0; i < n_option_defs; i++) {
        const struct option_def *o = &option_defs[i];
        bool is_count = strcmp(o->unit, "threads") == 0 || strcmp(o->unit, "MB") == 0;
        expect(&page, "%s. %s%s", o->help,
                is_count         ? "Range: "
                : o->fallback[0] ? "Default: \xE2\x80\x98"
                                 : "",
                is_count ? "" : o->fallback);
    }
#define KEY(name, kind, member, fallback, help) expect(&page, name " = ");
#define OWN_KEY(name, kind, help)               expect(&page, name " = %s", "");
#include "router/endpoint_keys.def"
#define KEY(name, kind, member, fallback, help) expect(&page, "%s.", help);
#define OWN_KEY(name, kind, help)               expect(&page, "%s.", help);
#include "router/endpoint_keys.def"
    for (int i = 0; i < PROVIDER_COUNT; i++)
        expect(&page, "%s %s", providers[i].name, providers[i].url ? providers[i].url : "");
    for (int i = 0; i < ZONE_COUNT; i++)
        expect(&page, "%s", zone_name((enum zone)i));
    buf_release(&page);
}

static void every_role_is_in_its_page(void **state)
{
    (void)state;
    struct buf page;
    read_page("themes", &page);
#define ROLE(id, key, fallback, meaning) expect(&page, key " " meaning ".");
#include "tui/roles.def"
#undef ROLE
    buf_release(&page);
}

/* The help view reads the same rows by the same functions. */
static void keys_and_their_page_agree(void **state)
{
    (void)state;
    struct buf page, printed;
    read_page("keys", &page);
    read_output(SHUNT_BINARY " keys --config /nonexistent --data /nonexistent 2>/dev/null",
            &printed);
    drop_space(&printed);
    for (size_t i = 0; i < n_default_bindings; i++) {
        const struct binding *b = &default_bindings[i];
        const struct command_def *c = &command_defs[b->command];
        expect(&page, "%s", b->keys);
        expect(&page, "(%s) %s.", c->name, c->help);
        expect(&printed, "%s %s %s", b->keys, c->name, c->help);
    }
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++) {
        const char *argument = command_defs[*c].argument;
        expect(&page, "/%s %s%s%s.", command_defs[*c].name, argument ? argument : "",
                argument ? " " : "", command_defs[*c].help);
    }
    for (int i = 0; i < VIEW_COUNT; i++)
        expect(&page, "%s C-x %d, /open-%s", views[i].title, views[i].number, views[i].name);
    for (int i = 0; i < CTX_COUNT; i++)
        expect(&page, "%s Context: %s", context_defs[i].title, context_defs[i].name);
    for (size_t i = 0; key_name_at(i); i++)
        expect(&page, "%s,", key_name_at(i));
    buf_release(&page);
    buf_release(&printed);
}

static void every_variable_that_is_read_is_named(void **state)
{
    (void)state;
    static const char *const files[] = {"tui/config.c", "router/secret.c", "router/endpoint.c"};
    static const char call[] = "getenv(\"";
    struct buf page, text;
    struct err err;
    read_page("shunt", &page);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", SOURCE_DIR, files[i]);
        assert_int_equal(file_read(&text, path, 1 << 20, &err), OK);
        for (char *at = text.ptr; (at = strstr(at, call));) {
            at += strlen(call);
            expect(&page, "%.*s", (int)strcspn(at, "\""), at);
        }
        buf_release(&text);
    }
    buf_release(&page);
}

/* ---- what others make of the pages ------------------------------------------------------ */

static void mandoc_finds_no_fault(void **state)
{
    (void)state;
    if (!is_installed("mandoc"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        char command[512];
        struct buf found;
        /* whether the other pages are installed is not a fault of this one */
        snprintf(command, sizeof command,
                "mandoc -T lint '%s/man/%s' 2>/dev/null | grep -v 'referenced manual not "
                "found'",
                SOURCE_DIR, pages[i]);
        read_output(command, &found);
        if (found.n)
            fail_msg("%s", buf_text(&found));
        buf_release(&found);
    }
}

/* Without the first and the last line, which mandoc adds. */
static void drop_margins(struct buf *text)
{
    struct slice body = slice_trim(buf_slice(text));
    slice_cut(&body, '\n');
    while (body.n && body.ptr[body.n - 1] != '\n')
        body.n--;
    memmove(text->ptr, body.ptr, body.n);
    text->n = body.n;
    drop_space(text);
}

static void the_program_shows_what_mandoc_shows(void **state)
{
    (void)state;
    if (!is_installed("mandoc"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        char command[512];
        struct buf theirs, ours;
        snprintf(command, sizeof command, "mandoc -T utf8 '%s/man/%s' | sed 's/.\\x08//g'",
                SOURCE_DIR, pages[i]);
        read_output(command, &theirs);
        drop_margins(&theirs);
        read_page(topics[i], &ours);
        size_t n = 0;
        while (n < ours.n && n < theirs.n && ours.ptr[n] == theirs.ptr[n])
            n++;
        if (n < ours.n || n < theirs.n)
            fail_msg("%s: \"%.60s\", and mandoc: \"%.60s\"", pages[i], buf_text(&ours) + n,
                    buf_text(&theirs) + n);
        buf_release(&theirs);
        buf_release(&ours);
    }
}

static void help_shows_the_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        char command[512];
        struct buf shown, page;
        snprintf(command, sizeof command, "%s help %s", SHUNT_BINARY, topics[i]);
        read_output(command, &shown);
        drop_space(&shown);
        read_page(topics[i], &page);
        assert_string_equal(buf_text(&shown), buf_text(&page));
        buf_release(&shown);
        buf_release(&page);
    }
}

/* ---- completion ------------------------------------------------------------------------- */

static void expect_words(const char *shell, const char *script, const char *wanted)
{
    char command[1024];
    struct buf got;
    snprintf(command, sizeof command,
            "cd '%s/man/completion' && PATH=$(dirname '%s'):$PATH XDG_CONFIG_HOME=/dev/null "
            "XDG_DATA_HOME=/dev/null %s -c '%s' 2>/dev/null",
            SOURCE_DIR, SHUNT_BINARY, shell, script);
    read_output(command, &got);
    struct slice all = slice_trim(buf_slice(&got));
    if (!slice_eq(all, wanted))
        fail_msg("%s: %s\ngives %.*s\nand not %s", shell, script, (int)all.n, all.ptr, wanted);
    buf_release(&got);
}

#define BASH(words, n, word, before)                                                           \
    "source ./shunt.bash; COMP_WORDS=(" words "); COMP_CWORD=" #n "; _shunt shunt \"" word     \
    "\" \"" before "\"; echo ${COMPREPLY[*]}"

static void bash_completes(void **state)
{
    bool has_pilot = access(SOURCE_DIR "/engine/pilot/pilot.gguf", R_OK) == 0;
    (void)state;
    if (!is_installed("bash"))
        skip();
    expect_words("bash", BASH("shunt rou", 1, "rou", "shunt"), "route");
    expect_words("bash", BASH("shunt fleet \"\"", 2, "", "fleet"), "list probe costs");
    expect_words("bash", BASH("shunt --config x fleet p", 4, "p", "fleet"), "probe");
    expect_words(
            "bash", BASH("shunt top --view \"\"", 3, "", "--view"), "fleet router experts");
    expect_words("bash", BASH("shunt ask --max", 2, "--max", "ask"), "--max-tokens");
    expect_words(
            "bash", BASH("shunt keys --c", 2, "--c", "keys"), "--config --color --cuda-lib");
    expect_words("bash", BASH("shunt help ke", 2, "ke", "help"), "keys");
    expect_words("bash", BASH("shunt --color n", 2, "n", "--color"), "never");
    expect_words("bash", BASH("shunt ask -f shunt.z", 3, "shunt.z", "-f"), "shunt.zsh");
    expect_words("bash", BASH("shunt ask -e \"\"", 3, "", "-e"), has_pilot ? "pilot" : "");
    expect_words("bash", BASH("shunt help con", 2, "con", "help"), "config");
    expect_words("bash", BASH("shunt ask -c shunt.z", 3, "shunt.z", "-c"), "");
}

static void bash_takes_names_as_they_are_typed(void **state)
{
    (void)state;
    char folder[] = "/tmp/shunt-manual-XXXXXX", file[64];
    struct err err;
    if (!is_installed("bash"))
        skip();
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/two words", folder);
    assert_int_equal(file_write(file, "", 0, 0600, &err), OK);
    const char *const typed[] = {"two", "\\\"two", "two\\\\ wo"};
    for (size_t i = 0; i < ARRAY_LEN(typed); i++) {
        char script[512];
        snprintf(script, sizeof script,
                "source ./shunt.bash; cd %s; COMP_WORDS=(shunt ask -f x); COMP_CWORD=3; "
                "_shunt shunt \"%s\" -f; echo \"${#COMPREPLY[@]} $COMPREPLY\"",
                folder, typed[i]);
        expect_words("bash", script, "1 two words");
    }
    expect_words("bash",
            "source ./shunt.bash; _shunt_endpoints() { echo smol far; }; "
            "COMP_WORDS=(shunt model info s); COMP_CWORD=3; _shunt shunt smo info; "
            "echo ${COMPREPLY[*]}",
            "smol");
    assert_true(unlink(file) == 0 && rmdir(folder) == 0);
}

static void zsh_completes(void **state)
{
    (void)state;
    if (!is_installed("zsh"))
        skip();
    /* its own functions print what they are asked to offer */
    expect_words("zsh -f",
            "_arguments() { print -l -- $@; line=(fleet); return 1 }; source ./shunt.zsh | "
            "grep -c -e \"--days\\[So many days\" -e \"1:what:(list probe costs)\"",
            "2");
    expect_words("zsh -f",
            "_arguments() { line=(none); return 1 }; _describe() { print -l $commands }; "
            "source ./shunt.zsh; _shunt_commands | grep -c \"^route:Decide\"",
            "1");
}

static void fish_completes(void **state)
{
    (void)state;
    if (!is_installed("fish"))
        skip();
    expect_words("fish", "source ./shunt.fish; complete -C \"shunt rou\" | cut -f1", "route");
    expect_words("fish",
            "source ./shunt.fish; complete -C \"shunt fleet \" | cut -f1 | sort | string join "
            "\" \"",
            "costs list probe");
    expect_words("fish", "source ./shunt.fish; complete -C \"shunt top --view r\" | cut -f1",
            "router");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(files_are_what_the_tables_make_of_them),
            cmocka_unit_test(every_option_and_subcommand_is_in_its_page),
            cmocka_unit_test(every_setting_is_in_its_page),
            cmocka_unit_test(every_role_is_in_its_page),
            cmocka_unit_test(keys_and_their_page_agree),
            cmocka_unit_test(every_variable_that_is_read_is_named),
            cmocka_unit_test(mandoc_finds_no_fault),
            cmocka_unit_test(the_program_shows_what_mandoc_shows),
            cmocka_unit_test(help_shows_the_pages),
            cmocka_unit_test(bash_completes),
            cmocka_unit_test(bash_takes_names_as_they_are_typed),
            cmocka_unit_test(zsh_completes),
            cmocka_unit_test(fish_completes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
