/* SPDX-License-Identifier: Apache-2.0
 * Levels of durability: how many nodes have a change on disk when fsync returns, and what happens
 * when they can't be had (pool_settings.h has the words). The pool owns the state, under
 * session_lock. Any thread; no lock held unless it says so. Invariant: what counts is an
 * acknowledgement that the peer sent after its disk had it, since the link came up, and with all
 * contents there.
 */
#ifndef REPLICATION_DURABILITY_H
#define REPLICATION_DURABILITY_H

#include "replication/engine.h"

enum durability_level { DURABILITY_LOCAL, DURABILITY_ONE, DURABILITY_QUORUM, DURABILITY_ALL };

/* Nodes, this one among them, that a level asks for in a pool of so many. Pure. */
size_t durability_copies(enum durability_level level, size_t members);
/* The highest level that so many nodes are; "none" for 0. Pure. */
const char *durability_word(size_t copies, size_t members);

/* What was written here so far, made as durable as the pool promises. -EIO if it says so. */
MUST_CHECK int durability_sync(struct pool *p);
/* -EROFS while the pool is to take nothing for want of copies. */
MUST_CHECK int durability_open(const struct pool *p);
/* Attributes that can be read of anything in a pool. */
#define POOL_ASK_XATTRS "user.multiall."
#define POOL_ANSWER_MAX 160
/* "quorum 2/3": the level that all which the object is has reached, on so many nodes of so many. */
MUST_CHECK int durability_text(struct pool *p, uint64_t id, char ret[POOL_ANSWER_MAX]);
/* "web@64:1a2b3c": the last change of this node. Who has it has all that it rests on as well. */
MUST_CHECK int durability_position(struct pool *p, char ret[POOL_ANSWER_MAX]);
/* A peer has acknowledged. session_lock held. */
void durability_acked(struct pool *p);

#endif
