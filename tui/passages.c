/* passages.c - see passages.h: the list, files of topics, placeholders. */
#include "tui/passages.h"

#include <stdio.h>
#include <string.h>

#include "tui/embedded.h"
#include "tui/keys.h"
#include "tui/slash.h"

#define TEXT_MAX_BYTES 4096

static void PRINTF(2, 3) add_fault(struct passages *passages, const char *fmt, ...)
{
    char text[256];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    buf_printf(&passages->faults, "%s\n", text);
}

const struct passage *passages_find(const struct passages *passages, const char *title)
{
    for (size_t i = 0; i < passages->n; i++)
        if (strcmp(passages->rows[i].title, title) == 0)
            return &passages->rows[i];
    return NULL;
}

/* ---- keys ------------------------------------------------------------------------------- */

static bool is_default(const struct binding *binding)
{
    for (size_t i = 0; i < n_default_bindings; i++)
        if (default_bindings[i].context == binding->context &&
                default_bindings[i].command == binding->command &&
                strcmp(default_bindings[i].keys, binding->keys) == 0)
            return true;
    return false;
}

const char *passage_keys_in(
        const struct keymap *keymap, enum context context, enum command command)
{
    const char *keys = NULL;
    for (size_t i = 0; i < keymap_n(keymap); i++) {
        const struct binding *b = keymap_at(keymap, i);
        if (b->context == context && b->command == command && (!keys || !is_default(b)))
            keys = b->keys;
    }
    return keys;
}

/* context CTX_COUNT: any. */
static void add_keys(const struct passages *passages, enum context context,
        enum command command, struct buf *out)
{
    const char *keys = NULL;
    if (context != CTX_COUNT)
        keys = passage_keys_in(passages->keymap, context, command);
    if (context != CTX_COUNT && !keys)
        keys = passage_keys_in(passages->keymap, CTX_GLOBAL, command);
    for (int i = CTX_GLOBAL; context == CTX_COUNT && i < CTX_COUNT && !keys; i++)
        keys = passage_keys_in(passages->keymap, (enum context)i, command);
    if (keys)
        buf_add_text(out, keys);
    else if (slash_offers(command))
        buf_printf(out, "/%s", command_defs[command].name);
    else
        buf_printf(out, "a key that you bind in [bind] (%s)", command_defs[command].name);
}

/* "send" or "chat/send". */
static bool expand_key(struct passages *passages, struct slice name, struct buf *out)
{
    char text[64];
    int context = CTX_COUNT;
    if (memchr(name.ptr, '/', name.n)) {
        struct slice wanted = slice_cut(&name, '/');
        context = 0;
        while (context < CTX_COUNT && !slice_eq(wanted, context_defs[context].name))
            context++;
        if (context == CTX_COUNT)
            return false;
    }
    slice_to_text(name, text, sizeof text);
    enum command command = command_find(text);
    if (command == CMD_NONE)
        return false;
    add_keys(passages, (enum context)context, command, out);
    return true;
}

/* False: a placeholder is not in order, and stays as it is. */
static bool expand(struct passages *passages, const char *template, struct buf *out)
{
    static const char mark[] = "{key ";
    bool is_fine = true;
    for (const char *at; (at = strstr(template, mark)) != NULL;) {
        const char *end = strchr(at, '}');
        struct slice name = {at + sizeof mark - 1, 0};
        buf_add(out, template, (size_t)(at - template));
        template = at;
        if (!end) {
            is_fine = false;
            break;
        }
        name.n = (size_t)(end - name.ptr);
        if (!expand_key(passages, name, out)) {
            is_fine = false;
            buf_add(out, at, (size_t)(end + 1 - at));
        }
        template = end + 1;
    }
    buf_add_text(out, template);
    return is_fine && !out->is_cut;
}

