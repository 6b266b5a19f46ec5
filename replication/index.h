/* SPDX-License-Identifier: Apache-2.0
 * The index of a pool: encoded objects by id, stamps of changes, and a few named values.
 * Owns one SQLite database. It is a view: journal and tree can rebuild it.
 * Any thread (one lock inside). Returned memory is the caller's (free()).
 * Invariant: the value "position" and the rows are written in one transaction.
 */
#ifndef REPLICATION_INDEX_H
#define REPLICATION_INDEX_H

#include "replication/stamp.h"
#include "replication/store.h"

struct index;

MUST_CHECK int index_open(const char *path, struct index **ret, char *error, size_t size);
void index_close(struct index *ix);
/* The index at `from` as last committed, into a new file; not synced. */
MUST_CHECK int index_copy(const char *from, const char *to);
/* A second view that stands still: what was committed at this moment. Ends with index_close(). */
MUST_CHECK int index_snapshot(struct index *ix, struct index **ret);

/* MA_EUNKNOWN if there is no such row. */
MUST_CHECK int index_get(struct index *ix, uint64_t id, uint8_t **ret_state, size_t *ret_size,
			 struct store_handle *ret_handle);
MUST_CHECK int index_value_get(struct index *ix, const char *name, uint8_t **ret, size_t *ret_size);

/* Between begin and commit, one writer; readers go on and see what was put. */
MUST_CHECK int index_begin(struct index *ix);
MUST_CHECK int index_commit(struct index *ix);
/* Instead of a commit, or after one that failed: nothing since the begin has happened. */
void index_rollback(struct index *ix);
MUST_CHECK int index_put(struct index *ix, uint64_t id, const void *state, size_t size,
			 const struct store_handle *handle);
MUST_CHECK int index_delete(struct index *ix, uint64_t id);
MUST_CHECK int index_change_put(struct index *ix, stamp_t stamp, uint64_t id);
MUST_CHECK int index_change_delete(struct index *ix, stamp_t stamp, uint64_t id);
/* Whether the object is one of index_conflicts(). */
MUST_CHECK int index_conflict_set(struct index *ix, uint64_t id, bool has);
/* Removed objects, each under its latest stamp, until their rows go (forget.h); and for each
 * directory the objects that have a name in it which is not shown. */
MUST_CHECK int index_removed_put(struct index *ix, stamp_t stamp, uint64_t id);
MUST_CHECK int index_removed_delete(struct index *ix, stamp_t stamp, uint64_t id);
MUST_CHECK int index_inside_put(struct index *ix, uint64_t dir, uint64_t id);
MUST_CHECK int index_inside_delete(struct index *ix, uint64_t dir, uint64_t id);
MUST_CHECK int index_value_put(struct index *ix, const char *name, const void *data, size_t size);

/* How far a walk over the changes of one slot has come: behind the change of this number, or only
 * behind this id among several objects that one record changed. */
struct index_mark {
	uint64_t seq;
	uint64_t id;
	bool whole;
};

/* Ids changed by `slot` behind the mark, up to `max` of them; moves the mark. Returns how many. */
MUST_CHECK int index_changes(struct index *ix, uint16_t slot, struct index_mark *after,
			     uint64_t *ret_ids, size_t max);
/* Adds how many changes of `slot` there are behind this number. */
MUST_CHECK int index_change_count(struct index *ix, uint16_t slot, uint64_t after,
				  uint64_t *ret_sum);
/* Removed objects of `slot` behind the mark, up to number `last` and `max` of them. */
MUST_CHECK int index_removed(struct index *ix, uint16_t slot, uint64_t last,
			     struct index_mark *after, uint64_t *ret_ids, size_t max);
/* 1: names that are not shown are in this directory. */
MUST_CHECK int index_inside(struct index *ix, uint64_t dir);
/* Ids greater than `after`, up to `max`: to walk over all objects. */
MUST_CHECK int index_ids(struct index *ix, uint64_t after, uint64_t *ret_ids, size_t max);
/* The same, of those that have a conflict. */
MUST_CHECK int index_conflicts(struct index *ix, uint64_t after, uint64_t *ret_ids, size_t max);

#endif
