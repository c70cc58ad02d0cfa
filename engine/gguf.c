/*
 * gguf.c - see gguf.h. A cursor walks the mapped bytes; whatever it takes is checked against
 * the end first. What the file only claims is paid in memory before it is read: there the
 * limits below hold too, for a file may be long and hold nothing.
 */
#include "engine/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/quant.h"

#include "engine/builtin.h"
#include "engine/gguf_internal.h"

#define KEY_MAX_BYTES    65535
#define TENSOR_MAX_BYTES 256 /* of a name */
#define PAGE_BYTES       4096
#define KEYS_MAX         65536
#define TENSORS_MAX      (1u << 17) /* each expert of each layer on its own: below 10^5 */

struct cursor {
    const struct gguf *gguf;
    size_t at;
    struct err *err;
};

static enum status cut(const struct cursor *c, const char *what)
{
    return err_set(c->err, ERR_FORMAT,
            "%s is cut off: download it again (it ends in the middle of %s, at byte %zu of %zu)",
            c->gguf->path, what, c->at, c->gguf->n_bytes);
}

static enum status take(
        struct cursor *c, uint64_t n, const char *what, const unsigned char **out)
{
    if (n > c->gguf->n_bytes - c->at)
        return cut(c, what);
    *out = c->gguf->bytes + c->at;
    c->at += n;
    return OK;
}

static enum status take_u32(struct cursor *c, const char *what, uint32_t *out)
{
    const unsigned char *bytes;
    enum status status = take(c, 4, what, &bytes);
    if (status == OK)
        *out = (uint32_t)gguf_read_le(bytes, 4);
    return status;
}

static enum status take_u64(struct cursor *c, const char *what, uint64_t *out)
{
    const unsigned char *bytes;
    enum status status = take(c, 8, what, &bytes);
    if (status == OK)
        *out = gguf_read_le(bytes, 8);
    return status;
}

static enum status take_string(struct cursor *c, const char *what, struct slice *out)
{
    uint64_t n;
    const unsigned char *bytes;
    enum status status = take_u64(c, what, &n);
    if (status == OK)
        status = take(c, n, what, &bytes);
    if (status == OK)
        *out = (struct slice){(const char *)bytes, n};
    return status;
}

static enum status take_array(struct cursor *c, struct entry *entry, const char *what)
{
    uint32_t type;
    uint64_t n;
    const unsigned char *bytes;
    enum status status = take_u32(c, what, &type);
    if (status == OK)
        status = take_u64(c, what, &n);
    if (status != OK)
        return status;
    if (type >= GGUF_TYPE_COUNT || type == GGUF_ARRAY)
        return err_set(c->err, ERR_FORMAT,
                "%s: key %.*s is an array of type %u, which GGUF does not have", c->gguf->path,
                (int)entry->key.n, entry->key.ptr, type);
    entry->array = (struct gguf_array){(enum gguf_type)type, n, c->gguf->bytes + c->at};
    if (type != GGUF_STRING) {
        if (n > SIZE_MAX / 8)
            return cut(c, what);
        return take(c, n * gguf_type_bytes[type], what, &bytes);
    }
    for (uint64_t i = 0; i < n;
            i++) { /* each takes 8 bytes at least: n is bounded by the file */
        struct slice string;
        if ((status = take_string(c, what, &string)) != OK)
            return status;
    }
    return OK;
}

static enum status take_entry(struct cursor *c, struct entry *entry)
{
    uint32_t type;
    enum status status = take_string(c, "a key", &entry->key);
    if (status == OK && (entry->key.n == 0 || entry->key.n > KEY_MAX_BYTES))
        return err_set(c->err, ERR_FORMAT, "%s: a key of %zu bytes at byte %zu is not valid",
                c->gguf->path, entry->key.n, c->at);
    if (status == OK)
        status = take_u32(c, "a value's type", &type);
    if (status != OK)
        return status;
    if (type >= GGUF_TYPE_COUNT)
        return err_set(c->err, ERR_FORMAT, "%s: key %.*s has type %u, which GGUF does not have",
                c->gguf->path, (int)entry->key.n, entry->key.ptr, type);
    entry->type = (enum gguf_type)type;
    char what[128];
    snprintf(what, sizeof what, "the value of %.*s",
            (int)(entry->key.n < 100 ? entry->key.n : 100), entry->key.ptr);
    if (type == GGUF_ARRAY)
        return take_array(c, entry, what);
    entry->value = c->gguf->bytes + c->at;
    if (type == GGUF_STRING) {
        struct slice string;
        return take_string(c, what, &string);
    }
    status = take(c, gguf_type_bytes[type], what, &entry->value);
    if (status == OK && type == GGUF_BOOL && entry->value[0] > 1)
        return err_set(c->err, ERR_FORMAT, "%s: key %.*s is %u, neither true nor false",
                c->gguf->path, (int)entry->key.n, entry->key.ptr, entry->value[0]);
    return status;
}

