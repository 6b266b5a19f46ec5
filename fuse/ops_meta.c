/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/auto.h"

#define ACL_ACCESS "system.posix_acl_access"
#define LABEL      "security.selinux"

void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	struct stat st;
	int code = pool_getattr(mount->pool, id, &st);

	(void)fi;
	answer_attr(req, since, code, id, &st, mount_attr_seconds(mount));
}

static unsigned int valid_of(int to_set)
{
	unsigned int valid = 0;

	if (to_set & FUSE_SET_ATTR_MODE)
		valid |= POOL_ATTR_MODE;
	if (to_set & FUSE_SET_ATTR_UID)
		valid |= POOL_ATTR_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		valid |= POOL_ATTR_GID;
	if (to_set & FUSE_SET_ATTR_SIZE)
		valid |= POOL_ATTR_SIZE;
	/* The kernel sets both bits for "now". */
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		valid |= POOL_ATTR_ATIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		valid |= POOL_ATTR_ATIME;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		valid |= POOL_ATTR_MTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		valid |= POOL_ATTR_MTIME;
	if (to_set & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID))
		valid |= POOL_ATTR_KILL_SUID;
	return valid;
}

void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int to_set,
		struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	const struct handle *handle = fi ? (const struct handle *)(uintptr_t)fi->fh : NULL;
	struct stat changed;
	const struct pool_attr attr = {
		.valid = valid_of(to_set),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = st->st_size,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
	};
	int code = pool_setattr(mount->pool, id, handle ? handle->fd : -1, &attr, &changed);

	answer_attr(req, since, code, id, &changed, REMEMBER_MOMENT_S);
}

void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	char target[PATH_MAX];
	ssize_t n = pool_readlink(mount_of(req)->pool, id, target, sizeof(target) - 1);

	if (n < 0) {
		answer_code(req, (int)n);
		return;
	}
	target[n] = 0;
	(void)fuse_reply_readlink(req, target);
}

void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct statvfs st;
	int code = pool_statfs(mount_of(req)->pool, &st);

	(void)id;
	if (code)
		answer_code(req, code);
	else
		(void)fuse_reply_statfs(req, &st);
}

void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size,
		 int flags)
{
	struct mount *mount = mount_of(req);
	/* An access list is also a mode: who is not in the group does not keep setgid by it. */
	bool kill = (flags & KERNEL_KILL_PRIV) && strcmp(name, ACL_ACCESS) == 0;
	int code = pool_setxattr(mount->pool, id, name, value, size, flags & ~KERNEL_KILL_PRIV);

	if (code == 0 && kill)
		code = priv_kill(mount, id, -1);
	answer_code(req, code);
}

/* `size` 0 asks for the length. */
static void answer_xattr(fuse_req_t req, ssize_t n, const char *data, size_t size)
{
	if (n < 0)
		answer_code(req, (int)n);
	else if (size == 0)
		(void)fuse_reply_xattr(req, (size_t)n);
	else
		(void)fuse_reply_buf(req, data, (size_t)n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	struct mount *mount = mount_of(req);
	char *value = size ? server_scratch(mount->server) : NULL;

	if (size > XATTR_SIZE_MAX)
		size = XATTR_SIZE_MAX;
	ssize_t n = -ENOMEM;
	if (!size || value)
		n = pool_getxattr(mount->pool, id, name, value, size);
	/* ls -l asks each file for its label, and the kernel can't remember that there is none.
	 * Told that there are no labels here, ls asks no more. (Where SELinux is active, it
	 * answers.) */
	if (n == -ENODATA && strcmp(name, LABEL) == 0)
		n = -EOPNOTSUPP;
	answer_xattr(req, n, value, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct mount *mount = mount_of(req);
	char *list = size ? server_scratch(mount->server) : NULL;

	if (size > XATTR_LIST_MAX)
		size = XATTR_LIST_MAX;
	if (size && !list)
		answer_code(req, -ENOMEM);
	else
		answer_xattr(req, pool_listxattr(mount->pool, id, list, size), list, size);
}

void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	answer_code(req, pool_removexattr(mount_of(req)->pool, id, name));
}
