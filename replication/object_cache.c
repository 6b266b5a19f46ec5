/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <uthash.h>
#include <xxhash.h>

#include "core/auto.h"
#include "replication/nameless.h"
#include "replication/object_state.h"

/* The cache's own part of an object: hash handle and place in the list of the clean and unused. */
struct object_node {
	struct object object;
	UT_hash_handle hh;
	struct object_node *prev, *next;
	bool listed;
	struct object_node *dirty_next;
	unsigned int pins; /* references of descriptors, which keep what has no name */
};

struct object_cache {
	struct index *ix;
	pthread_mutex_t lock; /* guards all below, and refs, dirty, known, saved of the objects */
	struct object_node *table;
	struct object_node *oldest, *newest; /* clean, unreferenced; least recently used first */
	size_t idle;
	struct object_node *dirty_first;
	size_t dirty;
	size_t pins; /* of all objects */
	uint8_t buckets[STATE_BUCKETS][STATE_HASH_SIZE];
	uint64_t files;
	uint64_t conflicts;
	uint64_t bytes;
};

struct object_flush {
	size_t count;
	struct {
		struct object *object;
		uint8_t *state;
		size_t size;
		struct store_handle handle;
		stamp_t *stamps;
		size_t stamp_count;
		stamp_t waits;
		uint64_t *dirs; /* in which it has names that are not shown, or is one with */
		size_t dir_count;
		bool gone;
		bool live; /* a regular file that is in the backing directory */
	} rows[];
};

int object_cache_new(struct index *ix, struct object_cache **ret)
{
	struct object_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ix = ix;
	(void)pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void object_cache_free(struct object_cache *c)
{
	struct object_node *n, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->table, n, next)
	{
		HASH_DEL(c->table, n);
		object_clear(&n->object);
		free(n);
	}
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static void mark_dirty(struct object_cache *c, struct object_node *n)
{
	if (n->object.dirty || n->object.nameless)
		return;
	n->object.dirty = true;
	n->dirty_next = c->dirty_first;
	c->dirty_first = n;
	c->dirty++;
}

static void list_remove(struct object_cache *c, struct object_node *n)
{
	if (!n->listed)
		return;
	*(n->prev ? &n->prev->next : &c->oldest) = n->next;
	*(n->next ? &n->next->prev : &c->newest) = n->prev;
	n->prev = n->next = NULL;
	n->listed = false;
	c->idle--;
}

static void list_append(struct object_cache *c, struct object_node *n)
{
	n->prev = c->newest;
	n->next = NULL;
	*(c->newest ? &c->newest->next : &c->oldest) = n;
	c->newest = n;
	n->listed = true;
	c->idle++;
}

static void evict(struct object_cache *c)
{
	while (c->idle > OBJECT_CACHE_MAX) {
		struct object_node *n = c->oldest;
		list_remove(c, n);
		HASH_DEL(c->table, n);
		object_clear(&n->object);
		free(n);
	}
}

static int compare_stamps(const void *a, const void *b)
{
	stamp_t x = *(const stamp_t *)a;
	stamp_t y = *(const stamp_t *)b;

	return x < y ? -1 : x > y;
}

/* The stamps under which a peer's question "what changed since" must find this object. */
static size_t stamps_of(const struct object *o, stamp_t *ret)
{
	size_t n = 0;
	/* The id is the stamp of the record that made it: all heads may be those of a directory
	 * that this one was merged with. */
	const stamp_t single[] = {stamp_slot(o->id) ? o->id : 0, o->content, o->owner, o->times,
				  o->removed};

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		ret[n++] = single[i];
	for (size_t i = 0; i < o->link_count; i++)
		ret[n++] = o->links[i].stamp;
	for (size_t i = 0; i < o->leaf_count; i++)
		ret[n++] = o->leaves[i].stamp;
	for (size_t i = 0; i < o->xattr_count; i++)
		ret[n++] = o->xattrs[i].stamp;
	for (size_t i = 0; i < o->mark_count; i++)
		ret[n++] = o->marks[i];
	/* In order, without zeros and doubles. */
	size_t kept = 0;
	qsort(ret, n, sizeof(*ret), compare_stamps);
	for (size_t i = 0; i < n; i++) {
		if (ret[i] && (!kept || ret[kept - 1] != ret[i]))
			ret[kept++] = ret[i];
	}
	return kept;
}

static int take_stamps(const struct object *o, stamp_t **ret, size_t *ret_count)
{
	stamp_t *stamps = malloc(sizeof(*stamps) * (5 + o->link_count + o->leaf_count +
						    o->xattr_count + o->mark_count));

	if (!stamps)
		return -ENOMEM;
	*ret_count = stamps_of(o, stamps);
	*ret = stamps;
	return 0;
}

/* A removed object's row goes when all know: it is found again by its latest stamp. */
static stamp_t waits_under(const struct object *o, const stamp_t *stamps, size_t count)
{
	stamp_t latest = 0;

	for (size_t i = 0; o->dead && !o->gone && !o->branch_of && !o->alias_of && i < count; i++) {
		if (!latest || stamp_after(stamps[i], latest))
			latest = stamps[i];
	}
	return latest;
}

bool object_covered(const struct object *o, const struct vector *v)
{
	AUTO_FREE stamp_t *stamps = NULL;
	size_t count;

	if (take_stamps(o, &stamps, &count) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!vector_covers(v, stamps[i]))
			return false;
	}
	return true;
}

