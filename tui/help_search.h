/*
 * help_search.h - finds the passages of the help that a question is about: a full text index
 * in memory, made at the first question. A question is only words to it, whatever it says.
 */
#ifndef TUI_HELP_SEARCH_H
#define TUI_HELP_SEARCH_H

#include "tui/passages.h"

#define HELP_FOUND_MAX 3

struct help_search;

/* The keymap, whose keys the passages name, must live as long. */
struct help_search *help_search_new(const struct keymap *keymap);
/* The same with other passages, which become its own. */
struct help_search *help_search_new_of(struct passages *passages);
void help_search_free(struct help_search *search);
const struct passages *help_search_passages(struct help_search *search);
/* Whether a question is about this program, without much doubt: it names it, or all of its
 * words, two at least, stand in some form in one passage. So is a short question that goes on
 * ("and …") with one that is. */
bool help_search_is_about(
        struct help_search *search, const char *question, const char *previous);
/* The passages that fit best, best first; returns how many. A short question, or one that
 * begins as if it went on ("and …"), is also about what the question before it was about
 * (previous, or NULL). PASSAGE_ELSE is never found. */
size_t help_search(struct help_search *search, const char *question, const char *previous,
        const struct passage *out[HELP_FOUND_MAX]);

#endif
