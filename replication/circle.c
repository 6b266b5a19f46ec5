/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/circle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "replication/apply.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/pool_ops.h"

#define DEPTH_MAX 4096

enum level { WANTED, FROM, TOP, LEVELS };

/* A directory whose place is to be found. */
struct mover {
	struct object_ref o;
	uint64_t lid;
	stamp_t stamp;
	enum level level;
	struct link_home at[LEVELS];
	struct aside aside;
	bool moves;
};

struct circle {
	struct pool *p;
	struct mover *members;
	size_t count;
};

static void circle_end(struct circle *c)
{
	for (size_t i = 0; i < c->count; i++)
		object_ref_end(&c->members[i].o);
	free(c->members);
}

void circle_latest(const struct dentry *l, struct circle_move *ret)
{
	*ret = (struct circle_move){.parent = l->want ? l->want->parent : l->parent,
				    .name = l->want ? l->want->name : l->name,
				    .stamp = l->stamp};
	if (l->from)
		ret->from = *l->from;
}

bool circle_near(struct pool *p, const struct object *o, uint64_t parent)
{
	return S_ISDIR(o->type) && (losers_circles(p) || place_is_above(p, o->id, parent));
}

static struct mover *member_of(struct circle *c, const struct object *o)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->members[i].o.o == o)
			return &c->members[i];
	}
	return NULL;
}

static int member_add(struct circle *c, struct object_ref *o, const struct circle_move *to)
{
	if (member_of(c, o->o) || !o->o->link_count)
		return 0;
	struct mover *grown = realloc(c->members, (c->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->members = grown;
	struct mover *m = &grown[c->count++];
	*m = (struct mover){.o = *o, .lid = o->o->links[0].lid, .stamp = to->stamp};
	o->o = NULL;
	m->at[WANTED].parent = to->parent;
	(void)snprintf(m->at[WANTED].name, sizeof(m->at[0].name), "%s", to->name);
	m->at[TOP] = m->at[WANTED];
	m->at[TOP].parent = POOL_ROOT_ID;
	m->at[FROM] = to->from.parent ? to->from : m->at[TOP];
	return 0;
}

static int member_get(struct circle *c, uint64_t id)
{
	AUTO_REF struct object_ref o = {.cache = c->p->cache};
	struct circle_move latest;

	if (object_get(c->p->cache, id, &o.o) < 0 || !S_ISDIR(o.o->type) || !o.o->link_count)
		return 0;
	circle_latest(&o.o->links[0], &latest);
	return member_add(c, &o, &latest);
}

/* Of a circle that goes through `start` the one that gives way: of those that did already, if any,
 * the latest to move. 0: there is no circle, 1: `ret` is it. */
static int find_victim(struct circle *c, const struct object *start, uint64_t *ret)
{
	enum level best_level = WANTED;
	stamp_t best = 0;
	uint64_t id = start->id;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		AUTO_REF struct object_ref d = {.cache = c->p->cache};
		if (id == POOL_ROOT_ID || object_get(c->p->cache, id, &d.o) < 0 ||
		    d.o->id == POOL_ROOT_ID || !d.o->link_count)
			return 0;
		if (depth && d.o == start)
			return 1;
		const struct mover *m = member_of(c, d.o);
		enum level level = m ? m->level : WANTED;
		stamp_t stamp = m ? m->stamp : d.o->links[0].stamp;
		bool better = level != best_level ? level > best_level
			      : stamp != best     ? stamp_after(stamp, best)
						  : d.o->id > *ret;
		if (!best || better) {
			best_level = level;
			best = stamp;
			*ret = d.o->id;
		}
		id = m ? m->at[level].parent : d.o->links[0].parent;
	}
	return 0; /* it leads into a circle that `start` is not in */
}

/* Each round breaks a circle; a directory at the top is in none. */
static int break_circles(struct circle *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->count; i++) {
		uint64_t id = 0;
		if (!find_victim(c, c->members[i].o.o, &id))
			continue;
		r = member_get(c, id);
		for (size_t k = 0; k < c->count; k++) {
			if (c->members[k].o.o->id == id && c->members[k].level < TOP)
				c->members[k].level++;
		}
		i = (size_t)-1; /* from the beginning */
	}
	return r;
}

static int home_set(struct link_home **at, const struct link_home *to)
{
	free(*at);
	*at = NULL;
	if (!to->parent)
		return 0;
	*at = malloc(sizeof(**at));
	if (*at)
		**at = *to;
	return *at ? 0 : -ENOMEM;
}

/* Out of the way of the others. */
static int lift(struct circle *c, struct mover *m)
{
	struct pool *p = c->p;
	const struct dentry *l = object_link(m->o.o, m->lid);
	const struct link_home *to = &m->at[m->level];
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	char shown[256];

	m->moves = l->parent != to->parent || strcmp(l->name, to->name) != 0;
	if (!m->moves || m->o.o->dead || l->dead)
		return 0;
	dentry_shown(l, shown);
	int r = object_get(p->cache, l->parent, &dir.o);
	return r < 0 ? r : place_aside(p, m->o.o, dir.o, shown, &m->aside);
}

