/* SPDX-License-Identifier: Apache-2.0
 * One record becomes true in the backing directory and in the objects. The decisions are those
 * of docs/decisions/0007-versions-and-conflicts.md, 0008-names.md.
 */
#include "replication/apply.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "core/auto.h"
#include "replication/alive.h"
#include "replication/claim.h"
#include "replication/content.h"
#include "replication/durability.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/nameless.h"
#include "replication/place.h"
#include "replication/shadow.h"
#include "replication/room.h"
#include "replication/trash.h"

#define REMEMBER_MAX (256u << 10)

void watch_inode(struct pool *p, uint64_t id, bool attr_only)
{
	if (!attr_only)
		shadow_done(p, id);
	if (p->watch.inode)
		p->watch.inode(p->watch.arg, id, attr_only);
}

void watch_entry(struct pool *p, uint64_t parent, const char *name)
{
	if (p->watch.entry)
		p->watch.entry(p->watch.arg, parent, name);
}

bool unlink_holds(const struct dentry *l, const struct record_link *seen)
{
	return !l->dead && !stamp_after(l->stamp, seen->seen_place);
}

/* Values of attributes, so many as a row can well hold. */
static int remember_xattrs(struct pool *p, struct object *o, const struct store_handle *handle)
{
	AUTO_FREE uint8_t *value = o->xattr_count ? malloc(RECORD_VALUE_MAX) : NULL;
	size_t sum = 0;

	if (o->xattr_count && !value)
		return -ENOMEM;
	for (size_t i = 0; i < o->xattr_count && sum < REMEMBER_MAX; i++) {
		const char *name = o->xattrs[i].name;
		ssize_t n =
			p->store->ops->get_xattr(p->store, handle, name, value, RECORD_VALUE_MAX);
		int r = n < 0 ? 0 : object_xattr_keep(o, name, value, (size_t)n);
		if (r < 0)
			return r;
		sum += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

int apply_remember(struct pool *p, struct object *o)
{
	struct stat st;

	if (!o->handle.size)
		return 0;
	int r = p->store->ops->stat(p->store, &o->handle, -1, &st);
	if (r == -ESTALE || r == -ENOENT) {
		struct store_handle kept;
		return grave_find_values(p, o->id, &kept) ? remember_xattrs(p, o, &kept) : 0;
	}
	if (r < 0)
		return r;
	o->attrs.mode = st.st_mode & 07777;
	o->attrs.uid = st.st_uid;
	o->attrs.gid = st.st_gid;
	o->attrs.rdev = st.st_rdev;
	if (S_ISLNK(o->type) && !o->attrs.target) {
		char target[4096];
		ssize_t n = p->store->ops->readlink(p->store, &o->handle, target, sizeof(target));
		if (n < 0)
			return (int)n;
		o->attrs.target = strndup(target, (size_t)n);
		if (!o->attrs.target)
			return -ENOMEM;
	}
	return remember_xattrs(p, o, &o->handle);
}

/* The link is dead; with it, perhaps, the object. The physical name is gone already. */
static void bury(struct pool *p, struct object *o, struct dentry *l, const struct apply *ctx)
{
	if (l->conflict)
		losers_remove(p, o->id, l->lid);
	l->dead = true;
	l->conflict = false;
	if (!alive_elsewhere(o, l))
		o->dead = true;
	object_dirty(p->cache, o);
	if (!ctx->local)
		watch_inode(p, o->id, true);
}

static int remove_link(struct pool *p, struct object *o, struct dentry *l, struct object *dir,
		       const struct apply *ctx)
{
	char shown[256];
	char name[256];
	int r = alive_elsewhere(o, l) ? 0 : apply_remember(p, o);

	if (r < 0)
		return r;
	dentry_shown(l, shown);
	(void)snprintf(name, sizeof(name), "%s", l->name);
	if (!alive_elsewhere(o, l))
		grave_keep_values(p, o, dir, shown);
	if (ctx->local)
		r = p->store->ops->unlink(p->store, &dir->handle, shown, S_ISDIR(o->type));
	else {
		if (!alive_elsewhere(o, l))
			trash_keep(p, o, dir, shown);
		r = place_remove(p, o, dir, shown);
	}
	if (r < 0)
		return r;
	bool was_plain = !l->conflict;
	bury(p, o, l, ctx);
	if (o->dead)
		r = content_bury(p, o);
	if (!ctx->local)
		place_disturbed(p, dir);
	return r == 0 && was_plain && p->losers.count ? claim_vacated(p, dir, name) : r;
}

int apply_remove(struct pool *p, struct object *o, struct dentry *l, struct apply *ctx)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	int r = object_get(p->cache, l->parent, &dir.o);

	return r < 0 ? r : remove_link(p, o, l, dir.o, ctx);
}

void apply_removed_dir(struct object *o, stamp_t removed, stamp_t seen)
{
	if (stamp_after(removed, o->removed))
		o->removed = removed;
	if (stamp_after(seen, o->removed_seen))
		o->removed_seen = seen;
}

/* A directory that a peer removed while something new came into it stays until it is empty. */
static int remove_dir(struct pool *p, struct object *o, struct dentry *l, struct object *dir,
		      const struct record *rec, const struct apply *ctx)
{
	int r = unlink_holds(l, &rec->link) ? remove_link(p, o, l, dir, ctx) : 0;

	/* Also where it stays, or went: what is inside concurrently may keep it or bring it back
	 * for a while. */
	if (r == 0 || (r == -ENOTEMPTY && !ctx->local)) {
		apply_removed_dir(o, rec->stamp, rec->link.seen_place);
		object_dirty(p->cache, o);
	}
	return r == -ENOTEMPTY && !ctx->local ? 0 : r;
}

/* The last entry of a directory that a peer had removed is gone: now the directory goes. */
static int remove_emptied(struct pool *p, struct object *dir)
{
	if (!dir->removed || dir->dead || !dir->link_count ||
	    stamp_after(dir->links[0].stamp, dir->removed_seen))
		return 0;
	AUTO_REF struct object_ref parent = {.cache = p->cache};
	struct apply remote = {.fd = -1};
	int r = object_get(p->cache, dir->links[0].parent, &parent.o);
	if (r == 0)
		r = remove_link(p, dir, &dir->links[0], parent.o, &remote);
	return r == -ENOTEMPTY ? 0 : r;
}

static int remove_file(struct pool *p, struct object *o, struct dentry *l, struct object *dir,
		       const struct record *rec, const struct apply *ctx)
{
	int r = ctx->local ? remove_link(p, o, l, dir, ctx) : 0;

	if (r < 0)
		return r;
	(void)alive_removed(o, l, &rec->link, rec->flags & REC_F_LAST);
	r = alive_gone(p, o, rec->link.seen_content, rec->flags & REC_F_LAST);
	if (r < 0 || !ctx->local)
		return r < 0 ? r : alive_settle(p, o);
	return o->dead ? 0 : content_follow(p, o);
}

static int apply_unlink(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	int r = object_get(p->cache, rec->link.id, &o.o);

	if (r == 0)
		r = object_get(p->cache, rec->parent, &dir.o);
	if (r < 0)
		return r;
	struct dentry *l = object_link(o.o, rec->link.lid);
	if (!l && S_ISDIR(o.o->type) && o.o->link_count)
		l = &o.o->links[0]; /* the directory it named was merged into this one */
	if (l) {
		AUTO_REF struct object_ref at = {.cache = p->cache};
		r = object_get(p->cache, l->parent, &at.o);
		if (r == 0)
			r = S_ISDIR(o.o->type) ? remove_dir(p, o.o, l, at.o, rec, ctx)
					       : remove_file(p, o.o, l, at.o, rec, ctx);
	}
	/* Whether it holds or not: the time must not depend on what came first. */
	if (r == 0)
		r = place_touch(p, dir.o, rec->time_ns, rec->stamp, ctx->local);
	if (dir.o->removed)
		place_disturbed(p, dir.o);
	return r;
}

static int fill_made(struct pool *p, struct object *o, const struct record *rec)
{
	o->owner = o->times = rec->stamp;
	o->content = S_ISREG(rec->mode) ? rec->stamp : 0;
	o->attrs = (struct object_attrs){.mode = rec->mode & 07777,
					 .uid = rec->uid,
					 .gid = rec->gid,
					 .rdev = rec->rdev,
					 .mtime_ns = rec->time_ns};
	if (rec->target_size) {
		o->attrs.target = strndup(rec->target, rec->target_size);
		if (!o->attrs.target)
			return -ENOMEM;
	}
	(void)p;
	return 0;
}

static int set_made_time(struct pool *p, struct object *o, int64_t time_ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(time_ns)};

	return p->store->ops->set_times(p->store, &o->handle, -1, times);
}

