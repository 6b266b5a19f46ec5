/* SPDX-License-Identifier: Apache-2.0
 * Names in the backing directory: links become true, collisions are settled by rule.
 * The objects are the cache's; `struct place` borrows its directory.
 * Callers hold the barrier and, unless the step is a plain one of a local call, all object locks.
 * Invariant: at most one link is shown under a plain name: a directory before a file, otherwise
 * the later move; the others are shown under names computed from their link ids.
 */
#ifndef REPLICATION_PLACE_H
#define REPLICATION_PLACE_H

#include "replication/engine.h"

/* Where something stands now. */
struct place {
	struct pool *pool; /* for walks only */
	struct object *dir;
	char name[256];
};

/* Makes the link true. The object is moved `from` where it is, or (NULL) linked or made anew from
 * its attrs. Whoever else stands there is moved aside, merged, or wins. */
MUST_CHECK int place_link(struct pool *p, struct object *o, struct dentry *l,
			  const struct place *from);
/* Takes the object from that name, if it stands there. */
MUST_CHECK int place_remove(struct pool *p, struct object *o, struct object *dir,
			    const char *shown);
/* After a name became free: the best conflict loser of that name gets it back. */
MUST_CHECK int place_vacated(struct pool *p, struct object *dir, const char *name);
/* Losers that have become the best for their names in this directory get them. */
MUST_CHECK int place_contest(struct pool *p, struct object *dir);
/* A dead object gets its last name back, and dead directories above it theirs. */
MUST_CHECK int place_revive(struct pool *p, struct object *o);
/* Two directories of one name are one: the later made becomes an alias of the earlier. */
MUST_CHECK int place_merge(struct pool *p, uint64_t a, uint64_t b);
/* Sets the directory's mtime unless it has a later one; also while it is removed. */
MUST_CHECK int place_touch(struct pool *p, struct object *dir, int64_t time_ns, stamp_t stamp,
			   bool local);
/* After a step inside that is no change of the directory by any record: its mtime is put back. */
MUST_CHECK int place_settle(struct pool *p, struct object *dir);
/* Something went into the directory or came out of it beside what a record says of it. */
void place_disturbed(struct pool *p, const struct object *dir);
/* Who has the plain name that this link wants; the reference is the caller's. */
MUST_CHECK int place_holder(struct pool *p, const struct dentry *l, struct object_ref *ret);
/* Pure: the first of two that want one name gets it. */
bool place_wins(const struct object *a, const struct dentry *al, const struct object *b,
		const struct dentry *bl);
bool place_is_above(struct pool *p, uint64_t id, uint64_t dir);
/* The object in the backing directory gets another id. */
MUST_CHECK int place_rename_id(struct pool *p, const struct store_handle *handle, uint64_t id);
struct timespec place_timespec(int64_t ns);
void place_node(const struct object *o, struct store_node *ret);

#endif
