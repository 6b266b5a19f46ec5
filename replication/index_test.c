/* links: replication/index.c replication/stamp.c core/db.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The index: rows and values there and back, views that stand still, what a failed transaction
 * leaves, ids of all 64 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/db.h"
#include "replication/index.h"

struct rig {
	char dir[128];
	char path[160];
	struct index *ix;
};

static void rig_open(struct rig *rig)
{
	char error[256] = "";

	if (index_open(rig->path, &rig->ix, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/index-XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(rig->dir));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/index.db", rig->dir);
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	struct dirent *d;

	index_close(rig->ix);
	DIR *dir = opendir(rig->dir);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
	assert_int_equal(rmdir(rig->dir), 0);
	free(rig);
	return 0;
}

static const struct store_handle none;

static void put(struct index *ix, uint64_t id, const char *text)
{
	assert_int_equal(index_put(ix, id, text, strlen(text), &none), 0);
}

/* "" if there is no such row. */
static void assert_row(struct index *ix, uint64_t id, const char *text)
{
	AUTO_FREE uint8_t *state = NULL;
	struct store_handle handle;
	size_t size;
	int r = index_get(ix, id, &state, &size, &handle);

	if (!*text) {
		assert_int_equal(r, MA_EUNKNOWN);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(state, text, size);
}

static void test_rows(void **state)
{
	struct rig *rig = *state;
	AUTO_FREE uint8_t *got = NULL;
	struct store_handle handle, back;
	size_t size;

	assert_row(rig->ix, 7, "");
	assert_int_equal(index_begin(rig->ix), 0);
	for (uint8_t n = 0; n <= STORE_HANDLE_MAX; n++) {
		handle.size = n;
		memset(handle.bytes, n + 1, sizeof(handle.bytes));
		assert_int_equal(index_put(rig->ix, n + 1u, &n, n % 2, &handle), 0);
	}
	assert_int_equal(index_commit(rig->ix), 0);
	for (uint8_t n = 0; n <= STORE_HANDLE_MAX; n++) {
		AUTO_FREE uint8_t *one = NULL;
		memset(&back, 0xa5, sizeof(back));
		assert_int_equal(index_get(rig->ix, n + 1u, &one, &size, &back), 0);
		assert_int_equal(size, n % 2);
		assert_int_equal(back.size, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(back.bytes[i], n + 1);
	}
	/* Large, replaced, removed. */
	AUTO_FREE uint8_t *large = calloc(1, 2u << 20);
	assert_non_null(large);
	large[(2u << 20) - 1] = 9;
	assert_int_equal(index_put(rig->ix, 7, large, 2u << 20, &none), 0);
	assert_int_equal(index_get(rig->ix, 7, &got, &size, &back), 0);
	assert_int_equal(size, 2u << 20);
	assert_int_equal(got[size - 1], 9);
	assert_int_equal(back.size, 0);
	put(rig->ix, 7, "new");
	assert_row(rig->ix, 7, "new");
	assert_int_equal(index_delete(rig->ix, 7), 0);
	assert_int_equal(index_delete(rig->ix, 7), 0);
	assert_row(rig->ix, 7, "");
}

static void test_values(void **state)
{
	struct rig *rig = *state;
	AUTO_FREE uint8_t *one = NULL;
	AUTO_FREE uint8_t *two = NULL;
	size_t size;

	assert_int_equal(index_value_get(rig->ix, "position", &one, &size), MA_EUNKNOWN);
	assert_int_equal(index_value_put(rig->ix, "position", "a\0b", 3), 0);
	assert_int_equal(index_value_put(rig->ix, "positions", "", 0), 0);
	assert_int_equal(index_value_get(rig->ix, "position", &one, &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(one, "a\0b", 3);
	assert_int_equal(index_value_get(rig->ix, "positions", &two, &size), 0);
	assert_int_equal(size, 0);
	index_close(rig->ix);
	rig_open(rig);
	AUTO_FREE uint8_t *again = NULL;
	assert_int_equal(index_value_get(rig->ix, "position", &again, &size), 0);
	assert_int_equal(size, 3);
}

/* Whoever reads through the writer's index sees what was put; a crash, or a rollback, forgets it.
 */
static void test_transaction(void **state)
{
	struct rig *rig = *state;

	put(rig->ix, 1, "old");
	assert_int_equal(index_begin(rig->ix), 0);
	put(rig->ix, 1, "new");
	put(rig->ix, 2, "more");
	assert_row(rig->ix, 1, "new");
	index_rollback(rig->ix);
	assert_row(rig->ix, 1, "old");
	assert_row(rig->ix, 2, "");
	/* Nothing to take back: no harm. */
	index_rollback(rig->ix);
	assert_int_equal(index_begin(rig->ix), 0);
	put(rig->ix, 1, "newer");
	assert_int_equal(index_commit(rig->ix), 0);
	assert_int_equal(index_begin(rig->ix), 0);
	put(rig->ix, 1, "lost");
	index_close(rig->ix);
	rig_open(rig);
	assert_row(rig->ix, 1, "newer");
}

/* Somebody else holds the database: nothing goes in, and after a rollback all can be tried again.
 */
static void test_failed_transaction(void **state)
{
	struct rig *rig = *state;
	struct db *other;
	char error[256];

	put(rig->ix, 1, "old");
	assert_int_equal(db_open(rig->path, "SELECT 1", &other, error, sizeof(error)), 0);
	assert_int_equal(db_run(other, "BEGIN IMMEDIATE"), 0);
	assert_int_equal(index_begin(rig->ix), 0);
	assert_int_equal(index_put(rig->ix, 1, "new", 3, &none), -EBUSY);
	assert_int_equal(db_run(other, "COMMIT"), 0);
	db_close(other);
	/* The transaction is still there: without its end there is no other. */
	assert_true(index_begin(rig->ix) < 0);
	index_rollback(rig->ix);
	assert_int_equal(index_begin(rig->ix), 0);
	put(rig->ix, 1, "new");
	assert_int_equal(index_commit(rig->ix), 0);
	assert_row(rig->ix, 1, "new");
}

/* The ids that a walk in steps of `step` finds behind sequence number `have`. */
static size_t walk(struct index *ix, uint16_t slot, uint64_t have, size_t step, uint64_t *ret)
{
	struct index_mark mark = {.seq = have, .whole = true};
	size_t n = 0;
	int count;

	while ((count = index_changes(ix, slot, &mark, ret + n, step)) > 0) {
		assert_true((size_t)count <= step);
		n += (size_t)count;
	}
	assert_int_equal(count, 0);
	return n;
}

static void test_snapshot(void **state)
{
	struct rig *rig = *state;
	struct index *a, *b, *c;
	uint64_t ids[8];

	put(rig->ix, 1, "one");
	assert_int_equal(index_change_put(rig->ix, stamp_make(64, 1), 1), 0);
	assert_int_equal(index_snapshot(rig->ix, &a), 0);
	assert_int_equal(index_begin(rig->ix), 0);
	put(rig->ix, 1, "ONE");
	put(rig->ix, 2, "two");
	assert_int_equal(index_change_put(rig->ix, stamp_make(64, 2), 2), 0);
	/* In the middle of a transaction: what was committed before. */
	assert_int_equal(index_snapshot(rig->ix, &b), 0);
	assert_int_equal(index_commit(rig->ix), 0);
	assert_int_equal(index_snapshot(rig->ix, &c), 0);
	assert_int_equal(index_delete(rig->ix, 1), 0);
	assert_int_equal(index_change_delete(rig->ix, stamp_make(64, 1), 1), 0);
	/* Much is written, so that the log of the database would begin anew. */
	for (unsigned int round = 0; round < 20; round++) {
		assert_int_equal(index_begin(rig->ix), 0);
		for (uint64_t id = 100; id < 300; id++)
			put(rig->ix, id,
			    "..............................................."
			    "...............................................");
		assert_int_equal(index_commit(rig->ix), 0);
	}
	for (int i = 0; i < 2; i++) {
		struct index *view = i ? b : a;
		assert_row(view, 1, "one");
		assert_row(view, 2, "");
		assert_row(view, 100, "");
		assert_int_equal(walk(view, 64, 0, 8, ids), 1);
		assert_int_equal(index_ids(view, 0, ids, 8), 1);
	}
	assert_row(c, 1, "ONE");
	assert_row(c, 2, "two");
	assert_int_equal(walk(c, 64, 0, 4, ids), 2);
	assert_row(rig->ix, 1, "");
	/* The views outlive the index that they are of. */
	index_close(rig->ix);
	assert_row(a, 1, "one");
	assert_row(c, 2, "two");
	index_close(a);
	index_close(b);
	index_close(c);
	rig_open(rig);
	assert_row(rig->ix, 2, "two");
}

/* Slots from 32768 on make numbers that the database takes for negative. */
static const uint64_t ids_in_order[] = {
	1,
	2,
	UINT64_C(0x01c0) << 48 | 5,
	UINT64_C(0x7fff) << 48 | STAMP_SEQ_MAX,
	UINT64_C(0x8000) << 48,
	UINT64_C(0x8000) << 48 | 1,
	UINT64_C(0xffc1) << 48 | 7,
	UINT64_MAX,
};
#define IDS (sizeof(ids_in_order) / sizeof(ids_in_order[0]))

static void test_all_ids(void **state)
{
	struct rig *rig = *state;
	uint64_t got[IDS + 1];

	for (size_t i = IDS; i-- > 0;) {
		char text[32];
		(void)snprintf(text, sizeof(text), "row %zu", i);
		put(rig->ix, ids_in_order[i], text);
	}
	for (size_t i = 0; i < IDS; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "row %zu", i);
		assert_row(rig->ix, ids_in_order[i], text);
	}
	/* In steps of any size the walk finds each of them once, in order. */
	for (size_t step = 1; step <= IDS + 1; step++) {
		uint64_t after = 0;
		size_t n = 0;
		int count;

		while ((count = index_ids(rig->ix, after, got, step)) > 0) {
			assert_true((size_t)count <= step);
			for (int i = 0; i < count; i++)
				assert_true(got[i] == ids_in_order[n++]);
			after = got[count - 1];
		}
		assert_int_equal(count, 0);
		assert_int_equal(n, IDS);
	}
	assert_int_equal(index_delete(rig->ix, UINT64_MAX), 0);
	assert_row(rig->ix, UINT64_MAX, "");
}

static void test_changes(void **state)
{
	static const uint16_t slots[] = {1, 64, 32767, 32768, 65535};
	struct rig *rig = *state;
	uint64_t ids[32];

	for (size_t s = 0; s < 5; s++) {
		for (uint64_t seq = 1; seq <= 5; seq++) {
			stamp_t stamp = stamp_make(slots[s], seq == 5 ? STAMP_SEQ_MAX : seq * 10);
			uint64_t id = UINT64_MAX - s * 100 - seq;
			assert_int_equal(index_change_put(rig->ix, stamp, id), 0);
			assert_int_equal(index_change_put(rig->ix, stamp, id), 0);
		}
	}
	for (size_t s = 0; s < 5; s++) {
		/* Nothing of the slots beside it, and everything of this one. */
		for (size_t step = 1; step <= 6; step++) {
			assert_int_equal(walk(rig->ix, slots[s], 0, step, ids), 5);
			for (uint64_t i = 0; i < 5; i++)
				assert_true(ids[i] == UINT64_MAX - s * 100 - i - 1);
		}
		assert_int_equal(walk(rig->ix, slots[s], 10, 16, ids), 4);
		assert_int_equal(walk(rig->ix, slots[s], 9, 16, ids), 5);
		assert_int_equal(walk(rig->ix, slots[s], 40, 16, ids), 1);
		assert_int_equal(walk(rig->ix, slots[s], STAMP_SEQ_MAX, 16, ids), 0);
		uint64_t sum = 100;
		assert_int_equal(index_change_count(rig->ix, slots[s], 10, &sum), 0);
		assert_int_equal(sum, 104);
		assert_int_equal(index_change_count(rig->ix, slots[s], 0, &sum), 0);
		assert_int_equal(sum, 109);
	}
	assert_int_equal(walk(rig->ix, 2, 0, 16, ids), 0);
	assert_int_equal(walk(rig->ix, 0, 0, 16, ids), 0);
}

/* One record changes a file and its directory, an exchange four objects: all are found. */
static void test_changes_of_one_record(void **state)
{
	static const uint64_t ids[] = {2, 7, UINT64_C(0x0200) << 48 | 1, UINT64_C(0x8000) << 48,
				       UINT64_MAX};
	struct rig *rig = *state;
	uint64_t got[32];

	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(index_change_put(rig->ix, stamp_make(64, 10), ids[i]), 0);
		assert_int_equal(index_change_put(rig->ix, stamp_make(64, 11), ids[i]), 0);
	}
	for (size_t step = 1; step <= 11; step++) {
		unsigned int seen[5] = {0};
		assert_int_equal(walk(rig->ix, 64, 0, step, got), 10);
		for (size_t i = 0; i < 10; i++) {
			for (size_t k = 0; k < 5; k++)
				seen[k] += got[i] == ids[k];
		}
		for (size_t k = 0; k < 5; k++)
			assert_int_equal(seen[k], 2);
	}
	/* Who has the record has all of it. */
	assert_int_equal(walk(rig->ix, 64, 10, 32, got), 5);
	/* One of them is forgotten: the others stay. */
	assert_int_equal(index_change_delete(rig->ix, stamp_make(64, 10), 7), 0);
	assert_int_equal(index_change_delete(rig->ix, stamp_make(64, 10), 8), 0);
	assert_int_equal(walk(rig->ix, 64, 0, 32, got), 9);
}

static void test_refused(void **state)
{
	struct rig *rig = *state;
	char path[256], error[256] = "";
	struct index *ix;

	(void)snprintf(path, sizeof(path), "%s/no/such/index.db", rig->dir);
	assert_int_equal(index_open(path, &ix, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, path));
	(void)snprintf(path, sizeof(path), "%s/garbage", rig->dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 5000; i++)
		(void)fputs("no database", f);
	(void)fclose(f);
	assert_int_equal(index_open(path, &ix, error, sizeof(error)), MA_ECORRUPT);
	assert_non_null(strstr(error, path));
	/* A handle that no store made. */
	struct db *db;
	assert_int_equal(db_open(rig->path, "INSERT INTO object VALUES(9, x'01', zeroblob(41))",
				 &db, error, sizeof(error)),
			 0);
	db_close(db);
	AUTO_FREE uint8_t *got = NULL;
	struct store_handle handle;
	size_t size;
	assert_int_equal(index_get(rig->ix, 9, &got, &size, &handle), MA_ECORRUPT);
	/* And the statement is free for the next. */
	put(rig->ix, 10, "ten");
	assert_row(rig->ix, 10, "ten");
}

struct reader {
	struct index *ix;
	atomic_bool *stop;
	unsigned int failures;
};

static void *read_rows(void *arg)
{
	struct reader *r = arg;

	for (uint64_t id = 0; !atomic_load(r->stop); id = (id + 1) % 50) {
		AUTO_FREE uint8_t *state = NULL;
		struct store_handle handle;
		size_t size;
		int code = index_get(r->ix, id, &state, &size, &handle);

		/* A row is one of those that were written, whole. */
		if (code == 0 && (size != 1000 || state[0] != state[999]))
			r->failures++;
		if (code < 0 && code != MA_EUNKNOWN)
			r->failures++;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct rig *rig = *state;
	atomic_bool stop = false;
	struct reader readers[2] = {{rig->ix, &stop, 0}, {rig->ix, &stop, 0}};
	pthread_t threads[2];
	uint8_t row[1000];

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_rows, &readers[i]), 0);
	for (int round = 0; round < 50; round++) {
		memset(row, round, sizeof(row));
		assert_int_equal(index_begin(rig->ix), 0);
		for (uint64_t id = 0; id < 50; id++)
			assert_int_equal(index_put(rig->ix, id, row, sizeof(row), &none), 0);
		assert_int_equal(index_commit(rig->ix), 0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].failures, 0);
	}
}

