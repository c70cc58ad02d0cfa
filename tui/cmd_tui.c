/* cmd_tui.c - `shunt` without a command: piped text, and the terminal program. */
#include "tui/app.h"
#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/stdin_text.h"

#define ATTACHED_MAX_BYTES (16u << 20)

/* Looked at only when a GPU is asked for: waking one up takes a second. */
static void say_where_models_run(const struct config *config)
{
    struct backend_choice choice = config_backend(config);
    struct backend_gpu gpu;
    char why[BACKEND_WHY_BYTES];
    if (backend_wants_gpu(&choice) && !backend_find_gpu(&choice, &gpu, why))
        cmd_note_cpu(why);
}

int cmd_tui(struct args *args)
{
    struct config config;
    struct buf attached;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    say_where_models_run(&config);
    buf_init(&attached,
            ATTACHED_MAX_BYTES); /* goes into the draft; keys come from the terminal */
    int code = stdin_read(&attached, &err) == OK
                       ? app_run(&config, slice_trim(buf_slice(&attached)))
                       : cmd_fail(&err);
    buf_release(&attached);
    config_release(&config);
    return code;
}
