/* SPDX-License-Identifier: Apache-2.0 */
#include "net/link.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/address.h"

/* One write: large enough to keep the kernel busy, small enough that a control frame behind it
 * does not wait noticeably. The socket holds back about as much. */
#define OUT_MAX         (256u << 10)
#define PUMP_ROUNDS     4
#define UNSENT_MAX      (256 << 10)
#define OUT_KEEP        (64u << 10) /* larger buffers are given back when the link rests */
#define OUT_HARD_MAX    (16u << 20) /* our own messages to a peer that does not read */
#define RTT_EVERY_MS    10000
#define STALL_MS        1000 /* a timer this late: it was us who stood still */
#define LINGERING_MAX   64
#define USER_TIMEOUT_MS 5000

static void on_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;
	struct link_owner *owner = link->owner;

	if (--link->handles)
		return;
	DL_DELETE(owner->links, link);
	owner->lingering--;
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_done(&link->ready[c]);
	sendq_done(&link->queue);
	wire_free(link->wire);
	free(link->out.data);
	free(link);
	owner->freed(owner->arg);
}

static void close_handles(struct link *link)
{
	/* What a dead cable did not carry must not follow when it is mended: the next connection
	 * sends what is missing, and that may be much less. */
	if (!uv_is_closing((uv_handle_t *)&link->tcp) &&
	    !(link->silent && uv_tcp_close_reset(&link->tcp, on_closed) == 0))
		uv_close((uv_handle_t *)&link->tcp, on_closed);
	if (!uv_is_closing((uv_handle_t *)&link->timer))
		uv_close((uv_handle_t *)&link->timer, on_closed);
}

static void on_timer(uv_timer_t *timer);

static void timer_set(struct link *link, uint64_t delay_ms)
{
	link->due_ms = uv_now(link->owner->loop) + delay_ms;
	(void)uv_timer_start(&link->timer, on_timer, delay_ms, 0);
}

/* After link_end(): once all is written, tell the peer that nothing follows. */
static void shut_if_sent(struct link *link)
{
	if (link->phase != LINK_CLOSING || link->writing || link->shut)
		return;
	link->shut = true;
	if (uv_shutdown(&link->shutdown, (uv_stream_t *)&link->tcp, NULL) < 0)
		close_handles(link);
}

static void send_output(struct link *link);

static void on_written(uv_write_t *request, int status)
{
	struct link *link = request->data;

	link->writing = false;
	if (status < 0) {
		if (link->phase == LINK_CLOSING)
			close_handles(link);
		else
			link_end(link, status, uv_strerror(status));
		return;
	}
	if (link->phase == LINK_CLOSING) {
		send_output(link);
		shut_if_sent(link);
		return;
	}
	link_pump(link);
}

/* What stands in the output goes to the socket; what the socket does not take is left to libuv. */
static void send_output(struct link *link)
{
	if (link->writing || tls_output_size(link->wire->tls) == 0)
		return;
	tls_swap_output(link->wire->tls, &link->out);
	uv_buf_t buf = uv_buf_init((char *)link->out.data, (unsigned int)link->out.size);
	int n = uv_try_write((uv_stream_t *)&link->tcp, &buf, 1);

	if (n < 0 && n != UV_EAGAIN) {
		link_end(link, n, uv_strerror(n));
		return;
	}
	size_t done = n > 0 ? (size_t)n : 0;
	link->sent_bytes += link->out.size;
	if (done == link->out.size)
		return;
	buf = uv_buf_init((char *)link->out.data + done, (unsigned int)(link->out.size - done));
	link->write.data = link;
	n = uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written);
	link->writing = n == 0;
	if (n < 0)
		link_end(link, n, uv_strerror(n));
}

/* The next frame of the highest class that has one and may send it. False: there is none. */
static bool put_next(struct link *link, uint64_t sent[NET_CLASSES], int *ret_error)
{
	for (size_t c = 0; c < NET_CLASSES; c++) {
		struct outgoing *m = link->ready[c].first;

		if (!m || (link->offset[c] == 0 && link->credit[c] < FRAME_COST(m->size)))
			continue;
		if (link->offset[c] == 0)
			link->credit[c] -= FRAME_COST(m->size);
		struct wire_frame frame = {
			.type = m->type,
			.class = m->class,
			.skippable = m->skippable,
			.body = m->body,
			.total = m->size,
			.offset = link->offset[c],
		};
		int n = wire_put(link->wire, &frame);
		if (n < 0) {
			*ret_error = n;
			return false;
		}
		link->offset[c] += (uint32_t)n;
		if (link->offset[c] < m->size)
			return true;
		link->offset[c] = 0;
		link->ready[c].first = m->next;
		if (!m->next)
			link->ready[c].last = &link->ready[c].first;
		sent[c] += FRAME_COST(m->size);
		free(m);
		return true;
	}
	return false;
}

