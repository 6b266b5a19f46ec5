/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Removed objects leave the index when all members know, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/auto.h"
#include "replication/commit.h"
#include "replication/forget.h"
#include "tests/lib/pool_rig.h"

#define OK(call) assert_int_equal(call, 0)

static bool has_row(struct pool_rig *rig, uint16_t node, uint64_t id)
{
	AUTO_FREE uint8_t *state = NULL;
	struct store_handle handle;
	size_t size;
	int r = index_get(rig->nodes[node].p->ix, id, &state, &size, &handle);

	assert_true(r == 0 || r == MA_EUNKNOWN);
	return r == 0;
}

/* What the threads do when nothing more comes. */
static void rest(struct pool_rig *rig)
{
	for (int i = 0; i < 6; i++) {
		rig_wait(FORGET_WAIT_MS);
		rig_run(rig);
		for (uint16_t n = 1; n <= rig->count; n++) {
			if (rig->nodes[n].p)
				OK(commit_flush(rig->nodes[n].p));
		}
	}
}

/* A directory with two files and a directory in it: the ids of all four. */
static void make_tree(struct pool_rig *rig, uint64_t ids[4])
{
	static const char *const paths[] = {"/d", "/d/f", "/d/g", "/d/e"};

	rig_mkdir(rig, 1, "/d");
	rig_put(rig, 1, "/d/f", "one");
	rig_put(rig, 1, "/d/g", "two");
	rig_mkdir(rig, 1, "/d/e");
	for (size_t i = 0; i < 4; i++)
		ids[i] = rig_id(rig, 1, paths[i]);
}

static void remove_tree(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/d/f"));
	OK(rig_unlink(rig, 1, "/d/g"));
	OK(rig_rmdir(rig, 1, "/d/e"));
	OK(rig_rmdir(rig, 1, "/d"));
}

static size_t rows(struct pool_rig *rig, uint16_t node, const uint64_t ids[4])
{
	size_t count = 0;

	for (size_t i = 0; i < 4; i++)
		count += has_row(rig, node, ids[i]);
	return count;
}

static void test_all_know(void **state)
{
	struct pool_rig rig;
	uint64_t ids[4];

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	make_tree(&rig, ids);
	rig_settle(&rig);
	rest(&rig);
	for (uint16_t n = 1; n <= 3; n++)
		assert_int_equal(rows(&rig, n, ids), 4);
	remove_tree(&rig);
	rig_settle(&rig);
	rest(&rig);
	for (uint16_t n = 1; n <= 3; n++)
		assert_int_equal(rows(&rig, n, ids), 0);
	rig_settle(&rig);
	pool_rig_done(&rig);
}

/* Who is away has not acknowledged anything; it may write to what was removed meanwhile. */
static void test_one_away(void **state)
{
	struct pool_rig rig;
	uint64_t ids[4];

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	make_tree(&rig, ids);
	rig_settle(&rig);
	rig_cut(&rig, 3, 1);
	rig_cut(&rig, 3, 2);
	remove_tree(&rig);
	rest(&rig);
	assert_int_equal(rows(&rig, 1, ids), 4);
	assert_int_equal(rows(&rig, 2, ids), 4);
	rig_append_text(&rig, 3, "/d/f", "+more");
	rig_link_all(&rig);
	rig_settle(&rig);
	rest(&rig);
	for (uint16_t n = 1; n <= 3; n++) {
		rig_expect(&rig, n, "/d/f", "one+more");
		assert_int_equal(rows(&rig, n, ids), 2);
	}
	pool_rig_done(&rig);
}

/* After a start nobody has said anything yet. */
static void test_after_start(void **state)
{
	struct pool_rig rig;
	uint64_t ids[4];

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	make_tree(&rig, ids);
	rig_settle(&rig);
	rig_cut_all(&rig);
	remove_tree(&rig);
	rig_stop(&rig, 1);
	rig_start(&rig, 1);
	rest(&rig);
	assert_int_equal(rows(&rig, 1, ids), 4);
	rig_link_all(&rig);
	rig_settle(&rig);
	rest(&rig);
	assert_int_equal(rows(&rig, 1, ids), 0);
	/* And it stays forgotten. */
	rig_kill(&rig, 1);
	rig_start(&rig, 1);
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_check(&rig, 1);
	pool_rig_done(&rig);
}

/* A file that is read or written on lives on without a name. */
static void test_open(void **state)
{
	struct pool_rig rig;
	char text[8] = "";
	int fd;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	rig_put(&rig, 1, "/f", "one");
	rig_settle(&rig);
	struct pool *p = rig.nodes[1].p;
	uint64_t id = rig_id(&rig, 1, "/f");
	OK(pool_open(p, id, O_RDWR, &fd));
	OK(rig_unlink(&rig, 1, "/f"));
	rest(&rig);
	assert_true(has_row(&rig, 1, id));
	assert_false(has_row(&rig, 2, id));
	assert_int_equal(pool_write(p, id, fd, "two", 3, 0, 0), 3);
	assert_int_equal(p->store->ops->read(p->store, NULL, fd, text, 3, 0), 3);
	assert_string_equal(text, "two");
	pool_close(p, id, fd);
	/* It goes with the next that all have heard of. */
	rig_put(&rig, 1, "/g", "");
	rig_settle(&rig);
	rest(&rig);
	assert_false(has_row(&rig, 1, id));
	pool_rig_done(&rig);
}

/* A name of a living file may come back into the directory: as long as it can, the row stays. */
static void test_dir_of_links(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	rig_mkdir(&rig, 1, "/d");
	rig_put(&rig, 1, "/d/f", "one");
	OK(rig_hard_link(&rig, 1, "/d/f", "/g"));
	rig_settle(&rig);
	uint64_t dir = rig_id(&rig, 1, "/d");
	uint64_t file = rig_id(&rig, 1, "/g");
	OK(rig_unlink(&rig, 1, "/d/f"));
	OK(rig_rmdir(&rig, 1, "/d"));
	rig_settle(&rig);
	rest(&rig);
	assert_true(has_row(&rig, 1, dir) && has_row(&rig, 2, dir));
	/* Removed here and written there: of all names the latest stays, wherever it was. */
	rig_cut_all(&rig);
	OK(rig_unlink(&rig, 1, "/g"));
	rig_append_text(&rig, 2, "/g", "+");
	rig_link_all(&rig);
	rig_settle(&rig);
	OK(rig_unlink(&rig, 2, "/g"));
	rig_settle(&rig);
	rest(&rig);
	for (uint16_t n = 1; n <= 2; n++)
		assert_false(has_row(&rig, n, dir) || has_row(&rig, n, file));
	pool_rig_done(&rig);
}

/* A node whose disk was put back to an older state lacks removals that the others have forgotten.
 */
static void test_gone_back(void **state)
{
	struct pool_rig rig;
	struct vector old, now;
	uint64_t ids[4];

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	make_tree(&rig, ids);
	rig_settle(&rig);
	position_get(rig.nodes[2].p, &old);
	remove_tree(&rig);
	rig_settle(&rig);
	rest(&rig);
	position_get(rig.nodes[2].p, &now);
	assert_true(forget_beyond(rig.nodes[1].p, 2, &old));
	assert_false(forget_beyond(rig.nodes[1].p, 2, &now));
	vector_init(&old); /* a new node */
	assert_false(forget_beyond(rig.nodes[1].p, 2, &old));
	pool_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_know),     cmocka_unit_test(test_one_away),
		cmocka_unit_test(test_after_start),  cmocka_unit_test(test_open),
		cmocka_unit_test(test_dir_of_links), cmocka_unit_test(test_gone_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
