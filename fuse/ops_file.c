/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/io.h"

/* A call that copies may not hold the kernel's lock on the file for long; cp asks again. */
#define COPY_MAX (16u * POOL_WRITE_MAX)
/* Far fewer than threads that serve. */
#define FLUSHING_MAX 4u

_Static_assert(SERVER_REQUEST_MAX <= POOL_WRITE_MAX, "a request fits into one pool_write()");

static struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* The kernel sees to O_EXCL on what it knows, to O_SYNC by fsync, to O_DIRECT by asking us for
 * each read; with O_APPEND on the backing file pwrite(2) would ignore its offset. */
static int flags_for_pool(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC | O_EXCL);
}

static bool may_map(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) == O_RDWR;
}

static void file_close(struct mount *mount, struct handle *handle)
{
	uint64_t id = handle->id;

	handle_close(&mount->handles, handle);
	ways_close(mount->ways, id);
}

/* Takes the descriptor. What the kernel is to be told of it goes into `fi` and the next answer. */
static int file_opened(struct mount *mount, uint64_t id, int fd, struct fuse_file_info *fi,
		       struct handle **ret)
{
	struct way way;
	int code = ways_open(mount->ways, id, fd, fi->flags, &way);

	if (code) {
		pool_close(mount->pool, id, fd);
		return code;
	}
	code = handle_new(&mount->handles, id, fd, may_map(fi), ret);
	if (code) {
		ways_close(mount->ways, id);
		return code;
	}
	if (way.stores)
		code = pool_map_begin(mount->pool, id, fd);
	if (code) {
		file_close(mount, *ret);
		return code;
	}
	(*ret)->unasked = way.stores;
	fi->fh = (uintptr_t)*ret;
	fi->keep_cache = way.keep_pages;
	fi->direct_io = way.direct;
	server_pass(mount->server, way.backing_id);
	return 0;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	struct pool_caller caller = caller_of(req);
	uint64_t since = changes_now(mount->changes);
	struct handle *handle;
	struct stat st;
	int fd;
	bool named = strcmp(name, KERNEL_NAMELESS) != 0;
	int code = named ? pool_create(mount->pool, &caller, parent, name, mode,
				       flags_for_pool(fi->flags), &st, &fd)
			 : pool_create_nameless(mount->pool, &caller, parent, mode, &st, &fd);

	if (code == 0)
		code = file_opened(mount, st.st_ino, fd, fi, &handle);
	if (code) {
		answer_code(req, code);
		return;
	}
	struct fuse_entry_param entry;

	answer_fill(mount, parent, &st, &entry);
	/* The caller was interrupted: nobody will release it. */
	if (fuse_reply_create(req, &entry, fi) != 0)
		file_close(mount, handle);
	if (named)
		changes_settle_entry(mount->changes, since, parent, name);
	changes_settle_inode(mount->changes, since, st.st_ino);
}

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	struct handle *handle;
	int fd;
	int code = pool_open(mount->pool, id, flags_for_pool(fi->flags), &fd);

	if (code == 0 && (fi->flags & KERNEL_KILL_PRIV)) {
		code = priv_kill(req, id, fd);
		if (code)
			pool_close(mount->pool, id, fd);
	}
	if (code == 0)
		code = file_opened(mount, id, fd, fi, &handle);
	if (code) {
		answer_code(req, code);
		return;
	}
	if (fuse_reply_open(req, fi) != 0)
		file_close(mount, handle);
}

void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	char *data = server_scratch(mount_of(req)->server);
	ssize_t n = -ENOMEM;

	(void)id;
	if (size > SERVER_REQUEST_MAX)
		size = SERVER_REQUEST_MAX;
	if (data)
		n = io_pread(handle_of(fi)->fd, data, size, offset);
	if (n < 0)
		answer_code(req, (int)n);
	else
		(void)fuse_reply_buf(req, data, (size_t)n);
}

/* An append went elsewhere than the kernel thinks: a peer's append came first. */
static bool append_strayed(int fd, off_t offset, ssize_t written)
{
	struct stat st;

	return fstat(fd, &st) != 0 || st.st_size != offset + written;
}

