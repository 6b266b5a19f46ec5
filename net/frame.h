/* SPDX-License-Identifier: Apache-2.0
 * Bytes <-> messages: a message travels as frames of at most 64 KiB, so that a large one of a low
 * class holds up a higher class for one frame only.
 * frame_in owns the messages that it is putting together and hands over finished ones.
 * One thread at a time; no I/O.
 * Invariant: every limit is checked before memory is taken; at most one message per class is open,
 * and one of the net's own, which may come between the frames of any other.
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "net/net.h"

#define FRAME_HEAD_SIZE   12
#define FRAME_PAYLOAD_MAX (64u << 10)

#define FRAME_FIRST     1u /* the first of a message */
#define FRAME_LAST      2u /* the last of a message */
#define FRAME_SKIPPABLE 4u /* who does not know the type may store it unread */
#define FRAME_KNOWN     (FRAME_FIRST | FRAME_LAST | FRAME_SKIPPABLE)

/* On the wire: u32 length of what follows it (8 + payload), u16 type, u8 class, u8 flags, u32 size
 * of the whole message, payload. */
struct frame_head {
	uint32_t payload;
	uint16_t type;
	uint8_t class;
	uint8_t flags;
	uint32_t total;
};

void frame_head_write(const struct frame_head *head, uint8_t ret[FRAME_HEAD_SIZE]);
/* MA_ECORRUPT for what no version writes. */
MUST_CHECK int frame_head_read(const uint8_t data[FRAME_HEAD_SIZE], struct frame_head *ret);

/* What one message takes of the credit: its body, and something for its being there at all. */
#define FRAME_COST(size) ((uint64_t)(size) + 64)

/* One open message per class, and one of the net's own types. */
#define FRAME_SLOTS (NET_CLASSES + 1)

struct frame_in {
	uint32_t total_max;           /* largest message now; small until the peer is known */
	uint64_t window[NET_CLASSES]; /* what the peer may still send; the net's own types are free
				       */
	struct net_message *open[FRAME_SLOTS];
	uint32_t filled[FRAME_SLOTS];
	uint8_t skippable[FRAME_SLOTS];
	uint8_t head_bytes[FRAME_HEAD_SIZE];
	size_t head_filled;
	struct frame_head head; /* of the frame that is coming in, once head_filled is full */
	uint32_t payload_left;
};

void frame_in_init(struct frame_in *in, uint32_t total_max);
void frame_in_done(struct frame_in *in);

/* Where the next bytes of the stream belong; *ret_size is never 0. */
void frame_in_want(struct frame_in *in, uint8_t **ret_at, size_t *ret_size);

/* That many bytes (1 to what was wanted) are there now. Returns 1 with a finished message, owned
 * by the caller; 0: more is needed; negative: refuse this peer. `ret_skippable` as the sender
 * marked it. */
MUST_CHECK int frame_in_got(struct frame_in *in, size_t size, struct net_message **ret,
			    bool *ret_skippable);

#endif
