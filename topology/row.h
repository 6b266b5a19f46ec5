/* SPDX-License-Identifier: Apache-2.0
 * A row: what one node says of itself and of whom it hears, signed by it. All rows are the matrix.
 * The caller owns all buffers.
 * Any thread; pure.
 * Invariant: of two rows of one node the order is total: by incarnation, then by sequence number;
 * nobody but the node itself can make one.
 */
#ifndef TOPOLOGY_ROW_H
#define TOPOLOGY_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"
#include "topology/tns.h"

/* Flags; those of a newer version are kept and mean nothing here. */
#define ROW_STOPPING 1u /* it ends in order */
#define ROW_DRAINED  2u /* it has given away what it had, and may be stopped */
#define ROW_WITNESS  4u /* it holds no data: it is there to tell a crash from a cut */

#define ROW_EDGE_SIZE 3
#define ROW_BODY_MAX                                                                               \
	(1 + 2 + 4 + 4 + 8 + 1 + 1 + 2 + TNS_LOCATION_MAX + 2 + ROW_EDGE_SIZE * TNS_NODES_MAX)
#define ROW_SIZE_MAX (ROW_BODY_MAX + SIGNATURE_SIZE)

struct row_edge {
	uint16_t node;
	uint8_t edge; /* enum tns_edge */
	uint8_t rtt;  /* hear_rtt_class() */
};

struct row {
	uint16_t node;
	uint32_t incarnation; /* grows with each start of the daemon */
	uint32_t seq;         /* grows with each change of the row */
	uint64_t boot;        /* random, of each start */
	uint8_t flags;
	uint8_t health;
	char location[TNS_LOCATION_MAX +
		      1]; /* "site/room/rack/host", or less of it; may be empty */
	uint16_t count;
	struct row_edge edges[TNS_NODES_MAX]; /* in order of node */
};

/* Bytes and signature; `ret` takes ROW_SIZE_MAX. Returns the size. */
size_t row_seal(const struct row *row, const struct keypair *key, uint8_t *ret);
/* Decodes, without looking at the signature. MA_ECORRUPT for what no version writes. */
MUST_CHECK int row_decode(const void *data, size_t size, struct row *ret);
/* MA_ESIG unless the holder of this key has signed it. */
MUST_CHECK int row_verify(const void *data, size_t size, const uint8_t key[KEY_PUBLIC_SIZE]);

/* True if `a` replaces `b`. */
bool row_newer(const struct row *a, const struct row *b);
/* What the row says of that node; TNS_EDGE_NONE if nothing. */
enum tns_edge row_edge_to(const struct row *row, uint16_t node);
uint8_t row_rtt_to(const struct row *row, uint16_t node);

#endif
