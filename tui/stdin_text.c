/* stdin_text.c - see stdin_text.h. */
#include "tui/stdin_text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_piped(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

enum status stdin_read(struct buf *out, struct err *err)
{
    char chunk[65536];
    ssize_t n;
    if (!is_piped())
        return OK;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            return err_set(err, ERR_CANCELLED, "interrupted while reading standard input");
        if (n < 0)
            return err_set(err, ERR_IO, "cannot read standard input: %s", strerror(errno));
        if (memchr(chunk, '\0', (size_t)n))
            return err_set(
                    err, ERR_UNSUPPORTED, "standard input is not text: it has zero bytes");
        if (!buf_add(out, chunk, (size_t)n))
            return err_set(err, ERR_USAGE, "standard input is larger than %zu MB",
                    out->max_bytes >> 20);
    }
    return OK;
}
