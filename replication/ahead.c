/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/ahead.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "replication/object_state.h"
#include "replication/place.h"

#define AHEAD_PREFIX "ahead-"

static void name_of(uint64_t id, char ret[32])
{
	(void)snprintf(ret, 32, AHEAD_PREFIX "%016llx", (unsigned long long)id);
}

int ahead_put(struct pool *p, const struct object *dir, const char *name, uint64_t id)
{
	const struct store_ops *ops = p->store->ops;
	char waits[32];
	struct stat st;

	name_of(id, waits);
	int r = ops->lookup(p->store, &p->private_dir, waits, NULL, NULL, &st);
	/* A further name of what waits already; rename(2) would leave it standing. */
	if (r == 0 && !S_ISDIR(st.st_mode))
		return ops->unlink(p->store, &dir->handle, name, false);
	return ops->rename(p->store, &dir->handle, name, &p->private_dir, waits, 0);
}

int ahead_spare(struct pool *p, const struct object *o, const struct object *dir, const char *name)
{
	size_t live = 0;
	struct stat st;
	uint64_t id;

	for (size_t i = 0; i < o->link_count; i++)
		live += !o->links[i].dead;
	/* Bytes that the journal only names are nowhere but in the file: it may come back. */
	if (!p->recovering || (live < 2 && !(p->repeat && S_ISREG(o->type))))
		return 0;
	int r = p->store->ops->lookup(p->store, &dir->handle, name, &id, NULL, &st);
	if (r < 0 || id != o->id || st.st_nlink > 1)
		return r == -ENOENT ? 0 : r;
	r = ahead_put(p, dir, name, id);
	return r < 0 ? r : 1;
}

int ahead_take(struct pool *p, struct object *o, const struct object *dir, const char *name)
{
	const struct store_ops *ops = p->store->ops;
	struct store_handle handle;
	char waits[32];

	name_of(o->id, waits);
	int r = ops->lookup(p->store, &p->private_dir, waits, NULL, &handle, NULL);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ops->rename(p->store, &p->private_dir, waits, &dir->handle, name, 0);
	if (r < 0)
		return r;
	o->handle = handle;
	return 1;
}

struct walk {
	struct pool *p;
	struct object *root;
};

static int end_one(void *arg, const char *name, uint64_t id, mode_t type)
{
	const struct walk *walk = arg;
	struct pool *p = walk->p;
	const struct store_ops *ops = p->store->ops;
	AUTO_REF struct object_ref o = {.cache = p->cache};
	char kept[256];

	if (strncmp(name, AHEAD_PREFIX, strlen(AHEAD_PREFIX)) != 0)
		return 0;
	/* Its object was told of by the journal: it stands where it belongs, or was removed. */
	int r = id ? object_get(p->cache, id, &o.o) : MA_EUNKNOWN;
	for (size_t i = 0; r == 0 && i < o.o->link_count && !o.o->dead; i++) {
		if (!o.o->links[i].dead)
			r = place_link(p, o.o, &o.o->links[i], NULL);
	}
	if (r == 0 && ops->lookup(p->store, &p->private_dir, name, NULL, NULL, NULL) == -ENOENT)
		return 0;
	if (r == 0)
		r = ops->unlink(p->store, &p->private_dir, name, S_ISDIR(type));
	if (r != MA_EUNKNOWN && r != -ENOTEMPTY)
		return r;
	conflict_name(name, stamp_make(0, seq_from_wall(clock_wall_ns())), kept);
	log_warn("pool \"%s\": something that the journal does not know is kept as \"%s\"", p->name,
		 kept);
	return ops->rename(p->store, &p->private_dir, name, &walk->root->handle, kept, 0);
}

int ahead_end(struct pool *p)
{
	AUTO_REF struct object_ref root = {.cache = p->cache};
	int r = object_get(p->cache, POOL_ROOT_ID, &root.o);
	struct walk walk = {.p = p, .root = root.o};

	return r < 0 ? r : p->store->ops->entries(p->store, &p->private_dir, end_one, &walk);
}
