/* links: replication/journal.c replication/open_records.c replication/segment.c replication/batch.c
 * replication/record.c replication/stamp.c tests/lib/journal_rig.c core/crypto.c core/io.c
 * core/err.c core/clock.c SPDX-License-Identifier: Apache-2.0 Many threads at one journal: calls,
 * the one that closes batches, readers, syncs, trimming. Made for the thread sanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "tests/lib/journal_rig.h"

#define CALLERS 80 /* more than may be in flight */
#define CALLS   100

struct shared {
	struct journal_rig rig;
	atomic_uint running;
	atomic_bool stop;
	atomic_int tid;
	atomic_uint failures;
	pthread_t other;
	stamp_t stamps[CALLERS * CALLS];
	atomic_uint count;
	bool voided[CALLERS * CALLS];
};

static int setup(void **state)
{
	struct shared *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	rig_init(&s->rig, 3 * RIG_SEGMENT);
	rig_open(&s->rig);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shared *s = *state;

	rig_done(&s->rig);
	free(s);
	return 0;
}

/* Threads do not use cmocka, whose checks belong to the test's own thread. */
static void check(struct shared *s, bool good)
{
	if (!good)
		atomic_fetch_add(&s->failures, 1);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

static void *caller(void *arg)
{
	struct shared *s = arg;
	uint64_t last = 0;

	for (unsigned int i = 0; i < CALLS; i++) {
		uint8_t data[300];
		struct record rec = {
			.kind = REC_WRITE, .id = 5, .base = 6, .data = data, .data_size = i * 2};
		struct journal_ticket ticket;

		memset(data, (int)i, sizeof(data));
		journal_wait_room(s->rig.j);
		if (journal_append(s->rig.j, &rec, &ticket) < 0) {
			check(s, false);
			break;
		}
		check(s, stamp_seq(ticket.stamp) > last);
		last = stamp_seq(ticket.stamp);
		unsigned int n = atomic_fetch_add(&s->count, 1);
		s->stamps[n] = ticket.stamp;
		s->voided[n] = i % 7 == 3;
		if (s->voided[n])
			journal_void(s->rig.j, &ticket, &rec);
		else
			journal_done(s->rig.j, &ticket);
	}
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static void *syncer(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		uint64_t tail = journal_tail(s->rig.j);

		check(s, journal_sync(s->rig.j, journal_tail(s->rig.j)) == 0);
		check(s, journal_durable(s->rig.j) >= tail);
	}
	return NULL;
}

/* Reads all again and again: whatever is rewritten or let go of meanwhile, a frame is whole, and
 * one that is settled stays what it is. */
static void *reader(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		struct journal_reader buffer = {0};
		struct journal_frame f;
		uint64_t pos = journal_first(s->rig.j);
		uint64_t settled = journal_settled(s->rig.j);
		int r;

		while ((r = journal_read(s->rig.j, &buffer, pos, &f)) == 1) {
			struct record rec;
			bool own = f.kind == JOURNAL_OWN;
			check(s, f.pos >= pos);
			check(s, !own || record_read(f.payload, f.size, &rec) == 0);
			if (own && f.pos < settled && f.size > 18) {
				/* VOID exactly if its call was voided: bytes tell which call. */
				size_t size = f.size - RIG_WRITE_HEAD;
				check(s, (rec.kind == REC_VOID) == (size / 2 % 7 == 3));
			}
			pos = f.next;
		}
		check(s, r == 0 || r == MA_EGAP);
		journal_reader_done(&buffer);
	}
	return NULL;
}

struct found {
	stamp_t stamp;
	bool voided;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = stamp_seq(((const struct found *)a)->stamp);
	uint64_t y = stamp_seq(((const struct found *)b)->stamp);

	return x < y ? -1 : x > y;
}