static enum status take_header(struct cursor *c, struct gguf *g)
{
    const unsigned char *magic;
    uint32_t version = 0;
    enum status status = take(c, 4, "the magic number", &magic);
    if (status != OK)
        return status;
    if (memcmp(magic, "GGUF", 4) != 0)
        return err_set(c->err, ERR_FORMAT,
                "%s is not a GGUF file (it does not begin with \"GGUF\")", g->path);
    status = take_u32(c, "the version", &version);
    if (status == OK && version != 2 && version != 3)
        return version >> 24 && !(version & 0xFFFFFF)
                       ? err_set(c->err, ERR_UNSUPPORTED,
                                 "%s is a big-endian GGUF file; a little-endian one is needed",
                                 g->path)
                       : err_set(c->err, ERR_UNSUPPORTED,
                                 "%s has GGUF version %u; versions 2 and 3 can be read",
                                 g->path, version);
    if (status == OK)
        status = take_u64(c, "the tensor count", &g->n_tensors);
    if (status == OK)
        status = take_u64(c, "the key count", &g->n_entries);
    /* The smallest key takes 13 bytes, the smallest tensor info 28. */
    if (status == OK && (g->n_entries > g->n_bytes / 13 || g->n_tensors > g->n_bytes / 28))
        return err_set(c->err, ERR_FORMAT,
                "%s claims %llu keys and %llu tensors, more than its %zu bytes can hold",
                g->path, (unsigned long long)g->n_entries, (unsigned long long)g->n_tensors,
                g->n_bytes);
    if (status == OK && (g->n_entries > KEYS_MAX || g->n_tensors > TENSORS_MAX))
        return err_set(c->err, ERR_FORMAT,
                "%s claims %llu keys and %llu tensors; at most %u and %u are read", g->path,
                (unsigned long long)g->n_entries, (unsigned long long)g->n_tensors, KEYS_MAX,
                TENSORS_MAX);
    return status;
}

static enum status bad_tensor(
        const struct cursor *c, const struct gguf_tensor *t, const char *why)
{
    return err_set(c->err, ERR_FORMAT, "%s: tensor %.*s %s", c->gguf->path, (int)t->name.n,
            t->name.ptr, why);
}

/* Dimensions, type and size; offset is checked when the data section's start is known. */
static enum status take_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t *offset)
{
    uint32_t file_type = 0;
    enum status status = take_string(c, "a tensor's name", &t->name);
    if (status == OK)
        status = take_u32(c, "a tensor", &t->n_dims);
    if (status != OK)
        return status;
    if (t->name.n == 0 || t->name.n > TENSOR_MAX_BYTES)
        return err_set(c->err, ERR_FORMAT,
                "%s: a tensor's name has %zu bytes; 1 to %d are valid", c->gguf->path,
                t->name.n, TENSOR_MAX_BYTES);
    if (t->n_dims < 1 || t->n_dims > 4)
        return bad_tensor(c, t, "has not 1 to 4 dimensions");
    size_t n_values = 1;
    for (uint32_t i = 0; i < 4; i++) {
        t->dims[i] = 1;
        if (i < t->n_dims && (status = take_u64(c, "a tensor", &t->dims[i])) != OK)
            return status;
        if (t->dims[i] == 0 || t->dims[i] > INT64_MAX ||
                !size_mul(n_values, t->dims[i], &n_values))
            return bad_tensor(c, t, "has a dimension that is 0 or too large");
    }
    if ((status = take_u32(c, "a tensor", &file_type)) != OK ||
            (status = take_u64(c, "a tensor", offset)) != OK)
        return status;
    t->quant = quant_find(file_type);
    if (t->quant < 0)
        return err_set(c->err, ERR_UNSUPPORTED,
                "%s: tensor %.*s has type %u, which this program cannot read; use a file in "
                "BF16, F16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0",
                c->gguf->path, (int)t->name.n, t->name.ptr, file_type);
    const struct quant_traits *traits = &quant_traits[t->quant];
    if (t->dims[0] % traits->block_elems)
        return bad_tensor(c, t, "has rows that are no multiple of its type's block");
    size_t n_bytes;
    if (!size_mul(n_values / traits->block_elems, traits->block_bytes, &n_bytes))
        return bad_tensor(c, t, "is too large");
    t->n_bytes = n_bytes;
    return OK;
}