/* After a crash the object may stand there without the id that it was about to get. */
static bool left_without_id(struct pool *p, const struct object *dir, const struct dentry *l,
			    mode_t type, struct store_handle *ret)
{
	struct stat st;
	uint64_t id;

	return p->store->ops->lookup(p->store, &dir->handle, l->name, &id, ret, &st) == 0 && !id &&
	       (st.st_mode & S_IFMT) == type;
}

static int make_there(struct pool *p, struct object *dir, struct object *o, struct dentry *l,
		      struct apply *ctx)
{
	struct store_handle left;
	const struct store_handle *there = ctx->adopt;

	if (ctx->redo && !ctx->adopt && !dir->dead && left_without_id(p, dir, l, o->type, &left))
		there = &left;
	if (there) {
		o->handle = *there;
		int r = p->store->ops->set_id(p->store, &o->handle, o->id);
		return r < 0 || ctx->adopt
			       ? r
			       : p->store->ops->set_owner(p->store, &o->handle, o->attrs.mode,
							  o->attrs.uid, o->attrs.gid);
	}
	if (!ctx->local) {
		int r = place_link(p, o, l, NULL);
		/* The crash may have come before it had its owner. */
		return r == 0 && ctx->redo && o->handle.size
			       ? p->store->ops->set_owner(p->store, &o->handle, o->attrs.mode,
							  o->attrs.uid, o->attrs.gid)
			       : r;
	}
	struct store_node node;
	place_node(o, &node);
	return ctx->made_fd
		       ? p->store->ops->make_open(p->store, &dir->handle, l->name, &node,
						  &o->handle, ctx->made_fd)
		       : p->store->ops->make(p->store, &dir->handle, l->name, &node, &o->handle);
}

