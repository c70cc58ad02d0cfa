/*
 * base.h - the only header that every layer above the kernels shares: status and error text,
 * memory (the one place that calls malloc), arenas, bounded growing buffers, slices, UTF-8,
 * clocks and a small random generator. No state, safe from every thread.
 *
 * Small allocations that fail end the program with a message; what can be large (weights, KV
 * cache, blobs from a file) is asked for with mem_try and answered with ERR_NOMEM.
 */
#ifndef ENGINE_BASE_H
#define ENGINE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE        __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define ARRAY_LEN(a)    (sizeof(a) / sizeof((a)[0]))

/* ---- status: one code per reaction of the caller, not per cause ------------------------- */

enum status {
    OK = 0,
    ERR_USAGE,     /* the command line or a field a person typed is wrong */
    ERR_CONFIG,    /* a configuration file is wrong */
    ERR_IO,        /* a file or device failed */
    ERR_FULL,      /* no space left: keep the data and try again */
    ERR_NOMEM,     /* a large allocation was refused */
    ERR_NOT_FOUND, /* no such file, model, endpoint, session */
    ERR_FORMAT,    /* the bytes of a file do not follow their format */
    ERR_PROTOCOL,  /* a server does not follow its protocol: another attempt may get through */
    ERR_UNSUPPORTED, /* valid, but this program cannot do it */
    ERR_INVALID,     /* the server says the request is malformed */
    ERR_AUTH,        /* missing or refused key */
    ERR_DENIED,      /* a zone, budget, permission or newer schema forbids it */
    ERR_QUOTA,       /* the account is out of money or quota */
    ERR_RATE_LIMIT,  /* too many requests: wait, or go elsewhere */
    ERR_OVERLOADED,  /* the server is full: wait, or go elsewhere */
    ERR_SERVER,      /* the server failed */
    ERR_NETWORK,     /* cannot connect, or cut in the middle */
    ERR_TIMEOUT,     /* too late */
    ERR_CONTEXT,     /* the prompt does not fit */
    ERR_FILTER,      /* a content filter refused */
    ERR_CANCELLED,   /* the user stopped it */
    STATUS_COUNT
};

#define ERR_TEXT_BYTES 512

struct err {
    enum status status;
    char text[ERR_TEXT_BYTES]; /* one sentence: what, where, what to do; printable unchanged */
};

/* Stores the code and the formatted sentence (cut at a code point) and returns the code. err
 * may be NULL. */
enum status err_set(struct err *err, enum status status, const char *fmt, ...) PRINTF(3, 4);
/* Puts a formatted prefix before the text that is already there. */
enum status err_prefix(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* "rate_limit", "network", …: the class names of `ask --json`. Never NULL. */
const char *status_name(enum status status);
/* True when the same request may succeed later or elsewhere, unchanged. */
bool status_is_retryable(enum status status);

/* ---- memory ----------------------------------------------------------------------------- */

void *mem_alloc(size_t n_bytes);                /* zeroed; never NULL: ends the program */
void *mem_resize(void *ptr, size_t n_bytes);    /* never NULL */
void *mem_try(size_t n_bytes);                  /* zeroed, 64-byte aligned; NULL if refused */
void *mem_dup(const void *ptr, size_t n_bytes); /* never NULL */
char *mem_strdup(const char *text);             /* never NULL */
void mem_free(void *ptr);                       /* of any of the above; NULL is fine */
void *mem_map(size_t n_bytes);                  /* zeroed pages that cost nothing until they are
                                                   written; NULL if refused */
void mem_unmap(void *ptr, size_t n_bytes);
bool size_mul(size_t a, size_t b, size_t *out) MUST_USE; /* false on overflow */
bool size_add(size_t a, size_t b, size_t *out) MUST_USE;

/* Arena: allocations that die together. Zero-initialised is valid and empty. One owner. None of
 * its functions returns NULL. */
struct arena {
    struct arena_block *head;
};
void *arena_alloc(struct arena *arena, size_t n_bytes); /* zeroed, 16-byte aligned */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t n);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF(2, 3);
void arena_release(struct arena *arena);

/* ---- slices: borrowed text, not terminated ---------------------------------------------- */

struct slice {
    const char *ptr;
    size_t n;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *text); /* NULL gives an empty slice */
/* As much as fits, cut behind a whole character, terminated. */
void slice_to_text(struct slice s, char *out, size_t n_out);
struct slice slice_trim(struct slice s); /* white space at both ends */
bool slice_eq(struct slice s, const char *text);
bool slice_has_prefix(struct slice s, const char *prefix);
/* Cuts s at the first `sep`: returns what is before it and leaves what is after it in *s;
 * without `sep` returns all and leaves *s empty with ptr NULL. */
