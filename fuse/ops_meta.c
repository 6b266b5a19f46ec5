/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <linux/xattr.h>
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
	return valid;
}

/* Adds what the change takes of setuid and setgid. (A chown(2) that leaves user and group comes
 * here with nothing to be set, as the beginning of a write does: neither takes anything.) */
static int priv_valid(fuse_req_t req, uint64_t id, int to_set, unsigned int *valid)
{
	struct stat st;

	if (!(to_set & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID)))
		return 0;
	int code = pool_getattr(mount_of(req)->pool, id, &st);

	if (code == 0)
		*valid |= priv_lost(req, &st);
	return code;
}

void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int to_set,
		struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	uint64_t since = changes_now(mount->changes);
	const struct handle *handle = fi ? (const struct handle *)(uintptr_t)fi->fh : NULL;
	struct stat changed;
	struct pool_attr attr = {
		.valid = valid_of(to_set),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = st->st_size,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
	};
	int code = priv_valid(req, id, to_set, &attr.valid);

	if (code == 0)
		code = pool_setattr(mount->pool, id, handle ? handle->fd : -1, &attr, &changed);
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
		code = priv_kill(req, id, -1);
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

/* Takes the names out that only root is told of. Returns what is left of the list. */
static size_t untrusted(char *list, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < size;) {
		size_t length = strlen(list + at) + 1;

		if (strncmp(list + at, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) != 0) {
			memmove(list + used, list + at, length);
			used += length;
		}
		at += length;
	}
	return used;
}

void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct mount *mount = mount_of(req);
	char *list = server_scratch(mount->server);

	if (!list) {
		answer_code(req, -ENOMEM);
		return;
	}
	ssize_t n = pool_listxattr(mount->pool, id, list, XATTR_LIST_MAX);

	if (n > 0 && fuse_req_ctx(req)->uid != 0)
		n = (ssize_t)untrusted(list, (size_t)n);
	answer_xattr(req, size && n > (ssize_t)size ? -ERANGE : n, list, size);
}

void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	answer_code(req, pool_removexattr(mount_of(req)->pool, id, name));
}