/* Of a local call: what has been open without a name gets its first one. */
static int apply_named(struct pool *p, const struct record *rec)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	char name[256];
	int r = object_get(p->cache, rec->parent, &dir.o);

	if (r == 0)
		r = object_get(p->cache, rec->id, &o.o);
	(void)snprintf(name, sizeof(name), "%.*s", (int)rec->name_size, rec->name);
	if (r == 0)
		r = p->store->ops->link(p->store, &o.o->handle, &dir.o->handle, name);
	if (r == 0)
		r = object_link_set(o.o, rec->stamp, rec->parent, rec->name, rec->name_size,
				    rec->stamp, NULL);
	if (r < 0)
		return r;
	o.o->owner = o.o->times = o.o->content = rec->stamp;
	object_name(p->cache, o.o);
	return place_touch(p, dir.o, rec->time_ns, rec->stamp, true);
}

static int apply_make(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct dentry *l = NULL;

	if (ctx->local && (rec->flags & REC_F_ID))
		return apply_named(p, rec);
	int r = object_get(p->cache, rec->parent, &dir.o);
	if (r < 0)
		return r;
	r = object_add(p->cache, rec->id, rec->mode, &o.o);
	if (r == -EEXIST)
		return 0; /* known already, by a catch-up or before a crash */
	if (r == 0)
		r = fill_made(p, o.o, rec);
	if (r == 0)
		r = object_link_set(o.o, rec->stamp, rec->parent, rec->name, rec->name_size,
				    rec->stamp, &l);
	if (r == 0)
		r = make_there(p, dir.o, o.o, l, ctx);
	/* It was made with its time, unless a crash came in between. */
	if (r == 0 && o.o->handle.size && ctx->redo && !ctx->adopt)
		r = apply_gone_ok(ctx, set_made_time(p, o.o, o.o->attrs.mtime_ns));
	if (r < 0) {
		object_drop(p->cache, o.o);
		return r;
	}
	if ((rec->flags & REC_F_FETCH) && stamp_slot(rec->stamp) != p->slot) {
		o.o->obsolete = true;
		r = object_leaf_add(o.o, rec->stamp, false);
		if (r < 0)
			return r;
		content_note(p, o.o);
	}
	return place_touch(p, dir.o, rec->time_ns, rec->stamp, ctx->local);
}

static int apply_link(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct dentry *l;
	int r = object_get(p->cache, rec->id, &o.o);

	if (r == 0)
		r = object_get(p->cache, rec->parent, &dir.o);
	if (r < 0 || object_link(o.o, rec->stamp))
		return r;
	if (ctx->local) {
		char name[256];
		(void)snprintf(name, sizeof(name), "%.*s", (int)rec->name_size, rec->name);
		r = p->store->ops->link(p->store, &o.o->handle, &dir.o->handle, name);
		if (r < 0)
			return r;
	}
	r = object_link_set(o.o, rec->stamp, rec->parent, rec->name, rec->name_size, rec->stamp,
			    &l);
	if (r < 0)
		return r;
	object_dirty(p->cache, o.o);
	l->dead = !ctx->local;
	r = ctx->local ? content_follow(p, o.o) : alive_settle(p, o.o);
	return r < 0 ? r : place_touch(p, dir.o, rec->time_ns, rec->stamp, ctx->local);
}

