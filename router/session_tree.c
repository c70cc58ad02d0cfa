/*
 * session_tree.c - see session_tree.h. A message names its parent; who its children are is
 * found by one sort of all messages, so nothing has to be kept up to date while a session
 * grows.
 */
#include "router/session_tree.h"

#include <string.h>

#include "router/session.h"

struct siblings session_siblings(const struct session *s, const struct message *m)
{
    struct siblings out;
    struct message *path[] = {(struct message *)(uintptr_t)m};
    session_path_siblings(s, path, 1, &out);
    return out;
}

/* The place in the path of the message below `parent_id`, or n: ids grow along a path, and
 * where damage made that untrue a message counts as standing alone. */
static size_t find_child(struct message *const *path, size_t n, int64_t parent_id)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (path[middle]->parent_id < parent_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && path[low]->parent_id == parent_id ? low : n;
}

void session_path_siblings(
        const struct session *s, struct message *const *path, size_t n, struct siblings *out)
{
    memset(out, 0, n * sizeof *out);
    for (size_t k = 0; k < s->n_messages; k++) {
        const struct message *m = s->messages[k];
        size_t i = find_child(path, n, m->parent_id);
        if (i == n)
            continue;
        if (m->id < path[i]->id) {
            out[i].before_id = m->id;
            out[i].i++;
        } else if (m->id > path[i]->id && !out[i].after_id) {
            out[i].after_id = m->id;
        }
        out[i].n++;
    }
}

/* Children come behind their parents, so one walk finds all that is below; the last of them is
 * the newest. */
static int64_t newest_below(const struct session *s, int64_t id)
{
    bool *is_below = mem_alloc(s->n_messages + 1);
    int64_t newest_id = id;
    for (size_t i = 0; i < s->n_messages; i++) {
        const struct message *m = s->messages[i];
        is_below[i] = m->id == id || is_below[session_index(s, m->parent_id)];
        newest_id = is_below[i] ? m->id : newest_id;
    }
    mem_free(is_below);
    return newest_id;
}

bool session_show(struct session *s, int64_t id)
{
    struct message **path, *m = session_find(s, id);
    size_t n = session_path(s, &path);
    bool is_shown = false;
    for (size_t i = 0; i < n && m; i++) {
        is_shown |= path[i] == m;
        if (path[i]->parent_id == m->parent_id && path[i] != m)
            path[i]->left_leaf_id = s->leaf_id;
    }
    mem_free(path);
    if (m && !is_shown)
        s->leaf_id = m->left_leaf_id ? m->left_leaf_id : newest_below(s, id);
    return m != NULL;
}

/* Children by the place of their parent in the session; place n_messages: the roots'. */
struct family {
    const struct session *s;
    size_t *first_child, *next; /* SIZE_MAX: none */
    bool *is_shown;
};

static void read_family(struct family *f, const struct session *s)
{
    size_t n = s->n_messages;
    struct message **path;
    f->s = s;
    f->first_child = mem_alloc((n + 1) * sizeof *f->first_child);
    f->next = mem_alloc((n + 1) * sizeof *f->next);
    f->is_shown = mem_alloc(n + 1);
    memset(f->first_child, 0xFF, (n + 1) * sizeof *f->first_child);
    for (size_t i = n; i-- > 0;) {
        size_t parent = session_index(s, s->messages[i]->parent_id);
        f->next[i] = f->first_child[parent];
        f->first_child[parent] = i;
    }
    size_t n_path = session_path(s, &path);
    for (size_t i = 0; i < n_path; i++)
        f->is_shown[session_index(s, path[i]->id)] = true;
    mem_free(path);
}

static void release_family(struct family *f)
{
    mem_free(f->first_child);
    mem_free(f->next);
    mem_free(f->is_shown);
}

/* From message i on; *i becomes the last one. */
static struct branch follow(const struct family *f, size_t *i, int depth)
{
    struct branch b = {
            .first = f->s->messages[*i], .depth = depth, .is_shown = f->is_shown[*i]};
    size_t child;
    for (b.n_messages = 1;
            (child = f->first_child[*i]) != SIZE_MAX && f->next[child] == SIZE_MAX;
            b.n_messages++)
        *i = child;
    b.last = f->s->messages[*i];
    return b;
}

struct waiting {
    size_t i;
    int depth;
};

/* On top of the stack, the oldest uppermost. */
static size_t push_children(
        const struct family *f, size_t parent, int depth, struct waiting *stack, size_t n)
{
    size_t first = n;
    for (size_t i = f->first_child[parent]; i != SIZE_MAX; i = f->next[i])
        stack[n++] = (struct waiting){i, depth};
    for (size_t low = first, high = n; low + 1 < high; low++) {
        struct waiting swap = stack[low];
        stack[low] = stack[--high];
        stack[high] = swap;
    }
    return n;
}

size_t session_branches(const struct session *s, struct branch **out)
{
    struct family f;
    struct branch *branches = mem_alloc((s->n_messages + 1) * sizeof *branches);
    struct waiting *stack = mem_alloc((s->n_messages + 1) * sizeof *stack);
    size_t n = 0;
    read_family(&f, s);
    for (size_t n_stack = push_children(&f, s->n_messages, 0, stack, 0); n_stack;) {
        struct waiting w = stack[--n_stack];
        branches[n++] = follow(&f, &w.i, w.depth);
        n_stack = push_children(&f, w.i, w.depth + 1, stack, n_stack);
    }
    release_family(&f);
    mem_free(stack);
    *out = branches;
    return n;
}
