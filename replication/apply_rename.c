/* SPDX-License-Identifier: Apache-2.0
 * RENAME: a name moves; concurrent moves of one name go to the later, replaced names are unlinks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "replication/ahead.h"
#include "replication/alive.h"
#include "replication/apply.h"
#include "replication/circle.h"
#include "replication/claim.h"
#include "replication/content.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/place.h"

struct rename {
	struct object_ref o, from, to, other;
	struct dentry *l;
	struct dentry *ol; /* what is replaced or exchanged; NULL: nothing, or it stays */
	char from_shown[256];
	char name[256];
};

static void rename_end(struct rename *m)
{
	object_ref_end(&m->o);
	object_ref_end(&m->from);
	object_ref_end(&m->to);
	object_ref_end(&m->other);
}

static struct dentry *link_of(struct object *o, uint64_t lid)
{
	struct dentry *l = object_link(o, lid);

	if (!l && S_ISDIR(o->type) && o->link_count)
		l = &o->links[0]; /* a directory that was merged into this one */
	return l;
}

static int rename_begin(struct pool *p, const struct record *rec, struct rename *m)
{
	m->o.cache = m->from.cache = m->to.cache = m->other.cache = p->cache;
	int r = object_get(p->cache, rec->link.id, &m->o.o);
	if (r == 0)
		r = object_get(p->cache, rec->new_parent, &m->to.o);
	if (r < 0)
		return r;
	m->l = link_of(m->o.o, rec->link.lid);
	if (!m->l) {
		/* The name died and was forgotten, or came by a relay: it begins here. */
		r = object_link_set(m->o.o, rec->link.lid, rec->parent, rec->old_name,
				    rec->old_name_size, rec->link.seen_place, &m->l);
		if (r < 0)
			return r;
		m->l->dead = true;
		m->l->removed = true;
	}
	r = object_get(p->cache, m->l->parent, &m->from.o);
	if (r < 0)
		return r;
	dentry_shown(m->l, m->from_shown);
	(void)snprintf(m->name, sizeof(m->name), "%.*s", (int)rec->name_size, rec->name);
	if (!rec->other.lid)
		return 0;
	r = object_get(p->cache, rec->other.id, &m->other.o);
	if (r == 0)
		m->ol = link_of(m->other.o, rec->other.lid);
	return r == MA_EUNKNOWN ? 0 : r;
}

/* The link is what the record makes of it; the tree follows, or has been there before. */
static int set_link(struct pool *p, struct object *o, struct dentry **l, uint64_t parent,
		    const char *name, size_t size, stamp_t stamp)
{
	if ((*l)->conflict)
		losers_remove(p, o->id, (*l)->lid);
	object_dirty(p->cache, o);
	return object_link_set(o, (*l)->lid, parent, name, size, stamp, l);
}

static const char *old_name_of(const struct record *rec, char buffer[256])
{
	(void)snprintf(buffer, 256, "%.*s", (int)rec->old_name_size, rec->old_name);
	return buffer;
}

/* Both names move in one step, as the application sees it. */
static int exchange_local(struct pool *p, const struct record *rec, struct rename *m)
{
	char other_shown[256];

	dentry_shown(m->ol, other_shown);
	int r = p->store->ops->rename(p->store, &m->from.o->handle, m->from_shown, &m->to.o->handle,
				      other_shown, RENAME_EXCHANGE);
	if (r == 0)
		r = set_link(p, m->o.o, &m->l, rec->new_parent, rec->name, rec->name_size,
			     rec->stamp);
	if (r == 0)
		r = set_link(p, m->other.o, &m->ol, rec->parent, rec->old_name, rec->old_name_size,
			     rec->stamp);
	char seen[256];
	if (r == 0)
		r = circle_note(p, m->o.o, rec->parent, old_name_of(rec, seen));
	return r == 0 ? circle_note(p, m->other.o, rec->new_parent, m->name) : r;
}

