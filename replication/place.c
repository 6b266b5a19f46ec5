/* SPDX-License-Identifier: Apache-2.0
 * Names in the backing directory follow the links of the objects, collisions by rule.
 * See docs/decisions/0008-names.md. Callers hold the barrier and, unless the step is a plain one
 * of a local call, all object locks.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/ahead.h"
#include "replication/circle.h"
#include "replication/claim.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/apply.h"

#define MERGE_DEPTH_MAX 1000

void place_node(const struct object *o, struct store_node *ret)
{
	*ret = (struct store_node){.id = o->id,
				   .mode = o->type | (o->attrs.mode & 07777),
				   .uid = o->attrs.uid,
				   .gid = o->attrs.gid,
				   .rdev = o->attrs.rdev,
				   .target = o->attrs.target,
				   .timed = true,
				   .mtime = place_timespec(o->attrs.mtime_ns)};
}

struct timespec place_timespec(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	if (t.tv_nsec < 0) { /* before 1970 */
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

int place_touch(struct pool *p, struct object *dir, int64_t time_ns, stamp_t stamp, bool local)
{
	AUTO_REF struct object_ref one = {.cache = p->cache};

	if (dir->alias_of) { /* it has become one with another by this very step */
		int r = object_get(p->cache, dir->id, &one.o);
		return r < 0 ? r : place_touch(p, one.o, time_ns, stamp, local);
	}
	/* The step that calls for this has set the time of the day: even a change that comes late
	 * has to put back the time of the latest one. */
	if (!dir->times || stamp_after(stamp, dir->times)) {
		dir->times = stamp;
		dir->attrs.mtime_ns = time_ns;
		object_dirty(p->cache, dir);
	}
	if (dir->dead)
		return 0;
	/* Of a peer's change: when all of the step is done, once. */
	if (!local || place_settle(p, dir) < 0)
		place_disturbed(p, dir); /* the change itself is made: its time comes later */
	return 0;
}

void place_disturbed(struct pool *p, const struct object *dir)
{
	/* The directory's time is put back, and whether it is still wanted looked at, when all of
	 * the step is done. */
	if (dir->id && losers_disturb(p, dir->id) < 0)
		log_warn("pool \"%s\": out of memory for the time of a directory", p->name);
}

int place_settle(struct pool *p, struct object *dir)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(dir->attrs.mtime_ns)};

	if (!dir->times || !dir->handle.size)
		return 0;
	int r = p->store->ops->set_times(p->store, &dir->handle, -1, times);
	/* A directory that went meanwhile has no time to be set. */
	return r == -ESTALE ? 0 : r;
}

int place_rename_id(struct pool *p, const struct store_handle *handle, uint64_t id)
{
	int r = p->store->ops->remove_xattr(p->store, handle, STORE_ID_XATTR);

	return r < 0 && r != -ENODATA ? r : p->store->ops->set_id(p->store, handle, id);
}

/* What a new object of the backing directory has beside mode and owner. */
static int set_made(struct pool *p, struct object *o)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(o->attrs.mtime_ns)};

	for (size_t i = 0; i < o->xattr_count; i++) {
		struct xattr_head *x = &o->xattrs[i];
		int r = !x->value ? 0
				  : p->store->ops->set_xattr(p->store, &o->handle, x->name,
							     x->value, x->size, 0);
		if (r == 0)
			r = object_xattr_keep(o, x->name, NULL, 0);
		if (r < 0)
			return r;
	}
	/* It was made with its time, but the crash may have come in between. */
	return p->recovering ? p->store->ops->set_times(p->store, &o->handle, -1, times) : 0;
}

/* The directory that a name is to be in. Coming back it may become one with another. */
static int living_dir(struct pool *p, uint64_t id, struct object_ref *ret)
{
	int r = object_get(p->cache, id, &ret->o);

	if (r < 0 || !ret->o->dead)
		return r;
	r = place_revive(p, ret->o);
	object_ref_end(ret);
	return r < 0 ? r : object_get(p->cache, id, &ret->o);
}

static void aside_name(uint64_t id, char ret[32])
{
	(void)snprintf(ret, 32, "move-%016llx", (unsigned long long)id);
}

