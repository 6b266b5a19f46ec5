/* SPDX-License-Identifier: Apache-2.0
 * The other side of fetch.c: contents that peers ask for, whole or as a delta against theirs.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/content.h"
#include "replication/delta.h"
#include "replication/fetch.h"
#include "replication/session.h"

#define SERVED_MAX 64 /* contents being sent at once, over all peers */

/* One content being sent to a peer. */
struct served {
	struct hasher hash;
	uint16_t node;
	uint64_t id;
	stamp_t leaf;
	off_t offset;            /* read so far */
	struct delta_job *delta; /* NULL: the bytes themselves are sent */
	uint8_t *out;            /* delta made and not sent yet */
	size_t out_size, out_capacity;
	bool delta_whole;
	struct served *next;
};

struct serving {
	struct served *first;
	size_t count;
};

static void served_free(struct served *s)
{
	delta_free(s->delta);
	free(s->out);
	free(s);
}

static void served_remove(struct serving *serving, struct served **at)
{
	struct served *s = *at;

	*at = s->next;
	serving->count--;
	served_free(s);
}

void fetch_serve_gone(struct pool *p, uint16_t node)
{
	for (struct served **at = p->serving ? &p->serving->first : NULL; at && *at;) {
		if ((*at)->node == node || node == 0)
			served_remove(p->serving, at);
		else
			at = &(*at)->next;
	}
}

void fetch_serve_free(struct pool *p)
{
	fetch_serve_gone(p, 0);
	free(p->serving);
	p->serving = NULL;
}

static int send_data(struct pool *p, const struct served *s, uint8_t status, const void *data,
		     size_t size, const struct stat *st)
{
	uint8_t head[64];
	struct wr w = wr_init(head, sizeof(head));
	AUTO_LOCK(held, &p->session_lock);
	struct session *session = session_find(p, s->node);

	wr_u64(&w, s->id);
	wr_u64(&w, s->leaf);
	wr_u8(&w, status);
	wr_u64(&w, (uint64_t)s->offset);
	wr_u64(&w, st ? (uint64_t)st->st_size : 0);
	wr_u64(&w, st ? (uint64_t)(st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec) : 0);
	struct net_part parts[2] = {{.data = head, .size = wr_used(&w)},
				    {.data = data, .size = size}};
	if (!session || session->state == SESSION_DOWN)
		return -ENOTCONN;
	return session_send(p, session, NET_CATCHUP, MESSAGE_FETCH_DATA, parts, 2);
}

static int delta_out(void *arg, const void *data, size_t size)
{
	struct served *s = arg;

	if (s->out_size + size > s->out_capacity) {
		uint8_t *grown = realloc(s->out, 2 * (s->out_size + size));
		if (!grown)
			return -ENOMEM;
		s->out = grown;
		s->out_capacity = 2 * (s->out_size + size);
	}
	memcpy(s->out + s->out_size, data, size);
	s->out_size += size;
	return 0;
}

/* The object or branch that has the bytes of the content asked for, its locks held. */
static int find_source(struct pool *p, const struct served *s, struct object_ref *ret,
		       struct locks_held *held, struct stat *st)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	int r = object_get(p->cache, s->id, &o.o);

	if (r < 0)
		return r;
	uint64_t ids[] = {o.o->id, s->leaf};
	locks_take(&p->locks, ids, 2, held);
	r = content_source(p, o.o, s->leaf, &ret->o);
	return r < 0 ? r : p->store->ops->stat(p->store, &ret->o->handle, -1, st);
}

static int send_out(struct pool *p, struct served *s, const struct stat *st)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < s->out_size) {
		size_t size = s->out_size - at > FETCH_CHUNK ? FETCH_CHUNK : s->out_size - at;
		r = send_data(p, s, FETCH_DELTA, s->out + at, size, st);
		at += r == 0 ? size : 0;
	}
	if (!at)
		return r;
	s->out_size -= at;
	memmove(s->out, s->out + at, s->out_size);
	return r;
}

static int send_last(struct pool *p, struct served *s, const struct stat *st)
{
	uint8_t digest[HASH_SIZE];
	uint64_t size;

	if (s->delta) {
		delta_result(s->delta, &size, digest);
	} else {
		struct hasher copy = s->hash;
		hasher_done(&copy, digest);
	}
	return send_data(p, s, FETCH_LAST, digest, sizeof(digest), st);
}

