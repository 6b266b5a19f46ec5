/* links: core/clock.c core/loop.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Closures from many threads: each once, in order per thread, on the loop's thread; the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/loop.h"

#define THREADS 4
#define POSTS   5000

struct scene {
	struct loop *loop;
	pthread_t loop_thread;
	unsigned int done;
	unsigned int next[THREADS]; /* touched by the loop's thread alone: no lock */
	unsigned int foreign;
	unsigned int disorder;
};

struct post {
	struct scene *scene;
	unsigned int thread;
	unsigned int number;
};

static void on_post(void *arg)
{
	AUTO_FREE struct post *post = arg;
	struct scene *s = post->scene;

	s->foreign += !pthread_equal(pthread_self(), s->loop_thread);
	s->disorder += s->next[post->thread]++ != post->number;
	if (++s->done == THREADS * POSTS)
		loop_stop(s->loop);
}

struct poster {
	struct scene *scene;
	unsigned int thread;
};

static void *post_all(void *arg)
{
	const struct poster *poster = arg;

	for (unsigned int i = 0; i < POSTS; i++) {
		struct post *post = malloc(sizeof(*post));

		if (!post)
			abort();
		*post = (struct post){poster->scene, poster->thread, i};
		if (loop_post(poster->scene->loop, on_post, post) < 0)
			abort();
	}
	return NULL;
}

static void test_posts(void **state)
{
	struct scene s = {.loop_thread = pthread_self()};
	struct poster posters[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(loop_new(&s.loop), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){&s, i};
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
	}
	loop_run(s.loop);
	for (unsigned int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(s.done, THREADS * POSTS);
	assert_int_equal(s.foreign, 0);
	assert_int_equal(s.disorder, 0);
	loop_free(s.loop);
}

static void count_and_post(void *arg)
{
	struct scene *s = arg;

	/* A closure may post; that one runs later, not inside. */
	if (++s->done < 10)
		assert_int_equal(loop_post(s->loop, count_and_post, s), 0);
	else
		loop_stop(s->loop);
}

static void never(void *arg)
{
	(void)arg;
	fail();
}

static void test_end(void **state)
{
	struct scene s = {0};

	(void)state;
	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_post(s.loop, count_and_post, &s), 0);
	loop_run(s.loop);
	assert_int_equal(s.done, 10);
	/* Queued after the end: never run, and no leak. */
	assert_int_equal(loop_post(s.loop, never, NULL), 0);
	uv_timer_t timer;
	assert_int_equal(uv_timer_init(loop_uv(s.loop), &timer), 0); /* closed by loop_free() */
	loop_free(s.loop);
	loop_free(NULL);
}

static void test_clocks(void **state)
{
	uint64_t before = clock_boot_ms();
	int64_t wall = clock_wall_ns();

	(void)state;
	assert_true(clock_boot_ms() >= before);
	assert_true(wall > 1600000000ll * 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posts),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
