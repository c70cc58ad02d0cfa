/*
 * endpoint.c - see endpoint.h. What is wrong in a section disables that endpoint and says so;
 * nothing is guessed.
 */
#include "router/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/builtin.h"

#include "router/conf.h"
#include "router/endpoint_limits.h"
#include "router/prices.h"
#include "router/secret.h"
#include "router/wire.h"

const struct provider providers[PROVIDER_COUNT] = {
#define PROVIDER(id, ...) [PROVIDER_##id] = {__VA_ARGS__},
#include "router/providers.def"
#undef PROVIDER
};

const char *const provider_names[PROVIDER_COUNT] = {
#define PROVIDER(id, name, ...) [PROVIDER_##id] = name,
#include "router/providers.def"
#undef PROVIDER
};

enum value_kind {
    VALUE_TEXT,
    VALUE_COUNT,
    VALUE_MS,
    VALUE_BOOL,
    VALUE_ZONE,
    VALUE_PRICE,
    VALUE_TIER,
    VALUE_SLOTS
};

#define TYPE_TEXT  const char *
#define TYPE_COUNT uint32_t
#define TYPE_MS    uint32_t
#define TYPE_BOOL  bool
#define TYPE_ZONE  enum zone
#define TYPE_PRICE double
#define TYPE_TIER  int
#define TYPE_SLOTS uint32_t

