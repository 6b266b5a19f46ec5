/* SPDX-License-Identifier: Apache-2.0
 * Helpers of commit.c that its tests and the catch-up use; the rest is in engine.h.
 * Owns nothing.
 * The position is guarded by the pool's position_lock.
 * Invariant: chains[i] belongs to vector.entries[i].
 */
#ifndef REPLICATION_COMMIT_H
#define REPLICATION_COMMIT_H

#include "replication/engine.h"

MUST_CHECK int position_set(struct position *pos, uint16_t slot, uint64_t seq,
			    const uint8_t chain[HASH_SIZE]);

#endif
