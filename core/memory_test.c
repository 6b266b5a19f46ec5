/* links: core/memory.c
 * SPDX-License-Identifier: Apache-2.0
 * What a burst took is given back, however many threads it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define THREADS 32
#define BLOCKS  20000
#define BLOCK   4000
#define LARGE   (8u << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_HEAP 0 /* the sanitizers bring a heap of their own */
#else
#define OWN_HEAP 1
#endif

static void *allocate(void *arg)
{
	pthread_barrier_t *all = arg;
	void *block = malloc(100);

	/* All have their heap at once. */
	(void)pthread_barrier_wait(all);
	return block;
}

static size_t heaps(void)
{
	char *text = NULL;
	size_t size, count = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(malloc_info(0, f), 0);
	assert_int_equal(fclose(f), 0);
	for (const char *at = text; (at = strstr(at, "<heap nr=")); at++)
		count++;
	free(text);
	return count;
}

static void test_heaps(void **state)
{
	pthread_t threads[THREADS];
	pthread_barrier_t all;

	(void)state;
	if (!OWN_HEAP)
		skip();
	assert_int_equal(pthread_barrier_init(&all, NULL, THREADS), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate, &all), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *block;
		assert_int_equal(pthread_join(threads[i], &block), 0);
		free(block);
	}
	assert_in_range(heaps(), 2, MEMORY_HEAPS);
	(void)pthread_barrier_destroy(&all);
}

/* A large block that was freed must not teach the heap to keep the next one. */
static void test_large(void **state)
{
	(void)state;
	if (!OWN_HEAP)
		skip();
	for (int round = 0; round < 2; round++) {
		void *block = malloc(LARGE);
		assert_non_null(block);
		assert_true(mallinfo2().hblkhd >= LARGE);
		free(block);
		assert_int_equal(mallinfo2().hblkhd, 0);
	}
}

/* What stays of a burst lies scattered, and holds the heap's end where it was. */
static void test_trim(void **state)
{
	static char *blocks[BLOCKS];
	uint64_t before = memory_resident();

	(void)state;
	if (!OWN_HEAP)
		skip();
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BLOCK);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, BLOCK);
	}
	uint64_t full = memory_resident();
	assert_true(full >= before + (uint64_t)BLOCKS * BLOCK / 2);
	for (size_t i = 0; i < BLOCKS; i++) {
		if (i % 100 != 99)
			free(blocks[i]);
	}
	memory_trim();
	assert_true(memory_resident() < full - (uint64_t)BLOCKS * BLOCK / 2);
	for (size_t i = 99; i < BLOCKS; i += 100)
		free(blocks[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heaps),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_trim),
	};

	memory_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
