/* base.c - see base.h. */
#include "engine/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- status ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool is_retryable;
} statuses[STATUS_COUNT] = {
        [OK] = {"ok", false},
        [ERR_USAGE] = {"usage", false},
        [ERR_CONFIG] = {"config", false},
        [ERR_IO] = {"io", false},
        [ERR_FULL] = {"full", false},
        [ERR_NOMEM] = {"out_of_memory", false},
        [ERR_NOT_FOUND] = {"not_found", false},
        [ERR_FORMAT] = {"format", false},
        [ERR_PROTOCOL] = {"protocol", true},
        [ERR_UNSUPPORTED] = {"unsupported", false},
        [ERR_INVALID] = {"invalid_request", false},
        [ERR_AUTH] = {"auth", false},
        [ERR_DENIED] = {"permission", false},
        [ERR_QUOTA] = {"quota", false},
        [ERR_RATE_LIMIT] = {"rate_limit", true},
        [ERR_OVERLOADED] = {"overloaded", true},
        [ERR_SERVER] = {"server_error", true},
        [ERR_NETWORK] = {"network", true},
        [ERR_TIMEOUT] = {"timeout", true},
        [ERR_CONTEXT] = {"context_length", false},
        [ERR_FILTER] = {"content_filter", false},
        [ERR_CANCELLED] = {"cancelled", false},
};

const char *status_name(enum status status)
{
    return (unsigned)status < STATUS_COUNT ? statuses[status].name : "unknown";
}

bool status_is_retryable(enum status status)
{
    return (unsigned)status < STATUS_COUNT && statuses[status].is_retryable;
}

enum status err_set(struct err *err, enum status status, const char *fmt, ...)
{
    if (!err)
        return status;
    va_list va;
    va_start(va, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, va);
    va_end(va);
    if (n >= (int)sizeof err->text)
        err->text[utf8_whole(err->text, sizeof err->text - 1)] = '\0';
    utf8_make_printable(err->text); /* names of files and words of servers are in it */
    return err->status = status;
}

enum status err_prefix(struct err *err, const char *fmt, ...)
{
    char rest[ERR_TEXT_BYTES];
    memcpy(rest, err->text, sizeof rest);
    va_list va;
    va_start(va, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, va);
    va_end(va);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof err->text ? (size_t)n : sizeof err->text - 1;
    snprintf(err->text + at, sizeof err->text - at, "%s", rest);
    err->text[utf8_whole(err->text, strlen(err->text))] = '\0';
    utf8_make_printable(err->text);
    return err->status;
}

/* ---- memory ----------------------------------------------------------------------------- */

static _Noreturn void out_of_memory(size_t n_bytes)
{
    fprintf(stderr, "shunt: out of memory (%zu bytes refused)\n", n_bytes);
    abort();
}

void *mem_alloc(size_t n_bytes)
{
    void *ptr = calloc(1, n_bytes ? n_bytes : 1);
    if (!ptr)
        out_of_memory(n_bytes);
    return ptr;
}

void *mem_resize(void *ptr, size_t n_bytes)
{
    void *grown = realloc(ptr, n_bytes ? n_bytes : 1);
    if (!grown)
        out_of_memory(n_bytes);
    return grown;
}

void *mem_try(size_t n_bytes)
{
    void *ptr = NULL;
    if (n_bytes > PTRDIFF_MAX - 64 || posix_memalign(&ptr, 64, n_bytes ? n_bytes : 1) != 0)
        return NULL;
    return memset(ptr, 0, n_bytes);
}

