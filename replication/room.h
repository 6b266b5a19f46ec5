/* SPDX-License-Identifier: Apache-2.0
 * Room on the disk: data stop before it is full, so that journal and index can go on.
 * The pool owns the count; any thread, no lock.
 * Measured where the pool's state lies (statvfs); a backing directory elsewhere answers for itself.
 * Invariant: what frees space is never refused, and always has the reserve to be recorded in.
 */
#ifndef REPLICATION_ROOM_H
#define REPLICATION_ROOM_H

#include "replication/batch.h"
#include "replication/engine.h"

#define ROOM_RESERVE_SHARE 16          /* of the file system, but at least and at most: */
#define ROOM_RESERVE_MIN   (24u << 20) /* three journal segments, or the index and its copy */
#define ROOM_RESERVE_MAX   (256u << 20)
#define ROOM_STEP          (32u << 20) /* taken before it is measured again */
#define ROOM_AGAIN         (8u << 20)  /* free again, before a peer that was held is asked */

/* Bytes kept back on a file system of this many. */
uint64_t room_reserve(uint64_t total);
/* Takes `bytes`, as well as it can be known. -ENOSPC: only the reserve is left. */
MUST_CHECK int room_take(struct pool *p, uint64_t bytes);
/* The same for a record, for a batch from a peer: 0 if it takes nothing. */
MUST_CHECK int room_for_record(struct pool *p, const struct record *rec);
MUST_CHECK int room_for_batch(struct pool *p, const struct batch *batch);

#endif
