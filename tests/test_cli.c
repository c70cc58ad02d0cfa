/*
 * test_cli.c - the program from outside, as a script runs it: help, mistakes in words and in
 * the configuration, and the commands that ask nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tui/cmd.h"

#include "tests/helper_cli.h"
#include "tests/helper_tiny_model.h"

static void help_and_version_go_to_stdout(void **state)
{
    (void)state;
    expect_exit(RUN("--help"), EXIT_DONE);
    expect_in(&result.out, "usage: shunt");
    assert_int_equal(result.err.n, 0);
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        expect_in(&result.out, subcommand_defs[i].name);
    expect_exit(RUN("--version"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "shunt " SHUNT_VERSION "\n");
    assert_int_equal(result.err.n, 0);
}

static void every_command_explains_itself(void **state)
{
    (void)state;
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++) {
        char name[32], usage[64];
        snprintf(name, sizeof name, "%s", subcommand_defs[i].name);
        snprintf(usage, sizeof usage, "usage: shunt %s", name);
        expect_exit(RUN(name, "--help"), EXIT_DONE);
        assert_true(slice_has_prefix(buf_slice(&result.out), usage));
        assert_int_equal(result.err.n, 0);
        expect_no_escapes();
        for (int k = 0; k < FLAG_COUNT; k++)
            if ((int)flag_defs[k].subcommand == i || flag_defs[k].subcommand == SUB_EVERY)
                expect_in(&result.out, flag_defs[k].name);
        for (int k = VERB_NONE + 1; k < VERB_COUNT; k++)
            if ((int)verb_defs[k].subcommand == i)
                expect_in(&result.out, verb_defs[k].help);
    }
}

static void a_wrong_word_names_the_nearest(void **state)
{
    (void)state;
    expect_exit(RUN("--versoin"), EXIT_USAGE);
    expect_sentence("--version");
    expect_exit(RUN("aks", "hello"), EXIT_USAGE);
    expect_sentence("\"ask\"");
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", subcommand_defs[i].name);
        expect_exit(RUN(name, "--confg", "x"), EXIT_USAGE);
        expect_sentence("--config");
        assert_int_equal(result.out.n, 0);
    }
    expect_exit(RUN("ask", "-e"), EXIT_USAGE);
    expect_sentence("--endpoint needs a value");
    expect_exit(RUN("--color", "blue", "keys"), EXIT_USAGE);
    expect_sentence("--color blue");
}

static void a_double_dash_ends_options(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--", "--json", "-x"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "ok\n");
    expect_sent("[user: --json -x]");
    stop_serving();
}

static void a_mistake_in_the_configuration_is_said_and_survived(void **state)
{
    (void)state;
    char place[200];
    write_text("shunt.conf", "[shunt]\n\nthem = dark\n[endpont \"x\"]\nkind = vllm\n");
    expect_exit(RUN("keys", CONFIG), EXIT_DONE);
    snprintf(place, sizeof place, "%s:3: ", path_of("shunt.conf"));
    expect_in(&result.err, place);
    expect_in(&result.err, "\"theme\"");
    snprintf(place, sizeof place, "%s:5: ", path_of("shunt.conf"));
    expect_in(&result.err, place);
    expect_in(&result.err, "[endpoint]");
    expect_in(&result.out, "Everywhere");
    write_text("shunt.conf", "[shunt]\n\x1B[31mred\x1B[0m = \x07\n[\x1B[2J]\na = b\n[bind "
                             "\"\x1B\"]\nx = \x1B\n");
    expect_exit(RUN("keys", CONFIG), EXIT_DONE);
    expect_no_escapes();
}

static void themes_are_listed_plainly_into_a_pipe(void **state)
{
    (void)state;
    static const char *const names[] = {"* mono", "  dark", "  light", "  auto"};
    write_text("shunt.conf", "[shunt]\ntheme = mono\ncolor = 256\n");
    expect_exit(RUN("themes", CONFIG), EXIT_DONE);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_in(&result.out, names[i]);
    expect_no_escapes();
    expect_exit(RUN("themes", "--json", CONFIG), EXIT_DONE);
    expect_in(&result.out, "{\"name\":\"mono\",\"variant\":\"any\",\"file\":null,"
                           "\"used\":true,\"configured\":true}");
    expect_exit(RUN("themes", "dark", CONFIG), EXIT_USAGE);
    write_text("shunt.conf", "");
}

static void nobody_to_ask_is_a_refusal(void **state)
{
    (void)state;
    write_text("shunt.conf", NO_PILOT);
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_REFUSED);
    expect_sentence("no endpoint is configured");
    assert_int_equal(result.out.n, 0);
    expect_exit(RUN("route", CONFIG, "hello"), EXIT_REFUSED);
    expect_exit(RUN("ask", CONFIG, "-n"), EXIT_USAGE);
    expect_sentence("nothing to ask");
}

static void a_model_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {
            "missing.gguf", "cut.gguf", "garbage.gguf", "empty.gguf"};
    static const struct tiny_model shape = {"qwen3moe", 1, 4, 2, 64, 32, 1};
    struct buf text;
    struct err err;
    assert_true(tiny_model_write(path_of("whole.gguf"), &shape));
    assert_int_equal(file_read(&text, path_of("whole.gguf"), 64 << 20, &err), OK);
    write_file("cut.gguf", text.ptr, text.n / 2);
    write_file("garbage.gguf", text.ptr + text.n / 2, text.n / 2);
    write_text("empty.gguf", "");
    buf_release(&text);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char conf[300], path[160];
        snprintf(path, sizeof path, "%s", path_of(names[i]));
        snprintf(conf, sizeof conf, NO_PILOT "[endpoint \"local\"]\nkind = local\nmodel = %s\n",
                path);
        write_text("shunt.conf", conf);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), i == 0 ? EXIT_REFUSED : EXIT_FAILED);
        expect_sentence(path);
        expect_exit(RUN("route", CONFIG, "hello"), EXIT_REFUSED);
        expect_in(&result.out, path);
        expect_exit(RUN("fleet", "list", CONFIG), EXIT_DONE);
        expect_in(&result.out, i == 0 ? " no file " : " bad file ");
        expect_exit(RUN("model", "info", path), EXIT_FAILED);
        expect_sentence(path);
        expect_exit(RUN("eval", "logits", path, "--tokens", "1", "--json"), EXIT_FAILED);
        expect_sentence(path);
        assert_int_equal(result.out.n, 0);
    }
    expect_exit(RUN("model", "info", path_of("whole.gguf")), EXIT_DONE);
}

static void difficulty_is_one_number_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *sentence; /* NULL: it is fine */
        int n_lines;
    } cases[] = {{"", NULL, 0}, {"{\"prompt\":\"hi\"}\n{\"prompt\":\"\",\"x\":1}", NULL, 2},
            {"{\"prompt\":\"hi\"}\n{\"prompt\":7}\n{\"prompt\":\"hi\"}\n", "line 2", 1},
            {"{\"prompt\":\"hi\"}\n\n", "line 2", 1}, {"hello\n", "line 1", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int n_lines = 0;
        expect_exit(run_with(cases[i].input, ARGS("eval", "difficulty")),
                cases[i].sentence ? EXIT_FAILED : EXIT_DONE);
        for (struct slice rest = buf_slice(&result.out); rest.n; n_lines++) {
            double score;
            assert_true(slice_to_double(slice_cut(&rest, '\n'), &score));
            assert_true(score >= 0 && score <= 1);
        }
        assert_int_equal(n_lines, cases[i].n_lines);
        if (cases[i].sentence)
            expect_sentence(cases[i].sentence);
    }
    expect_exit(RUN("eval", "difficulty", "file"), EXIT_USAGE);
}

