/*
 * keys.c - default bindings, key names, lookup. Defaults are key names in the user's own
 * language and go through the same parser. Printable keys are bound only where nothing is
 * typed.
 */
#include "tui/keys.h"

#include <string.h>

const struct binding default_bindings[] = {
        {CTX_GLOBAL, "F1", CMD_HELP},
        {CTX_GLOBAL, "C-x 1", CMD_OPEN_CHAT},
        {CTX_GLOBAL, "C-x 2", CMD_OPEN_EXPERTS},
        {CTX_GLOBAL, "C-x 3", CMD_OPEN_FLEET},
        {CTX_GLOBAL, "C-x 4", CMD_OPEN_ROUTER},
        {CTX_GLOBAL, "C-x 5", CMD_OPEN_MODELS},
        {CTX_GLOBAL, "C-x 6", CMD_OPEN_SESSIONS},
        {CTX_GLOBAL, "C-x 7", CMD_OPEN_TOKENS},
        {CTX_GLOBAL, "C-x n", CMD_NEW_SESSION},
        {CTX_GLOBAL, "C-x p", CMD_PALETTE},
        {CTX_GLOBAL, "C-l", CMD_REDRAW},
        {CTX_GLOBAL, "M-m", CMD_MOUSE},
        {CTX_GLOBAL, "C-z", CMD_SUSPEND},
        {CTX_GLOBAL, "C-c", CMD_INTERRUPT},

        {CTX_CHAT, "Enter", CMD_SEND},
        {CTX_CHAT, "Esc", CMD_STOP},
        {CTX_CHAT, "M-c", CMD_CONTINUE},
        {CTX_CHAT, "M-r", CMD_RETRY},
        {CTX_CHAT, "M-w", CMD_WHY},
        {CTX_CHAT, "M-y", CMD_CONFIRM},
        {CTX_CHAT, "M-x", CMD_STEP},
        {CTX_CHAT, "M-h", CMD_TEXT_COLOR},
        {CTX_CHAT, "C-o", CMD_FOLD},
        {CTX_CHAT, "PageUp", CMD_SCROLL_UP},
        {CTX_CHAT, "PageDown", CMD_SCROLL_DOWN},
        {CTX_CHAT, "M-<", CMD_SCROLL_TOP},
        {CTX_CHAT, "C-Home", CMD_SCROLL_TOP},
        {CTX_CHAT, "M->", CMD_SCROLL_END},
        {CTX_CHAT, "C-End", CMD_SCROLL_END},
        {CTX_CHAT, "C-x |", CMD_SIDE_PANE},
        {CTX_CHAT, "C-x b", CMD_BRANCHES},
        {CTX_CHAT, "Tab", CMD_COMPLETE},
        {CTX_CHAT, "S-Tab", CMD_COMPLETE_BACK},
        {CTX_CHAT, "C-d", CMD_QUIT_EMPTY},

        {CTX_TRANSCRIPT, "Up", CMD_UP},
        {CTX_TRANSCRIPT, "k", CMD_UP},
        {CTX_TRANSCRIPT, "Down", CMD_DOWN},
        {CTX_TRANSCRIPT, "j", CMD_DOWN},
        {CTX_TRANSCRIPT, "[", CMD_OWN_BEFORE},
        {CTX_TRANSCRIPT, "]", CMD_OWN_AFTER},
        {CTX_TRANSCRIPT, "g", CMD_FIRST},
        {CTX_TRANSCRIPT, "Home", CMD_FIRST},
        {CTX_TRANSCRIPT, "G", CMD_LAST},
        {CTX_TRANSCRIPT, "End", CMD_LAST},
        {CTX_TRANSCRIPT, "<", CMD_BRANCH_BEFORE},
        {CTX_TRANSCRIPT, "Left", CMD_BRANCH_BEFORE},
        {CTX_TRANSCRIPT, ">", CMD_BRANCH_AFTER},
        {CTX_TRANSCRIPT, "Right", CMD_BRANCH_AFTER},
        {CTX_TRANSCRIPT, "b", CMD_BRANCHES},
        {CTX_TRANSCRIPT, "e", CMD_EDIT},
        {CTX_TRANSCRIPT, "f", CMD_FORK},
        {CTX_TRANSCRIPT, "M-r", CMD_RETRY},
        {CTX_TRANSCRIPT, "Enter", CMD_FOLD},
        {CTX_TRANSCRIPT, "z", CMD_FOLD},
        {CTX_TRANSCRIPT, "y", CMD_COPY},
        {CTX_TRANSCRIPT, "c", CMD_COPY_CODE},
        {CTX_TRANSCRIPT, "/", CMD_SEARCH},
        {CTX_TRANSCRIPT, "n", CMD_SEARCH_BEFORE},
        {CTX_TRANSCRIPT, "N", CMD_SEARCH_AFTER},
        {CTX_TRANSCRIPT, "w", CMD_WHY},
        {CTX_TRANSCRIPT, "x", CMD_STEP},
        {CTX_TRANSCRIPT, "u", CMD_UNDO},
        {CTX_TRANSCRIPT, "?", CMD_HELP},
        {CTX_TRANSCRIPT, "Tab", CMD_FOCUS_NEXT},
        {CTX_TRANSCRIPT, "S-Tab", CMD_FOCUS_BACK},
        {CTX_TRANSCRIPT, "Esc", CMD_BACK},

        {CTX_INPUT, "C-j", CMD_NEWLINE},
        {CTX_INPUT, "M-Enter", CMD_NEWLINE},
        {CTX_INPUT, "S-Enter", CMD_NEWLINE},
        {CTX_INPUT, "Left", CMD_CHAR_LEFT},
        {CTX_INPUT, "C-b", CMD_CHAR_LEFT},
        {CTX_INPUT, "Right", CMD_CHAR_RIGHT},
        {CTX_INPUT, "C-f", CMD_CHAR_RIGHT},
        {CTX_INPUT, "C-Left", CMD_WORD_LEFT},
        {CTX_INPUT, "M-b", CMD_WORD_LEFT},
        {CTX_INPUT, "C-Right", CMD_WORD_RIGHT},
        {CTX_INPUT, "M-f", CMD_WORD_RIGHT},
        {CTX_INPUT, "C-a", CMD_LINE_START},
        {CTX_INPUT, "Home", CMD_LINE_START},
        {CTX_INPUT, "C-e", CMD_LINE_END},
        {CTX_INPUT, "End", CMD_LINE_END},
        {CTX_INPUT, "Up", CMD_LINE_UP},
        {CTX_INPUT, "Down", CMD_LINE_DOWN},
        {CTX_INPUT, "C-p", CMD_HISTORY_PREV},
        {CTX_INPUT, "C-n", CMD_HISTORY_NEXT},
        {CTX_INPUT, "Backspace", CMD_DELETE_LEFT},
        {CTX_INPUT, "Delete", CMD_DELETE_RIGHT},
        {CTX_INPUT, "C-w", CMD_KILL_WORD_LEFT},
        {CTX_INPUT, "M-Backspace", CMD_KILL_WORD_LEFT},
        {CTX_INPUT, "M-d", CMD_KILL_WORD_RIGHT},
        {CTX_INPUT, "C-u", CMD_KILL_LINE_LEFT},
        {CTX_INPUT, "C-k", CMD_KILL_LINE_RIGHT},
        {CTX_INPUT, "C-y", CMD_YANK},
        {CTX_INPUT, "C-x C-e", CMD_EDITOR},
        {CTX_INPUT, "C-g", CMD_EDITOR},
        {CTX_INPUT, "C-_", CMD_UNDO},
        {CTX_INPUT, "M-u", CMD_UNDO},

        {CTX_EXPERTS, "Left", CMD_LEFT},
        {CTX_EXPERTS, "h", CMD_LEFT},
        {CTX_EXPERTS, "Right", CMD_RIGHT},
        {CTX_EXPERTS, "l", CMD_RIGHT},
        {CTX_EXPERTS, "Up", CMD_UP},
        {CTX_EXPERTS, "k", CMD_UP},
        {CTX_EXPERTS, "Down", CMD_DOWN},
        {CTX_EXPERTS, "j", CMD_DOWN},
        {CTX_EXPERTS, "H", CMD_FAR_LEFT},
        {CTX_EXPERTS, "L", CMD_FAR_RIGHT},
        {CTX_EXPERTS, "g", CMD_FIRST},
        {CTX_EXPERTS, "G", CMD_LAST},
        {CTX_EXPERTS, "m", CMD_MAP_MODE},
        {CTX_EXPERTS, "Z", CMD_FREEZE},
        {CTX_EXPERTS, "x", CMD_STEP},
        {CTX_EXPERTS, "1", CMD_OPEN_CHAT},
        {CTX_EXPERTS, "3", CMD_OPEN_FLEET},
        {CTX_EXPERTS, "4", CMD_OPEN_ROUTER},
        {CTX_EXPERTS, "5", CMD_OPEN_MODELS},
        {CTX_EXPERTS, "6", CMD_OPEN_SESSIONS},
        {CTX_EXPERTS, "7", CMD_OPEN_TOKENS},
        {CTX_EXPERTS, "?", CMD_HELP},
        {CTX_EXPERTS, "C-p", CMD_PALETTE},
        {CTX_EXPERTS, "Esc", CMD_BACK},
        {CTX_EXPERTS, "q", CMD_BACK},

        {CTX_FLEET, "Up", CMD_UP},
        {CTX_FLEET, "k", CMD_UP},
        {CTX_FLEET, "Down", CMD_DOWN},
        {CTX_FLEET, "j", CMD_DOWN},
        {CTX_FLEET, "PageUp", CMD_PAGE_UP},
        {CTX_FLEET, "PageDown", CMD_PAGE_DOWN},
        {CTX_FLEET, "g", CMD_FIRST},
        {CTX_FLEET, "G", CMD_LAST},
        {CTX_FLEET, "e", CMD_ENDPOINT_SWITCH},
        {CTX_FLEET, "d", CMD_ENDPOINT_DRAIN},
        {CTX_FLEET, "u", CMD_UNDO},
        {CTX_FLEET, "p", CMD_ENDPOINT_PROBE},
        {CTX_FLEET, "P", CMD_PROBE_ALL},
        {CTX_FLEET, "a", CMD_ENDPOINT_ADD},
        {CTX_FLEET, "E", CMD_ENDPOINT_EDIT},
        {CTX_FLEET, "s", CMD_SORT_NEXT},
        {CTX_FLEET, "S", CMD_SORT_REVERSE},
        {CTX_FLEET, "Enter", CMD_OPEN},
        {CTX_FLEET, "1", CMD_OPEN_CHAT},
        {CTX_FLEET, "2", CMD_OPEN_EXPERTS},
        {CTX_FLEET, "4", CMD_OPEN_ROUTER},
        {CTX_FLEET, "5", CMD_OPEN_MODELS},
        {CTX_FLEET, "6", CMD_OPEN_SESSIONS},
        {CTX_FLEET, "7", CMD_OPEN_TOKENS},
        {CTX_FLEET, "?", CMD_HELP},
        {CTX_FLEET, "C-p", CMD_PALETTE},
        {CTX_FLEET, "Esc", CMD_BACK},
        {CTX_FLEET, "q", CMD_BACK},

        {CTX_ROUTER, "Up", CMD_UP},
        {CTX_ROUTER, "k", CMD_UP},
        {CTX_ROUTER, "Down", CMD_DOWN},
        {CTX_ROUTER, "j", CMD_DOWN},
        {CTX_ROUTER, "PageUp", CMD_PAGE_UP},
        {CTX_ROUTER, "PageDown", CMD_PAGE_DOWN},
        {CTX_ROUTER, "g", CMD_FIRST},
        {CTX_ROUTER, "G", CMD_LAST},
        {CTX_ROUTER, "Enter", CMD_WHY},
        {CTX_ROUTER, "w", CMD_WHY},
        {CTX_ROUTER, "/", CMD_SEARCH},
        {CTX_ROUTER, "1", CMD_OPEN_CHAT},
        {CTX_ROUTER, "2", CMD_OPEN_EXPERTS},
        {CTX_ROUTER, "3", CMD_OPEN_FLEET},
        {CTX_ROUTER, "5", CMD_OPEN_MODELS},
        {CTX_ROUTER, "6", CMD_OPEN_SESSIONS},
        {CTX_ROUTER, "7", CMD_OPEN_TOKENS},
        {CTX_ROUTER, "?", CMD_HELP},
        {CTX_ROUTER, "C-p", CMD_PALETTE},
        {CTX_ROUTER, "Esc", CMD_BACK},
        {CTX_ROUTER, "q", CMD_BACK},

        {CTX_MODELS, "Up", CMD_UP},
        {CTX_MODELS, "k", CMD_UP},
        {CTX_MODELS, "Down", CMD_DOWN},
        {CTX_MODELS, "j", CMD_DOWN},
        {CTX_MODELS, "PageUp", CMD_PAGE_UP},
        {CTX_MODELS, "PageDown", CMD_PAGE_DOWN},
        {CTX_MODELS, "g", CMD_FIRST},
        {CTX_MODELS, "G", CMD_LAST},
        {CTX_MODELS, "Enter", CMD_OPEN},
        {CTX_MODELS, "l", CMD_MODEL_LOAD},
        {CTX_MODELS, "U", CMD_MODEL_UNLOAD},
        {CTX_MODELS, "x", CMD_MODEL_CANCEL},
        {CTX_MODELS, "/", CMD_SEARCH},
        {CTX_MODELS, "1", CMD_OPEN_CHAT},
        {CTX_MODELS, "2", CMD_OPEN_EXPERTS},
        {CTX_MODELS, "3", CMD_OPEN_FLEET},
        {CTX_MODELS, "4", CMD_OPEN_ROUTER},
        {CTX_MODELS, "6", CMD_OPEN_SESSIONS},
        {CTX_MODELS, "7", CMD_OPEN_TOKENS},
        {CTX_MODELS, "?", CMD_HELP},
        {CTX_MODELS, "C-p", CMD_PALETTE},
        {CTX_MODELS, "Esc", CMD_BACK},
        {CTX_MODELS, "q", CMD_BACK},

        {CTX_SESSIONS, "Up", CMD_UP},
        {CTX_SESSIONS, "k", CMD_UP},
        {CTX_SESSIONS, "Down", CMD_DOWN},
        {CTX_SESSIONS, "j", CMD_DOWN},
        {CTX_SESSIONS, "PageUp", CMD_PAGE_UP},
        {CTX_SESSIONS, "PageDown", CMD_PAGE_DOWN},
        {CTX_SESSIONS, "g", CMD_FIRST},
        {CTX_SESSIONS, "G", CMD_LAST},
        {CTX_SESSIONS, "Enter", CMD_OPEN},
        {CTX_SESSIONS, "/", CMD_SEARCH},
        {CTX_SESSIONS, "n", CMD_NEW_SESSION},
        {CTX_SESSIONS, "R", CMD_RENAME},
        {CTX_SESSIONS, "F2", CMD_RENAME},
        {CTX_SESSIONS, "D", CMD_TRASH},
        {CTX_SESSIONS, "u", CMD_UNDO},
        {CTX_SESSIONS, "t", CMD_LIST_TRASH},
        {CTX_SESSIONS, "1", CMD_OPEN_CHAT},
        {CTX_SESSIONS, "2", CMD_OPEN_EXPERTS},
        {CTX_SESSIONS, "3", CMD_OPEN_FLEET},
        {CTX_SESSIONS, "4", CMD_OPEN_ROUTER},
        {CTX_SESSIONS, "5", CMD_OPEN_MODELS},
        {CTX_SESSIONS, "7", CMD_OPEN_TOKENS},
        {CTX_SESSIONS, "?", CMD_HELP},
        {CTX_SESSIONS, "C-p", CMD_PALETTE},
        {CTX_SESSIONS, "Esc", CMD_BACK},
        {CTX_SESSIONS, "q", CMD_BACK},

        {CTX_TOKENS, "Left", CMD_TOKEN_BEFORE},
        {CTX_TOKENS, "h", CMD_TOKEN_BEFORE},
        {CTX_TOKENS, "Right", CMD_TOKEN_AFTER},
        {CTX_TOKENS, "l", CMD_TOKEN_AFTER},
        {CTX_TOKENS, "H", CMD_TEN_BACK},
        {CTX_TOKENS, "L", CMD_TEN_ON},
        {CTX_TOKENS, "Home", CMD_TOKEN_FIRST},
        {CTX_TOKENS, "g", CMD_TOKEN_FIRST},
        {CTX_TOKENS, "End", CMD_TOKEN_LAST},
        {CTX_TOKENS, "G", CMD_TOKEN_LAST},
        {CTX_TOKENS, "Up", CMD_LAYER_UP},
        {CTX_TOKENS, "k", CMD_LAYER_UP},
        {CTX_TOKENS, "Down", CMD_LAYER_DOWN},
        {CTX_TOKENS, "j", CMD_LAYER_DOWN},
        {CTX_TOKENS, "PageUp", CMD_ANSWER_BEFORE},
        {CTX_TOKENS, "PageDown", CMD_ANSWER_AFTER},
        {CTX_TOKENS, "1", CMD_OPEN_CHAT},
        {CTX_TOKENS, "2", CMD_OPEN_EXPERTS},
        {CTX_TOKENS, "3", CMD_OPEN_FLEET},
        {CTX_TOKENS, "4", CMD_OPEN_ROUTER},
        {CTX_TOKENS, "5", CMD_OPEN_MODELS},
        {CTX_TOKENS, "6", CMD_OPEN_SESSIONS},
        {CTX_TOKENS, "?", CMD_HELP},
        {CTX_TOKENS, "C-p", CMD_PALETTE},
        {CTX_TOKENS, "Esc", CMD_BACK},
        {CTX_TOKENS, "q", CMD_BACK},

        {CTX_HELP, "Up", CMD_UP},
        {CTX_HELP, "k", CMD_UP},
        {CTX_HELP, "Down", CMD_DOWN},
        {CTX_HELP, "j", CMD_DOWN},
        {CTX_HELP, "PageUp", CMD_PAGE_UP},
        {CTX_HELP, "PageDown", CMD_PAGE_DOWN},
        {CTX_HELP, "Space", CMD_PAGE_DOWN},
        {CTX_HELP, "g", CMD_FIRST},
        {CTX_HELP, "G", CMD_LAST},
        {CTX_HELP, "/", CMD_SEARCH},
        {CTX_HELP, "Esc", CMD_BACK},
        {CTX_HELP, "q", CMD_BACK},
};
const size_t n_default_bindings = ARRAY_LEN(default_bindings);