static void test_removed(void **state)
{
	struct rig *rig = *state;
	struct index_mark mark = {0};
	uint64_t ids[4];
	uint16_t slot = 1000 * SLOT_INCARNATIONS; /* negative numbers to the database */

	for (uint64_t seq = 1; seq <= 5; seq++)
		assert_int_equal(index_removed_put(rig->ix, stamp_make(slot, seq), 100 + seq), 0);
	assert_int_equal(index_removed_put(rig->ix, stamp_make((uint16_t)(slot + 1), 1), 200), 0);
	assert_int_equal(index_removed_delete(rig->ix, stamp_make(slot, 2), 102), 0);
	assert_int_equal(index_removed(rig->ix, slot, 4, &mark, ids, 2), 2);
	assert_true(ids[0] == 101 && ids[1] == 103);
	assert_int_equal(index_removed(rig->ix, slot, 4, &mark, ids, 2), 1);
	assert_int_equal(ids[0], 104);
	assert_int_equal(index_removed(rig->ix, slot, 4, &mark, ids, 2), 0);
}

static void test_inside(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(index_inside(rig->ix, 7), 0);
	for (uint64_t id = 1; id <= 2; id++) {
		assert_int_equal(index_inside_put(rig->ix, 7, id), 0);
		assert_int_equal(index_inside_put(rig->ix, 7, id), 0); /* twice is once */
	}
	assert_int_equal(index_inside_delete(rig->ix, 7, 1), 0);
	assert_int_equal(index_inside(rig->ix, 7), 1);
	assert_int_equal(index_inside_delete(rig->ix, 7, 2), 0);
	assert_int_equal(index_inside(rig->ix, 7), 0);
	assert_int_equal(index_inside(rig->ix, 8), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows),        TEST(test_values),
		TEST(test_transaction), TEST(test_failed_transaction),
		TEST(test_snapshot),    TEST(test_all_ids),
		TEST(test_changes),     TEST(test_changes_of_one_record),
		TEST(test_removed),     TEST(test_inside),
		TEST(test_refused),     TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
