/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/bytes.h"

/* Of Linux 6.6 and 6.13; the same numbers on all machines. glibc 2.36 does not know them. */
#define NR_FCHMODAT2  452
#define NR_GETXATTRAT 464

struct at_xattr {
	uint64_t value;
	uint32_t size;
	uint32_t flags;
};

/* Older container run-times answer EPERM to system calls that they do not know. */
static bool is_unknown_call(int err)
{
	return err == ENOSYS || err == EPERM;
}

static char *put_text(char *to, const char *text)
{
	size_t size = strlen(text);

	memcpy(to, text, size);
	return to + size;
}

void store_fd_path(int fd, const char *name, char ret[STORE_PATH_MAX])
{
	char digits[12];
	char *d = digits + sizeof(digits);
	unsigned int n = (unsigned int)fd;

	assert(fd >= 0 && strlen(name) <= NAME_MAX);
	*--d = '\0';
	do
		*--d = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	char *at = put_text(put_text(ret, "/proc/self/fd/"), d);
	if (*name) {
		*at++ = '/';
		at = put_text(at, name);
	}
	*at = '\0';
}

/* The f-calls refuse O_PATH descriptors with EBADF; those of the cache are real ones. */
static int fd_set_xattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	char path[STORE_PATH_MAX];

	if (fsetxattr(fd, name, value, size, flags) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	store_fd_path(fd, "", path);
	return setxattr(path, name, value, size, flags) < 0 ? -errno : 0;
}

static ssize_t fd_get_xattr(int fd, const char *name, void *value, size_t size)
{
	char path[STORE_PATH_MAX];
	ssize_t n = fgetxattr(fd, name, value, size);

	if (n < 0 && errno == EBADF) {
		store_fd_path(fd, "", path);
		n = getxattr(path, name, value, size);
	}
	return n < 0 ? -errno : n;
}

static int id_decode(ssize_t size, const uint8_t bytes[8], uint64_t *ret)
{
	if (size == -ENODATA) {
		*ret = 0;
		return 0;
	}
	if (size < 0)
		return size == -ERANGE ? MA_ECORRUPT : (int)size;
	struct rd r = rd_init(bytes, (size_t)size);
	uint64_t id = rd_u64(&r);
	if (size != 8 || id == 0)
		return MA_ECORRUPT;
	*ret = id;
	return 0;
}

int store_entry_id(int dir_fd, const char *name, uint64_t *ret_id)
{
	char path[STORE_PATH_MAX];
	uint8_t bytes[8];
	struct at_xattr value = {.value = (uintptr_t)bytes, .size = sizeof(bytes)};
	int r = store_name_check(name);

	if (r < 0)
		return r;
	ssize_t n = syscall(NR_GETXATTRAT, dir_fd, name, AT_SYMLINK_NOFOLLOW, STORE_ID_XATTR,
			    &value, sizeof(value));
	if (n < 0 && is_unknown_call(errno)) {
		store_fd_path(dir_fd, name, path);
		n = lgetxattr(path, STORE_ID_XATTR, bytes, sizeof(bytes));
	}
	return id_decode(n < 0 ? -errno : n, bytes, ret_id);
}

int store_fd_set_id(int fd, uint64_t id)
{
	uint8_t bytes[8];
	struct wr w = wr_init(bytes, sizeof(bytes));
	uint64_t found = 0;

	wr_u64(&w, id);
	int r = fd_set_xattr(fd, STORE_ID_XATTR, bytes, sizeof(bytes), XATTR_CREATE);
	if (r != -EEXIST)
		return r;
	r = id_decode(fd_get_xattr(fd, STORE_ID_XATTR, bytes, sizeof(bytes)), bytes, &found);
	if (r < 0)
		return r;
	return found == id ? 0 : -EEXIST;
}

