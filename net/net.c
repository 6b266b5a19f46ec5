/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "net/net_state.h"

#define BACKLOG        128
#define CREDIT_STEP    (NET_CREDIT_BYTES / 8) /* consumed before we tell: few CREDIT messages */
#define DEFAULT_LISTEN "[::]:7447"

_Static_assert(NET_CREDIT_BYTES - CREDIT_STEP >= FRAME_COST(NET_BODY_MAX),
	       "the largest message fits into the least credit that an idle receiver leaves");
_Static_assert(NET_QUEUE_BYTES >= FRAME_COST(NET_BODY_MAX), "the largest message fits the queue");

void net_free_if_closed(struct net *net)
{
	if (net->handles || net->owner.links || net->resolving)
		return;
	for (size_t i = 0; i <= FLEET_MEMBERS_MAX; i++)
		free(net->peers[i]);
	tls_context_free(net->owner.context);
	free(net->owner.read_buffer);
	(void)pthread_mutex_destroy(&net->lock);
	free(net);
}

static void on_closed(uv_handle_t *handle)
{
	struct net *net = handle->data;

	net->handles--;
	net_free_if_closed(net);
}

static void on_freed(void *arg)
{
	net_free_if_closed(arg);
}

void net_wake(struct net *net)
{
	(void)uv_async_send(&net->wake);
}

static void count_refusal(struct net *net, const struct link *link, enum link_phase phase, int code,
			  const char *reason)
{
	struct log_limit *limit = &net->limit_handshake;
	uint64_t *counter = &net->counters.refused_handshake;

	if (phase == LINK_CONNECTING || link->dialed)
		return;
	if (code == -ETIMEDOUT && phase != LINK_UP) {
		counter = &net->counters.handshake_timeouts;
	} else if (phase == LINK_SHAKING && code == MA_EREFUSED) {
		counter = &net->counters.refused_certificate;
		limit = &net->limit_certificate;
	} else if (phase == LINK_SHAKING && code == -EBUSY) {
		counter = &net->counters.refused_busy;
	} else if (phase != LINK_SHAKING && (code == MA_ECORRUPT || code == MA_ELIMIT)) {
		counter = &net->counters.refused_frame;
		limit = &net->limit_frame;
	} else if (phase != LINK_SHAKING) {
		return;
	}
	(*counter)++;
	log_limited(limit, LOG_LEVEL_WARN, "net: connection from %s refused: %s", link->address,
		    reason);
}

static void on_ended(void *arg, struct link *link, enum link_phase phase, int code,
		     const char *reason)
{
	struct net *net = arg;

	count_refusal(net, link, phase, code, reason);
	peer_ended(net, link, phase, code, reason);
}

static enum tls_verdict on_check(void *arg, struct link *link, enum tls_purpose purpose,
				 const uint8_t key[KEY_PUBLIC_SIZE])
{
	struct net *net = arg;
	uint16_t number;

	if (purpose == TLS_LINK)
		return peer_check(net, link, key);
	/* A join: the token decides. But who is out stays out, token or not. */
	if (!fleet_exists(net->fleet))
		return TLS_REFUSE_STRANGER;
	return fleet_standing(net->fleet, key, &number) == FLEET_GONE ? TLS_REFUSE_GONE : TLS_ALLOW;
}

static void on_shaken(void *arg, struct link *link)
{
	if (tls_purpose(link->wire->tls) == TLS_JOIN)
		join_shaken(arg, link);
	else
		peer_shaken(arg, link);
}

static void on_message(void *arg, struct link *link, struct net_message *message, bool skippable)
{
	if (tls_purpose(link->wire->tls) == TLS_JOIN) {
		join_message(arg, link, message);
		free(message);
		return;
	}
	peer_message(arg, link, message, skippable);
}

static void on_writable(void *arg, struct link *link, enum net_class class)
{
	struct net *net = arg;

	net->events.writable(net->events.arg, link->node, class);
}

static void on_again(void *arg, struct link *link)
{
	(void)link;
	net_wake(arg);
}

/* The node's key is another one after it has left a fleet. */
static int context_refresh(struct net *net)
{
	const struct keypair *key = fleet_key(net->fleet);
	struct tls_context *context;

	if (net->owner.context && memcmp(net->context_key, key->public, KEY_PUBLIC_SIZE) == 0)
		return 0;
	int r = tls_context_new(key, &context);
	if (r < 0)
		return r;
	tls_context_free(net->owner.context);
	net->owner.context = context;
	memcpy(net->context_key, key->public, KEY_PUBLIC_SIZE);
	return 0;
}

