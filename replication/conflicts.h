/* SPDX-License-Identifier: Apache-2.0
 * The conflicts of a pool that nobody has resolved yet, with the paths under which a person sees
 * them. Owns nothing; what the callback gets is borrowed for the call. Any thread, no lock held;
 * blocks on the disk. Invariant: what is listed is what the index holds after a flush, so the cost
 * follows the number of conflicts, not that of files.
 */
#ifndef REPLICATION_CONFLICTS_H
#define REPLICATION_CONFLICTS_H

#include "replication/pool.h"

/* One of two sides: who wrote it, and when by his clock. */
struct conflict_side {
	uint16_t node;
	int64_t time_ns;
};

struct conflict {
	bool content;      /* two contents of one file; else two things of one name */
	bool here;         /* the bytes of the loser have arrived */
	const char *path;  /* below the mount; what is shown under the name */
	const char *loser; /* ... what stands beside it */
	struct conflict_side shown, lost;
};

/* Calls fn for each until it returns not 0, which is returned then. */
MUST_CHECK int conflicts_each(struct pool *pool, int (*fn)(void *arg, const struct conflict *),
			      void *arg);

#endif