static void blocks_become_floats(void **state)
{
    (void)state;
    static const char block[] =
            "\x01\x3C\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98\x98"
            "\x98";
    float values[32];
    expect_exit(run_with(block, ARGS("eval", "quant", "Q4_0")), EXIT_DONE);
    assert_int_equal(result.out.n, sizeof values);
    memcpy(values, result.out.ptr, sizeof values);
    for (int i = 0; i < 32; i++)
        assert_true(values[i] == (i < 16 ? 0 : 1 + 0x1p-10f));
    expect_exit(run_with("", ARGS("eval", "quant", "BF16")), EXIT_DONE);
    assert_int_equal(result.out.n, 0);
    expect_exit(run_with("abc", ARGS("eval", "quant", "Q4_0")), EXIT_FAILED);
    expect_sentence("3 bytes into a block of Q4_0");
    expect_exit(RUN("eval", "quant", "Q9_9"), EXIT_USAGE);
    expect_sentence("Q5_K");
    expect_exit(RUN("eval", "quant"), EXIT_USAGE);
}

static double number_of(const struct json *object, const char *key)
{
    double value;
    if (!json_number(json_get(object, key), &value))
        fail_msg("no number %s in %s", key, buf_text(&result.out));
    return value;
}

static void the_bench_measures_a_made_up_model(void **state)
{
    (void)state;
    static const char *const positive[] = {"n_threads", "n_runs", "read_bytes_per_s",
            "prefill_tok_per_s", "decode_tok_per_s", "weight_bytes_per_tok", "kv_bytes_per_tok",
            "bytes_per_tok", "bandwidth_share"};
    expect_exit(RUN("bench", "--synthetic", "tiny", "-p", "4", "-n", "3", "-t", "1", "--json"),
            EXIT_DONE);
    struct json *object = json_parse(buf_slice(&result.out));
    assert_string_equal(json_get_text(object, "model"), "synthetic tiny");
    for (size_t i = 0; i < ARRAY_LEN(positive); i++)
        assert_true(number_of(object, positive[i]) > 0);
    assert_true(number_of(object, "n_prompt") == 4 && number_of(object, "n_gen") == 3);
    /* Per layer 2 x 128 numbers of 2 bytes and position; 1, 2 and 3 positions are seen. */
    assert_true(number_of(object, "kv_bytes_per_tok") == 4 * 2 * 128 * 2 * 2);
    double bytes = number_of(object, "bytes_per_tok");
    double expected = bytes * number_of(object, "decode_tok_per_s") /
                      number_of(object, "read_bytes_per_s");
    assert_true(bytes == number_of(object, "weight_bytes_per_tok") + 4 * 2 * 128 * 2 * 2);
    assert_true(number_of(object, "bandwidth_share") / expected > 0.999 &&
                number_of(object, "bandwidth_share") / expected < 1.001);
    json_free(object);
    expect_exit(RUN("bench", "--synthetic", "no-such-shape"), EXIT_USAGE);
    expect_sentence("olmoe-7b");
    expect_exit(RUN("bench", "-p", "0", "x.gguf"), EXIT_USAGE);
    expect_exit(RUN("bench", "no-such-file.gguf"), EXIT_FAILED);
    expect_sentence("no-such-file.gguf");
}