static int write_link(struct circle *c, struct mover *m)
{
	struct dentry *l = object_link(m->o.o, m->lid);
	const struct link_home *to = &m->at[m->level];
	const struct link_home none = {0};
	struct link_home from = m->at[FROM];
	bool dead = l->dead, conflict = l->conflict;

	/* One that never moved from one directory to another has none. */
	if (from.parent == POOL_ROOT_ID && strcmp(from.name, m->at[WANTED].name) == 0)
		from = none;
	losers_circle(c->p, m->o.o->id, m->level != WANTED);
	if (conflict && m->moves)
		losers_remove(c->p, m->o.o->id, m->lid);
	object_dirty(c->p->cache, m->o.o);
	int r = object_link_set(m->o.o, m->lid, to->parent, to->name, strlen(to->name), m->stamp,
				&l);
	if (r < 0)
		return r;
	l->dead = dead;
	l->conflict = conflict && !m->moves;
	r = home_set(&l->from, &from);
	return r < 0 ? r : home_set(&l->want, m->level == WANTED ? &none : &m->at[WANTED]);
}

static int put_down(struct circle *c, struct mover *m)
{
	struct object *o = m->o.o;
	struct dentry *l = object_link(o, m->lid);

	if (!m->moves || o->dead || l->dead || o->alias_of)
		return 0;
	return place_link(c->p, o, l, m->aside.at.name[0] ? &m->aside.at : NULL);
}

int circle_move(struct pool *p, struct object *o, const struct circle_move *to)
{
	__attribute__((cleanup(circle_end))) struct circle c = {.p = p};
	AUTO_REF struct object_ref self = {.cache = p->cache};
	uint64_t id;

	int r = object_get(p->cache, o->id, &self.o);
	if (r == 0)
		r = member_add(&c, &self, to);
	for (size_t i = 0; r == 0 && losers_circle_at(p, i, &id); i++)
		r = member_get(&c, id);
	if (r == 0)
		r = break_circles(&c);
	for (size_t i = 0; r == 0 && i < c.count; i++)
		r = lift(&c, &c.members[i]);
	for (size_t i = 0; r == 0 && i < c.count; i++)
		r = write_link(&c, &c.members[i]);
	/* struct aside points into itself, and members may have moved in memory until here. */
	for (size_t i = 0; r == 0 && i < c.count; i++) {
		c.members[i].aside.at.dir = &c.members[i].aside.dir;
		r = put_down(&c, &c.members[i]);
	}
	return r;
}

int circle_take(struct pool *p, struct object *o, struct dentry *l, const struct dentry *theirs)
{
	const struct link_home none = {0};
	int r = home_set(&l->from, theirs->from ? theirs->from : &none);

	if (r == 0)
		r = home_set(&l->want, theirs->want ? theirs->want : &none);
	if (theirs->want)
		losers_circle(p, o->id, true);
	return r;
}

int circle_settle(struct pool *p)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct circle_move latest;
	char name[256];
	uint64_t id;

	if (!losers_circle_at(p, 0, &id) || object_get(p->cache, id, &o.o) < 0 || !o.o->link_count)
		return 0;
	circle_latest(&o.o->links[0], &latest);
	(void)snprintf(name, sizeof(name), "%s", latest.name);
	latest.name = name;
	return circle_move(p, o.o, &latest);
}

int circle_note(struct pool *p, struct object *o, uint64_t parent, const char *name)
{
	struct link_home from = {.parent = parent};

	if (!S_ISDIR(o->type) || !o->link_count)
		return 0;
	(void)snprintf(from.name, sizeof(from.name), "%s", name);
	losers_circle(p, o->id, false);
	object_dirty(p->cache, o);
	return home_set(&o->links[0].from, &from);
}

int circle_confirm(struct pool *p)
{
	uint64_t id;
	int r = 0;

	while (r == 0 && losers_circle_at(p, 0, &id)) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		char name[256];
		struct apply ctx = {.fd = -1};
		if (object_get(p->cache, id, &o.o) < 0 || !o.o->link_count || o.o->dead) {
			losers_circle(p, id, false);
			continue;
		}
		const struct dentry *l = &o.o->links[0];
		(void)snprintf(name, sizeof(name), "%s", l->name);
		struct record rec = {.kind = REC_RENAME,
				     .id = o.o->id,
				     .parent = l->parent,
				     .new_parent = l->parent,
				     .link = {.lid = l->lid, .id = o.o->id, .seen_place = l->stamp},
				     .old_name = name,
				     .old_name_size = strlen(name),
				     .name = name,
				     .name_size = strlen(name),
				     .time_ns = ops_now_ns()};
		r = pool_submit(p, &rec, &ctx);
		losers_circle(p, id, false);
	}
	return r;
}
