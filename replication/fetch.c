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
#include "replication/apply.h"
#include "replication/commit.h"
#include "replication/content.h"
#include "replication/delta.h"
#include "replication/place.h"
#include "replication/room.h"
#include "replication/session.h"

#define NO_ROOM          "no room on the disk for contents of peers"
#define NO_ROOM_AGAIN_MS 10000
#define ASK_AGAIN_MS     2000        /* after "I do not have it (any more)" */
#define DOUBT_MS         5000        /* in which peers come up that may have it */
#define DOUBT_NONES      3           /* answers of each peer: one may have been busy */
#define DELTA_MIN        (64u << 10) /* a smaller basis is not worth a signature */
#define SIGNATURE_MAX    (3u << 20)  /* fits one message; for a larger basis the whole is sent */

/* One object with something missing, and the question that is under way for it. */
struct missing {
	uint64_t id;
	stamp_t leaf;  /* asked for; 0: not asked */
	uint16_t node; /* whom */
	size_t turn;   /* whom to ask next, in turn */
	uint64_t not_before_ms;
	stamp_t denied;       /* not at any of the last `denials` peers */
	unsigned int denials; /* that were asked, in turn */
	stamp_t wanted;       /* since then, and so often in vain */
	uint64_t wanted_ms;
	unsigned int nones;
	bool staged;
	struct hasher hash;
	struct delta_job *patch; /* a delta against what is here is coming in */
	struct pool *p;          /* for the patch's callbacks */
	struct store_handle basis, target;
	uint64_t written;
	uint64_t bytes, got; /* expected; here so far */
	UT_hash_handle hh;
};

struct fetches {
	pthread_mutex_t lock; /* guards table and asked; the rest is the worker thread's */
	struct missing *table;
	size_t asked;
	/* Of the contents that were missing since there were none missing. */
	uint64_t total_bytes, done_bytes, began_ms;
	uint16_t from; /* who was asked last */
};

void fetch_hash_piece(struct hasher *h, uint64_t offset, const void *data, size_t size)
{
	uint8_t at[8];
	struct wr w = wr_init(at, sizeof(at));

	wr_u64(&w, offset);
	hasher_add(h, at, sizeof(at));
	hasher_add(h, data, size);
}

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
	HASH_ITER(hh, f->table, m, next)
	{
		HASH_DEL(f->table, m);
		delta_free(m->patch);
		free(m);
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
	if (!f->table) {
		f->total_bytes = f->done_bytes = 0;
		f->began_ms = clock_boot_ms();
	}
	memset(m, 0, sizeof(*m));
	m->id = id;
	HASH_ADD(hh, f->table, id, sizeof(id), m);
}

void fetch_expect(struct pool *p, uint64_t id, uint64_t bytes)
{
	struct fetches *f = fetches_of(p);
	AUTO_LOCK(held, &f->lock);
	struct missing *m = missing_find(f, id);

	if (!m || bytes <= m->bytes)
		return;
	f->total_bytes += bytes - m->bytes;
	m->bytes = bytes;
}

void fetch_progress(struct pool *p, uint16_t node, struct pool_peer_status *ret)
{
	struct fetches *f = fetches_of(p);
	AUTO_LOCK(held, &f->lock);
	uint64_t took_ms = clock_boot_ms() - f->began_ms;

	if (!f->table || f->from != node || !f->total_bytes)
		return;
	ret->catchup_total_bytes = f->total_bytes;
	ret->catchup_done_bytes = f->done_bytes < f->total_bytes ? f->done_bytes : f->total_bytes;
	if (took_ms)
		ret->catchup_rate = (double)f->done_bytes * 1000.0 / (double)took_ms;
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
	delta_free(m->patch);
	m->patch = NULL;
	if (m->staged)
		(void)p->store->ops->unlink(p->store, &p->private_dir, name, false);
	m->staged = false;
}

static void got(struct fetches *f, struct missing *m, uint64_t bytes)
{
	AUTO_LOCK(held, &f->lock);

	f->done_bytes += bytes - m->got;
	m->got = bytes;
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

static bool is_up(const struct session *s)
{
	return s->state == SESSION_LIVE || s->state == SESSION_LOG || s->state == SESSION_INDEX;
}

static bool may_have(const struct session *s, stamp_t leaf)
{
	return vector_covers(&s->have, leaf) || slot_node(stamp_slot(leaf)) == s->node;
}

/* A peer that is up and has what the leaf's stamp stands for, in turn. Session lock held. */
static struct session *choose_peer(struct pool *p, struct missing *m, stamp_t leaf)
{
	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[(m->turn + i) % p->session_count];
		if (is_up(s) && may_have(s, leaf)) {
			m->turn += i + 1;
			return s;
		}
	}
	return NULL;
}

/* Whether a peer has it not, with all members here and nothing under way that could bring it. A row
 * of such answers is from each of them in turn. */
