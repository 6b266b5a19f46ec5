/* SPDX-License-Identifier: Apache-2.0
 * Child processes with a fixed argv, never a shell.
 * The caller owns descriptors given back.
 * Any thread; proc_run() blocks until the child has ended.
 * Invariant: a child inherits standard input, output and error, and no other descriptor of ours.
 */
#ifndef CORE_PROC_H
#define CORE_PROC_H

#include "core/err.h"

/* Runs argv[0] (looked up in PATH). Returns its exit status, 128 + N if signal N ended it. */
MUST_CHECK int proc_run(char *const *argv);

/* Starts argv[0] in a session of its own, in "/", without input, its output appended to `log`.
 * `ret_pidfd` becomes readable when it has ended. */
MUST_CHECK int proc_detach(char *const *argv, const char *log, int *ret_pidfd);

/* Exit status of a child whose pidfd is readable, as proc_run(). */
MUST_CHECK int proc_result(int pidfd);

#endif
