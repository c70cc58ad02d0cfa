/*
 * test_cli.c - the contract of the command line, from outside: exit statuses, what goes to
 * which stream, what is read, what is sent, and that no key and no escape sequence comes out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tui/cmd.h"

#include "tests/helper_server.h"
#include "tests/helper_tiny_model.h"

#define WAIT_MS 30000
#define KEY     "sk-a1b2c3d4e5f6a7b8c9d0"

static char folder[64];
static struct result {
    int status; /* wait status */
    struct buf out, err;
} result;

/* ---- running it ------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static int i;
    i = (i + 1) % 4;
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

static void write_file(const char *name, const char *text, size_t n)
{
    struct err err;
    assert_int_equal(file_write(path_of(name), text, n, 0600, &err), OK);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static int set_up_all(void **state)
{
    (void)state;
    static const char *const unset[] = {"NO_COLOR", "COLORTERM", "XDG_CONFIG_HOME",
            "XDG_DATA_HOME", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    snprintf(folder, sizeof folder, "/tmp/shunt-cli-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < ARRAY_LEN(unset); i++)
        unsetenv(unset[i]);
    setenv("HOME", folder, 1);
    setenv("TERM", "xterm-256color", 1);
    setenv("SHUNT_TEST_KEY", KEY, 1);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int tear_down(void **state)
{
    (void)state;
    buf_release(&result.out);
    buf_release(&result.err);
    return 0;
}

struct child {
    pid_t pid;
    int in, out, err; /* this side of the pipes */
};

/* argv[0] is put before; stdin_path NULL: a pipe; stdout_path NULL: a pipe. */
static struct child spawn(char *const *args, const char *stdin_path, const char *stdout_path)
{
    char *argv[32] = {(char[]){SHUNT_BINARY}};
    int in[2], out[2], err[2];
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
                pipe2(err, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(stdin_path ? open(stdin_path, O_RDONLY) : in[0], STDIN_FILENO);
        dup2(stdout_path ? open(stdout_path, O_WRONLY) : out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    return (struct child){pid, in[1], out[0], err[0]};
}

static void finish(struct child *child)
{
    bool is_open[2] = {true, true};
    uint64_t end = clock_now_ns() + WAIT_MS * 1000000ull;
    buf_release(&result.out);
    buf_release(&result.err);
    buf_init(&result.out, 64 << 20);
    buf_init(&result.err, 64 << 20);
    while ((is_open[0] || is_open[1]) && clock_now_ns() < end) {
        struct pollfd p[] = {{is_open[0] ? child->out : -1, POLLIN, 0},
                {is_open[1] ? child->err : -1, POLLIN, 0}};
        poll(p, 2, 1000);
        for (int i = 0; i < 2; i++) {
            char bytes[4096];
            ssize_t n = p[i].revents ? read(p[i].fd, bytes, sizeof bytes) : -1;
            if (n > 0)
                buf_add(i ? &result.err : &result.out, bytes, (size_t)n);
            else if (p[i].revents)
                is_open[i] = false;
        }
    }
    bool is_late = is_open[0] || is_open[1];
    if (is_late)
        kill(child->pid, SIGKILL);
    waitpid(child->pid, &result.status, 0);
    close(child->out);
    close(child->err);
    if (is_late)
        fail_msg("it does not end; so far: %s%s", buf_text(&result.out), buf_text(&result.err));
}

static int run_with(const char *stdin_text, char *const *args)
{
    struct child child = spawn(args, NULL, NULL);
    size_t n = strlen(stdin_text);
    signal(SIGPIPE, SIG_IGN);
    if (n && write(child.in, stdin_text, n) != (ssize_t)n)
        fail_msg("standard input is not read");
    close(child.in);
    finish(&child);
    if (!WIFEXITED(result.status))
        fail_msg("wait status %x: %s", (unsigned)result.status, buf_text(&result.err));
    return WEXITSTATUS(result.status);
}

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL})
#define RUN(...)  run_with("", ARGS(__VA_ARGS__))
#define CONFIG                                                                                 \
    (char[]){"--config"}, (char *)(uintptr_t)path_of("shunt.conf"), (char[]){"--data"},        \
            (char *)(uintptr_t)path_of("data")

static void expect_exit(int got, int wanted)
{
    if (got != wanted)
        fail_msg("exit status %d in place of %d\nstdout: %s\nstderr: %s", got, wanted,
                buf_text(&result.out), buf_text(&result.err));
}

