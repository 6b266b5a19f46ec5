/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/auto.h"

int store_name_check(const char *name)
{
	size_t size = strnlen(name, NAME_MAX + 1);

	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	if (size == 0 || memchr(name, '/', size) || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

static int dir_with_name(struct store *store, const struct store_handle *dir, const char *name,
			 struct store_fd *ret)
{
	int r = store_name_check(name);

	return r < 0 ? r : store_fds_dir(store_dir_fds(store), dir, ret);
}

int store_name_lookup(struct store *store, const struct store_handle *dir, const char *name,
		      uint64_t *ret_id, struct store_handle *ret_handle, struct stat *ret_stat)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	struct stat st;
	int r = dir_with_name(store, dir, name, &at);

	if (r < 0)
		return r;
	if (ret_stat || (!ret_id && !ret_handle)) {
		if (fstatat(at.fd, name, ret_stat ? ret_stat : &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	if (ret_id)
		r = store_entry_id(at.fd, name, ret_id);
	if (r == 0 && ret_handle)
		r = store_handle_at(at.fd, name, ret_handle);
	return r;
}

/* Whether the name is a link to this object already. */
static bool is_linked(int dir_fd, const char *name, const struct store_handle *object)
{
	struct store_handle found;

	return store_handle_at(dir_fd, name, &found) == 0 && found.size == object->size &&
	       memcmp(found.bytes, object->bytes, found.size) == 0;
}

int store_name_link(struct store *store, const struct store_handle *object,
		    const struct store_handle *dir, const char *name)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	AUTO_STORE_FD struct store_fd from = STORE_FD_NONE;
	int r = dir_with_name(store, dir, name, &at);

	if (r == 0)
		r = store_fds_object(store_dir_fds(store), object, &from);
	if (r < 0)
		return r;
	if (linkat(from.fd, "", at.fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	int err = errno;
	return err == EEXIST && is_linked(at.fd, name, object) ? 0 : -err;
}

int store_name_unlink(struct store *store, const struct store_handle *dir, const char *name,
		      bool is_dir)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	struct store_handle gone = {0};
	int r = dir_with_name(store, dir, name, &at);

	if (r == 0 && is_dir)
		r = store_handle_at(at.fd, name, &gone);
	if (r < 0)
		return r;
	if (unlinkat(at.fd, name, is_dir ? AT_REMOVEDIR : 0) < 0)
		return -errno;
	if (is_dir)
		store_fds_drop(store_dir_fds(store), &gone);
	return 0;
}

int store_name_rename(struct store *store, const struct store_handle *dir, const char *name,
		      const struct store_handle *new_dir, const char *new_name, unsigned int flags)
{
	AUTO_STORE_FD struct store_fd from = STORE_FD_NONE;
	AUTO_STORE_FD struct store_fd to = STORE_FD_NONE;
	struct store_handle gone = {0};
	int r = dir_with_name(store, dir, name, &from);

	if (r == 0)
		r = dir_with_name(store, new_dir, new_name, &to);
	if (r < 0)
		return r;
	/* An empty directory may be replaced, and the cache must not keep it alive. */
	if (!(flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)))
		r = store_handle_at(to.fd, new_name, &gone);
	if (renameat2(from.fd, name, to.fd, new_name, flags) < 0) {
		/* POSIX lets a file system say either of a directory that is not empty. */
		bool full = errno == EEXIST && !(flags & RENAME_NOREPLACE);
		return full ? -ENOTEMPTY : -errno;
	}
	if (r == 0 && gone.size > 0)
		store_fds_drop(store_dir_fds(store), &gone);
	return 0;
}

static int entry_tell(int dir_fd, const struct dirent *entry, store_entry_fn *fn, void *arg)
{
	mode_t type = (mode_t)DTTOIF((int)entry->d_type);
	struct stat st;
	uint64_t id = 0;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	int r = store_entry_id(dir_fd, entry->d_name, &id);
	if (r == 0 && entry->d_type == DT_UNKNOWN) {
		r = fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
		type = r == 0 ? st.st_mode & S_IFMT : 0;
	}
	if (r == -ENOENT)
		return 0; /* removed meanwhile */
	return r < 0 ? r : fn(arg, entry->d_name, id, type);
}

int store_name_entries_like(struct store *store, const struct store_handle *dir, const char *part,
			    store_entry_fn *fn, void *arg)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;
	int r = store_fds_dir(store_dir_fds(store), dir, &at);

	if (r < 0)
		return r;
	/* A position of its own: the cached descriptor is shared. */
	AUTO_CLOSE int fd = openat(at.fd, ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (!entry)
			r = -errno;
		if (!entry ||
		    (strstr(entry->d_name, part) && (r = entry_tell(at.fd, entry, fn, arg)) != 0))
			break;
	}
	(void)closedir(stream);
	return r;
}

int store_name_entries(struct store *store, const struct store_handle *dir, store_entry_fn *fn,
		       void *arg)
{
	return store_name_entries_like(store, dir, "", fn, arg);
}
