/* links: replication/journal.c replication/open_records.c replication/segment.c replication/batch.c
 * replication/record.c replication/stamp.c tests/lib/journal_rig.c core/crypto.c core/io.c
 * core/err.c core/clock.c SPDX-License-Identifier: Apache-2.0 The journal while it runs: stamps,
 * batches beside calls in flight, VOID, durability, where to begin to read and what is let go of.
 * Crashes are in journal_crash_test.c, threads in journal_thread_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "tests/lib/journal_rig.h"

static int setup(void **state)
{
	struct journal_rig *rig = malloc(sizeof(*rig));

	assert_non_null(rig);
	rig_init(rig, 64u << 20);
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

static void test_new(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_reader reader = {0};
	struct journal_frame f;

	assert_true(journal_first(rig->j) == RIG_FIRST);
	assert_true(journal_tail(rig->j) == RIG_FIRST);
	assert_true(journal_open_from(rig->j) == RIG_FIRST);
	assert_true(journal_settled(rig->j) == RIG_FIRST);
	assert_int_equal(journal_bytes(rig->j), JOURNAL_SEGMENT_HEAD);
	assert_int_equal(journal_records(rig->j), 0);
	assert_false(journal_open_records(rig->j));
	assert_int_equal(rig_seal(rig), 0);
	assert_int_equal(journal_read(rig->j, &reader, RIG_FIRST, &f), 0);
	assert_int_equal(journal_read(rig->j, &reader, RIG_FIRST + 12345, &f), 0);
	assert_int_equal(journal_read(rig->j, &reader, 0, &f), MA_EGAP);
	journal_reader_done(&reader);
}

/* Own number space: never twice, never back, behind the clock and behind everything seen. */
static void test_stamps(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t before = seq_from_wall(clock_wall_ns());
	stamp_t last = rig_own(rig, 1, 10);

	assert_int_equal(stamp_slot(last), RIG_SLOT);
	assert_true(stamp_seq(last) >= before);
	for (int i = 0; i < 1000; i++) {
		stamp_t next = rig_own(rig, 1, 10);

		assert_true(stamp_seq(next) > stamp_seq(last));
		last = next;
	}
	uint64_t far = stamp_seq(last) + 1000000000;
	journal_see_seq(rig->j, far);
	assert_true(stamp_seq(rig_own(rig, 1, 10)) == far + 1);
	journal_see_seq(rig->j, 5);
	assert_true(stamp_seq(rig_own(rig, 1, 10)) == far + 2);
	assert_int_equal(journal_records(rig->j), 1003);
}

static void test_ids(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	struct record make = {.kind = REC_MAKE,
			      .id = 99,
			      .parent = 1,
			      .mode = 0100644,
			      .name = "a",
			      .name_size = 1};
	struct record link = {.kind = REC_LINK, .id = 99, .parent = 1, .name = "b", .name_size = 1};

	assert_int_equal(journal_append(rig->j, &make, &ticket), 0);
	journal_done(rig->j, &ticket);
	assert_true(make.stamp == ticket.stamp && make.id == ticket.stamp);
	assert_int_equal(journal_append(rig->j, &link, &ticket), 0);
	journal_done(rig->j, &ticket);
	assert_true(link.stamp == ticket.stamp && link.id == 99);
}

static void test_read(void **state)
{
	struct journal_rig *rig = *state;
	struct rig_frame want[] = {
		{.kind = JOURNAL_OWN}, {.kind = JOURNAL_OWN},     {.kind = JOURNAL_SEAL},
		{.kind = JOURNAL_OWN}, {.kind = JOURNAL_FOREIGN}, {.kind = JOURNAL_ABSENT},
	};
	size_t count;
	uint64_t pos;

	want[0].stamp = rig_own(rig, 1, 0);
	want[1].stamp = rig_own(rig, 2, 100000);
	want[2].stamp = want[1].stamp;
	assert_int_equal(rig_seal(rig), 2);
	want[3].stamp = rig_own(rig, 3, 77);
	want[4].stamp = stamp_make(rig_foreign_slot(0), rig_foreign(rig, 0, 5000));
	assert_int_equal(journal_append_frame(rig->j, JOURNAL_ABSENT, "state", 5, &pos), 0);
	AUTO_FREE struct rig_frame *got = rig_frames(rig, RIG_FIRST, &count);
	assert_int_equal(count, 6);
	assert_true(got[0].pos == RIG_FIRST && got[5].pos == pos && got[5].size == 5);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got[i].kind, want[i].kind);
		assert_true(got[i].stamp == want[i].stamp);
	}
	/* From a position in between, the rest. */
	AUTO_FREE struct rig_frame *rest = rig_frames(rig, got[3].pos, &count);
	assert_int_equal(count, 3);
	/* From a position that is none. */
	struct journal_reader reader = {0};
	struct journal_frame f;
	assert_int_equal(journal_read(rig->j, &reader, RIG_FIRST + 1, &f), MA_ECORRUPT);
	journal_reader_done(&reader);
}

