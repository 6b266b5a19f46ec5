/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem_in.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "tests/sim/store_mem_ops.h"

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *mem_copy(const void *data, size_t size)
{
	void *p = mem_alloc(size);

	if (size)
		memcpy(p, data, size);
	return p;
}

struct store_handle mem_handle(const struct mem_object *o)
{
	struct store_handle h = {.size = sizeof(o->ino)};

	memcpy(h.bytes, &o->ino, sizeof(o->ino));
	return h;
}

struct mem_object *mem_by_ino(struct store_mem *m, uint64_t ino)
{
	struct mem_object *o = NULL;

	HASH_FIND(hh, m->objects, &ino, sizeof(ino), o);
	return o;
}

static bool is_gone(const struct mem_object *o)
{
	return o->names == 0 && o->opens == 0 && o->ino != MEM_ROOT;
}

int mem_object(struct store_mem *m, const struct store_handle *handle, struct mem_object **ret)
{
	uint64_t ino = 0;

	if (handle->size != sizeof(ino))
		return -ESTALE;
	memcpy(&ino, handle->bytes, sizeof(ino));
	struct mem_object *o = mem_by_ino(m, ino);
	if (!o || is_gone(o))
		return -ESTALE;
	*ret = o;
	return 0;
}

int mem_dir(struct store_mem *m, const struct store_handle *handle, struct mem_object **ret)
{
	struct mem_object *o = NULL;
	int r = mem_object(m, handle, &o);

	if (r < 0)
		return r;
	if (!S_ISDIR(o->attr.mode))
		return -ENOTDIR;
	*ret = o;
	return 0;
}

int mem_object_fd(struct store_mem *m, const struct store_handle *handle, int fd,
		  struct mem_object **ret, int *ret_flags)
{
	if (fd < 0) {
		*ret_flags = O_RDWR;
		int r = mem_object(m, handle, ret);
		if (r == 0 && !S_ISREG((*ret)->attr.mode))
			return S_ISDIR((*ret)->attr.mode) ? -EISDIR : -EINVAL;
		return r;
	}
	size_t at = (size_t)(fd - STORE_MEM_FD);
	if (fd < STORE_MEM_FD || at >= m->fds_size || m->fds[at].ino == 0)
		return -EBADF;
	*ret = mem_by_ino(m, m->fds[at].ino);
	*ret_flags = m->fds[at].flags;
	assert(*ret);
	return 0;
}

struct mem_object *mem_object_new(struct store_mem *m, const struct store_node *node)
{
	struct mem_object *o = mem_alloc(sizeof(*o));
	struct timespec now = mem_now(m);

	o->ino = ++m->last_ino;
	o->attr = (struct mem_attr){.mode = node->mode & (S_IFMT | 07777),
				    .uid = node->uid,
				    .gid = node->gid,
				    .atime = now,
				    .mtime = now,
				    .ctime = now};
	if (S_ISCHR(node->mode) || S_ISBLK(node->mode))
		o->rdev = node->rdev;
	if (S_ISLNK(node->mode)) {
		o->attr.mode = S_IFLNK | 0777;
		o->target = mem_copy(node->target, strlen(node->target) + 1);
		o->size = (off_t)strlen(node->target);
	}
	m->used += STORE_MEM_OBJECT;
	HASH_ADD(hh, m->objects, ino, sizeof(o->ino), o);
	return o;
}

static void object_free(struct store_mem *m, struct mem_object *o)
{
	while (o->entries) {
		struct mem_entry *e = o->entries;
		HASH_DEL(o->entries, e);
		free(e);
	}
	while (o->xattrs)
		mem_xattr_set(o, o->xattrs->name, NULL, 0);
	mem_pages_free(m, &o->pages);
	free(o->target);
	HASH_DEL(m->objects, o);
	m->used -= STORE_MEM_OBJECT;
	free(o);
}

