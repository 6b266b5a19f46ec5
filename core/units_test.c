/* links: core/units.c core/address.c core/json.c core/places.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Small texts: sizes, durations, addresses, places, and JSON made of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/json.h"
#include "core/places.h"
#include "core/units.h"

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"64k", 0, 64 << 10},
		{"64MiB", 0, 64 << 20},
		{"1T", 0, 1ull << 40},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 M", -EINVAL, 0},
		{"1MM", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"18446744073709551615K", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bytes = 0;

		assert_int_equal(size_parse(rows[i].text, &bytes), rows[i].r);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

static void test_durations(void **state)
{
	uint64_t s = 0;

	(void)state;
	assert_int_equal(duration_parse("90", &s), 0);
	assert_int_equal(s, 90);
	assert_int_equal(duration_parse("1h", &s), 0);
	assert_int_equal(s, 3600);
	assert_int_equal(duration_parse("2d", &s), 0);
	assert_int_equal(s, 172800);
	assert_int_equal(duration_parse("1w", &s), -EINVAL);
	assert_int_equal(count_parse("65536", 65535, &s), -ERANGE);
	assert_int_equal(count_parse("7K", 65535, &s), -EINVAL);
}

static void test_texts(void **state)
{
	char text[UNITS_TEXT_MAX];

	(void)state;
	size_text(1023, text, sizeof(text));
	assert_string_equal(text, "1023 B");
	size_text(1536, text, sizeof(text));
	assert_string_equal(text, "1.5 KiB");
	size_text((1 << 20) - 1, text, sizeof(text));
	assert_string_equal(text, "1.0 MiB");
	size_text(UINT64_MAX, text, sizeof(text));
	assert_string_equal(text, "16.0 EiB");
	count_text(999, text, sizeof(text));
	assert_string_equal(text, "999");
	count_text(1204331, text, sizeof(text));
	assert_string_equal(text, "1,204,331");
	count_text(UINT64_MAX, text, sizeof(text));
	assert_string_equal(text, "18,446,744,073,709,551,615");
	duration_text(0.25, text, sizeof(text));
	assert_string_equal(text, "0.2 s");
	duration_text(200, text, sizeof(text));
	assert_string_equal(text, "3 min 20 s");
	duration_text(7500, text, sizeof(text));
	assert_string_equal(text, "2 h 5 min");
	duration_text(1e300, text, sizeof(text));
	assert_non_null(strstr(text, " d "));
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
	} rows[] = {
		{"10.0.0.1:7000", "10.0.0.1", 7000},
		{"10.0.0.1", "10.0.0.1", 7447},
		{"[::1]:7000", "::1", 7000},
		{"[::1]", "::1", 7447},
		{"fd00::1", "fd00::1", 7447},
		{"node1.example:1", "node1.example", 1},
		{"", NULL, 0},
		{":7000", NULL, 0},
		{"a:", NULL, 0},
		{"a:0", NULL, 0},
		{"a:65536", NULL, 0},
		{"a:-1", NULL, 0},
		{"[::1", NULL, 0},
		{"[::1]7000", NULL, 0},
		{"[]:7000", NULL, 0},
		{"a b:7000", NULL, 0},
		{"a\nb", NULL, 0},
		{"0123456789012345678901234567890123456789012345678901234567890123", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[ADDRESS_TEXT_MAX];
		uint16_t port = 0;
		int r = address_split(rows[i].text, 7447, host, sizeof(host), &port);

		assert_int_equal(r, rows[i].host ? 0 : -EINVAL);
		if (rows[i].host) {
			assert_string_equal(host, rows[i].host);
			assert_int_equal(port, rows[i].port);
		}
	}
	assert_true(address_loopback("127.8.9.10"));
	assert_true(address_loopback("::1"));
	assert_true(address_loopback("LOCALHOST"));
	assert_false(address_loopback("127.0.0.1.example"));
	assert_false(address_loopback("10.0.0.1"));
}

static void test_json_text_of_any_bytes(void **state)
{
	static const struct {
		const char *bytes;
		const char *text;
	} rows[] = {
		{"plain", "plain"},
		{"\xc3\xa4", "\xc3\xa4"},
		{"\xc3", "\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_JSON json_t *value = json_text(rows[i].bytes);

		assert_non_null(value);
		assert_string_equal(json_string_value(value), rows[i].text);
	}
}

static void test_json_refuses(void **state)
{
	static const char *const rows[] = {"", "[]", "{", "{}x", "{\"a\":1,\"a\":2}", "1"};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *value = NULL;

		error[0] = '\0';
		assert_int_equal(
			json_object_parse(rows[i], strlen(rows[i]), &value, error, sizeof(error)),
			MA_ECORRUPT);
		assert_null(value);
		assert_true(error[0] != '\0');
	}
}

static void test_places(void **state)
{
	struct places p;

	(void)state;
	assert_int_equal(places_init("/", &p), 0);
	assert_string_equal(p.control, "/run/multiall/control.sock");
	places_done(&p);
	assert_int_equal(places_init("/tmp/x//", &p), 0);
	assert_string_equal(p.root, "/tmp/x");
	assert_string_equal(p.pools, "/tmp/x/pool");
	places_done(&p);
	assert_int_equal(setenv(PLACES_ROOT_ENV, "/from/environment", 1), 0);
	assert_int_equal(places_init(NULL, &p), 0);
	assert_string_equal(p.state, "/from/environment/var/lib/multiall");
	places_done(&p);
	assert_int_equal(places_init("relative", &p), 0);
	assert_int_equal(p.root[0], '/');
	places_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_json_text_of_any_bytes),
		cmocka_unit_test(test_json_refuses),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