/* A row whose member has another type does not compile. */
#define KEY(name, kind, member, ...)                                                           \
    _Static_assert(                                                                            \
            _Generic(((struct endpoint_conf *)0)->member, TYPE_##kind : 1, default : 0),       \
            name);
#include "router/endpoint_keys.def"

static const struct {
    const char *name, *fallback;
    enum value_kind kind;
    size_t offset;
} fields[] = {
#define KEY(name, kind, member, fallback, help)                                                \
    {name, fallback, VALUE_##kind, offsetof(struct endpoint_conf, member)},
#include "router/endpoint_keys.def"
};

/* Keys that functions of their own read, or that belong to kinds of endpoint and are no mistake
 * on others. */
static const char *const other_keys[] = {
#define OWN_KEY(name, ...) name,
#include "router/endpoint_keys.def"
        "region", "project", "deployment", "api_version", "service_account", "access_key_env",
        "secret_key_env", "session_token_env"};

/* Kinds that the configuration format knows and this version cannot reach yet. */
static const char *const later_kinds[] = {"openai_responses", "azure", "gemini", "vertex",
        "vertex_anthropic", "bedrock", "sglang", "trtllm", "triton", "ollama", "litellm",
        "openrouter", "deepseek", "mistral", "groq", "together"};

_Static_assert(ENDPOINT_SLOTS_MAX == 64, "what_is_valid says so");

static const char *what_is_valid(enum value_kind kind)
{
    static const char *const texts[] = {
            [VALUE_TEXT] = "a text",
            [VALUE_COUNT] = "a whole number",
            [VALUE_MS] = "a duration such as 500ms, 10s or 2m",
            [VALUE_BOOL] = "yes or no",
            [VALUE_ZONE] = "local, lab, region or external",
            [VALUE_PRICE] = "a price in dollars per million tokens",
            [VALUE_TIER] = "1 to 5",
            [VALUE_SLOTS] = "1 to 64",
    };
    return texts[kind];
}

static bool set_field(struct arena *arena, struct endpoint_conf *e, size_t i, const char *text)
{
    void *at = (char *)e + fields[i].offset;
    uint64_t n;
    switch (fields[i].kind) {
    case VALUE_TEXT:
        *(const char **)at = arena_strdup(arena, text);
        return text[0] != '\0';
    case VALUE_COUNT:
        if (!slice_to_u64(slice_of(text), &n) || n > UINT32_MAX)
            return false;
        *(uint32_t *)at = (uint32_t)n;
        return true;
    case VALUE_MS:
        if (!conf_parse_duration_ms(text, &n) || n > UINT32_MAX)
            return false;
        *(uint32_t *)at = (uint32_t)n;
        return true;
    case VALUE_BOOL:
        return conf_parse_bool(text, at);
    case VALUE_ZONE:
        return zone_parse(text, at);
    case VALUE_PRICE:
        return slice_to_double(slice_of(text), at) && *(double *)at >= 0 && *(double *)at < 1e6;
    case VALUE_TIER:
        if (!slice_to_u64(slice_of(text), &n) || n < 1 || n > 5)
            return false;
        *(int *)at = (int)n;
        return true;
    case VALUE_SLOTS:
        if (!slice_to_u64(slice_of(text), &n) || n < 1 || n > ENDPOINT_SLOTS_MAX)
            return false;
        *(uint32_t *)at = (uint32_t)n;
        return true;
    }
    return false;
}

const char *endpoint_need(const char *key, const char *value)
{
    struct arena arena = {0};
    struct endpoint_conf trial = {0};
    const char *need = NULL;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(key, fields[i].name) == 0 && !set_field(&arena, &trial, i, value))
            need = what_is_valid(fields[i].kind);
    arena_release(&arena);
    return need;
}

static bool has_no_url(const struct endpoint_conf *e)
{
    return e->kind != PROVIDER_LOCAL && !e->url && !providers[e->kind].url;
}

static bool has_odd_url(const struct endpoint_conf *e)
{
    return e->url && strncmp(e->url, "http://", 7) != 0 && strncmp(e->url, "https://", 8) != 0;
}

static bool has_no_file(const struct endpoint_conf *e)
{
    return e->kind == PROVIDER_LOCAL && !e->model;
}

static bool has_no_model(const struct endpoint_conf *e)
{
    return e->kind != PROVIDER_LOCAL && !e->model;
}

/* Half a price is none. */
static bool has_price_in_alone(const struct endpoint_conf *e)
{
    return e->kind != PROVIDER_LOCAL && e->usd_per_mtok_in >= 0 && e->usd_per_mtok_out < 0;
}

static bool has_price_out_alone(const struct endpoint_conf *e)
{
    return e->kind != PROVIDER_LOCAL && e->usd_per_mtok_in < 0 && e->usd_per_mtok_out >= 0;
}

#define HALF_A_PRICE(there, missing)                                                           \
    "has " there " without " missing ", so its price counts as unknown"

/* What no single key shows. */
static const struct {
    bool (*is_so)(const struct endpoint_conf *e);
    const char *key, *what, *need;
    bool is_mild; /* it works all the same */
} faults[] = {
        {has_no_url, "url", "has no url", "http://HOST:PORT/v1"},
        {has_odd_url, "url", "has a url of an unknown kind",
                "http://\xE2\x80\xA6 or https://\xE2\x80\xA6"},
        {has_no_file, "model", "names no model", "/path/to/model.gguf"},
        {has_no_model, "model", "names no model", "the name of a model"},
        {has_price_in_alone, "price_out_usd", HALF_A_PRICE("price_in_usd", "price_out_usd"),
                "dollars per million tokens", true},
        {has_price_out_alone, "price_in_usd", HALF_A_PRICE("price_out_usd", "price_in_usd"),
                "dollars per million tokens", true},
};

const char *endpoint_lacks(const struct endpoint_conf *conf, const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        if (strcmp(faults[i].key, key) == 0 && faults[i].is_so(conf))
            return faults[i].need;
    return NULL;
}

struct reader {
    struct conf *conf;
    struct arena *arena;
    struct endpoint_conf *e;
    bool has_kind, has_zone;
};

/* "[endpoint "x"] …": what is wrong with it as a whole. */
static void bad(struct reader *r, const char *what)
{
    r->e->enabled = false;
    r->e->is_faulty = true;
    conf_warn(r->conf, r->e->line, "[endpoint \"%s\"] %s", r->e->name, what);
}

static void read_kind(struct reader *r, const struct conf_entry *entry)
{
    r->has_kind = true;
    for (int i = 0; i < PROVIDER_COUNT; i++)
        if (strcmp(entry->value, providers[i].name) == 0) {
            r->e->kind = (enum provider_kind)i;
            return;
        }
    r->e->enabled = false;
    r->e->is_faulty = true;
    for (size_t i = 0; i < ARRAY_LEN(later_kinds); i++)
        if (strcmp(entry->value, later_kinds[i]) == 0) {
            conf_warn(r->conf, entry->line,
                    "kind \"%s\" is not in this version: [endpoint \"%s\"] is disabled (an "
                    "OpenAI-compatible URL works with kind = openai)",
                    entry->value, r->e->name);
            return;
        }
    const char *nearest = conf_nearest(entry->value, provider_names, PROVIDER_COUNT);
    if (nearest)
        conf_warn(r->conf, entry->line,
                "no kind \"%s\" in [endpoint \"%s\"]: did you mean \"%s\"? The endpoint "
                "is disabled.",
                entry->value, r->e->name, nearest);
    else
        conf_warn(r->conf, entry->line,
                "no kind \"%s\" in [endpoint \"%s\"]; the endpoint is disabled", entry->value,
                r->e->name);
}

static bool read_key_source(struct reader *r, const struct conf_entry *entry)
{
    static const char *const names[] = {"key_env", "key_file", "key_command"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(entry->key, names[i]) == 0) {
            r->e->key_source = (enum key_source)(i + 1);
            r->e->key_value = arena_strdup(r->arena, entry->value);
            return true;
        }
    return false;
}

static void warn_unknown(struct reader *r, const struct conf_entry *entry)
{
    const char *names[ARRAY_LEN(fields) + ARRAY_LEN(other_keys)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        names[n++] = fields[i].name;
    for (size_t i = 0; i < ARRAY_LEN(other_keys); i++) {
        if (strcmp(entry->key, other_keys[i]) == 0)
            return;
        names[n++] = other_keys[i];
    }
    const char *nearest = conf_nearest(entry->key, names, n);
    conf_warn(r->conf, entry->line, "unknown key \"%s\" in [endpoint \"%s\"]%s%s%s", entry->key,
            r->e->name, nearest ? ": did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?" : "");
}

static void read_entry(struct reader *r, const struct conf_entry *entry)
{
    if (strcmp(entry->key, "kind") == 0) {
        read_kind(r, entry);
        return;
    }
    if (read_key_source(r, entry))
        return;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(entry->key, fields[i].name) != 0)
            continue;
        r->has_zone |= fields[i].kind == VALUE_ZONE;
        if (!set_field(r->arena, r->e, i, entry->value)) {
            r->e->enabled = false;
            r->e->is_faulty = true;
            conf_warn(r->conf, entry->line,
                    "%s = %s in [endpoint \"%s\"]: %s is needed; the endpoint is disabled",
                    entry->key, entry->value, r->e->name, what_is_valid(fields[i].kind));
        }
        return;
    }
    warn_unknown(r, entry);
}

