/* pilot_help.c - see pilot_help.h. */
#include "tui/pilot_help.h"

#include "tui/help_search.h"

void pilot_help_add_passages(
        struct help_search *search, const char *question, const char *previous, struct buf *out)
{
    const struct passage *found[HELP_FOUND_MAX];
    const struct passage *other = passages_find(help_search_passages(search), PASSAGE_ELSE);
    size_t n = help_search(search, question, previous, found);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%s: %s", i ? "\n" : "", found[i]->title, found[i]->text);
    if (other)
        buf_printf(out, "%s%s: %s", n ? "\n" : "", other->title, other->text);
}

static bool is_about(void *user, const char *question, const char *previous)
{
    return help_search_is_about(user, question, previous);
}

static void add_passages(
        void *user, const char *question, const char *previous, struct buf *out)
{
    pilot_help_add_passages(user, question, previous, out);
}

void pilot_help_init(struct pilot_help *out, const struct keymap *keymap)
{
    out->search = help_search_new(keymap);
    out->source = (struct help_source){
            .user = out->search, .is_about = is_about, .add_passages = add_passages};
}

void pilot_help_release(struct pilot_help *help)
{
    help_search_free(help->search);
    *help = (struct pilot_help){0};
}
