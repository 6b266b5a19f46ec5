/* SPDX-License-Identifier: Apache-2.0
 * Peers' changes on their way to the kernel's caches: a bounded queue without repetitions, and the
 * answer to "did this change while a request was being served?".
 * Owns the queued changes; a batch taken belongs to the taker.
 * Any thread. The queue's lock is held only for moments and never while the kernel is called.
 * Invariant: what the kernel was told before a change is told to forget after it was told.
 *
 * A request notes changes_now() before it looks at the pool. After its answer has left, it asks
 * changes_settle_x(): if the thing changed in between, the notice may have overtaken the answer,
 * so the change is queued again. Docs: docs/decisions/0006-mount-caches.md.
 */
#ifndef FUSE_CHANGES_H
#define FUSE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "fuse/known.h"

#define CHANGES_MAX 65536u /* queued; beyond, one change stands for everything */

enum change_kind {
	CHANGE_ATTR,       /* attributes of `id` */
	CHANGE_INODE,      /* attributes and content of `id` */
	CHANGE_ENTRY,      /* `name` in directory `id` */
	CHANGE_EVERYTHING, /* the queue was full: all ids and names */
};

struct change {
	struct change *next;  /* in the queue or batch */
	struct change *chain; /* in the table */
	uint64_t hash;
	uint64_t id;
	enum change_kind kind;
	char name[]; /* empty unless CHANGE_ENTRY */
};

struct changes;

MUST_CHECK int changes_new(struct changes **ret);
void changes_free(struct changes *changes);

/* What the pool says. Never blocks for longer than the queue's lock. */
void changes_inode(struct changes *changes, uint64_t id, bool attr_only);
void changes_entry(struct changes *changes, uint64_t parent, const char *name);

/* The kernel is about to be told of this id, as an entry of `parent`. */
void changes_known(struct changes *changes, uint64_t parent, uint64_t id);
/* The kernel was told of the object at some time. */
bool changes_knows(struct changes *changes, uint64_t id);
/* The directory through which it was told of the id last; 0: not remembered. */
uint64_t changes_told_by(struct changes *changes, uint64_t id);

uint64_t changes_now(struct changes *changes);
void changes_settle_inode(struct changes *changes, uint64_t since, uint64_t id);
void changes_settle_entry(struct changes *changes, uint64_t since, uint64_t parent,
			  const char *name);

/* Queues without a peer's change: what the kernel holds of this content is wrong. */
void changes_again(struct changes *changes, uint64_t id);

/* Waits for changes and takes them all. NULL once changes_stop() was called. */
struct change *changes_take(struct changes *changes);
void changes_stop(struct changes *changes);
void change_free(struct change *batch);

/* As known_walk(), under the lock. */
bool changes_walk(struct changes *changes, size_t *at, uint64_t ret[KNOWN_PAGE_IDS],
		  size_t *ret_count);
/* False if not every id that the kernel may know can be named any more. Takes no lock. */
bool changes_exact(struct changes *changes);

#endif
