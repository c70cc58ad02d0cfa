/*
 * message_lines.h - one message as screen lines: header, reasoning, text, footer, a blank one.
 * Laid out anew only when something it depends on has changed.
 */
#ifndef TUI_MESSAGE_LINES_H
#define TUI_MESSAGE_LINES_H

#include "tui/markdown.h"
#include "tui/message_header.h"
#include "tui/tinted_text.h"
#include "tui/token_color.h"

struct app;
struct message;
struct surface;

#define MESSAGE_INDENT                                                                         \
    2 /* of text under its header: nothing stands left of it that a copy would catch */

/* How much of an answer's reasoning is shown. */
enum fold {
    FOLD_HIDDEN,
    FOLD_LINE, /* one line that stands for it */
    FOLD_TAIL, /* that and its newest lines, while it comes */
    FOLD_OPEN
};

struct message_look {
    enum token_color color; /* of an answer that has token records */
    enum fold fold;
    const char *question; /* the answer waits for a yes to this; NULL: it does not */
};

struct part_lines { /* in markdown, or coloured and as it was sent */
    struct markdown md;
    struct tinted_text tinted;
    int n_lines;
};

struct message_lines { /* zero-initialised is empty */
    int64_t message_id;
    uint32_t version;
    int n_cols;
    enum token_color color;
    enum fold fold;
    size_t n_records_bytes; /* of the records that coloured it */
    bool is_tinted;
    struct part_lines parts[PART_COUNT];
    size_t n_reasoning_chars;
    int n_reasoning, n_footer, n_lines; /* n_lines: of all, with the blank one at the end */
    struct message_header header;
};

/* Cheap when nothing has changed. */
void message_lines_lay_out(struct message_lines *lines, const struct message *m,
        const struct message_look *look, int n_cols);
void message_lines_release(struct message_lines *lines);
/* Line i_line, from 0, of the same message; header's siblings may be NULL for other lines. */
void message_lines_draw(const struct message_lines *lines, const struct app *app,
        const struct message *m, const struct siblings *siblings, int i_line,
        struct surface *out);

#endif
