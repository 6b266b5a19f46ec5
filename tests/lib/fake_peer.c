/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"

static void fail(const char *what)
{
	perror(what);
	abort();
}

void fake_connect(struct fake *fake, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 30};

	memset(fake, 0, sizeof(*fake));
	fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake->fd < 0 || connect(fake->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("fake_connect");
	(void)setsockopt(fake->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fake->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

void fake_close(struct fake *fake)
{
	wire_free(fake->wire);
	tls_context_free(fake->context);
	if (fake->fd >= 0)
		(void)close(fake->fd);
	memset(fake, 0, sizeof(*fake));
	fake->fd = -1;
}

void fake_raw(struct fake *fake, const void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(fake->fd, (const char *)data + done, size - done, MSG_NOSIGNAL);

		/* Refused while we were still talking: what the caller looks for. */
		if (n < 0)
			return;
		done += (size_t)n;
	}
}

static void flush(struct fake *fake)
{
	struct tls_buffer out = {0};

	tls_swap_output(fake->wire->tls, &out);
	fake_raw(fake, out.data, out.size);
	free(out.data);
}

/* As wire_next(), with reading; -ECONNRESET at the end of the stream. */
static int next(struct fake *fake, struct net_message **ret, bool until_shaken)
{
	bool skippable;
	int r = wire_next(fake->wire, ret, &skippable);

	for (;;) {
		flush(fake);
		if (r != 0 || (until_shaken && fake->wire->shaken))
			return r;
		ssize_t n = recv(fake->fd, fake->input, sizeof(fake->input), 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			fail("fake: nothing came for 30 s");
		if (n <= 0)
			return -ECONNRESET;
		wire_feed(fake->wire, fake->input, (size_t)n);
		r = wire_next(fake->wire, ret, &skippable);
	}
}

static enum tls_verdict check(void *arg, enum tls_purpose purpose,
			      const uint8_t key[KEY_PUBLIC_SIZE])
{
	(void)arg;
	(void)purpose;
	(void)key;
	return TLS_ALLOW;
}

int fake_tls(struct fake *fake, const struct keypair *key, enum tls_purpose purpose)
{
	struct net_message *message = NULL;

	if (tls_context_new(key, &fake->context) < 0)
		fail("fake_tls");
	struct tls_config config = {.context = fake->context, .purpose = purpose, .check = check};
	if (wire_new(&config, &fake->wire) < 0)
		fail("fake_tls");
	fake->wire->in.total_max = NET_BODY_MAX;
	for (size_t c = 0; c < NET_CLASSES; c++)
		fake->wire->in.window[c] = UINT32_MAX;
	return next(fake, &message, true);
}

void fake_inside(struct fake *fake, const void *data, size_t size)
{
	if (tls_write(fake->wire->tls, data, size) < 0)
		fail("fake_inside");
	flush(fake);
}

void fake_message(struct fake *fake, uint16_t type, uint8_t class, bool skippable, const void *body,
		  uint32_t size)
{
	struct wire_frame frame = {
		.type = type, .class = class, .skippable = skippable, .body = body, .total = size};

	do {
		int n = wire_put(fake->wire, &frame);

		if (n < 0)
			fail("fake_message");
		frame.offset += (uint32_t)n;
	} while (frame.offset < size);
	if (wire_flush(fake->wire) < 0)
		fail("fake_message");
	flush(fake);
}

struct hello fake_good_hello(uint16_t node)
{
	return (struct hello){.version_min = WIRE_VERSION_MIN,
			      .version_max = WIRE_VERSION_MAX,
			      .features = WIRE_FEATURES,
			      .node = node,
			      .wall_ns = clock_wall_ns(),
			      .instance = 1};
}

void fake_hello(struct fake *fake, const struct hello *hello)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));

	fake->instance = hello->instance;
	hello_encode(hello, &w);
	fake_message(fake, MESSAGE_HELLO, NET_CONTROL, false, body, (uint32_t)wr_used(&w));
}

struct net_message *fake_next(struct fake *fake)
{
	struct net_message *message = NULL;

	return next(fake, &message, false) == 1 ? message : NULL;
}

struct net_message *fake_await(struct fake *fake, uint16_t type)
{
	for (;;) {
		struct net_message *message = fake_next(fake);

		if (!message || message->type == type)
			return message;
		free(message);
	}
}

void fake_await_end(struct fake *fake)
{
	char buffer[4096];

	for (;;) {
		ssize_t n = recv(fake->fd, buffer, sizeof(buffer), 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			fail("fake: not ended within 30 s");
		if (n <= 0)
			return;
	}
}

bool fake_greet(struct fake *fake, uint16_t node)
{
	struct hello hello = fake_good_hello(node);

	fake_hello(fake, &hello);
	/* Higher nodes accept first; a lower one that does so too early would be refused, so wait
	 * for the other's word where it has to come first. */
	AUTO_FREE struct net_message *theirs = fake_await(fake, MESSAGE_HELLO);
	struct hello decoded;
	if (!theirs || hello_decode(theirs->body, theirs->size, &decoded) < 0)
		return false;
	if (decoded.node < node) {
		fake_message(fake, MESSAGE_ACCEPT, NET_CONTROL, false, NULL, 0);
		AUTO_FREE struct net_message *accept = fake_await(fake, MESSAGE_ACCEPT);
		return accept != NULL;
	}
	AUTO_FREE struct net_message *accept = fake_await(fake, MESSAGE_ACCEPT);
	if (accept)
		fake_message(fake, MESSAGE_ACCEPT, NET_CONTROL, false, NULL, 0);
	return accept != NULL;
}
