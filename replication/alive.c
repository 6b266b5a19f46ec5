/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/alive.h"

#include "replication/apply.h"
#include "replication/content.h"
#include "replication/place.h"

static bool seen_by_someone(const struct object *o, stamp_t content)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (o->links[i].removed && o->links[i].seen == content)
			return true;
	}
	return false;
}

static bool all_removed(const struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (!o->links[i].removed)
			return false;
	}
	return true;
}

/* A content that counts and that nobody who removed a name knew of. */
static bool has_unseen(const struct object *o)
{
	if (!S_ISREG(o->type))
		return false;
	if (!o->obsolete && !seen_by_someone(o, o->content))
		return true;
	for (size_t i = 0; i < o->leaf_count; i++) {
		if (!seen_by_someone(o, o->leaves[i].stamp))
			return true;
	}
	return false;
}

static const struct dentry *latest(const struct object *o)
{
	const struct dentry *best = NULL;

	for (size_t i = 0; i < o->link_count; i++) {
		if (!best || stamp_after(o->links[i].stamp, best->stamp))
			best = &o->links[i];
	}
	return best;
}

bool alive_wants(const struct object *o, const struct dentry *l)
{
	if (!l->removed)
		return true;
	return all_removed(o) && has_unseen(o) && l == latest(o);
}

bool alive_elsewhere(const struct object *o, const struct dentry *l)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (&o->links[i] != l && !o->links[i].dead)
			return true;
	}
	return false;
}

bool alive_removed(struct object *o, struct dentry *l, const struct record_link *seen, bool last)
{
	bool counts = !stamp_after(l->stamp, seen->seen_place);

	if (last && S_ISREG(o->type) && stamp_after(seen->seen_content, o->removed))
		o->removed = seen->seen_content;
	if (!counts)
		return false;
	if (!l->removed || stamp_after(seen->seen_content, l->seen))
		l->seen = seen->seen_content;
	l->removed = true;
	return true;
}

/* A content that went knowingly with the last name is none beside others. */
static int drop_gone(struct pool *p, struct object *o)
{
	size_t heads = o->leaf_count + !o->obsolete;

	return S_ISREG(o->type) && o->removed && heads > 1 ? content_resolve(p, o, o->removed) : 0;
}

/* A name comes back, or is there for the first time. */
static int come(struct pool *p, struct object *o, struct dentry *l)
{
	bool was_dead = o->dead;
	int r = 0;

	/* The bytes went with the names; what they were of is now missing. */
	if (was_dead && S_ISREG(o->type) && !o->obsolete) {
		r = object_leaf_add(o, o->content, false);
		if (r < 0)
			return r;
		o->obsolete = true;
	}
	if (was_dead)
		o->handle.size = 0;
	l->dead = o->dead = false;
	r = place_link(p, o, l, NULL);
	if (r < 0) {
		l->dead = true;
		o->dead = was_dead;
	}
	object_dirty(p->cache, o);
	watch_inode(p, o->id, true);
	return r;
}

int alive_settle(struct pool *p, struct object *o)
{
	if (S_ISDIR(o->type) || o->branch_of)
		return 0;
	int r = drop_gone(p, o);
	/* First those that come, so that the object need not be made anew. */
	for (size_t i = 0; r == 0 && i < o->link_count; i++) {
		if (o->links[i].dead && alive_wants(o, &o->links[i]))
			r = come(p, o, &o->links[i]);
	}
	for (size_t i = 0; r == 0 && i < o->link_count; i++) {
		struct apply remote = {.fd = -1};
		if (!o->links[i].dead && !alive_wants(o, &o->links[i]))
			r = apply_remove(p, o, &o->links[i], &remote);
	}
	if (r == 0 && !o->dead)
		r = content_follow(p, o);
	if (r == 0 && S_ISREG(o->type))
		r = content_settle(p, o);
	content_note(p, o);
	return r;
}
