/* json.c - see json.h. A struct json is a cJSON item under another name. */
#include "engine/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const cJSON *item(const struct json *v)
{
    return (const cJSON *)v;
}

struct json *json_parse(struct slice text)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text.ptr, text.n, &end, false);
    if (!root)
        return NULL;
    struct slice rest = {end, text.n - (size_t)(end - text.ptr)};
    if (slice_trim(rest).n != 0) {
        cJSON_Delete(root);
        return NULL;
    }
    return (struct json *)root;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

const struct json *json_get(const struct json *v, const char *member)
{
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(item(v), member);
}

const struct json *json_at(const struct json *v, size_t i)
{
    const struct json *child = json_first(v);
    while (child && i--)
        child = json_next(child);
    return child;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;
    for (const struct json *child = json_first(v); child; child = json_next(child))
        n++;
    return n;
}

const struct json *json_first(const struct json *v)
{
    return v ? (const struct json *)item(v)->child : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v ? (const struct json *)item(v)->next : NULL;
}

const char *json_name(const struct json *v)
{
    return v ? item(v)->string : NULL;
}

const char *json_text(const struct json *v)
{
    return cJSON_IsString(item(v)) ? item(v)->valuestring : NULL;
}

const char *json_get_text(const struct json *v, const char *member)
{
    return json_text(json_get(v, member));
}

bool json_number(const struct json *v, double *out)
{
    if (!cJSON_IsNumber(item(v)))
        return false;
    *out = item(v)->valuedouble;
    return true;
}

bool json_get_number(const struct json *v, const char *member, double *out)
{
    return json_number(json_get(v, member), out);
}

bool json_get_u32(const struct json *v, const char *member, uint32_t *out)
{
    double value;
    if (!json_get_number(v, member, &value) || !(value >= 0 && value < UINT32_MAX))
        return false;
    *out = (uint32_t)value;
    return true;
}

bool json_is_true(const struct json *v)
{
    return cJSON_IsTrue(item(v));
}

bool json_is_null(const struct json *v)
{
    return !v || cJSON_IsNull(item(v));
}

bool json_is_object(const struct json *v)
{
    return cJSON_IsObject(item(v));
}

bool json_is_array(const struct json *v)
{
    return cJSON_IsArray(item(v));
}

void json_print(const struct json *v, struct buf *out)
{
    char *text = cJSON_PrintUnformatted(item(v));
    if (text)
        buf_add_text(out, text);
    cJSON_free(text);
}

static void add_escape(struct buf *out, uint32_t cp)
{
    if (cp < 0x10000)
        buf_printf(out, "\\u%04x", cp);
    else /* a pair of surrogates */
        buf_printf(out, "\\u%04x\\u%04x", 0xD7C0 + (cp >> 10), 0xDC00 + (cp & 0x3FF));
}

void json_add_string(struct buf *out, struct slice text)
{
    buf_add(out, "\"", 1);
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.ptr[i];
        uint32_t cp;
        char utf8[4];
        if (c >= 0x80) {
            i += utf8_decode(text.ptr + i, text.n - i, &cp);
            if (utf8_is_hostile(cp))
                add_escape(out, cp);
            else
                buf_add(out, utf8, utf8_encode(cp, utf8));
            continue;
        }
        i++;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add(out, "\\n", 2);
        else if (c == '\t')
            buf_add(out, "\\t", 2);
        else if (c == '\r')
            buf_add(out, "\\r", 2);
        else if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\u%04x", c);
        else
            buf_add(out, &c, 1);
    }
    buf_add(out, "\"", 1);
}

/* Tries growing precision until the text reads back as the same value. */
static void add_shortest(
        struct buf *out, double value, int min_digits, int max_digits, bool is_float)
{
    char text[40];
    for (int digits = min_digits; digits <= max_digits; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        char *comma = strchr(text, ',');
        if (comma)
            *comma = '.';
        double back;
        if (slice_to_double(slice_of(text), &back) &&
                (is_float ? (float)back == (float)value : back == value))
            break;
    }
    buf_add_text(out, text);
}

void json_add_float(struct buf *out, float value)
{
    if (isfinite(value))
        add_shortest(out, value, 6, 9, true);
    else
        buf_add_text(out, "null");
}

void json_add_double(struct buf *out, double value)
{
    if (isfinite(value))
        add_shortest(out, value, 15, 17, false);
    else
        buf_add_text(out, "null");
}

static void add_name(struct buf *out, const char *name)
{
    bool is_first = out->n && out->ptr[out->n - 1] == '{';
    buf_printf(out, "%s\"%s\":", is_first ? "" : ",", name);
}

void json_add_member_number(struct buf *out, const char *name, double value)
{
    add_name(out, name);
    json_add_double(out, value < 0 ? NAN : value);
}

void json_add_member_text(struct buf *out, const char *name, const char *text)
{
    add_name(out, name);
    if (text)
        json_add_string(out, slice_of(text));
    else
        buf_add_text(out, "null");
}
