/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/brief.h"

#include <errno.h>
#include <stdlib.h>

#include <zstd.h>

#include "core/auto.h"

#define PACK_LEVEL 1

enum { BRIEF_PACKED = 1 };

struct brief_packer {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	unsigned int misses; /* tries in vain since the last good one */
	unsigned int skip;   /* batches until the next try */
};

int brief_packer_new(struct brief_packer **ret)
{
	struct brief_packer *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->pack = ZSTD_createCCtx();
	k->unpack = ZSTD_createDCtx();
	if (!k->pack || !k->unpack) {
		brief_packer_free(k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

void brief_packer_free(struct brief_packer *k)
{
	if (!k)
		return;
	(void)ZSTD_freeCCtx(k->pack);
	(void)ZSTD_freeDCtx(k->unpack);
	free(k);
}

/* Seven bits in each byte, the lowest first; the last one has its highest bit clear. */
static void write_number(struct wr *w, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		wr_u8(w, (uint8_t)(v | 0x80));
	wr_u8(w, (uint8_t)v);
}

static uint64_t read_number(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t b = rd_u8(r);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->failed = true;
	return 0;
}

/* How far another number is from `base`, small whichever is the higher. */
static uint64_t distance(uint64_t base, uint64_t v)
{
	return v > base ? (v - base) << 1 | 1 : (base - v) << 1;
}

static uint64_t at_distance(uint64_t base, uint64_t d)
{
	return d & 1 ? base + (d >> 1) : base - (d >> 1);
}

/* Whether it pays; then the packed records stand in `ret`. */
static int pack(struct brief_packer *k, const struct batch *b, struct brief *ret)
{
	size_t room = b->records_size - b->records_size / 8;

	if (b->records_size < BRIEF_PACK_MIN || b->records_size > BRIEF_PACK_MAX)
		return 0;
	if (k->skip) {
		k->skip--;
		return 0;
	}
	ret->packed = malloc(room);
	if (!ret->packed)
		return -ENOMEM;
	size_t n = ZSTD_compressCCtx(k->pack, ret->packed, room, b->records, b->records_size,
				     PACK_LEVEL);
	if (!ZSTD_isError(n)) {
		k->misses = 0;
		ret->records = ret->packed;
		ret->records_size = n;
		return 1;
	}
	k->misses++;
	k->skip = k->misses < 6 ? 1u << k->misses : BRIEF_SKIP_MAX;
	return 0;
}

int brief_write(struct brief_packer *k, const struct batch *b, struct brief *ret)
{
	struct wr w = wr_init(ret->head, sizeof(ret->head));

	ret->records = b->records;
	ret->records_size = b->records_size;
	int packed = pack(k, b, ret);
	if (packed < 0)
		return packed;
	wr_u16(&w, b->slot);
	wr_u8(&w, packed ? BRIEF_PACKED : 0);
	write_number(&w, b->last);
	write_number(&w, b->last - b->first);
	write_number(&w, b->first - b->prev);
	write_number(&w, b->count);
	write_number(&w, b->deps.count);
	for (size_t i = 0; i < b->deps.count; i++) {
		wr_u16(&w, b->deps.entries[i].slot);
		write_number(&w, distance(b->last, b->deps.entries[i].seq));
	}
	wr_bytes(&w, b->signature, SIGNATURE_SIZE);
	if (packed)
		write_number(&w, b->records_size);
	if (w.failed)
		return MA_ELIMIT;
	ret->head_size = wr_used(&w);
	return 0;
}

void brief_done(struct brief *b)
{
	free(b->packed);
	*b = (struct brief){0};
}

static void read_deps(struct rd *r, struct batch *ret)
{
	uint64_t count = read_number(r);

	vector_init(&ret->deps);
	for (uint64_t i = 0; i < count && !r->failed; i++) {
		uint16_t slot = rd_u16(r);
		uint64_t seq = at_distance(ret->last, read_number(r));
		bool rises = i == 0 || slot > ret->deps.entries[i - 1].slot;
		if (!rises || seq > STAMP_SEQ_MAX || vector_raise(&ret->deps, slot, seq) < 0)
			r->failed = true;
	}
}

static int unpack(struct brief_packer *k, struct rd *r, struct batch *ret, uint8_t **ret_unpacked)
{
	uint64_t size = read_number(r);
	size_t packed_size = rd_left(r);
	const uint8_t *packed = rd_bytes(r, packed_size);

	if (r->failed || size > BATCH_SIZE_MAX)
		return MA_ECORRUPT;
	AUTO_FREE uint8_t *bytes = malloc(size + 1);
	if (!bytes)
		return -ENOMEM;
	if (ZSTD_decompressDCtx(k->unpack, bytes, size, packed, packed_size) != size)
		return MA_ECORRUPT;
	ret->records = bytes;
	ret->records_size = size;
	*ret_unpacked = take_ptr(bytes);
	return 0;
}

int brief_read(struct brief_packer *k, const void *body, size_t size, struct batch *ret,
	       uint8_t **ret_unpacked)
{
	struct rd r = rd_init(body, size);

	ret->slot = rd_u16(&r);
	uint8_t flags = rd_u8(&r);
	ret->last = read_number(&r);
	uint64_t span = read_number(&r);
	uint64_t gap = read_number(&r);
	uint64_t count = read_number(&r);
	read_deps(&r, ret);
	rd_copy(&r, ret->signature, SIGNATURE_SIZE);
	if (r.failed || (flags & ~BRIEF_PACKED) || ret->last > STAMP_SEQ_MAX || span >= ret->last ||
	    !gap || gap > ret->last - span || !count || count > UINT32_MAX)
		return MA_ECORRUPT;
	ret->first = ret->last - span;
	ret->prev = ret->first - gap;
	ret->count = (uint32_t)count;
	if (flags & BRIEF_PACKED)
		return unpack(k, &r, ret, ret_unpacked);
	ret->records_size = rd_left(&r);
	ret->records = rd_bytes(&r, ret->records_size);
	return 0;
}
