/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int wire_new(const struct tls_config *config, struct wire **ret)
{
	struct wire *wire = malloc(sizeof(*wire));

	if (!wire)
		return -ENOMEM;
	int r = tls_new(config, &wire->tls);
	if (r < 0) {
		free(wire);
		return r;
	}
	wire->shaken = false;
	wire->staged = 0;
	frame_in_init(&wire->in, WIRE_EARLY_MAX);
	*ret = wire;
	return 0;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	frame_in_done(&wire->in);
	tls_free(wire->tls);
	free(wire);
}

void wire_feed(struct wire *wire, const void *data, size_t size)
{
	tls_feed(wire->tls, data, size);
}

int wire_next(struct wire *wire, struct net_message **ret, bool *ret_skippable)
{
	while (!wire->shaken) {
		int r = tls_handshake(wire->tls);

		if (r <= 0)
			return r;
		wire->shaken = true;
	}
	for (;;) {
		uint8_t *at;
		size_t size;

		frame_in_want(&wire->in, &at, &size);
		ssize_t n = tls_read(wire->tls, at, size);
		if (n <= 0)
			return (int)n;
		int r = frame_in_got(&wire->in, (size_t)n, ret, ret_skippable);
		if (r != 0)
			return r;
	}
}

int wire_flush(struct wire *wire)
{
	size_t size = wire->staged;

	wire->staged = 0;
	return size ? tls_write(wire->tls, wire->stage, size) : 0;
}

/* Gathers into records; whole records' worth goes to tls from where it lies. */
static int put_bytes(struct wire *wire, const uint8_t *data, size_t size)
{
	while (size) {
		size_t room = sizeof(wire->stage) - wire->staged;
		int r = 0;

		if (wire->staged == 0 && size >= sizeof(wire->stage)) {
			room = size - size % sizeof(wire->stage);
			r = tls_write(wire->tls, data, room);
		} else {
			room = size < room ? size : room;
			memcpy(wire->stage + wire->staged, data, room);
			wire->staged += room;
			if (wire->staged == sizeof(wire->stage))
				r = wire_flush(wire);
		}
		if (r < 0)
			return r;
		data += room;
		size -= room;
	}
	return 0;
}

int wire_put(struct wire *wire, const struct wire_frame *frame)
{
	uint32_t left = frame->total - frame->offset;
	struct frame_head head = {
		.payload = left < FRAME_PAYLOAD_MAX ? left : FRAME_PAYLOAD_MAX,
		.type = frame->type,
		.class = frame->class,
		.total = frame->total,
	};
	uint8_t bytes[FRAME_HEAD_SIZE];

	assert(wire->shaken && frame->offset <= frame->total);
	head.flags = (uint8_t)((frame->offset == 0 ? FRAME_FIRST : 0) |
			       (head.payload == left ? FRAME_LAST : 0) |
			       (frame->skippable ? FRAME_SKIPPABLE : 0));
	frame_head_write(&head, bytes);
	int r = put_bytes(wire, bytes, sizeof(bytes));
	if (r == 0 && head.payload)
		r = put_bytes(wire, frame->body + frame->offset, head.payload);
	return r < 0 ? r : (int)head.payload;
}

int wire_send(struct wire *wire, uint16_t type, const void *body, size_t size)
{
	struct wire_frame frame = {
		.type = type,
		.class = NET_CONTROL,
		.body = body,
		.total = (uint32_t)size,
	};

	assert(size <= NET_BODY_MAX);
	do {
		int n = wire_put(wire, &frame);

		if (n < 0)
			return n;
		frame.offset += (uint32_t)n;
	} while (frame.offset < frame.total);
	return wire_flush(wire);
}
