/* form.c - see form.h. */
#include "tui/form.h"

#include <stdio.h>
#include <string.h>

#include "tui/line_input.h"
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

/* The next choice that begins so. */
static void choose_by_letter(struct form *form, uint32_t letter)
{
    const char *was = form->values[form->focus].text;
    char old[FORM_TEXT_BYTES];
    snprintf(old, sizeof old, "%s", was);
    for (int i = 0; i < form->fields[form->focus].n_choices; i++) {
        choose(form, 1);
        if ((uint32_t)(unsigned char)was[0] == letter)
            return;
    }
    form_set(form, form->focus, old);
}

static struct line_input line_of(struct form_value *value)
{
    return (struct line_input){value->text, sizeof value->text, &value->cursor};
}

static enum form_result type(struct form_value *value, const struct key *key)
{
    enum line_took took = line_input_key(line_of(value), key);
    value->is_full = took == LINE_FULL;
    if (took == LINE_CHANGED)
        value->error[0] = '\0';
    return took == LINE_NONE ? FORM_NOT_MINE : FORM_GOES_ON;
}

static enum form_result take_choice_key(struct form *form, const struct key *key)
{
    bool is_plain = !(key->mods & (MOD_CTRL | MOD_ALT));
    if (key->code == KEY_LEFT)
        choose(form, -1);
    else if (key->code == KEY_RIGHT || (is_plain && key->code == ' '))
        choose(form, 1);
    else if (is_plain && key->code < KEY_SPECIAL)
        choose_by_letter(form, key->code); /* never a command */
    else if (key->code != KEY_PASTE)
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
    struct form_value seen = *value;
    const char *blank = value->blank ? value->blank : field->blank;
    line_input_draw(line_of(&seen), out, row, col + 2, role, is_focused);
    if (!value->text[0] && blank)
        surface_puts(out, row, col + 2, ROLE_DIM, blank);
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
