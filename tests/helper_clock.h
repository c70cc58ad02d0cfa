/*
 * helper_clock.h - the time that this thread has computed. A test that bounds work measures
 * this: the wall's clock also counts whatever else the machine does.
 */
#ifndef TESTS_HELPER_CLOCK_H
#define TESTS_HELPER_CLOCK_H

#include <stdint.h>

uint64_t clock_cpu_ns(void);

#endif