/* A mode from before the access list that the object has got meanwhile: the list stays, with the
 * bits that it gives the mode. */
static int mode_under_list(struct pool *p, const struct object *o, stamp_t stamp, mode_t *mode)
{
	const struct store_ops *ops = p->store->ops;
	stamp_t list = object_xattr(o, STORE_ACL_ACCESS, strlen(STORE_ACL_ACCESS));
	struct stat st;

	if (!list || !stamp_after(list, stamp) ||
	    ops->get_xattr(p->store, &o->handle, STORE_ACL_ACCESS, NULL, 0) < 0)
		return 0;
	int r = ops->stat(p->store, &o->handle, -1, &st);
	if (r == 0)
		*mode = (*mode & ~(mode_t)0777) | (st.st_mode & 0777);
	return r == -ESTALE ? 0 : r;
}

/* An access list from before the mode that the object has got meanwhile: the mode limits it. */
static int list_under_mode(struct pool *p, const struct object *o, const struct record *rec,
			   const char *name, const struct apply *ctx)
{
	const struct store_ops *ops = p->store->ops;
	bool older = !ctx->local && strcmp(name, STORE_ACL_ACCESS) == 0 &&
		     stamp_after(o->owner, rec->stamp);
	struct stat st;

	int r = older ? ops->stat(p->store, &o->handle, -1, &st) : 0;
	if (r == 0)
		r = ops->set_xattr(p->store, &o->handle, name, rec->data, rec->data_size,
				   ctx->xattr_flags);
	return r == 0 && older ? ops->set_owner(p->store, &o->handle, st.st_mode & 07777, st.st_uid,
						st.st_gid)
			       : r;
}

static int apply_owner(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = object_get(p->cache, rec->id, &o.o);

	if (r < 0 || !stamp_after(rec->stamp, o.o->owner))
		return r;
	struct caps caps = {.size = -1};
	mode_t mode = rec->mode;
	if (o.o->handle.size && !(o.o->dead && !ctx->local)) {
		caps_keep(p, o.o, &o.o->handle, &caps);
		r = ctx->local ? 0 : mode_under_list(p, o.o, rec->stamp, &mode);
		if (r == 0)
			r = p->store->ops->set_owner(p->store, &o.o->handle, mode, rec->uid,
						     rec->gid);
	}
	if (r == 0)
		r = caps_restore(p, &o.o->handle, &caps);
	r = apply_gone_ok(ctx, r);
	if (r < 0)
		return r;
	r = content_owner(p, o.o, rec->mode, rec->uid, rec->gid);
	if (r < 0)
		return r;
	o.o->owner = rec->stamp;
	o.o->attrs.mode = mode;
	o.o->attrs.uid = rec->uid;
	o.o->attrs.gid = rec->gid;
	object_dirty(p->cache, o.o);
	if (!ctx->local)
		watch_inode(p, o.o->id, true);
	return 0;
}

static int apply_times(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = object_get(p->cache, rec->id, &o.o);

	if (r < 0 || !stamp_after(rec->stamp, o.o->times))
		return r;
	struct timespec times[2] = {place_timespec(rec->atime_ns), place_timespec(rec->time_ns)};
	if (!(rec->flags & REC_F_ATIME))
		times[0].tv_nsec = UTIME_OMIT;
	if (!(rec->flags & REC_F_MTIME))
		times[1].tv_nsec = UTIME_OMIT;
	if (o.o->handle.size && !(o.o->dead && !ctx->local))
		r = p->store->ops->set_times(p->store, &o.o->handle, ctx->local ? ctx->fd : -1,
					     times);
	r = apply_gone_ok(ctx, r);
	if (r < 0)
		return r;
	if (rec->flags & REC_F_MTIME) {
		o.o->times = rec->stamp;
		o.o->attrs.mtime_ns = rec->time_ns;
	}
	object_dirty(p->cache, o.o);
	if (!ctx->local)
		watch_inode(p, o.o->id, true);
	return 0;
}

