/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/commit.h"
#include "replication/receive.h"
#include "replication/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "core/clock.h"
#include "net/message.h"
#include "replication/catchup.h"
#include "replication/durability.h"
#include "replication/equal.h"
#include "replication/fetch.h"
#include "replication/forget.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/room.h"
#include "replication/trash.h"
#include "replication/worker.h"

enum { HELLO_ASK = 1, HELLO_STATE = 2 };
enum { READS_BRIEF = 1 }; /* what a node can do, at the end of its greeting */

#define GREET_AGAIN_MS 1000 /* at most this often, when a gap shows */

struct session *session_find(struct pool *p, uint16_t node)
{
	for (size_t i = 0; i < p->session_count; i++) {
		if (p->sessions[i]->node == node)
			return p->sessions[i];
	}
	return NULL;
}

static struct session *session_make(struct pool *p, uint16_t node)
{
	struct session *s = session_find(p, node);

	if (s || p->session_count == POOL_PEERS_MAX)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->node = node;
	p->sessions[p->session_count++] = s;
	return s;
}

int session_send(struct pool *p, struct session *s, enum net_class class, uint16_t type,
		 const struct net_part *parts, size_t count)
{
	struct net_part all[6];
	uint8_t id[8];
	struct wr w = wr_init(id, sizeof(id));

	assert(count < sizeof(all) / sizeof(all[0]));
	if (type == MESSAGE_BATCH) /* begins with the pool's id, which its signature covers */
		return p->io.send(p->io.arg, s->node, class, type, parts, count);
	wr_u64(&w, p->id);
	all[0] = (struct net_part){.data = id, .size = sizeof(id)};
	if (count)
		memcpy(all + 1, parts, sizeof(*parts) * count);
	return p->io.send(p->io.arg, s->node, class, type, all, count + 1);
}

/* Whom this node hears in this pool, for relaying. */
static void write_connected(const struct pool *p, struct wr *w)
{
	uint16_t count = 0;

	for (size_t i = 0; i < p->session_count; i++)
		count = (uint16_t)(count + (p->sessions[i]->state != SESSION_DOWN));
	wr_u16(w, count);
	for (size_t i = 0; i < p->session_count; i++) {
		if (p->sessions[i]->state != SESSION_DOWN)
			wr_u16(w, p->sessions[i]->node);
	}
}

static void read_connected(struct rd *r, struct session *s)
{
	uint16_t count = rd_u16(r);

	memset(s->connected, 0, sizeof(s->connected));
	for (uint16_t i = 0; i < count && !r->failed; i++) {
		uint16_t node = rd_u16(r);
		if (node < 1024)
			s->connected[node / 64] |= UINT64_C(1) << (node % 64);
	}
}

static void send_small(struct pool *p, struct session *s, uint16_t type, const struct wr *w)
{
	struct net_part part = {.data = w->start, .size = wr_used(w)};

	/* A full control queue means a dead link, which will come down by itself. */
	if (w->failed || session_send(p, s, NET_CONTROL, type, &part, 1) < 0)
		log_debug("pool \"%s\": message %u to node %u not queued", p->name, type, s->node);
}

static void send_greeting(struct pool *p, struct session *s, bool ask)
{
	size_t size = 24 + VECTOR_WIRE_MAX + VECTOR_MAX * HASH_SIZE + 2 * POOL_PEERS_MAX;
	AUTO_FREE uint8_t *bytes = malloc(size);

	if (!bytes)
		return;
	/* What the peer is sending of its state it begins anew when it hears this. */
	catchup_in_void(p, s->node);
	struct wr w = wr_init(bytes, size);
	{
		AUTO_LOCK(held, &p->position_lock);
		wr_u16(&w, p->slot);
		wr_u8(&w, (uint8_t)((ask ? HELLO_ASK : 0) |
				    (s->held_code == -ENOSPC ? HELLO_STATE : 0)));
		wr_u32(&w, s->greeting);
		vector_write(&w, &p->position.vector);
		wr_bytes(&w, p->position.chains, (size_t)p->position.vector.count * HASH_SIZE);
	}
	write_connected(p, &w);
	wr_u32(&w, READS_BRIEF);
	s->greeted_ms = clock_boot_ms();
	s->gap = false;
	send_small(p, s, MESSAGE_POOL_HELLO, &w);
}