static void a_host_that_does_not_answer_is_a_failure(void **state)
{
    (void)state;
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://127.0.0.1:1/v1\nmodel = m\nretries = 0\n");
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
    expect_sentence("far");
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://no-such-host.invalid/v1\nmodel = m\nretries = 0\n");
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
    expect_sentence("no-such-host.invalid");
}

static void what_is_typed_first_leads_on(void **state)
{
    (void)state;
    struct buf help;
    expect_exit(RUN("ask", "--help"), EXIT_DONE);
    expect_in(&result.out, "-c, --continue [SESSION]");
    buf_init(&help, 1 << 20);
    buf_add_slice(&help, buf_slice(&result.out));
    expect_exit(RUN("help", "ask"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), buf_text(&help));
    buf_release(&help);
    expect_exit(RUN("help"), EXIT_DONE);
    expect_in(&result.out, "usage: shunt [OPTION");
    expect_exit(RUN("help", "aks"), EXIT_USAGE);
    expect_sentence("\"ask\"");
    expect_exit(RUN("version"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "shunt " SHUNT_VERSION "\n");
    expect_exit(RUN("hello", "world"), EXIT_USAGE);
    expect_sentence("shunt ask \"hello world\"");
    expect_exit(RUN("price", "of", "$5"), EXIT_USAGE); /* a shell would take $5 out of "…" */
    expect_sentence("shunt ask 'price of $5'");
    expect_exit(RUN("\x1B[31mred"), EXIT_USAGE);
    expect_no_escapes();
    expect_exit(RUN("model", "lst"), EXIT_USAGE);
    expect_sentence("did you mean \"list\"?");
    expect_exit(RUN("ask", "-x"), EXIT_USAGE);
    assert_string_equal(buf_text(&result.err),
            "shunt ask: unknown option -x (shunt ask --help tells more)\n");
    expect_exit(RUN("--colour=never", "keys"), EXIT_USAGE);
    expect_sentence("--colour: did you mean --color?");
    expect_exit(RUN("help", "nope"), EXIT_USAGE);
    assert_null(strstr(buf_text(&result.err), "did you mean"));
    expect_exit(RUN("help", "keys", "more"), EXIT_USAGE);
    expect_sentence("more");
    expect_exit(RUN("help", "ask", "--nonsense"), EXIT_USAGE);
    expect_sentence("--nonsense");
    expect_exit(RUN("route"), EXIT_USAGE);
    expect_sentence("PROMPT");
}

static void route_and_doctor_know_the_same_faults(void **state)
{
    (void)state;
    write_text("shunt.conf",
            "[endpoint \"smol\"]\nkind = local\nmodel = /nonexistent/x.gguf\n[endpoint "
            "\"far\"]\nkind = vllm\nurl = http://127.0.0.1:1/v1\nmodel = m\nkey_env = "
            "SHUNT_TEST_KEY\n[endpoint \"off\"]\nkind = local\nenabled = no\nmodel = "
            "/nonexistent/y.gguf\n");
    expect_exit(RUN("route", CONFIG, "hello"), EXIT_DONE);
    expect_in(&result.out, "\n  endpoint             time   expected  why\n");
    expect_in(&result.out, "x smol ");
    expect_in(&result.out, "cannot open /nonexistent/x.gguf: ");
    expect_in(&result.out, "> far ");
    assert_null(strstr(buf_text(&result.out), "y.gguf"));
    expect_exit(RUN("route", CONFIG, "--json", "hello"), EXIT_DONE);
    expect_in(&result.out, "\"filter\":\"faulty\"");
    expect_exit(
            RUN("route", CONFIG, "-e", "smol", "hello"), EXIT_DONE); /* tried all the same */
    expect_in(&result.out, "\nsmol: cannot open /nonexistent/x.gguf: ");
    expect_exit(RUN("route", CONFIG, "-e", "far", "hello"), EXIT_DONE);
    expect_in(&result.out, "far: asked for by name");
    expect_exit(RUN("route", CONFIG, "-e", "fra", "hello"), EXIT_USAGE);
    expect_sentence("smol, far, off");
    expect_exit(RUN("doctor", CONFIG), EXIT_FAILED);
    expect_in(&result.out, "BAD  smol           cannot open /nonexistent/x.gguf: ");
    expect_in(
            &result.out, "note far            http://127.0.0.1:1/v1, key found; not contacted");
    expect_in(&result.out, "ok   configuration");
}

static void doctor_calls_nothing_fine_that_is_not(void **state)
{
    (void)state;
    write_text("shunt.conf", "[shunt]\ntheme = nosuch\n");
    expect_exit(RUN("doctor", CONFIG), EXIT_FAILED);
    expect_in(&result.out, ":2: no theme \"nosuch\"");
    assert_null(strstr(buf_text(&result.out), "ok   configuration"));
    expect_exit(RUN("doctor", "--config", "/nonexistent/x.conf", "--data", path_of("data")),
            EXIT_FAILED);
    expect_in(&result.out, "BAD  configuration  /nonexistent/x.conf: this file does not exist");
    assert_null(strstr(buf_text(&result.out), "x.conf is not there yet"));
}

/* Whoever looks leaves nothing behind. */
static void looking_creates_nothing(void **state)
{
    (void)state;
    static char *const commands[][3] = {{"doctor"}, {"route", "hello"}, {"fleet", "list"},
            {"fleet", "costs"}, {"top", "-b"}, {"themes"}};
    char config[160], data[170];
    snprintf(config, sizeof config, "%s", path_of("shunt.conf"));
    snprintf(data, sizeof data, "%s", path_of("nothing"));
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://127.0.0.1:1/v1\nmodel = m\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN("--config", config, "--data", data, commands[i][0], commands[i][1], commands[i][2]);
        assert_null(strstr(buf_text(&result.err), "nothing")); /* it is no failure */
        if (access(data, F_OK) == 0)
            fail_msg("%s made %s", commands[i][0], data);
    }
    expect_exit(RUN("doctor", "--config", config, "--data", data), EXIT_DONE);
    expect_in(&result.out, "nothing/shunt.db is not there yet");
    snprintf(data, sizeof data, "%s/at", config); /* not in a file */
    expect_exit(RUN("doctor", "--config", config, "--data", data), EXIT_FAILED);
    expect_in(&result.out, "BAD  sessions       ");
}

