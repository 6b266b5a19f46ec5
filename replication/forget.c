/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/forget.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/clock.h"
#include "replication/apply.h"
#include "replication/commit.h"
#include "replication/nameless.h"
#include "replication/pool_ops.h"

struct forgetting {
	size_t at; /* these two: under the flush lock */
	struct index_mark mark;
	pthread_mutex_t lock; /* guards all below */
	struct vector upto;   /* what all had when the walk began */
	bool members_known;
	bool walking;
	bool dropped, kept;  /* by this walk: worth another one */
	struct vector below; /* all that was dropped lies in it */
};

int forget_new(struct pool *p)
{
	p->forgetting = calloc(1, sizeof(*p->forgetting));
	if (!p->forgetting)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->forgetting->lock, NULL);
	return 0;
}

void forget_free(struct pool *p)
{
	if (!p->forgetting)
		return;
	(void)pthread_mutex_destroy(&p->forgetting->lock);
	free(p->forgetting);
	p->forgetting = NULL;
}

void forget_begin(struct pool *p)
{
	AUTO_LOCK(held, &p->forgetting->lock);

	p->forgetting->members_known = true;
}

/* Of what the member said last, the next part that is to count. */
static void hear(struct session *s, uint64_t now_ms)
{
	if (s->told_ms || vector_contains(&s->settled, &s->their_vector))
		return; /* the one before has its turn first, or none would under load */
	vector_copy(&s->told, &s->their_vector);
	s->told_ms = now_ms;
}

/* What all members have, as of messages behind which nothing of theirs is under way. False: not
 * known. */
static bool all_have(struct pool *p, struct vector *ret)
{
	uint64_t now = clock_boot_ms();

	{
		AUTO_LOCK(known, &p->forgetting->lock);
		if (!p->forgetting->members_known)
			return false;
	}
	position_get(p, ret);
	struct vector mine = *ret;
	AUTO_LOCK(held, &p->session_lock);
	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[i];
		if (s->told_ms && now - s->told_ms >= FORGET_WAIT_MS &&
		    vector_contains(&mine, &s->told)) {
			vector_copy(&s->settled, &s->told);
			s->told_ms = 0;
		}
		hear(s, now);
		vector_meet(ret, &s->settled);
	}
	return true;
}

/* A program may have a removed directory as its working directory, and look at it. */
static bool worked_in(struct pool *p, const struct object *o)
{
	int64_t age_ns = clock_wall_ns() - seq_to_wall(stamp_seq(o->waits));

	return S_ISDIR(o->type) && p->watch.knows && p->watch.knows(p->watch.arg, o->id) &&
	       age_ns < FORGET_DIR_MS * INT64_C(1000000);
}

/* 1: dropped, 0: it has to stay for now. */
static int forget_one(struct pool *p, uint64_t id, const struct vector *all)
{
	AUTO_ENTERED pool_entered(p);
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held;

	locks_take(&p->locks, &id, 1, &held);
	int r = object_get_raw(p->cache, id, &o.o);
	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	if (!o.o->waits || !o.o->dead || o.o->dirty || !object_unused(p->cache, o.o) ||
	    worked_in(p, o.o) || !object_covered(o.o, all))
		return 0;
	r = S_ISDIR(o.o->type) ? index_inside(p->ix, id) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	object_drop(p->cache, o.o);
	return 1;
}

struct tally {
	int dropped, kept;
};

/* Some of the next objects of the walk. 0: it is at its end. */
static int walk(struct pool *p, const struct vector *upto, struct tally *sum)
{
	struct forgetting *f = p->forgetting;
	uint64_t ids[256];

	while (f->at < upto->count) {
		int count =
			index_removed(p->ix, upto->entries[f->at].slot, upto->entries[f->at].seq,
				      &f->mark, ids, sizeof(ids) / sizeof(ids[0]));
		for (int i = 0; i < count; i++) {
			int r = forget_one(p, ids[i], upto);
			if (r < 0)
				return r;
			sum->dropped += r;
			sum->kept += !r;
		}
		if (count != 0)
			return count;
		f->at++;
		f->mark = (struct index_mark){0};
	}
	return 0;
}

/* Worth a walk: more is known of all, or what stayed in the last one may go now that others went.
 * Lock held. */
static bool begins(const struct forgetting *f, const struct vector *all)
{
	return !vector_equal(&f->upto, all) || (f->dropped && f->kept);
}

/* Where the walk goes, a new one if none is under way. False: there is nothing to do. */
static bool walk_on(struct forgetting *f, struct vector *all)
{
	AUTO_LOCK(held, &f->lock);

	if (!f->walking) {
		if (!begins(f, all))
			return false;
		vector_copy(&f->upto, all);
		f->at = 0;
		f->mark = (struct index_mark){0};
		f->dropped = f->kept = false;
		f->walking = true;
	}
	vector_copy(all, &f->upto);
	return true;
}

int forget_step(struct pool *p)
{
	struct forgetting *f = p->forgetting;
	struct tally sum = {0};
	struct vector all;
	int r;

	if (p->merging || !all_have(p, &all) || !walk_on(f, &all))
		return 0;
	do {
		r = walk(p, &all, &sum);
	} while (r > 0 && sum.dropped + sum.kept < FORGET_STEP);
	AUTO_LOCK(held, &f->lock);
	f->walking = r > 0;
	f->dropped = f->dropped || sum.dropped;
	f->kept = f->kept || sum.kept;
	if (sum.dropped) {
		int code = vector_merge(&f->below, &all);
		r = code < 0 ? code : r;
	}
	return r < 0 ? r : 0;
}

void forget_tick(struct pool *p)
{
	struct vector all;
	bool due;

	if (!all_have(p, &all))
		return;
	{
		AUTO_LOCK(held, &p->forgetting->lock);
		due = p->forgetting->walking || begins(p->forgetting, &all);
	}
	if (due)
		worker_wake(p);
}

bool forget_beyond(struct pool *p, uint16_t node, const struct vector *theirs)
{
	AUTO_LOCK(held, &p->forgetting->lock);
	const struct vector *below = &p->forgetting->below;

	/* Who has nothing yet does not hold anything that was removed. What a node lost of its own,
	 * which it may name before it is on its disk, it gets back. */
	for (size_t i = 0; theirs->count && i < below->count; i++) {
		uint16_t slot = below->entries[i].slot;
		if (slot_node(slot) != node && vector_get(theirs, slot) < below->entries[i].seq)
			return true;
	}
	return false;
}

size_t forget_save(struct pool *p, uint8_t ret[VECTOR_WIRE_MAX])
{
	struct wr w = wr_init(ret, VECTOR_WIRE_MAX);
	AUTO_LOCK(held, &p->forgetting->lock);

	vector_write(&w, &p->forgetting->below);
	return wr_used(&w);
}

int forget_load(struct pool *p)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size;
	int r = index_value_get(p->ix, FORGET_VALUE, &data, &size);

	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	struct rd rd = rd_init(data, size);
	vector_read(&rd, &p->forgetting->below);
	return rd.failed ? MA_ECORRUPT : 0;
}
