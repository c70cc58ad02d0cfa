/*
 * thread.h - how threads begin. Signals are the main thread's: it alone sleeps in a wait that
 * they have to end, and it alone gets them in the order of their numbers. Crashes stay with the
 * thread that crashed.
 */
#ifndef ENGINE_THREAD_H
#define ENGINE_THREAD_H

#include <pthread.h>

#include "engine/base.h"

/* False: the system has no room for another thread; *out is what it was. */
bool thread_start(pthread_t *out, void *(*run)(void *arg), void *arg) MUST_USE;

#endif
