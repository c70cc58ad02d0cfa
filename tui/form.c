/* form.c - see form.h. */
#include "tui/form.h"

#include <stdio.h>
#include <string.h>

#include "tui/surface.h"
#include "tui/text.h"
#include "tui/vtin.h"

#define TEXT(number) #number
#define NUMBER(name) TEXT(name)
#define FULL         "it does not fit: at most " NUMBER(FORM_TEXT_MAX) " bytes"

void form_init(struct form *form, const struct form_field *fields, int n_fields)
{
    memset(form, 0, sizeof *form);
    form->fields = fields;
    form->n_fields = n_fields;
}

void form_set(struct form *form, int i, const char *text)
{
    struct form_value *value = &form->values[i];
    snprintf(value->text, sizeof value->text, "%s", text);
    value->text[utf8_whole(value->text, strlen(value->text))] = '\0';
    value->cursor = strlen(value->text);
    value->is_long = strlen(text) >= sizeof value->text;
    value->is_fixed |= value->is_long;
    value->is_full = false;
}

void form_fail(struct form *form, int i, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    vsnprintf(form->values[i].error, sizeof form->values[i].error, fmt, va);
    va_end(va);
}

void form_forgive(struct form *form)
{
    for (int i = 0; i < form->n_fields; i++)
        form->values[i].error[0] = '\0';
}

bool form_show_error(struct form *form)
{
    for (int i = 0; i < form->n_fields; i++)
        if (form->values[i].error[0]) {
            form->focus = i;
            return true;
        }
    return false;
}

/* ---- keys ------------------------------------------------------------------------------- */

static void move_focus(struct form *form, int by)
{
    int i = form->focus;
    do
        i = (i + by + form->n_fields) % form->n_fields;
    while (form->values[i].is_fixed && i != form->focus);
    form->focus = i;
}

static void choose(struct form *form, int by)
{
    const struct form_field *field = &form->fields[form->focus];
    struct form_value *value = &form->values[form->focus];
    int i = 0;
    while (i < field->n_choices && strcmp(field->choices[i], value->text) != 0)
        i++;
    bool is_known = i < field->n_choices;
    form_set(form, form->focus,
            field->choices[is_known ? (i + by + field->n_choices) % field->n_choices : 0]);
    value->error[0] = '\0';
}

static void insert(struct form_value *value, struct slice text)
{
    size_t n = strlen(value->text);
    value->is_full = n + text.n >= sizeof value->text;
    if (value->is_full)
        return;
    memmove(value->text + value->cursor + text.n, value->text + value->cursor,
            n - value->cursor + 1);
    memcpy(value->text + value->cursor, text.ptr, text.n);
    value->cursor += text.n;
    value->error[0] = '\0';
}

static void cut(struct form_value *value, size_t from, size_t to)
{
    memmove(value->text + from, value->text + to, strlen(value->text + to) + 1);
    value->cursor = from;
    value->is_full = false;
    value->error[0] = '\0';
}

static size_t cluster_after(const struct form_value *value)
{
    struct slice rest = slice_of(value->text + value->cursor);
    struct cluster cluster;
    return text_next_cluster(&rest, &cluster) ? value->cursor + cluster.bytes.n : value->cursor;
}

static size_t cluster_before(const struct form_value *value)
{
    struct slice rest = {value->text, value->cursor};
    struct cluster cluster;
    size_t at = 0, next = 0;
    while (text_next_cluster(&rest, &cluster)) {
        at = next;
        next += cluster.bytes.n;
    }
    return at;
}

/* Editing keys of one line, as readline has them. */
static bool edit(struct form_value *value, const struct key *key)
{
    size_t n = strlen(value->text);
    uint32_t code = key->code;
    bool is_ctrl = key->mods & MOD_CTRL;
    if (code == KEY_LEFT || (is_ctrl && code == 'b'))
        value->cursor = cluster_before(value);
    else if (code == KEY_RIGHT || (is_ctrl && code == 'f'))
        value->cursor = cluster_after(value);
    else if (code == KEY_HOME || (is_ctrl && code == 'a'))
        value->cursor = 0;
    else if (code == KEY_END || (is_ctrl && code == 'e'))
        value->cursor = n;
    else if (code == KEY_BACKSPACE)
        cut(value, cluster_before(value), value->cursor);
    else if (code == KEY_DELETE || (is_ctrl && code == 'd'))
        cut(value, value->cursor, cluster_after(value));
    else if (is_ctrl && code == 'u')
        cut(value, 0, value->cursor);
    else if (is_ctrl && code == 'k')
        cut(value, value->cursor, n);
    else
        return false;
    return true;
}

static enum form_result type(struct form_value *value, const struct key *key)
{
    char utf8[4];
    struct slice pasted = key->text;
    if (key->code == KEY_PASTE)
        insert(value, slice_trim(slice_cut(&pasted, '\n')));
    else if (edit(value, key))
        return FORM_GOES_ON;
    else if (key->code >= 0x20 && key->code < KEY_SPECIAL &&
             !(key->mods & (MOD_CTRL | MOD_ALT)))
        insert(value, (struct slice){utf8, utf8_encode(key->code, utf8)});
    else
        return FORM_NOT_MINE;
    return FORM_GOES_ON;
}

