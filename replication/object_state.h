/* SPDX-License-Identifier: Apache-2.0
 * An object as bytes: its row in the index, what a catch-up by state sends, and its hash; and the
 * names under which losers of a conflict are shown.
 * Returned memory is the caller's (free()).
 * Any thread that may read the object; pure.
 * Invariant: the hash covers what all nodes agree on at equal positions, and nothing else.
 */
#ifndef REPLICATION_OBJECT_STATE_H
#define REPLICATION_OBJECT_STATE_H

#include "replication/object.h"

/* A place that a link is not shown at. */
struct link_home {
	uint64_t parent;
	char name[256];
};

/* The name under which a link is shown: its own, or the conflict name. `ret` takes 256 bytes. */
void dentry_shown(const struct dentry *l, char ret[256]);
#define CONFLICT_MARK ".conflict-"
/* NAME.conflict-NODE-STAMP, the suffix kept, cut so that it fits 255 bytes. Pure. */
void conflict_name(const char *name, stamp_t stamp, char ret[256]);

/* Encoded state: the index row and what a catch-up by index sends (without local fields). */
#define OBJECT_STATE_MAX (2u << 20)
MUST_CHECK int object_encode(const struct object *o, uint8_t **ret, size_t *ret_size);
/* Into a zeroed object of the caller, who ends with object_clear(). MA_ECORRUPT. */
MUST_CHECK int object_decode(const void *state, size_t size, struct object *ret);
void object_clear(struct object *o);
/* All that was ever done to it is in the vector. */
bool object_covered(const struct object *o, const struct vector *v);
/* Hash of what all nodes must agree on; all zero for dead objects and aliases. */
void object_hash(const struct object *o, uint8_t ret[STATE_HASH_SIZE]);

#endif
