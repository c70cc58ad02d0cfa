/* config_bind.c - the [bind "CONTEXT"] sections: the user's keys over the default ones. */
#include <string.h>

#include "router/conf.h"

#include "tui/config.h"
#include "tui/keys.h"

static int find_context(const char *name)
{
    int i = 0;
    while (i < CTX_COUNT && strcmp(context_defs[i].name, name) != 0)
        i++;
    return i;
}

/* `send = none`: every key of the command in this context is unbound. */
static void unbind_all(struct keymap *map, enum context context, enum command command)
{
    struct err err;
    for (size_t i = 0; i < keymap_n(map); i++) {
        const struct binding *b = keymap_at(map, i);
        if (b->context == context && b->command == command &&
                keymap_bind(map, context, b->keys, CMD_NONE, &err) == OK)
            i = (size_t)-1; /* the list moved: look again from its start */
    }
}

static void warn_unknown_context(struct conf *conf, const struct conf_entry *entry)
{
    struct buf names;
    buf_init(&names, ERR_TEXT_BYTES);
    for (int i = 0; i < CTX_COUNT; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", context_defs[i].name);
    conf_warn(conf, entry->line, "no context \"%s\": there are %s", entry->subsection,
            buf_text(&names));
    buf_release(&names);
}

static void warn_unknown_command(struct conf *conf, const struct conf_entry *entry)
{
    const char *names[CMD_COUNT];
    size_t n = 0;
    for (int i = CMD_NONE + 1; i < CMD_COUNT; i++)
        names[n++] = command_defs[i].name;
    const char *nearest = conf_nearest(entry->key, names, n);
    if (nearest)
        conf_warn(conf, entry->line, "no command \"%s\": did you mean \"%s\"?", entry->key,
                nearest);
    else
        conf_warn(conf, entry->line, "no command \"%s\"; `shunt keys` lists them", entry->key);
}

static void bind_entry(
        struct config *config, struct keymap *map, const struct conf_entry *entry)
{
    int context = find_context(entry->subsection);
    enum command command = command_find(entry->key);
    struct err err;
    if (context == CTX_COUNT)
        warn_unknown_context(config->conf, entry);
    else if (command == CMD_NONE)
        warn_unknown_command(config->conf, entry);
    else if (strcmp(entry->value, "none") == 0)
        unbind_all(map, (enum context)context, command);
    else if (keymap_bind(map, (enum context)context, entry->value, command, &err) != OK)
        conf_warn(config->conf, entry->line, "%s", err.text);
}

struct keymap *config_keymap(struct config *config)
{
    struct keymap *map = keymap_new();
    for (size_t i = 0; i < conf_n_entries(config->conf); i++)
        if (strcmp(conf_entry_at(config->conf, i)->section, "bind") == 0)
            bind_entry(config, map, conf_entry_at(config->conf, i));
    return map;
}
