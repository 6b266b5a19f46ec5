/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/conflicts.h"

#include <stdio.h>
#include <string.h>

#include "replication/commit.h"
#include "replication/pathname.h"
#include "replication/place.h"

#define IDS_AT_ONCE 256

static struct conflict_side side_of(stamp_t author, stamp_t written)
{
	return (struct conflict_side){.node = slot_node(stamp_slot(author)),
				      .time_ns =
					      seq_to_wall(stamp_seq(written ? written : author))};
}

/* What one object has: its losing contents first, then the names that it lost. */
struct found {
	struct conflict conflict;
	struct pathname path, loser;
};

/* 1: found, 0: none (any more). All locks held. */
static int find_leaf(struct pool *p, const struct object *o, size_t i, struct found *ret)
{
	const struct leaf *leaf = &o->leaves[i];
	const struct dentry *l = pathname_link(o);
	char name[256];

	if (!l)
		return 0;
	dentry_shown(l, name);
	pathname_begin(&ret->path, name);
	conflict_name(l->name, leaf->stamp, name);
	pathname_begin(&ret->loser, name);
	ret->conflict = (struct conflict){.content = true,
					  .here = leaf->have,
					  .shown = side_of(o->content, o->content),
					  .lost = side_of(leaf->stamp, leaf->stamp)};
	int r = pathname_climb(p, l->parent, &ret->path);
	if (r == 0)
		r = pathname_climb(p, l->parent, &ret->loser);
	return r < 0 ? r : 1;
}

/* 1: found, 0: none (any more). All locks held. */
static int find_link(struct pool *p, const struct object *o, size_t i, struct found *ret)
{
	AUTO_REF struct object_ref holder = {.cache = p->cache};
	const struct dentry *l = &o->links[i];
	const struct dentry *won = NULL;
	char name[256];

	if (!l->conflict || l->dead)
		return 0;
	int r = place_holder(p, l, &holder);
	if (r == 0)
		won = object_link_at(p->cache, holder.o, l->parent, l->name, strlen(l->name));
	dentry_shown(l, name);
	pathname_begin(&ret->path, l->name);
	pathname_begin(&ret->loser, name);
	ret->conflict =
		(struct conflict){.here = !o->obsolete, .lost = side_of(l->lid, o->content)};
	if (won)
		ret->conflict.shown = side_of(won->lid, holder.o->content);
	r = pathname_climb(p, l->parent, &ret->path);
	if (r == 0)
		r = pathname_climb(p, l->parent, &ret->loser);
	return r < 0 ? r : 1;
}

/* 1: the n-th of this object, 0: not a conflict, -ERANGE: there are not so many. */
static int find(struct pool *p, uint64_t id, size_t n, struct found *ret)
{
	AUTO_LOCKS struct locks_held held;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	locks_take_all(&p->locks, &held);
	int r = object_get_raw(p->cache, id, &o.o);
	if (r < 0 || o.o->dead)
		return -ERANGE;
	if (n < o.o->leaf_count)
		return find_leaf(p, o.o, n, ret);
	n -= o.o->leaf_count;
	return n < o.o->link_count ? find_link(p, o.o, n, ret) : -ERANGE;
}

static int each_of(struct pool *p, uint64_t id, struct found *found,
		   int (*fn)(void *arg, const struct conflict *), void *arg)
{
	for (size_t n = 0;; n++) {
		pool_enter(p);
		int r = find(p, id, n, found);
		pool_leave(p);
		if (r == -ERANGE)
			return 0;
		/* No conflict, or a directory above went meanwhile, or no call could name it. */
		if (r == 0 || r == -ENOENT || r == MA_EUNKNOWN || r == -ENAMETOOLONG)
			continue;
		if (r < 0)
			return r;
		found->conflict.path = pathname_text(&found->path);
		found->conflict.loser = pathname_text(&found->loser);
		r = fn(arg, &found->conflict);
		if (r)
			return r;
	}
}

int conflicts_each(struct pool *pool, int (*fn)(void *arg, const struct conflict *), void *arg)
{
	uint64_t ids[IDS_AT_ONCE];
	uint64_t after = 0;
	struct found found;
	int r = commit_flush(pool);
	int count;

	if (r < 0)
		return r;
	while ((count = index_conflicts(pool->ix, after, ids, IDS_AT_ONCE)) > 0) {
		for (int i = 0; i < count; i++) {
			r = each_of(pool, ids[i], &found, fn, arg);
			if (r)
				return r;
		}
		after = ids[count - 1];
	}
	return count;
}
