/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/content.h"
#include "replication/place.h"
#include "replication/session.h"

#define ASK_AGAIN_MS 2000 /* after "I do not have it (any more)" */
#define SERVED_MAX   64   /* contents being sent at once, over all peers */

enum { DATA_MORE = 0, DATA_LAST = 1, DATA_NONE = 2 };

/* One object with something missing, and the question that is under way for it. */
struct missing {
	uint64_t id;
	stamp_t leaf;   /* asked for; 0: not asked */
	uint16_t node;  /* whom */
	size_t turn;    /* whom to ask next, in turn */
	uint64_t not_before_ms;
	bool staged;
	struct hasher hash;
	UT_hash_handle hh;
};

/* One content being sent to a peer. */
struct served {
	uint16_t node;
	uint64_t id;
	stamp_t leaf;
	off_t offset;
	off_t size;
	struct hasher hash;
	struct served *next;
};

struct fetches {
	pthread_mutex_t lock; /* guards table and asked; the rest is the worker thread's */
	struct missing *table;
	size_t asked;
	struct served *served;
	size_t served_count;
};

static struct fetches *fetches_of(struct pool *p)
{
	assert(p->fetches);
	return p->fetches;
}

int fetch_new(struct pool *p)
{
	p->fetches = aligned_alloc(64, (sizeof(*p->fetches) + 63) / 64 * 64);
	if (!p->fetches)
		return -ENOMEM;
	memset(p->fetches, 0, sizeof(*p->fetches));
	(void)pthread_mutex_init(&p->fetches->lock, NULL);
	return 0;
}

void fetch_free(struct pool *p)
{
	struct fetches *f = p->fetches;
	struct missing *m, *next;

	if (!f)
		return;
	HASH_ITER(hh, f->table, m, next) {
		HASH_DEL(f->table, m);
		free(m);
	}
	while (f->served) {
		struct served *gone = f->served;
		f->served = gone->next;
		free(gone);
	}
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
	p->fetches = NULL;
}

static struct missing *missing_find(struct fetches *f, uint64_t id)
{
	struct missing *m;

	HASH_FIND(hh, f->table, &id, sizeof(id), m);
	return m;
}

void fetch_note(struct pool *p, uint64_t id)
{
	struct fetches *f = fetches_of(p);
	AUTO_LOCK(held, &f->lock);
	struct missing *m = missing_find(f, id);

	if (m) {
		m->not_before_ms = 0;
		return;
	}
	m = aligned_alloc(64, (sizeof(*m) + 63) / 64 * 64);
	if (!m) {
		/* The next start finds it again: the object itself says that it is incomplete. */
		log_error("pool \"%s\": out of memory for the list of missing contents", p->name);
		return;
	}
	memset(m, 0, sizeof(*m));
	m->id = id;
	HASH_ADD(hh, f->table, id, sizeof(id), m);
}

size_t fetch_count(struct pool *p)
{
	struct fetches *f = fetches_of(p);
	AUTO_LOCK(held, &f->lock);

	return HASH_COUNT(f->table);
}

int fetch_save(struct pool *p, uint8_t **ret, size_t *ret_size)
{
	struct fetches *f = fetches_of(p);
	AUTO_LOCK(held, &f->lock);
	size_t size = 8 * (size_t)HASH_COUNT(f->table);
	uint8_t *bytes = malloc(size + 1);
	struct missing *m, *next;

	if (!bytes)
		return -ENOMEM;
	struct wr w = wr_init(bytes, size);
	HASH_ITER(hh, f->table, m, next)
		wr_u64(&w, m->id);
	*ret = bytes;
	*ret_size = size;
	return 0;
}

int fetch_load(struct pool *p, const void *data, size_t size)
{
	struct rd r = rd_init(data, size);

	while (rd_left(&r) >= 8)
		fetch_note(p, rd_u64(&r));
	return 0;
}

static void staged_name(uint64_t id, char ret[64])
{
	(void)snprintf(ret, 64, "fetch-%016llx", (unsigned long long)id);
}

