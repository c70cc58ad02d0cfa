/*
 * view_chat.c - the conversation: transcript, the line that says where the next message goes,
 * and the input. The draft is told to the core with every change; what is sent, run as a
 * command or completed is decided here.
 */
#include "tui/view_chat.h"

#include <stdio.h>
#include <string.h>

#include "tui/chat_transcript.h"
#include "tui/editor.h"
#include "tui/keys.h"
#include "tui/pane_side.h"
#include "tui/text.h"
#include "tui/view_stepper.h"

#define SIDE_MIN_COLS 120
#define SIDE_COLS     38
#define PROMPT_COLS   3 /* " > " */
#define COMPLETIONS   6

struct chat {
    struct transcript transcript;
    struct editor editor;
    bool is_ready;
    int64_t session_id; /* the session whose draft the editor shows */
    bool side_is_toggled;
    int input_cols;
};

static void prepare(struct chat *c, const struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (!c->is_ready) {
        editor_init(&c->editor);
        c->is_ready = true;
    }
    if (c->session_id == s->id)
        return;
    c->session_id = s->id;
    for (size_t i = 0; i < s->n_messages; i++)
        if (s->messages[i]->role == MSG_USER)
            editor_remember(&c->editor, buf_slice(&s->messages[i]->text));
    editor_set(&c->editor, buf_slice(&s->draft), s->draft_cursor);
}

static void tell_draft(struct chat *c, struct app *app)
{
    if (c->editor.has_refused)
        app_notice(app, ERR_USAGE,
                "a message holds at most %u MB: it was not inserted; attach a file to `shunt "
                "ask` with -f",
                EDITOR_MAX_BYTES >> 20);
    c->editor.has_refused = false;
    struct action *a = action_new(ACTION_DRAFT);
    a->text = mem_strdup(buf_text(&c->editor.text));
    a->cursor = (uint32_t)c->editor.cursor;
    a->now_ms = app_now_ms(app);
    app_act(app, a);
}

static void tell_scroll(struct chat *c, struct app *app)
{
    struct action *a = action_new(ACTION_SCROLL);
    a->id = c->transcript.follows ? 0 : c->transcript.top_id;
    a->line = (uint32_t)(c->transcript.follows ? 0 : c->transcript.top_line);
    a->now_ms = app_now_ms(app);
    app_act(app, a);
}

static const struct run *current_run(const struct core *core)
{
    return core_run_of(core, core->session->leaf_id);
}

/* ---- commands --------------------------------------------------------------------------- */

/* Commands that only make sense as a key are not offered by name. */
static bool is_slash_command(const struct app *app, enum command command)
{
    static const enum command by_name[] = {CMD_HELP, CMD_QUIT, CMD_NEW_SESSION, CMD_CONTINUE,
            CMD_RETRY, CMD_SEND_UNSAVED, CMD_STOP, CMD_OPEN_EXPERTS, CMD_OPEN_SESSIONS,
            CMD_SIDE_PANE, CMD_REDRAW, CMD_STEP, CMD_TEXT_COLOR};
    (void)app;
    if (command_defs[command].takes_text)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(by_name); i++)
        if (by_name[i] == command)
            return true;
    return false;
}

static void cycle_color(struct chat *c, struct app *app)
{
    enum token_color *color = &c->transcript.color;
    *color = (enum token_color)((*color + 1) % TOKEN_COLOR_COUNT);
    app_notice(app, OK,
            *color ? "text colour: %s; answers of local models have one and are shown as they "
                     "were sent; without colours: underlined, then bold"
                   : "text colour: %s",
            token_color_name(*color));
}

/* Commands that only this view knows, by key or by name. */
static bool run_own(struct chat *c, enum command command, struct app *app)
{
    switch (command) {
    case CMD_SIDE_PANE:
        c->side_is_toggled = !c->side_is_toggled;
        return true;
    case CMD_STEP:
        view_stepper_open(app, transcript_answer(&c->transcript));
        return true;
    case CMD_TEXT_COLOR:
        cycle_color(c, app);
        return true;
    default:
        return false;
    }
}

