/* SPDX-License-Identifier: Apache-2.0
 * A beat: what a node tells one peer twice a second, that it is there, and how it sees the fleet.
 * A decoded beat borrows the row's bytes.
 * Any thread; pure.
 * Invariant: it goes one way and is answered by nothing; round trips come from the stamps of beats
 * that go the other way anyhow. It fits one datagram.
 */
#ifndef TOPOLOGY_BEAT_H
#define TOPOLOGY_BEAT_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "topology/row.h"

#define BEAT_HEAD_SIZE 37
#define BEAT_SIZE_MAX  (BEAT_HEAD_SIZE + 2 + ROW_SIZE_MAX)

struct beat {
	uint32_t incarnation, seq;           /* of the sender's own row */
	uint32_t have_incarnation, have_seq; /* of the receiver's row that the sender has */
	uint64_t hash;                       /* of the topology that the sender sees */
	uint32_t sent_us;                    /* by the sender's clock; wraps */
	uint32_t echo_us;                    /* sent_us of the last beat of the receiver */
	uint32_t held_us;                    /* how long ago that came; UINT32_MAX: none yet */
	const uint8_t *row;                  /* sealed; NULL: the receiver has it already */
	size_t row_size;
};

/* Returns the size; `ret` takes BEAT_SIZE_MAX. */
size_t beat_encode(const struct beat *beat, uint8_t *ret);
MUST_CHECK int beat_decode(const void *data, size_t size, struct beat *ret);

#endif
