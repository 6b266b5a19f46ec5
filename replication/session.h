/* SPDX-License-Identifier: Apache-2.0
 * What this pool and one peer owe each other: greeting, live tail, log, state, acknowledgements.
 *
 *        up            hello              sent all
 *   DOWN --> GREETING --------> LOG <---------------> LIVE       (queue full: back to LOG)
 *                        \-----> INDEX --> LOG                   (log gone, or a new node)
 *   any --> HELD (reason; greeted again after a while)   any --> DOWN
 *
 * The pool owns the sessions, under its session_lock. Entry points take that lock themselves;
 * session_message() and session_tick() come from the worker thread only.
 * Invariant: `have` is what the peer said it has; a batch goes out only if `sent` lacks it.
 */
#ifndef REPLICATION_SESSION_H
#define REPLICATION_SESSION_H

#include "replication/engine.h"

#define SESSION_HELD_RETRY_MS 5000 /* doubles up to a minute */
#define SESSION_HELD_MAX_MS   60000
/* A node that comes back meets its peers one after the other within this time; who met it first
 * must not send it what the others are about to send themselves. */
#define SESSION_RELAY_MS 1000
/* One acknowledgement, and one fdatasync(2), for all that came meanwhile; the flush that follows a
 * change sooner sends it sooner. While changes go on, they become rarer: up to this far apart,
 * unless so many bytes came; after so long without one it is as at first. */
#define SESSION_ACK_MS     50
#define SESSION_ACK_MAX_MS 1000
#define SESSION_ACK_BYTES  (1u << 20)
#define SESSION_CALM_MS    500
#define SESSION_REST_MS    250 /* and no longer after the last change of many */
/* A peer that missed more than this gets the state: many changes to one object go as one. */
#define SESSION_LOG_MAX     (8u << 20)
#define SESSION_UNACKED_MAX 4096 /* batches remembered for "behind"; older ones are summed up */

enum session_state {
	SESSION_DOWN,
	SESSION_GREETING,
	SESSION_LOG,
	SESSION_LIVE,
	SESSION_INDEX,
	SESSION_HELD,
};

struct unacked {
	stamp_t last;
	uint64_t bytes;
	uint64_t apart; /* that the journal only names */
	uint32_t ops;
};

struct catchup_out;

struct session {
	uint16_t node;
	enum session_state state;
	uint16_t their_slot;
	uint64_t up_ms;
	bool relays;        /* what others wrote is handed on; not at once, see SESSION_RELAY_MS */
	struct vector have; /* acknowledged: on their disk */
	struct vector sent; /* on the way or there */
	uint64_t durable, asked;  /* of our own: acknowledged since the link is up; asked about */
	uint64_t cursor;          /* LOG: journal position to go on from */
	uint64_t began, began_ms; /* LOG: the first one, and when */
	struct journal_reader reader;
	uint8_t *own; /* LOG: own records read and not yet sealed, as in a batch */
	size_t own_size, own_capacity;
	uint32_t own_count;
	uint64_t connected[16];         /* bit per node number: whom the peer hears itself */
	uint64_t ack_due_ms;            /* when an acknowledgement is to be sent; 0: none is owed */
	uint64_t acked_ms, ack_pace_ms; /* when one was sent; how long the next one waits then */
	uint64_t ack_bytes;             /* came since */
	bool their_whole;
	uint8_t their_hash[STATE_HASH_SIZE];
	struct vector their_vector; /* which their_hash belongs to */
	uint64_t last_ack_ms;
	struct vector told, settled; /* see forget.h */
	uint64_t told_ms;            /* 0: nothing told that is not settled */
	struct unacked unacked[SESSION_UNACKED_MAX];
	size_t unacked_first, unacked_count;
	uint64_t unacked_bytes, unacked_apart, unacked_ops;
	uint64_t backlog_bytes, backlog_apart, backlog_ops; /* offered and not sent yet */
	char held_reason[128];
	uint64_t held_until_ms, held_wait_ms;
	int held_code;
	uint64_t greeted_ms;
	uint32_t greeting;       /* number of our latest greeting; an answer repeats it */
	uint32_t their_greeting; /* of theirs, 0: none since the link is up */
	bool wants_state;        /* its disk is full: no log */
	bool fell_back;          /* it has less than it had acknowledged */
	bool gap;                /* something between is missing: to be greeted again */
	bool brief;              /* it reads batches in brief */
	struct catchup_out *out; /* INDEX, once the peer takes it */
	bool offered;            /* INDEX: the peer was asked to take the state */
};

