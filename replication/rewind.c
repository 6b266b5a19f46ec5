/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/rewind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/ahead.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/renew.h"

#define DEPTH_MAX 4096 /* directories above each other */

/* An object that the end of the journal names. */
struct touched {
	uint64_t id;
	struct store_handle handle; /* as found in the tree; size 0: not found */
	bool back;                  /* it is where the index has it, as far as it can be */
	UT_hash_handle hh;
};

/* A name that the end of the journal gives: somebody may stand there now. */
struct spot {
	uint64_t dir, lid;
	char *name;
	bool peers; /* given by a peer: it may have displaced what stood there */
	bool seen;
};

struct rewind {
	struct pool *p;
	bool peers; /* what is collected is a peer's */
	struct touched *touched;
	struct touched *listed; /* directories that were searched for losers of a name */
	struct spot *spots;
	size_t count, capacity;
};

static void set_end(struct touched *set)
{
	struct touched *t, *next;

	HASH_ITER(hh, set, t, next)
	{
		HASH_DEL(set, t);
		free(t);
	}
}

static void rewind_end(struct rewind *w)
{
	set_end(w->touched);
	set_end(w->listed);
	for (size_t i = 0; i < w->count; i++)
		free(w->spots[i].name);
	free(w->spots);
}

static struct touched *find(const struct rewind *w, uint64_t id)
{
	struct touched *t;

	HASH_FIND(hh, w->touched, &id, sizeof(id), t);
	return t;
}

/* --- what the journal names --- */

/* 1: it was not in the set. */
static int set_add(struct touched **set, uint64_t id)
{
	struct touched *t;

	HASH_FIND(hh, *set, &id, sizeof(id), t);
	if (t)
		return 0;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->id = id;
	HASH_ADD(hh, *set, id, sizeof(id), t);
	return 1;
}

static int touch(struct rewind *w, uint64_t id)
{
	int r = !id || id == POOL_ROOT_ID ? 0 : set_add(&w->touched, id);

	return r < 0 ? r : 0;
}

static int spot(struct rewind *w, uint64_t dir, const char *name, size_t size, uint64_t lid)
{
	if (w->count == w->capacity) {
		size_t capacity = w->capacity ? 2 * w->capacity : 256;
		struct spot *grown = realloc(w->spots, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		w->spots = grown;
		w->capacity = capacity;
	}
	char *copy = strndup(name, size);
	if (!copy)
		return -ENOMEM;
	w->spots[w->count++] =
		(struct spot){.dir = dir, .lid = lid, .name = copy, .peers = w->peers};
	return 0;
}

static int collect_rename(struct rewind *w, const struct record *rec)
{
	int r = touch(w, rec->link.id);

	if (r == 0)
		r = touch(w, rec->other.id);
	if (r == 0)
		r = spot(w, rec->new_parent, rec->name, rec->name_size, rec->link.lid);
	if (r == 0)
		r = spot(w, rec->parent, rec->old_name, rec->old_name_size,
			 rec->flags & REC_F_EXCHANGE ? rec->other.lid : rec->link.lid);
	return r;
}

static int collect(struct rewind *w, const struct record *rec)
{
	int r = 0;

	switch (rec->kind) {
	case REC_MAKE:
	case REC_LINK:
		r = touch(w, rec->id);
		return r < 0 ? r : spot(w, rec->parent, rec->name, rec->name_size, rec->stamp);
	case REC_UNLINK:
		return touch(w, rec->link.id);
	case REC_RENAME:
		return collect_rename(w, rec);
	default:
		return 0;
	}
}

static int collect_batch(struct rewind *w, const struct journal_frame *f)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));
	struct batch_walk walk;
	struct record rec;

	int r = batch ? batch_read(f->payload, f->size, batch) : -ENOMEM;
	if (r < 0)
		return r;
	w->peers = true;
	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		r = collect(w, &rec);
		if (r < 0)
			break;
	}
	w->peers = false;
	return r;
}

/* Who lost a name when the index was written may have got it meanwhile. */
static int collect_losers(struct rewind *w)
{
	uint64_t id, lid;
	int r = 0;

	for (size_t i = 0; r == 0 && losers_at(w->p, i, &id, &lid); i++) {
		AUTO_REF struct object_ref o = {.cache = w->p->cache};
		if (object_get(w->p->cache, id, &o.o) < 0)
			continue;
		const struct dentry *l = object_link(o.o, lid);
		r = l ? touch(w, o.o->id) : 0;
		if (l && r == 0)
			r = spot(w, l->parent, l->name, strlen(l->name), lid);
	}
	return r;
}

