/* helper_cli.c - see helper_cli.h. */
#include "tests/helper_cli.h"

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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"

#include "tests/helper_hostile.h"

static char folder[64];
struct cli_result result;

char *path_of(const char *name)
{
    static char paths[4][160];
    static int i;
    i = (i + 1) % 4;
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

void write_file(const char *name, const char *text, size_t n)
{
    struct err err;
    assert_int_equal(file_write(path_of(name), text, n, 0600, &err), OK);
}

void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

int set_up_folder(void **state)
{
    (void)state;
    static const char *const unset[] = {"NO_COLOR", "COLORTERM", "CLICOLOR", "XDG_CONFIG_HOME",
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

int tear_down_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int tear_down_result(void **state)
{
    (void)state;
    buf_release(&result.out);
    buf_release(&result.err);
    return 0;
}

struct child spawn(char *const *args, const char *stdin_path, const char *stdout_path)
{
    char *argv[32] = {(char[]){SHUNT_BINARY}};
    int in[2], out[2], err[2];
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
                pipe2(err, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        setsid(); /* no terminal, whoever runs the tests */
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

void finish(struct child *child)
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

int run_with(const char *stdin_text, char *const *args)
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

void expect_exit(int got, int wanted)
{
    if (got != wanted)
        fail_msg("exit status %d in place of %d\nstdout: %s\nstderr: %s", got, wanted,
                buf_text(&result.out), buf_text(&result.err));
}

void expect_in(const struct buf *where, const char *text)
{
    if (!strstr(buf_text(where), text))
        fail_msg("\"%s\" is missing in: %s", text, buf_text(where));
}

void expect_sentence(const char *text)
{
    struct slice rest = buf_slice(&result.err), line = slice_cut(&rest, '\n');
    assert_true(slice_has_prefix(line, "shunt"));
    if (rest.n)
        fail_msg("more than one line: %s", buf_text(&result.err));
    expect_in(&result.err, text);
}

void expect_no_escapes(void)
{
    if (!text_is_harmless(buf_slice(&result.out)) || !text_is_harmless(buf_slice(&result.err)))
        fail_msg("not printable: %s%s", buf_text(&result.out), buf_text(&result.err));
}

/* ---- a server to talk to ---------------------------------------------------------------- */

struct server *server;
static struct server_script script;

void serve_script(const struct server_script *answer, const char *conf_lines)
{
    char text[1024];
    script = *answer;
    server = server_open(&script, 1);
    snprintf(text, sizeof text,
            "[endpoint \"e\"]\nkind = vllm\nurl = http://127.0.0.1:%d/v1\nmodel = m\nkey_env = "
            "SHUNT_TEST_KEY\nretries = 0\n%s",
            server_port(server), conf_lines);
    write_text("shunt.conf", text);
}

void serve(const char *response, bool hangs)
{
    serve_script(
            &(struct server_script){.bytes = response, .n = strlen(response), .hangs = hangs},
            "");
}

void stop_serving(void)
{
    server_close(server);
    server = NULL;
}

void expect_sent(const char *joined)
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
