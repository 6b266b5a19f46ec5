/* links: fuse/ways.c core/log.c core/err.c core/io.c
 * SPDX-License-Identifier: Apache-2.0
 * Which way an open file is served: the first open decides until the last release; one backing id
 * per file; a kernel that refuses is asked no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuse/ways.h"

struct rig {
	struct ways *ways;
	int fd;    /* of a file */
	int other; /* of another */
	int answer;
	int opened;
	int closed; /* the last one */
};

static int backing_open(void *arg, int fd)
{
	struct rig *rig = arg;

	assert_true(fd >= 0);
	rig->opened++;
	return rig->answer;
}

static void backing_close(void *arg, int id)
{
	((struct rig *)arg)->closed = id;
}

static int setup(void **state)
{
	static struct rig rig;
	const struct ways_kernel kernel = {
		.arg = &rig, .backing_open = backing_open, .backing_close = backing_close};

	rig = (struct rig){.answer = 7,
			   .fd = memfd_create("a", MFD_CLOEXEC),
			   .other = memfd_create("b", MFD_CLOEXEC)};
	*state = &rig;
	return ways_new(&kernel, &rig.ways);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	ways_free(rig->ways);
	(void)close(rig->fd);
	(void)close(rig->other);
	return 0;
}

static struct way way_of(struct rig *rig, uint64_t id, int flags)
{
	struct way way;

	assert_int_equal(ways_open(rig->ways, id, rig->fd, flags, &way), 0);
	return way;
}

static void test_without(void **state)
{
	struct rig *rig = *state;
	struct way way = way_of(rig, 5, O_RDONLY);

	assert_false(ways_passing(rig->ways));
	assert_int_equal(way.backing_id, 0);
	assert_true(way.keep_pages);
	assert_false(way.direct);
	ways_close(rig->ways, 5);
	assert_int_equal(rig->opened, 0);
	assert_int_equal(rig->closed, 0);
}

static void test_reader_first(void **state)
{
	struct rig *rig = *state;

	ways_pass(rig->ways);
	struct way way = way_of(rig, 5, O_RDONLY);
	assert_int_equal(way.backing_id, 7);
	assert_false(way.keep_pages);
	assert_false(way.direct);
	assert_false(way.stores);
	/* Whoever comes later has the same id, and writes through the daemon. */
	rig->answer = 8;
	way = way_of(rig, 5, O_WRONLY | O_APPEND);
	assert_int_equal(way.backing_id, 7);
	assert_true(way.direct);
	assert_false(way.stores);
	way = way_of(rig, 5, O_RDWR);
	assert_int_equal(way.backing_id, 7);
	assert_true(way.direct);
	assert_true(way.stores);
	assert_int_equal(rig->opened, 1);
	ways_close(rig->ways, 5);
	ways_close(rig->ways, 5);
	assert_int_equal(rig->closed, 0);
	ways_close(rig->ways, 5);
	assert_int_equal(rig->closed, 7);
	/* Nobody has it open: a writer may begin. */
	way = way_of(rig, 5, O_RDWR);
	assert_int_equal(way.backing_id, 0);
	assert_false(way.stores);
	/* Pages of before the mapping are not kept. */
	assert_false(way.keep_pages);
	way = way_of(rig, 5, O_RDONLY);
	assert_int_equal(way.backing_id, 0);
	assert_true(way.keep_pages);
	ways_close(rig->ways, 5);
	ways_close(rig->ways, 5);
	assert_int_equal(rig->closed, 7);
}

/* Who only writes leaves no pages behind, if nobody will look for them. */
static void test_writer_first(void **state)
{
	struct rig *rig = *state;

	assert_false(way_of(rig, 5, O_WRONLY).direct);
	ways_close(rig->ways, 5);
	ways_pass(rig->ways);
	struct way way = way_of(rig, 5, O_WRONLY);
	assert_int_equal(way.backing_id, 0);
	assert_true(way.direct);
	assert_false(way.stores);
	/* The kernel would refuse to pass it through now, or the writer's open, if that is not
	 * complete yet. */
	way = way_of(rig, 5, O_RDONLY);
	assert_int_equal(way.backing_id, 0);
	assert_false(way.direct);
	assert_false(way_of(rig, 5, O_RDWR).direct);
	assert_int_equal(rig->opened, 0);
}

/* The object has another backing file by now: its reader must not get the old one's bytes. */
static void test_made_anew(void **state)
{
	struct rig *rig = *state;
	struct way way;

	ways_pass(rig->ways);
	(void)way_of(rig, 5, O_RDONLY);
	assert_int_equal(ways_open(rig->ways, 5, rig->other, O_RDONLY, &way), 0);
	assert_int_equal(way.backing_id, 7);
	assert_true(way.direct);
	ways_close(rig->ways, 5);
	ways_close(rig->ways, 5);
}

static void test_refused(void **state)
{
	struct rig *rig = *state;

	ways_pass(rig->ways);
	rig->answer = -ENOMEM; /* for now */
	assert_int_equal(way_of(rig, 5, O_RDONLY).backing_id, 0);
	assert_true(ways_passing(rig->ways));
	rig->answer = -ELOOP; /* for ever */
	assert_int_equal(way_of(rig, 6, O_RDONLY).backing_id, 0);
	assert_false(ways_passing(rig->ways));
	assert_int_equal(way_of(rig, 7, O_RDONLY).backing_id, 0);
	assert_int_equal(rig->opened, 2);
	/* What is left open goes with the table. */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writer_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_made_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
