/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"
#include "net/net_state.h"

/* Both nodes dial, so two links may come to be. Of each pair the node with the lower number decides
 * which one lives: the first on which all is agreed, unless the peer has begun anew or the older
 * link has fallen silent. It says so by ACCEPT, after the higher node's ACCEPT on the same link:
 *
 *     lower:  HELLO ------------------ (has ACCEPT) decides, ACCEPT, up
 *     higher: HELLO, (has HELLO) ACCEPT ----------------------------- (has ACCEPT) up
 */
#define STALE_MS 1500

/* A connection that broke sooner counts as a failed attempt: no tight loop of ups and downs. */
#define SETTLED_MS 3000

static uint16_t own_number(struct net *net)
{
	struct member own;

	fleet_self(net->fleet, &own);
	return own.state == MEMBER_ACTIVE ? own.number : 0;
}

static struct peer *peer_get(struct net *net, uint16_t node)
{
	if (net->peers[node])
		return net->peers[node];
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->node = node;
	peer->net = net;
	peer->resolve.data = peer;
	AUTO_LOCK(held, &net->lock);
	net->peers[node] = peer;
	return peer;
}

static uint32_t dice(void)
{
	uint32_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

/* When there was no failure: at once, the higher node a little later, so that in most cases only
 * one of the two dials. */
static void dial_soon(struct net *net, struct peer *peer)
{
	uint32_t wait = own_number(net) > peer->node ? 150 : 10;

	peer->next_dial_ms = uv_now(net->owner.loop) + wait + dice() % 50;
}

void peer_deliver_down(struct net *net, struct peer *peer)
{
	if (!peer->down_due)
		return;
	peer->down_due = false;
	net->events.down(net->events.arg, peer->node);
}

void peers_say_goodbye(struct net *net)
{
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		if (net->peers[i] && net->peers[i]->link)
			link_part(net->peers[i]->link, GOODBYE_SHUTDOWN, "the node is stopping");
	}
}

enum tls_verdict peer_check(struct net *net, struct link *link, const uint8_t key[KEY_PUBLIC_SIZE])
{
	uint16_t own = own_number(net);
	uint16_t number = 0;
	enum fleet_standing standing = fleet_standing(net->fleet, key, &number);

	if (standing == FLEET_GONE)
		return TLS_REFUSE_GONE;
	if (standing != FLEET_ACTIVE || own == 0 || number == own)
		return TLS_REFUSE_STRANGER;
	if (link->dialed && number != link->node)
		return TLS_REFUSE_STRANGER;
	link->node = number;
	return TLS_ALLOW;
}

static void own_hello(struct net *net, struct hello *ret)
{
	*ret = (struct hello){
		.version_min = WIRE_VERSION_MIN,
		.version_max = WIRE_VERSION_MAX,
		.features = WIRE_FEATURES,
		.features_needed = WIRE_FEATURES_NEEDED,
		.node = own_number(net),
		.wall_ns = clock_wall_ns(),
		.instance = net->instance,
	};
}

void peer_shaken(struct net *net, struct link *link)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));
	struct hello hello;

	if (!peer_get(net, link->node)) {
		link_end(link, -ENOMEM, "out of memory");
		return;
	}
	own_hello(net, &hello);
	hello_encode(&hello, &w);
	assert(!w.failed);
	link_say(link, MESSAGE_HELLO, body, wr_used(&w));
}

static void tell_members(struct net *net, struct link *link)
{
	AUTO_FREE uint8_t *records = NULL;
	uint64_t change;
	size_t size;

	if (fleet_records(net->fleet, link->members_sent, &records, &size, &change) < 0)
		return; /* short of memory; the next look at the fleet tries again */
	link->members_sent = change;
	if (size)
		link_say(link, MESSAGE_MEMBERS, records, size);
}

void peers_tell_members(struct net *net)
{
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		if (net->peers[i] && net->peers[i]->link)
			tell_members(net, net->peers[i]->link);
	}
}

void peer_return_credit(struct net *net, struct peer *peer)
{
	struct credit credit;
	{
		AUTO_LOCK(held, &net->lock);
		if (!peer->credit_due)
			return;
		peer->credit_due = false;
		for (size_t c = 0; c < NET_CLASSES; c++) {
			credit.bytes[c] = (uint32_t)peer->returned[c];
			peer->returned[c] = 0;
		}
	}
	link_grant(peer->link, &credit);
}

static void install(struct net *net, struct peer *peer, struct link *link)
{
	AUTO_LOCK(held, &net->lock);

	peer->link = link;
	peer->credit_due = true;
	for (size_t c = 0; c < NET_CLASSES; c++) {
		uint64_t owed = peer->unconsumed[c];

		peer->returned[c] = owed < NET_CREDIT_BYTES ? NET_CREDIT_BYTES - owed : 0;
	}
}

