/* sse.c - see sse.h. Byte by byte: a chunk may end inside the mark, a line end, a character. */
#include "router/sse.h"

void sse_init(struct sse *sse)
{
    *sse = (struct sse){0};
    buf_init(&sse->line, SSE_MAX_BYTES);
    buf_init(&sse->data, SSE_MAX_BYTES);
}

void sse_release(struct sse *sse)
{
    buf_release(&sse->line);
    buf_release(&sse->data);
}

static void take_field(struct sse *sse)
{
    struct slice line = buf_slice(&sse->line);
    if (!slice_has_prefix(line, "data"))
        return;
    struct slice value = {line.ptr + 4, line.n - 4};
    if (value.n && value.ptr[0] != ':')
        return; /* another field that begins so */
    if (value.n)
        value = (struct slice){value.ptr + 1, value.n - 1};
    if (value.n && value.ptr[0] == ' ')
        value = (struct slice){value.ptr + 1, value.n - 1};
    if (sse->has_data)
        buf_add(&sse->data, "\n", 1);
    buf_add_slice(&sse->data, value);
    sse->has_data = true;
}

static void end_line(struct sse *sse, sse_event_fn *fn, void *arg)
{
    if (sse->line.n) {
        take_field(sse);
    } else if (sse->has_data) {
        fn(arg, buf_slice(&sse->data));
        buf_clear(&sse->data);
        sse->has_data = false;
    }
    buf_clear(&sse->line);
}

bool sse_feed(struct sse *sse, const char *bytes, size_t n, sse_event_fn *fn, void *arg)
{
    static const char bom[] = "\xEF\xBB\xBF";
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (!sse->is_started && c == bom[sse->n_bom] && sse->n_bom < 3) {
            sse->is_started = ++sse->n_bom == 3;
            continue;
        }
        if (!sse->is_started) {
            buf_add(&sse->line, bom, sse->n_bom);
            sse->is_started = true;
        }
        bool is_second_half = sse->was_cr && c == '\n';
        sse->was_cr = c == '\r';
        if (is_second_half)
            continue;
        if (c == '\r' || c == '\n') {
            end_line(sse, fn, arg);
            continue;
        }
        size_t run = 1; /* a line's bytes at once */
        while (i + run < n && bytes[i + run] != '\r' && bytes[i + run] != '\n')
            run++;
        if (!buf_add(&sse->line, bytes + i, run) || sse->data.is_cut)
            return false;
        i += run - 1;
    }
    return !sse->data.is_cut;
}

struct slice sse_rest(struct sse *sse)
{
    if (sse->line.n)
        take_field(sse);
    buf_clear(&sse->line);
    return sse->has_data ? buf_slice(&sse->data) : (struct slice){"", 0};
}
