/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Large writes, whose bytes the journal names and does not carry: they go to the disk once, arrive
 * as they were, are there when a sync has promised so, and a crash shows what is missing of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/auto.h"
#include "net/message.h"
#include "replication/commit.h"
#include "tests/lib/pool_rig.h"
#include "tests/sim/store_mem.h"

#define LARGE (200u << 10)
#define SEEDS 30

/* What the file holds where `fill` was written: no two stretches alike. */
static uint8_t *bytes_of(uint8_t fill, size_t size)
{
	uint8_t *bytes = malloc(size);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(fill + i / 4096 * 7 + i % 11);
	return bytes;
}

static void put(struct pool_rig *rig, uint16_t node, uint8_t fill, size_t size)
{
	AUTO_FREE uint8_t *bytes = bytes_of(fill, size);

	rig_put_bytes(rig, node, "/f", bytes, size);
}

static ssize_t write_at(struct pool_rig *rig, uint16_t node, uint8_t fill, size_t size,
			off_t offset)
{
	AUTO_FREE uint8_t *bytes = bytes_of(fill, size);
	struct pool *p = rig->nodes[node].p;
	uint64_t id = rig_id(rig, node, "/f");
	int fd;

	assert_int_equal(pool_open(p, id, O_RDWR, &fd), 0);
	ssize_t n = pool_write(p, id, fd, bytes, size, offset, 0);
	pool_close(p, id, fd);
	return n;
}

static int sync_file(struct pool_rig *rig, uint16_t node)
{
	return pool_fsync(rig->nodes[node].p, rig_id(rig, node, "/f"), -1, false);
}

static size_t size_of(struct pool_rig *rig, uint16_t node)
{
	struct stat st;

	assert_int_equal(pool_getattr(rig->nodes[node].p, rig_id(rig, node, "/f"), &st), 0);
	return (size_t)st.st_size;
}

static bool holds(struct pool_rig *rig, uint16_t node, uint8_t fill, size_t size, off_t offset)
{
	AUTO_FREE uint8_t *want = bytes_of(fill, size);
	AUTO_FREE uint8_t *got = calloc(1, size);
	struct pool *p = rig->nodes[node].p;
	uint64_t id = rig_id(rig, node, "/f");
	int fd;

	assert_non_null(got);
	assert_int_equal(pool_open(p, id, O_RDONLY, &fd), 0);
	ssize_t n = p->store->ops->read(p->store, NULL, fd, got, size, offset);
	pool_close(p, id, fd);
	return n == (ssize_t)size && memcmp(want, got, size) == 0;
}

/* --- a store that fails, counts, or loses --- */

struct faults {
	struct store_ops ops; /* first: the store's table */
	const struct store_ops *real;
	int sync_error;
	unsigned int syncs;
	bool lose; /* writes of much are lost but for their first half */
};

static struct faults *faults_of(struct store *store)
{
	return (struct faults *)(uintptr_t)store->ops;
}

static int counted_sync(struct store *store, const struct store_handle *object)
{
	struct faults *f = faults_of(store);

	f->syncs++;
	return f->sync_error ? f->sync_error : f->real->sync_data(store, object);
}

static int lost_write(struct store *store, const struct store_handle *object, int fd,
		      const void *data, size_t size, off_t offset)
{
	struct faults *f = faults_of(store);

	return f->real->write(store, object, fd, data, f->lose && size >= LARGE ? size / 2 : size,
			      offset);
}

static void faults_begin(struct pool_rig *rig, uint16_t node, struct faults *f)
{
	struct store *store = rig->nodes[node].store;

	*f = (struct faults){.ops = *store->ops, .real = store->ops};
	f->ops.sync_data = counted_sync;
	f->ops.write = lost_write;
	store->ops = &f->ops;
}

static void faults_end(struct pool_rig *rig, uint16_t node, struct faults *f)
{
	rig->nodes[node].store->ops = f->real;
}

/* --- */

