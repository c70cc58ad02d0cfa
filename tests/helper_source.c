/* helper_source.c - see helper_source.h. */
#include "tests/helper_source.h"

#include <ctype.h>
#include <fnmatch.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct source_file source_files[4096];
size_t n_source_files;

bool source_matches_any(const char *const *patterns, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], text, 0) == 0)
            return true;
    return false;
}

static bool is_text_name(const char *name)
{
    static const char *const binary[] = {"*.gguf", "*.f32", "*.bin"};
    return !source_matches_any(binary, ARRAY_LEN(binary), name);
}

/* What version control does not hold either. */
static bool is_ignored(const char *name)
{
    static const char *const patterns[] = {"build*", "*.tmp", "compile_commands.json", ".?*"};
    return strcmp(name, ".ci") != 0 && source_matches_any(patterns, ARRAY_LEN(patterns), name);
}

static bool is_source(const char *path)
{
    static const char *const folders[] = {"kernels/*", "engine/*", "router/*", "tui/*"};
    static const char *const names[] = {"*.c", "*.h", "*.def"};
    return source_matches_any(folders, ARRAY_LEN(folders), path) &&
           source_matches_any(names, ARRAY_LEN(names), path);
}

static char *blank(char *from, const char *end)
{
    for (; from < end; from++)
        if (*from != '\n')
            *from = ' ';
    return from;
}

/* The closing quote, or where the line ends without one. */
static char *literal_end(char *quote)
{
    char *p = quote + 1;
    while (*p && *p != *quote && *p != '\n')
        p += *p == '\\' && p[1] ? 2 : 1;
    return p;
}

struct slice source_included(struct slice line)
{
    line = slice_trim(line);
    if (!slice_has_prefix(line, "#"))
        return (struct slice){0};
    line = slice_trim((struct slice){line.ptr + 1, line.n - 1});
    if (!slice_has_prefix(line, "include"))
        return (struct slice){0};
    line = slice_trim((struct slice){line.ptr + 7, line.n - 7});
    if (!slice_has_prefix(line, "\""))
        return line;
    line = (struct slice){line.ptr + 1, line.n - 1};
    return slice_cut(&line, '"');
}

static bool is_include(const char *line)
{
    return source_included((struct slice){line, strcspn(line, "\n")}).n > 0;
}

char *source_code_of(const char *text)
{
    char *code = mem_strdup(text), *line = code;
    for (char *p = code; *p;) {
        if (*p == '\n') {
            line = ++p;
        } else if (strncmp(p, "/*", 2) == 0) {
            const char *end = strstr(p + 2, "*/");
            p = blank(p, end ? end + 2 : p + strlen(p));
        } else if (strncmp(p, "//", 2) == 0) {
            p = blank(p, strchrnul(p, '\n'));
        } else if (*p == '"' || *p == '\'') {
            char *end = literal_end(p);
            if (!is_include(line))
                blank(p + 1, end);
            p = end + (*end && *end != '\n');
        } else {
            p++;
        }
    }
    return code;
}

static char *end_of_directive(char *p)
{
    while (*p && *p != '\n')
        p += *p == '\\' && p[1] ? 2 : 1;
    return p;
}

void source_drop_directives(char *code)
{
    for (char *p = code; p && *p; p = strchr(p, '\n')) {
        p += strspn(p, " \t\n");
        if (*p == '#')
            p = blank(p, end_of_directive(p));
    }
}

static void read_one(const char *path)
{
    struct err err;
    struct source_file *f = &source_files[n_source_files];
    if (file_read(&f->text, path, 1u << 28, &err) != OK)
        fail_msg("%s", err.text);
    f->path = mem_strdup(path + strlen(SOURCE_DIR "/"));
    f->code = is_source(f->path) ? source_code_of(buf_text(&f->text)) : NULL;
    assert_true(++n_source_files < ARRAY_LEN(source_files));
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

void source_read_all(void)
{
    char root[] = SOURCE_DIR, *roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *e; (e = fts_read(walk));)
        if (e->fts_level > 0 && is_ignored(e->fts_name))
            fts_set(walk, e, FTS_SKIP);
        else if (e->fts_info == FTS_F && is_text_name(e->fts_name))
            read_one(e->fts_path);
    fts_close(walk);
}

void source_free_all(void)
{
    for (size_t i = 0; i < n_source_files; i++) {
        mem_free(source_files[i].path);
        mem_free(source_files[i].code);
        buf_release(&source_files[i].text);
    }
}

bool source_next_line(struct slice *rest, struct slice *line, int *number)
{
    if (!rest->ptr)
        return false;
    *line = slice_cut(rest, '\n');
    (*number)++;
    return true;
}

bool source_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool source_next_word(struct slice *rest, struct slice *word)
{
    while (rest->n && !source_is_word(*rest->ptr))
        rest->ptr++, rest->n--;
    word->ptr = rest->ptr;
    while (rest->n && source_is_word(*rest->ptr))
        rest->ptr++, rest->n--;
    word->n = (size_t)(rest->ptr - word->ptr);
    return word->n > 0;
}
