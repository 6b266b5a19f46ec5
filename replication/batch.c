/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/batch.h"

#include <assert.h>

static void write_signed_fields(struct wr *w, const struct batch *b)
{
	wr_u64(w, b->pool);
	wr_u16(w, b->slot);
	wr_u64(w, b->prev);
	wr_u64(w, b->first);
	wr_u64(w, b->last);
	wr_u32(w, b->count);
	vector_write(w, &b->deps);
}

void batch_chain(const struct batch *b, const uint8_t before[HASH_SIZE], uint8_t ret[HASH_SIZE])
{
	uint8_t head[BATCH_HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));
	struct hasher h;

	write_signed_fields(&w, b);
	assert(!w.failed);
	hasher_init(&h);
	hasher_add(&h, before, HASH_SIZE);
	hasher_add(&h, head, wr_used(&w));
	hasher_add(&h, b->records, b->records_size);
	hasher_done(&h, ret);
}

void batch_seal(struct batch *b, const uint8_t chain_before[HASH_SIZE], const struct keypair *key)
{
	batch_chain(b, chain_before, b->chain);
	signature_make(key, b->chain, HASH_SIZE, b->signature);
}

int batch_check(const struct batch *b, const uint8_t chain_before[HASH_SIZE],
		const uint8_t key[KEY_PUBLIC_SIZE])
{
	uint8_t chain[HASH_SIZE];

	batch_chain(b, chain_before, chain);
	if (!crypto_equal(chain, b->chain, HASH_SIZE))
		return MA_EFORK;
	if (!signature_valid(key, b->chain, HASH_SIZE, b->signature))
		return MA_ESIG;
	return 0;
}

void batch_write_head(struct wr *w, const struct batch *b)
{
	write_signed_fields(w, b);
	wr_bytes(w, b->chain, HASH_SIZE);
	wr_bytes(w, b->signature, SIGNATURE_SIZE);
}

int batch_read(const void *bytes, size_t size, struct batch *ret)
{
	struct rd r = rd_init(bytes, size);

	if (size > BATCH_SIZE_MAX)
		return MA_ECORRUPT;
	ret->pool = rd_u64(&r);
	ret->slot = rd_u16(&r);
	ret->prev = rd_u64(&r);
	ret->first = rd_u64(&r);
	ret->last = rd_u64(&r);
	ret->count = rd_u32(&r);
	vector_read(&r, &ret->deps);
	rd_copy(&r, ret->chain, HASH_SIZE);
	rd_copy(&r, ret->signature, SIGNATURE_SIZE);
	ret->records_size = rd_left(&r);
	ret->records = rd_bytes(&r, ret->records_size);
	ret->apart = NULL;
	ret->apart_size = 0;
	if (r.failed || ret->prev >= ret->first || ret->first > ret->last ||
	    ret->last > STAMP_SEQ_MAX || ret->count == 0)
		return MA_ECORRUPT;
	return 0;
}

void batch_walk_init(struct batch_walk *walk, const struct batch *batch)
{
	*walk = (struct batch_walk){
		.rd = rd_init(batch->records, batch->records_size),
		.apart = rd_init(batch->apart, batch->apart_size),
		.batch = batch,
		.last_seq = batch->first - 1,
	};
}

/* The bytes of an EXTENT, if they are there. */
static int walk_apart(struct batch_walk *walk, struct record *rec)
{
	walk->apart_size += rec->data_size;
	if (walk->apart_size > BATCH_APART_MAX)
		return MA_ECORRUPT;
	if (rd_left(&walk->apart) == 0 || rd_u8(&walk->apart) == 0)
		return 0;
	rec->data = rd_bytes(&walk->apart, rec->data_size);
	return rec->data ? 0 : MA_ECORRUPT;
}

int batch_walk_next(struct batch_walk *walk, struct record *ret)
{
	const struct batch *b = walk->batch;

	if (rd_left(&walk->rd) == 0)
		return walk->seen == b->count && walk->last_seq == b->last ? 0 : MA_ECORRUPT;
	uint32_t size = rd_u32(&walk->rd);
	const uint8_t *bytes = rd_bytes(&walk->rd, size);
	if (!bytes)
		return MA_ECORRUPT;
	int r = record_read(bytes, size, ret);
	if (r < 0)
		return r;
	uint64_t seq = stamp_seq(ret->stamp);
	if (stamp_slot(ret->stamp) != b->slot || seq <= walk->last_seq || seq > b->last)
		return MA_ECORRUPT;
	walk->last_seq = seq;
	walk->seen++;
	if (ret->kind == REC_EXTENT)
		r = walk_apart(walk, ret);
	return r < 0 ? r : 1;
}

int batch_apart_check(const struct batch *b)
{
	struct batch_walk walk;
	struct record rec;
	uint8_t sum[HASH_SIZE];
	int r;

	batch_walk_init(&walk, b);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		if (rec.kind != REC_EXTENT || !rec.data)
			continue;
		hash_bytes(rec.data, rec.data_size, sum, HASH_SIZE);
		if (!crypto_equal(sum, rec.sum, HASH_SIZE))
			return MA_ECORRUPT;
	}
	return r == 0 && rd_left(&walk.apart) > 0 ? MA_ECORRUPT : r;
}
