/* links: replication/object_cache.c replication/object.c replication/index.c replication/stamp.c
 *        core/db.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The cache of objects: who stays in memory, what a flush writes and counts, what a failed flush
 * leaves, and many threads at it. */
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
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "replication/nameless.h"
#include "replication/object_state.h"

#define SLOT 64

struct rig {
	char dir[128];
	char path[160];
	struct index *ix;
	struct object_cache *c;
	pthread_rwlock_t barrier; /* as the pool's: changes shared, the flush's first half alone */
};

static void rig_open(struct rig *rig)
{
	char error[256];

	assert_int_equal(index_open(rig->path, &rig->ix, error, sizeof(error)), 0);
	assert_int_equal(object_cache_new(rig->ix, &rig->c), 0);
}

static void rig_close(struct rig *rig)
{
	object_cache_free(rig->c);
	index_close(rig->ix);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/cache-XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(rig->dir));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/index.db", rig->dir);
	(void)pthread_rwlock_init(&rig->barrier, NULL);
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	struct dirent *d;

	rig_close(rig);
	DIR *dir = opendir(rig->dir);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
	assert_int_equal(rmdir(rig->dir), 0);
	(void)pthread_rwlock_destroy(&rig->barrier);
	free(rig);
	return 0;
}

static uint64_t disk_bytes(void *arg, const struct store_handle *handle)
{
	(void)arg;
	return handle->bytes[0];
}

/* `fails`: the transaction is taken back. */
static void flush(struct rig *rig, bool fails)
{
	struct object_flush *f;

	(void)pthread_rwlock_wrlock(&rig->barrier);
	assert_int_equal(object_flush_take(rig->c, &f), 0);
	(void)pthread_rwlock_unlock(&rig->barrier);
	assert_int_equal(index_begin(rig->ix), 0);
	assert_int_equal(object_flush_write(rig->c, f, disk_bytes, NULL), 0);
	if (fails)
		index_rollback(rig->ix);
	else
		assert_int_equal(index_commit(rig->ix), 0);
	object_flush_done(rig->c, f, !fails);
}

static struct object *make(struct rig *rig, uint64_t id, mode_t type)
{
	struct object *o;

	assert_int_equal(object_add(rig->c, id, type, &o), 0);
	o->owner = o->times = id;
	o->content = S_ISREG(type) ? id : 0;
	return o;
}

/* 0 if there is none. */
static uint64_t content_of(struct rig *rig, uint64_t id)
{
	struct object *o;
	int r = object_get_raw(rig->c, id, &o);

	if (r == MA_EUNKNOWN)
		return 0;
	assert_int_equal(r, 0);
	uint64_t content = o->content;
	object_put(rig->c, o);
	return content;
}

static void put_row(struct rig *rig, uint64_t id, stamp_t content)
{
	struct object o = {.id = id, .type = S_IFREG, .content = content};
	static const struct store_handle none;
	AUTO_FREE uint8_t *bytes = NULL;
	size_t size;

	assert_int_equal(object_encode(&o, &bytes, &size), 0);
	assert_int_equal(index_put(rig->ix, id, bytes, size, &none), 0);
}

static void test_get(void **state)
{
	struct rig *rig = *state;
	struct object *o, *again;

	assert_int_equal(object_get(rig->c, 5, &o), MA_EUNKNOWN);
	o = make(rig, 5, S_IFREG | 0644);
	assert_true(o->id == 5 && o->type == S_IFREG);
	assert_int_equal(object_add(rig->c, 5, S_IFREG, &again), -EEXIST);
	assert_int_equal(object_get(rig->c, 5, &again), 0);
	assert_ptr_equal(o, again);
	object_put(rig->c, again);
	object_put(rig->c, o);
	object_put(rig->c, NULL);
	assert_int_equal(object_dirty_count(rig->c), 1);
	flush(rig, false);
	assert_int_equal(object_dirty_count(rig->c), 0);
	rig_close(rig);
	rig_open(rig);
	assert_true(content_of(rig, 5) == 5);
	assert_true(content_of(rig, 6) == 0);
}

