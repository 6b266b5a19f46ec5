/* links: replication/pool_file.c tests/lib/hex_file.c core/crypto.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The pool file there and back, what is refused, leaving and joining again; and the mark in the
 * backing directory that keeps an empty or a foreign one from being taken for ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "replication/pool_file.h"
#include "tests/lib/hex_file.h"

struct home {
	char dir[160];
	char pool[200];
	struct pool_file file;
};

static int setup(void **state)
{
	struct home *h = calloc(1, sizeof(*h));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(h);
	(void)snprintf(h->dir, sizeof(h->dir), "%s/pool-file-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->pool, sizeof(h->pool), "%s/pool", h->dir);
	h->file = (struct pool_file){.id = 0x1122334455667788, .incarnation = 2};
	(void)snprintf(h->file.name, sizeof(h->file.name), "web");
	(void)snprintf(h->file.backing, sizeof(h->file.backing), "/srv/web");
	for (size_t i = 0; i < sizeof(h->file.store); i++)
		h->file.store[i] = (uint8_t)(0xa0 + i);
	*state = h;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct home *h = *state;

	(void)nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

static void assert_same(const struct pool_file *a, const struct pool_file *b)
{
	assert_true(a->id == b->id && a->incarnation == b->incarnation);
	assert_memory_equal(a->store, b->store, sizeof(a->store));
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->backing, b->backing);
}

static void test_golden(void **state)
{
	struct home *h = *state;
	uint8_t golden[HEX_FILE_MAX];
	AUTO_FREE uint8_t *bytes = NULL;
	struct pool_file got;
	size_t size, length = hex_file_read("pool-file", golden);

	assert_int_equal(pool_file_write(h->dir, &h->file), 0);
	assert_int_equal(file_read(h->pool, 4096, &bytes, &size), 0);
	assert_int_equal(size, length);
	assert_memory_equal(bytes, golden, size);
	assert_int_equal(file_replace(h->pool, golden, length, 0600), 0);
	assert_int_equal(pool_file_read(h->dir, &got), 0);
	assert_same(&got, &h->file);
}

static void test_refused(void **state)
{
	struct home *h = *state;
	uint8_t golden[HEX_FILE_MAX];
	struct pool_file got;
	size_t length = hex_file_read("pool-file", golden);

	assert_int_equal(pool_file_read(h->dir, &got), -ENOENT);
	for (size_t cut = 0; cut < length; cut++) {
		assert_int_equal(file_replace(h->pool, golden, cut, 0600), 0);
		assert_int_equal(pool_file_read(h->dir, &got), MA_ECORRUPT);
	}
	golden[0] ^= 1;
	assert_int_equal(file_replace(h->pool, golden, length, 0600), 0);
	assert_int_equal(pool_file_read(h->dir, &got), MA_ECORRUPT);
	golden[0] ^= 1;
	golden[length - 3] = 0; /* a zero byte in the path */
	assert_int_equal(file_replace(h->pool, golden, length, 0600), 0);
	assert_int_equal(pool_file_read(h->dir, &got), MA_ECORRUPT);
}

/* Who leaves and comes back to the same pool goes on under the next incarnation, because its old
 * stream goes on at the others; to another pool under the first. */
static void test_again(void **state)
{
	struct home *h = *state;
	struct pool_file again = h->file, other = h->file, got;

	again.incarnation = other.incarnation = 0;
	other.id++;
	assert_int_equal(pool_file_write(h->dir, &h->file), 0);
	assert_int_equal(pool_file_forget(h->dir), 0);
	assert_int_equal(pool_file_read(h->dir, &got), -ENOENT);
	assert_int_equal(pool_file_renew(h->dir, &other), 0);
	assert_int_equal(other.incarnation, 0);
	assert_int_equal(pool_file_renew(h->dir, &again), 0);
	assert_int_equal(again.incarnation, 3);
	assert_int_equal(pool_file_forget(h->dir), 0); /* once more does no harm */
	/* What cannot be read says nothing about the incarnation: better not to go on. */
	(void)snprintf(h->pool, sizeof(h->pool), "%s/left", h->dir);
	assert_int_equal(file_replace(h->pool, "?", 1, 0600), 0);
	assert_int_equal(pool_file_renew(h->dir, &again), MA_ECORRUPT);
	/* Nor is a pool forgotten whose file does not get out of the way. */
	assert_int_equal(unlink(h->pool), 0);
	assert_int_equal(dir_make(h->pool, 0700), 0);
	assert_int_equal(pool_file_write(h->dir, &h->file), 0);
	assert_int_equal(pool_file_forget(h->dir), -EISDIR);
	assert_int_equal(pool_file_read(h->dir, &got), 0);
}

/* Leaving takes journal and index along, and nothing else. */
static void test_forget(void **state)
{
	static const char *const gone[] = {"journal/0000000001.seg", "index.db", "index.db-wal",
					   "staging.db", "running"};
	struct home *h = *state;
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/journal", h->dir);
	assert_int_equal(dir_make(path, 0700), 0);
	assert_int_equal(pool_file_write(h->dir, &h->file), 0);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", h->dir, gone[i]);
		assert_int_equal(file_replace(path, "x", 1, 0600), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/of-somebody-else", h->dir);
	assert_int_equal(file_replace(path, "x", 1, 0600), 0);
	assert_int_equal(pool_file_forget(h->dir), 0);
	assert_int_equal(access(path, F_OK), 0);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", h->dir, gone[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void test_mark(void **state)
{
	struct home *h = *state;
	struct pool_file file = h->file, other = h->file;
	char error[400];

	(void)snprintf(file.backing, sizeof(file.backing), "%s", h->dir);
	(void)snprintf(other.backing, sizeof(other.backing), "%s", h->dir);
	other.store[15] ^= 1;
	/* Empty, or not mounted. */
	assert_int_equal(pool_store_check(&file, error, sizeof(error)), MA_ESTORE);
	assert_non_null(strstr(error, "not mounted"));
	assert_false(pool_store_marked(file.backing));
	assert_int_equal(pool_store_mark(&file), 0);
	assert_true(pool_store_marked(file.backing));
	assert_int_equal(pool_store_check(&file, error, sizeof(error)), 0);
	/* Another copy of the pool, another pool. */
	assert_int_equal(pool_store_check(&other, error, sizeof(error)), MA_ESTORE);
	assert_non_null(strstr(error, "another"));
	other = file;
	other.id++;
	assert_int_equal(pool_store_check(&other, error, sizeof(error)), MA_ESTORE);
	pool_store_unmark(&file);
	assert_false(pool_store_marked(file.backing));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mark, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
