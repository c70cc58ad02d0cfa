/*
 * conf.c - see conf.h. The file is kept as its lines; an entry remembers where in its line the
 * value stands, so an edit touches nothing else.
 */
#include "router/conf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX_BYTES  (4u << 20)
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

struct line {
    char *text;          /* without the line's end */
    const char *newline; /* "\n", "\r\n" or "" */
    size_t value_begin, value_end;
    int i_entry;                /* -1: no entry */
    char *section, *subsection; /* of a header; NULL otherwise */
};

struct conf {
    char *path;
    struct line *lines;
    size_t n_lines, cap_lines;
    struct conf_entry *entries;
    size_t n_entries, cap_entries;
    struct warning {
        int line;
        char *text;
    } * warnings; /* by line */
    size_t n_warnings;
    bool has_mark, has_nul; /* a byte order mark; NUL bytes, which get lost */
};

static char *copy(const char *text, size_t n)
{
    char *out = mem_alloc(n + 1);
    if (n)
        memcpy(out, text, n);
    return out;
}

/* Nobody reads more, and a file of garbage would fill the memory. */
#define WARNINGS_MAX 1000

void conf_warn(struct conf *conf, int line, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list va;
    if (conf->n_warnings == WARNINGS_MAX)
        return;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    size_t n = strlen(conf->path) + strlen(text) + 24, at = conf->n_warnings++;
    char *warning = mem_alloc(n);
    if (line > 0)
        snprintf(warning, n, "%s:%d: %s", conf->path, line, text);
    else
        snprintf(warning, n, "%s: %s", conf->path, text);
    utf8_make_printable(warning);
    conf->warnings = mem_resize(conf->warnings, conf->n_warnings * sizeof *conf->warnings);
    for (; at > 0 && conf->warnings[at - 1].line > line; at--)
        conf->warnings[at] = conf->warnings[at - 1];
    conf->warnings[at] = (struct warning){line, warning};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Sections and keys have no case: one spelling of each is what everybody compares. */
static char *fold(struct slice name)
{
    char *out = copy(name.ptr, name.n);
    for (size_t i = 0; i < name.n; i++)
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] - 'A' + 'a') : out[i];
    return out;
}

/* A header without the comment behind it: `;` behind white space, but not inside quotes. */
static struct slice cut_comment(struct slice s)
{
    bool is_quoted = false;
    for (size_t i = 1; i < s.n; i++) {
        is_quoted ^= s.ptr[i] == '"';
        if (s.ptr[i] == ';' && !is_quoted && is_blank(s.ptr[i - 1]))
            return slice_trim((struct slice){s.ptr, i});
    }
    return s;
}

/* [section "subsection"] */
static bool read_header(struct line *line, struct slice s)
{
    if (s.n < 3 || s.ptr[0] != '[' || s.ptr[s.n - 1] != ']')
        return false;
    struct slice inside = slice_trim((struct slice){s.ptr + 1, s.n - 2});
    const char *quote = memchr(inside.ptr, '"', inside.n);
    struct slice section = inside, sub = {"", 0};
    if (quote) {
        section = slice_trim((struct slice){inside.ptr, (size_t)(quote - inside.ptr)});
        sub = (struct slice){quote + 1, inside.n - (size_t)(quote - inside.ptr) - 1};
        if (sub.n == 0 || sub.ptr[sub.n - 1] != '"')
            return false;
        sub.n--;
        if (memchr(sub.ptr, '"', sub.n))
            return false;
    }
    if (section.n == 0 || memchr(section.ptr, ' ', section.n))
        return false;
    line->section = fold(section);
    line->subsection = copy(sub.ptr, sub.n);
    return true;
}

static int number_of(const struct conf *conf, const struct line *line)
{
    return (int)(line - conf->lines) + 1;
}

/* "…" with \" \\ \n; *end is set behind the closing quote. NULL: it never closes. */
static char *read_quoted(const char *text, size_t begin, size_t *end)
{
    size_t n = 0;
    char *out = mem_alloc(strlen(text + begin) + 1);
    for (size_t i = begin + 1; text[i]; i++) {
        if (text[i] == '"') {
            *end = i + 1;
            return out;
        }
        if (text[i] == '\\' && text[i + 1]) {
            i++;
            out[n++] = text[i] == 'n' ? '\n' : text[i];
        } else {
            out[n++] = text[i];
        }
    }
    mem_free(out);
    return NULL;
}

