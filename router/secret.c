/*
 * secret.c - see secret.h. A key is fetched anew for every request and overwritten behind it,
 * so it can be changed meanwhile and no copy stays in memory. On the thread of the front end,
 * which waits for a key command.
 */
#include "router/secret.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/endpoint.h"

#define SECRET_MAX_BYTES 16384
#define COMMAND_MAX_MS   120000
#define END_POLL_MS      2

void secret_release(struct secret *secret)
{
    if (secret->bytes)
        explicit_bzero(secret->bytes, secret->n);
    mem_free(secret->bytes);
    *secret = (struct secret){0};
}

/* Takes the first line of text as the key; control characters could smuggle in a header. */
static enum status take_key(const struct endpoint_conf *conf, struct slice text,
        struct secret *out, struct err *err)
{
    struct slice line = slice_trim(slice_cut(&text, '\n'));
    if (line.n == 0)
        return err_set(err, ERR_AUTH, "%s gives an empty key", conf->key_value);
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.ptr[i] < 0x21 || (unsigned char)line.ptr[i] == 0x7F)
            return err_set(err, ERR_AUTH,
                    "the key from %s contains white space or control characters",
                    conf->key_value);
    out->bytes = mem_alloc(line.n + 1);
    memcpy(out->bytes, line.ptr, line.n);
    out->n = line.n;
    return OK;
}

static enum status from_file(
        const struct endpoint_conf *conf, struct secret *out, struct err *err)
{
    struct stat st;
    struct buf text;
    if (stat(conf->key_value, &st) != 0)
        return err_set(
                err, ERR_AUTH, "cannot read key file %s: %s", conf->key_value, strerror(errno));
    if (st.st_mode & 077)
        return err_set(err, ERR_AUTH, "others can read the key file %s; run: chmod 600 %s",
                conf->key_value, conf->key_value);
    enum status status = file_read(&text, conf->key_value, SECRET_MAX_BYTES, err);
    if (status != OK)
        return err->status = ERR_AUTH;
    status = take_key(conf, buf_slice(&text), out, err);
    if (text.ptr)
        explicit_bzero(text.ptr, text.cap);
    buf_release(&text);
    return status;
}

static bool start_command(const char *command, pid_t *pid, int *out_fd)
{
    int pipe_fd[2];
    if (pipe(pipe_fd) != 0)
        return false;
    *pid = fork();
    if (*pid == 0) {
        dup2(pipe_fd[1], STDOUT_FILENO);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pipe_fd[1]);
    *out_fd = pipe_fd[0];
    if (*pid < 0)
        close(pipe_fd[0]);
    return *pid > 0;
}

static int ms_left(uint64_t end_ns)
{
    uint64_t now = clock_now_ns();
    return now < end_ns ? (int)((end_ns - now) / 1000000) + 1 : 0;
}

/* Until it closes its output, is late or says more than a key can be. */
static size_t read_output(int fd, uint64_t end_ns, char bytes[SECRET_MAX_BYTES])
{
    size_t n = 0;
    for (int ms; n < SECRET_MAX_BYTES && (ms = ms_left(end_ns));) {
        struct pollfd ready = {fd, POLLIN, 0};
        int n_ready = poll(&ready, 1, ms);
        if (n_ready == 0 || (n_ready < 0 && errno == EINTR))
            continue;
        ssize_t got = read(fd, bytes + n, SECRET_MAX_BYTES - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

/* False: it was late and has been killed. What it started may live on: in a process group of
 * its own it could not ask for a passphrase at the terminal. */
static bool wait_for(pid_t pid, uint64_t end_ns, int *code)
{
    pid_t got;
    while ((got = waitpid(pid, code, WNOHANG)) == 0 && ms_left(end_ns))
        poll(NULL, 0, END_POLL_MS);
    if (got != 0)
        return true;
    kill(pid, SIGKILL);
    while (waitpid(pid, code, 0) < 0 && errno == EINTR)
        continue;
    return false;
}

static enum status from_command(const struct endpoint_conf *conf, uint32_t limit_ms,
        struct secret *out, struct err *err)
{
    char bytes[SECRET_MAX_BYTES];
    uint64_t end_ns = clock_now_ns() + limit_ms * 1000000ull;
    enum status status;
    int fd, code = -1;
    pid_t pid;
    if (!start_command(conf->key_value, &pid, &fd))
        return err_set(err, ERR_AUTH, "cannot run its key command: %s", strerror(errno));
    size_t n = read_output(fd, end_ns, bytes);
    close(fd);
    if (!wait_for(pid, end_ns, &code))
        status = err_set(err, ERR_AUTH, "the key command did not end within %.0f s: %s",
                limit_ms / 1e3, conf->key_value);
    else if (!WIFEXITED(code) || WEXITSTATUS(code) != 0)
        status = err_set(err, ERR_AUTH, "the key command failed: %s", conf->key_value);
    else
        status = take_key(conf, (struct slice){bytes, n}, out, err);
    explicit_bzero(bytes, sizeof bytes);
    return status;
}

static enum status from_env(
        const struct endpoint_conf *conf, struct secret *out, struct err *err)
{
    const char *value = getenv(conf->key_value);
    if (value && *value)
        return take_key(conf, slice_of(value), out, err);
    return err_set(err, ERR_AUTH,
            "its key comes from the environment variable %s, which is %s: export %s=…",
            conf->key_value, value ? "empty" : "not set", conf->key_value);
}

static enum status fetch(const struct endpoint_conf *conf, uint32_t limit_ms,
        struct secret *out, struct err *err)
{
    *out = (struct secret){0};
    switch (conf->key_source) {
    case KEY_FROM_NONE:
        return OK;
    case KEY_FROM_ENV:
        return from_env(conf, out, err);
    case KEY_FROM_FILE:
        return from_file(conf, out, err);
    case KEY_FROM_COMMAND:
        return from_command(conf, limit_ms, out, err);
    }
    return OK;
}

enum status secret_fetch_within(const struct endpoint_conf *conf, uint32_t limit_ms,
        struct secret *out, struct err *err)
{
    if (fetch(conf, limit_ms, out, err) == OK)
        return OK;
    return err_prefix(err, "endpoint \"%s\": ", conf->name);
}

enum status secret_fetch(const struct endpoint_conf *conf, struct secret *out, struct err *err)
{
    return secret_fetch_within(conf, COMMAND_MAX_MS, out, err);
}

enum status secret_check(const struct endpoint_conf *conf, struct err *err)
{
    struct secret key = {0};
    enum status status = conf->key_source == KEY_FROM_COMMAND ? OK : fetch(conf, 0, &key, err);
    secret_release(&key);
    return status;
}
