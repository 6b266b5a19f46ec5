/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/pathname.h"

#include <errno.h>
#include <string.h>

void pathname_begin(struct pathname *path, const char *name)
{
	size_t length = strlen(name);

	path->start = sizeof(path->bytes) - length - 1;
	memcpy(path->bytes + path->start, name, length + 1);
}

/* False: no room. */
static bool pathname_above(struct pathname *path, const char *name)
{
	size_t length = strlen(name);

	if (path->start < length + 1)
		return false;
	path->bytes[--path->start] = '/';
	path->start -= length;
	memcpy(path->bytes + path->start, name, length);
	return true;
}

const struct dentry *pathname_link(const struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (!o->links[i].dead)
			return &o->links[i];
	}
	return NULL;
}

int pathname_climb(struct pool *p, uint64_t dir, struct pathname *path)
{
	while (dir != POOL_ROOT_ID) {
		AUTO_REF struct object_ref d = {.cache = p->cache};
		char name[256];
		int r = object_get(p->cache, dir, &d.o);
		const struct dentry *l = r == 0 ? pathname_link(d.o) : NULL;

		if (r < 0 || d.o->id == POOL_ROOT_ID)
			return r;
		if (!l)
			return -ENOENT;
		dentry_shown(l, name);
		if (!pathname_above(path, name))
			return -ENAMETOOLONG;
		dir = l->parent;
	}
	return 0;
}
