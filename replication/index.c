/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/index.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/db.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS object(id INTEGER PRIMARY KEY, state BLOB, handle BLOB);"
	"CREATE TABLE IF NOT EXISTS change(stamp INTEGER, id INTEGER, PRIMARY KEY(stamp, id))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS conflict(id INTEGER PRIMARY KEY);"
	"CREATE TABLE IF NOT EXISTS removed(stamp INTEGER, id INTEGER, PRIMARY KEY(stamp, id))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS inside(dir INTEGER, id INTEGER, PRIMARY KEY(dir, id))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS value(name BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID;";

struct index {
	pthread_mutex_t lock; /* guards the connection, not the transaction */
	char *path;
	struct db *db;
	struct db_stmt *get, *put, *delete, *change_put, *change_delete, *changes, *change_count,
		*ids;
	struct db_stmt *conflict_put, *conflict_delete, *conflicts;
	struct db_stmt *removed, *removed_put, *removed_delete;
	struct db_stmt *inside, *inside_put, *inside_delete;
	struct db_stmt *value_get, *value_put;
};

int index_open(const char *path, struct index **ret, char *error, size_t size)
{
	struct index *ix = calloc(1, sizeof(*ix));

	if (!ix)
		return -ENOMEM;
	(void)pthread_mutex_init(&ix->lock, NULL);
	ix->path = strdup(path);
	int r = db_open(path, schema, &ix->db, error, size);
	const struct {
		const char *sql;
		struct db_stmt **stmt;
	} all[] = {
		{"SELECT state, handle FROM object WHERE id=?1", &ix->get},
		{"INSERT OR REPLACE INTO object VALUES(?1,?2,?3)", &ix->put},
		{"DELETE FROM object WHERE id=?1", &ix->delete},
		{"INSERT OR REPLACE INTO change VALUES(?1,?2)", &ix->change_put},
		{"DELETE FROM change WHERE stamp=?1 AND id=?2", &ix->change_delete},
		{"SELECT stamp, id FROM change WHERE (stamp, id)>(?1, ?2) AND stamp<=?3 "
		 "ORDER BY stamp, id LIMIT ?4",
		 &ix->changes},
		{"SELECT count(*) FROM change WHERE stamp>?1 AND stamp<=?2", &ix->change_count},
		{"SELECT id FROM object WHERE id>=?1 AND id<=?2 ORDER BY id LIMIT ?3", &ix->ids},
		{"INSERT OR REPLACE INTO conflict VALUES(?1)", &ix->conflict_put},
		{"DELETE FROM conflict WHERE id=?1", &ix->conflict_delete},
		{"SELECT id FROM conflict WHERE id>=?1 AND id<=?2 ORDER BY id LIMIT ?3",
		 &ix->conflicts},
		{"SELECT stamp, id FROM removed WHERE (stamp, id)>(?1, ?2) AND stamp<=?3 "
		 "ORDER BY stamp, id LIMIT ?4",
		 &ix->removed},
		{"INSERT OR REPLACE INTO removed VALUES(?1,?2)", &ix->removed_put},
		{"DELETE FROM removed WHERE stamp=?1 AND id=?2", &ix->removed_delete},
		{"SELECT 1 FROM inside WHERE dir=?1 LIMIT 1", &ix->inside},
		{"INSERT OR IGNORE INTO inside VALUES(?1,?2)", &ix->inside_put},
		{"DELETE FROM inside WHERE dir=?1 AND id=?2", &ix->inside_delete},
		{"SELECT data FROM value WHERE name=?1", &ix->value_get},
		{"INSERT OR REPLACE INTO value VALUES(?1,?2)", &ix->value_put},
	};
	for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		r = db_prepare(ix->db, all[i].sql, all[i].stmt);
	if (r < 0) {
		index_close(ix);
		return r;
	}
	*ret = ix;
	return 0;
}

void index_close(struct index *ix)
{
	if (!ix)
		return;
	db_close(ix->db);
	free(ix->path);
	(void)pthread_mutex_destroy(&ix->lock);
	free(ix);
}

int index_copy(const char *from, const char *to)
{
	return db_copy(from, to);
}