static int apply_xattr(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	char name[256];
	int r = object_get(p->cache, rec->id, &o.o);

	if (r < 0)
		return r;
	stamp_t head = object_xattr(o.o, rec->name, rec->name_size);
	if (head && !stamp_after(rec->stamp, head))
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)rec->name_size, rec->name);
	if (o.o->handle.size && !(o.o->dead && !ctx->local)) {
		if (rec->flags & REC_F_REMOVE)
			r = p->store->ops->remove_xattr(p->store, &o.o->handle, name);
		else
			r = list_under_mode(p, o.o, rec, name, ctx);
		if (r == -ENODATA && !ctx->local)
			r = 0;
	}
	bool there = r == 0 && !o.o->dead;
	r = apply_gone_ok(ctx, r);
	if (r < 0)
		return r;
	object_dirty(p->cache, o.o);
	if (!ctx->local)
		watch_inode(p, o.o->id, true);
	r = object_xattr_set(o.o, rec->name, rec->name_size, rec->stamp);
	if (r < 0 || there)
		return r;
	return object_xattr_keep(o.o, name, rec->flags & REC_F_REMOVE ? NULL : rec->data,
				 rec->data_size);
}

static int apply_content(struct pool *p, const struct record *rec, struct apply *ctx)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = object_get(p->cache, rec->id, &o.o);

	if (r < 0)
		return r;
	if (!S_ISREG(o.o->type))
		return MA_ECORRUPT;
	if (!ctx->local && ctx->fd_id != o.o->id && !o.o->dead) {
		/* Records of one file mostly follow each other: one descriptor serves them. */
		if (ctx->fd >= 0)
			p->store->ops->close(p->store, ctx->fd);
		ctx->fd_id = 0;
		ctx->fd = -1;
		if (p->store->ops->open(p->store, &o.o->handle, O_RDWR, &ctx->fd) == 0)
			ctx->fd_id = o.o->id;
	}
	return content_apply(p, o.o, rec, ctx);
}

static int apply_alias(struct pool *p, const struct record *rec)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = place_merge(p, rec->id, rec->base);

	/* So that who gets the state instead of the log gets this. */
	if (r == 0)
		r = object_get_raw(p->cache, rec->id, &o.o);
	if (r == 0 && o.o->alias_of && stamp_after(rec->stamp, o.o->content)) {
		o.o->content = rec->stamp;
		object_dirty(p->cache, o.o);
	}

	/* This is the note that place_merge() leaves: it is journaled already. */
	if (r == 0)
		losers_merge_told(p, rec->id, rec->base);
	return r;
}

static int apply_resolve(struct pool *p, const struct record *rec)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = object_get(p->cache, rec->id, &o.o);

	if (r == 0)
		r = content_resolve(p, o.o, rec->base);
	if (r == 0 && S_ISREG(o.o->type) && !alive_unnamed(o.o))
		r = content_forsake(p, o.o);
	return r < 0 ? r : alive_settle(p, o.o);
}

int apply_calm(struct pool *p, bool local)
{
	uint64_t id;
	int r = 0;

	while (r == 0 && losers_take_disturbed(p, &id)) {
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		if (object_get(p->cache, id, &dir.o) < 0 || !S_ISDIR(dir.o->type))
			continue;
		r = remove_emptied(p, dir.o);
		/* While the journal is repeated a loser may stand where it goes only later. */
		if (r == 0 && !dir.o->dead && !p->recovering)
			r = claim_contest(p, dir.o);
		if (r == 0 && !dir.o->dead)
			r = place_settle(p, dir.o);
		/* What told of a new name may have been followed by a look at the times before. */
		if (!local)
			watch_inode(p, dir.o->id, true);
		if (r < 0)
			place_disturbed(p, dir.o); /* tried again later */
	}
	return r;
}

static int apply_kind(struct pool *p, const struct record *rec, struct apply *ctx)
{
	switch (rec->kind) {
	case REC_VOID:
		return 0;
	case REC_MAKE:
		return apply_make(p, rec, ctx);
	case REC_LINK:
		return apply_link(p, rec, ctx);
	case REC_UNLINK:
		return apply_unlink(p, rec, ctx);
	case REC_RENAME:
		return apply_rename(p, rec, ctx);
	case REC_WRITE:
	case REC_EXTENT:
	case REC_TRUNCATE:
	case REC_FALLOCATE:
		return apply_content(p, rec, ctx);
	case REC_OWNER:
		return apply_owner(p, rec, ctx);
	case REC_TIMES:
		return apply_times(p, rec, ctx);
	case REC_XATTR:
		return apply_xattr(p, rec, ctx);
	case REC_ALIAS:
		return apply_alias(p, rec);
	case REC_RESOLVE:
		return apply_resolve(p, rec);
	default:
		return MA_EVERSION;
	}
}