static void test_foreign_refused(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t pos;

	assert_int_equal(journal_append_frame(rig->j, JOURNAL_FOREIGN, "no batch", 8, &pos),
			 MA_ECORRUPT);
	assert_true(journal_tail(rig->j) == RIG_FIRST);
}

/* A batch ends before the first call that is still under way, whatever came later. */
static void test_seal_in_flight(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket a, b, c;
	struct batch batch = {.pool = RIG_POOL};
	AUTO_FREE uint8_t *records = NULL;

	assert_int_equal(rig_append(rig, 1, 10, &a), 0);
	assert_int_equal(rig_append(rig, 2, 20, &b), 0);
	assert_int_equal(rig_append(rig, 3, 30, &c), 0);
	assert_true(journal_open_records(rig->j));
	assert_true(journal_settled(rig->j) == a.pos);
	assert_int_equal(rig_seal(rig), 0);
	journal_done(rig->j, &c);
	assert_int_equal(rig_seal(rig), 0);
	journal_done(rig->j, &a);
	assert_true(journal_settled(rig->j) == b.pos);
	assert_int_equal(journal_seal_take(rig->j, &batch, &records), 1);
	assert_true(batch.slot == RIG_SLOT && batch.count == 1);
	assert_true(batch.first == stamp_seq(a.stamp) && batch.last == batch.first);
	/* Taken is not yet put: it is still open, and can be taken again. */
	assert_true(journal_open_from(rig->j) == a.pos);
	assert_int_equal(rig_seal(rig), 1);
	assert_true(journal_open_from(rig->j) == b.pos);
	assert_int_equal(rig_seal(rig), 0);
	journal_done(rig->j, &b);
	assert_int_equal(rig_seal(rig), 2);
	assert_false(journal_open_records(rig->j));
	assert_true(journal_open_from(rig->j) == journal_tail(rig->j));
	assert_true(journal_settled(rig->j) == journal_tail(rig->j));
}

/* What comes between taking a batch and putting its seal belongs to the next one. */
static void test_append_while_sealing(void **state)
{
	struct journal_rig *rig = *state;
	struct batch batch = {.pool = RIG_POOL};
	AUTO_FREE uint8_t *records = NULL;
	struct journal_ticket b;
	uint64_t from;
	size_t count;

	(void)rig_own(rig, 1, 10);
	assert_int_equal(journal_seal_take(rig->j, &batch, &records), 1);
	assert_int_equal(rig_append(rig, 2, 20, &b), 0);
	batch_seal(&batch, rig->chain, &rig->key);
	assert_int_equal(journal_seal_put(rig->j, &batch, &from), 0);
	assert_true(from == RIG_FIRST);
	assert_true(journal_open_from(rig->j) == b.pos);
	/* In flight over the seal: its place in the buffer has moved. */
	rig_void(rig, 2, 20, &b);
	(void)rig_own(rig, 3, 10);
	assert_int_equal(rig_seal(rig), 2);
	AUTO_FREE struct rig_frame *got = rig_frames(rig, RIG_FIRST, &count);
	assert_int_equal(count, 5);
	assert_int_equal(got[1].record_kind, REC_VOID);
	assert_int_equal(got[2].kind, JOURNAL_SEAL);
	assert_int_equal(got[3].record_kind, REC_WRITE);
}

