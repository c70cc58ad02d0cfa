/*
 * test_passages.c - the help as passages: files of topics and their faults, keys that the user
 * has changed, a passage about every row of the tables; and which of them a question finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/builtin.h"
#include "engine/json.h"

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/help_search.h"
#include "tui/keys.h"
#include "tui/slash.h"

#include "tests/helper_cli.h"

static struct keymap *map;
static struct passages passages;

static int set_up(void **state)
{
    (void)state;
    map = keymap_new();
    passages_init_empty(&passages, map);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    passages_release(&passages);
    keymap_free(map);
    return 0;
}

static void bind(enum context context, const char *keys, enum command command)
{
    struct err err;
    if (keymap_bind(map, context, keys, command, &err) != OK)
        fail_msg("%s", err.text);
}

static const struct passage *find(const char *title)
{
    const struct passage *found = passages_find(&passages, title);
    if (!found)
        fail_msg("no passage \"%s\"", title);
    return found;
}

/* ---- files ------------------------------------------------------------------------------ */

static void topics_are_read(void **state)
{
    (void)state;
    passages_add_topics(&passages, "a.txt",
            SLICE("# draw a line\r\n? how do I draw | line\n? stroke\nTake a pen and\n  draw "
                  "with {it}.\n\n# second thing\n? second\nThat's it: {key help}."));
    assert_string_equal(buf_text(&passages.faults), "");
    assert_int_equal(passages.n, 2);
    assert_string_equal(passages.rows[0].title, "draw a line");
    assert_string_equal(passages.rows[0].ask, "how do I draw | line | stroke");
    assert_string_equal(passages.rows[0].text, "Take a pen and draw with {it}.");
    assert_string_equal(passages.rows[1].text, "That's it: F1.");
    assert_string_equal(passages.rows[1].template, "That's it: {key help}.");
    assert_null(passages_find(&passages, "draw"));
}

static void faults_are_said_and_do_no_harm(void **state)
{
    (void)state;
    static const struct {
        const char *file, *fault;
    } rows[] = {
            {"lost\n# b\n? b\nB.", "f: text before the first title\n"},
            {"# a\n? x\n# b\n? b\nB.", "f: a has no text\n"},
            {"# a\nA.\n# b\n? b\nB.", "f: nobody asks for a: no line with ?\n"},
            {"# b\n? b\nB.\n# b\n? c\nC.", "b: there are two of this title\n"},
            {"# b\n? b\nB {key fly}.", "b: a {key CONTEXT/COMMAND} that there is not\n"},
            {"# b\n? b\nB {key moon/send}.", "b: a {key CONTEXT/COMMAND} that there is not\n"},
            {"# b\n? b\nB {key send", "b: a {key CONTEXT/COMMAND} that there is not\n"},
            {"# b\n? b\nB {key none}.", "b: a {key CONTEXT/COMMAND} that there is not\n"},
            {"# anything else\nNo.\n# b\n? b\nB.", ""},
            {"# b\n? b\nB.", ""},
            {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct passages p;
        passages_init_empty(&p, map);
        passages_add_topics(&p, "f", slice_of(rows[i].file));
        assert_string_equal(buf_text(&p.faults), rows[i].fault);
        if (rows[i].file[0])
            assert_int_equal(passages_find(&p, "b")->text[0], 'B');
        passages_release(&p);
    }
}

/* ---- keys ------------------------------------------------------------------------------- */

static void expect_text(const char *template, const char *text)
{
    struct passages p;
    passages_init_empty(&p, map);
    assert_true(passages_add(&p, "x", "", template));
    assert_string_equal(p.rows[0].text, text);
    passages_release(&p);
}

static void placeholders_become_keys(void **state)
{
    (void)state;
    expect_text("{key endpoint-add}", "a");
    expect_text("{key fleet/endpoint-add}, {key quit-if-empty}", "a, C-d");
    expect_text(
            "{key open-fleet} {key experts/open-fleet} {key chat/open-fleet}", "C-x 3 3 C-x 3");
    expect_text("{key export}", "/export");
}

static void keys_of_the_user_go_first(void **state)
{
    (void)state;
    bind(CTX_CHAT, "C-r", CMD_RETRY);
    expect_text("{key chat/retry} {key transcript/retry}", "C-r M-r");
    bind(CTX_FLEET, "a", CMD_NONE);
    expect_text("{key fleet/endpoint-add}", "a key that you bind in [bind] (endpoint-add)");
    passages_add_tables(&passages);
    assert_string_equal(find("key endpoint-add")->text,
            "a key that you bind in [bind] (endpoint-add): Add an endpoint to the "
            "configuration.");
    bind(CTX_FLEET, "+", CMD_ENDPOINT_ADD);
    expect_text("{key endpoint-add}", "+");
}

static void sentences_name_every_place(void **state)
{
    (void)state;
    bind(CTX_MODELS, "F3", CMD_OPEN_FLEET);
    passages_add_tables(&passages);
    assert_string_equal(find("key open-fleet")->text,
            "C-x 3 in every view, 3 in Experts, Router, Sessions and Tokens, F3 in Models, or "
            "`/open-fleet` in the input line: Show the endpoints: health, speed, cost.");
    assert_non_null(strstr(find("key open-fleet")->template, "{key experts/open-fleet} in "));
}

/* ---- tables ----------------------------------------------------------------------------- */

static void PRINTF(1, 2) expect_title(const char *fmt, ...)
{
    char title[128];
    va_list va;
    va_start(va, fmt);
    vsnprintf(title, sizeof title, fmt, va);
    va_end(va);
    find(title);
}

static void every_row_has_a_passage(void **state)
{
    (void)state;
    passages_add_tables(&passages);
    for (size_t i = 0; i < n_option_defs; i++)
        expect_title("%s", option_defs[i].key);
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        expect_title("shunt %s", subcommand_defs[i].name);
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++)
        expect_title("shunt %s %s", subcommand_defs[verb_defs[i].subcommand].name,
                verb_defs[i].name);
    for (size_t i = 0; i < n_default_bindings; i++)
        expect_title("key %s", command_defs[default_bindings[i].command].name);
    expect_title("/export");
    expect_title("kind openai");
    expect_title("zone lab");
    expect_title("endpoint url");
    expect_title("shunt --config");
    expect_title("shunt ask --endpoint");
    expect_title("theme roles");
    expect_title("gini in Experts");
}

