/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Directories are moved into each other while the nodes do not hear each other: all show the same
 * tree afterwards, everything is in it, and what is shown stays where it is until it is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "core/auto.h"
#include "replication/losers.h"
#include "tests/lib/pool_rig.h"

#define OK(call) assert_int_equal(call, 0)

static void begin(struct pool_rig *rig, size_t nodes)
{
	static const char *const dirs[] = {"/x", "/x/a", "/x/b", "/x/c"};

	pool_rig_init(rig, nodes);
	rig_link_all(rig);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		rig_mkdir(rig, 1, dirs[i]);
	rig_put(rig, 1, "/x/a/f", "in a");
	rig_put(rig, 1, "/x/b/f", "in b");
	rig_settle(rig);
	rig_cut_all(rig);
}

static void end(struct pool_rig *rig)
{
	for (uint16_t k = 1; k <= rig->count; k++)
		rig_check(rig, k);
	pool_rig_done(rig);
}

static void heal(struct pool_rig *rig)
{
	rig_link_all(rig);
	rig_settle(rig);
}

/* Two, the later on the second node: that one stays where it was. */
static void two(struct pool_rig *rig, size_t nodes)
{
	begin(rig, nodes);
	OK(rig_rename(rig, 1, "/x/a", "/x/b/a", 0));
	rig_wait(10);
	OK(rig_rename(rig, 2, "/x/b", "/x/a/b", 0));
}

static void shown(struct pool_rig *rig)
{
	for (uint16_t k = 1; k <= rig->count; k++) {
		rig_expect(rig, k, "/x/b/f", "in b");
		rig_expect(rig, k, "/x/b/a/f", "in a");
		assert_int_equal(losers_circles(rig->nodes[k].p), 1);
	}
}

static void test_two(void **state)
{
	struct pool_rig rig;

	(void)state;
	two(&rig, 2);
	heal(&rig);
	shown(&rig);
	end(&rig);
}

/* A node that was away gets the state, with what was moved and what counts for nothing. */
static void test_by_state(void **state)
{
	struct pool_rig rig;

	(void)state;
	two(&rig, 3);
	rig_link(&rig, 1, 2);
	rig_run(&rig);
	rig_forget_log(&rig, 1);
	rig_forget_log(&rig, 2);
	heal(&rig);
	shown(&rig);
	end(&rig);
}

static void test_restart(void **state)
{
	struct pool_rig rig;

	(void)state;
	two(&rig, 2);
	heal(&rig);
	for (uint16_t k = 1; k <= 2; k++) {
		rig_kill(&rig, k);
		rig_start(&rig, k);
	}
	heal(&rig);
	shown(&rig);
	end(&rig);
}

/* The other directory is moved away: the one that is shown where it was does not follow it. */
static void test_stays_when_free(void **state)
{
	struct pool_rig rig;

	(void)state;
	two(&rig, 2);
	heal(&rig);
	OK(rig_rename(&rig, 2, "/x/b/a", "/away", 0));
	rig_settle(&rig);
	rig_expect(&rig, 1, "/away/f", "in a");
	rig_expect(&rig, 1, "/x/b/f", "in b");
	assert_int_equal(losers_circles(rig.nodes[1].p), 0);
	end(&rig);
}

/* A move that nobody of them had seen opens the circle: both of the others count. */
static void test_opened(void **state)
{
	struct pool_rig rig;

	(void)state;
	two(&rig, 3);
	rig_wait(10);
	OK(rig_rename(&rig, 3, "/x/a", "/away", 0));
	heal(&rig);
	for (uint16_t k = 1; k <= 3; k++) {
		rig_expect(&rig, k, "/away/b/f", "in b");
		assert_int_equal(losers_circles(rig.nodes[k].p), 0);
	}
	end(&rig);
}

/* Three in a ring. */
static void test_three(void **state)
{
	struct pool_rig rig;

	(void)state;
	begin(&rig, 3);
	OK(rig_rename(&rig, 1, "/x/a", "/x/b/a", 0));
	rig_wait(10);
	OK(rig_rename(&rig, 2, "/x/b", "/x/c/b", 0));
	rig_wait(10);
	OK(rig_rename(&rig, 3, "/x/c", "/x/a/c", 0));
	heal(&rig);
	for (uint16_t k = 1; k <= 3; k++)
		rig_expect(&rig, k, "/x/c/b/a/f", "in a");
	end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),     cmocka_unit_test(test_by_state),
		cmocka_unit_test(test_restart), cmocka_unit_test(test_stays_when_free),
		cmocka_unit_test(test_opened),  cmocka_unit_test(test_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
