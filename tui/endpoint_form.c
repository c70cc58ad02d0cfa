/* endpoint_form.c - see endpoint_form.h. */
#include "tui/endpoint_form.h"

#include <string.h>

#include "router/conf.h"
#include "router/endpoint.h"
#include "router/fleet.h"

#define NAME_MAX_BYTES 60

enum field {
    FIELD_NAME,
    FIELD_KIND,
    FIELD_URL,
    FIELD_MODEL,
    FIELD_KEY_FROM,
    FIELD_KEY_VALUE,
    FIELD_ZONE,
    FIELD_TIER,
    FIELD_PRICE_IN,
    FIELD_PRICE_OUT,
    FIELD_CONTEXT,
    FIELD_ENABLED,
    FIELD_COUNT
};

static const char *const key_sources[] = {[KEY_FROM_NONE] = "",
        [KEY_FROM_ENV] = "env",
        [KEY_FROM_FILE] = "file",
        [KEY_FROM_COMMAND] = "command"};
static const char *const answers[] = {"yes", "no"};

#define CHOICES(list) list, ARRAY_LEN(list)
#define KEY_HINT                                                                               \
    "Only where the key comes from: the key itself is never typed here and never stands in "   \
    "the file."

static const struct form_field fields[FIELD_COUNT] = {
        [FIELD_NAME] = {"name", "", "How it is called here; /endpoint NAME chooses it."},
        [FIELD_KIND] = {"kind", "", "What it speaks.", CHOICES(provider_names)},
        [FIELD_URL] = {"url", "the provider's own", "With /v1 where the server has it."},
        [FIELD_MODEL] = {"model", "",
                "The name the server knows; for kind local a .gguf file."},
        [FIELD_KEY_FROM] = {"key from", "the usual variable, or none", KEY_HINT,
                CHOICES(key_sources)},
        [FIELD_KEY_VALUE] = {"key is in", "", KEY_HINT},
        [FIELD_ZONE] = {"zone", "as its kind and url say",
                "How far what is sent there travels: local, lab, region, external.",
                CHOICES(zone_choices)},
        [FIELD_TIER] = {"tier", "guessed", "What it can do, 1 to 5."},
        [FIELD_PRICE_IN] = {"price in $", "list price, if known", "Per million tokens."},
        [FIELD_PRICE_OUT] = {"price out $", "list price, if known", "Per million tokens."},
        [FIELD_CONTEXT] = {"context", "list value, if known", "Tokens that fit."},
        [FIELD_ENABLED] = {"enabled", "", "Whether it is used at all.", CHOICES(answers)},
};

/* Fields that are one key of the section each. */
static const struct {
    enum field field;
    const char *key;
} plain_keys[] = {
        {FIELD_KIND, "kind"},
        {FIELD_URL, "url"},
        {FIELD_MODEL, "model"},
        {FIELD_ZONE, "zone"},
        {FIELD_TIER, "tier"},
        {FIELD_PRICE_IN, "price_in_usd"},
        {FIELD_PRICE_OUT, "price_out_usd"},
        {FIELD_CONTEXT, "context"},
        {FIELD_ENABLED, "enabled"},
};

static const struct {
    const char *key, *need;
} key_rows[] = {
        [KEY_FROM_ENV] = {"key_env", "the name of a variable"},
        [KEY_FROM_FILE] = {"key_file", "the path of a file"},
        [KEY_FROM_COMMAND] = {"key_command", "a command line"},
};

static const char *text_of(const struct endpoint_form *f, enum field field)
{
    return f->form.values[field].text;
}

static int kind_of(const struct endpoint_form *f)
{
    int kind = 0;
    while (kind < PROVIDER_COUNT && strcmp(text_of(f, FIELD_KIND), provider_names[kind]) != 0)
        kind++;
    return kind;
}

/* Negative: none, or none that can be read. */
static double price_of(const struct endpoint_form *f, enum field field)
{
    double usd;
    return slice_to_double(slice_of(text_of(f, field)), &usd) ? usd : -1;
}