static void note_denial(struct pool *p, struct missing *m, stamp_t leaf, bool not_here)
{
	struct vector mine;

	position_get(p, &mine);
	AUTO_LOCK(held, &p->session_lock);
	for (size_t i = 0; i < p->session_count; i++) {
		const struct session *s = p->sessions[i];
		not_here = not_here && s->state == SESSION_LIVE && vector_equal(&s->have, &mine);
	}
	m->denials = !not_here ? 0 : m->denied == leaf ? m->denials + 1 : 1;
	m->denied = leaf;
}

/* It was removed by one who knew it, and its file kept by another who did not have its bytes. */
static bool nobody_has(struct pool *p, const struct missing *m, stamp_t leaf)
{
	AUTO_LOCK(held, &p->session_lock);

	return m->denied == leaf && m->denials && m->denials >= p->session_count;
}

/* --- asking --- */

struct buffer {
	uint8_t *bytes;
	size_t size, capacity;
};

static int buffer_write(void *arg, const void *data, size_t size)
{
	struct buffer *b = arg;

	if (b->size + size > b->capacity)
		return MA_ELIMIT;
	memcpy(b->bytes + b->size, data, size);
	b->size += size;
	return 0;
}

static ssize_t basis_read(void *arg, void *data, size_t size, uint64_t offset)
{
	struct missing *m = arg;

	return m->p->store->ops->read(m->p->store, &m->basis, -1, data, size, (off_t)offset);
}

/* Describes what is here of the object, so that only the difference need come. An empty signature
 * asks for the whole. Should the basis change meanwhile, the hash of the result shows it. */
static void describe_basis(struct pool *p, struct missing *m, struct buffer *out)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct delta_job *job;
	struct stat st;

	m->p = p;
	m->basis.size = 0;
	if (object_get(p->cache, m->id, &o.o) < 0 || !o.o->handle.size ||
	    p->store->ops->stat(p->store, &o.o->handle, -1, &st) < 0 || st.st_size < DELTA_MIN)
		return;
	m->basis = o.o->handle;
	int r = delta_signature_begin((uint64_t)st.st_size, buffer_write, out, &job);
	if (r == 0) {
		r = delta_run(job, basis_read, m, (uint64_t)st.st_size);
		delta_free(job);
	}
	if (r < 0) {
		out->size = 0;
		m->basis.size = 0;
	}
}

static bool ask(struct pool *p, struct missing *m, stamp_t leaf)
{
	struct fetches *f = fetches_of(p);
	AUTO_FREE uint8_t *signature = malloc(SIGNATURE_MAX);
	struct buffer out = {.bytes = signature, .capacity = SIGNATURE_MAX};
	uint8_t body[16];
	struct wr w = wr_init(body, sizeof(body));

	if (!signature)
		return false;
	describe_basis(p, m, &out);
	AUTO_LOCK(sessions, &p->session_lock);
	struct session *s = choose_peer(p, m, leaf);
	if (!s)
		return false;
	wr_u64(&w, m->id);
	wr_u64(&w, leaf);
	struct net_part parts[2] = {{.data = body, .size = sizeof(body)},
				    {.data = out.bytes, .size = out.size}};
	if (session_send(p, s, NET_CONTROL, MESSAGE_FETCH, parts, 2) < 0)
		return false;
	AUTO_LOCK(held, &f->lock);
	m->leaf = leaf;
	m->node = f->from = s->node;
	m->written = 0;
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

/* The file goes on without that content, on all nodes. */
static int forsake(struct pool *p, uint64_t id, stamp_t leaf)
{
	struct apply ctx = {.fd = -1};
	struct record rec = {
		.kind = REC_RESOLVE, .id = id, .base = leaf, .time_ns = clock_wall_ns()};
	AUTO_LOCKS struct locks_held held;

	pool_enter(p);
	locks_take_all(&p->locks, &held);
	int r = pool_submit(p, &rec, &ctx);
	pool_leave(p);
	log_warn("pool \"%s\": a content of object %llx was removed everywhere while its file was "
		 "kept: %s",
		 p->name, (unsigned long long)id, r == 0 ? "the file is empty" : err_text(r));
	return r;
}

/* Of a content in doubt: no peer that is here has it. */
static bool nobody_had(struct pool *p, struct missing *m, stamp_t leaf, uint64_t now)
{
	size_t up = 0;
	size_t might = 0;

	if (m->wanted != leaf) {
		m->wanted = leaf;
		m->wanted_ms = now;
		m->nones = 0;
	}
	if (now - m->wanted_ms < DOUBT_MS)
		return false;
	AUTO_LOCK(sessions, &p->session_lock);
	for (size_t i = 0; i < p->session_count; i++) {
		up += is_up(p->sessions[i]);
		might += is_up(p->sessions[i]) && may_have(p->sessions[i], leaf);
	}
	return up && m->nones >= DOUBT_NONES * might;
}

static int restate(struct pool *p, struct object *o, stamp_t leaf)
{
	AUTO_LOCKS struct locks_held held;

	pool_enter(p);
	locks_take_all(&p->locks, &held);
	int r = content_restate(p, o, leaf);
	pool_leave(p);
	return r;
}

/* It was asked for in vain, and the pool goes on without it now. */
static bool given_up(struct pool *p, struct missing *m, stamp_t leaf, uint64_t now)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};

	if (object_get(p->cache, m->id, &o.o) < 0)
		return false;
	if (content_in_doubt(p, o.o, leaf))
		return nobody_had(p, m, leaf, now) && restate(p, o.o, leaf) == 0;
	return nobody_has(p, m, leaf) && forsake(p, m->id, leaf) == 0;
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
	if (!list)
		(void)pool_problem(p, PROBLEM_ROOM, NULL);
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
		} else if (given_up(p, m, leaf, now) || !ask(p, m, leaf)) {
			m->not_before_ms = now + ASK_AGAIN_MS;
		}
	}
}

