/* chat_copy.c - see chat_copy.h. */
#include "tui/chat_copy.h"

#include <stdio.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/chat_transcript.h"
#include "tui/markdown_code.h"
#include "tui/view.h"

/* The selected message, or the answer that is looked at. NULL, with a notice: there is none. */
static const struct message *find_copied(struct transcript *t, struct app *app)
{
    transcript_refresh(t, app);
    int64_t id = t->selected_id ? t->selected_id : transcript_answer(t);
    const struct message *m = session_find(app_core(app)->session, id);
    if (m && m->text.n)
        return m;
    app_notice(app, ERR_USAGE, "there is no text to copy");
    return NULL;
}

static void copy_message(struct transcript *t, struct app *app)
{
    const struct message *m = find_copied(t, app);
    if (m)
        app_copy(app, message_typed(m), m->role == MSG_USER ? "your message" : "the answer");
}

/* The same message again: its next block. */
static void copy_code(struct chat_copy *c, struct transcript *t, struct app *app)
{
    struct buf code;
    char what[64];
    const struct message *m = find_copied(t, app);
    if (!m)
        return;
    c->i_block = m->id == c->message_id ? c->i_block + 1 : 0;
    c->message_id = m->id;
    buf_init(&code, MESSAGE_MAX_BYTES);
    size_t n = markdown_code(message_typed(m), &c->i_block, &code);
    snprintf(what, sizeof what, "code block %zu of %zu", c->i_block + 1, n);
    if (n)
        app_copy(app, buf_slice(&code), what);
    else
        app_notice(app, ERR_USAGE, "there is no code block in this message");
    buf_release(&code);
}

bool chat_copy_run(
        struct chat_copy *c, struct transcript *t, enum command command, struct app *app)
{
    if (command == CMD_COPY)
        copy_message(t, app);
    else if (command == CMD_COPY_CODE)
        copy_code(c, t, app);
    else
        return false;
    return true;
}
