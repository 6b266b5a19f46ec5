/* SPDX-License-Identifier: Apache-2.0
 * Batches that come in: checked, put in order, journaled, applied, handed on.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/brief.h"
#include "replication/commit.h"
#include "replication/apply.h"
#include "replication/losers.h"
#include "replication/room.h"
#include "replication/receive.h"
#include "replication/session.h"

#define PARKED_MAX       256
#define PARKED_BYTES_MAX (32u << 20)
#define CLOCK_AHEAD_NS   (INT64_C(300) * 1000000000)

/* A batch that waits: for others that it rests on, or for room on the disk. */
struct parked {
	struct parked *next;
	uint16_t node;
	bool journaled;
	enum receive_form form;
	size_t size;
	uint8_t body[];
};

/* A batch as it came, in a message or from the journal. */
struct coming {
	enum receive_form form;
	bool journaled;
	const void *body;
	size_t size;
	const void *batch; /* without what is beside it */
	size_t batch_size;
};

struct pending {
	struct parked *first;
	size_t count;
	size_t bytes;
};

static void note_ack(struct pool *p, uint16_t node, size_t bytes)
{
	AUTO_LOCK(held, &p->session_lock);
	struct session *s = session_find(p, node);

	if (s) {
		s->held_code = 0;
		session_owe_within(s, SESSION_ACK_MS, bytes);
	}
}

static int park(struct pool *p, uint16_t node, enum receive_form form, const void *body,
		size_t size, bool journaled)
{
	if (!p->pending)
		p->pending = calloc(1, sizeof(*p->pending));
	if (!p->pending)
		return -ENOMEM;
	/* Over the limit it is let go: the gap shows later and is asked for again. */
	if (!journaled &&
	    (p->pending->count >= PARKED_MAX || p->pending->bytes + size > PARKED_BYTES_MAX))
		return MA_EGAP;
	struct parked *k = malloc(sizeof(*k) + size);
	if (!k)
		return -ENOMEM;
	*k = (struct parked){.node = node, .form = form, .journaled = journaled, .size = size};
	memcpy(k->body, body, size);
	struct parked **at = &p->pending->first;
	while (*at)
		at = &(*at)->next;
	*at = k;
	p->pending->count++;
	p->pending->bytes += size;
	return 0;
}

int receive_tell_merges(struct pool *p)
{
	uint64_t goes, stays;
	int r = 0;

	while (r == 0 && losers_take_merge(p, &goes, &stays)) {
		AUTO_LOCKS struct locks_held held;
		struct record rec = {
			.kind = REC_ALIAS, .id = goes, .base = stays, .time_ns = clock_wall_ns()};
		struct apply ctx = {.fd = -1, .internal = true};
		locks_take_all(&p->locks, &held);
		r = pool_submit(p, &rec, &ctx);
	}
	return r;
}

int receive_keep(struct pool *p, uint16_t node, const void *body, size_t size)
{
	return park(p, node, RECEIVE_BATCH, body, size, true);
}

/* What keeps a batch from being applied is said once, and shown in status until it goes in. */
static void note_problem(struct pool *p, const struct batch *batch, int code)
{
	char text[160];

	if (code == 0) {
		if (p->stuck_slot == batch->slot)
			(void)pool_problem(p, PROBLEM_PEER, NULL);
		return;
	}
	p->stuck_slot = batch->slot;
	(void)snprintf(text, sizeof(text), "changes of node %u cannot be made here: %s",
		       slot_node(batch->slot), err_text(code));
	if (pool_problem(p, PROBLEM_PEER, text))
		log_error("pool \"%s\": %s; tried again", p->name, text);
}

/* Which of the named bytes did not come: a repetition of the journal must not take what is in the
 * file for them. */
