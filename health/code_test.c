/* links: health/code.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Codes and effects: the table to the letter where others stand on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "health/code.h"

static void test_codes(void **state)
{
	static const struct {
		enum severity severity;
		uint16_t condition, code;
		int exit;
		const char *text;
	} rows[] = {
		{SEVERITY_OK, 301, 0, 0, "ok"},
		{SEVERITY_NOTICE, 6, 1006, 0, "an exception ends soon"},
		{SEVERITY_NOTICE, 5, 1005, 0, "rules are invalid, the last good ones are used"},
		{SEVERITY_DEGRADED, 301, 2301, 1, "disk space"},
		{SEVERITY_CRITICAL, 301, 3301, 2, "disk space"},
		{SEVERITY_UNKNOWN, 1, 4001, 3, "result is stale"},
		{SEVERITY_UNKNOWN, 8, 4008, 3, "starting"},
		{SEVERITY_ADMIN, 9, 5009, 0, "switched off"},
		{SEVERITY_CRITICAL, 80, 3080, 2, "plugin"},
		{SEVERITY_CRITICAL, 599, 3599, 2, "plugin"},
		{SEVERITY_CRITICAL, 577, 3577, 2, "unknown condition"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t code = code_make(rows[i].severity, rows[i].condition);

		assert_int_equal(code, rows[i].code);
		assert_int_equal(code_severity(code), rows[i].severity);
		assert_int_equal(severity_exit(code_severity(code)), rows[i].exit);
		assert_string_equal(code_text(code), rows[i].text);
	}
	assert_int_equal(code_severity(9301), SEVERITY_UNKNOWN); /* of a version to come */
}

/* One number, one meaning; in order, so that a person finds it. */
static void test_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 1; i < code_table_count; i++)
		assert_true(code_table[i - 1].condition < code_table[i].condition);
	assert_true(code_table[code_table_count - 1].condition <= CONDITION_LAST);
}

static void test_worse(void **state)
{
	static const enum severity order[] = {SEVERITY_OK,      SEVERITY_NOTICE,
					      SEVERITY_ADMIN,   SEVERITY_DEGRADED,
					      SEVERITY_UNKNOWN, SEVERITY_CRITICAL};

	(void)state;
	for (size_t i = 0; i < SEVERITIES; i++) {
		for (size_t k = 0; k < SEVERITIES; k++)
			assert_int_equal(severity_worse(order[i], order[k]), i > k);
	}
}

static void test_effects(void **state)
{
	static const struct {
		const char *text, *back;
		int r;
	} rows[] = {
		{"none", "none", 0},
		{"weight:50", "weight:50", 0},
		{"weight:0", "weight:0", 0},
		{"weight:100", "none", 0},
		{"withdraw\nno-new", "no-new withdraw", 0},
		{"withdraw release read-only no-new weight:7",
		 "weight:7 no-new release withdraw read-only", 0},
		{"", "", -EINVAL},
		{"weight:", "", -EINVAL},
		{"weight:101", "", -ERANGE},
		{"weight:-1", "", -EINVAL},
		{"weight:1000", "", -EINVAL},
		{"withdraws", "", -EINVAL},
		{"none bad", "", -EINVAL},
	};
	char text[EFFECT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct effect effect = EFFECT_NONE;

		assert_int_equal(effect_parse(rows[i].text, &effect), rows[i].r);
		if (rows[i].r < 0)
			continue;
		effect_text(effect, text);
		assert_string_equal(text, rows[i].back);
	}
	struct effect half = {0, 50};
	struct effect out = {EFFECT_WITHDRAW, 100};
	struct effect both = effect_join(half, out);
	assert_int_equal(both.bits, EFFECT_WITHDRAW);
	assert_int_equal(both.weight, 50);
	assert_true(effect_covers(both, half) && effect_covers(both, out));
	assert_false(effect_covers(half, out) || effect_covers(out, half));
	assert_true(effect_covers(EFFECT_NONE, EFFECT_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_table_is_in_order),
		cmocka_unit_test(test_worse),
		cmocka_unit_test(test_effects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