/* http://127.…, http://localhost…, http://[::1]…: nothing leaves the machine. */
static bool is_loopback(const char *url)
{
    static const char *const hosts[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(url, "://");
    for (size_t i = 0; host && i < ARRAY_LEN(hosts); i++)
        if (strncmp(host + 3, hosts[i], strlen(hosts[i])) == 0) {
            char next = host[3 + strlen(hosts[i])];
            return hosts[i][0] == '1' || next == ':' || next == '/' || next == '\0';
        }
    return false;
}

static const char *expand_home(struct arena *arena, const char *path)
{
    const char *home = getenv("HOME");
    return path[0] == '~' && path[1] == '/' && home
                   ? arena_printf(arena, "%s%s", home, path + 1)
                   : path;
}

/* What an endpoint can do when nobody says: a small file knows little, a dear model more than a
 * cheap one. */
static int default_tier(const struct endpoint_conf *e)
{
    struct stat st;
    if (e->kind == PROVIDER_LOCAL) {
        bool is_there = e->model && stat(e->model, &st) == 0;
        return !is_there || st.st_size < (off_t)1500 << 20 ? 1
               : st.st_size < (off_t)8000 << 20            ? 2
                                                           : 3;
    }
    if (e->is_list_price)
        return e->usd_per_mtok_out >= 10 ? 4 : e->usd_per_mtok_out >= 1.5 ? 3 : 2;
    return providers[e->kind].zone == ZONE_EXTERNAL ? 3 : 2;
}

/* One that is disabled anyway is not complained about. */
static void find_faults(struct reader *r)
{
    struct endpoint_conf *e = r->e;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (!faults[i].is_so(e))
            continue;
        if (e->enabled)
            conf_warn(r->conf, e->line, "[endpoint \"%s\"] %s: add %s = %s", e->name,
                    faults[i].what, faults[i].key, faults[i].need);
        e->is_faulty |= !faults[i].is_mild;
        e->enabled &= faults[i].is_mild;
    }
}

