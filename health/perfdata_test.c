/* links: health/perfdata.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * What plugins print, to the letter of the guidelines of the monitoring plugins, and what only some
 * of them print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "health/perfdata.h"

static void test_items(void **state)
{
	static const struct {
		const char *text, *back; /* label value unit warn crit low high; "": refused */
		size_t taken;
	} rows[] = {
		{"load1=0.420;15.000;30.000;0;", "load1 0.42 [] 15.000 30.000 0 nan", 28},
		{"'a b'=1KB", "a b 1 [KB]   nan nan", 9},
		{"'it''s'=5%;80;90;0;100 x=1", "it's 5 [%] 80 90 0 100", 22},
		{"/=2643MB;5948;5958;0;5968", "/ 2643 [MB] 5948 5958 0 5968", 25},
		{"time=0.000123s;;;0.000000;10.000000", "time 0.000123 [s]   0 10", 35},
		{"x=U", "x nan []   nan nan", 3},
		{"x=1,5s", "x 1.5 [s]   nan nan", 6},
		{"users=0;@10:20;~:30;0", "users 0 [] @10:20 ~:30 0 nan", 21},
		{"x=-3e2c", "x -300 [c]   nan nan", 7},
		{"x=1;;;;;", "x 1 []   nan nan", 8},
		{"x", "", 0},
		{"x=", "", 0},
		{"=1", "", 0},
		{"x=abc", "", 0},
		{"'x=1", "", 0},
		{"x=1;5:2", "", 0},
		{"x=1;;;a", "", 0},
		{"x=0x10", "", 0},
		{"x=inf", "", 0},
		{"x=1e999", "", 0},
		{"x=1s2", "", 0},
		{"x=1;1;2;3;4;5", "", 0},
		{"x=1;11111111111111111111111111111111111111", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct perfdata_item item;
		size_t taken = perfdata_item_parse(rows[i].text, &item);
		char text[256];

		if (taken != rows[i].taken)
			fail_msg("%s: %zu bytes taken", rows[i].text, taken);
		if (!taken)
			continue;
		(void)snprintf(text, sizeof(text), "%s %.15g [%s] %s %s %.15g %.15g", item.label,
			       item.value, item.unit, item.warn, item.crit, item.low, item.high);
		assert_string_equal(text, rows[i].back);
	}
}

static void test_output(void **state)
{
	static const struct {
		const char *data, *text, *perfdata;
		size_t items;
		bool cut;
	} rows[] = {
		{"", "", "", 0, false},
		{"DISK OK\n", "DISK OK", "", 0, false},
		{"DISK OK - free space | /=1MB;2;3;0;4\n", "DISK OK - free space", "/=1MB;2;3;0;4",
		 1, false},
		{"OK | a=1\nlong\nlong | b=2\nc=3 d=4\n", "OK", "a=1 b=2 c=3 d=4", 4, false},
		{"OK\nlong text | a=1", "OK", "a=1", 1, false},
		{"OK | a=1 rubbish b=2", "OK", "a=1 rubbish b=2", 2, true},
		{"|a=1", "", "a=1", 1, false},
		{"OK |\n", "OK", "", 0, false},
	};
	struct plugin_output out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		plugin_output_parse(rows[i].data, strlen(rows[i].data), &out);
		assert_string_equal(out.text, rows[i].text);
		assert_string_equal(out.perfdata, rows[i].perfdata);
		assert_int_equal(out.item_count, rows[i].items);
		assert_int_equal(out.cut, rows[i].cut);
	}
	plugin_output_parse("OK\n|a=1\0b=2", 11, &out);
	assert_true(out.cut);
}

static void test_bounds(void **state)
{
	struct plugin_output out;
	static char data[8192];
	size_t used = 2;

	(void)state;
	memset(data, 'x', sizeof(data));
	plugin_output_parse(data, sizeof(data), &out);
	assert_int_equal(strlen(out.text), PERFDATA_TEXT_MAX - 1);
	assert_true(out.cut);
	memcpy(data, "x|", 2);
	for (int i = 0; i < PERFDATA_ITEMS_MAX + 1; i++)
		used += (size_t)snprintf(data + used, sizeof(data) - used, "l%d=1 ", i);
	plugin_output_parse(data, used, &out);
	assert_int_equal(out.item_count, PERFDATA_ITEMS_MAX);
	assert_true(out.cut);
	memset(data, 'y', sizeof(data));
	memcpy(data, "x|", 2);
	plugin_output_parse(data, PERFDATA_LINE_MAX + 10, &out);
	assert_string_equal(out.perfdata, "");
	assert_true(out.cut);
}

static void test_exits(void **state)
{
	(void)state;
	assert_int_equal(plugin_level(0, 0), LEVEL_OK);
	assert_int_equal(plugin_level(1, 0), LEVEL_WARN);
	assert_int_equal(plugin_level(2, 0), LEVEL_CRIT);
	assert_int_equal(plugin_level(3, 0), LEVEL_UNKNOWN);
	assert_int_equal(plugin_level(127, 0), LEVEL_UNKNOWN);
	assert_int_equal(plugin_level(-1, 0), LEVEL_UNKNOWN);
	assert_int_equal(plugin_level(0, 9), LEVEL_UNKNOWN);
}

/* The ranges of the unit test of the monitoring plugins (lib/tests/test_utils.c), and the table of
 * their guidelines. */
static void test_ranges(void **state)
{
	static const struct {
		const char *text;
		int r;
		double start, end;
		bool inside;
	} rows[] = {
		{"6", 0, 0, 6, false},
		{"-7:23", 0, -7, 23, false},
		{"~:5.75", 0, -(double)INFINITY, 5.75, false},
		{"~:-95.99", 0, -(double)INFINITY, -95.99, false},
		{"10:", 0, 10, (double)INFINITY, false},
		{"10:20", 0, 10, 20, false},
		{"@10:20", 0, 10, 20, true},
		{"0:", 0, 0, (double)INFINITY, false},
		{"1:1", 0, 1, 1, false},
		{"2:1", -EINVAL, 0, 0, false},
		{"", -EINVAL, 0, 0, false},
		{"@", -EINVAL, 0, 0, false},
		{"a", -EINVAL, 0, 0, false},
		{"1:b", -EINVAL, 0, 0, false},
		{"~", -EINVAL, 0, 0, false},
		{"1:2:3", -EINVAL, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct perfdata_range range;
		int r = perfdata_range_parse(rows[i].text, &range);

		if (r != rows[i].r)
			fail_msg("%s: %d", rows[i].text, r);
		if (r < 0)
			continue;
		assert_true(range.start == rows[i].start && range.end == rows[i].end);
		assert_int_equal(range.inside, rows[i].inside);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),  cmocka_unit_test(test_output),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_exits),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
