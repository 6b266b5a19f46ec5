/* SPDX-License-Identifier: Apache-2.0
 * One object as another node has it: what a catch-up by state sends of each.
 * A decoded item borrows attributes and data from the bytes that it was read from; its `state` is
 * the caller's, who ends with object_clear().
 * Any thread; pure.
 * Invariant: what item_read() lets pass is whole: its attributes can be walked to the end.
 */
#ifndef REPLICATION_ITEM_H
#define REPLICATION_ITEM_H

#include "replication/object_state.h"

#define ITEM_INLINE_MAX (128u << 10) /* contents up to this travel with the state */

struct item {
	struct object state;
	const uint8_t *xattrs; /* u16 count, of each: blob16 name, u8 present, u64 stamp, value */
	size_t xattrs_size;
	bool has_data;
	uint64_t size; /* of the content; holes at the end are not in data */
	const uint8_t *data;
	size_t data_size;
};

/* CATCHUP_ITEM's body behind the pool's id. MA_ECORRUPT; `ret` is to be cleared in any case. */
MUST_CHECK int item_read(const void *bytes, size_t size, struct item *ret);

/* Walks the attributes. */
struct item_xattrs {
	struct rd rd;
	uint16_t left;
};

struct item_xattr {
	char name[256];
	size_t name_size;
	bool present; /* false: it was removed */
	stamp_t stamp;
	const uint8_t *value;
	size_t size;
};

void item_xattrs_init(struct item_xattrs *walk, const struct item *item);
/* 1: `ret` is the next, 0: end, MA_ECORRUPT. */
MUST_CHECK int item_xattrs_next(struct item_xattrs *walk, struct item_xattr *ret);

#endif