int index_snapshot(struct index *ix, struct index **ret)
{
	char error[256];
	struct index *snap;
	int r = index_open(ix->path, &snap, error, sizeof(error));

	if (r < 0)
		return r;
	/* The first read pins the view. */
	r = db_run(snap->db, "BEGIN; SELECT count(*) FROM value");
	if (r < 0) {
		index_close(snap);
		return r;
	}
	*ret = snap;
	return 0;
}

static int copy_blob(struct db_stmt *s, int column, uint8_t **ret, size_t *ret_size)
{
	const void *data = db_blob(s, column, ret_size);
	uint8_t *copy = malloc(*ret_size + 1);

	if (!copy)
		return -ENOMEM;
	if (*ret_size)
		memcpy(copy, data, *ret_size);
	*ret = copy;
	return 0;
}

int index_get(struct index *ix, uint64_t id, uint8_t **ret_state, size_t *ret_size,
	      struct store_handle *ret_handle)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(ix->get, 1, (int64_t)id);
	int r = db_step(ix->get);
	if (r != 1)
		return r < 0 ? r : MA_EUNKNOWN;
	size_t size;
	const void *handle = db_blob(ix->get, 1, &size);
	if (size > STORE_HANDLE_MAX) {
		db_reset(ix->get);
		return MA_ECORRUPT;
	}
	ret_handle->size = (uint8_t)size;
	if (size)
		memcpy(ret_handle->bytes, handle, size);
	r = copy_blob(ix->get, 0, ret_state, ret_size);
	db_reset(ix->get);
	return r;
}

int index_value_get(struct index *ix, const char *name, uint8_t **ret, size_t *ret_size)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_blob(ix->value_get, 1, name, strlen(name));
	int r = db_step(ix->value_get);
	if (r != 1)
		return r < 0 ? r : MA_EUNKNOWN;
	r = copy_blob(ix->value_get, 0, ret, ret_size);
	db_reset(ix->value_get);
	return r;
}

int index_begin(struct index *ix)
{
	AUTO_LOCK(held, &ix->lock);

	return db_run(ix->db, "BEGIN");
}

int index_commit(struct index *ix)
{
	AUTO_LOCK(held, &ix->lock);

	return db_run(ix->db, "COMMIT");
}

void index_rollback(struct index *ix)
{
	AUTO_LOCK(held, &ix->lock);
	int r = db_run(ix->db, "ROLLBACK");

	(void)r; /* it fails if there is nothing to take back, which is as good */
}

int index_put(struct index *ix, uint64_t id, const void *state, size_t size,
	      const struct store_handle *handle)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(ix->put, 1, (int64_t)id);
	db_bind_blob(ix->put, 2, state, size);
	db_bind_blob(ix->put, 3, handle->bytes, handle->size);
	return db_step(ix->put);
}

int index_delete(struct index *ix, uint64_t id)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(ix->delete, 1, (int64_t)id);
	return db_step(ix->delete);
}

/* A row of two numbers, into a table or out of it. */
static int pair_step(struct index *ix, struct db_stmt *s, uint64_t a, uint64_t b)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(s, 1, (int64_t)a);
	db_bind_int(s, 2, (int64_t)b);
	return db_step(s);
}

int index_change_put(struct index *ix, stamp_t stamp, uint64_t id)
{
	return pair_step(ix, ix->change_put, stamp, id);
}

int index_change_delete(struct index *ix, stamp_t stamp, uint64_t id)
{
	return pair_step(ix, ix->change_delete, stamp, id);
}

int index_removed_put(struct index *ix, stamp_t stamp, uint64_t id)
{
	return pair_step(ix, ix->removed_put, stamp, id);
}

int index_removed_delete(struct index *ix, stamp_t stamp, uint64_t id)
{
	return pair_step(ix, ix->removed_delete, stamp, id);
}

int index_inside_put(struct index *ix, uint64_t dir, uint64_t id)
{
	return pair_step(ix, ix->inside_put, dir, id);
}

int index_inside_delete(struct index *ix, uint64_t dir, uint64_t id)
{
	return pair_step(ix, ix->inside_delete, dir, id);
}

int index_inside(struct index *ix, uint64_t dir)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(ix->inside, 1, (int64_t)dir);
	int r = db_step(ix->inside);
	if (r == 1)
		db_reset(ix->inside);
	return r;
}