static uint64_t conflicts_of(const struct object *o)
{
	uint64_t n = o->dead ? 0 : o->leaf_count;

	for (size_t i = 0; !o->dead && i < o->link_count; i++)
		n += o->links[i].conflict && !o->links[i].dead;
	return n;
}

/* Reads the object from the index. Lock held (SQLite answers from its cache or the page cache). */
static int load(struct object_cache *c, uint64_t id, struct object_node **ret)
{
	AUTO_FREE uint8_t *state = NULL;
	size_t size;
	struct store_handle handle;
	int r = index_get(c->ix, id, &state, &size, &handle);

	if (r < 0)
		return r;
	struct object_node *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	r = object_decode(state, size, &n->object);
	if (r == 0 && n->object.id != id)
		r = MA_ECORRUPT;
	if (r == 0)
		r = take_stamps(&n->object, &n->object.saved, &n->object.saved_count);
	if (r < 0) {
		object_clear(&n->object);
		free(n);
		return r;
	}
	n->object.waits = waits_under(&n->object, n->object.saved, n->object.saved_count);
	n->object.handle = handle;
	n->object.known = true;
	n->object.node = n;
	object_hash(&n->object, n->object.hash);
	n->object.conflicts = conflicts_of(&n->object);
	n->object.listed = n->object.conflicts > 0;
	HASH_ADD(hh, c->table, object.id, sizeof(id), n);
	*ret = n;
	return 0;
}

int object_get_raw(struct object_cache *c, uint64_t id, struct object **ret)
{
	AUTO_LOCK(held, &c->lock);
	struct object_node *n;

	HASH_FIND(hh, c->table, &id, sizeof(id), n);
	if (!n) {
		int r = load(c, id, &n);
		if (r < 0)
			return r;
	}
	if (n->object.gone)
		return MA_EUNKNOWN;
	list_remove(c, n);
	n->object.refs++;
	*ret = &n->object;
	return 0;
}

int object_get(struct object_cache *c, uint64_t id, struct object **ret)
{
	/* Aliases point to smaller ids, so this ends. */
	for (;;) {
		struct object *o;
		int r = object_get_raw(c, id, &o);
		if (r < 0)
			return r;
		if (!o->alias_of) {
			*ret = o;
			return 0;
		}
		id = o->alias_of;
		object_put(c, o);
	}
}

/* Dropped and not yet flushed: it comes to life again as a new one. What the cache knows of it (who
 * holds it, what stands in the index) stays. */
static void begin_anew(struct object *o, mode_t type)
{
	struct object old = *o;
	struct object kept = {.id = o->id,
			      .type = type & S_IFMT,
			      .bytes = o->bytes,
			      .refs = o->refs,
			      .dirty = o->dirty,
			      .known = o->known,
			      .conflicts = o->conflicts,
			      .listed = o->listed,
			      .saved = o->saved,
			      .saved_count = o->saved_count,
			      .waits = o->waits,
			      .node = o->node};

	memcpy(kept.hash, o->hash, sizeof(kept.hash));
	old.saved = NULL;
	object_clear(&old);
	*o = kept;
}

