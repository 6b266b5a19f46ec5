/* SPDX-License-Identifier: Apache-2.0
 * Links that are shown under a conflict name, and merges that still have to be told to peers.
 * The pool owns the list; it is short (conflicts are rare) and stored with each flush.
 * Any thread (one lock inside).
 * Invariant: every live link with `conflict` set is in the list.
 */
#ifndef REPLICATION_LOSERS_H
#define REPLICATION_LOSERS_H

#include "replication/engine.h"

#define LOSERS_MAX 100000

MUST_CHECK int losers_add(struct pool *p, uint64_t id, uint64_t lid);
void losers_remove(struct pool *p, uint64_t id, uint64_t lid);
/* The i-th; false: there are not so many. */
bool losers_at(struct pool *p, size_t i, uint64_t *ret_id, uint64_t *ret_lid);
/* `goes` became an alias of `stays`: to be journaled as our own record. */
MUST_CHECK int losers_note_merge(struct pool *p, uint64_t goes, uint64_t stays);
/* This one has been journaled. */
void losers_merge_told(struct pool *p, uint64_t goes, uint64_t stays);
/* Takes one noted merge; false: none. */
bool losers_take_merge(struct pool *p, uint64_t *ret_goes, uint64_t *ret_stays);
/* Conflicts that may be none, see equal.h: noted, the i-th, looked at. */
MUST_CHECK int losers_doubt(struct pool *p, uint64_t id, uint64_t b);
bool losers_doubt_at(struct pool *p, size_t i, uint64_t *ret_id, uint64_t *ret_b);
void losers_doubt_done(struct pool *p, uint64_t id, uint64_t b);
/* Directories to be looked at when a step is done, see place_disturbed(): noted; one taken. */
MUST_CHECK int losers_disturb(struct pool *p, uint64_t dir);
bool losers_take_disturbed(struct pool *p, uint64_t *ret_dir);
/* Directories that are not where they want to be, see circle.h: whether this one is; how many are;
 * the i-th. */
void losers_circle(struct pool *p, uint64_t id, bool is);
size_t losers_circles(struct pool *p);
bool losers_circle_at(struct pool *p, size_t i, uint64_t *ret_id);
/* For the index: the losers, the directories. Memory is the caller's. */
MUST_CHECK int losers_save(struct pool *p, uint8_t **ret, size_t *ret_size);
MUST_CHECK int losers_load(struct pool *p, const void *data, size_t size);
MUST_CHECK int losers_save_circles(struct pool *p, uint8_t **ret, size_t *ret_size);
MUST_CHECK int losers_load_circles(struct pool *p, const void *data, size_t size);

#endif