void net_fleet_check(struct net *net)
{
	uint64_t change = fleet_change(net->fleet);

	if (change == net->fleet_seen)
		return;
	net->fleet_seen = change;
	net->fleet_news = true;
	int r = context_refresh(net);
	if (r < 0)
		log_error("net: cannot use the node's new key: %s", err_text(r));
	peers_tell_members(net);
	peers_refresh(net);
	net_dial_soon(net);
	net_wake(net);
}

static void on_timer(uv_timer_t *timer)
{
	struct net *net = timer->data;

	net_fleet_check(net);
	(void)uv_timer_start(timer, on_timer, peers_dial(net), 0);
}

void net_dial_soon(struct net *net)
{
	if (!net->ended)
		(void)uv_timer_start(&net->timer, on_timer, 0, 0);
}

static void close_own(struct net *net)
{
	uv_close((uv_handle_t *)&net->listener, on_closed);
	uv_close((uv_handle_t *)&net->timer, on_closed);
	uv_close((uv_handle_t *)&net->wake, on_closed);
}

static void on_wake(uv_async_t *handle)
{
	struct net *net = handle->data;

	if (net->ended)
		return;
	if (net->check_due) {
		net->check_due = false;
		net_fleet_check(net);
	}
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		struct peer *peer = net->peers[i];

		if (!peer)
			continue;
		peer_deliver_down(net, peer);
		if (peer->link)
			peer_return_credit(net, peer);
		if (peer->link)
			link_pump(peer->link);
	}
	if (net->fleet_news) {
		net->fleet_news = false;
		net->events.fleet_changed(net->events.arg);
	}
}

/* The one that has waited longest gives way: a stranger who holds connections open does not lock
 * out a member, who needs a few milliseconds. */
static void make_room(struct net *net)
{
	struct link *oldest = NULL;
	size_t count = 0;

	for (struct link *link = net->owner.links; link; link = link->next) {
		if (link->dialed || (link->phase != LINK_SHAKING && link->phase != LINK_GREETING))
			continue;
		if (!oldest)
			oldest = link;
		count++;
	}
	if (count >= NET_UNAGREED_MAX)
		link_end(oldest, -EBUSY, "too many connections that are not agreed");
}

static void on_dropped(uv_handle_t *handle)
{
	free(handle);
}

/* libuv takes no further connections before this one is taken. */
static void drop_connection(uv_stream_t *listener)
{
	uv_tcp_t *tcp = malloc(sizeof(*tcp));

	if (!tcp)
		return;
	(void)uv_tcp_init(listener->loop, tcp);
	(void)uv_accept(listener, (uv_stream_t *)tcp);
	uv_close((uv_handle_t *)tcp, on_dropped);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct net *net = listener->data;
	struct link *link;

	if (status < 0)
		return;
	make_room(net);
	int r = link_accept(&net->owner, listener, &link);
	if (r == 0)
		return;
	drop_connection(listener);
	log_limited(&net->limit_handshake, LOG_LEVEL_WARN, "net: cannot take a connection: %s",
		    err_text(r));
}

/* Some hosts have IPv6 switched off; the default must work there, too. */
static bool v6_usable(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0;
}

static int listen_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
	char copy[ADDRESS_TEXT_MAX];
	char host[ADDRESS_TEXT_MAX];
	size_t length = strlen(text);
	uint16_t port;

	if (length >= sizeof(copy))
		return -EINVAL;
	(void)strcpy(copy, text);
	/* Port 0 is any that is free; elsewhere an address with it makes no sense. */
	bool any_port = length > 2 && strcmp(copy + length - 2, ":0") == 0;
	if (any_port)
		copy[length - 2] = '\0';
	int r = address_split(copy, ADDRESS_PEER_PORT, host, sizeof(host), &port);
	if (r < 0)
		return r;
	bool fall_back = strcmp(host, "::") == 0 && !v6_usable();
	return address_socket(fall_back ? "0.0.0.0" : host, any_port ? 0 : port, ret, ret_size);
}