void session_greet(struct pool *p, struct session *s, bool ask)
{
	if (++s->greeting == 0)
		s->greeting++;
	send_greeting(p, s, ask);
}

void session_greet_all(struct pool *p)
{
	AUTO_LOCK(held, &p->session_lock);

	for (size_t i = 0; i < p->session_count; i++) {
		if (p->sessions[i]->state == SESSION_DOWN)
			continue;
		session_owe(p->sessions[i]);
		session_greet(p, p->sessions[i], false);
	}
}

static void tell_connected(struct pool *p)
{
	uint8_t bytes[2 + 2 * POOL_PEERS_MAX];

	for (size_t i = 0; i < p->session_count; i++) {
		struct wr w = wr_init(bytes, sizeof(bytes));
		write_connected(p, &w);
		if (p->sessions[i]->state != SESSION_DOWN)
			send_small(p, p->sessions[i], MESSAGE_PEERS, &w);
	}
}

void session_up(struct pool *p, uint16_t node)
{
	AUTO_LOCK(held, &p->session_lock);
	struct session *s = session_make(p, node);

	if (!s)
		return;
	/* Nodes whose clocks are far apart do not get as far as this. */
	journal_clock_vouched(p->journal, true);
	journal_clock_alone(p->journal, false);
	s->state = SESSION_GREETING;
	s->up_ms = clock_boot_ms();
	s->relays = false;
	s->their_greeting = 0;
	s->held_code = 0;
	s->their_whole = false;
	s->brief = false;
	s->acked_ms = s->ack_bytes = 0;
	s->held_wait_ms = 0;
	s->held_reason[0] = '\0';
	session_greet(p, s, true);
	tell_connected(p);
}

/* What is on the way is to be sent again. */
static void unacked_back(struct session *s)
{
	s->backlog_ops += s->unacked_ops;
	s->backlog_bytes += s->unacked_bytes;
	s->backlog_apart += s->unacked_apart;
	s->unacked_count = 0;
	s->unacked_bytes = s->unacked_apart = s->unacked_ops = 0;
}

static void session_reset(struct session *s)
{
	s->state = SESSION_DOWN;
	unacked_back(s);
	s->their_whole = false;
	s->ack_due_ms = 0;
	free(s->own);
	s->own = NULL;
	s->own_size = s->own_capacity = 0;
	s->own_count = 0;
	journal_reader_done(&s->reader);
	catchup_out_free(s);
}

void session_down(struct pool *p, uint16_t node)
{
	{
		AUTO_LOCK(held, &p->session_lock);
		struct session *s = session_find(p, node);
		if (!s)
			return;
		session_reset(s);
		tell_connected(p);
	}
	catchup_in_gone(p, node);
	fetch_peer_gone(p, node);
}

void session_expect(struct pool *p, uint16_t node)
{
	AUTO_LOCK(held, &p->session_lock);

	(void)session_make(p, node);
	journal_clock_alone(p->journal, p->session_count == 0);
}

void session_forget(struct pool *p, uint16_t node)
{
	session_down(p, node);
	AUTO_LOCK(held, &p->session_lock);
	for (size_t i = 0; i < p->session_count; i++) {
		if (p->sessions[i]->node != node)
			continue;
		free(p->sessions[i]);
		p->sessions[i] = p->sessions[--p->session_count];
	}
	journal_clock_alone(p->journal, p->session_count == 0);
}

/* Waits are over when their time is, or when a disk that was full has room again. */
static bool may_retry(struct pool *p, const struct session *s, uint64_t now_ms)
{
	return now_ms >= s->held_until_ms ||
	       (s->held_code == -ENOSPC && room_take(p, ROOM_AGAIN) == 0);
}

