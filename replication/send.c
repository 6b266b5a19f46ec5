/* SPDX-License-Identifier: Apache-2.0
 * Sending batches: live from memory, or from the journal when a peer is behind.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/brief.h"
#include "replication/commit.h"
#include "replication/catchup.h"
#include "replication/session.h"

static bool connected_to(const struct session *s, uint16_t node)
{
	return node < 1024 && (s->connected[node / 64] >> (node % 64) & 1);
}

bool send_eligible(const struct pool *p, const struct session *s, uint16_t slot)
{
	uint16_t origin = slot_node(slot);

	if (origin == p->node)
		return true;
	if (!s->relays)
		return false;
	/* What the peer itself wrote it has, unless it lost it and started a new slot. */
	if (origin == s->node)
		return slot != s->their_slot;
	return !connected_to(s, origin);
}

void send_note(struct session *s, const struct batch *batch, size_t bytes)
{
	s->unacked_bytes += bytes;
	s->unacked_apart += batch->apart_size;
	s->unacked_ops += batch->count;
	if (s->unacked_count == SESSION_UNACKED_MAX) {
		size_t last = (s->unacked_first + s->unacked_count - 1) % SESSION_UNACKED_MAX;
		s->unacked[last].last = stamp_make(batch->slot, batch->last);
		s->unacked[last].bytes += bytes;
		s->unacked[last].apart += batch->apart_size;
		s->unacked[last].ops += batch->count;
		return;
	}
	size_t at = (s->unacked_first + s->unacked_count++) % SESSION_UNACKED_MAX;
	s->unacked[at] = (struct unacked){.last = stamp_make(batch->slot, batch->last),
					  .bytes = bytes,
					  .apart = batch->apart_size,
					  .ops = batch->count};
}

/* As it is, and with the bytes beside it, if there are any. */
static int send_whole(struct pool *p, struct session *s, const struct batch *batch)
{
	uint8_t head[BATCH_HEAD_MAX];
	uint8_t size[4];
	struct wr w = wr_init(head, sizeof(head));
	struct wr n = wr_init(size, sizeof(size));

	batch_write_head(&w, batch);
	assert(!w.failed);
	wr_u32(&n, (uint32_t)(wr_used(&w) + batch->records_size));
	struct net_part parts[4] = {
		{.data = size, .size = sizeof(size)},
		{.data = head, .size = wr_used(&w)},
		{.data = batch->records, .size = batch->records_size},
		{.data = batch->apart, .size = batch->apart_size},
	};
	return batch->apart_size ? session_send(p, s, NET_LIVE, MESSAGE_BATCH_BYTES, parts, 4)
				 : session_send(p, s, NET_LIVE, MESSAGE_BATCH, parts + 1, 2);
}

static int send_brief(struct pool *p, struct session *s, const struct batch *batch,
		      struct brief *brief)
{
	int r = brief->head_size ? 0 : brief_write(p->packer, batch, brief);

	if (r < 0)
		return r;
	struct net_part parts[2] = {
		{.data = brief->head, .size = brief->head_size},
		{.data = brief->records, .size = brief->records_size},
	};
	return session_send(p, s, NET_LIVE, MESSAGE_BATCH_BRIEF, parts, 2);
}

static void less(uint64_t *backlog, uint64_t sent)
{
	*backlog -= *backlog < sent ? *backlog : sent;
}

int send_batch(struct pool *p, struct session *s, const struct batch *batch, struct brief *brief)
{
	bool in_brief = s->brief && !batch->apart_size;
	int r = in_brief ? send_brief(p, s, batch, brief) : send_whole(p, s, batch);

	if (r < 0)
		return r;
	less(&s->backlog_ops, batch->count);
	less(&s->backlog_bytes, batch->records_size);
	less(&s->backlog_apart, batch->apart_size);
	send_note(s, batch, batch->records_size);
	return vector_raise(&s->sent, batch->slot, batch->last);
}

static bool lacks(const struct session *s, const struct batch *batch)
{
	return batch->last > vector_get(&s->sent, batch->slot);
}

void session_offer(struct pool *p, const struct batch *batch, uint64_t from)
{
	AUTO_LOCK(held, &p->session_lock);
	AUTO_BRIEF struct brief brief = {0};

	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[i];
		if (!lacks(s, batch) || !send_eligible(p, s, batch->slot))
			continue;
		if (s->state == SESSION_LIVE && send_batch(p, s, batch, &brief) == 0)
			continue;
		s->backlog_ops += batch->count;
		s->backlog_bytes += batch->records_size;
		s->backlog_apart += batch->apart_size;
		if (s->state == SESSION_LIVE) {
			s->state = SESSION_LOG;
			s->cursor = from;
		}
	}
}

/* The bytes of one extent, if they are still what the record names. */
static bool extent_read(struct pool *p, const struct record *rec, uint8_t *to)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct store_handle handle;
	uint8_t sum[HASH_SIZE];

	if (object_get(p->cache, rec->id, &o.o) < 0)
		return false;
	{
		AUTO_LOCKS struct locks_held held;
		locks_take(&p->locks, &o.o->id, 1, &held);
		handle = o.o->handle;
	}
	ssize_t n = !handle.size ? -ESTALE
				 : p->store->ops->read(p->store, &handle, -1, to, rec->data_size,
						       (off_t)rec->offset);
	if (n < 0 || (size_t)n != rec->data_size)
		return false;
	hash_bytes(to, rec->data_size, sum, HASH_SIZE);
	return crypto_equal(sum, rec->sum, HASH_SIZE);
}