static void expect_in(const struct buf *where, const char *text)
{
    if (!strstr(buf_text(where), text))
        fail_msg("\"%s\" is missing in: %s", text, buf_text(where));
}

/* One line that begins with the program's name and says this. */
static void expect_sentence(const char *text)
{
    struct slice rest = buf_slice(&result.err), line = slice_cut(&rest, '\n');
    assert_true(slice_has_prefix(line, "shunt"));
    if (rest.n)
        fail_msg("more than one line: %s", buf_text(&result.err));
    expect_in(&result.err, text);
}

static void expect_no_escapes(void)
{
    for (int i = 0; i < 2; i++) {
        const struct buf *b = i ? &result.err : &result.out;
        uint32_t cp;
        for (size_t k = 0, n; k < b->n; k += n) {
            n = utf8_decode(b->ptr + k, b->n - k, &cp);
            if (utf8_is_hostile(cp) || (cp == 0xFFFD && n == 1))
                fail_msg("byte %02x in: %s", (unsigned char)b->ptr[k], buf_text(b));
        }
    }
}

/* ---- a server to talk to ---------------------------------------------------------------- */

#define HEAD(status, type)                                                                     \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define DELTA(text)                                                                            \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STREAM_END                                                                             \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"          \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: " \
    "[DONE]\n\n"
#define STREAM(text) HEAD("200 OK", "text/event-stream") DELTA(text) STREAM_END

static struct server *server;
static struct server_script script;

static void serve(const char *response, bool hangs)
{
    char text[512];
    script = (struct server_script){.bytes = response, .n = strlen(response), .hangs = hangs};
    server = server_open(&script, 1);
    snprintf(text, sizeof text,
            "[endpoint \"e\"]\nkind = vllm\nurl = http://127.0.0.1:%d/v1\nmodel = m\nkey_env = "
            "SHUNT_TEST_KEY\nretries = 0\n",
            server_port(server));
    write_text("shunt.conf", text);
}

static void stop_serving(void)
{
    server_close(server);
    server = NULL;
}

/* The texts of the messages that were sent, each with its role. */
static void expect_sent(const char *joined)
{
    struct buf got;
    assert_int_equal(server_n_requests(server), 1);
    const char *body = strstr(server_request(server, 0), "\r\n\r\n");
    struct json *root = json_parse(slice_of(body + 4));
    buf_init(&got, 1 << 20);
    assert_non_null(root);
    for (const struct json *m = json_first(json_get(root, "messages")); m; m = json_next(m))
        buf_printf(&got, "[%s: %s]", json_get_text(m, "role"), json_get_text(m, "content"));
    assert_string_equal(buf_text(&got), joined);
    buf_release(&got);
    json_free(root);
}

/* ---- help and usage --------------------------------------------------------------------- */

static void help_and_version_go_to_stdout(void **state)
{
    (void)state;
    expect_exit(RUN("--help"), EXIT_DONE);
    expect_in(&result.out, "usage: shunt");
    assert_int_equal(result.err.n, 0);
    for (size_t i = 0; i < n_cmd_defs; i++)
        expect_in(&result.out, cmd_defs[i].name);
    expect_exit(RUN("--version"), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "shunt " SHUNT_VERSION "\n");
    assert_int_equal(result.err.n, 0);
}

static void every_command_explains_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_cmd_defs; i++) {
        char name[32], usage[64];
        snprintf(name, sizeof name, "%s", cmd_defs[i].name);
        snprintf(usage, sizeof usage, "usage: shunt %s", name);
        expect_exit(RUN(name, "--help"), EXIT_DONE);
        assert_true(slice_has_prefix(buf_slice(&result.out), usage));
        assert_int_equal(result.err.n, 0);
        expect_no_escapes();
        for (size_t k = 0; k < cmd_defs[i].n_flags; k++)
            expect_in(&result.out, cmd_defs[i].flags[k].name);
    }
}