static void forget_staged(struct pool *p, struct missing *m)
{
	char name[64];

	staged_name(m->id, name);
	if (m->staged)
		(void)p->store->ops->unlink(p->store, &p->private_dir, name, false);
	m->staged = false;
}

/* The question is over; what is still missing is asked for again, not before `wait_ms`. */
static void question_over(struct fetches *f, struct missing *m, uint64_t wait_ms)
{
	AUTO_LOCK(held, &f->lock);

	if (m->leaf)
		f->asked--;
	m->leaf = 0;
	m->not_before_ms = wait_ms ? clock_boot_ms() + wait_ms : 0;
}

/* A peer that is up and has what the leaf's stamp stands for, in turn. Session lock held. */
static struct session *choose_peer(struct pool *p, struct missing *m, stamp_t leaf)
{
	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[(m->turn + i) % p->session_count];
		bool up = s->state == SESSION_LIVE || s->state == SESSION_LOG ||
			  s->state == SESSION_INDEX;
		if (up && (vector_covers(&s->have, leaf) || slot_node(stamp_slot(leaf)) == s->node)) {
			m->turn += i + 1;
			return s;
		}
	}
	return NULL;
}

static bool ask(struct pool *p, struct missing *m, stamp_t leaf)
{
	struct fetches *f = fetches_of(p);
	uint8_t body[16];
	struct wr w = wr_init(body, sizeof(body));
	AUTO_LOCK(sessions, &p->session_lock);
	struct session *s = choose_peer(p, m, leaf);

	if (!s)
		return false;
	wr_u64(&w, m->id);
	wr_u64(&w, leaf);
	struct net_part part = {.data = body, .size = sizeof(body)};
	if (session_send(p, s, NET_CONTROL, MESSAGE_FETCH, &part, 1) < 0)
		return false;
	AUTO_LOCK(held, &f->lock);
	m->leaf = leaf;
	m->node = s->node;
	f->asked++;
	hasher_init(&m->hash);
	return true;
}

static stamp_t wanted_now(struct pool *p, uint64_t id)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};

	if (object_get(p->cache, id, &o.o) < 0 || o.o->dead)
		return 0;
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	return content_wanted(o.o);
}

void fetch_pump(struct pool *p)
{
	struct fetches *f = fetches_of(p);
	struct missing *m, *next;
	uint64_t now = clock_boot_ms();
	struct missing *list;

	/* Only the worker thread removes entries, so the walk is safe while others add: they add
	 * at the table's end, which this walk may or may not see. */
	{
		AUTO_LOCK(held, &f->lock);
		list = f->table;
	}
	for (m = list; m && f->asked < FETCH_WINDOW; m = next) {
		{
			AUTO_LOCK(held, &f->lock);
			next = m->hh.next;
		}
		if (m->leaf || now < m->not_before_ms)
			continue;
		stamp_t leaf = wanted_now(p, m->id);
		if (!leaf) {
			forget_staged(p, m);
			AUTO_LOCK(held, &f->lock);
			HASH_DEL(f->table, m);
			free(m);
			worker_wake(p);
		} else if (!ask(p, m, leaf)) {
			m->not_before_ms = now + ASK_AGAIN_MS;
		}
	}
}

void fetch_peer_gone(struct pool *p, uint16_t node)
{
	struct fetches *f = fetches_of(p);
	struct missing *m, *next;

	HASH_ITER(hh, f->table, m, next) {
		if (m->leaf && m->node == node) {
			forget_staged(p, m);
			question_over(f, m, 0);
		}
	}
	for (struct served **at = &f->served; *at;) {
		struct served *s = *at;
		if (s->node == node) {
			*at = s->next;
			f->served_count--;
			free(s);
		} else {
			at = &s->next;
		}
	}
}

/* --- the side that has it --- */

