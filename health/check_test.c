/* links: health/check.c health/check_host.c health/check_file.c health/check_service.c
 * health/kind.c net/probe.c core/address.c core/units.c core/clock.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Built-in checks on a /proc and /sys of our own making and on files: good, bad, and what can't be
 * known, which is never good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto.h"
#include "health/check.h"

static const struct {
	const char *path, *text; /* NULL: a directory */
} tree[] = {
	{"/proc", NULL},
	{"/proc/pressure", NULL},
	{"/proc/net", NULL},
	{"/proc/self", NULL},
	{"/proc/100", NULL},
	{"/proc/101", NULL},
	{"/proc/102", NULL},
	{"/sys", NULL},
	{"/sys/class", NULL},
	{"/sys/class/net", NULL},
	{"/sys/class/net/eth0", NULL},
	{"/sys/class/net/eth1", NULL},
	{"/sys/class/net/eth0/carrier", "1\n"},
	{"/sys/class/net/eth1/carrier", "0\n"},
	{"/proc/loadavg", "4.00 2.00 1.00 1/100 123\n"},
	{"/proc/pressure/cpu", "some avg10=1.00 avg60=12.50 avg300=3.00 total=1\n"},
	{"/proc/pressure/io", "nothing\n"},
	{"/proc/meminfo", "MemTotal:  8000000 kB\nMemFree: 1 kB\nMemAvailable:  2000000 kB\n"},
	{"/proc/net/route", "Iface\tDestination\tGateway\tFlags\n"
			    "eth1\t0000FEA9\t00000000\t0001\neth0\t00000000\t0100A8C0\t0003\n"},
	{"/proc/self/mounts", "/dev/a / ext4 rw 0 0\nm /pool/a\\040b fuse.multiall rw 0 0\n"},
	{"/proc/100/comm", "nginx\n"},
	{"/proc/101/comm", "nginx\n"},
	{"/proc/102/comm", "a-very-long-nam\n"},
};
#define TREE (sizeof(tree) / sizeof(tree[0]))

static void path_of(char ret[256], const char *dir, const char *path)
{
	(void)snprintf(ret, 256, "%s%s", dir, path);
}

