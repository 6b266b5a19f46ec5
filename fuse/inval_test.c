/* links: fuse/inval.c fuse/changes.c fuse/known.c core/log.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Peers' changes on their way to the kernel: what is queued, what is left out, what the full queue
 * means, and that an answer overtaken by a notice is followed by another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/inval.h"

#define LAST 999999u /* queued behind what a test looks at */

static struct changes *changes_made(void)
{
	struct changes *changes = NULL;

	assert_int_equal(changes_new(&changes), 0);
	changes_known(changes, 1, LAST);
	return changes;
}

/* What is queued, as "i7 a8 e1/name ", in order. */
static void expect_queued(struct changes *changes, const char *expected)
{
	static const char letters[] = {[CHANGE_ATTR] = 'a',
				       [CHANGE_INODE] = 'i',
				       [CHANGE_ENTRY] = 'e',
				       [CHANGE_EVERYTHING] = '*'};
	char text[1024] = "";
	size_t used = 0;

	changes_again(changes, LAST);
	struct change *batch = changes_take(changes);
	for (const struct change *c = batch; c && c->id != LAST; c = c->next)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%llu%s%s ",
					 letters[c->kind], (unsigned long long)c->id,
					 c->name[0] ? "/" : "", c->name);
	change_free(batch);
	assert_string_equal(text, expected);
}

static void test_known(void **state)
{
	static const uint64_t ids[] = {1, 2, 2047, 2048, 1ull << 48, (1ull << 48) + 5, UINT64_MAX};
	const size_t count = sizeof(ids) / sizeof(ids[0]);
	uint64_t page[KNOWN_PAGE_IDS];
	struct known known;
	size_t at = 0;
	size_t found = 0;
	size_t n;

	(void)state;
	known_init(&known);
	assert_false(known_has(&known, 1));
	for (size_t i = 0; i < count; i++)
		known_add(&known, ids[i]);
	for (size_t i = 0; i < count; i++)
		assert_true(known_has(&known, ids[i]));
	assert_false(known_has(&known, 3));
	assert_false(known_has(&known, (1ull << 48) + 4));
	while (known_walk(&known, &at, page, &n)) {
		for (size_t i = 0; i < n; i++)
			assert_true(known_has(&known, page[i]));
		found += n;
	}
	assert_int_equal(found, count);
	known_done(&known);
}

/* Ids that lie far apart fill the table; then it says yes to all instead of forgetting one. */
static void test_known_limit(void **state)
{
	struct known known;

	(void)state;
	known_init(&known);
	for (uint64_t i = 0; i < KNOWN_PAGES_MAX; i++)
		known_add(&known, i * KNOWN_PAGE_IDS);
	assert_false(known.all);
	assert_false(known_has(&known, 1));
	known_add(&known, (uint64_t)KNOWN_PAGES_MAX * KNOWN_PAGE_IDS);
	assert_true(known.all);
	assert_true(known_has(&known, 1));
	assert_int_equal(known.page_count, KNOWN_PAGES_MAX);
	known_done(&known);
}

static void test_only_known(void **state)
{
	struct changes *changes = changes_made();

	(void)state;
	changes_known(changes, 1, 7);
	changes_inode(changes, 7, false);
	changes_inode(changes, 8, false);
	changes_entry(changes, 8, "name");
	expect_queued(changes, "i7 ");
	changes_free(changes);
}

static void test_no_repetition(void **state)
{
	struct changes *changes = changes_made();

	(void)state;
	changes_known(changes, 1, 1);
	changes_known(changes, 1, 7);
	changes_inode(changes, 7, true);
	changes_entry(changes, 1, "a");
	changes_entry(changes, 1, "b");
	changes_entry(changes, 1, "a");
	changes_inode(changes, 7, true);
	expect_queued(changes, "a7 e1/a i1 e1/b ");
	/* Content counts for more than attributes, in either order. */
	changes_inode(changes, 7, true);
	changes_inode(changes, 7, false);
	changes_inode(changes, 1, false);
	changes_inode(changes, 1, true);
	expect_queued(changes, "i7 i1 ");
	/* What was taken is queued anew. */
	changes_inode(changes, 7, true);
	expect_queued(changes, "a7 ");
	changes_free(changes);
}

