/* SPDX-License-Identifier: Apache-2.0
 * Datagrams of TNS: XChaCha20-Poly1305 under a key of this pair, this direction and this TLS
 * session; each counter is taken once.
 * Callers own keys and windows; wipe keys by crypto_wipe().
 * One thread per key; pure.
 * Invariant: no nonce is used twice under a key: it is sender, boot id and counter, and the key
 * belongs to this boot of both ends.
 */
#ifndef TOPOLOGY_SEAL_H
#define TOPOLOGY_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"

#define SEAL_HEAD_SIZE    32 /* in clear, and authenticated */
#define SEAL_OVERHEAD     (SEAL_HEAD_SIZE + AEAD_TAG_SIZE)
#define SEAL_DATAGRAM_MAX 1200 /* fits the least that IPv6 carries */
#define SEAL_TEXT_MAX     (SEAL_DATAGRAM_MAX - SEAL_OVERHEAD)
#define SEAL_WINDOW_BITS  1024
#define SEAL_SECRET_SIZE  (2 * AEAD_KEY_SIZE) /* of one session: both directions */

struct seal_out {
	uint8_t key[AEAD_KEY_SIZE];
	uint64_t boot; /* ours */
	uint64_t counter;
	uint16_t from, to;
};

struct seal_in {
	uint8_t key[AEAD_KEY_SIZE];
	uint64_t boot; /* theirs */
	uint16_t from, to;
	uint64_t top; /* highest counter taken */
	uint64_t seen[SEAL_WINDOW_BITS / 64];
};

/* What both ends know of the session becomes the two keys: the first half is for the datagrams of
 * the node with the lower number. */
struct seal_pair {
	uint16_t own, peer;
	uint64_t own_boot, peer_boot;
};
void seal_init(const uint8_t secret[SEAL_SECRET_SIZE], const struct seal_pair *pair,
	       struct seal_out *ret_out, struct seal_in *ret_in);

/* The datagram for `size` (at most SEAL_TEXT_MAX) bytes; returns its size. */
size_t seal_close(struct seal_out *out, const void *text, size_t size,
		  uint8_t ret[SEAL_DATAGRAM_MAX]);

/* Who sent it, as it says itself; 0 for what no version sends to this node. Cheap, proves nothing.
 */
uint16_t seal_sender(const void *datagram, size_t size, uint16_t own);

/* The text, at most SEAL_TEXT_MAX bytes; returns its size. MA_ECORRUPT, MA_ESIG (not from this
 * peer, session and boot, or changed), -EALREADY (seen before, or too old to tell). */
MUST_CHECK int seal_open(struct seal_in *in, const void *datagram, size_t size,
			 uint8_t ret[SEAL_TEXT_MAX]);

#endif
