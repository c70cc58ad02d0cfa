/*
 * attachment.c - see attachment.h. Read where the message is sent: at most a few MB, and only
 * regular files, so nothing here can wait for a writer.
 */
#include "tui/attachment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tui/config.h"
#include "tui/file_word.h"

/* A fence that is longer than any run of backquotes inside. */
static size_t fence_length(struct slice text)
{
    size_t longest = 2, run = 0;
    for (size_t i = 0; i < text.n; i++) {
        run = text.ptr[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest + 1;
}

enum status attachment_add(
        struct buf *out, const char *name, const char *path, size_t max_bytes, struct err *err)
{
    struct buf text;
    enum status status = file_read(&text, path, max_bytes, err);
    if (status != OK)
        return status;
    if (memchr(buf_text(&text), '\0', text.n)) {
        buf_release(&text);
        return err_set(err, ERR_UNSUPPORTED, "cannot attach %s: it is not a text file", path);
    }
    char fence[64];
    size_t n = fence_length(buf_slice(&text));
    n = n < sizeof fence ? n : sizeof fence - 1;
    memset(fence, '`', n);
    fence[n] = '\0';
    bool has_newline = text.n && text.ptr[text.n - 1] == '\n';
    bool fits = buf_printf(out, "%s%s:\n%s\n%s%s%s", out->n ? "\n\n" : "", name, fence,
            buf_text(&text), has_newline ? "" : "\n", fence);
    buf_release(&text);
    return fits ? OK
                : err_set(err, ERR_USAGE, "the attached files are larger than %zu MB together",
                          out->max_bytes >> 20);
}

/* What ends a sentence may stand behind a path: without it, if only so there is such a file. */
static bool find_file(struct file_word *word, struct stat *st)
{
    for (size_t n = strlen(word->path); n > 0; word->path[--n] = '\0') {
        char *path = config_expand_home(word->path);
        bool is_there = stat(path, st) == 0 || errno == EACCES;
        mem_free(path);
        if (is_there)
            return true;
        if (word->is_quoted || !strchr(".,;:!?)]}'\"", word->path[n - 1]))
            return false;
    }
    return false;
}

static bool is_repeated(struct slice text, const struct file_word *word)
{
    struct file_word earlier;
    struct stat st;
    for (size_t at = 0; file_word_next(text, at, &earlier) && earlier.begin < word->begin;
            at = earlier.end)
        if (find_file(&earlier, &st) && strcmp(earlier.path, word->path) == 0)
            return true;
    return false;
}

static enum status add_word(struct attachments *out, const struct file_word *word,
        const struct stat *st, struct err *err)
{
    if (S_ISDIR(st->st_mode))
        return err_set(err, ERR_USAGE, "%s is a folder: name a file in it, or take the @ away",
                word->path);
    if (st->st_mode && !S_ISREG(st->st_mode))
        return err_set(
                err, ERR_UNSUPPORTED, "cannot attach %s: it is not a regular file", word->path);
    if (st->st_size > (off_t)ATTACH_FILE_MAX_BYTES)
        return err_set(err, ERR_USAGE, "cannot attach %s: it has %lld MB, at most %u MB go",
                word->path, (long long)(st->st_size >> 20), ATTACH_FILE_MAX_BYTES >> 20);
    char *path = config_expand_home(word->path);
    enum status status =
            attachment_add(&out->text, word->path, path, ATTACH_FILE_MAX_BYTES, err);
    mem_free(path);
    if (status != OK)
        return status;
    size_t n = strlen(out->names), room = sizeof out->names - n;
    if (room > strlen(word->path) + 2)
        snprintf(out->names + n, room, "%s%s", n ? ", " : "", word->path);
    out->n_files++;
    return OK;
}

enum status attachments_read(
        struct attachments *out, struct slice text, bool ignores_missing, struct err *err)
{
    struct file_word word;
    enum status status = OK;
    *out = (struct attachments){0};
    buf_init(&out->text, ATTACH_ALL_MAX_BYTES);
    for (size_t at = 0; status == OK && file_word_next(text, at, &word); at = word.end) {
        struct stat st = {0};
        if (!word.path[0])
            continue;
        if (find_file(&word, &st))
            status = is_repeated(text, &word) ? OK : add_word(out, &word, &st, err);
        else if (!ignores_missing)
            status = err_set(err, ERR_NOT_FOUND, "there is no file %s", word.path);
    }
    if (status != OK)
        attachments_release(out);
    return status;
}

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 0x100000001b3u;
    *hash ^= *hash >> 29;
}

uint64_t attachments_stamp(struct slice text)
{
    struct file_word word;
    uint64_t hash = 0;
    for (size_t at = 0; file_word_next(text, at, &word); at = word.end) {
        struct stat st = {0};
        if (!word.path[0] || !find_file(&word, &st))
            continue;
        mix(&hash, (uint64_t)st.st_ino + 1);
        mix(&hash, (uint64_t)st.st_size);
        mix(&hash, (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
        for (const char *c = word.path; *c; c++)
            mix(&hash, (uint64_t)(uint8_t)*c + 1);
    }
    return hash;
}

size_t attachments_bytes(const struct attachments *a)
{
    return a->n_files ? a->text.n + strlen("\n\n") : 0; /* a blank line goes before them */
}

void attachments_release(struct attachments *a)
{
    buf_release(&a->text);
}