static void models_say_whether_they_are_used(void **state)
{
    (void)state;
    static const struct tiny_model dense = {"llama", 1, 0, 0, 64, 32, 1};
    struct err err;
    char path[200];
    snprintf(path, sizeof path, "%s/models", path_of("data"));
    assert_int_equal(dir_make(path, &err), OK);
    snprintf(path, sizeof path, "%s/models/tiny.gguf", path_of("data"));
    assert_true(tiny_model_write(path, &dense));
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://127.0.0.1:1/v1\nmodel = m\n");
    expect_exit(RUN("model", CONFIG, "list"), EXIT_DONE);
    expect_in(&result.out, "\ntiny  ");
    expect_exit(RUN("model", CONFIG, "list", "--json"), EXIT_DONE);
    struct json *list = json_parse(buf_slice(&result.out));
    const struct json *m = json_at(list, json_count(list) - 1); /* behind the pilot */
    uint32_t n_layers = 0;
    assert_string_equal(json_get_text(m, "endpoint"), "tiny");
    assert_string_equal(json_get_text(m, "architecture"), "llama");
    assert_string_equal(json_get_text(m, "chat_format"), "ChatML");
    assert_true(json_get_u32(m, "n_layers", &n_layers) && n_layers == 1);
    assert_true(json_is_null(json_get(m, "error")));
    json_free(list);
    write_text("shunt.conf", "[shunt]\nmodels_folder = no\n" NO_PILOT);
    expect_exit(RUN("model", CONFIG, "list"), EXIT_DONE);
    expect_in(&result.out, "(no endpoint)");
    expect_exit(RUN("doctor", CONFIG), EXIT_FAILED);
    expect_in(&result.out, "models_folder = no");
    expect_exit(RUN("model", CONFIG, "info", path), EXIT_DONE);
    assert_null(strstr(buf_text(&result.out), "used per token"));
    struct slice rest = buf_slice(&result.out);
    while (rest.n) { /* one column of names, one of values */
        struct slice line = slice_cut(&rest, '\n');
        assert_true(line.n > 14 && line.ptr[13] == ' ' && line.ptr[14] != ' ');
    }
    unlink(path);
    snprintf(path, sizeof path, "%s/models/\x1B[31m.gguf", path_of("data"));
    assert_int_equal(file_write(path, "no model", 8, 0600, &err), OK);
    expect_exit(RUN("model", CONFIG, "list"), EXIT_DONE);
    expect_no_escapes();
    unlink(path);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down_result)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(help_and_version_go_to_stdout),
            TEST(every_command_explains_itself),
            TEST(a_wrong_word_names_the_nearest),
            TEST(a_double_dash_ends_options),
            TEST(a_mistake_in_the_configuration_is_said_and_survived),
            TEST(themes_are_listed_plainly_into_a_pipe),
            TEST(nobody_to_ask_is_a_refusal),
            TEST(a_model_that_cannot_be_read_is_named),
            TEST(difficulty_is_one_number_a_line),
            TEST(blocks_become_floats),
            TEST(the_bench_measures_a_made_up_model),
            TEST(a_host_that_does_not_answer_is_a_failure),
            TEST(what_is_typed_first_leads_on),
            TEST(route_and_doctor_know_the_same_faults),
            TEST(doctor_calls_nothing_fine_that_is_not),
            TEST(looking_creates_nothing),
            TEST(models_say_whether_they_are_used),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
