/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <errno.h>

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	struct stat st;
	int code = pool_lookup(mount->pool, parent, name, &st);

	if (code != -ENOENT) {
		answer_entry(req, since, code, parent, name, &st, mount_attr_seconds(mount));
		return;
	}
	/* Id 0 lets the kernel remember that there is no such name. */
	struct fuse_entry_param none = {.entry_timeout = mount->entry_s};

	(void)fuse_reply_entry(req, &none);
	changes_settle_entry(mount->changes, since, parent, name);
}

static void make(fuse_req_t req, uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		 const char *target)
{
	struct mount *mount = mount_of(req);
	struct pool_caller caller = caller_of(req);
	uint64_t since = changes_now(mount->changes);
	struct stat st;
	int code = pool_make(mount->pool, &caller, parent, name, mode, rdev, target, &st);

	answer_entry(req, since, code, parent, name, &st, mount_attr_seconds(mount));
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	make(req, parent, name, mode, rdev, NULL);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, S_IFDIR | (mode & ~(mode_t)S_IFMT), 0, NULL);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make(req, parent, name, S_IFLNK | 0777, 0, target);
}

void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	struct stat st;
	int code = pool_link(mount->pool, id, parent, name, &st);

	answer_entry(req, since, code, parent, name, &st, REMEMBER_MOMENT_S);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	answer_code(req, pool_unlink(mount_of(req)->pool, parent, name));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	answer_code(req, pool_rmdir(mount_of(req)->pool, parent, name));
}

/* The kernel moves its own names; it holds both directories, so a notice can't come between. */
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned int flags)
{
	answer_code(req,
		    pool_rename(mount_of(req)->pool, parent, name, new_parent, new_name, flags));
}
