/*
 * base.c - the status, memory, slices, buffers and clocks of base.h. An arena's blocks double
 * up to 1 MB: small ones cost little, large ones few calls. Nothing here locks; what is shared
 * between threads is the caller's affair.
 */
#include "engine/base.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

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

void slice_to_text(struct slice s, char *out, size_t n_out)
{
    size_t n = utf8_whole(s.ptr, s.n < n_out ? s.n : n_out - 1);
    if (n)
        memcpy(out, s.ptr, n);
    out[n] = '\0';
}

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
