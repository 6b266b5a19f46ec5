/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * One pool over a real directory: killed before each write to the journal, the index or the tree,
 * opened again, and compared with what was there after each call. And what is missing or damaged is
 * said, never taken for deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "replication/pool_open.h"
#include "replication/checkpoint.h"
#include "replication/commit.h"
#include "replication/pool_file.h"
#include "tests/lib/pool_rig.h"
#include "tests/sim/store_dump.h"

#define SEGMENT (256u << 10)

/* Shared with the child that is to die. */
struct fate {
	int countdown; /* steps until it dies; negative: never */
	int calls;     /* that have returned */
	bool half;     /* of the write that it dies in, half happens */
};

static struct fate *fate;

static bool dies_now(void)
{
	return fate && fate->countdown >= 0 && fate->countdown-- == 0;
}

/* These stand before the C library's own: journal, then index. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	if (dies_now()) {
		if (fate->half)
			(void)syscall(SYS_pwritev, fd, parts, (long)(count + 1) / 2, offset, 0L);
		_exit(0);
	}
	return syscall(SYS_pwritev, fd, parts, (long)count, offset, 0L);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	if (dies_now()) {
		if (fate->half)
			(void)syscall(SYS_pwrite64, fd, data, size / 2, offset);
		_exit(0);
	}
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

/* The tree: between the steps of the store. */
static struct store_ops dying;
static const struct store_ops *living;

#define DYING(name, arguments, ...)                                                                \
	static int die_##name arguments                                                            \
	{                                                                                          \
		if (dies_now())                                                                    \
			_exit(0);                                                                  \
		return living->name(__VA_ARGS__);                                                  \
	}
DYING(make,
      (struct store * s, const struct store_handle *d, const char *n, const struct store_node *k,
       struct store_handle *r),
      s, d, n, k, r)
DYING(link,
      (struct store * s, const struct store_handle *o, const struct store_handle *d, const char *n),
      s, o, d, n)
DYING(unlink, (struct store * s, const struct store_handle *d, const char *n, bool is), s, d, n, is)
DYING(rename,
      (struct store * s, const struct store_handle *d, const char *n, const struct store_handle *e,
       const char *m, unsigned int f),
      s, d, n, e, m, f)
DYING(write,
      (struct store * s, const struct store_handle *o, int fd, const void *b, size_t n, off_t at),
      s, o, fd, b, n, at)
DYING(truncate, (struct store * s, const struct store_handle *o, int fd, off_t at), s, o, fd, at)
DYING(set_owner, (struct store * s, const struct store_handle *o, mode_t m, uid_t u, gid_t g), s, o,
      m, u, g)
DYING(set_times,
      (struct store * s, const struct store_handle *o, int fd, const struct timespec t[2]), s, o,
      fd, t)
DYING(set_xattr,
      (struct store * s, const struct store_handle *o, const char *n, const void *v, size_t z,
       int f),
      s, o, n, v, z, f)

