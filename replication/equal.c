/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/equal.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/alive.h"
#include "replication/apply.h"
#include "replication/content.h"
#include "replication/losers.h"
#include "replication/place.h"

#define COMPARE_CHUNK (256u << 10)

/* One pair: what is shown, what lost, and the heads they had when they were compared. */
struct suspect {
	struct object_ref shown, lost;
	struct dentry *link; /* the lost name; NULL: a losing content of `shown` itself */
	stamp_t shown_content, lost_content;
};

static void suspect_end(struct suspect *s)
{
	object_ref_end(&s->shown);
	object_ref_end(&s->lost);
}

void equal_note(struct pool *p, uint64_t id, uint64_t b)
{
	/* Whoever wrote the losing side decides; a full list only leaves a conflict to a person. */
	if (slot_node(stamp_slot(b)) == p->node && losers_doubt(p, id, b) < 0)
		log_warn("pool \"%s\": too many conflicts to compare them all", p->name);
}

static bool settled(const struct object *o)
{
	return S_ISREG(o->type) && !o->dead && !o->obsolete && o->handle.size && !content_wanted(o);
}

/* 1: found and complete, 0: no conflict any more, -EAGAIN: not all bytes are here. */
static int suspect_find(struct pool *p, uint64_t id, uint64_t b, struct suspect *s)
{
	AUTO_LOCKS struct locks_held held;

	locks_take_all(&p->locks, &held);
	s->shown.cache = s->lost.cache = p->cache;
	if (object_get(p->cache, id, &s->shown.o) < 0)
		return 0;
	struct leaf *leaf = object_leaf(s->shown.o, b);
	if (leaf) {
		if (!leaf->have || s->shown.o->obsolete)
			return -EAGAIN;
		if (object_get_raw(p->cache, b, &s->lost.o) < 0)
			return 0;
	} else {
		s->link = object_link(s->shown.o, b);
		if (!s->link || s->link->dead || !s->link->conflict)
			return 0;
		s->lost.o = s->shown.o;
		s->shown.o = NULL;
		if (s->lost.o->leaf_count && !content_wanted(s->lost.o))
			return 0; /* other contents would go with it */
		if (place_holder(p, s->link, &s->shown) < 0)
			return 0;
	}
	if (!settled(s->shown.o) || !settled(s->lost.o))
		return S_ISREG(s->shown.o->type) && S_ISREG(s->lost.o->type) ? -EAGAIN : 0;
	s->shown_content = s->shown.o->content;
	s->lost_content = s->lost.o->content;
	return s->shown.o == s->lost.o ? 0 : 1;
}

/* 1: the same bytes. */
static int same_bytes(struct pool *p, const struct store_handle *a, const struct store_handle *b)
{
	AUTO_FREE uint8_t *x = malloc(2 * COMPARE_CHUNK);
	struct stat sa, sb;
	int r = x ? p->store->ops->stat(p->store, a, -1, &sa) : -ENOMEM;

	if (r == 0)
		r = p->store->ops->stat(p->store, b, -1, &sb);
	if (r < 0 || sa.st_size != sb.st_size)
		return r;
	for (off_t at = 0; at < sa.st_size;) {
		ssize_t n = p->store->ops->read(p->store, a, -1, x, COMPARE_CHUNK, at);
		ssize_t m =
			p->store->ops->read(p->store, b, -1, x + COMPARE_CHUNK, COMPARE_CHUNK, at);
		if (n < 0 || m < 0)
			return n < 0 ? (int)n : (int)m;
		if (n != m || n == 0 || memcmp(x, x + COMPARE_CHUNK, (size_t)n) != 0)
			return 0;
		at += n;
	}
	return 1;
}

static int take_away(struct pool *p, struct suspect *s, uint64_t b)
{
	AUTO_LOCKS struct locks_held held;
	struct apply ctx = {.fd = -1, .internal = true};
	struct record rec = {.time_ns = clock_wall_ns()};

	locks_take_all(&p->locks, &held);
	if (s->shown.o->content != s->shown_content || s->lost.o->content != s->lost_content)
		return 0; /* written meanwhile: it is a conflict */
	if (!s->link) {
		rec.kind = REC_RESOLVE;
		rec.id = s->shown.o->id;
		rec.base = b;
		return pool_submit(p, &rec, &ctx);
	}
	struct dentry *l = object_link(s->lost.o, b);
	if (!l || l->dead || !l->conflict)
		return 0;
	rec.kind = REC_UNLINK;
	if (!alive_elsewhere(s->lost.o, l))
		rec.flags = REC_F_LAST;
	rec.id = s->lost.o->id;
	rec.parent = l->parent;
	rec.link = (struct record_link){.lid = b,
					.id = s->lost.o->id,
					.seen_place = l->stamp,
					.seen_content = s->lost.o->content};
	int r = pool_submit(p, &rec, &ctx);
	if (r == 0) {
		char shown[256];
		conflict_name(l->name, l->lid, shown);
		watch_entry(p, rec.parent, shown);
		watch_inode(p, rec.parent, true);
	}
	return r;
}

int equal_check(struct pool *p)
{
	uint64_t id, b;
	size_t waiting = 0;
	int r = 0;

	while (r == 0 && losers_doubt_at(p, waiting, &id, &b)) {
		__attribute__((cleanup(suspect_end))) struct suspect s = {0};
		pool_enter(p);
		r = suspect_find(p, id, b, &s);
		if (r == 1)
			r = same_bytes(p, &s.shown.o->handle, &s.lost.o->handle);
		if (r == 1)
			r = take_away(p, &s, b);
		pool_leave(p);
		if (r == -EAGAIN) {
			waiting++;
			r = 0;
			continue;
		}
		losers_doubt_done(p, id, b);
	}
	return r;
}
