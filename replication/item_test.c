/* links: replication/item.c replication/object.c replication/stamp.c tests/lib/hex_file.c
 *        core/crypto.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Items of a catch-up by state: the golden vector, and each bound from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/item.h"
#include "tests/lib/hex_file.h"

static int read_copy(const uint8_t *bytes, size_t size)
{
	AUTO_FREE uint8_t *fit = malloc(size ? size : 1);
	struct item item;

	assert_non_null(fit);
	memcpy(fit, bytes, size);
	int r = item_read(fit, size, &item);
	object_clear(&item.state);
	return r;
}

static void test_golden(void **state)
{
	uint8_t golden[HEX_FILE_MAX], object[HEX_FILE_MAX];
	size_t size = hex_file_read("item", golden);
	struct item_xattrs walk;
	struct item_xattr x;
	struct item item;

	(void)state;
	assert_int_equal(item_read(golden, size, &item), 0);
	size_t object_size = hex_file_read("object-file", object);
	AUTO_FREE uint8_t *again = NULL;
	size_t again_size;
	assert_int_equal(object_encode(&item.state, &again, &again_size), 0);
	assert_int_equal(again_size, object_size);
	assert_memory_equal(again, object, object_size);
	item_xattrs_init(&walk, &item);
	assert_int_equal(item_xattrs_next(&walk, &x), 1);
	assert_string_equal(x.name, "user.color");
	assert_true(x.present && x.size == 3 && memcmp(x.value, "red", 3) == 0);
	assert_true(x.stamp == item.state.id);
	assert_int_equal(item_xattrs_next(&walk, &x), 1);
	assert_string_equal(x.name, "security.selinux");
	assert_true(!x.present && x.size == 0 && x.stamp == item.state.owner);
	assert_int_equal(item_xattrs_next(&walk, &x), 0);
	assert_true(item.has_data && item.size == 8 && item.data_size == 5);
	assert_memory_equal(item.data, "hello", 5);
	object_clear(&item.state);
}

static void test_cut(void **state)
{
	uint8_t golden[HEX_FILE_MAX];
	size_t size = hex_file_read("item", golden);

	(void)state;
	/* The data may end anywhere: what is missing is zeros. All before may not. */
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(read_copy(golden, cut), cut < size - 5 ? MA_ECORRUPT : 0);
}

/* A removed object, attributes as given, and `data` bytes of content. */
static int read_made(const void *xattrs, size_t xattrs_size, uint64_t size, size_t data)
{
	uint8_t object[HEX_FILE_MAX];
	size_t object_size = hex_file_read("object-dead", object);
	size_t room = object_size + xattrs_size + data + 64;
	AUTO_FREE uint8_t *bytes = calloc(1, room);
	struct wr w = wr_init(bytes, room);

	assert_non_null(bytes);
	wr_u32(&w, (uint32_t)object_size);
	wr_bytes(&w, object, object_size);
	wr_u32(&w, (uint32_t)xattrs_size);
	wr_bytes(&w, xattrs, xattrs_size);
	wr_u8(&w, 1);
	wr_u64(&w, size);
	return read_copy(bytes, wr_used(&w) + data);
}

static void test_bounds(void **state)
{
	static const uint8_t none[2] = {0, 0};

	(void)state;
	assert_int_equal(read_made(none, 2, 0, 0), 0);
	assert_int_equal(read_made(none, 2, INT64_MAX, 0), 0);
	assert_int_equal(read_made(none, 2, (uint64_t)INT64_MAX + 1, 0), MA_ECORRUPT);
	assert_int_equal(read_made(none, 2, 0, ITEM_INLINE_MAX), 0);
	assert_int_equal(read_made(none, 2, 0, ITEM_INLINE_MAX + 1), MA_ECORRUPT);
}

static void test_attributes(void **state)
{
	static const struct {
		const char *what;
		uint16_t count;
		const char *name;
		size_t name_size;
		uint32_t size;
		size_t value, rest;
		int code;
	} rows[] = {
		{"one", 1, "user.a", 6, 3, 3, 0, 0},
		{"an empty value", 1, "user.a", 6, 0, 0, 0, 0},
		{"no name", 1, "", 0, 3, 3, 0, MA_ECORRUPT},
		{"a zero byte in the name", 1, "a\0b", 3, 3, 3, 0, MA_ECORRUPT},
		{"a value that is cut", 1, "user.a", 6, 4, 3, 0, MA_ECORRUPT},
		{"a value of four GiB", 1, "user.a", 6, UINT32_MAX, 3, 0, MA_ECORRUPT},
		{"more than it says", 1, "user.a", 6, 3, 3, 1, MA_ECORRUPT},
		{"fewer", 2, "user.a", 6, 3, 3, 0, MA_ECORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[128];
		struct wr w = wr_init(bytes, sizeof(bytes));

		wr_u16(&w, rows[i].count);
		wr_blob16(&w, rows[i].name, rows[i].name_size);
		wr_u8(&w, 1);
		wr_u64(&w, 99);
		wr_u32(&w, rows[i].size);
		wr_bytes(&w, "value", rows[i].value);
		wr_bytes(&w, "rest", rows[i].rest);
		if (read_made(bytes, wr_used(&w), 0, 0) != rows[i].code)
			fail_msg("%s", rows[i].what);
	}
	assert_int_equal(read_made("", 0, 0, 0), MA_ECORRUPT); /* not even a count */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
