/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <errno.h>

#include "core/log.h"

/* Requests that the kernel sends without waiting: read-ahead, releases, pages of mappings. */
#define BACKGROUND_MAX 64

struct server *mount_server(void *userdata)
{
	return ((struct mount *)userdata)->server;
}

struct pool_caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct pool_caller){.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};
}

void answer_code(fuse_req_t req, int code)
{
	(void)fuse_reply_err(req, err_errno(code));
}

void answer_fill(struct mount *mount, uint64_t parent, const struct stat *st,
		 struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = st->st_ino,
		.attr = *st,
		.attr_timeout = mount_attr_seconds(mount),
		.entry_timeout = mount->entry_s,
	};
	changes_known(mount->changes, parent, st->st_ino);
}

void answer_entry(fuse_req_t req, uint64_t since, int code, uint64_t parent, const char *name,
		  const struct stat *st, double seconds)
{
	struct mount *mount = mount_of(req);
	struct fuse_entry_param entry;

	if (code) {
		answer_code(req, code);
		return;
	}
	answer_fill(mount, parent, st, &entry);
	entry.attr_timeout = seconds;
	(void)fuse_reply_entry(req, &entry);
	changes_settle_entry(mount->changes, since, parent, name);
	changes_settle_inode(mount->changes, since, st->st_ino);
}

void answer_attr(fuse_req_t req, uint64_t since, int code, uint64_t id, const struct stat *st,
		 double seconds)
{
	struct mount *mount = mount_of(req);

	if (code) {
		answer_code(req, code);
		return;
	}
	(void)fuse_reply_attr(req, st, seconds);
	changes_settle_inode(mount->changes, since, id);
}

#define GROUPS_MAX 4096

/* As the kernel asks of who would keep setgid. */
static bool in_group_or_root(fuse_req_t req, gid_t gid)
{
	gid_t groups[GROUPS_MAX];

	if (fuse_req_ctx(req)->uid == 0 || fuse_req_ctx(req)->gid == gid)
		return true;
	/* Reads them from /proc. */
	int n = fuse_req_getgroups(req, GROUPS_MAX, groups);
	for (int i = 0; i < n && i < GROUPS_MAX; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

unsigned int priv_lost(fuse_req_t req, const struct stat *st)
{
	unsigned int lost = 0;

	if (S_ISDIR(st->st_mode))
		return 0;
	if ((st->st_mode & S_ISUID) || (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		lost = POOL_ATTR_KILL_SUID;
	if ((st->st_mode & (S_ISGID | S_IXGRP)) == S_ISGID && !in_group_or_root(req, st->st_gid))
		lost |= POOL_ATTR_KILL_SGID;
	return lost;
}

int priv_kill(fuse_req_t req, uint64_t id, int fd)
{
	struct mount *mount = mount_of(req);
	struct stat st;
	int code = 0;

	if (fd < 0)
		code = pool_getattr(mount->pool, id, &st);
	else if (fstat(fd, &st) != 0)
		code = -errno;
	if (code)
		return code;
	const struct pool_attr attr = {.valid = priv_lost(req, &st)};

	if (!attr.valid)
		return 0;
	code = pool_setattr(mount->pool, id, fd, &attr, &st);
	/* The answer to a write carries no attributes. */
	if (code == 0)
		(void)kernel_notice_inode(mount->fd, id, true);
	return code;
}

static void want_if_offered(struct fuse_conn_info *conn, unsigned int cap)
{
	conn->want |= conn->capable & cap;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *mount = userdata;
	bool epoch = kernel_has_epoch(server_kernel(mount->server));

	mount->entry_s = epoch ? REMEMBER_LONG_S : REMEMBER_SHORT_S;
	want_if_offered(conn, FUSE_CAP_POSIX_ACL);
	/* The pool applies the umask: it knows of default access lists. */
	want_if_offered(conn, FUSE_CAP_DONT_MASK);
	want_if_offered(conn, FUSE_CAP_CACHE_SYMLINKS);
	/* A changed mtime is no reason to drop pages: peers' changes are told, our own are known.
	 */
	conn->want &= ~(unsigned int)FUSE_CAP_AUTO_INVAL_DATA;
	want_if_offered(conn, FUSE_CAP_EXPLICIT_INVAL_DATA);
	/* It hides a peer's growth of a file, and lets old pages overwrite what a peer wrote. */
	conn->want &= ~(unsigned int)FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = SERVER_REQUEST_MAX;
	conn->max_readahead = SERVER_REQUEST_MAX;
	conn->max_background = BACKGROUND_MAX;
}

/* No flush: the kernel asks once and then closes without asking. No locks: it keeps them itself.
 * No access: default_permissions. No forget: ids need no table. */
const struct fuse_lowlevel_ops mount_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.fallocate = op_fallocate,
	.readdirplus = op_readdirplus,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
};
