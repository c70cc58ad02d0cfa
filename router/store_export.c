/* store_export.c - see store_export.h. */
#include "router/store_export.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/store.h"

/* 0, or errno of what failed. */
static int write_all(int fd, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.ptr, bytes.n);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0)
            bytes = (struct slice){bytes.ptr + n, bytes.n - (size_t)n};
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static void refuse(struct store_command *c, const char *path, int e)
{
    err_set(&c->err, e == ENOSPC || e == EFBIG ? ERR_FULL : ERR_IO, "cannot write %s: %s%s",
            path, strerror(e), e == EEXIST ? "; choose another name" : "");
}

void store_export(struct store_command *c)
{
    char *path = arena_strndup(&c->arena, c->key.ptr, c->key.n), whole[PATH_MAX];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        refuse(c, path, errno);
        return;
    }
    int e = write_all(fd, c->value);
    if (close(fd) != 0 && !e)
        e = errno;
    if (e) {
        unlink(path); /* the same name can be used again */
        refuse(c, path, e);
    } else if (realpath(path, whole)) { /* where it is, whatever the program's folder was */
        c->key = slice_of(arena_strdup(&c->arena, whole));
    }
}