static void run_slash(struct chat *c, struct app *app)
{
    char name[64];
    struct slice rest = slice_of(buf_text(&c->editor.text) + 1), word = slice_cut(&rest, ' ');
    const char *names[CMD_COUNT];
    size_t n = 0;
    snprintf(name, sizeof name, "%.*s", (int)slice_trim(word).n, slice_trim(word).ptr);
    enum command command = command_find(name);
    if (command == CMD_NONE || !is_slash_command(app, command)) {
        for (int i = 1; i < CMD_COUNT; i++)
            if (is_slash_command(app, (enum command)i))
                names[n++] = command_defs[i].name;
        const char *nearest = conf_nearest(name, names, n);
        app_notice(app, ERR_USAGE, "no command /%s%s%s%s", name,
                nearest ? "; did you mean /" : "", nearest ? nearest : "",
                nearest ? "?" : " (// sends a text that begins with /)");
        return;
    }
    char *text = mem_alloc(rest.n + 1);
    struct slice trimmed = slice_trim(rest);
    if (trimmed.n)
        memcpy(text, trimmed.ptr, trimmed.n);
    editor_remember(&c->editor, buf_slice(&c->editor.text));
    editor_set(&c->editor, SLICE(""), 0);
    tell_draft(c, app);
    if (!run_own(c, command, app))
        command_run(app, command, text);
    mem_free(text);
}

static void send(struct chat *c, struct app *app)
{
    struct slice text = buf_slice(&c->editor.text);
    if (slice_trim(text).n == 0)
        return;
    bool is_escaped = slice_has_prefix(text, "//");
    if (text.ptr[0] == '/' && !is_escaped) {
        run_slash(c, app);
        return;
    }
    if (current_run(app_core(app))) {
        const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
        app_notice(app, ERR_USAGE, "an answer is running; %s stops it, your text stays here",
                keys ? keys : "/stop");
        return;
    }
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup(buf_text(&c->editor.text) + is_escaped);
    a->now_ms = app_now_ms(app);
    editor_remember(&c->editor, text);
    editor_set(&c->editor, SLICE(""), 0);
    transcript_to_end(&c->transcript);
    app_act(app, a);
}

/* Commands that begin like the input. */
static size_t find_completions(const struct chat *c, const struct app *app, enum command *out)
{
    struct slice text = buf_slice(&c->editor.text);
    size_t n = 0;
    if (text.n == 0 || text.ptr[0] != '/' || slice_has_prefix(text, "//") ||
            memchr(text.ptr, ' ', text.n) || memchr(text.ptr, '\n', text.n))
        return 0;
    for (int i = 1; i < CMD_COUNT && n < COMPLETIONS; i++)
        if (is_slash_command(app, (enum command)i) &&
                strncmp(command_defs[i].name, text.ptr + 1, text.n - 1) == 0)
            out[n++] = (enum command)i;
    return n;
}

static void complete(struct chat *c, struct app *app)
{
    enum command found[COMPLETIONS];
    char text[80];
    if (find_completions(c, app, found) == 0)
        return;
    snprintf(text, sizeof text, "/%s%s", command_defs[found[0]].name,
            command_defs[found[0]].takes_text ? " " : "");
    editor_set(&c->editor, slice_of(text), SIZE_MAX);
    tell_draft(c, app);
}

