/* links: fuse/handles.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Every descriptor is closed once, whether the kernel releases it or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fuse/handles.h"
#include "replication/pool.h"

#define FDS 8

struct pool {
	unsigned int closed[FDS];
};

void pool_close(struct pool *pool, uint64_t id, int fd)
{
	assert_int_equal(id, fd + 100);
	pool->closed[fd]++;
}

void pool_map_end(struct pool *pool, uint64_t id)
{
	assert_int_equal(pool->closed[id - 100], 0);
}

static void test_closed_once(void **state)
{
	struct pool pool = {0};
	struct handles handles;
	struct handle *all[FDS];

	(void)state;
	handles_init(&handles, &pool);
	for (int fd = 0; fd < FDS; fd++) {
		uint64_t id = (uint64_t)fd + 100;

		assert_int_equal(handle_new(&handles, id, fd, fd % 2, &all[fd]), 0);
		assert_int_equal(all[fd]->fd, fd);
	}
	for (uint64_t fd = 0; fd < FDS; fd++)
		assert_int_equal(handles_map(&handles, fd + 100), fd % 2);
	/* First, last and one in the middle of the list; the others are left. */
	handle_close(&handles, all[0]);
	handle_close(&handles, all[FDS - 1]);
	handle_close(&handles, all[3]);
	assert_false(handles_map(&handles, 103));
	assert_true(handles_map(&handles, 101));
	assert_int_equal(pool.closed[0], 1);
	assert_int_equal(pool.closed[1], 0);
	handles_done(&handles);
	for (int fd = 0; fd < FDS; fd++)
		assert_int_equal(pool.closed[fd], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