static char *read_value(struct conf *conf, struct line *line, size_t begin, bool warns)
{
    const char *text = line->text;
    int number = number_of(conf, line);
    while (is_blank(text[begin]))
        begin++;
    line->value_begin = line->value_end = begin;
    if (text[begin] == '"') {
        char *value = read_quoted(text, begin, &line->value_end);
        size_t rest = line->value_end;
        while (value && is_blank(text[rest]))
            rest++;
        if (warns && value && text[rest] && text[rest] != ';')
            conf_warn(conf, number, "text behind the closing quote is ignored");
        if (value)
            return value;
        if (warns)
            conf_warn(conf, number, "a quote is opened and never closed");
    }
    size_t end = begin;
    while (text[end] && !(text[end] == ';' && (end == begin || is_blank(text[end - 1]))))
        end++;
    while (end > begin && is_blank(text[end - 1]))
        end--;
    line->value_end = end;
    return copy(text + begin, end - begin);
}

static void add_entry(struct conf *conf, struct line *line, const char *section,
        const char *subsection, size_t equals, bool warns)
{
    struct slice key = slice_trim((struct slice){line->text, equals});
    if (conf->n_entries == conf->cap_entries)
        conf->entries = mem_resize(conf->entries,
                (conf->cap_entries = conf->cap_entries ? conf->cap_entries * 2 : 32) *
                        sizeof *conf->entries);
    line->i_entry = (int)conf->n_entries;
    conf->entries[conf->n_entries++] =
            (struct conf_entry){mem_strdup(section), mem_strdup(subsection), fold(key),
                    read_value(conf, line, equals + 1, warns), number_of(conf, line)};
}

static struct line *add_line(
        struct conf *conf, size_t at, const char *text, size_t n, const char *newline)
{
    if (conf->n_lines == conf->cap_lines)
        conf->lines = mem_resize(
                conf->lines, (conf->cap_lines = conf->cap_lines ? conf->cap_lines * 2 : 64) *
                                     sizeof *conf->lines);
    memmove(conf->lines + at + 1, conf->lines + at, (conf->n_lines - at) * sizeof *conf->lines);
    conf->n_lines++;
    conf->lines[at] = (struct line){.text = copy(text, n), .newline = newline, .i_entry = -1};
    return &conf->lines[at];
}

/* [endpoint mini]: what is meant is clear, but not what git's style would make of it. */
static void warn_broken_header(struct conf *conf, struct slice s, int number)
{
    bool is_closed = s.n > 2 && s.ptr[s.n - 1] == ']';
    struct slice name = slice_trim((struct slice){s.ptr + 1, is_closed ? s.n - 2 : 0});
    struct slice section = slice_cut(&name, ' ');
    name = slice_trim(name);
    if (is_closed && name.n && !memchr(name.ptr, '"', name.n))
        conf_warn(conf, number,
                "the name needs quotes: [%.*s \"%.*s\"]; the keys below it are ignored",
                (int)section.n, section.ptr, (int)name.n, name.ptr);
    else
        conf_warn(conf, number,
                "\"%.*s\" is no [section] or [section \"name\"]: a bracket or a quote is "
                "missing; the keys below it are ignored",
                (int)(s.n < 60 ? s.n : 60), s.ptr);
}

/* Reads what the lines mean; called again after every edit. */
static void interpret(struct conf *conf, bool warns)
{
    const char *section = "", *subsection = "";
    for (size_t i = 0; i < conf->n_lines; i++) {
        struct line *line = &conf->lines[i];
        struct slice s = slice_trim(slice_of(line->text));
        mem_free(line->section);
        mem_free(line->subsection);
        line->section = line->subsection = NULL;
        line->i_entry = -1;
        if (s.n == 0 || s.ptr[0] == '#' || s.ptr[0] == ';')
            continue;
        const char *equals = strchr(line->text, '=');
        if (s.ptr[0] == '[') {
            /* keys below a broken header must not fall to the section above it */
            s = cut_comment(s);
            section = read_header(line, s) ? line->section : NULL;
            subsection = line->subsection;
            if (!section && warns)
                warn_broken_header(conf, s, (int)i + 1);
        } else if (!section) {
            continue;
        } else if (equals &&
                   slice_trim((struct slice){line->text, (size_t)(equals - line->text)}).n) {
            add_entry(conf, line, section, subsection, (size_t)(equals - line->text), warns);
        } else if (warns) {
            conf_warn(conf, (int)i + 1,
                    "\"%.60s\" is neither `key = value` nor a [section]; the line is ignored",
                    s.ptr);
        }
    }
}

