/* links: replication/item.c replication/object.c replication/stamp.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as an item of a catch-up by state: refused, or all of it lies within the input and the
 * attributes can be walked to their end. */
#include <stdint.h>
#include <stdlib.h>

#include "replication/item.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct item item;
	struct item_xattrs walk;
	struct item_xattr x;
	int r = item_read(data, size, &item);

	if (r == 0) {
		check(item.state.id && item.data_size <= ITEM_INLINE_MAX);
		check(item.size <= INT64_MAX && item.data + item.data_size == data + size);
		item_xattrs_init(&walk, &item);
		while ((r = item_xattrs_next(&walk, &x)) == 1) {
			check(x.name_size && strlen(x.name) == x.name_size);
			check(x.value >= data && x.value + x.size <= data + size);
		}
		check(r == 0);
	}
	object_clear(&item.state);
	return 0;
}
