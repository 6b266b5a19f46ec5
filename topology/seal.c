/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/seal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/bytes.h"

#define VERSION   1
#define TYPE_BEAT 1
#define NONCE_AT  8 /* sender, boot and counter, as they stand in the head */
#define NODE_MAX  1023

static const uint8_t magic[2] = {'M', 'T'};

void seal_init(const uint8_t secret[SEAL_SECRET_SIZE], const struct seal_pair *pair,
	       struct seal_out *ret_out, struct seal_in *ret_in)
{
	size_t own = pair->own < pair->peer ? 0 : AEAD_KEY_SIZE;

	memset(ret_out, 0, sizeof(*ret_out));
	memset(ret_in, 0, sizeof(*ret_in));
	memcpy(ret_out->key, secret + own, AEAD_KEY_SIZE);
	memcpy(ret_in->key, secret + AEAD_KEY_SIZE - own, AEAD_KEY_SIZE);
	ret_out->boot = pair->own_boot;
	ret_out->from = ret_in->to = pair->own;
	ret_out->to = ret_in->from = pair->peer;
	ret_in->boot = pair->peer_boot;
}

size_t seal_close(struct seal_out *out, const void *text, size_t size,
		  uint8_t ret[SEAL_DATAGRAM_MAX])
{
	struct wr w = wr_init(ret, SEAL_HEAD_SIZE);

	assert(size <= SEAL_TEXT_MAX);
	wr_bytes(&w, magic, sizeof(magic));
	wr_u8(&w, VERSION);
	wr_u8(&w, TYPE_BEAT);
	wr_u32(&w, out->to);
	wr_u64(&w, out->from);
	wr_u64(&w, out->boot);
	wr_u64(&w, ++out->counter);
	assert(!w.failed && wr_used(&w) == SEAL_HEAD_SIZE);
	aead_seal(out->key, ret + NONCE_AT, ret, SEAL_HEAD_SIZE, text, size, ret + SEAL_HEAD_SIZE);
	return size + SEAL_OVERHEAD;
}

uint16_t seal_sender(const void *datagram, size_t size, uint16_t own)
{
	struct rd r = rd_init(datagram, size);
	const uint8_t *head = rd_bytes(&r, sizeof(magic));

	if (size < SEAL_OVERHEAD || size > SEAL_DATAGRAM_MAX || !head ||
	    memcmp(head, magic, sizeof(magic)) != 0)
		return 0;
	if (rd_u8(&r) != VERSION || rd_u8(&r) != TYPE_BEAT || rd_u32(&r) != own)
		return 0;
	uint64_t sender = rd_u64(&r);
	return sender <= NODE_MAX ? (uint16_t)sender : 0;
}

static bool taken(const struct seal_in *in, uint64_t counter)
{
	if (counter > in->top)
		return false;
	if (counter == 0 || in->top - counter >= SEAL_WINDOW_BITS)
		return true;
	size_t bit = counter % SEAL_WINDOW_BITS;
	return in->seen[bit / 64] >> (bit % 64) & 1;
}

static void take(struct seal_in *in, uint64_t counter)
{
	if (counter > in->top && counter - in->top >= SEAL_WINDOW_BITS)
		memset(in->seen, 0, sizeof(in->seen));
	else
		for (uint64_t i = in->top + 1; i < counter; i++)
			in->seen[i % SEAL_WINDOW_BITS / 64] &= ~(UINT64_C(1) << (i % 64));
	if (counter > in->top)
		in->top = counter;
	in->seen[counter % SEAL_WINDOW_BITS / 64] |= UINT64_C(1) << (counter % 64);
}

int seal_open(struct seal_in *in, const void *datagram, size_t size, uint8_t ret[SEAL_TEXT_MAX])
{
	const uint8_t *bytes = datagram;

	if (seal_sender(datagram, size, in->to) != in->from)
		return MA_ECORRUPT;
	struct rd r = rd_init(bytes + NONCE_AT + 8, SEAL_HEAD_SIZE - NONCE_AT - 8);
	if (rd_u64(&r) != in->boot)
		return MA_ESIG;
	uint64_t counter = rd_u64(&r);
	/* Before the key is used: what is replayed costs a look. Only what is genuine is noted. */
	if (taken(in, counter))
		return -EALREADY;
	if (!aead_open(in->key, bytes + NONCE_AT, bytes, SEAL_HEAD_SIZE, bytes + SEAL_HEAD_SIZE,
		       size - SEAL_HEAD_SIZE, ret))
		return MA_ESIG;
	take(in, counter);
	return (int)(size - SEAL_OVERHEAD);
}