static void rows_become_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *title, *text;
    } rows[] = {
            {"mouse", "`mouse` in the section `[shunt]` of `shunt.conf`: Take the mouse: the "
                      "wheel scrolls, a click opens and selects. It is yes or no; without it: "
                      "no."},
            {"threads", "`threads` in the section `[shunt]` of `shunt.conf`: Threads of the "
                        "local engine; 0: one per core. It is a number from 0 to 256; without "
                        "it: 0."},
            {"endpoint slots", "`slots` in a section `[endpoint \"NAME\"]` of `shunt.conf`: "
                               "Requests that a model of kind local works on at once; without "
                               "it one. It is a number from 1 to 64."},
            {"kind vllm", "`kind = vllm` in a section `[endpoint \"NAME\"]`: a server whose "
                          "address `url` must give. Without `zone` it is in the zone lab."},
            {"shunt fleet costs",
                    "`shunt fleet costs`: Dollars and tokens by day and endpoint."},
            {"shunt fleet --days", "`shunt fleet costs --days N`: So many days, today included "
                                   "(7)."},
            {"shunt ask --system",
                    "`shunt ask --system TEXT`, in short `-s TEXT`: System prompt."},
            {"/export", "`/export FILE` in the input line: Write the conversation to a file as "
                        "markdown."},
    };
    passages_add_tables(&passages);
    assert_string_equal(buf_text(&passages.faults), "");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(find(rows[i].title)->text, rows[i].text);
}

static void what_is_in_the_program_is_in_order(void **state)
{
    (void)state;
    passages_release(&passages);
    passages_init(&passages, map);
    assert_string_equal(buf_text(&passages.faults), "");
    assert_true(passages.n > 250);
    for (size_t i = 0; i < passages.n; i++) {
        const struct passage *p = &passages.rows[i];
        assert_true(p->text[0] && p->title[0]);
        if (strstr(p->text, "{key") || strstr(p->text, "a key that you bind"))
            fail_msg("%s names a command that has no key: %s", p->title, p->text);
        if (strcmp(p->title, PASSAGE_ELSE) == 0)
            assert_int_equal(i, passages.n - 1);
    }
}

/* ---- search ----------------------------------------------------------------------------- */

static struct help_search *search;

static int set_up_search(void **state)
{
    set_up(state);
    passages_add_tables(&passages);
    passages_add_topics(&passages, "test",
            SLICE("# anything else\nThe weather in Paris is unknown to me.\n# greeting\n? "
                  "hello | hi\nHello.\n# sleep\n? suspend\nTo stop the program and "
                  "return to the shell, suspend it.\n# many ways\n? violet unicorn | grey "
                  "horse of the neighbour | brown cow on a meadow | green frog in a pond | a "
                  "white swan on the lake | black cat in a tree\nAnimals.\n# few ways\n? "
                  "violet\nA unicorn."));
    search = help_search_new_of(&passages);
    return 0;
}