static void test_alias(void **state)
{
	struct rig *rig = *state;
	struct object *a = make(rig, 10, S_IFDIR), *b = make(rig, 20, S_IFDIR);
	struct object *c = make(rig, 30, S_IFDIR), *got;

	b->alias_of = 10;
	c->alias_of = 20;
	object_put(rig->c, a);
	object_put(rig->c, b);
	object_put(rig->c, c);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(object_get(rig->c, 30, &got), 0);
		assert_true(got->id == 10);
		object_put(rig->c, got);
		for (uint64_t id = 20; id <= 30; id += 10) {
			assert_int_equal(object_get_raw(rig->c, id, &got), 0);
			assert_true(got->id == id && got->refs == 1);
			object_put(rig->c, got);
		}
		flush(rig, false);
		rig_close(rig);
		rig_open(rig);
	}
	/* All references are back: it can be dropped, and then leads nowhere. */
	assert_int_equal(object_get_raw(rig->c, 10, &got), 0);
	assert_int_equal(got->refs, 1);
	object_drop(rig->c, got);
	object_put(rig->c, got);
	assert_int_equal(object_get(rig->c, 30, &got), MA_EUNKNOWN);
}

static void test_link_at(void **state)
{
	struct rig *rig = *state;
	struct object *dir = make(rig, 10, S_IFDIR), *merged = make(rig, 20, S_IFDIR);
	struct object *o = make(rig, 64, S_IFREG);
	struct dentry *l;

	merged->alias_of = 10;
	assert_int_equal(object_link_set(o, 1, 20, "a.txt", 5, 1, &l), 0);
	assert_int_equal(object_link_set(o, 2, 10, "b", 1, 2, NULL), 0);
	assert_int_equal(object_link_set(o, 3, 99, "c", 1, 2, NULL), 0);
	assert_ptr_equal(object_link_at(rig->c, o, 10, "a.txt", 5), object_link(o, 1));
	assert_ptr_equal(object_link_at(rig->c, o, 10, "a.txtXX", 5), object_link(o, 1));
	assert_ptr_equal(object_link_at(rig->c, o, 10, "b", 1), object_link(o, 2));
	assert_null(object_link_at(rig->c, o, 10, "a.tx", 4));
	assert_null(object_link_at(rig->c, o, 11, "b", 1));
	assert_null(object_link_at(rig->c, o, 10, "c", 1)); /* its directory is unknown */
	/* As it is shown: not under its plain name while another has that. */
	object_link(o, 1)->conflict = true;
	assert_null(object_link_at(rig->c, o, 10, "a.txt", 5));
	assert_non_null(object_link_at(rig->c, o, 10, "a.conflict-0-1.txt", 18));
	object_link(o, 2)->dead = true;
	assert_null(object_link_at(rig->c, o, 10, "b", 1));
	object_put(rig->c, dir);
	object_put(rig->c, merged);
	object_put(rig->c, o);
	/* No reference to a directory was left over. */
	assert_int_equal(object_get_raw(rig->c, 10, &dir), 0);
	assert_int_equal(dir->refs, 1);
	object_put(rig->c, dir);
}

/* Many more than the cache holds: the oldest go, those that are referenced or dirty stay. Whether
 * one stayed is seen by changing its row behind the cache's back. */
static void test_bound(void **state)
{
	const uint64_t many = OBJECT_CACHE_MAX + 1000;
	struct rig *rig = *state;
	struct object *held, *changed, *again;

	assert_int_equal(index_begin(rig->ix), 0);
	for (uint64_t id = 1; id <= many; id++)
		put_row(rig, id, 7);
	assert_int_equal(index_commit(rig->ix), 0);
	assert_int_equal(object_get(rig->c, 1, &held), 0);
	assert_int_equal(object_get(rig->c, 2, &changed), 0);
	changed->content = 8;
	object_dirty(rig->c, changed);
	object_put(rig->c, changed);
	for (uint64_t id = 3; id <= many; id++)
		assert_true(content_of(rig, id) == 7);
	/* Used again just now: not the oldest any more. */
	assert_true(content_of(rig, many - OBJECT_CACHE_MAX + 1) == 7);
	assert_int_equal(index_begin(rig->ix), 0);
	for (uint64_t id = 1; id <= many; id++)
		put_row(rig, id, 9);
	assert_int_equal(index_commit(rig->ix), 0);
	/* The newest first: looking at those that are gone would push others out. */
	for (uint64_t id = many; id > many - OBJECT_CACHE_MAX; id--)
		assert_true(content_of(rig, id) == 7);
	for (uint64_t id = 3; id < 10; id++)
		assert_true(content_of(rig, id) == 9);
	assert_int_equal(object_get(rig->c, 1, &again), 0);
	assert_ptr_equal(again, held);
	assert_true(held->content == 7);
	object_put(rig->c, again);
	object_put(rig->c, held);
	assert_true(content_of(rig, 2) == 8);
	/* Once it is flushed it may go as well. */
	flush(rig, false);
	for (uint64_t id = 3; id <= many; id++)
		(void)content_of(rig, id);
	put_row(rig, 2, 10);
	assert_true(content_of(rig, 2) == 10);
}

