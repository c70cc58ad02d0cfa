/*
 * markdown_parts.h - cuts a growing markdown text into parts that can be rendered one by one.
 * Pure functions of the text, so a text that grew and one that is there at once have the same
 * parts.
 */
#ifndef TUI_MARKDOWN_PARTS_H
#define TUI_MARKDOWN_PARTS_H

#include "engine/base.h"

/* Where the part that begins at `from` ends, so that later text cannot change it: before an
 * unindented line behind a blank one, outside a fence, and not inside a list or a quote, which
 * could go on. `from` itself: not yet. */
size_t markdown_part_end(struct slice source, size_t from);
/* `[label]: target` lines outside fences, one a line, as many as fit: a link may stand in
 * another part than its definition. */
void markdown_find_definitions(
        struct slice source, bool (*is_definition)(struct slice line), struct buf *out);

#endif
