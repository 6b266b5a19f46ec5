/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/log.h"
#include "replication/apply.h"
#include "replication/pool_ops.h"

#define BLOCK_MIN 4096u
#define CHUNK     (256u << 10) /* read at once; most bytes of one record */
#define UNKNOWN   0u           /* the sum of a block that differs, whatever it holds */
#define TICK_MS   1000u
#define TICK_ALL  64u /* files looked at in one tick */
#define TICK_REST 20u /* so many times as long as looking takes, nobody looks */

struct mapped {
	struct mapped *next;
	uint64_t id;
	unsigned int users;
	/* All below: under the object's lock. */
	bool suspect; /* stores may have hidden behind our own changes */
	struct timespec changed;
	size_t block;
	size_t count;
	uint64_t *sums;
};

struct mappeds {
	pthread_mutex_t lock; /* guards the list and users; count is read without it, too */
	_Atomic size_t count;
	struct mapped *first;
	uint64_t next_ms;
};

int mappeds_new(struct mappeds **ret)
{
	struct mappeds *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

static void mapped_free(struct mapped *m)
{
	if (m)
		free(m->sums);
	free(m);
}

void mappeds_free(struct mappeds *s)
{
	if (!s)
		return;
	while (s->first) {
		struct mapped *next = s->first->next;

		mapped_free(s->first);
		s->first = next;
	}
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct mapped *find(struct mappeds *s, uint64_t id)
{
	if (!s->count)
		return NULL;
	AUTO_LOCK(held, &s->lock);
	struct mapped *m = s->first;

	while (m && m->id != id)
		m = m->next;
	return m;
}

static uint64_t sum_of(const void *data, size_t size)
{
	uint64_t h = XXH3_64bits(data, size);

	return h == UNKNOWN ? 1 : h;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* As many sums as the size asks for; new ones are unknown. */
static int resize(struct mapped *m, off_t size)
{
	size_t block = BLOCK_MIN;

	while ((uint64_t)size / block >= MAPPED_BLOCKS_MAX)
		block *= 2;
	size_t count = ((size_t)size + block - 1) / block;
	if (block == m->block && count == m->count)
		return 0;
	uint64_t *sums = realloc(m->sums, (count ? count : 1) * sizeof(*sums));
	if (!sums)
		return -ENOMEM;
	/* Other blocks: the whole file is said anew. */
	size_t keep = block != m->block ? 0 : count < m->count ? count : m->count;
	for (size_t i = keep; i < count; i++)
		sums[i] = UNKNOWN;
	m->sums = sums;
	m->count = count;
	m->block = block;
	return 0;
}

/* Calls for each block from `first` to before `last`, until a call gives other than 0. */
typedef int block_fn(void *arg, struct mapped *m, size_t at, const uint8_t *data, size_t size);
static int each_block(struct pool *p, const struct store_handle *handle, int fd, struct mapped *m,
		      size_t first, size_t last, block_fn *fn, void *arg)
{
	size_t room = m->block > CHUNK ? m->block : CHUNK;
	AUTO_FREE uint8_t *data = first < last ? malloc(room) : NULL;
	int r = 0;

	if (first < last && !data)
		return -ENOMEM;
	for (size_t at = first; r == 0 && at < last;) {
		size_t blocks = room / m->block < last - at ? room / m->block : last - at;
		ssize_t n = p->store->ops->read(p->store, handle, fd, data, blocks * m->block,
						(off_t)(at * m->block));
		if (n <= 0)
			return n < 0 ? (int)n : 0;
		for (size_t done = 0; r == 0 && done < (size_t)n; at++) {
			size_t part = (size_t)n - done < m->block ? (size_t)n - done : m->block;
			r = fn(arg, m, at, data + done, part);
			done += part;
		}
	}
	return r;
}

/* A block that had no store takes the sum of what it holds now. */
static int take_sum(void *arg, struct mapped *m, size_t at, const uint8_t *data, size_t size)
{
	(void)arg;
	m->sums[at] = sum_of(data, size);
	return 0;
}

static int doubt(void *arg, struct mapped *m, size_t at, const uint8_t *data, size_t size)
{
	bool *differs = arg;

	if (m->sums[at] == sum_of(data, size))
		return 0;
	m->sums[at] = UNKNOWN;
	*differs = true;
	return 0;
}

void mapped_begin(struct pool *p, const struct object *o, const struct store_handle *handle,
		  off_t offset, off_t size, struct mapped_step *ret)
{
	struct stat st;

	*ret = (struct mapped_step){.m = find(p->mapped, o->id)};
	struct mapped *m = ret->m;
	if (!m || p->store->ops->stat(p->store, handle, -1, &st) < 0)
		return;
	/* With a new end, the last block is another. */
	ret->offset = offset < st.st_size ? offset : st.st_size;
	ret->end = size < 0 ? -1 : offset + size;
	if (!same_time(st.st_ctim, m->changed))
		m->suspect = true;
	size_t first = (size_t)ret->offset / m->block;
	size_t last = ret->end < 0 ? m->count : ((size_t)ret->end + m->block - 1) / m->block;
	bool differs = false;
	if (last > m->count)
		last = m->count;
	int r = each_block(p, handle, -1, m, first, last, doubt, &differs);
	/* What lies behind may move (FALLOC_FL_COLLAPSE_RANGE): it is not worth to follow it. */
	for (size_t i = first; (r < 0 || (differs && ret->end < 0)) && i < m->count; i++)
		m->sums[i] = UNKNOWN;
	if (differs || r < 0)
		m->suspect = true;
}

static int take_unless_doubted(void *arg, struct mapped *m, size_t at, const uint8_t *data,
			       size_t size)
{
	const size_t *known = arg;

	/* New blocks are unknown, too, but nobody can have stored to them. */
	if (at < *known && m->sums[at] == UNKNOWN)
		return 0;
	return take_sum(NULL, m, at, data, size);
}

void mapped_end(struct pool *p, const struct store_handle *handle, const struct mapped_step *step)
{
	struct mapped *m = step->m;
	struct stat st;

	if (!m)
		return;
	size_t known = m->count;
	int r = p->store->ops->stat(p->store, handle, -1, &st);
	if (r == 0)
		r = resize(m, st.st_size);
	if (r == 0) {
		size_t first = (size_t)step->offset / m->block;
		size_t last =
			step->end < 0 ? m->count : ((size_t)step->end + m->block - 1) / m->block;
		m->changed = st.st_ctim;
		if (last > m->count)
			last = m->count;
		r = each_block(p, handle, -1, m, first, last, take_unless_doubted, &known);
	}
	if (r < 0)
		m->suspect = true; /* the next comparison finds too much, not too little */
}

/* Neighbouring blocks that differ, as one record. */
struct search {
	struct pool *p;
	struct object *o;
	struct timespec when;
	uint8_t *run;
	size_t run_size;
	off_t run_offset;
	bool found;
};

static int run_submit(struct search *s)
{
	struct apply ctx = {.fd = -1, .there = true, .internal = true};
	struct record rec = {.kind = REC_WRITE,
			     .id = s->o->id,
			     .base = s->o->content,
			     .offset = (uint64_t)s->run_offset,
			     .data = s->run,
			     .data_size = s->run_size,
			     .time_ns = s->when.tv_sec * INT64_C(1000000000) + s->when.tv_nsec};

	if (!s->run_size)
		return 0;
	s->run_size = 0;
	s->found = true;
	return pool_submit(s->p, &rec, &ctx);
}

static int compare(void *arg, struct mapped *m, size_t at, const uint8_t *data, size_t size)
{
	struct search *s = arg;
	uint64_t sum = sum_of(data, size);
	int r = 0;

	if (m->sums[at] == sum)
		return run_submit(s);
	if (s->run_size + size > CHUNK)
		r = run_submit(s);
	for (size_t done = 0; r == 0 && done < size;) {
		size_t part = size - done < CHUNK ? size - done : CHUNK;
		if (!s->run_size)
			s->run_offset = (off_t)(at * m->block + done);
		memcpy(s->run + s->run_size, data + done, part);
		s->run_size += part;
		done += part;
		if (done < size)
			r = run_submit(s);
	}
	if (r == 0)
		m->sums[at] = sum;
	return r;
}

/* Barrier and lock held. */
static int check_locked(struct pool *p, struct object *o, struct mapped *m, bool whole)
{
	AUTO_FREE uint8_t *run = NULL;
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int r = p->store->ops->stat(p->store, &o->handle, -1, &st);

	if (r < 0 || (!whole && !m->suspect && same_time(st.st_ctim, m->changed)))
		return r;
	r = p->store->ops->open(p->store, &o->handle, O_RDWR | O_NOATIME, &fd);
	run = malloc(CHUNK);
	if (r == 0 && !run)
		r = -ENOMEM;
	if (r < 0)
		return r;
	/* Pages on their way to the disk are protected: what is stored from here on changes the
	 * file's times again. */
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
	if (fstat(fd, &st) < 0)
		return -errno;
	m->changed = st.st_ctim;
	m->suspect = false;
	struct search search = {.p = p, .o = o, .when = st.st_mtim, .run = run};
	r = resize(m, st.st_size);
	if (r == 0)
		r = each_block(p, &o->handle, fd, m, 0, m->count, compare, &search);
	if (r == 0)
		r = run_submit(&search);
	if (r < 0) {
		/* The sums are of what could not be said: all is, next time. */
		for (size_t i = 0; i < m->count; i++)
			m->sums[i] = UNKNOWN;
		m->suspect = true;
	}
	if (search.found)
		watch_inode(p, o->id, true);
	return r;
}

int mapped_check(struct pool *p, uint64_t id, bool whole)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};

	if (!p->mapped->count)
		return 0;
	int r = object_get(p->cache, id, &o.o);
	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	struct mapped *m = find(p->mapped, o.o->id);
	/* No peer needs what is stored to a file that has no name any more. */
	if (!m || o.o->dead || o.o->branch_of || o.o->obsolete)
		return 0;
	return check_locked(p, o.o, m, whole);
}

void mapped_tick(struct pool *p, uint64_t now_ms)
{
	struct mappeds *s = p->mapped;
	uint64_t ids[TICK_ALL];
	size_t count = 0;

	if (!s->count || now_ms < s->next_ms)
		return;
	{
		AUTO_LOCK(held, &s->lock);
		for (const struct mapped *m = s->first; m && count < TICK_ALL; m = m->next)
			ids[count++] = m->id;
	}
	for (size_t i = 0; i < count; i++) {
		int r = mapped_check(p, ids[i], false);
		if (r < 0)
			log_warn("pool \"%s\": stores to a mapped file wait to be told: %s",
				 p->name, err_text(r));
	}
	uint64_t took_ms = clock_boot_ms() - now_ms;
	s->next_ms = now_ms + TICK_MS + TICK_REST * took_ms;
}

int pool_map_begin(struct pool *p, uint64_t id, int fd)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct stat st;
	int r = object_get(p->cache, id, &o.o);

	if (r < 0)
		return r == MA_EUNKNOWN ? -ESTALE : r;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	struct mapped *m = find(p->mapped, o.o->id);
	if (m) {
		AUTO_LOCK(list, &p->mapped->lock);
		m->users++;
		return 0;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->id = o.o->id;
	m->users = 1;
	m->block = BLOCK_MIN;
	if (fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0)
		r = resize(m, st.st_size);
	if (r == 0)
		r = each_block(p, &o.o->handle, -1, m, 0, m->count, take_sum, NULL);
	if (r < 0) {
		mapped_free(m);
		return r;
	}
	m->changed = st.st_ctim;
	AUTO_LOCK(list, &p->mapped->lock);
	m->next = p->mapped->first;
	p->mapped->first = m;
	p->mapped->count++;
	return 0;
}

/* NULL: others have it open still. */
static struct mapped *take_out(struct mappeds *s, uint64_t id)
{
	AUTO_LOCK(held, &s->lock);
	struct mapped **at = &s->first;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	struct mapped *m = *at;
	if (!m || --m->users > 0)
		return NULL;
	*at = m->next;
	s->count--;
	return m;
}

void pool_map_end(struct pool *p, uint64_t id)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = mapped_check(p, id, true);

	if (r < 0)
		log_error("pool \"%s\": stores to a mapped file cannot be told: %s", p->name,
			  err_text(r));
	if (object_get(p->cache, id, &o.o) < 0)
		return;
	AUTO_ENTERED pool_entered(p);
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	mapped_free(take_out(p->mapped, o.o->id));
}
