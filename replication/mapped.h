/* SPDX-License-Identifier: Apache-2.0
 * Stores that programs make to a backing file through a mapping, of which nobody tells us: found
 * by comparing the blocks of the file with sums of what they held by our own doing.
 * The pool owns the table. Any thread; mapped_begin() and mapped_end() with the object's lock.
 * Invariant: a block whose bytes stand in no record differs from its sum.
 */
#ifndef REPLICATION_MAPPED_H
#define REPLICATION_MAPPED_H

#include "replication/engine.h"

#define MAPPED_BLOCKS_MAX                                                                          \
	(1u << 20) /* sums of one file, 8 MiB; larger files have larger blocks                     \
		    */

MUST_CHECK int mappeds_new(struct mappeds **ret);
void mappeds_free(struct mappeds *s);

/* Around each change of a file's bytes and times that is ours or a peer's. */
struct mapped_step {
	struct mapped *m; /* NULL: nobody maps it */
	off_t offset;
	off_t end; /* negative: to the end of the file */
};
void mapped_begin(struct pool *p, const struct object *o, const struct store_handle *handle,
		  off_t offset, off_t size, struct mapped_step *ret);
void mapped_end(struct pool *p, const struct store_handle *handle, const struct mapped_step *step);

/* Looks for stores and makes records of them; `whole`: even if the file's times show none. No lock
 * is held. */
MUST_CHECK int mapped_check(struct pool *p, uint64_t id, bool whole);
/* From time to time: all files. */
void mapped_tick(struct pool *p, uint64_t now_ms);

#endif