int place_aside(struct pool *p, struct object *o, struct object *dir, const char *shown,
		struct aside *ret)
{
	const struct store_ops *ops = p->store->ops;
	uint64_t id = 0;

	*ret = (struct aside){.dir = {.handle = p->private_dir, .type = S_IFDIR}};
	ret->at.dir = &ret->dir;
	aside_name(o->id, ret->at.name);
	int r = ops->lookup(p->store, &dir->handle, shown, &id, NULL, NULL);
	if (r == -ENOENT || r == -ESTALE || (r == 0 && id != o->id)) {
		/* Before a crash it may have been taken, or got to where it is to go. */
		r = ops->lookup(p->store, &p->private_dir, ret->at.name, &id, NULL, NULL);
		if (r == -ENOENT)
			ret->at.name[0] = '\0';
		return r == -ENOENT ? 0 : r;
	}
	if (r == 0)
		r = ops->rename(p->store, &dir->handle, shown, &p->private_dir, ret->at.name, 0);
	if (r == 0) {
		watch_entry(p, dir->id, shown);
		place_disturbed(p, dir);
	}
	return r;
}

/* True if the object is to be out of the way before it can come to a name that another has: two
 * directories become one, and neither is to be inside the other then; another may have to go to
 * its computed name, and that is where this one stands. */
static bool in_the_way(struct pool *p, const struct object *o, const struct place *from,
		       const struct object *to, const char *name)
{
	struct stat st;
	uint64_t id;

	if (!from || !from->dir->id ||
	    p->store->ops->lookup(p->store, &to->handle, name, &id, NULL, &st) < 0 || id == o->id)
		return false;
	return (S_ISDIR(o->type) && S_ISDIR(st.st_mode)) || strstr(from->name, CONFLICT_MARK);
}

/* The object from where it is to its name. */
static int bring(struct pool *p, struct object *o, const struct place *from, struct object *to,
		 const char *name)
{
	const struct store_ops *ops = p->store->ops;
	char waits[32];
	int r = ops->rename(p->store, &from->dir->handle, from->name, &to->handle, name, 0);

	watch_entry(p, from->dir->id, from->name);
	if (r != -ENOENT || !p->recovering)
		return r;
	aside_name(o->id, waits);
	return ops->rename(p->store, &p->private_dir, waits, &to->handle, name, 0);
}

int place_link(struct pool *p, struct object *o, struct dentry *l, const struct place *from)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	int r = living_dir(p, l->parent, &dir);

	if (r < 0)
		return r;
	l->conflict = false;
	object_dirty(p->cache, o);
	struct aside aside;
	if (in_the_way(p, o, from, dir.o, l->name)) {
		r = place_aside(p, o, from->dir, from->name, &aside);
		from = aside.at.name[0] ? &aside.at : from;
	}
	if (r == 0)
		r = claim_plain(p, o, l, dir.o);
	if (r < 0)
		return r;
	bool same = from && from->dir == dir.o && strcmp(from->name, l->name) == 0;
	if (r == CLAIM_THERE || (r == CLAIM_MERGED && o->alias_of))
		return from && !same ? place_remove(p, o, from->dir, from->name) : 0;
	if (r == CLAIM_MERGED && !from)
		return 0;
	char shown[256];
	dentry_shown(l, shown);
	r = p->recovering ? ahead_take(p, o, dir.o, shown) : 0;
	if (r < 0)
		return r;
	if (r == 1) {
		r = from && !same ? place_remove(p, o, from->dir, from->name) : 0;
	} else if (from) {
		r = bring(p, o, from, dir.o, shown);
	} else if (o->handle.size) {
		r = p->store->ops->link(p->store, &o->handle, &dir.o->handle, shown);
		if (r == -EEXIST)
			r = 0;
	} else {
		struct store_node node;
		place_node(o, &node);
		r = p->store->ops->make(p->store, &dir.o->handle, shown, &node, &o->handle);
		if (r == 0)
			r = set_made(p, o);
	}
	if (p->recovering && (r == -ESTALE || r == -ENOENT))
		r = 0; /* gone by a later step, which is made again, too */
	watch_entry(p, dir.o->id, shown);
	if (from)
		place_disturbed(p, from->dir);
	place_disturbed(p, dir.o);
	if (S_ISDIR(o->type))
		place_disturbed(p, o);
	return r;
}