static void peer_up(struct net *net, struct peer *peer, struct link *link)
{
	if (peer->link)
		link_end(peer->link, -EALREADY, "a newer connection has taken its place");
	if (peer->dialing && peer->dialing != link)
		link_end(peer->dialing, -EALREADY, "not needed");
	peer_deliver_down(net, peer);
	peer->dialing = NULL;
	peer->up_since_ms = uv_now(net->owner.loop);
	peer->last_up_ms = peer->up_since_ms + 1;
	peer->held_reason[0] = '\0';
	memcpy(peer->address, link->address, sizeof(peer->address));
	net->counters.accepted += !link->dialed;
	install(net, peer, link);
	link_set_up(link);
	if (link->phase == LINK_UP)
		peer_return_credit(net, peer);
	if (link->phase == LINK_UP)
		tell_members(net, link);
	if (link->phase != LINK_UP)
		return;
	log_debug("net: node %u connected, %s", peer->node, peer->address);
	peer->announced_up = true;
	net->events.up(net->events.arg, peer->node);
}

static void on_hello(struct net *net, struct link *link, const struct net_message *message)
{
	struct hello own;
	char text[MESSAGE_TEXT_MAX + 1];

	if (link->hello_done || hello_decode(message->body, message->size, &link->hello) < 0) {
		link_part(link, GOODBYE_PROTOCOL, "a malformed hello");
		return;
	}
	if (link->hello.node != link->node) {
		link_part(link, GOODBYE_WRONG_NODE, "its number is not that of its key");
		return;
	}
	own_hello(net, &own);
	int code = hello_judge(&own, &link->hello, text, sizeof(text));
	if (code) {
		link_part(link, (enum goodbye_code)code, text);
		return;
	}
	link->hello_done = true;
	if (own.node > link->node)
		link_say(link, MESSAGE_ACCEPT, NULL, 0);
}

/* The lower node: does the link that is up give way to this one? */
static bool stale(struct net *net, const struct link *up, const struct link *offered)
{
	return up->hello.instance != offered->hello.instance ||
	       uv_now(net->owner.loop) - up->heard_ms >= STALE_MS;
}

static void on_accept(struct net *net, struct link *link)
{
	struct peer *peer = net->peers[link->node];

	if (!link->hello_done) {
		link_part(link, GOODBYE_PROTOCOL, "accept before hello");
		return;
	}
	if (own_number(net) < link->node) {
		if (peer->link && !stale(net, peer->link, link)) {
			link_part(link, GOODBYE_DUPLICATE, "another connection of this pair is up");
			return;
		}
		link_say(link, MESSAGE_ACCEPT, NULL, 0);
	}
	if (link->phase == LINK_GREETING)
		peer_up(net, peer, link);
}

static void on_members(struct net *net, struct link *link, const struct net_message *message)
{
	size_t changed = 0;
	int r = fleet_merge(net->fleet, message->body, message->size, &changed);

	if (changed)
		net_fleet_check(net);
	if (r < 0 && link->phase == LINK_UP)
		link_part(link, GOODBYE_PROTOCOL, "a member record that the fleet has not signed");
}

static void on_goodbye(struct link *link, const struct net_message *message)
{
	struct goodbye goodbye;
	char text[MESSAGE_TEXT_MAX + 16];

	if (goodbye_decode(message->body, message->size, &goodbye) < 0) {
		link_end(link, MA_ECORRUPT, "a malformed goodbye");
		return;
	}
	(void)snprintf(text, sizeof(text), "it says: %s", goodbye.text);
	link_end(link, goodbye_error(goodbye.code), text);
}

static void part_unknown(struct link *link, uint16_t type)
{
	char text[MESSAGE_TEXT_MAX + 1];

	(void)snprintf(text, sizeof(text), "message %u is not known here: upgrade the older node",
		       type);
	link_part(link, GOODBYE_VERSION, text);
}

/* Up to the pools. True if the message was handed over. */
static bool deliver(struct net *net, struct link *link, struct net_message *message, bool skippable)
{
	const struct message_info *info = message_info(message->type);

	if (link->phase != LINK_UP || (info && info->class != message->class)) {
		link_part(link, GOODBYE_PROTOCOL, "a message out of its place");
		return false;
	}
	if (!info && !skippable) {
		part_unknown(link, message->type);
		return false;
	}
	if (!info)
		message->flags |= NET_MESSAGE_UNKNOWN;
	{
		AUTO_LOCK(held, &net->lock);
		net->peers[link->node]->unconsumed[message->class] += FRAME_COST(message->size);
	}
	net->events.message(net->events.arg, link->node, message);
	return true;
}