static void test_once(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	put(&rig, 1, 1, 10);
	rig_settle(&rig);
	uint64_t journal[4];
	for (uint16_t i = 1; i <= 3; i++)
		journal[i] = journal_tail(rig.nodes[i].p->journal);
	uint64_t sent = rig.sent_bytes;
	put(&rig, 1, 2, LARGE);
	rig_settle(&rig);
	for (uint16_t i = 1; i <= 3; i++) {
		assert_true(holds(&rig, i, 2, LARGE, 0));
		assert_in_range(journal_tail(rig.nodes[i].p->journal) - journal[i], 1, 4096);
	}
	assert_in_range(rig.sent_bytes - sent, 2 * LARGE, 2 * LARGE + 8192);
	assert_int_equal(rig.sent[MESSAGE_FETCH], 0);
	/* Up to the limit a record carries what it writes. */
	journal[1] = journal_tail(rig.nodes[1].p->journal);
	put(&rig, 1, 3, RECORD_INLINE_MAX);
	assert_true(journal_tail(rig.nodes[1].p->journal) - journal[1] > RECORD_INLINE_MAX);
	pool_rig_done(&rig);
}

static void test_sync(void **state)
{
	struct pool_rig rig;
	struct faults f;

	(void)state;
	pool_rig_init(&rig, 1);
	faults_begin(&rig, 1, &f);
	put(&rig, 1, 1, 100);
	assert_int_equal(sync_file(&rig, 1), 0);
	assert_int_equal(f.syncs, 0); /* the journal has it all */
	put(&rig, 1, 2, LARGE);
	assert_int_equal(write_at(&rig, 1, 3, LARGE, LARGE), LARGE);
	assert_int_equal(sync_file(&rig, 1), 0);
	assert_int_equal(f.syncs, 1);
	assert_int_equal(sync_file(&rig, 1), 0);
	assert_int_equal(f.syncs, 1);
	f.sync_error = -EIO;
	assert_int_equal(write_at(&rig, 1, 4, LARGE, 0), LARGE);
	assert_int_equal(sync_file(&rig, 1), -EIO);
	/* The pages may be gone: the next one must not pretend that all is well. */
	f.sync_error = 0;
	assert_int_equal(sync_file(&rig, 1), -EIO);
	faults_end(&rig, 1, &f);
	pool_rig_done(&rig);
}

/* A peer promises with its acknowledgement what the origin does with fsync(2). */
static void test_acknowledged(void **state)
{
	struct pool_rig rig;
	struct faults f;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	put(&rig, 1, 1, 10);
	rig_settle(&rig);
	faults_begin(&rig, 2, &f);
	put(&rig, 1, 2, LARGE);
	rig_settle(&rig);
	assert_in_range(f.syncs, 1, 2);
	faults_end(&rig, 2, &f);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		rig_power_cut(&rig, 2, seed);
		rig_start(&rig, 2);
		assert_true(holds(&rig, 2, 2, LARGE, 0));
	}
	pool_rig_done(&rig);
}

/* By the log, bytes that were overwritten before they were sent do not exist any more. */
static void test_overwritten(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	put(&rig, 1, 1, LARGE);
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	assert_int_equal(write_at(&rig, 1, 2, LARGE, 4096), LARGE);
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	assert_int_equal(write_at(&rig, 1, 3, 100, 50), 100);
	rig_link_all(&rig);
	rig_settle(&rig);
	assert_true(holds(&rig, 2, 2, LARGE, 4096));
	assert_true(holds(&rig, 2, 3, 100, 50));
	assert_true(rig.sent[MESSAGE_FETCH] > 0);
	pool_rig_done(&rig);
}

/* What is not what the batch says is not applied, and the peer is held. */
static void test_other_bytes(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	put(&rig, 1, 1, 10);
	rig_settle(&rig);
	put(&rig, 1, 2, LARGE);
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	struct rig_message *m = rig.first;
	while (m && m->type != MESSAGE_BATCH_BYTES)
		m = m->next;
	assert_non_null(m);
	m->body[m->size - 1] ^= 1;
	while (rig_deliver(&rig))
		;
	assert_true(holds(&rig, 2, 1, 10, 0));
	assert_int_equal(size_of(&rig, 2), 10);
	/* Tried again, it comes as it should be. */
	rig_settle(&rig);
	assert_true(holds(&rig, 2, 2, LARGE, 0));
	pool_rig_done(&rig);
}