static void a_wrong_word_names_the_nearest(void **state)
{
    (void)state;
    expect_exit(RUN("--versoin"), EXIT_USAGE);
    expect_sentence("--version");
    expect_exit(RUN("aks", "hello"), EXIT_USAGE);
    expect_sentence("\"ask\"");
    for (size_t i = 0; i < n_cmd_defs; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", cmd_defs[i].name);
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

/* ---- configuration ---------------------------------------------------------------------- */

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

static void nobody_to_ask_is_a_refusal(void **state)
{
    (void)state;
    write_text("shunt.conf", "");
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
        snprintf(conf, sizeof conf, "[endpoint \"local\"]\nkind = local\nmodel = %s\n", path);
        write_text("shunt.conf", conf);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), i == 0 ? EXIT_REFUSED : EXIT_FAILED);
        expect_sentence(path);
        expect_exit(RUN("model", "info", path), EXIT_FAILED);
        expect_sentence(path);
        expect_exit(RUN("eval", "logits", path, "--tokens", "1", "--json"), EXIT_FAILED);
        expect_sentence(path);
        assert_int_equal(result.out.n, 0);
    }
    expect_exit(RUN("model", "info", (char *)(uintptr_t)path_of("whole.gguf")), EXIT_DONE);
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

/* ---- answers ---------------------------------------------------------------------------- */

static void stdin_is_read_behind_the_prompt(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(run_with("from the pipe\n", ARGS("ask", CONFIG, "two", "words")), EXIT_DONE);
    assert_string_equal(buf_text(&result.out), "ok\n");
    assert_int_equal(result.err.n, 0);
    expect_sent("[user: two words\n\nfrom the pipe\n]");
    stop_serving();
    serve(STREAM("ok"), false);
    expect_exit(
            run_with("from the pipe\n", ARGS("ask", CONFIG, "-n", "-s", "be brief", "words")),
            EXIT_DONE);
    expect_sent("[system: be brief][user: words]");
    stop_serving();
}

/* With -n a pipe that never ends is no reason to wait. */
static void an_open_pipe_is_not_waited_for(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), NULL, NULL);
    finish(&child);
    close(child.in);
    expect_exit(WEXITSTATUS(result.status), EXIT_DONE);
    stop_serving();
}

static void a_request_file_is_sent_as_it_stands(void **state)
{
    (void)state;
    write_text("request.json",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
            "\"content\":\"u\"},"
            "{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"v\"}],"
            "\"temperature\":0.5,\"logit_bias\":{\"5\":1}}");
    serve(STREAM("ok"), false);
    expect_exit(
            RUN("ask", CONFIG, "-n", "--request", (char *)(uintptr_t)path_of("request.json")),
            EXIT_DONE);
    expect_sent("[system: s][user: u][assistant: a][user: v]");
    assert_non_null(strstr(server_request(server, 0), "\"temperature\":0.5"));
    assert_non_null(strstr(server_request(server, 0), "\"logit_bias\":{\"5\":1}"));
    stop_serving();
    write_text("request.json", "[1]");
    expect_exit(
            RUN("ask", CONFIG, "-n", "--request", (char *)(uintptr_t)path_of("request.json")),
            EXIT_FAILED);
    expect_sentence("request.json");
}

static void an_answer_that_is_cut_is_incomplete(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("half an ans"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_INCOMPLETE);
    assert_string_equal(buf_text(&result.out), "half an ans\n");
    expect_sentence("\"e\"");
    stop_serving();
}

static void interrupting_keeps_what_came(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("so far"), true);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), "/dev/null", NULL);
    struct pollfd p = {child.out, POLLIN, 0};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    kill(child.pid, SIGINT);
    finish(&child);
    close(child.in);
    assert_true(WIFEXITED(result.status));
    expect_exit(WEXITSTATUS(result.status), EXIT_INTERRUPTED);
    assert_string_equal(buf_text(&result.out), "so far\n");
    stop_serving();
}

/* ---- JSON ------------------------------------------------------------------------------- */

/* One object with every member that is promised; its error class, "" for none. */
static const char *expect_object(void)
{
    static const char *const names[] = {"text", "reasoning", "tool_calls", "finish_reason",
            "usage", "error", "route", "timing", "cost_usd", "session", "model"};
    static char class_name[64];
    struct json *root = json_parse(buf_slice(&result.out));
    if (!json_is_object(root))
        fail_msg("no object: \"%s\" (%s)", buf_text(&result.out), buf_text(&result.err));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!json_get(root, names[i]))
            fail_msg("\"%s\" is missing in %s", names[i], buf_text(&result.out));
    assert_non_null(json_get_text(root, "text"));
    assert_non_null(json_get_text(root, "reasoning"));
    const char *name = json_get_text(json_get(root, "error"), "class");
    snprintf(class_name, sizeof class_name, "%s", name ? name : "");
    json_free(root);
    return class_name;
}

