/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/handles.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/pool.h"

void handles_init(struct handles *handles, struct pool *pool)
{
	*handles = (struct handles){.pool = pool};
	if (pthread_mutex_init(&handles->list_lock, NULL) != 0)
		abort();
}

int handle_new(struct handles *handles, uint64_t id, int fd, struct handle **ret)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle) {
		pool_close(handles->pool, id, fd);
		return -ENOMEM;
	}
	handle->id = id;
	handle->fd = fd;
	AUTO_LOCK(guard, &handles->list_lock);
	handle->next = handles->first;
	if (handle->next)
		handle->next->prev = handle;
	handles->first = handle;
	*ret = handle;
	return 0;
}

static void handle_free(struct handles *handles, struct handle *handle)
{
	pool_close(handles->pool, handle->id, handle->fd);
	free(handle);
}

void handle_close(struct handles *handles, struct handle *handle)
{
	{
		AUTO_LOCK(guard, &handles->list_lock);
		if (handle->prev)
			handle->prev->next = handle->next;
		else
			handles->first = handle->next;
		if (handle->next)
			handle->next->prev = handle->prev;
	}
	handle_free(handles, handle);
}

void handles_done(struct handles *handles)
{
	while (handles->first) {
		struct handle *handle = handles->first;

		handles->first = handle->next;
		handle_free(handles, handle);
	}
	(void)pthread_mutex_destroy(&handles->list_lock);
}
