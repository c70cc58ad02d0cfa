/* gguf_keys.c - typed look-ups of metadata: the other half of gguf.h. What a value lies in was
 * checked when the file was opened. */
#include <math.h>
#include <string.h>

#include "engine/gguf_internal.h"

const unsigned char gguf_type_bytes[GGUF_TYPE_COUNT] = {[GGUF_U8] = 1,
        [GGUF_I8] = 1,
        [GGUF_U16] = 2,
        [GGUF_I16] = 2,
        [GGUF_U32] = 4,
        [GGUF_I32] = 4,
        [GGUF_F32] = 4,
        [GGUF_BOOL] = 1,
        [GGUF_U64] = 8,
        [GGUF_I64] = 8,
        [GGUF_F64] = 8};

static const struct entry *find_entry(const struct gguf *g, const char *key)
{
    size_t n = strlen(key);
    for (uint64_t i = 0; i < g->n_entries; i++)
        if (g->entries[i].key.n == n && memcmp(g->entries[i].key.ptr, key, n) == 0)
            return &g->entries[i];
    return NULL;
}

bool gguf_has(const struct gguf *g, const char *key)
{
    return find_entry(g, key) != NULL;
}

static enum status missing(const struct gguf *g, const char *key, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "%s has no key %s", g->path, key);
}

static enum status wrong(
        const struct gguf *g, const char *key, const char *wanted, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: key %s is not %s", g->path, key, wanted);
}

static double number_at(enum gguf_type type, const unsigned char *bytes)
{
    uint64_t bits = gguf_read_le(bytes, gguf_type_bytes[type]);
    switch (type) {
    case GGUF_I8:
        return (int8_t)bits;
    case GGUF_I16:
        return (int16_t)bits;
    case GGUF_I32:
        return (int32_t)bits;
    case GGUF_I64:
        return (double)(int64_t)bits;
    case GGUF_F32: {
        uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        return value;
    }
    case GGUF_F64: {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    default:
        return (double)bits;
    }
}

double gguf_array_number(const struct gguf_array *array, uint64_t i)
{
    return number_at(array->type, array->data + i * gguf_type_bytes[array->type]);
}

enum status gguf_get_u32(const struct gguf *g, const char *key, uint32_t *out, struct err *err)
{
    const struct entry *entry = find_entry(g, key);
    if (!entry)
        return missing(g, key, err);
    if (entry->type == GGUF_STRING || entry->type == GGUF_ARRAY || entry->type == GGUF_F32 ||
            entry->type == GGUF_F64 || entry->type == GGUF_BOOL)
        return wrong(g, key, "a whole number", err);
    double value = number_at(entry->type, entry->value);
    if (!(value >= 0 && value <= UINT32_MAX))
        return wrong(g, key, "a number from 0 to 4294967295", err);
    *out = (uint32_t)value;
    return OK;
}

enum status gguf_get_f32(const struct gguf *g, const char *key, float *out, struct err *err)
{
    const struct entry *entry = find_entry(g, key);
    if (!entry)
        return missing(g, key, err);
    if (entry->type != GGUF_F32 && entry->type != GGUF_F64)
        return wrong(g, key, "a floating-point number", err);
    double value = number_at(entry->type, entry->value);
    if (!isfinite(value))
        return wrong(g, key, "a finite number", err);
    *out = (float)value;
    return OK;
}

enum status gguf_get_bool(const struct gguf *g, const char *key, bool *out, struct err *err)
{
    const struct entry *entry = find_entry(g, key);
    if (!entry)
        return missing(g, key, err);
    if (entry->type != GGUF_BOOL)
        return wrong(g, key, "true or false", err);
    *out = entry->value[0];
    return OK;
}

enum status gguf_get_str(
        const struct gguf *g, const char *key, struct slice *out, struct err *err)
{
    const struct entry *entry = find_entry(g, key);
    if (!entry)
        return missing(g, key, err);
    if (entry->type != GGUF_STRING)
        return wrong(g, key, "a string", err);
    const unsigned char *at = entry->value;
    *out = gguf_next_string(&at);
    return OK;
}

enum status gguf_get_array(
        const struct gguf *g, const char *key, struct gguf_array *out, struct err *err)
{
    const struct entry *entry = find_entry(g, key);
    if (!entry)
        return missing(g, key, err);
    if (entry->type != GGUF_ARRAY)
        return wrong(g, key, "an array", err);
    *out = entry->array;
    return OK;
}

struct slice gguf_next_string(const unsigned char **at)
{
    uint64_t n = gguf_read_le(*at, 8);
    struct slice s = {(const char *)*at + 8, n};
    *at += 8 + n;
    return s;
}