static int set_aside(struct pool *p, struct object *o, const struct dentry *l, struct aside *ret)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	char shown[256];
	int r = object_get(p->cache, l->parent, &dir.o);

	dentry_shown(l, shown);
	return r < 0 ? r : place_aside(p, o, dir.o, shown, ret);
}

/* A name that is not shown has moved: what removed it did not know of that. */
static int come_back(struct pool *p, struct object *o, struct dentry *l)
{
	if (S_ISDIR(o->type))
		return o->dead ? place_revive(p, o) : place_link(p, o, l, NULL);
	l->dead = true;
	return alive_settle(p, o);
}

/* One of the two names, where the exchange puts it. */
static int exchange_one(struct pool *p, struct object *o, struct dentry *l, const struct dentry *to,
			const struct link_home *from, const struct aside *aside)
{
	bool dead = l->dead;
	if (circle_near(p, o, to->parent)) {
		struct circle_move move = {
			.parent = to->parent, .name = to->name, .stamp = to->stamp, .from = *from};
		uint64_t lid = l->lid;
		int r = circle_move(p, o, &move);
		return r == 0 && dead ? come_back(p, o, object_link(o, lid)) : r;
	}
	int r = set_link(p, o, &l, to->parent, to->name, strlen(to->name), to->stamp);

	if (r < 0)
		return r;
	r = dead ? come_back(p, o, l) : place_link(p, o, l, aside->at.name[0] ? &aside->at : NULL);
	return r < 0 || o->alias_of ? r : circle_note(p, o, from->parent, from->name);
}

/* Later than the latest move of the link, wherever that has put it. */
static bool later_than(const struct dentry *to, const struct dentry *l)
{
	struct circle_move latest;

	circle_latest(l, &latest);
	struct dentry at = {.parent = latest.parent,
			    .name = (char *)(uintptr_t)latest.name,
			    .stamp = latest.stamp};
	return place_later(to, &at);
}

/* A peer's exchange: each of the two moves unless it moved later still. */
static int exchange_remote(struct pool *p, const struct record *rec, struct rename *m)
{
	char old_name[256];
	const struct dentry to[2] = {
		{.parent = rec->new_parent, .name = m->name, .stamp = rec->stamp},
		{.parent = rec->parent, .name = old_name, .stamp = rec->stamp}};
	struct aside aside[2] = {0};
	bool move[2];
	int r = 0;

	(void)snprintf(old_name, sizeof(old_name), "%.*s", (int)rec->old_name_size, rec->old_name);
	struct link_home from[2] = {{.parent = rec->parent}, {.parent = rec->new_parent}};
	memcpy(from[0].name, old_name, sizeof(old_name));
	memcpy(from[1].name, m->name, sizeof(m->name));
	move[0] = later_than(&to[0], m->l);
	move[1] = m->ol && later_than(&to[1], m->ol);
	if (m->o.o == m->other.o) /* directories that have become one */
		move[place_later(&to[0], &to[1])] = false;
	if (move[0] && !m->l->dead)
		r = set_aside(p, m->o.o, m->l, &aside[0]);
	if (r == 0 && move[1] && !m->ol->dead)
		r = set_aside(p, m->other.o, m->ol, &aside[1]);
	uint64_t lid = m->l->lid;
	if (r == 0 && move[0])
		r = exchange_one(p, m->o.o, m->l, &to[0], &from[0], &aside[0]);
	if (r == 0 && move[1])
		r = exchange_one(p, m->other.o, m->ol, &to[1], &from[1], &aside[1]);
	m->l = object_link(m->o.o, lid);
	return r;
}

static int rename_exchange(struct pool *p, const struct record *rec, struct rename *m,
			   struct apply *ctx)
{
	char old_name[256];

	(void)snprintf(old_name, sizeof(old_name), "%s", m->l->name);
	int r = ctx->local ? exchange_local(p, rec, m) : exchange_remote(p, rec, m);
	if (r == 0)
		r = content_follow(p, m->o.o);
	if (r == 0 && m->other.o)
		r = content_follow(p, m->other.o);
	/* One of the two may have stayed, or gone elsewhere. */
	if (r == 0 && !ctx->local && p->losers.count)
		r = claim_vacated(p, m->from.o, old_name);
	return r;
}