/* Takes one batch, adding its records. */
static bool seal(struct shared *s, struct found *found, size_t *count)
{
	struct batch batch = {.pool = RIG_POOL, .prev = s->rig.prev};
	AUTO_FREE uint8_t *records = NULL;
	struct batch_walk walk;
	struct record rec;
	uint64_t from;
	int r = journal_seal_take(s->rig.j, &batch, &records);

	assert_in_range(r, 0, 1);
	if (r == 0)
		return false;
	batch_seal(&batch, s->rig.chain, &s->rig.key);
	assert_int_equal(journal_seal_put(s->rig.j, &batch, &from), 0);
	assert_true(batch.first > s->rig.prev);
	s->rig.prev = batch.last;
	memcpy(s->rig.chain, batch.chain, HASH_SIZE);
	batch_walk_init(&walk, &batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		assert_true(*count < (size_t)CALLERS * CALLS);
		found[(*count)++] = (struct found){rec.stamp, rec.kind == REC_VOID};
	}
	assert_int_equal(r, 0);
	return true;
}

static void test_all_at_once(void **state)
{
	struct shared *s = *state;
	pthread_t callers[CALLERS], others[2];
	AUTO_FREE struct found *found = calloc((size_t)CALLERS * CALLS, sizeof(*found));
	AUTO_FREE struct found *want = calloc((size_t)CALLERS * CALLS, sizeof(*want));
	size_t count = 0;

	assert_non_null(found);
	assert_non_null(want);
	atomic_store(&s->running, CALLERS);
	for (size_t i = 0; i < CALLERS; i++)
		callers[i] = start(caller, s);
	others[0] = start(syncer, s);
	others[1] = start(reader, s);
	while (atomic_load(&s->running) || journal_open_records(s->rig.j)) {
		if (!seal(s, found, &count))
			sched_yield();
	}
	atomic_store(&s->stop, true);
	for (size_t i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_join(callers[i], NULL), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(others[i], NULL), 0);
	assert_int_equal(atomic_load(&s->failures), 0);
	/* Each record is in one batch, in order, as what it became. */
	assert_int_equal(count, CALLERS * CALLS);
	for (size_t i = 0; i < count; i++)
		want[i] = (struct found){s->stamps[i], s->voided[i]};
	qsort(want, count, sizeof(*want), compare);
	for (size_t i = 0; i < count; i++) {
		assert_true(found[i].stamp == want[i].stamp);
		assert_int_equal(found[i].voided, want[i].voided);
	}
	/* And the journal says the same after a crash. */
	rig_reopen(&s->rig);
	size_t frames, n = 0;
	AUTO_FREE struct rig_frame *got = rig_frames(&s->rig, RIG_FIRST, &frames);
	for (size_t i = 0; i < frames; i++) {
		if (got[i].kind != JOURNAL_OWN)
			continue;
		assert_true(got[i].stamp == want[n].stamp);
		assert_int_equal(got[i].record_kind == REC_VOID, want[n].voided);
		n++;
	}
	assert_int_equal(n, count);
}

/* Files are let go of and used again under the hands of readers. */
static void test_trim_under_readers(void **state)
{
	struct shared *s = *state;
	pthread_t readers[2] = {start(reader, s), start(reader, s)};

	for (int i = 0; i < 25; i++) {
		static const uint8_t zeros[1000000];
		uint64_t pos;

		assert_int_equal(
			journal_append_frame(s->rig.j, JOURNAL_ABSENT, zeros, sizeof(zeros), &pos),
			0);
		journal_trim(s->rig.j, pos, pos);
	}
	atomic_store(&s->stop, true);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	assert_int_equal(atomic_load(&s->failures), 0);
}

static void *one_call(void *arg)
{
	struct shared *s = arg;

	atomic_store(&s->tid, gettid());
	(void)caller(s);
	return NULL;
}

static char thread_state(int tid)
{
	char path[64], text[256] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 'X';
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : 'X';
}

/* Waits until the thread waits for us. */
static void await_asleep(struct shared *s)
{
	while (!atomic_load(&s->tid))
		sched_yield();
	for (int asleep = 0; asleep < 100;) {
		assert_int_not_equal(atomic_load(&s->running), 0);
		asleep = thread_state(atomic_load(&s->tid)) == 'S' ? asleep + 1 : 0;
		sched_yield();
	}
}