int place_remove(struct pool *p, struct object *o, struct object *dir, const char *shown)
{
	uint64_t id;
	int r = p->store->ops->lookup(p->store, &dir->handle, shown, &id, NULL, NULL);

	/* Of a directory that is gone, too: a step after the crash may have come before it. */
	if (r == -ENOENT || r == -ESTALE || (r == 0 && id != o->id))
		return 0;
	if (r == 0)
		r = ahead_spare(p, o, dir, shown);
	if (r == 0) {
		grave_keep(p, o, dir, shown);
		r = p->store->ops->unlink(p->store, &dir->handle, shown, S_ISDIR(o->type));
	}
	watch_entry(p, dir->id, shown);
	place_disturbed(p, dir);
	return r < 0 ? r : 0;
}

int place_holder(struct pool *p, const struct dentry *l, struct object_ref *ret)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	uint64_t id;
	int r = object_get(p->cache, l->parent, &dir.o);

	if (r == 0)
		r = p->store->ops->lookup(p->store, &dir.o->handle, l->name, &id, NULL, NULL);
	return r < 0 ? r : object_get(p->cache, id, &ret->o);
}

int place_revive(struct pool *p, struct object *o)
{
	struct dentry *best = NULL;

	for (size_t i = 0; i < o->link_count; i++) {
		if (!best || stamp_after(o->links[i].stamp, best->stamp))
			best = &o->links[i];
	}
	if (!best)
		return MA_EUNKNOWN;
	best->dead = false;
	o->dead = false;
	o->handle.size = 0;
	object_dirty(p->cache, o);
	int r = place_link(p, o, best, NULL);
	if (r < 0)
		best->dead = o->dead = true;
	return r;
}

struct merge_walk {
	struct pool *p;
	struct object *from;
	size_t seen;
};

/* One child of the directory that is merged into another goes over, by the rule of names. */
static int merge_child(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct merge_walk *walk = arg;
	struct pool *p = walk->p;
	AUTO_REF struct object_ref child = {.cache = p->cache};

	(void)type;
	int r = id ? object_get(p->cache, id, &child.o) : MA_EUNKNOWN;
	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	struct place from = {.dir = walk->from};
	(void)snprintf(from.name, sizeof(from.name), "%s", name);
	for (size_t i = 0; i < child.o->link_count; i++) {
		char shown[256];
		struct dentry *l = &child.o->links[i];
		dentry_shown(l, shown);
		/* The link names the directory that is going, or one that went into it before. */
		AUTO_REF struct object_ref parent = {.cache = p->cache};
		if (l->dead || strcmp(shown, name) != 0 ||
		    object_get(p->cache, l->parent, &parent.o) < 0)
			continue;
		return place_link(p, child.o, l, &from);
	}
	return 0;
}

static bool is_there(const struct object *o)
{
	return o->handle.size && !o->dead;
}

/* Mode and owner that a directory has: in the tree, or in the record that has just made it. */
static int owner_of(struct pool *p, const struct object *o, struct object_attrs *ret)
{
	struct stat st;

	*ret = o->attrs;
	if (!is_there(o))
		return 0;
	int r = p->store->ops->stat(p->store, &o->handle, -1, &st);
	ret->mode = st.st_mode & 07777;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	return r;
}

