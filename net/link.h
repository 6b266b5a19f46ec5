/* SPDX-License-Identifier: Apache-2.0
 * One connection to another node: socket, TLS, time-outs, queues in strict order, credit, ping.
 * What it is for is decided by its owner (peers, joins) in the callbacks.
 * A link frees itself once `ended` has been called and its handles are closed.
 * Loop thread, but `queue` takes messages from any thread while the owner keeps the link alive.
 * Invariant: `ended` is called exactly once, and nothing of the link after it.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/loop.h"
#include "net/message.h"
#include "net/sendq.h"
#include "net/wire.h"

#define LINK_HANDSHAKE_MS 10000 /* connected but not agreed within this: half open */
#define LINK_PING_MS      1000
#define LINK_SILENCE_MS   3000 /* nothing heard for so long: dead */
#define LINK_LINGER_MS    1000 /* after the last word, until the other side has read it */
#define LINK_READ_SIZE    (256u << 10)

enum link_phase {
	LINK_CONNECTING,
	LINK_SHAKING,  /* TLS */
	LINK_GREETING, /* the owner's business: hello, join */
	LINK_UP,
	LINK_CLOSING, /* `ended` was called */
};

struct link;

struct link_owner {
	void *arg;
	enum tls_verdict (*check)(void *arg, struct link *link, enum tls_purpose purpose,
				  const uint8_t key[KEY_PUBLIC_SIZE]);
	/* TLS is done. */
	void (*shaken)(void *arg, struct link *link);
	/* Every message but PING, PONG and CREDIT; the owner frees it. */
	void (*message)(void *arg, struct link *link, struct net_message *message, bool skippable);
	/* The class has room again. */
	void (*writable)(void *arg, struct link *link, enum net_class class);
	/* `phase` is the one it ended in; `code` as in err.h; `reason` for a person. */
	void (*ended)(void *arg, struct link *link, enum link_phase phase, int code,
		      const char *reason);
	/* More is to be sent than fits now: call link_pump() soon. */
	void (*again)(void *arg, struct link *link);
	/* One link less is in `links`. */
	void (*freed)(void *arg);
	uv_loop_t *loop;
	struct tls_context *context;
	uint8_t *read_buffer;  /* LINK_READ_SIZE bytes, shared by all links of the loop */
	uint32_t handshake_ms; /* LINK_HANDSHAKE_MS, but in tests */
	struct link *links;    /* all that are not freed */
	size_t lingering;      /* in LINK_CLOSING */
};

struct link {
	struct link *prev;
	struct link *next;
	struct link_owner *owner;
	enum link_phase phase;
	bool dialed;
	char host[48];    /* of the other end, once connected */
	char address[64]; /* the same with its port */
	/* For the owner. */
	uint16_t node; /* 0: not known */
	bool hello_done;
	struct hello hello;    /* theirs */
	uint64_t members_sent; /* fleet_change() that the peer has */
	uint64_t received_bytes;
	uint64_t sent_bytes;
	uint32_t rtt_us;
	uint64_t heard_ms; /* uv_now() of the last bytes */
	/* The link's own. */
	struct wire *wire;
	struct sendq queue;
	struct outgoing_list ready[NET_CLASSES];
	uint32_t offset[NET_CLASSES]; /* sent of the first one that is ready */
	uint64_t credit[NET_CLASSES]; /* that the peer has granted */
	uv_tcp_t tcp;
	uv_timer_t timer;
	unsigned int handles; /* not closed */
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool writing;
	bool silent;           /* ended since nothing was heard */
	bool shut;             /* shutdown asked for */
	struct tls_buffer out; /* what `write` writes */
	size_t out_sent;
	uint64_t due_ms; /* when the timer should run */
	uint64_t pinged_ms;
};

/* Connects within `connect_ms`. `node`: whom we expect there. */
MUST_CHECK int link_dial(struct link_owner *owner, const struct sockaddr *to, uint16_t node,
			 uint32_t connect_ms, struct link **ret);
/* Takes the connection that waits on the listener. */
MUST_CHECK int link_accept(struct link_owner *owner, uv_stream_t *listener, struct link **ret);

/* Sends what may be sent now. */
void link_pump(struct link *link);
/* A message of the net's own, at once, before all that is queued. */
void link_say(struct link *link, uint16_t type, const void *body, size_t size);
/* Both sides agree: full messages, pings, the queue. */
void link_set_up(struct link *link);
/* Lets the peer send so many bytes more of a class. */
void link_grant(struct link *link, const struct credit *credit);

/* Says why, then ends it. */
void link_part(struct link *link, enum goodbye_code code, const char *text);
/* Ends it: what was said still goes out. Does nothing on a link that is ending. */
void link_end(struct link *link, int code, const char *reason);
/* At once, without `ended`: for the end of the process. */
void link_kill(struct link *link);

#endif