static void test_seal_size(void **state)
{
	static const struct {
		size_t sizes[6];
		uint32_t counts[4]; /* of the batches that come of it */
	} rows[] = {
		{{100, 100, 100}, {3}},
		{{BATCH_RECORDS_SEAL / 2, BATCH_RECORDS_SEAL / 2, 1}, {1, 2}},
		/* Exactly full: length and head of each record count. */
		{{BATCH_RECORDS_SEAL / 2 - 4 - RIG_WRITE_HEAD,
		  BATCH_RECORDS_SEAL / 2 - 4 - RIG_WRITE_HEAD, 1},
		 {2, 1}},
		{{BATCH_RECORDS_SEAL / 2 - 4 - RIG_WRITE_HEAD,
		  BATCH_RECORDS_SEAL / 2 - 3 - RIG_WRITE_HEAD, 1},
		 {1, 2}},
		/* One that is larger than a batch is one. */
		{{RECORD_DATA_MAX, RECORD_DATA_MAX, 5}, {1, 1, 1}},
		{{5, RECORD_DATA_MAX, 5}, {1, 1, 1}},
	};
	struct journal_rig *rig = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; rows[i].sizes[k]; k++)
			(void)rig_own(rig, 1, rows[i].sizes[k]);
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(rig_seal(rig), rows[i].counts[k]);
	}
}

/* The batch as it is taken, and the records as they are in the journal, are the same bytes: they
 * are sent from either. */
static void test_batch_is_journal(void **state)
{
	struct journal_rig *rig = *state;
	struct batch batch = {.pool = RIG_POOL};
	struct journal_ticket gone;
	struct journal_reader reader = {0};
	struct journal_frame f;
	AUTO_FREE uint8_t *records = NULL;
	uint64_t pos = RIG_FIRST;

	(void)rig_own(rig, 1, 10);
	assert_int_equal(rig_append(rig, 2, 3000, &gone), 0);
	(void)rig_own(rig, 3, 30000);
	rig_void(rig, 2, 3000, &gone);
	(void)rig_own(rig, 4, 0);
	assert_int_equal(journal_seal_take(rig->j, &batch, &records), 1);
	assert_int_equal(batch.count, 4);
	struct rd r = rd_init(records, batch.records_size);
	for (int i = 0; i < 4; i++) {
		struct record rec;
		uint32_t size = rd_u32(&r);
		const uint8_t *bytes = rd_bytes(&r, size);

		assert_non_null(bytes);
		assert_int_equal(journal_read(rig->j, &reader, pos, &f), 1);
		assert_int_equal(f.size, size);
		assert_memory_equal(f.payload, bytes, size);
		assert_int_equal(record_read(bytes, size, &rec), 0);
		assert_int_equal(rec.kind, i == 1 ? REC_VOID : REC_WRITE);
		if (i == 1)
			assert_true(rec.stamp == gone.stamp);
		pos = f.next;
	}
	assert_int_equal(rd_left(&r), 0);
	journal_reader_done(&reader);
}

static void test_void_cannot_be_written(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;

	assert_int_equal(rig_append(rig, 2, 10, &ticket), 0);
	rig_disk.write_error = EIO;
	rig_void(rig, 2, 10, &ticket);
	rig_disk.write_error = 0;
	/* Batch and journal would tell peers two different things. */
	assert_int_equal(rig_append(rig, 2, 10, &ticket), -EIO);
}

static void test_durable(void **state)
{
	struct journal_rig *rig = *state;
	unsigned int syncs = rig_disk.syncs;

	(void)rig_own(rig, 1, 10);
	uint64_t tail = journal_tail(rig->j);
	assert_true(journal_durable(rig->j) < tail);
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), 0);
	assert_true(journal_durable(rig->j) == tail);
	assert_int_equal(rig_disk.syncs, syncs + 1);
	/* Nothing new: nothing to be done. */
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), 0);
	assert_int_equal(rig_disk.syncs, syncs + 1);
	(void)rig_own(rig, 1, 10);
	assert_true(journal_durable(rig->j) == tail);
	/* A segment that ends is made durable by itself, so that one sync is enough for two. */
	rig_fill(rig, 10);
	syncs = rig_disk.syncs;
	(void)rig_own(rig, 1, 10);
	assert_int_equal(rig_disk.syncs, syncs + 1);
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), 0);
	assert_int_equal(rig_disk.syncs, syncs + 2);
	assert_true(journal_durable(rig->j) == journal_tail(rig->j));
}

