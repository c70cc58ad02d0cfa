/*
 * markdown_parts.c - see markdown_parts.h. One pass over the lines that knows fences and where
 * a list could still go on; where it cannot know what md4c will make of a line, the part just
 * goes on.
 */
#include "tui/markdown_parts.h"

#include <string.h>

/* Looks at a text line by line, from the start of a part. */
struct scan {
    struct slice source;
    size_t at, next; /* the line */
    struct slice line;
    size_t n_indent;
    bool takes_open_line;                /* the last line counts without its line break */
    bool is_blank, was_blank, was_plain; /* plain: what cannot go on behind a blank line */
    bool in_fence, fence_in_list, is_unsure;
    char fence;
    size_t n_fence;
};

/* Behind indentation and marks of list items. */
static size_t find_content(struct slice line, bool *has_mark)
{
    size_t i = 0;
    for (;;) {
        while (i < line.n && line.ptr[i] == ' ')
            i++;
        size_t k = i;
        while (k < line.n && line.ptr[k] >= '0' && line.ptr[k] <= '9')
            k++;
        if (k + 1 >= line.n || line.ptr[k + 1] != ' ' ||
                !strchr(k > i ? ".)" : "-*+", line.ptr[k]))
            return i;
        *has_mark = true;
        i = k + 2;
    }
}

static bool is_white(struct slice s)
{
    return slice_trim(s).n == 0;
}

static void scan_fence(struct scan *scan)
{
    struct slice line = scan->line;
    bool has_mark = false;
    size_t i = find_content(line, &has_mark), n = 0;
    char c = i < line.n ? line.ptr[i] : '\0';
    while (i + n < line.n && line.ptr[i + n] == c)
        n++;
    struct slice rest = {line.ptr + i + n, line.n - i - n};
    bool is_run = (c == '`' || c == '~') && n >= 3;
    /* Has the item ended, and its fence with it, or was it no item? Where does a fence in a
     * quote end? Only md4c knows. */
    bool leaves_item =
            scan->in_fence && scan->fence_in_list && !scan->is_blank && scan->n_indent == 0;
    bool is_quoted_fence = c == '>' && (memmem(line.ptr, line.n, "```", 3) ||
                                               memmem(line.ptr, line.n, "~~~", 3));
    scan->is_unsure |= leaves_item || is_quoted_fence;
    if (scan->in_fence) {
        bool ends = is_run && !has_mark && c == scan->fence && n >= scan->n_fence &&
                    is_white(rest) && (scan->fence_in_list || scan->n_indent <= 3);
        scan->in_fence = !ends;
        return;
    }
    bool may_be_in_list = has_mark || !scan->was_plain;
    if (!is_run || (c == '`' && rest.n && memchr(rest.ptr, '`', rest.n)) ||
            (scan->n_indent > 3 && !may_be_in_list))
        return;
    scan->in_fence = true;
    scan->fence_in_list = may_be_in_list && (has_mark || scan->n_indent > 0);
    scan->fence = c;
    scan->n_fence = n;
}

static bool scan_line(struct scan *scan)
{
    scan->was_blank = scan->is_blank;
    scan->at = scan->next;
    if (scan->at >= scan->source.n)
        return false;
    const char *line = scan->source.ptr + scan->at;
    const char *end = memchr(line, '\n', scan->source.n - scan->at);
    if (!end && !scan->takes_open_line)
        return false;
    scan->line = (struct slice){line, end ? (size_t)(end - line) : scan->source.n - scan->at};
    scan->next = scan->at + scan->line.n + 1;
    scan->n_indent = 0;
    while (scan->n_indent < scan->line.n && line[scan->n_indent] == ' ')
        scan->n_indent++;
    scan->is_blank = is_white(scan->line);
    return true;
}

/* Behind scan_line and a look at the state before the line. */
static void scan_pass(struct scan *scan)
{
    scan_fence(scan);
    if (!scan->is_blank && !scan->in_fence)
        scan->was_plain = (scan->was_plain || scan->was_blank) &&
                          !strchr(" \t-*+>|[<0123456789", scan->line.ptr[0]);
}

size_t markdown_part_end(struct slice source, size_t from)
{
    struct scan scan = {.source = source, .next = from, .was_plain = true};
    while (scan_line(&scan)) {
        if (scan.was_blank && !scan.is_blank && !scan.in_fence && !scan.is_unsure &&
                scan.was_plain && scan.n_indent == 0 && scan.at > from)
            return scan.at;
        scan_pass(&scan);
    }
    return from;
}

void markdown_find_definitions(
        struct slice source, bool (*is_definition)(struct slice line), struct buf *out)
{
    struct scan scan = {.source = source, .was_plain = true, .takes_open_line = true};
    if (source.n == 0 || !memmem(source.ptr, source.n, "]:", 2))
        return;
    for (; scan_line(&scan); scan_pass(&scan)) {
        struct slice line = slice_trim(scan.line);
        bool fits = out->n + line.n < out->max_bytes;
        if (fits && !scan.in_fence && scan.n_indent <= 3 && is_definition(line)) {
            buf_add_slice(out, line);
            buf_add_text(out, "\n");
        }
    }
}