struct home {
	char dir[200];
	struct keypair key;
	struct pool *p;
	char *texts[64]; /* the tree after each call */
	int count;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clear(struct home *h)
{
	AUTO_FREE char *state = path_join(h->dir, "state");
	AUTO_FREE char *tree = path_join(h->dir, "tree");

	(void)nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(dir_make(tree, 0755), 0);
	assert_int_equal(dir_make(state, 0700), 0);
	struct pool_file file = {.id = 5, .name = "one"};
	assert_int_equal(pool_file_write(state, &file), 0);
}

static int no_send(void *arg, uint16_t node, enum net_class class, uint16_t type,
		   const struct net_part *parts, size_t count)
{
	(void)arg;
	(void)node;
	(void)class;
	(void)type;
	(void)parts;
	(void)count;
	return -ENOTCONN;
}

static int try_open(struct home *h, char *error, size_t size)
{
	AUTO_FREE char *state = path_join(h->dir, "state");
	AUTO_FREE char *tree = path_join(h->dir, "tree");
	struct pool_config config = {.name = "one",
				     .id = 5,
				     .dir = state,
				     .backing = tree,
				     .node = 1,
				     .key = &h->key,
				     .io = {.send = no_send},
				     .journal_max_bytes = 8 * SEGMENT,
				     .segment_bytes = SEGMENT};

	return pool_open_at(&config, &h->p, error, size);
}

static void open_home(struct home *h)
{
	char error[300] = "";

	if (try_open(h, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

/* As kill -9 leaves it. */
static void close_home(struct home *h)
{
	pool_free(h->p);
	h->p = NULL;
}

static int setup(void **state)
{
	struct home *h = calloc(1, sizeof(*h));
	const char *tmp = getenv("TMPDIR");
	uint8_t seed[KEY_SEED_SIZE] = {1};
	char error[300] = "";
	struct store *store;

	assert_non_null(h);
	assert_int_equal(crypto_init(), 0);
	keypair_from_seed(seed, &h->key);
	(void)snprintf(h->dir, sizeof(h->dir), "%s/pool-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(h->dir));
	*state = h;
	int r = store_dir_open(h->dir, &store, error, sizeof(error));
	if (r == -ENOTSUP || r == -EPERM || r == -EOVERFLOW) {
		print_message("skipped: %s\n", error);
		h->count = -1;
	} else {
		assert_int_equal(r, 0);
		store->ops->free(store);
	}
	return 0;
}

static int teardown(void **state)
{
	struct home *h = *state;

	for (int i = 0; i < h->count; i++)
		free(h->texts[i]);
	(void)nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

static struct home *home_of(void **state)
{
	struct home *h = *state;

	if (h->count < 0)
		skip();
	clear(h);
	return h;
}

/* --- a day in the life of a pool, in calls that a crash may interrupt --- */

static const struct pool_caller caller = {.umask = 022};

static uint64_t at(struct pool *p, const char *path)
{
	uint64_t id = POOL_ROOT_ID;
	char part[64];

	for (int n = 0; path[0] == '/' && path[1]; path += n + 1) {
		struct stat st;
		n = (int)(strchrnul(path + 1, '/') - path - 1);
		(void)snprintf(part, sizeof(part), "%.*s", n, path + 1);
		assert_int_equal(pool_lookup(p, id, part, &st), 0);
		id = st.st_ino;
	}
	return id;
}

static int put(struct pool *p, const char *dir, const char *name, size_t size, int fill)
{
	struct stat st;
	int fd;
	static uint8_t bytes[100000];

	memset(bytes, fill, sizeof(bytes));
	int r = pool_create(p, &caller, at(p, dir), name, 0644, O_RDWR | O_CREAT, &st, &fd);
	if (r < 0)
		return r;
	ssize_t n = pool_write(p, st.st_ino, fd, bytes, size, 0, true);
	pool_close(p, st.st_ino, fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

static int make(struct pool *p, const char *dir, const char *name, mode_t mode, const char *target)
{
	struct stat st;

	return pool_make(p, &caller, at(p, dir), name, mode, 0, target, &st);
}

static int change(struct pool *p, const char *path, unsigned int valid, mode_t mode, off_t size)
{
	struct pool_attr attr = {
		.valid = valid, .mode = mode, .size = size, .mtime = {.tv_sec = 9}};
	struct stat st;

	return pool_setattr(p, at(p, path), -1, &attr, &st);
}

static int call(struct pool *p, int i)
{
	struct stat st;

	switch (i) {
	case 0:
		return make(p, "", "d", S_IFDIR | 0755, NULL);
	case 1:
		return make(p, "/d", "f", S_IFREG | 0644, NULL);
	case 2:
		return put(p, "/d", "f", 100000, 'a');
	case 3:
		return make(p, "", "s", S_IFLNK, "d/f");
	case 4:
		return pool_link(p, at(p, "/d/f"), POOL_ROOT_ID, "hard", &st);
	case 5:
		return pool_setxattr(p, at(p, "/hard"), "user.a", "1", 1, 0);
	case 6:
		return change(p, "/d/f", POOL_ATTR_MODE, 0600, 0);
	case 7:
		return commit_seal(p);
	case 8:
		return put(p, "/d", "f", 50000, 'b');
	case 9:
		return pool_rename(p, at(p, "/d"), "f", POOL_ROOT_ID, "moved", 0);
	case 10:
		return commit_flush(p);
	case 11:
		return change(p, "/moved", POOL_ATTR_SIZE, 0, 70000);
	case 12:
		return make(p, "/d", "sub", S_IFDIR | 0700, NULL);
	case 13:
		return pool_rename(p, POOL_ROOT_ID, "d", POOL_ROOT_ID, "e", 0);
	case 14:
		return make(p, "/e", "x", S_IFREG | 0644, NULL);
	case 15:
		return pool_rename(p, at(p, "/e"), "x", POOL_ROOT_ID, "hard", 0);
	case 16:
		return commit_seal(p);
	case 17:
		return pool_rename(p, POOL_ROOT_ID, "hard", POOL_ROOT_ID, "moved", RENAME_EXCHANGE);
	case 18:
		return pool_removexattr(p, at(p, "/hard"), "user.a");
	case 19:
		return commit_flush(p);
	case 20:
		return pool_rmdir(p, at(p, "/e"), "sub");
	case 21:
		return pool_unlink(p, POOL_ROOT_ID, "s");
	case 22:
		return change(p, "/hard", POOL_ATTR_MTIME, 0, 0);
	case 23:
		return pool_unlink(p, POOL_ROOT_ID, "hard");
	case 24:
		return make(p, "/e", "last", S_IFREG | 0644, NULL);
	case 25:
		return put(p, "/e", "last", 90000, 'z');
	case 26:
		return commit_sync(p, journal_tail(p->journal));
	default:
		return 1;
	}
}

/* Times of what a call touched may be those of the call that a crash cut short; all else must be as
 * it was after one call or the next. */
static char *dump(struct home *h)
{
	/* What is kept there goes with the next flush. */
	static const char *const own[] = {"/" POOL_RESERVED "/kept-", "/" POOL_RESERVED " "};
	char *text;

	assert_int_equal(store_dump(h->p->store, 0, &text), 0);
	for (size_t i = 0; i < 2; i++) {
		for (char *line; (line = strstr(text, own[i])) != NULL;) {
			char *next = strchrnul(line, '\n');
			next += *next == '\n';
			memmove(line, next, strlen(next) + 1);
		}
	}
	return text;
}

static void learn(struct home *h)
{
	int r = 0;

	rig_clock_begin();
	open_home(h);
	h->texts[h->count++] = dump(h);
	for (int i = 0; (r = call(h->p, i)) == 0; i++)
		h->texts[h->count++] = dump(h);
	assert_int_equal(r, 1);
	close_home(h);
}

/* In a process of its own, until it dies. False: it came to its end. */
static bool live(struct home *h, int countdown, bool half)
{
	*fate = (struct fate){.countdown = countdown, .half = half};
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char error[300];
		rig_clock_begin();
		if (try_open(h, error, sizeof(error)) < 0)
			_exit(3);
		living = h->p->store->ops;
		dying = *living;
		dying.make = die_make;
		dying.link = die_link;
		dying.unlink = die_unlink;
		dying.rename = die_rename;
		dying.write = die_write;
		dying.truncate = die_truncate;
		dying.set_owner = die_set_owner;
		dying.set_times = die_set_times;
		dying.set_xattr = die_set_xattr;
		h->p->store->ops = &dying;
		for (int i = 0; call(h->p, i) == 0; i++)
			fate->calls = i + 1;
		_exit(2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	fate->countdown = -1;
	if (WEXITSTATUS(status) == 3)
		fail_msg("it does not open");
	return WEXITSTATUS(status) == 0;
}

static void compare(struct home *h, int step, int calls)
{
	AUTO_FREE char *text = dump(h);

	rig_check_pool(h->p);
	if (strcmp(text, h->texts[calls]) == 0 ||
	    (calls + 1 < h->count && strcmp(text, h->texts[calls + 1]) == 0))
		return;
	store_dump_diff(h->texts[calls], text);
	fail_msg("killed at step %d, after %d calls: another tree", step, calls);
}

static void test_killed(void **state)
{
	struct home *h = home_of(state);
	bool died = true;

	fate = mmap(NULL, sizeof(*fate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(fate != MAP_FAILED);
	fate->countdown = -1;
	learn(h);
	for (int step = 0; died; step++) {
		for (int half = 0; half < 2; half++) {
			clear(h);
			died = live(h, step, half);
			open_home(h);
			int calls = fate->calls;
			compare(h, step, calls);
			/* And once more, from what the first recovery left. */
			close_home(h);
			open_home(h);
			compare(h, step, calls);
			close_home(h);
		}
	}
	(void)munmap(fate, sizeof(*fate));
	fate = NULL;
}

/* --- what is missing or damaged --- */

static void fill(struct home *h, int files)
{
	char name[16];

	open_home(h);
	for (int i = 0; i < files; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(put(h->p, "", name, 20000, 'x'), 0);
		if (i % 4 == 3)
			assert_int_equal(commit_seal(h->p), 0);
	}
}

static void remove_index(struct home *h)
{
	static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm"};

	for (size_t i = 0; i < 3; i++) {
		char path[300];
		(void)snprintf(path, sizeof(path), "%s/state/%s", h->dir, names[i]);
		(void)unlink(path);
	}
}

/* The index is a view: as long as the journal reaches back to the beginning, it makes it anew. */
static void test_index_lost(void **state)
{
	struct home *h = home_of(state);

	fill(h, 10);
	assert_int_equal(commit_flush(h->p), 0);
	assert_int_equal(pool_unlink(h->p, POOL_ROOT_ID, "3"), 0);
	AUTO_FREE char *before = dump(h);
	close_home(h);
	remove_index(h);
	open_home(h);
	rig_check_pool(h->p);
	AUTO_FREE char *after = dump(h);
	assert_string_equal(before, after);
	close_home(h);
}

static void segment_of(struct home *h, uint64_t index, char ret[300])
{
	(void)snprintf(ret, 300, "%s/state/journal/%010llx.seg", h->dir, (unsigned long long)index);
}

static void flip(const char *path, off_t offset)
{
	uint8_t byte;
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0 && pread(fd, &byte, 1, offset) == 1);
	byte ^= 0x40;
	assert_int_equal(syscall(SYS_pwrite64, fd, &byte, 1UL, offset), 1);
}

/* Damage in what has to be repeated: the pool says so and does not open; nothing in the tree is
 * touched. */
static void test_journal_damaged(void **state)
{
	struct home *h = home_of(state);
	char path[300], error[300] = "";

	fill(h, 40);
	AUTO_FREE char *before = dump(h);
	close_home(h);
	segment_of(h, 2, path);
	flip(path, 50000);
	assert_int_equal(try_open(h, error, sizeof(error)), MA_ECORRUPT);
	assert_non_null(strstr(error, "cannot open pool"));
	/* The head of a segment, too. */
	flip(path, 50000);
	flip(path, 30);
	assert_int_equal(try_open(h, error, sizeof(error)), MA_ECORRUPT);
	flip(path, 30);
	open_home(h);
	AUTO_FREE char *after = dump(h);
	assert_string_equal(before, after);
	close_home(h);
}

/* A segment that is not there: the journal says that something is missing. What is in the index may
 * go, but then the index may not. */
static void test_segment_missing(void **state)
{
	struct home *h = home_of(state);
	char path[300], kept[310], error[300] = "";

	fill(h, 40);
	AUTO_FREE char *before = dump(h);
	close_home(h);
	segment_of(h, 2, path);
	(void)snprintf(kept, sizeof(kept), "%s.kept", path);
	assert_int_equal(rename(path, kept), 0);
	assert_int_equal(try_open(h, error, sizeof(error)), MA_EGAP);
	assert_non_null(strstr(error, "journal"));
	assert_int_equal(rename(kept, path), 0);
	open_home(h);
	assert_int_equal(commit_flush(h->p), 0);
	assert_int_equal(access(path, F_OK), 0); /* without a copy of the index all is kept */
	assert_int_equal(checkpoint_make(h->p, false), 0);
	assert_int_equal(commit_flush(h->p), 0);
	close_home(h);
	assert_int_equal(access(path, F_OK), -1);
	open_home(h);
	rig_check_pool(h->p);
	AUTO_FREE char *after = dump(h);
	assert_string_equal(before, after);
	close_home(h);
	remove_index(h);
	open_home(h);
	rig_check_pool(h->p);
	AUTO_FREE char *from_copy = dump(h);
	assert_string_equal(before, from_copy);
	close_home(h);
	/* Neither index nor copy: no way back, and no file is touched. */
	remove_index(h);
	(void)snprintf(path, sizeof(path), "%s/state/checkpoint.db", h->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_open(h, error, sizeof(error)), MA_ECORRUPT);
	assert_non_null(strstr(error, "without a copy"));
}

/* Only what is whole is opened again after an end in order; twice the same. */
static void test_stopped(void **state)
{
	struct home *h = home_of(state);

	fill(h, 12);
	AUTO_FREE char *before = dump(h);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(commit_flush(h->p), 0);
		assert_int_equal(commit_sync(h->p, journal_tail(h->p->journal)), 0);
		close_home(h);
		open_home(h);
		rig_check_pool(h->p);
		AUTO_FREE char *after = dump(h);
		assert_string_equal(before, after);
	}
	close_home(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_journal_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segment_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
