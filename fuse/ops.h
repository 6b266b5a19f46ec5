/* SPDX-License-Identifier: Apache-2.0
 * Inside of a mount: what the file-system calls share. Not for other folders.
 * The mount owns all but the pool; the calls borrow it through the request.
 * Calls run on the server's threads, any number at a time.
 * Invariant: each request gets exactly one answer; what an answer lets the kernel remember is
 * settled against the peers' changes after it has left (fuse/changes.h).
 */
#ifndef FUSE_OPS_H
#define FUSE_OPS_H

#define FUSE_USE_VERSION 314

#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/err.h"
#include "fuse/changes.h"
#include "fuse/handles.h"
#include "fuse/inval.h"
#include "fuse/server.h"
#include "fuse/ways.h"
#include "replication/pool.h"

/* How long the kernel may remember, in seconds. Peers' changes are told exactly, so this is only
 * the net below a lost notice; it is close-meshed where the kernel can't forget all at once. */
#define REMEMBER_LONG_S  3600.0
#define REMEMBER_SHORT_S 60.0
/* Where the kernel takes an answer for newer than a notice that came before it. */
#define REMEMBER_MOMENT_S 1.0

struct mount {
	struct pool *pool;
	char *path;
	int fd;         /* /dev/fuse, for notices; the session's */
	double entry_s; /* how long names are remembered */
	struct fuse_session *session;
	struct server *server;
	struct changes *changes;
	struct inval *inval;
	struct handles handles;
	bool passthrough, ring; /* wanted */
	struct ways *ways;
	atomic_uint flushing; /* threads that wait for the kernel to write pages */
};

extern const struct fuse_lowlevel_ops mount_ops;

struct server *mount_server(void *userdata);

static inline double mount_attr_seconds(const struct mount *mount)
{
	return changes_exact(mount->changes) ? REMEMBER_LONG_S : REMEMBER_SHORT_S;
}

static inline struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Who makes the request. */
struct pool_caller caller_of(fuse_req_t req);

/* 0 or a negative code as the answer. */
void answer_code(fuse_req_t req, int code);

/* What lookup and its like answer; `code` as the pool gave it. The caller settles nothing. The
 * attributes are remembered for `seconds`. */
void answer_entry(fuse_req_t req, uint64_t since, int code, uint64_t parent, const char *name,
		  const struct stat *st, double seconds);
void answer_attr(fuse_req_t req, uint64_t since, int code, uint64_t id, const struct stat *st,
		 double seconds);

/* Attributes as the kernel is to remember them. Notes that the id is known now. */
void answer_fill(struct mount *mount, uint64_t parent, const struct stat *st,
		 struct fuse_entry_param *ret);

/* What of setuid and setgid the caller's change takes from a file of these attributes, who may not
 * keep them: POOL_ATTR_KILL_*, 0: nothing. */
unsigned int priv_lost(fuse_req_t req, const struct stat *st);
/* Clears them and tells the kernel, which keeps the old mode otherwise. */
MUST_CHECK int priv_kill(fuse_req_t req, uint64_t id, int fd);

/* ops_name.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned int flags);

/* ops_meta.c */
void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int valid,
		struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t id);
void op_statfs(fuse_req_t req, fuse_ino_t id);
void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size,
		 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);

/* ops_file.c */
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	      struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t id_in, off_t offset_in,
			struct fuse_file_info *fi_in, fuse_ino_t id_out, off_t offset_out,
			struct fuse_file_info *fi_out, size_t length, int flags);

/* ops_dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *fi);

#endif
