/* SPDX-License-Identifier: Apache-2.0
 * While the journal is repeated the tree is ahead of the objects: a name may be taken by something
 * that gets there only later in the journal. It waits in the private directory until then.
 * Owns the entries `ahead-ID` there.
 * Recovery only: one thread, barrier held.
 * Invariant: what waits is never lost: it is taken, or known to be elsewhere, or kept as a stray.
 */
#ifndef REPLICATION_AHEAD_H
#define REPLICATION_AHEAD_H

#include "replication/engine.h"

/* Out of the way with the entry, which is of the object `id`. */
MUST_CHECK int ahead_put(struct pool *p, const struct object *dir, const char *name, uint64_t id);
/* The name is to go, by an unlink or by being replaced, but it is the last that the object has in
 * the tree while by its links it lives on, or its bytes are named by the journal and stand nowhere
 * else: later in the journal it may come back. 1: it waits now, 0: the name may go. */
MUST_CHECK int ahead_spare(struct pool *p, const struct object *o, const struct object *dir,
			   const char *name);
/* If the object waits, it goes to `name`, over what may be there. 1: done, 0: it does not wait. */
MUST_CHECK int ahead_take(struct pool *p, struct object *o, const struct object *dir,
			  const char *name);
/* The journal is repeated: what still waits is superfluous, or nobody's. */
MUST_CHECK int ahead_end(struct pool *p);

#endif