struct conf *conf_parse(struct slice text, const char *name)
{
    struct conf *conf = mem_alloc(sizeof *conf);
    conf->path = mem_strdup(name);
    conf->has_mark = slice_has_prefix(text, BYTE_ORDER_MARK);
    if (conf->has_mark)
        text = (struct slice){
                text.ptr + strlen(BYTE_ORDER_MARK), text.n - strlen(BYTE_ORDER_MARK)};
    conf->has_nul = text.n && memchr(text.ptr, '\0', text.n);
    while (text.n) {
        const char *end = memchr(text.ptr, '\n', text.n);
        size_t n = end ? (size_t)(end - text.ptr) : text.n, used = n + (end != NULL);
        bool is_crlf = end && n > 0 && text.ptr[n - 1] == '\r';
        add_line(conf, conf->n_lines, text.ptr, n - is_crlf,
                is_crlf ? "\r\n"
                : end   ? "\n"
                        : "");
        text = (struct slice){text.ptr + used, text.n - used};
    }
    if (conf->has_nul)
        conf_warn(conf, 1,
                "the file contains NUL bytes; what follows one on its line is ignored");
    interpret(conf, true);
    return conf;
}

enum status conf_load(struct conf **out, const char *path, struct err *err)
{
    struct buf text;
    enum status status = file_read(&text, path, FILE_MAX_BYTES, err);
    if (status == ERR_NOT_FOUND)
        buf_init(&text, 0);
    else if (status != OK)
        return status;
    *out = conf_parse(buf_slice(&text), path);
    buf_release(&text);
    return OK;
}

static void free_entries(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_entries; i++) {
        const struct conf_entry *e = &conf->entries[i];
        mem_free((void *)(uintptr_t)e->section);
        mem_free((void *)(uintptr_t)e->subsection);
        mem_free((void *)(uintptr_t)e->key);
        mem_free((void *)(uintptr_t)e->value);
    }
    conf->n_entries = 0;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    free_entries(conf);
    mem_free(conf->entries);
    for (size_t i = 0; i < conf->n_lines; i++) {
        mem_free(conf->lines[i].text);
        mem_free(conf->lines[i].section);
        mem_free(conf->lines[i].subsection);
    }
    mem_free(conf->lines);
    for (size_t i = 0; i < conf->n_warnings; i++)
        mem_free(conf->warnings[i].text);
    mem_free(conf->warnings);
    mem_free(conf->path);
    mem_free(conf);
}

const char *conf_path(const struct conf *conf)
{
    return conf->path;
}

size_t conf_n_entries(const struct conf *conf)
{
    return conf->n_entries;
}

const struct conf_entry *conf_entry_at(const struct conf *conf, size_t i)
{
    return &conf->entries[i];
}

static int find_entry(
        const struct conf *conf, const char *section, const char *subsection, const char *key)
{
    for (size_t i = conf->n_entries; i-- > 0;) {
        const struct conf_entry *e = &conf->entries[i];
        if (strcasecmp(e->section, section) == 0 && strcmp(e->subsection, subsection) == 0 &&
                strcasecmp(e->key, key) == 0)
            return (int)i;
    }
    return -1;
}

const char *conf_get(
        const struct conf *conf, const char *section, const char *subsection, const char *key)
{
    int i = find_entry(conf, section, subsection, key);
    return i < 0 ? NULL : conf->entries[i].value;
}

/* A value that would not read back as it is gets quotes, for its own sake or for what stands
 * behind it in the line. */
static void add_value(struct buf *out, const char *value, const char *behind)
{
    size_t n = strlen(value), n_blanks = strspn(behind, " \t");
    bool is_alone = !behind[n_blanks] || (n_blanks && behind[n_blanks] == ';');
    bool is_plain = is_alone && n > 0 && value[0] != '"' && value[0] != ';' &&
                    !is_blank(value[0]) && !is_blank(value[n - 1]) && !strpbrk(value, "\n\r") &&
                    !strstr(value, " ;") && !strstr(value, "\t;");
    if (is_plain) {
        buf_add_text(out, value);
        return;
    }
    buf_add_text(out, "\"");
    for (const char *c = value; *c; c++)
        if (*c == '\n')
            buf_add_text(out, "\\n");
        else if (*c != '\r')
            buf_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    buf_add_text(out, "\"");
}

static const char *file_newline(const struct conf *conf)
{
    return conf->n_lines && strcmp(conf->lines[0].newline, "\r\n") == 0 ? "\r\n" : "\n";
}

/* The line behind the last one of the section that says something; a new section at the end
 * when there is none. */
