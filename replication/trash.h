/* SPDX-License-Identifier: Apache-2.0
 * What peers removed stays here for a while: some minutes always, days if it was so much that
 * somebody may have made a mistake (the brake). The removal itself is not held up: all nodes show
 * the same tree. The pool owns the list; the files lie in `.multiall/trash`, each with its path as
 * an attribute. trash_keep(): object locks held. trash_tick(): worker thread. The others: any
 * thread, no lock held. Invariant: what is kept is found again after a crash; only disk space
 * limits how much that is.
 */
#ifndef REPLICATION_TRASH_H
#define REPLICATION_TRASH_H

#include "replication/engine.h"

#define TRASH_MAX        1000000 /* kept without the brake; the oldest goes first */
#define TRASH_PATH_XATTR RECORD_OWN_XATTRS "path"

/* Removals by peers, counted. */
struct brake {
	uint64_t since_ms, last_ms; /* the first and the last that count */
	uint64_t removed;
	uint64_t files; /* in the pool before the first */
	bool on;
};

/* When it is to come on: settings of the pool. */
struct brake_rule {
	uint64_t files; /* more than so many; 0: never */
	uint64_t share; /* and more per cent than this */
	uint64_t window_ms;
};
/* One more is removed of so many that there are now. True: the brake comes on with it. Pure. */
bool brake_note(struct brake *b, const struct brake_rule *rule, uint64_t now_ms, uint64_t files);

/* Before open_parts' tree is used: makes the directory, counts what is there. */
MUST_CHECK int trash_begin(struct pool *p);
void trash_end(struct pool *p);
/* The name, perhaps the last one of this file, is about to go by a peer's doing. */
void trash_keep(struct pool *p, const struct object *o, const struct object *dir,
		const char *shown);
/* What has lain long enough goes; at most every second. */
void trash_tick(struct pool *p, uint64_t now_ms);

struct trash_entry {
	const char *path; /* below the mount; borrowed */
	int64_t removed_ns;
	uint64_t bytes;
	bool braked; /* kept for days */
};

/* Calls fn for each until it returns not 0, which is returned then. */
MUST_CHECK int trash_each(struct pool *p, int (*fn)(void *arg, const struct trash_entry *entry),
			  void *arg);
/* Brings back what lay at this path or below it (NULL: all that the brake kept), as new files; fn
 * is told of each, with 0 or what was in the way. */
MUST_CHECK int trash_restore(struct pool *p, const char *path,
			     void (*fn)(void *arg, const char *path, int code), void *arg);
/* Lets all of it go. */
MUST_CHECK int trash_empty(struct pool *p);
/* How many are kept by the brake. */
uint64_t trash_braked(struct pool *p);

#endif
