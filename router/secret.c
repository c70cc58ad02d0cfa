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

static enum status from_command(
        const struct endpoint_conf *conf, struct secret *out, struct err *err)
{
    char bytes[SECRET_MAX_BYTES];
    size_t n = 0;
    int pipe_fd[2];
    if (pipe(pipe_fd) != 0)
        return err_set(err, ERR_AUTH, "cannot run its key command: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fd[1], STDOUT_FILENO);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        execl("/bin/sh", "sh", "-c", conf->key_value, (char *)NULL);
        _exit(127);
    }
    close(pipe_fd[1]);
    uint64_t end_ns = clock_now_ns() + COMMAND_MAX_MS * 1000000ull;
    bool is_late = false;
    while (pid > 0 && n < sizeof bytes) {
        uint64_t now = clock_now_ns();
        struct pollfd fd = {pipe_fd[0], POLLIN, 0};
        is_late = now >= end_ns || poll(&fd, 1, (int)((end_ns - now) / 1000000) + 1) == 0;
        ssize_t got = is_late ? 0 : read(pipe_fd[0], bytes + n, sizeof bytes - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(pipe_fd[0]);
    int code = -1;
    if (pid > 0 && is_late)
        kill(pid, SIGKILL);
    if (pid > 0)
        waitpid(pid, &code, 0);
    enum status status =
            is_late || !WIFEXITED(code) || WEXITSTATUS(code) != 0
                    ? err_set(err, ERR_AUTH, "the key command failed: %s", conf->key_value)
                    : take_key(conf, (struct slice){bytes, n}, out, err);
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

static enum status fetch(const struct endpoint_conf *conf, struct secret *out, struct err *err)
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
        return from_command(conf, out, err);
    }
    return OK;
}

enum status secret_fetch(const struct endpoint_conf *conf, struct secret *out, struct err *err)
{
    if (fetch(conf, out, err) == OK)
        return OK;
    return err_prefix(err, "endpoint \"%s\": ", conf->name);
}

enum status secret_check(const struct endpoint_conf *conf, struct err *err)
{
    struct secret key = {0};
    enum status status = conf->key_source == KEY_FROM_COMMAND ? OK : fetch(conf, &key, err);
    secret_release(&key);
    return status;
}
