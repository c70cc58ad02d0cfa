/* cmd_tui.c - `shunt` without a command: piped text, and the terminal program. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/app.h"
#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"

#define ATTACHED_MAX_BYTES (16u << 20)

/* `cmd | shunt`: the text goes into the draft, keys come from the terminal. */
static enum status read_attached(struct buf *out, struct err *err)
{
    struct stat st;
    char chunk[65536];
    ssize_t n;
    if (fstat(STDIN_FILENO, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode)))
        return OK;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_IO, "cannot read standard input: %s", strerror(errno));
        if (!buf_add(out, chunk, (size_t)n))
            return err_set(err, ERR_USAGE, "standard input is larger than %u MB",
                    ATTACHED_MAX_BYTES >> 20);
    }
    return OK;
}

int cmd_tui(struct args *args)
{
    struct config config;
    struct buf attached;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    buf_init(&attached, ATTACHED_MAX_BYTES);
    enum status status = read_attached(&attached, &err);
    int code = EXIT_FAILED;
    if (status == OK) {
        code = app_run(&config, slice_trim(buf_slice(&attached)));
    } else {
        code = cmd_fail(&err);
    }
    buf_release(&attached);
    config_release(&config);
    return code;
}