/* The later of both attributes, name by name, become those of the first. */
static int merge_xattrs(struct pool *p, struct object *stays, struct object *goes)
{
	const struct object *there = is_there(stays) ? stays : is_there(goes) ? goes : NULL;
	int r = is_there(stays) ? apply_remember(p, stays) : 0;

	if (r == 0 && is_there(goes))
		r = apply_remember(p, goes);
	for (size_t i = 0; r == 0 && i < goes->xattr_count; i++) {
		const struct xattr_head *x = &goes->xattrs[i];
		size_t size = strlen(x->name);
		if (!stamp_after(x->stamp, object_xattr(stays, x->name, size)))
			continue;
		r = object_xattr_set(stays, x->name, size, x->stamp);
		if (r == 0)
			r = object_xattr_keep(stays, x->name, x->value, x->size);
	}
	for (size_t i = 0; r == 0 && there && i < stays->xattr_count; i++) {
		const struct xattr_head *x = &stays->xattrs[i];
		const struct store_ops *ops = p->store->ops;
		r = x->value ? ops->set_xattr(p->store, &there->handle, x->name, x->value, x->size,
					      0)
			     : ops->remove_xattr(p->store, &there->handle, x->name);
		r = r == -ENODATA ? 0 : r;
		if (r == 0)
			r = object_xattr_keep(stays, x->name, NULL, 0);
	}
	return r;
}

/* Facets of the one that goes, where they are later, become those of the one that stays. */
static int merge_facets(struct pool *p, struct object *stays, struct object *goes)
{
	bool later = stamp_after(goes->owner, stays->owner);
	struct object_attrs owner;

	if (stamp_after(goes->times, stays->times)) {
		stays->times = goes->times;
		stays->attrs.mtime_ns = goes->attrs.mtime_ns;
	}
	apply_removed_dir(stays, goes->removed, goes->removed_seen);
	int r = owner_of(p, later ? goes : stays, &owner);
	if (r == 0)
		r = merge_xattrs(p, stays, goes);
	if (r < 0)
		return r;
	if (later)
		stays->owner = goes->owner;
	stays->attrs.mode = owner.mode;
	stays->attrs.uid = owner.uid;
	stays->attrs.gid = owner.gid;
	const struct object *there = is_there(stays) ? stays : is_there(goes) ? goes : NULL;
	return there ? p->store->ops->set_owner(p->store, &there->handle, owner.mode, owner.uid,
						owner.gid)
		     : 0;
}

/* What is in the one goes into the other; its own name goes. */
static int merge_entries(struct pool *p, struct object *goes)
{
	struct merge_walk walk = {.p = p, .from = goes};
	int r = p->store->ops->entries(p->store, &goes->handle, merge_child, &walk);

	for (size_t i = 0; r == 0 && i < goes->link_count; i++) {
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		char shown[256];
		dentry_shown(&goes->links[i], shown);
		if (object_get(p->cache, goes->links[i].parent, &dir.o) == 0)
			r = place_remove(p, goes, dir.o, shown);
	}
	goes->handle.size = 0;
	return r;
}

/* The merged directory, which stands at `from`, goes to where the later move of the two has put it.
 */
static int merge_place(struct pool *p, struct object *stays, const struct circle_move *to,
		       const struct place *from)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	struct aside aside;
	struct dentry *l;

	if (circle_near(p, stays, to->parent)) {
		int r = place_aside(p, stays, from->dir, from->name, &aside);
		return r < 0 ? r : circle_move(p, stays, to);
	}
	int r = object_get(p->cache, to->parent, &dir.o);
	if (r < 0)
		return r;
	bool same = from->dir == dir.o && strcmp(from->name, to->name) == 0;
	r = object_link_set(stays, stays->links[0].lid, to->parent, to->name, strlen(to->name),
			    to->stamp, &l);
	if (r == 0 && to->from.parent)
		r = circle_note(p, stays, to->from.parent, to->from.name);
	return r < 0 || same ? r : place_link(p, stays, l, from);
}

bool place_later(const struct dentry *a, const struct dentry *b)
{
	if (a->stamp != b->stamp)
		return stamp_after(a->stamp, b->stamp);
	/* An exchange gives two places the same stamp. */
	return a->parent != b->parent ? a->parent < b->parent : strcmp(a->name, b->name) < 0;
}

/* The later of both latest moves. */
static void later_of(const struct dentry *sl, const struct dentry *gl, struct circle_move *ret,
		     char name[256])
{
	struct circle_move s, g;

	circle_latest(sl, &s);
	circle_latest(gl, &g);
	const struct dentry at[2] = {
		{.parent = s.parent, .name = (char *)(uintptr_t)s.name, .stamp = s.stamp},
		{.parent = g.parent, .name = (char *)(uintptr_t)g.name, .stamp = g.stamp}};
	*ret = place_later(&at[1], &at[0]) ? g : s;
	(void)snprintf(name, 256, "%s", ret->name);
	ret->name = name;
}

