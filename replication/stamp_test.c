/* links: replication/stamp.c tests/lib/hex_file.c core/io.c core/err.c core/crypto.c
 * SPDX-License-Identifier: Apache-2.0
 * Stamps: a total order that follows the clock; vectors: tables, bounds, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "replication/stamp.h"
#include "tests/lib/hex_file.h"

#define EPOCH_NS INT64_C(1577836800000000000) /* 2020-01-01T00:00:00Z */
#define STEP_NS  15625

static void test_parts(void **state)
{
	static const struct {
		uint16_t slot;
		uint64_t seq;
		stamp_t stamp;
	} rows[] = {
		{0, 1, 1},
		{1, 0, UINT64_C(0x0001000000000000)},
		{64, 5, UINT64_C(0x0040000000000005)},
		{512, STAMP_SEQ_MAX, UINT64_C(0x0200ffffffffffff)},
		{0xffff, STAMP_SEQ_MAX, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(stamp_make(rows[i].slot, rows[i].seq) == rows[i].stamp);
		assert_int_equal(stamp_slot(rows[i].stamp), rows[i].slot);
		assert_true(stamp_seq(rows[i].stamp) == rows[i].seq);
	}
	/* A sequence number that is too long must not reach into the slot. */
	assert_true(stamp_make(2, STAMP_SEQ_MAX + 2) == stamp_make(2, 1));
	assert_int_equal(slot_node(63), 0);
	assert_int_equal(slot_node(64), 1);
	assert_int_equal(slot_node(64 * 1023 + 63), 1023);
}

/* In order: time first, whatever the slot; the slot only where the time is the same. */
static const stamp_t ordered[] = {
	0,
	UINT64_C(1) << 48,
	UINT64_C(0xffff) << 48,
	1,
	UINT64_C(1) << 48 | 1,
	UINT64_C(0x8000) << 48 | 1,
	UINT64_C(0xffff) << 48 | 1,
	2,
	UINT64_C(7) << 48 | 1000,
	UINT64_C(3) << 48 | 1001,
	UINT64_C(2) << 48 | (STAMP_SEQ_MAX - 1),
	STAMP_SEQ_MAX,
	UINT64_MAX,
};

static void test_total_order(void **state)
{
	size_t count = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t a = 0; a < count; a++) {
		for (size_t b = 0; b < count; b++)
			assert_int_equal(stamp_after(ordered[a], ordered[b]), a > b);
	}
}

