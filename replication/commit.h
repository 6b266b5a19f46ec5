/* SPDX-License-Identifier: Apache-2.0
 * Batches are closed, the journal is made durable, objects are flushed into the index; the pool's
 * position, and the way back to it after a crash.
 * Owns nothing; works on the pool.
 * Any thread, without locks held; the position is guarded by the pool's position_lock.
 * Invariant: chains[i] belongs to vector.entries[i].
 */
#ifndef REPLICATION_COMMIT_H
#define REPLICATION_COMMIT_H

#include "replication/engine.h"

/* Closes what is open into batches and gives them to the sessions. */
MUST_CHECK int commit_seal(struct pool *p);
/* Waits until the journal is on disk up to `pos`. */
MUST_CHECK int commit_sync(struct pool *p, uint64_t pos);
/* Writes dirty objects and the position into the index, lets the journal go. */
MUST_CHECK int commit_flush(struct pool *p);
/* Recovers position and what was applied after the last flush. At open. */
MUST_CHECK int commit_recover(struct pool *p);
void position_get(struct pool *p, struct vector *ret);
/* The batch will be applied: own batches from now on depend on it. */
MUST_CHECK int position_begin(struct pool *p, const struct batch *batch);
/* Chain of a slot; zero for one never seen. */
void position_chain(struct pool *p, uint16_t slot, uint8_t ret[HASH_SIZE]);
MUST_CHECK int position_advance(struct pool *p, const struct batch *batch);
/* position_lock held. */
MUST_CHECK int position_set(struct position *pos, uint16_t slot, uint64_t seq,
			    const uint8_t chain[HASH_SIZE]);

#endif
