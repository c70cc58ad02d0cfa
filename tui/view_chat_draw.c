/*
 * view_chat_draw.c - the transcript, the rule that says where the next message goes, the input,
 * and what stands beside them.
 */
#include "router/core.h"
#include "router/session.h"

#include "tui/chat_greeting.h"
#include "tui/chat_rule.h"
#include "tui/pane_side.h"
#include "tui/surface.h"
#include "tui/token_color.h"
#include "tui/view.h"
#include "tui/view_chat_internal.h"

#define SIDE_COLS   38
#define PROMPT_COLS 3 /* " > " */

static int input_rows(struct chat *c, int n_rows, int n_cols)
{
    int wanted = editor_n_lines(&c->editor, n_cols), most = n_rows / 3;
    most = most < 1 ? 1 : most;
    return wanted < most ? wanted : most;
}

static void draw_transcript(struct chat *c, struct app *app, struct surface *out)
{
    struct surface lines = *out;
    bool has_search = chat_focus_is_on(&c->transcript) && search_line_is_shown(&c->search) &&
                      out->rect.n_rows > 1;
    lines.rect.n_rows -= has_search;
    transcript_draw(&c->transcript, app, &lines);
    if (has_search)
        chat_search_draw(&c->search, out);
}

static void draw_main(struct chat *c, struct app *app, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    bool is_tiny = n_rows < 6;
    c->input_cols = n_cols - PROMPT_COLS - 1;
    if (c->input_cols < 1)
        c->input_cols = 1;
    if (c->sought_id == app_core(app)->session->id) {
        transcript_seek(&c->transcript, app, c->sought);
        c->sought_id = 0;
    }
    int n_input = input_rows(c, n_rows, c->input_cols), rule = n_rows - n_input - 1;
    struct surface top =
            surface_part(out, (struct rect){0, 0, is_tiny ? n_rows - n_input : rule, n_cols});
    if (c->transcript.color && top.rect.n_rows > 3) {
        token_color_draw_legend(c->transcript.color, out, 0);
        top = surface_part(&top, (struct rect){1, 0, top.rect.n_rows - 1, n_cols});
    }
    top.rect.n_rows -= chat_why_draw(&c->why, &c->transcript, app, &top);
    top.rect.n_rows -= chat_branches_draw(&c->branches, app, &top);
    if (top.rect.n_rows > 0 && app_core(app)->session->leaf_id == 0)
        chat_greeting_draw(app, &top);
    else if (top.rect.n_rows > 0)
        draw_transcript(c, app, &top);
    if (!is_tiny)
        chat_rule_draw(&(struct chat_rule){&c->transcript, &c->next, buf_slice(&c->editor.text),
                               chat_edit_is_on(&c->edit, app_core(app))},
                app, out, rule);
    slash_draw(
            &c->slash, app, buf_slice(&c->editor.text), out, is_tiny ? n_rows - n_input : rule);
    file_choices_draw(&c->files, out, is_tiny ? n_rows - n_input : rule);
    surface_puts(out, n_rows - n_input, 1, ROLE_HINT_KEY, ">");
    struct surface input = surface_part(
            out, (struct rect){n_rows - n_input, PROMPT_COLS, n_input, c->input_cols});
    editor_draw(&c->editor, &input);
    if (chat_focus_is_on(&c->transcript) && !c->search.is_typing)
        surface_cursor(&top, c->transcript.selected_row, 0);
}

/* What stands beside the conversation takes so many columns; 0: nothing does. */
static int side_cols(const struct chat *c, const struct app *app, const struct surface *out)
{
    int n_cols = out->rect.n_cols;
    if (n_cols < SIDE_MIN_COLS || app_side_pane(app) == c->side_is_toggled)
        return 0;
    bool is_large = n_cols >= PANE_VIEWS_MIN_COLS && out->rect.n_rows >= PANE_VIEWS_MIN_ROWS;
    return is_large ? pane_views_cols(n_cols) : SIDE_COLS;
}

