/* links: core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Each code has a sentence and an errno that an application can be given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/err.h"

static void test_each_code(void **state)
{
	(void)state;
	for (int code = MA_ECORRUPT; code >= MA_EUSAGE; code--) {
		assert_string_not_equal(err_text(code), "unknown error");
		assert_true(strlen(err_text(code)) > 3);
		assert_int_equal(err_errno(code), EIO);
		/* No two say the same. */
		for (int other = MA_ECORRUPT; other > code; other--)
			assert_string_not_equal(err_text(code), err_text(other));
	}
	assert_string_equal(err_text(-ENOENT), "No such file or directory");
	assert_string_equal(err_text(0), "success");
	assert_string_equal(err_text(7), "success");
	assert_string_equal(err_text(-999999), "unknown error");
	assert_int_equal(err_errno(-ENOSPC), ENOSPC);
	assert_int_equal(err_errno(0), 0);
	assert_int_equal(err_errno(5), 0);
}

static void test_say(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(err_say(text, sizeof(text), -EIO, "%d", 42), -EIO);
	assert_string_equal(text, "42");
	assert_int_equal(err_say(text, sizeof(text), MA_ESIG, "much too %s", "long"), MA_ESIG);
	assert_string_equal(text, "much to");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_code),
		cmocka_unit_test(test_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