void *mem_dup(const void *ptr, size_t n_bytes)
{
    void *copy = mem_alloc(n_bytes);
    if (n_bytes)
        memcpy(copy, ptr, n_bytes);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

void mem_free(void *ptr)
{
    free(ptr);
}

void *mem_map(size_t n_bytes)
{
    void *ptr = mmap(NULL, n_bytes ? n_bytes : 1, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return ptr == MAP_FAILED ? NULL : ptr;
}

void mem_unmap(void *ptr, size_t n_bytes)
{
    if (ptr)
        munmap(ptr, n_bytes ? n_bytes : 1);
}

bool size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

struct arena_block {
    struct arena_block *next;
    size_t n, cap;
    _Alignas(16) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t n_bytes)
{
    size_t n = (n_bytes + 15) & ~(size_t)15;
    if (n < n_bytes)
        out_of_memory(n_bytes);
    struct arena_block *block = arena->head;
    if (!block || block->cap - block->n < n) {
        size_t cap = block ? block->cap * 2 : 1024 - sizeof *block;
        if (cap > 1 << 20)
            cap = 1 << 20;
        if (cap < n)
            cap = n;
        block = mem_alloc(sizeof *block + cap);
        block->cap = cap;
        block->next = arena->head;
        arena->head = block;
    }
    void *ptr = block->bytes + block->n;
    block->n += n;
    arena->n_bytes += n;
    return ptr;
}

char *arena_strndup(struct arena *arena, const char *text, size_t n)
{
    char *copy = arena_alloc(arena, n + 1);
    if (n)
        memcpy(copy, text, n);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list va, again;
    va_start(va, fmt);
    va_copy(again, va);
    int n = vsnprintf(NULL, 0, fmt, va);
    va_end(va);
    char *text = arena_alloc(arena, (size_t)(n > 0 ? n : 0) + 1);
    if (n > 0)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_release(struct arena *arena)
{
    /* The struct arena itself may live in its own first block. */
    struct arena_block *block = arena->head;
    arena->head = NULL;
    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

/* ---- slices ----------------------------------------------------------------------------- */

struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice s)
{
    while (s.n && is_space(s.ptr[0]))
        s.ptr++, s.n--;
    while (s.n && is_space(s.ptr[s.n - 1]))
        s.n--;
    return s;
}

bool slice_eq(struct slice s, const char *text)
{
    return strlen(text) == s.n && (s.n == 0 || memcmp(s.ptr, text, s.n) == 0);
}

bool slice_has_prefix(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && (n == 0 || memcmp(s.ptr, prefix, n) == 0);
}

struct slice slice_cut(struct slice *s, char sep)
{
    struct slice head = *s;
    const char *at = s->n ? memchr(s->ptr, sep, s->n) : NULL;
    if (!at) {
        *s = (struct slice){NULL, 0};
        return head;
    }
    head.n = (size_t)(at - s->ptr);
    s->ptr += head.n + 1;
    s->n -= head.n + 1;
    return head;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
                __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool slice_to_i64(struct slice s, int64_t *out)
{
    bool is_negative = s.n && s.ptr[0] == '-';
    if (is_negative)
        s.ptr++, s.n--;
    uint64_t value;
    if (!slice_to_u64(s, &value) || value > (uint64_t)INT64_MAX)
        return false;
    *out = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* The C locale whatever setlocale said, so that "0.7" never becomes "0,7". */
static locale_t c_locale(void)
{
    static _Thread_local locale_t loc;
    if (!loc)
        loc = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return loc;
}

bool slice_to_double(struct slice s, double *out)
{
    char text[64];
    if (s.n == 0 || s.n >= sizeof text || is_space(s.ptr[0]))
        return false;
    memcpy(text, s.ptr, s.n);
    text[s.n] = '\0';
    if (strpbrk(text, "xXnNpP")) /* hexadecimal, nan, inf: not in our formats */
        return false;
    char *end;
    double value = strtod_l(text, &end, c_locale());
    if (end != text + s.n || !isfinite(value))
        return false;
    *out = value;
    return true;
}

/* ---- buf -------------------------------------------------------------------------------- */

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max_bytes = max_bytes};
}

static bool buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max_bytes || b->n > b->max_bytes - n) {
        b->is_cut = true;
        return false;
    }
    size_t need = b->n + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < need)
        cap = need;
    b->ptr = mem_resize(b->ptr, cap);
    b->cap = cap;
    return true;
}

bool buf_add(struct buf *b, const void *ptr, size_t n)
{
    if (!buf_reserve(b, n))
        return false;
    if (n)
        memcpy(b->ptr + b->n, ptr, n);
    b->n += n;
    b->ptr[b->n] = '\0';
    return true;
}