/* Without a source nothing is typed for it: what is looked at then is shown in its place. */
static void adapt(struct endpoint_form *f)
{
    struct form_value *value = &f->form.values[FIELD_KEY_VALUE];
    bool has_source = text_of(f, FIELD_KEY_FROM)[0], has_url = text_of(f, FIELD_URL)[0];
    int kind = kind_of(f);
    const char *usual = kind < PROVIDER_COUNT && !has_url ? providers[kind].key_env : NULL;
    value->is_fixed = value->is_long || (!has_source && !value->text[0]);
    f->form.values[FIELD_KEY_FROM].is_fixed = value->is_long; /* they are written together */
    value->blank = has_source ? "" : usual ? usual : "no key";
}

const char *endpoint_form_name(const struct endpoint_form *f)
{
    return text_of(f, FIELD_NAME);
}

/* The value of the section, in the words that the form uses. */
static const char *read_setting(const struct conf *conf, const char *name, const char *key)
{
    const char *value = conf_get(conf, "endpoint", name, key);
    bool is_on;
    if (value && strcmp(key, "enabled") == 0 && conf_parse_bool(value, &is_on))
        return answers[!is_on];
    return value ? value : "";
}

static void fill(struct endpoint_form *f, const struct conf *conf, const char *name)
{
    form_set(&f->form, FIELD_NAME, name);
    for (size_t i = 0; i < ARRAY_LEN(plain_keys); i++)
        form_set(&f->form, plain_keys[i].field, read_setting(conf, name, plain_keys[i].key));
    for (size_t i = KEY_FROM_ENV; i < ARRAY_LEN(key_rows); i++)
        if (conf_get(conf, "endpoint", name, key_rows[i].key)) {
            form_set(&f->form, FIELD_KEY_FROM, key_sources[i]);
            form_set(&f->form, FIELD_KEY_VALUE,
                    conf_get(conf, "endpoint", name, key_rows[i].key));
        }
}

void endpoint_form_open(struct endpoint_form *f, const struct conf *conf, const char *name)
{
    memset(f, 0, sizeof *f);
    form_init(&f->form, fields, FIELD_COUNT);
    f->is_new = !name;
    if (name)
        fill(f, conf, name);
    for (int i = 0; i < FIELD_COUNT; i++)
        memcpy(f->was[i], f->form.values[i].text, sizeof f->was[i]);
    if (!name)
        form_set(&f->form, FIELD_KIND, providers[PROVIDER_OPENAI].name);
    if (!text_of(f, FIELD_ENABLED)[0]) {
        form_set(&f->form, FIELD_ENABLED, answers[0]);
        memcpy(f->was[FIELD_ENABLED], text_of(f, FIELD_ENABLED), sizeof f->was[0]);
    }
    f->form.values[FIELD_NAME].is_fixed = !f->is_new;
    f->form.focus = f->is_new ? FIELD_NAME : FIELD_KIND;
    adapt(f);
}

/* ---- checking --------------------------------------------------------------------------- */

static void check_name(struct endpoint_form *f, const struct fleet *fleet)
{
    const char *name = endpoint_form_name(f);
    int known = fleet_find(fleet, name);
    if (!f->is_new)
        return;
    if (!name[0])
        form_fail(&f->form, FIELD_NAME, "a name is needed");
    else if (strlen(name) > NAME_MAX_BYTES || strpbrk(name, "\"\\"))
        form_fail(&f->form, FIELD_NAME, "at most %d bytes, no quotes", NAME_MAX_BYTES);
    else if (known >= 0 && !fleet->endpoints[known].is_gone)
        form_fail(&f->form, FIELD_NAME, "this name is taken");
    else if (strcmp(name, "auto") == 0)
        form_fail(&f->form, FIELD_NAME, "/endpoint auto means the router's choice");
}

static void check_values(struct endpoint_form *f)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_keys); i++) {
        enum field field = plain_keys[i].field;
        const char *text = text_of(f, field);
        const char *need = text[0] ? endpoint_need(plain_keys[i].key, text) : NULL;
        if (need)
            form_fail(&f->form, (int)field, "%s is needed", need);
    }
}

