/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem_ops.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "tests/sim/store_mem_in.h"

#define XATTR_VALUE_MAX 65536

void mem_stamp(struct store_mem *m, struct mem_object *o, bool content)
{
	mem_log_attr(m, o);
	o->attr.ctime = mem_now(m);
	if (content)
		o->attr.mtime = o->attr.ctime;
}

struct mem_xattr *mem_xattr_find(struct mem_object *o, const char *name)
{
	struct mem_xattr *x = o->xattrs;

	while (x && strcmp(x->name, name) != 0)
		x = x->next;
	return x;
}

void mem_xattr_set(struct mem_object *o, const char *name, const void *value, size_t size)
{
	struct mem_xattr **at = &o->xattrs;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if (!value) {
		struct mem_xattr *gone = *at;
		if (gone) {
			*at = gone->next;
			free(gone->name);
			free(gone->value);
			free(gone);
		}
		return;
	}
	if (!*at) {
		*at = mem_alloc(sizeof(**at));
		(*at)->name = mem_copy(name, strlen(name) + 1);
	}
	uint8_t *copy = mem_copy(value, size);
	free((*at)->value);
	(*at)->value = copy;
	(*at)->size = size;
}

uint64_t mem_id(struct mem_object *o)
{
	struct mem_xattr *x = mem_xattr_find(o, STORE_ID_XATTR);

	if (!x || x->size != 8)
		return 0;
	struct rd r = rd_init(x->value, x->size);
	return rd_u64(&r);
}

int mem_set_id_of(struct store_mem *m, struct mem_object *o, uint64_t id)
{
	uint8_t bytes[8];
	struct wr w = wr_init(bytes, sizeof(bytes));

	if (mem_xattr_find(o, STORE_ID_XATTR))
		return mem_id(o) == id ? 0 : -EEXIST;
	wr_u64(&w, id);
	mem_log_xattr(m, o, STORE_ID_XATTR);
	mem_xattr_set(o, STORE_ID_XATTR, bytes, sizeof(bytes));
	return 0;
}

int mem_set_id(struct store *store, const struct store_handle *object, uint64_t id)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r == 0)
		r = mem_change(m);
	return r < 0 ? r : mem_set_id_of(m, o, id);
}

/* Of the object whatever it is; a descriptor given counts more than the handle. */
static int any_object(struct store_mem *m, const struct store_handle *handle, int fd,
		      struct mem_object **ret)
{
	int flags = 0;

	return fd < 0 ? mem_object(m, handle, ret) : mem_object_fd(m, handle, fd, ret, &flags);
}

static size_t count_dirs(struct store_mem *m, const struct mem_object *dir)
{
	size_t count = 0;

	for (const struct mem_entry *e = dir->entries; e; e = e->hh.next)
		count += S_ISDIR(mem_by_ino(m, e->ino)->attr.mode);
	return count;
}

int mem_stat(struct store *store, const struct store_handle *object, int fd, struct stat *ret)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = any_object(m, object, fd, &o);

	if (r < 0)
		return r;
	blkcnt_t pages = 0;
	for (const struct mem_page *p = o->pages; p; p = p->hh.next)
		pages += p->data != NULL;
	bool is_dir = S_ISDIR(o->attr.mode);
	*ret = (struct stat){.st_dev = 1,
			     .st_ino = o->ino,
			     .st_mode = o->attr.mode,
			     .st_uid = o->attr.uid,
			     .st_gid = o->attr.gid,
			     .st_rdev = o->rdev,
			     .st_nlink = is_dir ? (o->names ? 2 + count_dirs(m, o) : 0) : o->names,
			     .st_size = is_dir ? STORE_MEM_PAGE : o->size,
			     .st_blksize = STORE_MEM_PAGE,
			     .st_blocks = pages * (STORE_MEM_PAGE / 512),
			     .st_atim = o->attr.atime,
			     .st_mtim = o->attr.mtime,
			     .st_ctim = o->attr.ctime};
	if (o->ino == MEM_ROOT)
		ret->st_nlink = 2 + count_dirs(m, o);
	return 0;
}

