/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"

#define BUCKETS 1024u

/* One state of one page. */
struct state {
	struct state *next; /* of the bucket */
	uint64_t id;
	uint64_t page;
	uint64_t number; /* of the change that ended it; 0: not made yet */
	uint8_t bytes[SHADOW_PAGE];
};

struct shadows {
	pthread_mutex_t lock; /* guards all below; count is read without it, too */
	_Atomic size_t count;
	uint64_t changes;
	struct state *buckets[BUCKETS];
};

int shadows_new(struct shadows **ret)
{
	struct shadows *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

void shadows_free(struct shadows *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (s->buckets[i]) {
			struct state *next = s->buckets[i]->next;

			free(s->buckets[i]);
			s->buckets[i] = next;
		}
	}
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct state **bucket_of(struct shadows *s, uint64_t id, uint64_t page)
{
	uint64_t h = (id ^ page * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);

	return &s->buckets[h >> 54];
}

static void page_read(struct pool *p, const struct store_handle *handle, uint64_t page,
		      uint8_t ret[SHADOW_PAGE])
{
	ssize_t n = p->store->ops->read(p->store, handle, -1, ret, SHADOW_PAGE,
					(off_t)(page * SHADOW_PAGE));

	/* Behind the end the kernel's pages are zero. */
	if (n < 0)
		n = 0;
	memset(ret + n, 0, SHADOW_PAGE - (size_t)n);
}

static void page_keep(struct pool *p, uint64_t id, const struct store_handle *handle, uint64_t page)
{
	struct shadows *s = p->shadows;
	struct state *state = s->count < SHADOW_MAX ? malloc(sizeof(*state)) : NULL;

	if (!state)
		return;
	state->id = id;
	state->page = page;
	state->number = 0;
	page_read(p, handle, page, state->bytes);
	AUTO_LOCK(held, &s->lock);
	struct state **bucket = bucket_of(s, id, page);
	state->next = *bucket;
	*bucket = state;
	s->count++;
}

void shadow_keep(struct pool *p, const struct object *o, const struct store_handle *handle,
		 off_t offset, off_t size)
{
	struct stat st;

	if (!p->watch.mapped || !p->watch.mapped(p->watch.arg, o->id) ||
	    p->store->ops->stat(p->store, handle, -1, &st) < 0)
		return;
	off_t end = size < 0 || size > st.st_size - offset ? st.st_size : offset + size;
	for (off_t at = offset - offset % (off_t)SHADOW_PAGE; at < end; at += SHADOW_PAGE)
		page_keep(p, o->id, handle, (uint64_t)at / SHADOW_PAGE);
}

void shadow_done(struct pool *p, uint64_t id)
{
	struct shadows *s = p->shadows;

	if (!s->count)
		return;
	AUTO_LOCK(held, &s->lock);
	s->changes++;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct state *state = s->buckets[i]; state; state = state->next) {
			if (state->id == id && !state->number)
				state->number = s->changes;
		}
	}
}

uint64_t pool_pages_now(struct pool *p)
{
	AUTO_LOCK(held, &p->shadows->lock);

	return p->shadows->changes;
}

void pool_pages_dropped(struct pool *p, uint64_t id, uint64_t since)
{
	struct shadows *s = p->shadows;

	if (!s->count)
		return;
	AUTO_LOCK(held, &s->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct state **at = &s->buckets[i]; *at;) {
			struct state *state = *at;

			if (state->id != id || !state->number || state->number > since) {
				at = &state->next;
				continue;
			}
			*at = state->next;
			free(state);
			s->count--;
		}
	}
}

/* Clears the marks of bytes that are as some state of the page has them. */
static void unmark(const uint8_t *state, size_t from, const uint8_t *data, size_t size,
		   uint8_t *marks)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == state[from + i])
			marks[i] = 0;
	}
}

/* One page or less. False: no state of it is kept. */
static bool mark_page(struct pool *p, const struct object *o, const uint8_t *data, size_t size,
		      off_t offset, uint8_t *marks)
{
	uint64_t page = (uint64_t)offset / SHADOW_PAGE;
	size_t from = (uint64_t)offset % SHADOW_PAGE;
	uint8_t now[SHADOW_PAGE];
	bool kept = false;

	memset(marks, 1, size);
	{
		AUTO_LOCK(held, &p->shadows->lock);
		for (struct state *state = *bucket_of(p->shadows, o->id, page); state;
		     state = state->next) {
			if (state->id != o->id || state->page != page)
				continue;
			unmark(state->bytes, from, data, size, marks);
			kept = true;
		}
	}
	if (kept) {
		page_read(p, &o->handle, page, now);
		unmark(now, from, data, size, marks);
	}
	return kept;
}

int shadow_write(struct pool *p, const struct object *o, const uint8_t *data, size_t size,
		 off_t offset, shadow_fn *fn, void *arg)
{
	AUTO_FREE uint8_t *marks = p->shadows->count ? malloc(size) : NULL;
	bool kept = false;
	int r = 0;

	for (size_t at = 0; marks && at < size;) {
		size_t part = SHADOW_PAGE - (size_t)(offset + (off_t)at) % SHADOW_PAGE;
		if (part > size - at)
			part = size - at;
		kept |= mark_page(p, o, data + at, part, offset + (off_t)at, marks + at);
		at += part;
	}
	if (!kept)
		return fn(arg, data, size, offset);
	for (size_t at = 0; r == 0 && at < size;) {
		size_t end = at;
		while (end < size && marks[end])
			end++;
		if (end > at)
			r = fn(arg, data + at, end - at, offset + (off_t)at);
		for (at = end; at < size && !marks[at];)
			at++;
	}
	return r;
}

void shadow_patch(struct pool *p, uint64_t id, const uint8_t *data, size_t size, off_t offset)
{
	struct shadows *s = p->shadows;

	if (!s->count)
		return;
	AUTO_LOCK(held, &s->lock);
	for (size_t at = 0; at < size;) {
		uint64_t page = (uint64_t)(offset + (off_t)at) / SHADOW_PAGE;
		size_t from = (size_t)(offset + (off_t)at) % SHADOW_PAGE;
		size_t part = SHADOW_PAGE - from < size - at ? SHADOW_PAGE - from : size - at;
		for (struct state *state = *bucket_of(s, id, page); state; state = state->next) {
			if (state->id == id && state->page == page)
				memcpy(state->bytes + from, data + at, part);
		}
		at += part;
	}
}