/* What stood under the new name was replaced knowingly: it dies as the other takes its place. */
static int bury_replaced(struct pool *p, const struct record *rec, struct rename *m)
{
	struct object *o = m->other.o;
	bool last = true;

	for (size_t i = 0; i < o->link_count; i++)
		last = last && (&o->links[i] == m->ol || o->links[i].dead);
	m->ol->dead = true;
	if (S_ISDIR(o->type))
		apply_removed_dir(o, rec->stamp, rec->other.seen_place);
	if (m->ol->conflict)
		losers_remove(p, o->id, m->ol->lid);
	m->ol->conflict = false;
	if (last)
		o->dead = true;
	object_dirty(p->cache, o);
	watch_inode(p, o->id, true);
	return o->dead ? content_bury(p, o) : 0;
}

/* Moves the name itself. `over`: what stands there now is replaced by the same step. */
static int move_name(struct pool *p, const struct record *rec, struct rename *m, bool over,
		     const struct apply *ctx)
{
	bool dead = m->l->dead;
	bool was_loser = m->l->conflict;
	struct place from = {.dir = m->from.o};

	(void)snprintf(from.name, sizeof(from.name), "%s", m->from_shown);
	if (!dead && !ctx->local && over)
		grave_keep(p, m->other.o, m->to.o, m->name);
	if (!dead && (ctx->local || over)) {
		int r = p->store->ops->rename(p->store, &m->from.o->handle, m->from_shown,
					      &m->to.o->handle, m->name, 0);
		if (r == -ENOENT && ctx->redo)
			r = ahead_take(p, m->o.o, m->to.o, m->name);
		if (r < 0)
			return r;
	}
	if (was_loser)
		losers_remove(p, m->o.o->id, m->l->lid);
	int r = object_link_set(m->o.o, m->l->lid, rec->new_parent, m->name, strlen(m->name),
				rec->stamp, &m->l);
	if (r < 0)
		return r;
	object_dirty(p->cache, m->o.o);
	if (dead)
		return come_back(p, m->o.o, m->l);
	if (!ctx->local && !over)
		return place_link(p, m->o.o, m->l, &from);
	if (!ctx->local) {
		watch_entry(p, m->from.o->id, m->from_shown);
		watch_entry(p, m->to.o->id, m->name);
		r = place_settle(p, m->from.o);
	}
	/* The time of a local call is set by rename_touch(). */
	if (!ctx->local || p->losers.count)
		place_disturbed(p, m->to.o);
	return r;
}

/* True if the replaced name really stands under the new name here, so that one rename does it. */
static bool replaced_stands_there(struct pool *p, struct rename *m)
{
	/* A directory may have got something new inside: it is removed apart, or becomes one. */
	if (S_ISDIR(m->other.o->type))
		return false;
	uint64_t id;

	return p->store->ops->lookup(p->store, &m->to.o->handle, m->name, &id, NULL, NULL) == 0 &&
	       id == m->other.o->id;
}

/* Notes that the other name was replaced. 1: it is not to be shown any more. */
static int removes_other(struct pool *p, struct rename *m, const struct record *rec,
			 const struct apply *ctx)
{
	if (S_ISDIR(m->other.o->type)) {
		if (!ctx->local)
			apply_removed_dir(m->other.o, rec->stamp, rec->other.seen_place);
		return unlink_holds(m->ol, &rec->other);
	}
	bool last = rec->flags & REC_F_LAST;
	(void)alive_removed(m->other.o, m->ol, &rec->other, last);
	int r = alive_gone(p, m->other.o, rec->other.seen_content, last);
	return r < 0 ? r : !m->ol->dead && !alive_wants(m->other.o, m->ol);
}

