/* cmd_keys.c - `shunt keys`: every binding, the user's included, in the words of commands.def.
 */
#include <stdio.h>

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/keys.h"

/* Bindings of one command in one context stand together in the order of the table. */
static void print_context(const struct keymap *map, enum context context)
{
    bool is_first = true;
    for (size_t i = 0; i < keymap_n(map); i++) {
        const struct binding *b = keymap_at(map, i);
        if (b->context != context || b->command == CMD_NONE)
            continue;
        if (is_first)
            printf("%s\n", context_defs[context].title);
        is_first = false;
        printf("  %-14s %-18s %s\n", b->keys, command_defs[b->command].name,
                command_defs[b->command].help);
    }
    if (!is_first)
        puts("");
}

int cmd_keys(struct args *args)
{
    int code = cmd_take_nothing(args);
    if (code >= 0)
        return code;
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    struct keymap *map = config_keymap(&config);
    config_print_warnings(&config);
    for (int context = CTX_GLOBAL + 1; context < CTX_COUNT; context++)
        print_context(map, (enum context)context);
    print_context(map, CTX_GLOBAL);
    puts("In the input line / lists the commands that are also run by their names. shunt help "
         "keys shows the manual.");
    keymap_free(map);
    config_release(&config);
    return EXIT_DONE;
}