static void test_settle(void **state)
{
	struct changes *changes = changes_made();
	uint64_t since;

	(void)state;
	since = changes_now(changes);
	changes_settle_inode(changes, since, 7);
	changes_settle_entry(changes, since, 1, "name");
	expect_queued(changes, "");
	/* The kernel did not know 7 when it changed, but the answer under way tells it. */
	since = changes_now(changes);
	changes_inode(changes, 7, false);
	changes_known(changes, 1, 7);
	changes_settle_inode(changes, since, 7);
	expect_queued(changes, "i7 ");
	/* The notice has left; the answer comes after it. */
	since = changes_now(changes);
	changes_known(changes, 1, 1);
	changes_entry(changes, 1, "name");
	expect_queued(changes, "e1/name i1 ");
	changes_settle_entry(changes, since, 1, "name");
	changes_settle_entry(changes, since, 1, "other");
	changes_settle_inode(changes, since, 1);
	expect_queued(changes, "e1/name i1 ");
	/* A request that began after the change has seen it. */
	since = changes_now(changes);
	changes_settle_entry(changes, since, 1, "name");
	changes_settle_inode(changes, since, 7);
	expect_queued(changes, "");
	changes_free(changes);
}

static void fill(struct changes *changes, unsigned int count)
{
	char name[16];

	for (unsigned int i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		changes_entry(changes, 1, name);
	}
}

static void test_overflow(void **state)
{
	struct changes *changes = changes_made();
	size_t count = 0;

	(void)state;
	changes_known(changes, 1, 1);
	fill(changes, CHANGES_MAX - 1); /* one more for the directory itself */
	struct change *batch = changes_take(changes);
	for (const struct change *c = batch; c; c = c->next)
		count++;
	assert_int_equal(count, CHANGES_MAX);
	change_free(batch);

	fill(changes, CHANGES_MAX);
	changes_inode(changes, LAST, false); /* nothing is queued beside it */
	batch = changes_take(changes);
	assert_non_null(batch);
	assert_int_equal(batch->kind, CHANGE_EVERYTHING);
	assert_null(batch->next);
	change_free(batch);

	changes_inode(changes, 1, false);
	expect_queued(changes, "i1 ");
	changes_free(changes);
}

static void test_stop(void **state)
{
	struct changes *changes = changes_made();

	(void)state;
	changes_stop(changes);
	changes_again(changes, LAST);
	assert_null(changes_take(changes));
	changes_free(changes);
}

/* ---- the thread, and a kernel in miniature */

#define IDS 8u

struct world {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool last_told;
	_Atomic unsigned int names_told;
	_Atomic unsigned int ids_told;
	struct changes *changes;
	_Atomic uint64_t absent; /* told of, but the kernel has not made it yet */
	_Atomic uint64_t digested;
	_Atomic unsigned int truth[IDS];  /* what the pool holds */
	_Atomic unsigned int cached[IDS]; /* what the kernel holds; 0: nothing */
};

static bool told_inode(void *arg, uint64_t id, bool attr_only)
{
	struct world *world = arg;

	(void)attr_only;
	if (id == world->absent)
		return false;
	if (id < IDS)
		world->cached[id] = 0;
	(void)pthread_mutex_lock(&world->lock);
	world->ids_told++;
	if (id == LAST)
		world->last_told = true;
	(void)pthread_cond_broadcast(&world->told);
	(void)pthread_mutex_unlock(&world->lock);
	return true;
}

/* The program that asked gets to run: what it was answered is cached now. */
static void told_digest(void *arg, uint64_t parent)
{
	struct world *world = arg;

	world->cached[world->absent] = 1;
	world->absent = UINT64_MAX;
	world->digested = parent;
}

static void told_entry(void *arg, uint64_t parent, const char *name)
{
	(void)arg;
	(void)parent;
	(void)name;
}

static void told_names(void *arg)
{
	((struct world *)arg)->names_told++;
}

static void world_start(struct world *world, struct inval **ret)
{
	const struct inval_sink sink = {
		.arg = world,
		.inode = told_inode,
		.entry = told_entry,
		.digest = told_digest,
		.names = told_names,
	};

	*world = (struct world){.changes = changes_made(), .absent = UINT64_MAX};
	assert_int_equal(pthread_mutex_init(&world->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&world->told, NULL), 0);
	assert_int_equal(inval_new(world->changes, &sink, ret), 0);
}

