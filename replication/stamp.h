/* SPDX-License-Identifier: Apache-2.0
 * Stamps name changes; vectors say which changes a node has. See docs/decisions/0004-stamps.md.
 * Plain values, owned by whoever holds them. No errors but a full vector.
 * Any thread.
 * Invariant: a change made after another was seen has the greater sequence number, so that
 * (sequence, slot) is a total order which never contradicts cause and effect.
 */
#ifndef REPLICATION_STAMP_H
#define REPLICATION_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

/* 16-bit slot (node incarnation) and 48-bit sequence number. Also the id of what it created. */
typedef uint64_t stamp_t;

#define STAMP_SEQ_BITS    48
#define STAMP_SEQ_MAX     ((UINT64_C(1) << STAMP_SEQ_BITS) - 1)
#define SLOT_INCARNATIONS 64 /* slot = node number * 64 + incarnation */

static inline uint16_t stamp_slot(stamp_t s)
{
	return (uint16_t)(s >> STAMP_SEQ_BITS);
}

static inline uint64_t stamp_seq(stamp_t s)
{
	return s & STAMP_SEQ_MAX;
}

static inline stamp_t stamp_make(uint16_t slot, uint64_t seq)
{
	return (uint64_t)slot << STAMP_SEQ_BITS | (seq & STAMP_SEQ_MAX);
}

/* Total order of changes: later sequence number, then higher slot. */
static inline bool stamp_after(stamp_t a, stamp_t b)
{
	if (stamp_seq(a) != stamp_seq(b))
		return stamp_seq(a) > stamp_seq(b);
	return stamp_slot(a) > stamp_slot(b);
}

static inline uint16_t slot_node(uint16_t slot)
{
	return slot / SLOT_INCARNATIONS;
}

/* Sequence numbers follow the wall clock in steps of 1/64 ms since 2020, and never stand still. */
uint64_t seq_from_wall(int64_t wall_ns);
/* The same, but never later than the time that passed since a moment at which others agreed that it
 * was `vouched`: what is written while this clock is a year ahead must not win for a year. 0:
 * nobody did. */
#define STAMP_SLACK_MS 10 /* two clocks are not read at the same moment */
uint64_t seq_from_clocks(int64_t wall_ns, uint64_t vouched, uint64_t passed_ms);
int64_t seq_to_wall(uint64_t seq);

/* A vector holds, per slot, the highest sequence number of which everything up to it is there. */
#define VECTOR_MAX 256

struct vector {
	uint16_t count;
	struct {
		uint16_t slot;
		uint64_t seq;
	} entries[VECTOR_MAX]; /* in order of slot; only the first `count` mean anything */
};

#define VECTOR_WIRE_MAX (2 + VECTOR_MAX * 10)

void vector_init(struct vector *v);
void vector_copy(struct vector *to, const struct vector *from);
/* 0 for a slot that is not in it. */
uint64_t vector_get(const struct vector *v, uint16_t slot);
/* Raises the slot to at least seq. MA_ELIMIT when VECTOR_MAX slots are in use. */
MUST_CHECK int vector_raise(struct vector *v, uint16_t slot, uint64_t seq);
MUST_CHECK int vector_merge(struct vector *v, const struct vector *other);
/* Lowers to what is in both. */
void vector_meet(struct vector *v, const struct vector *other);
bool vector_covers(const struct vector *v, stamp_t stamp);
/* Everything in `part` is in `v`. */
bool vector_contains(const struct vector *v, const struct vector *part);
bool vector_equal(const struct vector *a, const struct vector *b);
void vector_write(struct wr *w, const struct vector *v);
/* Fails the reader on disorder, doubles or too many. */
void vector_read(struct rd *r, struct vector *ret);

#endif
