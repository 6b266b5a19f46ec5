/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/unsynced.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"

struct unsynced {
	pthread_mutex_t lock; /* guards all below */
	uint64_t noted, synced;
	bool all; /* there were more */
	size_t count;
	struct store_handle files[UNSYNCED_MAX];
};

int unsynced_new(struct unsynced **ret)
{
	struct unsynced *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	(void)pthread_mutex_init(&u->lock, NULL);
	*ret = u;
	return 0;
}

void unsynced_free(struct unsynced *u)
{
	if (!u)
		return;
	(void)pthread_mutex_destroy(&u->lock);
	free(u);
}

/* Lock held. From the newest on: who writes writes the same file mostly. */
static bool is_listed(const struct unsynced *u, const struct store_handle *handle)
{
	for (size_t i = u->count; i-- > 0;) {
		if (u->files[i].size == handle->size &&
		    memcmp(u->files[i].bytes, handle->bytes, handle->size) == 0)
			return true;
	}
	return false;
}

void unsynced_note(struct pool *p, const struct store_handle *handle)
{
	struct unsynced *u = p->unsynced;
	AUTO_LOCK(held, &u->lock);

	u->noted++;
	if (u->all || is_listed(u, handle))
		return;
	if (u->count < UNSYNCED_MAX)
		u->files[u->count++] = *handle;
	else
		u->all = true;
}

uint64_t unsynced_now(struct pool *p)
{
	AUTO_LOCK(held, &p->unsynced->lock);

	return p->unsynced->noted;
}

/* Takes the list; it begins anew. */
static void take(struct unsynced *u, struct unsynced *ret)
{
	AUTO_LOCK(held, &u->lock);

	ret->noted = u->noted;
	ret->all = u->all;
	ret->count = u->count;
	memcpy(ret->files, u->files, sizeof(u->files[0]) * u->count);
	u->all = false;
	u->count = 0;
}

bool unsynced_done(struct pool *p, uint64_t noted)
{
	AUTO_LOCK(held, &p->unsynced->lock);

	return p->unsynced->synced >= noted;
}

int unsynced_sync(struct pool *p)
{
	const struct store_ops *ops = p->store->ops;
	struct unsynced taken;
	int r = 0;

	take(p->unsynced, &taken);
	if (taken.all)
		r = ops->sync(p->store);
	for (size_t i = 0; r == 0 && !taken.all && i < taken.count; i++) {
		r = ops->sync_data(p->store, &taken.files[i]);
		if (r == -ESTALE || r == -ENOENT)
			r = 0; /* removed: nobody can ask for it any more */
	}
	AUTO_LOCK(held, &p->unsynced->lock);
	if (r == 0)
		p->unsynced->synced = taken.noted;
	return r;
}
