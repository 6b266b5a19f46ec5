/* links: topology/row.c core/location.c topology/beat.c topology/downtime.c core/crypto.c
 * core/err.c tests/lib/hex_file.c core/io.c SPDX-License-Identifier: Apache-2.0 Rows, beats and
 * downtimes: bytes, signatures, order, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/lib/hex_file.h"
#include "topology/beat.h"
#include "topology/downtime.h"

static void key_of(uint8_t byte, struct keypair *ret)
{
	uint8_t seed[KEY_SEED_SIZE];

	memset(seed, byte, sizeof(seed));
	keypair_from_seed(seed, ret);
}

static struct row example(void)
{
	return (struct row){
		.node = 3,
		.incarnation = 5,
		.seq = 9,
		.boot = 0x1122334455667788,
		.flags = ROW_WITNESS,
		.health = 1,
		.location = "east/r1",
		.count = 2,
		.edges = {{1, TNS_EDGE_HEARS, 4}, {7, TNS_EDGE_SILENT, 0}},
	};
}

static struct downtime planned(void)
{
	return (struct downtime){
		.node = 7,
		.version = 2,
		.kind = DOWNTIME_DRAIN,
		.author = 3,
		.set_s = 1800000000,
		.for_s = 7200,
		.reason = "new disk",
	};
}

static void test_golden(void **state)
{
	uint8_t golden[HEX_FILE_MAX], bytes[BEAT_SIZE_MAX];
	struct keypair key;
	struct row row = example();
	struct downtime downtime = planned();

	(void)state;
	key_of(1, &key);
	size_t size = hex_file_read("tns-row", golden);
	assert_int_equal(row_seal(&row, &key, bytes), size);
	assert_memory_equal(bytes, golden, size);
	struct beat beat = {5, 9, 6, 1, 0x0102030405060708, 1000, 2000, 300, golden, size};
	uint8_t beat_golden[HEX_FILE_MAX];
	size_t beat_size = hex_file_read("tns-beat", beat_golden);
	assert_int_equal(beat_encode(&beat, bytes), beat_size);
	assert_memory_equal(bytes, beat_golden, beat_size);
	size = hex_file_read("tns-downtime", golden);
	assert_int_equal(downtime_seal(&downtime, &key, bytes), size);
	assert_memory_equal(bytes, golden, size);
}

static void test_row(void **state)
{
	uint8_t bytes[ROW_SIZE_MAX];
	struct row row = example();
	struct row got;
	struct keypair key, other;

	(void)state;
	key_of(1, &key);
	key_of(2, &other);
	size_t size = row_seal(&row, &key, bytes);
	assert_int_equal(row_decode(bytes, size, &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
	assert_int_equal(row_verify(bytes, size, key.public), 0);
	assert_int_equal(row_verify(bytes, size, other.public), MA_ESIG);
	assert_int_equal(row_verify(bytes, size - 1, key.public), MA_ESIG);
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(row_verify(bytes, size, key.public), MA_ESIG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut + SIGNATURE_SIZE < size; cut++)
		assert_int_equal(row_decode(bytes, cut + SIGNATURE_SIZE, &got), MA_ECORRUPT);
	assert_int_equal(row_edge_to(&row, 1), TNS_EDGE_HEARS);
	assert_int_equal(row_rtt_to(&row, 1), 4);
	assert_int_equal(row_edge_to(&row, 7), TNS_EDGE_SILENT);
	assert_int_equal(row_edge_to(&row, 2), TNS_EDGE_NONE);
	assert_int_equal(row_edge_to(&row, 9), TNS_EDGE_NONE);
	/* The largest fits what it must fit. */
	memset(row.location, 'x', TNS_LOCATION_MAX);
	row.count = TNS_NODES_MAX;
	for (size_t i = 0; i < TNS_NODES_MAX; i++)
		row.edges[i] = (struct row_edge){(uint16_t)(i + 1), TNS_EDGE_HEARS, 15};
	size = row_seal(&row, &key, bytes);
	assert_int_equal(size, ROW_SIZE_MAX);
	assert_int_equal(row_decode(bytes, size, &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
}

/* What no version writes is refused; what a newer one may write is not. */
static void test_row_refused(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		int code;
	} rows[] = {
		{"nothing changed", 0, 1, 0},
		{"format", 0, 2, MA_ECORRUPT},
		{"node 0", 1, 0, MA_ECORRUPT},
		{"a flag of later", 19, 0x80, 0},
		{"an opinion of later", 34, 0x4f, 0},
		{"location with a zero", 23, 0, MA_ECORRUPT},
		{"location with a blank", 23, ' ', MA_ECORRUPT},
		{"edges out of order", 35, 1, MA_ECORRUPT},
		{"edge to nobody", 32, 0, MA_ECORRUPT},
		{"more edges than there are", 30, 3, MA_ECORRUPT},
		{"far more edges", 31, 2, MA_ECORRUPT},
	};
	uint8_t bytes[ROW_SIZE_MAX];
	struct row row = example();
	struct row got;
	struct keypair key;

	(void)state;
	key_of(1, &key);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = row_seal(&row, &key, bytes);

		bytes[rows[i].at] = rows[i].value;
		if (row_decode(bytes, size, &got) != rows[i].code)
			fail_msg("%s", rows[i].what);
	}
}

