/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/auto.h"

/* Makes the bare object and opens it: files for reading and writing, directories for reading,
 * others O_PATH. */
static int make_bare(int dir_fd, const char *name, const struct store_node *node, int *ret_fd)
{
	mode_t bits = node->mode & 07777;
	int flags = O_PATH;
	int r = 0;

	switch (node->mode & S_IFMT) {
	case S_IFREG:
		flags = O_CREAT | O_EXCL | O_RDWR;
		break;
	case S_IFDIR:
		flags = O_RDONLY | O_DIRECTORY;
		r = mkdirat(dir_fd, name, bits);
		break;
	case S_IFLNK:
		r = node->target ? symlinkat(node->target, dir_fd, name) : (errno = EINVAL, -1);
		break;
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		r = mknodat(dir_fd, name, node->mode & (S_IFMT | 07777), node->rdev);
		break;
	default:
		return -EINVAL;
	}
	if (r < 0)
		return -errno;
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC, bits);
	if (fd < 0) {
		r = -errno;
		if (!S_ISREG(node->mode))
			(void)unlinkat(dir_fd, name, S_ISDIR(node->mode) ? AT_REMOVEDIR : 0);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* The file system would hand down the list that the directory has here and now. */
static bool hands_down(int dir_fd, const struct store_node *node)
{
	return !S_ISLNK(node->mode) && fgetxattr(dir_fd, STORE_ACL_DEFAULT, NULL, 0) > 0;
}

/* The id comes last: whoever finds it may take the rest as done. */
static int dress(int fd, const struct store_node *node, bool strip, struct store_handle *ret)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, node->mtime};
	int r = strip ? store_fd_strip_lists(fd) : 0;

	if (r == 0)
		r = store_fd_set_owner(fd, node->mode, node->uid, node->gid);
	if (r == 0 && node->timed)
		r = store_fd_set_times(fd, times);
	if (r == 0)
		r = store_fd_set_id(fd, node->id);
	return r < 0 ? r : store_handle_at(fd, "", ret);
}

static bool dir_empty(int fd)
{
	AUTO_CLOSE int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	size_t count = 0;

	if (!dir)
		return false;
	own = -1;
	while (count < 3 && readdir(dir))
		count++;
	(void)closedir(dir);
	return count < 3; /* "." and ".." */
}

/* What a crash between the first system call of make() and the id leaves, and nothing that
 * somebody else may have put there: of the same kind, with no content and one name. */
static bool is_leftover(int fd, const struct store_node *node)
{
	char target[PATH_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (node->mode & S_IFMT))
		return false;
	if (S_ISDIR(st.st_mode))
		return dir_empty(fd);
	if (st.st_nlink != 1)
		return false;
	if (S_ISREG(st.st_mode))
		return st.st_size == 0;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return st.st_rdev == node->rdev;
	if (!S_ISLNK(st.st_mode))
		return true;
	ssize_t n = readlinkat(fd, "", target, sizeof(target));
	return n >= 0 && node->target && strlen(node->target) == (size_t)n &&
	       memcmp(target, node->target, (size_t)n) == 0;
}

/* The name exists: done before, left half done by a crash, or somebody else's. */
static int make_again(int dir_fd, const char *name, const struct store_node *node,
		      struct store_handle *ret)
{
	uint64_t found = 0;
	int r = store_entry_id(dir_fd, name, &found);

	if (r < 0)
		return r;
	if (found == node->id)
		return store_handle_at(dir_fd, name, ret);
	if (found != 0)
		return -EEXIST;
	AUTO_CLOSE int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return is_leftover(fd, node) ? dress(fd, node, hands_down(dir_fd, node), ret) : -EEXIST;
}

/* `ret_fd`: of what was made; -1 if it was there already. */
static int make(struct store *store, const struct store_handle *dir, const char *name,
		const struct store_node *node, struct store_handle *ret, int *ret_fd)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	AUTO_CLOSE int fd = -1;
	int r = node->id == 0 ? -EINVAL : store_name_check(name);

	if (r == 0)
		r = store_fds_dir(store_dir_fds(store), dir, &at);
	if (r < 0)
		return r;
	/* Nobody may use it before it has lost the list: the mode limits the list. */
	struct store_node bare = *node;
	bool strip = hands_down(at.fd, node);

	if (strip)
		bare.mode &= S_IFMT;
	r = make_bare(at.fd, name, &bare, &fd);
	if (r == -EEXIST) {
		r = make_again(at.fd, name, node, ret);
	} else if (r == 0) {
		r = dress(fd, node, strip, ret);
		if (r < 0)
			(void)unlinkat(at.fd, name, S_ISDIR(node->mode) ? AT_REMOVEDIR : 0);
	}
	*ret_fd = take_fd(&fd);
	return r;
}

int store_name_make(struct store *store, const struct store_handle *dir, const char *name,
		    const struct store_node *node, struct store_handle *ret)
{
	AUTO_CLOSE int fd = -1;
	struct store_handle handle = {0};
	int r = make(store, dir, name, node, &handle, &fd);

	if (r < 0)
		return r;
	/* A new directory is likely to be filled next. */
	if (S_ISDIR(node->mode) && fd >= 0)
		store_fds_add(store_dir_fds(store), &handle, take_fd(&fd));
	if (ret)
		*ret = handle;
	return 0;
}

int store_name_make_open(struct store *store, const struct store_handle *dir, const char *name,
			 const struct store_node *node, struct store_handle *ret, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	int r = S_ISREG(node->mode) ? make(store, dir, name, node, ret, &fd) : -EINVAL;

	if (r == 0 && fd < 0)
		r = store_object_open(store, ret, O_RDWR, &fd);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int store_name_make_nameless(struct store *store, const struct store_handle *dir,
			     const struct store_node *node, struct store_handle *ret, int *ret_fd)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	AUTO_CLOSE int fd = -1;
	int r = node->id == 0 || !S_ISREG(node->mode) ? -EINVAL : 0;

	if (r == 0)
		r = store_fds_dir(store_dir_fds(store), dir, &at);
	if (r < 0)
		return r;
	fd = openat(at.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = dress(fd, node, hands_down(at.fd, node), ret);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}
