/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "replication/ahead.h"
#include "replication/apply.h"
#include "replication/catchup.h"
#include "replication/losers.h"
#include "replication/place.h"

bool claim_wins(const struct object *a, const struct dentry *al, const struct object *b,
		const struct dentry *bl)
{
	if (S_ISDIR(a->type) != S_ISDIR(b->type))
		return S_ISDIR(a->type);
	if (al->stamp != bl->stamp)
		return stamp_after(al->stamp, bl->stamp);
	return al->lid > bl->lid; /* an exchange gives two places the same stamp */
}

/* Something stands there that no record knows: put there by hand. It is kept, out of the way. */
static int displace_stray(struct pool *p, struct object *dir, const char *name)
{
	char aside[256];
	stamp_t stamp = stamp_make(0, seq_from_wall(clock_wall_ns()));

	conflict_name(name, stamp, aside);
	place_disturbed(p, dir);
	log_warn("pool \"%s\": \"%s\" in the backing directory is not MultiAll's: kept as \"%s\"",
		 p->name, name, aside);
	return p->store->ops->rename(p->store, &dir->handle, name, &dir->handle, aside, 0);
}

static int make_way(struct pool *p, struct object *dir, const char *name, uint64_t id)
{
	return p->recovering && id ? ahead_put(p, dir, name, id) : displace_stray(p, dir, name);
}

/* Moves a link, which is shown by its plain name, to its computed one. */
static int displace(struct pool *p, struct object *o, struct dentry *l, struct object *dir)
{
	const struct store_ops *ops = p->store->ops;
	char shown[256];
	uint64_t id;

	conflict_name(l->name, l->lid, shown);
	int r = claim_computed(p, dir, shown, o->id);
	if (r < 0)
		return r;
	r = ops->rename(p->store, &dir->handle, l->name, &dir->handle, shown, 0);
	/* Before a crash it may have got there, and rename(2) leaves two names of one file alone.
	 */
	if (r == 0 && ops->lookup(p->store, &dir->handle, l->name, &id, NULL, NULL) == 0)
		r = ops->unlink(p->store, &dir->handle, l->name, S_ISDIR(o->type));
	if (r < 0)
		return r;
	l->conflict = true;
	object_dirty(p->cache, o);
	watch_entry(p, dir->id, l->name);
	watch_entry(p, dir->id, shown);
	place_disturbed(p, dir);
	return losers_add(p, o->id, l->lid);
}

static bool is_computed(const struct object *o, const struct dentry *l)
{
	return l->conflict || o->branch_of;
}

/* The link of the object that is shown under the name; not this one. */
static struct dentry *link_at(struct pool *p, struct object *o, const struct object *dir,
			      const char *name, const struct dentry *but)
{
	for (size_t i = 0; i < o->link_count; i++) {
		AUTO_REF struct object_ref parent = {.cache = p->cache};
		struct dentry *l = &o->links[i];
		char shown[256];

		dentry_shown(l, shown);
		if (l != but && !l->dead && strcmp(shown, name) == 0 &&
		    object_get(p->cache, l->parent, &parent.o) == 0 && parent.o == dir)
			return l;
	}
	return NULL;
}

/* What stands under the name, by the objects: `ret` referenced, the link by which it does. Both
 * NULL: nothing, or (`ret_id`) something that the objects do not know there. `but`: not this link.
 */
static int find_holder(struct pool *p, struct object *dir, const char *name,
		       const struct dentry *but, struct object_ref *ret, struct dentry **ret_link,
		       uint64_t *ret_id, struct store_handle *ret_there)
{
	*ret_link = NULL;
	*ret_id = 0;
	int r = p->store->ops->lookup(p->store, &dir->handle, name, ret_id, ret_there, NULL);
	if (r < 0)
		return r;
	r = *ret_id ? object_get(p->cache, *ret_id, &ret->o) : MA_EUNKNOWN;
	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	*ret_link = link_at(p, ret->o, dir, name, but);
	return 0;
}

int claim_computed(struct pool *p, struct object *dir, const char *name, uint64_t id)
{
	AUTO_REF struct object_ref other = {.cache = p->cache};
	struct store_handle there;
	struct dentry *ol;
	uint64_t other_id;
	int r = find_holder(p, dir, name, NULL, &other, &ol, &other_id, &there);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (other_id == id && (!ol || is_computed(other.o, ol)))
		return 0;
	return ol && !is_computed(other.o, ol) ? displace(p, other.o, ol, dir)
					       : make_way(p, dir, name, other_id);
}

struct restore {
	struct pool *p;
	struct object *dir;
	const struct dentry *but; /* stands under its plain name */
};

/* The crash came when the tree knew of a loser and the index not yet. */
static int restore_loser(void *arg, const char *name, uint64_t id, mode_t type)
{
	const struct restore *at = arg;
	struct pool *p = at->p;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	(void)type;
	if (!id || !strstr(name, CONFLICT_MARK) || object_get_raw(p->cache, id, &o.o) < 0)
		return 0;
	for (size_t i = 0; i < o.o->link_count; i++) {
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		struct dentry *l = &o.o->links[i];
		char shown[256];

		conflict_name(l->name, l->lid, shown);
		if (l == at->but || l->dead || l->conflict || strcmp(shown, name) != 0 ||
		    object_get(p->cache, l->parent, &dir.o) < 0 || dir.o != at->dir)
			continue;
		l->conflict = true;
		object_dirty(p->cache, o.o);
		return losers_add(p, id, l->lid);
	}
	return 0;
}