static size_t changes(struct rig *rig, uint16_t slot, uint64_t *ret)
{
	struct index_mark mark = {.whole = true};
	int n = index_changes(rig->ix, slot, &mark, ret, 64);

	assert_true(n >= 0);
	return (size_t)n;
}

/* The table of changes says which objects a stamp concerns: no more, no less, after each flush. */
static void test_changes(void **state)
{
	struct rig *rig = *state;
	struct object *file = make(rig, stamp_make(SLOT, 10), S_IFREG);
	struct object *dir = make(rig, stamp_make(SLOT, 5), S_IFDIR);
	uint64_t ids[64];

	assert_int_equal(object_link_set(file, file->id, dir->id, "a", 1, file->id, NULL), 0);
	dir->times = file->id; /* one record, two objects */
	flush(rig, false);
	assert_int_equal(changes(rig, 0, ids), 0);
	assert_int_equal(changes(rig, SLOT, ids), 3);
	assert_true(ids[0] == dir->id && ids[1] + ids[2] == dir->id + file->id);
	/* The directory is touched again, the file written by another node. */
	dir->times = stamp_make(SLOT, 20);
	file->content = stamp_make(128, 7);
	assert_int_equal(object_leaf_add(file, stamp_make(128, 6), true), 0);
	assert_int_equal(object_xattr_set(file, "user.a", 6, stamp_make(192, 3)), 0);
	assert_int_equal(object_mark(file, stamp_make(256, 9)), 0);
	object_dirty(rig->c, dir);
	object_dirty(rig->c, file);
	flush(rig, false);
	assert_int_equal(changes(rig, SLOT, ids), 3);
	assert_true(ids[0] == dir->id && ids[1] == file->id && ids[2] == dir->id);
	assert_int_equal(changes(rig, 128, ids), 2);
	assert_int_equal(changes(rig, 192, ids), 1);
	assert_int_equal(changes(rig, 256, ids), 1);
	/* The same from memory and from the row. */
	uint64_t id = file->id;
	object_put(rig->c, file);
	object_put(rig->c, dir);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(object_get(rig->c, id, &file), 0);
	object_leaf_remove(file, stamp_make(128, 6));
	file->removed = stamp_make(192, 9);
	object_dirty(rig->c, file);
	flush(rig, false);
	assert_int_equal(changes(rig, 128, ids), 1);
	assert_int_equal(changes(rig, 192, ids), 2);
	object_drop(rig->c, file);
	object_put(rig->c, file);
	flush(rig, false);
	assert_int_equal(changes(rig, 128, ids) + changes(rig, 192, ids), 0);
	assert_int_equal(changes(rig, SLOT, ids), 2);
}

static void expect_hash(struct rig *rig, const uint64_t *ids, size_t count)
{
	uint8_t want[STATE_HASH_SIZE] = {0}, got[STATE_HASH_SIZE];

	for (size_t i = 0; i < count; i++) {
		uint8_t one[STATE_HASH_SIZE];
		struct object *o;
		assert_int_equal(object_get_raw(rig->c, ids[i], &o), 0);
		object_hash(o, one);
		object_put(rig->c, o);
		for (size_t k = 0; k < sizeof(one); k++)
			want[k] ^= one[k];
	}
	object_state_hash(rig->c, got);
	assert_memory_equal(got, want, sizeof(got));
}

static void expect_counts(struct rig *rig, uint64_t files, uint64_t conflicts, uint64_t bytes)
{
	uint64_t f, c, b;

	object_counts(rig->c, &f, &c, &b);
	assert_int_equal(f, files);
	assert_int_equal(c, conflicts);
	assert_int_equal(b, bytes);
}

/* Those that have conflicts, as found without a walk over all. */
static void expect_listed(struct rig *rig, const uint64_t *ids, int count)
{
	uint64_t got[4];

	assert_int_equal(index_conflicts(rig->ix, 0, got, 4), count);
	for (int i = 0; i < count; i++)
		assert_true(got[i] == ids[i]);
}

