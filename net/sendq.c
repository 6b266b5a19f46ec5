/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sendq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "net/frame.h"

void outgoing_list_init(struct outgoing_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void outgoing_list_done(struct outgoing_list *list)
{
	while (list->first) {
		struct outgoing *next = list->first->next;

		free(list->first);
		list->first = next;
	}
	list->last = &list->first;
}

void sendq_init(struct sendq *q)
{
	(void)pthread_mutex_init(&q->lock, NULL);
	for (size_t c = 0; c < NET_CLASSES; c++) {
		outgoing_list_init(&q->waiting[c]);
		q->bytes[c] = 0;
		q->refused[c] = false;
	}
}

void sendq_done(struct sendq *q)
{
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_done(&q->waiting[c]);
	(void)pthread_mutex_destroy(&q->lock);
}

static int room(struct sendq *q, enum net_class class, size_t size)
{
	if (q->bytes[class] + FRAME_COST(size) <= NET_QUEUE_BYTES)
		return 0;
	q->refused[class] = true;
	return -EAGAIN;
}

int sendq_room(struct sendq *q, enum net_class class, size_t size)
{
	AUTO_LOCK(held, &q->lock);
	return room(q, class, size);
}

int sendq_put(struct sendq *q, struct outgoing *message)
{
	AUTO_LOCK(held, &q->lock);
	int r = room(q, message->class, message->size);

	if (r < 0)
		return r;
	message->next = NULL;
	*q->waiting[message->class].last = message;
	q->waiting[message->class].last = &message->next;
	q->bytes[message->class] += FRAME_COST(message->size);
	return 0;
}

void sendq_take(struct sendq *q, struct outgoing_list lists[NET_CLASSES])
{
	AUTO_LOCK(held, &q->lock);

	for (size_t c = 0; c < NET_CLASSES; c++) {
		if (!q->waiting[c].first)
			continue;
		*lists[c].last = q->waiting[c].first;
		lists[c].last = q->waiting[c].last;
		outgoing_list_init(&q->waiting[c]);
	}
}

bool sendq_sent(struct sendq *q, enum net_class class, uint64_t cost)
{
	AUTO_LOCK(held, &q->lock);

	assert(cost <= q->bytes[class]);
	q->bytes[class] -= cost;
	/* At half: a sender that is woken for each message would run in step with the link. */
	if (!q->refused[class] || q->bytes[class] > NET_QUEUE_BYTES / 2)
		return false;
	q->refused[class] = false;
	return true;
}
