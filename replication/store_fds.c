/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/store_fds.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"

#define BUCKETS         512
#define NO_MEMORY_TRIES 1000

/* Linked in one chain of the table while it can be found, and in the idle list while nobody uses
 * it. A dropped one that is in use is in neither; its last user closes it. */
struct store_fds_entry {
	struct store_handle handle;
	int fd;
	unsigned int users;
	bool listed;
	struct store_fds_entry *next; /* of the chain, or of the free list */
	struct store_fds_entry *older;
	struct store_fds_entry *newer;
};

struct store_fds {
	int root_fd;
	bool no_devices;
	pthread_mutex_t mutex; /* guards all below */
	size_t count;
	struct store_fds_entry *free;
	struct store_fds_entry *oldest; /* idle ones, least recently used first */
	struct store_fds_entry *newest;
	struct store_fds_entry *chains[BUCKETS];
	struct store_fds_entry entries[];
};

static bool handle_equal(const struct store_handle *a, const struct store_handle *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static struct store_fds_entry **chain_of(struct store_fds *fds, const struct store_handle *handle)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < handle->size; i++)
		h = (h ^ handle->bytes[i]) * 16777619U;
	return &fds->chains[(h ^ h >> 16) % BUCKETS];
}

static struct store_fds_entry *entry_find(struct store_fds *fds, const struct store_handle *handle)
{
	struct store_fds_entry *e = *chain_of(fds, handle);

	while (e && !handle_equal(&e->handle, handle))
		e = e->next;
	return e;
}

static void idle_remove(struct store_fds *fds, struct store_fds_entry *e)
{
	*(e->older ? &e->older->newer : &fds->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &fds->newest) = e->older;
	e->older = NULL;
	e->newer = NULL;
}

static void idle_append(struct store_fds *fds, struct store_fds_entry *e)
{
	e->older = fds->newest;
	e->newer = NULL;
	*(fds->newest ? &fds->newest->newer : &fds->oldest) = e;
	fds->newest = e;
}

static void entry_unlist(struct store_fds *fds, struct store_fds_entry *e)
{
	struct store_fds_entry **at = chain_of(fds, &e->handle);

	assert(e->listed);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->listed = false;
}

/* Back to the free list; the descriptor is the caller's to close, outside the lock. */
static int entry_release(struct store_fds *fds, struct store_fds_entry *e)
{
	assert(e->users == 0 && !e->listed);
	e->next = fds->free;
	fds->free = e;
	fds->count--;
	return take_fd(&e->fd);
}

/* Takes the least recently used idle one out of the cache; -1 if all are in use. */
static int entry_evict(struct store_fds *fds)
{
	struct store_fds_entry *e = fds->oldest;

	if (!e)
		return -1;
	idle_remove(fds, e);
	entry_unlist(fds, e);
	return entry_release(fds, e);
}

/* A new entry with one user; NULL if all are in use. */
static struct store_fds_entry *entry_insert(struct store_fds *fds,
					    const struct store_handle *handle, int fd,
					    int *ret_evicted)
{
	if (!fds->free)
		*ret_evicted = entry_evict(fds);
	struct store_fds_entry *e = fds->free;
	if (!e)
		return NULL;
	struct store_fds_entry **chain = chain_of(fds, handle);
	fds->free = e->next;
	fds->count++;
	e->handle = *handle;
	e->fd = fd;
	e->users = 1;
	e->listed = true;
	e->next = *chain;
	*chain = e;
	return e;
}

static struct store_fd entry_use(struct store_fds *fds, struct store_fds_entry *e)
{
	if (e->users++ == 0)
		idle_remove(fds, e);
	return (struct store_fd){.fds = fds, .fd = e->fd, .entry = e};
}

int store_fds_new(int root_fd, bool no_devices, size_t capacity, struct store_fds **ret)
{
	struct store_fds *fds = calloc(1, sizeof(*fds) + capacity * sizeof(struct store_fds_entry));

	if (!fds)
		return -ENOMEM;
	fds->root_fd = root_fd;
	fds->no_devices = no_devices;
	if (pthread_mutex_init(&fds->mutex, NULL) != 0) {
		free(fds);
		return -ENOMEM;
	}
	for (size_t i = 0; i < capacity; i++) {
		fds->entries[i].fd = -1;
		fds->entries[i].next = fds->free;
		fds->free = &fds->entries[i];
	}
	*ret = fds;
	return 0;
}

void store_fds_free(struct store_fds *fds)
{
	int fd;

	if (!fds)
		return;
	while ((fd = entry_evict(fds)) >= 0)
		(void)close(fd);
	assert(fds->count == 0);
	(void)pthread_mutex_destroy(&fds->mutex);
	free(fds);
}

/* Closes an eighth of the idle ones. False if there were none. */
static bool make_room(struct store_fds *fds)
{
	size_t closed = 0;

	for (size_t wanted = store_fds_count(fds) / 8 + 1; closed < wanted; closed++) {
		AUTO_CLOSE int fd = -1;
		AUTO_LOCK(lock, &fds->mutex);
		fd = entry_evict(fds);
		if (fd < 0)
			break;
	}
	return closed > 0;
}

