/* links: replication/journal.c replication/open_records.c replication/segment.c replication/batch.c
 * replication/record.c replication/stamp.c tests/lib/journal_rig.c core/crypto.c core/io.c
 * core/err.c core/clock.c SPDX-License-Identifier: Apache-2.0 What a crash leaves of the journal,
 * at each place where it may come: all that was whole is found again, nothing that was not, and
 * nothing of an earlier life of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "tests/lib/journal_rig.h"

static int setup(void **state)
{
	struct journal_rig *rig = malloc(sizeof(*rig));

	assert_non_null(rig);
	rig_init(rig, 3 * RIG_SEGMENT);
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct journal_rig *rig = *state;

	rig_done(rig);
	free(rig);
	return 0;
}

static void seal_all(struct journal_rig *rig)
{
	while (rig_seal(rig))
		;
}

/* The frames from the first on are exactly these own records (and no other but seals). */
static void assert_owns(struct journal_rig *rig, const stamp_t *want, size_t want_count)
{
	size_t count, n = 0;
	AUTO_FREE struct rig_frame *got = rig_frames(rig, journal_first(rig->j), &count);

	for (size_t i = 0; i < count; i++) {
		if (got[i].kind != JOURNAL_OWN)
			continue;
		assert_true(n < want_count);
		assert_true(got[i].stamp == want[n++]);
	}
	assert_int_equal(n, want_count);
}

/* The last frame cut at each of its bytes: behind the cut zeros, ones, or what was in the file. */
static void test_torn_tail(void **state)
{
	struct journal_rig *rig = *state;
	stamp_t stamps[3];
	char path[160];

	stamps[0] = rig_own(rig, 1, 30);
	stamps[1] = rig_own(rig, 2, 300);
	uint64_t last = journal_tail(rig->j);
	stamps[2] = rig_own(rig, 3, 50);
	uint64_t end = journal_tail(rig->j);
	uint8_t frame[256], torn[256];
	rig_segment(rig, last, path);
	rig_file_read(path, last % RIG_SEGMENT, frame, end - last);
	for (int behind = 0; behind < 2; behind++) {
		for (size_t cut = 0; cut <= end - last; cut++) {
			memset(torn, behind ? 0xff : 0, sizeof(torn));
			memcpy(torn, frame, cut);
			rig_file_write(path, last % RIG_SEGMENT, torn, end - last);
			rig_close(rig);
			rig_open(rig);
			bool whole = cut == end - last;
			/* The last byte of the data is 3 here, neither 0 nor 255. */
			assert_true(journal_tail(rig->j) == (whole ? end : last));
			assert_owns(rig, stamps, whole ? 3 : 2);
		}
	}
}

/* The pages of the last frames reach the disk in any order. A frame behind one that is missing
 * must not come back when another of the same size is written into the gap. */
static void test_frames_behind_a_gap(void **state)
{
	struct journal_rig *rig = *state;
	stamp_t stamps[3];
	uint8_t zeros[4] = {0};
	char path[160];

	stamps[0] = rig_own(rig, 1, 100);
	uint64_t gap = journal_tail(rig->j);
	(void)rig_own(rig, 2, 100);
	(void)rig_own(rig, 3, 100);
	rig_segment(rig, gap, path);
	rig_file_write(path, gap % RIG_SEGMENT + 20, zeros, sizeof(zeros));
	rig_reopen(rig);
	assert_true(journal_tail(rig->j) == gap);
	assert_owns(rig, stamps, 1);
	stamps[1] = rig_own(rig, 4, 100);
	rig_reopen(rig);
	assert_owns(rig, stamps, 2);
	stamps[2] = rig_own(rig, 5, 100);
	rig_reopen(rig);
	assert_owns(rig, stamps, 3);
}

/* The same with a file system that cannot be told to forget a range. */
static void test_gap_cleared_by_hand(void **state)
{
	struct journal_rig *rig = *state;
	stamp_t stamps[2];
	uint8_t bytes[4] = {0};
	char path[160];

	stamps[0] = rig_own(rig, 1, 100);
	uint64_t gap = journal_tail(rig->j);
	(void)rig_own(rig, 2, 100);
	(void)rig_own(rig, 3, 100);
	rig_segment(rig, gap, path);
	rig_file_write(path, gap % RIG_SEGMENT + 20, bytes, 4);
	rig_file_write(path, RIG_SEGMENT - 4, "abcd", 4);
	rig_disk.reserve_error = EOPNOTSUPP;
	rig_reopen(rig);
	stamps[1] = rig_own(rig, 4, 100);
	rig_reopen(rig);
	assert_owns(rig, stamps, 2);
	rig_file_read(path, RIG_SEGMENT - 4, bytes, 4);
	assert_memory_equal(bytes, "\0\0\0\0", 4);
}