/* Once per directory is enough: all that the crash left is in the tree from the beginning. */
static int restore_losers(struct pool *p, struct object *dir, const struct dentry *but)
{
	struct restore at = {.p = p, .dir = dir, .but = but};

	if (!p->recovering || p->recovered_dir == dir->id)
		return 0;
	p->recovered_dir = dir->id;
	return p->store->ops->entries(p->store, &dir->handle, restore_loser, &at);
}

static int lose(struct pool *p, struct object *o, struct dentry *l, struct object *dir)
{
	char shown[256];

	conflict_name(l->name, l->lid, shown);
	int r = claim_computed(p, dir, shown, o->id);
	if (r < 0)
		return r;
	l->conflict = true;
	return losers_add(p, o->id, l->lid);
}

int claim_plain(struct pool *p, struct object *o, struct dentry *l, struct object *dir)
{
	AUTO_REF struct object_ref other = {.cache = p->cache};
	struct store_handle there;
	struct dentry *ol;
	uint64_t other_id;
	int r = find_holder(p, dir, l->name, l, &other, &ol, &other_id, &there);

	if (r < 0)
		return r == -ENOENT ? CLAIM_FREE : r;
	if (other_id == o->id && !ol) {
		/* After a crash it may be there already, as the inode that the crash left. */
		o->handle = there;
		r = restore_losers(p, dir, l);
		return r < 0 ? r : CLAIM_THERE;
	}
	if (!ol)
		return make_way(p, dir, l->name, other_id);
	if (is_computed(other.o, ol))
		return lose(p, o, l, dir);
	if (S_ISDIR(o->type) && S_ISDIR(other.o->type)) {
		r = catchup_first(p, other.o->id);
		if (r != 0)
			return r < 0 ? r : claim_plain(p, o, l, dir);
		r = place_merge(p, o->id, other.o->id);
		return r < 0 ? r : CLAIM_MERGED;
	}
	return claim_wins(o, l, other.o, ol) ? displace(p, other.o, ol, dir) : lose(p, o, l, dir);
}

int claim_vacated(struct pool *p, struct object *dir, const char *name)
{
	AUTO_REF struct object_ref best = {.cache = p->cache};
	struct dentry *best_link = NULL;
	uint64_t id, lid;

	for (size_t i = 0; losers_at(p, i, &id, &lid); i++) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		if (object_get(p->cache, id, &o.o) < 0)
			continue;
		struct dentry *l = object_link(o.o, lid);
		if (!l || l->dead || !l->conflict || strcmp(l->name, name) != 0)
			continue;
		AUTO_REF struct object_ref parent = {.cache = p->cache};
		if (object_get(p->cache, l->parent, &parent.o) < 0 || parent.o->id != dir->id)
			continue;
		if (best_link && !claim_wins(o.o, l, best.o, best_link))
			continue;
		object_ref_end(&best);
		best.o = o.o;
		o.o = NULL;
		best_link = l;
	}
	if (!best_link)
		return 0;
	struct place from = {.dir = dir};
	dentry_shown(best_link, from.name);
	losers_remove(p, best.o->id, best_link->lid);
	return place_link(p, best.o, best_link, &from);
}

/* 1: the loser got its name. */
static int contest(struct pool *p, struct object *dir, struct object *o, struct dentry *l)
{
	AUTO_REF struct object_ref holder = {.cache = p->cache};
	struct store_handle there;
	struct dentry *hl;
	uint64_t id;
	char name[256];

	(void)snprintf(name, sizeof(name), "%s", l->name);
	int r = find_holder(p, dir, name, NULL, &holder, &hl, &id, &there);
	if (r == -ENOENT || (r == 0 && !holder.o)) {
		r = claim_vacated(p, dir, name);
		return r < 0 ? r : 1;
	}
	if (r < 0 || !hl || is_computed(holder.o, hl) || !claim_wins(o, l, holder.o, hl))
		return r;
	struct place from = {.dir = dir};
	dentry_shown(l, from.name);
	losers_remove(p, o->id, l->lid);
	r = place_link(p, o, l, &from);
	return r < 0 ? r : 1;
}

int claim_contest(struct pool *p, struct object *dir)
{
	uint64_t id, lid;

	for (size_t i = 0; losers_at(p, i, &id, &lid); i++) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		AUTO_REF struct object_ref parent = {.cache = p->cache};
		if (object_get(p->cache, id, &o.o) < 0)
			continue;
		struct dentry *l = object_link(o.o, lid);
		if (!l || l->dead || !l->conflict ||
		    object_get(p->cache, l->parent, &parent.o) < 0 || parent.o != dir)
			continue;
		int r = contest(p, dir, o.o, l);
		if (r < 0)
			return r;
		if (r == 1)
			i = (size_t)-1; /* the list has changed: from the beginning */
	}
	return 0;
}

int claim_all(struct pool *p)
{
	uint64_t id, lid;

	for (size_t i = 0; losers_at(p, i, &id, &lid); i++) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		const struct dentry *l =
			object_get(p->cache, id, &o.o) < 0 ? NULL : object_link(o.o, lid);
		if (l && object_get(p->cache, l->parent, &dir.o) == 0)
			place_disturbed(p, dir.o);
	}
	return apply_calm(p, false);
}