void op_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	      struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	int fd = handle_of(fi)->fd;
	/* Pages of a mapping have their place. */
	bool append = (fi->flags & O_APPEND) && !fi->writepage;
	bool strayed = false;
	ssize_t n = 0;

	if (fi->flags & KERNEL_KILL_PRIV)
		n = priv_kill(req, id, fd);
	if (n == 0)
		n = pool_write(mount->pool, id, fd, data, size, offset,
			       (append ? POOL_WRITE_APPEND : 0) |
				       (fi->writepage ? POOL_WRITE_MAPPED : 0));
	if (n < 0) {
		answer_code(req, (int)n);
		return;
	}
	if (append)
		strayed = append_strayed(fd, offset, n);
	(void)fuse_reply_write(req, (size_t)n);
	/* The kernel has put the bytes into its pages at the wrong offset, now that it is told. */
	if (strayed)
		changes_again(mount->changes, id);
}

void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	file_close(mount_of(req), handle_of(fi));
	answer_code(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *fi)
{
	answer_code(req, pool_fsync(mount_of(req)->pool, id, handle_of(fi)->fd, data_only & 1));
}

/* For these calls the kernel does not say whether the caller may keep setuid and setgid. */
static int priv_kill_unless_root(fuse_req_t req, uint64_t id, int fd)
{
	return fuse_req_ctx(req)->uid == 0 ? 0 : priv_kill(req, id, fd);
}

void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	int fd = handle_of(fi)->fd;
	int code = priv_kill_unless_root(req, id, fd);

	if (code == 0)
		code = pool_fallocate(mount_of(req)->pool, id, fd, mode, offset, length);
	answer_code(req, code);
}

/* Has the kernel write what programs stored through mappings, from `offset` on. False: too many
 * wait for that already, and threads have to be left for the writing. */
static bool pages_flush(struct mount *mount, uint64_t id, off_t offset)
{
	bool may = mount->flushing++ < FLUSHING_MAX;

	if (may)
		(void)kernel_notice_pages(mount->fd, id, offset);
	mount->flushing--;
	return may;
}

/* As if there were no holes: the end of the file is one. */
static off_t seek_data_only(int fd, off_t offset, int whence)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -1;
	if (offset < 0 || offset >= st.st_size) {
		errno = ENXIO;
		return -1;
	}
	return whence == SEEK_DATA ? offset : st.st_size;
}

/* The kernel asks only for SEEK_DATA and SEEK_HOLE, and it asks without having written the pages of
 * mappings: what was stored to a hole would be taken for a hole, and lost by who copies. */
void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *fi)
{
	struct mount *mount = mount_of(req);
	int fd = handle_of(fi)->fd;
	bool exact =
		offset < 0 || !handles_map(&mount->handles, id) || pages_flush(mount, id, offset);
	off_t at = exact ? lseek(fd, offset, whence) : seek_data_only(fd, offset, whence);

	if (at < 0)
		answer_code(req, -errno);
	else
		(void)fuse_reply_lseek(req, at);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t id_in, off_t offset_in,
			struct fuse_file_info *fi_in, fuse_ino_t id_out, off_t offset_out,
			struct fuse_file_info *fi_out, size_t length, int flags)
{
	struct mount *mount = mount_of(req);
	char *data = server_scratch(mount->server);
	size_t done = 0;
	ssize_t n = data ? priv_kill_unless_root(req, id_out, handle_of(fi_out)->fd) : -ENOMEM;

	(void)id_in;
	(void)flags;
	if (length > COPY_MAX)
		length = COPY_MAX;
	while (n >= 0 && done < length) {
		size_t part = length - done < POOL_WRITE_MAX ? length - done : POOL_WRITE_MAX;

		n = io_pread(handle_of(fi_in)->fd, data, part, offset_in + (off_t)done);
		if (n > 0)
			n = pool_write(mount->pool, id_out, handle_of(fi_out)->fd, data, (size_t)n,
				       offset_out + (off_t)done, 0);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
	}
	if (n < 0 && done == 0)
		answer_code(req, (int)n);
	else
		(void)fuse_reply_write(req, done);
}
