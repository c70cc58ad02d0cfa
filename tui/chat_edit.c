/* chat_edit.c - see chat_edit.h. */
#include "tui/chat_edit.h"

#include "engine/request.h"

#include "router/core.h"
#include "router/session.h"

#include "tui/editor.h"
#include "tui/keys.h"
#include "tui/view.h"

#define TWICE_NS        1000000000ull /* two Esc within it belong together */
#define STOPPED_LATE_NS 1000000000ull /* an Esc this soon was meant for the answer */

bool chat_edit_is_on(const struct chat_edit *e, const struct core *core)
{
    return e->message_id && e->session_id == core->session->id;
}

static const struct message *newest_own(const struct session *s)
{
    struct message **path, *found = NULL;
    for (size_t n = session_path(s, &path); n > 0 && !found; n--)
        found = path[n - 1]->role == MSG_USER ? path[n - 1] : NULL;
    mem_free(path);
    return found;
}

/* What begins with a slash is a message and no command. */
static void fill_input(struct editor *editor, struct slice text)
{
    struct buf escaped;
    buf_init(&escaped, EDITOR_MAX_BYTES);
    buf_add_text(&escaped, slice_has_prefix(text, "/") ? "/" : "");
    buf_add_slice(&escaped, text);
    editor_set(editor, buf_slice(&escaped), SIZE_MAX);
    buf_release(&escaped);
}

/* What was typed over the message would be gone: the history of the input has it. */
static void remember_changed(struct editor *editor)
{
    if (editor->n_undo && editor->text.n)
        editor_remember(editor, buf_slice(&editor->text));
}

bool chat_edit_begin(struct chat_edit *e, struct editor *editor, int64_t id, struct app *app)
{
    const struct session *s = app_core(app)->session;
    const struct message *m = id ? session_find(s, id) : newest_own(s);
    if (!m || m->role != MSG_USER) {
        app_notice(app, ERR_USAGE,
                m ? "only your own messages can be edited; an answer can be given again"
                  : "there is no message yet to edit");
        return false;
    }
    if (!chat_edit_is_on(e, app_core(app))) {
        mem_free(e->draft);
        e->draft = mem_strdup(buf_text(&editor->text));
        e->cursor = editor->cursor;
        editor_remember(editor, buf_slice(&editor->text));
    } else {
        remember_changed(editor);
    }
    e->session_id = s->id;
    e->message_id = m->id;
    e->esc_ns = 0;
    fill_input(editor, message_typed(m));
    return true;
}

void chat_edit_forget(struct chat_edit *e)
{
    mem_free(e->draft);
    *e = (struct chat_edit){0};
}

void chat_edit_end(struct chat_edit *e, struct editor *editor)
{
    remember_changed(editor);
    editor_set(editor, slice_of(e->draft), e->cursor);
    chat_edit_forget(e);
}

bool chat_edit_take_esc(struct chat_edit *e, struct app *app)
{
    const struct core *core = app_core(app);
    uint64_t now_ns = app_now_ns(app);
    bool has_just_stopped = core->stopped_ns && now_ns < core->stopped_ns + STOPPED_LATE_NS;
    if (has_just_stopped || !newest_own(core->session)) {
        e->esc_ns = 0;
        return false;
    }
    if (e->esc_ns && now_ns < e->esc_ns + TWICE_NS) {
        app_notice(app, OK, "%s", ""); /* it was done */
        return true;
    }
    e->esc_ns = now_ns;
    const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
    app_notice(app, OK, "%s again: edit your last message", keys ? keys : "once");
    return false;
}
