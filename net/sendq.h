/* SPDX-License-Identifier: Apache-2.0
 * What waits to be sent on one link, per class: threads put, the loop takes and reports as sent.
 * The queue owns the messages in it; taken ones belong to the taker.
 * sendq_put() and sendq_room() from any thread, the rest from the loop's.
 * Invariant: a class holds at most NET_QUEUE_BYTES, counting what was taken but not reported sent.
 */
#ifndef NET_SENDQ_H
#define NET_SENDQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "net/net.h"

struct outgoing {
	struct outgoing *next;
	uint16_t type;
	uint8_t class;
	bool skippable;
	uint32_t size;
	uint8_t body[];
};

struct outgoing_list {
	struct outgoing *first;
	struct outgoing **last; /* where the next one is hung in */
};

struct sendq {
	pthread_mutex_t lock; /* guards the rest */
	struct outgoing_list waiting[NET_CLASSES];
	uint64_t bytes[NET_CLASSES];
	bool refused[NET_CLASSES]; /* someone got -EAGAIN and waits for `writable` */
};

void sendq_init(struct sendq *q);
void sendq_done(struct sendq *q);

/* 0, or -EAGAIN; then the class is remembered as refused. */
MUST_CHECK int sendq_room(struct sendq *q, enum net_class class, size_t size);
/* Takes ownership only with 0. */
MUST_CHECK int sendq_put(struct sendq *q, struct outgoing *message);

/* Moves all that waits to the ends of `lists`. */
void sendq_take(struct sendq *q, struct outgoing_list lists[NET_CLASSES]);
/* `cost` bytes (FRAME_COST) of a class have gone out; true if `writable` is due now. */
bool sendq_sent(struct sendq *q, enum net_class class, uint64_t cost);

void outgoing_list_init(struct outgoing_list *list);
void outgoing_list_done(struct outgoing_list *list);

#endif