static int collect_all(struct rewind *w, uint64_t pos)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct record rec;
	int r = 0;

	while (r == 0 && (r = journal_read(w->p->journal, &reader, pos, &f)) == 1) {
		pos = f.next;
		r = 0;
		if (f.kind == JOURNAL_OWN)
			r = record_read(f.payload, f.size, &rec);
		if (r == 0 && f.kind == JOURNAL_OWN)
			r = collect(w, &rec);
		if (r == 0 && f.kind == JOURNAL_FOREIGN)
			r = collect_batch(w, &f);
	}
	journal_reader_done(&reader);
	return r == 0 ? collect_losers(w) : r;
}

/* --- where they stand --- */

/* Where this directory is in the tree. -ENOENT: nowhere that is known yet. */
static int dir_handle(struct rewind *w, uint64_t id, struct store_handle *ret)
{
	AUTO_REF struct object_ref dir = {.cache = w->p->cache};
	const struct touched *t = find(w, id);

	if (t && t->handle.size) {
		*ret = t->handle;
		return 0;
	}
	int r = object_get(w->p->cache, id, &dir.o);
	if (r == MA_EUNKNOWN || (r == 0 && !dir.o->handle.size))
		return -ENOENT;
	if (r == 0)
		*ret = dir.o->handle;
	return r;
}

/* The index has it under this very name. */
static bool belongs(struct rewind *w, uint64_t id, uint64_t dir, const char *name)
{
	AUTO_REF struct object_ref o = {.cache = w->p->cache};

	return object_get(w->p->cache, id, &o.o) == 0 && !o.o->dead &&
	       object_link_at(w->p->cache, o.o, dir, name, strlen(name));
}

/* 1: something was found there that was not known to be anywhere. */
static int look(struct rewind *w, const struct object *dir, const char *name)
{
	struct store_handle handle;
	uint64_t id;
	int r = w->p->store->ops->lookup(w->p->store, &dir->handle, name, &id, &handle, NULL);

	if (r < 0)
		return r == -ENOENT || r == -ESTALE || r == -ENOTDIR ? 0 : r;
	if (renew_stamp(w->p, id) != id) {
		id = renew_stamp(w->p, id);
		r = place_rename_id(w->p, &handle, id);
		if (r < 0)
			return r;
	}
	struct touched *t = find(w, id);
	if (!t)
		return 0;
	bool news = !t->handle.size;
	t->handle = handle;
	if (!belongs(w, id, dir->id, name))
		r = ahead_put(w->p, dir, name, id);
	return r < 0 ? r : news;
}

struct search {
	struct rewind *w;
	uint64_t dir;
};

/* The index has it under its plain name: it lost that since. */
static int see_loser(void *arg, const char *name, uint64_t id, mode_t type)
{
	const struct search *s = arg;
	AUTO_REF struct object_ref o = {.cache = s->w->p->cache};
	int r = 0;

	(void)type;
	if (!id || object_get_raw(s->w->p->cache, id, &o.o) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < o.o->link_count; i++) {
		const struct dentry *l = &o.o->links[i];
		char shown[256];
		conflict_name(l->name, l->lid, shown);
		if (l->dead || l->conflict || strcmp(shown, name) != 0)
			continue;
		r = touch(s->w, id);
		if (r == 0)
			r = spot(s->w, s->dir, l->name, strlen(l->name), l->lid);
	}
	return r;
}

static int look_losers(struct rewind *w, const struct object *dir)
{
	struct search s = {.w = w, .dir = dir->id};
	int r = set_add(&w->listed, dir->id);

	if (r <= 0)
		return r;
	r = w->p->store->ops->entries_like(w->p->store, &dir->handle, ".conflict-", see_loser, &s);
	return r == -ESTALE || r == -ENOENT ? 0 : r;
}

