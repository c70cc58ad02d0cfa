/* manual.c - see manual.h. A line with a dot is macros and their words, any other is text. */
#include "tui/manual.h"

#include <stdio.h>
#include <string.h>

#include "tui/embedded.h"
#include "tui/text.h"

enum { INDENT = 5, DEEPER = 8 };

struct printer {
    struct buf *out, text; /* text: the paragraph so far */
    int n_cols, indent;
    bool is_synopsis, is_literal, is_compact;
    bool is_glued; /* the next word follows without a space */
};

static void flush(struct printer *p)
{
    struct slice rest = buf_slice(&p->text), line;
    while (text_wrap(&rest, p->n_cols - p->indent, &line))
        buf_printf(p->out, "%*s%.*s\n", p->indent, "", (int)line.n, line.ptr);
    buf_clear(&p->text);
}

static void add_blank_line(struct printer *p)
{
    flush(p);
    if (p->out->n > 1 && memcmp(buf_text(p->out) + p->out->n - 2, "\n\n", 2) != 0)
        buf_add_text(p->out, "\n");
}

/* Text with its escapes: \& nothing, \e \(dq \(aq one character, \[u2026] a code point. */
static void add_escaped(struct buf *out, struct slice text)
{
    static const struct {
        const char *escape, *text;
    } escapes[] = {{"\\&", ""}, {"\\e", "\\"}, {"\\(dq", "\""}, {"\\(aq", "'"}};
    while (text.n) {
        unsigned code_point;
        char utf8[4];
        size_t i = 0, used = 1;
        while (i < ARRAY_LEN(escapes) && !slice_has_prefix(text, escapes[i].escape))
            i++;
        if (i < ARRAY_LEN(escapes)) {
            used = strlen(escapes[i].escape);
            buf_add_text(out, escapes[i].text);
        } else if (slice_has_prefix(text, "\\[u") &&
                   sscanf(text.ptr + 3, "%x", &code_point) == 1) {
            used = (size_t)((const char *)memchr(text.ptr, ']', text.n) - text.ptr) + 1;
            buf_add(out, utf8, utf8_encode(code_point, utf8));
        } else {
            buf_add(out, text.ptr, 1);
        }
        text = (struct slice){text.ptr + used, text.n - used};
    }
}

static bool is_closing(struct slice word)
{
    return word.n == 1 && strchr(".,;:?!)]", word.ptr[0]);
}

static void add_word(
        struct printer *p, const char *before, struct slice word, const char *after)
{
    if (p->text.n && !p->is_glued && !is_closing(word))
        buf_add_text(&p->text, " ");
    p->is_glued = false;
    buf_add_text(&p->text, before);
    add_escaped(&p->text, word);
    buf_add_text(&p->text, after);
}

/* The next word of a macro line, without its quotes. */
static struct slice next_word(struct slice *line)
{
    struct slice word;
    *line = slice_trim(*line);
    if (!slice_has_prefix(*line, "\""))
        return slice_cut(line, ' ');
    *line = (struct slice){line->ptr + 1, line->n - 1};
    word = slice_cut(line, '"');
    return word;
}

static const struct {
    const char *macro, *before, *after;
} marks[] = {{"Fl", "-", ""}, {"Ar", "", ""}, {"Cm", "", ""}, {"Ic", "", ""}, {"Va", "", ""},
        {"Ev", "", ""}, {"Pa", "", ""}, {"Em", "", ""}, {"Sy", "", ""}, {"No", "", ""},
        {"Lk", "", ""}, {"Dv", "", ""}, {"Ta", "", ""}, {"Nm", "", ""}};

static size_t find_mark(struct slice word)
{
    size_t i = 0;
    while (i < ARRAY_LEN(marks) && !slice_eq(word, marks[i].macro))
        i++;
    return i;
}

/* Words and macros of a line, brackets around them when `open` says so. */
static void add_macros(
        struct printer *p, struct slice line, const char *open, const char *close)
{
    size_t mark = ARRAY_LEN(marks);
    bool is_open = open[0] != '\0';
    if (is_open) {
        add_word(p, open, (struct slice){"", 0}, "");
        p->is_glued = true;
    }
    while (line.n) {
        struct slice word = next_word(&line);
        size_t found = find_mark(word);
        if (found < ARRAY_LEN(marks)) {
            mark = found;
            if (slice_eq(word, "Nm") && line.n == 0)
                add_word(p, "", SLICE("shunt"), "");
            continue;
        }
        if (is_open && is_closing(word) && line.n == 0) {
            buf_add_text(&p->text, close);
            is_open = false;
        }
        bool is_marked = mark < ARRAY_LEN(marks) && !is_closing(word) && !slice_eq(word, "|");
        add_word(p, is_marked ? marks[mark].before : "", word,
                is_marked ? marks[mark].after : "");
    }
    if (is_open)
        buf_add_text(&p->text, close);
}

