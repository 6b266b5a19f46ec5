/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/grave.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"

#define GRAVE_PREFIX  "gone-"
#define VALUES_PREFIX "kept-"

struct graves {
	pthread_mutex_t lock;
	struct {
		uint64_t id, due_ms;
	} list[GRAVES_MAX]; /* a ring: the oldest at `first` */
	size_t first, count;
	uint64_t values[GRAVES_MAX]; /* in the order in which they came */
	size_t value_count;
};

static void name_of(const char *prefix, uint64_t id, char ret[32])
{
	(void)snprintf(ret, 32, "%s%016llx", prefix, (unsigned long long)id);
}

/* False: it has to be tried again. */
static bool remove_name(struct pool *p, const char *prefix, uint64_t id)
{
	const struct store_ops *ops = p->store->ops;
	char name[32];

	name_of(prefix, id, name);
	int r = ops->unlink(p->store, &p->private_dir, name, false);
	if (r == -EISDIR)
		r = ops->unlink(p->store, &p->private_dir, name, true);
	return r == 0 || r == -ENOENT;
}

/* Makes room for one more; the id that had to go for it, 0: none. */
static uint64_t note(struct graves *g, uint64_t id)
{
	AUTO_LOCK(held, &g->lock);
	uint64_t oldest = 0;

	if (g->count == GRAVES_MAX) {
		oldest = g->list[g->first].id;
		g->first = (g->first + 1) % GRAVES_MAX;
		g->count--;
	}
	size_t at = (g->first + g->count++) % GRAVES_MAX;
	g->list[at].id = id;
	g->list[at].due_ms = clock_boot_ms() + GRAVE_MS;
	return oldest;
}

/* A file that is only just there may be on its way to the kernel, which does not know it yet. */
static bool wanted(struct pool *p, const struct object *o, const struct object *dir)
{
	bool young = seq_to_wall(stamp_seq(o->id)) > clock_wall_ns() - GRAVE_MS * INT64_C(1000000);

	return p->watch.knows && p->watch.knows(p->watch.arg, dir->id) &&
	       (young || p->watch.knows(p->watch.arg, o->id));
}

void grave_keep(struct pool *p, const struct object *o, const struct object *dir, const char *name)
{
	struct store_handle handle;
	struct stat st;
	char kept[32];

	if (!p->graves || p->recovering || !S_ISREG(o->type) || !wanted(p, o, dir))
		return;
	name_of(GRAVE_PREFIX, o->id, kept);
	if (p->store->ops->lookup(p->store, &dir->handle, name, NULL, &handle, &st) < 0 ||
	    st.st_nlink != 1 || p->store->ops->link(p->store, &handle, &p->private_dir, kept) < 0)
		return;
	uint64_t oldest = note(p->graves, o->id);
	if (oldest)
		(void)remove_name(p, GRAVE_PREFIX, oldest);
}

void grave_clean(struct pool *p, uint64_t now_ms)
{
	struct graves *g = p->graves;

	while (g) {
		uint64_t id;
		{
			AUTO_LOCK(held, &g->lock);
			if (!g->count || g->list[g->first].due_ms > now_ms)
				return;
			id = g->list[g->first].id;
			g->first = (g->first + 1) % GRAVES_MAX;
			g->count--;
		}
		(void)remove_name(p, GRAVE_PREFIX, id);
	}
}

struct left {
	struct pool *p;
	const char *prefix;
};

static int remove_one(void *arg, const char *name, uint64_t id, mode_t type)
{
	const struct left *left = arg;
	struct pool *p = left->p;

	(void)id;
	if (strncmp(name, left->prefix, strlen(left->prefix)) != 0)
		return 0;
	return p->store->ops->unlink(p->store, &p->private_dir, name, S_ISDIR(type));
}

static int remove_left(struct pool *p, const char *prefix)
{
	struct left left = {.p = p, .prefix = prefix};

	return p->store->ops->entries(p->store, &p->private_dir, remove_one, &left);
}

/* A directory has one name only: the values go to another, which is made for them. */
static int keep_beside(struct pool *p, const struct object *o, const char *kept)
{
	const struct store_node node = {.id = o->id, .mode = S_IFDIR | 0700};
	struct store_handle handle;
	int r = p->store->ops->make(p->store, &p->private_dir, kept, &node, &handle);

	for (size_t i = 0; r == 0 && i < o->xattr_count; i++) {
		const struct xattr_head *x = &o->xattrs[i];
		if (x->value)
			r = p->store->ops->set_xattr(p->store, &handle, x->name, x->value, x->size,
						     0);
	}
	return r;
}

void grave_keep_values(struct pool *p, const struct object *o, const struct object *dir,
		       const char *name)
{
	const struct store_ops *ops = p->store->ops;
	struct graves *g = p->graves;
	struct store_handle handle;
	char kept[32];

	if (!g || !o->xattr_count)
		return;
	AUTO_LOCK(held, &g->lock);
	name_of(VALUES_PREFIX, o->id, kept);
	if (g->value_count == GRAVES_MAX)
		return;
	int r = S_ISDIR(o->type) ? keep_beside(p, o, kept)
				 : ops->lookup(p->store, &dir->handle, name, NULL, &handle, NULL);
	if (r == 0 && !S_ISDIR(o->type))
		r = ops->link(p->store, &handle, &p->private_dir, kept);
	if (r == 0)
		g->values[g->value_count++] = o->id;
}

bool grave_find_values(struct pool *p, uint64_t id, struct store_handle *ret)
{
	char kept[32];

	name_of(VALUES_PREFIX, id, kept);
	return p->store->ops->lookup(p->store, &p->private_dir, kept, NULL, ret, NULL) == 0;
}

int grave_give_back(struct pool *p, const struct object *o)
{
	const struct store_ops *ops = p->store->ops;
	AUTO_FREE uint8_t *value = o->xattr_count ? malloc(RECORD_VALUE_MAX) : NULL;
	struct store_handle kept;
	int r = 0;

	if (!o->xattr_count || !grave_find_values(p, o->id, &kept))
		return 0;
	if (!value)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < o->xattr_count; i++) {
		const char *name = o->xattrs[i].name;
		ssize_t n = ops->get_xattr(p->store, &kept, name, value, RECORD_VALUE_MAX);
		if (n >= 0)
			r = ops->set_xattr(p->store, &o->handle, name, value, (size_t)n, 0);
	}
	return r;
}

size_t grave_values(struct pool *p)
{
	if (!p->graves)
		return 0;
	AUTO_LOCK(held, &p->graves->lock);
	return p->graves->value_count;
}

void grave_values_flushed(struct pool *p, size_t count)
{
	struct graves *g = p->graves;

	if (!g)
		return;
	AUTO_LOCK(held, &g->lock);
	if (count == SIZE_MAX && remove_left(p, VALUES_PREFIX) < 0)
		return; /* at the next start */
	count = count < g->value_count ? count : g->value_count;
	size_t left = 0;
	for (size_t i = 0; i < g->value_count; i++) {
		if (i >= count || !remove_name(p, VALUES_PREFIX, g->values[i]))
			g->values[left++] = g->values[i];
	}
	g->value_count = left;
}

int grave_begin(struct pool *p)
{
	p->graves = calloc(1, sizeof(*p->graves));
	if (!p->graves)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->graves->lock, NULL);
	return remove_left(p, GRAVE_PREFIX);
}

void grave_end(struct pool *p)
{
	if (!p->graves)
		return;
	grave_clean(p, UINT64_MAX);
	(void)pthread_mutex_destroy(&p->graves->lock);
	free(p->graves);
	p->graves = NULL;
}
