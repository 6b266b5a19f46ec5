/* links: health/report.c health/document.c health/code.c core/crypto.c core/io.c core/err.c
 * tests/lib/hex_file.c
 * SPDX-License-Identifier: Apache-2.0
 * What goes to other nodes: golden bytes, bounds, order, and which of two documents counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crypto.h"
#include "health/document.h"
#include "health/report.h"
#include "tests/lib/hex_file.h"

static struct report_entry entries[] = {
	{.rule = "pool.mount",
	 .pool = "web",
	 .code = 3306,
	 .effect = {EFFECT_WITHDRAW, 100},
	 .age_s = 7,
	 .text = "nothing is mounted"},
	{.rule = "cpu.load", .code = 2101, .effect = {0, 50}, .flapping = true, .age_s = 70000},
};

static struct report sample(void)
{
	return (struct report){.revision = 5,
			       .code = 3306,
			       .counts = {10, 0, 1, 1, 0, 2},
			       .whole = true,
			       .entry_count = 2,
			       .entries = entries};
}

static size_t encode(const struct report *report, uint8_t *data, size_t size)
{
	struct wr w = wr_init(data, size);

	report_encode(report, &w);
	assert_false(w.failed);
	return wr_used(&w);
}

static void test_report(void **state)
{
	struct report report = sample();
	struct report back;
	uint8_t data[1024], golden[HEX_FILE_MAX];
	size_t size = encode(&report, data, sizeof(data));

	(void)state;
	assert_int_equal(hex_file_read("health-report", golden), size);
	assert_memory_equal(data, golden, size);
	assert_int_equal(report_decode(data, size, &back), 0);
	assert_int_equal(back.entry_count, 2);
	assert_memory_equal(back.entries, entries, sizeof(entries));
	assert_memory_equal(back.counts, report.counts, sizeof(back.counts));
	assert_int_equal(back.revision, 5);
	report_free(&back);
	/* What a newer version adds at the end is ignored; what is cut off is refused. */
	data[size] = 1;
	assert_int_equal(report_decode(data, size + 1, &back), 0);
	report_free(&back);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(report_decode(data, cut, &back), MA_ECORRUPT);
	report.whole = false;
	size = encode(&report, data, sizeof(data));
	assert_int_equal(report_decode(data, size, &back), 0);
	assert_int_equal(back.entry_count, 0);
	assert_int_equal(back.code, 3306);
}

static void test_report_bounds(void **state)
{
	static struct report_entry many[REPORT_ENTRIES_MAX + 1];
	static uint8_t data[REPORT_BYTES_MAX];
	struct report report = sample();
	struct report back;

	(void)state;
	/* The most that may be said fits into the message. */
	for (size_t i = 0; i < REPORT_ENTRIES_MAX + 1; i++) {
		memset(many[i].rule, 'r', RULE_NAME_MAX);
		memset(many[i].pool, 'p', RULE_NAME_MAX);
		memset(many[i].text, 't', PERFDATA_TEXT_MAX - 1);
	}
	report.entries = many;
	report.entry_count = REPORT_ENTRIES_MAX;
	size_t size = encode(&report, data, sizeof(data));
	assert_int_equal(report_decode(data, size, &back), 0);
	report_free(&back);
	struct wr w = wr_init(data, sizeof(data));
	report.entry_count = REPORT_ENTRIES_MAX + 1;
	report_encode(&report, &w);
	assert_int_equal(report_decode(data, wr_used(&w), &back), MA_ECORRUPT);
}

static void test_order_and_effect(void **state)
{
	struct report report = sample();
	struct report_entry unknown = {.rule = "a", .code = 4003};

	(void)state;
	assert_true(report_entry_compare(&entries[0], &entries[1]) < 0);
	assert_true(report_entry_compare(&entries[0], &unknown) < 0);
	assert_true(report_entry_compare(&unknown, &entries[1]) < 0);
	assert_int_equal(report_effect(&report, "web").bits, EFFECT_WITHDRAW);
	assert_int_equal(report_effect(&report, "web").weight, 50);
	/* What is bad for one pool is no reason for another. */
	assert_int_equal(report_effect(&report, "mail").bits, 0);
	assert_int_equal(report_effect(&report, "mail").weight, 50);
	assert_int_equal(report_effect(&report, NULL).bits, EFFECT_WITHDRAW);
}

static void test_document(void **state)
{
	struct document document = {.pool = 0x1122334455667788,
				    .version = 3,
				    .author = 2,
				    .time_s = 1800000000,
				    .text = (char *)"rule a { check = load }\n",
				    .size = 24};
	static uint8_t data[DOCUMENT_BYTES_MAX];
	uint8_t golden[HEX_FILE_MAX];
	struct document back = {0};
	char dir[] = "/tmp/report_test.XXXXXX";
	char path[128];

	(void)state;
	size_t size = document_encode(&document, data);
	assert_int_equal(hex_file_read("health-rules", golden), size);
	assert_memory_equal(data, golden, size);
	for (size_t cut = 0; cut < size; cut++)
		assert_true(document_decode(data, cut, &back) < 0);
	data[20] ^= 1; /* what a disk has changed is not taken for rules */
	assert_int_equal(document_decode(data, size, &back), MA_ECORRUPT);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(document_save(dir, &document), 0);
	assert_int_equal(document_load(dir, document.pool, &back), 0);
	assert_string_equal(back.text, document.text);
	assert_int_equal(back.version, 3);
	document_free(&back);
	assert_int_equal(document_load(dir, 1, &back), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/1122334455667788.rules", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Any two different documents have one order, whoever asks. */
static void test_which_document(void **state)
{
	static const struct document rows[] = {
		{.version = 1, .author = 1, .text = (char *)"a", .size = 1},
		{.version = 1, .author = 1, .text = (char *)"b", .size = 1},
		{.version = 1, .author = 1, .text = (char *)"aa", .size = 2},
		{.version = 1, .author = 2, .text = (char *)"", .size = 0},
		{.version = 2, .author = 1, .text = (char *)"a", .size = 1},
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 5; k++)
			assert_int_equal(document_newer(&rows[i], &rows[k]), i > k);
	}
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),           cmocka_unit_test(test_report_bounds),
		cmocka_unit_test(test_order_and_effect), cmocka_unit_test(test_document),
		cmocka_unit_test(test_which_document),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
