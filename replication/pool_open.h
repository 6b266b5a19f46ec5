/* SPDX-License-Identifier: Apache-2.0
 * A pool is opened from its state directory, recovered, and closed; without threads or mount.
 * The caller owns the pool, the pool its store.
 * One thread; blocks on the disk for as long as recovery takes.
 * Invariant: an opened pool is what was acknowledged, whatever ended it before.
 */
#ifndef REPLICATION_POOL_OPEN_H
#define REPLICATION_POOL_OPEN_H

#include "replication/engine.h"

struct pool_config {
	const char *name;
	uint64_t id;
	const char *dir, *backing;
	uint16_t node, incarnation;
	const struct keypair *key;
	struct pool_io io;
	uint64_t journal_max_bytes;
	bool power_cut;       /* the machine went down meanwhile */
	bool trash;           /* keep what peers remove for a while */
	size_t segment_bytes; /* of the journal; 0: by its size */
	uint64_t log_max;     /* missed by a peer that gets the state; 0: SESSION_LOG_MAX */
	size_t inline_max;    /* bytes of a write that its record carries; 0: RECORD_INLINE_MAX */
	struct store *store;  /* taken over; NULL: the directory `backing` */
};
MUST_CHECK int pool_open_at(const struct pool_config *config, struct pool **ret, char *error,
			    size_t size);
void pool_free(struct pool *p);

#endif