static void the_object_is_printed_when_all_is_well(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_DONE);
    assert_string_equal(expect_object(), "");
    expect_in(&result.out, "{\"text\":\"ok\",");
    expect_in(&result.out, "\"usage\":{\"input\":7,\"output\":2,");
    stop_serving();
}

static void the_object_is_printed_whatever_the_exit_status(void **state)
{
    (void)state;
    serve(HEAD("200 OK", "text/event-stream") DELTA("half"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_INCOMPLETE);
    assert_string_not_equal(expect_object(), "");
    stop_serving();
    serve(HEAD("500 Oops", "text/plain") "broken", false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_FAILED);
    assert_string_equal(expect_object(), "server_error");
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "-e", "nobody", "hello"), EXIT_USAGE);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "-c", "123456789abc", "hello"), EXIT_FAILED);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "--continue=x", "hello"), EXIT_USAGE);
    expect_object();
    expect_exit(
            RUN("ask", CONFIG, "-n", "--json", "-f", "/no/such/file", "hello"), EXIT_FAILED);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "-n", "--json"), EXIT_USAGE);
    expect_object();
    expect_exit(RUN("ask", CONFIG, "--nonsense", "--json", "hello"), EXIT_USAGE);
    expect_object();
    write_text("shunt.conf", "");
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "hello"), EXIT_REFUSED);
    expect_object();
}

/* ---- secrets and hostile answers -------------------------------------------------------- */

static void expect_no_key_in(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *entry; (entry = readdir(d));) {
        char path[600];
        struct buf text;
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (file_read(&text, path, 64 << 20, NULL) == OK && text.n &&
                memmem(text.ptr, text.n, KEY, strlen(KEY)))
            fail_msg("the key is in %s", path);
        buf_release(&text);
    }
    closedir(d);
}

static void a_key_never_comes_out(void **state)
{
    (void)state;
    static const char *const responses[] = {
            HEAD("401 Unauthorized",
                    "application/json") "{\"error\":{\"message\":\"Incorrect API key: " KEY
                                        "\"}}",
            HEAD("401 Unauthorized", "text/plain") "bad key " KEY,
            HEAD("400 Bad", "application/json") "{\"detail\":\"" KEY "\"}",
            HEAD("500 " KEY, "text/html") "<p>Bearer " KEY "</p>",
            HEAD("200 OK", "text/event-stream") "data: {\"error\":{\"message\":\"key " KEY
                                                " expired\"}}\n\n"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(responses); i++) {
        serve(responses[i / 2], false);
        if (i % 2)
            expect_exit(RUN("ask", CONFIG, "-n", "--stats", "--json", "hello"), EXIT_FAILED);
        else
            expect_exit(RUN("ask", CONFIG, "-n", "--stats", "hello"), EXIT_FAILED);
        assert_non_null(strstr(server_request(server, 0), "Bearer " KEY)); /* it was sent */
        if (strstr(buf_text(&result.out), KEY) || strstr(buf_text(&result.err), KEY))
            fail_msg("response %d: the key is in: %s%s", (int)i / 2, buf_text(&result.out),
                    buf_text(&result.err));
        stop_serving();
    }
    RUN("doctor", CONFIG);
    assert_null(strstr(buf_text(&result.out), KEY));
    RUN("route", CONFIG, "--json", "hello");
    assert_null(strstr(buf_text(&result.out), KEY));
    expect_no_key_in(path_of("data"));
}

/* Long messages are cut, perhaps in the middle of the key. */
static void no_part_of_a_key_comes_out(void **state)
{
    (void)state;
    for (int n_before = 376; n_before < 400; n_before += 6) {
        char response[1000];
        char filler[400];
        memset(filler, 'x', sizeof filler);
        snprintf(response, sizeof response,
                HEAD("401 Unauthorized",
                        "application/json") "{\"error\":{\"message\":\"%.*s" KEY "\"}}",
                n_before, filler);
        serve(response, false);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
        expect_in(&result.err, "SHUNT_TEST_KEY"); /* where the key comes from is said */
        assert_null(strstr(buf_text(&result.err), "sk-a1b"));
        stop_serving();
    }
}

