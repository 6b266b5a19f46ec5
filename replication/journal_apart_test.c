/* links: replication/journal.c replication/open_records.c replication/segment.c replication/batch.c
 *        replication/record.c replication/stamp.c tests/lib/journal_rig.c core/crypto.c core/io.c
 *        core/err.c core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Records that name their bytes: the journal has the name, a batch gets the bytes from memory, in
 * order, whatever happens to the records around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/auto.h"
#include "tests/lib/journal_rig.h"

#define LARGE (300u << 10)

static const uint8_t no_sum[HASH_SIZE];

static int setup(void **state)
{
	struct journal_rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return -1;
	rig_init(rig, 64u << 20);
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_done(*state);
	free(*state);
	return 0;
}

static struct record extent(const uint8_t *data, size_t size)
{
	return (struct record){.kind = REC_EXTENT,
			       .id = 5,
			       .base = 6,
			       .data = data,
			       .data_size = size,
			       .sum = no_sum};
}

static uint8_t *filled(uint8_t fill)
{
	uint8_t *data = malloc(LARGE);

	assert_non_null(data);
	memset(data, fill, LARGE);
	return data;
}

static void append(struct journal_rig *rig, uint8_t fill, struct journal_ticket *ret)
{
	AUTO_FREE uint8_t *data = filled(fill);
	struct record rec = extent(data, LARGE);

	assert_int_equal(journal_append(rig->j, &rec, ret), 0);
}

/* Takes a batch and says what bytes its extents have: one letter each, '-' without; records that
 * carry their bytes, 'w'; voids, 'v'. */
static void take(struct journal_rig *rig, char *ret)
{
	struct batch batch = {.pool = RIG_POOL, .prev = rig->prev};
	AUTO_FREE uint8_t *records = NULL;
	struct batch_walk walk;
	struct record rec;
	uint64_t from;

	assert_int_equal(journal_seal_take(rig->j, &batch, &records), 1);
	batch_walk_init(&walk, &batch);
	while (batch_walk_next(&walk, &rec) == 1) {
		if (rec.kind == REC_EXTENT && rec.data)
			assert_memory_equal(rec.data, rec.data + 1, LARGE - 1);
		*ret++ = (char)(rec.kind == REC_VOID    ? 'v'
				: rec.kind == REC_WRITE ? 'w'
				: rec.data              ? rec.data[0]
							: '-');
	}
	*ret = '\0';
	assert_int_equal(rd_left(&walk.apart), 0);
	batch_seal(&batch, rig->chain, &rig->key);
	assert_int_equal(journal_seal_put(rig->j, &batch, &from), 0);
	memcpy(rig->chain, batch.chain, HASH_SIZE);
	rig->prev = batch.last;
}

static void test_named(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	uint64_t before = journal_tail(rig->j);
	char got[16];

	append(rig, 'a', &ticket);
	journal_done(rig->j, &ticket);
	assert_int_equal(journal_tail(rig->j) - before, JOURNAL_FRAME_HEAD + RECORD_EXTENT_SIZE);
	(void)rig_own(rig, 1, 10);
	append(rig, 'b', &ticket);
	journal_done(rig->j, &ticket);
	take(rig, got);
	assert_string_equal(got, "awb");
	assert_false(journal_open_records(rig->j));
}

/* A batch ends by what it names, too: each has to be taken in whole. */
static void test_bounded(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	char got[16];

	for (uint8_t i = 0; i < 7; i++) {
		append(rig, (uint8_t)('a' + i), &ticket);
		journal_done(rig->j, &ticket);
	}
	take(rig, got);
	assert_string_equal(got, "abc");
	take(rig, got);
	assert_string_equal(got, "def");
	take(rig, got);
	assert_string_equal(got, "g");
}

static void test_void(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket t[4];
	AUTO_FREE uint8_t *data = filled('b');
	struct record gone = extent(data, LARGE);
	char got[16];

	append(rig, 'a', &t[0]);
	assert_int_equal(journal_append(rig->j, &gone, &t[1]), 0);
	append(rig, 'c', &t[2]);
	journal_done(rig->j, &t[0]);
	take(rig, got); /* what is in flight stays */
	assert_string_equal(got, "a");
	journal_void(rig->j, &t[1], &gone);
	append(rig, 'd', &t[3]);
	journal_done(rig->j, &t[3]);
	struct record third = extent(data, LARGE);
	third.stamp = t[2].stamp;
	journal_void(rig->j, &t[2], &third);
	take(rig, got);
	assert_string_equal(got, "vvd");
}

/* After a restart the bytes are in the files only. */
static void test_reopened(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket ticket;
	char got[16];

	append(rig, 'a', &ticket);
	journal_done(rig->j, &ticket);
	take(rig, got);
	append(rig, 'b', &ticket);
	journal_done(rig->j, &ticket);
	(void)rig_own(rig, 1, 10);
	rig_reopen(rig);
	append(rig, 'c', &ticket);
	journal_done(rig->j, &ticket);
	take(rig, got);
	assert_string_equal(got, "-wc");
}

static void test_amended(void **state)
{
	struct journal_rig *rig = *state;
	struct journal_ticket sealed, ticket;
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct record rec;
	static const uint8_t sum[HASH_SIZE] = {1, 2, 3};
	char got[16];

	append(rig, 'a', &sealed);
	journal_done(rig->j, &sealed);
	take(rig, got);
	append(rig, 'b', &ticket);
	journal_done(rig->j, &ticket);
	rig_reopen(rig);
	struct record now = extent(NULL, 77);
	now.stamp = ticket.stamp;
	now.sum = sum;
	assert_int_equal(journal_amend(rig->j, sealed.pos, &now), MA_EUNKNOWN);
	assert_int_equal(journal_amend(rig->j, ticket.pos + 1, &now), MA_EUNKNOWN);
	assert_int_equal(journal_amend(rig->j, ticket.pos, &now), 0);
	assert_int_equal(journal_read(rig->j, &reader, ticket.pos, &f), 1);
	assert_int_equal(record_read(f.payload, f.size, &rec), 0);
	assert_int_equal(rec.data_size, 77);
	assert_memory_equal(rec.sum, sum, HASH_SIZE);
	/* The batch will say the same. */
	struct batch batch = {.pool = RIG_POOL, .prev = rig->prev};
	AUTO_FREE uint8_t *records = NULL;
	assert_int_equal(journal_seal_take(rig->j, &batch, &records), 1);
	assert_int_equal(batch.records_size, 4 + f.size);
	assert_memory_equal(batch.records + 4, f.payload, f.size);
	journal_reader_done(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_void, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_amended, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