static bool scroll(struct chat *c, enum command command, struct app *app)
{
    int page = c->transcript.n_rows > 2 ? c->transcript.n_rows - 2 : 1;
    switch (command) {
    case CMD_SCROLL_UP:
        transcript_scroll(&c->transcript, app, -page);
        break;
    case CMD_SCROLL_DOWN:
        transcript_scroll(&c->transcript, app, page);
        break;
    case CMD_SCROLL_TOP:
        transcript_to_top(&c->transcript);
        break;
    case CMD_SCROLL_END:
        transcript_to_end(&c->transcript);
        break;
    default:
        return false;
    }
    tell_scroll(c, app);
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct chat *c = state;
    prepare(c, app);
    if (scroll(c, command, app) || run_own(c, command, app))
        return true;
    switch (command) {
    case CMD_SEND:
        send(c, app);
        return true;
    case CMD_COMPLETE:
        complete(c, app);
        return true;
    case CMD_QUIT_EMPTY:
        if (c->editor.text.n == 0) {
            app_quit(app);
            return true;
        }
        command = CMD_DELETE_RIGHT;
        break;
    default:
        break;
    }
    if (!editor_run(&c->editor, command, c->input_cols))
        return false;
    tell_draft(c, app);
    return true;
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct chat *c = state;
    prepare(c, app);
    if (!editor_key(&c->editor, key))
        return false;
    tell_draft(c, app);
    return true;
}

bool view_chat_clear_input(void *state, struct app *app)
{
    struct chat *c = state;
    if (!c->is_ready || c->editor.text.n == 0)
        return false;
    editor_remember(&c->editor, buf_slice(&c->editor.text)); /* Up brings it back */
    editor_set(&c->editor, SLICE(""), 0);
    tell_draft(c, app);
    return true;
}

/* ---- drawing ---------------------------------------------------------------------------- */

static void draw_greeting(const struct app *app, struct surface *out)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    const char *newline = keymap_keys_of(app_keymap(app), CTX_INPUT, CMD_NEWLINE);
    const char *help = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_HELP);
    const char *sessions = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_OPEN_SESSIONS);
    int row = out->rect.n_rows > 12 ? 2 : 0, n_enabled = 0;
    for (int i = 0; i < fleet->n_endpoints; i++)
        n_enabled += fleet->endpoints[i].conf->enabled;
    if (n_enabled == 0) {
        surface_puts(out, row, 3, ROLE_WARN, "There is nobody to talk to yet.");
        surface_puts(out, row + 2, 3, ROLE_TEXT,
                "Put an instruct model (a .gguf file) into the models folder,");
        surface_puts(out, row + 3, 3, ROLE_TEXT, "or add an [endpoint] to the configuration.");
        surface_puts(out, row + 4, 3, ROLE_TEXT,
                "`shunt doctor` names both places and what is wrong.");
        return;
    }
    surface_puts(out, row, 3, ROLE_TITLE, "Write a message and press Enter.");
    surface_printf(
            out, row + 2, 3, ROLE_DIM, "%-8s begins a new line", newline ? newline : "-");
    surface_printf(out, row + 3, 3, ROLE_DIM, "%-8s lists the commands", "/");
    surface_printf(out, row + 4, 3, ROLE_DIM, "%-8s shows earlier sessions",
            sessions ? sessions : "-");
    surface_printf(out, row + 5, 3, ROLE_DIM, "%-8s shows all keys", help ? help : "-");
}

static void draw_rule(const struct app *app, struct surface *out, int row)
{
    const struct core *core = app_core(app);
    char text[512];
    if (core->use_endpoint >= 0)
        snprintf(text, sizeof text, "next: %s",
                core->fleet.endpoints[core->use_endpoint].conf->name);
    else if (core->fleet.n_endpoints == 0)
        snprintf(text, sizeof text, "next: nobody yet");
    else if (core->fleet.n_endpoints == 1)
        snprintf(text, sizeof text, "next: %s%s", core->fleet.endpoints[0].conf->name,
                core->fleet.endpoints[0].conf->enabled
                        ? ""
                        : ", which is disabled: `shunt doctor` says why");
    else
        snprintf(text, sizeof text, "next: the cheapest of %d endpoints",
                core->fleet.n_endpoints);
    surface_rule(out, row, ROLE_RULE, text);
    if (core->session->title[0]) {
        int cols, room = out->rect.n_cols / 2 - 4;
        struct slice title = text_fit(slice_of(core->session->title), room, &cols);
        bool is_cut = title.n < strlen(core->session->title);
        int col = out->rect.n_cols - cols - is_cut - 3;
        col += surface_text(out, row, col, ROLE_RULE, 0, SLICE(" "));
        col += surface_text(out, row, col, ROLE_DIM, 0, title);
        surface_puts(out, row, col, ROLE_DIM, is_cut ? "\xE2\x80\xA6 " : " ");
    }
}

