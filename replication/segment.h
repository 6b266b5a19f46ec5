/* SPDX-License-Identifier: Apache-2.0
 * One file of the journal: a head with a salt, then frames.
 * The journal owns segments and serialises writes; reads may run beside them.
 * Any thread under those rules. Errors are -errno or MA_ECORRUPT.
 * Invariant: a frame counts only with the checksum salted by its segment and position, so that
 * bytes left over from an earlier life of the file never read as frames.
 */
#ifndef REPLICATION_SEGMENT_H
#define REPLICATION_SEGMENT_H

#include <sys/uio.h>

#include "replication/journal.h"

struct segment {
	uint64_t index; /* from 1 */
	int fd;
	uint64_t salt;
	uint64_t open_from;  /* first own record without a batch when the segment began */
	stamp_t open_last;   /* the last of these records; 0: there are none */
	struct vector start; /* what was complete when it began */
	size_t written;      /* so far its blocks have been written once */
};

/* Blocks that are only reserved make each fdatasync(2) write the file system's tables, too: zeros
 * go ahead of the frames, so many at once. */
#define SEGMENT_AHEAD (256u << 10)

/* Creates the file (or takes over `recycled`, a path, by rename if it is still there) with `size`
 * bytes reserved. */
MUST_CHECK int segment_create(const char *dir, uint64_t pool, uint64_t index, size_t size,
			      const char *recycled, struct segment *ret);
/* Writes the head anew: open_from and start are known only when the segment is begun. */
MUST_CHECK int segment_write_head(struct segment *s, uint64_t pool, size_t size);
/* MA_ECORRUPT for a head that is not of this pool, index and size. */
MUST_CHECK int segment_open(const char *dir, uint64_t pool, uint64_t index, size_t size,
			    struct segment *ret);
/* Indexes of the files that are there, in order; ret is the caller's. */
MUST_CHECK int segment_list(const char *dir, uint64_t **ret, size_t *ret_count);
/* Nothing was ever written into it, not even a head. */
bool segment_is_blank(const char *dir, uint64_t index);
void segment_path(const char *dir, uint64_t index, char *ret, size_t ret_size);

/* Before a frame that ends at the offset `end`. */
MUST_CHECK int segment_prepare(struct segment *s, size_t end, size_t segment_size);
/* `pos` is the frame's position in the journal, `offset` the same in the file. */
MUST_CHECK int segment_put(const struct segment *s, off_t offset, uint64_t pos,
			   enum journal_kind kind, const struct iovec *parts, int count);
/* Reads head and payload (payload into *buffer, grown as needed). 1, 0 for no valid frame. */
MUST_CHECK int segment_get(const struct segment *s, off_t offset, uint64_t pos, size_t segment_size,
			   struct journal_reader *reader, struct journal_frame *ret);

/* Nothing is left from `offset` on; the room stays reserved. */
MUST_CHECK int segment_clear_from(struct segment *s, off_t offset, size_t segment_size);

#endif