static void test_clearing_fails(void **state)
{
	struct journal_rig *rig = *state;
	char error[256] = "";

	(void)rig_own(rig, 1, 100);
	rig_close(rig);
	rig_disk.reserve_error = EIO;
	assert_int_equal(rig_try_open(rig, error, sizeof(error)), -EIO);
	assert_non_null(strstr(error, rig->dir));
	rig_disk.reserve_error = 0;
	rig_disk.sync_error = EIO;
	assert_int_equal(rig_try_open(rig, error, sizeof(error)), -EIO);
	rig_disk.sync_error = 0;
	rig_open(rig);
}

/* A segment that is full to the last byte, or nearly so, before and after a crash. */
static void test_full_segment(void **state)
{
	static const uint64_t rooms[] = {0, 1, 15, 16, 17, 32, 60};
	struct journal_rig *rig = *state;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		for (int crash = 0; crash < 3; crash++) {
			struct journal_reader reader = {0};
			struct journal_frame f;
			size_t count;

			rig_fill(rig, rooms[i]);
			uint64_t edge = journal_tail(rig->j);
			if (crash == 1)
				rig_reopen(rig);
			assert_true(journal_tail(rig->j) == edge);
			assert_int_equal(journal_read(rig->j, &reader, edge, &f), 0);
			stamp_t next = rig_own(rig, 7, 10);
			/* Who waits at the edge goes on behind it. */
			assert_int_equal(journal_read(rig->j, &reader, edge, &f), 1);
			assert_int_equal(f.size, RIG_WRITE_HEAD + 10);
			journal_reader_done(&reader);
			seal_all(rig);
			if (crash == 2)
				rig_reopen(rig);
			AUTO_FREE struct rig_frame *got = rig_frames(rig, edge, &count);
			assert_true(got[0].kind == JOURNAL_OWN && got[0].stamp == next);
			uint64_t tail = journal_tail(rig->j);
			journal_trim(rig->j, tail, tail);
			/* The head of the segment that was full is as it was. */
			rig_reopen(rig);
			assert_true(journal_tail(rig->j) == tail);
		}
	}
}

/* The crash comes between the end of one segment and the beginning of the next. */
static void test_next_segment_missing(void **state)
{
	static const uint64_t rooms[] = {0, 10, 16, 40, 500};
	struct journal_rig *rig = *state;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		char path[160];
		stamp_t stamps[2];
		size_t count;

		rig_fill(rig, rooms[i]);
		uint64_t before = journal_tail(rig->j);
		(void)rig_own(rig, 1, 1000);
		rig_segment(rig, journal_tail(rig->j), path);
		rig_close(rig);
		assert_int_equal(unlink(path), 0);
		rig_reopen(rig);
		stamps[0] = rig_own(rig, 2, 10);
		stamps[1] = rig_own(rig, 3, 10);
		seal_all(rig);
		rig_reopen(rig);
		AUTO_FREE struct rig_frame *got = rig_frames(
			rig, before - before % RIG_SEGMENT + JOURNAL_SEGMENT_HEAD, &count);
		assert_true(count >= 3);
		assert_true(got[count - 3].stamp == stamps[0] && got[count - 2].stamp == stamps[1]);
	}
}

/* The newest file is there, but its head is not: empty, zeros, short, or of its earlier life. */
static void test_next_segment_begun(void **state)
{
	struct journal_rig *rig = *state;

	for (int how = 0; how < 4; how++) {
		char path[160], first[160];
		uint8_t head[JOURNAL_SEGMENT_HEAD] = {0};
		stamp_t stamp;
		size_t count;

		rig_fill(rig, 10);
		uint64_t edge = journal_tail(rig->j);
		/* The second would fit behind what takes the first one's place. */
		(void)rig_own(rig, 1, 1000);
		(void)rig_own(rig, 2, 1000);
		rig_segment(rig, journal_tail(rig->j), path);
		rig_segment(rig, journal_first(rig->j), first);
		rig_close(rig);
		if (how == 0)
			assert_int_equal(truncate(path, 0), 0);
		if (how == 1)
			assert_int_equal(truncate(path, 100), 0);
		if (how == 3)
			rig_file_read(first, 0, head, sizeof(head));
		if (how >= 2)
			rig_file_write(path, 0, head, sizeof(head));
		rig_reopen(rig);
		assert_true(journal_tail(rig->j) == edge);
		stamp = rig_own(rig, 3, 1000);
		rig_reopen(rig);
		AUTO_FREE struct rig_frame *got = rig_frames(rig, edge, &count);
		assert_int_equal(count, 1);
		assert_true(got[0].stamp == stamp);
		seal_all(rig);
	}
}

