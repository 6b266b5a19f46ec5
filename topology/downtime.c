/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/downtime.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"

#define FORMAT    1
#define NODE_MAX  1023
#define BODY_MAX  (DOWNTIME_SIZE_MAX - SIGNATURE_SIZE)
#define KIND_LAST DOWNTIME_MAINTENANCE

/* Keeps a signature on it from being valid for anything else that the node signs. */
static const char context[] = "multiall tns downtime 1";

bool downtime_reason_valid(const char *text)
{
	size_t length = strnlen(text, DOWNTIME_REASON_MAX + 1);

	if (length == 0 || length > DOWNTIME_REASON_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return true;
}

static size_t signed_bytes(const uint8_t *body, size_t size,
			   uint8_t ret[sizeof(context) + BODY_MAX])
{
	memcpy(ret, context, sizeof(context));
	memcpy(ret + sizeof(context), body, size);
	return sizeof(context) + size;
}

size_t downtime_seal(const struct downtime *downtime, const struct keypair *key, uint8_t *ret)
{
	uint8_t text[sizeof(context) + BODY_MAX];
	struct wr w = wr_init(ret, BODY_MAX);

	wr_u8(&w, FORMAT);
	wr_u16(&w, downtime->node);
	wr_u64(&w, downtime->version);
	wr_u8(&w, downtime->kind);
	wr_u16(&w, downtime->author);
	wr_u64(&w, downtime->set_s);
	wr_u32(&w, downtime->for_s);
	wr_blob16(&w, downtime->reason, strlen(downtime->reason));
	assert(!w.failed);
	size_t size = wr_used(&w);
	signature_make(key, text, signed_bytes(ret, size, text), ret + size);
	return size + SIGNATURE_SIZE;
}

int downtime_verify(const void *data, size_t size, const uint8_t key[KEY_PUBLIC_SIZE])
{
	uint8_t text[sizeof(context) + BODY_MAX];
	const uint8_t *bytes = data;

	if (size <= SIGNATURE_SIZE || size > DOWNTIME_SIZE_MAX)
		return MA_ECORRUPT;
	size_t body = size - SIGNATURE_SIZE;
	size_t text_size = signed_bytes(bytes, body, text);
	return signature_valid(key, text, text_size, bytes + body) ? 0 : MA_ESIG;
}

int downtime_decode(const void *data, size_t size, struct downtime *ret)
{
	size_t length;

	if (size <= SIGNATURE_SIZE || size > DOWNTIME_SIZE_MAX)
		return MA_ECORRUPT;
	struct rd r = rd_init(data, size - SIGNATURE_SIZE);
	memset(ret, 0, sizeof(*ret));
	if (rd_u8(&r) != FORMAT)
		return MA_ECORRUPT;
	ret->node = rd_u16(&r);
	ret->version = rd_u64(&r);
	ret->kind = rd_u8(&r);
	ret->author = rd_u16(&r);
	ret->set_s = rd_u64(&r);
	ret->for_s = rd_u32(&r);
	const uint8_t *reason = rd_blob16(&r, DOWNTIME_REASON_MAX, &length);
	if (reason)
		memcpy(ret->reason, reason, length);
	if (r.failed || strlen(ret->reason) != length || !downtime_reason_valid(ret->reason))
		return MA_ECORRUPT;
	if (ret->node == 0 || ret->node > NODE_MAX || ret->author == 0 || ret->author > NODE_MAX)
		return MA_ECORRUPT;
	if (ret->version == 0 || ret->kind > KIND_LAST || ret->for_s > DOWNTIME_FOR_MAX_S)
		return MA_ECORRUPT;
	return 0;
}

bool downtime_newer(const struct downtime *a, const struct downtime *b)
{
	if (a->version != b->version)
		return a->version > b->version;
	if (a->kind != b->kind)
		return a->kind > b->kind;
	if (a->author != b->author)
		return a->author > b->author;
	if (a->set_s != b->set_s)
		return a->set_s > b->set_s;
	if (a->for_s != b->for_s)
		return a->for_s > b->for_s;
	return strcmp(a->reason, b->reason) > 0;
}

uint32_t downtime_left_s(const struct downtime *downtime, uint64_t wall_s)
{
	uint64_t gone = wall_s > downtime->set_s ? wall_s - downtime->set_s : 0;

	return gone < downtime->for_s ? (uint32_t)(downtime->for_s - gone) : 0;
}