static void test_clock(void **state)
{
	static const struct {
		int64_t wall_ns;
		uint64_t seq;
	} rows[] = {
		/* 0 means "none" everywhere, so no clock may give it. */
		{INT64_MIN, 1},
		{-1, 1},
		{0, 1},
		{EPOCH_NS - 1, 1},
		{EPOCH_NS, 1},
		{EPOCH_NS + 1, 1},
		{EPOCH_NS + STEP_NS - 1, 1},
		{EPOCH_NS + STEP_NS, 1},
		{EPOCH_NS + 2 * STEP_NS - 1, 1},
		{EPOCH_NS + 2 * STEP_NS, 2},
		{EPOCH_NS + 1000000, 64},
		{EPOCH_NS + INT64_C(1000000000), 64000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(seq_from_wall(rows[i].wall_ns) == rows[i].seq);
	for (int64_t ns = EPOCH_NS; ns > 0 && ns < INT64_MAX - (INT64_C(1) << 55);
	     ns += INT64_C(1) << 55)
		assert_in_range(seq_from_wall(ns), 1, STAMP_SEQ_MAX);
	assert_in_range(seq_from_wall(INT64_MAX), 1, STAMP_SEQ_MAX);
	/* The step after which the number starts anew, in 2159. */
	int64_t last = seq_to_wall(STAMP_SEQ_MAX);
	assert_true(seq_from_wall(last) == STAMP_SEQ_MAX);
	assert_in_range(seq_from_wall(last + STEP_NS), 1, STAMP_SEQ_MAX);
}

/* As far as time has passed since others agreed, and a second; a clock that is behind is taken as
 * it is. */
static void test_clock_vouched(void **state)
{
	const uint64_t now = seq_from_wall(seq_to_wall(UINT64_C(1) << 40));
	const uint64_t second = 64000, slack = 64 * STAMP_SLACK_MS;
	const struct {
		uint64_t wall, vouched, passed_ms, seq;
	} rows[] = {
		{now, 0, 0, now},
		{now, now, 0, now},
		{now, now - 5 * second, 5000, now},
		{now + slack, now, 0, now + slack},
		{now + slack + 1, now, 0, now + slack},
		{now + 1000 * second, now, 7000, now + 7 * second + slack},
		{now - 1000 * second, now, 7000, now - 1000 * second},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(seq_from_clocks(seq_to_wall(rows[i].wall), rows[i].vouched,
					    rows[i].passed_ms) == rows[i].seq);
}

static void test_clock_round_trip(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= STAMP_SEQ_MAX; seq += seq / 3 + 1) {
		assert_true(seq_from_wall(seq_to_wall(seq)) == seq);
		assert_true(seq_from_wall(seq_to_wall(seq) + STEP_NS - 1) == seq);
		assert_true(seq_to_wall(seq) - seq_to_wall(seq - 1) == STEP_NS);
	}
	assert_true(seq_from_wall(seq_to_wall(STAMP_SEQ_MAX)) == STAMP_SEQ_MAX);
}

static struct vector vector_of(size_t count, const uint64_t pairs[][2])
{
	struct vector v;

	vector_init(&v);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(vector_raise(&v, (uint16_t)pairs[i][0], pairs[i][1]), 0);
	return v;
}

static void test_raise(void **state)
{
	/* Whatever the order they come in, slots stand in order and the highest number counts. */
	static const uint64_t raises[][2] = {{64, 10}, {1, 7},     {65535, 3}, {64, 9},
					     {64, 12}, {32768, 1}, {0, 5},     {1, 8}};
	static const uint64_t slots[][2] = {{0, 5}, {1, 8}, {64, 12}, {32768, 1}, {65535, 3}};
	struct vector v = vector_of(sizeof(raises) / sizeof(raises[0]), raises);

	(void)state;
	assert_int_equal(v.count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(v.entries[i].slot, slots[i][0]);
		assert_true(v.entries[i].seq == slots[i][1]);
		assert_true(vector_get(&v, (uint16_t)slots[i][0]) == slots[i][1]);
	}
	assert_true(vector_get(&v, 2) == 0);
	assert_true(vector_get(&v, 65534) == 0);
}

static void test_full(void **state)
{
	struct vector v, more, copy;

	(void)state;
	vector_init(&v);
	vector_init(&more);
	for (unsigned int i = 0; i < VECTOR_MAX; i++)
		assert_int_equal(vector_raise(&v, (uint16_t)(i * 2 + 1), i + 1), 0);
	vector_copy(&copy, &v);
	assert_int_equal(vector_raise(&v, 0, 1), MA_ELIMIT);
	assert_int_equal(vector_raise(&v, 2, 1), MA_ELIMIT);
	assert_int_equal(vector_raise(&v, 65535, 1), MA_ELIMIT);
	assert_true(vector_equal(&v, &copy));
	/* Those that are in it can still be raised. */
	assert_int_equal(vector_raise(&v, 1, 1000), 0);
	assert_int_equal(vector_raise(&v, VECTOR_MAX * 2 - 1, 1000), 0);
	assert_int_equal(v.count, VECTOR_MAX);
	assert_int_equal(vector_raise(&more, 65535, 1), 0);
	assert_int_equal(vector_merge(&v, &more), MA_ELIMIT);
}

static void test_relations(void **state)
{
	static const struct {
		uint64_t a[3][2], b[3][2];
		size_t a_count, b_count;
		bool a_contains_b, b_contains_a;
	} rows[] = {
		{{{0}}, {{0}}, 0, 0, true, true},
		{{{1, 5}}, {{0}}, 1, 0, true, false},
		{{{1, 5}}, {{1, 5}}, 1, 1, true, true},
		{{{1, 5}}, {{1, 6}}, 1, 1, false, true},
		{{{1, 5}}, {{2, 5}}, 1, 1, false, false},
		{{{1, 5}, {2, 5}}, {{1, 6}, {2, 4}}, 2, 2, false, false},
		{{{1, 5}, {2, 5}}, {{2, 5}}, 2, 1, true, false},
		/* "Nothing of that slot" and "slot unknown" are the same. */
		{{{1, 5}, {9, 0}}, {{1, 5}}, 2, 1, true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vector a = vector_of(rows[i].a_count, rows[i].a);
		struct vector b = vector_of(rows[i].b_count, rows[i].b);

		assert_int_equal(vector_contains(&a, &b), rows[i].a_contains_b);
		assert_int_equal(vector_contains(&b, &a), rows[i].b_contains_a);
		assert_int_equal(vector_equal(&a, &b),
				 rows[i].a_contains_b && rows[i].b_contains_a);
		struct vector both;
		vector_copy(&both, &a);
		struct vector meet;
		vector_copy(&meet, &a);
		vector_meet(&meet, &b);
		assert_true(vector_contains(&a, &meet) && vector_contains(&b, &meet));
		for (size_t k = 0; k < a.count; k++) {
			uint16_t slot = a.entries[k].slot;
			uint64_t mine = a.entries[k].seq, theirs = vector_get(&b, slot);
			assert_int_equal(vector_get(&meet, slot), mine < theirs ? mine : theirs);
		}
		assert_int_equal(vector_merge(&both, &b), 0);
		assert_true(vector_contains(&both, &a));
		assert_true(vector_contains(&both, &b));
		for (size_t e = 0; e < both.count; e++) {
			uint16_t slot = both.entries[e].slot;
			uint64_t of_a = vector_get(&a, slot);
			uint64_t of_b = vector_get(&b, slot);
			assert_true(both.entries[e].seq == (of_a > of_b ? of_a : of_b));
		}
	}
}

static void test_covers(void **state)
{
	static const uint64_t pairs[][2] = {{1, 5}, {3, 1}};
	struct vector v = vector_of(2, pairs);

	(void)state;
	assert_true(vector_covers(&v, stamp_make(1, 1)));
	assert_true(vector_covers(&v, stamp_make(1, 5)));
	assert_false(vector_covers(&v, stamp_make(1, 6)));
	assert_false(vector_covers(&v, stamp_make(2, 1)));
	assert_true(vector_covers(&v, stamp_make(3, 1)));
	assert_false(vector_covers(&v, stamp_make(4, 1)));
	/* No stamp is always known. */
	assert_true(vector_covers(&v, 0));
}

static void test_bytes(void **state)
{
	static const uint64_t pairs[][2] = {{1, 5}, {0x1234, 0x00123456789abcde & STAMP_SEQ_MAX}};
	static const uint8_t golden[] = {2, 0,    1,    0,    5,    0,    0,    0,    0,    0, 0,
					 0, 0x34, 0x12, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0, 0};
	struct vector v = vector_of(2, pairs);
	struct vector back;
	uint8_t bytes[VECTOR_WIRE_MAX];
	struct wr w = wr_init(bytes, sizeof(bytes));

	(void)state;
	vector_write(&w, &v);
	assert_false(w.failed);
	assert_int_equal(wr_used(&w), sizeof(golden));
	assert_memory_equal(bytes, golden, sizeof(golden));
	for (size_t size = 0; size <= sizeof(golden); size++) {
		struct rd r = rd_init(bytes, size);

		vector_read(&r, &back);
		assert_int_equal(r.failed, size < sizeof(golden));
	}
	assert_true(vector_equal(&v, &back));
}

static void test_bytes_full(void **state)
{
	struct vector v, back;
	uint8_t bytes[VECTOR_WIRE_MAX];
	struct wr w = wr_init(bytes, sizeof(bytes));

	(void)state;
	vector_init(&v);
	for (unsigned int i = 0; i < VECTOR_MAX; i++)
		assert_int_equal(vector_raise(&v, (uint16_t)(65535 - i), STAMP_SEQ_MAX), 0);
	vector_write(&w, &v);
	assert_false(w.failed);
	assert_int_equal(wr_used(&w), VECTOR_WIRE_MAX);
	struct rd r = rd_init(bytes, VECTOR_WIRE_MAX);
	vector_read(&r, &back);
	assert_false(r.failed);
	assert_true(vector_equal(&v, &back));
}

/* Each of these would break the binary search or the arithmetic of those who use it. */
static void test_bytes_refused(void **state)
{
	static const struct {
		uint16_t count;
		uint64_t pairs[3][2];
	} rows[] = {
		{2, {{2, 1}, {1, 1}}},         /* disorder */
		{2, {{1, 1}, {1, 2}}},         /* double */
		{3, {{1, 1}, {3, 1}, {2, 1}}}, /* disorder further on */
		{1, {{1, STAMP_SEQ_MAX + 1}}}, /* a number of 49 bits */
		{1, {{1, UINT64_MAX}}},        /* of 64 */
		{VECTOR_MAX + 1, {{0}}},       /* too many */
		{UINT16_MAX, {{0}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[2 + (VECTOR_MAX + 1) * 10] = {0};
		struct wr w = wr_init(bytes, sizeof(bytes));
		struct vector v;

		wr_u16(&w, rows[i].count);
		for (size_t k = 0; k < rows[i].count && rows[i].count <= 3; k++) {
			wr_u16(&w, (uint16_t)rows[i].pairs[k][0]);
			wr_u64(&w, rows[i].pairs[k][1]);
		}
		/* The right number of bytes, in order: only the count is wrong then. */
		for (unsigned int k = 0; rows[i].count > VECTOR_MAX && k <= VECTOR_MAX; k++) {
			wr_u16(&w, (uint16_t)(k + 1));
			wr_u64(&w, 1);
		}
		struct rd r = rd_init(bytes, sizeof(bytes));
		vector_read(&r, &v);
		assert_true(r.failed);
		assert_true(v.count <= VECTOR_MAX);
	}
}

static void test_golden_vector(void **state)
{
	uint8_t golden[HEX_FILE_MAX], bytes[VECTOR_WIRE_MAX];
	size_t size = hex_file_read("vector", golden);
	struct rd r = rd_init(golden, size);
	struct wr w = wr_init(bytes, sizeof(bytes));
	struct vector v;

	(void)state;
	vector_read(&r, &v);
	assert_true(!r.failed && rd_left(&r) == 0 && v.count == 2);
	assert_true(vector_get(&v, 64) == 5 && vector_get(&v, 449) == 0xa1b2c3d4e5);
	vector_write(&w, &v);
	assert_int_equal(wr_used(&w), size);
	assert_memory_equal(bytes, golden, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_vector),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_total_order),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_round_trip),
		cmocka_unit_test(test_clock_vouched),
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bytes_full),
		cmocka_unit_test(test_bytes_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