static void test_sync_error(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	uint64_t pos;

	(void)rig_own(rig, 1, 10);
	rig_disk.sync_error = EIO;
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), -EIO);
	/* The kernel says it once and forgets; the pages may be gone. */
	rig_disk.sync_error = 0;
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), -EIO);
	assert_true(journal_durable(rig->j) < journal_tail(rig->j));
	assert_int_equal(rig_append(rig, 1, 10, &ticket), -EIO);
	assert_int_equal(journal_append_frame(rig->j, JOURNAL_ABSENT, "s", 1, &pos), -EIO);
	/* No call is left over that would hold up the rest for ever. */
	assert_true(journal_settled(rig->j) == journal_tail(rig->j));
}

static void test_sync_error_between(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;

	rig_fill(rig, 10);
	rig_disk.sync_error = EIO;
	assert_int_equal(rig_append(rig, 1, 10, &ticket), -EIO);
	rig_disk.sync_error = 0;
	assert_int_equal(rig_append(rig, 1, 10, &ticket), -EIO);
	assert_int_equal(journal_sync(rig->j, journal_tail(rig->j)), -EIO);
}

/* No room for another segment: what still fits goes in (an unlink makes room), and when there is
 * room again all goes on. */
static void test_no_room(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	size_t count;

	rig_fill(rig, 200);
	rig_disk.reserve_error = ENOSPC;
	assert_int_equal(rig_append(rig, 1, 1000, &ticket), -ENOSPC);
	assert_int_equal(rig_append(rig, 1, 1000, &ticket), -ENOSPC);
	stamp_t small = rig_own(rig, 1, 10);
	assert_int_equal(rig_append(rig, 1, 1000, &ticket), -ENOSPC);
	assert_true(journal_settled(rig->j) == journal_tail(rig->j));
	rig_disk.reserve_error = 0;
	stamp_t large = rig_own(rig, 1, 1000);
	AUTO_FREE struct rig_frame *got = rig_frames(rig, RIG_FIRST, &count);
	assert_true(got[count - 2].stamp == small && got[count - 1].stamp == large);
	assert_true(got[count - 1].pos == 2 * RIG_SEGMENT + JOURNAL_SEGMENT_HEAD);
	while (rig_seal(rig))
		;
	rig_reopen(rig);
	AUTO_FREE struct rig_frame *again = rig_frames(rig, RIG_FIRST, &count);
	assert_true(again[count - 3].stamp == small && again[count - 2].stamp == large);
}

static struct vector have_of(struct journal_rig *rig, uint64_t own, uint64_t foreign0)
{
	struct vector v;

	(void)rig;
	vector_init(&v);
	assert_int_equal(vector_raise(&v, RIG_SLOT, own), 0);
	assert_int_equal(vector_raise(&v, rig_foreign_slot(0), foreign0), 0);
	return v;
}

/* Whoever begins where he is told to finds each batch that he lacks: all of it. */
static void check_start(struct journal_rig *rig, const struct rig_frame *all, size_t count,
			const struct vector *have)
{
	uint64_t pos;
	int r = journal_start(rig->j, have, &pos);

	if (r == MA_EGAP)
		return;
	assert_int_equal(r, 0);
	assert_true(pos >= journal_first(rig->j));
	/* An own batch that is lacked is sent with all its records. */
	for (size_t i = 0; i < count; i++) {
		if (all[i].kind != JOURNAL_ABSENT && !vector_covers(have, all[i].stamp))
			assert_true(all[i].pos >= pos);
	}
}