static void test_counts(void **state)
{
	struct rig *rig = *state;
	uint8_t summary[OBJECT_SUMMARY_SIZE];
	static const uint64_t ids[] = {11, 12, 13};
	struct object *o[3];

	for (size_t i = 0; i < 3; i++) {
		o[i] = make(rig, ids[i], S_IFREG);
		assert_int_equal(object_link_set(o[i], ids[i], 1, "n", 1, ids[i], NULL), 0);
		o[i]->handle = (struct store_handle){.size = 1, .bytes = {(uint8_t)(100 + i)}};
	}
	/* Nothing counts before a flush: the hash is of what the index says. */
	expect_hash(rig, NULL, 0);
	expect_counts(rig, 0, 0, 0);
	flush(rig, false);
	expect_hash(rig, ids, 3);
	expect_counts(rig, 3, 0, 303);
	expect_listed(rig, ids, 0);
	object_link(o[0], 11)->conflict = true;
	assert_int_equal(object_link_set(o[0], 14, 1, "dead", 4, 14, NULL), 0);
	object_link(o[0], 14)->conflict = object_link(o[0], 14)->dead = true;
	assert_int_equal(object_leaf_add(o[1], 5, true), 0);
	assert_int_equal(object_leaf_add(o[1], 6, false), 0);
	o[2]->handle.bytes[0] = 50;
	for (size_t i = 0; i < 3; i++)
		object_dirty(rig->c, o[i]);
	flush(rig, false);
	expect_hash(rig, ids, 3);
	expect_counts(rig, 3, 3, 251);
	expect_listed(rig, ids, 2);
	/* Dead ones count in nothing. */
	o[1]->dead = true;
	object_dirty(rig->c, o[1]);
	flush(rig, false);
	expect_hash(rig, ids, 3);
	expect_counts(rig, 2, 1, 150);
	/* A flush of the same changes nothing; and all of it goes over a restart. */
	object_dirty(rig->c, o[0]);
	flush(rig, false);
	expect_counts(rig, 2, 1, 150);
	expect_listed(rig, ids, 1);
	object_summary(rig->c, summary);
	for (size_t i = 0; i < 3; i++)
		object_put(rig->c, o[i]);
	rig_close(rig);
	rig_open(rig);
	object_summary_set(rig->c, summary);
	expect_hash(rig, ids, 3);
	expect_counts(rig, 2, 1, 150);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(object_get_raw(rig->c, ids[i], &o[i]), 0);
		object_drop(rig->c, o[i]);
		object_put(rig->c, o[i]);
	}
	expect_listed(rig, ids, 1);
	flush(rig, false);
	expect_hash(rig, NULL, 0);
	expect_counts(rig, 0, 0, 0);
	expect_listed(rig, ids, 0);
}

/* A change between the two halves of a flush belongs to the next. */
static void test_change_while_flushing(void **state)
{
	struct rig *rig = *state;
	struct object *o = make(rig, 5, S_IFREG), *p = make(rig, 6, S_IFREG);
	struct object_flush *f;

	assert_int_equal(object_flush_take(rig->c, &f), 0);
	assert_int_equal(object_flush_count(f), 2);
	assert_int_equal(object_dirty_count(rig->c), 0);
	o->content = 77;
	object_dirty(rig->c, o);
	object_dirty(rig->c, o);
	assert_int_equal(object_dirty_count(rig->c), 1);
	/* Whoever lets go now does not take it away from the flush. */
	object_put(rig->c, o);
	object_put(rig->c, p);
	assert_int_equal(object_flush_write(rig->c, f, disk_bytes, NULL), 0);
	object_flush_done(rig->c, f, true);
	rig_close(rig);
	rig_open(rig);
	assert_true(content_of(rig, 5) == 5);
	assert_true(content_of(rig, 6) == 6);
}

/* After a flush that failed all is as before it: the next one does the whole work, also for what
 * was dropped, and nobody reads an old row meanwhile. */
