/*
 * conf.h - the one lossless parser and writer of configuration and theme files: INI in git's
 * style. Comments, order and spacing survive an edit. Rules: indentation is insignificant; `#`
 * is a comment only at the start of a line; trailing white space is dropped; `;` after white
 * space starts a comment and ends an unquoted value; "…" is literal with \" \\ \n.
 */
#ifndef ROUTER_CONF_H
#define ROUTER_CONF_H

#include "engine/base.h"

struct conf;

struct conf_entry {
    const char *section;    /* "endpoint"; "" before the first header */
    const char *subsection; /* "mini", or "" */
    const char *key;
    const char *value; /* unquoted */
    int line;          /* 1-based */
};

/* A missing file is an empty configuration that conf_save creates. Lines that are neither
 * blank, comment, header nor `key = value` become warnings and are kept as they are. */
enum status conf_load(struct conf **out, const char *path, struct err *err) MUST_USE;
/* The text is copied; `name` stands for FILE in warnings. */
struct conf *conf_parse(struct slice text, const char *name);
void conf_free(struct conf *conf);
const char *conf_path(const struct conf *conf);
size_t conf_n_entries(const struct conf *conf);
/* It and its texts live until the next conf_set or conf_free. */
const struct conf_entry *conf_entry_at(const struct conf *conf, size_t i);
/* The last value, or NULL. */
const char *conf_get(
        const struct conf *conf, const char *section, const char *subsection, const char *key);
/* Changes the last such line in place, or adds one at the end of the section (made when
 * missing). value NULL removes it. */
void conf_set(struct conf *conf, const char *section, const char *subsection, const char *key,
        const char *value);
/* To conf_path; refuses a file with NUL bytes. */
enum status conf_save(const struct conf *conf, struct err *err) MUST_USE;
void conf_print(const struct conf *conf, struct buf *out);

/* Sentences "FILE:LINE: …" in the order of their lines, collected by the parser and by whoever
 * reads the entries. Line 0: "FILE: …". */
void conf_warn(struct conf *conf, int line, const char *fmt, ...) PRINTF(3, 4);
size_t conf_n_warnings(const struct conf *conf);
const char *conf_warning_at(const struct conf *conf, size_t i);

/* Value syntax shared by all readers. */
bool conf_parse_duration_ms(
        const char *text, uint64_t *out) MUST_USE;          /* "500ms" "10s" "2m" "1h" */
bool conf_parse_bool(const char *text, bool *out) MUST_USE; /* yes/no, true/false, on/off */
/* "Did you mean": the first of names that begins with the word, else the nearest by edit
 * distance (at most a third of the length), or NULL. */
const char *conf_nearest(const char *word, const char *const *names, size_t n_names);

#endif