/* --- entry points --- */
void session_up(struct pool *p, uint16_t node);
void session_down(struct pool *p, uint16_t node);
/* The node is a member of the pool, connected or not / no longer one. */
void session_expect(struct pool *p, uint16_t node);
void session_forget(struct pool *p, uint16_t node);
void session_writable(struct pool *p, uint16_t node);
/* Body without the pool id. Errors hold the session; the caller need not know. */
void session_message(struct pool *p, uint16_t node, uint16_t type, const void *body, size_t size);
/* Retries what is held, asks for what is missing. About ten times a second. */
void session_tick(struct pool *p, uint64_t now_ms);
/* A batch is complete in the journal, its first record at `from`: to all that are live. */
void session_offer(struct pool *p, const struct batch *batch, uint64_t from);
/* An acknowledgement is owed at once; within this time, or as rarely as has become usual, of so
 * many bytes. session_lock held. */
void session_owe(struct session *s);
void session_owe_within(struct session *s, uint64_t within_ms, size_t bytes);
/* Pure: how long after an acknowledgement the next one waits, which came `since_ms` after the one
 * before, with `before_ms` as the wait. */
uint64_t session_pace(uint64_t before_ms, uint64_t since_ms);
/* Milliseconds until one is to be sent; UINT64_MAX: none is owed. */
uint64_t session_owed_in(struct pool *p, uint64_t now_ms);
/* Makes durable what has come, acknowledges it where that is owed by now. Worker thread. */
void session_acknowledge(struct pool *p, uint64_t now_ms);
/* A flush is done: tell positions and state hash. */
void session_state_changed(struct pool *p);
/* Position before which no live session needs the journal. */
uint64_t session_needed(struct pool *p);
void session_status(struct pool *p, struct pool_status *ret);
void session_free_all(struct pool *p);

/* --- among session.c, send.c, receive.c, catchup.c, fetch.c; session_lock held --- */
struct session *session_find(struct pool *p, uint16_t node);
MUST_CHECK int session_send(struct pool *p, struct session *s, enum net_class class, uint16_t type,
			    const struct net_part *parts, size_t count);
void session_hold(struct pool *p, struct session *s, int code, const char *what);
/* Pure: does a peer that missed so many bytes get the state? The log serves whom it reaches. */
bool session_by_state(bool reaches, bool lacks, uint64_t missed, uint64_t log_max);
/* Decides how to serve the peer from what it has. */
void session_serve(struct pool *p, struct session *s);
/* Tells the peer what we have; it begins anew to serve us from there. `ask`: it is to repeat its
 * own greeting, which may have come too early. */
void session_greet(struct pool *p, struct session *s, bool ask);
/* Greets all peers: what they offered meanwhile was not taken. */
void session_greet_all(struct pool *p);
/* Goes on sending log or state as far as the queues take it. */
void send_pump(struct pool *p, struct session *s);
void send_note(struct session *s, const struct batch *batch, size_t bytes);
bool send_eligible(const struct pool *p, const struct session *s, uint16_t slot);
/* Sends one batch, in brief if the peer reads that: `brief` is made once for all. As net_send(). */
struct brief;
MUST_CHECK int send_batch(struct pool *p, struct session *s, const struct batch *batch,
			  struct brief *brief);

#endif
