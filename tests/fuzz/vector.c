/* links: replication/stamp.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a vector: refused, or it is what we would write, in order of slot, and it covers
 * exactly what it names. */
#include <stdint.h>
#include <stdlib.h>

#include "replication/stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint8_t again[VECTOR_WIRE_MAX];
	struct wr w = wr_init(again, sizeof(again));
	struct vector v, raised;

	vector_read(&r, &v);
	check(v.count <= VECTOR_MAX);
	if (r.failed)
		return 0;
	vector_write(&w, &v);
	check(!w.failed && wr_used(&w) == (size_t)(r.at - data));
	check(memcmp(again, data, wr_used(&w)) == 0);
	vector_init(&raised);
	for (size_t i = v.count; i-- > 0;) {
		uint16_t slot = v.entries[i].slot;
		uint64_t seq = v.entries[i].seq;

		check(vector_raise(&raised, slot, seq) == 0);
		check(vector_get(&v, slot) == seq);
		check(vector_covers(&v, stamp_make(slot, seq)));
		check(seq == STAMP_SEQ_MAX || !vector_covers(&v, stamp_make(slot, seq + 1)));
	}
	check(vector_equal(&v, &raised) && vector_contains(&raised, &v));
	return 0;
}