static const struct {
    const char *name;
    uint32_t code;
} names[] = {{"Up", KEY_UP}, {"Down", KEY_DOWN}, {"Left", KEY_LEFT}, {"Right", KEY_RIGHT},
        {"Home", KEY_HOME}, {"End", KEY_END}, {"PageUp", KEY_PAGE_UP},
        {"PageDown", KEY_PAGE_DOWN}, {"Insert", KEY_INSERT}, {"Delete", KEY_DELETE},
        {"Backspace", KEY_BACKSPACE}, {"Enter", KEY_ENTER}, {"Tab", KEY_TAB}, {"Esc", KEY_ESC},
        {"Space", ' '}, {"F1", KEY_F1}, {"F2", KEY_F2}, {"F3", KEY_F3}, {"F4", KEY_F4},
        {"F5", KEY_F5}, {"F6", KEY_F6}, {"F7", KEY_F7}, {"F8", KEY_F8}, {"F9", KEY_F9},
        {"F10", KEY_F10}, {"F11", KEY_F11}, {"F12", KEY_F12}};

const char *key_name_at(size_t i)
{
    return i < ARRAY_LEN(names) ? names[i].name : NULL;
}

static const struct {
    char letter;
    uint8_t mod;
} mod_letters[] = {{'C', MOD_CTRL}, {'M', MOD_ALT}, {'S', MOD_SHIFT}};

