/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/stamp.h"

#include <assert.h>

#define EPOCH_NS    INT64_C(1577836800000000000) /* 2020-01-01T00:00:00Z */
#define NS_PER_MS   1000000
#define NS_PER_STEP 15625 /* 1/64 ms: 48 bits last until 2159 */

uint64_t seq_from_wall(int64_t wall_ns)
{
	uint64_t steps = wall_ns > EPOCH_NS ? (uint64_t)(wall_ns - EPOCH_NS) / NS_PER_STEP : 0;

	/* 0 means "none", also when the number starts anew. */
	return steps & STAMP_SEQ_MAX ? steps & STAMP_SEQ_MAX : 1;
}

uint64_t seq_from_clocks(int64_t wall_ns, uint64_t vouched, uint64_t passed_ms)
{
	uint64_t now = seq_from_wall(wall_ns);
	uint64_t latest = vouched + (passed_ms + STAMP_SLACK_MS) * (NS_PER_MS / NS_PER_STEP);

	return vouched && now > latest ? latest : now;
}

int64_t seq_to_wall(uint64_t seq)
{
	return (int64_t)(seq * NS_PER_STEP) + EPOCH_NS;
}

void vector_init(struct vector *v)
{
	v->count = 0;
}

void vector_copy(struct vector *to, const struct vector *from)
{
	to->count = from->count;
	memcpy(to->entries, from->entries, sizeof(from->entries[0]) * from->count);
}

/* Index of the slot, or of the place where it belongs. */
static size_t vector_find(const struct vector *v, uint16_t slot)
{
	size_t low = 0;
	size_t high = v->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (v->entries[mid].slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t vector_get(const struct vector *v, uint16_t slot)
{
	size_t i = vector_find(v, slot);

	return i < v->count && v->entries[i].slot == slot ? v->entries[i].seq : 0;
}

int vector_raise(struct vector *v, uint16_t slot, uint64_t seq)
{
	size_t i = vector_find(v, slot);

	if (i < v->count && v->entries[i].slot == slot) {
		if (v->entries[i].seq < seq)
			v->entries[i].seq = seq;
		return 0;
	}
	if (v->count == VECTOR_MAX)
		return MA_ELIMIT;
	memmove(&v->entries[i + 1], &v->entries[i], sizeof(v->entries[0]) * (v->count - i));
	v->entries[i].slot = slot;
	v->entries[i].seq = seq;
	v->count++;
	return 0;
}

int vector_merge(struct vector *v, const struct vector *other)
{
	for (size_t i = 0; i < other->count; i++) {
		int r = vector_raise(v, other->entries[i].slot, other->entries[i].seq);
		if (r < 0)
			return r;
	}
	return 0;
}

bool vector_covers(const struct vector *v, stamp_t stamp)
{
	return stamp_seq(stamp) <= vector_get(v, stamp_slot(stamp));
}

void vector_meet(struct vector *v, const struct vector *other)
{
	uint16_t kept = 0;

	for (size_t i = 0; i < v->count; i++) {
		uint64_t theirs = vector_get(other, v->entries[i].slot);
		v->entries[kept] = v->entries[i];
		if (theirs < v->entries[kept].seq)
			v->entries[kept].seq = theirs;
		kept = (uint16_t)(kept + (theirs != 0));
	}
	v->count = kept;
}

bool vector_contains(const struct vector *v, const struct vector *part)
{
	for (size_t i = 0; i < part->count; i++) {
		if (part->entries[i].seq > vector_get(v, part->entries[i].slot))
			return false;
	}
	return true;
}

bool vector_equal(const struct vector *a, const struct vector *b)
{
	return vector_contains(a, b) && vector_contains(b, a);
}

void vector_write(struct wr *w, const struct vector *v)
{
	assert(v->count <= VECTOR_MAX);
	wr_u16(w, v->count);
	for (size_t i = 0; i < v->count; i++) {
		wr_u16(w, v->entries[i].slot);
		wr_u64(w, v->entries[i].seq);
	}
}

void vector_read(struct rd *r, struct vector *ret)
{
	uint16_t count = rd_u16(r);

	ret->count = 0;
	if (count > VECTOR_MAX)
		r->failed = true;
	for (size_t i = 0; i < count && !r->failed; i++) {
		uint16_t slot = rd_u16(r);
		uint64_t seq = rd_u64(r);
		if (seq > STAMP_SEQ_MAX || (i > 0 && slot <= ret->entries[i - 1].slot)) {
			r->failed = true;
			break;
		}
		ret->entries[i].slot = slot;
		ret->entries[i].seq = seq;
		ret->count = (uint16_t)(i + 1);
	}
}
