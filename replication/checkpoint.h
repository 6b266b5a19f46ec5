/* SPDX-License-Identifier: Apache-2.0
 * Where recovery begins when the index is lost, or when the power failed: a copy of the index, made
 * while everything that it names was on disk. The journal is kept from there on.
 * Owns the file checkpoint.db in the pool's state directory.
 * Any thread, no lock held; blocks on the disk.
 * Invariant: tree as on disk + checkpoint + journal since then = what was acknowledged.
 */
#ifndef REPLICATION_CHECKPOINT_H
#define REPLICATION_CHECKPOINT_H

#include "replication/engine.h"

/* One is made when so much was journaled since the last: this part of the journal's limit, but at
 * least the size of the index, so that copying stays the smaller work. */
#define CHECKPOINT_SHARE 4
/* Bytes that the journal only names count, too, for after a power cut they are all read: this part
 * of them. */
#define CHECKPOINT_APART 16

/* Opens the index. If it is lost or damaged, or the power failed, then as the checkpoint has it;
 * without one an empty one, should the journal reach back to the beginning. The journal is open. */
MUST_CHECK int checkpoint_open_index(struct pool *p, bool power_cut, char *error, size_t size);
/* The index turned out to be damaged: the next start takes the checkpoint. */
void checkpoint_index_damaged(struct pool *p);
/* After recovery: reads from where the journal is to be kept. */
MUST_CHECK int checkpoint_load(struct pool *p);
/* A state comes in, which the journal does not have: from now on the beginning is out of reach. */
MUST_CHECK int checkpoint_filled(struct pool *p);
bool checkpoint_due(struct pool *p);
/* Copies the index as last flushed, syncs the backing file system, then makes the copy the
 * checkpoint. If that fails the old one stays, unless `needed` or
 * the journal is over its limit: then it is given up. */
MUST_CHECK int checkpoint_make(struct pool *p, bool needed);

#endif
