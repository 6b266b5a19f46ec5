/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_dir.h"

#include <errno.h>
#include <fcntl.h>

#include "core/auto.h"
#include "core/io.h"

/* O_APPEND is not among them: it would make pwrite(2) ignore the offset. */
#define OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_DIRECTORY | O_DIRECT | O_NOATIME | O_SYNC)

static bool has_content(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* Symlinks, sockets, FIFOs without a reader and devices fail each in its way: one answer for all.
 */
static int open_error(struct store *store, const struct store_handle *object, int error)
{
	struct stat st;

	if (error != -ELOOP && error != -ENXIO && error != -EACCES)
		return error;
	return store_object_stat(store, object, -1, &st) == 0 && !has_content(st.st_mode) ? -EINVAL
											  : error;
}

int store_object_open(struct store *store, const struct store_handle *object, int flags,
		      int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	/* O_NONBLOCK: a FIFO must not hold us up before we know that it is one. */
	int r = store_fds_open(store_dir_fds(store), object,
			       (flags & OPEN_FLAGS) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, &fd);

	if (r < 0)
		return open_error(store, object, r);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!has_content(st.st_mode))
		return -EINVAL;
	*ret_fd = take_fd(&fd);
	return 0;
}

void store_object_close(struct store *store, int fd)
{
	(void)store;
	if (fd >= 0)
		(void)close(fd);
}

/* The descriptor given, or one of its own until the end of the caller's scope. */
static int fd_for(struct store *store, const struct store_handle *object, int fd, int flags,
		  int *own, int *ret)
{
	int r = fd >= 0 ? 0 : store_object_open(store, object, flags, own);

	*ret = fd >= 0 ? fd : *own;
	return r;
}

ssize_t store_object_read(struct store *store, const struct store_handle *object, int fd,
			  void *data, size_t size, off_t offset)
{
	AUTO_CLOSE int own = -1;
	int use = -1;
	int r = fd_for(store, object, fd, O_RDONLY | O_NOATIME, &own, &use);

	return r < 0 ? r : io_pread(use, data, size, offset);
}

int store_object_write(struct store *store, const struct store_handle *object, int fd,
		       const void *data, size_t size, off_t offset)
{
	AUTO_CLOSE int own = -1;
	int use = -1;
	int r = fd_for(store, object, fd, O_WRONLY, &own, &use);

	return r < 0 ? r : io_pwrite(use, data, size, offset);
}

int store_object_truncate(struct store *store, const struct store_handle *object, int fd,
			  off_t size)
{
	AUTO_CLOSE int own = -1;
	int use = -1;
	int r = fd_for(store, object, fd, O_WRONLY, &own, &use);

	while (r == 0 && ftruncate(use, size) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return r;
}

int store_object_fallocate(struct store *store, const struct store_handle *object, int fd, int mode,
			   off_t offset, off_t size)
{
	AUTO_CLOSE int own = -1;
	int use = -1;
	int r = fd_for(store, object, fd, O_WRONLY, &own, &use);

	while (r == 0 && fallocate(use, mode, offset, size) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return r;
}

/* Moves the descriptor's own position, which nobody uses: all reads and writes name an offset. */
int store_object_next_data(struct store *store, const struct store_handle *object, int fd,
			   off_t offset, off_t *ret_start, off_t *ret_end)
{
	AUTO_CLOSE int own = -1;
	int use = -1;
	int r = fd_for(store, object, fd, O_RDONLY | O_NOATIME, &own, &use);

	if (r < 0)
		return r;
	if (offset < 0)
		return -ENXIO; /* Btrfs would begin at 0 */
	off_t start = lseek(use, offset, SEEK_DATA);
	if (start < 0)
		return -errno;
	off_t end = lseek(use, start, SEEK_HOLE);
	if (end < 0)
		return -errno;
	*ret_start = start;
	*ret_end = end;
	return 0;
}

int store_object_sync_data(struct store *store, const struct store_handle *object)
{
	AUTO_CLOSE int fd = -1;
	int r = store_object_open(store, object, O_RDONLY | O_NOATIME, &fd);

	return r == 0 && fdatasync(fd) < 0 ? -errno : r;
}

ssize_t store_object_readlink(struct store *store, const struct store_handle *object, char *buf,
			      size_t size)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_object(store_dir_fds(store), object, &at);

	if (r < 0)
		return r;
	ssize_t n = readlinkat(at.fd, "", buf, size);
	if (n >= 0)
		return n;
	return errno == ENOENT ? -EINVAL : -errno; /* with an empty path: it is no symlink */
}