bool key_parse(struct slice name, struct key *out)
{
    *out = (struct key){0};
    while (name.n > 2 && name.ptr[1] == '-') {
        size_t i = 0;
        while (i < ARRAY_LEN(mod_letters) && mod_letters[i].letter != name.ptr[0])
            i++;
        if (i == ARRAY_LEN(mod_letters))
            return false;
        out->mods |= mod_letters[i].mod;
        name = (struct slice){name.ptr + 2, name.n - 2};
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_eq(name, names[i].name)) {
            out->code = names[i].code;
            return true;
        }
    return name.n > 0 && utf8_decode(name.ptr, name.n, &out->code) == name.n &&
           out->code > 0x20 && out->code != 0xFFFD;
}

void key_print(const struct key *key, struct buf *out)
{
    char utf8[4];
    for (size_t i = 0; i < ARRAY_LEN(mod_letters); i++)
        if (key->mods & mod_letters[i].mod)
            buf_printf(out, "%c-", mod_letters[i].letter);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].code == key->code) {
            buf_add_text(out, names[i].name);
            return;
        }
    buf_add(out, utf8, utf8_encode(key->code, utf8));
}

struct keymap {
    struct binding *bindings;
    struct key (*keys)[2]; /* second code 0: a single key */
    size_t n, cap;
};

