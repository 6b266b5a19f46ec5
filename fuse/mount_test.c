/* links: fuse/mount.c fuse/mountpoint.c fuse/ops.c fuse/ops_name.c fuse/ops_meta.c fuse/ops_file.c
 * fuse/ops_dir.c fuse/server.c fuse/kernel.c fuse/handles.c fuse/inval.c fuse/changes.c
 * fuse/known.c fuse/ways.c fuse/ring.c core/io.c core/log.c core/err.c core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * A real mount over a small pool made for the test: what the kernel remembers, and that it forgets
 * exactly when a peer changes something, also when the notice overtakes an answer; appends that a
 * peer's append has pushed along; ends with open files; the mount of a killed daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/err.h"
#include "fuse/mount.h"
#include "replication/pool.h"

/* ---- the pool: files in one directory, ids are their inode numbers */

struct pool {
	char dir[64];
	int dir_fd;
	struct pool_watch watch;
	atomic_uint looks; /* how often the mount asked for attributes, in whatever way */
	atomic_int opens;  /* descriptors given and not closed */
	atomic_bool wrote_exempt;
	/* A look at this name stops, with its answer ready, until the gate opens. */
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_moved;
	const char *gate_name;
	bool gate_reached;
};

static void gate_pass(struct pool *pool, const char *name)
{
	AUTO_LOCK(guard, &pool->gate_lock);

	while (pool->gate_name && strcmp(pool->gate_name, name) == 0) {
		pool->gate_reached = true;
		(void)pthread_cond_broadcast(&pool->gate_moved);
		(void)pthread_cond_wait(&pool->gate_moved, &pool->gate_lock);
	}
}

static void gate_set(struct pool *pool, const char *name)
{
	AUTO_LOCK(guard, &pool->gate_lock);

	pool->gate_name = name;
	pool->gate_reached = false;
	(void)pthread_cond_broadcast(&pool->gate_moved);
}

static void gate_await(struct pool *pool)
{
	AUTO_LOCK(guard, &pool->gate_lock);

	while (!pool->gate_reached)
		(void)pthread_cond_wait(&pool->gate_moved, &pool->gate_lock);
}

