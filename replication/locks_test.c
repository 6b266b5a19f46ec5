/* links: replication/locks.c
 * SPDX-License-Identifier: Apache-2.0
 * Locks over objects: the right stripes, each once, in one order; and threads that take many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "replication/locks.h"

static bool is_free(struct locks *locks, size_t stripe)
{
	if (pthread_mutex_trylock(&locks->stripes[stripe]) != 0)
		return false;
	assert_int_equal(pthread_mutex_unlock(&locks->stripes[stripe]), 0);
	return true;
}

/* Exactly the stripes of the mask are locked. */
static void assert_held(struct locks *locks, uint64_t mask)
{
	for (size_t i = 0; i < LOCK_STRIPES; i++)
		assert_int_equal(is_free(locks, i), !(mask >> i & 1));
}

static unsigned int bits(uint64_t mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

static uint64_t mask_of(struct locks *locks, const uint64_t *ids, size_t count)
{
	struct locks_held held;

	locks_take(locks, ids, count, &held);
	uint64_t mask = held.mask;
	assert_held(locks, mask);
	locks_release(&held);
	assert_held(locks, 0);
	return mask;
}

static void test_stripes(void **state)
{
	struct locks locks;
	const uint64_t ids[] = {1, UINT64_C(0x01c0) << 48 | 77, UINT64_MAX, 0};

	(void)state;
	locks_init(&locks);
	uint64_t all = 0;
	for (size_t i = 0; i < 3; i++) {
		uint64_t one = mask_of(&locks, &ids[i], 1);
		assert_int_equal(bits(one), 1);
		assert_true(one == mask_of(&locks, &ids[i], 1));
		all |= one;
	}
	assert_true(mask_of(&locks, ids, 3) == all);
	/* No object, no lock; and one that is named twice is locked once. */
	assert_true(mask_of(&locks, &ids[3], 1) == 0);
	assert_true(mask_of(&locks, ids, 4) == all);
	const uint64_t twice[] = {ids[1], 0, ids[1], ids[1]};
	assert_true(mask_of(&locks, twice, 4) == mask_of(&locks, &ids[1], 1));
	assert_true(mask_of(&locks, NULL, 0) == 0);
	locks_done(&locks);
}

static void test_all(void **state)
{
	struct locks locks;
	struct locks_held held;

	(void)state;
	locks_init(&locks);
	locks_take_all(&locks, &held);
	assert_held(&locks, UINT64_MAX);
	locks_release(&held);
	assert_held(&locks, 0);
	/* Released is released: a second time takes nothing away from the next one. */
	struct locks_held next;
	locks_take_all(&locks, &next);
	locks_release(&held);
	assert_held(&locks, UINT64_MAX);
	locks_release(&next);
	locks_done(&locks);
}

static void test_scope(void **state)
{
	struct locks locks;
	const uint64_t id = 5;

	(void)state;
	locks_init(&locks);
	{
		AUTO_LOCKS struct locks_held held = {0};
		locks_take(&locks, &id, 1, &held);
	}
	assert_held(&locks, 0);
	locks_done(&locks);
}

/* Ids that are made one after the other must not all wait for each other. */
static void test_spread(void **state)
{
	struct locks locks;
	unsigned int hits[LOCK_STRIPES] = {0};

	(void)state;
	locks_init(&locks);
	for (uint64_t i = 0; i < 6400; i++) {
		uint64_t id = (UINT64_C(0x01c0) << 48 | 0xa1b2c3d4e5) + i;
		uint64_t mask = mask_of(&locks, &id, 1);
		for (size_t s = 0; s < LOCK_STRIPES; s++)
			hits[s] += (unsigned int)(mask >> s & 1);
	}
	for (size_t s = 0; s < LOCK_STRIPES; s++)
		assert_in_range(hits[s], 20, 400);
	locks_done(&locks);
}

#define THREADS 4
#define ROUNDS  20000

struct shared {
	struct locks locks;
	uint64_t counters[8]; /* each guarded by the lock of id i + 1 */
};

struct worker {
	struct shared *s;
	unsigned int seed;
};

/* Takes any of the ids in any order: with another order of stripes two of these would soon wait for
 * each other for ever; without a lock the sums are wrong, and the thread sanitizer says so. */
static void *take_many(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < ROUNDS; round++) {
		struct locks_held held;
		uint64_t ids[3];

		for (size_t i = 0; i < 3; i++)
			ids[i] = (uint64_t)rand_r(&w->seed) % 8 + 1;
		if (round % 100 == 0)
			locks_take_all(&w->s->locks, &held);
		else
			locks_take(&w->s->locks, ids, 3, &held);
		for (size_t i = 0; i < 3; i++)
			w->s->counters[ids[i] - 1]++;
		locks_release(&held);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct shared s = {0};
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t sum = 0;

	(void)state;
	locks_init(&s.locks);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){&s, i};
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &workers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < 8; i++)
		sum += s.counters[i];
	assert_true(sum == (uint64_t)THREADS * ROUNDS * 3);
	locks_done(&s.locks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stripes), cmocka_unit_test(test_all),
		cmocka_unit_test(test_scope),   cmocka_unit_test(test_spread),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
