/* SPDX-License-Identifier: Apache-2.0 */
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/auto.h"

ssize_t io_pread(int fd, void *buf, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buf + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_pwrite(int fd, const void *buf, size_t size, off_t offset)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)buf, .iov_len = size};

	return io_pwritev(fd, &part, 1, offset);
}

int io_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	struct iovec left[8];
	int first = 0;

	assert(count > 0 && count <= 8);
	memcpy(left, parts, sizeof(*parts) * (size_t)count);
	while (first < count) {
		ssize_t n = pwritev(fd, left + first, count - first, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		offset += n;
		while (first < count && (size_t)n >= left[first].iov_len)
			n -= (ssize_t)left[first++].iov_len;
		if (first < count) {
			left[first].iov_base = (char *)left[first].iov_base + n;
			left[first].iov_len -= (size_t)n;
		}
	}
	return 0;
}

int file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return -EFBIG;
	AUTO_FREE uint8_t *data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	ssize_t n = io_pread(fd, data, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	data[n] = 0;
	*ret_size = (size_t)n;
	*ret_data = take_ptr(data);
	return 0;
}

int dir_sync_parent(const char *path)
{
	AUTO_FREE char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	char *slash = strrchr(copy, '/');
	if (slash && slash != copy)
		*slash = '\0';
	AUTO_CLOSE int fd = open(slash ? (slash == copy ? "/" : copy) : ".",
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_replace(const char *path, const void *data, size_t size, mode_t mode)
{
	AUTO_FREE char *temp = NULL;

	if (asprintf(&temp, "%s.new", path) < 0)
		return -ENOMEM;
	AUTO_CLOSE int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	int r = size ? io_pwrite(fd, data, size, 0) : 0;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(temp);
		return r;
	}
	return dir_sync_parent(path);
}

int dir_make(const char *path, mode_t mode)
{
	AUTO_FREE char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return -errno;
	if (stat(copy, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

char *path_join(const char *a, const char *b)
{
	char *joined = NULL;

	return asprintf(&joined, "%s/%s", a, b) < 0 ? NULL : joined;
}