static void finish(struct reader *r)
{
    struct endpoint_conf *e = r->e;
    const struct provider *p = &providers[e->kind];
    find_faults(r);
    if (e->kind == PROVIDER_LOCAL && e->model)
        e->model = expand_home(r->arena, e->model);
    if (e->ca_file)
        e->ca_file = expand_home(r->arena, e->ca_file);
    if (e->key_source == KEY_FROM_FILE)
        e->key_value = expand_home(r->arena, e->key_value);
    if (!r->has_zone)
        e->zone = e->url && is_loopback(e->url) ? ZONE_LOCAL : p->zone;
    if (e->kind == PROVIDER_LOCAL)
        e->usd_per_mtok_in = e->usd_per_mtok_out = 0;
    prices_fill(e);
    if (!e->tier)
        e->tier = default_tier(e);
    /* A server of one's own usually wants no key; the provider's variable is only for the
     * provider. */
    if (e->key_source == KEY_FROM_NONE && p->key_env && !e->url) {
        e->key_source = KEY_FROM_ENV;
        e->key_value = p->key_env;
    }
    struct err err;
    if (!e->is_faulty && endpoint_check(e, &err) != OK)
        e->fault = arena_strdup(r->arena, err.text);
}

static struct endpoint_conf *find(struct endpoint_conf *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static struct endpoint_conf defaults(const char *name)
{
    struct endpoint_conf e = {.name = name,
            .kind = PROVIDER_OPENAI,
            .usd_per_mtok_in = -1,
            .usd_per_mtok_out = -1,
            .usd_per_mtok_cached = -1};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].fallback[0])
            set_field(NULL, &e, i, fields[i].fallback); /* no text has a default */
    return e;
}

struct endpoint_conf endpoint_local(const char *name, const char *path)
{
    struct endpoint_conf e = defaults(name);
    e.kind = PROVIDER_LOCAL;
    e.model = path;
    e.zone = ZONE_LOCAL;
    e.tier = default_tier(&e);
    e.usd_per_mtok_in = e.usd_per_mtok_out = 0;
    return e;
}

bool endpoint_is_pilot(const struct endpoint_conf *conf)
{
    return conf->kind == PROVIDER_LOCAL && conf->model &&
           strcmp(conf->model, BUILTIN_PILOT) == 0;
}

static bool is_of(const struct conf_entry *entry, const char *name)
{
    return strcmp(entry->section, "endpoint") == 0 && strcmp(entry->subsection, name) == 0;
}

/* The pilot's section needs no kind; whoever gives one has another endpoint of that name. */
static bool is_pilot_section(const struct reader *r)
{
    return strcmp(r->e->name, PILOT_ENDPOINT) == 0 &&
           !conf_get(r->conf, "endpoint", PILOT_ENDPOINT, "kind");
}

static void read_section(struct reader *r, size_t i_first)
{
    bool is_pilot = is_pilot_section(r), has_pilot = builtin_find(BUILTIN_PILOT, NULL);
    if (is_pilot) {
        r->e->kind = PROVIDER_LOCAL;
        r->e->model = BUILTIN_PILOT;
        r->has_kind = true;
    }
    for (size_t i = i_first; i < conf_n_entries(r->conf); i++)
        if (is_of(conf_entry_at(r->conf, i), r->e->name))
            read_entry(r, conf_entry_at(r->conf, i));
    if (!r->has_kind)
        bad(r, "has no kind: add kind = local or kind = openai");
    if (is_pilot && !has_pilot && r->e->enabled)
        bad(r, "is not there: this program was built without the pilot");
    r->e->is_faulty |= is_pilot && !has_pilot;
    finish(r);
}

