/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem_ops.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "tests/sim/store_mem_in.h"

#define SIZE_LIMIT ((off_t)1 << 43) /* 8 TiB: below what the common file systems take */

struct mem_page *mem_page_find(struct mem_page *pages, uint64_t index)
{
	struct mem_page *p = NULL;

	HASH_FIND(hh, pages, &index, sizeof(index), p);
	return p;
}

struct mem_page *mem_page_add(struct mem_page **pages, uint64_t index)
{
	struct mem_page *p = mem_alloc(sizeof(*p));
	struct mem_page *head = *pages;

	p->index = index;
	HASH_ADD(hh, head, index, sizeof(p->index), p);
	*pages = head;
	return p;
}

void mem_page_set(struct store_mem *m, struct mem_page *page, uint8_t *data)
{
	if (page->data)
		m->used -= STORE_MEM_PAGE;
	free(page->data);
	page->data = data;
	if (data)
		m->used += STORE_MEM_PAGE;
}

static void page_free(struct store_mem *m, struct mem_page **pages, struct mem_page *page)
{
	struct mem_page *head = *pages;

	HASH_DEL(head, page);
	*pages = head;
	mem_page_set(m, page, NULL);
	free(page->saved);
	free(page);
}

void mem_pages_free(struct store_mem *m, struct mem_page **pages)
{
	while (*pages)
		page_free(m, pages, *pages);
}

void mem_pages_trim(struct store_mem *m, struct mem_object *o)
{
	struct mem_page *p = NULL;
	struct mem_page *next = NULL;

	HASH_ITER(hh, o->pages, p, next)
	{
		off_t start = (off_t)(p->index * STORE_MEM_PAGE);
		if (start >= o->size || !p->data)
			page_free(m, &o->pages, p);
		else if (o->size - start < STORE_MEM_PAGE)
			memset(p->data + (o->size - start), 0,
			       STORE_MEM_PAGE - (size_t)(o->size - start));
	}
}

/* The page for writing; what the last sync saw of it is kept. NULL: no room. */
static struct mem_page *page_touch(struct store_mem *m, struct mem_object *o, uint64_t index,
				   bool fill)
{
	struct mem_page *p = mem_page_find(o->pages, index);

	if (fill && (!p || !p->data) && mem_room(m, STORE_MEM_PAGE) < 0)
		return NULL;
	if (!p)
		p = mem_page_add(&o->pages, index);
	if (!p->dirty) {
		p->dirty = true;
		p->saved = p->data ? mem_copy(p->data, STORE_MEM_PAGE) : NULL;
	}
	if (fill && !p->data)
		mem_page_set(m, p, mem_alloc(STORE_MEM_PAGE));
	return p;
}

int mem_open(struct store *store, const struct store_handle *object, int flags, int *ret_fd)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);
	size_t at = 0;

	if (r < 0)
		return r;
	if (S_ISDIR(o->attr.mode) && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (!S_ISDIR(o->attr.mode) && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if (!S_ISDIR(o->attr.mode) && !S_ISREG(o->attr.mode))
		return -EINVAL;
	while (at < m->fds_size && m->fds[at].ino != 0)
		at++;
	if (at == m->fds_size) {
		m->fds_size = 2 * m->fds_size + 16;
		m->fds = realloc(m->fds, m->fds_size * sizeof(*m->fds));
		if (!m->fds)
			abort();
		memset(m->fds + at, 0, (m->fds_size - at) * sizeof(*m->fds));
	}
	if ((flags & O_TRUNC) && S_ISREG(o->attr.mode)) {
		r = mem_truncate(store, object, -1, 0);
		if (r < 0)
			return r;
	}
	m->fds[at] = (struct mem_fd){.ino = o->ino, .flags = flags};
	o->opens++;
	*ret_fd = STORE_MEM_FD + (int)at;
	return 0;
}

void mem_close(struct store *store, int fd)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	size_t at = (size_t)(fd - STORE_MEM_FD);

	if (fd < 0)
		return;
	assert(fd >= STORE_MEM_FD && at < m->fds_size && m->fds[at].ino != 0);
	struct mem_object *o = mem_by_ino(m, m->fds[at].ino);
	assert(o && o->opens > 0);
	o->opens--;
	m->fds[at] = (struct mem_fd){0};
}