static int tear_down_search(void **state)
{
    help_search_free(search);
    return tear_down(state);
}

static bool is_found(const char *question, const char *previous, const char *title)
{
    const struct passage *found[HELP_FOUND_MAX];
    size_t n = help_search(search, question, previous, found);
    for (size_t i = 0; i < n; i++)
        if (strcmp(found[i]->title, title) == 0)
            return true;
    return false;
}

static void expect_found(const char *question, const char *previous, const char *title)
{
    if (!is_found(question, previous, title))
        fail_msg("\"%s\" after \"%s\" does not find \"%s\"", question, previous ? previous : "",
                title);
}

static const char *first_found(const char *question, const char *previous)
{
    const struct passage *found[HELP_FOUND_MAX];
    return help_search(search, question, previous, found) > 0 ? found[0]->title : "";
}

static void questions_find_their_passage(void **state)
{
    (void)state;
    static const struct {
        const char *question, *title;
    } rows[] = {
            {"how do I add an endpoint?", "key endpoint-add"},
            {"Which key folds the reasoning?", "key fold"},
            {"What is gini?", "gini in Experts"},
            {"can I set a dollar budget for a day", "budget_day_usd"},
            {"budget_day_usd", "budget_day_usd"},
            {"take the mouse", "mouse"},
            {"where do I write the price of cached tokens", "endpoint price_cached_usd"},
            {"attach a file to shunt ask", "shunt ask --file"},
            {"zone external?", "zone external"},
            {"unloading models", "key model-unload"},
            {"colour of a quoted text in markdown", "theme roles of markdown"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_found(rows[i].question, NULL, rows[i].title);
}

static void misspelt_words_find_it_too(void **state)
{
    (void)state;
    expect_found("how do I add an endpont", NULL, "key endpoint-add"); /* left out */
    expect_found("teh mosue", NULL, "mouse");                          /* swapped */
    expect_found("mouuse", NULL, "mouse");                             /* put in */
    expect_found("resoning", NULL, "reasoning");
    expect_found("conection timout", NULL, "endpoint connect_timeout");
    expect_found("difikulty", NULL, "difficulty in Router"); /* two */
    assert_string_equal(first_found("zqxj", NULL), "");
}

static void syntax_of_the_index_is_only_words(void **state)
{
    (void)state;
    static const char *const questions[] = {"mouse\" NOT \"mouse", "mouse NOT mouse", "-mouse",
            "mouse*", "gini : mouse", "^mouse", "(mouse", "NEAR(mouse)", "\"mouse",
            "'; DROP TABLE passage; -- mouse", "{ask} : mouse", "mouse AND nothingatall",
            "mouse\\\" OR \"", "mouse\n\t\x01", "\xff\xfe mouse"};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        expect_found(questions[i], NULL, "mouse");
    static const char *const empty[] = {"", "\"", "\"\"", "*", "()", ": - ^ \x01"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        assert_string_equal(first_found(empty[i], NULL), "");
}

static void long_questions_are_cut(void **state)
{
    (void)state;
    struct buf question;
    buf_init(&question, 1 << 20);
    buf_add_text(&question, "mouse ");
    for (int i = 0; i < 2000; i++)
        buf_printf(&question, "w%dz%.*s ", i, i % 60,
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_found(buf_text(&question), NULL, "mouse");
    buf_release(&question);
}

static void the_question_before_counts_when_this_one_is_short(void **state)
{
    (void)state;
    const char *previous = "how do I delete the character before the cursor?";
    expect_found("and cut a word?", previous, "key kill-word-left");
    assert_string_equal(first_found("and in the endpoint form what is the ca file for, why and "
                                    "when",
                                previous),
            "endpoint ca_file");
    assert_string_equal(
            first_found("mouse", previous), "key mouse"); /* less than its own words */
    expect_found("mouse", previous, "key delete-left");
    expect_found("how should I have it with the mouse", previous, "key delete-left");
    expect_found("zqxj", previous, "key delete-left");
    assert_false(is_found("what does theme mean for colours of markdown code and quotes today",
            previous, "key delete-left"));
    expect_found("but what does theme mean for colours of markdown code and quotes today",
            "mouse", "mouse");
}

static void what_is_written_goes_before_rows(void **state)
{
    (void)state;
    const struct passages *all = help_search_passages(search);
    assert_false(passages_find(all, "greeting")->is_row);
    assert_true(passages_find(all, "mouse")->is_row);
    assert_string_equal(first_found("how do I suspend", NULL), "sleep");
    /* one way to ask that fits, among many that do not */
    assert_string_equal(first_found("violet unicorn", NULL), "many ways");
}

static void what_is_said_to_all_else_is_never_found(void **state)
{
    (void)state;
    assert_false(is_found("the weather in Paris, anything else", NULL, PASSAGE_ELSE));
    assert_non_null(passages_find(help_search_passages(search), PASSAGE_ELSE));
    expect_found("hello", NULL, "greeting");
}

static void the_pilot_speaks_of_itself_where_there_is_one(void **state)
{
    (void)state;
    static const char topics[] = "# zebra of the pilot\n? zebra quagga\nI am striped.\n";
    for (int has_pilot = 0; has_pilot < 2; has_pilot++) {
        struct passages own;
        passages_init_empty(&own, map);
        passages_add_topics(&own, PILOTS_TOPICS, slice_of(topics));
        builtin_set_pilot(slice_of(has_pilot ? "bytes" : ""));
        struct help_search *of_pilot = help_search_new_of(&own);
        const struct passage *found[HELP_FOUND_MAX];
        assert_int_equal(help_search(of_pilot, "zebra", NULL, found), has_pilot);
        assert_int_equal(help_search(of_pilot, "quaga", NULL, found), has_pilot);
        help_search_free(of_pilot);
    }
    builtin_set_pilot(slice_of(""));
}

/* ---- command line ----------------------------------------------------------------------- */

static void the_command_prints_what_is_found(void **state)
{
    (void)state;
    write_text("shunt.conf", "[bind \"fleet\"]\nendpoint-add = +\n");
    expect_exit(
            RUN("help", "-s", "add", "an", "endpoint", "to", "the", "configuration", CONFIG),
            EXIT_DONE);
    expect_in(&result.out, "key endpoint-add\n  + in Fleet: Add an endpoint");
    expect_exit(RUN("help", "--search=zqxj", CONFIG), EXIT_FAILED);
    expect_sentence("the help has none of these words");
    expect_exit(RUN("help", CONFIG, "-s"), EXIT_USAGE);
}

static void the_command_prints_all_passages(void **state)
{
    (void)state;
    write_text("shunt.conf", "[bind \"fleet\"]\nendpoint-add = +\n");
    expect_exit(RUN("help", "--passages", CONFIG), EXIT_DONE);
    struct slice rest = buf_slice(&result.out), line;
    size_t n = 0;
    bool is_seen = false;
    while ((line = slice_cut(&rest, '\n')).n > 0) {
        struct json *json = json_parse(line);
        assert_true(json_get_text(json, "ask") && json_get_text(json, "text"));
        if (strcmp(json_get_text(json, "title"), "key endpoint-add") == 0) {
            is_seen = true;
            assert_true(json_is_true(json_get(json, "is_row")));
            assert_string_equal(json_get_text(json, "template"),
                    "{key fleet/endpoint-add} in Fleet: Add an endpoint to the configuration.");
            assert_string_equal(json_get_text(json, "text"),
                    "+ in Fleet: Add an endpoint to the configuration.");
        }
        json_free(json);
        n++;
    }
    assert_true(n > 250 && is_seen);
}

#define LIST(test)   cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define SEARCH(test) cmocka_unit_test_setup_teardown(test, set_up_search, tear_down_search)
#define CLI(test)    cmocka_unit_test_teardown(test, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            LIST(topics_are_read),
            LIST(faults_are_said_and_do_no_harm),
            LIST(placeholders_become_keys),
            LIST(keys_of_the_user_go_first),
            LIST(sentences_name_every_place),
            LIST(every_row_has_a_passage),
            LIST(rows_become_sentences),
            LIST(what_is_in_the_program_is_in_order),
            SEARCH(questions_find_their_passage),
            SEARCH(misspelt_words_find_it_too),
            SEARCH(syntax_of_the_index_is_only_words),
            SEARCH(long_questions_are_cut),
            SEARCH(the_question_before_counts_when_this_one_is_short),
            SEARCH(what_is_written_goes_before_rows),
            SEARCH(what_is_said_to_all_else_is_never_found),
            SEARCH(the_pilot_speaks_of_itself_where_there_is_one),
            CLI(the_command_prints_what_is_found),
            CLI(the_command_prints_all_passages),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
