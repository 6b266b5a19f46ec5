/* SPDX-License-Identifier: Apache-2.0
 * Threads for checks that may block: a disk that hangs holds up its own check and no other.
 * The checker owns jobs that wait; a job that runs is owned by its thread.
 * Loop thread, except `work`, which runs on a thread of its own.
 * Invariant: each job ends in exactly one call of `done` (loop thread) or `drop` (any thread, when
 * the checker is gone); at most CHECKER_THREADS_MAX threads, and the loop waits for none of them.
 */
#ifndef HEALTH_CHECKER_H
#define HEALTH_CHECKER_H

#include "core/err.h"
#include "core/loop.h"

#define CHECKER_THREADS_MAX 16
#define CHECKER_QUEUE_MAX   1024

struct checker_job {
	void (*work)(struct checker_job *job);
	void (*done)(struct checker_job *job);
	void (*drop)(struct checker_job *job);
	struct checker_job *next; /* the checker's own */
};

struct checker;

MUST_CHECK int checker_new(struct loop *loop, struct checker **ret);
/* Drops what waits. Threads that hang in the kernel are left to themselves. */
void checker_free(struct checker *checker);

/* -EAGAIN: all threads hang and the queue is full. */
MUST_CHECK int checker_run(struct checker *checker, struct checker_job *job);

#endif
