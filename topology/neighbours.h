/* SPDX-License-Identifier: Apache-2.0
 * All that one node knows of the others, and what it does about it: evidence and rows in, beats,
 * news and changes of state out. The machine of TNS, without socket, clock and disk.
 * Owns its table; callbacks are called from within the calls and must not call back.
 * One thread. Times come in: microseconds of a clock that goes on during suspend.
 * Invariant: the same calls in the same order give the same output; only tick changes states.
 */
#ifndef TOPOLOGY_NEIGHBOURS_H
#define TOPOLOGY_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"
#include "topology/downtime.h"
#include "topology/hear.h"
#include "topology/row.h"
#include "topology/topology.h"

#define NEIGHBOURS_DIFFER_MS   1000          /* another hash for so long: exchange all we have */
#define NEIGHBOURS_TELL_MS     2000          /* that at most so often with one peer */
#define NEIGHBOURS_STEADY_MS   3000          /* back for so long: may be relied on again */
#define NEIGHBOURS_FLAP_MS     (600u * 1000) /* returns within this time count as flapping */
#define NEIGHBOURS_HOLD_MS     5000          /* the n-th is held out for 2^n of these, at most: */
#define NEIGHBOURS_HOLD_MAX_MS NEIGHBOURS_FLAP_MS
#define NEIGHBOURS_CLOCKS_S    300 /* members whose clocks are further apart do not connect */
#define NEIGHBOURS_EVENTS      64  /* changes that are remembered */

enum neighbours_news { NEIGHBOURS_ROW, NEIGHBOURS_DOWNTIME };

struct neighbours_io {
	void *arg;
	/* One beat to a peer, by whatever way is not reliable. */
	void (*beat)(void *arg, uint16_t to, const void *text, size_t size);
	/* Sealed bytes to a peer, over its connection. */
	void (*tell)(void *arg, uint16_t to, enum neighbours_news news, const void *data,
		     size_t size);
	void (*changed)(void *arg, uint16_t node, enum tns_state before,
			const struct topology_place *now);
	/* Our incarnation is this now, and that must outlive us. */
	void (*incarnation)(void *arg, uint32_t incarnation);
	/* A downtime is new, or over: it must outlive us. */
	void (*downtime)(void *arg);
	/* Seconds since 1970; used for nothing but the end of a downtime when we first hear of it.
	 */
	uint64_t (*wall_s)(void *arg);
};

struct neighbours_config {
	uint16_t self;
	const struct keypair *key; /* borrowed */
	uint32_t incarnation;
	uint64_t boot;
	const char *location;
	uint8_t flags; /* ROW_WITNESS or nothing */
	struct neighbours_io io;
};

struct neighbours_member {
	uint16_t node;
	uint8_t membership; /* enum topology_membership */
	uint8_t key[KEY_PUBLIC_SIZE];
};

struct neighbours;

MUST_CHECK int neighbours_new(const struct neighbours_config *config, struct neighbours **ret);
void neighbours_free(struct neighbours *n);

/* All members, in order of node, ourselves among them. MA_ELIMIT: those beyond TNS_NODES_MAX are
 * left out. */
MUST_CHECK int neighbours_members(struct neighbours *n, const struct neighbours_member *members,
				  size_t count, uint64_t now_us);

/* --- evidence --- */
void neighbours_link(struct neighbours *n, uint16_t node, bool up, uint64_t now_us);
void neighbours_refused(struct neighbours *n, uint16_t node, uint64_t now_us);
/* Bytes came over the connection at `at_ms`. */
void neighbours_bytes(struct neighbours *n, uint16_t node, uint64_t at_ms);
/* What came is from this peer, for certain. MA_ECORRUPT, MA_ESIG. */
MUST_CHECK int neighbours_beat(struct neighbours *n, uint16_t from, const void *text, size_t size,
			       uint64_t now_us);
MUST_CHECK int neighbours_told(struct neighbours *n, uint16_t from, enum neighbours_news news,
			       const void *data, size_t size, uint64_t now_us);

/* Every HEAR_TICK_MS. */
void neighbours_tick(struct neighbours *n, uint64_t now_us);

/* --- what this node says of itself and of others --- */
/* We end in order: everybody is told at once. */
void neighbours_stop(struct neighbours *n, uint64_t now_us);
/* We have given away what we had (or have it again). */
void neighbours_drained(struct neighbours *n, bool drained);
/* Sets node, kind, for_s and reason; the rest is made here. MA_EUNKNOWN, -EINVAL. */
MUST_CHECK int neighbours_plan(struct neighbours *n, const struct downtime *downtime,
			       uint64_t now_us);

/* --- looking --- */
const struct topology *neighbours_topology(const struct neighbours *n);
/* NULL: no such member. Borrowed until the next call. */
const struct neighbour *neighbours_find(const struct neighbours *n, uint16_t node);
uint8_t neighbours_health(const struct neighbours *n);

/* The latest first; returns how many were written. */
size_t neighbours_history(const struct neighbours *n, struct tns_change *ret, size_t max);

#endif
