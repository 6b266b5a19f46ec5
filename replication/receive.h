/* SPDX-License-Identifier: Apache-2.0
 * Batches that come in: checked, put in order, journaled, applied, handed on.
 * The pool owns those that wait.
 * Intake thread, session_lock not held.
 * Invariant: a batch is applied only behind the one before of its slot, and behind what it rests
 * on.
 */
#ifndef REPLICATION_RECEIVE_H
#define REPLICATION_RECEIVE_H

#include "replication/engine.h"

/* BATCH is the batch; BATCH_BYTES its size (4), the batch, and the bytes that it names. */
enum receive_form { RECEIVE_BATCH, RECEIVE_BATCH_BYTES };
MUST_CHECK int receive_batch(struct pool *p, uint16_t node, enum receive_form form,
			     const void *body, size_t size);
MUST_CHECK int receive_brief(struct pool *p, uint16_t node, const void *body, size_t size);
/* Two directories became one while something was applied: own records tell everybody. Barrier held.
 */
MUST_CHECK int receive_tell_merges(struct pool *p);
/* One that is in the journal and could not be applied. */
MUST_CHECK int receive_keep(struct pool *p, uint16_t node, const void *body, size_t size);
/* Tries batches again that waited for others or for room on the disk. */
void receive_retry(struct pool *p);
void receive_free(struct pool *p);

#endif
