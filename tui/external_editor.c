/*
 * external_editor.c - see external_editor.h. The child stays in the program's process group, so
 * that Ctrl-Z stops both and `fg` continues both; keys that signal are for it alone, which the
 * caller sees to.
 */
#include "tui/external_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUFFIX         ".md"
#define NO_SUCH_STATUS 127 /* of the shell: there is no such command */

static enum status write_text(const char *path, int fd, struct slice text, struct err *err)
{
    for (size_t at = 0; at < text.n;) {
        ssize_t n = write(fd, text.ptr + at, text.n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO,
                    "cannot write %s for the editor: %s", path, strerror(errno));
        at += (size_t)n;
    }
    return OK;
}

/* mkstemps makes it with mode 0600, and fails where something stands already. */
static enum status write_file(
        struct external_editor *x, const char *temp_dir, struct slice text, struct err *err)
{
    buf_init(&x->given, text.n);
    buf_add_slice(&x->given, text);
    snprintf(x->path, sizeof x->path, "%s/shunt-XXXXXX" SUFFIX, temp_dir);
    int fd = mkstemps(x->path, (int)strlen(SUFFIX));
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot make a file for the editor in %s: %s", temp_dir,
                strerror(errno));
    enum status status = write_text(x->path, fd, text, err);
    close(fd);
    return status;
}

/* In the child: the terminal is all it sees, with signals as a shell gives them. */
static void run(const char *command, const char *path)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGPIPE, SIGCHLD};
    char line[4400];
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        signal(signals[i], SIG_DFL);
    for (int to = 0; fd >= 0 && to < 3; to++)
        dup2(fd, to);
    snprintf(line, sizeof line, "exec %s \"$1\"", command);
    execl("/bin/sh", "sh", "-c", line, "sh", path, (char *)NULL);
    _exit(NO_SUCH_STATUS);
}

enum status external_editor_start(struct external_editor *x, const char *command,
        const char *temp_dir, struct slice text, struct err *err)
{
    enum status status = write_file(x, temp_dir, text, err);
    snprintf(x->command, sizeof x->command, "%s", command);
    if (status == OK && (x->pid = fork()) == 0)
        run(command, x->path);
    if (status == OK && x->pid < 0)
        status = err_set(err, ERR_IO, "cannot start the editor: %s", strerror(errno));
    if (status != OK) {
        x->pid = 0;
        external_editor_release(x);
    }
    return status;
}

static bool was_written(const struct external_editor *x)
{
    struct buf now;
    struct err err;
    struct stat st;
    if (stat(x->path, &st) != 0)
        return false;
    if (st.st_size != (off_t)x->given.n || file_read(&now, x->path, x->given.n, &err) != OK)
        return true;
    bool is_same = slice_eq(buf_slice(&now), buf_text(&x->given));
    buf_release(&now);
    return !is_same;
}

/* Forgets the file: it stays where it is. */
static void keep(struct external_editor *x, struct err *err)
{
    const struct err why = *err;
    err_set(err, why.status, "%s; what was written is in %s", why.text, x->path);
    x->path[0] = '\0';
}

static enum status read_back(const struct external_editor *x, int how, size_t max_bytes,
        struct buf *text, struct err *err)
{
    if (WIFSIGNALED(how))
        return err_set(err, ERR_CANCELLED,
                "the editor was ended by signal %d: the text is as it was", WTERMSIG(how));
    if (WEXITSTATUS(how) == NO_SUCH_STATUS)
        return err_set(err, ERR_CONFIG,
                "there is no editor \"%s\": set VISUAL or EDITOR to the one you have",
                x->command);
    if (WEXITSTATUS(how))
        return err_set(err, ERR_CANCELLED,
                "the editor ended with status %d: the text is as it was", WEXITSTATUS(how));
    enum status status = file_read(text, x->path, max_bytes, err);
    if (status == OK && text->n && text->ptr[text->n - 1] == '\n')
        text->ptr[--text->n] = '\0'; /* editors end the last line */
    return status;
}

bool external_editor_has_ended(struct external_editor *x, size_t max_bytes, struct buf *text,
        enum status *status, struct err *err)
{
    int how;
    if (x->pid == 0 || waitpid(x->pid, &how, WNOHANG) != x->pid)
        return false;
    *status = read_back(x, how, max_bytes, text, err);
    x->pid = 0;
    if (*status != OK && was_written(x))
        keep(x, err);
    external_editor_release(x);
    return true;
}

void external_editor_release(struct external_editor *x)
{
    if (x->pid) { /* not waited for: it may ask something first */
        kill(x->pid, SIGHUP);
        kill(x->pid, SIGCONT);
    }
    if (x->path[0] && !(x->pid && was_written(x)))
        unlink(x->path);
    buf_release(&x->given);
    *x = (struct external_editor){0};
}
