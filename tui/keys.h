/*
 * keys.h - default bindings, the parsing and printing of key names ("C-x C-e", "M-Enter",
 * "PageUp", "?").
 */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include "tui/commands.h"
#include "tui/vtin.h"

struct binding {
    enum context context;
    const char *keys; /* one or two keys by name */
    enum command command;
};
extern const struct binding default_bindings[];
extern const size_t n_default_bindings;

bool key_parse(struct slice name, struct key *out) MUST_USE;
const char *key_name_at(size_t i); /* of the keys that have one; NULL at the end */
void key_print(const struct key *key, struct buf *out);

struct keymap; /* the user's bindings over the defaults */
struct keymap *keymap_new(void);
void keymap_free(struct keymap *map);
/* Binds (command CMD_NONE: unbinds). Two-key sequences are allowed; refuses names that do not
 * parse. */
enum status keymap_bind(struct keymap *map, enum context context, const char *keys,
        enum command command, struct err *err) MUST_USE;
enum keymap_result { KEYMAP_UNBOUND, KEYMAP_PREFIX, KEYMAP_BOUND };
/* Looks up in context then GLOBAL. *pending holds the first key of a sequence between calls
 * (code 0: none). */
enum keymap_result keymap_find(const struct keymap *map, enum context context,
        struct key *pending, const struct key *key, enum command *out);
/* The keys of a command for showing, "C-x 1"; NULL: unbound. */
const char *keymap_keys_of(
        const struct keymap *map, enum context context, enum command command);
size_t keymap_n(const struct keymap *map);
const struct binding *keymap_at(const struct keymap *map, size_t i);

#endif
