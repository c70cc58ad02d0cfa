/*
 * form.h - labelled fields that are typed into or chosen from a list, one under the other, each
 * with its own error. Knows nothing of what it is about: who opens it fills, checks and takes
 * the values.
 */
#ifndef TUI_FORM_H
#define TUI_FORM_H

#include "engine/base.h"

struct key;
struct surface;

#define FORM_FIELDS_MAX 16
#define FORM_TEXT_MAX   511
#define FORM_TEXT_BYTES (FORM_TEXT_MAX + 1)

struct form_field {
    const char *label;
    const char *blank;          /* shown in place of an empty value */
    const char *hint;           /* a sentence, shown while the field has the focus */
    const char *const *choices; /* NULL: text is typed */
    int n_choices;
};

struct form_value {
    char text[FORM_TEXT_BYTES];
    size_t cursor;     /* byte offset on a cluster border */
    char error[96];    /* stands below it until the value is changed */
    bool is_fixed;     /* shown, not changed */
    bool is_long;      /* text is its beginning: fixed, and said in its place */
    bool is_full;      /* what was typed or pasted last found no room */
    const char *blank; /* in place of the field's; NULL: that one */
};

struct form {
    const struct form_field *fields; /* n_fields of them, borrowed */
    int n_fields;
    struct form_value values[FORM_FIELDS_MAX];
    int focus;
};

/* What a key was: taken, the wish to save or to leave, or none of the form's. */
enum form_result { FORM_GOES_ON, FORM_SAVE, FORM_CANCEL, FORM_NOT_MINE };

void form_init(struct form *form, const struct form_field *fields, int n_fields);
void form_set(struct form *form, int i, const char *text); /* one without room is_long */
void form_fail(struct form *form, int i, const char *fmt, ...) PRINTF(3, 4);
void form_forgive(struct form *form); /* no field has an error */
/* Puts the focus on the first field with an error. False: there is none. */
bool form_show_error(struct form *form);
enum form_result form_key(struct form *form, const struct key *key);
/* Places the hardware cursor. */
void form_draw(const struct form *form, struct surface *out);

#endif
