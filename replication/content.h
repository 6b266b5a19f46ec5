/* SPDX-License-Identifier: Apache-2.0
 * Contents of regular files: the one that is shown, and those written without knowledge of it.
 * A losing content lies in a file of its own, the branch, beside the object's first name.
 * Callers hold the barrier and the object's lock (all locks where branches are touched).
 * Invariant: bytes of a content that nobody has replaced knowingly are never overwritten before
 * they stand in a branch.
 */
#ifndef REPLICATION_CONTENT_H
#define REPLICATION_CONTENT_H

#include "replication/engine.h"

/* WRITE, TRUNCATE, FALLOCATE. Continues the content shown, continues a branch, or begins one. */
MUST_CHECK int content_apply(struct pool *p, struct object *o, const struct record *rec,
			     struct apply *ctx);
/* The content `leaf` is no longer wanted: its branch goes. */
MUST_CHECK int content_resolve(struct pool *p, struct object *o, stamp_t leaf);
/* No content is left, but a name is: the file is what it was when it was made. */
MUST_CHECK int content_forsake(struct pool *p, struct object *o);
/* What is missing here: the content to be fetched next, 0: nothing. Pure. */
stamp_t content_wanted(const struct object *o);
/* A fetched content stands whole in `staged` (name in the private directory): it becomes what the
 * object shows, or a branch. The staged file is gone afterwards. */
MUST_CHECK int content_install(struct pool *p, struct object *o, stamp_t leaf, const char *staged);
/* The object is dead: the files of its losing contents go; the contents are known as missing. */
MUST_CHECK int content_bury(struct pool *p, struct object *o);
/* If the content to be shown lies in a branch here, it is shown. */
MUST_CHECK int content_settle(struct pool *p, struct object *o);
/* Branches have the owner and mode of their object. */
MUST_CHECK int content_owner(struct pool *p, struct object *o, mode_t mode, uid_t uid, gid_t gid);
/* Brings branches to where the object's first name is. */
MUST_CHECK int content_follow(struct pool *p, struct object *o);
/* What the object has to be for a content of this stamp to be read from it: the object itself,
 * or its branch (referenced). MA_EUNKNOWN: we do not have it; -EAGAIN: it is in doubt. */
MUST_CHECK int content_source(struct pool *p, struct object *o, stamp_t leaf, struct object **ret);
/* Any write to a file takes its capabilities away, and so does a change of owner. That is a change
 * of its own, which has its record; to the steps themselves they are lost and put back. */
#define CAPS_XATTR "security.capability"
struct caps {
	ssize_t size; /* < 0: it has none */
	uint8_t value[64];
};
void caps_keep(struct pool *p, const struct object *o, const struct store_handle *handle,
	       struct caps *ret);
MUST_CHECK int caps_restore(struct pool *p, const struct store_handle *handle,
			    const struct caps *caps);
/* The bytes here may not be those of the content: it is fetched. */
MUST_CHECK int content_doubt(struct pool *p, struct object *o);
/* It is this node's own, and was not found yet. */
bool content_in_doubt(const struct pool *p, const struct object *o, stamp_t leaf);
/* No peer has this content of ours, of which the bytes here are in doubt: what is here becomes a
 * new one, which peers fetch. All locks held. */
MUST_CHECK int content_restate(struct pool *p, struct object *o, stamp_t leaf);
/* Notes that the object has something missing, for the fetcher. */
void content_note(struct pool *p, struct object *o);

#endif