int object_add(struct object_cache *c, uint64_t id, mode_t type, struct object **ret)
{
	AUTO_LOCK(held, &c->lock);
	struct object_node *n;

	HASH_FIND(hh, c->table, &id, sizeof(id), n);
	if (n && n->object.gone) {
		begin_anew(&n->object, type);
		list_remove(c, n);
		n->object.refs++;
		mark_dirty(c, n);
		*ret = &n->object;
		return 0;
	}
	if (n)
		return -EEXIST;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->object.id = id;
	n->object.type = type & S_IFMT;
	n->object.refs = 1;
	n->object.node = n;
	mark_dirty(c, n);
	HASH_ADD(hh, c->table, object.id, sizeof(id), n);
	*ret = &n->object;
	return 0;
}

int object_add_nameless(struct object_cache *c, uint64_t id, mode_t type, struct object **ret)
{
	AUTO_LOCK(held, &c->lock);
	struct object_node *n;

	HASH_FIND(hh, c->table, &id, sizeof(id), n);
	if (n)
		return -EEXIST;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->object = (struct object){.id = id,
				    .type = type & S_IFMT,
				    .nameless = true,
				    .dead = true,
				    .refs = 1,
				    .node = n};
	HASH_ADD(hh, c->table, object.id, sizeof(id), n);
	*ret = &n->object;
	return 0;
}

void object_name(struct object_cache *c, struct object *o)
{
	AUTO_LOCK(held, &c->lock);

	o->nameless = false;
	o->dead = false;
	mark_dirty(c, o->node);
}

void object_pin(struct object_cache *c, struct object *o)
{
	AUTO_LOCK(held, &c->lock);

	o->refs++;
	o->node->pins++;
	c->pins++;
}

void object_put(struct object_cache *c, struct object *o)
{
	if (!o)
		return;
	AUTO_LOCK(held, &c->lock);
	assert(o->refs > 0);
	if (--o->refs == 0 && !o->dirty && (o->gone || o->nameless)) {
		HASH_DEL(c->table, o->node);
		struct object_node *n = o->node;
		object_clear(&n->object);
		free(n);
	} else if (o->refs == 0 && !o->dirty) {
		list_append(c, o->node);
		evict(c);
	}
}

void object_ref_end(struct object_ref *r)
{
	object_put(r->cache, r->o);
	r->o = NULL;
}

void object_unpin(struct object_cache *c, uint64_t id)
{
	struct object *o = NULL;

	{
		AUTO_LOCK(held, &c->lock);
		struct object_node *n = NULL;
		if (c->pins > 0)
			HASH_FIND(hh, c->table, &id, sizeof(id), n);
		/* Opened by the id of what has become part of it. */
		while (n && n->pins == 0 && n->object.alias_of) {
			id = n->object.alias_of;
			HASH_FIND(hh, c->table, &id, sizeof(id), n);
		}
		if (!n || n->pins == 0)
			return;
		o = &n->object;
		n->pins--;
		c->pins--;
	}
	object_put(c, o);
}

void object_dirty(struct object_cache *c, struct object *o)
{
	AUTO_LOCK(held, &c->lock);

	assert(o->refs > 0);
	mark_dirty(c, o->node);
}

bool object_unused(struct object_cache *c, const struct object *o)
{
	AUTO_LOCK(held, &c->lock);

	return o->refs == 1;
}

void object_drop(struct object_cache *c, struct object *o)
{
	AUTO_LOCK(held, &c->lock);

	o->gone = true;
	o->dead = true;
	mark_dirty(c, o->node);
}

struct dentry *object_link_at(struct object_cache *c, struct object *o, uint64_t parent,
			      const char *name, size_t name_size)
{
	for (size_t i = 0; i < o->link_count; i++) {
		char shown[256];
		if (o->links[i].dead)
			continue;
		dentry_shown(&o->links[i], shown);
		if (strlen(shown) != name_size || memcmp(shown, name, name_size) != 0)
			continue;
		if (o->links[i].parent == parent)
			return &o->links[i];
		struct object *dir;
		if (object_get(c, o->links[i].parent, &dir) < 0)
			continue;
		bool same = dir->id == parent;
		object_put(c, dir);
		if (same)
			return &o->links[i];
	}
	return NULL;
}

