/* SPDX-License-Identifier: Apache-2.0
 * The pool file: which pool a state directory belongs to, where its tree is, our incarnation.
 * Plain values.
 * Any thread; blocks on the disk.
 * Invariant: the file is replaced whole; the same pool id stands in the backing directory, so that
 * an empty or foreign directory is recognised.
 */
#ifndef REPLICATION_POOL_FILE_H
#define REPLICATION_POOL_FILE_H

#include "replication/engine.h"

#define INCARNATION_LAST (SLOT_INCARNATIONS - 1)

struct pool_file {
	uint64_t id;
	char name[FLEET_NAME_MAX + 1];
	char backing[256];
	uint16_t incarnation;
	uint8_t store[16]; /* random; the same in the backing directory's reserved directory */
};

MUST_CHECK int pool_file_read(const char *dir, struct pool_file *ret);
MUST_CHECK int pool_file_write(const char *dir, const struct pool_file *file);
/* Leaving: journal, index and all but the note of our incarnation go. */
MUST_CHECK int pool_file_forget(const char *dir);
/* Joining: removes what is left, and goes on behind the incarnation that wrote to this pool. */
MUST_CHECK int pool_file_renew(const char *dir, struct pool_file *file);
/* Marks the backing directory as this pool's. */
MUST_CHECK int pool_store_mark(const struct pool_file *file);
/* Ends that: the directory is plain files again. */
void pool_store_unmark(const struct pool_file *file);
/* True if the directory belongs to a pool, this or another. */
bool pool_store_marked(const char *backing);
/* MA_ESTORE, with the reason in `error`, unless the directory is there and marked as ours. */
MUST_CHECK int pool_store_check(const struct pool_file *file, char *error, size_t size);

#endif
