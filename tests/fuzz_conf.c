/*
 * fuzz_conf.c - configuration and themes of any bytes: read whole, an untouched file is
 * written as it was, and a value that is set is there after the file was written and read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "router/conf.h"
#include "router/zone.h"

#include "tui/args.h"
#include "tui/config.h"
#include "tui/keys.h"

#include "tests/fuzz.h"

static void check_untouched(const struct conf *conf, struct slice text)
{
    struct buf printed;
    buf_init(&printed, 1u << 24);
    conf_print(conf, &printed);
    bool is_closed = text.n == 0 || text.ptr[text.n - 1] == '\n';
    FUZZ_CHECK(printed.n == text.n || (!is_closed && printed.n == text.n + 1));
    FUZZ_CHECK(text.n == 0 || memcmp(printed.ptr, text.ptr, text.n) == 0);
    buf_release(&printed);
}

/* A value cannot hold these: they end lines, or the text. */
static void drop_line_ends(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != '\r')
            *to++ = *from;
    *to = '\0';
}

/* The last line of the text becomes the value of a new key, and of one that is there. */
static void check_edit(struct conf *conf, struct slice text)
{
    char value[256], section[64] = "endpoint", subsection[64] = "new", key[64] = "model";
    const char *line = memrchr(text.ptr, '\n', text.n);
    size_t skip = line ? (size_t)(line + 1 - text.ptr) : 0;
    snprintf(value, sizeof value, "%.*s", (int)(text.n - skip), text.ptr + skip);
    drop_line_ends(value);
    if (conf_n_entries(conf)) {
        const struct conf_entry *last = conf_entry_at(conf, conf_n_entries(conf) - 1);
        snprintf(section, sizeof section, "%s", last->section);
        snprintf(subsection, sizeof subsection, "%s", last->subsection);
        snprintf(key, sizeof key, "%s", last->key);
    }
    conf_set(conf, "endpoint", "new", "url", value);
    conf_set(conf, section, subsection, key, value);
    struct buf printed;
    buf_init(&printed, 1u << 24);
    conf_print(conf, &printed);
    struct conf *again = conf_parse(buf_slice(&printed), "again");
    FUZZ_CHECK(strcmp(conf_get(again, "endpoint", "new", "url"), value) == 0);
    if (conf_get(conf, section, subsection, key))
        FUZZ_CHECK(strcmp(conf_get(again, section, subsection, key), value) == 0);
    conf_free(again);
    buf_release(&printed);
}

static void check_program(struct slice text)
{
    char path[64];
    struct config config;
    struct err err;
    int fd = memfd_create("conf", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, text.ptr, text.n) == (ssize_t)text.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct global_flags flags = {.config = path, .data = "/nowhere"};
    if (config_load(&config, &flags, &err) == OK) {
        keymap_free(config_keymap(&config));
        for (size_t i = 0; i < conf_n_warnings(config.conf); i++)
            for (const char *c = conf_warning_at(config.conf, i); *c; c++)
                FUZZ_CHECK((unsigned char)*c >= ' ');
        config_release(&config);
    }
    close(fd);
}

static void check_theme(struct slice text)
{
    static char dir[] = "/tmp/shunt-fuzz-XXXXXX", path[64];
    struct theme theme;
    struct buf problems;
    if (!path[0] && mkdtemp(dir))
        snprintf(path, sizeof path, "%s/fuzz.theme", dir);
    FILE *file = fopen(path, "w");
    FUZZ_CHECK(file && fwrite(text.ptr, 1, text.n, file) == text.n && fclose(file) == 0);
    buf_init(&problems, 1u << 20);
    FUZZ_CHECK(theme_load(&theme, "fuzz", dir, &problems));
    buf_release(&problems);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct slice text = {(const char *)bytes, n};
    struct conf *conf = conf_parse(text, "fuzz");
    if (n == 0 || !memchr(bytes, 0, n)) /* a file with NUL bytes is never written */
        check_untouched(conf, text);
    check_edit(conf, text);
    conf_free(conf);
    check_theme(text);
    check_program(text);
    return 0;
}
