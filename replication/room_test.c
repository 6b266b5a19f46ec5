/* SPDX-License-Identifier: Apache-2.0 */
/* links: replication/room.c replication/batch.c replication/record.c replication/stamp.c
 * core/crypto.c core/err.c core/loop.c core/log.c core/io.c */
#include "replication/room.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_reserve(void **state)
{
	const struct {
		uint64_t total, reserve;
	} rows[] = {
		{0, ROOM_RESERVE_MIN},
		{ROOM_RESERVE_MIN * UINT64_C(16), ROOM_RESERVE_MIN},
		{UINT64_C(1) << 30, UINT64_C(64) << 20},
		{ROOM_RESERVE_MAX * UINT64_C(16), ROOM_RESERVE_MAX},
		{UINT64_C(1) << 50, ROOM_RESERVE_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(room_reserve(rows[i].total), rows[i].reserve);
}

/* What is left is nothing, and more than any disk holds is asked for: who is refused? */
static void test_who_is_refused(void **state)
{
	const uint64_t huge = UINT64_C(1) << 60;
	const struct {
		struct record rec;
		int expect;
	} rows[] = {
		{{.kind = REC_WRITE, .data_size = huge}, -ENOSPC},
		{{.kind = REC_FALLOCATE, .length = huge}, -ENOSPC},
		{{.kind = REC_FALLOCATE, .length = huge, .mode = FALLOC_FL_PUNCH_HOLE}, 0},
		{{.kind = REC_TRUNCATE, .offset = huge}, 0}, /* a hole */
		{{.kind = REC_UNLINK}, 0},
		{{.kind = REC_RENAME}, 0},
		{{.kind = REC_XATTR, .flags = REC_F_REMOVE}, 0},
		{{.kind = REC_OWNER}, 0},
		{{.kind = REC_TIMES}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pool p = {.dir = "/"};
		assert_int_equal(room_for_record(&p, &rows[i].rec), rows[i].expect);
	}
	/* A count that goes below nothing is measured anew, not taken for full. */
	struct pool p = {.dir = "/"};
	assert_int_equal(room_take(&p, 1), 0);
	assert_true(p.room_left >= 0);
	p.room_left = 10;
	assert_int_equal(room_take(&p, 10), 0);
	assert_int_equal(p.room_left, 0);
	/* What cannot be measured refuses nothing. */
	p = (struct pool){.dir = "/does/not/exist"};
	assert_int_equal(room_take(&p, huge), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_who_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