void peer_message(struct net *net, struct link *link, struct net_message *message, bool skippable)
{
	bool greeting = link->phase == LINK_GREETING;

	if (message->type > MESSAGE_NET_LAST) {
		if (!deliver(net, link, message, skippable))
			free(message);
		return;
	}
	if (message->type == MESSAGE_HELLO && greeting)
		on_hello(net, link, message);
	else if (message->type == MESSAGE_ACCEPT && greeting)
		on_accept(net, link);
	else if (message->type == MESSAGE_GOODBYE)
		on_goodbye(link, message);
	else if (message->type == MESSAGE_MEMBERS && !greeting)
		on_members(net, link, message);
	else if (!skippable && !message_info(message->type))
		part_unknown(link, message->type);
	else if (!skippable)
		link_part(link, GOODBYE_PROTOCOL, "a message out of its place");
	free(message);
}

/* After these, trying again at once would change nothing. */
static bool holds(int code)
{
	return code == MA_EREFUSED || code == MA_EVERSION || code == MA_ECLOCK ||
	       code == MA_ECORRUPT || code == MA_ELIMIT;
}

static void dial_later(struct net *net, struct peer *peer, int code)
{
	uint64_t now = uv_now(net->owner.loop);

	peer->dial.held = holds(code);
	peer->dial.recent = peer->last_up_ms && now - peer->last_up_ms < DIAL_RECENT_MS;
	peer->dial.attempts++;
	/* From the attempt's start: one that waited for an answer has waited already. */
	uint64_t next = peer->dialed_ms + dial_delay_ms(&peer->dial, dice());
	if (peer->dial.held || next < now + DIAL_FIRST_MS / 2)
		next = now +
		       (peer->dial.held ? dial_delay_ms(&peer->dial, dice()) : DIAL_FIRST_MS / 2);
	peer->next_dial_ms = next;
}

static void peer_down(struct net *net, struct peer *peer, int code)
{
	{
		AUTO_LOCK(held, &net->lock);
		peer->link = NULL;
	}
	uint64_t now = uv_now(net->owner.loop);
	bool settled = now - peer->up_since_ms >= SETTLED_MS;

	peer->last_up_ms = now + 1;
	if (settled)
		peer->dial.attempts = 0;
	peer->dialed_ms = now;
	if (settled && !holds(code))
		dial_soon(net, peer);
	else
		dial_later(net, peer, code);
	if (!peer->announced_up || net->ended)
		return;
	peer->announced_up = false;
	peer->down_due = true;
	if (net->in_call)
		net_wake(net);
	else
		peer_deliver_down(net, peer);
}

void peer_ended(struct net *net, struct link *link, enum link_phase phase, int code,
		const char *reason)
{
	struct peer *peer = link->node ? net->peers[link->node] : NULL;
	bool was_up;

	if (!peer)
		return;
	peer->sent_bytes += link->sent_bytes;
	peer->received_bytes += link->received_bytes;
	was_up = peer->link == link;
	if (peer->dialing == link)
		peer->dialing = NULL;
	else if (!was_up && !holds(code))
		return; /* an attempt of the peer's that came to nothing is the peer's to repeat */
	if (was_up) {
		peer_down(net, peer, code);
	} else if (peer->link || code == -EALREADY) {
		peer->next_dial_ms = uv_now(net->owner.loop) + DIAL_FIRST_MS;
		return;
	} else {
		dial_later(net, peer, code);
	}
	(void)snprintf(peer->held_reason, sizeof(peer->held_reason), "%s%s",
		       phase == LINK_CONNECTING ? "cannot connect: " : "", reason);
	if (code == -ECONNREFUSED && phase == LINK_CONNECTING && net->events.refused)
		net->events.refused(net->events.arg, peer->node);
	if (!link->dialed && !was_up)
		memcpy(peer->address, link->address, sizeof(peer->address));
	if (holds(code))
		log_limited(&net->limit_held, LOG_LEVEL_WARN, "net: node %u (%s) is held: %s",
			    peer->node, peer->address, reason);
	else
		log_debug("net: node %u (%s): %s", peer->node, peer->address, reason);
	net_dial_soon(net);
}

