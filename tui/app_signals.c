/*
 * app_signals.c - signals become bytes in a pipe, which the loop reads: a new size, a stop, the
 * end of the user's editor, the end of the program.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "tui/app_internal.h"
#include "tui/cmd.h"
#include "tui/editor.h"
#include "tui/term.h"
#include "tui/view_chat.h"

static int signal_fd = -1; /* the handlers' end */

static void on_signal(int signum)
{
    int e = errno;
    unsigned char byte = (unsigned char)signum;
    ssize_t n = write(signal_fd, &byte, 1);
    (void)n;
    errno = e;
}

void app_install_signals(struct app *app)
{
    static const int signals[] = {
            SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGCHLD};
    /* One handler ends before another begins: the terminal's Ctrl-C stands in the pipe before
     * the end of the editor that it ended. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(&action.sa_mask, signals[i]);
    signal_fd = app->signal_pipe[1];
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void app_resize(struct app *app)
{
    int n_rows, n_cols;
    term_check_size(app->term, &n_rows, &n_cols);
    screen_resize(&app->screen, n_rows, n_cols);
    term_repaint(app->term);
    app->is_dirty = true;
}

/* The terminal comes back, whatever became of the editor. */
static void look_at_editor(struct app *app)
{
    struct buf text;
    struct err err;
    enum status status;
    if (!external_editor_has_ended(&app->editor, EDITOR_MAX_BYTES, &text, &status, &err))
        return;
    term_take(app->term);
    app_resize(app);
    if (status != OK) {
        app_notice(app, status, "%s", err.text);
        return;
    }
    view_chat_set_input(app->states[VIEW_CHAT], buf_slice(&text), app);
    buf_release(&text);
}

/* Keys that signal are the editor's: only Ctrl-Z stops this program with it. */
static bool is_editors(const struct app *app, int signum)
{
    if (!app->editor.pid)
        return false;
    if (signum == SIGTSTP)
        raise(SIGSTOP);
    return signum == SIGTSTP || signum == SIGINT || signum == SIGQUIT || signum == SIGCONT ||
           signum == SIGWINCH;
}

void app_take_signals(struct app *app)
{
    unsigned char bytes[64];
    ssize_t n = read(app->signal_pipe[0], bytes, sizeof bytes);
    bool has_resized = false;
    for (ssize_t i = 0; i < n; i++) {
        if (is_editors(app, bytes[i])) {
            continue;
        } else if (bytes[i] == SIGCHLD) {
            look_at_editor(app);
        } else if (bytes[i] == SIGWINCH) {
            has_resized = true; /* a storm of them is one */
        } else if (bytes[i] == SIGTSTP) {
            app_suspend(app);
            has_resized = true;
        } else if (bytes[i] == SIGCONT) {
            term_take(app->term); /* whoever stopped us from outside used it meanwhile */
            has_resized = true;
        } else {
            app->exit_code = bytes[i] == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE;
            app->must_quit = true;
        }
    }
    if (has_resized)
        app_resize(app);
}
