/* flow.c - see flow.h. */
#include "tui/flow.h"

#include <stdio.h>

#include "tui/surface.h"
#include "tui/text.h"

bool flow_put(struct flow *f, enum role role, const char *fmt, ...)
{
    char text[160];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    int n_cols = text_width(slice_of(text)), gap = f->col > 1 ? f->gap : 0;
    int end = f->out->rect.n_cols - (f->row == f->last_row ? f->reserve : 0);
    if (f->col > 1 && f->col + gap + n_cols > end) {
        if (f->row == f->last_row)
            return false;
        f->row++;
        f->col = 1;
        gap = 0;
    }
    f->col += gap + surface_puts(f->out, f->row, f->col + gap, role, text);
    return true;
}