/* Moves the object's hash in the buckets from the old to the new state. Lock held. */
static void count_hash(struct object_cache *c, struct object *o)
{
	uint8_t hash[STATE_HASH_SIZE];
	uint8_t *bucket = c->buckets[XXH3_64bits(&o->id, sizeof(o->id)) % STATE_BUCKETS];
	bool was = false;
	bool is = false;

	object_hash(o, hash);
	for (size_t i = 0; i < STATE_HASH_SIZE; i++) {
		was = was || o->hash[i];
		is = is || hash[i];
		bucket[i] ^= (uint8_t)(o->hash[i] ^ hash[i]);
	}
	c->files += (uint64_t)is - (uint64_t)was;
	memcpy(o->hash, hash, STATE_HASH_SIZE);
	c->conflicts += conflicts_of(o) - o->conflicts;
	o->conflicts = conflicts_of(o);
}

/* A directory's row stays as long as names are in it that may have to be shown again. */
static int take_dirs(const struct object *o, uint64_t **ret, size_t *ret_count)
{
	size_t count = o->alias_of != 0;

	for (size_t i = 0; i < o->link_count; i++)
		count += o->gone || o->links[i].dead;
	*ret_count = 0;
	if (!count || o->branch_of)
		return 0;
	*ret = malloc(count * sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	if (o->alias_of)
		(*ret)[(*ret_count)++] = o->alias_of;
	for (size_t i = 0; i < o->link_count; i++) {
		if (o->gone || o->links[i].dead)
			(*ret)[(*ret_count)++] = o->links[i].parent;
	}
	return 0;
}

static int take_row(struct object_cache *c, struct object_flush *f, struct object *o)
{
	size_t i = f->count;
	int r = object_encode(o, &f->rows[i].state, &f->rows[i].size);

	if (r == 0)
		r = take_stamps(o, &f->rows[i].stamps, &f->rows[i].stamp_count);
	if (r == 0)
		r = take_dirs(o, &f->rows[i].dirs, &f->rows[i].dir_count);
	if (r < 0)
		return r;
	f->rows[i].waits = waits_under(o, f->rows[i].stamps, f->rows[i].stamp_count);
	f->rows[i].object = o;
	f->rows[i].gone = o->gone;
	f->rows[i].live = S_ISREG(o->type) && !o->dead && o->handle.size;
	f->rows[i].handle = o->handle;
	f->count++;
	count_hash(c, o);
	o->refs++;
	o->dirty = false;
	c->dirty--;
	return 0;
}

int object_flush_take(struct object_cache *c, struct object_flush **ret)
{
	AUTO_LOCK(held, &c->lock);
	struct object_flush *f = calloc(1, sizeof(*f) + c->dirty * sizeof(f->rows[0]));
	int r = 0;

	if (!f)
		return -ENOMEM;
	while (r == 0 && c->dirty_first) {
		struct object_node *n = c->dirty_first;
		r = take_row(c, f, &n->object);
		if (r == 0)
			c->dirty_first = n->dirty_next;
	}
	*ret = f;
	return r;
}

/* What the object uses on disk: known only here, where asking for it holds nobody up. */
static void count_bytes(struct object_cache *c, struct object_flush *f, size_t i,
			object_bytes_fn *bytes, void *arg)
{
	struct object *o = f->rows[i].object;
	uint64_t now = f->rows[i].live ? bytes(arg, &f->rows[i].handle) : 0;
	struct wr w = wr_init(f->rows[i].state + f->rows[i].size - 8, 8);

	wr_u64(&w, now);
	AUTO_LOCK(held, &c->lock);
	c->bytes += now - o->bytes;
	o->bytes = now;
}

static int write_removed(struct object_cache *c, struct object_flush *f, size_t i)
{
	const struct object *o = f->rows[i].object;
	stamp_t was = o->waits;
	stamp_t is = f->rows[i].waits;
	int r = was && was != is ? index_removed_delete(c->ix, was, o->id) : 0;

	if (r == 0 && is && was != is)
		r = index_removed_put(c->ix, is, o->id);
	for (size_t k = 0; r == 0 && k < f->rows[i].dir_count; k++)
		r = f->rows[i].gone ? index_inside_delete(c->ix, f->rows[i].dirs[k], o->id)
				    : index_inside_put(c->ix, f->rows[i].dirs[k], o->id);
	return r;
}

static int write_row(struct object_cache *c, struct object_flush *f, size_t i)
{
	struct object *o = f->rows[i].object;
	bool has = !f->rows[i].gone && o->conflicts > 0;
	int g = has == o->listed ? 0 : index_conflict_set(c->ix, o->id, has);

	if (g < 0)
		return g;
	if (f->rows[i].gone) {
		f->rows[i].stamp_count = 0;
		g = index_delete(c->ix, o->id);
		for (size_t k = 0; g == 0 && k < o->saved_count; k++)
			g = index_change_delete(c->ix, o->saved[k], o->id);
		return g;
	}
	int r = index_put(c->ix, o->id, f->rows[i].state, f->rows[i].size, &f->rows[i].handle);
	const stamp_t *was = o->saved, *was_end = was + o->saved_count;
	const stamp_t *is = f->rows[i].stamps, *is_end = is + f->rows[i].stamp_count;

	while (r == 0 && (was < was_end || is < is_end)) {
		if (is == is_end || (was < was_end && *was < *is)) {
			r = index_change_delete(c->ix, *was++, o->id);
		} else if (was == was_end || *is < *was) {
			r = index_change_put(c->ix, *is++, o->id);
		} else {
			was++;
			is++;
		}
	}
	return r;
}

int object_flush_write(struct object_cache *c, struct object_flush *f, object_bytes_fn *bytes,
		       void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->count; i++) {
		count_bytes(c, f, i, bytes, arg);
		r = write_row(c, f, i);
		if (r == 0)
			r = write_removed(c, f, i);
	}
	return r;
}