static void test_order(void **state)
{
	struct row a = example();
	struct row b = example();

	(void)state;
	assert_false(row_newer(&a, &b));
	b.seq++;
	assert_true(row_newer(&b, &a) && !row_newer(&a, &b));
	a.boot++;
	assert_true(row_newer(&a, &b) && !row_newer(&b, &a));
	b.incarnation++;
	assert_true(row_newer(&b, &a) && !row_newer(&a, &b));
	struct downtime c = planned();
	struct downtime d = planned();
	assert_false(downtime_newer(&c, &d));
	d.reason[0] = 'z';
	assert_true(downtime_newer(&d, &c) && !downtime_newer(&c, &d));
	c.author++;
	assert_true(downtime_newer(&c, &d) && !downtime_newer(&d, &c));
	d.kind++;
	assert_true(downtime_newer(&d, &c) && !downtime_newer(&c, &d));
	c.version++;
	assert_true(downtime_newer(&c, &d) && !downtime_newer(&d, &c));
}

static void test_locations(void **state)
{
	static const char *const good[] = {"", "east", "east/room-1/r_2/host.3", "1"};
	static const char *const bad[] = {"/", "a/", "/a", "a//b", "a/b/c/d/e", "a b", "\xc3\xa4"};
	char longest[TNS_LOCATION_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(location_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(location_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[TNS_LOCATION_MAX + 1] = '\0';
	assert_false(location_valid(longest));
	longest[TNS_LOCATION_MAX] = '\0';
	assert_true(location_valid(longest));
}

static void test_beat(void **state)
{
	uint8_t bytes[BEAT_SIZE_MAX + 1];
	struct beat beat = {.incarnation = 1, .seq = 2, .held_us = UINT32_MAX};
	struct beat got;

	(void)state;
	size_t size = beat_encode(&beat, bytes);
	assert_int_equal(size, BEAT_HEAD_SIZE + 2);
	assert_int_equal(beat_decode(bytes, size, &got), 0);
	assert_null(got.row);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(beat_decode(bytes, cut, &got), MA_ECORRUPT);
	/* A newer version may say more. */
	assert_int_equal(beat_decode(bytes, size + 1, &got), 0);
	bytes[0] = 2;
	assert_int_equal(beat_decode(bytes, size, &got), MA_ECORRUPT);
}

static void test_downtime(void **state)
{
	uint8_t bytes[DOWNTIME_SIZE_MAX];
	struct downtime downtime = planned();
	struct downtime got;
	struct keypair key;

	(void)state;
	key_of(1, &key);
	size_t size = downtime_seal(&downtime, &key, bytes);
	assert_int_equal(downtime_decode(bytes, size, &got), 0);
	/* Field by field: what lies between them is nobody's. */
	assert_int_equal(got.node, downtime.node);
	assert_true(got.version == downtime.version);
	assert_int_equal(got.kind, downtime.kind);
	assert_int_equal(got.author, downtime.author);
	assert_true(got.set_s == downtime.set_s);
	assert_int_equal(got.for_s, downtime.for_s);
	assert_string_equal(got.reason, downtime.reason);
	assert_int_equal(downtime_verify(bytes, size, key.public), 0);
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(downtime_verify(bytes, size, key.public), MA_ESIG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut + SIGNATURE_SIZE < size; cut++)
		assert_int_equal(downtime_decode(bytes, cut + SIGNATURE_SIZE, &got), MA_ECORRUPT);
	bytes[11] = DOWNTIME_MAINTENANCE + 1;
	assert_int_equal(downtime_decode(bytes, size, &got), MA_ECORRUPT);
	downtime.for_s = DOWNTIME_FOR_MAX_S + 1;
	size = downtime_seal(&downtime, &key, bytes);
	assert_int_equal(downtime_decode(bytes, size, &got), MA_ECORRUPT);
	downtime = planned();
	assert_int_equal(downtime_left_s(&downtime, downtime.set_s), 7200);
	assert_int_equal(downtime_left_s(&downtime, downtime.set_s + 7199), 1);
	assert_int_equal(downtime_left_s(&downtime, downtime.set_s + 7200), 0);
	/* A clock that is behind makes it no longer. */
	assert_int_equal(downtime_left_s(&downtime, 0), 7200);
	assert_false(downtime_reason_valid(""));
	assert_false(downtime_reason_valid("two\nlines"));
	assert_true(downtime_reason_valid("\xc3\xa4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),      cmocka_unit_test(test_row),
		cmocka_unit_test(test_row_refused), cmocka_unit_test(test_order),
		cmocka_unit_test(test_locations),   cmocka_unit_test(test_beat),
		cmocka_unit_test(test_downtime),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
