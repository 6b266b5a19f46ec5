/* SPDX-License-Identifier: Apache-2.0
 * The one thread that tells the kernel what peers changed. It holds no lock while it does.
 * Owns the thread; the changes are borrowed.
 * inval_new() and inval_free() from the thread that mounts.
 * Invariant: each change taken is told once, in order; inval_free() returns after the last call.
 */
#ifndef FUSE_INVAL_H
#define FUSE_INVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "fuse/changes.h"

struct inval;

/* Where the notices go. They may block in the kernel. */
struct inval_sink {
	void *arg;
	int fd; /* of the mount: beside the standard ones the thread has no other descriptor; -1:
		   none */
	/* False: the kernel has no such inode, or not yet. */
	bool (*inode)(void *arg, uint64_t id, bool attr_only);
	void (*entry)(void *arg, uint64_t parent, const char *name);
	/* Returns when the answers that the kernel got about this directory's entries are in force.
	 */
	void (*digest)(void *arg, uint64_t parent);
	/* All names; the ids follow one by one through `inode`. */
	void (*names)(void *arg);
};

MUST_CHECK int inval_new(struct changes *changes, const struct inval_sink *sink,
			 struct inval **ret);
/* Ends the thread. The changes that are left are not told. */
void inval_free(struct inval *inval);

#endif
