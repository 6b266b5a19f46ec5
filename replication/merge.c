/* SPDX-License-Identifier: Apache-2.0
 * The state of an object at another node joins ours, facet by facet, by the same rules as records.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "replication/apply.h"
#include "replication/catchup.h"
#include "replication/content.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/room.h"
#include "replication/shadow.h"

/* True if every content that counts in the object is covered by the vector. */
static bool contents_covered(const struct object *o, const struct vector *v)
{
	if (!S_ISREG(o->type))
		return true;
	if (!o->obsolete && !vector_covers(v, o->content))
		return false;
	for (size_t i = 0; i < o->leaf_count; i++) {
		if (!vector_covers(v, o->leaves[i].stamp))
			return false;
	}
	return true;
}

static bool counts(const struct object *o, stamp_t stamp)
{
	return (!o->obsolete && o->content == stamp) ||
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
	return p->store->ops->set_owner(p->store, &mine->handle, theirs->attrs.mode & 07777,
					theirs->attrs.uid, theirs->attrs.gid);
}

static int merge_times(struct pool *p, struct object *mine, const struct object *theirs)
{
	if (stamp_after(theirs->times, mine->times)) {
		mine->times = theirs->times;
		mine->attrs.mtime_ns = theirs->attrs.mtime_ns;
	} else if (theirs->times != mine->times) {
		return 0;
	}
	if (mine->dead || !mine->handle.size)
		return 0;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    place_timespec(theirs->attrs.mtime_ns)};
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

/* A name that they have removed, or moved and then removed. */
static int remove_link(struct pool *p, struct object *mine, struct dentry *ml,
		       const struct dentry *tl)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	struct apply ctx = {.fd = -1, .stamp = tl->died};
	int r = object_get(p->cache, ml->parent, &dir.o);

	if (r == 0)
		r = apply_remove(p, mine, ml, &ctx);
	if (r == 0)
		r = apply_emptied(p, dir.o, &ctx);
	return r;
}

/* They have the name, and here it is not, or elsewhere. */
static int place_theirs(struct pool *p, struct object *mine, struct dentry *ml,
			const struct place *from)
{
	if (!mine->dead)
		return place_link(p, mine, ml, from);
	int r = place_revive(p, mine, ml);
	/* Its bytes went with the last name; a new object has none yet, see merge_contents(). */
	return r == 0 && S_ISREG(mine->type) && mine->content
		       ? object_leaf_add(mine, mine->content, false)
		       : r;
}

static int move_link(struct pool *p, struct object *mine, struct dentry *ml,
		     const struct dentry *tl)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	struct place from = {0};
	bool was_dead = ml->dead;
	char old_name[256];

	if (!was_dead && tl->dead) {
		int r = remove_link(p, mine, ml, tl);
		ml->stamp = tl->stamp;
		return r;
	}
	dentry_shown(ml, from.name);
	(void)snprintf(old_name, sizeof(old_name), "%s", ml->name);
	bool plain = !ml->conflict;
	int r = object_get(p->cache, ml->parent, &dir.o);
	if (r < 0)
		return r;
	from.dir = dir.o;
	if (ml->conflict)
		losers_remove(p, mine->id, ml->lid);
	r = object_link_set(mine, tl->lid, tl->parent, tl->name, strlen(tl->name), tl->stamp, &ml);
	if (r < 0)
		return r;
	ml->dead = tl->dead;
	ml->died = tl->died;
	if (tl->dead)
		return 0;
	r = place_theirs(p, mine, ml, was_dead ? NULL : &from);
	if (r == 0 && plain && !was_dead && p->losers.count)
		r = place_vacated(p, dir.o, old_name);
	return r == 0 && !was_dead ? apply_emptied(p, dir.o, &(struct apply){.fd = -1}) : r;
}

static int merge_link(struct pool *p, struct object *mine, const struct item *item,
		      const struct dentry *tl, const struct vector *their_v,
		      const struct vector *my_v)
{
	struct dentry *ml = object_link(mine, tl->lid);

	if (!ml) {
		int r = object_link_set(mine, tl->lid, tl->parent, tl->name, strlen(tl->name),
					tl->stamp, &ml);
		if (r < 0)
			return r;
		ml->dead = tl->dead;
		ml->died = tl->died;
		return tl->dead ? 0 : place_theirs(p, mine, ml, NULL);
	}
	if (stamp_after(tl->stamp, ml->stamp))
		return move_link(p, mine, ml, tl);
	/* A merge that failed half way may have left a name that is nowhere. */
	if (tl->stamp == ml->stamp && !tl->dead && !ml->dead && !mine->handle.size)
		return place_link(p, mine, ml, NULL);
	if (tl->stamp != ml->stamp || tl->dead == ml->dead)
		return 0;
	if (tl->dead)
		return contents_covered(mine, their_v) ? remove_link(p, mine, ml, tl) : 0;
	/* They still have what we removed: it stays removed unless it was written meanwhile. */
	return contents_covered(&item->state, my_v) ? 0 : move_link(p, mine, ml, tl);
}

static int write_inline(struct pool *p, struct object *mine, const struct item *item)
{
	stamp_t stamp = item->state.content;
	const struct store_ops *ops = p->store->ops;

	if (!item->has_data || mine->dead || !mine->obsolete || !mine->handle.size ||
	    content_wanted(mine) != stamp)
		return 0;
	int r = room_take(p, item->data_size);
	shadow_keep(p, mine, &mine->handle, 0, -1);
	if (r == 0)
		r = ops->truncate(p->store, &mine->handle, -1, 0);
	if (r == 0 && item->data_size)
		r = ops->write(p->store, &mine->handle, -1, item->data, item->data_size, 0);
	if (r == 0 && item->size != item->data_size)
		r = ops->truncate(p->store, &mine->handle, -1, (off_t)item->size);
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

	if (stamp_after(theirs->removed, mine->removed)) {
		mine->removed = theirs->removed;
		mine->removed_seen = theirs->removed_seen;
	}
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
		r = merge_link(p, mine.o, item, &theirs->links[i], their_v, my_v);
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
	if (r == 0)
		r = content_follow(p, mine.o);
	if (r == 0)
		r = apply_emptied(p, mine.o, &(struct apply){.fd = -1, .stamp = mine.o->removed});
	if (r == 0)
		r = write_inline(p, mine.o, item);
	if (r == 0)
		r = merge_owner(p, mine.o, theirs);
	if (r == 0)
		r = merge_xattrs(p, mine.o, item);
	if (r == 0)
		r = merge_times(p, mine.o, theirs);
	content_note(p, mine.o);
	watch_inode(p, mine.o->id, false);
	return r == 0 && full ? -ENOTEMPTY : r;
}