static int note_absent(struct pool *p, const struct batch *batch)
{
	struct batch_walk walk;
	struct record rec;
	uint8_t *stamps = NULL;
	size_t count = 0;
	uint64_t pos;
	int r;

	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		if (rec.kind != REC_EXTENT || rec.data)
			continue;
		uint8_t *grown = realloc(stamps, 8 * (count + 1));
		if (!grown) {
			r = -ENOMEM;
			break;
		}
		stamps = grown;
		struct wr w = wr_init(stamps + 8 * count++, 8);
		wr_u64(&w, rec.stamp);
	}
	if (r == 0 && count)
		r = journal_append_frame(p->journal, JOURNAL_ABSENT, stamps, 8 * count, &pos);
	free(stamps);
	return r;
}

/* Journal, then apply, with the flush held off so that it sees both or neither. */
static int take_in(struct pool *p, const struct batch *batch, const struct coming *c)
{
	bool journaled = c->journaled;
	uint64_t pos = 0;
	int r = 0;

	pool_enter(p);
	if (!journaled)
		r = room_for_batch(p, batch);
	if (r == 0 && !journaled)
		r = note_absent(p, batch);
	if (r == 0 && !journaled)
		r = journal_append_frame(p->journal, JOURNAL_FOREIGN, c->batch, c->batch_size,
					 &pos);
	if (r == 0) {
		journal_see_seq(p->journal, batch->last);
		r = position_begin(p, batch);
	}
	if (r == 0) {
		r = apply_batch(p, batch, journaled);
		note_problem(p, batch, r);
		if (r == 0)
			r = position_advance(p, batch);
		else if (r > -1000 &&
			 park(p, slot_node(batch->slot), c->form, c->body, c->size, true) == 0)
			r = -EINPROGRESS;
	}
	if (r == 0)
		r = receive_tell_merges(p);
	pool_leave(p);
	(void)__atomic_add_fetch(&p->apart_bytes, batch->apart_size, __ATOMIC_RELAXED);
	if (r == 0)
		session_offer(p, batch, pos);
	worker_wake(p);
	return r;
}

static int check_origin(struct pool *p, const struct batch *batch)
{
	uint8_t key[KEY_PUBLIC_SIZE];
	uint8_t chain[HASH_SIZE];

	if (batch->pool != p->id)
		return MA_EUNKNOWN;
	if (seq_to_wall(batch->last) > clock_wall_ns() + CLOCK_AHEAD_NS)
		return MA_ECLOCK;
	int r = p->io.member_key(p->io.arg, slot_node(batch->slot), key);
	if (r < 0)
		return r;
	position_chain(p, batch->slot, chain);
	return batch_check(batch, chain, key);
}

/* -EAGAIN: it has to wait for batches of others. 1: we have it already. */
static int check_order(struct pool *p, const struct batch *batch)
{
	AUTO_LOCK(held, &p->position_lock);
	uint64_t have = vector_get(&p->position.vector, batch->slot);

	if (batch->last <= have)
		return 1;
	if (batch->slot == p->slot || batch->prev < have)
		return MA_EFORK;
	if (batch->prev > have)
		return MA_EGAP;
	for (size_t i = 0; i < batch->deps.count; i++) {
		uint16_t slot = batch->deps.entries[i].slot;
		if (slot != batch->slot &&
		    batch->deps.entries[i].seq > vector_get(&p->position.vector, slot))
			return -EAGAIN;
	}
	return 0;
}

/* The batch in a message, and the bytes beside it. */
static int read_coming(struct coming *c, struct batch *ret)
{
	struct rd r = rd_init(c->body, c->size);
	size_t size = c->form == RECEIVE_BATCH ? c->size : rd_u32(&r);

	c->batch = rd_bytes(&r, size);
	c->batch_size = size;
	int code = r.failed ? MA_ECORRUPT : batch_read(c->batch, size, ret);
	ret->apart_size = code == 0 ? rd_left(&r) : 0;
	ret->apart = code == 0 ? rd_bytes(&r, ret->apart_size) : NULL;
	return code;
}

