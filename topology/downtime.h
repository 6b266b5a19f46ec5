/* SPDX-License-Identifier: Apache-2.0
 * A planned downtime: what somebody has announced for one node, signed by the node it was said on.
 * The caller owns all buffers.
 * Any thread; pure.
 * Invariant: of two downtimes of one node the order is total; each ends by itself, at the latest
 * some minutes after `for_s`, whatever the clocks say.
 */
#ifndef TOPOLOGY_DOWNTIME_H
#define TOPOLOGY_DOWNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"

#define DOWNTIME_REASON_MAX 120
#define DOWNTIME_FOR_MAX_S  (90u * 86400)
#define DOWNTIME_SIZE_MAX   (1 + 2 + 8 + 1 + 2 + 8 + 4 + 2 + DOWNTIME_REASON_MAX + SIGNATURE_SIZE)

enum downtime_kind {
	DOWNTIME_NONE = 0, /* resumed, or over */
	DOWNTIME_CORDON = 1,
	DOWNTIME_DRAIN = 2,
	DOWNTIME_MAINTENANCE = 3,
};

struct downtime {
	uint16_t node;
	uint64_t version; /* 0: none was ever set */
	uint8_t kind;
	uint16_t author; /* the node on which it was said, whose signature it bears */
	uint64_t set_s;  /* seconds since 1970, for people and to know its end after a restart */
	uint32_t for_s;
	char reason[DOWNTIME_REASON_MAX + 1]; /* UTF-8, without control characters */
};

/* Bytes and signature by the author's key; `ret` takes DOWNTIME_SIZE_MAX. Returns the size. */
size_t downtime_seal(const struct downtime *downtime, const struct keypair *key, uint8_t *ret);
MUST_CHECK int downtime_decode(const void *data, size_t size, struct downtime *ret);
MUST_CHECK int downtime_verify(const void *data, size_t size, const uint8_t key[KEY_PUBLIC_SIZE]);

/* True if `a` replaces `b`: the higher version; then the stricter kind; then the higher author. */
bool downtime_newer(const struct downtime *a, const struct downtime *b);
/* How many seconds are left at `wall_s`, of a clock that may be wrong: never more than for_s. */
uint32_t downtime_left_s(const struct downtime *downtime, uint64_t wall_s);
bool downtime_reason_valid(const char *text);

#endif
