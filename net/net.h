/* SPDX-License-Identifier: Apache-2.0
 * The network of this node: one TLS 1.3 connection to each other member, kept up by itself.
 * The net owns listener, links and queues; a message body is owned by whoever receives it.
 * Events come on the loop's thread; net_send(), net_consumed() may be called from any thread.
 * Invariant: between `up` and `down` of a node, messages of one class arrive in order, once.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/err.h"
#include "core/loop.h"
#include "net/fleet.h"

/* Highest first: a frame waits only for the frame that is being written, never for a lower class.
 */
enum net_class { NET_CONTROL, NET_LIVE, NET_CATCHUP, NET_VERIFY, NET_CLASSES };

/* Bounds, each tested. */
#define NET_BODY_MAX     (4u << 20) /* bytes of one message */
#define NET_CREDIT_BYTES (8u << 20) /* unconsumed bytes per link and class */
#define NET_QUEUE_BYTES  (8u << 20) /* queued bytes per link and class before -EAGAIN */

struct net_message {
	uint16_t type; /* number in net/messages.def */
	uint8_t class;
	uint8_t flags; /* NET_MESSAGE_x */
	uint32_t size;
	uint8_t body[]; /* size bytes */
};

/* Not in our catalogue, but its sender says that it may be skipped: store it and carry it on with
 * net_send() of the same class and type. */
#define NET_MESSAGE_UNKNOWN 1u

struct net_events {
	void *arg;
	/* Both sides have verified each other and agreed on a version. */
	void (*up)(void *arg, uint16_t node);
	void (*down)(void *arg, uint16_t node);
	/* The receiver owns `message`: net_consumed() when it is done with, then free(). */
	void (*message)(void *arg, uint16_t node, struct net_message *message);
	/* After -EAGAIN: the class has room again. */
	void (*writable)(void *arg, uint16_t node, enum net_class class);
	/* Its host answers, and refuses connections. May be NULL. */
	void (*refused)(void *arg, uint16_t node);
	/* A member record was added, changed or removed (also by a peer). */
	void (*fleet_changed)(void *arg);
};

struct net_config {
	struct loop *loop;
	struct fleet *fleet; /* borrowed, outlives the net */
	const char *listen;  /* "ADDRESS:PORT", NULL: "[::]:7447", which takes IPv4 too */
	struct net_events events;
	uint32_t handshake_ms; /* 0: 10 s, until a connection must be agreed */
};

struct net;

/* Starts listening and connecting. On failure `error` says what and why. */
MUST_CHECK int net_new(const struct net_config *config, struct net **ret, char *error, size_t size);
/* Says goodbye to all, closes everything. Loop thread. */
void net_free(struct net *net);

/* Copies the parts (a message of at most NET_BODY_MAX bytes) into the queue of that link.
 * -ENOTCONN: no link; -EAGAIN: queue full, `writable` follows; -EMSGSIZE. */
struct net_part {
	const void *data;
	size_t size;
};
MUST_CHECK int net_send(struct net *net, uint16_t node, enum net_class class, uint16_t type,
			const struct net_part *parts, size_t count);

/* Gives the sender credit back for one message of this size (body bytes): once per message, also
 * after `down`. */
void net_consumed(struct net *net, uint16_t node, enum net_class class, size_t size);

/* The pools we serve changed, or members did: tell all peers. Loop thread. */
void net_announce(struct net *net);

/* Connection state of one member, for status. Loop thread. */
struct net_peer_status {
	bool connected;
	char address[64];      /* where it is or was last tried */
	char held_reason[128]; /* why it is not connected; empty if connected */
	uint32_t attempts;     /* failed ones since the last success */
	uint32_t rtt_us;       /* 0: not measured */
	uint64_t sent_bytes;
	uint64_t received_bytes;
};
void net_peer_status(struct net *net, uint16_t node, struct net_peer_status *ret);

/* What both ends of the connection with a node know and nobody else; -ENOTCONN. Loop thread. */
struct net_session {
	uint8_t secret[64];
	uint64_t own_instance, peer_instance; /* random, of each start */
	char host[48];                        /* where it is, a numeric address */
};
MUST_CHECK int net_session(struct net *net, uint16_t node, struct net_session *ret);
uint64_t net_instance(struct net *net);
/* Milliseconds since bytes came over it; UINT64_MAX: no connection. Loop thread. */
uint64_t net_silent_ms(struct net *net, uint16_t node);

/* Counters of refused input since the start, for metrics. Loop thread. */
struct net_counters {
	uint64_t refused_certificate;
	uint64_t refused_frame;
	uint64_t refused_token;
	uint64_t handshake_timeouts;
	uint64_t accepted;
	uint64_t refused_handshake; /* not TLS, or broken off in the middle of it */
	uint64_t refused_busy;      /* pushed out: too many connections that were not yet agreed */
};
void net_counters(struct net *net, struct net_counters *ret);

/* A join as the new node: connects to `address`, proves the fleet by the token's pin, becomes a
 * member and stores the fleet. Blocks up to 30 s; not on the loop thread. `error` says what to do.
 */
MUST_CHECK int net_join(struct fleet *fleet, const char *address, const char *token,
			const char *own_address, char *error, size_t size);
/* The same under a name of its own; net_join() takes the host's name. Taken names get the node
 * number behind them. Without `own_address` (NULL, empty, ":PORT") the member writes down the
 * address that it sees. */
MUST_CHECK int net_join_as(struct fleet *fleet, const char *address, const char *token,
			   const char *own_name, const char *own_address, char *error, size_t size);

/* Where we listen; the port is known, also of a `listen` with port 0. */
void net_address(struct net *net, struct sockaddr_storage *ret);
uint16_t net_port(struct net *net);

#define NET_UNAGREED_MAX 64 /* accepted connections that have not said hello yet */

#endif
