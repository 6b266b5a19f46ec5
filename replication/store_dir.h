/* SPDX-License-Identifier: Apache-2.0
 * What the files of the directory store share; nobody else includes it.
 * The store owns the descriptors of its root and the cache.
 * Any thread, as store.h.
 * Invariant: only names that store_name_check() accepts reach a system call.
 */
#ifndef REPLICATION_STORE_DIR_H
#define REPLICATION_STORE_DIR_H

#include "replication/store.h"
#include "replication/store_fds.h"

#define STORE_PATH_MAX 288 /* "/proc/self/fd/N/" and a name */

struct store_dir {
	struct store store;
	int path_fd; /* as opened by path: keeps the file system from being unmounted */
	int root_fd; /* where handles are opened: a private mount without devices if possible */
	struct store_handle root;
	struct store_fds *fds;
};

static inline struct store_fds *store_dir_fds(struct store *store)
{
	return ((struct store_dir *)store)->fds;
}

/* A path to what an O_PATH descriptor stands for, itself if it is a symlink: for calls that take
 * no such descriptor. With a name: that entry of the directory, for calls that don't follow. */
void store_fd_path(int fd, const char *name, char ret[STORE_PATH_MAX]);
/* Of any descriptor: changes what differs. chown(2) clears setuid, so the mode comes last. */
MUST_CHECK int store_fd_set_owner(int fd, mode_t mode, uid_t uid, gid_t gid);
/* Of any descriptor: takes away what the directory's default access list has handed down. */
MUST_CHECK int store_fd_strip_lists(int fd);
/* Of any descriptor. */
MUST_CHECK int store_fd_set_times(int fd, const struct timespec times[2]);
/* Of any descriptor, where there is none. The same id: 0; another: -EEXIST. */
MUST_CHECK int store_fd_set_id(int fd, uint64_t id);

/* Steps with names: store_dir_names.c, store_dir_make.c */
/* -EINVAL for "", ".", ".." and names with '/'; -ENAMETOOLONG. */
MUST_CHECK int store_name_check(const char *name);
int store_name_lookup(struct store *store, const struct store_handle *dir, const char *name,
		      uint64_t *ret_id, struct store_handle *ret_handle, struct stat *ret_stat);
int store_name_make(struct store *store, const struct store_handle *dir, const char *name,
		    const struct store_node *node, struct store_handle *ret);
int store_name_make_open(struct store *store, const struct store_handle *dir, const char *name,
			 const struct store_node *node, struct store_handle *ret, int *ret_fd);
int store_name_make_nameless(struct store *store, const struct store_handle *dir,
			     const struct store_node *node, struct store_handle *ret, int *ret_fd);
int store_name_link(struct store *store, const struct store_handle *object,
		    const struct store_handle *dir, const char *name);
int store_name_unlink(struct store *store, const struct store_handle *dir, const char *name,
		      bool is_dir);
int store_name_rename(struct store *store, const struct store_handle *dir, const char *name,
		      const struct store_handle *new_dir, const char *new_name, unsigned int flags);
int store_name_entries_like(struct store *store, const struct store_handle *dir, const char *part,
			    store_entry_fn *fn, void *arg);
int store_name_entries(struct store *store, const struct store_handle *dir, store_entry_fn *fn,
		       void *arg);

/* Steps on objects: store_dir_object.c (content), store_dir_attr.c */
int store_object_open(struct store *store, const struct store_handle *object, int flags,
		      int *ret_fd);
void store_object_close(struct store *store, int fd);
ssize_t store_object_read(struct store *store, const struct store_handle *object, int fd,
			  void *data, size_t size, off_t offset);
int store_object_write(struct store *store, const struct store_handle *object, int fd,
		       const void *data, size_t size, off_t offset);
int store_object_truncate(struct store *store, const struct store_handle *object, int fd,
			  off_t size);
int store_object_fallocate(struct store *store, const struct store_handle *object, int fd, int mode,
			   off_t offset, off_t size);
int store_object_next_data(struct store *store, const struct store_handle *object, int fd,
			   off_t offset, off_t *ret_start, off_t *ret_end);
int store_object_sync_data(struct store *store, const struct store_handle *object);
ssize_t store_object_readlink(struct store *store, const struct store_handle *object, char *buf,
			      size_t size);
int store_object_stat(struct store *store, const struct store_handle *object, int fd,
		      struct stat *ret);
int store_object_set_id(struct store *store, const struct store_handle *object, uint64_t id);
int store_object_set_owner(struct store *store, const struct store_handle *object, mode_t mode,
			   uid_t uid, gid_t gid);
int store_object_set_times(struct store *store, const struct store_handle *object, int fd,
			   const struct timespec times[2]);
int store_object_set_xattr(struct store *store, const struct store_handle *object, const char *name,
			   const void *value, size_t size, int flags);
int store_object_remove_xattr(struct store *store, const struct store_handle *object,
			      const char *name);
ssize_t store_object_get_xattr(struct store *store, const struct store_handle *object,
			       const char *name, void *value, size_t size);
ssize_t store_object_list_xattr(struct store *store, const struct store_handle *object, char *list,
				size_t size);

#endif