static int look(struct pool *pool, const char *name, struct stat *ret)
{
	pool->looks++;
	if (fstatat(pool->dir_fd, name, ret, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (strcmp(name, ".") == 0)
		ret->st_ino = POOL_ROOT_ID;
	return 0;
}

static int name_of(struct pool *pool, uint64_t id, char ret[256])
{
	DIR *d = fdopendir(openat(pool->dir_fd, ".", O_RDONLY | O_DIRECTORY));
	const struct dirent *e = NULL;
	bool found = id == POOL_ROOT_ID;

	(void)snprintf(ret, 256, ".");
	while (d && !found && (e = readdir(d)))
		found = e->d_ino == id;
	if (e)
		(void)snprintf(ret, 256, "%s", e->d_name);
	if (d)
		(void)closedir(d);
	return found ? 0 : -ESTALE;
}

int pool_lookup(struct pool *pool, uint64_t parent, const char *name, struct stat *ret)
{
	(void)parent;
	int code = look(pool, name, ret);

	gate_pass(pool, name);
	return code;
}

int pool_getattr(struct pool *pool, uint64_t id, struct stat *ret)
{
	char name[256];
	int code = name_of(pool, id, name);

	return code ? code : look(pool, name, ret);
}

int pool_entry(struct pool *pool, uint64_t parent, int dir_fd, const char *name, uint64_t *ret_id,
	       struct stat *ret)
{
	struct stat st;
	(void)parent;
	(void)dir_fd;
	int code = look(pool, name, &st);

	gate_pass(pool, name);
	*ret_id = st.st_ino;
	if (ret)
		*ret = st;
	return code;
}

int pool_map_begin(struct pool *pool, uint64_t id, int fd)
{
	(void)pool;
	(void)id;
	(void)fd;
	return 0;
}

void pool_map_end(struct pool *pool, uint64_t id)
{
	(void)pool;
	(void)id;
}

int pool_create(struct pool *pool, const struct pool_caller *caller, uint64_t parent,
		const char *name, mode_t mode, int flags, struct stat *ret, int *ret_fd)
{
	(void)parent;
	*ret_fd = openat(pool->dir_fd, name, flags | O_CREAT | O_CLOEXEC, mode & ~caller->umask);
	if (*ret_fd < 0)
		return -errno;
	pool->opens++;
	return look(pool, name, ret);
}

int pool_open(struct pool *pool, uint64_t id, int flags, int *ret_fd)
{
	char name[256];
	int code = name_of(pool, id, name);

	if (code)
		return code;
	*ret_fd = openat(pool->dir_fd, name, flags | O_CLOEXEC);
	if (*ret_fd < 0)
		return -errno;
	pool->opens++;
	return 0;
}

void pool_close(struct pool *pool, uint64_t id, int fd)
{
	(void)id;
	(void)close(fd);
	pool->opens--;
}

int pool_create_nameless(struct pool *pool, const struct pool_caller *caller, uint64_t parent,
			 mode_t mode, struct stat *ret, int *ret_fd)
{
	(void)pool;
	(void)caller;
	(void)parent;
	(void)mode;
	(void)ret;
	(void)ret_fd;
	return -EOPNOTSUPP;
}

uint64_t pool_pages_now(struct pool *pool)
{
	(void)pool;
	return 0;
}

void pool_pages_dropped(struct pool *pool, uint64_t id, uint64_t since)
{
	(void)pool;
	(void)id;
	(void)since;
}

/* Whether the calling thread is exempt from quotas. */
static bool exempt(void)
{
	struct __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &self, caps) == 0 &&
	       (caps[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective & CAP_TO_MASK(CAP_SYS_RESOURCE));
}

ssize_t pool_write(struct pool *pool, uint64_t id, int fd, const void *data, size_t size,
		   off_t offset, unsigned int flags)
{
	(void)id;
	pool->wrote_exempt = exempt();
	ssize_t n =
		pwrite(fd, data, size, flags & POOL_WRITE_APPEND ? lseek(fd, 0, SEEK_END) : offset);

	return n < 0 ? -errno : n;
}

void pool_set_watch(struct pool *pool, const struct pool_watch *watch)
{
	AUTO_LOCK(guard, &pool->gate_lock);

	pool->watch = *watch;
}

int pool_unlink(struct pool *pool, uint64_t parent, const char *name)
{
	(void)parent;
	return unlinkat(pool->dir_fd, name, 0) != 0 ? -errno : 0;
}

/* The rest is not needed here; tests/posix has every call on a pool. */
#define NOT_HERE(type, name, ...)                                                                  \
	type name(__VA_ARGS__)                                                                     \
	{                                                                                          \
		return -EOPNOTSUPP;                                                                \
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
NOT_HERE(int, pool_make, struct pool *p, const struct pool_caller *c, uint64_t d, const char *n,
	 mode_t m, dev_t r, const char *t, struct stat *ret)
NOT_HERE(int, pool_link, struct pool *p, uint64_t i, uint64_t d, const char *n, struct stat *ret)
NOT_HERE(int, pool_rmdir, struct pool *p, uint64_t d, const char *n)
NOT_HERE(int, pool_rename, struct pool *p, uint64_t d, const char *n, uint64_t e, const char *m,
	 unsigned int f)
NOT_HERE(ssize_t, pool_readlink, struct pool *p, uint64_t i, char *b, size_t s)
NOT_HERE(int, pool_fallocate, struct pool *p, uint64_t i, int f, int m, off_t o, off_t l)
NOT_HERE(int, pool_setattr, struct pool *p, uint64_t i, int f, const struct pool_attr *a,
	 struct stat *ret)
NOT_HERE(int, pool_fsync, struct pool *p, uint64_t i, int f, bool d)
NOT_HERE(int, pool_setxattr, struct pool *p, uint64_t i, const char *n, const void *v, size_t s,
	 int f)
NOT_HERE(int, pool_removexattr, struct pool *p, uint64_t i, const char *n)
NOT_HERE(ssize_t, pool_getxattr, struct pool *p, uint64_t i, const char *n, void *v, size_t s)
NOT_HERE(ssize_t, pool_listxattr, struct pool *p, uint64_t i, char *l, size_t s)
NOT_HERE(int, pool_statfs, struct pool *p, struct statvfs *ret)
#pragma GCC diagnostic pop

/* ---- a mount for each test */

struct world {
	struct pool pool;
	struct mount *mount;
	char path[80]; /* the mount point */
};

static void path_in(const char *dir, const char *name, char ret[160])
{
	(void)snprintf(ret, 160, "%s/%s", dir, name);
}

/* Behind the mount's back, as a peer's change is applied. */
static void peer_puts(struct world *world, const char *name, const char *text, int flags)
{
	char path[160];
	path_in(world->pool.dir, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static uint64_t id_of(struct world *world, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(world->pool.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static off_t size_of(struct world *world, const char *name)
{
	char path[160];
	struct stat st;

	path_in(world->path, name, path);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static int world_start(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	char error[256] = "";

	*state = world;
	if (!world || geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0)
		return 0;
	(void)snprintf(world->pool.dir, sizeof(world->pool.dir), "/tmp/mount_test.XXXXXX");
	if (!mkdtemp(world->pool.dir))
		return -1;
	(void)snprintf(world->path, sizeof(world->path), "%s.mnt", world->pool.dir);
	world->pool.dir_fd = open(world->pool.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pthread_mutex_init(&world->pool.gate_lock, NULL) != 0 ||
	    pthread_cond_init(&world->pool.gate_moved, NULL) != 0)
		return -1;
	peer_puts(world, "f", "first", 0);
	peer_puts(world, "tick", "", 0);
	const struct mount_config config = {.pool = &world->pool, .name = "t", .path = world->path};
	if (mount_start(&config, &world->mount, error, sizeof(error)) != 0)
		print_error("%s\n", error);
	return world->mount ? 0 : -1;
}

static struct world *world_of(void **state)
{
	struct world *world = *state;

	if (!world->mount)
		skip(); /* needs root and /dev/fuse */
	return world;
}

static int world_end(void **state)
{
	struct world *world = *state;
	char command[200];

	if (world->path[0]) {
		mount_stop(world->mount);
		(void)umount2(world->path, MNT_DETACH); /* of a test that failed */
		(void)close(world->pool.dir_fd);
		(void)snprintf(command, sizeof(command), "rm -rf %s %s", world->pool.dir,
			       world->path);
		if (system(command) != 0)
			return -1;
	}
	free(world);
	return 0;
}

/* Returns when the kernel has got every notice that was queued before: they go in order, and the
 * last one makes it ask for "tick" again. */
static void notices_await(struct world *world)
{
	assert_int_equal(size_of(world, "tick"), 0);
	unsigned int before = world->pool.looks;
	world->pool.watch.inode(world->pool.watch.arg, id_of(world, "tick"), true);
	while (world->pool.looks == before) {
		assert_int_equal(size_of(world, "tick"), 0);
		(void)sched_yield();
	}
}

/* ---- what the kernel remembers */

static void test_remembered(void **state)
{
	struct world *world = world_of(state);

	assert_int_equal(size_of(world, "f"), 5);
	assert_int_equal(size_of(world, "none"), -1);
	unsigned int before = world->pool.looks;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(size_of(world, "f"), 5);
		assert_int_equal(size_of(world, "none"), -1);
	}
	assert_int_equal(world->pool.looks, before);
	/* Also what changed unseen: it is the notice that counts. */
	peer_puts(world, "f", "second", 0);
	assert_int_equal(size_of(world, "f"), 5);
}

static void expect_content(struct world *world, const char *name, const char *text)
{
	char path[160];
	char buf[256];

	path_in(world->path, name, path);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = 0;
	assert_string_equal(buf, text);
	assert_int_equal(close(fd), 0);
}

static void test_notices(void **state)
{
	struct world *world = world_of(state);
	const struct pool_watch *watch = &world->pool.watch;

	expect_content(world, "f", "first");
	assert_int_equal(size_of(world, "none"), -1);
	peer_puts(world, "f", "a second", O_TRUNC);
	watch->inode(watch->arg, id_of(world, "f"), false);
	peer_puts(world, "none", "now", 0);
	watch->entry(watch->arg, POOL_ROOT_ID, "none");
	notices_await(world);
	expect_content(world, "f", "a second");
	expect_content(world, "none", "now");
	assert_int_equal(unlinkat(world->pool.dir_fd, "f", 0), 0);
	watch->entry(watch->arg, POOL_ROOT_ID, "f");
	notices_await(world);
	assert_int_equal(size_of(world, "f"), -1);
}

static unsigned int names_in(struct world *world)
{
	DIR *d = opendir(world->path);
	unsigned int count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	assert_int_equal(closedir(d), 0);
	return count;
}

static void test_listing(void **state)
{
	struct world *world = world_of(state);
	const struct pool_watch *watch = &world->pool.watch;

	assert_int_equal(names_in(world), 4);
	assert_int_equal(names_in(world), 4); /* opendir(3) asks for the time of the last reading */
	unsigned int before = world->pool.looks;
	assert_int_equal(names_in(world), 4);
	assert_int_equal(world->pool.looks, before);
	peer_puts(world, "new", "", 0);
	assert_int_equal(names_in(world), 4);
	watch->entry(watch->arg, POOL_ROOT_ID, "new");
	notices_await(world);
	assert_int_equal(names_in(world), 5);
}

/* ---- notices that overtake answers */

/* The notice that follows an answer may still be under way. */
#define TRIES 100000

static void become(struct world *world, const char *name, off_t size)
{
	for (int i = 0; i < TRIES && size_of(world, name) != size; i++)
		(void)sched_yield();
	assert_int_equal(size_of(world, name), size);
}

static void *stat_run(void *arg)
{
	(void)size_of(arg, "f");
	return NULL;
}

/* Looked at, changed, told, and only then answered: the old answer must not stay. */
static void test_overtaken_lookup(void **state)
{
	struct world *world = world_of(state);
	const struct pool_watch *watch = &world->pool.watch;
	pthread_t thread;

	assert_int_equal(size_of(world, "tick"), 0);
	gate_set(&world->pool, "f");
	assert_int_equal(pthread_create(&thread, NULL, stat_run, world), 0);
	gate_await(&world->pool);
	peer_puts(world, "f", "a second", O_TRUNC);
	/* The attributes alone: a notice about the name would wait for the lookup in the kernel. */
	watch->inode(watch->arg, id_of(world, "f"), false);
	notices_await(world);
	gate_set(&world->pool, NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	become(world, "f", 8);
}

static void *list_run(void *arg)
{
	(void)names_in(arg);
	return NULL;
}

static void test_overtaken_listing(void **state)
{
	struct world *world = world_of(state);
	const struct pool_watch *watch = &world->pool.watch;
	pthread_t thread;

	assert_int_equal(size_of(world, "tick"), 0);
	gate_set(&world->pool, "f");
	assert_int_equal(pthread_create(&thread, NULL, list_run, world), 0);
	gate_await(&world->pool);
	peer_puts(world, "f", "a second", O_TRUNC);
	watch->inode(watch->arg, id_of(world, "f"), false);
	peer_puts(world, "new", "", 0);
	watch->inode(watch->arg, POOL_ROOT_ID, false);
	gate_set(&world->pool, NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	become(world, "f", 8);
	for (int i = 0; i < TRIES && names_in(world) != 5; i++)
		(void)sched_yield();
	assert_int_equal(names_in(world), 5);
}

/* ---- writing */

static void test_append_pushed_along(void **state)
{
	struct world *world = world_of(state);
	const struct pool_watch *watch = &world->pool.watch;
	char path[160];

	expect_content(world, "f", "first"); /* the kernel has the page */
	path_in(world->path, "f", path);
	int fd = open(path, O_RDWR | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, " ours", 5), 5);
	peer_puts(world, "f", " theirs", O_APPEND);
	assert_int_equal(write(fd, " again", 6), 6); /* the kernel thinks: at 10 */
	notices_await(world);
	expect_content(world, "f", "first ours theirs again");
	watch->inode(watch->arg, id_of(world, "f"), false);
	assert_int_equal(close(fd), 0);
}

/* Quotas are the file system's, which exempts root; a user's writes are not root's. */
static void test_users_are_limited(void **state)
{
	struct world *world = world_of(state);
	char path[160];

	path_in(world->path, "f", path);
	bool able = exempt();
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (int round = 0; round < 3; round++) {
		int status = -1;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(setuid(65534) == 0 && write(fd, "user", 4) == 4 ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_false(world->pool.wrote_exempt);
		assert_int_equal(write(fd, "root", 4), 4);
		assert_int_equal(world->pool.wrote_exempt, able);
	}
	assert_int_equal(close(fd), 0);
}

/* ---- ends */

static void test_end_with_open_files(void **state)
{
	struct world *world = world_of(state);
	char path[160];
	char c;

	path_in(world->path, "f", path);
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_true(world->pool.opens > 0);
	mount_stop(take_ptr(world->mount));
	assert_int_equal(world->pool.opens, 0);
	assert_null(world->pool.watch.inode);
	assert_int_equal(fsync(fd), -1);
	assert_int_equal(errno, ENOTCONN);
	(void)close(fd);
	assert_int_equal(size_of(world, "f"), -1); /* an empty directory again */
}

static void test_unmounted_from_outside(void **state)
{
	struct world *world = world_of(state);

	assert_true(mount_alive(world->mount));
	assert_int_equal(umount2(world->path, MNT_DETACH), 0);
	while (mount_alive(world->mount))
		(void)sched_yield();
}

static void test_killed_daemon(void **state)
{
	struct world *world = world_of(state);
	char error[256] = "";
	int ready[2];
	char c;

	mount_stop(take_ptr(world->mount));
	assert_int_equal(pipe(ready), 0);
	const struct mount_config config = {.pool = &world->pool, .name = "t", .path = world->path};
	pid_t pid = fork();
	if (pid == 0) {
		struct mount *mount;

		if (mount_start(&config, &mount, error, sizeof(error)) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(size_of(world, "f"), 5); /* the kernel remembers it beyond the end */
	/* While it lives, its place is taken. */
	assert_int_equal(mount_start(&config, &world->mount, error, sizeof(error)), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(mount_start(&config, &world->mount, error, sizeof(error)), 0);
	assert_int_equal(size_of(world, "f"), 5);
	assert_int_equal(close(ready[0]), 0);
	assert_int_equal(close(ready[1]), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, world_start, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(remembered),
		CASE(notices),
		CASE(listing),
		CASE(overtaken_lookup),
		CASE(overtaken_listing),
		CASE(append_pushed_along),
		CASE(users_are_limited),
		CASE(end_with_open_files),
		CASE(unmounted_from_outside),
		CASE(killed_daemon),
	};

	(void)umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
