/* links: tests/lib/store_place.c replication/store_dir.c replication/store_dir_attr.c
 *        replication/store_dir_make.c replication/store_dir_names.c replication/store_dir_object.c
 *        replication/store_fds.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The store's descriptors: few, never closed under another thread's hands, gone with the object. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "replication/store_fds.h"
#include "tests/lib/store_place.h"

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

/* Gets a directory and puts it back; whether it was the same descriptor as the last time, which a
 * flag of it tells. */
static bool was_kept(struct store_fds *fds, const struct store_handle *dir)
{
	AUTO_STORE_FD struct store_fd at = STORE_FD_NONE;

	assert_int_equal(store_fds_dir(fds, dir, &at), 0);
	bool kept = fcntl(at.fd, F_GETFL) & O_NONBLOCK;
	assert_int_equal(fcntl(at.fd, F_SETFL, O_NONBLOCK), 0);
	return kept;
}

static void test_cache(void **state)
{
	struct place *p = place_of(state);
	int root = open(p->path, O_RDONLY | O_DIRECTORY);
	struct store_fds *fds = NULL;
	struct store_handle d[6];
	struct store_fd held[4];
	char name[16];

	assert_int_equal(store_fds_new(root, false, 4, &fds), 0);
	for (unsigned int i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "d%u", i);
		d[i] = place_make(p, &p->root, name, S_IFDIR | 0700);
	}
	for (size_t i = 0; i < 4; i++)
		assert_false(was_kept(fds, &d[i]));
	assert_true(was_kept(fds, &d[0]));
	assert_false(was_kept(fds, &d[4])); /* in the place of 1, the least recently used */
	assert_int_equal(store_fds_count(fds), 4);
	for (size_t i = 0; i < 5; i++)
		assert_true(i == 1 || was_kept(fds, &d[i]));
	store_fds_drop(fds, &d[0]);
	store_fds_drop(fds, &d[1]);
	assert_int_equal(store_fds_count(fds), 3);
	store_fds_add(fds, &d[3], dup(root)); /* there already: closed again */
	assert_int_equal(store_fds_count(fds), 3);
	assert_true(was_kept(fds, &d[3]));
	/* With all in use further ones are not kept, and those in use not closed. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(store_fds_dir(fds, &d[i], &held[i]), 0);
	assert_false(was_kept(fds, &d[5]));
	assert_false(was_kept(fds, &d[5]));
	store_fds_drop(fds, &d[2]);
	for (size_t i = 0; i < 4; i++) {
		assert_true(fcntl(held[i].fd, F_GETFL) >= 0);
		store_fd_put(&held[i]);
	}
	assert_false(was_kept(fds, &d[2]));
	store_fds_free(fds);
	(void)close(root);
}

/* 5,000 files in 5,000 directories with at most 300 descriptors, of which the test takes some. */
static void test_descriptors_stay_few(void **state)
{
	enum { COUNT = 5000 };
	struct place *p = place_of(state);
	struct store_handle *dirs = calloc(COUNT, sizeof(*dirs));
	struct store_handle *files = calloc(COUNT, sizeof(*files));
	struct rlimit old;
	int held[100];
	char name[16];
	struct stat st;

	assert_non_null(dirs);
	assert_non_null(files);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	struct rlimit few = {.rlim_cur = 300, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (size_t i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "d%zu", i);
		dirs[i] = place_make(p, &p->root, name, S_IFDIR | 0700);
		files[i] = place_make(p, &dirs[i], "f", S_IFREG | 0600);
	}
	size_t most = count_fds();
	assert_true(most <= STORE_DIR_CACHE + 20);
	/* The cache gives way to those who need descriptors now. */
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p->ops->open(p->store, &files[i], O_RDONLY, &held[i]), 0);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(p->ops->lookup(p->store, &dirs[i], "f", NULL, NULL, &st), 0);
		assert_int_equal(p->ops->stat(p->store, &files[i], -1, &st), 0);
	}
	for (size_t i = 0; i < 100; i++)
		p->ops->close(p->store, held[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	free(dirs);
	free(files);
}

enum { THREADS = 4, SHARED_DIRS = 300, ROUNDS = 3000 };

struct worker {
	struct place *place;
	const struct store_handle *dirs;
	unsigned int number;
	atomic_bool stop;
	int failure;
};

/* More directories than the cache holds, each used by all: a descriptor closed under another
 * thread's hands gives EBADF or another directory's names. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct store *store = w->place->store;
	const struct store_ops *ops = w->place->ops;
	unsigned int random = w->number * 7919 + 1;
	char name[16];

	(void)snprintf(name, sizeof(name), "w%u", w->number);
	for (int i = 0; i < ROUNDS && w->failure == 0; i++) {
		random = random * 1103515245 + 12345;
		size_t d = random / 65536 % SHARED_DIRS;
		struct store_node node = {.id = d + 1, .mode = S_IFDIR | 0700};
		uint64_t id = 0;
		int r = ops->make(store, &w->dirs[d], name, &node, NULL);
		if (r == 0)
			r = ops->lookup(store, &w->dirs[d], name, &id, NULL, NULL);
		if (r == 0 && id != d + 1)
			r = MA_ECORRUPT;
		if (r == 0)
			r = ops->unlink(store, &w->dirs[d], name, true);
		w->failure = r;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct place *p = place_of(state);
	struct store_handle dirs[SHARED_DIRS];
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	char name[16];

	for (unsigned int i = 0; i < SHARED_DIRS; i++) {
		(void)snprintf(name, sizeof(name), "d%u", i);
		dirs[i] = place_make(p, &p->root, name, S_IFDIR | 0700);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.place = p, .dirs = dirs, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].failure, 0);
	}
	assert_true(count_fds() <= STORE_DIR_CACHE + 20);
}

enum { GIVEN = 64 };

static int each_given(struct place *p, bool make, struct store_handle handles[GIVEN])
{
	struct store_node node = {.id = 1, .mode = S_IFREG | 0600};
	char name[16];
	int r = 0;

	for (unsigned int i = 0; i < GIVEN && r == 0; i++) {
		(void)snprintf(name, sizeof(name), "g%u", i);
		r = make ? p->ops->make(p->store, &p->root, name, &node, &handles[i])
			 : p->ops->unlink(p->store, &p->root, name, false);
	}
	return r;
}

static void *make_and_unlink(void *arg)
{
	struct worker *w = arg;
	struct store_handle handles[GIVEN];

	while (!w->stop && w->failure == 0) {
		w->failure = each_given(w->place, true, handles);
		if (w->failure == 0)
			w->failure = each_given(w->place, false, handles);
	}
	return NULL;
}

/* A file system gives the numbers of removed objects to new ones. Meanwhile an old handle finds
 * nothing; ext4 says that it has no memory if it meets the new one half made. */
static void test_gone_while_number_is_given_again(void **state)
{
	struct place *p = place_of(state);
	struct worker w = {.place = p};
	struct store_handle gone[GIVEN];
	pthread_t thread;
	struct stat st;

	assert_int_equal(each_given(p, true, gone), 0);
	assert_int_equal(each_given(p, false, gone), 0);
	assert_int_equal(pthread_create(&thread, NULL, make_and_unlink, &w), 0);
	int r = -ESTALE;
	for (int i = 0; i < 400000 && r == -ESTALE; i++)
		r = p->ops->stat(p->store, &gone[i % GIVEN], -1, &st);
	w.stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, -ESTALE);
	assert_int_equal(w.failure, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, place_set_up, place_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_cache),
		CASE(test_descriptors_stay_few),
		CASE(test_threads),
		CASE(test_gone_while_number_is_given_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
