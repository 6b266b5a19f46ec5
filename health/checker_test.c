/* links: health/checker.c core/loop.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Threads for checks: jobs that hang hold up nobody else, bounds, and the end with jobs under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "health/checker.h"

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	unsigned int inside, dropped;
};

struct test_job {
	struct checker_job job; /* first */
	struct gate *gate;      /* NULL: does not wait */
	struct loop *loop;
	unsigned int *done, wanted;
};

static void work(struct checker_job *job)
{
	struct gate *gate = ((struct test_job *)job)->gate;

	if (!gate)
		return;
	AUTO_LOCK(held, &gate->lock);
	gate->inside++;
	(void)pthread_cond_broadcast(&gate->changed);
	while (!gate->open)
		(void)pthread_cond_wait(&gate->changed, &gate->lock);
}

static void done(struct checker_job *job)
{
	struct test_job *own = (struct test_job *)job;

	if (++*own->done == own->wanted)
		loop_stop(own->loop);
	free(own);
}

static void drop(struct checker_job *job)
{
	struct test_job *own = (struct test_job *)job;

	if (own->gate) {
		AUTO_LOCK(held, &own->gate->lock);
		own->gate->dropped++;
		(void)pthread_cond_broadcast(&own->gate->changed);
	}
	free(own);
}

static int run(struct checker *checker, struct loop *loop, struct gate *gate, unsigned int *count,
	       unsigned int wanted)
{
	struct test_job *job = calloc(1, sizeof(*job));

	*job = (struct test_job){{work, done, drop, NULL}, gate, loop, count, wanted};
	int r = checker_run(checker, &job->job);
	if (r < 0)
		free(job);
	return r;
}

static void gate_init(struct gate *gate)
{
	memset(gate, 0, sizeof(*gate));
	(void)pthread_mutex_init(&gate->lock, NULL);
	(void)pthread_cond_init(&gate->changed, NULL);
}

static void gate_open(struct gate *gate)
{
	AUTO_LOCK(held, &gate->lock);
	gate->open = true;
	(void)pthread_cond_broadcast(&gate->changed);
}

/* All threads but one hang; the others' jobs are done nevertheless. */
static void test_hanging_jobs(void **state)
{
	struct checker *checker;
	struct loop *loop;
	struct gate gate;
	unsigned int count = 0;

	(void)state;
	gate_init(&gate);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(checker_new(loop, &checker), 0);
	for (int i = 0; i < CHECKER_THREADS_MAX - 1; i++)
		assert_int_equal(run(checker, loop, &gate, &count, 1000), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(run(checker, loop, NULL, &count, 100), 0);
	loop_run(loop);
	assert_int_equal(count, 100);
	/* The rest hangs too: the queue is bounded, and jobs come to their end when it is over. */
	count = 0;
	assert_int_equal(run(checker, loop, &gate, &count, 1), 0);
	int queued = 0;
	while (run(checker, loop, NULL, &count, 1000000) == 0)
		queued++;
	assert_in_range(queued, CHECKER_QUEUE_MAX - 1, CHECKER_QUEUE_MAX);
	checker_free(checker);
	gate_open(&gate);
	{
		AUTO_LOCK(held, &gate.lock);
		while (gate.dropped < CHECKER_THREADS_MAX) /* from a thread, or from the queue */
			(void)pthread_cond_wait(&gate.changed, &gate.lock);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hanging_jobs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
