/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/beat.h"

#include <assert.h>

#include "core/bytes.h"
#include "topology/seal.h"

#define FORMAT 1

_Static_assert(BEAT_SIZE_MAX <= SEAL_TEXT_MAX, "a beat with the longest row fits a datagram");

size_t beat_encode(const struct beat *beat, uint8_t *ret)
{
	struct wr w = wr_init(ret, BEAT_SIZE_MAX);

	wr_u8(&w, FORMAT);
	wr_u32(&w, beat->incarnation);
	wr_u32(&w, beat->seq);
	wr_u32(&w, beat->have_incarnation);
	wr_u32(&w, beat->have_seq);
	wr_u64(&w, beat->hash);
	wr_u32(&w, beat->sent_us);
	wr_u32(&w, beat->echo_us);
	wr_u32(&w, beat->held_us);
	assert(wr_used(&w) == BEAT_HEAD_SIZE);
	wr_blob16(&w, beat->row, beat->row ? beat->row_size : 0);
	assert(!w.failed);
	return wr_used(&w);
}

int beat_decode(const void *data, size_t size, struct beat *ret)
{
	struct rd r = rd_init(data, size);

	if (rd_u8(&r) != FORMAT)
		return MA_ECORRUPT;
	ret->incarnation = rd_u32(&r);
	ret->seq = rd_u32(&r);
	ret->have_incarnation = rd_u32(&r);
	ret->have_seq = rd_u32(&r);
	ret->hash = rd_u64(&r);
	ret->sent_us = rd_u32(&r);
	ret->echo_us = rd_u32(&r);
	ret->held_us = rd_u32(&r);
	ret->row = rd_blob16(&r, ROW_SIZE_MAX, &ret->row_size);
	if (r.failed)
		return MA_ECORRUPT;
	if (ret->row_size == 0)
		ret->row = NULL;
	return 0;
}