bool buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_add_slice(struct buf *b, struct slice s)
{
    return buf_add(b, s.ptr, s.n);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list va, again;
    va_start(va, fmt);
    va_copy(again, va);
    int n = vsnprintf(NULL, 0, fmt, va);
    va_end(va);
    bool fits = n >= 0 && buf_reserve(b, (size_t)n);
    if (fits) {
        vsnprintf(b->ptr + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    return fits;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->is_cut = false;
    if (b->ptr)
        b->ptr[0] = '\0';
}

void buf_drop_front(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
    } else {
        memmove(b->ptr, b->ptr + n, b->n - n);
        b->n -= n;
    }
    if (b->ptr)
        b->ptr[b->n] = '\0';
}

const char *buf_text(const struct buf *b)
{
    return b->ptr ? b->ptr : "";
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){buf_text(b), b->n};
}

void buf_release(struct buf *b)
{
    mem_free(b->ptr);
    *b = (struct buf){.max_bytes = b->max_bytes};
}

/* ---- UTF-8 ------------------------------------------------------------------------------ */

/* Bytes a sequence with this first byte has; 0: no sequence starts so. */
static size_t utf8_length(unsigned char c)
{
    return c < 0x80                ? 1
           : c >= 0xC2 && c < 0xE0 ? 2
           : (c & 0xF0) == 0xE0    ? 3
           : c >= 0xF0 && c < 0xF5 ? 4
                                   : 0;
}

/* True when c may follow as byte i of a sequence that starts with `first`. */
static bool utf8_continues(unsigned char first, size_t i, unsigned char c)
{
    if ((c & 0xC0) != 0x80)
        return false;
    if (i != 1)
        return true;
    return !(first == 0xE0 && c < 0xA0) && !(first == 0xED && c > 0x9F) &&
           !(first == 0xF0 && c < 0x90) && !(first == 0xF4 && c > 0x8F);
}

size_t utf8_decode(const char *s, size_t n, uint32_t *code_point)
{
    unsigned char first = (unsigned char)s[0];
    size_t len = utf8_length(first);
    if (len == 1) {
        *code_point = first;
        return 1;
    }
    *code_point = 0xFFFD;
    if (len == 0 || len > n)
        return 1;
    uint32_t cp = first & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!utf8_continues(first, i, c))
            return 1;
        cp = cp << 6 | (c & 0x3F);
    }
    *code_point = cp;
    return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
        cp = 0xFFFD;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xFF) | cp);
    return n;
}

bool utf8_is_hostile(uint32_t cp)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
            {0, 0x08}, {0x0B, 0x1F}, {0x7F, 0x9F}, /* controls */
            {0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}, /* bidi */
            {0x200B, 0x200B}, {0x2060, 0x2064}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, /* unseen */
            {0xE0000, 0xE007F},                                                     /* tags */
            {0xE000, 0xF8FF}, {0xF0000, 0x10FFFF}, /* private use: anything */
            {0x2028, 0x2029},                      /* line ends */
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return true;
    return false;
}

void utf8_make_printable(char *text)
{
    size_t n_text = strlen(text), n;
    for (size_t i = 0; i < n_text; i += n) {
        uint32_t cp;
        n = utf8_decode(text + i, n_text - i, &cp);
        if (cp < 0x20 || utf8_is_hostile(cp) || (cp == 0xFFFD && n == 1))
            memset(text + i, ' ', n);
    }
}

size_t utf8_whole(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        if (utf8_length(c) <= back)
            return n;
        for (size_t i = 1; i < back; i++)
            if (!utf8_continues(c, i, (unsigned char)s[n - back + i]))
                return n;
        return n - back;
    }
    return n;
}

/* ---- files ------------------------------------------------------------------------------ */

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

const char *size_text(uint64_t n_bytes, char out[SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double value = (double)n_bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_LEN(units))
        value /= 1000, unit++;
    bool has_tenth = unit && value < (unit < 3 ? 9.95 : 99.95);
    snprintf(out, SIZE_TEXT_BYTES, "%.*f %s", has_tenth, value, units[unit]);
    return out;
}

/* ---- clocks and chance ------------------------------------------------------------------ */

uint64_t clock_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t clock_unix_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double rng_uniform(uint64_t *state)
{
    return (double)(rng_next(state) >> 11) * 0x1.0p-53;
}
