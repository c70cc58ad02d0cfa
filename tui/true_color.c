/* true_color.c - see true_color.h. */
#include "tui/true_color.h"

#include <string.h>

int true_color_number(struct true_colors *colors, int32_t rgb)
{
    int i = 0;
    while (i < colors->n && colors->rgb[i] != rgb)
        i++;
    if (i == TRUE_COLOR_MAX)
        return TRUE_COLOR_FIRST;
    if (i == colors->n)
        colors->rgb[colors->n++] = rgb;
    return TRUE_COLOR_FIRST + i;
}

/* "38;5;N" or "48;5;N" at the start of text: N, and the bytes it takes. */
static bool read_indexed(struct slice text, uint64_t *number, size_t *n_bytes)
{
    size_t n = 5;
    if (text.n < 7 || (text.ptr[0] != '3' && text.ptr[0] != '4') ||
            memcmp(text.ptr + 1, "8;5;", 4) != 0)
        return false;
    while (n < text.n && n < 8 && text.ptr[n] >= '0' && text.ptr[n] <= '9')
        n++;
    *n_bytes = n;
    return slice_to_u64((struct slice){text.ptr + 5, n - 5}, number);
}

void true_color_write(const struct true_colors *colors, struct slice frame, struct buf *out)
{
    while (frame.n) {
        const char *esc = memmem(frame.ptr, frame.n, "\x1B[", 2);
        size_t n = esc ? (size_t)(esc - frame.ptr) + 2 : frame.n, n_indexed;
        uint64_t number;
        buf_add(out, frame.ptr, n);
        frame = (struct slice){frame.ptr + n, frame.n - n};
        if (!esc || !read_indexed(frame, &number, &n_indexed) || number < TRUE_COLOR_FIRST ||
                number >= TRUE_COLOR_FIRST + (uint64_t)colors->n)
            continue;
        uint32_t rgb = (uint32_t)colors->rgb[number - TRUE_COLOR_FIRST];
        buf_printf(out, "%c8;2;%u;%u;%u", frame.ptr[0], rgb >> 16, rgb >> 8 & 255, rgb & 255);
        frame = (struct slice){frame.ptr + n_indexed, frame.n - n_indexed};
    }
}
