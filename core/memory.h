/* SPDX-License-Identifier: Apache-2.0
 * How the process uses the heap: many threads with short bursts, in a daemon that runs for months.
 * Owns nothing.
 * memory_begin(): before there are threads. The others: any thread.
 * Invariant: what is not in use goes back to the system, but for what a few heaps need.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdint.h>

#define MEMORY_HEAPS 4 /* that threads share; the C library would make eight for each processor */
/* Larger blocks are the system's own pages and go back with free(). Without a fixed limit the C
 * library takes each freed block for a reason to raise it, and keeps such blocks in its heaps. */
#define MEMORY_PAGES_FROM (256u << 10)

void memory_begin(void);
/* Gives back what lies free between blocks in use. Takes milliseconds: not for the loop. */
void memory_trim(void);
/* Bytes of the process in memory; 0: unknown. */
uint64_t memory_resident(void);

#endif