int mem_set_owner(struct store *store, const struct store_handle *object, mode_t mode, uid_t uid,
		  gid_t gid)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	mem_stamp(m, o, false);
	if (o->attr.uid != uid || o->attr.gid != gid) {
		o->attr.uid = uid;
		o->attr.gid = gid;
		if (S_ISREG(o->attr.mode))
			o->attr.mode &= ~(mode_t)S_ISUID;
		mem_next_group(m);
		mem_stamp(m, o, false);
	}
	if (!S_ISLNK(o->attr.mode))
		o->attr.mode = (o->attr.mode & S_IFMT) | (mode & 07777);
	return 0;
}

static bool time_valid(const struct timespec *t)
{
	return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT ||
	       (t->tv_nsec >= 0 && t->tv_nsec < 1000000000);
}

static void time_set(struct store_mem *m, const struct timespec *from, struct timespec *to)
{
	if (from->tv_nsec == UTIME_NOW)
		*to = mem_now(m);
	else if (from->tv_nsec != UTIME_OMIT)
		*to = *from;
}

int mem_set_times(struct store *store, const struct store_handle *object, int fd,
		  const struct timespec times[2])
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = any_object(m, object, fd, &o);

	if (r == 0 && (!time_valid(&times[0]) || !time_valid(&times[1])))
		r = -EINVAL;
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	mem_stamp(m, o, false);
	time_set(m, &times[0], &o->attr.atime);
	time_set(m, &times[1], &o->attr.mtime);
	return 0;
}

/* As the kernel: no other name spaces; user.* only where there is content. */
static int xattr_check(const struct mem_object *o, const char *name, int user_error)
{
	static const char *const spaces[] = {"user.", "trusted.", "security."};

	if (name[0] == '\0' || strlen(name) > XATTR_NAME_MAX)
		return -ERANGE;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		size_t size = strlen(spaces[i]);
		if (strncmp(name, spaces[i], size) != 0)
			continue;
		if (i == 0 && !S_ISREG(o->attr.mode) && !S_ISDIR(o->attr.mode))
			return user_error;
		return name[size] ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

int mem_set_xattr(struct store *store, const struct store_handle *object, const char *name,
		  const void *value, size_t size, int flags)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r == 0 && flags & ~(XATTR_CREATE | XATTR_REPLACE))
		r = -EINVAL;
	if (r == 0 && size > XATTR_VALUE_MAX)
		r = -E2BIG;
	if (r == 0)
		r = xattr_check(o, name, -EPERM);
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	bool there = mem_xattr_find(o, name) != NULL;
	if (there && flags & XATTR_CREATE)
		return -EEXIST;
	if (!there && flags & XATTR_REPLACE)
		return -ENODATA;
	r = mem_room(m, 0);
	if (r < 0)
		return r;
	mem_log_xattr(m, o, name);
	mem_stamp(m, o, false);
	mem_xattr_set(o, name, size ? value : "", size);
	return 0;
}

int mem_remove_xattr(struct store *store, const struct store_handle *object, const char *name)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r == 0)
		r = xattr_check(o, name, -EPERM);
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	if (!mem_xattr_find(o, name))
		return -ENODATA;
	mem_log_xattr(m, o, name);
	mem_stamp(m, o, false);
	mem_xattr_set(o, name, NULL, 0);
	return 0;
}

ssize_t mem_get_xattr(struct store *store, const struct store_handle *object, const char *name,
		      void *value, size_t size)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r == 0)
		r = xattr_check(o, name, -ENODATA);
	if (r < 0)
		return r;
	const struct mem_xattr *x = mem_xattr_find(o, name);
	if (!x)
		return -ENODATA;
	if (size && x->size > size)
		return -ERANGE;
	if (size && x->size)
		memcpy(value, x->value, x->size);
	return (ssize_t)x->size;
}

ssize_t mem_list_xattr(struct store *store, const struct store_handle *object, char *list,
		       size_t size)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);
	size_t used = 0;

	if (r < 0)
		return r;
	for (const struct mem_xattr *x = o->xattrs; x; x = x->next) {
		size_t length = strlen(x->name) + 1;
		if (size && used + length > size)
			return -ERANGE;
		if (size)
			memcpy(list + used, x->name, length);
		used += length;
	}
	return (ssize_t)used;
}

ssize_t mem_readlink(struct store *store, const struct store_handle *object, char *buf, size_t size)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r < 0)
		return r;
	if (!S_ISLNK(o->attr.mode) || size == 0)
		return -EINVAL;
	size_t length = strlen(o->target);
	if (length > size)
		length = size;
	memcpy(buf, o->target, length);
	return (ssize_t)length;
}
