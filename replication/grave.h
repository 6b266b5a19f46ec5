/* SPDX-License-Identifier: Apache-2.0
 * Files that a peer removed stay openable for a moment: between the kernel's look-up of a name and
 * the open that follows, a local disk holds the inode, and so do we, under a name in the private
 * directory. The pool owns the list; what a crash left is removed at the next start. grave_keep():
 * object locks held. grave_clean(): worker thread, or while the pool opens and closes. Invariant:
 * only what the kernel knows costs anything, and no more than GRAVES_MAX are kept.
 */
#ifndef REPLICATION_GRAVE_H
#define REPLICATION_GRAVE_H

#include "replication/engine.h"

#define GRAVES_MAX 1024
#define GRAVE_MS   2000

/* The entry, which is of this object, is about to go by a peer's doing. */
void grave_keep(struct pool *p, const struct object *o, const struct object *dir, const char *name);
/* The last name of an object that has attributes is about to go: their values can be found until a
 * flush has put them into the index. */
void grave_keep_values(struct pool *p, const struct object *o, const struct object *dir,
		       const char *name);
/* What has these values; false: nothing was kept. */
bool grave_find_values(struct pool *p, uint64_t id, struct store_handle *ret);
/* The object was made again: it gets the values that were kept, if any. */
MUST_CHECK int grave_give_back(struct pool *p, const struct object *o);
/* How many are kept so now; after a flush these may go. SIZE_MAX: all, also of an earlier process.
 */
size_t grave_values(struct pool *p);
void grave_values_flushed(struct pool *p, size_t count);
/* Removes those that have lain long enough. */
void grave_clean(struct pool *p, uint64_t now_ms);
/* Removes what an earlier process left, makes the list; removes all. */
MUST_CHECK int grave_begin(struct pool *p);
void grave_end(struct pool *p);

#endif
