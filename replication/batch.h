/* SPDX-License-Identifier: Apache-2.0
 * A batch: consecutive records of one origin, chained to the batch before and signed by it.
 * A decoded batch borrows the bytes it was read from.
 * Any thread; pure. The same bytes lie in the journal and travel to peers and through relays.
 * Invariant: chain = BLAKE2b(chain before, everything in the batch but chain and signature), so
 * equal chains mean equal histories.
 */
#ifndef REPLICATION_BATCH_H
#define REPLICATION_BATCH_H

#include "core/crypto.h"
#include "replication/record.h"

#define BATCH_SIZE_MAX     (3u << 20) /* encoded; less than a message may have */
#define BATCH_RECORDS_SEAL (1u << 20) /* a batch is closed when its records reach this ... */
#define BATCH_APART_MAX    (2u << 20) /* ... with the bytes that they refer to; others may do more */
#define BATCH_HEAD_MAX     (8 + 2 + 3 * 8 + 4 + VECTOR_WIRE_MAX + HASH_SIZE + SIGNATURE_SIZE)

struct batch {
	uint64_t pool;
	uint16_t slot;
	uint64_t prev;  /* last sequence number of the batch before of this slot; 0: the first */
	uint64_t first; /* of the records */
	uint64_t last;
	uint32_t count;
	struct vector deps; /* what the origin had when it closed the batch */
	uint8_t chain[HASH_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	const uint8_t *records; /* each: u32 size, record */
	size_t records_size;
	/* Not part of the batch: the bytes that its EXTENTs name, as they travel beside it. Of each
	 * in order: 1 and the bytes, or 0; NULL: of none. */
	const uint8_t *apart;
	size_t apart_size;
};

/* The chain as it must be behind `chain_before`. */
void batch_chain(const struct batch *batch, const uint8_t chain_before[HASH_SIZE],
		 uint8_t ret[HASH_SIZE]);
/* Computes chain and signature from the other fields. */
void batch_seal(struct batch *batch, const uint8_t chain_before[HASH_SIZE],
		const struct keypair *key);
/* MA_EFORK: does not continue this chain; MA_ESIG: not signed by this key. */
MUST_CHECK int batch_check(const struct batch *batch, const uint8_t chain_before[HASH_SIZE],
			   const uint8_t key[KEY_PUBLIC_SIZE]);

/* Writes the head; the records belong right behind. */
void batch_write_head(struct wr *w, const struct batch *batch);
/* MA_ECORRUPT for anything out of bounds; does not decode the records. */
MUST_CHECK int batch_read(const void *bytes, size_t size, struct batch *ret);

/* Are the bytes beside the batch those that it names? MA_ECORRUPT. */
MUST_CHECK int batch_apart_check(const struct batch *batch);

/* Walks the records: rd over batch->records; 1: `ret` is the next, 0: end, MA_ECORRUPT: a record
 * that does not decode, is of another slot, or out of order (also the count is checked at end).
 * An EXTENT gets its bytes, if they are at hand. */
struct batch_walk {
	struct rd rd;
	struct rd apart;
	uint64_t apart_size; /* of all that was named so far */
	const struct batch *batch;
	uint64_t last_seq;
	uint32_t seen;
};

void batch_walk_init(struct batch_walk *walk, const struct batch *batch);
MUST_CHECK int batch_walk_next(struct batch_walk *walk, struct record *ret);

#endif