int index_conflict_set(struct index *ix, uint64_t id, bool has)
{
	AUTO_LOCK(held, &ix->lock);
	struct db_stmt *stmt = has ? ix->conflict_put : ix->conflict_delete;

	db_bind_int(stmt, 1, (int64_t)id);
	return db_step(stmt);
}

int index_value_put(struct index *ix, const char *name, const void *data, size_t size)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_blob(ix->value_put, 1, name, strlen(name));
	db_bind_blob(ix->value_put, 2, data, size);
	return db_step(ix->value_put);
}

/* Walks a table of stamps and ids. */
static int walk_stamps(struct index *ix, struct db_stmt *s, uint16_t slot, uint64_t last,
		       struct index_mark *after, uint64_t *ret_ids, size_t max)
{
	AUTO_LOCK(held, &ix->lock);
	int count = 0;
	int r;

	db_bind_int(s, 1, (int64_t)stamp_make(slot, after->seq));
	db_bind_int(s, 2, after->whole ? INT64_MAX : (int64_t)after->id);
	db_bind_int(s, 3, (int64_t)stamp_make(slot, last));
	db_bind_int(s, 4, (int64_t)max);
	while ((r = db_step(s)) == 1) {
		stamp_t stamp = (stamp_t)db_int(s, 0);
		ret_ids[count++] = (uint64_t)db_int(s, 1);
		*after = (struct index_mark){.seq = stamp_seq(stamp), .id = ret_ids[count - 1]};
	}
	return r < 0 ? r : count;
}

int index_changes(struct index *ix, uint16_t slot, struct index_mark *after, uint64_t *ret_ids,
		  size_t max)
{
	return walk_stamps(ix, ix->changes, slot, STAMP_SEQ_MAX, after, ret_ids, max);
}

int index_removed(struct index *ix, uint16_t slot, uint64_t last, struct index_mark *after,
		  uint64_t *ret_ids, size_t max)
{
	return walk_stamps(ix, ix->removed, slot, last, after, ret_ids, max);
}

int index_change_count(struct index *ix, uint16_t slot, uint64_t after, uint64_t *ret_sum)
{
	AUTO_LOCK(held, &ix->lock);

	db_bind_int(ix->change_count, 1, (int64_t)stamp_make(slot, after));
	db_bind_int(ix->change_count, 2, (int64_t)stamp_make(slot, STAMP_SEQ_MAX));
	int r = db_step(ix->change_count);
	if (r != 1)
		return r < 0 ? r : MA_ECORRUPT;
	*ret_sum += (uint64_t)db_int(ix->change_count, 0);
	db_reset(ix->change_count);
	return 0;
}

/* Lock held. */
static int ids_between(struct db_stmt *ids, int64_t first, int64_t last, uint64_t *ret_ids,
		       size_t max)
{
	int count = 0;
	int r;

	db_bind_int(ids, 1, first);
	db_bind_int(ids, 2, last);
	db_bind_int(ids, 3, (int64_t)max);
	while ((r = db_step(ids)) == 1)
		ret_ids[count++] = (uint64_t)db_int(ids, 0);
	return r < 0 ? r : count;
}

/* Lock held. */
static int ids_after(struct db_stmt *ids, uint64_t after, uint64_t *ret_ids, size_t max)
{
	int64_t first = (int64_t)(after + 1);
	int count = 0;

	if (after == UINT64_MAX)
		return 0;
	/* To the database the upper half of the ids is negative, and comes first. */
	if (first >= 0) {
		count = ids_between(ids, first, INT64_MAX, ret_ids, max);
		first = INT64_MIN;
	}
	if (count < 0 || (size_t)count == max)
		return count;
	int more = ids_between(ids, first, -1, ret_ids + count, max - (size_t)count);
	return more < 0 ? more : count + more;
}

int index_ids(struct index *ix, uint64_t after, uint64_t *ret_ids, size_t max)
{
	AUTO_LOCK(held, &ix->lock);

	return ids_after(ix->ids, after, ret_ids, max);
}

int index_conflicts(struct index *ix, uint64_t after, uint64_t *ret_ids, size_t max)
{
	AUTO_LOCK(held, &ix->lock);

	return ids_after(ix->conflicts, after, ret_ids, max);
}
