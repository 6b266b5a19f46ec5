/* SPDX-License-Identifier: Apache-2.0 */
#include "health/checker.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/auto.h"

#define STACK_BYTES (512u << 10)

struct checker {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct checker_job *first;
	struct checker_job **last;
	size_t waiting; /* jobs */
	size_t threads, idle;
	bool closed;
};

/* Whoever is last puts out the light: the owner, or a thread that hung longer. */
static void checker_delete(struct checker *checker)
{
	(void)pthread_mutex_destroy(&checker->lock);
	(void)pthread_cond_destroy(&checker->wake);
	free(checker);
}

static void on_done(void *arg)
{
	struct checker_job *job = arg;

	job->done(job);
}

static struct checker_job *job_take(struct checker *checker)
{
	struct checker_job *job = checker->first;

	if (!job)
		return NULL;
	checker->first = job->next;
	if (!checker->first)
		checker->last = &checker->first;
	checker->waiting--;
	return job;
}

/* Under the lock, so that the loop can't end between the look and the post. */
static void job_end(struct checker *checker, struct checker_job *job)
{
	if (checker->closed || loop_post(checker->loop, on_done, job) < 0)
		job->drop(job);
}

static void *run(void *arg)
{
	struct checker *checker = arg;
	bool last;

	{
		AUTO_LOCK(held, &checker->lock);
		while (!checker->closed) {
			struct checker_job *job = job_take(checker);

			if (!job) {
				checker->idle++;
				(void)pthread_cond_wait(&checker->wake, &checker->lock);
				checker->idle--;
				continue;
			}
			(void)pthread_mutex_unlock(&checker->lock);
			job->work(job);
			(void)lock_(&checker->lock);
			job_end(checker, job);
		}
		checker->threads--;
		last = checker->threads == 0;
	}
	if (last)
		checker_delete(checker);
	return NULL;
}

static int thread_start(struct checker *checker)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&thread, &attributes, run, checker);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

int checker_new(struct loop *loop, struct checker **ret)
{
	struct checker *checker = calloc(1, sizeof(*checker));

	if (!checker)
		return -ENOMEM;
	checker->loop = loop;
	checker->last = &checker->first;
	(void)pthread_mutex_init(&checker->lock, NULL);
	(void)pthread_cond_init(&checker->wake, NULL);
	*ret = checker;
	return 0;
}

void checker_free(struct checker *checker)
{
	struct checker_job *job;
	bool last;

	if (!checker)
		return;
	{
		AUTO_LOCK(held, &checker->lock);
		checker->closed = true;
		while ((job = job_take(checker)))
			job->drop(job);
		(void)pthread_cond_broadcast(&checker->wake);
		last = checker->threads == 0;
	}
	if (last)
		checker_delete(checker);
}

int checker_run(struct checker *checker, struct checker_job *job)
{
	AUTO_LOCK(held, &checker->lock);
	if (checker->waiting >= CHECKER_QUEUE_MAX)
		return -EAGAIN;
	if (checker->idle <= checker->waiting && checker->threads < CHECKER_THREADS_MAX) {
		int r = thread_start(checker);

		if (r < 0 && checker->threads == 0)
			return r;
		checker->threads += r == 0;
	}
	job->next = NULL;
	*checker->last = job;
	checker->last = &job->next;
	checker->waiting++;
	(void)pthread_cond_signal(&checker->wake);
	return 0;
}
