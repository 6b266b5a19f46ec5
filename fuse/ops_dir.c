/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

/* What libfuse's own examples give for an entry whose inode number is not at hand. */
#define INO_UNKNOWN 0xffffffffu

/* Entries read at once. An entry in the answer takes four times its size here, or more. */
#define ENTRIES_MAX 8192u

struct listing {
	fuse_req_t req;
	struct mount *mount;
	uint64_t dir;
	int fd;
	bool plus;
	char *buf;
	size_t size;
	size_t used;
};

/* Directories are not opened: the kernel stops asking after this answer and keeps their listings
 * until a notice takes them away. A listing that it does not have is read by id and position. */
void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	answer_code(req, -ENOSYS);
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

static bool fits(const struct listing *l, const char *name)
{
	size_t need = l->plus ? fuse_add_direntry_plus(l->req, NULL, 0, name, NULL, 0)
			      : fuse_add_direntry(l->req, NULL, 0, name, NULL, 0);

	return need <= l->size - l->used;
}

/* Fills `entry`. Names that are not shown: -ENOENT. */
static int entry_look(struct listing *l, const struct dirent64 *d, struct fuse_entry_param *entry)
{
	struct mount *mount = l->mount;
	uint64_t id;

	*entry = (struct fuse_entry_param){.attr.st_mode = DTTOIF(d->d_type)};
	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
		bool own = d->d_name[1] == 0 || l->dir == POOL_ROOT_ID;

		entry->attr.st_ino = own ? l->dir : INO_UNKNOWN;
		return 0;
	}
	struct stat st;
	int code = pool_entry(mount->pool, l->dir, l->fd, d->d_name, &id, l->plus ? &st : NULL);

	if (code)
		return code;
	if (l->plus)
		answer_fill(mount, l->dir, &st, entry);
	else
		entry->attr.st_ino = id;
	return 0;
}

/* Goes through what was read. 1: the answer is full. */
static int entries_put(struct listing *l, const char *entries, size_t size)
{
	for (size_t at = 0; at < size;) {
		const struct dirent64 *d = (const void *)(entries + at);
		struct fuse_entry_param entry;

		/* Before the pool is asked: what does not fit would count as told. */
		if (!fits(l, d->d_name))
			return 1;
		int code = entry_look(l, d, &entry);
		if (code && code != -ENOENT)
			return code;
		if (code == 0)
			l->used += put(l, d->d_name, &entry, d->d_off);
		at += d->d_reclen;
	}
	return 0;
}

static int listing_fill(struct listing *l, off_t offset)
{
	_Alignas(struct dirent64) char entries[ENTRIES_MAX];

	if (offset && lseek(l->fd, offset, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = getdents64(l->fd, entries, sizeof(entries));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		int code = entries_put(l, entries, (size_t)n);
		if (code)
			return code < 0 ? code : 0;
	}
}

/* Each name and each object in the answer may have changed while it was made. */
static void listing_settle(const struct listing *l, uint64_t since)
{
	struct mount *mount = l->mount;

	if (changes_now(mount->changes) == since)
		return;
	/* The kernel keeps the listing as content of the directory. */
	changes_settle_inode(mount->changes, since, l->dir);
	for (size_t at = 0; l->plus && at < l->used;) {
		const struct fuse_direntplus *d = (const void *)(l->buf + at);
		char name[NAME_MAX + 1] = {0};

		if (d->dirent.namelen <= NAME_MAX)
			memcpy(name, d->dirent.name, d->dirent.namelen);
		changes_settle_entry(mount->changes, since, l->dir, name);
		if (d->entry_out.nodeid)
			changes_settle_inode(mount->changes, since, d->entry_out.nodeid);
		at += FUSE_DIRENTPLUS_SIZE(d);
	}
}

static void list(fuse_req_t req, uint64_t id, size_t size, off_t offset, bool plus)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	struct listing l = {
		.req = req,
		.mount = mount,
		.dir = id,
		.plus = plus,
		.buf = server_scratch(mount->server),
		.size = size < SERVER_REQUEST_MAX ? size : SERVER_REQUEST_MAX,
	};
	int code = l.buf ? pool_open(mount->pool, id, O_RDONLY | O_DIRECTORY, &l.fd) : -ENOMEM;

	if (code == 0) {
		code = listing_fill(&l, offset);
		pool_close(mount->pool, id, l.fd);
	} else if (code == -ESTALE || code == -ENOENT) {
		code = 0; /* removed while a program has it open: it is empty */
	}
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
	(void)fi;
	list(req, id, size, offset, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, id, size, offset, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *fi)
{
	(void)fi;
	answer_code(req, pool_fsync(mount_of(req)->pool, id, -1, data_only & 1));
}
