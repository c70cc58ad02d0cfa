/*
 * fuzz_input.c - bytes from the terminal: the same keys whole and one by one, and an editor
 * whose cursor stays on a character and whose text could be sent to the terminal.
 */
#include <string.h>

#include "tui/editor.h"
#include "tui/keys.h"

#include "tests/fuzz.h"
#include "tests/helper_hostile.h"

#define LATE_NS 10000000000u

typedef void key_fn(void *arg, const struct key *key);

static void read_keys(struct slice bytes, size_t piece, key_fn *fn, void *arg)
{
    struct vtin *in = vtin_open();
    struct key key;
    for (size_t at = 0; at < bytes.n; at += piece) {
        vtin_feed(in, bytes.ptr + at, bytes.n - at < piece ? bytes.n - at : piece, 1000);
        while (vtin_next(in, &key, 1000))
            fn(arg, &key);
    }
    while (vtin_next(in, &key, LATE_NS))
        fn(arg, &key);
    FUZZ_CHECK(vtin_deadline(in) == 0);
    vtin_close(in);
}

static void print_key(void *arg, const struct key *key)
{
    struct key named;
    struct buf name;
    buf_init(&name, 1 << 10);
    if (key->code == KEY_PASTE) {
        buf_printf(arg, "<%.*s>", (int)key->text.n, key->text.ptr);
    } else {
        key_print(key, &name);
        if (key->code != KEY_NONE && key_parse(buf_slice(&name), &named))
            FUZZ_CHECK(named.code == key->code && named.mods == key->mods);
        buf_printf(arg, "%s ", buf_text(&name));
    }
    buf_release(&name);
}

struct typing {
    struct editor editor;
    struct keymap *keymap;
    struct key pending;
    int n_cols;
};

static void type_key(void *arg, const struct key *key)
{
    struct typing *t = arg;
    enum command command = CMD_NONE;
    enum keymap_result found = keymap_find(t->keymap, CTX_INPUT, &t->pending, key, &command);
    if (found == KEYMAP_BOUND)
        editor_run(&t->editor, command, t->n_cols);
    else if (found == KEYMAP_UNBOUND)
        editor_key(&t->editor, key);
    FUZZ_CHECK(t->editor.cursor <= t->editor.text.n);
    FUZZ_CHECK(utf8_whole(t->editor.text.ptr, t->editor.cursor) == t->editor.cursor);
}

static void draw(struct typing *t)
{
    struct screen screen = {0};
    screen_resize(&screen, 5, t->n_cols);
    struct surface all = screen_surface(&screen);
    editor_draw(&t->editor, &all);
    FUZZ_CHECK(screen_is_harmless(&screen));
    FUZZ_CHECK(screen.cursor_row < 5 && screen.cursor_col < t->n_cols);
    screen_release(&screen);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct slice input = {(const char *)bytes, n};
    struct buf whole, pieces;
    struct typing t = {.keymap = keymap_new(), .n_cols = 1 + (int)(n % 40)};
    buf_init(&whole, 1u << 24);
    buf_init(&pieces, 1u << 24);
    read_keys(input, n + 1, print_key, &whole);
    read_keys(input, 1, print_key, &pieces);
    FUZZ_CHECK(strcmp(buf_text(&whole), buf_text(&pieces)) == 0);
    editor_init(&t.editor);
    editor_remember(&t.editor, SLICE("earlier\nwords"));
    read_keys(input, n + 1, type_key, &t);
    draw(&t);
    editor_release(&t.editor);
    keymap_free(t.keymap);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
