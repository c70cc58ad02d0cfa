/*
 * file_word.h - `@path` in a message: where such words stand, which path they mean and how a
 * path is written as one. A word begins with @ at the start of the text or behind white space
 * or an opening bracket; a path with blanks or quotes is written @"a b.txt" with \" and \\.
 */
#ifndef TUI_FILE_WORD_H
#define TUI_FILE_WORD_H

#include "engine/base.h"

#define FILE_WORD_MAX 4096

struct file_word {
    size_t begin, end;        /* in the text, @ and quotes included */
    bool is_quoted, is_open;  /* open: its closing quote is missing */
    char path[FILE_WORD_MAX]; /* without @, quotes and escapes; "": @ alone */
};

/* The first word at or behind `at`. False: none. One that is longer than FILE_WORD_MAX is none.
 */
bool file_word_next(struct slice text, size_t at, struct file_word *out);
/* The word that the cursor stands in or directly behind. */
bool file_word_at(struct slice text, size_t cursor, struct file_word *out);
/* Writes the path as a word; a folder's stays open for what is in it. */
void file_word_write(struct buf *out, const char *path, bool is_open);

#endif
