/*
 * file_list.h - the names below a folder, read a little at a time: a folder with a hundred
 * thousand files or a slow disk costs many short looks instead of one long one. Folders below a
 * relative one are gone through as well, level by level; those under a symbolic link and hidden
 * ones are not.
 */
#ifndef TUI_FILE_LIST_H
#define TUI_FILE_LIST_H

#include "engine/base.h"

#define FILE_LIST_MAX 20000 /* names; what lies behind them is not found */

struct file_list {
    struct arena arena;
    char **names; /* below the folder, sorted by nothing; a folder's ends with a slash */
    size_t n, cap;
    size_t i_next; /* folders among names from here on are still to be read */
    char *root;    /* "" is the working directory, else it ends with a slash; NULL: closed */
    bool is_deep, has_hidden, is_done;
    void *dir;    /* being read */
    char *prefix; /* of the names in it */
};

/* Begins anew with another folder: "", "src/", "~/", "/etc/". Hidden names are taken only from
 * that folder itself. */
void file_list_open(struct file_list *list, const char *root, bool has_hidden);
/* Reads on until n_ns have passed. True: there are more names than before. */
bool file_list_read(struct file_list *list, uint64_t n_ns);
void file_list_close(struct file_list *list);

#endif