ssize_t mem_read(struct store *store, const struct store_handle *object, int fd, void *data,
		 size_t size, off_t offset)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int flags = 0;
	size_t done = 0;
	int r = mem_object_fd(m, object, fd, &o, &flags);

	if (r < 0)
		return r;
	if (offset < 0)
		return -EINVAL;
	if ((flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (S_ISDIR(o->attr.mode))
		return -EISDIR;
	if (offset >= o->size)
		return 0;
	if ((off_t)size > o->size - offset)
		size = (size_t)(o->size - offset);
	while (done < size) {
		uint64_t at = (uint64_t)offset + done;
		size_t in_page = at % STORE_MEM_PAGE;
		size_t part = STORE_MEM_PAGE - in_page < size - done ? STORE_MEM_PAGE - in_page
								     : size - done;
		const struct mem_page *p = mem_page_find(o->pages, at / STORE_MEM_PAGE);
		if (p && p->data)
			memcpy((uint8_t *)data + done, p->data + in_page, part);
		else
			memset((uint8_t *)data + done, 0, part);
		done += part;
	}
	return (ssize_t)size;
}

static void size_grow(struct store_mem *m, struct mem_object *o, off_t size)
{
	if (size <= o->size)
		return;
	(void)mem_log_size(m, o);
	o->size = size;
}

static int pages_write(struct store_mem *m, struct mem_object *o, const uint8_t *data, size_t size,
		       off_t offset)
{
	size_t done = 0;

	while (done < size) {
		uint64_t at = (uint64_t)offset + done;
		size_t in_page = at % STORE_MEM_PAGE;
		size_t part = STORE_MEM_PAGE - in_page < size - done ? STORE_MEM_PAGE - in_page
								     : size - done;
		struct mem_page *p = page_touch(m, o, at / STORE_MEM_PAGE, true);
		if (!p)
			break;
		if (data)
			memcpy(p->data + in_page, data + done, part);
		else
			memset(p->data + in_page, 0, part);
		done += part;
	}
	if (done)
		size_grow(m, o, offset + (off_t)done);
	return done < size ? -ENOSPC : 0;
}

/* What all changes of content need: a regular file, open for writing. */
static int writable(struct store_mem *m, const struct store_handle *object, int fd, int error,
		    struct mem_object **ret)
{
	int flags = 0;
	int r = mem_object_fd(m, object, fd, ret, &flags);

	if (r < 0)
		return r;
	return (flags & O_ACCMODE) == O_RDONLY ? error : 0;
}

int mem_write(struct store *store, const struct store_handle *object, int fd, const void *data,
	      size_t size, off_t offset)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = offset < 0 ? -EINVAL : writable(m, object, fd, -EBADF, &o);

	if (r < 0)
		return r;
	if (offset > SIZE_LIMIT - (off_t)size)
		return -EFBIG;
	int fault = mem_change(m);
	if (fault < 0)
		size /= 2;
	if (size)
		mem_stamp(m, o, true);
	r = pages_write(m, o, data, size, offset);
	return fault < 0 ? fault : r;
}

/* Cuts pages off. The log keeps what the last sync saw of them: once the cut is durable, nothing
 * of it comes back, not even by a lost write. */