void link_pump(struct link *link)
{
	uint64_t sent[NET_CLASSES] = {0};
	int error = 0;
	bool more = true;

	if (link->phase == LINK_UP)
		sendq_take(&link->queue, link->ready);
	for (int round = 0; round < PUMP_ROUNDS && more && !link->writing; round++) {
		more = link->phase == LINK_UP;
		while (more && tls_output_size(link->wire->tls) < OUT_MAX)
			more = put_next(link, sent, &error);
		if (error == 0)
			error = wire_flush(link->wire);
		if (error < 0) {
			link_end(link, error, tls_reason(link->wire->tls));
			return;
		}
		send_output(link);
		if (link->phase == LINK_CLOSING)
			return;
	}
	if (more && !link->writing)
		link->owner->again(link->owner->arg, link);
	for (size_t c = 0; c < NET_CLASSES && link->phase == LINK_UP; c++) {
		if (sent[c] && sendq_sent(&link->queue, (enum net_class)c, sent[c]))
			link->owner->writable(link->owner->arg, link, (enum net_class)c);
	}
}

void link_say(struct link *link, uint16_t type, const void *body, size_t size)
{
	if (link->phase != LINK_GREETING && link->phase != LINK_UP)
		return;
	int r = wire_send(link->wire, type, body, size);
	if (r < 0) {
		link_end(link, r, tls_reason(link->wire->tls));
		return;
	}
	if (tls_output_size(link->wire->tls) > OUT_HARD_MAX) {
		link_end(link, MA_ELIMIT, "it does not read what it is sent");
		return;
	}
	send_output(link);
}

static void ping(struct link *link)
{
	uint8_t body[8];
	struct wr w = wr_init(body, sizeof(body));

	wr_u64(&w, uv_hrtime());
	link->pinged_ms = uv_now(link->owner->loop);
	link_say(link, MESSAGE_PING, body, sizeof(body));
}

static void on_pong(struct link *link, const struct net_message *message)
{
	struct rd r = rd_init(message->body, message->size);
	uint64_t then = rd_u64(&r);
	uint64_t now = uv_hrtime();

	/* What is not one of ours gives no time, and nothing worse. */
	if (r.failed || then > now || now - then > 60ull * 1000000000)
		return;
	uint64_t us = (now - then) / 1000 + 1;
	/* The shortest of late: a busy moment at either end is not the network's. */
	if (link->rtt_us == 0 || us < link->rtt_us)
		link->rtt_us = (uint32_t)us;
	else
		link->rtt_us += (uint32_t)(us - link->rtt_us) / 8;
}

static void up_tick(struct link *link, uint64_t now)
{
	uint64_t silence = now - link->heard_ms;

	if (now > link->due_ms + STALL_MS) {
		/* Perhaps the peer's bytes wait in the socket, perhaps they do not: ask again. */
		link->heard_ms = now;
		silence = 0;
		ping(link);
	}
	if (silence >= LINK_SILENCE_MS) {
		link->silent = true;
		link_end(link, -ETIMEDOUT, "nothing heard for 3 s");
		return;
	}
	if (silence >= LINK_PING_MS - 100 || now - link->pinged_ms >= RTT_EVERY_MS)
		ping(link);
	if (link->phase != LINK_UP)
		return;
	if (!link->writing && link->out.room > OUT_KEEP) {
		for (int i = 0; i < 2; i++) {
			free(link->out.data);
			link->out = (struct tls_buffer){0};
			if (tls_output_size(link->wire->tls) == 0)
				tls_swap_output(link->wire->tls, &link->out);
		}
	}
	uint64_t left = LINK_SILENCE_MS - silence;
	timer_set(link, left < LINK_PING_MS ? left : LINK_PING_MS);
}

static void on_timer(uv_timer_t *timer)
{
	struct link *link = timer->data;

	switch (link->phase) {
	case LINK_CONNECTING:
		link_end(link, -ETIMEDOUT, "no answer");
		break;
	case LINK_SHAKING:
	case LINK_GREETING:
		link_end(link, -ETIMEDOUT, "no handshake in time");
		break;
	case LINK_UP:
		up_tick(link, uv_now(link->owner->loop));
		break;
	case LINK_CLOSING:
		close_handles(link);
		break;
	}
}