void session_hold(struct pool *p, struct session *s, int code, const char *what)
{
	(void)snprintf(s->held_reason, sizeof(s->held_reason), "%s: %s", what, err_text(code));
	s->held_wait_ms = s->held_wait_ms ? 2 * s->held_wait_ms : SESSION_HELD_RETRY_MS;
	if (s->held_wait_ms > SESSION_HELD_MAX_MS)
		s->held_wait_ms = SESSION_HELD_MAX_MS;
	s->held_until_ms = clock_boot_ms() + s->held_wait_ms;
	s->held_code = code;
	if (s->state != SESSION_HELD)
		log_warn("pool \"%s\": node %u is held: %s", p->name, s->node, s->held_reason);
	catchup_out_free(s);
	s->state = SESSION_HELD;
}

bool session_by_state(bool reaches, bool lacks, uint64_t missed, uint64_t log_max)
{
	return lacks && (!reaches || missed > log_max);
}

void session_serve(struct pool *p, struct session *s)
{
	struct vector mine, floor;

	{
		AUTO_LOCK(held, &p->position_lock);
		vector_copy(&mine, &p->position.vector);
		vector_copy(&floor, &p->log_floor);
	}
	vector_copy(&s->sent, &s->have);
	/* What comes to the peer from others is not ours to send, unless that changes. */
	for (size_t i = 0; i < mine.count; i++) {
		uint16_t slot = mine.entries[i].slot;
		if (!send_eligible(p, s, slot) &&
		    vector_raise(&s->sent, slot, mine.entries[i].seq) < 0)
			log_debug("pool \"%s\": more slots than a vector holds", p->name);
	}
	unacked_back(s);
	s->own_size = 0;
	s->own_count = 0;
	catchup_out_free(s);
	bool reaches = vector_contains(&s->sent, &floor) &&
		       journal_start(p->journal, &s->sent, &s->cursor) == 0;
	/* What went out and did not arrive is not in the backlog any more. */
	bool known = s->have.count && !s->fell_back;
	/* On a full disk the log may begin with what finds no room and end with what makes room. */
	uint64_t missed = s->wants_state ? UINT64_MAX
			  : known        ? s->backlog_bytes
					 : journal_tail(p->journal) - s->cursor;
	s->fell_back = false;
	bool lacks = !vector_contains(&s->sent, &mine);
	if (session_by_state(reaches, lacks, missed, p->log_max)) {
		s->state = SESSION_INDEX;
		catchup_pump(p, s);
		return;
	}
	if (!lacks && !(reaches && missed <= p->log_max))
		s->cursor = journal_open_from(p->journal);
	s->state = SESSION_LOG;
	s->began = s->cursor;
	s->began_ms = clock_boot_ms();
	send_pump(p, s);
}

/* The peer has more of our own stream than we: our disk lost what it had sent, or was restored.
 * From here on we write under a new slot; the lost part comes back from the peers. */
static bool lost_own(struct pool *p, const struct vector *theirs)
{
	AUTO_LOCK(held, &p->position_lock);

	return vector_get(theirs, p->slot) > vector_get(&p->position.vector, p->slot);
}

/* Equal positions of a slot with different chains are two histories. */
static bool forked(struct pool *p, const struct vector *theirs, const uint8_t *chains)
{
	AUTO_LOCK(held, &p->position_lock);
	const struct vector *mine = &p->position.vector;

	for (size_t t = 0; t < theirs->count; t++) {
		for (size_t m = 0; m < mine->count; m++) {
			if (mine->entries[m].slot == theirs->entries[t].slot &&
			    mine->entries[m].seq == theirs->entries[t].seq &&
			    memcmp(p->position.chains[m], chains + t * HASH_SIZE, HASH_SIZE) != 0)
				return true;
		}
	}
	return false;
}