/* What cannot name an endpoint, said once. "" is the router's own choice. */
static bool is_name(struct conf *conf, size_t i_entry)
{
    const struct conf_entry *entry = conf_entry_at(conf, i_entry);
    const char *name = entry->subsection;
    size_t n = strlen(name), i = 0;
    if (n && n < ENDPOINT_NAME_BYTES)
        return true;
    while (!is_of(conf_entry_at(conf, i), name))
        i++;
    if (i < i_entry)
        return false;
    if (n == 0)
        conf_warn(conf, entry->line, "[endpoint \"\"] needs a name: [endpoint \"NAME\"]");
    else
        conf_warn(conf, entry->line,
                "[endpoint \"%.40s\xE2\x80\xA6\"]: a name has at most %d bytes", name,
                ENDPOINT_NAME_BYTES - 1);
    return false;
}

size_t endpoints_read(struct conf *conf, struct arena *arena, struct endpoint_conf **out)
{
    size_t n = 0, most = conf_n_entries(conf);
    struct endpoint_conf *list = arena_alloc(arena, (most + 2) * sizeof *list);
    for (size_t i = 0; i < most; i++) {
        const struct conf_entry *entry = conf_entry_at(conf, i);
        const char *name = entry->subsection;
        if (!is_of(entry, name) || find(list, n, name) || !is_name(conf, i))
            continue;
        struct endpoint_conf *e = &list[n++];
        *e = defaults(arena_strdup(arena, name));
        e->line = entry->line;
        read_section(&(struct reader){.conf = conf, .arena = arena, .e = e}, i);
        if (n == ENDPOINTS_MAX + 1)
            conf_warn(conf, e->line,
                    "more than %d endpoints: the router never chooses this one and those below",
                    ENDPOINTS_MAX);
    }
    if (builtin_find(BUILTIN_PILOT, NULL) && !find(list, n, PILOT_ENDPOINT))
        list[n++] = endpoint_local(PILOT_ENDPOINT, BUILTIN_PILOT);
    *out = list;
    return n;
}

bool endpoint_takes_extra(const struct endpoint_conf *conf)
{
    const struct wire_ops *wire = providers[conf->kind].wire;
    return wire && wire->takes_extra;
}

static const char *copy(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

struct endpoint_conf *endpoint_conf_copy(struct arena *arena, const struct endpoint_conf *conf)
{
    struct endpoint_conf *e = arena_alloc(arena, sizeof *e);
    *e = *conf;
    e->name = copy(arena, conf->name);
    e->url = copy(arena, conf->url);
    e->model = copy(arena, conf->model);
    e->key_value = copy(arena, conf->key_value);
    e->ca_file = copy(arena, conf->ca_file);
    e->fault = copy(arena, conf->fault);
    return e;
}

static enum status check_file(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "cannot open %s: it is not a file", path);
    return OK;
}

enum status endpoint_check(const struct endpoint_conf *conf, struct err *err)
{
    if (conf->kind == PROVIDER_LOCAL)
        return conf->model && !builtin_find(conf->model, NULL) ? check_file(conf->model, err)
                                                               : OK;
    enum status status = conf->ca_file ? check_file(conf->ca_file, err) : OK;
    return status == OK ? secret_check(conf, err) : status;
}

void endpoint_print_url(const struct endpoint_conf *conf, char *out, size_t n_bytes)
{
    const char *url = conf->url ? conf->url : providers[conf->kind].url;
    const char *host = url ? strstr(url, "://") : NULL;
    size_t n_host = host ? strcspn(host + 3, "/?#") : 0;
    const char *at = n_host ? memrchr(host + 3, '@', n_host) : NULL;
    if (at)
        snprintf(out, n_bytes, "%.*s\xE2\x80\xA6%s", (int)(host + 3 - url), url, at);
    else
        snprintf(out, n_bytes, "%s", url ? url : "");
}
