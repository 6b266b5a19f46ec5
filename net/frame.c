/* SPDX-License-Identifier: Apache-2.0 */
#include "net/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "net/message.h"

#define HEAD_AFTER_LENGTH (FRAME_HEAD_SIZE - 4)

void frame_head_write(const struct frame_head *head, uint8_t ret[FRAME_HEAD_SIZE])
{
	struct wr w = wr_init(ret, FRAME_HEAD_SIZE);

	wr_u32(&w, head->payload + HEAD_AFTER_LENGTH);
	wr_u16(&w, head->type);
	wr_u8(&w, head->class);
	wr_u8(&w, head->flags);
	wr_u32(&w, head->total);
	assert(!w.failed);
}

int frame_head_read(const uint8_t data[FRAME_HEAD_SIZE], struct frame_head *ret)
{
	struct rd r = rd_init(data, FRAME_HEAD_SIZE);
	uint32_t length = rd_u32(&r);

	ret->type = rd_u16(&r);
	ret->class = rd_u8(&r);
	ret->flags = rd_u8(&r);
	ret->total = rd_u32(&r);
	if (length < HEAD_AFTER_LENGTH || length > HEAD_AFTER_LENGTH + FRAME_PAYLOAD_MAX)
		return MA_ECORRUPT;
	ret->payload = length - HEAD_AFTER_LENGTH;
	if (ret->type == 0 || ret->class >= NET_CLASSES || ret->total > NET_BODY_MAX)
		return MA_ECORRUPT;
	if (ret->flags & ~FRAME_KNOWN || ret->payload > ret->total)
		return MA_ECORRUPT;
	/* An empty frame has a place only as an empty message. */
	return ret->payload || ret->total == 0 ? 0 : MA_ECORRUPT;
}

void frame_in_init(struct frame_in *in, uint32_t total_max)
{
	memset(in, 0, sizeof(*in));
	in->total_max = total_max;
}

void frame_in_done(struct frame_in *in)
{
	for (size_t c = 0; c < FRAME_SLOTS; c++) {
		free(in->open[c]);
		in->open[c] = NULL;
	}
}

static size_t slot_of(const struct frame_head *head)
{
	return head->type <= MESSAGE_NET_LAST ? (size_t)NET_CLASSES : head->class;
}

void frame_in_want(struct frame_in *in, uint8_t **ret_at, size_t *ret_size)
{
	if (in->head_filled < FRAME_HEAD_SIZE) {
		*ret_at = in->head_bytes + in->head_filled;
		*ret_size = FRAME_HEAD_SIZE - in->head_filled;
		return;
	}
	size_t slot = slot_of(&in->head);
	assert(in->open[slot] && in->payload_left > 0);
	*ret_at = in->open[slot]->body + in->filled[slot];
	*ret_size = in->payload_left;
}

/* Takes the message's cost from the peer's window, then its memory. */
static int message_open(struct frame_in *in)
{
	const struct frame_head *h = &in->head;
	size_t slot = slot_of(h);
	uint64_t cost = h->type <= MESSAGE_NET_LAST ? 0 : FRAME_COST(h->total);

	if (in->open[slot] || h->total > in->total_max)
		return MA_ECORRUPT;
	if (cost > in->window[h->class])
		return MA_ELIMIT;
	struct net_message *message = malloc(sizeof(*message) + h->total);
	if (!message)
		return -ENOMEM;
	in->window[h->class] -= cost;
	message->type = h->type;
	message->class = h->class;
	message->flags = 0;
	message->size = h->total;
	in->open[slot] = message;
	in->filled[slot] = 0;
	in->skippable[slot] = (h->flags & FRAME_SKIPPABLE) != 0;
	return 0;
}

static int head_complete(struct frame_in *in)
{
	struct frame_head *h = &in->head;
	int r = frame_head_read(in->head_bytes, h);
	size_t slot = slot_of(h);

	if (r == 0 && h->flags & FRAME_FIRST)
		r = message_open(in);
	if (r < 0)
		return r;
	const struct net_message *message = in->open[slot];
	if (!message || message->type != h->type || message->size != h->total)
		return MA_ECORRUPT;
	if (in->skippable[slot] != ((h->flags & FRAME_SKIPPABLE) != 0))
		return MA_ECORRUPT;
	uint32_t left = message->size - in->filled[slot];
	if (h->payload > left || (h->payload == left) != ((h->flags & FRAME_LAST) != 0))
		return MA_ECORRUPT;
	in->payload_left = h->payload;
	return 0;
}

int frame_in_got(struct frame_in *in, size_t size, struct net_message **ret, bool *ret_skippable)
{
	size_t slot;

	if (in->head_filled < FRAME_HEAD_SIZE) {
		assert(size <= FRAME_HEAD_SIZE - in->head_filled);
		in->head_filled += size;
		if (in->head_filled < FRAME_HEAD_SIZE)
			return 0;
		int r = head_complete(in);
		if (r < 0 || in->payload_left)
			return r;
	} else {
		assert(size <= in->payload_left);
		in->payload_left -= (uint32_t)size;
		in->filled[slot_of(&in->head)] += (uint32_t)size;
		if (in->payload_left)
			return 0;
	}
	in->head_filled = 0;
	if (!(in->head.flags & FRAME_LAST))
		return 0;
	slot = slot_of(&in->head);
	*ret = take_ptr(in->open[slot]);
	*ret_skippable = in->skippable[slot] != 0;
	return 1;
}