static int on_hello(struct pool *p, struct session *s, struct rd *r)
{
	uint16_t slot = rd_u16(r);
	uint8_t flags = rd_u8(r);
	uint32_t number = rd_u32(r);
	struct vector have;

	vector_read(r, &have);
	const uint8_t *chains = rd_bytes(r, (size_t)have.count * HASH_SIZE);
	read_connected(r, s);
	/* The first release said nothing here. */
	s->brief = rd_left(r) >= 4 && (rd_u32(r) & READS_BRIEF);
	if (r->failed)
		return MA_ECORRUPT;
	if (slot_node(slot) != s->node)
		return MA_EREFUSED;
	if (forked(p, &have, chains))
		return MA_EFORK;
	if (forget_beyond(p, s->node, &have))
		return MA_EBACK;
	s->their_slot = slot;
	s->durable = s->asked = 0; /* what it had before may be gone with a power cut */
	s->held_reason[0] = '\0';
	if (lost_own(p, &have)) {
		int code = pool_next_incarnation(p);
		if (code < 0)
			return code;
		session_greet(p, s, false);
	} else if (flags & HELLO_ASK) {
		send_greeting(p, s, false);
	}
	session_owe(s);
	bool serving = s->state != SESSION_GREETING && s->state != SESSION_HELD;
	if (serving && number == s->their_greeting)
		return 0; /* repeated for our sake: what it asks for is under way */
	s->their_greeting = number;
	s->fell_back = !vector_contains(&have, &s->have);
	s->wants_state = flags & HELLO_STATE;
	vector_copy(&s->have, &have);
	session_serve(p, s);
	return 0;
}

static int on_ack(struct pool *p, struct session *s, struct rd *r)
{
	struct vector have;

	vector_read(r, &have);
	bool whole = rd_u8(r);
	const uint8_t *hash = rd_bytes(r, STATE_HASH_SIZE);
	bool missing = rd_u8(r);
	if (r->failed)
		return MA_ECORRUPT;
	s->last_ack_ms = clock_boot_ms();
	int code = vector_merge(&s->have, &have);
	if (code == 0)
		code = vector_merge(&s->sent, &have);
	if (code < 0)
		return code;
	if (!missing)
		s->durable = vector_get(&have, p->slot);
	s->their_whole = whole;
	memcpy(s->their_hash, hash, STATE_HASH_SIZE);
	vector_copy(&s->their_vector, &have);
	while (s->unacked_count) {
		struct unacked *u = &s->unacked[s->unacked_first];
		if (!vector_covers(&s->have, u->last))
			break;
		s->unacked_bytes -= u->bytes;
		s->unacked_apart -= u->apart;
		s->unacked_ops -= u->ops;
		s->unacked_first = (s->unacked_first + 1) % SESSION_UNACKED_MAX;
		s->unacked_count--;
	}
	durability_acked(p);
	return 0;
}

static int on_peers(struct pool *p, struct session *s, struct rd *r)
{
	uint64_t before[16];
	bool lost_someone = false;

	memcpy(before, s->connected, sizeof(before));
	read_connected(r, s);
	if (r->failed)
		return MA_ECORRUPT;
	for (size_t i = 0; i < 16; i++)
		lost_someone = lost_someone || (before[i] & ~s->connected[i]);
	/* What came from a node that the peer no longer hears is now ours to hand on. */
	if (lost_someone && (s->state == SESSION_LIVE || s->state == SESSION_LOG))
		session_serve(p, s);
	return 0;
}

static int on_held(struct pool *p, struct session *s, struct rd *r)
{
	size_t size;
	const char *text = (const char *)rd_blob16(r, 127, &size);

	if (r->failed)
		return MA_ECORRUPT;
	(void)snprintf(s->held_reason, sizeof(s->held_reason), "the peer says: %.*s", (int)size,
		       text);
	(void)p;
	return 0;
}

/* Messages that concern the session alone. Lock held. */
static int control_message(struct pool *p, struct session *s, uint16_t type, struct rd *r)
{
	switch (type) {
	case MESSAGE_POOL_HELLO:
		return on_hello(p, s, r);
	case MESSAGE_ACK:
		return on_ack(p, s, r);
	case MESSAGE_PEERS:
		return on_peers(p, s, r);
	case MESSAGE_POOL_HELD:
		return on_held(p, s, r);
	case MESSAGE_ACK_WANTED:
		session_owe(s);
		return 0;
	case MESSAGE_CATCHUP_GO:
		return catchup_out_start(p, s);
	default:
		return MA_EVERSION;
	}
}