static int bind_listener(struct net *net, const char *text, char *error, size_t size)
{
	struct sockaddr_storage at;
	socklen_t length;
	int r = listen_address(text, &at, &length);

	if (r < 0)
		return err_say(error, size, r, "\"%s\" is not an address to listen on", text);
	r = uv_tcp_bind(&net->listener, (struct sockaddr *)&at, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&net->listener, BACKLOG, on_connection);
	if (r < 0)
		return err_say(error, size, r, "cannot listen on %s: %s", text, err_text(r));
	return 0;
}

static int handles_init(struct net *net)
{
	uv_loop_t *loop = net->owner.loop;
	int r = uv_async_init(loop, &net->wake, on_wake);

	if (r < 0)
		return r;
	(void)uv_timer_init(loop, &net->timer);
	(void)uv_tcp_init(loop, &net->listener);
	net->wake.data = net->timer.data = net->listener.data = net;
	net->handles = 3;
	return 0;
}

/* A write to a connection that the peer has closed must be an error, not the end of the process. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
}

int net_new(const struct net_config *config, struct net **ret, char *error, size_t size)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return err_say(error, size, -ENOMEM, "out of memory");
	ignore_sigpipe();
	(void)pthread_mutex_init(&net->lock, NULL);
	net->loop = config->loop;
	net->fleet = config->fleet;
	net->events = config->events;
	random_bytes(&net->instance, sizeof(net->instance));
	net->owner = (struct link_owner){
		.arg = net,
		.check = on_check,
		.shaken = on_shaken,
		.message = on_message,
		.writable = on_writable,
		.ended = on_ended,
		.again = on_again,
		.freed = on_freed,
		.loop = loop_uv(config->loop),
		.read_buffer = malloc(LINK_READ_SIZE),
		.handshake_ms = config->handshake_ms ? config->handshake_ms : LINK_HANDSHAKE_MS,
	};
	int r = net->owner.read_buffer ? context_refresh(net) : -ENOMEM;
	if (r == 0)
		r = handles_init(net);
	if (r < 0) {
		tls_context_free(net->owner.context);
		free(net->owner.read_buffer);
		free(net);
		return err_say(error, size, r, "cannot prepare TLS: %s", err_text(r));
	}
	r = bind_listener(net, config->listen ? config->listen : DEFAULT_LISTEN, error, size);
	if (r < 0) {
		net->ended = true;
		close_own(net);
		return r;
	}
	/* The first look finds all members new. */
	net->fleet_seen = UINT64_MAX;
	net_dial_soon(net);
	*ret = net;
	return 0;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	net->ended = true; /* no events from here on */
	peers_say_goodbye(net);
	for (struct link *link = net->owner.links; link; link = link->next)
		link_kill(link);
	for (size_t i = 0; i <= FLEET_MEMBERS_MAX; i++) {
		struct peer *peer = net->peers[i];

		if (!peer)
			continue;
		AUTO_LOCK(held, &net->lock);
		peer->link = NULL;
		peer->active = false;
		if (peer->resolving)
			(void)uv_cancel((uv_req_t *)&peer->resolve);
	}
	close_own(net);
}

static int send_check(uint16_t node, enum net_class class, uint16_t type)
{
	const struct message_info *info = message_info(type);

	if (node == 0 || node > FLEET_MEMBERS_MAX || class >= NET_CLASSES)
		return -EINVAL;
	/* What we don't know was marked as skippable when we got it. */
	if (type <= MESSAGE_NET_LAST || (info && info->class != class))
		return -EINVAL;
	return 0;
}

static struct outgoing *outgoing_new(uint16_t type, enum net_class class,
				     const struct net_part *parts, size_t count, size_t size)
{
	const struct message_info *info = message_info(type);
	struct outgoing *message = malloc(sizeof(*message) + size);

	if (!message)
		return NULL;
	message->next = NULL;
	message->type = type;
	message->class = (uint8_t) class;
	message->skippable = !info || info->skippable;
	message->size = (uint32_t)size;
	struct wr w = wr_init(message->body, size);
	for (size_t i = 0; i < count; i++)
		wr_bytes(&w, parts[i].data, parts[i].size);
	assert(!w.failed);
	return message;
}

/* With `message`: puts it; without: is there room? */
static int queue(struct net *net, uint16_t node, enum net_class class, size_t size,
		 struct outgoing *message)
{
	AUTO_LOCK(held, &net->lock);
	struct peer *peer = net->peers[node];

