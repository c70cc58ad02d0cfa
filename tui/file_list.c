/* file_list.c - see file_list.h. */
#include "tui/file_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tui/config.h"

#define LOOK_AT_CLOCK 32 /* entries between two looks */

void file_list_close(struct file_list *list)
{
    if (list->dir)
        closedir(list->dir);
    mem_free(list->names);
    mem_free(list->root);
    arena_release(&list->arena);
    *list = (struct file_list){0};
}

/* The folder root + prefix; one that cannot be read is passed over, and so is a link below the
 * root: links make circles. */
static void open_dir(struct file_list *list, const char *prefix)
{
    char *root = config_expand_home(list->root[0] ? list->root : "./");
    struct arena paths = {0};
    char *path = arena_printf(&paths, "%s%s", root, prefix);
    size_t n = strlen(path);
    if (prefix[0])
        path[n - 1] = '\0'; /* with its slash a link would be followed */
    int fd = open(path,
            O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | (prefix[0] ? O_NOFOLLOW : 0));
    list->dir = fd >= 0 ? fdopendir(fd) : NULL;
    list->prefix = arena_strdup(&list->arena, prefix);
    arena_release(&paths);
    mem_free(root);
}

void file_list_open(struct file_list *list, const char *root, bool has_hidden)
{
    file_list_close(list);
    list->root = mem_strdup(root);
    list->has_hidden = has_hidden;
    list->is_deep = root[0] != '/' && root[0] != '~' && !strstr(root, "..");
    open_dir(list, "");
}

/* A name that would steer a terminal, or that nobody can type, is not offered. */
static bool is_offered(const struct file_list *list, const char *name)
{
    size_t n = strlen(name);
    bool is_dot = name[0] == '.';
    if (is_dot && (!list->has_hidden || list->prefix[0] || strcmp(name, ".") == 0 ||
                          strcmp(name, "..") == 0))
        return false;
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t cp;
        used = utf8_decode(name + at, n - at, &cp);
        if (cp == '\n' || cp == '\t' || cp == 0xFFFD || utf8_is_hostile(cp))
            return false;
    }
    return true;
}

static bool is_folder(const struct file_list *list, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(list->dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static void add(struct file_list *list, const struct dirent *entry)
{
    if (list->n == list->cap)
        list->names = mem_resize(list->names,
                (list->cap = list->cap ? list->cap * 2 : 256) * sizeof *list->names);
    list->names[list->n++] = arena_printf(&list->arena, "%s%s%s", list->prefix, entry->d_name,
            is_folder(list, entry) ? "/" : "");
}

/* The next folder whose names are wanted. False: there is none. */
static bool open_next(struct file_list *list)
{
    while (list->is_deep && list->i_next < list->n && !list->dir) {
        const char *name = list->names[list->i_next++];
        size_t n = strlen(name);
        if (n > 0 && name[n - 1] == '/')
            open_dir(list, name);
    }
    return list->dir != NULL;
}

bool file_list_read(struct file_list *list, uint64_t n_ns)
{
    uint64_t until_ns = clock_now_ns() + n_ns;
    size_t n_before = list->n;
    for (int i = 1; list->root && !list->is_done; i++) {
        const struct dirent *entry = list->dir ? readdir(list->dir) : NULL;
        if (entry && is_offered(list, entry->d_name))
            add(list, entry);
        if (!entry && list->dir) {
            closedir(list->dir);
            list->dir = NULL;
        }
        list->is_done = (!entry && !open_next(list)) || list->n == FILE_LIST_MAX;
        if (i % LOOK_AT_CLOCK == 0 && clock_now_ns() >= until_ns)
            break;
    }
    return list->n > n_before;
}
