/*
 * core_branches.c - what the user does to the tree of messages beside sending: another branch
 * is shown, or one becomes a session of its own. Nothing is ever taken out of the tree.
 */
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/session.h"
#include "router/session_tree.h"

bool core_refuse_while_running(struct core *core, uint64_t t_ns)
{
    if (!core_run_in(core, core->session))
        return false;
    core_notice(core, t_ns, ERR_USAGE, "an answer is running: stop it first");
    return true;
}

bool core_refuse_foreign(struct core *core, uint64_t t_ns)
{
    if (core->session->writer_pid)
        core_notice(core, t_ns, ERR_USAGE,
                "this session is open in another shunt (process %d): /fork goes on in a copy",
                core->session->writer_pid);
    return core->session->writer_pid != 0;
}

void branches_leave(struct core *core, struct message *m)
{
    session_show(core->session, m->id);
    m->left_leaf_id = core->session->leaf_id;
    core->session->leaf_id = m->parent_id;
}

/* A session that another process writes is only looked at: its choice stays its own. */
void branches_show(struct core *core, int64_t id, uint64_t t_ns)
{
    struct session *s = core->session;
    int64_t shown_id = s->leaf_id;
    if (core_refuse_while_running(core, t_ns) || !session_show(s, id) || s->leaf_id == shown_id)
        return;
    if (!s->writer_pid)
        disk_put_messages(core, s, NULL, 0, 0);
}

/* How much of the path a copy takes: up to the message, or all. */
static size_t count_until(struct message *const *path, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (path[i]->id == id)
            return i + 1;
    return n;
}

void branches_fork(struct core *core, int64_t id, uint64_t t_ns)
{
    struct message **path;
    size_t n_path = session_path(core->session, &path), n = count_until(path, n_path, id);
    struct session *copy = session_new(core_new_id(core, t_ns), core_unix_ms(core, t_ns));
    struct message **copies = mem_alloc((n + 1) * sizeof *copies);
    if (core_refuse_while_running(core, t_ns) || n == 0) {
        session_free(copy);
    } else {
        snprintf(copy->title, sizeof copy->title, "%.120s (copy)", core->session->title);
        copy->title[utf8_whole(copy->title, strlen(copy->title))] = '\0';
        memcpy(copy->endpoint, core->session->endpoint, sizeof copy->endpoint);
        buf_add_slice(&copy->system, buf_slice(&core->session->system));
        for (size_t i = 0; i < n; i++)
            copies[i] = session_copy_message(copy, path[i], core_new_id(core, t_ns));
        core_leave_session(core);
        core->session = copy;
        disk_put_messages(core, copy, copies, n, 0);
        disk_remember_shown(core);
        core_notice(core, t_ns, OK,
                "this is a copy%s, the other session stays as it is; D in Sessions removes it",
                n < n_path ? " up to the selected message" : "");
    }
    mem_free(copies);
    mem_free(path);
}
