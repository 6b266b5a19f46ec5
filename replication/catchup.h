/* SPDX-License-Identifier: Apache-2.0
 * Catch-up by state: when the log no longer reaches back to what a peer has, or it is new.
 * The sender owns a still view of its index, the receiver a staging database, per transfer.
 * The sender offers, the receiver takes one offer at a time; who offered in vain is greeted again.
 * catchup_receive(), catchup_in_gone(): worker thread, session_lock not held. The others: held.
 * Invariant: nothing is shown before all of it has arrived; then the receiver's position jumps to
 * the sender's at the time of the view.
 */
#ifndef REPLICATION_CATCHUP_H
#define REPLICATION_CATCHUP_H

#include "replication/item.h"
#include "replication/session.h"

#define CATCHUP_PAGE 256 /* objects looked up at once */

/* The peer takes the state that was offered. */
MUST_CHECK int catchup_out_start(struct pool *p, struct session *s);
void catchup_out_free(struct session *s);
/* Offers, or goes on sending. */
void catchup_pump(struct pool *p, struct session *s);
/* Journal position that the session needs while its state is sent; `tail` if none. */
uint64_t catchup_needed(const struct session *s, uint64_t tail);
void catchup_progress(const struct session *s, struct pool_peer_status *ret);
/* CATCHUP_OFFER, _BEGIN, _ITEM, _END. */
MUST_CHECK int catchup_receive(struct pool *p, uint16_t node, uint16_t type, struct rd *body);
/* The same, with the session_lock held: the others are greeted later. */
void catchup_in_void(struct pool *p, uint16_t node);
void catchup_in_gone(struct pool *p, uint16_t node);
/* While a state is merged: another object stands where one is to go; if the state says something of
 * it, that comes first. 1: it said something. All locks held. */
MUST_CHECK int catchup_first(struct pool *p, uint64_t id);
/* Who offered in vain is greeted when the place is free. */
void catchup_tick(struct pool *p);
void catchup_in_free(struct pool *p);

/* --- merge.c --- */
/* `theirs`: the position that the item is of. Barrier and all locks held. -ENOTEMPTY: all but the
 * removal of a directory that is not empty yet; to be called again after what is in it. */
MUST_CHECK int merge_item(struct pool *p, struct item *item, const struct vector *theirs,
			  const struct vector *mine);

#endif
