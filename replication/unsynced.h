/* SPDX-License-Identifier: Apache-2.0
 * Files whose bytes the journal only names: they have to be on disk before a sync of the journal
 * promises anything about them.
 * The pool owns the list.
 * Any thread; a lock of its own, held only for moments.
 * Invariant: a file that was noted, and not synced since, is in the list, or all of them are meant.
 */
#ifndef REPLICATION_UNSYNCED_H
#define REPLICATION_UNSYNCED_H

#include "replication/engine.h"

#define UNSYNCED_MAX 64 /* files; with more the file system is synced instead */

MUST_CHECK int unsynced_new(struct unsynced **ret);
void unsynced_free(struct unsynced *u);
/* Bytes that the journal names stand in the file now. */
void unsynced_note(struct pool *p, const struct store_handle *handle);
/* How many were noted so far; are so many synced? */
uint64_t unsynced_now(struct pool *p);
bool unsynced_done(struct pool *p, uint64_t noted);
/* Syncs all that were noted so far. One at a time. */
MUST_CHECK int unsynced_sync(struct pool *p);

#endif