/* The next stretch of the content as bytes. 1: more to come. */
static int piece_plain(struct pool *p, struct served *s, const struct store_handle *handle,
		       const struct stat *st, uint8_t *buffer)
{
	off_t start, end;
	int r = p->store->ops->next_data(p->store, handle, -1, s->offset, &start, &end);

	if (r == -ENXIO || (r == 0 && start >= st->st_size))
		return send_last(p, s, st);
	size_t size = end - start > (off_t)FETCH_CHUNK ? FETCH_CHUNK : (size_t)(end - start);
	ssize_t n = r < 0 ? r : p->store->ops->read(p->store, handle, -1, buffer, size, start);
	if (n < 0)
		return send_data(p, s, FETCH_NONE, NULL, 0, NULL);
	off_t before = s->offset;
	s->offset = start;
	r = send_data(p, s, FETCH_MORE, buffer, (size_t)n, st);
	if (r < 0) {
		s->offset = before;
		return r;
	}
	fetch_hash_piece(&s->hash, (uint64_t)start, buffer, (size_t)n);
	s->offset = start + n;
	return 1;
}

/* The next stretch of the content through the delta. 1: more to come. */
static int piece_delta(struct pool *p, struct served *s, const struct store_handle *handle,
		       const struct stat *st, uint8_t *buffer)
{
	int r = send_out(p, s, st);

	if (r < 0)
		return r;
	if (s->delta_whole)
		return send_last(p, s, st);
	ssize_t n = p->store->ops->read(p->store, handle, -1, buffer, FETCH_CHUNK, s->offset);
	r = n < 0 ? (int)n : delta_feed(s->delta, buffer, (size_t)n, n < (ssize_t)FETCH_CHUNK);
	if (r < 0)
		return send_data(p, s, FETCH_NONE, NULL, 0, NULL);
	s->offset += n;
	s->delta_whole = n < (ssize_t)FETCH_CHUNK;
	return 1;
}

/* One step of a content. 1: more to come, 0: it is done or cannot be had, -EAGAIN: queue full. */
static int serve_piece(struct pool *p, struct served *s, uint8_t *buffer)
{
	AUTO_REF struct object_ref source = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held = {0};
	struct stat st;

	int r = find_source(p, s, &source, &held, &st);
	if (r == MA_EUNKNOWN)
		s->offset = FETCH_NOT_HERE;
	if (r < 0)
		return send_data(p, s, FETCH_NONE, NULL, 0, NULL);
	return s->delta ? piece_delta(p, s, &source.o->handle, &st, buffer)
			: piece_plain(p, s, &source.o->handle, &st, buffer);
}

void fetch_writable(struct pool *p, uint16_t node)
{
	AUTO_FREE uint8_t *buffer = p->serving && p->serving->first ? malloc(FETCH_CHUNK) : NULL;

	if (!buffer)
		return;
	for (struct served **at = &p->serving->first; *at;) {
		struct served *s = *at;
		int r = 1;
		while (s->node == node && r == 1)
			r = serve_piece(p, s, buffer);
		if (r == -EAGAIN)
			return;
		if (s->node == node)
			served_remove(p->serving, at);
		else
			at = &s->next;
	}
}

static int served_new(struct pool *p, uint16_t node, struct rd *body, struct served **ret)
{
	struct served *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
	int r = 0;

	(void)p;
	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->node = node;
	s->id = rd_u64(body);
	s->leaf = rd_u64(body);
	hasher_init(&s->hash);
	size_t size = rd_left(body);
	const uint8_t *signature = rd_bytes(body, size);
	if (body->failed || !s->leaf)
		r = MA_ECORRUPT;
	if (r == 0 && size)
		r = delta_make_begin(signature, size, delta_out, s, &s->delta);
	if (r < 0) {
		served_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int fetch_serve(struct pool *p, uint16_t node, struct rd *body)
{
	struct served *s;
	int r = served_new(p, node, body, &s);

	if (r == 0 && !p->serving) {
		p->serving = calloc(1, sizeof(*p->serving));
		if (!p->serving) {
			served_free(s);
			r = -ENOMEM;
		}
	}
	if (r < 0)
		return r;
	if (p->serving->count >= SERVED_MAX) {
		r = send_data(p, s, FETCH_NONE, NULL, 0, NULL);
		served_free(s);
		return r == -EAGAIN || r == -ENOTCONN ? 0 : r;
	}
	struct served **at = &p->serving->first;
	while (*at)
		at = &(*at)->next;
	*at = s;
	p->serving->count++;
	fetch_writable(p, node);
	return 0;
}
