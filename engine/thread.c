/* thread.c - see thread.h. A thread inherits the mask of the one that starts it, so what it
 * starts itself (the worker pool, libcurl's resolvers) is covered as well. */
#include "engine/thread.h"

#include <signal.h>

bool thread_start(pthread_t *out, void *(*run)(void *arg), void *arg)
{
    static const int of_main[] = {
            SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGCHLD, SIGWINCH};
    sigset_t block, old;
    pthread_t thread;
    sigemptyset(&block);
    for (size_t i = 0; i < ARRAY_LEN(of_main); i++)
        sigaddset(&block, of_main[i]);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    bool has_begun = pthread_create(&thread, NULL, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (has_begun)
        *out = thread;
    return has_begun;
}