void mem_sweep(struct store_mem *m)
{
	struct mem_object *o = NULL;
	struct mem_object *next = NULL;

	HASH_ITER(hh, m->objects, o, next)
	{
		if (is_gone(o))
			object_free(m, o);
	}
}

struct timespec mem_now(struct store_mem *m)
{
	m->now_ns += 1000;
	return (struct timespec){.tv_sec = m->now_ns / 1000000000,
				 .tv_nsec = m->now_ns % 1000000000};
}

static void mem_free(struct store *store)
{
	struct store_mem *m = mem_of(store);

	if (!m)
		return;
	mem_settle(m);
	while (m->objects)
		object_free(m, m->objects);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m->fds);
	free(m);
}

static int mem_root(struct store *store, struct store_handle *ret)
{
	*ret = mem_handle(mem_by_ino(mem_of(store), MEM_ROOT));
	return 0;
}

static int mem_statfs(struct store *store, struct statvfs *ret)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	uint64_t all = m->capacity ? m->capacity : (uint64_t)1 << 50;
	uint64_t left = all > m->used ? all - m->used : 0;

	*ret = (struct statvfs){.f_bsize = STORE_MEM_PAGE,
				.f_frsize = STORE_MEM_PAGE,
				.f_blocks = all / STORE_MEM_PAGE,
				.f_bfree = left / STORE_MEM_PAGE,
				.f_bavail = left / STORE_MEM_PAGE,
				.f_files = all / STORE_MEM_OBJECT,
				.f_ffree = left / STORE_MEM_OBJECT,
				.f_favail = left / STORE_MEM_OBJECT,
				.f_namemax = 255};
	return 0;
}

static const struct store_ops mem_ops = {
	.free = mem_free,
	.root = mem_root,
	.lookup = mem_lookup,
	.make = mem_make,
	.make_open = mem_make_open,
	.make_nameless = mem_make_nameless,
	.set_id = mem_set_id,
	.link = mem_link,
	.unlink = mem_unlink,
	.rename = mem_rename,
	.open = mem_open,
	.close = mem_close,
	.read = mem_read,
	.write = mem_write,
	.truncate = mem_truncate,
	.fallocate = mem_fallocate,
	.stat = mem_stat,
	.set_owner = mem_set_owner,
	.set_times = mem_set_times,
	.set_xattr = mem_set_xattr,
	.remove_xattr = mem_remove_xattr,
	.get_xattr = mem_get_xattr,
	.list_xattr = mem_list_xattr,
	.readlink = mem_readlink,
	.entries = mem_entries,
	.entries_like = mem_entries_like,
	.next_data = mem_next_data,
	.statfs = mem_statfs,
	.sync = mem_sync,
	.sync_data = mem_sync_data,
};

int store_mem_new(struct store **ret)
{
	struct store_mem *m = mem_alloc(sizeof(*m));
	struct store_node root = {.mode = S_IFDIR | 0755};
	pthread_mutexattr_t attr;

	m->store.ops = &mem_ops;
	m->now_ns = 1000000000000000000; /* some day in 2001 */
	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE) != 0 ||
	    pthread_mutex_init(&m->mutex, &attr) != 0)
		abort();
	(void)pthread_mutexattr_destroy(&attr);
	struct mem_object *o = mem_object_new(m, &root);
	assert(o->ino == MEM_ROOT);
	o->parent = MEM_ROOT;
	*ret = &m->store;
	return 0;
}

void store_mem_set_capacity(struct store *store, uint64_t capacity_bytes)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);

	m->capacity = capacity_bytes;
}

void store_mem_fail(struct store *store, unsigned int countdown, int error)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);

	assert(error < 0 || countdown == 0);
	m->fail_countdown = countdown;
	m->fail_error = error;
}

uint64_t store_mem_steps(struct store *store)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);

	return m->calls;
}

size_t store_mem_open_count(struct store *store)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	size_t count = 0;

	for (size_t i = 0; i < m->fds_size; i++)
		count += m->fds[i].ino != 0;
	return count;
}
