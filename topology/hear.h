/* SPDX-License-Identifier: Apache-2.0
 * What this node knows first hand of one other: when it was heard, and what that means now.
 * Callers own the structs; all zeros is a good start.
 * One thread; pure, the time comes in (milliseconds of a clock that goes on during suspend).
 * Invariant: time in which this node itself stood still is never counted as silence of others.
 */
#ifndef TOPOLOGY_HEAR_H
#define TOPOLOGY_HEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "topology/tns.h"

#define HEAR_BEAT_MS    500   /* between two beats to one peer */
#define HEAR_TICK_MS    100   /* between two looks at everything */
#define HEAR_SILENT_MS  4000  /* eight beats */
#define HEAR_FAR_MS     20000 /* no way is so long that more silence would mean nothing */
#define HEAR_REFUSED_MS 750   /* a daemon that runs would have been heard by then */
#define HEAR_STRAY_MS   200   /* under way when the connection broke: no sign of life after it */
#define HEAR_STALL_MS   250   /* a look this much too late: it was us who stood still */
#define HEAR_HEALTH_MAX 8     /* unfit by so much at most; 0 is fit */
#define HEAR_FIT_MS     1000  /* looks in time for so long make it better by one */

/* How fit this node is to judge others. */
struct hear_self {
	uint64_t looked_ms; /* 0: never */
	uint64_t better_ms;
	uint64_t woke_ms; /* when it last stood still; 0: never */
	uint8_t health;
};

/* A look at `now`. Returns for how long this node stood still before it, 0 if it did not. */
uint64_t hear_look(struct hear_self *self, uint64_t now);

struct hear {
	uint64_t began_ms;   /* since when it is looked after */
	uint64_t heard_ms;   /* last sign of life; 0: never */
	uint64_t beat_ms;    /* last beat; 0: never */
	uint64_t lost_ms;    /* when the connection broke; 0: it is up, or never was */
	uint64_t refused_ms; /* when its host refused a connection, since lost_ms; 0: not */
	bool linked;
	uint32_t srtt_us; /* 0: not measured */
	uint32_t var_us;
	uint32_t last_us[2]; /* measured before */
};

void hear_begin(struct hear *hear, uint64_t now);
void hear_beat(struct hear *hear, uint64_t now);
/* Bytes came over the connection at `at`. */
void hear_bytes(struct hear *hear, uint64_t at);
void hear_link(struct hear *hear, bool up, uint64_t now);
void hear_refused(struct hear *hear, uint64_t now);
/* This node stood still for `stall` milliseconds until `now`. */
void hear_stall(struct hear *hear, uint64_t stall, uint64_t now);
/* One round trip (RFC 6298, of the median of three: one late datagram is no distance). */
void hear_rtt(struct hear *hear, uint32_t sample_us);

/* Silence that means something on this way: 8 * (srtt + 4 * var), from HEAR_SILENT_MS to
 * HEAR_FAR_MS, times 1 + health of who judges. */
uint64_t hear_silence_ms(const struct hear *hear, const struct hear_self *self);
enum tns_edge hear_edge(const struct hear *hear, const struct hear_self *self, uint64_t now);

/* Round trips in powers of two, for rows: 0 not measured, 1 below 128 us ... 15 from 1 s on. The
 * class that stood there before stays until the time is well beyond its bounds. */
uint8_t hear_rtt_class(uint32_t us, uint8_t before);

#endif
