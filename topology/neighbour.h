/* SPDX-License-Identifier: Apache-2.0
 * One member as the machine keeps it. Private to topology/neighbours*.c; others only look.
 * Owned by the struct neighbours.
 * One thread.
 * Invariant: `sealed` are the bytes that `row` was decoded from (or made into), and so with the
 * downtime; size 0 means that there is none.
 */
#ifndef TOPOLOGY_NEIGHBOUR_H
#define TOPOLOGY_NEIGHBOUR_H

#include "topology/beat.h"
#include "topology/neighbours.h"

struct neighbour {
	struct neighbours_member member;
	struct hear hear;
	struct row row;
	uint8_t sealed[ROW_SIZE_MAX];
	size_t sealed_size;
	struct downtime downtime;
	uint8_t sealed_downtime[DOWNTIME_SIZE_MAX];
	size_t downtime_size;
	uint64_t ends_ms;                      /* of the downtime, by our clock; 0: none, or over */
	uint32_t acked_incarnation, acked_seq; /* of our row */
	uint64_t beat_due_ms;
	uint32_t echo_us;    /* sent_us of its last beat */
	uint64_t echo_at_us; /* when that came; 0: none */
	uint64_t differs_ms; /* since when its hash is another than ours; 0: it is ours */
	uint64_t told_ms;
	uint8_t state, cause;
	uint64_t since_ms;
	uint64_t up_ms;   /* since when it is there without a break; 0: it is not */
	uint64_t down_ms; /* last time it went down; 0: never */
	unsigned int flaps;
};

struct neighbours {
	struct neighbours_config config;
	char location[TNS_LOCATION_MAX + 1];
	struct hear_self self;
	size_t count;
	struct neighbour *list[TNS_NODES_MAX]; /* in order of node */
	struct topology topology;
	bool dirty; /* topology is to be made again */
	uint8_t flags;
	size_t event_count; /* ever */
	struct tns_change events[NEIGHBOURS_EVENTS];
};

struct neighbour *neighbour_get(const struct neighbours *n, uint16_t node);
/* When it may be relied on again: 0 if at once, UINT64_MAX if it is not there. */
uint64_t neighbour_ready_ms(const struct neighbour *nb);

/* neighbours_news.c: rows and downtimes that come and go. */
MUST_CHECK int neighbours_take_row(struct neighbours *n, uint16_t from, const void *data,
				   size_t size);
MUST_CHECK int neighbours_take_downtime(struct neighbours *n, uint16_t from, const void *data,
					size_t size, uint64_t now_ms);
/* Ends downtimes whose time is over; everybody hears of it. */
void neighbours_end_downtimes(struct neighbours *n, uint64_t now_ms);
/* To all that we are connected with, but `but`. */
void neighbours_tell_all(struct neighbours *n, uint16_t but, enum neighbours_news news,
			 const void *data, size_t size);
/* All rows and downtimes to one peer. */
void neighbours_tell_everything(struct neighbours *n, uint16_t to);

#endif
