/*
 * endpoint.h - what the configuration says about a place that answers, and the provider rows it
 * refers to.
 */
#ifndef ROUTER_ENDPOINT_H
#define ROUTER_ENDPOINT_H

#include "engine/base.h"

#include "router/endpoint_limits.h"
#include "router/zone.h"

struct conf;
struct wire_ops;

enum provider_kind { /* rows of providers.def */
#define PROVIDER(id, ...) PROVIDER_##id,
#include "router/providers.def"
#undef PROVIDER
    PROVIDER_COUNT
};

struct provider { /* a row of providers.def */
    const char *name, *url, *key_header, *key_prefix, *path;
    const char *models_path;     /* GET of it costs nothing */
    const char *header;          /* one more, with each request; or NULL */
    const struct wire_ops *wire; /* wire.h; NULL: local */
    enum zone zone;              /* default zone */
    const char *key_env;         /* default environment variable, or NULL */
};
extern const struct provider providers[PROVIDER_COUNT];
extern const char *const provider_names[PROVIDER_COUNT];

/* Where a key comes from; never the key itself. */
enum key_source { KEY_FROM_NONE, KEY_FROM_ENV, KEY_FROM_FILE, KEY_FROM_COMMAND };

/* What a prompt of more than above_tok tokens costs instead. */
struct long_price {
    uint32_t above_tok; /* 0: the same as any other */
    double usd_per_mtok_in, usd_per_mtok_out, usd_per_mtok_cached;
};

#define ENDPOINT_SLOTS_MAX 64

struct endpoint_conf {
    const char *name;
    enum provider_kind kind;
    const char *url;   /* base; NULL: the provider's own */
    const char *model; /* file path for local */
    enum key_source key_source;
    const char *key_value; /* variable name, file, or command line */
    enum zone zone;
    int tier;                                 /* 1..5; 0: unknown */
    double usd_per_mtok_in, usd_per_mtok_out; /* negative: unknown */
    double usd_per_mtok_cached;               /* negative: as input */
    struct long_price long_price;
    bool is_list_price;   /* from prices.def, not from the configuration */
    uint32_t context_tok; /* 0: unknown */
    bool stream, enabled;
    bool is_faulty; /* a mistake in its section: it cannot be switched on until that is mended
                     */
    const char *fault; /* endpoint_check's sentence when it was read; NULL: none */
    uint32_t retries;  /* further HTTP requests after the first */
    uint32_t connect_timeout_ms, first_token_timeout_ms, idle_timeout_ms,
            total_timeout_ms; /* 0: none */
    uint32_t rpm, tpm;        /* 0: no limit known */
    uint32_t slots;           /* at most ENDPOINT_SLOTS_MAX; 0: 1 */
    const char *ca_file;
    int line; /* of its section header */
};

/* Reads all [endpoint "…"] sections into arena. A bad value disables that endpoint and warns
 * with FILE:LINE; an unknown key warns with the nearest name. Where the pilot has no section,
 * it comes behind the others. Returns how many there are. */
size_t endpoints_read(struct conf *conf, struct arena *arena, struct endpoint_conf **out);
/* What a value of this key has to be, "a whole number", when `value` is none; NULL: it is one,
 * or the key takes any text. */
const char *endpoint_need(const char *key, const char *value);
/* What this key has to give for the endpoint to work, when it does not; NULL: it does. */
const char *endpoint_lacks(const struct endpoint_conf *conf, const char *key);
/* An endpoint for a model file, with every default; both texts are borrowed. */
struct endpoint_conf endpoint_local(const char *name, const char *path);
/* The model that is part of the program (engine/builtin.h): it knows the program's help and
 * nothing else. Where there is one, it is an endpoint that no section has to name. */
#define PILOT_ENDPOINT "pilot"
bool endpoint_is_pilot(const struct endpoint_conf *conf);
/* What shunt does not read of a request goes along: tools, response_format, … */
bool endpoint_takes_extra(const struct endpoint_conf *conf);
struct endpoint_conf *endpoint_conf_copy(struct arena *arena, const struct endpoint_conf *conf);

/* Its url for showing, the provider's own too: without the user and password in it. */
void endpoint_print_url(const struct endpoint_conf *conf, char *out, size_t n_bytes);

/* What can be known of an endpoint without contacting it: the model file, the ca_file, the
 * key's variable or file. Cheap; runs no command. The sentence does not name the endpoint. */
enum status endpoint_check(const struct endpoint_conf *conf, struct err *err) MUST_USE;

#endif
