/* SPDX-License-Identifier: Apache-2.0
 * Own records that have no batch yet: as they will stand in it, where they stand in the journal,
 * and the bytes that they name and do not carry. The journal owns it, under its lock. Invariant:
 * the stream of bytes apart has one entry for each EXTENT, in their order.
 */
#ifndef REPLICATION_OPEN_RECORDS_H
#define REPLICATION_OPEN_RECORDS_H

#include <sys/uio.h>

#include "replication/batch.h"

struct open_records {
	uint8_t *records; /* u32 size, record, one behind the other */
	size_t size, capacity;
	uint64_t *pos; /* their positions */
	size_t count, pos_capacity;
	uint8_t *apart; /* as struct batch has it */
	size_t apart_size, apart_capacity;
};

void open_records_free(struct open_records *o);
/* Room for one record of `size` bytes, and the bytes that it names. */
MUST_CHECK int open_records_reserve(struct open_records *o, size_t size, size_t apart);
/* `parts` are the encoded record; the bytes of an EXTENT are taken from `data`, if not NULL. */
void open_records_add(struct open_records *o, uint64_t pos, const struct iovec *parts, int count,
		      const void *data);
/* The record at this offset becomes a VOID. Returns how many bytes apart went with it, which were
 * those at `apart`. */
size_t open_records_void(struct open_records *o, size_t offset, size_t apart);
/* The encoded record of a position; NULL: none. */
uint8_t *open_records_find(struct open_records *o, uint64_t pos, size_t *ret_size);
/* The first records that make a batch, of those before `limit`: counts and sizes into `batch`. */
void open_records_measure(const struct open_records *o, size_t limit, struct batch *batch);
/* The same for exactly so many. False: there are not. */
bool open_records_count(const struct open_records *o, uint32_t count, struct batch *batch);
/* Removes what was measured. */
void open_records_drop(struct open_records *o, const struct batch *batch);

#endif
