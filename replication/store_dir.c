/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "core/auto.h"

#define PROBE_XATTR "trusted.multiall.probe"

static void dir_free(struct store *store)
{
	struct store_dir *d = (struct store_dir *)store;

	if (!d)
		return;
	store_fds_free(d->fds);
	if (d->root_fd >= 0)
		(void)close(d->root_fd);
	if (d->path_fd >= 0)
		(void)close(d->path_fd);
	free(d);
}

static int dir_root(struct store *store, struct store_handle *ret)
{
	*ret = ((struct store_dir *)store)->root;
	return 0;
}

static int dir_statfs(struct store *store, struct statvfs *ret)
{
	return fstatvfs(((struct store_dir *)store)->root_fd, ret) < 0 ? -errno : 0;
}

static int dir_sync(struct store *store)
{
	return syncfs(((struct store_dir *)store)->root_fd) < 0 ? -errno : 0;
}

static const struct store_ops dir_ops = {
	.free = dir_free,
	.root = dir_root,
	.lookup = store_name_lookup,
	.make = store_name_make,
	.make_open = store_name_make_open,
	.make_nameless = store_name_make_nameless,
	.set_id = store_object_set_id,
	.link = store_name_link,
	.unlink = store_name_unlink,
	.rename = store_name_rename,
	.open = store_object_open,
	.close = store_object_close,
	.read = store_object_read,
	.write = store_object_write,
	.truncate = store_object_truncate,
	.fallocate = store_object_fallocate,
	.stat = store_object_stat,
	.set_owner = store_object_set_owner,
	.set_times = store_object_set_times,
	.set_xattr = store_object_set_xattr,
	.remove_xattr = store_object_remove_xattr,
	.get_xattr = store_object_get_xattr,
	.list_xattr = store_object_list_xattr,
	.readlink = store_object_readlink,
	.entries = store_name_entries,
	.entries_like = store_name_entries_like,
	.next_data = store_object_next_data,
	.statfs = dir_statfs,
	.sync = dir_sync,
	.sync_data = store_object_sync_data,
};

__attribute__((format(printf, 4, 5))) static int refuse(char *error, size_t size, int code,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, size, format, args);
	va_end(args);
	return code;
}

/* A mount of the directory's own that opens no devices, for a handle does not tell what it opens:
 * a device of the tree must not be touched by mistake. -1 where the system has no such mounts. */
static int open_without_devices(int path_fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV};
	AUTO_CLOSE int tree = (int)syscall(SYS_open_tree, path_fd, "",
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0 ||
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	/* open_by_handle_at(2) of older kernels takes no O_PATH descriptor. */
	return openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int check_handles(struct store_dir *d, const char *path, char *error, size_t size)
{
	AUTO_CLOSE int fd = -1;
	struct stat by_path;
	struct stat by_handle;
	int r = store_handle_at(d->root_fd, "", &d->root);

	if (r < 0)
		return refuse(error, size, r,
			      "%s: its file system gives no file handles (%s); use ext4, XFS or "
			      "Btrfs",
			      path, err_text(r));
	r = store_fds_open(d->fds, &d->root, O_RDONLY | O_DIRECTORY, &fd);
	if (r == -EPERM)
		return refuse(error, size, r,
			      "%s: not allowed to open by file handle; needs CAP_DAC_READ_SEARCH",
			      path);
	if (r == 0 && (fstat(d->path_fd, &by_path) < 0 || fstat(fd, &by_handle) < 0))
		r = -errno;
	if (r < 0)
		return refuse(error, size, r, "%s: cannot open its file handle: %s", path,
			      err_text(r));
	if (by_path.st_dev != by_handle.st_dev || by_path.st_ino != by_handle.st_ino)
		return refuse(error, size, -ENOTSUP,
			      "%s: its file handle leads to another directory", path);
	return 0;
}

static int check_xattrs(struct store_dir *d, const char *path, char *error, size_t size)
{
	/* Reading proves nothing: without the capability it just finds no trusted attribute. */
	int r = fsetxattr(d->root_fd, PROBE_XATTR, "", 0, 0) < 0 ? -errno : 0;

	if (r == 0 && fremovexattr(d->root_fd, PROBE_XATTR) < 0)
		r = -errno;
	if (r == -ENOTSUP)
		return refuse(error, size, r,
			      "%s: its file system has no trusted extended attributes; use ext4, "
			      "XFS or Btrfs",
			      path);
	if (r == -EPERM)
		return refuse(error, size, r,
			      "%s: not allowed to set trusted extended attributes; needs "
			      "CAP_SYS_ADMIN",
			      path);
	if (r < 0)
		return refuse(error, size, r, "%s: cannot set an extended attribute: %s", path,
			      err_text(r));
	return 0;
}

static int dir_fill(struct store_dir *d, const char *path, char *error, size_t size)
{
	d->path_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->path_fd < 0)
		return refuse(error, size, -errno, "%s: cannot open: %s", path, err_text(-errno));
	d->root_fd = open_without_devices(d->path_fd);
	bool no_devices = d->root_fd >= 0;
	if (!no_devices)
		d->root_fd = fcntl(d->path_fd, F_DUPFD_CLOEXEC, 0);
	if (d->root_fd < 0)
		return refuse(error, size, -errno, "%s: cannot open: %s", path, err_text(-errno));
	int r = store_fds_new(d->root_fd, no_devices, STORE_DIR_CACHE, &d->fds);
	if (r < 0)
		return refuse(error, size, r, "%s: %s", path, err_text(r));
	r = check_handles(d, path, error, size);
	return r < 0 ? r : check_xattrs(d, path, error, size);
}

int store_dir_open(const char *path, struct store **ret, char *error, size_t size)
{
	struct store_dir *d = calloc(1, sizeof(*d));

	if (!d)
		return refuse(error, size, -ENOMEM, "%s: %s", path, err_text(-ENOMEM));
	*d = (struct store_dir){.store = {.ops = &dir_ops}, .path_fd = -1, .root_fd = -1};
	int r = dir_fill(d, path, error, size);
	if (r < 0) {
		dir_free(&d->store);
		return r;
	}
	*ret = &d->store;
	return 0;
}
