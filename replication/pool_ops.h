/* SPDX-License-Identifier: Apache-2.0
 * What the files behind pool.h share: finding entries, time, refusing what may not be touched.
 * Owns nothing. The caller has entered the pool (barrier).
 * Any thread.
 * Invariant: an entry is what the backing directory and the object's links both say.
 */
#ifndef REPLICATION_POOL_OPS_H
#define REPLICATION_POOL_OPS_H

#include "replication/apply.h"
#include "replication/engine.h"

#define AUTO_ENTERED __attribute__((cleanup(pool_leave_auto_), unused)) struct pool *entered_ =
static inline void pool_leave_auto_(struct pool **p)
{
	if (*p)
		pool_leave(*p);
}
/* For calls of applications: they wait here, holding nothing, when too much is open. */
static inline struct pool *pool_entered(struct pool *p)
{
	journal_wait_room(p->journal);
	pool_enter(p);
	return p;
}

/* One name in a directory with the locks that changing it takes. */
struct entry {
	struct pool *p;
	struct object_ref dir;
	struct object_ref o; /* NULL: nothing of that name */
	struct dentry *link;
};

void entry_end(struct entry *e);
#define AUTO_ENTRY __attribute__((cleanup(entry_end)))

/* Finds directory and object; no locks. -ENOENT for names that are ours. If nothing is there,
 * `o` stays NULL and 0 is returned. */
MUST_CHECK int entry_find(struct pool *p, uint64_t parent, const char *name, struct entry *ret);
/* With the locks held: is it still so? Sets `link`. -EAGAIN: no, find again. */
MUST_CHECK int entry_check(struct entry *e, const char *name);
/* -ENOENT, -EPERM or 0: may this name be made or removed by an application? */
MUST_CHECK int name_allowed(uint64_t parent, const char *name);

/* XATTR, also of names that applications may not touch. `rec` has name and value. */
MUST_CHECK int xattr_change(struct pool *p, uint64_t id, struct record *rec, int flags);

int64_t ops_now_ns(void);
/* The object that this MAKE made goes again, for what belongs to it failed with `code`, which is
 * returned. The locks of both are held. */
MUST_CHECK int pool_unmake(struct pool *p, const struct record *made, int code);
/* Losing contents of the object become objects of their own, so that it can be removed. */
MUST_CHECK int branch_promote_all(struct pool *p, uint64_t id);
/* The branch becomes an object of its own, which may be changed. -ESTALE: look the name up again.
 */
MUST_CHECK int branch_promote(struct pool *p, uint64_t branch);
/* Brings a file that was put into the backing directory by hand, and what is below it, into the
 * pool. */
MUST_CHECK int adopt_entry(struct pool *p, uint64_t parent, const char *name);

/* The same for all that the objects do not know, after a power cut. Barrier held. */
MUST_CHECK int adopt_strays(struct pool *p);

/* The whole backing directory of a new pool. Enters the pool itself. */
MUST_CHECK int adopt_tree(struct pool *p);

#endif
