/* SPDX-License-Identifier: Apache-2.0
 * Child processes that the loop watches: their output is kept, and no child outlives its time.
 * The child owns itself until `done` has been called or child_kill().
 * Loop thread.
 * Invariant: a child is the leader of a process group of its own, and the whole group is killed
 * when the leader has ended, or half a second after its time was up and it was asked to end.
 */
#ifndef CORE_CHILD_H
#define CORE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/loop.h"

#define CHILD_KILL_MS 500 /* from SIGTERM to SIGKILL */

struct child;

struct child_spec {
	char *const *argv; /* argv[0] is a path; no shell */
	char *const *env;  /* all of its environment */
	bool drop;         /* to uid and gid, without other groups */
	uid_t uid;
	gid_t gid;
	uint64_t timeout_ms;
	size_t output_max; /* bytes; a child that prints more is killed */
};

struct child_end {
	int status; /* exit status; -1 if a signal ended it */
	int signal; /* 0: none */
	bool timed_out;
	bool flooded;       /* printed more than output_max */
	const char *output; /* borrowed; standard output, without standard error */
	size_t size;
};

/* `done` is called once, later, never from within. A program that cannot be started is an error
 * here. */
MUST_CHECK int child_start(struct loop *loop, const struct child_spec *spec,
			   void (*done)(void *arg, const struct child_end *end), void *arg,
			   struct child **ret);
/* Kills it at once; `done` will not be called. */
void child_kill(struct child *child);

#endif