bool passages_add(
        struct passages *passages, const char *title, const char *ask, const char *template)
{
    struct buf text;
    if (passages_find(passages, title)) {
        add_fault(passages, "%s: there are two of this title", title);
        return false;
    }
    if (passages->n == passages->cap) {
        passages->cap = passages->cap ? passages->cap * 2 : 512;
        passages->rows = mem_resize(passages->rows, passages->cap * sizeof *passages->rows);
    }
    buf_init(&text, TEXT_MAX_BYTES);
    bool is_fine = expand(passages, template, &text);
    if (!is_fine)
        add_fault(passages, "%s: a {key CONTEXT/COMMAND} that there is not", title);
    passages->rows[passages->n++] = (struct passage){
            arena_strdup(&passages->arena, title),
            arena_strdup(&passages->arena, ask),
            arena_strdup(&passages->arena, buf_text(&text)),
            arena_strdup(&passages->arena, template),
    };
    buf_release(&text);
    return is_fine;
}

/* ---- files of topics -------------------------------------------------------------------- */

struct topic {
    char title[64];
    struct buf ask, text;
};

static struct slice behind_mark(struct slice line)
{
    return slice_trim((struct slice){line.ptr + 1, line.n - 1});
}

static void join(struct buf *out, const char *with, struct slice line)
{
    if (out->n && line.n)
        buf_add_text(out, with);
    buf_add_slice(out, line);
}

static void end_topic(struct passages *passages, const char *name, struct topic *topic)
{
    bool is_else = strcmp(topic->title, PASSAGE_ELSE) == 0;
    if (topic->title[0] && !topic->text.n)
        add_fault(passages, "%s: %s has no text", name, topic->title);
    else if (topic->title[0] && !topic->ask.n && !is_else)
        add_fault(passages, "%s: nobody asks for %s: no line with ?", name, topic->title);
    else if (topic->title[0] && passages_add(passages, topic->title, buf_text(&topic->ask),
                                        buf_text(&topic->text)))
        passages->rows[passages->n - 1].is_pilots = strcmp(name, PILOTS_TOPICS) == 0;
    else if (!topic->title[0] && (topic->ask.n || topic->text.n))
        add_fault(passages, "%s: text before the first title", name);
    topic->title[0] = '\0';
    buf_clear(&topic->ask);
    buf_clear(&topic->text);
}

void passages_add_topics(struct passages *passages, const char *name, struct slice file)
{
    struct topic topic = {.title = ""};
    buf_init(&topic.ask, TEXT_MAX_BYTES);
    buf_init(&topic.text, TEXT_MAX_BYTES);
    while (file.ptr) {
        struct slice line = slice_trim(slice_cut(&file, '\n'));
        if (slice_has_prefix(line, "#")) {
            end_topic(passages, name, &topic);
            slice_to_text(behind_mark(line), topic.title, sizeof topic.title);
        } else if (slice_has_prefix(line, "?")) {
            join(&topic.ask, " | ", behind_mark(line));
        } else {
            join(&topic.text, " ", line);
        }
    }
    end_topic(passages, name, &topic);
    buf_release(&topic.ask);
    buf_release(&topic.text);
}

/* ---- all -------------------------------------------------------------------------------- */

/* What is said to all other questions goes to the end. */
static void put_else_last(struct passages *passages)
{
    const struct passage *found = passages_find(passages, PASSAGE_ELSE);
    if (!found)
        return;
    struct passage row = *found;
    size_t i = (size_t)(found - passages->rows);
    memmove(passages->rows + i, passages->rows + i + 1,
            (passages->n - i - 1) * sizeof *passages->rows);
    passages->rows[passages->n - 1] = row;
}

void passages_init_empty(struct passages *out, const struct keymap *keymap)
{
    *out = (struct passages){.keymap = keymap};
    buf_init(&out->faults, 1 << 16);
}

void passages_init(struct passages *out, const struct keymap *keymap)
{
    passages_init_empty(out, keymap);
    for (const struct embedded *e = embedded_topics; e->name; e++)
        passages_add_topics(out, e->name, (struct slice){e->bytes, e->n});
    passages_add_tables(out);
    put_else_last(out);
}

void passages_release(struct passages *passages)
{
    mem_free(passages->rows);
    arena_release(&passages->arena);
    buf_release(&passages->faults);
    *passages = (struct passages){0};
}
