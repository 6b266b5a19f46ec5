/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/log.h"
#include "fuse/mountpoint.h"
#include "fuse/ops.h"

/* Each file that a program holds open in the mount costs the daemon a descriptor. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool notice_inode(void *arg, uint64_t id, bool attr_only)
{
	struct mount *mount = arg;
	uint64_t since = pool_pages_now(mount->pool);
	int code = kernel_notice_inode(mount->fd, id, attr_only);

	/* What a program had stored to the pages was written meanwhile. */
	if (!attr_only)
		pool_pages_dropped(mount->pool, id, since);
	/* Other failures than this one mean that the mount has gone. */
	return code != -ENOENT;
}

static void notice_entry(void *arg, uint64_t parent, const char *name)
{
	(void)kernel_notice_entry(((struct mount *)arg)->fd, parent, name);
}

/* Notices about names wait for whoever holds the directory. Nothing is remembered of this name. */
static void notice_digest(void *arg, uint64_t parent)
{
	(void)kernel_notice_entry(((struct mount *)arg)->fd, parent, POOL_RESERVED);
}

static void notice_names(void *arg)
{
	const struct mount *mount = arg;

	/* Older kernels: the short time for names (REMEMBER_SHORT_S) does it. */
	if (kernel_has_epoch(server_kernel(mount->server)))
		(void)kernel_notice_epoch(mount->fd);
}

static void watch_inode(void *arg, uint64_t id, bool attr_only)
{
	changes_inode(((struct mount *)arg)->changes, id, attr_only);
}

static bool watch_knows(void *arg, uint64_t id)
{
	const struct mount *mount = arg;

	return changes_knows(mount->changes, id);
}

static bool watch_mapped(void *arg, uint64_t id)
{
	return handles_map(&((struct mount *)arg)->handles, id);
}

static void watch_entry(void *arg, uint64_t parent, const char *name)
{
	changes_entry(((struct mount *)arg)->changes, parent, name);
}

static int backing_open(void *arg, int file)
{
	return kernel_backing_open(((struct mount *)arg)->fd, file);
}

static void backing_close(void *arg, int id)
{
	kernel_backing_close(((struct mount *)arg)->fd, id);
}

/* Whatever of it there is; the mount point is free and the threads are gone when it returns. */
static void mount_end(struct mount *mount, bool mounted)
{
	static const struct pool_watch nobody = {0};

	/* First the thread that may wait for requests under way, then those that serve them. */
	if (mount->inval) {
		pool_set_watch(mount->pool, &nobody);
		inval_free(mount->inval);
	}
	if (mounted)
		mountpoint_unmount(mount->path);
	if (mount->server)
		server_stop(mount->server);
	if (mount->session)
		fuse_session_destroy(mount->session); /* closes fd: what waits gets ENOTCONN */
	if (mount->server)
		server_free(mount->server);
	handles_done(&mount->handles);
	ways_free(mount->ways);
	changes_free(mount->changes);
	free(mount->path);
	free(mount);
}

static int session_make(struct mount *mount, int *fd, char *error, size_t size)
{
	char *words[] = {(char *)(uintptr_t) "takeconnector", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, words);

	mount->session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), mount);
	fuse_opt_free_args(&args); /* libfuse has made a copy */
	if (!mount->session)
		return err_say(error, size, -ENOMEM, "can't make a session of libfuse");
	int code = server_new(*fd, mount->passthrough, mount->ring, &mount->server);
	if (code == 0)
		code = server_attach(mount->server, mount->session);
	if (code)
		return err_say(error, size, code, "can't serve /dev/fuse: %s", err_text(code));
	mount->fd = take_fd(fd); /* the session closes it */
	return 0;
}

static void watch_quiet(void *arg)
{
	struct mount *mount = arg;

	server_shrink(mount->server);
}

static int serving_start(struct mount *mount, char *error, size_t size)
{
	const struct inval_sink sink = {
		.arg = mount,
		.fd = mount->fd,
		.inode = notice_inode,
		.entry = notice_entry,
		.digest = notice_digest,
		.names = notice_names,
	};
	const struct pool_watch watch = {
		.arg = mount,
		.inode = watch_inode,
		.mapped = watch_mapped,
		.knows = watch_knows,
		.entry = watch_entry,
		.quiet = watch_quiet,
	};

	changes_known(mount->changes, POOL_ROOT_ID, POOL_ROOT_ID);
	int code = inval_new(mount->changes, &sink, &mount->inval);
	if (code == 0) {
		pool_set_watch(mount->pool, &watch);
		code = server_start(mount->server);
	}
	if (code == 0 && server_kernel(mount->server)->pass)
		ways_pass(mount->ways);
	if (code)
		return err_say(error, size, code, "can't start serving %s: %s", mount->path,
			       err_text(code));
	return 0;
}

int mount_start(const struct mount_config *config, struct mount **ret, char *error, size_t size)
{
	struct mount *mount = calloc(1, sizeof(*mount));
	int fd AUTO_CLOSE = -1;
	bool mounted = false;

	if (!mount)
		return err_say(error, size, -ENOMEM, "out of memory");
	const struct ways_kernel ways = {
		.arg = mount, .backing_open = backing_open, .backing_close = backing_close};

	mount->pool = config->pool;
	mount->passthrough = config->passthrough;
	mount->ring = config->ring;
	handles_init(&mount->handles, config->pool);
	mount->path = strdup(config->path);
	descriptors_raise();
	int code = mount->path ? changes_new(&mount->changes) : -ENOMEM;
	if (code == 0)
		code = ways_new(&ways, &mount->ways);
	if (code)
		(void)err_say(error, size, code, "out of memory");
	if (code == 0)
		code = mountpoint_prepare(mount->path, error, size);
	if (code == 0)
		code = mountpoint_mount(mount->path, config->name, &fd, error, size);
	mounted = code == 0;
	if (code == 0)
		code = session_make(mount, &fd, error, size);
	if (code == 0)
		code = serving_start(mount, error, size);
	if (code) {
		mount_end(mount, mounted);
		return code;
	}
	*ret = mount;
	return 0;
}

void mount_stop(struct mount *mount)
{
	if (mount)
		mount_end(mount, !server_gone(mount->server));
}

const char *mount_mode(const struct mount *mount)
{
	return ways_passing(mount->ways) ? "passthrough" : "page cache";
}

const char *mount_transport(const struct mount *mount)
{
	return server_rings(mount->server) ? "uring" : "dev";
}

bool mount_alive(struct mount *mount)
{
	return !server_gone(mount->server);
}
