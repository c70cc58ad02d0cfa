/* cmd_tui.c - `shunt` without a command: piped text, and the terminal program. */
#include "tui/app.h"
#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/stdin_text.h"

#define ATTACHED_MAX_BYTES (16u << 20)

/* why[BACKEND_WHY_BYTES] stays empty when no GPU is asked for: waking one up takes a second. */
static void say_where_models_run(const struct config *config, char *why)
{
    struct backend_choice choice = config_backend(config);
    struct backend_gpu gpu;
    why[0] = '\0';
    if (!backend_wants_gpu(&choice))
        return;
    if (backend_find_gpu(&choice, &gpu, why))
        why[0] = '\0'; /* of several devices one may have been refused */
    else
        cmd_note_cpu(why);
}

int cmd_tui(struct args *args)
{
    struct config config;
    struct buf attached;
    struct err err;
    char why_cpu[BACKEND_WHY_BYTES];
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    say_where_models_run(&config, why_cpu);
    buf_init(&attached,
            ATTACHED_MAX_BYTES); /* goes into the draft; keys come from the terminal */
    int code = stdin_read(&attached, &err) == OK
                       ? app_run(&config, slice_trim(buf_slice(&attached)), why_cpu)
                       : cmd_fail(&err);
    buf_release(&attached);
    config_release(&config);
    return code;
}
