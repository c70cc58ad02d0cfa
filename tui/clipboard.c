/* clipboard.c - see clipboard.h. */
#include "tui/clipboard.h"

#include <string.h>

#define SCREEN_CHUNK_BYTES 760 /* screen drops a string of 768 */

void clipboard_clean(struct slice text, struct buf *out)
{
    size_t done = 0, n;
    for (size_t i = 0; i < text.n; i += n) {
        uint32_t cp;
        n = utf8_decode(text.ptr + i, text.n - i, &cp);
        bool is_malformed = cp == 0xFFFD && n == 1;
        if (!is_malformed && !utf8_is_hostile(cp))
            continue;
        buf_add(out, text.ptr + done, i - done);
        done = i + n;
    }
    buf_add(out, text.ptr + done, text.n - done);
}

static void add_base64(struct slice s, struct buf *out)
{
    static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        size_t n = s.n - i < 3 ? s.n - i : 3;
        unsigned char in[3] = {0};
        memcpy(in, s.ptr + i, n);
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        char group[4];
        for (int k = 0; k < 4; k++)
            group[k] = digits[bits >> (18 - 6 * k) & 63];
        memset(group + n + 1, '=', 3 - n);
        buf_add(out, group, 4);
    }
}

/* tmux sets its own buffer from a bare sequence (set-clipboard on) and hands a wrapped one,
 * every ESC doubled, to the terminal (allow-passthrough on): which is on cannot be asked. */
static void wrap_for_tmux(struct slice escape, struct buf *out)
{
    buf_add_slice(out, escape);
    buf_add_text(out, "\x1BPtmux;");
    for (size_t i = 0; i < escape.n; i++) {
        if (escape.ptr[i] == '\x1B')
            buf_add_text(out, "\x1B");
        buf_add(out, escape.ptr + i, 1);
    }
    buf_add_text(out, "\x1B\\");
}

static void wrap_for_screen(struct slice escape, struct buf *out)
{
    for (size_t i = 0; i < escape.n; i += SCREEN_CHUNK_BYTES) {
        size_t n = escape.n - i < SCREEN_CHUNK_BYTES ? escape.n - i : SCREEN_CHUNK_BYTES;
        buf_add_text(out, "\x1BP");
        buf_add(out, escape.ptr + i, n);
        buf_add_text(out, "\x1B\\");
    }
}

bool clipboard_escape(enum multiplexer multiplexer, struct slice text, struct buf *out)
{
    struct buf escape;
    if ((text.n + 2) / 3 * 4 > OSC52_MAX_BYTES)
        return false;
    buf_init(&escape, 2 * OSC52_MAX_BYTES);
    buf_add_text(&escape, "\x1B]52;c;");
    add_base64(text, &escape);
    buf_add_text(&escape, "\x07");
    if (multiplexer == MULTIPLEXER_TMUX)
        wrap_for_tmux(buf_slice(&escape), out);
    else if (multiplexer == MULTIPLEXER_SCREEN)
        wrap_for_screen(buf_slice(&escape), out);
    else
        buf_add_slice(out, buf_slice(&escape));
    buf_release(&escape);
    return true;
}

/* Readable by its owner alone; its folder is made. */
static enum status write_file(const char *path, struct slice text, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = mem_dup(path, (size_t)(slash - path) + 1);
    dir[slash - path] = '\0';
    enum status status = dir_make(dir, err);
    mem_free(dir);
    return status == OK ? file_write(path, text.ptr, text.n, 0600, err) : status;
}

void clipboard_copy(const struct clipboard *c, struct slice text, const char *what,
        struct buf *escape, struct err *told)
{
    struct buf clean;
    struct err err = {0};
    buf_init(&clean, text.n + 1);
    clipboard_clean(text, &clean);
    bool is_sent = clipboard_escape(c->multiplexer, buf_slice(&clean), escape);
    enum status status = write_file(c->path, buf_slice(&clean), &err);
    buf_release(&clean);
    if (status == OK && is_sent)
        err_set(told, OK, "%s: copied, if the terminal allows it (OSC 52), and written to %s",
                what, c->path);
    else if (status == OK)
        err_set(told, OK, "%s: written to %s; it is too large for the terminal's clipboard",
                what, c->path);
    else if (is_sent)
        err_set(told, status, "%s: copied, if the terminal allows it (OSC 52); %s", what,
                err.text);
    else
        err_set(told, status, "%s: %s", what, err.text);
}
