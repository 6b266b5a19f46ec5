/* SPDX-License-Identifier: Apache-2.0
 * Directories that were moved into each other at the same time. The latest move of a circle counts
 * for nothing: that directory is shown where the move had taken it from, and if that makes a
 * circle, too, at the top. Where the move wants it is kept: when the circle is gone, it goes there.
 * The pool lists such directories (p->circles); they are few.
 * Callers hold the barrier and all object locks.
 * Invariant: where directories are shown follows from their latest moves alone (decision 0008).
 */
#ifndef REPLICATION_CIRCLE_H
#define REPLICATION_CIRCLE_H

#include "replication/engine.h"

/* A move of a directory: to where, and from where as its author saw it (parent 0: not known). */
struct circle_move {
	uint64_t parent;
	const char *name;
	stamp_t stamp;
	struct link_home from;
};

/* False: the directory can simply be moved. */
bool circle_near(struct pool *p, const struct object *o, uint64_t parent);
/* The directory moves; whatever else has to move for that, moves. */
MUST_CHECK int circle_move(struct pool *p, struct object *o, const struct circle_move *to);
/* Their places anew, after a state has come in. */
MUST_CHECK int circle_settle(struct pool *p);
/* A link that was set to where a peer shows it: what else the peer knows of its latest move. */
MUST_CHECK int circle_take(struct pool *p, struct object *o, struct dentry *l,
			   const struct dentry *theirs);
/* After a plain move: where it came from. */
MUST_CHECK int circle_note(struct pool *p, struct object *o, uint64_t parent, const char *name);
/* Its latest move, as far as the link says; `ret_from` as in struct circle_move. Pure. */
void circle_latest(const struct dentry *l, struct circle_move *ret);
/* An application is about to move a directory: those in a circle are where they are shown from now
 * on, or they would jump. Own records. */
MUST_CHECK int circle_confirm(struct pool *p);

#endif
