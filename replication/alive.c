/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/alive.h"

#include "replication/apply.h"
#include "replication/content.h"
#include "replication/place.h"

bool alive_unnamed(const struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (!o->links[i].removed)
			return false;
	}
	return true;
}

/* Contents that count: the one shown here, and those beside it. */
static size_t heads(const struct object *o)
{
	return S_ISREG(o->type) ? o->leaf_count + !o->obsolete : 0;
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
	return alive_unnamed(o) && heads(o) && l == latest(o);
}

bool alive_returns(const struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (o->links[i].dead && alive_wants(o, &o->links[i]))
			return true;
	}
	return false;
}

bool alive_elsewhere(const struct object *o, const struct dentry *l)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (&o->links[i] != l && !o->links[i].dead)
			return true;
	}
	return false;
}

/* A content that went knowingly with the last name: it is none beside others, and does not keep the
 * object. */
static int drop_gone(struct pool *p, struct object *o, stamp_t gone)
{
	if (!S_ISREG(o->type) || !gone || (heads(o) < 2 && !alive_unnamed(o)))
		return 0;
	int r = object_leaf(o, gone) ? content_resolve(p, o, gone) : 0;
	if (o->content == gone && !o->obsolete)
		o->obsolete = true;
	/* Should a name come back after all, this is what it is to show. */
	if (r == 0 && !heads(o))
		o->content = gone;
	return r;
}

/* All who removed a name knew this content and no later one. */
static bool known_to_all(const struct object *o, stamp_t content)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (!o->links[i].removed || o->links[i].seen != content)
			return false;
	}
	return o->link_count > 0;
}

bool alive_removed(struct object *o, struct dentry *l, const struct record_link *seen, bool last)
{
	bool counts = !stamp_after(l->stamp, seen->seen_place);

	if (counts && (!l->removed || stamp_after(seen->seen_content, l->seen)))
		l->seen = seen->seen_content;
	l->removed = l->removed || counts;
	if (last && S_ISREG(o->type) && stamp_after(seen->seen_content, o->removed))
		o->removed = seen->seen_content;
	return counts;
}

int alive_gone(struct pool *p, struct object *o, stamp_t content, bool last)
{
	bool gone = S_ISREG(o->type) && (last || known_to_all(o, content));

	/* Only this is the same in whichever order names come and go. */
	if (gone && last && stamp_after(content, o->removed))
		o->removed = content;
	object_dirty(p->cache, o);
	return gone ? drop_gone(p, o, content) : 0;
}

/* What stays by another name keeps the content that went last. */
static int keep_one(struct object *o)
{
	if (!S_ISREG(o->type) || o->dead || heads(o) || alive_unnamed(o))
		return 0;
	o->obsolete = false;
	return 0;
}

/* A name comes back, or is there for the first time. */
static int come(struct pool *p, struct object *o, struct dentry *l)
{
	bool was_dead = o->dead;
	int r = 0;

	/* The bytes went with the names; what they were of is now missing. */
	if (was_dead && S_ISREG(o->type)) {
		stamp_t content = o->content;
		if (!o->obsolete || !o->leaf_count)
			r = object_leaf_add(o, content, false);
		if (r < 0)
			return r;
		/* What is there now is empty, as when it was made: who writes to it before the
		 * bytes have come writes a content of its own. */
		o->obsolete = true;
		o->content = o->id;
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
	int r = keep_one(o);
	if (r == 0)
		r = drop_gone(p, o, o->removed);
	if (r == 0 && S_ISREG(o->type) && !o->obsolete && known_to_all(o, o->content))
		r = drop_gone(p, o, o->content);
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