void chat_draw(void *state, struct app *app, struct surface *out)
{
    struct chat *c = state;
    chat_prepare(c, app);
    if (file_choices_read(&c->files))
        app_wake_at(app, app_now_ns(app) + 1);
    c->n_cols = out->rect.n_cols;
    int n_rows = out->rect.n_rows, n_side = side_cols(c, app, out);
    int n_main = n_side ? out->rect.n_cols - n_side - 1 : out->rect.n_cols;
    struct surface main = surface_part(out, (struct rect){0, 0, n_rows, n_main});
    draw_main(c, app, &main);
    if (!n_side)
        return;
    struct surface rule = surface_part(out, (struct rect){0, n_main, n_rows, 1});
    struct surface side = surface_part(out, (struct rect){0, n_main + 1, n_rows, n_side});
    surface_column_rule(&rule, 0, ROLE_RULE);
    if (n_side == SIDE_COLS)
        pane_side_draw(app, &side);
    else
        pane_views_draw(&c->beside, app, &side);
}

const struct view_hint *chat_hints(const void *state, const struct app *app)
{
    static const struct view_hint choosing[] = {{NULL, "run", CMD_SEND},
            {NULL, "choose", CMD_LINE_UP, CMD_LINE_DOWN}, {NULL, "complete", CMD_COMPLETE},
            {NULL, "close", CMD_STOP}, {NULL, NULL}};
    static const struct view_hint inserting[] = {{NULL, "insert", CMD_SEND},
            {NULL, "choose", CMD_LINE_UP, CMD_LINE_DOWN}, {NULL, "close", CMD_STOP},
            {NULL, NULL}};
    static const struct view_hint explaining[] = {{NULL, "send", CMD_SEND},
            {NULL, "other answers", CMD_LINE_UP, CMD_LINE_DOWN},
            {NULL, "more", CMD_SCROLL_DOWN}, {NULL, "close", CMD_STOP}, {NULL, NULL}};
    static const struct view_hint reading[] = {{NULL, "other answers", CMD_UP, CMD_DOWN},
            {NULL, "more", CMD_SCROLL_DOWN}, {NULL, "close", CMD_BACK}, {NULL, NULL}};
    static const struct view_hint listing[] = {{NULL, "choose", CMD_UP, CMD_DOWN},
            {NULL, "show", CMD_FOLD}, {NULL, "close", CMD_BACK}, {NULL, NULL}};
    static const struct view_hint editing[] = {{NULL, "send as a new branch", CMD_SEND},
            {NULL, "give up", CMD_STOP}, {NULL, "newline", CMD_NEWLINE}, {NULL, NULL}};
    static const struct view_hint asking[] = {{NULL, "send it all the same", CMD_CONFIRM},
            {NULL, "do not send it", CMD_STOP}, {NULL, NULL}};
    static const struct view_hint searching[] = {
            {"Enter", "keep what is found"}, {"Esc", "close"}, {NULL, NULL}};
    static const struct view_hint found[] = {{NULL, "next above", CMD_SEARCH_BEFORE},
            {NULL, "next below", CMD_SEARCH_AFTER}, {NULL, "copy", CMD_COPY},
            {NULL, "search", CMD_SEARCH}, {NULL, "help", CMD_HELP}, {NULL, "back", CMD_BACK},
            {NULL, NULL}};
    const struct chat *c = state;
    const struct run *run = chat_current_run(app_core(app));
    bool is_reading = chat_focus_is_on(&c->transcript);
    if (file_choices_are_shown(&c->files))
        return inserting;
    if (c->is_ready && slash_is_open(&c->slash, app, buf_slice(&c->editor.text)))
        return choosing;
    if (run && run->phase == RUN_ASKS && !is_reading)
        return asking;
    if (chat_why_is_open(&c->why, app_core(app)))
        return is_reading ? reading : explaining;
    if (chat_branches_is_open(&c->branches, app_core(app)))
        return listing;
    if (is_reading && search_line_is_shown(&c->search))
        return c->search.is_typing ? searching : found;
    return chat_edit_is_on(&c->edit, app_core(app)) && !is_reading ? editing : NULL;
}