void fetch_peer_gone(struct pool *p, uint16_t node)
{
	struct fetches *f = fetches_of(p);
	struct missing *m, *next;

	HASH_ITER(hh, f->table, m, next)
	{
		if (m->leaf && m->node == node) {
			forget_staged(p, m);
			got(f, m, 0);
			question_over(f, m, 0);
		}
	}
	fetch_serve_gone(p, node);
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
	int r = room_take(p, size);
	if (r == 0)
		r = p->store->ops->make(p->store, &p->private_dir, name, &node, &handle);
	if (r == 0 && size)
		r = p->store->ops->write(p->store, &handle, -1, data, size, (off_t)offset);
	return r;
}

static int patch_write(void *arg, const void *data, size_t size)
{
	struct missing *m = arg;
	int r = room_take(m->p, size);

	if (r == 0)
		r = m->p->store->ops->write(m->p->store, &m->target, -1, data, size,
					    (off_t)m->written);

	m->written += size;
	return r;
}

/* A piece of a delta: the new content grows in the staged file. */
static int stage_delta(struct pool *p, struct missing *m, uint64_t size, const void *data, size_t n,
		       bool last)
{
	char name[64];
	int r = 0;

	if (!m->patch) {
		if (!m->basis.size)
			return MA_ECORRUPT; /* nobody asked for one */
		staged_name(m->id, name);
		r = stage(p, m, 0, NULL, 0);
		if (r == 0)
			r = p->store->ops->lookup(p->store, &p->private_dir, name, NULL, &m->target,
						  NULL);
		if (r == 0)
			r = delta_patch_begin(size, basis_read, m, patch_write, m, &m->patch);
	}
	return r < 0 ? r : delta_feed(m->patch, data, n, last);
}

/* The hash of what was received, by whichever way it came. */
static void received_hash(struct missing *m, uint8_t ret[HASH_SIZE])
{
	uint64_t size;

	if (m->patch)
		delta_result(m->patch, &size, ret);
	else
		hasher_done(&m->hash, ret);
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
		if (apply_calm(p, false) < 0)
			log_debug("pool \"%s\": directory times are put back later", p->name);
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
	bool no_room = false;

	if (body->failed || offset > INT64_MAX || size > INT64_MAX)
		return MA_ECORRUPT;
	{
		AUTO_LOCK(held, &f->lock);
		m = missing_find(f, id);
	}
	if (!m || m->leaf != leaf || m->node != node)
		return 0; /* an answer to a question that is over */
	int r = 0;
	fetch_expect(p, id, size);
	if (status == FETCH_MORE || status == FETCH_DELTA) {
		size_t n = rd_left(body);
		const uint8_t *data = rd_bytes(body, n);
		if (status == FETCH_DELTA)
			r = stage_delta(p, m, size, data, n, false);
		else
			r = stage(p, m, offset, data, n);
		if (status == FETCH_MORE)
			fetch_hash_piece(&m->hash, offset, data, n);
		if (r == 0) {
			got(f, m, status == FETCH_DELTA ? m->written : offset + n);
			return 0;
		}
	}
	const uint8_t *theirs = status == FETCH_LAST ? rd_bytes(body, HASH_SIZE) : NULL;
	note_denial(p, m, leaf, status == FETCH_NONE && offset == FETCH_NOT_HERE);
	if (status == FETCH_NONE) {
		r = -ENODATA;
		m->nones++;
	} else if (r == 0 && m->patch)
		r = stage_delta(p, m, size, NULL, 0, true);
	if (r == 0) {
		received_hash(m, digest);
		r = theirs && crypto_equal(theirs, digest, HASH_SIZE) ? 0 : MA_ECORRUPT;
	}
	delta_free(m->patch);
	m->patch = NULL;
	if (r == 0)
		r = finish(p, m, size, mtime_ns);
	if (r == 0 || r == -ENOSPC)
		no_room = pool_problem(p, PROBLEM_ROOM, r < 0 ? NO_ROOM : NULL) && r < 0;
	if (r < 0 && r != -ENODATA && (r != -ENOSPC || no_room))
		log_warn("pool \"%s\": a content from node %u cannot be used: %s", p->name, node,
			 err_text(r));
	if (r < 0)
		forget_staged(p, m);
	got(f, m, r < 0 ? 0 : m->bytes);
	question_over(f, m, r == -ENOSPC ? NO_ROOM_AGAIN_MS : r < 0 ? ASK_AGAIN_MS : 0);
	fetch_pump(p);
	return 0;
}
