/* file_choices.c - see file_choices.h. The folder is read while nothing else is to be done. */
#include "tui/file_choices.h"

#include <string.h>
#include <sys/stat.h>

#include "tui/choice_list.h"
#include "tui/config.h"
#include "tui/editor.h"
#include "tui/file_word.h"

#define READ_NS   1500000 /* of a folder between two looks at the keyboard */
#define SHOWN_MAX 200     /* choices that can be walked to: whoever wants more types on */

void file_choices_close(struct file_choices *c)
{
    file_list_close(&c->list);
    mem_free(c->folder);
    mem_free(c->pattern);
    mem_free(c->hits);
    *c = (struct file_choices){0};
}

static bool is_folder(const char *path)
{
    struct stat st;
    char *real = config_expand_home(path);
    bool is = stat(real, &st) == 0 && S_ISDIR(st.st_mode);
    mem_free(real);
    return is;
}

/* The part up to the last slash names a folder, else all of it is sought below this one. */
static size_t folder_bytes(const char *path)
{
    char folder[FILE_WORD_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    memcpy(folder, path, n);
    folder[n] = '\0';
    return n > 0 && is_folder(folder) ? n : 0;
}

static void look_at(struct file_choices *c, size_t i)
{
    const char *name = c->list.names[i];
    int score = c->pattern[0] ? fuzzy_score(slice_of(c->pattern), slice_of(name)) : 0;
    if (score == FUZZY_NONE)
        return;
    for (const char *s = c->pattern[0] ? "" : name; *s; s++)
        score -= s[0] == '/' && s[1]; /* nothing typed: what is near comes first */
    if (c->n_hits == c->cap_hits)
        c->hits = mem_resize(
                c->hits, (c->cap_hits = c->cap_hits ? c->cap_hits * 2 : 256) * sizeof *c->hits);
    c->hits[c->n_hits++] = (struct fuzzy_hit){(int)i, score, name};
}

static void match(struct file_choices *c)
{
    for (; c->n_looked_at < c->list.n; c->n_looked_at++)
        look_at(c, c->n_looked_at);
    fuzzy_sort(c->hits, c->n_hits);
}

static void take_word(struct file_choices *c, const char *path)
{
    size_t n = folder_bytes(path);
    char *folder = mem_dup(path, n + 1);
    folder[n] = '\0';
    bool wants_hidden = path[n] == '.';
    if (!c->folder || strcmp(c->folder, folder) != 0 || wants_hidden != c->list.has_hidden) {
        file_list_open(&c->list, folder, wants_hidden);
        mem_free(c->folder);
        c->folder = mem_strdup(folder);
    }
    mem_free(folder);
    mem_free(c->pattern);
    c->pattern = mem_strdup(path + n);
    c->n_hits = c->n_looked_at = 0;
    file_list_read(&c->list, READ_NS);
    match(c);
}

void file_choices_restart(struct file_choices *c, const struct editor *editor)
{
    struct file_word word;
    if (!file_word_at(buf_slice(&editor->text), editor->cursor, &word)) {
        file_choices_close(c);
        return;
    }
    c->is_open = true;
    c->is_walked = false;
    c->selected = c->top = 0;
    take_word(c, word.path);
}

bool file_choices_read(struct file_choices *c)
{
    if (!c->is_open || c->list.is_done)
        return false;
    if (file_list_read(&c->list, READ_NS) && !c->is_walked)
        match(c);
    return !c->list.is_done;
}

static int n_shown(const struct file_choices *c)
{
    return c->n_hits < SHOWN_MAX ? (int)c->n_hits : SHOWN_MAX;
}

bool file_choices_are_shown(const struct file_choices *c)
{
    return c->is_open && c->n_hits > 0;
}

static void walk(struct file_choices *c, int by)
{
    c->selected = (c->selected + by + n_shown(c)) % n_shown(c);
    c->is_walked = true;
}

/* False: it stood there already. */
static bool accept(struct file_choices *c, struct editor *editor)
{
    struct file_word word;
    struct buf path, text;
    const char *name = c->list.names[c->hits[c->selected].i];
    bool opens = name[strlen(name) - 1] == '/';
    if (!file_word_at(buf_slice(&editor->text), editor->cursor, &word))
        return false;
    buf_init(&path, FILE_WORD_MAX);
    buf_init(&text, 3 * FILE_WORD_MAX);
    buf_printf(&path, "%s%s", c->folder, name);
    bool is_new = strcmp(buf_text(&path), word.path) != 0 || word.is_open;
    file_word_write(&text, buf_text(&path), opens);
    buf_add_text(&text, opens ? "" : " ");
    if (is_new && !path.is_cut)
        editor_replace(editor, word.begin, word.end, buf_slice(&text));
    buf_release(&path);
    buf_release(&text);
    if (is_new)
        file_choices_restart(c, editor);
    return is_new;
}

bool file_choices_run(struct file_choices *c, struct editor *editor, enum command command)
{
    if (!file_choices_are_shown(c))
        return false;
    switch (command) {
    case CMD_LINE_UP:
    case CMD_COMPLETE_BACK:
        walk(c, -1);
        return true;
    case CMD_LINE_DOWN:
        walk(c, 1);
        return true;
    case CMD_COMPLETE:
        if (!accept(c, editor))
            walk(c, 1);
        return true;
    case CMD_SEND:
        return accept(c, editor);
    case CMD_STOP:
        file_choices_close(c);
        return true;
    default:
        return false;
    }
}

void file_choices_draw(struct file_choices *c, struct surface *out, int bottom)
{
    struct choice rows[SHOWN_MAX];
    if (!file_choices_are_shown(c))
        return;
    for (int i = 0; i < n_shown(c); i++)
        rows[i] = (struct choice){.name = c->list.names[c->hits[i].i], .help = ""};
    choice_list_draw(&(struct choice_list){rows, n_shown(c), c->selected, c->folder}, &c->top,
            out, bottom);
}
