/* links: net/frame.c net/message.c net/member.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a stream of frames, in pieces: finished messages are what the heads said, what is
 * open stays within its bounds, and after an error nothing is read. The first byte is the size of
 * the pieces, the second what the peer may send. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_open(const struct frame_in *in)
{
	for (size_t c = 0; c < FRAME_SLOTS; c++) {
		const struct net_message *m = in->open[c];

		if (m && (m->size > in->total_max || in->filled[c] > m->size))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_in in;
	uint64_t granted = 0;
	uint64_t cost = 0;
	int r = 0;

	if (size < 2)
		return 0;
	size_t step = data[0] ? data[0] : 1;
	frame_in_init(&in, data[1] & 1 ? NET_BODY_MAX : 1024);
	for (size_t c = 0; c < NET_CLASSES; c++) {
		in.window[c] = data[1] & 2 ? NET_CREDIT_BYTES : 200;
		granted += in.window[c];
	}
	size_t at = 2;
	while (r >= 0 && at < size) {
		struct net_message *message = NULL;
		bool skippable;
		uint8_t *to;
		size_t n;

		frame_in_want(&in, &to, &n);
		n = n < step ? n : step;
		n = n < size - at ? n : size - at;
		memcpy(to, data + at, n);
		at += n;
		r = frame_in_got(&in, n, &message, &skippable);
		if ((r == 1) != (message != NULL))
			abort();
		if (message && message->type > MESSAGE_NET_LAST)
			cost += FRAME_COST(message->size);
		if (message && (message->class >= NET_CLASSES || message->size > in.total_max))
			abort();
		free(message);
		check_open(&in);
	}
	if (cost > granted)
		abort();
	frame_in_done(&in);
	return 0;
}