/* The end came in the middle of a write: what of it is there counts, on all nodes. */
static void test_killed(void **state)
{
	struct pool_rig rig;
	struct faults f;

	(void)state;
	for (int before = 0; before < 2; before++) {
		pool_rig_init(&rig, 2);
		if (before)
			put(&rig, 1, 1, LARGE + 4096);
		else
			put(&rig, 1, 1, 10);
		assert_int_equal(commit_flush(rig.nodes[1].p), 0);
		faults_begin(&rig, 1, &f);
		f.lose = true;
		assert_int_equal(write_at(&rig, 1, 2, LARGE, 0), LARGE);
		faults_end(&rig, 1, &f);
		rig_kill(&rig, 1);
		rig_start(&rig, 1);
		rig_link_all(&rig);
		rig_settle(&rig);
		for (uint16_t i = 1; i <= 2; i++) {
			assert_true(holds(&rig, i, 2, LARGE / 2, 0));
			assert_int_equal(size_of(&rig, i), before ? LARGE + 4096 : LARGE / 2);
		}
		/* What it replaced does not exist any more. */
		assert_int_equal(rig.sent[MESSAGE_FETCH] > 0, before);
		pool_rig_done(&rig);
	}
}

/* Repeating the journal must not do to the bytes what was done before they were written. */
static void test_repeated(void **state)
{
	struct pool_rig rig;
	struct pool_attr cut = {.valid = POOL_ATTR_SIZE, .size = 5000};
	struct stat st;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		pool_rig_init(&rig, 1);
		put(&rig, 1, 1, 30000);
		assert_int_equal(write_at(&rig, 1, 2, 3000, 100000), 3000);
		assert_int_equal(pool_setattr(rig.nodes[1].p, rig_id(&rig, 1, "/f"), -1, &cut, &st),
				 0);
		assert_int_equal(write_at(&rig, 1, 3, LARGE, 8192), LARGE);
		assert_int_equal(sync_file(&rig, 1), 0);
		assert_int_equal(write_at(&rig, 1, 4, 100, 20000), 100);
		assert_int_equal(sync_file(&rig, 1), 0);
		if (seed == 0)
			rig_kill(&rig, 1);
		else
			rig_power_cut(&rig, 1, seed);
		rig_start(&rig, 1);
		assert_true(holds(&rig, 1, 1, 5000, 0));
		assert_true(holds(&rig, 1, 4, 100, 20000));
		assert_true(holds(&rig, 1, 3, 8192, 8192));
		assert_int_equal(size_of(&rig, 1), LARGE + 8192);
		AUTO_FREE uint8_t *all = bytes_of(3, LARGE);
		AUTO_FREE uint8_t *rest = malloc(LARGE);
		struct pool *p = rig.nodes[1].p;
		AUTO_REF struct object_ref o = {.cache = p->cache};
		assert_int_equal(object_get(p->cache, rig_id(&rig, 1, "/f"), &o.o), 0);
		assert_int_equal(p->store->ops->read(p->store, &o.o->handle, -1, rest, LARGE, 8192),
				 LARGE);
		assert_memory_equal(rest + 12000, all + 12000, LARGE - 12000);
		object_ref_end(&o);
		o.o = NULL;
		pool_rig_done(&rig);
	}
}

