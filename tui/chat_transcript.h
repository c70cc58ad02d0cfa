/*
 * chat_transcript.h - the conversation on the screen: which line of which message is at the
 * top, which message is selected, which reasoning is unfolded. Only what is visible is laid
 * out, looked at from the end, so that drawing costs what is seen and not what was ever said.
 */
#ifndef TUI_CHAT_TRANSCRIPT_H
#define TUI_CHAT_TRANSCRIPT_H

#include "engine/base.h"

struct app;
struct message;
struct surface;

#define LAID_OUT_MAX 512 /* messages kept laid out: the others cost nothing */

struct transcript {
    struct message_lines *lines[LAID_OUT_MAX]; /* by position in the path, modulo */
    uint64_t load;                             /* what path and siblings were read from … */
    int64_t session_id, leaf_id;
    size_t n_messages;
    struct message **path;
    struct siblings *siblings; /* [n_path] */
    size_t n_path;
    int64_t *turned; /* messages whose reasoning is shown other than the setting says */
    size_t n_turned;
    uint8_t color;  /* enum token_color: of answers that have token records */
    bool follows;   /* the end stays in view */
    int64_t top_id; /* else: this message's line top_line is the first on the screen */
    int top_line;
    int64_t selected_id; /* 0: none, the input has the focus */
    int selected_row;   /* of its header at the last drawing, or the first below that is seen */
    int n_rows, n_cols; /* of the last drawing */
    int n_below;        /* under the screen at the last drawing: lines … */
    bool is_far;        /* … or, as they are many, messages */
};

void transcript_release(struct transcript *t);
/* Brings the path to the session of now; the functions below do it themselves. */
void transcript_refresh(struct transcript *t, const struct app *app);
void transcript_draw(struct transcript *t, struct app *app, struct surface *out);
/* Positive: towards the end. */
void transcript_scroll(struct transcript *t, const struct app *app, int n_lines);
/* All of them stand in its text, in any case of letters. */
bool transcript_has_words(const struct message *m, const char *words);
/* The newest message with all the words to the top, if there is one. */
void transcript_seek(struct transcript *t, const struct app *app, const char *words);
/* A message of the shown path to the top, as far as what is below it fills the screen. */
void transcript_to_message(struct transcript *t, int64_t id);
void transcript_to_top(struct transcript *t);
void transcript_to_end(struct transcript *t);
/* Scrolls no more than is needed to see message i of the path, or its beginning. */
void transcript_reveal(struct transcript *t, const struct app *app, size_t i);
/* The place of a message in the path; n_path: it is not there. */
size_t transcript_find(const struct transcript *t, int64_t id);
/* Folds or unfolds the reasoning of a message. */
void transcript_turn(struct transcript *t, int64_t id);
/* The answer that is looked at: the selected or that to the selected question, the newest, or
 * the first on a screen that was scrolled; 0: there is none. */
int64_t transcript_answer(const struct transcript *t);
/* Is there another branch in place of message i of the path? */
bool transcript_has_branches(const struct transcript *t, size_t i);

#endif
