/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"

/* What libfuse's own examples give for an entry whose inode number is not at hand. */
#define INO_UNKNOWN 0xffffffffu

struct listing {
	fuse_req_t req;
	struct mount *mount;
	struct handle *handle;
	bool plus;
	char *buf;
	size_t size;
	size_t used;
};

void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	struct handle *handle;
	int fd;
	int code = pool_open(mount->pool, id, O_RDONLY | O_DIRECTORY, &fd);

	if (code == 0)
		code = handle_new_dir(&mount->handles, id, fd, &handle);
	if (code) {
		answer_code(req, code);
		return;
	}
	fi->fh = (uintptr_t)handle;
	/* The kernel keeps the listing from one opening to the next until a notice takes it. */
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	if (fuse_reply_open(req, fi) != 0)
		handle_close(&mount->handles, handle);
}

/* The entry at `offset`; NULL at the end or on failure. */
static struct dirent64 *entry_at(struct handle *handle, off_t offset, int *ret_code)
{
	struct dir_cursor *dir = handle->dir;

	if (dir->offset != offset) {
		if (lseek(handle->fd, offset, SEEK_SET) < 0) {
			*ret_code = -errno;
			return NULL;
		}
		dir->offset = offset;
		dir->at = dir->end = 0;
	}
	if (dir->at == dir->end) {
		ssize_t n = getdents64(handle->fd, dir->entries, sizeof(dir->entries));

		if (n <= 0) {
			*ret_code = n < 0 ? -errno : 0;
			dir->offset = -1; /* the descriptor may stand anywhere now */
			return NULL;
		}
		dir->at = 0;
		dir->end = (size_t)n;
	}
	return (struct dirent64 *)(void *)(dir->entries + dir->at);
}

static size_t put(struct listing *l, const char *name, const struct fuse_entry_param *entry,
		  off_t next)
{
	char *to = l->buf + l->used;
	size_t left = l->size - l->used;

	if (l->plus)
		return fuse_add_direntry_plus(l->req, to, left, name, entry, next);
	return fuse_add_direntry(l->req, to, left, name, &entry->attr, next);
}

/* Fills `entry`. Names that are not shown: -ENOENT. */
static int entry_look(struct listing *l, const struct dirent64 *d, struct fuse_entry_param *entry)
{
	struct mount *mount = l->mount;
	uint64_t dir = l->handle->id;
	uint64_t id;

	*entry = (struct fuse_entry_param){.attr.st_mode = DTTOIF(d->d_type)};
	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
		bool own = d->d_name[1] == 0 || dir == POOL_ROOT_ID;

		entry->attr.st_ino = own ? dir : INO_UNKNOWN;
		return 0;
	}
	struct stat st;
	int code =
		pool_entry(mount->pool, dir, l->handle->fd, d->d_name, &id, l->plus ? &st : NULL);

	if (code)
		return code;
	if (l->plus)
		answer_fill(mount, &st, entry);
	else
		entry->attr.st_ino = id;
	return 0;
}

static int listing_fill(struct listing *l, off_t offset)
{
	struct dir_cursor *dir = l->handle->dir;
	AUTO_LOCK(guard, &dir->cursor_lock);

	for (;;) {
		struct fuse_entry_param entry;
		int code = 0;
		struct dirent64 *d = entry_at(l->handle, offset, &code);

		if (!d)
			return code;
		/* Before the pool is asked: what does not fit would be known to the kernel. */
		size_t need = l->plus ? fuse_add_direntry_plus(l->req, NULL, 0, d->d_name, NULL, 0)
				      : fuse_add_direntry(l->req, NULL, 0, d->d_name, NULL, 0);
		if (need > l->size - l->used)
			return 0;
		code = entry_look(l, d, &entry);
		if (code && code != -ENOENT)
			return code;
		if (code == 0)
			l->used += put(l, d->d_name, &entry, d->d_off);
		offset = dir->offset = d->d_off;
		dir->at += d->d_reclen;
	}
}

/* Each name and each object in the answer may have changed while it was made. */
static void listing_settle(const struct listing *l, uint64_t since)
{
	struct mount *mount = l->mount;

	if (changes_now(mount->changes) == since)
		return;
	/* The kernel keeps the listing as content of the directory. */
	changes_settle_inode(mount->changes, since, l->handle->id);
	for (size_t at = 0; l->plus && at < l->used;) {
		const struct fuse_direntplus *d = (const void *)(l->buf + at);
		char name[NAME_MAX + 1] = {0};

		if (d->dirent.namelen <= NAME_MAX)
			memcpy(name, d->dirent.name, d->dirent.namelen);
		changes_settle_entry(mount->changes, since, l->handle->id, name);
		if (d->entry_out.nodeid)
			changes_settle_inode(mount->changes, since, d->entry_out.nodeid);
		at += FUSE_DIRENTPLUS_SIZE(d);
	}
}

static void list(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	struct listing l = {
		.req = req,
		.mount = mount,
		.handle = (struct handle *)(uintptr_t)fi->fh,
		.plus = plus,
		.buf = server_scratch(mount->server),
		.size = size < SERVER_REQUEST_MAX ? size : SERVER_REQUEST_MAX,
	};
	int code = l.buf ? listing_fill(&l, offset) : -ENOMEM;

	/* A failure behind the first entries comes back when the kernel asks for the rest. */
	if (code && l.used == 0) {
		answer_code(req, code);
		return;
	}
	(void)fuse_reply_buf(req, l.buf, l.used);
	listing_settle(&l, since);
}

void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)id;
	list(req, size, offset, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	(void)id;
	list(req, size, offset, fi, true);
}
