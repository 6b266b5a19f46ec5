/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/grave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"

#define GRAVE_PREFIX "gone-"

struct graves {
	pthread_mutex_t lock;
	struct {
		uint64_t id, due_ms;
	} list[GRAVES_MAX]; /* a ring: the oldest at `first` */
	size_t first, count;
};

static void name_of(uint64_t id, char ret[32])
{
	(void)snprintf(ret, 32, GRAVE_PREFIX "%016llx", (unsigned long long)id);
}

static void remove_name(struct pool *p, uint64_t id)
{
	char name[32];

	name_of(id, name);
	/* If it does not go now, it goes at the next start. */
	(void)p->store->ops->unlink(p->store, &p->private_dir, name, false);
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
	name_of(o->id, kept);
	if (p->store->ops->lookup(p->store, &dir->handle, name, NULL, &handle, &st) < 0 ||
	    st.st_nlink != 1 || p->store->ops->link(p->store, &handle, &p->private_dir, kept) < 0)
		return;
	uint64_t oldest = note(p->graves, o->id);
	if (oldest)
		remove_name(p, oldest);
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
		remove_name(p, id);
	}
}

static int remove_left(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct pool *p = arg;

	(void)id;
	(void)type;
	if (strncmp(name, GRAVE_PREFIX, strlen(GRAVE_PREFIX)) != 0)
		return 0;
	return p->store->ops->unlink(p->store, &p->private_dir, name, false);
}

int grave_begin(struct pool *p)
{
	p->graves = calloc(1, sizeof(*p->graves));
	if (!p->graves)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->graves->lock, NULL);
	return p->store->ops->entries(p->store, &p->private_dir, remove_left, p);
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