static enum status take_alignment(struct cursor *c, uint32_t *out)
{
    *out = 32;
    if (!gguf_has(c->gguf, "general.alignment"))
        return OK;
    enum status status = gguf_get_u32(c->gguf, "general.alignment", out, c->err);
    if (status == OK && (*out < 8 || *out & (*out - 1) || *out > 1 << 20))
        return err_set(c->err, ERR_FORMAT,
                "%s: general.alignment is %u; a power of two from 8 to 1048576 is valid",
                c->gguf->path, *out);
    return status;
}

static enum status place_tensors(struct cursor *c, struct gguf *g, const uint64_t *offsets)
{
    uint32_t alignment;
    enum status status = take_alignment(c, &alignment);
    if (status != OK)
        return status;
    uint64_t start = ((uint64_t)c->at + alignment - 1) / alignment * alignment, end = 0;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        struct gguf_tensor *t = &g->tensors[i];
        if (offsets[i] % alignment)
            return bad_tensor(c, t, "begins at an offset that breaks the file's alignment");
        /* Every writer stores tensors in the order of their list; shared bytes would let a
         * small file claim any amount of weights. */
        if (offsets[i] < end)
            return bad_tensor(c, t, "overlaps the tensor before it");
        if (start > g->n_bytes || offsets[i] > g->n_bytes - start ||
                t->n_bytes > g->n_bytes - start - offsets[i])
            return err_set(c->err, ERR_FORMAT,
                    "%s is cut off: download it again (tensor %.*s lies beyond its end)",
                    g->path, (int)t->name.n, t->name.ptr);
        t->data = g->bytes + start + offsets[i];
        end = offsets[i] + t->n_bytes;
    }
    return OK;
}

static int compare_names(struct slice a, struct slice b)
{
    int order = memcmp(a.ptr, b.ptr, a.n < b.n ? a.n : b.n);
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* Heap sort of the index by name: no recursion and no worst case on hostile names. */
static void sort_index(struct gguf *g)
{
    uint32_t n = (uint32_t)g->n_tensors;
    for (uint32_t i = 0; i < n; i++)
        g->index[i] = i;
    for (uint32_t top = n / 2, end = n; end > 1;) {
        if (top > 0) {
            top--;
        } else {
            uint32_t swap = g->index[--end];
            g->index[end] = g->index[0];
            g->index[0] = swap;
        }
        uint32_t value = g->index[top], at = top;
        for (uint32_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && compare_names(g->tensors[g->index[child]].name,
                                           g->tensors[g->index[child + 1]].name) < 0)
                child++;
            if (compare_names(g->tensors[g->index[child]].name, g->tensors[value].name) <= 0)
                break;
            g->index[at] = g->index[child];
        }
        g->index[at] = value;
    }
}

static enum status check_duplicates(struct cursor *c, const struct gguf *g)
{
    for (uint64_t i = 1; i < g->n_tensors; i++) {
        const struct gguf_tensor *t = &g->tensors[g->index[i]];
        if (compare_names(g->tensors[g->index[i - 1]].name, t->name) == 0)
            return bad_tensor(c, t, "stands twice in the file");
    }
    return OK;
}

static enum status read_tensors(struct cursor *c, struct gguf *g)
{
    g->tensors = mem_try((g->n_tensors + 1) * sizeof *g->tensors);
    g->index = mem_try((g->n_tensors + 1) * sizeof *g->index);
    uint64_t *offsets = mem_try((g->n_tensors + 1) * sizeof *offsets);
    enum status status =
            g->tensors && g->index && offsets
                    ? OK
                    : err_set(c->err, ERR_NOMEM, "%s: no memory for its directory", g->path);
    for (uint64_t i = 0; i < g->n_tensors && status == OK; i++)
        status = take_tensor(c, &g->tensors[i], &offsets[i]);
    if (status == OK)
        status = place_tensors(c, g, offsets);
    mem_free(offsets);
    if (status != OK)
        return status;
    sort_index(g);
    return check_duplicates(c, g);
}

