/* SPDX-License-Identifier: Apache-2.0
 * One connection without its socket: frames inside TLS. Bytes from the network in, messages out;
 * messages in, bytes for the network out. Links, joins and tests put it on their sockets.
 * A wire owns its tls, its open messages and its output.
 * One thread at a time; no I/O.
 * Invariant: after an error nothing more is read; the output may still hold an alert to send.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "net/frame.h"
#include "net/net.h"
#include "net/tls.h"

/* Until the peer is known and agreed with, messages are this small; then NET_BODY_MAX. */
#define WIRE_EARLY_MAX 1024u

struct wire {
	struct tls *tls;
	bool shaken; /* the handshake is done */
	struct frame_in in;
	uint8_t stage[TLS_RECORD_MAX]; /* small frames gathered into one record */
	size_t staged;
};

MUST_CHECK int wire_new(const struct tls_config *config, struct wire **ret);
void wire_free(struct wire *wire);

/* Bytes from the network, borrowed until wire_next() has returned 0 or failed. */
void wire_feed(struct wire *wire, const void *data, size_t size);

/* 1 with a message, owned by the caller; 0 when all input is used up; -EPIPE: ended by the peer;
 * MA_EREFUSED, MA_ECORRUPT, MA_ELIMIT: refuse it. Moves the handshake on, too. */
MUST_CHECK int wire_next(struct wire *wire, struct net_message **ret, bool *ret_skippable);

/* Writes one frame of a message: `payload` bytes from `body` + `offset` of `total`. */
struct wire_frame {
	uint16_t type;
	uint8_t class;
	bool skippable;
	const uint8_t *body;
	uint32_t total;
	uint32_t offset;
};
/* Returns how many bytes of the body went; the output has them after wire_flush(). */
MUST_CHECK int wire_put(struct wire *wire, const struct wire_frame *frame);
MUST_CHECK int wire_flush(struct wire *wire);

/* A whole small message of the net's own (control class), and out with it. */
MUST_CHECK int wire_send(struct wire *wire, uint16_t type, const void *body, size_t size);

#endif
