/*
 * chat_transcript.h - the conversation as screen lines: rendered per message, cached by version
 * and width, looked at from the end, so that drawing costs what is visible and not what was
 * ever said.
 */
#ifndef TUI_CHAT_TRANSCRIPT_H
#define TUI_CHAT_TRANSCRIPT_H

#include "tui/markdown.h"
#include "tui/tinted_text.h"
#include "tui/token_color.h"
#include "tui/view.h"

/* One message as lines: a header, reasoning, text, a footer. */
struct rendered {
    int64_t message_id;
    uint32_t version;
    int n_cols;
    struct markdown text, reasoning;
    enum token_color color;
    size_t n_records_bytes; /* of the records that coloured it */
    bool is_tinted;         /* what is shown of the answer stands in tinted, as it was sent */
    struct tinted_text tinted;
    int n_lines, n_footer;
    uint64_t decision_serial; /* of the decision that `after` was read from; 0: of none */
    char after[64];           /* endpoints that failed before this one answered; "": none */
};

struct transcript {
    struct rendered **cache; /* by position in the path */
    size_t n_cache;
    int64_t session_id, asks_id; /* asks_id: the answer that waits for a yes; 0: none */
    const char *question;        /* of it; borrowed while drawing */
    struct message **path;
    size_t n_path;
    enum token_color color; /* of answers that have token records */
    bool follows;           /* the end stays in view */
    int64_t top_id;         /* else: this message's line top_line is the first on the screen */
    int top_line;
    int n_rows;  /* of the last drawing */
    int n_below; /* lines under the screen at the last drawing */
};

void transcript_release(struct transcript *t);
void transcript_draw(struct transcript *t, const struct app *app, struct surface *out);
/* Positive: towards the end. */
void transcript_scroll(struct transcript *t, const struct app *app, int n_lines);
/* The newest message with all the words to the top, if there is one. */
void transcript_seek(struct transcript *t, const struct app *app, const char *words);
/* A message of the shown path to the top, as far as what is below it fills the screen. */
void transcript_to_message(struct transcript *t, int64_t id);
void transcript_to_top(struct transcript *t);
void transcript_to_end(struct transcript *t);
/* The answer that is looked at: the newest, or the first on a screen that was scrolled; 0:
 * there is none. */
int64_t transcript_answer(const struct transcript *t);

#endif
