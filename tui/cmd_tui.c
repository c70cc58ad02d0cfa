/* cmd_tui.c - `shunt` without a command: theme, piped text, and the terminal program. */
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
#define THEME_MAX_BYTES    (1u << 20)

/* A file of the user's goes before a built-in theme; a theme that cannot be used is said and
 * replaced (that there is none, config_load said). */
static void load_theme(const struct config *config, struct theme *out)
{
    char path[4096];
    struct buf text;
    struct err err;
    snprintf(path, sizeof path, "%s/%s.theme", config->themes_dir, config->theme);
    if (file_read(&text, path, THEME_MAX_BYTES, &err) == OK) {
        enum status status = theme_parse(out, buf_slice(&text), config->theme, &err);
        buf_release(&text);
        if (status == OK)
            return;
        fprintf(stderr, "shunt: %s; the built-in theme is used\n", err.text);
    }
    struct slice builtin = theme_builtin(config->theme);
    enum status status =
            theme_parse(out, builtin.ptr ? builtin : theme_builtin("dark"), "dark", &err);
    (void)status; /* test_theme proves that the built-in ones parse */
}

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
    struct theme theme;
    struct buf attached;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    buf_init(&attached, ATTACHED_MAX_BYTES);
    enum status status = read_attached(&attached, &err);
    int code = EXIT_FAILED;
    if (status == OK) {
        load_theme(&config, &theme);
        theme.depth = config.color;
        theme.term = config.term;
        code = app_run(&config, &theme, slice_trim(buf_slice(&attached)));
    } else {
        code = cmd_fail(&err);
    }
    buf_release(&attached);
    config_release(&config);
    return code;
}