/* What was sent and not synced is lost by its author: peers have it. */
static void test_power_cut(void **state)
{
	struct pool_rig rig;
	uint64_t fetched = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		pool_rig_init(&rig, 2);
		rig_link_all(&rig);
		put(&rig, 1, 1, LARGE);
		rig_settle(&rig);
		assert_int_equal(sync_file(&rig, 1), 0);
		uint64_t before = rig.sent[MESSAGE_FETCH];
		assert_int_equal(write_at(&rig, 1, 2, LARGE, 0), LARGE);
		assert_int_equal(commit_seal(rig.nodes[1].p), 0);
		while (rig_deliver(&rig))
			;
		assert_true(holds(&rig, 2, 2, LARGE, 0));
		rig_power_cut(&rig, 1, seed);
		rig_start(&rig, 1);
		rig_link_all(&rig);
		rig_settle(&rig);
		fetched += rig.sent[MESSAGE_FETCH] - before;
		assert_true(holds(&rig, 1, 2, LARGE, 0));
		assert_true(holds(&rig, 2, 2, LARGE, 0));
		pool_rig_done(&rig);
	}
	assert_true(fetched > 0);
}

/* Nobody has it: what is left counts, the same on all nodes. */
static void test_nobody_has(void **state)
{
	struct pool_rig rig;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		pool_rig_init(&rig, 2);
		rig_link_all(&rig);
		put(&rig, 1, 1, LARGE);
		rig_settle(&rig);
		assert_int_equal(sync_file(&rig, 1), 0);
		rig_cut_all(&rig);
		assert_int_equal(write_at(&rig, 1, 2, LARGE, 4096), LARGE);
		assert_int_equal(commit_seal(rig.nodes[1].p), 0);
		rig_power_cut(&rig, 1, seed);
		rig_start(&rig, 1);
		/* An application goes on with what it finds. */
		if (seed % 2)
			assert_int_equal(write_at(&rig, 1, 3, 500, 100), 500);
		rig_link_all(&rig);
		rig_settle(&rig);
		assert_true(!(seed % 2) || holds(&rig, 2, 3, 500, 100));
		assert_int_equal(rig_count(&rig, 2, "/", ".conflict-"), 0);
		pool_rig_done(&rig);
	}
}

/* Bytes that did not come are known as missing after a kill, too. */
static void test_absent_and_killed(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	put(&rig, 1, 1, LARGE);
	rig_settle(&rig);
	rig_cut_all(&rig);
	assert_int_equal(write_at(&rig, 1, 2, LARGE, 0), LARGE);
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	assert_int_equal(write_at(&rig, 1, 3, 100, 4000), 100);
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	rig_link_all(&rig);
	while (rig_deliver(&rig))
		;
	rig_kill(&rig, 2);
	rig_start(&rig, 2);
	rig_link_all(&rig);
	rig_settle(&rig);
	assert_true(holds(&rig, 2, 2, 4000, 0));
	assert_true(holds(&rig, 2, 3, 100, 4000));
	pool_rig_done(&rig);
}

/* Who has what was lost comes only after it was given up: it gets what the others have. */
static void test_given_up(void **state)
{
	struct pool_rig rig;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		pool_rig_init(&rig, 3);
		rig_link_all(&rig);
		put(&rig, 1, 1, LARGE);
		rig_settle(&rig);
		assert_int_equal(sync_file(&rig, 1), 0);
		rig_cut(&rig, 1, 2);
		rig_cut(&rig, 2, 3);
		assert_int_equal(write_at(&rig, 1, 2, LARGE, 0), LARGE);
		assert_int_equal(commit_seal(rig.nodes[1].p), 0);
		while (rig_deliver(&rig))
			;
		rig_power_cut(&rig, 1, seed);
		rig_start(&rig, 1);
		rig_link(&rig, 1, 2);
		rig_run(&rig);
		rig_link_all(&rig);
		rig_settle(&rig);
		pool_rig_done(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),         cmocka_unit_test(test_sync),
		cmocka_unit_test(test_acknowledged), cmocka_unit_test(test_overwritten),
		cmocka_unit_test(test_other_bytes),  cmocka_unit_test(test_killed),
		cmocka_unit_test(test_repeated),     cmocka_unit_test(test_power_cut),
		cmocka_unit_test(test_nobody_has),   cmocka_unit_test(test_absent_and_killed),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
