/*
 * json.h - the one wrapper of cJSON: reading is null-safe look-ups on a parsed tree, writing
 * goes straight into a buf with correct escaping.
 */
#ifndef ENGINE_JSON_H
#define ENGINE_JSON_H

#include "engine/base.h"

struct json; /* a parsed value; look-ups return borrowed children */

/* Whole text must be one value; depth is limited. NULL on malformed input. Free with json_free.
 */
struct json *json_parse(struct slice text);
void json_free(struct json *root);
/* Look-ups accept NULL and return NULL (or the default) when the member is missing or of
 * another type. */
const struct json *json_get(const struct json *v, const char *member);
const struct json *json_at(const struct json *v, size_t i);
size_t json_count(const struct json *v);             /* of an array or object */
const struct json *json_first(const struct json *v); /* child, then json_next */
const struct json *json_next(const struct json *v);
const char *json_name(const struct json *v); /* member name inside an object */
const char *json_text(const struct json *v); /* string value or NULL */
const char *json_get_text(const struct json *v, const char *member);
bool json_number(const struct json *v, double *out) MUST_USE;
bool json_get_number(const struct json *v, const char *member, double *out) MUST_USE;
bool json_get_u32(const struct json *v, const char *member, uint32_t *out) MUST_USE;
bool json_is_true(const struct json *v);
bool json_is_null(const struct json *v); /* NULL or a JSON null */
bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
void json_print(const struct json *v, struct buf *out); /* compact text of a value */

/* Writing. A string is quoted and escaped; malformed UTF-8 becomes U+FFFD,
 * and what could steer a terminal stands in escapes. */
void json_add_string(struct buf *out, struct slice text);
/* ,"NAME":VALUE of an object, without the comma where it is the first. What is below 0, or
 * NULL, is not known: null. */
void json_add_member_number(struct buf *out, const char *name, double value);
void json_add_member_text(struct buf *out, const char *name, const char *text);
/* Shortest text that reads back as the same float / double; NaN and infinities become null. */
void json_add_float(struct buf *out, float value);
void json_add_double(struct buf *out, double value);

#endif