/* The very first file, at any step of its making; but never one that something stands in. */
static void test_first_segment_begun(void **state)
{
	struct journal_rig *rig = *state;
	char error[256] = "";
	char path[160];
	uint8_t zeros[JOURNAL_SEGMENT_HEAD] = {0};

	rig_segment(rig, RIG_FIRST, path);
	for (int how = 0; how < 3; how++) {
		rig_close(rig);
		if (how == 0)
			assert_int_equal(truncate(path, 0), 0);
		if (how == 1)
			assert_int_equal(truncate(path, 4095), 0);
		rig_file_write(path, 0, zeros, how == 0 ? 0 : 100);
		rig_open(rig);
		assert_true(journal_tail(rig->j) == RIG_FIRST);
		stamp_t stamp = rig_own(rig, 1, 10);
		rig_reopen(rig);
		assert_owns(rig, &stamp, 1);
		seal_all(rig);
	}
	rig_close(rig);
	rig_file_write(path, 100, "x", 1);
	assert_int_equal(rig_try_open(rig, error, sizeof(error)), MA_ECORRUPT);
	assert_non_null(strstr(error, rig->dir));
	rig_file_write(path, 100, "", 1);
	rig_file_write(path, 0, "M", 1);
	rig_open(rig);
}

static void test_gap_refused(void **state)
{
	struct journal_rig *rig = *state;
	char error[256] = "";
	char path[160];
	uint8_t byte;

	for (int i = 0; i < 3; i++) {
		rig_fill(rig, 10);
		seal_all(rig);
	}
	rig_close(rig);
	/* A head in the middle. */
	rig_segment(rig, 2 * RIG_SEGMENT, path);
	rig_file_read(path, 20, &byte, 1);
	byte ^= 1;
	rig_file_write(path, 20, &byte, 1);
	assert_int_equal(rig_try_open(rig, error, sizeof(error)), MA_ECORRUPT);
	byte ^= 1;
	rig_file_write(path, 20, &byte, 1);
	/* Another pool's. */
	struct journal_config other = {
		.dir = rig->dir, .pool = RIG_POOL + 1, .max_bytes = rig->max_bytes};
	assert_int_equal(journal_open(&other, &rig->j, error, sizeof(error)), MA_ECORRUPT);
	/* A whole file in the middle. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rig_try_open(rig, error, sizeof(error)), MA_EGAP);
}

/* The size of the segments is what it was when the journal began, whatever the setting says now. */
static void test_other_size(void **state)
{
	struct journal_rig *rig = *state;
	stamp_t stamps[2];

	stamps[0] = rig_own(rig, 1, 10);
	rig->max_bytes = UINT64_C(1) << 40;
	rig_reopen(rig);
	stamps[1] = rig_own(rig, 1, 10);
	rig->max_bytes = 0;
	rig_reopen(rig);
	assert_owns(rig, stamps, 2);
	rig_fill(rig, 0);
	(void)rig_own(rig, 1, 10);
	assert_true(journal_tail(rig->j) > 2 * RIG_SEGMENT);
}

/* Own records of before the crash that had no batch yet get one. */
static void test_reopen_open(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket gone, under_way;
	stamp_t stamps[5];
	size_t count;

	stamps[0] = rig_own(rig, 1, 10);
	assert_int_equal(rig_seal(rig), 1);
	stamps[1] = rig_own(rig, 2, 20);
	uint64_t open_from = journal_open_from(rig->j);
	assert_int_equal(rig_append(rig, 3, 30, &gone), 0);
	rig_void(rig, 3, 30, &gone);
	stamps[2] = gone.stamp;
	assert_int_equal(rig_append(rig, 4, 40, &under_way), 0);
	stamps[3] = under_way.stamp;
	uint64_t tail = journal_tail(rig->j);
	rig_reopen(rig);
	assert_true(journal_tail(rig->j) == tail);
	assert_true(journal_open_records(rig->j));
	assert_true(journal_open_from(rig->j) == open_from);
	/* No call is under way any more. */
	assert_true(journal_settled(rig->j) == tail);
	stamps[4] = rig_own(rig, 5, 50);
	assert_true(stamp_seq(stamps[4]) > stamp_seq(stamps[3]));
	assert_int_equal(rig_seal(rig), 4);
	assert_owns(rig, stamps, 5);
	AUTO_FREE struct rig_frame *got = rig_frames(rig, open_from, &count);
	assert_int_equal(got[1].record_kind, REC_VOID);
	assert_int_equal(got[2].record_kind, REC_WRITE);
	rig_reopen(rig);
	assert_false(journal_open_records(rig->j));
	assert_int_equal(rig_seal(rig), 0);
}

static void test_reopen_refused(void **state)
{
	struct journal_rig *rig = *state;
	uint8_t count[4] = {2};

	(void)rig_own(rig, 1, 10);
	/* A seal over more records than there are; one that is no seal. */
	assert_int_equal(journal_reopen(rig->j, JOURNAL_SEAL, 0, count, 4), MA_ECORRUPT);
	count[0] = 1;
	assert_int_equal(journal_reopen(rig->j, JOURNAL_SEAL, 0, count, 3), MA_ECORRUPT);
	assert_true(journal_open_records(rig->j));
	assert_int_equal(journal_reopen(rig->j, JOURNAL_SEAL, 0, count, 4), 0);
	assert_false(journal_open_records(rig->j));
}

/* Three rounds through the same files. Each time the newest frame is cut inside, so that behind the
 * cut stand the bytes of an older frame that was valid at this very place of the file. */
static void test_recycled(void **state)
{
	struct journal_rig *rig = *state;
	/* All frames of one size, so that they lie at the same offsets in each segment. */
	const size_t size = 99942, frame = JOURNAL_FRAME_HEAD + RIG_WRITE_HEAD + size;
	AUTO_FREE uint8_t *old = malloc(frame);
	char path[160];

	assert_non_null(old);
	for (int round = 0; round < 12; round++) {
		stamp_t stamps[2];
		uint64_t index = journal_tail(rig->j) / RIG_SEGMENT;

		/* To the end of this segment and a frame into the next, which was one before. */
		while (journal_tail(rig->j) / RIG_SEGMENT == index) {
			(void)rig_own(rig, (uint8_t)round, size);
			(void)rig_seal(rig);
		}
		seal_all(rig);
		uint64_t keep = (index + 1) * RIG_SEGMENT;
		journal_trim(rig->j, keep, keep);
		uint64_t first = journal_tail(rig->j);
		uint64_t cut_at = first + frame;
		rig_segment(rig, first, path);
		stamps[0] = rig_own(rig, (uint8_t)round, size);
		rig_file_read(path, cut_at % RIG_SEGMENT, old, frame);
		(void)rig_own(rig, (uint8_t)round, size);
		assert_true(journal_tail(rig->j) == cut_at + frame);
		size_t cut = 1 + (size_t)round * (frame - 2) / 11;
		rig_file_write(path, cut_at % RIG_SEGMENT + cut, old + cut, frame - cut);
		size_t count;
		rig_reopen(rig);
		assert_true(journal_tail(rig->j) == cut_at);
		AUTO_FREE struct rig_frame *got = rig_frames(rig, first, &count);
		assert_int_equal(count, 1);
		assert_true(got[0].stamp == stamps[0]);
		/* In the gap another of the same size: the older ones behind it stay dead. */
		stamps[1] = rig_own(rig, 0xee, size);
		rig_reopen(rig);
		AUTO_FREE struct rig_frame *again = rig_frames(rig, first, &count);
		assert_int_equal(count, 2);
		assert_true(again[1].stamp == stamps[1]);
		seal_all(rig);
	}
	assert_true(journal_tail(rig->j) > 12 * RIG_SEGMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_torn_tail),
		TEST(test_frames_behind_a_gap),
		TEST(test_gap_cleared_by_hand),
		TEST(test_clearing_fails),
		TEST(test_full_segment),
		TEST(test_next_segment_missing),
		TEST(test_next_segment_begun),
		TEST(test_first_segment_begun),
		TEST(test_gap_refused),
		TEST(test_other_size),
		TEST(test_reopen_open),
		TEST(test_reopen_refused),
		TEST(test_recycled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