/* One or two key names. */
static bool parse_sequence(const char *text, struct key out[2])
{
    struct slice rest = slice_of(text), first = slice_cut(&rest, ' ');
    out[1] = (struct key){0};
    return key_parse(first, &out[0]) && (!rest.ptr || key_parse(rest, &out[1]));
}

static bool is_same(const struct key *a, const struct key *b)
{
    return a->code == b->code && a->mods == b->mods;
}

static size_t find_binding(
        const struct keymap *map, enum context context, const struct key keys[2])
{
    size_t i = 0;
    while (i < map->n &&
            !(map->bindings[i].context == context && is_same(&map->keys[i][0], &keys[0]) &&
                    is_same(&map->keys[i][1], &keys[1])))
        i++;
    return i;
}

enum status keymap_bind(struct keymap *map, enum context context, const char *keys,
        enum command command, struct err *err)
{
    struct key parsed[2];
    if (!parse_sequence(keys, parsed))
        return err_set(err, ERR_CONFIG,
                "\"%s\" is not a key: write C-x, M-Enter, F1, PageUp, a letter, or two of them",
                keys);
    bool is_typed = parsed[0].code >= 0x20 && parsed[0].code < KEY_SPECIAL &&
                    !(parsed[0].mods & (MOD_CTRL | MOD_ALT));
    if (is_typed && (context == CTX_INPUT || context == CTX_CHAT || context == CTX_GLOBAL) &&
            command != CMD_NONE)
        return err_set(
                err, ERR_CONFIG, "\"%s\" would take a letter away from the input line", keys);
    size_t i = find_binding(map, context, parsed);
    if (command == CMD_NONE) {
        if (i == map->n)
            return OK;
        mem_free((void *)(uintptr_t)map->bindings[i].keys);
        map->n--;
        memmove(map->bindings + i, map->bindings + i + 1, (map->n - i) * sizeof *map->bindings);
        memmove(map->keys + i, map->keys + i + 1, (map->n - i) * sizeof *map->keys);
        return OK;
    }
    if (i == map->n) {
        if (map->n == map->cap) {
            map->cap = map->cap ? map->cap * 2 : 128;
            map->bindings = mem_resize(map->bindings, map->cap * sizeof *map->bindings);
            map->keys = mem_resize(map->keys, map->cap * sizeof *map->keys);
        }
        map->bindings[i] = (struct binding){context, mem_strdup(keys), command};
        memcpy(map->keys[i], parsed, sizeof parsed);
        map->n++;
    }
    map->bindings[i].command = command;
    return OK;
}

