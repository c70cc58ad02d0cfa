/* base_file.c - the files of base.h: read whole up to a limit, written whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base.h"

static enum status errno_status(int e)
{
    return e == ENOENT || e == ENOTDIR  ? ERR_NOT_FOUND
           : e == ENOSPC || e == EDQUOT ? ERR_FULL
                                        : ERR_IO;
}

enum status file_read(struct buf *b, const char *path, size_t max_bytes, struct err *err)
{
    buf_init(b, max_bytes);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe's writer may be missing */
    if (fd < 0)
        return err_set(err, errno_status(errno), "cannot open %s: %s", path, strerror(errno));
    struct stat st = {0};
    fstat(fd, &st);
    fcntl(fd, F_SETFL, 0);
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_IO, "cannot read %s: it is a directory", path);
    }
    char chunk[65536];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || !buf_add(b, chunk, (size_t)n)) {
            int e = errno;
            close(fd);
            buf_release(b);
            return n < 0 ? err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(e))
                         : err_set(err, ERR_IO, "%s is larger than the %zu bytes that are read",
                                   path, max_bytes);
        }
    }
    close(fd);
    if (S_ISFIFO(st.st_mode) && b->n == 0)
        return err_set(err, ERR_IO, "cannot read %s: it is a pipe that nobody writes to", path);
    return OK;
}

static bool write_all(int fd, const char *ptr, size_t n)
{
    while (n) {
        ssize_t done = write(fd, ptr, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        ptr += done;
        n -= (size_t)done;
    }
    return true;
}

enum status file_write(
        const char *path, const void *ptr, size_t n, unsigned mode, struct err *err)
{
    char real[PATH_MAX], temp[PATH_MAX + 16];
    if (!realpath(path, real))
        snprintf(real, sizeof real, "%s", path);
    struct stat st;
    if (stat(real, &st) == 0)
        mode = st.st_mode & 07777;
    snprintf(temp, sizeof temp, "%s.XXXXXX", real);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno_status(errno), "cannot write %s: %s", path, strerror(errno));
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, ptr, n) && fsync(fd) == 0;
    int e = errno;
    ok = close(fd) == 0 && ok;
    if (ok && rename(temp, real) == 0)
        return OK;
    if (ok)
        e = errno;
    unlink(temp);
    return err_set(err, errno_status(e), "cannot write %s: %s", path, strerror(e));
}

enum status dir_make(const char *path, struct err *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_set(err, ERR_IO, "cannot create %s: the path is too long", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_set(err, errno_status(errno), "cannot create directory %s: %s", part,
                    strerror(errno));
        if (!kept)
            break;
        *p = kept;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "cannot use %s: it is not a directory", path);
    return OK;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct file_id file_id_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (struct file_id){st.st_dev, st.st_ino} : (struct file_id){0};
}

int64_t file_changed_ns(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec
                                : 0;
}

bool file_id_is_among(const struct file_id *ids, size_t n, struct file_id id)
{
    for (size_t i = 0; i < n && id.inode; i++)
        if (ids[i].device == id.device && ids[i].inode == id.inode)
            return true;
    return false;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t dir_list(const char *dir, const char *suffix, struct arena *arena, char ***out)
{
    size_t n_suffix = strlen(suffix);
    *out = NULL;
    DIR *d = opendir(dir);
    if (!d)
        return 0;
    size_t n = 0, cap = 0;
    char **paths = NULL;
    for (const struct dirent *entry; (entry = readdir(d));) {
        size_t len = strlen(entry->d_name);
        if (len <= n_suffix || strcmp(entry->d_name + len - n_suffix, suffix) != 0)
            continue;
        if (n == cap)
            paths = mem_resize(paths, (cap = cap ? cap * 2 : 8) * sizeof *paths);
        paths[n++] = arena_printf(arena, "%s/%s", dir, entry->d_name);
    }
    closedir(d);
    if (n)
        qsort(paths, n, sizeof *paths, compare_paths);
    *out = arena_alloc(arena, (n + 1) * sizeof **out);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = paths[i];
    mem_free(paths);
    return n;
}