static int send_data(struct pool *p, const struct served *s, uint8_t status, const void *data,
		     size_t size, const struct stat *st, const uint8_t hash[HASH_SIZE])
{
	uint8_t head[128];
	struct wr w = wr_init(head, sizeof(head));
	AUTO_LOCK(held, &p->session_lock);
	struct session *session = session_find(p, s->node);

	wr_u64(&w, s->id);
	wr_u64(&w, s->leaf);
	wr_u8(&w, status);
	wr_u64(&w, (uint64_t)s->offset);
	wr_u64(&w, st ? (uint64_t)st->st_size : 0);
	wr_u64(&w, st ? (uint64_t)(st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec) : 0);
	if (hash)
		wr_bytes(&w, hash, HASH_SIZE);
	struct net_part parts[2] = {{.data = head, .size = wr_used(&w)},
				    {.data = data, .size = size}};
	if (!session || session->state == SESSION_DOWN)
		return -ENOTCONN;
	return session_send(p, session, NET_CATCHUP, MESSAGE_FETCH_DATA, parts, 2);
}

/* Hashes where bytes stand and what they are; holes count by not being there. */
static void hash_piece(struct hasher *h, uint64_t offset, const void *data, size_t size)
{
	uint8_t at[8];
	struct wr w = wr_init(at, sizeof(at));

	wr_u64(&w, offset);
	hasher_add(h, at, sizeof(at));
	hasher_add(h, data, size);
}

/* One message of a content. 1: more to come, 0: that was the last, or it cannot be had. */
static int serve_piece(struct pool *p, struct served *s, uint8_t *buffer)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_REF struct object_ref source = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held = {0};
	uint8_t digest[HASH_SIZE];
	struct stat st;
	off_t start, end;

	int r = object_get(p->cache, s->id, &o.o);
	if (r == 0) {
		uint64_t ids[] = {o.o->id, s->leaf};
		locks_take(&p->locks, ids, 2, &held);
		r = content_source(p, o.o, s->leaf, &source.o);
	}
	if (r == 0)
		r = p->store->ops->stat(p->store, &source.o->handle, -1, &st);
	if (r < 0)
		return send_data(p, s, DATA_NONE, NULL, 0, NULL, NULL);
	r = p->store->ops->next_data(p->store, &source.o->handle, -1, s->offset, &start, &end);
	if (r == -ENXIO || (r == 0 && start >= st.st_size)) {
		struct hasher copy = s->hash;
		hasher_done(&copy, digest);
		return send_data(p, s, DATA_LAST, NULL, 0, &st, digest);
	}
	size_t size = end - start > FETCH_CHUNK ? FETCH_CHUNK : (size_t)(end - start);
	ssize_t n = r < 0 ? r : p->store->ops->read(p->store, &source.o->handle, -1, buffer, size, start);
	if (n < 0)
		return send_data(p, s, DATA_NONE, NULL, 0, NULL, NULL);
	struct served next = *s;
	next.offset = start;
	r = send_data(p, &next, DATA_MORE, buffer, (size_t)n, &st, NULL);
	if (r < 0)
		return r;
	hash_piece(&s->hash, (uint64_t)start, buffer, (size_t)n);
	s->offset = start + n;
	return 1;
}

void fetch_writable(struct pool *p, uint16_t node)
{
	struct fetches *f = fetches_of(p);
	AUTO_FREE uint8_t *buffer = f->served ? malloc(FETCH_CHUNK) : NULL;

	if (!buffer)
		return;
	for (struct served **at = &f->served; *at;) {
		struct served *s = *at;
		int r = 1;
		while (s->node == node && r == 1)
			r = serve_piece(p, s, buffer);
		if (r == -EAGAIN)
			return;
		if (s->node == node) {
			*at = s->next;
			f->served_count--;
			free(s);
		} else {
			at = &s->next;
		}
	}
}

int fetch_serve(struct pool *p, uint16_t node, struct rd *body)
{
	struct fetches *f = fetches_of(p);
	struct served *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->node = node;
	s->id = rd_u64(body);
	s->leaf = rd_u64(body);
	hasher_init(&s->hash);
	if (body->failed || !s->leaf) {
		free(s);
		return MA_ECORRUPT;
	}
	if (f->served_count >= SERVED_MAX) {
		int r = send_data(p, s, DATA_NONE, NULL, 0, NULL, NULL);
		free(s);
		return r == -EAGAIN || r == -ENOTCONN ? 0 : r;
	}
	struct served **at = &f->served;
	while (*at)
		at = &(*at)->next;
	*at = s;
	f->served_count++;
	fetch_writable(p, node);
	return 0;
}

