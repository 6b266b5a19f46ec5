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
/* Removes those that have lain long enough. */
void grave_clean(struct pool *p, uint64_t now_ms);
/* Removes what an earlier process left, makes the list; removes all. */
MUST_CHECK int grave_begin(struct pool *p);
void grave_end(struct pool *p);

#endif