static void pages_cut(struct store_mem *m, struct mem_object *o, off_t size, struct mem_page **cut)
{
	struct mem_page *p = NULL;
	struct mem_page *next = NULL;

	HASH_ITER(hh, o->pages, p, next)
	{
		off_t start = (off_t)(p->index * STORE_MEM_PAGE);
		if (size - start >= STORE_MEM_PAGE)
			continue;
		p = page_touch(m, o, p->index, false);
		struct mem_page *kept = mem_page_add(cut, p->index);
		kept->saved = p->saved ? mem_copy(p->saved, STORE_MEM_PAGE) : NULL;
		size_t left = start >= size ? 0 : (size_t)(size - start);
		if (left == 0) {
			mem_page_set(m, p, NULL);
			free(p->saved);
			p->saved = NULL;
		}
		if (p->data)
			memset(p->data + left, 0, STORE_MEM_PAGE - left);
		if (p->saved)
			memset(p->saved + left, 0, STORE_MEM_PAGE - left);
	}
}

int mem_truncate(struct store *store, const struct store_handle *object, int fd, off_t size)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = writable(m, object, fd, -EINVAL, &o);

	if (r == 0 && size < 0)
		r = -EINVAL;
	if (r == 0 && size > SIZE_LIMIT)
		r = -EFBIG;
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	mem_stamp(m, o, true);
	struct mem_page **cut = mem_log_size(m, o);
	if (size < o->size)
		pages_cut(m, o, size, cut);
	o->size = size;
	return 0;
}

/* Makes holes of whole pages and zeros of parts. */
static int pages_punch(struct store_mem *m, struct mem_object *o, off_t offset, off_t size)
{
	off_t end = offset + size < o->size ? offset + size : o->size;

	for (off_t at = offset; at < end;) {
		off_t in_page = at % STORE_MEM_PAGE;
		off_t part =
			STORE_MEM_PAGE - in_page < end - at ? STORE_MEM_PAGE - in_page : end - at;
		uint64_t index = (uint64_t)(at / STORE_MEM_PAGE);
		const struct mem_page *there = mem_page_find(o->pages, index);
		if (there && there->data) {
			struct mem_page *p = page_touch(m, o, index, false);
			if (part == STORE_MEM_PAGE || (in_page == 0 && at + part == o->size))
				mem_page_set(m, p, NULL);
			else
				memset(p->data + in_page, 0, (size_t)part);
		}
		at += part;
	}
	return 0;
}

int mem_fallocate(struct store *store, const struct store_handle *object, int fd, int mode,
		  off_t offset, off_t size)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int r = writable(m, object, fd, -EBADF, &o);

	if (r < 0)
		return r;
	if (offset < 0 || size <= 0)
		return -EINVAL;
	if (mode != punch && mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (offset > SIZE_LIMIT - size)
		return -EFBIG;
	r = mem_change(m);
	if (r < 0)
		return r;
	mem_stamp(m, o, true);
	if (mode == punch || mode & FALLOC_FL_ZERO_RANGE)
		r = pages_punch(m, o, offset, size);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		size_grow(m, o, offset + size);
	return r;
}

int mem_next_data(struct store *store, const struct store_handle *object, int fd, off_t offset,
		  off_t *ret_start, off_t *ret_end)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int flags = 0;
	int r = mem_object_fd(m, object, fd, &o, &flags);

	if (r < 0)
		return r;
	if (S_ISDIR(o->attr.mode))
		return -EINVAL;
	if (offset < 0 || offset >= o->size)
		return -ENXIO;
	/* The lowest page with data at or behind the offset. */
	uint64_t first = (uint64_t)offset / STORE_MEM_PAGE;
	uint64_t found = UINT64_MAX;
	for (const struct mem_page *p = o->pages; p; p = p->hh.next) {
		if (p->data && p->index >= first && p->index < found)
			found = p->index;
	}
	if (found == UINT64_MAX)
		return -ENXIO;
	uint64_t end = found;
	const struct mem_page *p = NULL;
	while ((p = mem_page_find(o->pages, end)) && p->data)
		end++;
	off_t start = (off_t)(found * STORE_MEM_PAGE);
	off_t limit = (off_t)(end * STORE_MEM_PAGE);
	*ret_start = start > offset ? start : offset;
	*ret_end = limit < o->size ? limit : o->size;
	return 0;
}
