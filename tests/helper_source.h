/*
 * helper_source.h - the files of the repository as text, and as much of C's grammar as the
 * rules of test_tree.c need.
 */
#ifndef TESTS_HELPER_SOURCE_H
#define TESTS_HELPER_SOURCE_H

#include "engine/base.h"

struct source_file {
    char *path;      /* below SOURCE_DIR */
    struct buf text; /* as it is */
    char *code;      /* of the four layers: see source_code_of; of other files NULL */
};
extern struct source_file source_files[];
extern size_t n_source_files;

void source_read_all(void); /* all but build folders, hidden and binary files */
void source_free_all(void);

/* The text with comments and the inside of literals as spaces, so that lines stay where they
 * are. Freed with mem_free. */
char *source_code_of(const char *text);
void source_drop_directives(char *code); /* preprocessor lines as spaces */
/* "kernels/quant.h" or "<math.h>" of an #include line; of any other line an empty slice. */
struct slice source_included(struct slice line);
/* Takes the next line off *rest and counts it. */
bool source_next_line(struct slice *rest, struct slice *line, int *number);
/* Takes the next run of letters, digits and _ off *rest. */
bool source_next_word(struct slice *rest, struct slice *word);
bool source_is_word(char c);
bool source_matches_any(const char *const *patterns, size_t n, const char *text); /* fnmatch */

#endif