static int merge_both(struct pool *p, struct object *stays, struct object *goes,
		      const struct aside *aside)
{
	const struct dentry *sl = &stays->links[0];
	const struct dentry *gl = &goes->links[0];
	struct circle_move to;
	char name[256];
	const struct dentry *at = is_there(stays) ? sl : gl;
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	struct place from;
	int r = 0;

	later_of(sl, gl, &to, name);
	losers_circle(p, goes->id, false);
	if (!is_there(stays) && !is_there(goes)) {
		struct dentry *l = NULL;
		r = object_link_set(stays, sl->lid, to.parent, name, strlen(name), to.stamp, &l);
		if (l)
			l->dead = true;
		return r;
	}
	if (is_there(stays) && is_there(goes)) {
		r = merge_entries(p, goes);
	} else if (!is_there(stays)) {
		/* Only the other is there: it takes the identity of the one that stays. */
		r = place_rename_id(p, &goes->handle, stays->id);
		if (r == 0) {
			stays->handle = goes->handle;
			goes->handle.size = 0;
			stays->dead = false;
		}
	}
	if (r == 0)
		r = object_get(p->cache, at->parent, &dir.o);
	from.dir = dir.o;
	dentry_shown(at, from.name);
	return r < 0 ? r : merge_place(p, stays, &to, aside->at.name[0] ? &aside->at : &from);
}

/* The one that stays is inside the one that goes: it is taken out first. */
static int take_out(struct pool *p, struct object *stays, const struct object *goes,
		    struct aside *ret)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	const struct dentry *l = &stays->links[0];
	char shown[256];

	ret->at.name[0] = '\0';
	if (!is_there(stays) || !is_there(goes) || !place_is_above(p, goes->id, l->parent))
		return 0;
	dentry_shown(l, shown);
	int r = object_get(p->cache, l->parent, &dir.o);
	return r < 0 ? r : place_aside(p, stays, dir.o, shown, ret);
}

int place_merge(struct pool *p, uint64_t a, uint64_t b)
{
	AUTO_REF struct object_ref x = {.cache = p->cache};
	AUTO_REF struct object_ref y = {.cache = p->cache};
	int r = object_get(p->cache, a, &x.o);

	if (r == 0)
		r = object_get(p->cache, b, &y.o);
	if (r < 0 || x.o == y.o)
		return r;
	struct object *stays = stamp_after(x.o->id, y.o->id) ? y.o : x.o;
	struct object *goes = stays == x.o ? y.o : x.o;
	if (stays->id == POOL_ROOT_ID || goes->id == POOL_ROOT_ID || !stays->link_count)
		return MA_ECORRUPT;
	if (!goes->link_count) { /* never seen here but by this name of the other */
		goes->alias_of = stays->id;
		object_dirty(p->cache, goes);
		return 0;
	}
	struct aside aside;
	r = take_out(p, stays, goes, &aside);
	if (r == 0)
		r = merge_facets(p, stays, goes);
	if (r < 0)
		return r;
	goes->alias_of = stays->id;
	object_dirty(p->cache, stays);
	object_dirty(p->cache, goes);
	r = merge_both(p, stays, goes, &aside);
	if (r < 0)
		return r;
	place_disturbed(p, stays);
	watch_inode(p, stays->id, false);
	return losers_note_merge(p, goes->id, stays->id);
}

/* True if `id` is `dir` or stands above it. */
bool place_is_above(struct pool *p, uint64_t id, uint64_t dir)
{
	for (int depth = 0; depth < MERGE_DEPTH_MAX && dir != POOL_ROOT_ID; depth++) {
		AUTO_REF struct object_ref d = {.cache = p->cache};
		if (dir == id)
			return true;
		if (object_get(p->cache, dir, &d.o) < 0 || !d.o->link_count)
			return false;
		if (d.o->id == id)
			return true;
		dir = d.o->links[0].parent;
	}
	return false;
}
