/* SPDX-License-Identifier: Apache-2.0
 * The disk under journals: the simulator's own fdatasync(2), fsync(2), pwritev(2), fallocate(2), in
 * place of the system library's, so that a power cut can take back what was not synced.
 * Owns what has to be remembered for that, per file.
 * One thread.
 * Invariant: files outside the given directory behave as ever, except that nothing is synced.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Journals below this directory count from now on; forgets all others. */
void disk_begin(const char *dir);
void disk_end(void);
/* The power fails for the files below `dir`: writes since the last sync are lost from some point
 * on, or each by chance; one may be torn. */
void disk_power_cut(const char *dir, uint64_t seed);
/* The `countdown`th write below `dir` fails with this errno. */
void disk_fail(const char *dir, unsigned int countdown, int error);
/* Syncs below `dir` do nothing from now on: a disk that lies. */
void disk_lie(const char *dir);

#endif