	if (!peer || !peer->link)
		return -ENOTCONN;
	return message ? sendq_put(&peer->link->queue, message)
		       : sendq_room(&peer->link->queue, class, size);
}

int net_send(struct net *net, uint16_t node, enum net_class class, uint16_t type,
	     const struct net_part *parts, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		if (parts[i].size > NET_BODY_MAX || size + parts[i].size > NET_BODY_MAX)
			return -EMSGSIZE;
		size += parts[i].size;
	}
	int r = send_check(node, class, type);
	if (r == 0)
		r = queue(net, node, class, size, NULL);
	if (r < 0)
		return r;
	AUTO_FREE struct outgoing *message = outgoing_new(type, class, parts, count, size);
	if (!message)
		return -ENOMEM;
	r = queue(net, node, class, size, message);
	if (r < 0)
		return r;
	(void)take_ptr(message);
	net_wake(net);
	return 0;
}

void net_consumed(struct net *net, uint16_t node, enum net_class class, size_t size)
{
	bool due = false;

	if (node == 0 || node > FLEET_MEMBERS_MAX || class >= NET_CLASSES)
		return;
	{
		AUTO_LOCK(held, &net->lock);
		struct peer *peer = net->peers[node];

		if (!peer)
			return;
		uint64_t cost = FRAME_COST(size);
		if (cost > peer->unconsumed[class])
			cost = peer->unconsumed[class];
		peer->unconsumed[class] -= cost;
		if (peer->link) {
			peer->returned[class] += cost;
			due = !peer->credit_due && peer->returned[class] >= CREDIT_STEP;
			peer->credit_due |= due;
		}
	}
	if (due)
		net_wake(net);
}

void net_announce(struct net *net)
{
	/* At once: the caller may be about to forget the fleet. Ending links can wait a turn. */
	net->in_call = true;
	peers_tell_members(net);
	net->in_call = false;
	net->check_due = true;
	net_wake(net);
}

void net_peer_status(struct net *net, uint16_t node, struct net_peer_status *ret)
{
	struct peer *peer = node <= FLEET_MEMBERS_MAX ? net->peers[node] : NULL;

	memset(ret, 0, sizeof(*ret));
	if (!peer)
		return;
	ret->connected = peer->link != NULL;
	ret->attempts = peer->link ? 0 : peer->dial.attempts;
	ret->sent_bytes = peer->sent_bytes;
	ret->received_bytes = peer->received_bytes;
	memcpy(ret->address, peer->address, sizeof(ret->address));
	if (peer->link) {
		ret->rtt_us = peer->link->rtt_us;
		ret->sent_bytes += peer->link->sent_bytes;
		ret->received_bytes += peer->link->received_bytes;
	} else {
		memcpy(ret->held_reason, peer->held_reason, sizeof(ret->held_reason));
	}
}

void net_counters(struct net *net, struct net_counters *ret)
{
	*ret = net->counters;
}

int net_session(struct net *net, uint16_t node, struct net_session *ret)
{
	const struct peer *peer = node <= FLEET_MEMBERS_MAX ? net->peers[node] : NULL;

	if (!peer || !peer->link)
		return -ENOTCONN;
	ret->own_instance = net->instance;
	ret->peer_instance = peer->link->hello.instance;
	_Static_assert(sizeof(ret->host) == sizeof(peer->link->host), "same bound");
	memcpy(ret->host, peer->link->host, sizeof(ret->host));
	return tls_secret(peer->link->wire->tls, ret->secret);
}

uint64_t net_instance(struct net *net)
{
	return net->instance;
}

uint64_t net_silent_ms(struct net *net, uint16_t node)
{
	const struct peer *peer = node <= FLEET_MEMBERS_MAX ? net->peers[node] : NULL;

	return peer && peer->link ? uv_now(net->owner.loop) - peer->link->heard_ms : UINT64_MAX;
}

void net_address(struct net *net, struct sockaddr_storage *ret)
{
	int length = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	if (uv_tcp_getsockname(&net->listener, (struct sockaddr *)ret, &length) < 0)
		ret->ss_family = AF_UNSPEC;
}

uint16_t net_port(struct net *net)
{
	struct sockaddr_storage at;

	net_address(net, &at);
	if (at.ss_family == AF_UNSPEC)
		return 0;
	return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
					     : ((struct sockaddr_in6 *)&at)->sin6_port);
}