static int look_spot(struct rewind *w, size_t i)
{
	AUTO_REF struct object_ref known = {.cache = w->p->cache};
	const struct spot s = w->spots[i];
	struct object dir = {.id = s.dir, .type = S_IFDIR};
	char lost[256];
	int r = dir_handle(w, s.dir, &dir.handle);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* Records may name a directory that has become one with another. */
	if (object_get(w->p->cache, s.dir, &known.o) == 0)
		dir.id = known.o->id;
	w->spots[i].seen = true;
	r = look(w, &dir, s.name);
	if (r < 0)
		return r;
	conflict_name(s.name, s.lid, lost);
	int more = look(w, &dir, lost);
	if (more >= 0 && s.peers) {
		int code = look_losers(w, &dir);
		more = code < 0 ? code : more;
	}
	return more < 0 ? more : r || more;
}

/* What is found may be a directory in which more is to be found. */
static int look_all(struct rewind *w)
{
	int news;

	do {
		news = 0;
		for (size_t i = 0; i < w->count; i++) {
			int r = w->spots[i].seen ? 0 : look_spot(w, i);
			if (r < 0)
				return r;
			news = news || r;
		}
	} while (news);
	return 0;
}

/* --- back --- */

/* Nothing of it is left in the tree. */
static int make_again(struct rewind *w, struct object *o, const struct object *dir,
		      const char *name)
{
	struct store_node node;
	const struct store_ops *ops = w->p->store->ops;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(o->attrs.mtime_ns)};

	place_node(o, &node);
	int r = ops->make(w->p->store, &dir->handle, name, &node, &o->handle);
	if (r == 0)
		r = grave_give_back(w->p, o);
	return r < 0 ? r : ops->set_times(w->p->store, &o->handle, -1, times);
}

static int name_back(struct rewind *w, struct touched *t, struct object *o, const struct dentry *l,
		     const struct object *dir)
{
	const struct store_ops *ops = w->p->store->ops;
	struct store_handle there;
	char shown[256];
	uint64_t id;

	dentry_shown(l, shown);
	int r = ops->lookup(w->p->store, &dir->handle, shown, &id, &there, NULL);
	if (r == 0 && id == o->id) {
		t->handle = o->handle = there;
		return 0;
	}
	if (r == 0) /* put there by hand, or taken by a step that only the objects know of */
		return 0;
	if (r != -ENOENT)
		return r;
	r = ahead_take(w->p, o, dir, shown);
	if (r == 1)
		t->handle = o->handle;
	if (r != 0)
		return r < 0 ? r : 0;
	if (!t->handle.size && !S_ISDIR(o->type))
		(void)grave_find_values(w->p, o->id, &t->handle);
	r = t->handle.size ? ops->link(w->p->store, &t->handle, &dir->handle, shown)
			   : make_again(w, o, dir, shown);
	if (r == 0 && t->handle.size)
		o->handle = t->handle;
	else if (r == 0)
		t->handle = o->handle;
	return r;
}

static int put_back(struct rewind *w, struct touched *t, int depth)
{
	AUTO_REF struct object_ref o = {.cache = w->p->cache};
	int r = object_get_raw(w->p->cache, t->id, &o.o);

	t->back = true;
	if (r < 0 || o.o->dead || o.o->alias_of || o.o->branch_of)
		return r == MA_EUNKNOWN ? 0 : r;
	for (size_t i = 0; r == 0 && i < o.o->link_count; i++) {
		AUTO_REF struct object_ref dir = {.cache = w->p->cache};
		const struct dentry *l = &o.o->links[i];
		if (l->dead)
			continue;
		r = object_get(w->p->cache, l->parent, &dir.o);
		if (r < 0 || dir.o->dead)
			return r == MA_EUNKNOWN ? 0 : r;
		struct touched *above = find(w, dir.o->id);
		if (above && !above->back && depth < DEPTH_MAX)
			r = put_back(w, above, depth + 1);
		if (r == 0)
			r = name_back(w, t, o.o, l, dir.o);
	}
	object_dirty(w->p->cache, o.o);
	return r;
}

int rewind_tree(struct pool *p, uint64_t pos)
{
	__attribute__((cleanup(rewind_end))) struct rewind w = {.p = p};
	struct touched *t, *next;

	int r = collect_all(&w, pos);
	if (r == 0)
		r = look_all(&w);
	HASH_ITER(hh, w.touched, t, next)
	{
		if (r == 0 && !t->back)
			r = put_back(&w, t, 0);
	}
	if (r < 0)
		log_error("pool \"%s\": the tree cannot be put back to where the index has it: %s",
			  p->name, err_text(r));
	return r;
}
