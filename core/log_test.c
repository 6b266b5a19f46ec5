/* links: core/log.c
 * SPDX-License-Identifier: Apache-2.0
 * One call, one line, one write; the threshold; the limit that counts what it hides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

struct catch
{
	int saved;
	int read_end;
};

/* A packet pipe: each write is read as one piece. */
static void catch_begin(struct catch *c)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->saved >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(ends[1]);
	c->read_end = ends[0];
}

/* The next write as text; "" if there was none. */
static void catch_next(struct catch *c, char ret[2048])
{
	ssize_t n = read(c->read_end, ret, 2047);

	ret[n > 0 ? n : 0] = '\0';
}

static void catch_end(struct catch *c)
{
	(void)dup2(c->saved, STDERR_FILENO);
	(void)close(c->saved);
	(void)close(c->read_end);
}

static void test_lines(void **state)
{
	char text[2048];
	char longer[3000];
	struct catch c;

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	catch_begin(&c);
	log_set_level(LOG_LEVEL_INFO);
	log_debug("hidden");
	log_info("a %d", 1);
	log_warn("b");
	log_error("c");
	log_error("%s", longer);
	catch_next(&c, text);
	assert_string_equal(text, "<6>a 1\n");
	catch_next(&c, text);
	assert_string_equal(text, "<4>b\n");
	catch_next(&c, text);
	assert_string_equal(text, "<3>c\n");
	catch_next(&c, text);
	assert_int_equal(strlen(text), 1024);
	assert_int_equal(text[1023], '\n');
	catch_next(&c, text);
	assert_string_equal(text, "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	catch_next(&c, text);
	assert_string_equal(text, "<7>shown\n");
	catch_end(&c);
}

static void test_limit(void **state)
{
	struct log_limit limit = {0};
	struct log_limit other = {0};
	char text[2048];
	struct catch c;

	(void)state;
	catch_begin(&c);
	log_set_level(LOG_LEVEL_INFO);
	for (int i = 0; i < 100; i++)
		log_limited(&limit, LOG_LEVEL_WARN, "line %d", i);
	log_limited(&other, LOG_LEVEL_WARN, "another kind");
	catch_next(&c, text);
	assert_string_equal(text, "<4>line 0\n");
	catch_next(&c, text);
	assert_string_equal(text, "<4>another kind\n");
	assert_int_equal(limit.hidden, 99);
	/* As if its time were over. */
	limit.last_ms = 1;
	log_limited(&limit, LOG_LEVEL_WARN, "line %d", 100);
	catch_next(&c, text);
	assert_non_null(strstr(text, "99 more"));
	catch_next(&c, text);
	assert_string_equal(text, "<4>line 100\n");
	catch_next(&c, text);
	assert_string_equal(text, "");
	assert_int_equal(limit.hidden, 0);
	catch_end(&c);
}

#define THREADS 4
#define CALLS   10000

static void *call_often(void *arg)
{
	for (int i = 0; i < CALLS; i++)
		log_limited(arg, LOG_LEVEL_WARN, "at once");
	return NULL;
}

static void test_limit_by_threads(void **state)
{
	struct log_limit limit = {0};
	pthread_t threads[THREADS];
	unsigned int shown = 0;
	char text[2048];
	struct catch c;

	(void)state;
	catch_begin(&c);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &limit), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (catch_next(&c, text); text[0]; catch_next(&c, text))
		shown += strcmp(text, "<4>at once\n") == 0;
	/* Threads that come at the very same moment may each print; nothing is miscounted. */
	assert_in_range(shown, 1, THREADS);
	catch_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_by_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