struct slice slice_cut(struct slice *s, char sep);
bool slice_to_u64(struct slice s, uint64_t *out) MUST_USE; /* decimal, whole slice */
bool slice_to_i64(struct slice s, int64_t *out) MUST_USE;
bool slice_to_double(struct slice s, double *out) MUST_USE; /* finite, locale independent */

/* ---- buf: growing bytes with a maximum, always followed by a NUL ------------------------- */

struct buf {
    char *ptr; /* NULL only while nothing was ever added: use buf_text for a C string */
    size_t n, cap, max_bytes;
    bool is_cut; /* something did not fit under max_bytes and was dropped */
};
void buf_init(struct buf *b, size_t max_bytes);
bool buf_add(struct buf *b, const void *ptr, size_t n); /* false: cut (all or nothing) */
bool buf_add_text(struct buf *b, const char *text);
bool buf_add_slice(struct buf *b, struct slice s);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_clear(struct buf *b); /* empty, keeps the memory */
void buf_drop_front(struct buf *b, size_t n);
const char *buf_text(const struct buf *b); /* terminated, "" when empty */
struct slice buf_slice(const struct buf *b);
void buf_release(struct buf *b);

/* ---- UTF-8 ------------------------------------------------------------------------------ */

/* Decodes one code point at s (n > 0 bytes left) and returns the bytes used; malformed input
 * uses 1 byte and gives U+FFFD. Follows the Unicode maximal-subpart practice loosely: never
 * reads past n, never returns 0. */
size_t utf8_decode(const char *s, size_t n, uint32_t *code_point);
/* Writes cp to out (at most 4 bytes) and returns the number of bytes; surrogates and values
 * above U+10FFFF become U+FFFD. */
size_t utf8_encode(uint32_t cp, char out[4]);
/* Longest prefix of s that does not end inside a multi-byte sequence that could still be
 * completed. Malformed bytes count as complete. */
size_t utf8_whole(const char *s, size_t n);
/* C0 but TAB and LF, DEL, C1, bidirectional controls, invisible letters, U+2028 and U+2029:
 * what steers a terminal, or makes text read differently from what it is. */
bool utf8_is_hostile(uint32_t cp);
/* Makes one line of it that a terminal can take: what is hostile, malformed or a line break
 * becomes a space. */
void utf8_make_printable(char *text);

/* ---- files ------------------------------------------------------------------------------ */

/* Reads a whole file of at most max_bytes into b (initialised by the callee); of a pipe what
 * its writer sends. A pipe that nobody writes to is an error: it is not waited for. */
enum status file_read(
        struct buf *b, const char *path, size_t max_bytes, struct err *err) MUST_USE;
/* Replaces the file that path names (through symlinks) by the bytes: temporary file beside it,
 * fsync, rename; keeps the old file's mode, else uses `mode`. */
enum status file_write(
        const char *path, const void *ptr, size_t n, unsigned mode, struct err *err) MUST_USE;
/* Creates the directory and its parents, mode 0700. */
enum status dir_make(const char *path, struct err *err) MUST_USE;
/* What is behind its last slash. */
const char *path_name(const char *path);
/* Which file a path leads to, also through links. */
struct file_id {
    uint64_t device, inode; /* 0, 0: there is none */
};
struct file_id file_id_of(const char *path);
bool file_id_is_among(
        const struct file_id *ids, size_t n, struct file_id id); /* none never is */
/* When it was changed last, for comparisons; 0: it is not there. */
int64_t file_changed_ns(const char *path);
/* Files of dir whose names end in suffix, sorted; paths in the arena. No such folder: none. */
size_t dir_list(const char *dir, const char *suffix, struct arena *arena, char ***out);
#define SIZE_TEXT_BYTES 16
/* "98 MB", "18.6 GB": powers of 1000, as file managers and disks count; returns out. */
const char *size_text(uint64_t n_bytes, char out[SIZE_TEXT_BYTES]);

/* ---- clocks and chance ------------------------------------------------------------------ */

uint64_t clock_now_ns(void);         /* CLOCK_MONOTONIC */
int64_t clock_unix_ms(void);         /* CLOCK_REALTIME */
uint64_t rng_next(uint64_t *state);  /* splitmix64 (Steele, Lea, Flood 2014) */
double rng_uniform(uint64_t *state); /* [0, 1) */

#endif