static size_t find_or_add_section(
        struct conf *conf, const char *section, const char *subsection)
{
    size_t end = 0;
    bool is_inside = section[0] == '\0';
    for (size_t i = 0; i < conf->n_lines; i++) {
        const struct line *line = &conf->lines[i];
        if (line->section)
            is_inside = strcasecmp(line->section, section) == 0 &&
                        strcmp(line->subsection, subsection) == 0;
        if (is_inside && (line->section || line->i_entry >= 0))
            end = i + 1;
    }
    if (end || section[0] == '\0')
        return end;
    struct buf header;
    buf_init(&header, FILE_MAX_BYTES);
    if (conf->n_lines && !conf->lines[conf->n_lines - 1].newline[0])
        conf->lines[conf->n_lines - 1].newline = file_newline(conf);
    if (conf->n_lines)
        add_line(conf, conf->n_lines, "", 0, file_newline(conf));
    buf_printf(&header, "[%s", section);
    if (subsection[0])
        buf_printf(&header, " \"%s\"", subsection);
    buf_add_text(&header, "]");
    add_line(conf, conf->n_lines, buf_text(&header), header.n, file_newline(conf));
    buf_release(&header);
    return conf->n_lines;
}

static void replace_value(struct line *line, const char *value)
{
    struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    buf_add(&text, line->text, line->value_begin);
    add_value(&text, value, line->text + line->value_end);
    buf_add_text(&text, line->text + line->value_end);
    mem_free(line->text);
    line->text = mem_strdup(buf_text(&text));
    buf_release(&text);
}

static void remove_line(struct conf *conf, size_t i)
{
    mem_free(conf->lines[i].text);
    mem_free(conf->lines[i].section);
    mem_free(conf->lines[i].subsection);
    memmove(conf->lines + i, conf->lines + i + 1, (--conf->n_lines - i) * sizeof *conf->lines);
}

void conf_set(struct conf *conf, const char *section, const char *subsection, const char *key,
        const char *value)
{
    int i = find_entry(conf, section, subsection, key);
    if (i >= 0) {
        size_t at = (size_t)conf->entries[i].line - 1;
        if (value)
            replace_value(&conf->lines[at], value);
        else
            remove_line(conf, at);
    } else if (value) {
        struct buf text;
        buf_init(&text, FILE_MAX_BYTES);
        buf_printf(&text, "%s = ", key);
        add_value(&text, value, "");
        size_t at = find_or_add_section(conf, section, subsection);
        if (at > 0 && !conf->lines[at - 1].newline[0])
            conf->lines[at - 1].newline = file_newline(conf);
        add_line(conf, at, buf_text(&text), text.n, file_newline(conf));
        buf_release(&text);
    }
    free_entries(conf);
    interpret(conf, false);
}

void conf_print(const struct conf *conf, struct buf *out)
{
    buf_add_text(out, conf->has_mark ? BYTE_ORDER_MARK : "");
    for (size_t i = 0; i < conf->n_lines; i++)
        buf_printf(out, "%s%s", conf->lines[i].text, conf->lines[i].newline);
}

enum status conf_save(const struct conf *conf, struct err *err)
{
    struct buf text;
    if (conf->has_nul)
        return err_set(err, ERR_FORMAT,
                "%s contains NUL bytes and would lose what stands behind them: mend it with an "
                "editor first; nothing was changed",
                conf->path);
    buf_init(&text, 2 * (size_t)FILE_MAX_BYTES);
    conf_print(conf, &text);
    enum status status = file_write(conf->path, buf_text(&text), text.n, 0600, err);
    buf_release(&text);
    return status;
}

size_t conf_n_warnings(const struct conf *conf)
{
    return conf->n_warnings;
}

const char *conf_warning_at(const struct conf *conf, size_t i)
{
    return conf->warnings[i].text;
}

bool conf_parse_duration_ms(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t n = strspn(text, "0123456789");
    uint64_t value;
    if (!slice_to_u64((struct slice){text, n}, &value))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(text + n, units[i].unit) == 0)
            return !__builtin_mul_overflow(value, units[i].ms, out);
    return false;
}

bool conf_parse_bool(const char *text, bool *out)
{
    static const char *const words[2][3] = {{"no", "false", "off"}, {"yes", "true", "on"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 3; i++)
            if (strcasecmp(text, words[value][i]) == 0) {
                *out = value;
                return true;
            }
    return false;
}

/* Edit distance (Levenshtein 1966) of words of at most 31 bytes; longer ones are far from
 * everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b), m = strlen(a);
    if (n >= ARRAY_LEN(row) || m >= ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

const char *conf_nearest(const char *word, const char *const *names, size_t n_names)
{
    const char *best = NULL;
    size_t n = strlen(word), least = n / 3 + 1;
    for (size_t i = 0; i < n_names && n > 1; i++) /* begun, but not ended */
        if (strncmp(names[i], word, n) == 0)
            return names[i];
    for (size_t i = 0; i < n_names; i++) {
        size_t d = distance(word, names[i]);
        if (d > 1 && n < 5 && names[i][0] != word[0])
            continue; /* half of a short word differs: "nope" is not meant as "top" */
        if (d <= least && (!best || d < least)) {
            best = names[i];
            least = d;
        }
    }
    return best;
}
