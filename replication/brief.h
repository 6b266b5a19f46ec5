/* SPDX-License-Identifier: Apache-2.0
 * A batch as it travels to a peer that follows: without what the peer knows, its records packed.
 * The packer owns zstd's state; a brief owns its packed records, until brief_done().
 * brief_write() under the pool's session_lock, brief_read() in the intake thread.
 * Invariant: what is read again, with the chain that the reader computes, is the very batch.
 */
#ifndef REPLICATION_BRIEF_H
#define REPLICATION_BRIEF_H

#include "replication/batch.h"

/* Packing is tried on records of so many bytes: fewer gain nothing, and more are mostly contents,
 * which cost more to pack than to send. Each try in vain puts the next one off, up to so many. */
#define BRIEF_PACK_MIN 64
#define BRIEF_PACK_MAX (64u << 10)
#define BRIEF_SKIP_MAX 64

#define BRIEF_HEAD_MAX (2 + 1 + 6 * 10 + VECTOR_MAX * (2 + 10) + SIGNATURE_SIZE)

struct brief_packer;
MUST_CHECK int brief_packer_new(struct brief_packer **ret);
void brief_packer_free(struct brief_packer *k);

struct brief {
	uint8_t head[BRIEF_HEAD_MAX];
	size_t head_size; /* 0: not made yet */
	const uint8_t *records;
	size_t records_size;
	uint8_t *packed;
};

MUST_CHECK int brief_write(struct brief_packer *k, const struct batch *batch, struct brief *ret);
void brief_done(struct brief *b);
#define AUTO_BRIEF __attribute__((cleanup(brief_done)))

/* All of the batch but pool and chain. Its records lie in `body` or in ret_unpacked, which the
 * caller frees. MA_ECORRUPT. */
MUST_CHECK int brief_read(struct brief_packer *k, const void *body, size_t size, struct batch *ret,
			  uint8_t **ret_unpacked);

#endif
