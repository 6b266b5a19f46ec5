/* links:
 * SPDX-License-Identifier: Apache-2.0
 * Readers and writers: little endian, bounds at every length, an error that stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/bytes.h"

static void write_all(struct wr *w)
{
	wr_u8(w, 0x11);
	wr_u16(w, 0x2233);
	wr_u32(w, 0x44556677);
	wr_u64(w, 0x8899aabbccddeeff);
	wr_blob16(w, "abc", 3);
	wr_bytes(w, "xy", 2);
}

static const uint8_t all[] = {0x11, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44, 0xff, 0xee, 0xdd, 0xcc,
			      0xbb, 0xaa, 0x99, 0x88, 3,    0,    'a',  'b',  'c',  'x',  'y'};

static void test_writer(void **state)
{
	uint8_t data[sizeof(all) + 1];

	(void)state;
	for (size_t room = 0; room <= sizeof(all); room++) {
		memset(data, 0xa5, sizeof(data));
		struct wr w = wr_init(data, room);
		write_all(&w);
		assert_int_equal(w.failed, room < sizeof(all));
		/* Never beyond the room, and nothing after the first that did not fit. */
		assert_int_equal(data[room], 0xa5);
		assert_true(wr_used(&w) <= room);
		assert_memory_equal(data, all, wr_used(&w));
		size_t used = wr_used(&w);
		if (w.failed) {
			wr_bytes(&w, "", 0);
			wr_u8(&w, 1);
			assert_int_equal(wr_used(&w), used);
		}
	}
}

static void test_reader(void **state)
{
	(void)state;
	for (size_t size = 0; size <= sizeof(all); size++) {
		struct rd r = rd_init(all, size);
		size_t blob_size;
		uint8_t copy[2];

		assert_int_equal(rd_u8(&r), size >= 1 ? 0x11 : 0);
		assert_int_equal(rd_u16(&r), size >= 3 ? 0x2233 : 0);
		assert_int_equal(rd_u32(&r), size >= 7 ? 0x44556677 : 0);
		assert_true(rd_u64(&r) == (size >= 15 ? 0x8899aabbccddeeff : 0));
		const uint8_t *blob = rd_blob16(&r, 3, &blob_size);
		if (size >= 20) {
			assert_int_equal(blob_size, 3);
			assert_memory_equal(blob, "abc", 3);
		} else {
			assert_null(blob);
		}
		rd_copy(&r, copy, 2);
		assert_int_equal(r.failed, size < sizeof(all));
		assert_memory_equal(copy, size < sizeof(all) ? "\0\0" : "xy", 2);
		assert_int_equal(rd_left(&r), 0);
	}
}

static void test_error_stays(void **state)
{
	struct rd r = rd_init(all, 4);

	(void)state;
	assert_true(rd_u64(&r) == 0);
	assert_true(r.failed);
	/* There would be room for this, but what it would mean is anyone's guess. */
	assert_int_equal(rd_u8(&r), 0);
	assert_null(rd_bytes(&r, 1));
	assert_int_equal(rd_left(&r), 0);
}

static void test_blobs(void **state)
{
	static uint8_t large[UINT16_MAX + 8];
	uint8_t data[8];
	size_t size;

	(void)state;
	struct rd r = rd_init("\3\0abc", 5);
	assert_null(rd_blob16(&r, 2, &size)); /* longer than allowed */
	assert_true(r.failed);
	assert_int_equal(size, 0);
	r = rd_init("\0\0", 2);
	assert_non_null(rd_blob16(&r, 0, &size));
	assert_false(r.failed);
	struct wr w = wr_init(large, sizeof(large));
	wr_blob16(&w, large, UINT16_MAX + 1);
	assert_true(w.failed);
	w = wr_init(data, sizeof(data));
	wr_bytes(&w, NULL, 0);
	wr_blob16(&w, NULL, 0);
	assert_false(w.failed);
	assert_int_equal(wr_used(&w), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_error_stays),
		cmocka_unit_test(test_blobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