static void what_a_server_says_never_steers_the_terminal(void **state)
{
    (void)state;
    static const char *const responses[] = {
            HEAD("400 Bad", "application/json") "{\"error\":{\"message\":\"\\u001b["
                                                "31mred\\u0007\\n\\u001b]0;x\"}}",
            HEAD("400 Bad",
                    "application/json") "{\"error\":{\"message\":\"\\u009b31mred \\u202e\"}}",
            HEAD("502 Bad", "text/html") "<h1>\x1B[31mred</h1>\x9B"
                                         "31m",
            HEAD("200 OK", "text/plain") "\x1B[31mred\x9B"
                                         "31m"};
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        serve(responses[i], false);
        expect_exit(RUN("ask", CONFIG, "-n", "hello"), EXIT_FAILED);
        expect_in(&result.err, "31m");
        expect_no_escapes();
        stop_serving();
    }
}

static void output_that_is_no_terminal_has_no_escapes(void **state)
{
    (void)state;
    write_text("shunt.conf", "[endpoint \"far\"]\nkind = vllm\nurl = "
                             "http://127.0.0.1:1/v1\nmodel = m\nretries = 0\n");
    static char *const commands[][3] = {{"keys"}, {"doctor"}, {"route", "hello"}};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN(CONFIG, commands[i][0], commands[i][1]);
        assert_true(result.out.n > 0);
        expect_no_escapes();
        RUN(CONFIG, "--color", "rgb", commands[i][0], commands[i][1]);
        assert_true(result.out.n > 0);
        expect_no_escapes();
    }
}

/* Standard output is a terminal: control characters of the model become dots. */
static void a_terminal_gets_clean_text(void **state)
{
    (void)state;
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64], bytes[1000] = "";
    assert_true(grantpt(fd) == 0 && unlockpt(fd) == 0 && ptsname_r(fd, name, sizeof name) == 0);
    int slave = open(
            name, O_RDWR | O_NOCTTY | O_CLOEXEC); /* keeps what was written until it is read */
    serve(STREAM("a\\u001b[31mb\\u202ec"), false);
    struct child child = spawn(ARGS("ask", CONFIG, "-n", "hello"), "/dev/null", name);
    finish(&child);
    close(child.in);
    expect_exit(WEXITSTATUS(result.status), EXIT_DONE);
    assert_true(read(fd, bytes, sizeof bytes - 1) > 0);
    assert_string_equal(bytes, "a\xC2\xB7[31mb\xC2\xB7"
                               "c\r\n");
    close(slave);
    close(fd);
    stop_serving();
}

/* ---- output that nobody takes ----------------------------------------------------------- */

static void a_closed_pipe_ends_it_quietly(void **state)
{
    (void)state;
    struct child child = spawn(ARGS("keys"), "/dev/null", NULL);
    close(child.out);
    child.out = open("/dev/null", O_RDONLY);
    signal(SIGPIPE, SIG_DFL);
    finish(&child);
    close(child.in);
    assert_true(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGPIPE);
    assert_int_equal(result.err.n, 0);
}

static void a_full_disk_is_a_failure(void **state)
{
    (void)state;
    static char *const commands[] = {"keys", "--help", "--version"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        struct child child = spawn(ARGS(commands[i]), "/dev/null", "/dev/full");
        finish(&child);
        close(child.in);
        expect_exit(WEXITSTATUS(result.status), EXIT_FAILED);
        expect_sentence("standard output");
    }
}

/* ---- what a newcomer tries -------------------------------------------------------------- */

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
    expect_exit(RUN("doctor", "--config", "/nonexistent/x.conf", "--data",
                        (char *)(uintptr_t)path_of("data")),
            EXIT_FAILED);
    expect_in(&result.out, "BAD  configuration  /nonexistent/x.conf: this file does not exist");
    assert_null(strstr(buf_text(&result.out), "not there yet"));
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
    const struct json *m = json_at(list, 0);
    uint32_t n_layers = 0;
    assert_string_equal(json_get_text(m, "endpoint"), "tiny");
    assert_string_equal(json_get_text(m, "architecture"), "llama");
    assert_string_equal(json_get_text(m, "chat_format"), "ChatML");
    assert_true(json_get_u32(m, "n_layers", &n_layers) && n_layers == 1);
    assert_true(json_is_null(json_get(m, "error")));
    json_free(list);
    write_text("shunt.conf", "[shunt]\nmodels_folder = no\n");
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

