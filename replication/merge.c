/* SPDX-License-Identifier: Apache-2.0
 * The state of an object at another node joins ours, facet by facet, by the same rules as records.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "replication/alive.h"
#include "replication/apply.h"
#include "replication/catchup.h"
#include "replication/circle.h"
#include "replication/claim.h"
#include "replication/content.h"
#include "replication/fetch.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/room.h"
#include "replication/mapped.h"
#include "replication/shadow.h"

static bool counts(const struct object *o, stamp_t stamp)
{
	/* What went with the last name may have to stay, by what else is known: see alive.h. */
	return (!o->obsolete && o->content == stamp) || (o->dead && o->removed == stamp) ||
	       object_leaf((struct object *)(uintptr_t)o, stamp);
}

/* Of our contents those stay that they have too or have not seen; of theirs those come that we
 * have not seen. */
static int merge_contents(struct pool *p, struct object *mine, const struct object *theirs,
			  const struct vector *their_v, const struct vector *my_v)
{
	int r = 0;

	if (!S_ISREG(mine->type))
		return 0;
	if (!mine->obsolete && !counts(theirs, mine->content) &&
	    vector_covers(their_v, mine->content))
		mine->obsolete = true;
	for (size_t i = mine->leaf_count; r == 0 && i-- > 0;) {
		stamp_t leaf = mine->leaves[i].stamp;
		if (!counts(theirs, leaf) && vector_covers(their_v, leaf))
			r = content_resolve(p, mine, leaf);
	}
	for (size_t i = 0; r == 0 && i <= theirs->leaf_count; i++) {
		stamp_t leaf = i < theirs->leaf_count ? theirs->leaves[i].stamp : theirs->content;
		if ((i == theirs->leaf_count && theirs->obsolete) || counts(mine, leaf) ||
		    vector_covers(my_v, leaf))
			continue;
		r = object_leaf_add(mine, leaf, false);
	}
	return r;
}

static int merge_owner(struct pool *p, struct object *mine, const struct object *theirs)
{
	if (!stamp_after(theirs->owner, mine->owner))
		return 0;
	mine->owner = theirs->owner;
	if (mine->dead || !mine->handle.size) {
		mine->attrs.mode = theirs->attrs.mode;
		mine->attrs.uid = theirs->attrs.uid;
		mine->attrs.gid = theirs->attrs.gid;
		return 0;
	}
	int r = content_owner(p, mine, theirs->attrs.mode & 07777, theirs->attrs.uid,
			      theirs->attrs.gid);
	return r < 0 ? r
		     : p->store->ops->set_owner(p->store, &mine->handle, theirs->attrs.mode & 07777,
						theirs->attrs.uid, theirs->attrs.gid);
}

static int merge_times(struct pool *p, struct object *mine, const struct object *theirs)
{
	if (stamp_after(theirs->times, mine->times)) {
		mine->times = theirs->times;
		mine->attrs.mtime_ns = theirs->attrs.mtime_ns;
	}
	if (mine->dead || !mine->handle.size)
		return 0;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(mine->attrs.mtime_ns)};
	return p->store->ops->set_times(p->store, &mine->handle, -1, times);
}

static int merge_xattr(struct pool *p, struct object *mine, const struct item_xattr *x)
{
	stamp_t head = object_xattr(mine, x->name, x->name_size);
	int r = 0;

	if (head && !stamp_after(x->stamp, head))
		return 0;
	if (!mine->dead && mine->handle.size) {
		if (x->present)
			r = p->store->ops->set_xattr(p->store, &mine->handle, x->name, x->value,
						     x->size, 0);
		else
			r = p->store->ops->remove_xattr(p->store, &mine->handle, x->name);
	}
	if (r < 0 && r != -ENODATA)
		return r;
	r = object_xattr_set(mine, x->name, x->name_size, x->stamp);
	if (r < 0 || (!mine->dead && mine->handle.size))
		return r;
	return object_xattr_keep(mine, x->name, x->present ? x->value : NULL, x->size);
}

static int merge_xattrs(struct pool *p, struct object *mine, const struct item *item)
{
	struct item_xattrs walk;
	struct item_xattr xattr;
	int r;

	item_xattrs_init(&walk, item);
	while ((r = item_xattrs_next(&walk, &xattr)) == 1) {
		r = merge_xattr(p, mine, &xattr);
		if (r < 0)
			break;
	}
	return r;
}

/* Where the link was before a move that did not come about. */
static int put_back(struct pool *p, struct object *mine, const struct dentry *was, const char *name)
{
	struct dentry *ml;
	int r = object_link_set(mine, was->lid, was->parent, name, strlen(name), was->stamp, &ml);

	if (r < 0)
		return r;
	ml->removed = was->removed;
	ml->seen = was->seen;
	ml->conflict = was->conflict;
	return was->conflict ? losers_add(p, mine->id, was->lid) : 0;
}