static int remove_other(struct pool *p, struct rename *m, bool removes, const struct apply *ctx)
{
	struct apply remote = {.fd = -1, .deps = ctx->deps};

	object_dirty(p->cache, m->other.o);
	if (!S_ISDIR(m->other.o->type))
		return alive_settle(p, m->other.o);
	int r = removes ? apply_remove(p, m->other.o, m->ol, &remote) : 0;
	return r == -ENOTEMPTY ? 0 : r;
}

static void still_there(struct rename *m)
{
	m->ol->removed = false;
	m->ol->seen = 0;
	m->other.o->obsolete = false;
}

/* Of a directory, into what is, or was, below it: see circle.h. */
static int move_in_circle(struct pool *p, const struct record *rec, struct rename *m)
{
	struct circle_move to = {.parent = rec->new_parent,
				 .name = m->name,
				 .stamp = rec->stamp,
				 .from = {.parent = rec->parent}};
	bool dead = m->l->dead;

	(void)old_name_of(rec, to.from.name);
	int r = circle_move(p, m->o.o, &to);
	m->l = link_of(m->o.o, m->l->lid);
	return r == 0 && dead && !m->o.o->alias_of ? come_back(p, m->o.o, m->l) : r;
}

static int rename_plain(struct pool *p, const struct record *rec, struct rename *m,
			struct apply *ctx)
{
	bool moves = stamp_after(rec->stamp, m->l->stamp);
	int removes = m->ol ? removes_other(p, m, rec, ctx) : 0;
	bool vacates = !m->l->dead && !m->l->conflict;
	char old_name[256], seen[256];
	int r = 0;

	if (removes < 0)
		return removes;
	bool circle = moves && !ctx->local && circle_near(p, m->o.o, m->to.o->id);
	(void)snprintf(old_name, sizeof(old_name), "%s", m->l->name);
	bool over = removes && moves && !m->l->dead &&
		    (ctx->local || (replaced_stands_there(p, m) && !alive_returns(m->other.o)));
	if (m->ol && !over)
		r = remove_other(p, m, removes, ctx);
	else if (over)
		r = apply_remember(p, m->other.o);
	if (r == 0 && over && !alive_elsewhere(m->other.o, m->ol))
		grave_keep_values(p, m->other.o, m->to.o, m->name);
	if (r == 0 && over)
		r = ahead_spare(p, m->other.o, m->to.o, m->name);
	if (r < 0 || !moves)
		return r;
	r = circle ? move_in_circle(p, rec, m) : move_name(p, rec, m, over, ctx);
	if (r == 0 && !circle)
		r = circle_note(p, m->o.o, rec->parent, old_name_of(rec, seen));
	if (r < 0 && over && ctx->local)
		still_there(m); /* and no peer will hear of it */
	if (r == 0 && over)
		r = bury_replaced(p, rec, m);
	if (r == 0)
		r = content_follow(p, m->o.o);
	if (r == 0 && vacates && p->losers.count)
		r = claim_vacated(p, m->from.o, old_name);
	if (m->from.o->removed)
		place_disturbed(p, m->from.o);
	return r;
}

/* The directories that the author changed carry the time of that, wherever the name is here. */
static int rename_touch(struct pool *p, const struct record *rec, struct rename *m, bool local)
{
	AUTO_REF struct object_ref from = {.cache = p->cache};
	int r = object_get(p->cache, rec->parent, &from.o);

	if (r == 0)
		r = place_touch(p, from.o, rec->time_ns, rec->stamp, local);
	if (r == 0 && m->to.o != from.o)
		r = place_touch(p, m->to.o, rec->time_ns, rec->stamp, local);
	return r;
}

int apply_rename(struct pool *p, const struct record *rec, struct apply *ctx)
{
	__attribute__((cleanup(rename_end))) struct rename m = {0};
	int r = rename_begin(p, rec, &m);

	if (r < 0)
		return r;
	if (rec->flags & REC_F_EXCHANGE)
		r = rename_exchange(p, rec, &m, ctx);
	else
		r = rename_plain(p, rec, &m, ctx);
	return r == 0 ? rename_touch(p, rec, &m, ctx->local) : r;
}
