/*
 * passages.h - the help as a list of short texts that each answer one question: the topics of
 * man/topics and a sentence about every row of the program's tables. Keys in them are those of
 * one keymap.
 *
 * A topic is `# TITLE`, lines `? WAY TO ASK | ANOTHER`, and the text, in which {key COMMAND}
 * and {key CONTEXT/COMMAND} stand for keys.
 */
#ifndef TUI_PASSAGES_H
#define TUI_PASSAGES_H

#include "engine/base.h"

#include "tui/commands.h"

struct keymap;

struct passage {
    const char *title; /* unique */
    const char *ask;   /* how people ask for it, joined by " | "; "" for the one below */
    const char *text;
    const char *template; /* the text before its keys were put in */
    bool is_row;          /* of a table, not written for this */
    bool is_pilots;       /* what the pilot says of itself: true only where there is one */
};

#define PILOTS_TOPICS "pilot.txt" /* the file of those */
/* The title of what is said to questions about anything but this program: last in the list. */
#define PASSAGE_ELSE "anything else"

struct passages {
    struct passage *rows;
    size_t n, cap;
    const struct keymap *keymap;
    struct arena arena;
    struct buf faults; /* of the topics' files, a line each; tests see to it that it is empty */
};

/* All of them. The keymap must live as long. */
void passages_init(struct passages *out, const struct keymap *keymap);
/* None yet. */
void passages_init_empty(struct passages *out, const struct keymap *keymap);
void passages_release(struct passages *passages);
/* The topics of one file, whose name is for faults. */
void passages_add_topics(struct passages *passages, const char *name, struct slice file);
/* A sentence about every row of the tables: passage_tables.c. */
void passages_add_tables(struct passages *passages);
/* One passage; the strings are copied, and placeholders get their keys. Says whether it is in
 * order; else there is a fault. */
bool passages_add(
        struct passages *passages, const char *title, const char *ask, const char *template);
const struct passage *passages_find(
        const struct passages *passages, const char *title); /* or NULL */
/* The keys of a command in exactly this context, the user's before the default ones; or NULL.
 */
const char *passage_keys_in(
        const struct keymap *keymap, enum context context, enum command command);

#endif
