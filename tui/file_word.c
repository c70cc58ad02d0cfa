/* file_word.c - see file_word.h. */
#include "tui/file_word.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool begins_word(struct slice text, size_t at)
{
    return text.ptr[at] == '@' &&
           (at == 0 || is_blank(text.ptr[at - 1]) || strchr("([{", text.ptr[at - 1]));
}

static size_t read_quoted(struct slice text, size_t at, struct file_word *out, size_t *n)
{
    for (; at < text.n && text.ptr[at] != '"' && text.ptr[at] != '\n'; at++) {
        bool is_escape = text.ptr[at] == '\\' && at + 1 < text.n &&
                         (text.ptr[at + 1] == '"' || text.ptr[at + 1] == '\\');
        at += is_escape;
        if (*n < FILE_WORD_MAX)
            out->path[(*n)++] = text.ptr[at];
    }
    out->is_open = at == text.n || text.ptr[at] != '"';
    return at + !out->is_open;
}

static size_t read_plain(struct slice text, size_t at, struct file_word *out, size_t *n)
{
    for (; at < text.n && !is_blank(text.ptr[at]); at++)
        if (*n < FILE_WORD_MAX)
            out->path[(*n)++] = text.ptr[at];
    return at;
}

/* False: longer than any path. */
static bool read_word(struct slice text, size_t at, struct file_word *out)
{
    size_t n = 0;
    out->begin = at++;
    out->is_quoted = at < text.n && text.ptr[at] == '"';
    out->is_open = false;
    out->end =
            out->is_quoted ? read_quoted(text, at + 1, out, &n) : read_plain(text, at, out, &n);
    if (n == FILE_WORD_MAX)
        return false;
    out->path[n] = '\0';
    return true;
}

bool file_word_next(struct slice text, size_t at, struct file_word *out)
{
    while (at < text.n) {
        const char *sign = memchr(text.ptr + at, '@', text.n - at);
        if (!sign)
            return false;
        at = (size_t)(sign - text.ptr);
        if (!begins_word(text, at++))
            continue;
        if (read_word(text, at - 1, out))
            return true;
        at = out->end;
    }
    return false;
}

bool file_word_at(struct slice text, size_t cursor, struct file_word *out)
{
    size_t line = cursor;
    while (line > 0 && text.ptr[line - 1] != '\n')
        line--;
    for (size_t at = line; file_word_next(text, at, out) && out->begin < cursor; at = out->end)
        if (cursor <= out->end && (!out->is_quoted || out->is_open || cursor < out->end))
            return true;
    return false;
}

void file_word_write(struct buf *out, const char *path, bool is_open)
{
    bool is_quoted = path[strcspn(path, " \t\"\\")] != '\0';
    buf_add_text(out, is_quoted ? "@\"" : "@");
    for (const char *c = path; *c; c++) {
        if (is_quoted && (*c == '"' || *c == '\\'))
            buf_add_text(out, "\\");
        buf_add(out, c, 1);
    }
    buf_add_text(out, is_quoted && !is_open ? "\"" : "");
}
