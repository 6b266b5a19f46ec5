/* SPDX-License-Identifier: Apache-2.0
 * The files that programs hold open in the mount; the kernel carries them as file handles.
 * Owns the handles and closes their descriptors through the pool.
 * Any thread; a handle is used only between its open and its release.
 * Invariant: every descriptor that pool_open() or pool_create() gave is closed exactly once, at
 * the release or, if the kernel never sends one, by handles_done().
 */
#ifndef FUSE_HANDLES_H
#define FUSE_HANDLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

#define HANDLES_MAPS 1024u /* ids that share a place only cost a little time */

struct pool;

struct handle {
	struct handle *next;
	struct handle *prev;
	uint64_t id;
	int fd;
	bool maps;    /* open for reading and writing: a program may store through a mapping */
	bool unasked; /* ... to the backing file: pool_map_end() when it is closed */
};

struct handles {
	struct pool *pool;
	pthread_mutex_t list_lock;
	struct handle *first;
	atomic_uint maps[HANDLES_MAPS]; /* handles that may, by hash of the id */
};

void handles_init(struct handles *handles, struct pool *pool);
void handles_done(struct handles *handles);

/* Takes the descriptor, also on failure (then it is closed). */
MUST_CHECK int handle_new(struct handles *handles, uint64_t id, int fd, bool maps,
			  struct handle **ret);
/* False: surely nobody stores to the object through a mapping. Takes no lock. */
bool handles_map(const struct handles *handles, uint64_t id);
void handle_close(struct handles *handles, struct handle *handle);

#endif
