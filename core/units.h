/* SPDX-License-Identifier: Apache-2.0
 * Sizes, durations and counts as people write and read them.
 * The caller owns all buffers.
 * Any thread; pure.
 * Invariant: a text that is not wholly understood is refused, never half taken.
 */
#ifndef CORE_UNITS_H
#define CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define UNITS_TEXT_MAX 32 /* enough for any text made here */

/* "4096", "64K", "64M", "2G", "1T" (powers of 1024; "KiB" and "KB" mean the same). */
MUST_CHECK int size_parse(const char *text, uint64_t *ret_bytes);

/* "90", "90s", "30m", "1h", "7d". */
MUST_CHECK int duration_parse(const char *text, uint64_t *ret_s);

/* A whole number without sign, at most `max`. */
MUST_CHECK int count_parse(const char *text, uint64_t max, uint64_t *ret);

/* "0 B", "1.5 MiB". */
void size_text(uint64_t bytes, char *ret, size_t size);

/* "0.2 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
void duration_text(double seconds, char *ret, size_t size);

/* "1,204,331". */
void count_text(uint64_t count, char *ret, size_t size);

#endif
