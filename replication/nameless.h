/* SPDX-License-Identifier: Apache-2.0
 * Files that have no name yet (O_TMPFILE): objects that no record has told of and no peer knows.
 * The descriptors that are open own them; the first name makes them objects like all others.
 * Any thread; adopt_nameless() with barrier and the locks of both.
 * Invariant: while an object is nameless it is dead, never dirty, and not in the index.
 */
#ifndef REPLICATION_NAMELESS_H
#define REPLICATION_NAMELESS_H

#include "replication/object.h"

struct pool;

/* A new object, referenced. */
MUST_CHECK int object_add_nameless(struct object_cache *c, uint64_t id, mode_t type,
				   struct object **ret);
/* It has a name now. */
void object_name(struct object_cache *c, struct object *o);
/* A descriptor of the object was opened: keeps it, nameless or removed as it may be. */
void object_pin(struct object_cache *c, struct object *o);
/* A descriptor was closed. */
void object_unpin(struct object_cache *c, uint64_t id);

/* Nobody but the caller has a reference, no descriptor is open. */
bool object_unused(struct object_cache *c, const struct object *o);

/* Gives it its first name, which is free: to peers it is new. */
MUST_CHECK int adopt_nameless(struct pool *p, struct object *o, const struct object *dir,
			      const char *name);

#endif