static int fd_set_mode(int fd, mode_t mode)
{
	char path[STORE_PATH_MAX];

	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	if (syscall(NR_FCHMODAT2, fd, "", mode, AT_EMPTY_PATH) == 0)
		return 0;
	if (!is_unknown_call(errno))
		return -errno;
	store_fd_path(fd, "", path);
	return chmod(path, mode) < 0 ? -errno : 0;
}

int store_fd_set_owner(int fd, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;
	mode_t bits = mode & 07777;

	if (fstat(fd, &st) < 0)
		return -errno;
	bool changes = st.st_uid != uid || st.st_gid != gid;
	if (changes && fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return 0;
	if ((st.st_mode & 07777) == bits && !(changes && (bits & (S_ISUID | S_ISGID))))
		return 0;
	return fd_set_mode(fd, bits);
}

static int fd_remove_xattr(int fd, const char *name)
{
	char path[STORE_PATH_MAX];

	if (fremovexattr(fd, name) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	store_fd_path(fd, "", path);
	return removexattr(path, name) < 0 ? -errno : 0;
}

int store_fd_strip_lists(int fd)
{
	static const char *const names[] = {STORE_ACL_ACCESS, STORE_ACL_DEFAULT};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = fd_remove_xattr(fd, names[i]);
		/* Only directories have default ones. */
		if (r < 0 && r != -ENODATA && r != -EOPNOTSUPP && r != -EACCES)
			return r;
	}
	return 0;
}

int store_object_set_id(struct store *store, const struct store_handle *object, uint64_t id)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_readable(store_dir_fds(store), object, &at);

	return r < 0 ? r : store_fd_set_id(at.fd, id);
}

int store_object_set_owner(struct store *store, const struct store_handle *object, mode_t mode,
			   uid_t uid, gid_t gid)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_object(store_dir_fds(store), object, &at);

	/* Also one that it has already, which sets the time of the last change. */
	if (r == 0 && fchownat(at.fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? r : store_fd_set_owner(at.fd, mode, uid, gid);
}

int store_fd_set_times(int fd, const struct timespec times[2])
{
	/* The empty path needs Linux 5.8. */
	return utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int store_object_set_times(struct store *store, const struct store_handle *object, int fd,
			   const struct timespec times[2])
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;

	if (fd >= 0)
		return futimens(fd, times) < 0 ? -errno : 0;
	int r = store_fds_object(store_dir_fds(store), object, &at);
	return r < 0 ? r : store_fd_set_times(at.fd, times);
}

int store_object_set_xattr(struct store *store, const struct store_handle *object, const char *name,
			   const void *value, size_t size, int flags)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_readable(store_dir_fds(store), object, &at);

	return r < 0 ? r : fd_set_xattr(at.fd, name, value, size, flags);
}

int store_object_remove_xattr(struct store *store, const struct store_handle *object,
			      const char *name)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_readable(store_dir_fds(store), object, &at);

	return r < 0 ? r : fd_remove_xattr(at.fd, name);
}

ssize_t store_object_get_xattr(struct store *store, const struct store_handle *object,
			       const char *name, void *value, size_t size)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_readable(store_dir_fds(store), object, &at);

	return r < 0 ? r : fd_get_xattr(at.fd, name, value, size);
}

ssize_t store_object_list_xattr(struct store *store, const struct store_handle *object, char *list,
				size_t size)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	char path[STORE_PATH_MAX];
	int r = store_fds_readable(store_dir_fds(store), object, &at);

	if (r < 0)
		return r;
	ssize_t n = flistxattr(at.fd, list, size);
	if (n < 0 && errno == EBADF) {
		store_fd_path(at.fd, "", path);
		n = listxattr(path, list, size);
	}
	return n < 0 ? -errno : n;
}

int store_object_stat(struct store *store, const struct store_handle *object, int fd,
		      struct stat *ret)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;

	if (fd >= 0)
		return fstat(fd, ret) < 0 ? -errno : 0;
	int r = store_fds_object(store_dir_fds(store), object, &at);
	if (r < 0)
		return r;
	return fstat(at.fd, ret) < 0 ? -errno : 0;
}