void object_flush_done(struct object_cache *c, struct object_flush *f, bool committed)
{
	for (size_t i = 0; i < f->count; i++) {
		struct object *o = f->rows[i].object;
		if (committed) {
			AUTO_LOCK(held, &c->lock);
			free(o->saved);
			o->saved = f->rows[i].stamps;
			o->saved_count = f->rows[i].stamp_count;
			o->waits = f->rows[i].waits;
			o->known = !f->rows[i].gone;
			o->listed = o->known && o->conflicts > 0;
		} else {
			AUTO_LOCK(held, &c->lock);
			free(f->rows[i].stamps);
			mark_dirty(c, o->node);
		}
		free(f->rows[i].state);
		free(f->rows[i].dirs);
		object_put(c, o);
	}
	free(f);
}

size_t object_flush_count(const struct object_flush *f)
{
	return f->count;
}

size_t object_dirty_count(struct object_cache *c)
{
	AUTO_LOCK(held, &c->lock);

	return c->dirty;
}

void object_state_hash(struct object_cache *c, uint8_t ret[STATE_HASH_SIZE])
{
	AUTO_LOCK(held, &c->lock);

	memset(ret, 0, STATE_HASH_SIZE);
	for (size_t b = 0; b < STATE_BUCKETS; b++) {
		for (size_t i = 0; i < STATE_HASH_SIZE; i++)
			ret[i] ^= c->buckets[b][i];
	}
}

void object_summary(struct object_cache *c, uint8_t ret[OBJECT_SUMMARY_SIZE])
{
	AUTO_LOCK(held, &c->lock);
	struct wr w = wr_init(ret, OBJECT_SUMMARY_SIZE);

	wr_bytes(&w, c->buckets, sizeof(c->buckets));
	wr_u64(&w, c->files);
	wr_u64(&w, c->conflicts);
	wr_u64(&w, c->bytes);
	assert(!w.failed);
}

void object_summary_set(struct object_cache *c, const uint8_t summary[OBJECT_SUMMARY_SIZE])
{
	AUTO_LOCK(held, &c->lock);
	struct rd r = rd_init(summary, OBJECT_SUMMARY_SIZE);

	rd_copy(&r, c->buckets, sizeof(c->buckets));
	c->files = rd_u64(&r);
	c->conflicts = rd_u64(&r);
	c->bytes = rd_u64(&r);
}

void object_counts(struct object_cache *c, uint64_t *ret_files, uint64_t *ret_conflicts,
		   uint64_t *ret_bytes)
{
	AUTO_LOCK(held, &c->lock);

	*ret_files = c->files;
	*ret_conflicts = c->conflicts;
	*ret_bytes = c->bytes;
}