int store_fds_open(struct store_fds *fds, const struct store_handle *object, int flags, int *ret)
{
	union {
		struct file_handle fh;
		char space[sizeof(struct file_handle) + STORE_HANDLE_MAX];
	} u;

	if (object->size < 2 || object->size > STORE_HANDLE_MAX)
		return -ESTALE;
	u.fh.handle_type = object->bytes[0];
	u.fh.handle_bytes = (unsigned int)object->size - 1;
	memcpy(u.fh.f_handle, object->bytes + 1, u.fh.handle_bytes);
	for (int tries = 0;; tries++) {
		int fd = open_by_handle_at(fds->root_fd, &u.fh, flags | O_CLOEXEC);
		if (fd >= 0) {
			*ret = fd;
			return 0;
		}
		int err = errno;
		/* The kernel says so too while the number of a gone object is being given to a new
		 * one (iget_locked() meets I_CREATING); a moment later it is ESTALE. */
		if (err == ENOMEM && tries < NO_MEMORY_TRIES && sched_yield() == 0)
			continue;
		if (err == EINTR || ((err == EMFILE || err == ENFILE) && make_room(fds)))
			continue;
		return -err;
	}
}

static bool find_cached(struct store_fds *fds, const struct store_handle *handle,
			struct store_fd *ret)
{
	AUTO_LOCK(lock, &fds->mutex);
	struct store_fds_entry *e = entry_find(fds, handle);

	if (!e)
		return false;
	*ret = entry_use(fds, e);
	return true;
}

/* Another thread may have opened the same directory meanwhile: then its descriptor is used. */
static struct store_fd entry_add(struct store_fds *fds, const struct store_handle *dir, int fd)
{
	AUTO_CLOSE int unused = -1;
	AUTO_LOCK(lock, &fds->mutex);
	struct store_fds_entry *e = entry_find(fds, dir);

	if (e) {
		unused = fd;
		return entry_use(fds, e);
	}
	e = entry_insert(fds, dir, fd, &unused);
	return (struct store_fd){.fds = fds, .fd = fd, .entry = e};
}

int store_fds_dir(struct store_fds *fds, const struct store_handle *dir, struct store_fd *ret)
{
	int fd = -1;

	if (find_cached(fds, dir, ret))
		return 0;
	int r = store_fds_open(fds, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd);
	if (r < 0)
		return r == -ELOOP ? -ENOTDIR : r; /* a symlink */
	*ret = entry_add(fds, dir, fd);
	return 0;
}

int store_fds_object(struct store_fds *fds, const struct store_handle *object, struct store_fd *ret)
{
	int fd = -1;

	if (find_cached(fds, object, ret))
		return 0;
	int r = store_fds_open(fds, object, O_PATH | O_NOFOLLOW, &fd);
	if (r < 0)
		return r;
	*ret = (struct store_fd){.fds = fds, .fd = fd};
	return 0;
}

int store_fds_readable(struct store_fds *fds, const struct store_handle *object,
		       struct store_fd *ret)
{
	int fd = -1;

	if (find_cached(fds, object, ret))
		return 0;
	int r = -ENXIO;
	if (fds->no_devices)
		r = store_fds_open(fds, object, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME,
				   &fd);
	/* Symlinks (ELOOP), sockets (ENXIO) and devices (EACCES) are not opened. */
	if (r < 0 && r != -ESTALE)
		r = store_fds_open(fds, object, O_PATH | O_NOFOLLOW, &fd);
	if (r < 0)
		return r;
	*ret = (struct store_fd){.fds = fds, .fd = fd};
	return 0;
}

void store_fd_put(struct store_fd *fd)
{
	AUTO_CLOSE int unused = -1;

	if (fd->fd < 0)
		return;
	if (!fd->entry) {
		unused = take_fd(&fd->fd);
		return;
	}
	struct store_fds *fds = fd->fds;
	AUTO_LOCK(lock, &fds->mutex);
	struct store_fds_entry *e = take_ptr(fd->entry);
	fd->fd = -1;
	assert(e->users > 0);
	if (--e->users > 0)
		return;
	if (e->listed)
		idle_append(fds, e);
	else
		unused = entry_release(fds, e);
}

void store_fds_add(struct store_fds *fds, const struct store_handle *dir, int fd)
{
	struct store_fd added = entry_add(fds, dir, fd);

	store_fd_put(&added);
}

void store_fds_drop(struct store_fds *fds, const struct store_handle *dir)
{
	AUTO_CLOSE int unused = -1;
	AUTO_LOCK(lock, &fds->mutex);
	struct store_fds_entry *e = entry_find(fds, dir);

	if (!e)
		return;
	entry_unlist(fds, e);
	if (e->users == 0) {
		idle_remove(fds, e);
		unused = entry_release(fds, e);
	}
}

size_t store_fds_count(struct store_fds *fds)
{
	AUTO_LOCK(lock, &fds->mutex);
	return fds->count;
}

int store_handle_at(int dir_fd, const char *name, struct store_handle *ret)
{
	union {
		struct file_handle fh;
		char space[sizeof(struct file_handle) + STORE_HANDLE_MAX];
	} u;
	int mount_id = 0;

	u.fh.handle_bytes = STORE_HANDLE_MAX - 1;
	if (name_to_handle_at(dir_fd, name, &u.fh, &mount_id, name[0] ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	if (u.fh.handle_type < 0 || u.fh.handle_type > UINT8_MAX)
		return -EOVERFLOW;
	ret->size = (uint8_t)(u.fh.handle_bytes + 1);
	ret->bytes[0] = (uint8_t)u.fh.handle_type;
	memcpy(ret->bytes + 1, u.fh.f_handle, u.fh.handle_bytes);
	return 0;
}
