/* SPDX-License-Identifier: Apache-2.0
 * A losing content becomes a file of its own when somebody wants to change it, or when the file
 * that it belongs to is removed: made under a name of its own, filled, then the branch resolved
 * and the new file moved to where the branch was, so that no crash in between loses the bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "replication/pool_ops.h"

/* All of it under all locks: rare, and the branch must not move meanwhile. */
static int submit(struct pool *p, struct record *rec)
{
	struct apply ctx = {.fd = -1};

	rec->time_ns = ops_now_ns();
	return pool_submit(p, rec, &ctx);
}

static int copy_bytes(struct pool *p, const struct store_handle *from, uint64_t to)
{
	AUTO_FREE uint8_t *buffer = malloc(RECORD_DATA_MAX);
	struct stat st;
	off_t start, end, at = 0;
	int r = buffer ? p->store->ops->stat(p->store, from, -1, &st) : -ENOMEM;
	stamp_t base = to;
	struct record rec = {.kind = REC_TRUNCATE, .id = to, .base = base};

	rec.offset = r == 0 ? (uint64_t)st.st_size : 0;
	if (r == 0)
		r = submit(p, &rec);
	while (r == 0) {
		r = p->store->ops->next_data(p->store, from, -1, at, &start, &end);
		for (at = start; r == 0 && at < end;) {
			size_t size = end - at > (off_t)RECORD_DATA_MAX ? RECORD_DATA_MAX
									: (size_t)(end - at);
			ssize_t n = p->store->ops->read(p->store, from, -1, buffer, size, at);
			if (n <= 0)
				return n < 0 ? (int)n : 0;
			rec = (struct record){.kind = REC_WRITE,
					      .id = to,
					      .base = rec.stamp,
					      .offset = (uint64_t)at,
					      .data = buffer,
					      .data_size = (size_t)n};
			r = submit(p, &rec);
			at += n;
		}
	}
	return r == -ENXIO ? 0 : r;
}

static int promote(struct pool *p, struct object *b)
{
	char name[256], temp[256];
	struct stat st;
	uint64_t of = b->branch_of;
	stamp_t leaf = b->id;

	if (!b->link_count)
		return MA_EUNKNOWN;
	uint64_t parent = b->links[0].parent;
	(void)snprintf(name, sizeof(name), "%s", b->links[0].name);
	conflict_name(name, stamp_make(p->slot, seq_from_wall(ops_now_ns())), temp);
	int r = p->store->ops->stat(p->store, &b->handle, -1, &st);
	if (r < 0)
		return r;
	struct record make = {.kind = REC_MAKE,
			      .parent = parent,
			      .mode = st.st_mode,
			      .uid = st.st_uid,
			      .gid = st.st_gid,
			      .name = temp,
			      .name_size = strlen(temp)};
	r = submit(p, &make);
	if (r == 0)
		r = copy_bytes(p, &b->handle, make.id);
	struct record resolve = {.kind = REC_RESOLVE, .id = of, .base = leaf};
	if (r == 0)
		r = submit(p, &resolve);
	AUTO_REF struct object_ref o = {.cache = p->cache};
	if (r == 0)
		r = object_get(p->cache, make.id, &o.o);
	if (r < 0)
		return r;
	struct record move = {.kind = REC_RENAME,
			      .id = make.id,
			      .parent = parent,
			      .new_parent = parent,
			      .link = {.lid = make.id,
				       .id = make.id,
				       .seen_place = make.id,
				       .seen_content = o.o->content},
			      .old_name = temp,
			      .old_name_size = strlen(temp),
			      .name = name,
			      .name_size = strlen(name)};
	r = submit(p, &move);
	watch_entry(p, parent, name);
	watch_entry(p, parent, temp);
	return r;
}

int branch_promote(struct pool *p, uint64_t branch)
{
	AUTO_LOCKS struct locks_held held;
	AUTO_REF struct object_ref b = {.cache = p->cache};

	locks_take_all(&p->locks, &held);
	int r = object_get_raw(p->cache, branch, &b.o);
	if (r == 0 && b.o->branch_of)
		r = promote(p, b.o);
	return r < 0 && r != MA_EUNKNOWN ? r : -ESTALE;
}

int branch_promote_all(struct pool *p, uint64_t id)
{
	AUTO_LOCKS struct locks_held held;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	locks_take_all(&p->locks, &held);
	int r = object_get(p->cache, id, &o.o);
	while (r == 0 && o.o->leaf_count) {
		AUTO_REF struct object_ref b = {.cache = p->cache};
		if (!o.o->leaves[0].have)
			return -EBUSY; /* its bytes are on their way from a peer */
		r = object_get_raw(p->cache, o.o->leaves[0].stamp, &b.o);
		if (r == 0)
			r = promote(p, b.o);
	}
	return r;
}