static void on_credit(struct link *link, const struct net_message *message)
{
	struct credit credit;

	if (credit_decode(message->body, message->size, &credit) < 0) {
		link_part(link, GOODBYE_PROTOCOL, "a malformed message");
		return;
	}
	for (size_t c = 0; c < NET_CLASSES; c++) {
		link->credit[c] += credit.bytes[c];
		/* More than there can be: a peer that grants without end gains nothing by it. */
		if (link->credit[c] > NET_CREDIT_BYTES)
			link->credit[c] = NET_CREDIT_BYTES;
	}
}

static void on_message(struct link *link, struct net_message *message, bool skippable)
{
	if (link->phase != LINK_UP || message->type < MESSAGE_PING ||
	    message->type > MESSAGE_CREDIT) {
		link->owner->message(link->owner->arg, link, message, skippable);
		return;
	}
	if (message->type == MESSAGE_PING)
		link_say(link, MESSAGE_PONG, message->body, message->size < 8 ? message->size : 8);
	else if (message->type == MESSAGE_PONG)
		on_pong(link, message);
	else
		on_credit(link, message);
	free(message);
}

static const char *why(const struct link *link, int code)
{
	const char *reason = tls_reason(link->wire->tls);

	if (reason[0])
		return reason;
	if (code == MA_ELIMIT)
		return "sends more than it was granted";
	if (code == -EPIPE)
		return "connection closed";
	return "not a message of this protocol";
}

static void fault(struct link *link, int code)
{
	const char *reason = why(link, code);

	/* The other side should know, or it would be back at once. */
	if (link->phase == LINK_UP && (code == MA_ECORRUPT || code == MA_ELIMIT))
		link_part(link, GOODBYE_PROTOCOL, reason);
	else
		link_end(link, code, reason);
}