/* What stands beside a batch that comes from the journal, into new memory: read back from the
 * files. Bytes that were replaced meanwhile are left out: what replaced them follows, or is
 * fetched. */
static int read_apart(struct pool *p, struct batch *batch, uint8_t **ret)
{
	struct batch_walk walk;
	struct record rec;
	size_t room = 0;
	int r;

	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1)
		room += rec.kind == REC_EXTENT ? 1 + rec.data_size : 0;
	if (r < 0 || !room)
		return r;
	*ret = malloc(room);
	if (!*ret)
		return -ENOMEM;
	size_t used = 0;
	size_t most = NET_BODY_MAX - BATCH_HEAD_MAX - 64 - batch->records_size - batch->count;
	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		if (rec.kind != REC_EXTENT)
			continue;
		bool there =
			used + 1 + rec.data_size <= most && extent_read(p, &rec, *ret + used + 1);
		(*ret)[used++] = there;
		used += there ? rec.data_size : 0;
	}
	batch->apart = *ret;
	batch->apart_size = used;
	return r;
}

static int own_add(struct session *s, const struct journal_frame *f)
{
	size_t need = s->own_size + 4 + f->size;

	if (need > s->own_capacity) {
		uint8_t *grown = realloc(s->own, need * 2);
		if (!grown)
			return -ENOMEM;
		s->own = grown;
		s->own_capacity = need * 2;
	}
	struct wr w = wr_init(s->own + s->own_size, s->own_capacity - s->own_size);
	wr_u32(&w, (uint32_t)f->size);
	wr_bytes(&w, f->payload, f->size);
	s->own_size += wr_used(&w);
	s->own_count++;
	return 0;
}

/* An own record belongs to a batch that is still to be sent. */
static int log_own(struct pool *p, struct session *s, const struct journal_frame *f)
{
	struct rd r = rd_init(f->payload, f->size);

	(void)p;
	(void)rd_u16(&r);
	stamp_t stamp = rd_u64(&r);
	return vector_covers(&s->sent, stamp) ? 0 : own_add(s, f);
}

static int log_seal(struct pool *p, struct session *s, const struct journal_frame *f)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	int r = batch_read(f->payload + 4, f->size - 4, batch);
	if (r < 0 || !lacks(s, batch))
		return r;
	struct rd own = rd_init(s->own, s->own_size);
	for (uint32_t i = 0; i < batch->count; i++)
		(void)rd_bytes(&own, rd_u32(&own));
	if (own.failed)
		return MA_EGAP;
	batch->records = s->own;
	batch->records_size = (size_t)(own.at - s->own);
	AUTO_FREE uint8_t *apart = NULL;
	AUTO_BRIEF struct brief brief = {0};
	r = read_apart(p, batch, &apart);
	if (r == 0)
		r = send_batch(p, s, batch, &brief);
	if (r < 0)
		return r;
	s->own_size -= batch->records_size;
	memmove(s->own, own.at, s->own_size);
	s->own_count -= batch->count;
	return 0;
}

static int log_foreign(struct pool *p, struct session *s, const struct journal_frame *f)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	int r = batch_read(f->payload, f->size, batch);
	if (r < 0 || !lacks(s, batch) || !send_eligible(p, s, batch->slot))
		return r;
	AUTO_FREE uint8_t *apart = NULL;
	AUTO_BRIEF struct brief brief = {0};
	r = read_apart(p, batch, &apart);
	return r < 0 ? r : send_batch(p, s, batch, &brief);
}

static int log_frame(struct pool *p, struct session *s, const struct journal_frame *f)
{
	switch (f->kind) {
	case JOURNAL_OWN:
		return log_own(p, s, f);
	case JOURNAL_SEAL:
		return log_seal(p, s, f);
	case JOURNAL_FOREIGN:
		return log_foreign(p, s, f);
	default:
		return 0;
	}
}

static void log_end(struct session *s)
{
	free(s->own);
	s->own = NULL;
	s->own_size = s->own_capacity = 0;
	s->own_count = 0;
	journal_reader_done(&s->reader);
}

static void pump_log(struct pool *p, struct session *s)
{
	struct journal_frame f;

	for (;;) {
		int r = journal_read(p->journal, &s->reader, s->cursor, &f);
		if (r == 0) {
			log_end(s);
			s->backlog_ops = s->backlog_bytes = s->backlog_apart = 0;
			s->state = SESSION_LIVE;
			return;
		}
		if (r == 1)
			r = log_frame(p, s, &f);
		if (r == -EAGAIN || r == -ENOTCONN)
			return;
		if (r == MA_EGAP) {
			/* The log went on without this peer: serve it from the state. */
			log_end(s);
			session_serve(p, s);
			return;
		}
		if (r < 0) {
			session_hold(p, s, r, "reading the journal");
			return;
		}
		s->cursor = f.next;
	}
}

void send_pump(struct pool *p, struct session *s)
{
	if (s->state == SESSION_INDEX)
		catchup_pump(p, s);
	if (s->state == SESSION_LOG)
		pump_log(p, s);
}
