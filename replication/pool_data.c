/* SPDX-License-Identifier: Apache-2.0
 * pool.h: calls that look, and calls that change content and attributes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/auto.h"
#include "replication/durability.h"
#include "replication/commit.h"
#include "replication/content.h"
#include "replication/mapped.h"
#include "replication/nameless.h"
#include "replication/place.h"
#include "replication/room.h"
#include "replication/shadow.h"
#include "replication/pool_ops.h"

static int ref(struct pool *p, uint64_t id, struct object_ref *ret)
{
	ret->cache = p->cache;
	int r = object_get(p->cache, id, &ret->o);
	return r == MA_EUNKNOWN ? -ESTALE : r;
}

int pool_lookup(struct pool *p, uint64_t parent, const char *name, struct stat *ret)
{
	AUTO_REF struct object_ref dir = {0};
	uint64_t id;

	int r = ref(p, parent, &dir);
	if (r < 0)
		return r;
	if (strlen(name) > RECORD_NAME_MAX)
		return -ENAMETOOLONG;
	if (dir.o->id == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0)
		return -ENOENT;
	r = p->store->ops->lookup(p->store, &dir.o->handle, name, &id, NULL, ret);
	if (r == 0 && !id) {
		AUTO_ENTERED pool_entered(p);
		r = adopt_entry(p, dir.o->id, name);
		if (r == 0)
			r = p->store->ops->lookup(p->store, &dir.o->handle, name, &id, NULL, ret);
	}
	if (r == 0)
		ret->st_ino = id;
	return r;
}

/* A removed directory that somebody has open or works in: as a local disk shows it. */
static void stat_of_dead(struct pool *p, const struct object *o, struct stat *ret)
{
	AUTO_LOCKS struct locks_held held;

	locks_take(&p->locks, &o->id, 1, &held);
	*ret = (struct stat){.st_mode = o->type | o->attrs.mode,
			     .st_uid = o->attrs.uid,
			     .st_gid = o->attrs.gid,
			     .st_rdev = o->attrs.rdev,
			     .st_blksize = 4096,
			     .st_mtim = place_timespec(o->attrs.mtime_ns)};
	ret->st_atim = ret->st_ctim = ret->st_mtim;
}

int pool_getattr(struct pool *p, uint64_t id, struct stat *ret)
{
	AUTO_REF struct object_ref o = {0};
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	r = p->store->ops->stat(p->store, &o.o->handle, -1, ret);
	if (r == -ESTALE && o.o->dead) {
		AUTO_ENTERED pool_entered(p);
		stat_of_dead(p, o.o, ret);
		r = 0;
	}
	ret->st_ino = o.o->id;
	return r;
}

ssize_t pool_readlink(struct pool *p, uint64_t id, char *buf, size_t size)
{
	AUTO_REF struct object_ref o = {0};
	int r = ref(p, id, &o);

	return r < 0 ? r : p->store->ops->readlink(p->store, &o.o->handle, buf, size);
}

