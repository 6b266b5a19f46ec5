/* SPDX-License-Identifier: Apache-2.0
 * A node that does not keep to the rules: a blocking connection to a net, for tests that send what
 * no node of ours would.
 * The fake owns its socket and its TLS.
 * Test thread; each wait fails the test after 30 s.
 * Invariant: it sends exactly what it is told to.
 */
#ifndef TESTS_LIB_FAKE_PEER_H
#define TESTS_LIB_FAKE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/crypto.h"
#include "net/message.h"
#include "net/wire.h"

struct fake {
	int fd;
	struct tls_context *context;
	struct wire *wire;
	uint64_t instance;    /* of its last hello */
	uint8_t input[16384]; /* borrowed by the wire */
};

/* Connected by TCP, nothing said. */
void fake_connect(struct fake *fake, uint16_t port);
/* TLS as the node with this key. 0, or what the handshake ended with. */
int fake_tls(struct fake *fake, const struct keypair *key, enum tls_purpose purpose);
void fake_close(struct fake *fake);

/* Bytes on the socket; inside TLS. */
void fake_raw(struct fake *fake, const void *data, size_t size);
void fake_inside(struct fake *fake, const void *data, size_t size);
/* A message of any type, class and mark. */
void fake_message(struct fake *fake, uint16_t type, uint8_t class, bool skippable, const void *body,
		  uint32_t size);
void fake_hello(struct fake *fake, const struct hello *hello);
/* A hello that is in order. */
struct hello fake_good_hello(uint16_t node);

/* The next message, which the caller frees; NULL: the connection was ended. */
struct net_message *fake_next(struct fake *fake);
/* Reads until a message of this type; NULL: the connection was ended first. */
struct net_message *fake_await(struct fake *fake, uint16_t type);
/* Reads until the other side ends the connection. */
void fake_await_end(struct fake *fake);

/* Hello and accept, until the net counts us as up. True if it does. */
bool fake_greet(struct fake *fake, uint16_t node);

#endif