static int receive_one(struct pool *p, uint16_t node, struct coming *c)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	int r = read_coming(c, batch);
	if (r == 0)
		r = check_order(p, batch);
	if (r == 1) {
		note_problem(p, batch, 0); /* a state brought what could not be made here */
		note_ack(p, node, c->size);
		return 0;
	}
	if (r == 0)
		r = check_origin(p, batch);
	if (r == 0 && batch->apart_size && !c->journaled)
		r = batch_apart_check(batch);
	if (r == 0)
		r = take_in(p, batch, c);
	if (r == 0)
		note_ack(p, node, c->size);
	return r;
}

/* 1: at least one of those that waited went in. */
static int retry_round(struct pool *p)
{
	struct parked *list = p->pending ? p->pending->first : NULL;
	int progress = 0;

	if (!list)
		return 0;
	p->pending->first = NULL;
	p->pending->count = 0;
	p->pending->bytes = 0;
	while (list) {
		struct parked *k = list;
		list = k->next;
		struct coming c = {.form = k->form,
				   .body = k->body,
				   .size = k->size,
				   .journaled = k->journaled};
		int r = receive_one(p, k->node, &c);
		if (r == 0)
			progress = 1;
		else if (r == -EAGAIN || r == MA_EGAP)
			(void)park(p, k->node, k->form, k->body, k->size, k->journaled);
		else if (r != -EINPROGRESS)
			log_warn("pool \"%s\": a batch of node %u is dropped: %s", p->name, k->node,
				 err_text(r));
		free(k);
	}
	return progress;
}

void receive_retry(struct pool *p)
{
	while (retry_round(p))
		;
}

int receive_batch(struct pool *p, uint16_t node, enum receive_form form, const void *body,
		  size_t size)
{
	struct coming c = {.form = form, .body = body, .size = size};
	int r = receive_one(p, node, &c);

	if (r == -EAGAIN || r == MA_EGAP) {
		int parked = park(p, node, form, body, size, false);
		return r == -EAGAIN ? parked : r;
	}
	if (r == -EINPROGRESS)
		return 0;
	if (r == 0 && p->pending && p->pending->first)
		receive_retry(p);
	return r;
}

/* The chain behind which a batch of this slot comes: of what we have, or of what waits. */
static int chain_before(struct pool *p, uint16_t slot, uint64_t prev, uint8_t ret[HASH_SIZE])
{
	struct vector have;
	struct batch waits;

	position_get(p, &have);
	if (prev <= vector_get(&have, slot)) {
		position_chain(p, slot, ret); /* if it is another, the order is wrong, too */
		return 0;
	}
	for (const struct parked *k = p->pending ? p->pending->first : NULL; k; k = k->next) {
		struct coming c = {.form = k->form, .body = k->body, .size = k->size};
		if (read_coming(&c, &waits) == 0 && waits.slot == slot && waits.last == prev) {
			memcpy(ret, waits.chain, HASH_SIZE);
			return 0;
		}
	}
	return MA_EGAP;
}

int receive_brief(struct pool *p, uint16_t node, const void *body, size_t size)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));
	AUTO_FREE uint8_t *unpacked = NULL;
	uint8_t before[HASH_SIZE];

	if (!batch)
		return -ENOMEM;
	int r = brief_read(p->packer, body, size, batch, &unpacked);
	if (r == 0)
		r = chain_before(p, batch->slot, batch->prev, before);
	if (r < 0)
		return r;
	batch->pool = p->id;
	batch_chain(batch, before, batch->chain);
	AUTO_FREE uint8_t *whole = malloc(BATCH_HEAD_MAX + batch->records_size);
	if (!whole)
		return -ENOMEM;
	struct wr w = wr_init(whole, BATCH_HEAD_MAX + batch->records_size);
	batch_write_head(&w, batch);
	wr_bytes(&w, batch->records, batch->records_size);
	assert(!w.failed);
	return receive_batch(p, node, RECEIVE_BATCH, whole, wr_used(&w));
}

void receive_free(struct pool *p)
{
	while (p->pending && p->pending->first) {
		struct parked *next = p->pending->first->next;
		free(p->pending->first);
		p->pending->first = next;
	}
	free(p->pending);
	p->pending = NULL;
}
