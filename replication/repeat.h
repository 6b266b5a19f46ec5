/* SPDX-License-Identifier: Apache-2.0
 * Bytes that the journal names and does not carry, when it is repeated after a crash: what an
 * earlier record would do to them is left out, and at the end they are compared with their hashes.
 * The pool owns it while it recovers (p->repeat); NULL: the journal names none.
 * Recovery only: one thread, barrier held.
 * Invariant: bytes of an extent that nothing later replaced are not touched by the repetition.
 */
#ifndef REPLICATION_REPEAT_H
#define REPLICATION_REPEAT_H

#include "replication/engine.h"

/* Reads the journal from here to its end. */
MUST_CHECK int repeat_begin(struct pool *p, uint64_t from);
/* The frame at this position is repeated now. */
void repeat_at(struct pool *p, uint64_t pos);
/* The bytes of this EXTENT did not come then either. */
bool repeat_lacks(const struct pool *p, stamp_t stamp);
/* True if the record must not simply be made again. */
bool repeat_spares(const struct pool *p, const struct record *rec);
/* Its physical step, as far as it is still to be seen. */
MUST_CHECK int repeat_bytes(struct pool *p, const struct store_handle *handle,
			    const struct record *rec);
/* Compares. An own record without a batch says afterwards what is there; other contents that are
 * not what they should be are asked from peers. Ends the repetition. */
MUST_CHECK int repeat_end(struct pool *p);
void repeat_free(struct pool *p);

#endif