/* A variable's name is letters, digits and _: what has anything else may be the key itself. */
static bool is_variable(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char others[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return text[0] && strchr(letters, text[0]) && strspn(text, others) == strlen(text);
}

static void check_key(struct endpoint_form *f)
{
    const char *from = text_of(f, FIELD_KEY_FROM), *value = text_of(f, FIELD_KEY_VALUE);
    if (!from[0] && value[0])
        form_fail(&f->form, FIELD_KEY_FROM, "env, file or command is needed");
    for (size_t i = KEY_FROM_ENV; i < ARRAY_LEN(key_sources); i++)
        if (strcmp(from, key_sources[i]) == 0 && !value[0])
            form_fail(&f->form, FIELD_KEY_VALUE, "%s is needed", key_rows[i].need);
    if (strcmp(from, "env") == 0 && value[0] && !is_variable(value))
        form_fail(&f->form, FIELD_KEY_VALUE, "the name of a variable is needed, not the key");
    if (strcmp(from, "file") == 0 && value[0] && value[0] != '/' &&
            strncmp(value, "~/", 2) != 0)
        form_fail(&f->form, FIELD_KEY_VALUE, "a path that begins with / or ~/ is needed");
}

static void check_whole(struct endpoint_form *f)
{
    struct endpoint_conf trial = {.usd_per_mtok_in = price_of(f, FIELD_PRICE_IN),
            .usd_per_mtok_out = price_of(f, FIELD_PRICE_OUT)};
    int kind = kind_of(f);
    if (kind == PROVIDER_COUNT) {
        form_fail(&f->form, FIELD_KIND, "a kind of this version is needed");
        return;
    }
    trial.kind = (enum provider_kind)kind;
    trial.url = text_of(f, FIELD_URL)[0] ? text_of(f, FIELD_URL) : NULL;
    trial.model = text_of(f, FIELD_MODEL)[0] ? text_of(f, FIELD_MODEL) : NULL;
    for (size_t i = 0; i < ARRAY_LEN(plain_keys); i++) {
        const char *need = endpoint_lacks(&trial, plain_keys[i].key);
        if (need)
            form_fail(&f->form, (int)plain_keys[i].field, "%s is needed", need);
    }
}

static void check(struct endpoint_form *f, const struct fleet *fleet)
{
    form_forgive(&f->form);
    check_name(f, fleet);
    check_values(f);
    check_key(f);
    check_whole(f);
}

bool endpoint_form_check(struct endpoint_form *f, const struct fleet *fleet)
{
    check(f, fleet);
    return !form_show_error(&f->form);
}

/* ---- keys ------------------------------------------------------------------------------- */

/* One change may mend what another field was told; what is wrong anew waits for the next save.
 */
enum form_result endpoint_form_key(
        struct endpoint_form *f, const struct key *key, const struct fleet *fleet)
{
    bool had_error[FIELD_COUNT];
    enum form_result result = form_key(&f->form, key);
    for (int i = 0; i < FIELD_COUNT; i++)
        had_error[i] = f->form.values[i].error[0];
    check(f, fleet);
    for (int i = 0; i < FIELD_COUNT; i++)
        if (!had_error[i])
            f->form.values[i].error[0] = '\0';
    adapt(f);
    return result;
}

/* ---- writing ---------------------------------------------------------------------------- */

static bool is_changed(const struct endpoint_form *f, enum field field)
{
    return strcmp(f->was[field], text_of(f, field)) != 0;
}

void endpoint_form_write(const struct endpoint_form *f, struct conf *conf)
{
    const char *name = endpoint_form_name(f);
    for (size_t i = 0; i < ARRAY_LEN(plain_keys); i++) {
        const char *text = text_of(f, plain_keys[i].field);
        if (is_changed(f, plain_keys[i].field))
            conf_set(conf, "endpoint", name, plain_keys[i].key, text[0] ? text : NULL);
    }
    if (!is_changed(f, FIELD_KEY_FROM) && !is_changed(f, FIELD_KEY_VALUE))
        return;
    for (size_t i = KEY_FROM_ENV; i < ARRAY_LEN(key_rows); i++)
        conf_set(conf, "endpoint", name, key_rows[i].key,
                strcmp(text_of(f, FIELD_KEY_FROM), key_sources[i]) == 0
                        ? text_of(f, FIELD_KEY_VALUE)
                        : NULL);
}