static void test_flush_fails(void **state)
{
	struct rig *rig = *state;
	struct object *o = make(rig, stamp_make(SLOT, 10), S_IFREG);
	struct object *gone = make(rig, stamp_make(SLOT, 11), S_IFREG);
	uint64_t id = o->id, gone_id = gone->id;
	uint64_t ids[64];

	flush(rig, false);
	o->content = stamp_make(SLOT, 20);
	o->handle = (struct store_handle){.size = 1, .bytes = {9}};
	object_dirty(rig->c, o);
	object_put(rig->c, o);
	object_drop(rig->c, gone);
	object_put(rig->c, gone);
	flush(rig, true);
	assert_int_equal(object_dirty_count(rig->c), 2);
	flush(rig, true);
	assert_int_equal(object_dirty_count(rig->c), 2);
	assert_int_equal(changes(rig, SLOT, ids), 2);
	assert_true(content_of(rig, gone_id) == 0);
	/* More than the cache holds come by: it is not forgotten. */
	assert_int_equal(index_begin(rig->ix), 0);
	for (uint64_t i = 1; i <= OBJECT_CACHE_MAX + 100; i++)
		put_row(rig, i, 7);
	assert_int_equal(index_commit(rig->ix), 0);
	for (uint64_t i = 1; i <= OBJECT_CACHE_MAX + 100; i++)
		(void)content_of(rig, i);
	assert_true(content_of(rig, id) == stamp_make(SLOT, 20));
	flush(rig, false);
	assert_int_equal(object_dirty_count(rig->c), 0);
	assert_int_equal(changes(rig, SLOT, ids), 2);
	assert_true(ids[0] == id && ids[1] == id);
	expect_hash(rig, &id, 1);
	expect_counts(rig, 1, 0, 9);
	rig_close(rig);
	rig_open(rig);
	assert_true(content_of(rig, id) == stamp_make(SLOT, 20));
	assert_true(content_of(rig, gone_id) == 0);
}

static void test_drop(void **state)
{
	struct rig *rig = *state;
	struct object *o = make(rig, 5, S_IFREG), *again;

	/* Never flushed: it leaves nothing behind. */
	object_drop(rig->c, o);
	assert_int_equal(object_get(rig->c, 5, &again), MA_EUNKNOWN);
	object_put(rig->c, o);
	assert_int_equal(object_get(rig->c, 5, &again), MA_EUNKNOWN);
	flush(rig, false);
	assert_true(content_of(rig, 5) == 0);
	/* Dropped and made again before the flush: a new one, without what it had. */
	o = make(rig, 6, S_IFREG);
	assert_int_equal(object_link_set(o, 6, 1, "old", 3, 6, NULL), 0);
	assert_int_equal(object_leaf_add(o, 3, true), 0);
	assert_int_equal(object_xattr_set(o, "user.a", 6, 4), 0);
	o->handle.size = 3;
	flush(rig, false);
	object_drop(rig->c, o);
	object_put(rig->c, o);
	o = make(rig, 6, S_IFDIR);
	assert_true(o->type == S_IFDIR && !o->dead && !o->gone);
	assert_int_equal(o->link_count + o->leaf_count + o->xattr_count + o->handle.size, 0);
	object_put(rig->c, o);
	flush(rig, false);
	expect_counts(rig, 1, 0, 0);
	rig_close(rig);
	rig_open(rig);
	uint64_t ids[64];
	assert_int_equal(changes(rig, 0, ids), 1);
	assert_int_equal(object_get(rig->c, 6, &o), 0);
	assert_true(o->type == S_IFDIR && o->link_count == 0);
	object_put(rig->c, o);
}

/* Made anew while the flush that takes it away is under way: its stamps go in with the next one. */
static void test_made_again_while_flushing(void **state)
{
	struct rig *rig = *state;
	uint64_t id = stamp_make(SLOT, 10), ids[64];
	struct object *o = make(rig, id, S_IFREG);
	struct object_flush *f;

	flush(rig, false);
	object_drop(rig->c, o);
	object_put(rig->c, o);
	assert_int_equal(object_flush_take(rig->c, &f), 0);
	o = make(rig, id, S_IFREG);
	assert_int_equal(object_flush_write(rig->c, f, disk_bytes, NULL), 0);
	object_flush_done(rig->c, f, true);
	assert_int_equal(changes(rig, SLOT, ids), 0);
	object_put(rig->c, o);
	flush(rig, false);
	assert_int_equal(changes(rig, SLOT, ids), 1);
	assert_true(content_of(rig, id) == id);
}

