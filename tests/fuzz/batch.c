/* links: replication/batch.c replication/record.c replication/stamp.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a batch: refused, or writing its head gives the same bytes, the walk ends, and each
 * record is of the batch's slot and in order. The same bytes stand beside it: an extent gets of
 * them what lies within. */
#include <stdint.h>
#include <stdlib.h>

#include "replication/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_walk(const struct batch *batch)
{
	struct batch_walk walk;
	struct record rec;
	uint64_t last = batch->prev;
	uint32_t seen = 0;
	int r;

	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		check(stamp_slot(rec.stamp) == batch->slot && stamp_seq(rec.stamp) > last);
		if (rec.kind == REC_EXTENT && rec.data)
			check(rec.data > batch->apart &&
			      rec.data + rec.data_size <= batch->apart + batch->apart_size);
		last = stamp_seq(rec.stamp);
		check(last >= batch->first && last <= batch->last);
		seen++;
	}
	check(r < 0 || (seen == batch->count && last == batch->last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[HASH_SIZE];
	uint8_t head[BATCH_HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));
	struct batch batch;

	if (crypto_init() < 0 || batch_read(data, size, &batch) < 0)
		return 0;
	check(batch.prev < batch.first && batch.first <= batch.last && batch.count);
	batch_write_head(&w, &batch);
	check(!w.failed && wr_used(&w) + batch.records_size == size);
	check(memcmp(head, data, wr_used(&w)) == 0);
	check(batch_check(&batch, zeros, zeros) < 0); /* no key has ever signed this */
	check_walk(&batch);
	batch.apart = data;
	batch.apart_size = size;
	check_walk(&batch);
	(void)!batch_apart_check(&batch);
	return 0;
}