struct keymap *keymap_new(void)
{
    struct keymap *map = mem_alloc(sizeof *map);
    struct err err;
    for (size_t i = 0; i < n_default_bindings; i++) {
        const struct binding *b = &default_bindings[i];
        enum status status = keymap_bind(map, b->context, b->keys, b->command, &err);
        (void)status; /* test_tables proves that every default parses */
    }
    return map;
}

void keymap_free(struct keymap *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->n; i++)
        mem_free((void *)(uintptr_t)map->bindings[i].keys);
    mem_free(map->bindings);
    mem_free(map->keys);
    mem_free(map);
}

static enum keymap_result find_in(const struct keymap *map, enum context context,
        const struct key *pending, const struct key *key, enum command *out)
{
    enum keymap_result result = KEYMAP_UNBOUND;
    for (size_t i = 0; i < map->n; i++) {
        if (map->bindings[i].context != context)
            continue;
        const struct key *first = &map->keys[i][0], *second = &map->keys[i][1];
        if (pending->code ? is_same(first, pending) && is_same(second, key)
                          : second->code == 0 && is_same(first, key)) {
            *out = map->bindings[i].command;
            return KEYMAP_BOUND;
        }
        if (!pending->code && second->code && is_same(first, key))
            result = KEYMAP_PREFIX;
    }
    return result;
}

enum keymap_result keymap_find(const struct keymap *map, enum context context,
        struct key *pending, const struct key *key, enum command *out)
{
    enum keymap_result own = find_in(map, context, pending, key, out), global = KEYMAP_UNBOUND;
    if (own != KEYMAP_BOUND && context != CTX_GLOBAL)
        global = find_in(map, CTX_GLOBAL, pending, key, out);
    if (own == KEYMAP_BOUND || global == KEYMAP_BOUND) {
        *pending = (struct key){0};
        return KEYMAP_BOUND;
    }
    bool is_prefix = own == KEYMAP_PREFIX || global == KEYMAP_PREFIX;
    *pending = is_prefix ? *key : (struct key){0};
    return is_prefix ? KEYMAP_PREFIX : KEYMAP_UNBOUND;
}

const char *keymap_keys_of(const struct keymap *map, enum context context, enum command command)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < map->n; i++)
            if (map->bindings[i].command == command &&
                    map->bindings[i].context == (pass ? CTX_GLOBAL : context))
                return map->bindings[i].keys;
    return NULL;
}

size_t keymap_n(const struct keymap *map)
{
    return map->n;
}

const struct binding *keymap_at(const struct keymap *map, size_t i)
{
    return &map->bindings[i];
}