static int set_up(void **state)
{
	static char dir[32];
	char path[256];

	memcpy(dir, "/tmp/check_test.XXXXXX", 23);
	if (!mkdtemp(dir) || crypto_init() < 0)
		return -1;
	*state = dir;
	for (size_t i = 0; i < TREE; i++) {
		path_of(path, dir, tree[i].path);
		FILE *file = tree[i].text ? fopen(path, "w") : NULL;
		if (file)
			(void)fputs(tree[i].text, file);
		if (file ? fclose(file) != 0 : mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

static int take_down(void **state)
{
	char path[256];

	for (size_t i = TREE; i-- > 0;) {
		path_of(path, *state, tree[i].path);
		(void)remove(path);
	}
	return remove(*state);
}

/* The check in one text, words parted by '|'. */
static struct check_answer ask(const char *base, enum check_kind kind, const char *text)
{
	char words[512];
	char *rest = NULL;
	struct check_call call = {.kind = kind, .timeout_ms = 60000, .base = base};
	struct check_answer answer;

	(void)snprintf(words, sizeof(words), "%s", text);
	for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
		call.words[call.word_count++] = word;
	check_run(&call, &answer);
	assert_true(answer.text[0] != '\0');
	return answer;
}

/* g good, b bad, v a value, n nothing is known. */
static char kind_of(const struct check_answer *answer)
{
	return answer->sample.kind == SAMPLE_VALUE   ? 'v'
	       : answer->sample.kind == SAMPLE_FAULT ? 'b'
	       : answer->sample.kind == SAMPLE_LEVEL ? 'g'
						     : 'n';
}

static void test_host(void **state)
{
	static const struct {
		enum check_kind kind;
		const char *words;
		char result;
		double value; /* NAN: not looked at */
	} rows[] = {
		{CHECK_LOAD, "", 'v', (double)NAN},
		{CHECK_LOAD, "7", 'n', 0},
		{CHECK_PRESSURE, "cpu", 'v', 12.5},
		{CHECK_PRESSURE, "memory", 'g', 0}, /* not measured */
		{CHECK_PRESSURE, "io", 'n', 0},
		{CHECK_PRESSURE, "disk", 'n', 0},
		{CHECK_MEMORY, "", 'v', 25},
		{CHECK_PROCESS, "nginx", 'v', 2},
		{CHECK_PROCESS, "nginx|root", 'v', 2},
		{CHECK_PROCESS, "nginx|nobody", 'v', 0},
		{CHECK_PROCESS, "nginx|no-such-user", 'n', 0},
		{CHECK_PROCESS, "ngin", 'v', 0},
		{CHECK_PROCESS, "a-very-long-name", 'v', 1},
		{CHECK_LINK, "default", 'g', 0},
		{CHECK_LINK, "eth1", 'b', 0},
		{CHECK_LINK, "eth9", 'b', 0},
		{CHECK_LINK, "../x", 'n', 0},
		{CHECK_MOUNT, "/", 'g', 0},
		{CHECK_MOUNT, "/pool/a b|fuse.multiall", 'g', 0},
		{CHECK_MOUNT, "/|xfs", 'b', 0},
		{CHECK_MOUNT, "/pool", 'b', 0},
		{CHECK_POOL_SYNC, "web", 'n', 0}, /* not for a thread */
		{CHECK_PLUGIN, "/x", 'n', 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_answer answer = ask(*state, rows[i].kind, rows[i].words);

		if (kind_of(&answer) != rows[i].result)
			fail_msg("%s %s: %c, %s", kind_table[rows[i].kind].name, rows[i].words,
				 kind_of(&answer), answer.text);
		if (rows[i].result == 'v' && !isnan(rows[i].value))
			assert_true(answer.sample.value == rows[i].value);
	}
	for (size_t i = 0; i < 4; i++) {
		static const enum check_kind of_proc[] = {CHECK_LOAD, CHECK_MEMORY, CHECK_PROCESS,
							  CHECK_MOUNT};
		struct check_answer answer = ask("/no/such", of_proc[i], i > 1 ? "x" : "");

		assert_int_equal(kind_of(&answer), 'n');
	}
}

static void test_perfdata(void **state)
{
	struct check_answer answer = ask(*state, CHECK_PRESSURE, "cpu");

	assert_string_equal(answer.perfdata, "pressure=12.5%");
	answer = ask(*state, CHECK_PROCESS, "nginx");
	assert_string_equal(answer.perfdata, "process=2");
}

static void test_file(void **state)
{
	static const struct {
		const char *words; /* behind the path */
		char result;
	} rows[] = {
		{"", 'v'},
		{"|absent", 'b'},
		{"|max-age=1h", 'v'},
		{"|min-age=1h", 'b'},
		{"|owner=root|mode=0640", 'v'},
		{"|owner=nobody", 'b'},
		{"|owner=no-such-user", 'n'},
		{"|group=root", 'v'},
		{"|group=nogroup", 'b'},
		{"|mode=0644", 'b'},
		{"|rubbish=1", 'n'},
		{"|max-age=soon", 'n'},
		/* b2sum -l 256 of "abc" */
		{"|hash=bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", 'v'},
		{"|hash=bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d5231a", 'b'},
		{"|hash=abc", 'n'},
	};
	char path[256], words[512];

	path_of(path, *state, "/f");
	FILE *file = fopen(path, "w");
	(void)fputs("abc", file);
	(void)fclose(file);
	assert_int_equal(chmod(path, 0640), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(words, sizeof(words), "%s%s", path, rows[i].words);
		struct check_answer answer = ask("", CHECK_FILE, words);
		if (kind_of(&answer) != rows[i].result)
			fail_msg("%s: %c, %s", words, kind_of(&answer), answer.text);
	}
	(void)unlink(path);
	struct check_answer answer = ask("", CHECK_FILE, path);
	assert_int_equal(kind_of(&answer), 'b');
	(void)snprintf(words, sizeof(words), "%s|absent", path);
	answer = ask("", CHECK_FILE, words);
	assert_int_equal(kind_of(&answer), 'g');
}

static void test_file_systems(void **state)
{
	struct check_answer answer = ask("", CHECK_SPACE, *state);

	assert_int_equal(kind_of(&answer), 'v');
	assert_true(answer.sample.value >= 0 && answer.sample.value <= 100);
	answer = ask("", CHECK_SPACE, "/no/such/place");
	assert_int_equal(kind_of(&answer), 'n');
	answer = ask("", CHECK_INODES, "/no/such/place");
	assert_int_equal(kind_of(&answer), 'n');
	answer = ask("", CHECK_WRITABLE, *state);
	assert_int_equal(kind_of(&answer), 'g');
	answer = ask("", CHECK_WRITABLE, "/no/such/place");
	assert_int_equal(kind_of(&answer), 'n');
}

static void test_services(void **state)
{
	struct check_answer answer = ask("", CHECK_TCP, "127.0.0.1:1");

	(void)state;
	assert_int_equal(kind_of(&answer), 'b');
	answer = ask("", CHECK_HTTP, "http://127.0.0.1:1/|status=200");
	assert_int_equal(kind_of(&answer), 'b');
	answer = ask("", CHECK_HTTP, "http://127.0.0.1:1/|status=ok");
	assert_int_equal(kind_of(&answer), 'n');
	answer = ask("", CHECK_CERTIFICATE, "/no/such/file");
	assert_int_equal(kind_of(&answer), 'n');
	answer = ask("", CHECK_CLOCK, "");
	assert_true(kind_of(&answer) != 'g'); /* a value, or nothing keeps it right */
}

static void test_pools(void **state)
{
	static const struct {
		enum check_kind kind;
		struct check_pool pool;
		char result;
		double value;
	} rows[] = {
		{CHECK_POOL_SYNC, {.known = false}, 'n', 0},
		{CHECK_POOL_SYNC, {.known = true}, 'b', 0},
		{CHECK_POOL_SYNC, {.known = true, .open = true}, 'b', 0},
		{CHECK_POOL_SYNC, {.known = true, .open = true, .in_sync = true}, 'g', 0},
		{CHECK_POOL_LAG, {.known = true, .open = true, .lag_s = 7}, 'v', 7},
		{CHECK_POOL_LAG, {.known = true, .open = false, .lag_s = 7}, 'b', 0},
		{CHECK_POOL_CONFLICTS, {.known = true, .open = true, .conflicts = 3}, 'v', 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_answer answer;

		check_pool_run(rows[i].kind, "web", &rows[i].pool, &answer);
		assert_int_equal(kind_of(&answer), rows[i].result);
		if (rows[i].result == 'v')
			assert_true(answer.sample.value == rows[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),     cmocka_unit_test(test_perfdata),
		cmocka_unit_test(test_file),     cmocka_unit_test(test_file_systems),
		cmocka_unit_test(test_services), cmocka_unit_test(test_pools),
	};

	return cmocka_run_group_tests(tests, set_up, take_down);
}
