/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#define NAME_BYTES 4096 /* a new name: a directory's block, a row of the index */

uint64_t room_reserve(uint64_t total)
{
	uint64_t share = total / ROOM_RESERVE_SHARE;

	if (share < ROOM_RESERVE_MIN)
		return ROOM_RESERVE_MIN;
	return share < ROOM_RESERVE_MAX ? share : ROOM_RESERVE_MAX;
}

int room_take(struct pool *p, uint64_t bytes)
{
	struct statvfs st;

	if (__atomic_sub_fetch(&p->room_left, (int64_t)bytes, __ATOMIC_RELAXED) >= 0)
		return 0;
	/* Where it cannot be measured, the calls themselves will say. */
	if (statvfs(p->dir, &st) < 0)
		return 0;
	uint64_t reserve = room_reserve((uint64_t)st.f_blocks * st.f_frsize);
	uint64_t free = (uint64_t)st.f_bavail * st.f_frsize;
	if (free < reserve + bytes)
		return -ENOSPC;
	free -= reserve + bytes;
	__atomic_store_n(&p->room_left, (int64_t)(free < ROOM_STEP ? free : ROOM_STEP),
			 __ATOMIC_RELAXED);
	return 0;
}

static uint64_t needs(const struct record *rec)
{
	switch (rec->kind) {
	case REC_MAKE:
	case REC_LINK:
		return NAME_BYTES;
	case REC_WRITE:
	case REC_EXTENT:
		return rec->data_size;
	case REC_FALLOCATE:
		return rec->mode & FALLOC_FL_PUNCH_HOLE ? 0 : rec->length;
	case REC_XATTR:
		return rec->flags & REC_F_REMOVE ? 0 : NAME_BYTES;
	default:
		return 0;
	}
}

int room_for_record(struct pool *p, const struct record *rec)
{
	uint64_t bytes = needs(rec);

	return bytes ? room_take(p, bytes) : 0;
}

int room_for_batch(struct pool *p, const struct batch *batch)
{
	uint64_t bytes =
		batch->records_size + batch->apart_size + batch->count * (uint64_t)NAME_BYTES;
	struct batch_walk walk;
	struct record rec;
	int r;

	/* Only where it is tight is it worth to look what the records do. */
	if (room_take(p, bytes) == 0)
		return 0;
	bytes = 0;
	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1)
		bytes += needs(&rec);
	return r == 0 && bytes ? room_take(p, bytes) : r;
}
