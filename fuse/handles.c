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

static size_t place_of(uint64_t id)
{
	return (id * UINT64_C(0x9E3779B97F4A7C15)) >> 54;
}

bool handles_map(const struct handles *handles, uint64_t id)
{
	return handles->maps[place_of(id)] != 0;
}

int handle_new(struct handles *handles, uint64_t id, int fd, bool maps, struct handle **ret)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle) {
		pool_close(handles->pool, id, fd);
		return -ENOMEM;
	}
	handle->id = id;
	handle->fd = fd;
	handle->maps = maps;
	handles->maps[place_of(id)] += maps;
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
	handles->maps[place_of(handle->id)] -= handle->maps;
	if (handle->unasked)
		pool_map_end(handles->pool, handle->id);
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
