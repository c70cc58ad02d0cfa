/*
 * core_preview.c - what would be decided if the draft were sent now: the same features and the
 * same policy as for the real request, which is why nothing here explains itself. It runs
 * between two keystrokes, so it looks at a bounded part of long texts: of each the beginning
 * and the end, of a long session the newest messages; the tokens of the rest follow from its
 * bytes.
 */
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/session.h"

#define HALF_BYTES     (16u << 10) /* of one text, at each end */
#define SESSION_BYTES  (96u << 10) /* of all texts together */
#define MESSAGES_MAX   64
#define SAMPLE_N_BYTES (2 * HALF_BYTES)

struct sample {
    struct chat_message messages[MESSAGES_MAX]; /* newest first while it is gathered */
    int n;
    size_t n_looked_at, n_bytes; /* of the texts that are kept; of all */
    struct arena arena;
};

/* The beginning and the end of a long text as one; the cut may meet a character, which is one
 * wrong one of thousands. */
static struct slice both_ends(struct arena *arena, struct slice text)
{
    if (text.n <= SAMPLE_N_BYTES)
        return text;
    char *out = arena_alloc(arena, SAMPLE_N_BYTES);
    memcpy(out, text.ptr, HALF_BYTES);
    memcpy(out + HALF_BYTES, text.ptr + text.n - HALF_BYTES, HALF_BYTES);
    return (struct slice){out, SAMPLE_N_BYTES};
}

static void add(struct sample *s, enum message_role role, struct slice text)
{
    if (text.n == 0)
        return;
    s->n_bytes += text.n;
    if (s->n == MESSAGES_MAX || s->n_looked_at >= SESSION_BYTES)
        return;
    struct slice kept = both_ends(&s->arena, text);
    s->n_looked_at += kept.n;
    s->messages[s->n++] = (struct chat_message){role, kept};
}

static void reverse(struct sample *s)
{
    for (int i = 0; i < s->n / 2; i++) {
        struct chat_message swap = s->messages[i];
        s->messages[i] = s->messages[s->n - 1 - i];
        s->messages[s->n - 1 - i] = swap;
    }
}

static struct features features_in_advance(const struct core *core, struct slice text)
{
    const struct session *session = core->session;
    struct sample s = {0};
    struct message **path;
    size_t n = session_path(session, &path);
    add(&s, MSG_USER, text);
    for (size_t i = n; i-- > 0;)
        add(&s, path[i]->role, buf_slice(&path[i]->text));
    add(&s, MSG_SYSTEM, buf_slice(&session->system));
    mem_free(path);
    reverse(&s);
    struct features f = core_features(core, s.messages, s.n, SLICE(""));
    if (s.n_looked_at < s.n_bytes) {
        double n_tok = (double)f.n_input_tok * ((double)s.n_bytes / (double)s.n_looked_at);
        f.n_input_tok = n_tok < 4e9 ? (uint32_t)n_tok : UINT32_MAX / 2;
    }
    arena_release(&s.arena);
    return f;
}

void core_preview(
        const struct core *core, struct slice text, uint64_t now_ns, struct decision *out)
{
    const struct policy_world world = {&core->fleet, core->budget, now_ns};
    struct features f = features_in_advance(core, text);
    f.max_zone = core->max_zone;
    f.only_endpoint = core->use_endpoint;
    policy_decide(out, &f, &world, 0);
}