static enum status parse(struct gguf *g, bool keys_only, struct err *err)
{
    struct cursor c = {g, 0, err};
    enum status status = take_header(&c, g);
    if (status != OK)
        return status;
    uint64_t n_entries = g->n_entries;
    g->n_entries = 0; /* counts what was read, so that find() never looks further */
    g->entries = mem_try((n_entries + 1) * sizeof *g->entries);
    if (!g->entries)
        return err_set(err, ERR_NOMEM, "%s: no memory for its %llu keys", g->path,
                (unsigned long long)n_entries);
    for (uint64_t i = 0; i < n_entries && status == OK; i++) {
        status = take_entry(&c, &g->entries[i]);
        g->n_entries += status == OK;
    }
    if (status == OK && !keys_only)
        status = read_tensors(&c, g);
    return status;
}

static enum status map_file(struct gguf *g, struct err *err)
{
    int fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would be waited for */
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                "cannot open model %s: %s", g->path, strerror(errno));
    struct stat st;
    enum status status = OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status =
                err_set(err, ERR_IO, "cannot read model %s: it is not a regular file", g->path);
    else if (st.st_size == 0)
        status = err_set(err, ERR_FORMAT, "%s is empty; download it again", g->path);
    if (status == OK) {
        g->n_bytes = (size_t)st.st_size;
        void *map = mmap(NULL, g->n_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            status = err_set(err, ERR_IO, "cannot map model %s: %s", g->path, strerror(errno));
        else
            g->bytes = map;
        g->is_mapped = g->bytes != NULL;
    }
    close(fd);
    return status;
}

/* A model that is part of the program is in memory already. */
static enum status find_bytes(struct gguf *g, const char *path, struct err *err)
{
    struct slice bytes;
    bool is_builtin = builtin_find(path, &bytes);
    g->path = mem_strdup(is_builtin ? builtin_name(path) : path);
    if (!is_builtin)
        return map_file(g, err);
    g->bytes = (const unsigned char *)bytes.ptr;
    g->n_bytes = bytes.n;
    return OK;
}

enum status gguf_open(struct gguf **out, const char *path, bool keys_only, struct err *err)
{
    struct gguf *g = mem_alloc(sizeof *g);
    enum status status = find_bytes(g, path, err);
    if (status == OK)
        status = parse(g, keys_only, err);
    if (status != OK) {
        gguf_close(g);
        return status;
    }
    *out = g;
    return OK;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    if (g->is_mapped)
        munmap((void *)(uintptr_t)g->bytes, g->n_bytes);
    mem_free(g->entries);
    mem_free(g->tensors);
    mem_free(g->index);
    mem_free(g->path);
    mem_free(g);
}

const char *gguf_path(const struct gguf *g)
{
    return g->path;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->n_bytes;
}

/* What follows is asked for first: the disk works while these bytes are looked at. */
void gguf_touch(const struct gguf *g, uint64_t from, uint64_t n)
{
    uint64_t end = from + n < g->n_bytes ? from + n : g->n_bytes;
    uint64_t ahead = end + n < g->n_bytes ? n : g->n_bytes - end;
    unsigned sum = 0;
    if (ahead)
        madvise((void *)(uintptr_t)(g->bytes + end), ahead, MADV_WILLNEED);
    for (uint64_t at = from; at < end; at += PAGE_BYTES)
        sum += *(const volatile unsigned char *)(g->bytes + at);
    (void)sum;
}

uint64_t gguf_n_tensors(const struct gguf *g)
{
    return g->tensors ? g->n_tensors : 0;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, uint64_t i)
{
    return &g->tensors[i];
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
    struct slice wanted = slice_of(name);
    for (uint64_t low = 0, high = gguf_n_tensors(g); low < high;) {
        uint64_t middle = (low + high) / 2;
        const struct gguf_tensor *t = &g->tensors[g->index[middle]];
        int order = compare_names(wanted, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