/* Returns when all that was queued before has been told. */
static void world_drain(struct world *world)
{
	(void)pthread_mutex_lock(&world->lock);
	world->last_told = false;
	changes_again(world->changes, LAST);
	while (!world->last_told)
		(void)pthread_cond_wait(&world->told, &world->lock);
	(void)pthread_mutex_unlock(&world->lock);
}

static void world_end(struct world *world, struct inval *inval)
{
	inval_free(inval);
	changes_free(world->changes);
	(void)pthread_cond_destroy(&world->told);
	(void)pthread_mutex_destroy(&world->lock);
}

/* Answered, but the program that asked has not run since: the notice finds no inode. */
static void test_undigested(void **state)
{
	struct inval *inval;
	struct world world;

	(void)state;
	world_start(&world, &inval);
	changes_known(world.changes, 77, 5);
	world.absent = 5;
	world.truth[5] = 2;
	changes_inode(world.changes, 5, false);
	world_drain(&world);
	assert_int_equal(world.digested, 77);
	assert_int_equal(world.cached[5], 0);
	world_end(&world, inval);
}

static void test_everything(void **state)
{
	struct inval *inval;
	struct world world;

	(void)state;
	world_start(&world, &inval);
	world_drain(&world);
	unsigned int before = world.ids_told;
	for (uint64_t id = 1; id < IDS; id++) {
		changes_known(world.changes, 1, id);
		world.cached[id] = 1;
	}
	(void)pthread_mutex_lock(&world.lock); /* holds the thread up at its next notice */
	changes_again(world.changes, LAST);
	fill(world.changes, 2 * CHANGES_MAX);
	(void)pthread_mutex_unlock(&world.lock);
	world_drain(&world); /* ends in the middle of telling everything ... */
	world_drain(&world); /* ... and this after it */
	assert_true(world.names_told >= 1);
	assert_true(world.ids_told >= before + IDS - 1);
	for (uint64_t id = 1; id < IDS; id++)
		assert_int_equal(world.cached[id], 0);
	world_end(&world, inval);
}

#define ROUNDS 3000u

struct round {
	struct world *world;
	pthread_barrier_t begin;
	pthread_barrier_t end;
};

/* A request in each round: look, answer, settle. */
static void *reader_run(void *arg)
{
	struct round *round = arg;
	struct world *world = round->world;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t id = i % IDS;

		(void)pthread_barrier_wait(&round->begin);
		uint64_t since = changes_now(world->changes);
		unsigned int seen = world->truth[id];

		changes_known(world->changes, 1, id);
		(void)sched_yield(); /* invites the notice to overtake the answer */
		world->cached[id] = seen;
		changes_settle_inode(world->changes, since, id);
		(void)pthread_barrier_wait(&round->end);
	}
	return NULL;
}

/* A peer's change crosses two requests: once all is told, nothing stale is left. */
static void test_nothing_stale(void **state)
{
	struct inval *inval;
	struct world world;
	struct round round = {.world = &world};
	pthread_t readers[2];

	(void)state;
	world_start(&world, &inval);
	assert_int_equal(pthread_barrier_init(&round.begin, NULL, 3), 0);
	assert_int_equal(pthread_barrier_init(&round.end, NULL, 3), 0);
	for (uint64_t id = 0; id < IDS; id++)
		world.truth[id] = 1;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader_run, &round), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t id = i % IDS;

		(void)pthread_barrier_wait(&round.begin);
		world.truth[id]++;
		changes_inode(world.changes, id, false);
		(void)pthread_barrier_wait(&round.end);
		world_drain(&world);
		assert_true(world.cached[id] == 0 || world.cached[id] == world.truth[id]);
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	(void)pthread_barrier_destroy(&round.begin);
	(void)pthread_barrier_destroy(&round.end);
	world_end(&world, inval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),      cmocka_unit_test(test_known_limit),
		cmocka_unit_test(test_only_known), cmocka_unit_test(test_no_repetition),
		cmocka_unit_test(test_settle),     cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_stop),       cmocka_unit_test(test_everything),
		cmocka_unit_test(test_undigested), cmocka_unit_test(test_nothing_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
