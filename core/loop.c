/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/auto.h"

struct closure {
	struct closure *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	pthread_mutex_t lock; /* guards first, last, stopping */
	struct closure *first;
	struct closure **last;
	bool stopping;
};

static void on_wake(uv_async_t *handle)
{
	struct loop *loop = handle->data;
	struct closure *todo;
	bool stopping;

	{
		AUTO_LOCK(held, &loop->lock);
		todo = loop->first;
		loop->first = NULL;
		loop->last = &loop->first;
		stopping = loop->stopping;
	}
	while (todo) {
		struct closure *next = todo->next;
		todo->fn(todo->arg);
		free(todo);
		todo = next;
	}
	if (stopping)
		uv_stop(&loop->uv);
}

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	int r = uv_loop_init(&loop->uv);
	if (r == 0)
		r = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (r < 0) {
		free(loop);
		return r;
	}
	loop->wake.data = loop;
	loop->last = &loop->first;
	(void)pthread_mutex_init(&loop->lock, NULL);
	*ret = loop;
	return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	uv_walk(&loop->uv, close_handle, NULL);
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop->uv);
	while (loop->first) {
		struct closure *next = loop->first->next;
		free(loop->first);
		loop->first = next;
	}
	(void)pthread_mutex_destroy(&loop->lock);
	free(loop);
}

void loop_run(struct loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	{
		AUTO_LOCK(held, &loop->lock);
		loop->stopping = true;
	}
	(void)uv_async_send(&loop->wake);
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct closure *c = malloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct closure){.fn = fn, .arg = arg};
	{
		AUTO_LOCK(held, &loop->lock);
		*loop->last = c;
		loop->last = &c->next;
	}
	(void)uv_async_send(&loop->wake);
	return 0;
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}
