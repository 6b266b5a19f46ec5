/* links: core/settings.c core/conf.c core/address.c core/units.c core/location.c core/io.c
 * core/err.c SPDX-License-Identifier: Apache-2.0 The settings file: what is taken, what is refused,
 * and that the error names file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/settings.h"

struct row {
	const char *text;
	const char *error; /* NULL: taken; else what the error must be */
};

static const struct row rows[] = {
	{"", NULL},
	{"# nothing\n", NULL},
	{"listen = 10.0.0.1:7000\n", NULL},
	{"listen = [fd00::1]:7000\n", NULL},
	{"listen = \"node1.example:7000\" # a name\n", NULL},
	{"journal_max = 64M // as much as that\n", NULL},
	{"status_listen = off\nadvertise = auto\n", NULL},
	{"/* two\nlines */ passthrough = on", NULL},
	{"listen = 10.0.0.1:0\n",
	 "f:1: listen = 10.0.0.1:0: not an address; write 10.0.0.1:7447, [fd00::1]:7447 or a name"},
	{"# one\n# two\n/* three\n   four */\nfoo = 1\n", "f:5: no such option 'foo'"},
	{"journal_max = 64Q\n", "f:1: journal_max = 64Q: not a size; write bytes, or 64K, 64M, 2G"},
	{"journal_max = -1\n", "f:1: journal_max = -1: not a size; write bytes, or 64K, 64M, 2G"},
	{"journal_max = 1M\n", "f:1: journal_max = 1M: must lie between 16.0 MiB and 1.0 PiB"},
	{"journal_max = 99999999999T\n",
	 "f:1: journal_max = 99999999999T: must lie between 16.0 MiB and 1.0 PiB"},
	{"\n\npassthrough = maybe\n", "f:3: passthrough = maybe: must be on or off"},
	{"log_level = loud\n", "f:1: log_level = loud: must be debug, info, warning or error"},
	{"listen = a:1\n# twice\nlisten = b:1\n",
	 "f:3: listen is set a second time, first in line 1; take one out"},
	{"listen\n", "f:2: premature end of file"},
	{"listen = \"abc\n", "f:2: premature end of file"},
	{"a = 1\n/* no end\n", "f:2: the comment that starts here has no end"},
	{"listen = '/*'\n",
	 "f:1: listen = /*: not an address; write 10.0.0.1:7447, [fd00::1]:7447 or a name"},
	{"log_level = info//x\n",
	 "f:1: log_level = info//x: must be debug, info, warning or error"},
	{"pool web { }\n", "f:1: no such option 'pool'"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings settings;
		char error[512] = "";
		int r = settings_parse("f", rows[i].text, strlen(rows[i].text), &settings, error,
				       sizeof(error));

		if (rows[i].error) {
			assert_true(r < 0);
			assert_string_equal(error, rows[i].error);
		} else {
			assert_string_equal(error, "");
			assert_int_equal(r, 0);
		}
	}
}

static void test_values(void **state)
{
	static const char text[] = "journal_max = 64M\ncatchup_rate = 10M\n# x\n"
				   "passthrough = on\nlog_level = warning\nlisten = 10.1.1.1:1\n";
	struct settings settings;
	char error[256];

	(void)state;
	assert_int_equal(
		settings_parse("f", text, sizeof(text) - 1, &settings, error, sizeof(error)), 0);
	assert_int_equal(settings.journal_max, 64 << 20);
	assert_int_equal(settings.catchup_rate, 10 << 20);
	assert_true(settings.passthrough);
	assert_int_equal(settings.log_level, LOG_LEVEL_WARN);
	assert_string_equal(settings.text[SETTING_LISTEN], "10.1.1.1:1");
	assert_int_equal(settings.line[SETTING_LISTEN], 6);
	assert_string_equal(settings.text[SETTING_TRANSPORT], "auto");
	assert_int_equal(settings.line[SETTING_TRANSPORT], 0);
}

static void test_each_default_is_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETTINGS_KEYS; i++) {
		const struct setting *setting = &settings_table[i];
		char error[256] = "";

		assert_non_null(setting->name);
		assert_non_null(setting->help);
		(void)setting->check(setting, setting->value, error, sizeof(error));
		assert_string_equal(error, "");
	}
}

static void test_bounds(void **state)
{
	static char big[SETTINGS_FILE_MAX + 1];
	char value[SETTINGS_VALUE_MAX + 32];
	struct settings settings;
	char error[512];

	(void)state;
	memset(big, '\n', sizeof(big));
	assert_int_equal(
		settings_parse("f", big, SETTINGS_FILE_MAX, &settings, error, sizeof(error)), 0);
	assert_int_equal(settings_parse("f", big, sizeof(big), &settings, error, sizeof(error)),
			 -EFBIG);
	assert_true(settings_parse("f", "listen\0", 7, &settings, error, sizeof(error)) < 0);
	assert_string_equal(error, "f: holds a zero byte, so it is no text");
	(void)snprintf(value, sizeof(value), "listen=%0*d", SETTINGS_VALUE_MAX, 1);
	assert_true(settings_parse("f", value, strlen(value), &settings, error, sizeof(error)) < 0);
	assert_string_equal(error, "f:1: listen: the value is longer than 127 bytes");
}

static void test_missing_file_means_defaults(void **state)
{
	struct settings settings;
	char error[256];

	(void)state;
	assert_int_equal(
		settings_read("/nonexistent/multiall.conf", &settings, error, sizeof(error)), 0);
	assert_string_equal(settings.text[SETTING_LISTEN], "[::]:7447");
	assert_true(settings_read("/", &settings, error, sizeof(error)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_each_default_is_allowed),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_missing_file_means_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
