/* SPDX-License-Identifier: Apache-2.0
 * The backing directory as a set of physical steps: no versions, no journal, no decisions.
 * Objects are named by handle (name_to_handle_at(2)), which survives renames and needs no open
 * descriptor; the id of an object is kept in its extended attribute STORE_ID_XATTR.
 * Any thread; the caller keeps steps on one object in order. Errors are -errno; -ESTALE: gone.
 * Invariant: each step is repeatable: doing it again after a crash gives the same state.
 */
#ifndef REPLICATION_STORE_H
#define REPLICATION_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "core/err.h"

#define STORE_ID_XATTR   "trusted.multiall.id" /* 8 bytes, little endian */
#define STORE_HANDLE_MAX 40
/* Access lists, as linux/posix_acl_xattr.h has them. */
#define STORE_ACL_ACCESS  "system.posix_acl_access"
#define STORE_ACL_DEFAULT "system.posix_acl_default"

struct store_handle {
	uint8_t size; /* 0: none */
	uint8_t bytes[STORE_HANDLE_MAX];
};

/* What a new object is to be. */
struct store_node {
	uint64_t id;
	mode_t mode; /* type and permission bits, exactly as they shall be (no umask applies) */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	const char *target; /* symlinks */
	bool timed;         /* else its mtime is that of the day */
	struct timespec mtime;
};

struct store;

/* Called for each entry except "." and ".."; id 0: the entry has no id yet. Non-zero return ends
 * the walk and is returned. */
typedef int store_entry_fn(void *arg, const char *name, uint64_t id, mode_t type);

struct store_ops {
	void (*free)(struct store *store);
	int (*root)(struct store *store, struct store_handle *ret);
	/* Any ret may be NULL. -ENOENT; id 0 if the object has none. Never follows symlinks. */
	int (*lookup)(struct store *store, const struct store_handle *dir, const char *name,
		      uint64_t *ret_id, struct store_handle *ret_handle, struct stat *ret_stat);
	/* If the name exists with this very id: 0. If it exists with no id, is of this kind and
	 * empty (a crash cut this step short): it is taken over. Exists otherwise: -EEXIST.
	 * Mode and owner end up as in node, whatever the umask; with umask 0 that costs no extra
	 * system call. The parent's default access list is not handed down: the caller sees to it.
	 */
	int (*make)(struct store *store, const struct store_handle *dir, const char *name,
		    const struct store_node *node, struct store_handle *ret);
	/* As make() of a regular file, which is open for reading and writing then. */
	int (*make_open)(struct store *store, const struct store_handle *dir, const char *name,
			 const struct store_node *node, struct store_handle *ret, int *ret_fd);
	/* A regular file without a name (O_TMPFILE), open for reading and writing: link() gives it
	 * one, once. Without it, it is gone when the descriptor is closed. */
	int (*make_nameless)(struct store *store, const struct store_handle *dir,
			     const struct store_node *node, struct store_handle *ret, int *ret_fd);
	/* Writes the id of an object that has none (adoption). */
	int (*set_id)(struct store *store, const struct store_handle *object, uint64_t id);
	int (*link)(struct store *store, const struct store_handle *object,
		    const struct store_handle *dir, const char *name);
	int (*unlink)(struct store *store, const struct store_handle *dir, const char *name,
		      bool is_dir);
	/* flags as renameat2(2). */
	int (*rename)(struct store *store, const struct store_handle *dir, const char *name,
		      const struct store_handle *new_dir, const char *new_name, unsigned int flags);
	/* A descriptor that the caller closes by store_close. flags as open(2). */
	int (*open)(struct store *store, const struct store_handle *object, int flags, int *ret_fd);
	void (*close)(struct store *store, int fd);
	/* For those with fd: -1 if none is open. */
	ssize_t (*read)(struct store *store, const struct store_handle *object, int fd, void *data,
			size_t size, off_t offset);
	int (*write)(struct store *store, const struct store_handle *object, int fd,
		     const void *data, size_t size, off_t offset);
	int (*truncate)(struct store *store, const struct store_handle *object, int fd, off_t size);
	int (*fallocate)(struct store *store, const struct store_handle *object, int fd, int mode,
			 off_t offset, off_t size);
	int (*stat)(struct store *store, const struct store_handle *object, int fd,
		    struct stat *ret);
	/* chown, then chmod to exactly `mode` (chown clears setuid). Symlinks: owner only. */
	int (*set_owner)(struct store *store, const struct store_handle *object, mode_t mode,
			 uid_t uid, gid_t gid);
	/* As utimensat(2) with UTIME_OMIT allowed; not following symlinks. */
	int (*set_times)(struct store *store, const struct store_handle *object, int fd,
			 const struct timespec times[2]);
	int (*set_xattr)(struct store *store, const struct store_handle *object, const char *name,
			 const void *value, size_t size, int flags);
	int (*remove_xattr)(struct store *store, const struct store_handle *object,
			    const char *name);
	ssize_t (*get_xattr)(struct store *store, const struct store_handle *object,
			     const char *name, void *value, size_t size);
	/* As listxattr(2); includes our own names. */
	ssize_t (*list_xattr)(struct store *store, const struct store_handle *object, char *list,
			      size_t size);
	ssize_t (*readlink)(struct store *store, const struct store_handle *object, char *buf,
			    size_t size);
	int (*entries)(struct store *store, const struct store_handle *dir, store_entry_fn *fn,
		       void *arg);
	/* Only those whose name has `part` in it: the others cost next to nothing. */
	int (*entries_like)(struct store *store, const struct store_handle *dir, const char *part,
			    store_entry_fn *fn, void *arg);
	/* Next stretch of data at or after offset (SEEK_DATA, SEEK_HOLE); -ENXIO: none. */
	int (*next_data)(struct store *store, const struct store_handle *object, int fd,
			 off_t offset, off_t *ret_start, off_t *ret_end);
	int (*statfs)(struct store *store, struct statvfs *ret);
	int (*sync)(struct store *store); /* syncfs(2) */
	/* fdatasync(2) of a regular file. */
	int (*sync_data)(struct store *store, const struct store_handle *object);
};

struct store {
	const struct store_ops *ops;
};

/* The real one: the directory must exist and its file system must have trusted xattrs and file
 * handles; `error` says which is missing and what to do. Keeps a small cache of directory
 * descriptors (STORE_DIR_CACHE), never one per known object. */
#define STORE_DIR_CACHE 256
MUST_CHECK int store_dir_open(const char *path, struct store **ret, char *error, size_t size);

/* Reads the id of the entry `name` of an open directory with one system call; 0 if it has none. */
MUST_CHECK int store_entry_id(int dir_fd, const char *name, uint64_t *ret_id);

#endif
