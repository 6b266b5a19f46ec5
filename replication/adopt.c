/* SPDX-License-Identifier: Apache-2.0
 * Files that are in the backing directory without being the pool's: an existing tree that is taken
 * into use, or something put there by hand. They get ids and records; the bytes stay where they
 * are, peers fetch them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/nameless.h"
#include "replication/pool_ops.h"

#define ADOPT_DEPTH_MAX 1000

struct adopt {
	struct pool *p;
	uint64_t parent;
	int depth;
};

static int adopt_at(struct pool *p, uint64_t parent, const char *name, int depth);

static int64_t ns_of(struct timespec t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int adopt_xattrs(struct pool *p, uint64_t id, const struct store_handle *handle)
{
	AUTO_FREE char *names = malloc(65536);
	AUTO_FREE uint8_t *value = malloc(RECORD_VALUE_MAX);
	int r = 0;

	if (!names || !value)
		return -ENOMEM;
	ssize_t n = p->store->ops->list_xattr(p->store, handle, names, 65536);
	for (ssize_t at = 0; r == 0 && at < n; at += (ssize_t)strlen(names + at) + 1) {
		struct apply ctx = {.fd = -1};
		if (record_xattr_is_own(names + at, strlen(names + at)))
			continue;
		ssize_t size = p->store->ops->get_xattr(p->store, handle, names + at, value,
							RECORD_VALUE_MAX);
		if (size < 0)
			continue;
		struct record rec = {.kind = REC_XATTR,
				     .id = id,
				     .name = names + at,
				     .name_size = strlen(names + at),
				     .data = value,
				     .data_size = (size_t)size,
				     .time_ns = ops_now_ns()};
		r = pool_submit(p, &rec, &ctx);
	}
	return r;
}

static int adopt_child(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct adopt *a = arg;

	(void)id;
	(void)type;
	if (a->parent == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0)
		return 0;
	return adopt_at(a->p, a->parent, name, a->depth + 1);
}

static int adopt_dir(struct pool *p, uint64_t id, const struct store_handle *handle, int depth)
{
	struct adopt a = {.p = p, .parent = id, .depth = depth};

	if (depth > ADOPT_DEPTH_MAX)
		return -ELOOP;
	return p->store->ops->entries(p->store, handle, adopt_child, &a);
}

static int restore_times(struct pool *p, uint64_t id, const struct stat *st)
{
	struct apply ctx = {.fd = -1};
	struct record rec = {.kind = REC_TIMES,
			     .flags = REC_F_ATIME | REC_F_MTIME,
			     .id = id,
			     .atime_ns = ns_of(st->st_atim),
			     .time_ns = ns_of(st->st_mtim)};

	return pool_submit(p, &rec, &ctx);
}

static int adopt_new(struct pool *p, uint64_t parent, const char *name,
		     const struct store_handle *handle, const struct stat *st, int depth)
{
	char target[4096];
	struct apply ctx = {.fd = -1, .adopt = handle};
	struct record rec = {.kind = REC_MAKE,
			     .flags = S_ISREG(st->st_mode) && st->st_size ? REC_F_FETCH : 0,
			     .parent = parent,
			     .name = name,
			     .name_size = strlen(name),
			     .mode = st->st_mode,
			     .uid = st->st_uid,
			     .gid = st->st_gid,
			     .rdev = st->st_rdev,
			     .time_ns = ns_of(st->st_mtim)};

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = p->store->ops->readlink(p->store, handle, target, sizeof(target));
		if (n < 0)
			return (int)n;
		rec.target = target;
		rec.target_size = (size_t)n;
		target[n < 4095 ? n : 4095] = '\0';
	}
	int r = pool_submit(p, &rec, &ctx);
	if (r == 0)
		r = adopt_xattrs(p, rec.id, handle);
	if (r == 0 && S_ISDIR(st->st_mode))
		r = adopt_dir(p, rec.id, handle, depth);
	return r == 0 ? restore_times(p, rec.id, st) : r;
}

/* What is there becomes records of its own, the bytes too: they are durable as others are then. */
static int record_content(struct pool *p, const struct object *o, off_t size)
{
	const struct store_ops *ops = p->store->ops;
	AUTO_FREE uint8_t *data = malloc(POOL_WRITE_MAX);
	struct apply ctx = {.fd = -1};
	off_t start, end, at = 0;
	int r = data ? 0 : -ENOMEM;

	while (r == 0 && (r = ops->next_data(p->store, &o->handle, -1, at, &start, &end)) == 0) {
		ssize_t n = 0;
		for (at = start; r == 0 && at < end; at += n) {
			size_t part = end - at < (off_t)POOL_WRITE_MAX ? (size_t)(end - at)
								       : POOL_WRITE_MAX;
			n = ops->read(p->store, &o->handle, -1, data, part, at);
			if (n <= 0)
				return n < 0 ? (int)n : -EIO;
			struct record rec = {.kind = REC_WRITE,
					     .id = o->id,
					     .base = o->content,
					     .offset = (uint64_t)at,
					     .data = data,
					     .data_size = (size_t)n,
					     .time_ns = ops_now_ns()};
			r = pool_submit(p, &rec, &ctx);
		}
	}
	if (r != -ENXIO || at == size)
		return r == -ENXIO ? 0 : r;
	struct record rec = {.kind = REC_TRUNCATE,
			     .id = o->id,
			     .base = o->content,
			     .offset = (uint64_t)size,
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

int adopt_nameless(struct pool *p, struct object *o, const struct object *dir, const char *name)
{
	const struct store_ops *ops = p->store->ops;
	struct apply ctx = {.fd = -1};
	struct stat st;
	int r = ops->stat(p->store, &o->handle, -1, &st);

	if (r < 0)
		return r;
	struct record rec = {.kind = REC_MAKE,
			     .flags = REC_F_ID,
			     .id = o->id,
			     .parent = dir->id,
			     .name = name,
			     .name_size = strlen(name),
			     .mode = st.st_mode,
			     .uid = st.st_uid,
			     .gid = st.st_gid,
			     .time_ns = ops_now_ns()};
	/* As in pool_name.c: nobody gets in before the list is there. */
	if (ops->get_xattr(p->store, &o->handle, STORE_ACL_ACCESS, NULL, 0) > 0)
		rec.mode &= ~(uint32_t)S_IRWXG;
	r = pool_submit(p, &rec, &ctx);
	if (r < 0)
		return r;
	r = adopt_xattrs(p, o->id, &o->handle);
	if (r == 0)
		r = record_content(p, o, st.st_size);
	return r < 0 ? pool_unmake(p, &rec, r) : restore_times(p, o->id, &st);
}

/* An entry whose object is known: a further hard link made by hand, or nothing to do. */
static int adopt_known(struct pool *p, uint64_t parent, const char *name, struct object *o,
		       const struct store_handle *handle, int depth)
{
	struct apply ctx = {.fd = -1, .redo = true};

	if (object_link_at(p->cache, o, parent, name, strlen(name)))
		return S_ISDIR(o->type) ? adopt_dir(p, o->id, handle, depth) : 0;
	if (S_ISDIR(o->type))
		return -EEXIST;
	struct record rec = {.kind = REC_LINK,
			     .id = o->id,
			     .parent = parent,
			     .name = name,
			     .name_size = strlen(name),
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

static int adopt_at(struct pool *p, uint64_t parent, const char *name, int depth)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct store_handle handle;
	struct stat st;
	uint64_t id;
	int r = object_get(p->cache, parent, &dir.o);

	if (r == 0)
		r = p->store->ops->lookup(p->store, &dir.o->handle, name, &id, &handle, &st);
	if (r < 0)
		return r;
	if (id && object_get(p->cache, id, &o.o) == 0)
		return adopt_known(p, parent, name, o.o, &handle, depth);
	if (id) {
		/* It was in a pool once; that id means nothing here. */
		r = p->store->ops->remove_xattr(p->store, &handle, STORE_ID_XATTR);
		if (r < 0)
			return r;
	}
	return adopt_new(p, parent, name, &handle, &st, depth);
}

static int find_strays(struct pool *p, const struct object *dir, int depth);

static int find_stray(void *arg, const char *name, uint64_t id, mode_t type)
{
	const struct adopt *a = arg;
	struct pool *p = a->p;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	(void)type;
	if (a->parent == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0)
		return 0;
	if (!id || object_get(p->cache, id, &o.o) < 0)
		return adopt_at(p, a->parent, name, a->depth);
	if (!S_ISDIR(o.o->type) || !object_link_at(p->cache, o.o, a->parent, name, strlen(name)))
		return 0;
	return find_strays(p, o.o, a->depth + 1);
}

static int find_strays(struct pool *p, const struct object *dir, int depth)
{
	struct adopt a = {.p = p, .parent = dir->id, .depth = depth};

	return depth > ADOPT_DEPTH_MAX
		       ? -ELOOP
		       : p->store->ops->entries(p->store, &dir->handle, find_stray, &a);
}

int adopt_strays(struct pool *p)
{
	AUTO_REF struct object_ref root = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held;

	locks_take_all(&p->locks, &held);
	int r = object_get(p->cache, POOL_ROOT_ID, &root.o);
	return r < 0 ? r : find_strays(p, root.o, 0);
}

int adopt_entry(struct pool *p, uint64_t parent, const char *name)
{
	AUTO_LOCKS struct locks_held held;

	locks_take_all(&p->locks, &held);
	return adopt_at(p, parent, name, 0);
}

int adopt_tree(struct pool *p)
{
	AUTO_REF struct object_ref root = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held;
	struct stat st;

	pool_enter(p);
	locks_take_all(&p->locks, &held);
	int r = object_get(p->cache, POOL_ROOT_ID, &root.o);
	if (r == 0)
		r = p->store->ops->stat(p->store, &root.o->handle, -1, &st);
	if (r == 0)
		r = adopt_dir(p, POOL_ROOT_ID, &root.o->handle, 0);
	struct apply ctx = {.fd = -1};
	struct record rec = {.kind = REC_OWNER,
			     .id = POOL_ROOT_ID,
			     .mode = st.st_mode & 07777,
			     .uid = st.st_uid,
			     .gid = st.st_gid,
			     .time_ns = ops_now_ns()};
	if (r == 0)
		r = pool_submit(p, &rec, &ctx);
	if (r == 0)
		r = adopt_xattrs(p, POOL_ROOT_ID, &root.o->handle);
	if (r == 0)
		r = restore_times(p, POOL_ROOT_ID, &st);
	pool_leave(p);
	return r;
}
