/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/row.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"
#include "core/location.h"

#define FORMAT        1
#define RTT_CLASS_MAX 15
#define NODE_MAX      1023

/* Keeps a signature on a row from being valid for anything else that the node signs. */
static const char context[] = "multiall tns row 1";

static void encode(const struct row *row, struct wr *w)
{
	wr_u8(w, FORMAT);
	wr_u16(w, row->node);
	wr_u32(w, row->incarnation);
	wr_u32(w, row->seq);
	wr_u64(w, row->boot);
	wr_u8(w, row->flags);
	wr_u8(w, row->health);
	wr_blob16(w, row->location, strlen(row->location));
	wr_u16(w, row->count);
	for (size_t i = 0; i < row->count; i++) {
		wr_u16(w, row->edges[i].node);
		wr_u8(w, (uint8_t)(row->edges[i].edge | row->edges[i].rtt << 4));
	}
}

/* What is signed: the context, then the row's bytes. */
static size_t signed_bytes(const uint8_t *body, size_t size,
			   uint8_t ret[sizeof(context) + ROW_BODY_MAX])
{
	memcpy(ret, context, sizeof(context));
	memcpy(ret + sizeof(context), body, size);
	return sizeof(context) + size;
}

size_t row_seal(const struct row *row, const struct keypair *key, uint8_t *ret)
{
	uint8_t text[sizeof(context) + ROW_BODY_MAX];
	struct wr w = wr_init(ret, ROW_BODY_MAX);

	assert(row->count <= TNS_NODES_MAX);
	encode(row, &w);
	assert(!w.failed);
	size_t size = wr_used(&w);
	signature_make(key, text, signed_bytes(ret, size, text), ret + size);
	return size + SIGNATURE_SIZE;
}

int row_verify(const void *data, size_t size, const uint8_t key[KEY_PUBLIC_SIZE])
{
	uint8_t text[sizeof(context) + ROW_BODY_MAX];
	const uint8_t *bytes = data;

	if (size <= SIGNATURE_SIZE || size > ROW_SIZE_MAX)
		return MA_ECORRUPT;
	size_t body = size - SIGNATURE_SIZE;
	size_t text_size = signed_bytes(bytes, body, text);
	return signature_valid(key, text, text_size, bytes + body) ? 0 : MA_ESIG;
}

static void decode_edges(struct rd *r, struct row *ret)
{
	uint16_t last = 0;

	ret->count = rd_u16(r);
	if (ret->count > TNS_NODES_MAX)
		r->failed = true;
	for (size_t i = 0; i < ret->count && !r->failed; i++) {
		struct row_edge *edge = &ret->edges[i];
		edge->node = rd_u16(r);
		uint8_t both = rd_u8(r);

		edge->edge = both & 15;
		edge->rtt = both >> 4;
		/* An opinion that a newer version knows is none here. */
		if (edge->edge >= TNS_EDGES)
			edge->edge = TNS_EDGE_NONE;
		if (edge->node <= last || edge->node > NODE_MAX)
			r->failed = true;
		last = edge->node;
	}
}

int row_decode(const void *data, size_t size, struct row *ret)
{
	size_t length;

	if (size <= SIGNATURE_SIZE || size > ROW_SIZE_MAX)
		return MA_ECORRUPT;
	struct rd r = rd_init(data, size - SIGNATURE_SIZE);
	memset(ret, 0, sizeof(*ret));
	/* Newer versions add fields at the end; what can't be read so has another number. */
	if (rd_u8(&r) != FORMAT)
		return MA_ECORRUPT;
	ret->node = rd_u16(&r);
	ret->incarnation = rd_u32(&r);
	ret->seq = rd_u32(&r);
	ret->boot = rd_u64(&r);
	ret->flags = rd_u8(&r);
	ret->health = rd_u8(&r);
	const uint8_t *location = rd_blob16(&r, TNS_LOCATION_MAX, &length);
	if (location)
		memcpy(ret->location, location, length);
	decode_edges(&r, ret);
	if (r.failed || ret->node == 0 || ret->node > NODE_MAX || strlen(ret->location) != length ||
	    !location_valid(ret->location))
		return MA_ECORRUPT;
	return 0;
}

bool row_newer(const struct row *a, const struct row *b)
{
	if (a->incarnation != b->incarnation)
		return a->incarnation > b->incarnation;
	if (a->boot != b->boot)
		return a->boot > b->boot;
	return a->seq > b->seq;
}

static const struct row_edge *edge_find(const struct row *row, uint16_t node)
{
	size_t low = 0;
	size_t high = row->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (row->edges[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low < row->count && row->edges[low].node == node ? &row->edges[low] : NULL;
}

enum tns_edge row_edge_to(const struct row *row, uint16_t node)
{
	const struct row_edge *edge = edge_find(row, node);

	return edge ? (enum tns_edge)edge->edge : TNS_EDGE_NONE;
}

uint8_t row_rtt_to(const struct row *row, uint16_t node)
{
	const struct row_edge *edge = edge_find(row, node);

	return edge ? edge->rtt : 0;
}