static void test_start(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t owns[200], foreigns[200];
	size_t n = 0;

	/* Batches over four segments, own and foreign, some over the edge of a segment. */
	owns[0] = foreigns[0] = 0;
	while (journal_tail(rig->j) < 5 * RIG_SEGMENT && n < 199) {
		n++;
		(void)rig_own(rig, 1, 200000 + n * 1000);
		foreigns[n] = rig_foreign(rig, 0, 100000);
		assert_int_equal(rig_seal(rig), 1);
		owns[n] = rig->prev;
	}
	assert_true(n < 199);
	bool gap = false;
	size_t count;
	AUTO_FREE struct rig_frame *frames = rig_frames(rig, RIG_FIRST, &count);
	for (size_t o = 0; o <= n; o++) {
		for (size_t f = 0; f <= n; f++) {
			struct vector have = have_of(rig, owns[o], foreigns[f]);
			uint64_t pos;

			check_start(rig, frames, count, &have);
			gap = gap || journal_start(rig->j, &have, &pos) == MA_EGAP;
		}
	}
	assert_false(gap); /* nothing was let go of yet */
	/* Who has all begins in the last segment, not earlier. */
	struct vector all = have_of(rig, owns[n], foreigns[n]);
	uint64_t pos;
	assert_int_equal(journal_start(rig->j, &all, &pos), 0);
	assert_true(pos >= 4 * RIG_SEGMENT);
	/* The first segments go: who lacks what they held is told so. */
	journal_trim(rig->j, 3 * RIG_SEGMENT, 3 * RIG_SEGMENT);
	assert_true(journal_first(rig->j) == 3 * RIG_SEGMENT + JOURNAL_SEGMENT_HEAD);
	struct vector none = have_of(rig, 0, 0);
	assert_int_equal(journal_start(rig->j, &none, &pos), MA_EGAP);
	for (size_t o = 0; o <= n; o++) {
		struct vector have = have_of(rig, owns[o], foreigns[o]);

		check_start(rig, frames, count, &have);
	}
	assert_int_equal(journal_start(rig->j, &all, &pos), 0);
}

/* To the beginning of the next segment, with frames that are in no vector. */
static void next_segment(struct journal_rig *rig)
{
	static const uint8_t zeros[1000000];
	uint64_t index = journal_tail(rig->j) / RIG_SEGMENT;
	uint64_t pos;

	while (journal_tail(rig->j) / RIG_SEGMENT == index)
		assert_int_equal(
			journal_append_frame(rig->j, JOURNAL_ABSENT, zeros, sizeof(zeros), &pos),
			0);
}

/* What came in just before a segment ends counts in the next one's head, although nobody has
 * flushed or told the journal since. */
static void test_start_without_flush(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t pos;

	(void)rig_own(rig, 1, 100);
	assert_int_equal(rig_seal(rig), 1);
	struct vector have = have_of(rig, rig->prev, 0);
	journal_set_vector(rig->j, &have);
	(void)rig_own(rig, 1, 100);
	uint64_t own_at = journal_open_from(rig->j);
	assert_int_equal(rig_seal(rig), 1);
	next_segment(rig);
	assert_int_equal(journal_start(rig->j, &have, &pos), 0);
	assert_true(pos <= own_at);
	have = have_of(rig, rig->prev, 0);
	uint64_t foreign_at = journal_tail(rig->j);
	(void)rig_foreign(rig, 0, 100);
	next_segment(rig);
	assert_int_equal(journal_start(rig->j, &have, &pos), 0);
	assert_true(pos <= foreign_at);
	/* A flush that looked earlier does not take it back. */
	struct vector old;
	vector_init(&old);
	journal_set_vector(rig->j, &old);
	next_segment(rig);
	assert_int_equal(journal_start(rig->j, &have, &pos), 0);
	assert_true(pos <= foreign_at);
}

/* A record before the edge of a segment, its seal behind it. */
static void test_start_at_edge(void **state)
{
	struct journal_rig *rig = *state;
	struct vector have = have_of(rig, 0, 0);
	uint64_t pos;

	uint64_t own_at = journal_tail(rig->j);
	(void)rig_own(rig, 1, 100);
	next_segment(rig);
	assert_int_equal(rig_seal(rig), 1);
	assert_int_equal(journal_start(rig->j, &have, &pos), 0);
	assert_true(pos <= own_at);
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	assert_int_equal(journal_start(rig->j, &have, &pos), MA_EGAP);
}