/* --- the side that asked --- */

static int stage(struct pool *p, struct missing *m, uint64_t offset, const void *data, size_t size)
{
	char name[64];
	struct store_handle handle;
	struct store_node node = {.id = m->leaf, .mode = S_IFREG | 0600};

	staged_name(m->id, name);
	if (!m->staged)
		(void)p->store->ops->unlink(p->store, &p->private_dir, name, false);
	m->staged = true;
	int r = p->store->ops->make(p->store, &p->private_dir, name, &node, &handle);
	if (r == 0 && size)
		r = p->store->ops->write(p->store, &handle, -1, data, size, (off_t)offset);
	return r;
}

static int finish(struct pool *p, struct missing *m, uint64_t size, int64_t mtime_ns)
{
	char name[64];
	struct store_handle handle;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(mtime_ns)};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct stat st;

	staged_name(m->id, name);
	int r = stage(p, m, 0, NULL, 0);
	if (r == 0)
		r = p->store->ops->lookup(p->store, &p->private_dir, name, NULL, &handle, NULL);
	if (r == 0)
		r = p->store->ops->truncate(p->store, &handle, -1, (off_t)size);
	if (r == 0)
		r = object_get(p->cache, m->id, &o.o);
	if (r == 0)
		r = p->store->ops->stat(p->store, &o.o->handle, -1, &st);
	if (r == 0)
		r = p->store->ops->set_owner(p->store, &handle, st.st_mode & 07777, st.st_uid,
					     st.st_gid);
	if (r == 0)
		r = p->store->ops->set_times(p->store, &handle, -1, times);
	if (r < 0)
		return r;
	pool_enter(p);
	{
		AUTO_LOCKS struct locks_held held;
		locks_take_all(&p->locks, &held);
		r = content_install(p, o.o, m->leaf, name);
	}
	pool_leave(p);
	if (r == 0)
		m->staged = false;
	return r;
}

int fetch_receive(struct pool *p, uint16_t node, struct rd *body)
{
	struct fetches *f = fetches_of(p);
	uint64_t id = rd_u64(body);
	stamp_t leaf = rd_u64(body);
	uint8_t status = rd_u8(body);
	uint64_t offset = rd_u64(body);
	uint64_t size = rd_u64(body);
	int64_t mtime_ns = (int64_t)rd_u64(body);
	uint8_t digest[HASH_SIZE];
	struct missing *m;

	if (body->failed || offset > INT64_MAX || size > INT64_MAX)
		return MA_ECORRUPT;
	{
		AUTO_LOCK(held, &f->lock);
		m = missing_find(f, id);
	}
	if (!m || m->leaf != leaf || m->node != node)
		return 0; /* an answer to a question that is over */
	if (status == DATA_MORE) {
		size_t n = rd_left(body);
		const uint8_t *data = rd_bytes(body, n);
		hash_piece(&m->hash, offset, data, n);
		int r = stage(p, m, offset, data, n);
		if (r < 0) {
			forget_staged(p, m);
			question_over(f, m, ASK_AGAIN_MS);
		}
		return 0;
	}
	int r = -ENODATA;
	if (status == DATA_LAST) {
		const uint8_t *theirs = rd_bytes(body, HASH_SIZE);
		hasher_done(&m->hash, digest);
		r = theirs && crypto_equal(theirs, digest, HASH_SIZE) ? 0 : MA_ECORRUPT;
		if (r == 0)
			r = finish(p, m, size, mtime_ns);
		if (r < 0)
			log_warn("pool \"%s\": a content from node %u cannot be used: %s", p->name,
				 node, err_text(r));
	}
	if (r < 0)
		forget_staged(p, m);
	question_over(f, m, r < 0 ? ASK_AGAIN_MS : 0);
	fetch_pump(p);
	return 0;
}