static void *read_first(void *arg)
{
	struct shared *s = arg;
	struct journal_reader buffer = {0};
	struct journal_frame f;

	atomic_store(&s->tid, gettid());
	int r = journal_read(s->rig.j, &buffer, RIG_FIRST, &f);
	check(s, r == 1 && f.payload[0] == REC_VOID);
	journal_reader_done(&buffer);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static void read_in_between(void *arg)
{
	struct shared *s = arg;

	atomic_store(&s->running, 1);
	s->other = start(read_first, s);
	await_asleep(s);
}

/* The head of the frame is that of the VOID, the rest not yet. */
static void test_read_while_voided(void **state)
{
	struct shared *s = *state;
	struct journal_ticket ticket;

	assert_int_equal(rig_append(&s->rig, 1, 100, &ticket), 0);
	rig_disk.arg = s;
	__atomic_store_n(&rig_disk.in_write, read_in_between, __ATOMIC_RELEASE);
	rig_void(&s->rig, 1, 100, &ticket);
	assert_null(rig_disk.in_write);
	assert_int_equal(pthread_join(s->other, NULL), 0);
	assert_int_equal(atomic_load(&s->failures), 0);
}

static void next_segment(struct shared *s)
{
	static const uint8_t zeros[1000000];
	uint64_t index = journal_tail(s->rig.j) / RIG_SEGMENT;
	uint64_t pos;

	while (journal_tail(s->rig.j) / RIG_SEGMENT == index)
		assert_int_equal(
			journal_append_frame(s->rig.j, JOURNAL_ABSENT, zeros, sizeof(zeros), &pos),
			0);
}

static void use_file_again(void *arg)
{
	struct shared *s = arg;

	journal_trim(s->rig.j, UINT64_MAX, UINT64_MAX);
	next_segment(s);
}

/* Between looking up the segment and reading, its file becomes another one. */
static void test_read_while_recycled(void **state)
{
	struct shared *s = *state;
	struct journal_reader buffer = {0};
	struct journal_frame f;

	next_segment(s);
	rig_disk.arg = s;
	__atomic_store_n(&rig_disk.before_read, use_file_again, __ATOMIC_RELEASE);
	assert_int_equal(journal_read(s->rig.j, &buffer, RIG_FIRST, &f), MA_EGAP);
	assert_null(rig_disk.before_read);
	journal_reader_done(&buffer);
}

static void test_in_flight_bound(void **state)
{
	struct shared *s = *state;
	struct journal_ticket tickets[JOURNAL_INFLIGHT_MAX];

	for (size_t i = 0; i < JOURNAL_INFLIGHT_MAX; i++)
		assert_int_equal(rig_append(&s->rig, 1, 10, &tickets[i]), 0);
	atomic_store(&s->running, 1);
	pthread_t thread = start(one_call, s);
	await_asleep(s);
	assert_int_equal(journal_records(s->rig.j), JOURNAL_INFLIGHT_MAX);
	for (size_t i = 0; i < JOURNAL_INFLIGHT_MAX; i++)
		journal_done(s->rig.j, &tickets[i]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(journal_records(s->rig.j), JOURNAL_INFLIGHT_MAX + CALLS);
	assert_int_equal(atomic_load(&s->failures), 0);
}

static void test_open_bound(void **state)
{
	struct shared *s = *state;
	unsigned int before = 0;

	while (before * (RECORD_DATA_MAX + 4 + RIG_WRITE_HEAD) <= JOURNAL_OPEN_MAX) {
		(void)rig_own(&s->rig, 1, RECORD_DATA_MAX);
		before++;
	}
	atomic_store(&s->running, 1);
	pthread_t thread = start(one_call, s);
	await_asleep(s);
	assert_int_equal(journal_records(s->rig.j), before);
	assert_int_equal(rig_seal(&s->rig), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(journal_records(s->rig.j), before + CALLS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_at_once),       TEST(test_trim_under_readers),
		TEST(test_read_while_voided), TEST(test_read_while_recycled),
		TEST(test_in_flight_bound),   TEST(test_open_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