static void receive(struct link *link, const uint8_t *data, size_t size)
{
	wire_feed(link->wire, data, size);
	for (;;) {
		struct net_message *message = NULL;
		bool skippable = false;
		int r = wire_next(link->wire, &message, &skippable);

		if (link->wire->shaken && link->phase == LINK_SHAKING) {
			link->phase = LINK_GREETING;
			link->owner->shaken(link->owner->arg, link);
		}
		if (link->phase == LINK_CLOSING) {
			free(message);
			return;
		}
		if (r < 0) {
			fault(link, r);
			return;
		}
		if (r == 0)
			break;
		on_message(link, message, skippable);
		if (link->phase == LINK_CLOSING)
			return;
	}
	link_pump(link);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct link *link = handle->data;

	(void)suggested;
	*ret = uv_buf_init((char *)link->owner->read_buffer, LINK_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct link *link = stream->data;

	if (size == 0)
		return;
	if (link->phase == LINK_CLOSING) {
		if (size < 0)
			close_handles(link);
		return;
	}
	if (size < 0) {
		link_end(link, (int)size,
			 size == UV_EOF ? "connection closed" : uv_strerror((int)size));
		close_handles(link); /* nobody is left to read a last word */
		return;
	}
	link->received_bytes += (uint64_t)size;
	link->heard_ms = uv_now(link->owner->loop);
	receive(link, (const uint8_t *)buf->base, (size_t)size);
}

static enum tls_verdict on_check(void *arg, enum tls_purpose purpose,
				 const uint8_t key[KEY_PUBLIC_SIZE])
{
	struct link *link = arg;

	return link->owner->check(link->owner->arg, link, purpose, key);
}

/* Low latency, and death noticed by the kernel too, where our own pings do not reach. */
static void socket_setup(struct link *link)
{
	uv_os_fd_t fd;
	int lowat = UNSENT_MAX;
	unsigned int timeout = USER_TIMEOUT_MS;

	(void)uv_tcp_nodelay(&link->tcp, 1);
	(void)uv_tcp_keepalive(&link->tcp, 1, 5);
	if (uv_fileno((uv_handle_t *)&link->tcp, &fd) < 0)
		return;
	/* Bulk waits here, where a control frame may pass it, not in the socket. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static int link_new(struct link_owner *owner, bool dialed, struct link **ret)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	struct tls_config config = {
		.context = owner->context,
		.server = !dialed,
		.purpose = TLS_LINK,
		.check = on_check,
		.arg = link,
	};
	int r = wire_new(&config, &link->wire);
	if (r == 0)
		r = uv_tcp_init(owner->loop, &link->tcp);
	if (r < 0) {
		wire_free(link->wire);
		free(link);
		return r;
	}
	(void)uv_timer_init(owner->loop, &link->timer);
	link->tcp.data = link;
	link->timer.data = link;
	link->handles = 2;
	link->owner = owner;
	link->dialed = dialed;
	link->heard_ms = uv_now(owner->loop);
	sendq_init(&link->queue);
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_init(&link->ready[c]);
	DL_APPEND(owner->links, link);
	*ret = link;
	return 0;
}

/* Now, for it can't be asked any more when the other end has gone. */
static void note_address(struct link *link)
{
	struct sockaddr_storage from = {0};
	int length = sizeof(from);
	uint16_t port;

	if (uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&from, &length) < 0)
		return;
	if (from.ss_family == AF_INET) {
		port = ((struct sockaddr_in *)&from)->sin_port;
		(void)uv_ip4_name((struct sockaddr_in *)&from, link->host, sizeof(link->host));
	} else {
		port = ((struct sockaddr_in6 *)&from)->sin6_port;
		(void)uv_ip6_name((struct sockaddr_in6 *)&from, link->host, sizeof(link->host));
	}
	/* A listener on [::] shows IPv4 so. */
	if (strncmp(link->host, "::ffff:", 7) == 0 && strchr(link->host, '.'))
		memmove(link->host, link->host + 7, strlen(link->host + 7) + 1);
	address_join(link->host, ntohs(port), link->address, sizeof(link->address));
}

static void start(struct link *link)
{
	note_address(link);
	link->phase = LINK_SHAKING;
	/* Who dials has others to try, and itself again. */
	uint32_t limit_ms = link->owner->handshake_ms;
	timer_set(link, link->dialed && limit_ms > LINK_SILENCE_MS ? LINK_SILENCE_MS : limit_ms);
	socket_setup(link);
	int r = uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
	if (r < 0)
		link_end(link, r, uv_strerror(r));
	else
		receive(link, NULL, 0); /* a client speaks first */
}

static void on_connected(uv_connect_t *request, int status)
{
	struct link *link = request->data;

	if (link->phase == LINK_CLOSING)
		return;
	if (status < 0)
		link_end(link, status, uv_strerror(status));
	else
		start(link);
}

int link_dial(struct link_owner *owner, const struct sockaddr *to, uint16_t node,
	      uint32_t connect_ms, struct link **ret)
{
	struct link *link;
	int r = link_new(owner, true, &link);

	if (r < 0)
		return r;
	link->node = node;
	link->connect.data = link;
	r = uv_tcp_connect(&link->connect, &link->tcp, to, on_connected);
	if (r < 0) {
		link_kill(link);
		return r;
	}
	timer_set(link, connect_ms);
	*ret = link;
	return 0;
}

int link_accept(struct link_owner *owner, uv_stream_t *listener, struct link **ret)
{
	struct link *link;
	int r = link_new(owner, false, &link);

	if (r < 0)
		return r;
	r = uv_accept(listener, (uv_stream_t *)&link->tcp);
	if (r < 0) {
		link_kill(link);
		return r;
	}
	*ret = link;
	start(link);
	return 0;
}

void link_set_up(struct link *link)
{
	assert(link->phase == LINK_GREETING);
	link->phase = LINK_UP;
	link->wire->in.total_max = NET_BODY_MAX;
	timer_set(link, LINK_PING_MS);
	ping(link);
}

void link_grant(struct link *link, const struct credit *credit)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));

	for (size_t c = 0; c < NET_CLASSES; c++)
		link->wire->in.window[c] += credit->bytes[c];
	credit_encode(credit, &w);
	assert(!w.failed);
	link_say(link, MESSAGE_CREDIT, body, wr_used(&w));
}

void link_end(struct link *link, int code, const char *reason)
{
	enum link_phase phase = link->phase;
	bool linger =
		phase != LINK_CONNECTING && !link->silent && link->owner->lingering < LINGERING_MAX;

	if (phase == LINK_CLOSING)
		return;
	link->phase = LINK_CLOSING;
	link->owner->lingering++;
	if (linger) {
		/* Closing now could make the kernel throw away our last word, and with it the
		 * reason. */
		timer_set(link, LINK_LINGER_MS);
		send_output(link);
		shut_if_sent(link);
	} else {
		close_handles(link);
	}
	link->owner->ended(link->owner->arg, link, phase, code, reason);
}

void link_part(struct link *link, enum goodbye_code code, const char *text)
{
	struct goodbye goodbye = {.code = (uint16_t)code};
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));

	(void)snprintf(goodbye.text, sizeof(goodbye.text), "%s", text);
	goodbye_encode(&goodbye, &w);
	link_say(link, MESSAGE_GOODBYE, body, wr_used(&w));
	link_end(link, goodbye_error(goodbye.code), text);
}

void link_kill(struct link *link)
{
	if (link->phase != LINK_CLOSING) {
		link->phase = LINK_CLOSING;
		link->owner->lingering++;
	}
	close_handles(link);
}