static void test_trim(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t s = RIG_SEGMENT;
	struct journal_reader reader = {0};
	struct journal_frame f;
	char path[160];

	for (int i = 0; i < 4; i++) {
		rig_fill(rig, 10);
		(void)rig_own(rig, 1, 10);
		while (rig_seal(rig))
			;
	}
	static const struct {
		uint64_t keep, need; /* in tenths of a segment */
		uint64_t first;      /* segment */
	} rows[] = {
		{0, 0, 1},   {50, 19, 1}, {19, 50, 1}, {20, 20, 2}, {20, 20, 2}, {25, 50, 2},
		{50, 29, 2}, {39, 39, 3}, {99, 99, 5}, {99, 99, 5}, /* the last stays */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		journal_trim(rig->j, s * rows[i].keep / 10, s * rows[i].need / 10);
		assert_true(journal_first(rig->j) == s * rows[i].first + JOURNAL_SEGMENT_HEAD);
		rig_segment(rig, s * (rows[i].first - 1), path);
		assert_int_equal(access(path, F_OK), -1);
		rig_segment(rig, s * rows[i].first, path);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(journal_read(rig->j, &reader, s * rows[i].first - 100, &f),
				 MA_EGAP);
	}
	journal_reader_done(&reader);
}

static void test_trim_keeps_open(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;

	/* Not in a batch yet: needed, whatever the caller says. */
	assert_int_equal(rig_append(rig, 1, 10, &ticket), 0);
	for (int i = 0; i < 15; i++)
		(void)rig_foreign(rig, 0, 1000000);
	assert_true(journal_tail(rig->j) > 2 * RIG_SEGMENT);
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	assert_true(journal_first(rig->j) == RIG_FIRST);
	journal_done(rig->j, &ticket);
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	assert_true(journal_first(rig->j) == RIG_FIRST);
	assert_int_equal(rig_seal(rig), 1);
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	assert_true(journal_first(rig->j) > RIG_FIRST);
}

/* Beyond the limit peers that are away lose their place; what the index lacks is kept even so. */
static void test_trim_bound(void **state)
{
	struct journal_rig *rig = *state;

	rig->max_bytes = 3 * RIG_SEGMENT;
	rig_reopen(rig);
	for (uint64_t i = 0; i < 5; i++) {
		rig_fill(rig, 10);
		(void)rig_own(rig, 1, 10);
		while (rig_seal(rig))
			;
		journal_trim(rig->j, 0, 0);
		assert_true(journal_first(rig->j) == RIG_FIRST);
	}
	journal_trim(rig->j, 0, journal_tail(rig->j));
	assert_true(journal_bytes(rig->j) <= rig->max_bytes);
	assert_true(journal_bytes(rig->j) > rig->max_bytes - RIG_SEGMENT);
}

static void test_spare(void **state)
{
	struct journal_rig *rig = *state;
	char spare[160];

	(void)snprintf(spare, sizeof(spare), "%s/spare", rig->dir);
	for (int i = 0; i < 2; i++) {
		rig_fill(rig, 10);
		(void)rig_own(rig, 1, 10);
		while (rig_seal(rig))
			;
	}
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	/* One is kept, the other is gone. */
	assert_int_equal(access(spare, F_OK), 0);
	rig_fill(rig, 10);
	(void)rig_own(rig, 1, 10);
	assert_int_equal(access(spare, F_OK), -1);
	/* Somebody tidied it away: a new file does as well. */
	while (rig_seal(rig))
		;
	journal_trim(rig->j, UINT64_MAX, UINT64_MAX);
	assert_int_equal(unlink(spare), 0);
	rig_fill(rig, 10);
	(void)rig_own(rig, 1, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_stamps),
		TEST(test_ids),
		TEST(test_read),
		TEST(test_foreign_refused),
		TEST(test_seal_in_flight),
		TEST(test_append_while_sealing),
		TEST(test_seal_size),
		TEST(test_batch_is_journal),
		TEST(test_void_cannot_be_written),
		TEST(test_durable),
		TEST(test_sync_error),
		TEST(test_sync_error_between),
		TEST(test_no_room),
		TEST(test_start),
		TEST(test_start_without_flush),
		TEST(test_start_at_edge),
		TEST(test_trim),
		TEST(test_trim_keeps_open),
		TEST(test_trim_bound),
		TEST(test_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