static void dial_socket(struct net *net, struct peer *peer, const struct sockaddr *to)
{
	peer->dial.recent =
		peer->last_up_ms && uv_now(net->owner.loop) - peer->last_up_ms < DIAL_RECENT_MS;
	int r = link_dial(&net->owner, to, peer->node, dial_timeout_ms(&peer->dial),
			  &peer->dialing);
	if (r == 0)
		return;
	peer->dialing = NULL;
	(void)snprintf(peer->held_reason, sizeof(peer->held_reason), "cannot connect: %s",
		       err_text(r));
	dial_later(net, peer, r);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	struct peer *peer = request->data;
	struct net *net = peer->net;

	peer->resolving = false;
	net->resolving--;
	if (net->ended || !peer->active || peer->link || peer->dialing) {
		uv_freeaddrinfo(found);
		net_dial_soon(net);
		net_free_if_closed(net);
		return;
	}
	if (status == 0) {
		dial_socket(net, peer, found->ai_addr);
	} else {
		(void)snprintf(peer->held_reason, sizeof(peer->held_reason),
			       "cannot look up its name: %s", uv_strerror(status));
		dial_later(net, peer, status);
	}
	uv_freeaddrinfo(found);
	net_dial_soon(net);
}

static int resolve(struct net *net, struct peer *peer, const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", port);
	int r = uv_getaddrinfo(net->owner.loop, &peer->resolve, on_resolved, host, service, &hints);
	if (r < 0)
		return r;
	peer->resolving = true;
	net->resolving++;
	return 0;
}

/* The next of the addresses that its record has. */
static bool choose_address(struct net *net, struct peer *peer)
{
	struct member member;

	if (fleet_member(net->fleet, peer->node, &member) < 0)
		return false;
	for (size_t i = 0; i < FLEET_ADDRESSES_MAX; i++) {
		const char *address = member.addresses[peer->next_address++ % FLEET_ADDRESSES_MAX];

		if (!address[0])
			continue;
		(void)snprintf(peer->address, sizeof(peer->address), "%s", address);
		return true;
	}
	return false;
}

static void dial(struct net *net, struct peer *peer)
{
	struct sockaddr_storage to;
	socklen_t length;
	char host[ADDRESS_TEXT_MAX];
	uint16_t port;
	int r = -EDESTADDRREQ;

	peer->dialed_ms = uv_now(net->owner.loop);
	if (choose_address(net, peer))
		r = address_split(peer->address, ADDRESS_PEER_PORT, host, sizeof(host), &port);
	if (r == 0 && address_socket(host, port, &to, &length) == 0) {
		dial_socket(net, peer, (struct sockaddr *)&to);
		return;
	}
	if (r == 0)
		r = resolve(net, peer, host, port);
	if (r == 0)
		return;
	(void)snprintf(peer->held_reason, sizeof(peer->held_reason), "no usable address: %s",
		       err_text(r));
	peer->next_dial_ms = peer->dialed_ms + DIAL_MAX_MS;
}

/* The peer has dialed us and is being greeted: leave it to that. */
static bool being_greeted(const struct net *net, const struct peer *peer)
{
	for (const struct link *link = net->owner.links; link; link = link->next) {
		if (link->node == peer->node && link->phase == LINK_GREETING)
			return true;
	}
	return false;
}

uint64_t peers_dial(struct net *net)
{
	uint64_t now = uv_now(net->owner.loop);
	uint64_t next = now + 1000; /* a look at the fleet at least once a second */

	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		struct peer *peer = net->peers[i];

		if (!peer || !peer->active || peer->link || peer->dialing || peer->resolving)
			continue;
		if (peer->next_dial_ms <= now && being_greeted(net, peer))
			peer->next_dial_ms = now + DIAL_FIRST_MS;
		else if (peer->next_dial_ms <= now)
			dial(net, peer);
		if (!peer->dialing && !peer->resolving && peer->next_dial_ms < next)
			next = peer->next_dial_ms;
	}
	return next > now ? next - now : 1;
}

static void deactivate(struct net *net, struct peer *peer, const char *reason)
{
	struct link *link = net->owner.links;

	peer->active = false;
	peer->last_up_ms = 0;
	peer->dial = (struct dial_state){0};
	while (link) {
		struct link *following = link->next;

		if (link->node == peer->node && link->phase == LINK_CONNECTING)
			link_end(link, MA_EREFUSED, reason);
		else if (link->node == peer->node && link->phase != LINK_CLOSING)
			link_part(link, GOODBYE_REMOVED, reason);
		link = following;
	}
	(void)snprintf(peer->held_reason, sizeof(peer->held_reason), "%s", reason);
}

void peers_refresh(struct net *net)
{
	uint16_t own = own_number(net);
	struct member member;

	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		bool wanted = own && i != own && fleet_member(net->fleet, i, &member) == 0 &&
			      member.state == MEMBER_ACTIVE;
		struct peer *peer = wanted ? peer_get(net, i) : net->peers[i];

		if (!peer || (wanted && peer->active))
			continue;
		if (!wanted) {
			deactivate(net, peer,
				   own ? "has left or was removed"
				       : "this node has left or was removed");
			continue;
		}
		peer->active = true;
		peer->held_reason[0] = '\0';
		dial_soon(net, peer);
	}
}