/* Where the link is by the later of both moves. */
static int move_link(struct pool *p, struct object *mine, const struct dentry *tl)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	struct dentry *ml = object_link(mine, tl->lid);
	struct dentry was = ml ? *ml : (struct dentry){0};
	struct place from = {0};
	bool shown = ml && !ml->dead;
	bool plain = shown && !ml->conflict;
	char old_name[256];
	struct circle_move to;
	int r = 0;

	circle_latest(tl, &to);
	if (ml && circle_near(p, mine, to.parent))
		return circle_move(p, mine, &to);
	if (shown) {
		dentry_shown(ml, from.name);
		(void)snprintf(old_name, sizeof(old_name), "%s", ml->name);
		r = object_get(p->cache, ml->parent, &dir.o);
		from.dir = dir.o;
	}
	if (r == 0 && shown && ml->conflict)
		losers_remove(p, mine->id, ml->lid);
	if (r == 0)
		r = object_link_set(mine, tl->lid, tl->parent, tl->name, strlen(tl->name),
				    tl->stamp, &ml);
	if (r < 0)
		return r;
	ml->removed = tl->removed;
	ml->seen = tl->seen;
	ml->dead = !shown;
	r = circle_take(p, mine, ml, tl);
	if (r < 0 || !shown)
		return r;
	r = place_link(p, mine, ml, &from);
	if (r < 0 && put_back(p, mine, &was, old_name) < 0)
		log_warn("pool \"%s\": out of memory for a name", p->name);
	return r == 0 && plain && p->losers.count ? claim_vacated(p, dir.o, old_name) : r;
}

/* A file's name that they removed after they had moved it: where to matters only if it has to stay,
 * and the directories there may be gone with it. Until that is known it stands where it is. */
static bool moved_and_removed(const struct object *mine, const struct dentry *ml,
			      const struct dentry *tl)
{
	return ml && !ml->dead && tl->removed && !S_ISDIR(mine->type);
}

/* Now it is known: the name goes, or has gone, to where they had it. */
static int follow_removed(struct pool *p, struct object *mine, const struct object *theirs)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !S_ISDIR(mine->type) && i < theirs->link_count; i++) {
		const struct dentry *tl = &theirs->links[i];
		const struct dentry *ml = object_link(mine, tl->lid);
		if (ml && ml->stamp == tl->stamp &&
		    (ml->parent != tl->parent || strcmp(ml->name, tl->name) != 0))
			r = move_link(p, mine, tl);
		if (r == 0 && ml && !ml->dead)
			r = content_follow(p, mine);
	}
	return r;
}

/* A directory's name: there if it is there for either, unless it was removed since. */
static int settle_dir(struct pool *p, struct object *mine, const struct dentry *tl)
{
	struct dentry *ml = object_link(mine, tl->lid);

	if (ml->dead && !tl->dead) {
		mine->dead = ml->dead = false;
		mine->handle.size = 0;
		return place_link(p, mine, ml, NULL);
	}
	if (!ml->dead && tl->dead) {
		struct apply ctx = {.fd = -1};
		return apply_remove(p, mine, ml, &ctx);
	}
	return 0;
}

static int merge_link(struct pool *p, struct object *mine, const struct dentry *tl)
{
	struct dentry *ml = object_link(mine, tl->lid);
	bool later = !ml || stamp_after(tl->stamp, ml->stamp);

	if (later && moved_and_removed(mine, ml, tl)) {
		ml->stamp = tl->stamp;
		ml->removed = true;
		ml->seen = tl->seen;
		return 0;
	}
	if (later) {
		int r = move_link(p, mine, tl);
		return r == 0 && S_ISDIR(mine->type) ? settle_dir(p, mine, tl) : r;
	}
	if (ml->stamp != tl->stamp)
		return 0;
	/* A merge that failed half way may have left a name that is nowhere. */
	if (!ml->dead && !mine->dead && !mine->handle.size)
		return place_link(p, mine, ml, NULL);
	if (S_ISDIR(mine->type)) /* what we removed stays so */
		return tl->dead ? settle_dir(p, mine, tl) : 0;
	if (tl->removed) {
		if (!ml->removed || stamp_after(tl->seen, ml->seen))
			ml->seen = tl->seen;
		ml->removed = true;
	}
	return 0;
}

/* Here the directory is one with another by now: that is where the later of both moves puts it. */
static int join_link(struct pool *p, uint64_t id, const struct dentry *tl)
{
	AUTO_REF struct object_ref one = {.cache = p->cache};
	int r = object_get(p->cache, id, &one.o);

	if (r < 0 || !one.o->link_count || !place_later(tl, &one.o->links[0]))
		return r;
	struct dentry as = *tl;
	as.lid = one.o->links[0].lid;
	object_dirty(p->cache, one.o);
	return move_link(p, one.o, &as);
}

