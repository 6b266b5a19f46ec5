/* SPDX-License-Identifier: Apache-2.0
 * A record, local or of a peer, becomes true: the end of the one path that all changes take.
 * Owns nothing; works on the pool's objects and store.
 * Callers hold the barrier shared. apply_record(): also the locks of the objects in the record.
 * Invariant: the verdict about what is concurrent depends on the record and on the objects'
 * heads alone, so that all nodes reach the same.
 */
#ifndef REPLICATION_APPLY_H
#define REPLICATION_APPLY_H

#include <errno.h>

#include "replication/engine.h"

struct apply {
	bool local;     /* of this node's own file-system call: the checks were made */
	bool redo;      /* again after a crash: effects may be there already */
	int fd;         /* open descriptor of the record's object, or -1 */
	uint64_t fd_id; /* remote: which object `fd` is of */
	int xattr_flags;
	bool internal; /* local, but no application's: made also while those are refused */
	bool there;    /* local: the bytes of a WRITE stand in the file already */
	const struct vector *deps;        /* of the batch; NULL: a record of this node's own */
	const struct store_handle *adopt; /* MAKE: the object is there already, without an id */
	int *made_fd; /* local MAKE of a regular file: open here; NULL: it is closed */
};

/* What a repeated step may find: the object is gone by a later step that was made already. */
static inline int apply_gone_ok(const struct apply *ctx, int code)
{
	return ctx->redo && (code == -ESTALE || code == -ENOENT) ? 0 : code;
}

/* Tells who watches, should there be somebody. */
void watch_inode(struct pool *p, uint64_t id, bool attr_only);
void watch_entry(struct pool *p, uint64_t parent, const char *name);

MUST_CHECK int apply_record(struct pool *p, const struct record *rec, struct apply *ctx);
/* Takes the locks that the record needs. */
MUST_CHECK int apply_one(struct pool *p, const struct record *rec, struct apply *ctx);
/* Looks after directories that were disturbed, by a local call or not. All locks held. */
MUST_CHECK int apply_calm(struct pool *p, bool local);
MUST_CHECK int apply_rename(struct pool *p, const struct record *rec, struct apply *ctx);
/* All records of a batch. */
MUST_CHECK int apply_batch(struct pool *p, const struct batch *batch, bool redo);
/* Pure: does an rmdir that saw this much remove the link as it is now? */
bool unlink_holds(const struct dentry *l, const struct record_link *seen);
/* Notes that a directory was removed, or replaced, by who had seen it at this place; of several
 * that are one, or several who did, the latest counts. Pure. */
void apply_removed_dir(struct object *o, stamp_t removed, stamp_t seen);
/* Before the last name goes: what is needed to bring the object back. */
MUST_CHECK int apply_remember(struct pool *p, struct object *o);
/* Takes a link away from tree and object; the record's author saw it so. Used by rename too. */
MUST_CHECK int apply_remove(struct pool *p, struct object *o, struct dentry *l, struct apply *ctx);

#endif
