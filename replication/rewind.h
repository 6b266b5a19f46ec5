/* SPDX-License-Identifier: Apache-2.0
 * After a crash the tree is ahead of the index: names that the end of the journal changed may have
 * moved, gone, or come already. Before that end is repeated they are put back to where the index
 * has them, so that each step finds what it found the first time. Owns what it needs of the journal
 * while it runs, nothing after. Recovery only: one thread, barrier held. Invariant: no bytes are
 * lost: what the index does not know waits (ahead.h), what is gone is made again empty, and goes
 * again.
 */
#ifndef REPLICATION_REWIND_H
#define REPLICATION_REWIND_H

#include "replication/engine.h"

/* Own records and batches from `pos` on are about to be repeated. */
MUST_CHECK int rewind_tree(struct pool *p, uint64_t pos);

#endif
