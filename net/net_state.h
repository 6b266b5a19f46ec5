/* SPDX-License-Identifier: Apache-2.0
 * Inside of the net: its parts and the peers. Private to net.c, peer.c, join_member.c.
 * The net owns peers and listener; links own themselves and tell us when they end.
 * Loop thread, but what `lock` guards.
 * Invariant: peer->link is a link in LINK_UP, or NULL; what it points to lives while `lock` is
 * held.
 */
#ifndef NET_NET_STATE_H
#define NET_NET_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/log.h"
#include "net/dial.h"
#include "net/fleet_sync.h"
#include "net/link.h"
#include "net/net.h"

struct peer {
	uint16_t node;
	struct net *net;
	bool active; /* a member that we should be connected to */
	bool announced_up;
	bool down_due;        /* `down` waits for the next turn of the loop */
	struct link *link;    /* guarded by net->lock for other threads */
	struct link *dialing; /* our attempt, until it is up or has ended */
	bool resolving;
	uv_getaddrinfo_t resolve;
	size_t next_address;
	uint64_t next_dial_ms; /* uv_now() */
	uint64_t dialed_ms;
	uint64_t up_since_ms;
	uint64_t last_up_ms; /* 0: never in this process */
	struct dial_state dial;
	char address[64];
	char held_reason[128];
	uint32_t rtt_us;
	uint64_t sent_bytes; /* of links that have ended */
	uint64_t received_bytes;
	/* Guarded by net->lock. Over all links: what the owner still holds of this node's messages
	 * counts against a new link's credit too. */
	uint64_t unconsumed[NET_CLASSES];
	uint64_t returned[NET_CLASSES]; /* consumed, not yet told */
	bool credit_due;
};

struct net {
	struct loop *loop;
	struct fleet *fleet;
	struct net_events events;
	struct link_owner owner;
	uint8_t context_key[KEY_PUBLIC_SIZE]; /* that owner.context was made of */
	uint64_t instance;
	uv_tcp_t listener;
	uv_async_t wake;
	uv_timer_t timer; /* dialing, and a look at the fleet */
	unsigned int handles;
	unsigned int resolving;
	bool ended;
	bool in_call;        /* a caller is above us: no events now */
	bool check_due;      /* net_announce() was called */
	uint64_t fleet_seen; /* fleet_change() that peers and links were brought to */
	bool fleet_news;     /* `fleet_changed` is due */
	struct net_counters counters;
	struct log_limit limit_certificate;
	struct log_limit limit_handshake;
	struct log_limit limit_frame;
	struct log_limit limit_token;
	struct log_limit limit_held;
	pthread_mutex_t lock; /* guards peers[], and in each peer what says so */
	struct peer *peers[FLEET_MEMBERS_MAX + 1];
};

/* peer.c: who should be connected, dialing, hello, up and down. */
void peers_refresh(struct net *net);  /* after a change of the fleet */
uint64_t peers_dial(struct net *net); /* those that are due; returns ms until the next */
void peer_shaken(struct net *net, struct link *link);
void peer_message(struct net *net, struct link *link, struct net_message *message, bool skippable);
void peer_ended(struct net *net, struct link *link, enum link_phase phase, int code,
		const char *reason);
enum tls_verdict peer_check(struct net *net, struct link *link, const uint8_t key[KEY_PUBLIC_SIZE]);
/* Sends what has been consumed, if that is due. */
void peer_return_credit(struct net *net, struct peer *peer);
/* Tells of links that went down while a caller was above us. */
void peer_deliver_down(struct net *net, struct peer *peer);
/* Sends the records that each connected peer lacks. */
void peers_tell_members(struct net *net);
void peers_say_goodbye(struct net *net);

/* join_member.c: the member's side of a join. */
void join_shaken(struct net *net, struct link *link);
void join_message(struct net *net, struct link *link, const struct net_message *message);

/* net.c */
/* The fleet changed here or by a peer: tell peers, end links of those who are out, tell upwards. */
void net_fleet_check(struct net *net);
void net_wake(struct net *net);
/* The timer runs on the loop's next turn. */
void net_dial_soon(struct net *net);
/* After net_free(), when the last thing of ours has left the loop. */
void net_free_if_closed(struct net *net);

#endif
