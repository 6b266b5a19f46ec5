/* SPDX-License-Identifier: Apache-2.0
 * What time it is. The simulator links a clock of its own in place of core/clock.c.
 * Owns nothing.
 * Any thread. Never fails.
 * Invariant: what decides or stamps anything asks here; waiting for a time is another matter.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds of a clock that goes on during suspend (CLOCK_BOOTTIME). */
uint64_t clock_boot_ms(void);
/* The same clock in microseconds; for what measures, not for what is simulated. */
uint64_t clock_boot_us(void);
/* Nanoseconds since 1970. */
int64_t clock_wall_ns(void);

#endif