static void test_damaged_row(void **state)
{
	struct rig *rig = *state;
	static const struct store_handle none;
	struct object other = {.id = 8, .type = S_IFREG};
	AUTO_FREE uint8_t *bytes = NULL;
	struct object *o;
	size_t size;

	assert_int_equal(index_put(rig->ix, 7, "nothing", 7, &none), 0);
	assert_int_equal(object_get(rig->c, 7, &o), MA_ECORRUPT);
	/* A row that says it is another object. */
	assert_int_equal(object_encode(&other, &bytes, &size), 0);
	assert_int_equal(index_put(rig->ix, 7, bytes, size, &none), 0);
	assert_int_equal(object_get(rig->c, 7, &o), MA_ECORRUPT);
}

#define THREADS 4
#define OBJECTS 200
#define ROUNDS  3000

struct worker {
	struct rig *rig;
	pthread_mutex_t *locks;
	unsigned int seed;
	unsigned int failures;
};

static void *change_some(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t id = 1 + (uint64_t)rand_r(&w->seed) % OBJECTS;
		struct object *o;

		(void)pthread_rwlock_rdlock(&w->rig->barrier);
		int r = object_get(w->rig->c, id, &o);
		if (r == MA_EUNKNOWN)
			r = object_add(w->rig->c, id, S_IFREG, &o);
		if (r == 0) {
			(void)pthread_mutex_lock(&w->locks[id % 8]);
			o->content++;
			object_dirty(w->rig->c, o);
			(void)pthread_mutex_unlock(&w->locks[id % 8]);
			object_put(w->rig->c, o);
		} else if (r != -EEXIST) { /* another thread made it just now */
			w->failures++;
		}
		(void)pthread_rwlock_unlock(&w->rig->barrier);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct rig *rig = *state;
	pthread_mutex_t locks[8];
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t all[OBJECTS];

	for (size_t i = 0; i < 8; i++)
		(void)pthread_mutex_init(&locks[i], NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.rig = rig, .locks = locks, .seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, change_some, &workers[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		flush(rig, i % 5 == 4);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].failures, 0);
	}
	flush(rig, false);
	for (uint64_t i = 0; i < OBJECTS; i++)
		all[i] = i + 1;
	expect_hash(rig, all, OBJECTS);
	uint64_t in_memory[OBJECTS];
	for (uint64_t i = 0; i < OBJECTS; i++)
		in_memory[i] = content_of(rig, i + 1);
	rig_close(rig);
	rig_open(rig);
	for (uint64_t i = 0; i < OBJECTS; i++)
		assert_true(content_of(rig, i + 1) == in_memory[i]);
	for (size_t i = 0; i < 8; i++)
		(void)pthread_mutex_destroy(&locks[i]);
}

/* Kept by its descriptors while it has no name, unknown to the index; then one like all others. */
static void nameless(void **state)
{
	struct rig *rig = *state;
	struct object *o, *again;

	assert_int_equal(object_add_nameless(rig->c, 100, S_IFREG, &o), 0);
	assert_int_equal(object_add_nameless(rig->c, 100, S_IFREG, &again), -EEXIST);
	object_pin(rig->c, o);
	object_pin(rig->c, o);
	object_dirty(rig->c, o);
	object_put(rig->c, o);
	assert_int_equal(object_dirty_count(rig->c), 0);
	object_unpin(rig->c, 100);
	object_unpin(rig->c, 999);
	assert_int_equal(object_get(rig->c, 100, &o), 0);
	assert_true(o->nameless && o->dead);
	object_put(rig->c, o);
	object_unpin(rig->c, 100);
	assert_int_equal(object_get(rig->c, 100, &o), MA_EUNKNOWN);

	assert_int_equal(object_add_nameless(rig->c, 101, S_IFREG, &o), 0);
	object_pin(rig->c, o);
	object_name(rig->c, o);
	object_pin(rig->c, o);
	assert_false(o->nameless || o->dead);
	assert_int_equal(object_dirty_count(rig->c), 1);
	object_put(rig->c, o);
	object_unpin(rig->c, 101);
	object_unpin(rig->c, 101);
	flush(rig, false);
	assert_int_equal(object_get(rig->c, 101, &o), 0);
	object_put(rig->c, o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nameless),
		TEST(test_get),
		TEST(test_alias),
		TEST(test_link_at),
		TEST(test_bound),
		TEST(test_changes),
		TEST(test_counts),
		TEST(test_change_while_flushing),
		TEST(test_flush_fails),
		TEST(test_drop),
		TEST(test_made_again_while_flushing),
		TEST(test_damaged_row),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