/* What is gone leaves no stamp behind but this: a peer that missed the record finds the object by
 * it, should it get the state. */
static int mark(struct pool *p, const struct record *rec)
{
	uint64_t id = rec->kind == REC_UNLINK                              ? rec->link.id
		      : rec->kind == REC_RENAME                            ? rec->other.id
		      : rec->kind == REC_ALIAS || rec->kind == REC_RESOLVE ? rec->id
									   : 0;
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = !id                      ? MA_EUNKNOWN
		: rec->kind == REC_ALIAS ? object_get_raw(p->cache, id, &o.o)
					 : object_get(p->cache, id, &o.o);

	if (r == 0) {
		object_dirty(p->cache, o.o);
		r = object_mark(o.o, rec->stamp);
	}
	return r == MA_EUNKNOWN ? 0 : r;
}

int apply_record(struct pool *p, const struct record *rec, struct apply *ctx)
{
	int r = apply_kind(p, rec, ctx);
	int calm = apply_calm(p, ctx->local);

	if (r == 0)
		r = mark(p, rec);
	/* What a local call wanted has happened; the rest is tried again. */
	return r < 0 || ctx->local ? r : calm;
}

/* Content and attribute records need one lock; what touches names may meet other objects. */
static bool needs_all_locks(const struct pool *p, const struct record *rec)
{
	(void)p;
	return !(rec->kind == REC_OWNER || rec->kind == REC_TIMES || rec->kind == REC_XATTR);
}

/* A write that simply continues what we have needs no other object. */
static bool plain_write(struct pool *p, const struct record *rec)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};

	return record_is_content(rec) && object_get(p->cache, rec->id, &o.o) == 0 && !o.o->dead &&
	       !o.o->obsolete && o.o->content == rec->base;
}

int apply_one(struct pool *p, const struct record *rec, struct apply *ctx)
{
	if (record_is_content(rec)) {
		AUTO_LOCKS struct locks_held held;
		locks_take(&p->locks, &rec->id, 1, &held);
		if (plain_write(p, rec))
			return apply_record(p, rec, ctx);
	} else if (!needs_all_locks(p, rec)) {
		AUTO_LOCKS struct locks_held held;
		locks_take(&p->locks, &rec->id, 1, &held);
		return apply_record(p, rec, ctx);
	}
	AUTO_LOCKS struct locks_held held;
	locks_take_all(&p->locks, &held);
	return apply_record(p, rec, ctx);
}

int apply_batch(struct pool *p, const struct batch *batch, bool redo)
{
	struct apply ctx = {.redo = redo, .fd = -1, .deps = &batch->deps};
	struct batch_walk walk;
	struct record rec;
	int r;

	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		r = apply_one(p, &rec, &ctx);
		if (r < 0)
			break;
	}
	if (ctx.fd >= 0)
		p->store->ops->close(p->store, ctx.fd);
	return r;
}

/* A large write: the journal gets the hash, the file the bytes. Not of what stands in the file
 * already, through a mapping: it may change without a record. */
static void by_reference(struct pool *p, struct record *rec, const struct apply *ctx,
			 uint8_t sum[HASH_SIZE])
{
	if (rec->kind != REC_WRITE || rec->data_size <= p->inline_max || ctx->there)
		return;
	hash_bytes(rec->data, rec->data_size, sum, HASH_SIZE);
	rec->kind = REC_EXTENT;
	rec->sum = sum;
	(void)__atomic_add_fetch(&p->apart_bytes, rec->data_size, __ATOMIC_RELAXED);
}

int pool_submit(struct pool *p, struct record *rec, struct apply *ctx)
{
	struct journal_ticket ticket;
	uint8_t sum[HASH_SIZE];
	int r = ctx->internal ? 0 : durability_open(p);

	if (r == 0)
		r = room_for_record(p, rec);
	if (r == 0)
		by_reference(p, rec, ctx, sum);
	if (r == 0)
		r = journal_append(p->journal, rec, &ticket);
	if (r < 0)
		return r;
	ctx->local = true;
	r = apply_record(p, rec, ctx);
	if (r < 0)
		journal_void(p->journal, &ticket, rec);
	else
		journal_done(p->journal, &ticket);
	worker_wake(p);
	return r;
}