static void fail(struct pool *p, uint16_t node, int code, const char *what)
{
	AUTO_LOCK(held, &p->session_lock);
	struct session *s = session_find(p, node);
	uint8_t bytes[130];
	struct wr w = wr_init(bytes, sizeof(bytes));

	if (!s || s->state == SESSION_DOWN)
		return;
	if (code == MA_EGAP) {
		/* Something between is missing; it may be on another way. The next tick asks. */
		s->gap = true;
		return;
	}
	session_hold(p, s, code, what);
	wr_blob16(&w, s->held_reason, strnlen(s->held_reason, 127));
	send_small(p, s, MESSAGE_POOL_HELD, &w);
}

void session_message(struct pool *p, uint16_t node, uint16_t type, const void *body, size_t size)
{
	struct rd r = rd_init(body, size);
	int code;

	switch (type) {
	case MESSAGE_BATCH:
		code = receive_batch(p, node, RECEIVE_BATCH, body, size);
		break;
	case MESSAGE_BATCH_BYTES:
		code = receive_batch(p, node, RECEIVE_BATCH_BYTES, body, size);
		break;
	case MESSAGE_BATCH_BRIEF:
		code = receive_brief(p, node, body, size);
		break;
	case MESSAGE_FETCH:
		code = fetch_serve(p, node, &r);
		break;
	case MESSAGE_FETCH_DATA:
		code = fetch_receive(p, node, &r);
		break;
	case MESSAGE_CATCHUP_OFFER:
	case MESSAGE_CATCHUP_BEGIN:
	case MESSAGE_CATCHUP_ITEM:
	case MESSAGE_CATCHUP_END:
		code = catchup_receive(p, node, type, &r);
		break;
	default: {
		AUTO_LOCK(held, &p->session_lock);
		struct session *s = session_make(p, node);
		code = !s                         ? -ENOMEM
		       : s->state == SESSION_DOWN ? 0
						  : control_message(p, s, type, &r);
		break;
	}
	}
	if (code < 0)
		fail(p, node, code, "what it sent");
}

void session_writable(struct pool *p, uint16_t node)
{
	AUTO_LOCK(held, &p->session_lock);
	struct session *s = session_find(p, node);

	if (s)
		send_pump(p, s);
}

/* The time of meeting is over: what the peer still lacks of others, and gets from nobody, is
 * handed on from now on. */
static void begin_relay(struct pool *p, struct session *s)
{
	struct vector mine;
	bool lacks = false;

	s->relays = true;
	position_get(p, &mine);
	for (size_t i = 0; i < mine.count; i++) {
		uint16_t slot = mine.entries[i].slot;
		lacks = lacks || (slot_node(slot) != p->node && send_eligible(p, s, slot) &&
				  mine.entries[i].seq > vector_get(&s->have, slot));
	}
	if (lacks && (s->state == SESSION_LIVE || s->state == SESSION_LOG))
		session_serve(p, s);
}

void session_tick(struct pool *p, uint64_t now_ms)
{
	{
		AUTO_LOCK(held, &p->session_lock);
		for (size_t i = 0; i < p->session_count; i++) {
			struct session *s = p->sessions[i];
			if (s->state == SESSION_HELD && may_retry(p, s, now_ms)) {
				s->state = SESSION_GREETING;
				session_greet(p, s, true);
			}
			if (s->gap && s->state != SESSION_DOWN &&
			    now_ms - s->greeted_ms >= GREET_AGAIN_MS)
				session_greet(p, s, false);
			if (!s->relays && s->state != SESSION_DOWN &&
			    now_ms - s->up_ms >= SESSION_RELAY_MS)
				begin_relay(p, s);
			send_pump(p, s);
		}
	}
	grave_clean(p, now_ms);
	trash_tick(p, now_ms);
	forget_tick(p);
	receive_retry(p);
	catchup_tick(p);
	fetch_pump(p);
	if (equal_check(p) < 0)
		log_debug("pool \"%s\": equal contents stay a conflict for now", p->name);
}