static void max_tokens_are_sent_and_nothing_else(void **state)
{
    (void)state;
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "9", "hello"), EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "\"max_tokens\":9"));
    assert_null(strstr(server_request(server, 0), "\"temperature\""));
    stop_serving();
    write_text("request.json", "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],"
                               "\"max_tokens\":5}");
    serve(STREAM("ok"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "7", "--request",
                        (char *)(uintptr_t)path_of("request.json")),
            EXIT_DONE);
    assert_non_null(strstr(server_request(server, 0), "\"max_tokens\":7"));
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "--max-tokens", "0", "hello"), EXIT_USAGE);
    expect_sentence("--max-tokens 0");
}

static void a_session_that_is_named_goes_on(void **state)
{
    (void)state;
    char id[32];
    serve(STREAM("one"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--json", "first"), EXIT_DONE);
    struct json *root = json_parse(buf_slice(&result.out));
    assert_string_equal(json_get_text(root, "model"), "m");
    snprintf(id, sizeof id, "%s", json_get_text(root, "session"));
    assert_int_equal(strlen(id), 16);
    json_free(root);
    stop_serving();
    serve(STREAM("two"), false);
    expect_exit(RUN("ask", CONFIG, "-n", "--stats", "-c", id, "second"), EXIT_DONE);
    expect_sent("[user: first][assistant: one][user: second]");
    expect_in(&result.err, id);
    expect_in(&result.err, "price unknown");
    stop_serving();
    serve(STREAM("three"), false); /* any other word belongs to the prompt */
    expect_exit(RUN("ask", CONFIG, "-n", "-c", "third", "word"), EXIT_DONE);
    expect_sent(
            "[user: first][assistant: one][user: second][assistant: two][user: third word]");
    stop_serving();
    expect_exit(RUN("ask", CONFIG, "-n", "-c=999", "hello"), EXIT_USAGE);
    expect_sentence("--continue: 999 is not a session id");
}

static void what_costs_nothing_is_free(void **state)
{
    (void)state;
    char text[512];
    serve(STREAM("ok"), false);
    snprintf(text, sizeof text,
            "[endpoint \"e\"]\nkind = vllm\nurl = http://127.0.0.1:%d/v1\nmodel = m\n"
            "price_in_usd = 0\nprice_out_usd = 0\n",
            server_port(server));
    write_text("shunt.conf", text);
    expect_exit(RUN("ask", CONFIG, "-n", "--stats", "hello"), EXIT_DONE);
    expect_in(&result.err, ", free\n");
    assert_null(strchr(buf_text(&result.err), '$'));
    stop_serving();
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(help_and_version_go_to_stdout),
            TEST(every_command_explains_itself),
            TEST(a_wrong_word_names_the_nearest),
            TEST(a_double_dash_ends_options),
            TEST(a_mistake_in_the_configuration_is_said_and_survived),
            TEST(nobody_to_ask_is_a_refusal),
            TEST(a_model_that_cannot_be_read_is_named),
            TEST(difficulty_is_one_number_a_line),
            TEST(blocks_become_floats),
            TEST(a_host_that_does_not_answer_is_a_failure),
            TEST(stdin_is_read_behind_the_prompt),
            TEST(an_open_pipe_is_not_waited_for),
            TEST(a_request_file_is_sent_as_it_stands),
            TEST(an_answer_that_is_cut_is_incomplete),
            TEST(interrupting_keeps_what_came),
            TEST(the_object_is_printed_when_all_is_well),
            TEST(the_object_is_printed_whatever_the_exit_status),
            TEST(a_key_never_comes_out),
            TEST(no_part_of_a_key_comes_out),
            TEST(what_a_server_says_never_steers_the_terminal),
            TEST(output_that_is_no_terminal_has_no_escapes),
            TEST(a_terminal_gets_clean_text),
            TEST(a_closed_pipe_ends_it_quietly),
            TEST(a_full_disk_is_a_failure),
            TEST(what_is_typed_first_leads_on),
            TEST(route_and_doctor_know_the_same_faults),
            TEST(doctor_calls_nothing_fine_that_is_not),
            TEST(models_say_whether_they_are_used),
            TEST(max_tokens_are_sent_and_nothing_else),
            TEST(a_session_that_is_named_goes_on),
            TEST(what_costs_nothing_is_free),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