static void draw_completions(
        const struct chat *c, const struct app *app, struct surface *out, int bottom)
{
    enum command found[COMPLETIONS];
    int n = (int)find_completions(c, app, found);
    n = n < bottom ? n : bottom;
    for (int i = 0; i < n; i++) {
        int row = bottom - n + i;
        surface_fill(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_TEXT, ' ');
        int col = surface_printf(out, row, 2, i == 0 ? ROLE_MATCH : ROLE_TEXT, "/%s%s",
                command_defs[found[i]].name, command_defs[found[i]].takes_text ? " TEXT" : "");
        surface_puts(out, row, col < 20 ? 24 : col + 4, ROLE_DIM, command_defs[found[i]].help);
    }
}

static int input_rows(const struct chat *c, int n_rows, int n_cols)
{
    int wanted = editor_n_lines(&c->editor, n_cols), most = n_rows / 3;
    most = most < 1 ? 1 : most;
    return wanted < most ? wanted : most;
}

static void draw_main(struct chat *c, const struct app *app, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    bool is_tiny = n_rows < 6;
    c->input_cols = n_cols - PROMPT_COLS - 1;
    if (c->input_cols < 1)
        c->input_cols = 1;
    int n_input = input_rows(c, n_rows, c->input_cols), rule = n_rows - n_input - 1;
    struct surface top =
            surface_part(out, (struct rect){0, 0, is_tiny ? n_rows - n_input : rule, n_cols});
    if (c->transcript.color && top.rect.n_rows > 3) {
        token_color_draw_legend(c->transcript.color, out, 0);
        top = surface_part(&top, (struct rect){1, 0, top.rect.n_rows - 1, n_cols});
    }
    if (top.rect.n_rows > 0 && app_core(app)->session->leaf_id == 0)
        draw_greeting(app, &top);
    else if (top.rect.n_rows > 0)
        transcript_draw(&c->transcript, app, &top);
    if (!is_tiny)
        draw_rule(app, out, rule);
    draw_completions(c, app, out, is_tiny ? n_rows - n_input : rule);
    surface_puts(out, n_rows - n_input, 1, ROLE_HINT_KEY, ">");
    struct surface input = surface_part(
            out, (struct rect){n_rows - n_input, PROMPT_COLS, n_input, c->input_cols});
    editor_draw(&c->editor, &input);
}

static void draw(void *state, const struct app *app, struct surface *out)
{
    struct chat *c = state;
    prepare(c, app);
    bool has_side =
            out->rect.n_cols >= SIDE_MIN_COLS && app_side_pane(app) != c->side_is_toggled;
    int n_main = has_side ? out->rect.n_cols - SIDE_COLS - 1 : out->rect.n_cols;
    struct surface main = surface_part(out, (struct rect){0, 0, out->rect.n_rows, n_main});
    draw_main(c, app, &main);
    if (!has_side)
        return;
    struct surface rule = surface_part(out, (struct rect){0, n_main, out->rect.n_rows, 1});
    surface_column_rule(&rule, 0, ROLE_RULE);
    struct surface side =
            surface_part(out, (struct rect){0, n_main + 1, out->rect.n_rows, SIDE_COLS});
    pane_side_draw(app, &side);
}

static void release(void *state)
{
    struct chat *c = state;
    transcript_release(&c->transcript);
    if (c->is_ready)
        editor_release(&c->editor);
}

const struct view_ops view_chat_ops = {
        .context = CTX_CHAT,
        .state_bytes = sizeof(struct chat),
        .draw = draw,
        .run = run,
        .key = take_key,
        .release = release,
};