static void begin_section(struct printer *p, struct slice title, int indent)
{
    add_blank_line(p);
    p->indent = indent;
    add_macros(p, title, "", "");
    flush(p);
    p->indent = INDENT;
    p->is_synopsis = slice_eq(title, "SYNOPSIS");
}

static bool has_option(struct slice words, const char *option)
{
    return memmem(words.ptr, words.n, option, strlen(option)) != NULL;
}

/* The head of a list's item; what follows stands deeper, below it. */
static void add_item(struct printer *p, struct slice head)
{
    if (p->is_compact)
        flush(p);
    else
        add_blank_line(p);
    p->indent -= DEEPER;
    add_macros(p, head, "", "");
    flush(p);
    p->indent += DEEPER;
}

static void add_reference(struct printer *p, struct slice line)
{
    struct slice name = next_word(&line), section = next_word(&line);
    char text[64];
    snprintf(text, sizeof text, "%.*s(%.*s)", (int)name.n, name.ptr, (int)section.n,
            section.ptr);
    add_word(p, "", slice_of(text), "");
    add_macros(p, line, "", "");
}

static void add_line(struct printer *p, struct slice line)
{
    struct slice rest = line, macro = slice_cut(&rest, ' ');
    rest = rest.ptr ? slice_trim(rest) : (struct slice){"", 0};
    if (slice_eq(macro, ".Sh")) {
        begin_section(p, rest, 0);
    } else if (slice_eq(macro, ".Ss")) {
        begin_section(p, rest, INDENT - 2);
    } else if (slice_eq(macro, ".Pp")) {
        add_blank_line(p);
    } else if (slice_eq(macro, ".Bl") || slice_eq(macro, ".Bd")) {
        add_blank_line(p);
        p->indent += DEEPER;
        p->is_literal = slice_eq(macro, ".Bd");
        p->is_compact = has_option(rest, "-compact") || has_option(rest, "-column");
    } else if (slice_eq(macro, ".El") || slice_eq(macro, ".Ed")) {
        add_blank_line(p);
        p->indent -= DEEPER;
        p->is_literal = false;
    } else if (slice_eq(macro, ".It")) {
        add_item(p, rest);
    } else if (slice_eq(macro, ".Dl")) {
        flush(p);
        p->indent += DEEPER;
        add_word(p, "", rest, "");
        flush(p);
        p->indent -= DEEPER;
    } else if (slice_eq(macro, ".Xr")) {
        add_reference(p, rest);
    } else if (slice_eq(macro, ".Op") || slice_eq(macro, ".Bq")) {
        add_macros(p, rest, "[", "]");
    } else if (slice_eq(macro, ".Ql")) {
        add_macros(p, rest, "\xE2\x80\x98", "\xE2\x80\x99");
    } else if (slice_eq(macro, ".Pq")) {
        add_macros(p, rest, "(", ")");
    } else if (slice_eq(macro, ".Nd")) {
        add_word(p, "\xE2\x80\x93 ", rest, "");
    } else if (!slice_has_prefix(macro, ".\\\"") && !slice_eq(macro, ".Dd") &&
               !slice_eq(macro, ".Dt") && !slice_eq(macro, ".Os")) {
        if (p->is_synopsis && slice_eq(macro, ".Nm"))
            flush(p);
        add_macros(p, (struct slice){line.ptr + 1, line.n - 1}, "", "");
    }
}

void manual_print(struct slice page, int n_cols, struct buf *out)
{
    struct printer p = {.out = out, .n_cols = n_cols, .indent = INDENT};
    buf_init(&p.text, 1 << 16);
    while (page.n) {
        struct slice line = slice_cut(&page, '\n');
        if (p.is_literal && !slice_has_prefix(line, ".Ed")) {
            buf_printf(out, "%*s", p.indent, "");
            add_escaped(out, line);
            buf_add_text(out, "\n");
        } else if (slice_has_prefix(line, ".")) {
            add_line(&p, line);
        } else {
            add_word(&p, "", line, "");
        }
    }
    flush(&p);
    buf_release(&p.text);
}

static const struct {
    const char *topic, *page;
} topics[] = {{"shunt", "shunt.1"}, {"config", "shunt.conf.5"}, {"shunt.conf", "shunt.conf.5"},
        {"themes", "shunt-theme.5"}, {"shunt-theme", "shunt-theme.5"}, {"keys", "shunt-keys.7"},
        {"shunt-keys", "shunt-keys.7"}};

struct slice manual_find(const char *topic)
{
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        if (strcmp(topics[i].topic, topic) != 0)
            continue;
        for (const struct embedded *e = embedded_pages; e->name; e++)
            if (strcmp(e->name, topics[i].page) == 0)
                return (struct slice){e->bytes, e->n};
    }
    return (struct slice){NULL, 0};
}
