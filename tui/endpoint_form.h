/*
 * endpoint_form.h - one [endpoint "NAME"] section of the configuration as a form: filled from
 * it, checked by the rules of the reader, and only what was changed is written back.
 */
#ifndef TUI_ENDPOINT_FORM_H
#define TUI_ENDPOINT_FORM_H

#include "tui/form.h"

struct conf;
struct fleet;
struct key;

struct endpoint_form {
    struct form form;
    bool is_new;
    char was[FORM_FIELDS_MAX][FORM_TEXT_BYTES]; /* as the file has it; "": it has not */
};

/* name NULL: a new one. */
void endpoint_form_open(struct endpoint_form *f, const struct conf *conf, const char *name);
const char *endpoint_form_name(const struct endpoint_form *f);
/* False: what is wrong stands beside its field, and the first of it has the focus. */
enum form_result endpoint_form_key(
        struct endpoint_form *f, const struct key *key, const struct fleet *fleet);
bool endpoint_form_check(struct endpoint_form *f, const struct fleet *fleet);
void endpoint_form_write(const struct endpoint_form *f, struct conf *conf);

#endif
