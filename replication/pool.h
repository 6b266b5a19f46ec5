/* SPDX-License-Identifier: Apache-2.0
 * A pool as the mount sees it: file-system calls that become records, journal entries, effects.
 * The pool owns journal, index and backing directory; callers own descriptors and buffers.
 * Any thread: everything in this header. Errors are -errno, to be passed to the application.
 * Invariant: a call that changes something returns 0 only after its record is in the journal
 * and its effect in the backing directory; object ids are the same on all nodes.
 */
#ifndef REPLICATION_POOL_H
#define REPLICATION_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "core/err.h"

#define POOL_ROOT_ID   1u          /* id of the top directory, also the root's st_ino */
#define POOL_WRITE_MAX (1u << 20)  /* bytes in one pool_write() */
#define POOL_RESERVED  ".multiall" /* our name at the top of the backing directory, hidden */

struct pool;

/* Who calls: owner of new objects. `umask` is applied unless the parent has a default ACL. */
struct pool_caller {
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* In each `struct stat` given back, st_ino is the object's id. */
MUST_CHECK int pool_lookup(struct pool *pool, uint64_t parent, const char *name, struct stat *ret);
MUST_CHECK int pool_getattr(struct pool *pool, uint64_t id, struct stat *ret);

/* mknod, mkdir, symlink: `mode` has the type; `target` only for symlinks. */
MUST_CHECK int pool_make(struct pool *pool, const struct pool_caller *caller, uint64_t parent,
			 const char *name, mode_t mode, dev_t rdev, const char *target,
			 struct stat *ret);
/* Creates (or, without O_EXCL, opens) a regular file; the caller closes ret_fd by pool_close(). */
MUST_CHECK int pool_create(struct pool *pool, const struct pool_caller *caller, uint64_t parent,
			   const char *name, mode_t mode, int flags, struct stat *ret, int *ret_fd);
/* A file without a name (O_TMPFILE), open for reading and writing: pool_link() gives it its first
 * one; without, it is gone when its last descriptor is closed. Peers know nothing of it until then.
 */
MUST_CHECK int pool_create_nameless(struct pool *pool, const struct pool_caller *caller,
				    uint64_t parent, mode_t mode, struct stat *ret, int *ret_fd);
MUST_CHECK int pool_link(struct pool *pool, uint64_t id, uint64_t parent, const char *name,
			 struct stat *ret);
MUST_CHECK int pool_unlink(struct pool *pool, uint64_t parent, const char *name);
MUST_CHECK int pool_rmdir(struct pool *pool, uint64_t parent, const char *name);
/* `flags` as renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT; others -EINVAL. */
MUST_CHECK int pool_rename(struct pool *pool, uint64_t parent, const char *name,
			   uint64_t new_parent, const char *new_name, unsigned int flags);
/* Returns the target's length; not terminated. */
MUST_CHECK ssize_t pool_readlink(struct pool *pool, uint64_t id, char *buf, size_t size);

/* Opens the backing object. O_TRUNC is journaled. O_APPEND is handled by pool_write(). */
MUST_CHECK int pool_open(struct pool *pool, uint64_t id, int flags, int *ret_fd);
void pool_close(struct pool *pool, uint64_t id, int fd);

/* From begin to end (they nest), programs may store to the open backing file through mappings
 * without anybody telling us: what they store is found by pool_fsync(), at the end, and about once
 * a second. */
MUST_CHECK int pool_map_begin(struct pool *pool, uint64_t id, int fd);
void pool_map_end(struct pool *pool, uint64_t id);

enum pool_write_flags {
	POOL_WRITE_APPEND = 1, /* the offset is ignored: the bytes go to the end */
	POOL_WRITE_MAPPED = 2, /* a page of a mapping: capabilities stay, as on a local disk */
};
/* Reads go to the descriptor directly (pread(2), splice). Writes must come here.
 * Returns the bytes written: fewer than asked for if the disk is full. */
MUST_CHECK ssize_t pool_write(struct pool *pool, uint64_t id, int fd, const void *data, size_t size,
			      off_t offset, unsigned int flags);
/* `mode` as fallocate(2). */
MUST_CHECK int pool_fallocate(struct pool *pool, uint64_t id, int fd, int mode, off_t offset,
			      off_t length);

enum pool_attr_valid {
	POOL_ATTR_MODE = 1,
	POOL_ATTR_UID = 2,
	POOL_ATTR_GID = 4,
	POOL_ATTR_SIZE = 8,
	POOL_ATTR_ATIME = 16,
	POOL_ATTR_MTIME = 32,
	POOL_ATTR_ATIME_NOW = 64,
	POOL_ATTR_MTIME_NOW = 128,
	/* Clear setuid, and setgid if group-executable, as write(2) does. */
	POOL_ATTR_KILL_SUID = 256,
	POOL_ATTR_KILL_SGID = 512, /* and setgid in any case: the caller is not of that group */
};

struct pool_attr {
	unsigned int valid;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	struct timespec atime;
	struct timespec mtime;
};

/* `fd` may be -1. */
MUST_CHECK int pool_setattr(struct pool *pool, uint64_t id, int fd, const struct pool_attr *attr,
			    struct stat *ret);

/* Returns when the journal up to here is as durable as the pool's level promises. */
MUST_CHECK int pool_fsync(struct pool *pool, uint64_t id, int fd, bool data_only);

/* A directory listing is read from the descriptor of pool_open(id, O_RDONLY | O_DIRECTORY);
 * this gives the attributes (or, with ret == NULL, only the id) of one entry.
 * -ENOENT for names that are not shown. */
MUST_CHECK int pool_entry(struct pool *pool, uint64_t parent, int dir_fd, const char *name,
			  uint64_t *ret_id, struct stat *ret);

/* MultiAll's own attributes are refused and hidden; but durability.h has two that can be read. */
MUST_CHECK int pool_setxattr(struct pool *pool, uint64_t id, const char *name, const void *value,
			     size_t size, int flags);
MUST_CHECK int pool_removexattr(struct pool *pool, uint64_t id, const char *name);
/* As getxattr(2), listxattr(2): size 0 asks for the length. */
MUST_CHECK ssize_t pool_getxattr(struct pool *pool, uint64_t id, const char *name, void *value,
				 size_t size);
MUST_CHECK ssize_t pool_listxattr(struct pool *pool, uint64_t id, char *list, size_t size);
MUST_CHECK int pool_statfs(struct pool *pool, struct statvfs *ret);

/* What a peer's change means for the kernel's caches: called after it has happened, from threads of
 * the pool that hold locks of it. The calls must not block nor call the pool. */
struct pool_watch {
	void *arg;
	/* Content and attributes of the object; attributes only if `attr_only`. */
	void (*inode)(void *arg, uint64_t id, bool attr_only);
	/* The kernel may have pages of the object that a program stores to; NULL: never. */
	bool (*mapped)(void *arg, uint64_t id);
	/* The kernel may know the object, so a program may be about to open it; NULL: never. */
	bool (*knows)(void *arg, uint64_t id);
	/* The name in the directory stands for something else, or nothing. */
	void (*entry)(void *arg, uint64_t parent, const char *name);
	void (*quiet)(
		void *arg); /* a while after changes: what they needed may go; NULL: nothing */
};

/* The kernel has let go of each page of the object that it held when pool_pages_now() gave this. */
uint64_t pool_pages_now(struct pool *pool);
void pool_pages_dropped(struct pool *pool, uint64_t id, uint64_t since);

/* All NULL: nobody watches. When it returns, the former watch is not called any more. */
void pool_set_watch(struct pool *pool, const struct pool_watch *watch);

#endif
