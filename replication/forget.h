/* SPDX-License-Identifier: Apache-2.0
 * Rows of removed objects leave the index once all members have acknowledged all that was done to
 * them: then no record can come any more that has not seen the removal. The pool owns the state.
 * forget_step(): under the flush lock. The others: any thread.
 * Invariant: what is forgotten was acknowledged by each member, as of a message behind which we
 * have all that the member wrote before.
 */
#ifndef REPLICATION_FORGET_H
#define REPLICATION_FORGET_H

#include "replication/session.h"

#define FORGET_STEP 4096 /* objects looked at for one flush */
/* From an acknowledgement to its use: news of a member that joined elsewhere come first. */
#define FORGET_WAIT_MS 1000
/* A removed directory that a program may still work in stays so long. */
#define FORGET_DIR_MS 600000

MUST_CHECK int forget_new(struct pool *p);
void forget_free(struct pool *p);
/* All members have a session: until then nobody knows what all of them have. */
void forget_begin(struct pool *p);
/* Drops some; they go with the flush that follows. */
MUST_CHECK int forget_step(struct pool *p);
/* Asks for a flush when there is something to be dropped. */
void forget_tick(struct pool *p);
/* True if the peer lacks what it once acknowledged, and the removals in it are forgotten here: it
 * cannot be caught up. */
bool forget_beyond(struct pool *p, uint16_t node, const struct vector *theirs);

/* For the index. */
#define FORGET_VALUE "forgotten"
size_t forget_save(struct pool *p, uint8_t ret[VECTOR_WIRE_MAX]);
MUST_CHECK int forget_load(struct pool *p);

#endif