static enum form_result take_choice_key(struct form *form, const struct key *key)
{
    bool is_plain = !(key->mods & (MOD_CTRL | MOD_ALT));
    if (key->code == KEY_LEFT)
        choose(form, -1);
    else if (key->code == KEY_RIGHT || (is_plain && key->code == ' '))
        choose(form, 1);
    else if (key->code == KEY_PASTE || (is_plain && key->code < KEY_SPECIAL))
        return FORM_GOES_ON; /* a letter typed here is no command */
    else
        return FORM_NOT_MINE;
    return FORM_GOES_ON;
}

enum form_result form_key(struct form *form, const struct key *key)
{
    struct form_value *value = &form->values[form->focus];
    bool is_back = key->code == KEY_TAB && key->mods & MOD_SHIFT;
    if (key->code == KEY_ESC)
        return FORM_CANCEL;
    if (key->code == KEY_ENTER)
        return FORM_SAVE;
    if (key->code == KEY_UP || is_back) {
        move_focus(form, -1);
        return FORM_GOES_ON;
    }
    if (key->code == KEY_DOWN || key->code == KEY_TAB) {
        move_focus(form, 1);
        return FORM_GOES_ON;
    }
    return form->fields[form->focus].choices ? take_choice_key(form, key) : type(value, key);
}

/* ---- drawing ---------------------------------------------------------------------------- */

static int label_cols(const struct form *form)
{
    int most = 0;
    for (int i = 0; i < form->n_fields; i++) {
        int cols = text_width(slice_of(form->fields[i].label));
        most = cols > most ? cols : most;
    }
    return most + 4;
}

/* The part of a typed text that is shown: the cursor is always in it. */
static struct slice visible(const struct form_value *value, int n_cols)
{
    struct slice rest = slice_of(value->text);
    struct cluster cluster;
    int cols;
    while (text_width((struct slice){
                   rest.ptr, value->cursor - (size_t)(rest.ptr - value->text)}) >= n_cols &&
            text_next_cluster(&rest, &cluster))
        continue;
    return text_fit(rest, n_cols, &cols);
}

static void draw_value(const struct form *form, int i, struct surface *out, int row, int col)
{
    const struct form_field *field = &form->fields[i];
    const struct form_value *value = &form->values[i];
    bool is_focused = i == form->focus;
    enum role role = value->is_fixed ? ROLE_DIM : ROLE_INPUT;
    if (field->choices) {
        surface_puts(out, row, col, ROLE_HINT_KEY, is_focused ? "\xE2\x97\x82" : " ");
        col += 2;
        col += surface_puts(out, row, col, value->text[0] ? role : ROLE_DIM,
                value->text[0] ? value->text : field->blank);
        surface_puts(out, row, col + 1, ROLE_HINT_KEY, is_focused ? "\xE2\x96\xB8" : " ");
        return;
    }
    if (value->is_long) {
        surface_puts(
                out, row, col + 2, ROLE_DIM, "too long for this form: change it in the file");
        return;
    }
    const char *blank = value->blank ? value->blank : field->blank;
    struct slice text = visible(value, out->rect.n_cols - col - 3);
    surface_text(out, row, col + 2, role, 0, text);
    if (!value->text[0] && blank)
        surface_puts(out, row, col + 2, ROLE_DIM, blank);
    if (is_focused)
        surface_cursor(out, row,
                col + 2 +
                        text_width((struct slice){
                                text.ptr, value->cursor - (size_t)(text.ptr - value->text)}));
}

/* What stands below a value; "": nothing. */
static const char *complaint(const struct form_value *value)
{
    return value->error[0] || !value->is_full ? value->error : FULL;
}

static int field_rows(const struct form *form, int i)
{
    return complaint(&form->values[i])[0] ? 2 : 1;
}

/* The first field that is shown, so that the one with the focus is. */
static int first_shown(const struct form *form, int n_rows)
{
    int i = form->focus, used = field_rows(form, i);
    while (i > 0 && used + field_rows(form, i - 1) <= n_rows)
        used += field_rows(form, --i);
    return i;
}

/* Under the fields, or at the bottom where these take it all. Returns the row behind the last
 * one that fields may use. */
static int draw_hint(const struct form *form, struct surface *out)
{
    const char *hint = form->fields[form->focus].hint;
    struct slice rest = slice_of(hint ? hint : ""), line;
    int n = 0, n_fields = 1, n_cols = out->rect.n_cols - 4, n_rows = out->rect.n_rows;
    while (text_wrap(&rest, n_cols, &line))
        n++;
    for (int i = 0; i < form->n_fields; i++)
        n_fields += field_rows(form, i);
    if (n + 3 > n_rows)
        return n_rows;
    int end = n_fields < n_rows - n ? n_fields : n_rows - n;
    rest = slice_of(hint ? hint : "");
    for (int row = end; text_wrap(&rest, n_cols, &line); row++)
        surface_text(out, row, 2, ROLE_HINT, 0, line);
    return end;
}

void form_draw(const struct form *form, struct surface *out)
{
    int col = label_cols(form), row = 0, n_rows = draw_hint(form, out);
    for (int i = first_shown(form, n_rows); i < form->n_fields && row < n_rows; i++) {
        bool is_focused = i == form->focus;
        surface_puts(out, row, 2, is_focused ? ROLE_TITLE : ROLE_DIM, form->fields[i].label);
        draw_value(form, i, out, row++, col);
        const char *said = complaint(&form->values[i]);
        if (said[0] && row < n_rows)
            surface_puts(out, row++, col + 2, ROLE_ERROR, said);
    }
}
