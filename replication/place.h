/* SPDX-License-Identifier: Apache-2.0
 * Names in the backing directory: links become true; who gets a name is said in claim.h.
 * The objects are the cache's; `struct place` borrows its directory.
 * Callers hold the barrier and, unless the step is a plain one of a local call, all object locks.
 * Invariant: each link that is not dead stands where it belongs, under its own or its computed
 * name.
 */
#ifndef REPLICATION_PLACE_H
#define REPLICATION_PLACE_H

#include "replication/engine.h"

/* Where something stands now. */
struct place {
	struct object *dir;
	char name[256];
};

/* Something that was taken from its name, out of everybody's way; `at.name` empty: it did not stand
 * there, since a crash came between. */
struct aside {
	struct object dir;
	struct place at;
};

/* Takes the object from that name into the private directory. */
MUST_CHECK int place_aside(struct pool *p, struct object *o, struct object *dir, const char *shown,
			   struct aside *ret);
/* Makes the link true. The object is moved `from` where it is, or (NULL) linked or made anew from
 * its attrs. Whoever else stands there is moved aside, merged, or wins. */
MUST_CHECK int place_link(struct pool *p, struct object *o, struct dentry *l,
			  const struct place *from);
/* Takes the object from that name, if it stands there. */
MUST_CHECK int place_remove(struct pool *p, struct object *o, struct object *dir,
			    const char *shown);
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
/* Pure: of two moves of one name, or of directories that are one, the first is where it stays. */
bool place_later(const struct dentry *a, const struct dentry *b);
bool place_is_above(struct pool *p, uint64_t id, uint64_t dir);
/* The object in the backing directory gets another id. */
MUST_CHECK int place_rename_id(struct pool *p, const struct store_handle *handle, uint64_t id);
struct timespec place_timespec(int64_t ns);
void place_node(const struct object *o, struct store_node *ret);

#endif