static void send_ack(struct pool *p, struct session *s, bool missing)
{
	uint8_t bytes[VECTOR_WIRE_MAX + 1 + STATE_HASH_SIZE + 1];
	struct wr w = wr_init(bytes, sizeof(bytes));
	{
		AUTO_LOCK(held, &p->position_lock);
		bool whole =
			p->flushed_whole && vector_equal(&p->flushed_vector, &p->position.vector);
		vector_write(&w, &p->position.vector);
		wr_u8(&w, whole);
		wr_bytes(&w, p->flushed_hash, STATE_HASH_SIZE);
	}
	wr_u8(&w, missing);
	uint64_t now = clock_boot_ms();
	s->ack_pace_ms = session_pace(s->ack_pace_ms, now - s->acked_ms);
	s->acked_ms = now;
	s->ack_due_ms = 0;
	s->ack_bytes = 0;
	send_small(p, s, MESSAGE_ACK, &w);
}

uint64_t session_pace(uint64_t before_ms, uint64_t since_ms)
{
	if (!before_ms || since_ms >= before_ms + SESSION_CALM_MS)
		return SESSION_ACK_MS;
	return 2 * before_ms < SESSION_ACK_MAX_MS ? 2 * before_ms : SESSION_ACK_MAX_MS;
}

static void owe_at(struct session *s, uint64_t due_ms)
{
	if (!s->ack_due_ms || due_ms < s->ack_due_ms)
		s->ack_due_ms = due_ms;
}

void session_owe(struct session *s)
{
	owe_at(s, clock_boot_ms());
}

void session_owe_within(struct session *s, uint64_t within_ms, size_t bytes)
{
	uint64_t now = clock_boot_ms();
	uint64_t due = now + within_ms;

	s->ack_bytes += bytes;
	uint64_t paced = s->acked_ms + s->ack_pace_ms;
	if (s->ack_bytes < SESSION_ACK_BYTES && due < paced) {
		uint64_t rest = now + SESSION_REST_MS;
		due = rest < paced ? rest : paced;
		if (s->ack_due_ms > now)
			s->ack_due_ms = 0; /* the rest that it waited for has not come */
	}
	owe_at(s, due);
}

uint64_t session_owed_in(struct pool *p, uint64_t now_ms)
{
	AUTO_LOCK(held, &p->session_lock);
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < p->session_count; i++) {
		uint64_t due = p->sessions[i]->ack_due_ms;
		if (due && due < first)
			first = due;
	}
	return first == UINT64_MAX ? first : first > now_ms ? first - now_ms : 0;
}

static bool is_due(const struct session *s, uint64_t now_ms)
{
	return s->ack_due_ms && s->ack_due_ms <= now_ms;
}

void session_acknowledge(struct pool *p, uint64_t now_ms)
{
	bool due = false;

	{
		AUTO_LOCK(held, &p->session_lock);
		for (size_t i = 0; i < p->session_count; i++)
			due = due || is_due(p->sessions[i], now_ms);
	}
	if (!due || commit_sync(p, journal_tail(p->journal)) < 0)
		return;
	bool missing = fetch_count(p) > 0;
	AUTO_LOCK(held, &p->session_lock);
	for (size_t i = 0; i < p->session_count; i++) {
		if (is_due(p->sessions[i], now_ms))
			send_ack(p, p->sessions[i], missing);
	}
}

void session_state_changed(struct pool *p)
{
	AUTO_LOCK(held, &p->session_lock);

	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[i];
		if (s->state != SESSION_DOWN && s->state != SESSION_GREETING)
			session_owe_within(s, 0, 0);
	}
	worker_wake_intake(p);
}

