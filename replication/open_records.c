/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/open_records.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define KEEP_MAX (4u << 20) /* capacity that stays when nothing is open */

void open_records_free(struct open_records *o)
{
	free(o->records);
	free(o->pos);
	free(o->apart);
	*o = (struct open_records){0};
}

static int grow(uint8_t **bytes, size_t *capacity, size_t need)
{
	size_t wanted = *capacity ? *capacity : 65536;

	if (need <= *capacity)
		return 0;
	while (wanted < need)
		wanted *= 2;
	uint8_t *grown = realloc(*bytes, wanted);
	if (!grown)
		return -ENOMEM;
	*bytes = grown;
	*capacity = wanted;
	return 0;
}

int open_records_reserve(struct open_records *o, size_t size, size_t apart)
{
	if (o->count == o->pos_capacity) {
		size_t capacity = o->pos_capacity ? 2 * o->pos_capacity : 256;
		uint64_t *grown = realloc(o->pos, sizeof(*grown) * capacity);
		if (!grown)
			return -ENOMEM;
		o->pos = grown;
		o->pos_capacity = capacity;
	}
	int r = grow(&o->records, &o->capacity, o->size + 4 + size);
	return r == 0 ? grow(&o->apart, &o->apart_capacity, o->apart_size + 1 + apart) : r;
}

void open_records_add(struct open_records *o, uint64_t pos, const struct iovec *parts, int count,
		      const void *data)
{
	uint8_t *record = o->records + o->size + 4;
	size_t size = 0;
	uint32_t apart;

	o->pos[o->count++] = pos;
	for (int i = 0; i < count; i++)
		size += parts[i].iov_len;
	struct wr w = wr_init(o->records + o->size, o->capacity - o->size);
	wr_u32(&w, (uint32_t)size);
	for (int i = 0; i < count; i++)
		wr_bytes(&w, parts[i].iov_base, parts[i].iov_len);
	o->size += wr_used(&w);
	struct wr a = wr_init(o->apart + o->apart_size, o->apart_capacity - o->apart_size);
	if (record_is_apart(record, size, &apart)) {
		wr_u8(&a, data != NULL);
		wr_bytes(&a, data, data ? apart : 0);
		o->apart_size += wr_used(&a);
	}
	assert(!w.failed && !a.failed);
}

/* Of the entry in the stream for this record. */
static size_t apart_of(const uint8_t *record, size_t size, const uint8_t *entry)
{
	uint32_t apart;

	if (!record_is_apart(record, size, &apart))
		return 0;
	return *entry ? 1 + (size_t)apart : 1;
}

size_t open_records_void(struct open_records *o, size_t offset, size_t apart)
{
	struct rd r = rd_init(o->records + offset, o->size - offset);
	uint32_t size = rd_u32(&r);
	uint8_t *record = o->records + offset + 4;
	size_t gone = apart_of(record, size, o->apart + apart);

	*record = REC_VOID;
	o->apart_size -= gone;
	if (gone)
		memmove(o->apart + apart, o->apart + apart + gone, o->apart_size - apart);
	return gone;
}

uint8_t *open_records_find(struct open_records *o, uint64_t pos, size_t *ret_size)
{
	struct rd r = rd_init(o->records, o->size);

	for (size_t i = 0; i < o->count; i++) {
		*ret_size = rd_u32(&r);
		const uint8_t *record = rd_bytes(&r, *ret_size);
		if (o->pos[i] == pos)
			return o->records + (record - o->records);
	}
	return NULL;
}

/* Adds the next record to the batch. */
static void measure_one(const struct open_records *o, struct batch *batch)
{
	struct rd r = rd_init(o->records + batch->records_size, o->size - batch->records_size);
	uint32_t size = rd_u32(&r);
	const uint8_t *record = rd_bytes(&r, size);

	assert(record);
	struct rd head = rd_init(record, size);
	(void)rd_u16(&head); /* kind and flags */
	stamp_t stamp = rd_u64(&head);
	if (!batch->count++) {
		batch->first = stamp_seq(stamp);
		batch->slot = stamp_slot(stamp);
	}
	batch->last = stamp_seq(stamp);
	batch->records_size += 4 + (size_t)size;
	batch->apart_size += apart_of(record, size, o->apart + batch->apart_size);
}

static void begin(struct batch *batch)
{
	batch->count = 0;
	batch->records_size = batch->apart_size = 0;
}

void open_records_measure(const struct open_records *o, size_t limit, struct batch *batch)
{
	begin(batch);
	while (batch->records_size < limit) {
		uint32_t count = batch->count;
		uint64_t last = batch->last;
		size_t size = batch->records_size;
		size_t apart = batch->apart_size;
		measure_one(o, batch);
		if (count && batch->records_size + batch->apart_size > BATCH_RECORDS_SEAL) {
			batch->count = count;
			batch->last = last;
			batch->records_size = size;
			batch->apart_size = apart;
			break;
		}
	}
}

bool open_records_count(const struct open_records *o, uint32_t count, struct batch *batch)
{
	if (count > o->count)
		return false;
	begin(batch);
	while (batch->count < count)
		measure_one(o, batch);
	return true;
}

void open_records_drop(struct open_records *o, const struct batch *batch)
{
	assert(batch->count <= o->count);
	o->count -= batch->count;
	o->size -= batch->records_size;
	o->apart_size -= batch->apart_size;
	memmove(o->pos, o->pos + batch->count, sizeof(*o->pos) * o->count);
	memmove(o->records, o->records + batch->records_size, o->size);
	memmove(o->apart, o->apart + batch->apart_size, o->apart_size);
	if (!o->count && o->capacity + o->apart_capacity > KEEP_MAX)
		open_records_free(o);
}