int pool_entry(struct pool *p, uint64_t parent, int dir_fd, const char *name, uint64_t *ret_id,
	       struct stat *ret)
{
	if (parent == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0)
		return -ENOENT;
	int r = store_entry_id(dir_fd, name, ret_id);
	if (r < 0)
		return r;
	if (!*ret_id) {
		struct stat st;
		r = pool_lookup(p, parent, name, &st);
		if (r < 0)
			return r;
		*ret_id = st.st_ino;
	}
	if (!ret)
		return 0;
	if (fstatat(dir_fd, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	ret->st_ino = *ret_id;
	return 0;
}

/* Before its content changes: a program's file loses its capabilities. Barrier and lock held. */
static int drop_caps(struct pool *p, struct object *o)
{
	struct apply ctx = {.fd = -1};
	struct caps caps;

	caps_keep(p, o, &o->handle, &caps);
	if (caps.size < 0)
		return 0;
	struct record rec = {.kind = REC_XATTR,
			     .flags = REC_F_REMOVE,
			     .id = o->id,
			     .name = CAPS_XATTR,
			     .name_size = strlen(CAPS_XATTR),
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

/* Cuts or extends to `size`. Barrier and lock held. */
static int truncate_locked(struct pool *p, struct object *o, int fd, off_t size)
{
	struct apply ctx = {.fd = fd};

	if (o->dead)
		return p->store->ops->truncate(p->store, &o->handle, fd, size);
	int r = drop_caps(p, o);
	if (r < 0)
		return r;
	struct record rec = {.kind = REC_TRUNCATE,
			     .id = o->id,
			     .base = o->content,
			     .offset = (uint64_t)size,
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

int pool_open(struct pool *p, uint64_t id, int flags, int *ret_fd)
{
	AUTO_REF struct object_ref o = {0};
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	if (changes && o.o->branch_of) {
		AUTO_ENTERED pool_entered(p);
		return branch_promote(p, id);
	}
	/* Appending is ours (pool_write), direct I/O would ask for aligned buffers. */
	int keep = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECT | O_NOFOLLOW);
	r = p->store->ops->open(p->store, &o.o->handle, keep, ret_fd);
	if (r == 0)
		object_pin(p->cache, o.o);
	if (r < 0 || !(flags & O_TRUNC) || !S_ISREG(o.o->type))
		return r;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	r = truncate_locked(p, o.o, -1, 0);
	if (r < 0)
		pool_close(p, id, *ret_fd);
	return r;
}

void pool_close(struct pool *p, uint64_t id, int fd)
{
	p->store->ops->close(p->store, fd);
	object_unpin(p->cache, id);
}

/* How many of the bytes stand in the file: a write that failed half way has put the first of them
 * there, and peers must learn of those. */
static size_t written_part(struct pool *p, const struct object *o, const uint8_t *data, size_t size,
			   off_t offset)
{
	uint8_t there[4096];
	size_t same = 0;

	while (same < size) {
		size_t part = size - same < sizeof(there) ? size - same : sizeof(there);
		ssize_t n = p->store->ops->read(p->store, &o->handle, -1, there, part,
						offset + (off_t)same);
		if (n <= 0)
			return same;
		for (ssize_t i = 0; i < n; i++, same++) {
			if (there[i] != data[same])
				return same;
		}
	}
	return same;
}

/* Barrier and lock held. */
static int write_once(struct pool *p, struct object *o, int fd, const void *data, size_t size,
		      off_t offset)
{
	struct apply ctx = {.fd = fd};

	if (o->dead)
		return p->store->ops->write(p->store, &o->handle, fd, data, size, offset);
	struct record rec = {.kind = REC_WRITE,
			     .id = o->id,
			     .base = o->content,
			     .offset = (uint64_t)offset,
			     .data = data,
			     .data_size = size,
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

struct write_call {
	struct pool *p;
	struct object *o;
	int fd;
};

static int write_run(void *arg, const uint8_t *data, size_t size, off_t offset)
{
	const struct write_call *c = arg;
	int r = write_once(c->p, c->o, c->fd, data, size, offset);

	if (r == 0)
		shadow_patch(c->p, c->o->id, data, size, offset);
	return r;
}

ssize_t pool_write(struct pool *p, uint64_t id, int fd, const void *data, size_t size, off_t offset,
		   unsigned int flags)
{
	AUTO_REF struct object_ref o = {0};
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	if (size > POOL_WRITE_MAX)
		size = POOL_WRITE_MAX;
	if (!size)
		return 0;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	if (!(flags & POOL_WRITE_MAPPED) && !o.o->dead)
		r = drop_caps(p, o.o);
	if (r == 0 && (flags & POOL_WRITE_APPEND)) {
		struct stat st;
		r = p->store->ops->stat(p->store, &o.o->handle, fd, &st);
		offset = st.st_size;
	}
	if (r < 0)
		return r;
	struct write_call call = {.p = p, .o = o.o, .fd = fd};
	if (flags & POOL_WRITE_MAPPED)
		r = shadow_write(p, o.o, data, size, offset, write_run, &call);
	else
		r = write_run(&call, data, size, offset);
	if (r == 0 || (flags & POOL_WRITE_MAPPED))
		return r < 0 ? r : (ssize_t)size;
	/* The disk is full, or the file as large as it can be: what went in counts. */
	size = written_part(p, o.o, data, size, offset);
	return size && write_run(&call, data, size, offset) == 0 ? (ssize_t)size : r;
}

int pool_fallocate(struct pool *p, uint64_t id, int fd, int mode, off_t offset, off_t length)
{
	AUTO_REF struct object_ref o = {0};
	struct apply ctx = {.fd = fd};
	struct stat before, after;
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	if (o.o->dead)
		return p->store->ops->fallocate(p->store, &o.o->handle, fd, mode, offset, length);
	struct record rec = {.kind = REC_FALLOCATE,
			     .id = o.o->id,
			     .base = o.o->content,
			     .mode = (uint32_t)mode,
			     .offset = (uint64_t)offset,
			     .length = (uint64_t)length,
			     .time_ns = ops_now_ns()};
	r = p->store->ops->stat(p->store, &o.o->handle, fd, &before);
	if (r == 0)
		r = drop_caps(p, o.o);
	if (r < 0)
		return r;
	r = pool_submit(p, &rec, &ctx);
	/* A disk that became full meanwhile may have made the file longer all the same. */
	if (r < 0 && p->store->ops->stat(p->store, &o.o->handle, fd, &after) == 0 &&
	    after.st_size != before.st_size) {
		int cut = truncate_locked(p, o.o, fd, after.st_size);
		return cut < 0 ? cut : r;
	}
	return r;
}

static int64_t to_ns(struct timespec t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int set_owner(struct pool *p, struct object *o, const struct pool_attr *attr,
		     const struct stat *now)
{
	struct record rec = {.kind = REC_OWNER,
			     .id = o->id,
			     .mode = now->st_mode & 07777,
			     .uid = now->st_uid,
			     .gid = now->st_gid,
			     .time_ns = ops_now_ns()};
	struct apply ctx = {.fd = -1};

	if (attr->valid & POOL_ATTR_MODE)
		rec.mode = attr->mode & 07777;
	if (attr->valid & POOL_ATTR_UID)
		rec.uid = attr->uid;
	if (attr->valid & POOL_ATTR_GID)
		rec.gid = attr->gid;
	if (attr->valid & (POOL_ATTR_KILL_SUID | POOL_ATTR_KILL_SGID)) {
		rec.mode &= ~(uint32_t)S_ISUID;
		if ((rec.mode & S_IXGRP) || (attr->valid & POOL_ATTR_KILL_SGID))
			rec.mode &= ~(uint32_t)S_ISGID;
	}
	if (o->nameless)
		return p->store->ops->set_owner(p->store, &o->handle, rec.mode, rec.uid, rec.gid);
	return pool_submit(p, &rec, &ctx);
}

static int set_times(struct pool *p, struct object *o, int fd, const struct pool_attr *attr)
{
	int64_t now = ops_now_ns();
	struct record rec = {.kind = REC_TIMES, .id = o->id};
	struct apply ctx = {.fd = fd};

	if (attr->valid & (POOL_ATTR_ATIME | POOL_ATTR_ATIME_NOW)) {
		rec.flags |= REC_F_ATIME;
		rec.atime_ns = attr->valid & POOL_ATTR_ATIME_NOW ? now : to_ns(attr->atime);
	}
	if (attr->valid & (POOL_ATTR_MTIME | POOL_ATTR_MTIME_NOW)) {
		rec.flags |= REC_F_MTIME;
		rec.time_ns = attr->valid & POOL_ATTR_MTIME_NOW ? now : to_ns(attr->mtime);
	}
	if (o->nameless) {
		struct timespec times[2] = {place_timespec(rec.atime_ns),
					    place_timespec(rec.time_ns)};
		if (!(rec.flags & REC_F_ATIME))
			times[0].tv_nsec = UTIME_OMIT;
		if (!(rec.flags & REC_F_MTIME))
			times[1].tv_nsec = UTIME_OMIT;
		return p->store->ops->set_times(p->store, &o->handle, fd, times);
	}
	return pool_submit(p, &rec, &ctx);
}

static int setattr_locked(struct pool *p, struct object *o, int fd, const struct pool_attr *attr)
{
	struct stat now;
	int r = p->store->ops->stat(p->store, &o->handle, fd, &now);

	if (r == 0 && (attr->valid & POOL_ATTR_SIZE))
		r = truncate_locked(p, o, fd, attr->size);
	if (r == 0 && (attr->valid & (POOL_ATTR_MODE | POOL_ATTR_UID | POOL_ATTR_GID |
				      POOL_ATTR_KILL_SUID | POOL_ATTR_KILL_SGID)))
		r = set_owner(p, o, attr, &now);
	if (r == 0 && (attr->valid & (POOL_ATTR_ATIME | POOL_ATTR_MTIME | POOL_ATTR_ATIME_NOW |
				      POOL_ATTR_MTIME_NOW)))
		r = set_times(p, o, fd, attr);
	return r;
}

int pool_setattr(struct pool *p, uint64_t id, int fd, const struct pool_attr *attr,
		 struct stat *ret)
{
	AUTO_REF struct object_ref o = {0};
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	AUTO_ENTERED pool_entered(p);
	if (o.o->branch_of)
		return branch_promote(p, id);
	{
		AUTO_LOCKS struct locks_held held;
		locks_take(&p->locks, &o.o->id, 1, &held);
		r = setattr_locked(p, o.o, fd, attr);
	}
	if (r == 0)
		r = p->store->ops->stat(p->store, &o.o->handle, fd, ret);
	ret->st_ino = o.o->id;
	return r;
}

int pool_fsync(struct pool *p, uint64_t id, int fd, bool data_only)
{
	int r = mapped_check(p, id, false);

	(void)fd;
	(void)data_only;
	if (r < 0)
		return r;
	/* The journal holds the bytes themselves: one fdatasync of it serves all that wait. */
	return durability_sync(p);
}

static bool is_own(const char *name)
{
	return strncmp(name, RECORD_OWN_XATTRS, strlen(RECORD_OWN_XATTRS)) == 0 ||
	       strncmp(name, POOL_ASK_XATTRS, strlen(POOL_ASK_XATTRS)) == 0;
}

int xattr_change(struct pool *p, uint64_t id, struct record *rec, int flags)
{
	AUTO_REF struct object_ref o = {0};
	struct apply ctx = {.fd = -1, .xattr_flags = flags, .internal = is_own(rec->name)};
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	if (rec->name_size > RECORD_NAME_MAX)
		return -ERANGE;
	if (rec->data_size > RECORD_VALUE_MAX)
		return -E2BIG;
	AUTO_ENTERED pool_entered(p);
	if (o.o->branch_of)
		return branch_promote(p, id);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	if (o.o->xattr_count >= OBJECT_XATTRS_MAX / 2 &&
	    !object_xattr(o.o, rec->name, rec->name_size))
		return -ENOSPC;
	if (o.o->nameless && (rec->flags & REC_F_REMOVE))
		return p->store->ops->remove_xattr(p->store, &o.o->handle, rec->name);
	if (o.o->nameless)
		return p->store->ops->set_xattr(p->store, &o.o->handle, rec->name, rec->data,
						rec->data_size, flags);
	rec->kind = REC_XATTR;
	rec->id = o.o->id;
	rec->time_ns = ops_now_ns();
	return pool_submit(p, rec, &ctx);
}

int pool_setxattr(struct pool *p, uint64_t id, const char *name, const void *value, size_t size,
		  int flags)
{
	struct record rec = {
		.name = name, .name_size = strlen(name), .data = value, .data_size = size};

	return is_own(name) ? -EPERM : xattr_change(p, id, &rec, flags);
}

int pool_removexattr(struct pool *p, uint64_t id, const char *name)
{
	struct record rec = {.flags = REC_F_REMOVE, .name = name, .name_size = strlen(name)};

	return is_own(name) ? -EPERM : xattr_change(p, id, &rec, 0);
}

/* Attributes that nobody has stored: asking for them asks us. */
static ssize_t answer_xattr(struct pool *p, uint64_t id, const char *name, void *value, size_t size)
{
	char text[POOL_ANSWER_MAX];
	int r = -ENODATA;

	if (strcmp(name, POOL_ASK_XATTRS "position") == 0)
		r = durability_position(p, text);
	else if (strcmp(name, POOL_ASK_XATTRS "durability") == 0)
		r = durability_text(p, id, text);
	if (r < 0)
		return r;
	if (size && size < strlen(text))
		return -ERANGE;
	if (size)
		memcpy(value, text, strlen(text));
	return (ssize_t)strlen(text);
}

ssize_t pool_getxattr(struct pool *p, uint64_t id, const char *name, void *value, size_t size)
{
	AUTO_REF struct object_ref o = {0};

	if (is_own(name))
		return answer_xattr(p, id, name, value, size);
	int r = ref(p, id, &o);
	return r < 0 ? r : p->store->ops->get_xattr(p->store, &o.o->handle, name, value, size);
}

ssize_t pool_listxattr(struct pool *p, uint64_t id, char *list, size_t size)
{
	AUTO_REF struct object_ref o = {0};
	char all[65536];
	size_t used = 0;
	int r = ref(p, id, &o);

	if (r < 0)
		return r;
	ssize_t n = p->store->ops->list_xattr(p->store, &o.o->handle, all, sizeof(all));
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(all + at) + 1) {
		size_t length = strlen(all + at) + 1;
		if (is_own(all + at))
			continue;
		if (size && used + length > size)
			return -ERANGE;
		if (size)
			memcpy(list + used, all + at, length);
		used += length;
	}
	return n < 0 ? n : (ssize_t)used;
}

int pool_statfs(struct pool *p, struct statvfs *ret)
{
	struct statvfs state;
	int r = p->store->ops->statfs(p->store, ret);

	if (r < 0 || statvfs(p->dir, &state) < 0 || state.f_fsid != ret->f_fsid)
		return r;
	/* The reserve is not for files. */
	uint64_t reserve = room_reserve((uint64_t)ret->f_blocks * ret->f_frsize) / ret->f_frsize;
	ret->f_bavail = ret->f_bavail > reserve ? ret->f_bavail - reserve : 0;
	return 0;
}

void pool_set_watch(struct pool *p, const struct pool_watch *watch)
{
	/* Whoever calls the former one is inside the barrier. */
	(void)pthread_rwlock_wrlock(&p->barrier);
	p->watch = watch ? *watch : (struct pool_watch){0};
	(void)pthread_rwlock_unlock(&p->barrier);
}
