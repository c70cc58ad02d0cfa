/*
 * gguf.h - a mapped GGUF v2/v3 file: metadata and the tensor directory, every count, length and
 * offset checked before use (format: the public GGUF specification; block sizes: quant.def).
 * The mapping is read-only and shared; slices and data pointers live as long as the struct
 * gguf.
 */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include "engine/base.h"

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
};

struct gguf_tensor {
    struct slice name;
    uint32_t n_dims;
    uint64_t dims[4]; /* first is contiguous; unused ones are 1 */
    int quant;        /* enum quant of kernels/quant.h */
    const void *data;
    uint64_t n_bytes;
};

struct gguf;

/* ERR_UNSUPPORTED for a tensor type that quant.def does not know. With `keys_only` tensor infos
 * and data are not read (vocabulary-only use). A built-in model (builtin.h) is opened by its
 * name.
 */
enum status gguf_open(
        struct gguf **out, const char *path, bool keys_only, struct err *err) MUST_USE;
void gguf_close(struct gguf *gguf);
const char *gguf_path(const struct gguf *gguf);
uint64_t gguf_file_bytes(const struct gguf *gguf);
/* Brings bytes [from, from + n) of the file into memory, as far as it reaches; both are whole
 * pages. */
void gguf_touch(const struct gguf *gguf, uint64_t from, uint64_t n);
uint64_t gguf_n_tensors(const struct gguf *gguf);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *gguf, uint64_t i);
const struct gguf_tensor *gguf_find_tensor(
        const struct gguf *gguf, const char *name); /* or NULL */

bool gguf_has(const struct gguf *gguf, const char *key);
/* Typed look-ups. Missing key: ERR_NOT_FOUND; wrong type or out of range: ERR_FORMAT; both with
 * a sentence that names the file and the key. Integers of any width convert when the value
 * fits. */
enum status gguf_get_u32(
        const struct gguf *g, const char *key, uint32_t *out, struct err *err) MUST_USE;
enum status gguf_get_f32(
        const struct gguf *g, const char *key, float *out, struct err *err) MUST_USE;
enum status gguf_get_bool(
        const struct gguf *g, const char *key, bool *out, struct err *err) MUST_USE;
enum status gguf_get_str(
        const struct gguf *g, const char *key, struct slice *out, struct err *err) MUST_USE;

struct gguf_array {
    enum gguf_type type;
    uint64_t n;
    const unsigned char *data; /* checked to lie inside the file */
};
enum status gguf_get_array(const struct gguf *g, const char *key, struct gguf_array *out,
        struct err *err) MUST_USE;
/* Walks a string array once, in order: returns the next string and advances *at (start with
 * array.data). */
struct slice gguf_next_string(const unsigned char **at);
/* Element i of a numeric array as a double. */
double gguf_array_number(const struct gguf_array *array, uint64_t i);

#endif
