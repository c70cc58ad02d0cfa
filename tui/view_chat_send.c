/*
 * view_chat_send.c - what Enter does with the input: it is a message, with the files it names,
 * or a command.
 */
#include <stdio.h>
#include <string.h>

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/attachment.h"
#include "tui/keys.h"
#include "tui/view.h"
#include "tui/view_chat_internal.h"

/* A command that failed is worth getting back; one that did its work is no message. */
static void run_named(struct chat *c, struct app *app, enum command command, const char *text)
{
    const struct core *core = app_core(app);
    size_t n_before = core->n_notices;
    struct slice typed = buf_slice(&c->editor.text);
    char *line = mem_dup(typed.ptr, typed.n + 1);
    chat_clear_editor(c);
    if (chat_edit_is_on(&c->edit, core))
        chat_end_edit(c, app);
    chat_tell_draft(c, app);
    if (!chat_run_own(c, command, app))
        command_run(app, command, text);
    if (core->n_notices > n_before &&
            core->notices[(core->n_notices - 1) % NOTICE_MAX].status != OK)
        editor_remember(&c->editor, slice_of(line));
    mem_free(line);
}

/* The command that a text begins with, behind its `/`; CMD_NONE: none. */
static enum command command_of(struct slice text)
{
    char name[64];
    size_t n = strcspn(text.ptr + 1, " \n");
    snprintf(name, sizeof name, "%.*s", (int)n, text.ptr + 1);
    enum command command = command_find(name);
    return slash_offers(command) ? command : CMD_NONE;
}

/* A text of lines that begins with `/` may be a file: it is a command only when it names one.
 */
static bool is_command(struct slice text)
{
    return text.ptr[0] == '/' &&
           (!memchr(text.ptr, '\n', text.n) || command_of(text) != CMD_NONE);
}

/* One answer at a time: the text stays in the input. */
static bool is_busy(struct app *app)
{
    const struct run *run = chat_current_run(app_core(app));
    const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
    if (run && run->phase == RUN_ASKS)
        app_notice(app, ERR_USAGE,
                "the question above comes first: a key says yes or no, your text stays here");
    else if (run)
        app_notice(app, ERR_USAGE, "an answer is running; %s stops it, your text stays here",
                keys ? keys : "/stop");
    return run != NULL;
}

/* Why the first that is switched on cannot answer, or how to get one. */
static bool is_alone(struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    int i = 0;
    if (!fleet_has_nobody(fleet) || fleet_pilot(fleet) >= 0)
        return false;
    while (i < fleet->n_endpoints && !fleet->endpoints[i].conf->enabled)
        i++;
    if (i < fleet->n_endpoints)
        app_notice(app, ERR_USAGE, "%s cannot answer, your text stays here: %s",
                fleet->endpoints[i].conf->name, fleet->endpoints[i].fault);
    else
        app_notice(app, ERR_USAGE,
                "nobody can answer yet, your text stays here: put a model (.gguf) into %s, or "
                "add an endpoint in Fleet",
                app_models_dir(app));
    return true;
}

/* The text stays in the input; the session is asked for again, because the other process may
 * have ended. */
static bool is_foreign(struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (!s->writer_pid)
        return false;
    app_notice(app, ERR_USAGE,
            "process %d writes this session; try again when it has ended, or /fork",
            s->writer_pid);
    struct action *a = action_new(ACTION_OPEN_SESSION);
    a->id = s->id;
    app_act(app, a);
    return true;
}

/* The question alone: files are nothing that the help knows. */
static void ask_help(struct chat *c, struct app *app, const char *question)
{
    if (is_busy(app) || is_foreign(app) || is_alone(app))
        return;
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup(question);
    a->asks_help = true;
    editor_remember(&c->editor, buf_slice(&c->editor.text));
    chat_clear_editor(c);
    transcript_to_end(&c->transcript);
    app_act(app, a);
}

static void run_slash(struct chat *c, struct app *app)
{
    char name[64];
    struct slice rest = slice_of(buf_text(&c->editor.text) + 1), word = slice_cut(&rest, ' ');
    const char *names[CMD_COUNT];
    size_t n = 0;
    snprintf(name, sizeof name, "%.*s", (int)slice_trim(word).n, slice_trim(word).ptr);
    enum command command = command_of(buf_slice(&c->editor.text));
    if (command == CMD_NONE) {
        for (const enum command *offered = slash_commands; *offered != CMD_NONE; offered++)
            names[n++] = command_defs[*offered].name;
        const char *nearest = conf_nearest(name, names, n);
        app_notice(app, ERR_USAGE, "no command /%s%s%s%s", name,
                nearest ? "; did you mean /" : "", nearest ? nearest : "",
                nearest ? "?" : " (// sends a text that begins with /)");
        return;
    }
    struct slice trimmed = slice_trim(rest);
    if (trimmed.n && !command_defs[command].argument) {
        app_notice(app, ERR_USAGE, "/%s takes no word behind it; nothing was done", name);
        return;
    }
    char *text = mem_alloc(rest.n + 1);
    if (trimmed.n)
        memcpy(text, trimmed.ptr, trimmed.n);
    if (command == CMD_HELP && trimmed.n)
        ask_help(c, app, text);
    else
        run_named(c, app, command, text);
    mem_free(text);
}

/* The files that the text names go along with it. False: one cannot, and nothing is sent. */
static bool attach_files(struct chat *c, struct app *app, struct action *a)
{
    struct attachments files;
    struct err err;
    enum status status =
            attachments_read(&files, buf_slice(&c->editor.text), c->ignores_missing, &err);
    c->ignores_missing = status == ERR_NOT_FOUND;
    if (status != OK) {
        const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_SEND);
        if (c->ignores_missing)
            app_notice(app, status, "%s: %s again sends it as a word", err.text,
                    keys ? keys : "/send");
        else
            app_notice(app, status, "%s", err.text);
        return false;
    }
    if (files.n_files) {
        char size[SIZE_TEXT_BYTES];
        a->text2 = mem_strdup(buf_text(&files.text));
        app_notice(app, OK, "attached %s: %s with names and fences, about %.0f tokens",
                files.names, size_text(attachments_bytes(&files), size),
                text_count_tok(buf_slice(&files.text)));
    }
    attachments_release(&files);
    return true;
}

void chat_send(struct chat *c, struct app *app)
{
    struct slice text = buf_slice(&c->editor.text);
    if (slice_trim(text).n == 0)
        return;
    bool is_escaped = slice_has_prefix(text, "//") &&
                      is_command((struct slice){text.ptr + 1, text.n - 1});
    if (!slice_has_prefix(text, "//") && is_command(text)) {
        run_slash(c, app);
        return;
    }
    if (is_busy(app) || is_foreign(app))
        return;
    app_look_for_models(app);
    if (is_alone(app))
        return;
    struct action *a = action_new(ACTION_SEND);
    if (!attach_files(c, app, a)) {
        action_free(a);
        return;
    }
    a->text = mem_strdup(buf_text(&c->editor.text) + is_escaped);
    a->id = chat_edit_is_on(&c->edit, app_core(app)) ? c->edit.message_id : 0;
    if (a->id)
        chat_focus_remember(&c->focus, app,
                (struct step_back){BACK_TO_BRANCH, app_core(app)->session->leaf_id});
    editor_remember(&c->editor, text);
    chat_clear_editor(c);
    transcript_to_end(&c->transcript);
    app_act(app, a);
    if (chat_edit_is_on(&c->edit, app_core(app)))
        chat_end_edit(c, app);
}