uint64_t session_needed(struct pool *p)
{
	AUTO_LOCK(held, &p->session_lock);
	uint64_t needed = journal_tail(p->journal);

	for (size_t i = 0; i < p->session_count; i++) {
		uint64_t pos;
		struct session *s = p->sessions[i];
		/* A peer that is away keeps the journal, up to its limit. */
		if (journal_start(p->journal, &s->have, &pos) == 0 && pos < needed)
			needed = pos;
		needed = catchup_needed(s, needed);
	}
	return needed;
}

/* Position and hash of a peer are ours. Both locks held. */
static bool session_equal(const struct pool *p, const struct session *s)
{
	return p->flushed_whole && s->their_whole &&
	       vector_equal(&s->their_vector, &p->flushed_vector) &&
	       memcmp(s->their_hash, p->flushed_hash, STATE_HASH_SIZE) == 0;
}

static const char *state_word(const struct session *s)
{
	switch (s->state) {
	case SESSION_DOWN:
		return "offline";
	case SESSION_GREETING:
		return "greeting";
	case SESSION_LOG:
		return "catch-up";
	case SESSION_LIVE:
		return "live";
	case SESSION_INDEX:
		return "filling";
	default:
		return "held";
	}
}

static void show_progress(struct pool *p, const struct session *s, struct pool_peer_status *ret)
{
	if (s->state == SESSION_LOG) {
		uint64_t took_ms = clock_boot_ms() - s->began_ms;
		ret->catchup_done_bytes = s->cursor - s->began;
		ret->catchup_total_bytes = journal_tail(p->journal) - s->began;
		if (took_ms)
			ret->catchup_rate =
				(double)ret->catchup_done_bytes * 1000.0 / (double)took_ms;
	}
	catchup_progress(s, ret);
	if (!ret->catchup_total_bytes && s->state != SESSION_DOWN)
		fetch_progress(p, s->node, ret);
}

static void peer_status(struct pool *p, struct session *s, struct pool_peer_status *ret)
{
	uint64_t now = clock_boot_ms();

	*ret = (struct pool_peer_status){.node = s->node, .last_ack_age_s = -1};
	(void)snprintf(ret->state, sizeof(ret->state), "%s", state_word(s));
	(void)snprintf(ret->held_reason, sizeof(ret->held_reason), "%s", s->held_reason);
	ret->behind_ops = s->unacked_ops + s->backlog_ops;
	ret->behind_bytes =
		s->unacked_bytes + s->unacked_apart + s->backlog_bytes + s->backlog_apart;
	if (s->last_ack_ms)
		ret->last_ack_age_s = (double)(now - s->last_ack_ms) / 1000.0;
	show_progress(p, s, ret);
	AUTO_LOCK(held, &p->position_lock);
	ret->equal = session_equal(p, s);
}

void session_status(struct pool *p, struct pool_status *ret)
{
	uint64_t id, b;
	bool equal = fetch_count(p) == 0 && !journal_open_records(p->journal) &&
		     !losers_doubt_at(p, 0, &id, &b);
	AUTO_LOCK(held, &p->session_lock);

	ret->degraded = p->degraded;
	ret->peer_count = 0;
	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[i];
		peer_status(p, s, &ret->peers[ret->peer_count]);
		if (s->state != SESSION_DOWN)
			equal = equal && ret->peers[ret->peer_count].equal;
		ret->peer_count++;
	}
	AUTO_LOCK(position, &p->position_lock);
	bool problem = false;
	for (size_t i = 0; i < POOL_PROBLEMS; i++) {
		if (p->problem[i][0] && !problem)
			(void)snprintf(ret->problem, sizeof(ret->problem), "%s", p->problem[i]);
		problem = problem || p->problem[i][0];
	}
	ret->in_sync = equal && p->flushed_whole && !problem &&
		       vector_equal(&p->flushed_vector, &p->position.vector);
	ret->position = vector_get(&p->position.vector, p->slot);
}

void session_free_all(struct pool *p)
{
	for (size_t i = 0; i < p->session_count; i++) {
		session_reset(p->sessions[i]);
		free(p->sessions[i]);
	}
	p->session_count = 0;
}
