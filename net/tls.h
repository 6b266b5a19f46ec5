/* SPDX-License-Identifier: Apache-2.0
 * The door to openssl: TLS 1.3 between two Ed25519 keys, without any certificate authority and
 * without I/O: bytes from the network go in, bytes for the network come out.
 * A tls owns its output buffer; input is borrowed until it is used up.
 * One thread per tls; a context may be shared.
 * Invariant: no application data passes before the check callback has allowed the peer's key.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/crypto.h"
#include "core/err.h"

#define TLS_RECORD_MAX                                                                             \
	16384 /* plain bytes of one record: tls_write() in such pieces wastes none                 \
	       */

/* What the connection is for; agreed by ALPN ("multiall/1", "multiall-join/1"). */
enum tls_purpose { TLS_LINK, TLS_JOIN };

enum tls_verdict { TLS_ALLOW, TLS_REFUSE_STRANGER, TLS_REFUSE_GONE };

struct tls_context;
struct tls;

/* A context for a node with this key; the certificate is made here. It lives until it and every
 * tls made of it are freed. */
MUST_CHECK int tls_context_new(const struct keypair *key, struct tls_context **ret);
void tls_context_free(struct tls_context *context);

struct tls_config {
	struct tls_context *context;
	bool server;
	enum tls_purpose purpose; /* as client; a server takes what the client asks for */
	/* Is the peer with this key, which it has, welcome? */
	enum tls_verdict (*check)(void *arg, enum tls_purpose purpose,
				  const uint8_t key[KEY_PUBLIC_SIZE]);
	void *arg;
};

MUST_CHECK int tls_new(const struct tls_config *config, struct tls **ret);
void tls_free(struct tls *tls);

/* Bytes from the network; borrowed until handshake or read ask for more. All former input must
 * have been used up. */
void tls_feed(struct tls *tls, const void *data, size_t size);

/* 1: done; 0: feed more (and send what has come out); MA_EREFUSED: one side refused the other's
 * key; MA_EUNKNOWN: it does not know ours; MA_ECORRUPT: not TLS, or not ours. */
MUST_CHECK int tls_handshake(struct tls *tls);

/* Bytes read; 0: feed more; -EPIPE: the peer has ended it; else as tls_handshake(). */
MUST_CHECK ssize_t tls_read(struct tls *tls, void *buf, size_t size);

/* Encrypts all of it into the output. */
MUST_CHECK int tls_write(struct tls *tls, const void *data, size_t size);

/* What is to be sent; swap the buffer out to send it while more is written. */
struct tls_buffer {
	uint8_t *data;
	size_t size;
	size_t room;
};
/* Gives the output and takes `empty` (zeroed, or one got here before and sent) in its place. */
void tls_swap_output(struct tls *tls, struct tls_buffer *buffer);
size_t tls_output_size(const struct tls *tls);

/* After the handshake. */
enum tls_purpose tls_purpose(const struct tls *tls);
void tls_peer_key(const struct tls *tls, uint8_t ret[KEY_PUBLIC_SIZE]);
/* 32 bytes that only the two ends of this connection can know (RFC 8446, 7.5). */
MUST_CHECK int tls_binding(struct tls *tls, uint8_t ret[32]);
/* 64 more, of another kind, for keys of datagrams between the two. */
MUST_CHECK int tls_secret(struct tls *tls, uint8_t ret[64]);

/* Why it failed, for a person; "" if it did not. */
const char *tls_reason(const struct tls *tls);

#endif