static int write_inline(struct pool *p, struct object *mine, const struct item *item)
{
	stamp_t stamp = item->state.content;
	const struct store_ops *ops = p->store->ops;
	struct mapped_step step;

	if (!item->has_data || mine->dead || !mine->obsolete || !mine->handle.size ||
	    content_wanted(mine) != stamp)
		return 0;
	/* Without room now it stays missing, and is fetched later. */
	if (room_take(p, item->data_size) < 0)
		return 0;
	shadow_keep(p, mine, &mine->handle, 0, -1);
	mapped_begin(p, mine, &mine->handle, 0, -1, &step);
	int r = ops->truncate(p->store, &mine->handle, -1, 0);
	if (r == 0 && item->data_size)
		r = ops->write(p->store, &mine->handle, -1, item->data, item->data_size, 0);
	if (r == 0 && item->size != item->data_size)
		r = ops->truncate(p->store, &mine->handle, -1, (off_t)item->size);
	mapped_end(p, &mine->handle, &step);
	if (r < 0)
		return r;
	mine->content = stamp;
	mine->obsolete = false;
	object_leaf_remove(mine, stamp);
	return 0;
}

static int merge_alias(struct pool *p, struct object *mine, const struct object *theirs)
{
	if (!theirs->alias_of || mine->alias_of)
		return 0;
	int r = place_merge(p, mine->id, theirs->alias_of);
	/* It was told already: that is how we know. */
	if (r == 0)
		losers_merge_told(p, mine->id, theirs->alias_of);
	return r;
}

static int begin_new(struct object *mine, const struct object *theirs)
{
	mine->dead = true; /* until a link says otherwise */
	mine->obsolete = S_ISREG(mine->type);
	mine->attrs = theirs->attrs;
	if (theirs->attrs.target) {
		mine->attrs.target = strdup(theirs->attrs.target);
		if (!mine->attrs.target)
			return -ENOMEM;
	}
	return 0;
}

static int merge_marks(struct object *mine, const struct object *theirs)
{
	int r = 0;

	apply_removed_dir(mine, theirs->removed, theirs->removed_seen);
	for (size_t i = 0; r == 0 && i < theirs->mark_count; i++)
		r = object_mark(mine, theirs->marks[i]);
	return r;
}

int merge_item(struct pool *p, struct item *item, const struct vector *their_v,
	       const struct vector *my_v)
{
	AUTO_REF struct object_ref mine = {.cache = p->cache};
	struct object *theirs = &item->state;
	int r = object_get_raw(p->cache, theirs->id, &mine.o);

	if (theirs->branch_of)
		return 0; /* their place for a losing content; ours is made when it is fetched */
	if (r == MA_EUNKNOWN) {
		r = object_add(p->cache, theirs->id, theirs->type, &mine.o);
		if (r == 0)
			r = begin_new(mine.o, theirs);
	}
	if (r < 0)
		return r;
	object_dirty(p->cache, mine.o);
	r = merge_marks(mine.o, theirs);
	bool named = !theirs->alias_of && !mine.o->alias_of;
	for (size_t i = 0; r == 0 && named && i < theirs->link_count; i++)
		r = merge_link(p, mine.o, &theirs->links[i]);
	if (r == 0 && !theirs->alias_of && mine.o->alias_of && theirs->link_count)
		r = join_link(p, theirs->id, &theirs->links[0]);
	bool full = r == -ENOTEMPTY;
	if (r == 0)
		r = merge_alias(p, mine.o, theirs);
	if (theirs->alias_of)
		return r; /* the rest comes with the directory that it is one with */
	if (full)
		r = 0;
	if (r == 0 && mine.o->alias_of) {
		/* The rest belongs to the directory that it is one with. */
		object_ref_end(&mine);
		r = object_get(p->cache, theirs->id, &mine.o);
		if (r == 0)
			object_dirty(p->cache, mine.o);
		if (r == 0)
			r = merge_marks(mine.o, theirs);
	}
	if (r < 0)
		return r;
	r = merge_contents(p, mine.o, theirs, their_v, my_v);
	if (r == 0 && S_ISREG(theirs->type) && theirs->removed)
		r = alive_gone(p, mine.o, theirs->removed, true);
	if (r == 0)
		r = alive_settle(p, mine.o);
	if (r == 0)
		r = follow_removed(p, mine.o, theirs);
	if (mine.o->removed && S_ISDIR(mine.o->type))
		place_disturbed(p, mine.o);
	if (r == 0)
		r = write_inline(p, mine.o, item);
	if (r == 0)
		r = merge_owner(p, mine.o, theirs);
	if (r == 0)
		r = merge_xattrs(p, mine.o, item);
	if (r == 0)
		r = merge_times(p, mine.o, theirs);
	content_note(p, mine.o);
	if (!item->has_data)
		fetch_expect(p, mine.o->id, item->size);
	watch_inode(p, mine.o->id, false);
	return r == 0 && full ? -ENOTEMPTY : r;
}
